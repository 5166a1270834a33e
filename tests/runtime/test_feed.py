"""Feeds follow from the journal: a hub rebuilt from it is the hub that was, whatever happened around its publications.

Positions, histories and message ids are compared as `Hub.snapshot` gives them; `Hub.tick` first releases what has
outlived its time, which may happen sooner or later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.journal.history import records
from tests.properties.traffic import MAKERS, START_MS, Traffic
from tests.realtime.plain import PlainFraming, joined, read

from overround.engine.commands import AdjustClock, CreateFixture, PlaceOrders, VenueCommand
from overround.engine.record import Record
from overround.journal.memory import MemoryJournal
from overround.journal.snapshots import FOLDER_NAME, PAYLOAD_SECTION_BYTES, SnapshotStore
from overround.journal.sqlite import SqliteJournal
from overround.protocols.sx import feeds
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.realtime import Disconnect, Hub, Namespace, Namespaces, Position, Session
from overround.runtime.feed import Feed, HubPublisher, hub_of
from overround.runtime.recovery import recover
from overround.runtime.snapshotter import write_snapshot
from overround.runtime.venue import Venue
from overround.views.changes import Changes
from overround.views.views import Views

FROM_MS = 4_000_000_000_000  # later than any clock that a test runs on, so that the venue's own can be moved freely
LIVES = 3
TURNS = 12  # of one life
TOGETHER_MAX = 5  # commands that may share a commit
PATIENCE_S = 30
STEPS_MS = (0, 1, 250, 1_000, 2_000, 5_000, 31_000, 301_000)

DEFAULT = Namespaces(SX_NAMESPACES)


def _tight() -> Namespaces:
    """Bounds that a short day meets: histories are trimmed, emptied and forgotten, by count, bytes and time."""
    named = dict(SX_NAMESPACES)
    for name, more in {
        "active_orders": {"history_size": 3, "history_ttl_ms": 30_000, "streams_max": 2},
        "order_book": {"history_size": 6, "history_bytes_max": 6_000, "history_meta_ttl_ms": 300_000},
        "best_odds": {"history_size": 4, "history_ttl_ms": 60_000, "allow_recovery": True},
    }.items():
        named[name] = msgspec.structs.replace(named[name], **more)
    return Namespaces(named)


TIGHT = _tight()


# ---- a live venue --------------------------------------------------------------------------------------------------


def _hub(feed: Feed | None) -> Hub:
    assert feed is not None
    assert isinstance(feed.publisher, HubPublisher)
    return feed.publisher.hub


def _state(hub: Hub, now_ms: int) -> dict[str, Any]:
    """Everything that a client could ever be told: by namespace its floor and its channels, longest quiet first."""
    hub.tick(now_ms)
    dump = hub.snapshot()
    state = {"epoch": dump["epoch"], "cursor": dump["cursor"]}
    for name, (floor, streams) in dump["namespaces"].items():
        if floor or streams:  # else somebody only looked
            state[name] = (floor, [_stream(dump["payloads"], *stream) for stream in streams])
    return state


def _stream(payloads: list[bytes], name: str, top: int, last_ms: int, kept: list[Any]) -> Any:
    return name, top, last_ms, [(payloads[place], time_ms, message_id) for place, time_ms, message_id in kept]


class Day:
    """Random commands for a venue on one data folder, with clients that come and go meanwhile."""

    def __init__(self, folder: Path, namespaces: Namespaces, seed: int) -> None:
        self.now_ms = FROM_MS
        self.state: dict[str, Any] = {}
        self._folder = folder
        self._namespaces = namespaces
        self._random = Random(seed)
        self._traffic = Traffic()
        self._operating = [kind for kind in self._traffic.operating if kind != self._traffic.adjust_clock]
        self._channels = [
            *map(feeds.maker_channel, MAKERS),
            *map(feeds.event_channel, ("F0", "F1", "nowhere")),
            feeds.BEST_ODDS,
            feeds.MARKETS,
        ]

    def live(self, lives: int) -> None:
        """One life after the other: some stop in order, of others only the journal is left, as after a crash."""
        for number in range(lives):
            uvloop.run(self._life(first=number == 0))
            if number < lives - 1 and self._random.random() < 0.5:
                rmtree(self._folder / FOLDER_NAME)

    async def _life(self, *, first: bool) -> None:
        faults: list[BaseException] = []
        venue = Venue.open(self._folder, on_fatal=faults.append, namespaces=self._namespaces)
        hub = _hub(venue.feed)
        if first:
            await _submit(venue, [AdjustClock(offset_ms=0, frozen_at_ms=FROM_MS)])
            await _submit(venue, [_later(command) for command in self._traffic.opening()])
        else:
            assert _state(hub, self.now_ms) == self.state  # as if nothing had happened
        sessions = [hub.open(PlainFraming()) for _ in range(3)]
        for number, session in enumerate(sessions):
            hub.attach(session, str(number), "user")
        for _ in range(TURNS):
            self._come_and_go(hub, sessions)
            await self._turn(venue)
        for session in sessions:
            hub.end(session, Disconnect(3000, "closed"))
        self.state = _state(hub, self.now_ms)
        await venue.stop()

    async def _turn(self, venue: Venue) -> None:
        random, traffic = self._random, self._traffic
        step_ms = random.choice(STEPS_MS)
        if step_ms:
            self.now_ms += step_ms
            await _submit(venue, [AdjustClock(offset_ms=0, frozen_at_ms=self.now_ms)])
        kinds = traffic.trading if random.random() < 0.8 else self._operating
        count = random.randint(1, TOGETHER_MAX)
        await _submit(venue, [random.choice(kinds)(random, self.now_ms) for _ in range(count)])

    def _come_and_go(self, hub: Hub, sessions: list[Session]) -> None:
        """What clients do must not show in what is published."""
        session, channel = self._random.choice(sessions), self._random.choice(self._channels)
        if channel in session.subscriptions:
            hub.leave(session, channel)
        else:
            joined(hub, session, channel, self.now_ms)
        if self._random.random() < 0.2:
            hub.tick(self.now_ms)
        read(session)


async def _submit(venue: Venue, commands: list[VenueCommand]) -> None:
    async with asyncio.timeout(PATIENCE_S):  # a venue at fault answers nobody any more
        await asyncio.gather(*(venue.submit(_as_sx(command), "random") for command in commands))


def _later(command: VenueCommand) -> VenueCommand:
    """The world that the traffic begins with, in the time of this venue."""
    if not isinstance(command, CreateFixture):
        return command
    return msgspec.structs.replace(command, game_time_s=command.game_time_s + (FROM_MS - START_MS) // 1000)


def _as_sx(command: VenueCommand) -> VenueCommand:
    """Salts as the SX dialect packs them."""
    if not isinstance(command, PlaceOrders):
        return command
    replace = msgspec.structs.replace
    return replace(command, orders=tuple(replace(one, salt=b"d" + one.salt) for one in command.orders))


# ---- rebuilding ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("namespaces", [DEFAULT, TIGHT], ids=["default bounds", "tight bounds"])
@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_hub_rebuilt_from_the_journal_is_the_hub_that_was(namespaces: Namespaces, seed: int) -> None:
    with TemporaryDirectory() as name:
        day = Day(Path(name), namespaces, seed)
        day.live(LIVES)
        with closing(SqliteJournal(Path(name), read_only=True)) as journal:
            rebuilt = recover(journal, None, make_hub=partial(hub_of, journal, namespaces))
            assert _state(_hub(rebuilt.feed), day.now_ms) == day.state
            assert rebuilt.feed is not None
            assert rebuilt.feed.publisher.cursor == rebuilt.seq == journal.head.seq


@pytest.mark.parametrize("namespaces", [DEFAULT, TIGHT], ids=["default bounds", "tight bounds"])
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_snapshot_at_any_record_and_the_tail_lead_to_the_same_hub(namespaces: Namespaces, seed: int) -> None:
    """Each snapshot is made from the one before: whatever one forgets, the later ones cannot know."""
    with TemporaryDirectory() as name:
        day = Day(Path(name), namespaces, seed)
        day.live(1)
        with closing(SqliteJournal(Path(name), read_only=True)) as journal:
            store = SnapshotStore(Path(name) / "cuts")
            make_hub = partial(hub_of, journal, namespaces)
            for cut in range(1, journal.head.seq + 1):
                part = recover(journal, store, until=cut, make_hub=make_hub)
                assert part.replayed == 1
                write_snapshot(journal, part, store)
                whole = recover(journal, store, make_hub=make_hub)
                assert whole.replayed == journal.head.seq - cut
                assert _state(_hub(whole.feed), day.now_ms) == day.state, f"cut after record {cut}"


def _options(namespaces: Namespaces, name: str, **more: Any) -> Namespaces:
    return Namespaces({**namespaces.named, name: msgspec.structs.replace(namespaces.named[name], **more)})


def test_a_shorter_history_changes_no_position(tmp_path: Path) -> None:
    """The operator changed the configuration between two lives; the snapshot was written with the one before."""
    journal, store = _journal(60), SnapshotStore(tmp_path)
    before = recover(journal, None, make_hub=partial(hub_of, journal, DEFAULT))
    write_snapshot(journal, before, store)
    shorter = _options(DEFAULT, "order_book", history_size=2)
    after = recover(journal, store, make_hub=partial(hub_of, journal, shorter))
    assert after.replayed == 0
    channel, hub = feeds.event_channel("F1"), _hub(after.feed)
    top = hub.position(channel)
    assert top == _hub(before.feed).position(channel)
    assert top is not None
    now_ms = after.time_ms
    for behind, recovered in ((0, True), (2, True), (3, False)):
        session = hub.open(PlainFraming())
        found = joined(hub, session, channel, now_ms, since=Position(top.offset - behind, top.epoch))
        assert (found.recovered, len(found.publications)) == (recovered, behind if recovered else 0)


def test_a_snapshot_never_holds_the_histories_in_one_piece(tmp_path: Path) -> None:
    """Regression: they were one line of the file, which stood in memory several times as it was written and read."""
    journal, store = _journal(1_500), SnapshotStore(tmp_path)
    before = recover(journal, None, make_hub=partial(hub_of, journal, DEFAULT))
    path = write_snapshot(journal, before, store)
    kept = sum(len(payload) for payload in _hub(before.feed).snapshot()["payloads"])
    lines = path.read_bytes().splitlines()
    assert kept > 2 * PAYLOAD_SECTION_BYTES
    assert sum(b"PayloadSection" in line[:100] for line in lines) > 2
    assert max(map(len, lines)) < 2 * PAYLOAD_SECTION_BYTES
    after = recover(journal, store, make_hub=partial(hub_of, journal, DEFAULT))
    assert after.replayed == 0
    assert _state(_hub(after.feed), after.time_ms) == _state(_hub(before.feed), before.time_ms)


def test_a_snapshot_without_feeds_is_no_beginning_for_feeds(tmp_path: Path) -> None:
    journal, store = _journal(40), SnapshotStore(tmp_path)
    write_snapshot(journal, recover(journal, None), store)
    assert recover(journal, store).replayed == 0
    with_feeds = recover(journal, store, make_hub=partial(hub_of, journal, DEFAULT))
    assert with_feeds.replayed == 40  # offsets have to be counted from the first record on
    assert _hub(with_feeds.feed).cursor == 40
    write_snapshot(journal, with_feeds, store)
    assert recover(journal, store).replayed == 0  # and the other way round nothing is missing


def test_a_snapshot_of_another_journal_brings_no_positions(tmp_path: Path) -> None:
    """Two journals of the same records are two venues: their offsets look alike, so their epochs must not."""
    store, folders = SnapshotStore(tmp_path), (tmp_path / "one", tmp_path / "two")
    for folder in folders:
        folder.mkdir()
        with closing(SqliteJournal(folder)) as journal:
            journal.append(records(40))
    with closing(SqliteJournal(folders[0], read_only=True)) as one:
        write_snapshot(one, recover(one, None, make_hub=partial(hub_of, one, DEFAULT)), store)
        identity = one.identity
    with closing(SqliteJournal(folders[1], read_only=True)) as two:
        found = recover(two, store, make_hub=partial(hub_of, two, DEFAULT))
        assert found.replayed == 40
        position = _hub(found.feed).position(feeds.event_channel("F1"))
        assert position is not None
        assert position.epoch == two.identity != identity


# ---- following -----------------------------------------------------------------------------------------------------


class Recorder:
    """A publisher that only remembers."""

    def __init__(self) -> None:
        self.cursor = 0
        self.published: list[tuple[str, int, str]] = []

    def publish(self, channel: str, data: bytes, time_ms: int, message_id: str) -> None:
        del data
        self.published.append((channel, time_ms, message_id))

    def advance(self, cursor: int) -> None:
        self.cursor = cursor

    def position(self, channel: str) -> Position | None:
        del channel
        return None

    def snapshot(self) -> dict[str, Any]:
        return {}


def _journal(length: int) -> MemoryJournal:
    journal = MemoryJournal()
    journal.append(records(length))
    return journal


def _following(count: int) -> tuple[Recorder, Callable[[Record], tuple[int, Changes]], Feed, list[Record]]:
    views, recorder = Views(), Recorder()
    feed = Feed(views, recorder)

    def follow(record: Record) -> tuple[int, Changes]:
        changes = views.apply(record)
        return feed.follow(record, changes), changes

    return recorder, follow, feed, records(count)


def test_a_record_is_published_once() -> None:
    """Whoever tails the journal may be given a record again."""
    recorder, follow, feed, history = _following(30)
    for record in history:
        before = len(recorder.published)
        count, changes = follow(record)
        assert len(recorder.published) - before == count
        assert recorder.cursor == record.seq
        assert feed.follow(record, changes) == 0
        assert len(recorder.published) - before == count


def test_a_message_id_names_the_record_and_the_place_in_it() -> None:
    recorder, follow, _, history = _following(30)
    for record in history:
        before = len(recorder.published)
        count, _ = follow(record)
        ids = [(time_ms, message_id) for _, time_ms, message_id in recorder.published[before:]]
        assert ids == [(record.time_ms, f"{record.seq}-{number}") for number in range(1, count + 1)]
    names = [message_id for _, _, message_id in recorder.published]
    assert len(names) == len(set(names)) > 30


def test_a_hub_counts_along_its_journal() -> None:
    """Journaled channels keep their epoch from life to life, all others get a new one (decisions R5)."""
    journal = _journal(1)
    named = {**SX_NAMESPACES, "chat": Namespace(history_size=1, history_ttl_ms=1_000)}
    positions = []
    for _ in range(2):
        hub = hub_of(journal, Namespaces(named))
        positions.append([hub.position(channel) for channel in (feeds.MARKETS, "chat:room")])
    (one, room), (same, other_room) = positions
    assert one == same == Position(0, journal.identity)
    assert room is not None
    assert other_room is not None
    assert len({journal.identity, room.epoch, other_room.epoch}) == 3


def test_a_venue_without_feeds_publishes_nothing(tmp_path: Path) -> None:
    async def life() -> None:
        faults: list[BaseException] = []
        venue = Venue.open(tmp_path, on_fatal=faults.append)
        assert venue.feed is None
        await _submit(venue, Traffic().opening())
        await venue.stop()

    uvloop.run(life())
