"""The single writer: what it batches, what it keeps back, and what time it says it is."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.journal.history import MAKERS, START_MS, TOKEN, order, records
from tests.runtime.bench import WORLD_LENGTH, Bench, HandClock, RunningClock, until

from overround.engine.commands import AdjustClock, CancelAll, CancelOrders, PlaceOrders, SetBalance, Tick
from overround.engine.events import CancelRefused, OrderAccepted, OrderChanged
from overround.engine.order import Trigger
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import Address
from overround.journal.journal import CommitUnknown, Journal
from overround.journal.memory import MemoryJournal
from overround.journal.sqlite import SqliteJournal
from overround.runtime import sequencer
from overround.runtime.recovery import recover
from overround.runtime.sequencer import InboxFull

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


@pytest.fixture(params=["memory", "sqlite"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    """A journal of each kind."""
    found: Journal = MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path)
    yield found
    found.close()


def run(scenario: Callable[[Bench], Awaitable[Any]], journal: Journal | None = None, **more: Any) -> None:
    """Play a scenario on a bench, on the loop that the server uses."""

    async def play() -> None:
        bench = Bench(journal, **more)
        await scenario(bench)

    uvloop.run(play())


def balance(amount: int) -> SetBalance:
    """A command that always succeeds."""
    return SetBalance(account=MAKERS[0], token=TOKEN, amount=amount)


def cancel(number: int) -> CancelAll:
    """A signed cancel of its own."""
    digest = hashlib.sha256(b"%d" % number).digest()
    return CancelAll(maker=MAKERS[0], digest=digest, timestamp_s=START_MS // 1000)


# ---- order and batches ---------------------------------------------------------------------------------------------


def test_every_command_gets_the_next_place(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        decisions = await asyncio.gather(*(bench.submit(balance(amount)) for amount in range(50)))
        assert [one.seq for one in decisions if isinstance(one, Record)] == list(range(8, 58))
        assert {(one.epoch, one.time_ms) for one in decisions if isinstance(one, Record)} == {(3, START_MS + 1_000)}
        assert list(bench.journal.read(WORLD_LENGTH)) == decisions == bench.released
        await bench.stop()

    run(scenario, journal)


def test_commands_gather_while_a_commit_is_under_way(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        first = bench.submit(balance(1))
        await until(lambda: bench.journal.batches)
        others = [bench.submit(balance(amount)) for amount in range(2, 10)]
        bench.journal.let_go()
        await asyncio.gather(first, *others)
        assert [len(batch) for batch in bench.journal.batches] == [1, 8]
        await bench.stop()

    run(scenario, journal)


def test_a_batch_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "BATCH_SIZE_MAX", 10)

    async def scenario(bench: Bench) -> None:
        await asyncio.gather(*(bench.submit(balance(amount)) for amount in range(35)))
        assert [len(batch) for batch in bench.journal.batches] == [10, 10, 10, 5]
        await bench.stop()

    run(scenario)


def test_what_was_decided_can_be_replayed(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(60):
            command = cancel(number) if number % 9 == 8 else PlaceOrders(orders=(order(number),))
            bench.submit(command)
            bench.clock.time_ms += number * 4_000
            if number % 4 == 0:
                await asyncio.sleep(0)
        await bench.stop()
        again = recover(bench.journal, None)
        assert again.engine.digest() == bench.engine.digest()
        assert again.seq == bench.released[-1].seq
        assert any(isinstance(record.command, Tick) for record in bench.released)

    run(scenario, journal)


# ---- the durability line -------------------------------------------------------------------------------------------


def test_nothing_is_told_before_the_commit(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        answer = bench.submit(balance(1))
        await until(lambda: bench.journal.batches)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not answer.done()
        assert bench.released == []
        bench.journal.let_go()
        record = await answer
        assert bench.released == [record]
        await bench.stop()

    run(scenario, journal)


def test_views_are_told_before_the_client() -> None:
    async def scenario(bench: Bench) -> None:
        answer = bench.submit(balance(1))
        seen: list[int] = []
        answer.add_done_callback(lambda _: seen.append(len(bench.released)))
        await answer
        await until(lambda: seen)
        assert seen == [1]
        await bench.stop()

    run(scenario)


def test_a_refusal_waits_for_what_it_rests_on() -> None:
    """It is refused because of a request that is not durable yet: after a crash it would not have been."""

    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        obeyed, refused = bench.submit(cancel(1)), bench.submit(cancel(1))
        await until(lambda: bench.journal.batches)
        for _ in range(20):
            await asyncio.sleep(0)
        assert not refused.done()
        bench.journal.let_go()
        assert isinstance(await obeyed, Record)
        assert await refused is Rejection.ALREADY_PROCESSED
        assert [len(batch) for batch in bench.journal.batches] == [1]
        await bench.stop()

    run(scenario)


def test_a_refusal_that_rests_on_nothing_new_needs_no_commit() -> None:
    async def scenario(bench: Bench) -> None:
        unknown = SetBalance(account=MAKERS[0], token=Address(b"?" * 20), amount=1)
        assert await bench.submit(unknown) is Rejection.TOKEN_UNKNOWN
        assert bench.journal.batches == []
        await bench.stop()

    run(scenario)


def test_what_a_client_asked_is_done_though_it_went_away() -> None:
    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        gone, staying = bench.submit(balance(1)), bench.submit(balance(2))
        gone.cancel()
        bench.journal.let_go()
        assert isinstance(await staying, Record)
        assert len(list(bench.journal.read(WORLD_LENGTH))) == 2
        await bench.stop()

    run(scenario)


# ---- time ----------------------------------------------------------------------------------------------------------


def test_time_never_runs_backwards() -> None:
    async def scenario(bench: Bench) -> None:
        times: list[int] = []
        for jump_ms in (0, -1, 5, -DAY_MS, 0, 2 * DAY_MS, -HOUR_MS, -HOUR_MS, 1):
            bench.clock.time_ms += jump_ms
            times.append((await bench.record_of(balance(len(times)))).time_ms)
        assert times == sorted(times)
        assert times[-1] == START_MS + 1_000 + 4 + DAY_MS
        await bench.stop()

    run(scenario)


def test_time_goes_on_from_the_last_record_after_a_restart(journal: Journal) -> None:
    """The clock was set back by an hour while the venue was down."""
    journal.append(records(WORLD_LENGTH))
    last = list(journal.read(0))[-1].time_ms

    async def scenario(bench: Bench) -> None:
        assert (await bench.record_of(balance(1))).time_ms == last
        await bench.stop()

    run(scenario, journal, clock=HandClock(last - HOUR_MS))


def test_the_update_time_of_an_order_rises_though_the_clock_stands() -> None:
    async def scenario(bench: Bench) -> None:
        placed = await bench.record_of(PlaceOrders(orders=(order(1),)))
        bench.clock.time_ms -= HOUR_MS
        gone = await bench.record_of(cancel(1))
        (accepted,), (changed,) = placed.events, gone.events
        assert isinstance(accepted, OrderAccepted)
        assert isinstance(changed, OrderChanged)
        assert changed.update_time_ms > accepted.update_time_ms
        await bench.stop()

    run(scenario)


def test_what_is_due_fires_before_a_later_command() -> None:
    """`spec/decisions.md` D9: the order had expired, so the cancel finds nothing."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(PlaceOrders(orders=(order(1),)))
        bench.clock.time_ms += HOUR_MS
        name = "0x" + order(1).order_hash.hex()
        command = CancelOrders(
            maker=MAKERS[0], digest=b"d" * 32, timestamp_s=bench.clock.time_ms // 1000, order_hashes=(name,)
        )
        late = await bench.record_of(command)
        assert isinstance(late.events[0], CancelRefused)
        tick = bench.released[-2]
        assert isinstance(tick.command, Tick)
        assert [one.trigger for one in tick.events if isinstance(one, OrderChanged)] == [Trigger.EXPIRE]
        await bench.stop()

    run(scenario)


