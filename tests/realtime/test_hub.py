"""The hub: who gets what, and that nobody is skipped in silence."""

from __future__ import annotations

from typing import Any

import pytest
from tests.realtime.plain import PlainFraming, granted, joined, read

from overround.realtime import (
    SLOW,
    ClientInfo,
    Disconnect,
    Hub,
    Limits,
    Namespace,
    Namespaces,
    Position,
    Session,
    UnknownNamespace,
)

BYE = Disconnect(3000, "bye")
BOOK = Namespace(
    journaled=True,
    history_size=100,
    history_ttl_ms=1000,
    history_meta_ttl_ms=10_000,
    force_recovery=True,
)
NAMESPACES = Namespaces(
    {
        "book": BOOK,
        "chat": Namespace(history_size=5, history_ttl_ms=1000, force_recovery=True),
        "bare": Namespace(presence=True, join_leave=True, force_push_join_leave=True),
    }
)


class House:
    """A hub with sessions of one framing."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.hub = Hub(NAMESPACES, epoch="e", boot="b", limits=limits)
        self.framing = PlainFraming()

    def session(self, client: str, user: str = "u") -> Session:
        session = self.hub.open(self.framing)
        self.hub.attach(session, client, user)
        return session


@pytest.fixture
def house() -> House:
    return House()


def test_a_publication_is_encoded_once_and_everybody_gets_the_same_bytes(house: House) -> None:
    sessions = [house.session(str(number)) for number in range(10)]
    for session in sessions:
        joined(house.hub, session, "book:a")
    house.hub.publish("book:a", b"[1]", 0)
    assert house.framing.encoded == 1
    assert len({id(session.outbox[0]) for session in sessions}) == 1
    assert set(house.hub.ready()) == set(sessions)
    assert house.hub.ready() == []


def test_nobody_pays_for_a_channel_without_listeners(house: House) -> None:
    house.hub.publish("book:a", b"[1]", 0)
    house.hub.publish("bare:a", b"[1]", 0)
    assert house.framing.encoded == 0
    assert house.hub.ready() == []


def test_missed_publications_are_encoded_once_for_all_who_come_back(house: House) -> None:
    for _ in range(5):
        house.hub.publish("book:a", b"[1]", 0)
    for number in range(10):
        session = house.session(str(number))
        found = joined(house.hub, session, "book:a", since=Position(2, "e"))
        assert len(found.publications) == 3
    assert house.framing.encoded == 3


def test_where_a_publication_stands(house: House) -> None:
    hub = house.hub
    assert [hub.publish("book:a", b"1", 0), hub.publish("book:a", b"2", 0)] == [
        Position(1, "e"),
        Position(2, "e"),
    ]
    assert hub.publish("chat:a", b"1", 0) == Position(1, "b")
    assert hub.publish("bare:a", b"1", 0) == Position(0, "")
    assert hub.position("book:a") == Position(2, "e")
    assert hub.position("book:never") == Position(0, "e")
    assert hub.position("bare:a") is None
    assert hub.position("nowhere:a") is None


def test_mistakes_of_a_feed_are_raised(house: House) -> None:
    with pytest.raises(UnknownNamespace):
        house.hub.publish("nowhere:a", b"1", 0)
    with pytest.raises(ValueError, match="262145 bytes"):
        house.hub.publish("book:a", b"x" * (256 * 1024 + 1), 0)
    for epoch in ("", "_"):
        with pytest.raises(ValueError):
            Hub(NAMESPACES, epoch=epoch, boot="b")
        with pytest.raises(ValueError):
            Hub(NAMESPACES, epoch="e", boot=epoch)


def test_looking_at_channels_does_not_keep_them(house: House) -> None:
    session = house.session("c")
    for number in range(100):
        house.hub.position(f"book:{number}")
        house.hub.history(f"book:{number}", 0, framing=house.framing)
        joined(house.hub, session, f"bare:{number}")
        house.hub.leave(session, f"bare:{number}")
        since = Position(9, "e")
        grants = granted(house.hub, "book:a")
        assert house.hub.join(session, "book:a", grants, 0, since=since, or_refuse=True) is None
    assert house.hub._channels == {}


def test_nothing_reaches_a_session_that_left_or_ended(house: House) -> None:
    gone, ended = house.session("1"), house.session("2")
    for session in (gone, ended):
        joined(house.hub, session, "book:a")
    assert house.hub.leave(gone, "book:a")
    assert not house.hub.leave(gone, "book:a")
    house.hub.end(ended, BYE)
    house.hub.end(ended, SLOW)
    house.hub.publish("book:a", b"[1]", 0)
    house.hub.send(ended, b"late")
    assert (read(gone), read(ended), ended.ended) == ([], [], BYE)
    assert house.hub.ready() == [ended]


def test_who_left_with_something_unread_is_still_named(house: House) -> None:
    session = house.session("1")
    joined(house.hub, session, "book:a")
    house.hub.publish("book:a", b"[1]", 0)
    house.hub.leave(session, "book:a")
    assert house.hub.ready() == [session]
    assert len(read(session)) == 1


def test_users_and_their_sessions(house: House) -> None:
    one, two, other = house.session("1"), house.session("2"), house.session("3", "v")
    stranger = house.hub.open(house.framing)
    assert house.hub.sessions_of("u") == [one, two]
    assert [house.hub.count_of(user) for user in ("u", "v", "", "w")] == [2, 1, 0, 0]
    for session in (one, stranger, two):
        house.hub.end(session, BYE)
    assert house.hub.sessions_of("u") == []
    assert house.hub.sessions_of("v") == [other]


def test_presence_comes_and_goes(house: House) -> None:
    one, two = house.session("1"), house.session("2")
    joined(house.hub, one, "bare:a")
    joined(house.hub, two, "bare:a")
    assert house.hub.presence("bare:a") == {"1": ClientInfo("u", "1"), "2": ClientInfo("u", "2")}
    assert house.hub.presence_stats("bare:a") == (2, 1)
    house.hub.end(two, BYE)
    assert house.hub.presence_stats("bare:a") == (1, 1)
    house.hub.leave(one, "bare:a")
    assert house.hub.presence("bare:a") == {}
    assert house.hub.presence_stats("bare:a") == (0, 0)
    assert [(said["kind"], said["client"]) for said in read(one)] == [
        ("join", "1"),
        ("join", "2"),
        ("leave", "2"),
    ]
    assert [said["kind"] for said in read(two)] == ["join"]


def test_announcing_who_is_not_there_any_more_says_nothing(house: House) -> None:
    one, two = house.session("1"), house.session("2")
    joined(house.hub, one, "bare:a")
    read(one)
    house.hub.announce(two, "bare:a")
    assert read(one) == []


def test_a_forgotten_stream_never_fakes_a_recovery(house: House) -> None:
    """Positions are not kept for ever, but a client must not be told that it missed nothing."""
    hub = house.hub
    for number in range(5):
        hub.publish("book:a", b"%d" % number, 0)
    hub.publish("book:b", b"0", 10_000)  # ten seconds later nobody remembers book:a
    assert hub.position("book:a") == Position(5, "e")
    for number in range(5):
        hub.publish("book:a", b"%d" % number, 10_000)
    for offset in range(12):
        found = joined(hub, house.session(str(offset)), "book:a", 10_000, since=Position(offset, "e"))
        # At 5 and beyond nothing was missed that is not here; below, the past is gone.
        assert found.recovered == (5 <= offset <= 10), offset


def test_a_stream_that_is_forgotten_under_a_subscriber_tells_it(house: House) -> None:
    session = house.session("1")
    house.hub.publish("book:a", b"0", 0)
    for number in range(3):
        house.hub.publish("book:b", b"%d" % number, 0)
    assert joined(house.hub, session, "book:a").position == Position(1, "e")
    house.hub.publish("book:c", b"0", 10_000)
    house.hub.publish("book:a", b"1", 10_000)
    assert [(said["kind"], said.get("code")) for said in read(session)] == [("unsubscribe", 2500)]
    found = joined(house.hub, session, "book:a", 10_000, since=Position(1, "e"))
    assert (found.recovered, found.position) == (False, Position(4, "e"))


def test_nobody_recovers_across_a_gap(house: House) -> None:
    for offset in (1, 2, 7, 8):
        house.hub.publish("book:a", b"%d" % offset, 0, offset=offset)
    for offset in range(10):
        session = house.session(str(offset))
        found = joined(house.hub, session, "book:a", since=Position(offset, "e"))
        assert found.recovered == (6 <= offset <= 8), offset


def test_only_those_with_a_position_are_told_of_a_loss(house: House) -> None:
    plain, positioned = house.session("1"), house.session("2")
    house.hub.join(plain, "book:a", granted(house.hub, "book:a").__class__(), 0)
    joined(house.hub, positioned, "book:a")
    house.hub.publish("book:a", b"[1]", 0, delivered=False)
    house.hub.publish("book:a", b"[2]", 0)
    assert [said["kind"] for said in read(plain)] == ["pub"]
    assert [said["kind"] for said in read(positioned)] == ["unsubscribe"]
    house.hub.interrupt("book:nobody")


# -- across restarts -----------------------------------------------------------------------------------


def reborn(hub: Hub, namespaces: Namespaces = NAMESPACES, snapshot: Any = None) -> Hub:
    other = Hub(namespaces, epoch="e", boot="b2")
    other.restore(snapshot or hub.snapshot())
    return other


def test_a_snapshot_holds_journaled_positions_and_histories(house: House) -> None:
    hub = house.hub
    update = b'["shared by two channels"]'
    hub.publish("book:old", b"2", 0)
    for number in range(3):
        hub.publish("book:a", update, 900 + number, message_id=f"m{number}")
        hub.publish("book:b", update, 900 + number, message_id=f"n{number}")
    hub.publish("chat:a", b"1", 900)
    hub.tick(1000)
    hub.cursor = 77
    snapshot = hub.snapshot()
    assert snapshot["payloads"] == [update]
    other = reborn(hub)
    assert other.cursor == 77
    assert other.snapshot() == snapshot
    assert other.position("book:a") == Position(3, "e")
    assert other.position("chat:a") == Position(0, "b2")
    page = other.history("book:b", 900, framing=house.framing, limit=9)
    assert page == hub.history("book:b", 900, framing=house.framing, limit=9)
    assert page is not None
    assert len(page.publications) == 3


def test_a_snapshot_is_plain_data(house: House) -> None:
    house.hub.publish("book:a", b"1", 1)

    def check(value: Any) -> None:
        assert type(value) in (dict, list, str, int, bytes), value
        for part in value if isinstance(value, list) else ():
            check(part)
        for key, part in value.items() if isinstance(value, dict) else ():
            assert type(key) is str
            check(part)

    check(house.hub.snapshot())


def test_a_namespace_that_sleeps_comes_back_without_faking_a_recovery(house: House) -> None:
    for _ in range(5):
        house.hub.publish("book:a", b"1", 0)
    without = reborn(house.hub, Namespaces({"chat": BOOK}))
    again = reborn(without)
    assert again.position("book:a") == Position(6, "e")
    unkept = reborn(house.hub, Namespaces({"book": Namespace(journaled=True)}))
    unkept.publish("book:a", b"2", 0)  # counted by nobody
    again = reborn(unkept)
    again.publish("book:a", b"3", 0)
    for offset in range(8):
        session = again.open(house.framing)
        found = joined(again, session, "book:a", since=Position(offset, "e"))
        assert found.recovered == (offset in (6, 7))


@pytest.mark.parametrize(
    "spoilt",
    [
        {"epoch": "other"},
        {"version": 2},
        {"payloads": [1]},
        {"namespaces": {"book": [0]}},
        {"namespaces": {"book": [0, [["book:a", 1, 0, [[7, 0, ""]]]]]}},
        {"namespaces": {"book": [0, [["book:a", 1, 0, [[-1, 0, ""]]]]]}},
        {"cursor": "1"},
    ],
)
def test_a_snapshot_that_is_not_ours_is_refused(house: House, spoilt: dict[str, Any]) -> None:
    house.hub.publish("book:a", b"1", 1)
    with pytest.raises(ValueError):
        reborn(house.hub, snapshot=house.hub.snapshot() | spoilt)


def test_a_smaller_history_after_a_restart_keeps_the_newest(house: House) -> None:
    for number in range(5):
        house.hub.publish("book:a", b"%d" % number, 0)
    smaller = Namespaces({"book": Namespace(journaled=True, history_size=2, history_ttl_ms=1000, force_recovery=True)})
    other = reborn(house.hub, smaller)
    assert other.position("book:a") == Position(5, "e")
    for offset, recovered in ((2, False), (3, True)):
        session = other.open(house.framing)
        assert joined(other, session, "book:a", since=Position(offset, "e")).recovered is recovered
