"""What was matched, by market and token: the volume of the venue (`spec/sx.md` 5.1, C7)."""

from __future__ import annotations

from overround.engine.fill import MatchedFill
from overround.engine.types import Address, MarketHash

VolumeKey = tuple[MarketHash, Address]


class Volumes:
    """Both sides' stakes of every fill that did not fail. It follows from no state, so snapshots carry it."""

    def __init__(self) -> None:
        self.of_market: dict[MarketHash, dict[Address, int]] = {}  # base units by token
        self.total: dict[Address, int] = {}  # likewise

    def add(self, fill: MatchedFill, sign: int = 1) -> None:
        """A fill was matched; with sign -1: it failed."""
        self._add(fill.market_hash, fill.base_token, sign * fill.pot)

    def dump(self) -> list[tuple[bytes, bytes, int]]:
        """Market, token, base units."""
        return [(market, token, amount) for market, held in self.of_market.items() for token, amount in held.items()]

    def restore(self, rows: list[tuple[bytes, bytes, int]]) -> None:
        """Undo `dump`."""
        for market, token, amount in rows:
            self._add(MarketHash(market), Address(token), amount)

    def _add(self, market_hash: MarketHash, token: Address, amount: int) -> None:
        held = self.of_market.setdefault(market_hash, {})
        held[token] = held.get(token, 0) + amount
        self.total[token] = self.total.get(token, 0) + amount
