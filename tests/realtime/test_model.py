"""A hub under random commands, watched by subscribers that believe nothing.

Every message of a channel is numbered 1, 2, 3 ... by the test. A `Follower` knows the last number it has,
either because it got every message up to there or because the hub told it that it lost its place, upon
which it looks the state up, as clients do over REST. So at any time, having read everything, a subscribed
follower must have the newest number; and no message may come twice, or skip one, without being told.
"""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)
from tests.realtime.plain import PlainFraming, granted, lines

from overround.realtime import Disconnect, Hub, Limits, Namespace, Namespaces, Position, Session

GONE = Disconnect(3000, "gone")
CHANNELS = ["book:a", "book:b", "book:c", "book:d", "chat:a"]

# Bounds so tight that every one of them is met all the time.
TIGHT: dict[str, Any] = {
    "history_size": 4,
    "history_ttl_ms": 50,
    "history_meta_ttl_ms": 100,
    "history_bytes_max": 1500,
    "streams_max": 2,
    "force_recovery": True,
}
NAMESPACES = Namespaces({"book": Namespace(journaled=True, **TIGHT), "chat": Namespace(**TIGHT)})
LIMITS = Limits(
    recovery_publications_max=3,
    recovery_bytes_max=250,
    queue_bytes_soft=400,
    queue_soft_ms=20,
    queue_bytes_hard=800,
    write_bytes_max=200,
)


class Venue:
    """What is true: how many messages each channel has had, and the journal they came from."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.boots = 0
        self.counts = dict.fromkeys(CHANNELS, 0)
        self.journal: list[tuple[str, int, int]] = []
        self.framing = PlainFraming()
        self.hub = self.boot()

    def boot(self) -> Hub:
        self.boots += 1
        return Hub(NAMESPACES, epoch="e", boot=f"b{self.boots}", limits=LIMITS)

    def publish(self, channel: str, *, delivered: bool = True) -> None:
        self.counts[channel] += 1
        record = (channel, self.counts[channel], self.now_ms)
        if channel.startswith("book"):
            self.journal.append(record)
            self.hub.cursor = len(self.journal)
        self.replay(self.hub, record, delivered=delivered)

    def replay(self, hub: Hub, record: tuple[str, int, int], *, delivered: bool = True) -> None:
        channel, number, time_ms = record
        hub.publish(channel, b"%d" % number, time_ms, delivered=delivered)


class Follower:
    """One client: it follows channels, and comes back after every break."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.wanted: set[str] = set()
        self.at: dict[str, int] = {}
        self.position: dict[str, Position] = {}
        self.session = self.connect()

    def connect(self) -> Session:
        session = self.venue.hub.open(self.venue.framing)
        self.venue.hub.attach(session, f"c{id(session)}", "u")
        return session

    def subscribe(self, channel: str) -> None:
        self.wanted.add(channel)
        hub, since = self.venue.hub, self.position.get(channel)
        joined = hub.join(self.session, channel, granted(hub, channel), self.venue.now_ms, since=since)
        assert joined is not None
        assert joined.position is not None
        assert joined.was_recovering == (since is not None)
        if joined.recovered:
            assert joined.position.offset == (since.offset if since else 0)
            for body in joined.publications:
                self.take(channel, lines(body)[0])
        else:
            self.at[channel] = self.venue.counts[channel]  # looked up
            self.position[channel] = joined.position

    def take(self, channel: str, message: dict[str, Any]) -> None:
        position = self.position[channel]
        assert message["data"] == self.at[channel] + 1, "the next message"
        assert message["offset"] == position.offset + 1, "the next offset"
        assert message["epoch"] == position.epoch
        self.at[channel] += 1
        self.position[channel] = Position(message["offset"], position.epoch)

    def read(self) -> None:
        """Read everything; come back from whatever was told."""
        while chunk := self.session.take():
            for said in lines(chunk):
                if said["kind"] == "pub":
                    self.take(said["channel"], said)
                else:
                    assert (said["kind"], said["code"]) == ("unsubscribe", 2500)
        if self.session.ended is not None:
            self.session = self.connect()
        for channel in self.wanted - set(self.session.subscriptions):
            self.subscribe(channel)

    def leave(self, channel: str) -> None:
        self.wanted.discard(channel)
        self.venue.hub.leave(self.session, channel)

    def check(self) -> None:
        self.read()
        assert set(self.session.subscriptions) == self.wanted
        for channel in self.wanted:
            assert self.at[channel] == self.venue.counts[channel]
            assert self.position[channel] == self.venue.hub.position(channel)


