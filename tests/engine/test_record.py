"""A record: what the journal keeps of a command."""

from __future__ import annotations

import pytest
from tests.engine.desk import ALICE, START_MS, Desk

from overround.engine.commands import PlaceOrders, Tick
from overround.engine.record import Record
from overround.engine.types import WORD_MAX
from overround.journal import codec


def test_a_record_is_read_back_as_it_was_written_whatever_its_numbers(desk: Desk) -> None:
    desk.fund(ALICE, WORD_MAX)
    command = PlaceOrders(orders=(desk.order(size=WORD_MAX), desk.order(size=1)))
    events = desk.engine.execute(command, desk.now_ms)
    assert isinstance(events, list)
    record = Record(7, desk.now_ms, 1, "request-1", command, events)
    assert codec.decode_record(codec.encode_record(record)) == record


def test_a_record_does_not_change() -> None:
    record = Record(1, START_MS, 1, "tick", Tick(), [])
    with pytest.raises(AttributeError):
        record.seq = 2  # type: ignore[misc]
