"""Time is a command: expiry and match start fire through `Tick` (spec/decisions.md D9, D13)."""

from __future__ import annotations

from heapq import heappop

from overround.engine import fixtures
from overround.engine.commands import Tick
from overround.engine.events import AnyEvent
from overround.engine.order import Trigger
from overround.engine.state import State


def next_deadline_ms(state: State) -> int | None:
    """When something is due next; nothing happens by itself before."""
    expiry_s, start_s = state.expiry.next_s, _next_start_s(state)
    if expiry_s is None or (start_s is not None and start_s < expiry_s):
        return None if start_s is None else start_s * 1000
    return expiry_s * 1000


def tick(state: State, command: Tick, now_ms: int) -> list[AnyEvent]:
    """Fire every deadline up to now, in time order; at the same time expiry comes before match start (D9)."""
    del command
    events: list[AnyEvent] = []
    while (due_ms := next_deadline_ms(state)) is not None and due_ms <= now_ms:
        if state.expiry.next_s is not None and state.expiry.next_s * 1000 == due_ms:
            events += [state.change(order, Trigger.EXPIRE, now_ms) for order in state.expiry.pop_next()]
        else:
            _, fixture_id = heappop(state.starts)
            events += fixtures.begin_match(state, state.fixtures[fixture_id], now_ms)
    return events


def _next_start_s(state: State) -> int | None:
    """The earliest start by the clock; starts that were moved, begun or handed to a status feed are dropped."""
    while state.starts:
        game_time_s, fixture_id = state.starts[0]
        fixture = state.fixtures[fixture_id]
        if fixture.starts_by_clock and fixture.game_time_s == game_time_s:
            return game_time_s
        heappop(state.starts)
    return None
