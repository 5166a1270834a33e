"""Queues of signed requests: order, bounds, and what waits for what."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from overround.runtime.sequencer import InboxFull
from overround.server.eager import Eager
from overround.server.lanes import POSTS_PER_SUSPECT, POSTS_WAITING_MAX, SLICE_S, SUSPECTS_WAITING_MAX, Lanes


class Bench:
    """Lanes, and what was done in them, in order."""

    def __init__(self) -> None:
        self.lanes = Lanes()
        self.done: list[str] = []

    def start(self, name: str, turn: Callable[[], Awaitable[None]], work: Callable[[], object] = int) -> None:
        """As a connection starts a request."""

        async def request() -> None:
            await turn()
            work()
            self.done.append(name)

        Eager(asyncio.get_running_loop(), request(), lambda _: None)


def run(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(Bench()), 20)

    asyncio.run(main())


def busy() -> None:
    """As long as a slice may take."""
    until = time.perf_counter() + SLICE_S
    while time.perf_counter() < until:
        pass


def test_posts_are_done_in_their_order_and_not_before_the_loop_turns() -> None:
    async def test(bench: Bench) -> None:
        for number in range(5):
            bench.start(str(number), bench.lanes.post)
        assert (bench.done, bench.lanes.waiting) == ([], 5)
        while bench.lanes.waiting:
            await asyncio.sleep(0)
        assert bench.done == ["0", "1", "2", "3", "4"]

    run(test)


def test_a_slice_ends_in_time_and_others_have_their_turn() -> None:
    async def test(bench: Bench) -> None:
        for number in range(4):
            bench.start(str(number), bench.lanes.post, busy)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert 1 <= len(bench.done) < 4
        while bench.lanes.waiting:
            await asyncio.sleep(0)
        assert len(bench.done) == 4

    run(test)


def test_suspects_wait_behind_posts_and_are_not_forgotten() -> None:
    async def test(bench: Bench) -> None:
        for number in range(3 * POSTS_PER_SUSPECT):
            bench.start(f"suspect {number}", bench.lanes.suspect)
            bench.start(f"post {number}", bench.lanes.post)
        while bench.lanes.waiting:
            await asyncio.sleep(0)
        first = bench.done[: 2 * (POSTS_PER_SUSPECT + 1)]
        assert sum(name.startswith("suspect") for name in first) == 2
        assert sum(name.startswith("suspect") for name in bench.done) == 3 * POSTS_PER_SUSPECT

    run(test)


def test_full_queues_turn_away_posts_long_before_suspects() -> None:
    async def test(bench: Bench) -> None:
        assert POSTS_WAITING_MAX < SUSPECTS_WAITING_MAX
        for number in range(POSTS_WAITING_MAX):
            bench.start(f"post {number}", bench.lanes.post)
        with pytest.raises(InboxFull):
            bench.lanes.post()
        bench.start("suspect", bench.lanes.suspect)
        while bench.lanes.waiting:
            await asyncio.sleep(0)
        bench.lanes.post()
        assert len(bench.done) == POSTS_WAITING_MAX + 1

    run(test)


def test_queues_rest_while_a_cancel_is_under_way_but_not_for_ever() -> None:
    async def test(bench: Bench) -> None:
        bench.lanes.cancel_begins()
        bench.start("post", bench.lanes.post)
        for _ in range(5):
            await asyncio.sleep(0)
        assert bench.done == []
        bench.lanes.cancel_ends()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.done == ["post"]

        bench.lanes.cancel_begins()  # and this one never ends
        bench.start("another", bench.lanes.post)
        while bench.lanes.waiting:
            await asyncio.sleep(0.001)
        assert bench.done == ["post", "another"]

    run(test)


def test_a_good_cancel_among_suspects_ends_the_slice() -> None:
    async def test(bench: Bench) -> None:
        bench.start("suspect", bench.lanes.suspect, bench.lanes.cancel_begins)
        bench.start("other", bench.lanes.suspect)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert bench.done == ["suspect"]
        bench.lanes.cancel_ends()
        while bench.lanes.waiting:
            await asyncio.sleep(0)
        assert bench.done == ["suspect", "other"]

    run(test)
