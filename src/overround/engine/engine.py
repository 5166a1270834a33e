"""`execute(command, now) -> events`: the one way in and the one way out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final, overload

from overround.engine import accounts, cancelling, filling, fixtures, heartbeats, placing, ticking
from overround.engine.commands import (
    AdjustClock,
    AnyCommand,
    Approve,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    FillOrders,
    GrantGrace,
    IssueApiKey,
    PingHeartbeat,
    PlaceOrders,
    ReportMarket,
    ResumeVenue,
    SetBalance,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    SetRestriction,
    StopHeartbeat,
    Tick,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.continuous import engine as continuous
from overround.engine.continuous.commands import AnyContinuousCommand, CancelDigests, CancelProducts
from overround.engine.continuous.rejections import Refusal
from overround.engine.events import AnyEvent, ClockAdjusted, VenueConfigured
from overround.engine.exposure import restore_rule
from overround.engine.rejections import Rejection
from overround.engine.state import State

VenueOutcome = list[AnyEvent] | Rejection  # of the venue's own commands and those of fixed-odds markets
Outcome = VenueOutcome | Refusal


def _configure(state: State, command: ConfigureVenue, now_ms: int) -> list[AnyEvent]:
    if state.rules is not None:
        # What the old rules refused may have been forgotten: a wider window must not bring it back.
        state.refuse_cancels_before(state.rules.earliest_cancel_s(now_ms))
    state.configure(command.rules)
    return [VenueConfigured(rules=command.rules)]


def _adjust_clock(state: State, command: AdjustClock, now_ms: int) -> list[AnyEvent]:
    del now_ms
    state.adjust_clock(command.offset_ms, command.frozen_at_ms)
    return [ClockAdjusted(offset_ms=command.offset_ms, frozen_at_ms=command.frozen_at_ms)]


def _continuous(rule: Callable[[continuous.ContinuousState, Any, int], Any]) -> Callable[[State, Any, int], Any]:
    """A rule of continuous markets as one of the venue's."""
    return lambda state, command, now_ms: rule(state.continuous, command, now_ms)


_RULES: Final[dict[type, Callable[[State, Any, int], Outcome]]] = {
    ConfigureVenue: _configure,
    AdjustClock: _adjust_clock,
    Tick: ticking.tick,
    ResumeVenue: heartbeats.resume,
    GrantGrace: heartbeats.grant_grace,
    CreateFixture: fixtures.create_fixture,
    UpdateFixture: fixtures.update_fixture,
    SetFixtureStatus: fixtures.set_fixture_status,
    CreateMarket: fixtures.create_market,
    SetMarketStatus: fixtures.set_market_status,
    ReportMarket: fixtures.report_market,
    SetLiveScore: fixtures.set_live_score,
    SetBalance: accounts.set_balance,
    IssueApiKey: accounts.issue_api_key,
    SetRestriction: accounts.set_restriction,
    PingHeartbeat: heartbeats.ping,
    StopHeartbeat: heartbeats.stop,
    Approve: accounts.approve,
    PlaceOrders: placing.place_orders,
    CancelOrders: cancelling.cancel_orders,
    CancelFixture: cancelling.cancel_fixture,
    CancelAll: cancelling.cancel_all,
    FillMarket: filling.submit,
    FillOrders: filling.submit,
    DecideFill: filling.decide,
    **{kind: _continuous(rule) for kind, rule in continuous.RULES.items()},
}


# What takes orders off and does nothing else: the next deadline may be later afterwards, never earlier.
_ENDING: Final = frozenset({CancelOrders, CancelFixture, CancelAll, CancelDigests, CancelProducts})
_QUIET_MS_MAX: Final = 3_600_000


class Engine:
    """A deterministic state machine: the same commands at the same times give the same state."""

    def __init__(self, state: State | None = None) -> None:
        self.state = State() if state is None else state
        self._quiet_until_ms = 0  # nothing is due before; looked up anew after whatever may have brought it forward

    @overload
    def execute(self, command: AnyContinuousCommand, now_ms: int) -> list[AnyEvent] | Refusal: ...

    @overload
    def execute(self, command: VenueCommand, now_ms: int) -> VenueOutcome: ...

    def execute(self, command: AnyCommand, now_ms: int) -> Outcome:
        """Decide one command at a given time, never earlier than the one before.

        Returns what happened, or the one reason why nothing did. Deadlines up to `now_ms` must have been fired
        by a `Tick` (`spec/decisions.md` D9); the sequencer sees to it.
        """
        state = self.state
        kind = type(command)
        if kind not in _ENDING:
            self._quiet_until_ms = 0
        outcome = _RULES[kind](state, command, now_ms)
        if state.touched.moved and isinstance(outcome, list):
            outcome += restore_rule(state, now_ms)
        return outcome

    def next_deadline_ms(self) -> int | None:
        """When the next `Tick` is due; None while nothing is."""
        return ticking.next_deadline_ms(self.state)

    def is_due(self, now_ms: int) -> bool:
        """Whether a `Tick` is due."""
        if now_ms < self._quiet_until_ms:
            return False
        deadline_ms = ticking.next_deadline_ms(self.state)
        self._quiet_until_ms = now_ms + _QUIET_MS_MAX if deadline_ms is None else deadline_ms
        return now_ms >= self._quiet_until_ms

    @property
    def heartbeats_armed(self) -> int:
        """How many accounts are cancelled unless they ping."""
        return len(self.state.heartbeats)

    @property
    def next_heartbeat_ms(self) -> int | None:
        """When the next of them is due."""
        return self.state.heartbeats.next_ms

    @property
    def waits(self) -> bool:
        """Whether time that passes unwatched would harm somebody: heartbeats are armed, or fills in their delay."""
        return bool(len(self.state.heartbeats) or self.state.fills.held)

    def digest(self) -> bytes:
        """32 bytes, equal for equal states; costs the same however large the state is."""
        state = self.state
        weight = state.weights.digest()
        if state.continuous.rules is None:
            return weight
        return hashlib.sha256(weight + continuous.digest(state.continuous)).digest()
