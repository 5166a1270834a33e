"""A heartbeat never fires falsely, and never fails to fire: what the single writer does for it (7.8, D9, D14)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.journal.history import MAKERS, TOKEN, order
from tests.runtime.bench import Bench, HandClock, RunningClock, until

from overround.engine.commands import (
    AdjustClock,
    GrantGrace,
    PingHeartbeat,
    PlaceOrders,
    ResumeVenue,
    SetBalance,
    StopHeartbeat,
    Tick,
)
from overround.engine.events import HeartbeatArmed, HeartbeatFired, OrderChanged
from overround.engine.order import Trigger
from overround.engine.record import Record
from overround.journal.sqlite import SqliteJournal
from overround.runtime import sequencer

HOUR_MS = 3_600_000
MAKER = MAKERS[0]


def run(scenario: Callable[[Bench], Awaitable[Any]], **more: Any) -> None:
    async def play() -> None:
        bench = Bench(**more)
        await scenario(bench)
        await bench.stop()

    uvloop.run(play())


def ping(interval_s: int = 1) -> PingHeartbeat:
    return PingHeartbeat(account=MAKER, interval_s=interval_s)


def balance(amount: int) -> SetBalance:
    return SetBalance(account=MAKERS[1], token=TOKEN, amount=amount)


def deadline_of(bench: Bench) -> int:
    armed = bench.engine.state.heartbeats.get(MAKER)
    assert armed is not None
    return armed.deadline_ms


def firings(bench: Bench) -> list[HeartbeatFired]:
    return [one for record in bench.released for one in record.events if isinstance(one, HeartbeatFired)]


def graces(bench: Bench) -> list[int]:
    return [one.command.grace_ms for one in bench.released if isinstance(one.command, GrantGrace)]


def names(bench: Bench) -> list[str]:
    return [type(record.command).__name__ for record in bench.released]


async def pass_time(bench: Bench, span_ms: int, step_ms: int = 50) -> None:
    """Let a hand-set clock run in steps that no vigil takes for a stall."""
    for _ in range(span_ms // step_ms):
        bench.clock.time_ms += step_ms
        await bench.record_of(balance(bench.clock.time_ms))


# ---- firing --------------------------------------------------------------------------------------------------------


@pytest.mark.row("HB-04")
def test_a_missed_heartbeat_cancels_everything_by_itself() -> None:
    async def scenario(bench: Bench) -> None:
        placed = await bench.record_of(PlaceOrders(orders=(order(1), order(2))))
        await bench.record_of(ping(1))
        deadline_ms = deadline_of(bench)
        await until(lambda: firings(bench))
        (fired,) = firings(bench)
        assert deadline_ms <= fired.fired_at_ms < deadline_ms + 1_000
        assert (fired.deadline_ms, fired.last_ping_ms) == (deadline_ms, deadline_ms - 1_000)
        assert len(fired.order_hashes) == len(placed.events) == 2
        gone = [one for one in bench.released[-1].events if isinstance(one, OrderChanged)]
        assert [one.trigger for one in gone] == [Trigger.HEARTBEAT] * 2
        assert graces(bench) == []

    run(scenario, clock=RunningClock())


def test_a_ping_that_came_in_time_is_not_beaten_by_a_long_commit() -> None:
    """It waited in the inbox past its deadline, for a commit that was no stall."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(1))
        first_ms = deadline_of(bench)
        bench.clock.time_ms = first_ms - 1
        bench.journal.hold()
        busy = bench.submit(balance(1))
        await until(lambda: len(bench.journal.batches) == 2)
        waiting = bench.submit(ping(1))
        arrived_ms = bench.clock.time_ms
        bench.clock.time_ms += 200
        bench.journal.let_go()
        await busy
        record = await waiting
        assert isinstance(record, Record)
        (armed,) = record.events
        assert isinstance(armed, HeartbeatArmed)
        assert record.time_ms == armed.pinged_at_ms == arrived_ms
        assert deadline_of(bench) == arrived_ms + 1_000
        assert firings(bench) == []

    run(scenario)