def test_a_deadline_fires_by_itself() -> None:
    """The order expires, and nobody asks for anything."""

    async def scenario(bench: Bench) -> None:
        expiry_s = bench.clock.now_ms() // 1000 + 1
        placed = await bench.record_of(PlaceOrders(orders=(order(1, api_expiry=expiry_s),)))
        assert isinstance(placed.events[0], OrderAccepted)
        await until(lambda: bench.released[-1] != placed)
        tick = bench.released[-1]
        assert isinstance(tick.command, Tick)
        assert [one.trigger for one in tick.events if isinstance(one, OrderChanged)] == [Trigger.EXPIRE]
        assert tick.time_ms >= expiry_s * 1000 > placed.time_ms
        await bench.stop()

    run(scenario, clock=RunningClock())


def test_whoever_moves_the_clock_sees_what_became_due() -> None:
    """Regression: the answer came before the deadlines had fired, and a test that stepped the clock saw old orders."""

    async def scenario(bench: Bench) -> None:
        await bench.record_of(PlaceOrders(orders=(order(1),)))
        await bench.record_of(AdjustClock(offset_ms=HOUR_MS))
        assert [type(one.command) for one in bench.released[-2:]] == [AdjustClock, Tick]
        assert bench.released[-1].time_ms == START_MS + 1_000 + HOUR_MS
        await bench.stop()

    run(scenario)


