"""An account: balances, API key, and its orders market by market, which is where exposure is counted."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overround.engine.fixed_odds import Book
from overround.engine.order import Order
from overround.engine.types import Address, MarketHash


class Position(msgspec.Struct, gc=False):
    """One account's live orders on one market in one token. A maker has thousands of these: it is kept small."""

    book: Book  # of this market and token
    exposure: int = 0  # what its open orders may still cost, both outcomes added up (spec/sx.md 7.6)
    orders: dict[int, Order] = msgspec.field(default_factory=dict)  # by number, in the order of acceptance

    def enter_book(self, order: Order) -> None:
        """The order became open: it can be matched, and counts."""
        self.book.add(order)
        self.exposure += order.remaining

    def leave_book(self, order: Order) -> None:
        """Undo `enter_book`; call it before the order changes."""
        self.book.remove(order)
        self.exposure -= order.remaining


class Account:
    """What the engine remembers of one address."""

    __slots__ = ("address", "api_key_digest", "api_key_issued_at_ms", "balances", "positions")

    def __init__(self, address: Address) -> None:
        self.address = address
        self.balances: dict[Address, int] = {}  # token -> base units
        self.api_key_digest: bytes | None = None
        self.api_key_issued_at_ms = 0
        self.positions: dict[Address, dict[MarketHash, Position]] = {}  # by token, then market

    def available(self, token: Address) -> int:
        """What the open orders of any one market may add up to, base units."""
        return self.balances.get(token, 0)

    def exposure(self, token: Address, market_hash: MarketHash) -> int:
        """The sum over the open orders of one market, base units."""
        markets = self.positions.get(token)
        position = markets.get(market_hash) if markets else None
        return position.exposure if position else 0

    def live_orders(self) -> Iterator[Order]:
        """Every order that is not in a final state, market by market."""
        for markets in self.positions.values():
            for position in markets.values():
                yield from position.orders.values()

    def live_orders_of(self, market_hash: MarketHash) -> Iterator[Order]:
        """Its live orders on one market, token by token."""
        for markets in self.positions.values():
            if position := markets.get(market_hash):
                yield from position.orders.values()
