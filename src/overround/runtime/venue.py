"""The venue, wired. Read this file first: top to bottom it is the architecture.

command -> sequencer -> engine -> journal -> (durable) -> views -> answer
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, overload

from overround.engine.commands import AnyCommand, ResumeVenue, VenueCommand
from overround.engine.continuous.commands import AnyContinuousCommand
from overround.engine.continuous.rejections import Refusal
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.history.history import History
from overround.journal.journal import Journal
from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import SqliteJournal
from overround.journal.writer import JournalWriter
from overround.realtime import Limits, Namespaces
from overround.runtime.clock import VenueClock
from overround.runtime.feed import hub_of
from overround.runtime.fills import FillResults
from overround.runtime.leadership import FolderLock, Leadership
from overround.runtime.recovery import Recovered, recover
from overround.runtime.sequencer import InboxFull, Sequencer, Tell
from overround.runtime.snapshotter import Snapshotter, write_snapshot
from overround.runtime.vigil import STALL_MS
from overround.views.changes import ContinuousChanges
from overround.views.views import Views

SNAPSHOT_RECORDS: Final = 100_000
SNAPSHOT_INTERVAL_S: Final = 600.0


class Venue:
    """One venue on one data folder, without sockets. Open it inside a running event loop."""

    def __init__(
        self,
        *,
        leadership: Leadership,
        journal: Journal,
        snapshots: SnapshotStore | None,
        snapshotter: Snapshotter | None,
        recovered: Recovered,
        history: History,
        epoch: int,
        clock: VenueClock,
        stall_ms: int,
        charge_downtime: bool,
        on_fatal: Callable[[BaseException], None],
    ) -> None:
        self._leadership = leadership
        self._journal = journal
        self._snapshots = snapshots
        self._snapshotter = snapshotter
        self._recovered = recovered
        self.history = history
        self.replayed = recovered.replayed
        self.views: Views = recovered.views
        self.feed = recovered.feed
        self.clock = clock
        state = recovered.engine.state
        clock.adjust(state.clock_offset_ms, state.clock_frozen_at_ms)
        clock.go_on_from(recovered.time_ms)
        self.fills = FillResults()
        self.listeners: list[Callable[[Record], None]] = [self.fills.follow]  # told of each record once views show it
        # Told, record by record, what it did to continuous markets: streams of the gateway.
        self.followers: list[Callable[[Record, ContinuousChanges], None]] = []
        self._writer = JournalWriter(journal)
        self.sequencer = Sequencer(
            recovered.engine,
            self._writer,
            self.clock,
            epoch=epoch,
            seq=recovered.seq,
            time_ms=recovered.time_ms,
            release=self._release,
            fatal=on_fatal,
            stall_ms=stall_ms,
            charge_downtime=charge_downtime,
        )

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        on_fatal: Callable[[BaseException], None],
        size_max_bytes: int = 0,
        snapshot_records: int = SNAPSHOT_RECORDS,
        snapshot_interval_s: float = SNAPSHOT_INTERVAL_S,
        namespaces: Namespaces | None = None,
        limits: Limits | None = None,
        stall_ms: int = STALL_MS,
        charge_downtime: bool = False,
        clock: VenueClock | None = None,
    ) -> Venue:
        """Lock the folder, recover, and be ready; with `namespaces`, feeds and all.

        Raises DataFolderInUse, DataFolderUnusable, JournalDamaged and JournalUnavailable. `on_fatal` is called when a
        commit fails, or when the venue finds itself at fault. From then on nothing is decided or answered any more;
        it must end the process.
        """
        leadership = FolderLock(folder)
        epoch = leadership.acquire()
        snapshots = SnapshotStore(folder)
        with ExitStack() as undo:
            undo.callback(leadership.release)
            journal = SqliteJournal(folder, epoch=epoch, size_max_bytes=size_max_bytes)
            undo.callback(journal.close)
            make_hub = None if namespaces is None else partial(hub_of, journal, namespaces, limits)
            recovered = recover(journal, snapshots, make_hub=make_hub)
            undo.pop_all()
        # What was recovered lives as long as the process: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        snapshotter = Snapshotter(
            folder,
            records=snapshot_records,
            interval_s=snapshot_interval_s,
            seq=recovered.seq - recovered.replayed,
            namespaces=namespaces,
        )
        return cls(
            leadership=leadership,
            journal=journal,
            snapshots=snapshots,
            snapshotter=snapshotter,
            recovered=recovered,
            history=History(folder, journal),
            epoch=epoch,
            clock=VenueClock() if clock is None else clock,
            stall_ms=stall_ms,
            charge_downtime=charge_downtime,
            on_fatal=on_fatal,
        )

    @overload
    def submit(self, command: AnyContinuousCommand, command_id: str) -> asyncio.Future[Record | Refusal]: ...

    @overload
    def submit(self, command: VenueCommand, command_id: str) -> asyncio.Future[Record | Rejection]: ...

    def submit(self, command: AnyCommand, command_id: str) -> Any:
        """Ask for a command: resolves to its durable record, or to the reason why nothing happened."""
        return self.sequencer.submit(command, command_id)

    def submit_for(self, command: AnyCommand, command_id: str, tell: Tell) -> None:
        """The same, without a future: `tell` is called with the decision."""
        self.sequencer.submit_for(command, command_id, tell)

    async def drop_held_fills(self, command_id: str) -> None:
        """Before a stop: fills in their betting delay will not see its end, and whoever waits for one is told so.

        They are dropped as a crash would drop them (D5), but in so many words: what is answered is durable.
        """
        self.fills.closed = True
        if len(self.fills) or self._recovered.engine.state.fills.held:
            with suppress(InboxFull):  # then they are cut off, and the next start drops their fills
                await self.submit(ResumeVenue(grace_ms=0), command_id)

    async def stop(self) -> None:
        """Decide what was submitted, write a snapshot, give the folder back."""
        await self.sequencer.stop()
        self._writer.stop()
        self.history.stop()
        if self._snapshotter is not None:
            await self._snapshotter.stop()
        try:
            self._write_last_snapshot()
        except OSError as error:  # no harm but time: the next start replays more
            context = {"message": "the last snapshot could not be written", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        self._journal.close()
        self._leadership.release()

    def _release(self, records: list[Record], seq: int, digest: bytes) -> None:
        """Below the durability line: views first, so that whoever is answered reads his own write."""
        for record in records:
            changes = self.views.apply(record)
            if self.feed is not None:
                self.feed.follow(record, changes)
            if changes.continuous is not None:
                for follow in self.followers:
                    follow(record, changes.continuous)
        self.views.digest = digest
        self.history.follow(records)
        for listener in self.listeners:
            for record in records:
                listener(record)
        if self._snapshotter is not None:
            self._snapshotter.note(seq)

    def _write_last_snapshot(self) -> None:
        if self._snapshots is not None and self._journal.head.seq:
            engine = self._recovered.engine
            last = Recovered(engine, self.views, self.views.seq, self.views.time_ms, 0, self.feed)
            write_snapshot(self._journal, last, self._snapshots)
