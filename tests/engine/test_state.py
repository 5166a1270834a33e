"""The memory of the venue, and that its indexes move together."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, MATCH, START_S, WSX, A, B, Desk, hashes, market, number

from overround.engine import invariants
from overround.engine.commands import CreateMarket, UpdateFixture
from overround.engine.engine import Engine
from overround.engine.order import OrderState, Trigger
from overround.engine.state import State


def test_an_account_is_made_when_it_is_first_needed() -> None:
    state = State()
    account = state.account(ALICE)
    assert state.account(ALICE) is account
    assert list(state.accounts) == [ALICE]


@pytest.mark.row("ORD-15")
def test_a_hash_is_known_for_ever(desk: Desk) -> None:
    order = desk.order()
    state = desk.engine.state
    assert not state.is_known(order.order_hash)
    desk.place(order)
    assert state.is_known(order.order_hash)
    desk.do(desk.cancel(ALICE, order))
    assert state.is_known(order.order_hash)
    assert order.order_hash not in state.orders


def test_the_orders_of_a_market_are_listed_by_age_whoever_posted_them(desk: Desk) -> None:
    desk.fund(BOB, 100, WSX)
    orders = [desk.rest(ALICE, A), desk.rest(BOB, A, token=WSX), desk.rest(ALICE, A, one=False), desk.rest(BOB, A)]
    desk.rest(ALICE, B)
    assert [one.terms.order_hash for one in desk.engine.state.orders_of_market(A)] == hashes(*orders)


@pytest.mark.parametrize(
    ("trigger", "state"),
    [(Trigger.SUSPEND, OrderState.SUSPENDED), (Trigger.EXHAUST, OrderState.HELD)],
)
def test_an_order_off_the_book_is_alive_but_does_not_count(desk: Desk, trigger: Trigger, state: OrderState) -> None:
    desk.rest(size=30)
    memory = desk.engine.state
    (order,) = memory.orders.values()
    event = memory.change(order, trigger, desk.now_ms)
    assert (event.state, event.trigger, event.update_time_ms) == (state, trigger, desk.now_ms + 1)
    assert desk.exposure(ALICE) == 0
    assert desk.book() == []
    invariants.check(memory)
    memory.change(order, Trigger.RESTORE if trigger is Trigger.SUSPEND else Trigger.FAIL, desk.now_ms)
    assert desk.exposure(ALICE) == 30
    assert desk.book() == [order.terms.order_hash]
    invariants.check(memory)
    memory.change(order, Trigger.CANCEL, desk.now_ms)
    invariants.check(memory)


def test_a_transition_that_is_not_in_the_table_is_an_error(desk: Desk) -> None:
    desk.rest()
    (order,) = desk.engine.state.orders.values()
    with pytest.raises(KeyError):
        desk.engine.state.change(order, Trigger.RESTORE, desk.now_ms)


def test_equal_identifiers_are_one_object_however_they_came(desk: Desk) -> None:
    """A decoded command brings copies of its own; a million orders must not keep them all."""
    for _ in range(2):
        order = desk.order(expires_in_s=100)
        desk.place(msgspec.json.decode(msgspec.json.encode(order), type=type(order)))
    first, second = desk.engine.state.orders.values()
    for name in ("maker", "market_hash", "base_token"):
        assert getattr(first.terms, name) is getattr(second.terms, name)


def test_the_markets_of_a_fixture_are_listed_in_the_order_of_creation(desk: Desk) -> None:
    new: CreateMarket = market(type(A)(number(32, "new")))
    before = list(desk.engine.state.markets_of[MATCH])
    desk.do(new)
    desk.do(UpdateFixture(fixture_id=MATCH, game_time_s=START_S + 60))
    assert desk.engine.state.markets_of[MATCH] == [*before, new.market_hash]


def test_a_fresh_state_is_sound() -> None:
    invariants.check(Engine().state)
