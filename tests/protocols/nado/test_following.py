"""What streams are told of a record: the sequences of the specification, and nothing that a record did not do."""

from __future__ import annotations

from random import Random
from typing import TypeVar

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, PERP, SPOT
from tests.engine.continuous.traffic import STEPS_MS, Traffic
from tests.views.shop import Shop

from overround.engine.continuous.commands import SubmitOrders
from overround.engine.continuous.types import QUOTE, X18, OrderType, ProductId, SubaccountId
from overround.protocols.nado.facts import (
    DepthChange,
    FillEvent,
    OrderEvent,
    PositionEvent,
    QuoteEvent,
    TradeEvent,
)
from overround.protocols.nado.following import REASONS, Fact, facts_of
from overround.views.depth import Top

_F = TypeVar("_F", bound=Fact)


@pytest.fixture
def shop() -> Shop:
    return Shop()


def facts(shop: Shop, kind: type[_F]) -> list[_F]:
    """What the last record told of this kind."""
    changes = shop.changes.continuous
    found = [] if changes is None else list(facts_of(shop.records[-1], changes))
    return [one for one in found if isinstance(one, kind)]


def sequence(shop: Shop, digest: bytes) -> list[tuple[int, str]]:
    """What the last record told of an order, as the specification's table has it."""
    mine = [one for one in facts(shop, OrderEvent) if one.digest == digest]
    assert len({one.timestamp_ns for one in mine}) <= 1
    return [(one.remaining // X18, one.reason.value) for one in mine]


@pytest.mark.row("W-11", "P-05")
class TestSequences:
    def test_an_order_that_rests_is_placed(self, shop: Shop) -> None:
        order = shop.rest(ALICE, 100, 90)
        assert sequence(shop, order.digest) == [(100, "placed")]

    def test_an_order_that_matches_and_rests_is_filled_and_then_placed(self, shop: Shop) -> None:
        makers = [shop.rest(BOB, -10, 90), shop.rest(BOB, -10, 91)]
        order = shop.order(ALICE, 100, 95)
        shop.place(order)
        assert sequence(shop, order.digest) == [(90, "filled"), (80, "filled"), (80, "placed")]
        assert [sequence(shop, one.digest) for one in makers] == [[(0, "filled")]] * 2

    def test_an_immediate_order_is_filled_and_then_cancelled(self, shop: Shop) -> None:
        shop.rest(BOB, -10, 90)
        order = shop.order(ALICE, 100, 95, OrderType.IOC)
        shop.place(order)
        assert sequence(shop, order.digest) == [(90, "filled"), (0, "cancelled")]

    def test_an_order_that_is_filled_on_arrival_is_never_placed(self, shop: Shop) -> None:
        shop.rest(BOB, -10, 90)
        order = shop.order(ALICE, 10, 95)
        shop.place(order)
        assert sequence(shop, order.digest) == [(0, "filled")]

    def test_a_resting_order_that_is_hit_is_filled(self, shop: Shop) -> None:
        order = shop.rest(BOB, -100, 90)
        shop.place(shop.order(ALICE, 10, 90))
        assert sequence(shop, order.digest) == [(90, "filled")]

    @pytest.mark.row("C-31")
    def test_a_cancel_an_expiry_and_a_missed_margin_are_all_cancelled(self, shop: Shop) -> None:
        order = shop.rest(ALICE, 100, 90)
        shop.do(shop.cancel(ALICE, order))
        assert sequence(shop, order.digest) == [(0, "cancelled")]
        order = shop.rest(ALICE, 100, 90, expires_in_s=5)
        shop.wait(5)
        assert sequence(shop, order.digest) == [(0, "cancelled")]
        order = shop.rest(ALICE, 100, 90)
        shop.fund(ALICE, 0, SPOT)
        shop.fund(ALICE, 0)
        assert sequence(shop, order.digest) == [(0, "cancelled")]

    def test_meeting_oneself_cancels_the_resting_order(self, shop: Shop) -> None:
        old, new = shop.rest(ALICE, -5, 100), shop.order(ALICE, 5, 100)
        shop.place(new)
        assert sequence(shop, old.digest) == [(0, "cancelled")]
        assert sequence(shop, new.digest) == [(5, "placed")]

    @pytest.mark.parametrize("order_type", [OrderType.IOC, OrderType.FOK])
    def test_an_immediate_order_that_meets_nothing_was_one_for_a_moment(
        self, shop: Shop, order_type: OrderType
    ) -> None:
        order = shop.order(ALICE, 5, 100, order_type)
        shop.execute(SubmitOrders(orders=(order,)))
        assert sequence(shop, order.digest) == [(0, "cancelled")]

    def test_any_other_refused_order_never_was_one(self, shop: Shop) -> None:
        shop.execute(SubmitOrders(orders=(shop.order(CAROL, 5, 100),)))
        assert shop.changes.continuous is None

    def test_a_replacement_tells_of_both(self, shop: Shop) -> None:
        old, new = shop.rest(ALICE, 5, 90), shop.order(ALICE, 5, 91)
        shop.do(shop.replace(old, new))
        assert sequence(shop, old.digest) == [(0, "cancelled")]
        assert sequence(shop, new.digest) == [(5, "placed")]


def test_a_fill_carries_what_was_filled_and_at_which_price(shop: Shop) -> None:
    shop.rest(BOB, -10, 90)
    order = shop.order(ALICE, 100, 95, client_id=7)
    shop.place(order)
    filled, placed = (one for one in facts(shop, OrderEvent) if one.digest == order.digest)
    assert (filled.filled_amount, filled.filled_price_x18, filled.id) == (10 * X18, 90 * X18, 7)
    assert (placed.filled_amount, placed.filled_price_x18, placed.id) == (None, None, 7)


@pytest.mark.row("W-08")
def test_both_sides_of_a_trade_are_told_each_with_a_number_of_its_own(shop: Shop) -> None:
    maker = shop.rest(BOB, -10, 90)
    taker = shop.order(ALICE, 4, 95)
    shop.place(taker)
    first, second = facts(shop, FillEvent)
    assert (first.digest, first.is_taker, first.is_bid, first.filled, first.remaining, first.original) == (
        (taker.digest, True, True, 4 * X18, 0, 4 * X18)
    )
    assert (second.digest, second.is_taker, second.is_bid, second.remaining, second.original) == (
        (maker.digest, False, False, 6 * X18, -10 * X18)
    )
    assert first.price_x18 == second.price_x18 == 90 * X18
    numbers = {first.submission_idx, second.submission_idx}
    shop.place(shop.order(ALICE, 4, 95))
    assert len(numbers | {one.submission_idx for one in facts(shop, FillEvent)}) == 4


@pytest.mark.row("W-09")
def test_a_trade_says_who_took(shop: Shop) -> None:
    shop.rest(BOB, -10, 90)
    shop.place(shop.order(ALICE, 4, 95))
    (trade,) = facts(shop, TradeEvent)
    assert (trade.price_x18, trade.quantity, trade.is_taker_buyer) == (90 * X18, 4 * X18, True)
    shop.rest(BOB, 10, 80)
    shop.place(shop.order(ALICE, -4, 70))
    (trade,) = facts(shop, TradeEvent)
    assert not trade.is_taker_buyer


@pytest.mark.row("W-08")
def test_positions_are_told_with_their_reason_and_quote_with_them(shop: Shop) -> None:
    shop.rest(BOB, -4, 90)
    shop.place(shop.order(ALICE, 4, 90))
    positions = facts(shop, PositionEvent)
    assert {(one.subaccount, one.product_id, one.balance.amount, one.balance.v_quote) for one in positions} == {
        (ALICE, PERP, 4 * X18, -360 * X18),
        (BOB, PERP, -4 * X18, 360 * X18),
    }
    assert {one.reason for one in positions} == {"match_orders"}
    shop.rest(BOB, 4, 95)
    shop.place(shop.order(ALICE, -4, 95))
    realised = [one for one in facts(shop, PositionEvent) if one.product_id == QUOTE]
    assert {one.reason for one in realised} == {"settle_pnl"}
    shop.fund(CAROL, 5)
    (deposit,) = facts(shop, PositionEvent)
    assert (deposit.reason, deposit.balance.amount) == ("deposit_collateral", 5 * X18)
    shop.fund(CAROL, 3)
    assert facts(shop, PositionEvent)[0].reason == "withdraw_collateral"
    assert len(REASONS) == 4


@pytest.mark.row("W-09")
def test_the_top_is_told_when_price_or_size_of_it_changed(shop: Shop) -> None:
    shop.rest(ALICE, 1, 90)
    (quote,) = facts(shop, QuoteEvent)
    assert (quote.quote.bid, quote.quote.ask) == ((90 * X18, X18), None)
    shop.rest(ALICE, 1, 80)
    assert facts(shop, QuoteEvent) == []
    shop.rest(ALICE, 1, 90)
    assert facts(shop, QuoteEvent)[0].quote.bid == (90 * X18, 2 * X18)


@pytest.mark.row("W-10")
def test_depth_goes_on_where_it_was(shop: Shop) -> None:
    shop.rest(ALICE, 1, 90)
    (first,) = facts(shop, DepthChange)
    shop.rest(ALICE, 1, 80, product_id=SPOT)
    shop.do(shop.cancel_products(ALICE))
    changes = {one.product_id: one for one in facts(shop, DepthChange)}
    assert changes.keys() == {PERP, SPOT}
    assert changes[PERP].last_timestamp_ns == first.timestamp_ns < changes[PERP].timestamp_ns
    assert changes[PERP].bids == [(90 * X18, 0)]


class Follower:
    """A client that knows nothing but what streams told it."""

    def __init__(self) -> None:
        self.books: dict[int, tuple[dict[int, int], dict[int, int]]] = {}
        self.tops: dict[int, Top] = {}
        self.orders: dict[bytes, int] = {}
        self.balances: dict[tuple[bytes, int], tuple[int, int]] = {}
        self._newest: dict[int, int] = {}

    def hear(self, fact: Fact) -> None:
        match fact:
            case DepthChange():
                assert fact.last_timestamp_ns == self._newest.get(fact.product_id, fact.last_timestamp_ns)
                self._newest[fact.product_id] = fact.timestamp_ns
                for side, levels in zip(
                    self.books.setdefault(fact.product_id, ({}, {})), (fact.bids, fact.asks), strict=True
                ):
                    side.update(levels)
                    for price in [price for price, size in side.items() if not size]:
                        del side[price]
            case QuoteEvent():
                self.tops[fact.quote.product_id] = Top(fact.quote.bid, fact.quote.ask)
            case OrderEvent():
                self.orders[fact.digest] = fact.remaining
            case PositionEvent():
                self.balances[fact.subaccount, fact.product_id] = (fact.balance.amount, fact.balance.v_quote)


@pytest.mark.parametrize("seed", range(4))
def test_whoever_follows_from_the_beginning_knows_what_views_show(seed: int) -> None:
    shop, traffic, random, follower = Shop(), Traffic(), Random(100 + seed), Follower()
    for command in traffic.opening():
        shop.execute(command)
    for _ in range(200):
        shop.wait(random.choice(STEPS_MS) / 1000)
        shop.execute(traffic.any(random, shop.now_ms))
    for record, changes in shop.history:
        for fact in facts_of(record, changes) if changes else ():
            follower.hear(fact)
    views = shop.shown
    left = {digest: remaining for digest, remaining in follower.orders.items() if remaining}
    assert left == {digest: row.unfilled_x18 for digest, row in views.orders.items()}
    for product_id, depth in views.books.items():
        bids, asks = follower.books.get(product_id, ({}, {}))
        assert (bids, asks) == (dict(depth.bids.levels()), dict(depth.asks.levels()))
        assert follower.tops.get(product_id, Top(None, None)) == depth.top
    for (sender, number), balance in follower.balances.items():
        shown = views.balance(SubaccountId(sender), ProductId(number))
        assert balance == (shown.amount_x18, shown.v_quote_x18)
