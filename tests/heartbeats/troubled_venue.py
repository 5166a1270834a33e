"""`overround` on a machine with troubles: `python troubled_venue.py FILE ARGUMENTS...`

The file holds two numbers that may be changed at any moment: by how many milliseconds the wall clock is wrong, and how
long the next commit takes (back to 0 once it has). The product has no such hook: its time source is replaced here.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.heartbeats.troubles import Troubles

import overround.runtime.clock as clock
from overround.cli.main import main
from overround.engine.record import Record
from overround.journal.sqlite import SqliteJournal

troubles = Troubles(Path(sys.argv.pop(1)))
append = SqliteJournal.append


class WrongTime(clock.MachineTime):
    """The machine's clocks, of which the wall clock is wrong."""

    @staticmethod
    def wall_ns() -> int:
        """Unix time, wrong."""
        return time.time_ns() + troubles.wall_wrong_ms * 1_000_000


def slow(self: SqliteJournal, records: Sequence[Record]) -> None:
    """Append, now and then on a disk that takes its time."""
    append(self, records)
    if troubles.next_commit_ms:
        time.sleep(troubles.next_commit_ms / 1000)
        troubles.next_commit_ms = 0


clock.MachineTime = WrongTime  # type: ignore[misc]
SqliteJournal.append = slow  # type: ignore[method-assign]
main()
