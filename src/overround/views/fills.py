"""Matched fills that are not paid yet: pending ones, and confirmed ones of markets without an outcome."""

from __future__ import annotations

from overround.engine.fill import Fill, FillStatus, MatchedFill
from overround.engine.types import FillHash, MarketHash


class Fills:
    """What feeds and the operator need of a fill while it is under way; the rest is history (`history/`)."""

    def __init__(self) -> None:
        self.pending: dict[FillHash, MatchedFill] = {}
        self.confirmed: dict[FillHash, MatchedFill] = {}
        self._confirmed_of: dict[MarketHash, dict[FillHash, MatchedFill]] = {}

    def seed(self, fill: Fill) -> None:
        """Take over a fill of a recovered engine."""
        self.match(fill.terms)
        if fill.status is FillStatus.CONFIRMED:
            self.confirm(fill.terms.fill_hash)

    def match(self, fill: MatchedFill) -> None:
        """A fill was matched."""
        self.pending[fill.fill_hash] = fill

    def confirm(self, fill_hash: FillHash) -> MatchedFill:
        """A pending fill was confirmed."""
        fill = self.confirmed[fill_hash] = self.pending.pop(fill_hash)
        self._confirmed_of.setdefault(fill.market_hash, {})[fill_hash] = fill
        return fill

    def fail(self, fill_hash: FillHash) -> MatchedFill:
        """A pending fill failed: it is forgotten."""
        return self.pending.pop(fill_hash)

    def grade(self, market_hash: MarketHash) -> list[MatchedFill]:
        """The market's confirmed fills were paid: they are forgotten. In the order of their matches."""
        graded = self._confirmed_of.pop(market_hash, {})
        for fill_hash in graded:
            del self.confirmed[fill_hash]
        return sorted(graded.values(), key=lambda fill: fill.number)
