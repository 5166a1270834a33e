"""What streams are told of a record (`spec/nado.md` 11.4): a pure function of it and of what it did to the views.

The server routes the facts to whoever follows them; `feeds` spells each once. They come in the order of the record's
events: first what happened to orders and balances, trade by trade, then the books, each once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from overround.engine.continuous.commands import SignedOrder
from overround.engine.continuous.events import (
    FillSide,
    OrderEnded,
    OrderRested,
    OrderTurnedAway,
    PositionChanged,
    Traded,
)
from overround.engine.continuous.types import PositionReason
from overround.engine.record import Record
from overround.protocols.nado.facts import (
    Balance,
    DepthChange,
    FillEvent,
    OrderEvent,
    PositionEvent,
    Quote,
    QuoteEvent,
    Reason,
    TradeEvent,
)
from overround.views.changes import BookChange, ContinuousChanges
from overround.views.depth import NS_PER_MS

Fact = OrderEvent | FillEvent | PositionEvent | TradeEvent | QuoteEvent | DepthChange

REASONS: Final[dict[PositionReason, str]] = {
    PositionReason.DEPOSIT: "deposit_collateral",
    PositionReason.WITHDRAWAL: "withdraw_collateral",
    PositionReason.MATCH: "match_orders",
    PositionReason.REALISED: "settle_pnl",
}


def facts_of(record: Record, changes: ContinuousChanges) -> Iterator[Fact]:
    """Everything that somebody may follow; `changes` are those that this record did to the views."""
    yield from _Teller(record, changes).tell()


class _Teller:
    """One record. All that it did to one product has one time: that of the product's book, where it changed (N10)."""

    def __init__(self, record: Record, changes: ContinuousChanges) -> None:
        self._record = record
        self._changes = changes
        self._now_ns = record.time_ms * NS_PER_MS
        self._books = changes.books  # made when asked: once
        self._clocks: dict[int, int] = {change.product_id: change.timestamp_ns for change in self._books}

    def tell(self) -> Iterator[Fact]:
        for event in self._record.events:
            tell: Callable[[_Teller, Any], Iterator[Fact]] | None = _TELL.get(type(event))
            if tell is not None:
                yield from tell(self, event)
        for change in self._books:
            yield from _book(change)

    def _time(self, product_id: int) -> int:
        return self._clocks.get(product_id, self._now_ns)

    def _order(self, terms: SignedOrder, reason: Reason, remaining: int, trade: Traded | None = None) -> OrderEvent:
        return OrderEvent(
            timestamp_ns=self._time(terms.product_id),
            product_id=terms.product_id,
            subaccount=terms.sender,
            digest=terms.digest,
            remaining=remaining,
            reason=reason,
            filled_amount=None if trade is None else trade.size_x18,
            filled_price_x18=None if trade is None else trade.price_x18,
            id=terms.client_id,
        )

    def rested(self, event: OrderRested) -> Iterator[Fact]:
        """What is left of an order after all its fills."""
        yield self._order(self._changes.terms[event.digest], Reason.PLACED, event.unfilled_x18)

    def ended(self, event: OrderEnded) -> Iterator[Fact]:
        """Whatever the cause, it is told as cancelled."""
        yield self._order(self._changes.terms[event.digest], Reason.CANCELLED, 0)

    def turned_away(self, event: OrderTurnedAway) -> Iterator[Fact]:
        """An immediate order that was tried was an order for a moment (O17, O18); any other refusal never was one."""
        if event.burnt:
            yield self._order(self._changes.terms[event.digest], Reason.CANCELLED, 0)

    def traded(self, event: Traded) -> Iterator[Fact]:
        """Both sides of it, the taker first, and what everybody may see."""
        yield from self._side(event, event.taker, is_taker=True)
        yield from self._side(event, event.maker, is_taker=False)
        yield TradeEvent(
            timestamp_ns=self._time(event.product_id),
            product_id=event.product_id,
            price_x18=event.price_x18,
            quantity=event.size_x18,
            is_taker_buyer=event.taker.base_delta_x18 > 0,
        )

    def _side(self, trade: Traded, side: FillSide, *, is_taker: bool) -> Iterator[Fact]:
        terms = self._changes.terms[side.digest]
        yield self._order(terms, Reason.FILLED, side.unfilled_x18, trade)
        yield FillEvent(
            timestamp_ns=self._time(trade.product_id),
            product_id=trade.product_id,
            subaccount=side.subaccount,
            digest=side.digest,
            appendix=terms.appendix,
            filled=trade.size_x18,
            remaining=side.unfilled_x18,
            original=terms.amount_x18,
            price_x18=trade.price_x18,
            is_taker=is_taker,
            is_bid=terms.is_buy,
            fee_x18=side.fee_x18,
            submission_idx=2 * trade.number + (0 if is_taker else 1),
            id=terms.client_id,
        )

    def position(self, event: PositionChanged) -> Iterator[Fact]:
        """A balance after it changed, quote included."""
        yield PositionEvent(
            timestamp_ns=self._time(event.product_id),
            product_id=event.product_id,
            subaccount=event.subaccount,
            balance=Balance(event.amount_x18, event.v_quote_x18),
            reason=REASONS[event.reason],
        )


_TELL: Final[dict[type, Callable[[_Teller, Any], Iterator[Fact]]]] = {
    OrderRested: _Teller.rested,
    OrderEnded: _Teller.ended,
    OrderTurnedAway: _Teller.turned_away,
    Traded: _Teller.traded,
    PositionChanged: _Teller.position,
}


def _book(change: BookChange) -> Iterator[Fact]:
    """The top, if it is another, and the levels."""
    if change.top != change.top_before:
        yield QuoteEvent(change.timestamp_ns, Quote(change.product_id, change.top.bid, change.top.ask))
    yield DepthChange(
        product_id=change.product_id,
        bids=change.bids,
        asks=change.asks,
        first_timestamp_ns=change.timestamp_ns,
        timestamp_ns=change.timestamp_ns,
        last_timestamp_ns=change.last_timestamp_ns,
    )