def test_a_ping_at_its_deadline_comes_too_late_and_arms_anew() -> None:
    """`spec/decisions.md` D9."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(1))
        await pass_time(bench, 1_000)
        await bench.record_of(ping(1))
        assert len(firings(bench)) == 1
        assert names(bench)[-3:] == ["Tick", "SetBalance", "PingHeartbeat"]
        assert deadline_of(bench) == bench.clock.time_ms + 1_000

    run(scenario)


def test_nothing_fires_past_a_command_that_waits_for_the_next_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the batch ended by firing up to now, and the ping that had come in time was in the next one."""
    monkeypatch.setattr(sequencer, "BATCH_SIZE_MAX", 3)

    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(1))
        bench.clock.time_ms = deadline_of(bench) - 10
        waiting = [bench.submit(balance(number)) for number in range(5)] + [bench.submit(ping(1))]
        bench.clock.time_ms += 20
        await asyncio.gather(*waiting)
        assert firings(bench) == []

    run(scenario)


def test_whoever_steps_the_clock_sees_heartbeats_fire() -> None:
    """A step is charged: that is what it is for."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        await bench.record_of(AdjustClock(offset_ms=29_999))
        assert firings(bench) == []
        await bench.record_of(AdjustClock(offset_ms=30_000))
        assert len(firings(bench)) == 1
        assert graces(bench) == []

    run(scenario)


# ---- time that is not charged --------------------------------------------------------------------------------------


def test_a_stall_is_given_back_before_anything_fires() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        before_ms = deadline_of(bench)
        bench.clock.time_ms += 45_000  # as if the process had been stopped
        await until(lambda: graces(bench))
        (grace_ms,) = graces(bench)
        assert 44_000 <= grace_ms <= 45_000
        assert deadline_of(bench) == before_ms + grace_ms
        assert firings(bench) == []

    run(scenario)


def test_a_ping_that_waited_out_a_stall_counts_from_its_end() -> None:
    """And is not given the stall a second time: the heartbeat would fire that much too late."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        bench.clock.time_ms += 45_000
        pinged = await bench.record_of(ping(30))
        assert names(bench)[-2:] == ["GrantGrace", "PingHeartbeat"]
        assert pinged.time_ms == bench.clock.time_ms
        assert deadline_of(bench) == bench.clock.time_ms + 30_000
        assert firings(bench) == []

    run(scenario)


def test_a_commit_that_takes_seconds_is_a_stall() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(1))
        before_ms = deadline_of(bench)
        bench.journal.hold()
        busy = bench.submit(balance(1))
        await until(lambda: len(bench.journal.batches) == 2)
        for _ in range(30):
            bench.clock.time_ms += 100
            bench.sequencer._beat()
        bench.journal.let_go()
        await busy
        await until(lambda: graces(bench))
        assert 3_000 <= graces(bench)[0] <= 3_100
        assert deadline_of(bench) == before_ms + graces(bench)[0]
        assert firings(bench) == []

    run(scenario)


def test_a_jump_of_the_machines_clock_is_given_back() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        before_ms = deadline_of(bench)
        bench.clock.time_ms += HOUR_MS
        bench.clock.jump_ms += HOUR_MS
        await until(lambda: graces(bench))
        assert graces(bench) == [HOUR_MS]
        assert deadline_of(bench) == before_ms + HOUR_MS
        assert firings(bench) == []

    run(scenario)


def test_nothing_is_written_where_no_heartbeat_is_armed() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        await bench.record_of(StopHeartbeat(account=MAKER))
        bench.clock.time_ms += HOUR_MS
        bench.clock.jump_ms += HOUR_MS // 2
        await bench.record_of(balance(1))
        assert names(bench) == ["PingHeartbeat", "StopHeartbeat", "SetBalance"]

    run(scenario)


def test_armed_heartbeats_write_nothing_while_time_passes() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        for _ in range(100):
            bench.clock.time_ms += 100
            bench.sequencer._beat()
            await asyncio.sleep(0)
        assert names(bench) == ["PingHeartbeat"]

    run(scenario)


