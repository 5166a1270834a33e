"""Events of the subscription socket (`spec/nado.md` 11.4): each becomes one text frame, encoded once for everybody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from overround.protocols import strict_json
from overround.protocols.nado import wire
from overround.protocols.nado.encode import levels
from overround.protocols.nado.facts import (
    Candle,
    DepthChange,
    FillEvent,
    OrderEvent,
    PositionEvent,
    Quote,
    QuoteEvent,
    TradeEvent,
)
from overround.protocols.nado.subscriptions import Stream
from overround.protocols.nado.units import hex_text, is_isolated


def order_update(event: OrderEvent) -> bytes:
    """Fills carry what was filled and at which price; nothing else does."""
    return strict_json.encode(
        wire.OrderUpdate(
            timestamp=str(event.timestamp_ns),
            product_id=event.product_id,
            digest=hex_text(event.digest),
            amount=str(abs(event.remaining)),
            reason=event.reason.value,
            filled_qty=UNSET if event.filled_amount is None else str(abs(event.filled_amount)),
            filled_price=UNSET if event.filled_price_x18 is None else str(event.filled_price_x18),
            id=UNSET if event.id is None else event.id,
        )
    )


def fill(event: FillEvent) -> bytes:
    """One order's share of a trade."""
    return strict_json.encode(
        wire.Fill(
            timestamp=str(event.timestamp_ns),
            product_id=event.product_id,
            subaccount=hex_text(event.subaccount),
            order_digest=hex_text(event.digest),
            appendix=str(event.appendix),
            filled_qty=str(abs(event.filled)),
            remaining_qty=str(abs(event.remaining)),
            original_qty=str(abs(event.original)),
            price=str(event.price_x18),
            is_taker=event.is_taker,
            is_bid=event.is_bid,
            fee=str(event.fee_x18),
            submission_idx=str(event.submission_idx),
            id=UNSET if event.id is None else event.id,
        )
    )


def trade(event: TradeEvent) -> bytes:
    """One match, seen from outside."""
    quantity = str(abs(event.quantity))
    return strict_json.encode(
        wire.Trade(
            timestamp=str(event.timestamp_ns),
            product_id=event.product_id,
            price=str(event.price_x18),
            taker_qty=quantity,
            maker_qty=quantity,
            is_taker_buyer=event.is_taker_buyer,
        )
    )


def best_bid_offer(event: QuoteEvent) -> bytes:
    """The top of a book."""
    bid, ask = event.quote.bid or (0, 0), event.quote.ask or (0, 0)
    return strict_json.encode(
        wire.BestBidOffer(
            timestamp=str(event.timestamp_ns),
            product_id=event.quote.product_id,
            bid_price=str(bid[0]),
            bid_qty=str(bid[1]),
            ask_price=str(ask[0]),
            ask_qty=str(ask[1]),
        )
    )


def book_depth(change: DepthChange) -> bytes:
    """Changed levels. A client that finds a gap between `last_max_timestamp` and what it saw reads the book anew."""
    return strict_json.encode(
        wire.BookDepth(
            min_timestamp=str(change.first_timestamp_ns),
            max_timestamp=str(change.timestamp_ns),
            last_max_timestamp=str(change.last_timestamp_ns),
            product_id=change.product_id,
            bids=levels(change.bids),
            asks=levels(change.asks),
        )
    )


def position_change(event: PositionEvent) -> bytes:
    """A balance after it changed."""
    return strict_json.encode(
        wire.PositionChange(
            timestamp=str(event.timestamp_ns),
            product_id=event.product_id,
            subaccount=hex_text(event.subaccount),
            isolated=is_isolated(event.subaccount),
            amount=str(event.balance.amount),
            v_quote_amount=str(event.balance.v_quote),
            reason=event.reason,
        )
    )


def all_bbo(quotes: Mapping[int, Quote], now_ms: int) -> bytes:
    """The tops of all books, by product."""
    bbos: dict[str, Any] = {
        str(product_id): {
            "bid": str(quote.bid[0] if quote.bid else 0),
            "ask": str(quote.ask[0] if quote.ask else 0),
        }
        for product_id, quote in quotes.items()
    }
    return strict_json.encode({"type": "all_bbo", "time": now_ms, "bbos": bbos})


def latest_candlestick(candle: Candle) -> bytes:
    """The candle that is being drawn."""
    return strict_json.encode(
        wire.LatestCandlestick(
            timestamp=str(candle.start_s),
            product_id=candle.product_id,
            granularity=candle.granularity_s,
            open_x18=str(candle.open_x18),
            high_x18=str(candle.high_x18),
            low_x18=str(candle.low_x18),
            close_x18=str(candle.close_x18),
            volume=str(candle.volume),
        )
    )


def streams_of_account(kind: str, product_id: int, subaccount: bytes) -> tuple[Stream, Stream]:
    """Which subscriptions an event of an account goes to: that of its product, and that of all products."""
    return Stream(kind, product_id, subaccount), Stream(kind, None, subaccount)
