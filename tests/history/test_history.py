"""The history keeps in step with the journal: read at once, after a kill, after a deletion, made anew."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.runner import Outcome as Ran
from tests.history.day import MAKER, OTHER, TAKER, Day, play
from tests.history.shop import all_trades, obvious_history, plainly, without_leg

from overround.engine.types import Outcome
from overround.history import history
from overround.history.database import FILE_NAME, FILES
from overround.history.history import HistoryBehind, rebuild
from overround.history.reading import Reading, Wanted
from overround.journal.sqlite import SqliteJournal


async def trade(day: Day) -> None:
    """Three fills: one settled, one failed, one pending."""
    first, second = day.markets[:2]
    settled, failed = await day.match(MAKER, TAKER, first), await day.match(OTHER, TAKER, first)
    await day.match(MAKER, OTHER, second)
    await day.decide(settled)
    await day.decide(failed, confirmed=False)
    await day.report(first, Outcome.TWO)


async def shown(day: Day) -> list[dict[str, Any]]:
    rows = await day.venue.history.read(day.venue.views.seq, all_trades)
    return [plainly(row) for row in rows]


def expected(folder: Path) -> list[dict[str, Any]]:
    with closing(SqliteJournal(folder, read_only=True)) as journal:
        return [without_leg(row) for row in obvious_history(list(journal.read(0)))]


def test_whoever_was_answered_reads_his_own_trade(tmp_path: Path) -> None:
    async def scenario(day: Day) -> None:
        wanted = Wanted(bettor=TAKER)
        for _ in range(30):
            fill_hash = await day.match(MAKER, TAKER, day.markets[0], 10**6)
            page = await day.venue.history.read(
                day.venue.views.seq, lambda reading: reading.page("trades", wanted, size=1)
            )
            assert page[0][1].fill_hash == fill_hash

    play(tmp_path, scenario)


def test_the_history_outlives_a_stop_a_deletion_and_a_file_that_is_none(tmp_path: Path) -> None:
    play(tmp_path, trade)
    rows = expected(tmp_path)
    assert {row["state"] for row in rows} == {"SETTLED", "FAILED", "PENDING"}

    async def look(day: Day) -> None:
        assert await shown(day) == rows

    play(tmp_path, look)
    (tmp_path / FILE_NAME).unlink()
    play(tmp_path, look)
    for name in FILES:
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / FILE_NAME).write_bytes(b"no database at all" * 1000)
    try:
        play(tmp_path, look)
    except HistoryBehind:  # it is being made anew; the next start finds it
        play(tmp_path, look)


def test_a_history_that_is_ahead_of_its_journal_is_made_anew(tmp_path: Path) -> None:
    """A journal put back from a backup: what the history knows beyond it never happened."""

    async def one(day: Day) -> None:
        await day.match(MAKER, TAKER, day.markets[0])

    play(tmp_path / "venue", one)
    shutil.copytree(tmp_path / "venue", tmp_path / "backup")
    play(tmp_path / "venue", trade)
    shutil.copy(tmp_path / "venue" / FILE_NAME, tmp_path / "backup" / FILE_NAME)

    async def look(day: Day) -> None:
        assert await shown(day) == expected(tmp_path / "backup")

    play(tmp_path / "backup", look)


def test_a_crash_between_the_commit_and_the_history_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    """The history may be as old as it likes when the power goes: every mixture of a journal and an older history."""
    copies: list[Path] = []

    async def scenario(day: Day) -> None:
        for place in range(4):
            await trade_on(day, place)
            await day.venue.history.read(day.venue.views.seq, all_trades)
            copy = tmp_path / f"at-{place}"
            copy.mkdir()
            for name in FILES:
                if (tmp_path / "venue" / name).exists() and not name.endswith("shm"):
                    shutil.copy(tmp_path / "venue" / name, copy / name)
            copies.append(copy)

    async def trade_on(day: Day, place: int) -> None:
        fill = await day.match(MAKER, TAKER, day.markets[place])
        await day.match(OTHER, TAKER, day.markets[place])
        await day.decide(fill)
        await day.report(day.markets[place], Outcome.ONE)

    play(tmp_path / "venue", scenario)
    rows = expected(tmp_path / "venue")

    async def look(day: Day) -> None:
        assert await shown(day) == rows

    for copy in copies:
        history.remove(tmp_path / "venue")
        for path in copy.iterdir():
            shutil.copy(path, tmp_path / "venue" / path.name)
        play(tmp_path / "venue", look)


def test_kill_9_in_the_middle_of_trades_loses_none(tmp_path: Path) -> None:
    for _ in range(3):
        program = [sys.executable, "-m", "tests.history.busy_venue", str(tmp_path / "venue")]
        with subprocess.Popen(program, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            for _ in range(40):
                assert process.stdout.readline()
            os.kill(process.pid, signal.SIGKILL)
            acknowledged = process.stdout.read().split()

        async def look(day: Day, acknowledged: list[bytes] = acknowledged) -> None:
            rows = await shown(day)
            assert rows == expected(tmp_path / "venue")
            assert {one.decode() for one in acknowledged if len(one) == 64} <= {row["fill"].hex() for row in rows}

        play(tmp_path / "venue", look)


def test_a_history_made_anew_is_the_same_and_the_command_makes_it(tmp_path: Path) -> None:
    play(tmp_path, trade)
    before = dump(tmp_path)
    with closing(SqliteJournal(tmp_path, read_only=True)) as journal:
        rebuild(tmp_path, journal).close()
    assert dump(tmp_path) == before

    (tmp_path / FILE_NAME).unlink()
    done = Ran("journal", "history", "--data-dir", tmp_path, "--rebuild", "--json")
    assert done.code == 0, done.err
    told = done.json
    assert (told["trades"], told["bets"], told["fills"]) == (6, 6, 3)
    assert told["seq"] == told["journal"]
    assert dump(tmp_path) == before
    asked = Ran("journal", "history", "--data-dir", tmp_path)
    assert f"at record {told['seq']} of {told['seq']}: 3 fills, 6 trades, 6 bets" in asked.out


def test_nobody_makes_the_history_anew_under_a_running_venue(tmp_path: Path) -> None:
    async def scenario(day: Day) -> None:
        loop = asyncio.get_running_loop()
        arguments = ("journal", "history", "--data-dir", tmp_path, "--rebuild")
        done = await loop.run_in_executor(None, lambda: Ran(*arguments))
        assert done.code == 3
        assert await shown(day) == []

    play(tmp_path, scenario)


def test_more_than_the_queue_holds_is_read_from_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "QUEUE_MAX", 1)

    async def scenario(day: Day) -> None:
        await asyncio.gather(*(day.match(MAKER, TAKER, market) for market in day.markets))
        assert await shown(day) == expected(tmp_path)

    play(tmp_path, scenario)


def test_a_table_that_is_gone_is_made_anew_while_the_venue_runs(tmp_path: Path) -> None:
    async def scenario(day: Day) -> None:
        failures: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
        await trade(day)
        await shown(day)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
            connection.execute("DROP TABLE bets")
        await day.match(MAKER, TAKER, day.markets[3])
        while True:  # the answer is "not now" for as long as it takes
            try:
                found = await shown(day)
            except HistoryBehind:
                continue
            break
        assert found == expected(tmp_path)
        assert failures

    play(tmp_path, scenario)


def test_orders_without_trades_do_not_wake_the_history(tmp_path: Path) -> None:
    async def scenario(day: Day) -> None:
        await shown(day)
        for _ in range(5):
            await day.rest(MAKER, day.markets[0], 10**7, 50, one=True)
            assert day.venue.history.seq == day.venue.views.seq

    play(tmp_path, scenario)


def test_a_look_sees_one_moment(tmp_path: Path) -> None:
    async def scenario(day: Day) -> None:
        await day.match(MAKER, TAKER, day.markets[0])
        loop = asyncio.get_running_loop()

        def twice(reading: Reading) -> tuple[int, int]:
            before = reading.count("trades", Wanted())
            asyncio.run_coroutine_threadsafe(trade_and_wait(), loop).result(30)
            return before, reading.count("trades", Wanted())

        async def trade_and_wait() -> None:
            await day.match(MAKER, TAKER, day.markets[0])
            seq = day.venue.views.seq
            assert await day.venue.history.read(seq, lambda reading: reading.count("trades", Wanted())) == 4

        assert await day.venue.history.read(day.venue.views.seq, twice) == (2, 2)

    play(tmp_path, scenario)


def dump(folder: Path) -> list[str]:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        return [line for line in connection.iterdump() if "'cursor'" not in line]
