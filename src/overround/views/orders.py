"""Orders by hash, maker and market: those that can be matched, and those that may still change."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overround.engine.commands import NewOrder
from overround.engine.events import OrderAccepted, OrderChanged
from overround.engine.order import FINAL, Order, OrderState
from overround.engine.types import Address, MarketHash, OrderHash


class OrderRow(msgspec.Struct, frozen=True, gc=False):
    """An order as it is. Replaced, never changed, so that a list of rows is a snapshot."""

    terms: NewOrder
    number: int
    accepted_at_ms: int
    update_time_ms: int
    fill_amount: int
    pending_fill_amount: int
    state: OrderState = OrderState.OPEN

    @property
    def is_open(self) -> bool:
        """Whether it can be matched right now."""
        return self.state is OrderState.OPEN

    @property
    def remaining(self) -> int:
        """What may still be matched, maker side, base units."""
        return self.terms.total_bet_size - self.fill_amount - self.pending_fill_amount


_Rows = dict[OrderHash, OrderRow]


class _Index:
    """Rows by hash, maker and market."""

    __slots__ = ("by_hash", "by_maker", "by_market")

    def __init__(self) -> None:
        self.by_hash: _Rows = {}
        self.by_maker: dict[Address, _Rows] = {}
        self.by_market: dict[MarketHash, _Rows] = {}

    def put(self, row: OrderRow) -> None:
        terms = row.terms
        self.by_hash[terms.order_hash] = row
        self.by_maker.setdefault(terms.maker, {})[terms.order_hash] = row
        self.by_market.setdefault(terms.market_hash, {})[terms.order_hash] = row

    def remove(self, row: OrderRow) -> None:
        terms = row.terms
        del self.by_hash[terms.order_hash]
        _drop(self.by_maker, terms.maker, terms.order_hash)
        _drop(self.by_market, terms.market_hash, terms.order_hash)


class Orders:
    """Open orders are listed (spec/sx.md 5.7). Held and suspended ones are only known, and ended ones with fills
    pending."""

    def __init__(self) -> None:
        self._open = _Index()
        self._others = _Index()

    @property
    def by_hash(self) -> _Rows:
        """The open orders."""
        return self._open.by_hash

    def seed(self, order: Order) -> None:
        """Take over an order of a recovered engine."""
        row = OrderRow(
            order.terms,
            order.number,
            order.accepted_at_ms,
            order.update_time_ms,
            order.fill_amount,
            order.pending_fill_amount,
            order.state,
        )
        self._index_of(row).put(row)

    def accept(self, terms: NewOrder, event: OrderAccepted) -> OrderRow:
        """An order came onto the book."""
        row = OrderRow(terms, event.number, event.update_time_ms, event.update_time_ms, 0, 0)
        self._open.put(row)
        return row

    def change(self, event: OrderChanged) -> OrderRow | None:
        """An order went through a transition; returns its row from before."""
        row = self._open.by_hash.get(event.order_hash) or self._others.by_hash.get(event.order_hash)
        if row is None:
            return None
        is_forgotten = event.state in FINAL and not event.pending_fill_amount
        if is_forgotten or row.is_open is not (event.state is OrderState.OPEN):
            self._index_of(row).remove(row)
        if not is_forgotten:
            now = msgspec.structs.replace(
                row,
                update_time_ms=event.update_time_ms,
                fill_amount=event.fill_amount,
                pending_fill_amount=event.pending_fill_amount,
                state=event.state,
            )
            self._index_of(now).put(now)
        return row

    def find(self, order_hash: bytes) -> OrderRow | None:
        """An order that is open or may be again; not one that has ended."""
        row = self._open.by_hash.get(OrderHash(order_hash)) or self._others.by_hash.get(OrderHash(order_hash))
        return None if row is None or row.state in FINAL else row

    def of_maker(self, maker: Address) -> Iterator[OrderRow]:
        """One maker's open orders."""
        return iter(self._open.by_maker.get(maker, {}).values())

    def suspended_of(self, maker: Address) -> list[OrderRow]:
        """One maker's suspended orders, oldest first."""
        rows = (row for row in self._others.by_maker.get(maker, {}).values() if row.state is OrderState.SUSPENDED)
        return sorted(rows, key=lambda row: row.number)

    def of_market(self, market_hash: MarketHash) -> Iterator[OrderRow]:
        """The open orders of one market."""
        return iter(self._open.by_market.get(market_hash, {}).values())

    def _index_of(self, row: OrderRow) -> _Index:
        return self._open if row.is_open else self._others


def _drop(index: dict[Address, _Rows] | dict[MarketHash, _Rows], key: bytes, order_hash: OrderHash) -> None:
    rows = index[key]  # type: ignore[index]
    del rows[order_hash]
    if not rows:
        del index[key]  # type: ignore[arg-type]
