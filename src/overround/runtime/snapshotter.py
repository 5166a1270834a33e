"""Writes snapshots from a process of its own, by the same code that recovers (`spec/decisions.md` C6).

`python -m overround.runtime.snapshotter DATA_DIR` recovers the data folder beside the running venue, from the last
snapshot and the journal, writes a snapshot and ends. The venue is never held up. The venue's own side process ends
with it, however it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from functools import partial
from itertools import chain
from pathlib import Path
from threading import Thread
from typing import Final

import msgspec

from overround.engine.snapshot import dump
from overround.journal.journal import Journal
from overround.journal.snapshots import PriceSection, SnapshotStore, VolumeSection, feed_sections
from overround.journal.sqlite import SqliteJournal
from overround.realtime import Namespaces
from overround.runtime.feed import hub_of
from overround.runtime.recovery import Recovered, recover

CHILD_FLAG: Final = "--child"  # standard input stays open for as long as the parent lives


def write_snapshot(journal: Journal, recovered: Recovered, store: SnapshotStore) -> Path:
    """A snapshot of a recovered venue."""
    chain_digest = journal.digest_at(recovered.seq)
    assert chain_digest is not None
    feed = recovered.feed
    prices = PriceSection([((*key,), since) for key, since in recovered.views.best_odds.since()])
    volumes = VolumeSection(recovered.views.volumes.dump())
    feeds = () if feed is None else feed_sections(feed.publisher.snapshot())
    return store.write(
        chain(dump(recovered.engine.state), [prices, volumes], feeds),
        seq=recovered.seq,
        time_ms=recovered.time_ms,
        chain_digest=chain_digest,
        state_digest=recovered.engine.digest(),
    )


class Snapshotter:
    """Starts the side process when enough has happened or enough time has passed since the last snapshot."""

    def __init__(
        self, folder: Path, *, records: int, interval_s: float, seq: int, namespaces: Namespaces | None = None
    ) -> None:
        self._folder = folder
        self._namespaces = namespaces
        self._records = records
        self._interval_s = interval_s
        self._seq = seq  # of the last snapshot
        self._loop = asyncio.get_running_loop()
        self._due_at = self._loop.time() + interval_s
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def note(self, seq: int) -> None:
        """The journal has grown to `seq`."""
        if self._task is None and (seq - self._seq >= self._records or self._loop.time() >= self._due_at):
            self._task = self._loop.create_task(self._write(seq))

    async def stop(self) -> None:
        """Give up a snapshot under way; the stop writes its own."""
        self._stopped = True
        self._kill()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def _write(self, seq: int) -> None:
        try:
            namespaces = [] if self._namespaces is None else [msgspec.json.encode(self._namespaces).decode()]
            arguments = (str(self._folder), CHILD_FLAG, *namespaces)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, *arguments, stdin=asyncio.subprocess.PIPE
            )
            if self._stopped:
                self._kill()
            await self._process.wait()
        finally:
            self._process = None
            self._task = None
            self._seq = seq
            self._due_at = self._loop.time() + self._interval_s


def main(folder: Path, namespaces: Namespaces | None = None) -> None:
    """Recover a data folder without touching it, and write a snapshot; with the feeds of these namespaces."""
    os.nice(10)  # the venue comes first
    journal = SqliteJournal(folder, read_only=True)
    store = SnapshotStore(folder)
    make_hub = None if namespaces is None else partial(hub_of, journal, namespaces)
    write_snapshot(journal, recover(journal, store, make_hub=make_hub), store)
    journal.close()


def _end_with_parent() -> None:
    """The pipe to a parent that was killed reads as ended."""
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    if CHILD_FLAG in sys.argv:
        if select.select([0], [], [], 0)[0]:
            sys.exit(1)  # it is gone already
        Thread(target=_end_with_parent, daemon=True).start()
    given = [text for text in sys.argv[2:] if text != CHILD_FLAG]
    main(Path(sys.argv[1]), msgspec.json.decode(given[0], type=Namespaces) if given else None)