def test_nobody_is_charged_while_no_request_is_accepted() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(ping(30))
        before_ms = deadline_of(bench)
        bench.sequencer.deafen()
        await pass_time(bench, 60_000, step_ms=1_000)
        bench.clock.time_ms += 500
        bench.sequencer.listen()
        await until(lambda: sum(graces(bench)) == 60_500)
        assert deadline_of(bench) == before_ms + 60_500
        await pass_time(bench, 29_000)
        assert firings(bench) == []
        await pass_time(bench, 1_000)
        assert len(firings(bench)) == 1

    run(scenario)


# ---- restarts ------------------------------------------------------------------------------------------------------


def lives(
    tmp_path: Path, *scenarios: Callable[[Bench], Awaitable[Any]], clock: HandClock, down_ms: int = HOUR_MS
) -> None:
    """One journal, opened again and again; between two lives the clock runs on."""

    async def play(scenario: Callable[[Bench], Awaitable[Any]]) -> None:
        journal = SqliteJournal(tmp_path)
        bench = Bench(journal, clock=clock)
        await scenario(bench)
        await bench.stop()
        journal.close()
        clock.time_ms += down_ms

    for scenario in scenarios:
        uvloop.run(play(scenario))


@pytest.mark.row("HB-10", "LIFE-06")
def test_downtime_is_not_charged(tmp_path: Path) -> None:
    clock = HandClock()
    deadlines = []

    async def first(bench: Bench) -> None:
        await bench.record_of(ping(30))
        await pass_time(bench, 20_000)
        deadlines.append(deadline_of(bench))

    async def second(bench: Bench) -> None:
        await until(lambda: bench.released)
        (resumed,) = bench.released
        assert resumed.command == ResumeVenue(grace_ms=HOUR_MS)
        assert deadline_of(bench) == deadlines[0] + HOUR_MS == clock.time_ms + 10_000
        await pass_time(bench, 9_950)
        assert firings(bench) == []
        await pass_time(bench, 50)
        assert len(firings(bench)) == 1

    async def third(bench: Bench) -> None:
        await bench.record_of(balance(1))
        assert names(bench) == ["SetBalance"]  # nothing waits any more, so nothing is resumed

    lives(tmp_path, first, second, third, clock=clock)


def test_resuming_is_the_first_record_whatever_is_asked_first(tmp_path: Path) -> None:
    clock = HandClock()

    async def first(bench: Bench) -> None:
        await bench.record_of(ping(1))

    async def second(bench: Bench) -> None:
        await bench.record_of(balance(1))
        assert names(bench) == ["ResumeVenue", "SetBalance"]
        assert firings(bench) == []

    lives(tmp_path, first, second, clock=clock)


def test_downtime_is_charged_where_the_operator_wants_it(tmp_path: Path) -> None:
    clock = HandClock()

    async def first(bench: Bench) -> None:
        await bench.record_of(ping(30))

    async def second(bench: Bench) -> None:
        bench.sequencer._charge_downtime = True
        await until(lambda: len(bench.released) == 2)
        assert bench.released[0].command == ResumeVenue(grace_ms=0)
        assert isinstance(bench.released[1].command, Tick)
        assert len(firings(bench)) == 1

    lives(tmp_path, first, second, clock=clock)


def test_a_clock_that_was_set_back_while_the_venue_was_down_costs_nobody_anything(tmp_path: Path) -> None:
    clock = HandClock()
    deadlines = []

    async def first(bench: Bench) -> None:
        await bench.record_of(ping(30))
        deadlines.append(deadline_of(bench))

    async def second(bench: Bench) -> None:
        await until(lambda: bench.released)
        assert bench.released[0].command == ResumeVenue(grace_ms=0)
        assert deadline_of(bench) == deadlines[0]

    lives(tmp_path, first, second, clock=clock, down_ms=-10 * HOUR_MS)
