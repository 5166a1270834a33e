"""The thread that waits for the disk."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from tests.journal.history import records

from overround.engine.record import Record
from overround.journal.journal import CommitUnknown
from overround.journal.memory import MemoryJournal
from overround.journal.writer import JournalWriter

HISTORY = records(30)


def test_batches_are_appended_in_order_and_reported_one_by_one() -> None:
    journal = MemoryJournal()
    writer = JournalWriter(journal)
    reports: list[tuple[BaseException | None, int]] = []
    for start in range(0, 30, 5):
        writer.submit(HISTORY[start : start + 5], lambda error: reports.append((error, journal.head.seq)))
    writer.stop()
    assert reports == [(None, seq) for seq in (5, 10, 15, 20, 25, 30)]
    assert list(journal.read(0)) == HISTORY


def test_it_is_not_the_callers_thread_that_waits() -> None:
    threads: list[threading.Thread] = []

    class Watched(MemoryJournal):
        def append(self, records: Sequence[Record]) -> None:
            threads.append(threading.current_thread())
            super().append(records)

    writer = JournalWriter(Watched())
    writer.submit(HISTORY, lambda _: threads.append(threading.current_thread()))
    writer.stop()
    assert threads[0] is threads[1] is not threading.current_thread()
    assert not threads[0].is_alive()


def test_a_failure_is_reported_whatever_it_is() -> None:
    for fault in (CommitUnknown("disk"), OverflowError("of the codec"), KeyboardInterrupt()):
        journal = MemoryJournal()
        journal.fault = fault  # type: ignore[assignment]
        writer = JournalWriter(journal)
        reports: list[BaseException | None] = []
        writer.submit(HISTORY, reports.append)
        writer.stop()
        assert reports == [fault]
