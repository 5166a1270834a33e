"""A desk on continuous markets behind a shop window: every decided command is shown by views, as the venue does it."""

from __future__ import annotations

from tests.engine.continuous.desk import RULES, Desk

from overround.engine.commands import AnyCommand, Tick
from overround.engine.continuous import engine
from overround.engine.continuous.commands import AnyContinuousCommand
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.record import Record
from overround.engine.state import State
from overround.views.changes import Changes, ContinuousChanges
from overround.views.continuous import Continuous
from overround.views.views import Views


class Shop(Desk):
    """The desk of the engine's tests, its records, and views that were fed with them."""

    def __init__(self, rules: ContinuousRules = RULES) -> None:
        self.views = Views()
        self.records: list[Record] = []
        self.changes = Changes()  # of the last record
        self.history: list[tuple[Record, ContinuousChanges | None]] = []
        super().__init__(rules)

    @property
    def shown(self) -> Continuous:
        return self.views.continuous

    @property
    def told(self) -> ContinuousChanges:
        """What the last record did; it must have done something."""
        assert self.changes.continuous is not None
        return self.changes.continuous

    def execute(self, command: AnyContinuousCommand) -> engine.Outcome:
        outcome = super().execute(command)
        if not isinstance(outcome, Refusal):
            self._show(command, outcome)
        return outcome

    def wait(self, seconds: float) -> list[AnyContinuousEvent]:
        events = super().wait(seconds)
        if events:
            self._show(Tick(), events)
        return events

    def _show(self, command: AnyCommand, events: list[AnyContinuousEvent]) -> None:
        seq = len(self.records) + 1
        self.records.append(Record(seq, self.now_ms, 1, f"c{seq}", command, [*events]))
        self.changes = self.views.apply(self.records[-1])
        self.history.append((self.records[-1], self.changes.continuous))

    def seeded(self) -> Views:
        """Views as a venue has them that starts from a snapshot of now."""
        views, state = Views(), State()
        state.continuous = self.state
        views.seed(state, seq=len(self.records), time_ms=self.now_ms, digest=b"")
        return views
