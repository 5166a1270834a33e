"""An account's orders, market by market, and what they may still cost."""

from __future__ import annotations

import pytest
from tests.engine.desk import ALICE, BOB, ELSEWHERE, USDC, WSX, A, B, Desk, hashes

from overround.engine import invariants


@pytest.mark.row("EXP-01", "EXP-02")
def test_exposure_adds_up_both_outcomes_of_a_market(desk: Desk) -> None:
    desk.rest(size=30, one=True)
    desk.rest(size=25, one=False)
    assert desk.exposure(ALICE, A) == 55


@pytest.mark.row("EXP-03")
def test_markets_tokens_and_accounts_do_not_add_up(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    desk.rest(ALICE, A, 30)
    desk.rest(ALICE, B, 40)
    desk.rest(ALICE, A, 50, token=WSX)
    desk.rest(BOB, A, 60)
    assert [desk.exposure(ALICE, A), desk.exposure(ALICE, B), desk.exposure(BOB, A)] == [30, 40, 60]
    assert desk.exposure(ALICE, A, WSX) == 50


def test_exposure_falls_with_every_order_that_ends(desk: Desk) -> None:
    first, second = desk.rest(size=30), desk.rest(size=25, one=False)
    desk.do(desk.cancel(ALICE, first))
    assert desk.exposure(ALICE, A) == 25
    desk.do(desk.cancel(ALICE, second))
    assert desk.exposure(ALICE, A) == 0


def test_whoever_never_posted_is_exposed_to_nothing(desk: Desk) -> None:
    assert desk.engine.state.accounts[ALICE].exposure(USDC.address, A) == 0
    assert list(desk.engine.state.accounts[ALICE].live_orders()) == []


def test_live_orders_are_found_by_market_in_every_token(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    in_usdc, in_wsx, elsewhere = desk.rest(), desk.rest(token=WSX), desk.rest(ALICE, ELSEWHERE)
    account = desk.engine.state.accounts[ALICE]
    assert {order.terms.order_hash for order in account.live_orders_of(A)} == set(hashes(in_usdc, in_wsx))
    assert {order.terms.order_hash for order in account.live_orders()} == set(hashes(in_usdc, in_wsx, elsewhere))


def test_a_position_is_given_up_with_its_last_order(desk: Desk) -> None:
    order = desk.rest()
    account = desk.engine.state.accounts[ALICE]
    assert A in account.positions[USDC.address]
    desk.do(desk.cancel(ALICE, order))
    assert A not in account.positions[USDC.address]


@pytest.mark.parametrize("position_size", [1, 3, 64, 65, 150])
def test_any_order_of_a_large_position_can_leave_it(desk: Desk, position_size: int) -> None:
    desk.fund(ALICE, 10_000)
    orders = [desk.order() for _ in range(position_size)]
    desk.place(*orders)
    for order in (orders.pop(position_size // 2), *orders[::-7], *orders[:1]):
        desk.do(desk.cancel(ALICE, order))
    invariants.check(desk.engine.state)
