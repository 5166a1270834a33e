"""Time is a command: every deadline fires through `Tick` (spec/decisions.md D9, D13)."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop
from typing import Final

from overround.engine import filling, fixtures, heartbeats
from overround.engine.commands import Tick
from overround.engine.continuous import ticking as continuous
from overround.engine.events import AnyEvent, FillMatched
from overround.engine.exposure import restore_rule
from overround.engine.order import Trigger
from overround.engine.state import State
from overround.engine.types import FillHash


def next_deadline_ms(state: State) -> int | None:
    """When something is due next; nothing happens by itself before."""
    first = _first_due(state)
    return first[0] if first else None


def tick(state: State, command: Tick, now_ms: int) -> list[AnyEvent]:
    """Fire every deadline up to now, in time order (D9). Each is a step of its own: the exposure rule holds again
    before the next one fires.

    A fill and its settlement are two commands: what is matched here and due at once is left, with everything after
    it, to the next tick.
    """
    del command
    events: list[AnyEvent] = []
    matched: set[FillHash] = set()
    while (first := _first_due(state)) is not None and first[0] <= now_ms:
        if matched and first[1] == _SETTLEMENT and state.fills.first_due().terms.fill_hash in matched:
            break
        step = _FIRE[first[1]](state, now_ms)
        matched.update(event.fill.fill_hash for event in step if isinstance(event, FillMatched))
        events += step
        events += restore_rule(state, now_ms)
    return events


# Which of several deadlines at the same moment comes first (D9).
_EXPIRY, _CONTINUOUS_EXPIRY, _START, _HEARTBEAT, _SETTLEMENT, _RELEASE = range(6)
_NEVER: Final = 2**80  # ms: later than the last second that an order can name


def _first_due(state: State) -> tuple[int, int] | None:
    """The earliest deadline, and what it is. Asked before every command: no loop, no tuple but the answer."""
    fills = state.fills
    first_ms, kind = _NEVER, _EXPIRY
    if (second := state.expiry.next_s) is not None:
        first_ms = second * 1000
    if (second := state.continuous.expiry.next_s) is not None and second * 1000 < first_ms:
        first_ms, kind = second * 1000, _CONTINUOUS_EXPIRY
    if (second := _next_start_s(state)) is not None and second * 1000 < first_ms:
        first_ms, kind = second * 1000, _START
    if (due_ms := state.heartbeats.next_ms) is not None and due_ms < first_ms:
        first_ms, kind = due_ms, _HEARTBEAT
    if (due_ms := fills.next_settlement_ms) is not None and due_ms < first_ms:
        first_ms, kind = due_ms, _SETTLEMENT
    if (due_ms := fills.next_release_ms) is not None and due_ms < first_ms:
        first_ms, kind = due_ms, _RELEASE
    return None if first_ms == _NEVER else (first_ms, kind)


def _expire(state: State, now_ms: int) -> list[AnyEvent]:
    ended = (state.end(order, Trigger.EXPIRE, now_ms) for order in state.expiry.pop_next())
    return [one for one in ended if one is not None]


def _begin(state: State, now_ms: int) -> list[AnyEvent]:
    _, fixture_id = heappop(state.starts)
    return fixtures.begin_match(state, state.fixtures[fixture_id], now_ms)


def _expire_continuous(state: State, now_ms: int) -> list[AnyEvent]:
    del now_ms
    return [*continuous.expire_next(state.continuous)]


_FIRE: Final[dict[int, Callable[[State, int], list[AnyEvent]]]] = {
    _EXPIRY: _expire,
    _CONTINUOUS_EXPIRY: _expire_continuous,
    _START: _begin,
    _HEARTBEAT: heartbeats.fire,
    _SETTLEMENT: filling.settle_next,
    _RELEASE: filling.match_next,
}


def _next_start_s(state: State) -> int | None:
    """The earliest start by the clock; starts that were moved, begun or handed to a status feed are dropped."""
    while state.starts:
        game_time_s, fixture_id = state.starts[0]
        fixture = state.fixtures[fixture_id]
        if fixture.starts_by_clock and fixture.game_time_s == game_time_s:
            return game_time_s
        heappop(state.starts)
    return None
