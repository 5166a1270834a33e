"""Starting is recovering: the newest good snapshot, then the journal's tail. The same after a stop and a crash."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from overround.engine.engine import Engine
from overround.engine.snapshot import load
from overround.engine.state import State
from overround.journal.journal import Journal, JournalDamaged
from overround.journal.snapshots import SnapshotStore
from overround.views.views import Views


class Recovered(msgspec.Struct):
    """A venue's memory as of its last durable record."""

    engine: Engine
    views: Views
    seq: int
    time_ms: int
    replayed: int  # records read from the journal's tail


def recover(journal: Journal, snapshots: SnapshotStore | None) -> Recovered:
    """Rebuild engine and views. Raises JournalDamaged, also when a record is not what its command decides today."""
    with _collector_off():
        found = snapshots.newest_good(journal) if snapshots else None
        state = load(SnapshotStore.read(found[1])) if found else State()
        engine, views = Engine(state), Views()
        seq, time_ms = (found[0].seq, found[0].time_ms) if found else (0, 0)
        views.seed(state, seq=seq, time_ms=time_ms, digest=engine.digest())
        start = seq
        for record in journal.read(seq):
            events = engine.execute(record.command, record.time_ms)
            if events != record.events:
                raise JournalDamaged(f"record {record.seq} does not follow from its command: {record.command}")
            views.apply(record)
            seq, time_ms = record.seq, record.time_ms
        views.digest = engine.digest()
    return Recovered(engine, views, seq, time_ms, seq - start)


@contextmanager
def _collector_off() -> Iterator[None]:
    """Recovery only ever adds: the collector would look at everything again and again, and find nothing."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
