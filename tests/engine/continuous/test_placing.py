"""Placing orders: whom they meet, at which price, and what is left."""

from __future__ import annotations

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, OTHER_OF_ALICE, PERP, POOR, SPOT, Desk

from overround.engine.continuous.commands import SubmitOrders
from overround.engine.continuous.events import (
    MarkChanged,
    OrderEnded,
    OrderEntered,
    OrderRested,
    OrderTurnedAway,
    PositionChanged,
    Traded,
)
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.types import QUOTE, X18, EndCause, OrderType, PositionReason, TradingStatus

DEFAULT, IOC, FOK, POST_ONLY = OrderType.DEFAULT, OrderType.IOC, OrderType.FOK, OrderType.POST_ONLY


# ---- matching ------------------------------------------------------------------------------------------------------


@pytest.mark.row("P-16")
def test_the_best_price_is_met_first_and_then_the_earliest(desk: Desk) -> None:
    late, dear, early, best = (desk.rest(BOB, -1, 102), desk.rest(BOB, -1, 103), None, desk.rest(BOB, -1, 101))
    early = desk.rest(BOB, -2, 102)
    taker = desk.order(ALICE, 4, 102)
    assert desk.place(taker).trades == [
        (taker.digest, best.digest, 101 * X18, X18),
        (taker.digest, late.digest, 102 * X18, X18),
        (taker.digest, early.digest, 102 * X18, 2 * X18),
    ]
    assert desk.book() == ([], [(103, 1)])
    assert dear.digest in desk.state.orders


@pytest.mark.row("P-16")
@pytest.mark.parametrize("side", [1, -1])
def test_a_trade_happens_at_the_price_of_the_order_that_rested(desk: Desk, side: int) -> None:
    desk.rest(BOB, -side * 2, 100)
    desk.place(desk.order(ALICE, side * 2, 100 + side * 10))
    assert desk.balance(ALICE) == (side * 2, -side * 200)
    assert desk.balance(BOB) == (-side * 2, side * 200)
    assert desk.mark() == 100


@pytest.mark.row("P-05")
def test_a_default_order_rests_what_it_could_not_match(desk: Desk) -> None:
    desk.rest(BOB, -2, 101)
    desk.place(desk.order(ALICE, 5, 101))
    assert desk.book() == ([(101, 3)], [])


@pytest.mark.row("P-05")
def test_an_ioc_drops_what_it_could_not_match(desk: Desk) -> None:
    desk.rest(BOB, -2, 101)
    order = desk.order(ALICE, 5, 101, IOC)
    assert desk.place(order).ended == [(order.digest, EndCause.UNMATCHED, 3 * X18)]
    assert desk.book() == ([], [])


@pytest.mark.row("P-05")
def test_a_fok_takes_all_or_nothing(desk: Desk) -> None:
    desk.rest(BOB, -2, 101)
    desk.rest(BOB, -2, 102)
    assert desk.refused(ALICE, 5, 102, FOK) is R.NOT_FILLED_COMPLETELY
    assert desk.refused(ALICE, 3, 101, FOK) is R.NOT_FILLED_COMPLETELY
    assert desk.book() == ([], [(101, 2), (102, 2)])
    desk.place(desk.order(ALICE, 3, 102, FOK))
    assert desk.book() == ([], [(102, 1)])


@pytest.mark.row("P-05")
def test_a_post_only_order_never_takes(desk: Desk) -> None:
    desk.rest(BOB, -2, 101)
    assert desk.refused(ALICE, 1, 101, POST_ONLY) is R.POST_ONLY_CROSSES
    desk.rest(ALICE, 1, 100, order_type=POST_ONLY)


@pytest.mark.parametrize(("order_type", "rejection"), [(IOC, R.NOTHING_TO_MATCH), (FOK, R.NOT_FILLED_COMPLETELY)])
def test_an_immediate_order_that_found_nothing_is_used_up(desk: Desk, order_type: OrderType, rejection: R) -> None:
    """N9: 2013 on the next try, whatever is on the book by then."""
    desk.rest(BOB, -1, 102)
    order = desk.order(ALICE, 1, 101, order_type)
    (event,) = desk.events(SubmitOrders(orders=(order,)))
    assert event == OrderTurnedAway(0, order.digest, rejection, burnt=True)
    desk.rest(BOB, -1, 101)
    desk.reload()
    assert desk.refusal(SubmitOrders(orders=(order,))) is R.DIGEST_USED


def test_any_other_refused_order_may_be_sent_again(desk: Desk) -> None:
    desk.update(trading_status=TradingStatus.NOT_TRADABLE)
    order = desk.order(ALICE, 1, 100)
    assert desk.refusal(SubmitOrders(orders=(order,))) is R.MARKET_BLOCKED
    desk.update(trading_status=TradingStatus.LIVE)
    desk.place(order)


