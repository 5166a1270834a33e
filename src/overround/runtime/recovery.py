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
from overround.journal.snapshots import AnyPart, FeedSection, PayloadSection, PriceSection, SnapshotStore, VolumeSection
from overround.realtime import Hub
from overround.runtime.feed import Feed, HubPublisher
from overround.views.best_odds import SideKey
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
        found = _restore(journal, snapshots, make_hub)
        seq, time_ms, hub = found.seq, found.time_ms, found.hub
        engine, views = Engine(found.state), Views()
        views.seed(found.state, seq=seq, time_ms=time_ms, digest=engine.digest())
        views.best_odds.restore(found.best_since)
        views.volumes.restore(found.volumes)
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


class _Start(msgspec.Struct):
    """Where recovery starts: a snapshot's contents, or the beginning."""

    state: State
    hub: Hub | None
    seq: int = 0
    time_ms: int = 0
    best_since: list[tuple[SideKey, int]] = []
    volumes: list[tuple[bytes, bytes, int]] = []


def _restore(journal: Journal, snapshots: SnapshotStore | None, make_hub: Callable[[], Hub] | None) -> _Start:
    """The newest snapshot that can be used, or the beginning."""
    for footer, path in snapshots.good(journal) if snapshots else ():
        start = _Start(State(), make_hub() if make_hub else None, footer.seq, footer.time_ms)
        try:
            start.state = load(_engine_sections(SnapshotStore.read(path), start))
        except Exception:
            # Dropped meanwhile, or written by a version of other shapes. A snapshot is only a shortcut: whatever is
            # wrong with one, the journal has it all.
            continue
        if start.hub is not None and start.hub.cursor != footer.seq:
            continue  # written without feeds: their offsets have to be counted from the beginning
        if Engine(start.state).digest() == footer.state_digest:
            return start
    return _Start(State(), make_hub() if make_hub else None)


def _engine_sections(sections: Iterator[AnyPart], start: _Start) -> Iterator[AnySection]:
    """The engine's sections; those of views and feeds go where they belong."""
    payloads: list[bytes] = []
    for section in sections:
        match section:
            case PriceSection():
                start.best_since = [(SideKey(*key), since) for key, since in section.since]  # type: ignore[arg-type]
            case VolumeSection():
                start.volumes = section.rows
            case PayloadSection():
                if start.hub is not None:
                    payloads += section.payloads
            case FeedSection():
                if start.hub is not None:
                    start.hub.restore({**section.hub, "payloads": payloads})
            case _:
                yield section


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
