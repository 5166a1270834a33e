"""A desk behind a shop window: every decided command is shown by views, as the venue does it."""

from __future__ import annotations

from tests.engine.desk import USDC, A, Desk

from overround.engine.commands import VenueCommand
from overround.engine.engine import VenueOutcome
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import MarketHash
from overround.views.best_odds import BestPrice, SideKey
from overround.views.changes import Changes
from overround.views.views import Views


class Window(Desk):
    """The desk of the engine's tests, its records, and views that were fed with them."""

    def __init__(self, *, furnished: bool = True) -> None:
        self.views = Views()
        self.records: list[Record] = []
        self.changes = Changes()  # of the last record
        super().__init__(furnished=furnished)

    def _execute(self, command: VenueCommand) -> VenueOutcome:
        outcome = super()._execute(command)
        if not isinstance(outcome, Rejection):
            seq = len(self.records) + 1
            self.records.append(Record(seq, self.now_ms, 1, f"c{seq}", command, outcome))
            self.changes = self.views.apply(self.records[-1])
        return outcome

    def seeded(self) -> Views:
        """Views as a venue has them that starts from a snapshot of now."""
        views, last = Views(), self.records[-1]
        views.seed(self.engine.state, seq=last.seq, time_ms=last.time_ms, digest=self.engine.digest())
        views.best_odds.restore(self.views.best_odds.since())
        return views

    def best(self, market_hash: MarketHash = A, *, one: bool = True) -> BestPrice | None:
        return self.views.best_odds.get(SideKey(market_hash, USDC.address, one))