def remembered(hub: Hub) -> Any:
    """What the journal determines: where streams stand, and where new ones will start."""
    shelf = hub._shelves.get("book")
    if shelf is None:
        return 0, []
    return shelf.floor, [(channel.name, channel.top) for channel in shelf]


class HubMachine(RuleBasedStateMachine):
    followers = Bundle("followers")
    snapshots = Bundle("snapshots")

    @initialize(target=followers)
    def open(self) -> Any:
        self.venue = Venue()
        self.alive: list[Follower] = []
        for wanted in (CHANNELS, CHANNELS[:2], CHANNELS[-1:]):
            self.alive.append(follower := Follower(self.venue))
            for channel in wanted:
                follower.subscribe(channel)
        return multiple(*self.alive)

    @rule(target=followers)
    def come(self) -> Follower:
        follower = Follower(self.venue)
        self.alive.append(follower)
        return follower

    @rule(channel=st.sampled_from(CHANNELS), count=st.integers(1, 6))
    def publish(self, channel: str, count: int) -> None:
        for _ in range(count):
            self.venue.publish(channel)

    @rule(channel=st.sampled_from(CHANNELS))
    def lose(self, channel: str) -> None:
        self.venue.publish(channel, delivered=False)

    @rule(follower=followers, channel=st.sampled_from(CHANNELS))
    def subscribe(self, follower: Follower, channel: str) -> None:
        follower.read()
        if channel not in follower.wanted:
            follower.subscribe(channel)

    @rule(follower=followers, channel=st.sampled_from(CHANNELS))
    def unsubscribe(self, follower: Follower, channel: str) -> None:
        follower.read()
        follower.leave(channel)

    @rule(follower=followers)
    def read(self, follower: Follower) -> None:
        follower.check()

    @rule(follower=followers)
    def drop(self, follower: Follower) -> None:
        """The socket breaks: what waited is lost, the client comes back when it reads next."""
        self.venue.hub.end(follower.session, GONE)
        follower.session.discard()

    @rule(follower=consumes(followers))
    def go(self, follower: Follower) -> None:
        self.venue.hub.end(follower.session, GONE)
        self.alive.remove(follower)

    @rule(ms=st.sampled_from([1, 15, 49, 50, 60, 150]))
    def wait(self, ms: int) -> None:
        self.venue.now_ms += ms

    @rule()
    def turn(self) -> None:
        """A turn of the loop in which no transport takes anything."""
        self.venue.hub.tick(self.venue.now_ms)
        for session in self.venue.hub.ready():
            self.venue.hub.held(session, 0, self.venue.now_ms)

    @rule(target=snapshots)
    def save(self) -> dict[str, Any]:
        return self.venue.hub.snapshot()

    @rule(snapshot=st.one_of(st.none(), snapshots))
    def restart(self, snapshot: dict[str, Any] | None) -> None:
        """From any snapshot and the journal after it, or from the journal alone."""
        hub = self.venue.boot()
        if snapshot is not None:
            hub.restore(snapshot)
        for record in self.venue.journal[hub.cursor :]:
            self.venue.replay(hub, record)
        hub.cursor = len(self.venue.journal)
        assert remembered(hub) == remembered(self.venue.hub)
        for follower in self.alive:
            self.venue.hub.end(follower.session, GONE)
            follower.session.discard()
        self.venue.hub = hub

    @invariant()
    def bounds_hold(self) -> None:
        if not hasattr(self, "venue"):
            return
        hub = self.venue.hub
        for shelf in hub._shelves.values():
            assert len(shelf) <= TIGHT["streams_max"] + 1
            assert shelf.history_bytes <= TIGHT["history_bytes_max"] + 250
            assert shelf.history_bytes == sum(p.weight_bytes for c in shelf for p in c.history)
            for channel in shelf:
                assert len(channel.history) <= TIGHT["history_size"]
                assert [p.offset for p in channel.history] == list(
                    range(channel.top - len(channel.history) + 1, channel.top + 1)
                )
        for channel in hub._channels.values():
            assert channel.shelved or channel.audiences
            for audience in channel.audiences.values():
                assert audience
                for session, outbox in audience.items():
                    assert session.outbox is outbox
                    assert channel.name in session.subscriptions

    def teardown(self) -> None:
        for follower in getattr(self, "alive", []):
            follower.check()


HubMachine.TestCase.settings = settings(max_examples=300, stateful_step_count=30, deadline=None)
TestHub = HubMachine.TestCase
