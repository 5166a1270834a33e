"""`overround` with a journal that fails: `python faulty_venue.py FAULT RECORDS ARGUMENTS...`

The first append after that many records meets the fault.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Sequence

from overround.cli.main import main
from overround.engine.record import Record
from overround.journal.journal import CommitUnknown, Fenced
from overround.journal.sqlite import SqliteJournal

FAULTS = {
    "eio": CommitUnknown("disk I/O error"),
    "eio after the write": CommitUnknown("disk I/O error"),  # it is on disk, and nobody can know
    "fenced": Fenced("epoch 2 owns this journal, not 1"),
    "surprise": sqlite3.ProgrammingError("something nobody thought of"),
}

fault, good = sys.argv.pop(1), int(sys.argv.pop(1))
append = SqliteJournal.append


def failing(self: SqliteJournal, records: Sequence[Record]) -> None:
    """Append, until it is time to fail."""
    if self.head.seq >= good:
        if fault.endswith("after the write"):
            append(self, records)
        raise FAULTS[fault]
    append(self, records)
    return


SqliteJournal.append = failing  # type: ignore[method-assign]
main()
