"""The check that guards all other tests must itself notice what is wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.engine.desk import ALICE, USDC, A, Desk, number

from overround.engine import invariants
from overround.engine.order import Order, OrderState
from overround.engine.state import State
from overround.engine.types import OrderHash


def first(state: State) -> Order:
    return next(iter(state.orders.values()))


def more_exposure(state: State) -> None:
    state.accounts[ALICE].positions[USDC.address][A].exposure += 1


def less_orders_on_the_account(state: State) -> None:
    state.accounts[ALICE].positions[USDC.address][A].orders.popitem()


def an_order_off_the_book(state: State) -> None:
    state.books[A][USDC.address].remove(first(state))


def a_better_price_at_the_end(state: State) -> None:
    side = state.books[A][USDC.address].side(first(state).side)
    list(side)  # as a taker would see it
    assert side._sorted is not None
    side._sorted.reverse()


def another_state(state: State) -> None:
    first(state).state = OrderState.SUSPENDED


def a_final_state(state: State) -> None:
    first(state).state = OrderState.CANCELLED


def more_filled_than_there_was(state: State) -> None:
    first(state).fill_amount = first(state).terms.total_bet_size + 1


def a_hash_used_up_and_alive(state: State) -> None:
    state.closed.add(first(state).terms.order_hash)


def a_hash_that_is_not_weighed(state: State) -> None:
    state.closed.add(OrderHash(number(32, "unweighed")))


def a_weight_too_many(state: State) -> None:
    state.weights.orders += 1


def a_request_that_is_not_weighed(state: State) -> None:
    state.replays.remember(b"\1" * 52, 1)


def an_order_nobody_will_expire(state: State) -> None:
    state.expiry.pop_next()


def an_order_out_of_turn(state: State) -> None:
    first(state).number += 10


def an_update_before_the_acceptance(state: State) -> None:
    first(state).update_time_ms = first(state).accepted_at_ms - 1


@pytest.mark.parametrize(
    "damage",
    [
        more_exposure,
        less_orders_on_the_account,
        an_order_off_the_book,
        a_better_price_at_the_end,
        another_state,
        a_final_state,
        more_filled_than_there_was,
        a_hash_used_up_and_alive,
        a_hash_that_is_not_weighed,
        a_weight_too_many,
        a_request_that_is_not_weighed,
        an_order_nobody_will_expire,
        an_order_out_of_turn,
        an_update_before_the_acceptance,
    ],
)
def test_damage_is_noticed(desk: Desk, damage: Callable[[State], None]) -> None:
    for odds in (50, 60, 40):
        desk.rest(odds=odds)
    desk.do(desk.cancel_all(ALICE))
    for odds in (50, 60, 40):
        desk.rest(odds=odds)
    invariants.check(desk.engine.state)
    damage(desk.engine.state)
    with pytest.raises(AssertionError):
        invariants.check(desk.engine.state)
