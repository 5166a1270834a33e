"""Writes snapshots from a process of its own, by the same code that recovers (`spec/decisions.md` C6).

`python -m overround.runtime.snapshotter DATA_DIR` recovers the data folder beside the running venue, from the last
snapshot and the journal, writes a snapshot and ends. The venue is never held up.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from overround.engine.snapshot import dump
from overround.journal.journal import Journal
from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import SqliteJournal
from overround.runtime.recovery import Recovered, recover


def write_snapshot(journal: Journal, recovered: Recovered, store: SnapshotStore) -> Path:
    """A snapshot of a recovered venue."""
    chain_digest = journal.digest_at(recovered.seq)
    assert chain_digest is not None
    return store.write(
        dump(recovered.engine.state),
        seq=recovered.seq,
        time_ms=recovered.time_ms,
        chain_digest=chain_digest,
    )


class Snapshotter:
    """Starts the side process when enough has happened or enough time has passed since the last snapshot."""

    def __init__(self, folder: Path, *, records: int, interval_s: float, seq: int) -> None:
        self._folder = folder
        self._records = records
        self._interval_s = interval_s
        self._seq = seq  # of the last snapshot
        self._latest_seq = seq
        self._loop = asyncio.get_running_loop()
        self._due_at = self._loop.time() + interval_s
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def note(self, seq: int) -> None:
        """The journal has grown to `seq`."""
        self._latest_seq = seq
        if self._task is None and (seq - self._seq >= self._records or self._loop.time() >= self._due_at):
            self._task = self._loop.create_task(self._write(seq))

    async def stop(self) -> None:
        """Give up a snapshot under way; the stop writes its own."""
        if self._task is not None:
            if self._process is not None and self._process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _write(self, seq: int) -> None:
        try:
            self._process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, str(self._folder))
            await self._process.wait()
        finally:
            self._process = None
            self._task = None
            self._seq = seq
            self._due_at = self._loop.time() + self._interval_s


def main(folder: Path) -> None:
    """Recover a data folder without touching it, and write a snapshot."""
    os.nice(10)  # the venue comes first
    journal = SqliteJournal(folder, read_only=True)
    store = SnapshotStore(folder)
    write_snapshot(journal, recover(journal, store), store)
    journal.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
