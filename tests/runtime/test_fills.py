"""Who waits for a fill hears of it once, and nobody else does."""

from __future__ import annotations

import asyncio

import pytest

from overround.engine.commands import Tick
from overround.engine.events import AnyEvent, FillDropped, FillHeld, FillRefused
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import FillHash
from overround.runtime.fills import FillResults

ONE, TWO = FillHash(b"\1" * 32), FillHash(b"\2" * 32)


def record(*events: AnyEvent) -> Record:
    return Record(1, 1, 1, "tick", Tick(), list(events))


def refused(fill_hash: FillHash) -> FillRefused:
    return FillRefused(fill_hash=fill_hash, rejection=Rejection.ODDS_STALE)


@pytest.mark.row("FILL-01")
def test_a_result_reaches_everybody_who_waits_for_this_fill_and_nobody_else() -> None:
    async def story() -> None:
        results = FillResults()
        with results.of(ONE) as first, results.of(ONE) as again, results.of(TWO) as other:
            assert len(results) == 3
            results.follow(record(FillHeld(fill_hash=ONE, due_ms=5)))
            assert not first.done()
            results.follow(record(refused(ONE)))
            assert (await first, await again) == (refused(ONE), refused(ONE))
            assert not other.done()
            results.follow(record(FillDropped(fill_hash=TWO), refused(ONE)))  # a second word changes nothing
            assert await other == FillDropped(fill_hash=TWO)
        assert len(results) == 0

    asyncio.run(story())


def test_whoever_leaves_is_forgotten_and_his_fill_may_end() -> None:
    async def story() -> None:
        results = FillResults()
        with pytest.raises(RuntimeError, match="left"), results.of(ONE):
            raise RuntimeError("left")
        assert len(results) == 0
        results.follow(record(refused(ONE)))
        with results.of(ONE) as late:
            assert not late.done()  # what was is not told again: the hash is burnt, and the next one is refused
            results.follow(record(refused(TWO)))
            assert not late.done()

    asyncio.run(story())