# ---- self-trade prevention -----------------------------------------------------------------------------------------


@pytest.mark.row("P-16")
def test_own_orders_make_way_and_are_never_traded_with(desk: Desk) -> None:
    mine, theirs, behind = desk.rest(ALICE, -1, 101), desk.rest(BOB, -1, 102), desk.rest(ALICE, -1, 103)
    order = desk.order(ALICE, 1, 103)
    answer = desk.place(order)
    assert answer.trades == [(order.digest, theirs.digest, 102 * X18, X18)]
    assert answer.ended == [(mine.digest, EndCause.SELF_TRADE, X18)]
    assert desk.open(ALICE) == [behind.digest]  # the order was filled before it came to this one


def test_an_order_that_crosses_only_own_orders_takes_their_place(desk: Desk) -> None:
    desk.rest(ALICE, -5, 101)
    order = desk.order(ALICE, 1, 101)
    assert [cause for _, cause, _ in desk.place(order).ended] == [EndCause.SELF_TRADE]
    assert desk.book() == ([(101, 1)], [])


def test_subaccounts_of_one_wallet_trade_with_each_other(desk: Desk) -> None:
    desk.rest(OTHER_OF_ALICE, -1, 101)
    assert len(desk.place(desk.order(ALICE, 1, 101)).trades) == 1


def test_own_orders_do_not_fill_and_are_kept_where_nothing_is_filled(desk: Desk) -> None:
    """N9: FOK counts only others' size; on failure own resting orders stay."""
    mine = desk.rest(ALICE, -5, 101)
    desk.rest(BOB, -2, 102)
    assert desk.refused(ALICE, 3, 102, FOK) is R.NOT_FILLED_COMPLETELY
    assert desk.refused(ALICE, 3, 101, IOC) is R.NOTHING_TO_MATCH
    assert desk.refused(ALICE, 3, 101, POST_ONLY) is R.POST_ONLY_CROSSES
    assert desk.open(ALICE) == [mine.digest]


# ---- what is told --------------------------------------------------------------------------------------------------


