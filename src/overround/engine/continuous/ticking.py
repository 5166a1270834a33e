"""Time is a command: orders expire when the venue is told what time it is (spec/decisions.md D9)."""

from __future__ import annotations

from overround.engine.continuous import margin
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import EndCause

_MS = 1000


def next_deadline_ms(state: ContinuousState) -> int | None:
    """When the next order expires; None while none can."""
    second = state.expiry.next_s
    return None if second is None else second * _MS


def tick(state: ContinuousState, now_ms: int) -> list[AnyContinuousEvent]:
    """Everything due, second by second, so that it makes no difference how late the tick is."""
    events: list[AnyContinuousEvent] = []
    while (second := state.expiry.next_s) is not None and second * _MS <= now_ms:
        events += expire_next(state)
    return events


def expire_next(state: ContinuousState) -> list[AnyContinuousEvent]:
    """What expires in the earliest second in which something does, and what follows from it."""
    second = state.expiry.next_s
    assert second is not None
    ended = [margin.end(state, order, EndCause.EXPIRED) for order in state.expiry.due(second)]
    return [*ended, *margin.settle(state)]
