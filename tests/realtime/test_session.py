"""The outbox: what is handed over, what counts as slow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.realtime.plain import PlainFraming

from overround.realtime import Limits, Session

LIMITS = Limits(write_bytes_max=100, queue_bytes_soft=1000, queue_soft_ms=5000, queue_bytes_hard=5000)


def session(*frames: bytes) -> Session:
    made = Session(PlainFraming(), LIMITS)
    made.outbox.extend(frames)
    return made


def test_a_lone_frame_is_handed_over_as_it_is() -> None:
    frame = b"x" * 10_000
    assert session(frame).take() is frame


def test_small_frames_are_joined_and_large_ones_are_not() -> None:
    some = session(b"a" * 40, b"b" * 60, b"c", b"d" * 400, b"e")
    assert [some.take() for _ in range(5)] == [
        b"a" * 40 + b"b" * 60,
        b"c",
        b"d" * 400,
        b"e",
        b"",
    ]


def test_the_outbox_stays_the_same_list() -> None:
    """Channels hold on to it."""
    some = session(b"a" * 100, b"b" * 100)
    outbox = some.outbox
    while some.take():
        outbox.append(b"c" * 100) if len(outbox) > 1 else None
    assert some.outbox is outbox


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("fan out"), st.integers(1, 150)),
            st.tuples(st.just("reply"), st.integers(1, 150)),
            st.tuples(st.just("ping"), st.just(2)),
            st.tuples(st.just("take"), st.just(0)),
            st.tuples(st.just("count"), st.just(0)),
        ),
        max_size=40,
    )
)
def test_counting_agrees_with_looking(steps: list[tuple[str, int]]) -> None:
    some = session()
    sent = taken = 0
    for step, size in steps:
        if step == "fan out":
            some.outbox.append(b"f" * size)
        elif step == "reply":
            some.put(b"r" * size)
        elif step == "ping":
            some.put_first(b"p" * size)
        elif step == "take":
            taken += len(some.take())
        if step == "count":
            assert some.queued_bytes() == sum(map(len, some.outbox))
        sent += size
        assert 0 <= some.reply_bytes <= sent
        assert taken + sum(map(len, some.outbox)) == sent
    assert some.queued_bytes() == sum(map(len, some.outbox))


@pytest.mark.parametrize(
    ("waits", "buffered", "after_ms", "slow"),
    [
        (1000, 0, 9_000, False),
        (1001, 0, 5_000, False),
        (1001, 0, 5_001, True),
        (501, 500, 5_001, True),
        (0, 5_000, 0, False),
        (1, 5_000, 0, True),
    ],
)
def test_what_is_slow(waits: int, buffered: int, after_ms: int, slow: bool) -> None:
    some = session(b"x" * waits)
    first = some.is_slow(buffered, 0)
    assert (first or some.is_slow(buffered, after_ms)) is slow


def test_a_reader_that_catches_up_starts_anew() -> None:
    some = session(b"x" * 2000)
    assert not some.is_slow(0, 0)
    assert some.take()
    assert not some.is_slow(2000, 5_001)
    assert not some.is_slow(500, 6_000)
    assert not some.is_slow(2000, 10_002)
    assert some.is_slow(2000, 15_003)
