"""A channel's history against the rules read out one by one, and the bounds of a shelf."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from overround.realtime import Namespace, Position, Publication
from overround.realtime.channel import Channel, Shelf
from overround.realtime.publication import PUBLICATION_OVERHEAD_BYTES

TTL_MS = 100
LIMIT = 4


def channel(size: int, published: int, start: int = 0) -> Channel:
    namespace = Namespace(history_size=size, history_ttl_ms=TTL_MS)
    made = Channel("a", namespace, "e", start)
    for number in range(start + 1, start + published + 1):
        made.append(Publication(number, b"x", 0))
    return made


def by_the_book(kept: list[int], top: int, epoch: str, since: Position) -> list[int] | None:
    """Section 9 of the specification, step by step."""
    if since.epoch and since.epoch != epoch:
        return None
    missed = [offset for offset in kept if offset > since.offset][:LIMIT]
    if not missed:
        return [] if since.offset == top else None
    return missed if missed[0] == since.offset + 1 and missed[-1] == top else None


@given(
    st.integers(1, 6),
    st.integers(0, 10),
    st.integers(0, 3),
    st.integers(0, 15),
    st.sampled_from(["", "e", "other"]),
    st.integers(0, 2 * TTL_MS),
)
def test_recovery_is_that_of_the_specification(
    size: int, published: int, start: int, offset: int, epoch: str, now_ms: int
) -> None:
    some = channel(size, published, start)
    alive = now_ms < TTL_MS
    kept = [p.offset for p in some.history] if alive else []
    since = Position(offset, epoch)
    found = some.missed(since, now_ms, LIMIT)
    offsets = None if found is None else [p.offset for p in found]
    assert offsets == by_the_book(kept, some.top, "e", since)


@given(st.integers(1, 6), st.integers(0, 10), st.integers(0, 15), st.integers(0, 2 * TTL_MS))
def test_pages_are_what_filtering_gives(size: int, published: int, offset: int, now_ms: int) -> None:
    some = channel(size, published)
    kept = [p.offset for p in some.history] if now_ms < TTL_MS else []
    assert [p.offset for p in some.after(offset, now_ms)] == [o for o in kept if o > offset]
    assert [p.offset for p in some.before(offset, now_ms)] == [o for o in reversed(kept) if o < offset]


class TestShelf:
    def publish(self, shelf: Shelf, channel: Channel, time_ms: int, size: int = 1) -> None:
        shelf.sweep(time_ms)
        for one in shelf.forget(time_ms):
            one.top = -1  # must not be used any more
        shelf.keep(channel, Publication(channel.top + 1, b"x" * size, time_ms))
        assert shelf.history_bytes == sum(
            len(p.data) + PUBLICATION_OVERHEAD_BYTES for one in shelf for p in one.history
        )

    def test_the_longest_quiet_history_gives_way_to_bytes(self) -> None:
        bound = 3 * (1000 + PUBLICATION_OVERHEAD_BYTES)
        namespace = Namespace(history_size=9, history_ttl_ms=TTL_MS, history_bytes_max=bound)
        shelf = Shelf(namespace)
        one, two = Channel("1", namespace, "e", 0), Channel("2", namespace, "e", 0)
        for channel in (one, two, two, one):
            self.publish(shelf, channel, 0, 1000)
        shelf.sweep(0)
        assert [len(one.history), len(two.history)] == [2, 0]
        for _ in range(3):
            self.publish(shelf, one, 0, 1000)
        shelf.sweep(0)
        assert [p.offset for p in one.history] == [3, 4, 5]
        assert [one.top, two.top] == [5, 2]

    def test_a_history_is_released_after_its_time_and_the_position_stays(self) -> None:
        namespace = Namespace(history_size=9, history_ttl_ms=TTL_MS)
        shelf = Shelf(namespace)
        one, two = Channel("1", namespace, "e", 0), Channel("2", namespace, "e", 0)
        self.publish(shelf, one, 0)
        self.publish(shelf, two, TTL_MS - 1)
        shelf.sweep(TTL_MS)
        assert [len(one.history), len(two.history), one.top] == [0, 1, 1]
        assert [channel.name for channel in shelf] == ["1", "2"]

    def test_what_is_forgotten_raises_the_floor(self) -> None:
        namespace = Namespace(history_size=9, history_ttl_ms=TTL_MS, history_meta_ttl_ms=1000, streams_max=2)
        shelf = Shelf(namespace)
        channels = [Channel(str(number), namespace, "e", 10 - number) for number in range(4)]
        for time_ms, channel in enumerate(channels):
            self.publish(shelf, channel, time_ms)
        assert [channel.name for channel in shelf] == ["1", "2", "3"]
        assert shelf.floor == 11
        assert [one.name for one in shelf.forget(3)] == ["1"]
        shelf.sweep(1001)
        assert shelf.forget(1001) == []
        assert [one.name for one in shelf.forget(1002)] == ["2"]
        assert shelf.floor == 11
        assert not channels[2].shelved
        assert channels[3].shelved
