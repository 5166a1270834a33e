"""Orders on the book, by hash, maker and market."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overround.engine.commands import NewOrder
from overround.engine.events import OrderAccepted, OrderChanged
from overround.engine.order import Order, OrderState
from overround.engine.types import Address, MarketHash, OrderHash


class OrderRow(msgspec.Struct, frozen=True, gc=False):
    """An order that can be matched right now. Replaced, never changed, so that a list of rows is a snapshot."""

    terms: NewOrder
    number: int
    accepted_at_ms: int
    update_time_ms: int
    fill_amount: int
    pending_fill_amount: int


_Rows = dict[OrderHash, OrderRow]


class Orders:
    """Open orders only: held, suspended and ended ones are not listed (spec/sx.md 5.7)."""

    def __init__(self) -> None:
        self.by_hash: _Rows = {}
        self._by_maker: dict[Address, _Rows] = {}
        self._by_market: dict[MarketHash, _Rows] = {}

    def seed(self, order: Order) -> None:
        """Take over an order of a recovered engine."""
        if order.state is OrderState.OPEN:
            self._put(
                OrderRow(
                    order.terms,
                    order.number,
                    order.accepted_at_ms,
                    order.update_time_ms,
                    order.fill_amount,
                    order.pending_fill_amount,
                )
            )

    def accept(self, terms: NewOrder, event: OrderAccepted) -> OrderRow:
        """An order came onto the book."""
        row = OrderRow(terms, event.number, event.update_time_ms, event.update_time_ms, 0, 0)
        self._put(row)
        return row

    def change(self, event: OrderChanged) -> OrderRow | None:
        """An order changed or left the book; returns its row from before."""
        row = self.by_hash.get(event.order_hash)
        if row is None:
            return None
        if event.state is OrderState.OPEN:
            self._put(
                msgspec.structs.replace(
                    row,
                    update_time_ms=event.update_time_ms,
                    fill_amount=event.fill_amount,
                    pending_fill_amount=event.pending_fill_amount,
                )
            )
        else:
            self._remove(row)
        return row

    def of_maker(self, maker: Address) -> Iterator[OrderRow]:
        """One maker's open orders."""
        return iter(self._by_maker.get(maker, {}).values())

    def of_market(self, market_hash: MarketHash) -> Iterator[OrderRow]:
        """The open orders of one market."""
        return iter(self._by_market.get(market_hash, {}).values())

    def _put(self, row: OrderRow) -> None:
        terms = row.terms
        self.by_hash[terms.order_hash] = row
        self._by_maker.setdefault(terms.maker, {})[terms.order_hash] = row
        self._by_market.setdefault(terms.market_hash, {})[terms.order_hash] = row

    def _remove(self, row: OrderRow) -> None:
        terms = row.terms
        del self.by_hash[terms.order_hash]
        _drop(self._by_maker, terms.maker, terms.order_hash)
        _drop(self._by_market, terms.market_hash, terms.order_hash)


def _drop(index: dict[Address, _Rows] | dict[MarketHash, _Rows], key: bytes, order_hash: OrderHash) -> None:
    rows = index[key]  # type: ignore[index]
    del rows[order_hash]
    if not rows:
        del index[key]  # type: ignore[arg-type]