@pytest.mark.row("W-11")
def test_a_partly_filled_order_tells_its_fills_and_then_that_it_rests(desk: Desk) -> None:
    desk.update(taker_fee_x18=X18 // 100, maker_fee_x18=X18 // 1000)
    makers = [desk.rest(BOB, -1, 101), desk.rest(BOB, -1, 102)]
    order = desk.order(ALICE, 3, 102)
    events = desk.events(SubmitOrders(orders=(order,)))
    trades = [one for one in events if isinstance(one, Traded)]
    assert [type(one) for one in events if not isinstance(one, PositionChanged)] == [
        OrderEntered, Traded, Traded, OrderRested, MarkChanged
    ]  # fmt: skip
    assert events[0] == OrderEntered(0, order.digest, 3, desk.now_ms)
    assert [one.number for one in trades] == [1, 2]
    for trade, maker, price, left in zip(trades, makers, (101, 102), (2, 1), strict=True):
        assert (trade.product_id, trade.price_x18, trade.size_x18) == (PERP, price * X18, X18)
        taker_side = (trade.taker.digest, trade.taker.subaccount, trade.taker.unfilled_x18, trade.taker.fee_x18)
        assert taker_side == (order.digest, ALICE, left * X18, price * X18 // 100)
        assert (trade.taker.base_delta_x18, trade.taker.quote_delta_x18) == (X18, -price * X18)
        maker_side = (trade.maker.digest, trade.maker.subaccount, trade.maker.unfilled_x18, trade.maker.fee_x18)
        assert maker_side == (maker.digest, BOB, 0, price * X18 // 1000)
        assert (trade.maker.base_delta_x18, trade.maker.quote_delta_x18) == (-X18, price * X18)
    assert OrderRested(order.digest, X18) in events
    assert events[-1] == MarkChanged(PERP, 102 * X18)


def test_an_order_that_is_filled_on_arrival_never_rests(desk: Desk) -> None:
    desk.rest(BOB, -1, 101)
    events = desk.events(SubmitOrders(orders=(desk.order(ALICE, 1, 101),)))
    assert not [one for one in events if isinstance(one, OrderRested | OrderEnded)]


# ---- several orders ------------------------------------------------------------------------------------------------


@pytest.mark.row("P-10")
def test_a_refused_order_does_not_stop_the_rest(desk: Desk) -> None:
    orders = desk.order(ALICE, 1, 100), desk.order(ALICE, 1, 0), desk.order(ALICE, 2, 100)
    answer = desk.do(SubmitOrders(orders=orders))
    assert [refused for _, refused in answer.placed] == [None, R.PRICE_NOT_POSITIVE, None]


@pytest.mark.row("P-10")
def test_the_rest_is_not_looked_at_where_that_is_asked_for(desk: Desk) -> None:
    orders = desk.order(ALICE, 1, 100), desk.order(ALICE, 1, 0), desk.order(ALICE, 2, 100)
    answer = desk.do(SubmitOrders(orders=orders, stop_on_failure=True))
    assert [refused for _, refused in answer.placed] == [None, R.PRICE_NOT_POSITIVE]
    desk.place(orders[2])


@pytest.mark.row("P-08")
def test_a_digest_is_used_once(desk: Desk) -> None:
    resting, cancelled = desk.order(ALICE, 1, 100), desk.order(ALICE, 1, 100)
    desk.place(resting, cancelled)
    desk.do(desk.cancel(ALICE, cancelled))
    for order in (resting, cancelled):
        assert desk.refusal(SubmitOrders(orders=(order,))) is R.DIGEST_USED
    desk.reload()
    desk.wait(89.999)
    assert desk.refusal(SubmitOrders(orders=(cancelled,))) is R.DIGEST_USED
    desk.wait(0.001)
    assert desk.refusal(SubmitOrders(orders=(cancelled,))) is R.RECEIVED_LATE


def test_what_time_refuses_need_not_be_remembered(desk: Desk) -> None:
    desk.rest(ALICE, 1, 100, receive_in_ms=1_500)
    assert len(desk.state.replays) == 1
    desk.wait(2)
    desk.rest(ALICE, 1, 100)
    assert len(desk.state.replays) == 2  # good up to 1.5 s, kept for the whole second
    desk.wait(1)
    desk.rest(ALICE, 1, 100)
    assert len(desk.state.replays) == 2


# ---- limits --------------------------------------------------------------------------------------------------------


@pytest.mark.row("P-07")
def test_prices_and_sizes_stand_on_steps_and_are_worth_something(desk: Desk) -> None:
    assert desk.refused(ALICE, 1, 100, price_x18=100 * X18 + 1) is R.PRICE_OFF_TICK
    assert desk.refused(ALICE, 1, 100, amount_x18=-X18 - 1) is R.AMOUNT_OFF_LOT
    assert desk.refused(ALICE, -1, 59) is R.NOTIONAL_TOO_SMALL
    assert desk.refused(ALICE, 1, 60) is None


@pytest.mark.row("P-09")
def test_open_orders_are_limited_for_each_subaccount_and_product(desk: Desk) -> None:
    desk.place(*(desk.order(ALICE, 1, 90) for _ in range(500)))
    assert desk.refused(ALICE, 1, 90) is R.OPEN_ORDERS_EXHAUSTED
    assert desk.refused(ALICE, 1, 90, POST_ONLY) is R.OPEN_ORDERS_EXHAUSTED
    assert desk.refused(ALICE, 1, 90, IOC) is R.NOTHING_TO_MATCH  # it would not stay
    assert desk.refused(OTHER_OF_ALICE, 1, 90) is None
    assert desk.refused(ALICE, 1, 90, product_id=SPOT) is None


@pytest.mark.parametrize(
    ("status", "taken"),
    [
        (TradingStatus.LIVE, {DEFAULT, IOC, POST_ONLY, "reducing", "reduce_only"}),
        (TradingStatus.POST_ONLY, {POST_ONLY}),
        (TradingStatus.NOT_TRADABLE, set()),
        (TradingStatus.REDUCE_ONLY, {"reduce_only"}),
        (TradingStatus.SOFT_REDUCE_ONLY, {"reducing", "reduce_only"}),
    ],
)
def test_a_market_takes_what_its_status_says(status: TradingStatus, taken: set[object]) -> None:
    desk = Desk()
    desk.rest(BOB, -2, 100)
    desk.place(desk.order(ALICE, 2, 100))  # Alice is long
    desk.rest(BOB, -5, 101)
    desk.rest(BOB, 5, 99)
    desk.update(trading_status=status)
    orders: dict[object, object] = {
        DEFAULT: desk.order(ALICE, 3, 100),
        IOC: desk.order(ALICE, 1, 101, IOC),
        POST_ONLY: desk.order(ALICE, 1, 98, POST_ONLY),
        "reducing": desk.order(ALICE, -1, 99, IOC),
        "reduce_only": desk.order(ALICE, -1, 99, IOC, reduce_only=True),
    }
    answers = {name: desk.refusal(SubmitOrders(orders=(order,))) for name, order in orders.items()}  # type: ignore[arg-type]
    assert answers == {name: None if name in taken else R.MARKET_BLOCKED for name in orders}


def test_reduce_only_orders_reduce_and_are_immediate(desk: Desk) -> None:
    desk.rest(BOB, -5, 100)
    desk.rest(BOB, 9, 99)
    assert desk.refused(ALICE, -1, 99, IOC, reduce_only=True) is R.REDUCE_ONLY_INCREASES
    desk.place(desk.order(ALICE, 5, 100))
    assert desk.refused(ALICE, 1, 100, IOC, reduce_only=True) is R.REDUCE_ONLY_INCREASES
    assert desk.refused(ALICE, -6, 99, IOC, reduce_only=True) is R.REDUCE_ONLY_INCREASES  # would turn it round
    assert desk.refused(ALICE, -5, 99, reduce_only=True) is R.REDUCE_ONLY_RESTS
    assert desk.refused(ALICE, -5, 120, POST_ONLY, reduce_only=True) is R.REDUCE_ONLY_RESTS
    assert desk.refused(ALICE, -1, 99, IOC, reduce_only=True, product_id=SPOT) is R.REDUCE_ONLY_INCREASES  # O19
    assert desk.refused(ALICE, -5, 99, FOK, reduce_only=True) is None
    assert desk.balance(ALICE) == (0, 0)


def test_money_must_have_been_there_once(desk: Desk) -> None:
    assert desk.refused(POOR, 1, 100) is R.NO_PRIOR_DEPOSIT
    desk.fund(CAROL, 0)
    assert desk.refused(CAROL, 1, 100) is R.NO_PRIOR_DEPOSIT
    desk.fund(CAROL, 1)
    desk.fund(CAROL, 0)
    assert desk.refused(CAROL, 1, 100) is R.MARGIN_INSUFFICIENT
    assert POOR not in desk.state.subaccounts  # nobody gets an account by being refused


# ---- money ---------------------------------------------------------------------------------------------------------


def test_what_a_position_earned_becomes_quote_when_it_returns_to_zero(desk: Desk) -> None:
    """N3: partial closes stay in the virtual quote."""
    desk.rest(BOB, -4, 100)
    desk.place(desk.order(ALICE, 4, 100))
    desk.rest(BOB, 4, 110)
    desk.place(desk.order(ALICE, -1, 110))
    assert (desk.balance(ALICE), desk.quote(ALICE)) == ((3, -290), 100_000)
    events = desk.events(SubmitOrders(orders=(desk.order(ALICE, -3, 110),)))
    assert (desk.balance(ALICE), desk.quote(ALICE)) == ((0, 0), 100_040)
    assert (desk.balance(BOB), desk.quote(BOB)) == ((0, 0), 99_960)
    assert PositionChanged(ALICE, PERP, 0, 0, PositionReason.MATCH) in events
    assert PositionChanged(ALICE, QUOTE, 100_040 * X18, 0, PositionReason.REALISED) in events


def test_a_position_that_turns_round_realises_nothing(desk: Desk) -> None:
    desk.rest(BOB, -2, 100)
    desk.place(desk.order(ALICE, 2, 100))
    desk.rest(BOB, 5, 110)
    desk.place(desk.order(ALICE, -5, 110))
    assert (desk.balance(ALICE), desk.quote(ALICE)) == ((-3, 350), 100_000)


def test_a_spot_trade_moves_the_asset_and_the_quote(desk: Desk) -> None:
    desk.rest(BOB, -3, 100, product_id=SPOT)
    desk.place(desk.order(ALICE, 2, 105, product_id=SPOT))
    assert (desk.balance(ALICE, SPOT), desk.quote(ALICE)) == ((12, 0), 99_800)
    assert (desk.balance(BOB, SPOT), desk.quote(BOB)) == ((8, 0), 100_200)


def test_fees_are_rounded_against_the_payer_and_collected(desk: Desk) -> None:
    desk.update(taker_fee_x18=1, maker_fee_x18=-1, mark_x18=100 * X18)
    desk.update(taker_fee_x18=X18 // 3 // 10**6, maker_fee_x18=-(X18 // 3 // 10**6))
    desk.rest(BOB, -1, 101)
    desk.place(desk.order(ALICE, 1, 101))
    notional, rate = 101 * X18, X18 // 3 // 10**6
    exact = notional * rate
    paid = 100_000 * X18 - desk.state.subaccounts[ALICE].quote_x18
    got = desk.state.subaccounts[BOB].quote_x18 - 100_000 * X18
    assert (paid, got) == (-(-exact // X18), exact // X18)
    assert desk.state.markets[PERP].fees_x18 == paid - got
    assert desk.balance(ALICE) == (1, -101)  # the fee is no part of what the position cost
