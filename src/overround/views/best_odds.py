"""The best price of every market, token and side, and since when it is the best (spec/sx.md 5.8)."""

from __future__ import annotations

from typing import NamedTuple

from overround.engine.commands import NewOrder
from overround.engine.types import Address, MarketHash


class SideKey(NamedTuple):
    """One side of one market in one token."""

    market_hash: MarketHash
    base_token: Address
    is_maker_betting_outcome_one: bool


class BestPrice:
    """The prices of one side with how many orders stand at each."""

    __slots__ = ("_counts", "percentage_odds", "updated_at_ms")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.percentage_odds: int | None = None
        self.updated_at_ms = 0

    def add(self, odds: int, time_ms: int) -> None:
        """One more order at this price."""
        self._counts[odds] = self._counts.get(odds, 0) + 1
        if self.percentage_odds is None or odds > self.percentage_odds:
            self.percentage_odds, self.updated_at_ms = odds, time_ms

    def remove(self, odds: int, time_ms: int) -> None:
        """One order less at this price."""
        left = self._counts[odds] - 1
        if left:
            self._counts[odds] = left
            return
        del self._counts[odds]
        if odds == self.percentage_odds:
            self.percentage_odds, self.updated_at_ms = max(self._counts, default=None), time_ms


class BestOdds:
    """Best prices, kept with every order that comes or goes."""

    def __init__(self) -> None:
        self._sides: dict[SideKey, BestPrice] = {}

    def add(self, terms: NewOrder, time_ms: int) -> None:
        """An order came onto the book."""
        key = side_key(terms)
        side = self._sides.get(key)
        if side is None:
            side = self._sides[key] = BestPrice()
        side.add(terms.percentage_odds, time_ms)

    def remove(self, terms: NewOrder, time_ms: int) -> None:
        """An order left the book."""
        self._sides[side_key(terms)].remove(terms.percentage_odds, time_ms)

    def keep_date(self, key: SideKey, before: int | None, updated_at_ms: int) -> None:
        """A price that is the same after a record as before it has not changed, whatever happened in between."""
        side = self._sides.get(key)
        if side is not None and side.percentage_odds == before:
            side.updated_at_ms = updated_at_ms

    def since(self) -> list[tuple[SideKey, int]]:
        """Since when each best price is the best: the one thing here that does not follow from the books."""
        return [(key, side.updated_at_ms) for key, side in self._sides.items()]

    def restore(self, since: list[tuple[SideKey, int]]) -> None:
        """Take `since` over, into sides that were filled from the books."""
        for key, updated_at_ms in since:
            side = self._sides.setdefault(SideKey(*key), BestPrice())
            side.updated_at_ms = updated_at_ms

    def get(self, key: SideKey) -> BestPrice | None:
        """The best price of a side; None if it never had an order."""
        return self._sides.get(key)


def side_key(terms: NewOrder) -> SideKey:
    """Where an order stands."""
    return SideKey(terms.market_hash, terms.base_token, terms.is_maker_betting_outcome_one)
