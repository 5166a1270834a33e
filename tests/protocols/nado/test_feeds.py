"""Events of the subscription socket, member by member (`spec/nado.md` 11.4)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.protocols.nado.vectors import OWNER

from overround.protocols.nado import feeds
from overround.protocols.nado.facts import (
    Balance,
    Candle,
    DepthChange,
    FillEvent,
    OrderEvent,
    PositionEvent,
    Quote,
    QuoteEvent,
    Reason,
    TradeEvent,
)
from overround.protocols.nado.subscriptions import Stream
from overround.protocols.nado.units import subaccount

ACCOUNT = subaccount(OWNER)
TEXT = "0x" + ACCOUNT.hex()
DIGEST = bytes([0xAB] * 32)
NOW_NS = 1_695_081_920_633_151_000
NOW = "1695081920633151000"


def order_event(reason: Reason, remaining: int, **more: Any) -> dict[str, Any]:
    event = OrderEvent(
        timestamp_ns=NOW_NS, product_id=2, subaccount=ACCOUNT, digest=DIGEST, remaining=remaining, reason=reason, **more
    )
    decoded: dict[str, Any] = json.loads(feeds.order_update(event))
    return decoded


@pytest.mark.row("W-11")
def test_a_filled_order_says_what_was_filled() -> None:
    event = order_event(
        Reason.FILLED, -82 * 10**15, filled_amount=-18 * 10**15, filled_price_x18=25_000 * 10**18, id=100
    )
    assert event == {
        "type": "order_update",
        "timestamp": NOW,
        "product_id": 2,
        "digest": "0x" + "ab" * 32,
        "amount": "82000000000000000",
        "reason": "filled",
        "filled_qty": "18000000000000000",
        "filled_price": "25000000000000000000000",
        "id": 100,
    }
    assert next(iter(event)) == "type"


@pytest.mark.row("W-11", "C-31")
@pytest.mark.parametrize(("reason", "remaining"), [(Reason.PLACED, 100), (Reason.CANCELLED, 0)])
def test_no_other_step_does(reason: Reason, remaining: int) -> None:
    event = order_event(reason, remaining)
    assert event.keys() == {"type", "timestamp", "product_id", "digest", "amount", "reason"}
    assert (event["amount"], event["reason"]) == (str(remaining), reason.value)


@pytest.mark.row("W-08")
def test_a_fill_has_unsigned_quantities() -> None:
    event = FillEvent(
        timestamp_ns=NOW_NS, product_id=2, subaccount=ACCOUNT, digest=DIGEST, appendix=1, filled=-18, remaining=-82,
        original=-100, price_x18=25, is_taker=True, is_bid=False, fee_x18=45, submission_idx=100, id=7,
    )  # fmt: skip
    assert json.loads(feeds.fill(event)) == {
        "type": "fill",
        "timestamp": NOW,
        "product_id": 2,
        "subaccount": TEXT,
        "order_digest": "0x" + "ab" * 32,
        "appendix": "1",
        "filled_qty": "18",
        "remaining_qty": "82",
        "original_qty": "100",
        "price": "25",
        "is_taker": True,
        "is_bid": False,
        "fee": "45",
        "submission_idx": "100",
        "id": 7,
    }


@pytest.mark.row("W-09")
def test_a_trade() -> None:
    event = TradeEvent(timestamp_ns=NOW_NS, product_id=2, price_x18=5, quantity=-3, is_taker_buyer=True)
    assert json.loads(feeds.trade(event)) == {
        "type": "trade",
        "timestamp": NOW,
        "product_id": 2,
        "price": "5",
        "taker_qty": "3",
        "maker_qty": "3",
        "is_taker_buyer": True,
    }


@pytest.mark.row("W-09")
def test_the_top_of_a_book_has_zeros_for_an_empty_side() -> None:
    assert json.loads(feeds.best_bid_offer(QuoteEvent(NOW_NS, Quote(2, bid=(5, 1))))) == {
        "type": "best_bid_offer",
        "timestamp": NOW,
        "product_id": 2,
        "bid_price": "5",
        "bid_qty": "1",
        "ask_price": "0",
        "ask_qty": "0",
    }


@pytest.mark.row("W-09")
def test_book_depth_names_the_message_before_it() -> None:
    change = DepthChange(
        product_id=2,
        bids=[(21_594, 51)],
        asks=[(21_694, 0)],
        first_timestamp_ns=NOW_NS - 2,
        timestamp_ns=NOW_NS,
        last_timestamp_ns=NOW_NS - 9,
    )
    assert json.loads(feeds.book_depth(change)) == {
        "type": "book_depth",
        "min_timestamp": str(NOW_NS - 2),
        "max_timestamp": NOW,
        "last_max_timestamp": str(NOW_NS - 9),
        "product_id": 2,
        "bids": [["21594", "51"]],
        "asks": [["21694", "0"]],
    }


@pytest.mark.row("W-08")
def test_a_position_change_has_the_new_balance() -> None:
    event = PositionEvent(timestamp_ns=NOW_NS, product_id=2, subaccount=ACCOUNT, balance=Balance(-5, 300))
    assert json.loads(feeds.position_change(event)) == {
        "type": "position_change",
        "timestamp": NOW,
        "product_id": 2,
        "subaccount": TEXT,
        "isolated": False,
        "amount": "-5",
        "v_quote_amount": "300",
        "reason": "match_orders",
    }


@pytest.mark.row("W-09")
def test_all_tops_and_candles() -> None:
    assert json.loads(feeds.all_bbo({2: Quote(2, (5, 1), None)}, 9)) == {
        "type": "all_bbo",
        "time": 9,
        "bbos": {"2": {"bid": "5", "ask": "0"}},
    }
    candle = Candle(
        product_id=2, granularity_s=60, start_s=120, open_x18=1, high_x18=4, low_x18=0, close_x18=3, volume=9
    )
    assert json.loads(feeds.latest_candlestick(candle)) == {
        "type": "latest_candlestick",
        "timestamp": "120",
        "product_id": 2,
        "granularity": 60,
        "open_x18": "1",
        "high_x18": "4",
        "low_x18": "0",
        "close_x18": "3",
        "volume": "9",
    }


def test_an_event_of_an_account_goes_to_those_who_follow_its_product_and_to_those_who_follow_all() -> None:
    assert feeds.streams_of_account("fill", 2, ACCOUNT) == (Stream("fill", 2, ACCOUNT), Stream("fill", None, ACCOUNT))
