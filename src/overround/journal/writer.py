"""The thread that waits for the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Thread

from overround.engine.record import Record
from overround.journal.journal import Journal

Batch = tuple[Sequence[Record], Callable[[BaseException | None], object]]


class JournalWriter:
    """Appends batches one after the other, on its own thread."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._batches: SimpleQueue[Batch | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def submit(self, records: Sequence[Record], done: Callable[[BaseException | None], object]) -> None:
        """Append a batch; `done` is called on the writer's thread, with the error if it failed."""
        self._batches.put((records, done))

    def stop(self) -> None:
        """Finish what was submitted and end the thread."""
        self._batches.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._batches.get()) is not None:
            records, done = batch
            try:
                self._journal.append(records)
            except BaseException as error:  # whatever it was: nobody may be answered
                done(error)
            else:
                done(None)