def test_a_deadline_that_passed_fires_at_once_though_the_clock_was_set_back() -> None:
    """Regression: the venue's time was past the order's expiry, but the alarm went by the clock, an hour later."""

    async def scenario(bench: Bench) -> None:
        late_ms = bench.clock.time_ms
        bench.clock.time_ms -= HOUR_MS
        await bench.record_of(PlaceOrders(orders=(order(1, api_expiry=late_ms // 1000 - 60),)))
        await until(lambda: isinstance(bench.released[-1].command, Tick))
        await bench.stop()

    run(scenario)


def test_an_idle_venue_writes_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(PlaceOrders(orders=(order(1),)))  # has a deadline, in an hour
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert len(bench.journal.batches) == 1
        await bench.stop()

    run(scenario)


# ---- bounds --------------------------------------------------------------------------------------------------------


def test_placements_are_turned_away_before_cancels(monkeypatch: pytest.MonkeyPatch) -> None:
    assert sequencer.PLACE_INBOX_SIZE_MAX < sequencer.INBOX_SIZE_MAX
    monkeypatch.setattr(sequencer, "PLACE_INBOX_SIZE_MAX", 10)
    monkeypatch.setattr(sequencer, "INBOX_SIZE_MAX", 15)

    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        first = bench.submit(balance(0))
        await until(lambda: bench.journal.batches)
        waiting = [bench.submit(PlaceOrders(orders=(order(number),))) for number in range(10)]
        with pytest.raises(InboxFull):
            bench.submit(PlaceOrders(orders=(order(10),)))
        waiting += [bench.submit(cancel(number)) for number in range(5)]
        with pytest.raises(InboxFull):
            bench.submit(cancel(5))
        assert bench.sequencer.inbox_size == 15
        bench.journal.let_go()
        assert all(isinstance(one, Record) for one in await asyncio.gather(first, *waiting))
        assert isinstance(await bench.submit(PlaceOrders(orders=(order(10),))), Record)  # and there is room again
        await bench.stop()

    run(scenario)


# ---- the end -------------------------------------------------------------------------------------------------------


def test_stopping_finishes_what_was_submitted(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        bench.journal.hold()
        answers = [bench.submit(balance(0))]
        await until(lambda: bench.journal.batches)
        answers += [bench.submit(balance(amount)) for amount in range(1, 2_500)]  # more than two batches
        stopping = asyncio.ensure_future(bench.sequencer.stop())
        await asyncio.sleep(0)
        assert not stopping.done()
        bench.journal.let_go()
        await stopping
        assert all(answer.done() for answer in answers)
        assert bench.journal.head.seq == WORLD_LENGTH + 2_500
        bench.writer.stop()

    run(scenario, journal)


def test_stopping_an_idle_venue_is_quick() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(PlaceOrders(orders=(order(1),)))
        await bench.stop()
        assert len(bench.journal.batches) == 1

    run(scenario)


def test_nobody_is_answered_after_a_failed_commit(journal: Journal) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.record_of(balance(1))
        _break(bench.journal.inner)
        bench.journal.hold()
        answers = [bench.submit(balance(2)), bench.submit(cancel(1)), bench.submit(cancel(1))]
        await until(lambda: len(bench.journal.batches) == 2)
        answers.append(bench.submit(balance(3)))  # came while the commit was failing
        bench.journal.let_go()
        await until(lambda: bench.fatal)
        answers.append(bench.submit(balance(4)))
        for _ in range(50):
            await asyncio.sleep(0)
        assert isinstance(bench.fatal[0], CommitUnknown)
        assert len(bench.fatal) == 1
        assert not any(answer.done() for answer in answers)
        assert len(bench.released) == 1
        assert len(bench.journal.batches) == 2  # and nothing more was tried
        bench.writer.stop()

    run(scenario, journal)


def test_an_engine_at_fault_ends_the_venue(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Regression: its memory was half changed, and it went on deciding and answering."""

    async def scenario(bench: Bench) -> None:
        def stumble(command: object, now_ms: int) -> Any:
            raise AssertionError("the account and the registry disagree")

        monkeypatch.setattr(bench.engine, "execute", stumble)
        answer = bench.submit(balance(1))
        await until(lambda: bench.fatal)
        monkeypatch.undo()
        later = bench.submit(balance(2))
        for _ in range(50):
            await asyncio.sleep(0)
        assert not answer.done()
        assert not later.done()
        assert bench.journal.batches == []
        bench.writer.stop()

    run(scenario)
    assert "the account and the registry disagree" in caplog.text  # with its traceback, for whoever must mend it


def test_views_at_fault_end_the_venue(caplog: pytest.LogCaptureFixture) -> None:
    """Regression: the record was durable, nobody was answered, and every later command waited for ever."""

    async def scenario(bench: Bench) -> None:
        def stumble(*_: object) -> None:
            raise KeyError("no such order")

        bench.sequencer._release = stumble
        answer = bench.submit(balance(1))
        await until(lambda: bench.fatal)
        assert isinstance(bench.fatal[0], KeyError)
        assert not answer.done()
        bench.writer.stop()

    run(scenario)
    assert "no such order" in caplog.text


def _break(journal: Journal) -> None:
    if isinstance(journal, MemoryJournal):
        journal.fault = CommitUnknown("the disk is gone")
    else:
        assert isinstance(journal, SqliteJournal)
        journal._writer.execute("PRAGMA query_only = 1")
