"""Events: every one happens, and survives the journal."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
import pytest
from tests.properties.traffic import STEPS_MS, Traffic
from tests.properties.twins import Twins

from overround.engine.base import Event
from overround.engine.events import AnyEvent, VenueEvent

EVENTS: tuple[type, ...] = get_args(VenueEvent)


@pytest.fixture(scope="module")
def happened() -> dict[type, AnyEvent]:
    """One event of every kind, out of some busy days."""
    found: dict[type, AnyEvent] = {}
    for seed in range(20):
        twins, traffic, random = Twins(), Traffic(), Random(seed)
        for command in traffic.opening():
            twins.submit(command)
        for _ in range(300):
            twins.pass_time(random.choice(STEPS_MS))
            twins.submit(traffic.any(random, twins.now_ms))
        found |= {type(event): event for record in twins.journal.read(0) for event in record.events}
        if found.keys() == set(EVENTS):
            break
    return found


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
def test_an_event_happens_and_is_read_back_as_it_was_written(kind: type, happened: dict[type, AnyEvent]) -> None:
    event = happened[kind]
    payload = msgspec.json.encode(event)
    assert msgspec.json.decode(payload, type=VenueEvent) == event
    assert msgspec.json.decode(payload)["event"] == kind.__name__
    assert issubclass(kind, Event)
    assert kind.__struct_config__.frozen
