"""Starting is recovering: the newest good snapshot, then the journal's tail. The same after a stop and a crash."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

import msgspec

from overround.engine.engine import Engine
from overround.engine.snapshot import AnySection, load
from overround.engine.state import State
from overround.journal.journal import Journal, JournalDamaged
from overround.journal.snapshots import FeedSection, SnapshotStore
from overround.realtime import Hub
from overround.runtime.feed import Feed, HubPublisher
from overround.views.views import Views


class Recovered(msgspec.Struct):
    """A venue's memory as of its last durable record."""

    engine: Engine
    views: Views
    seq: int
    time_ms: int
    replayed: int  # records read from the journal's tail
    feed: Feed | None = None


def recover(
    journal: Journal,
    snapshots: SnapshotStore | None,
    *,
    until: int | None = None,
    make_hub: Callable[[], Hub] | None = None,
) -> Recovered:
    """Rebuild engine and views, and with `make_hub` the feeds, as of the last record or of record `until`.

    Raises JournalDamaged, also when a record is not what its command decides today.
    """
    with _collector_off():
        state, seq, time_ms, hub = _restore(journal, snapshots, make_hub)
        engine, views = Engine(state), Views()
        views.seed(state, seq=seq, time_ms=time_ms, digest=engine.digest())
        feed = Feed(views, HubPublisher(hub)) if hub is not None else None
        start = seq
        for record in islice(journal.read(seq), None if until is None else until - seq):
            events = engine.execute(record.command, record.time_ms)
            if events != record.events:
                raise JournalDamaged(f"record {record.seq} does not follow from its command: {record.command}")
            changes = views.apply(record)
            if feed is not None:
                feed.follow(record, changes)
            seq, time_ms = record.seq, record.time_ms
        views.digest = engine.digest()
    return Recovered(engine, views, seq, time_ms, seq - start, feed)


def _restore(
    journal: Journal, snapshots: SnapshotStore | None, make_hub: Callable[[], Hub] | None
) -> tuple[State, int, int, Hub | None]:
    """The state, seq, time and hub of the newest snapshot that can be used, or of the beginning."""
    for footer, path in snapshots.good(journal) if snapshots else ():
        hub = make_hub() if make_hub else None
        try:
            state = load(_without_feed(SnapshotStore.read(path), hub))
            if hub is not None and hub.cursor != footer.seq:
                continue  # written without feeds: their offsets have to be counted from the beginning
        except Exception:
            # Dropped meanwhile, or written by a version of other shapes. A snapshot is only a shortcut: whatever is
            # wrong with one, the journal has it all.
            continue
        if Engine(state).digest() == footer.state_digest:
            return state, footer.seq, footer.time_ms, hub
    return State(), 0, 0, make_hub() if make_hub else None


def _without_feed(sections: Iterator[AnySection | FeedSection], hub: Hub | None) -> Iterator[AnySection]:
    """The engine's sections; the feeds' go to the hub."""
    for section in sections:
        if not isinstance(section, FeedSection):
            yield section
        elif hub is not None:
            hub.restore(section.hub)


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
