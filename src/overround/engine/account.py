"""An account: balances, API key, and its orders market by market, which is where exposure is counted."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overround.engine.fixed_odds import Book
from overround.engine.heartbeat import Firing
from overround.engine.order import Order, OrderState
from overround.engine.types import Address, MarketHash


class Position(msgspec.Struct, gc=False):
    """One account's live orders on one market in one token. A maker has thousands of these: it is kept small."""

    book: Book  # of this market and token
    exposure: int = 0  # what its open orders may still cost, both outcomes added up (spec/sx.md 7.6)
    orders: dict[int, Order] = msgspec.field(default_factory=dict)  # by number, in the order of acceptance
    suspended: int = 0  # how many of them are suspended

    def enter(self, order: Order) -> None:
        """The order is in its state from now on: an open one can be matched, and counts."""
        if order.state is OrderState.OPEN:
            self.book.add(order)
            self.exposure += order.remaining
        elif order.state is OrderState.SUSPENDED:
            self.suspended += 1
        else:
            self.book.hold(order)

    def leave_book(self, order: Order) -> None:
        """Undo `enter` of an open order; call it before the order changes."""
        self.book.remove(order)
        self.exposure -= order.remaining

    def leave_others(self, order: Order) -> None:
        """Undo `enter` of a suspended or held order; call it before the order changes."""
        if order.state is OrderState.SUSPENDED:
            self.suspended -= 1
        else:
            self.book.unhold(order)


class Account:
    """What the engine remembers of one address."""

    __slots__ = (
        "address",
        "allowances",
        "api_key_digest",
        "api_key_issued_at_ms",
        "balances",
        "dips_ms",
        "in_flight",
        "last_firing",
        "permit_nonces",
        "positions",
        "restricted_until_ms",
        "unconfirmed",
    )

    def __init__(self, address: Address) -> None:
        self.address = address
        self.balances: dict[Address, int] = {}  # token -> base units
        self.unconfirmed: dict[Address, int] = {}  # token -> stakes of pending fills, as maker and as taker
        self.in_flight = 0  # its fills as a taker, from acceptance to confirmation
        self.allowances: dict[Address, int] = {}  # token -> base units
        self.permit_nonces: dict[Address, int] = {}  # token -> the next one
        self.restricted_until_ms: int | None = 0  # None: until an operator lifts it
        self.dips_ms: list[int] = []  # when its balance fell below its exposure, within the window
        self.last_firing: Firing | None = None
        self.api_key_digest: bytes | None = None
        self.api_key_issued_at_ms = 0
        self.positions: dict[Address, dict[MarketHash, Position]] = {}  # by token, then market

    def available(self, token: Address) -> int:
        """What the open orders of any one market may add up to, base units (spec/sx.md 7.6).

        Negative where the operator took money that pending fills wait for (D1).
        """
        return self.balances.get(token, 0) - self.unconfirmed.get(token, 0)

    def is_restricted(self, now_ms: int) -> bool:
        """Whether it may not post orders now (spec/sx.md 7.7)."""
        return self.restricted_until_ms is None or now_ms < self.restricted_until_ms

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
