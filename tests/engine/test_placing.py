"""Posting orders: who is admitted, in which order, and why not."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, WSX, A, B, C, Desk, hashes, number

from overround.engine.rejections import Rejection
from overround.engine.types import MarketHash

ACCEPTED = "accepted"
TOO_MUCH = Rejection.INSUFFICIENT_BALANCE


@pytest.mark.row("EXP-01", "EXP-02", "EXP-03", "EXP-04")
def test_the_whole_balance_may_be_offered_on_every_market(desk: Desk) -> None:
    """The worked example of spec/sx.md 7.6: balance 100, three markets, all of it valid."""
    orders = [
        desk.order(ALICE, A, 50, one=True),
        desk.order(ALICE, A, 50, one=False),
        desk.order(ALICE, B, 100, one=True),
        desk.order(ALICE, C, 50, one=True),
        desk.order(ALICE, C, 50, one=False),
    ]
    assert desk.place(*orders) == [ACCEPTED] * 5
    assert [desk.exposure(ALICE, market) for market in (A, B, C)] == [100, 100, 100]


@pytest.mark.row("EXP-05")
@pytest.mark.parametrize("one", [True, False])
@pytest.mark.parametrize("market", [A, B, C])
def test_one_more_base_unit_on_any_of_them_is_too_much(desk: Desk, market: MarketHash, one: bool) -> None:
    desk.place(*(desk.order(ALICE, each, 100, one=not one) for each in (A, B, C)))
    assert desk.place(desk.order(ALICE, market, 1, one=one)) == [TOO_MUCH]
    assert [desk.exposure(ALICE, each) for each in (A, B, C)] == [100, 100, 100]


@pytest.mark.row("EXP-04", "EXP-05")
def test_an_order_too_many_leaves_the_rest_of_the_request_alone(desk: Desk) -> None:
    fits, exceeds, fits_exactly, other_market = (
        desk.order(ALICE, A, 60),
        desk.order(ALICE, A, 41),
        desk.order(ALICE, A, 40),
        desk.order(ALICE, B, 100),
    )
    answers = desk.place(fits, exceeds, fits_exactly, other_market)
    assert answers == [ACCEPTED, TOO_MUCH, ACCEPTED, ACCEPTED]
    assert desk.resting() == hashes(fits, fits_exactly, other_market)


def test_an_order_larger_than_the_balance_is_refused_at_once(desk: Desk) -> None:
    assert desk.place(desk.order(ALICE, A, 101)) == [TOO_MUCH]


def test_balances_of_other_tokens_and_other_people_do_not_help(desk: Desk) -> None:
    desk.fund(ALICE, 1_000, WSX)
    desk.fund(BOB, 1_000)
    assert desk.place(desk.order(ALICE, A, 101)) == [TOO_MUCH]
    assert desk.place(desk.order(CAROL, A, 1)) == [TOO_MUCH]


def test_room_that_a_cancel_made_can_be_used_again(desk: Desk) -> None:
    order = desk.rest(size=100)
    assert desk.place(desk.order(size=1)) == [TOO_MUCH]
    desk.do(desk.cancel(ALICE, order))
    desk.rest(size=100)


@pytest.mark.row("ORD-15")
def test_an_order_hash_is_used_once_within_a_request(desk: Desk) -> None:
    order = desk.order()
    assert desk.place(order, order) == [ACCEPTED, Rejection.ORDER_EXISTS]


@pytest.mark.row("ORD-15")
def test_an_order_hash_is_used_once_for_ever(desk: Desk) -> None:
    resting, cancelled, expired = desk.rest(), desk.rest(), desk.rest(expires_in_s=5)
    desk.do(desk.cancel(ALICE, cancelled))
    desk.wait(5)
    again = [msgspec.structs.replace(one, api_expiry=one.api_expiry + 60) for one in (resting, cancelled, expired)]
    assert desk.place(*again) == [Rejection.ORDER_EXISTS] * 3
    desk.reload()
    assert desk.place(*again) == [Rejection.ORDER_EXISTS] * 3


def test_a_refused_order_may_be_posted_later(desk: Desk) -> None:
    order = desk.order(size=101)
    assert desk.place(order, order) == [TOO_MUCH, TOO_MUCH]
    desk.fund(ALICE, 101)
    assert desk.place(order) == [ACCEPTED]


def test_orders_are_numbered_in_the_order_of_their_acceptance(desk: Desk) -> None:
    desk.place(desk.order(size=10), desk.order(size=1_000), desk.order(size=10))
    assert [order.number for order in desk.engine.state.orders.values()] == [1, 2]
    assert [order.accepted_at_ms for order in desk.engine.state.orders.values()] == [desk.now_ms] * 2


def test_nobody_becomes_an_account_by_being_refused(desk: Desk) -> None:
    """Every stranger who posted used to leave an account behind, for ever."""
    for stranger in range(5):
        maker = type(ALICE)(number(20, "stranger", stranger))
        assert desk.place(desk.order(maker, A, 1)) == [TOO_MUCH]
    assert desk.engine.state.accounts.keys() == {ALICE, BOB}


def test_there_is_no_market_of_that_name(desk: Desk) -> None:
    assert desk.place(desk.order(ALICE, MarketHash(bytes(32)))) == [Rejection.MARKET_NOT_BETTABLE]
