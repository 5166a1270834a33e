"""The wiring: opened, asked, stopped and opened again, on one data folder."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest
import uvloop
from tests.journal.history import FAR_S, MAKERS, TOKEN, order, records, world

from overround.engine.commands import AdjustClock, PlaceOrders, SetBalance
from overround.engine.record import Record
from overround.journal.journal import JournalDamaged
from overround.journal.sqlite import FILE_NAME, SqliteJournal
from overround.runtime.leadership import DataFolderInUse, FolderLock
from overround.runtime.venue import Venue


def _fail(error: BaseException) -> None:
    raise AssertionError from error


def _play(folder: Path, scenario: Callable[[Venue], Awaitable[object]]) -> None:
    async def play() -> None:
        venue = Venue.open(folder, on_fatal=_fail)
        try:
            await scenario(venue)
        finally:
            await venue.stop()

    uvloop.run(play())


async def _furnish(venue: Venue) -> None:
    await asyncio.gather(*(venue.submit(command, "start") for command in world()))


def test_a_venue_remembers_what_it_was_told(tmp_path: Path) -> None:
    digests = []

    async def first(venue: Venue) -> None:
        await _furnish(venue)
        await venue.submit(PlaceOrders(orders=(order(1, api_expiry=FAR_S), order(2, api_expiry=FAR_S))), "place")
        digests.append(venue.views.digest)

    async def second(venue: Venue) -> None:
        digests.append(venue.views.digest)
        assert venue.replayed == 0  # the stop wrote a snapshot
        assert len(venue.views.orders.by_hash) == 2

    _play(tmp_path, first)
    _play(tmp_path, second)
    assert digests[0] == digests[1]


def test_a_reader_reads_his_own_write(tmp_path: Path) -> None:
    async def scenario(venue: Venue) -> None:
        await _furnish(venue)
        heard: list[tuple[int, int]] = []
        venue.listeners.append(lambda record: heard.append((record.seq, venue.views.seq)))
        record = await venue.submit(SetBalance(account=MAKERS[0], token=TOKEN, amount=5), "set")
        assert isinstance(record, Record)
        assert venue.views.accounts.balances[MAKERS[0]][TOKEN] == 5
        assert heard == [(record.seq, record.seq)]  # listeners hear of it once views show it

    _play(tmp_path, scenario)


def test_a_moved_clock_is_still_moved_after_a_restart(tmp_path: Path) -> None:
    async def move(venue: Venue) -> None:
        await _furnish(venue)
        await venue.submit(AdjustClock(offset_ms=10**9), "clock")

    async def look(venue: Venue) -> None:
        assert abs(venue.clock.now_ms() - time.time() * 1000 - 10**9) < 10_000
        record = await venue.submit(SetBalance(account=MAKERS[0], token=TOKEN, amount=5), "set")
        assert isinstance(record, Record)
        assert record.time_ms >= time.time() * 1000 + 10**9 - 10_000

    _play(tmp_path, move)
    _play(tmp_path, look)


def test_an_open_venue_owns_its_folder(tmp_path: Path) -> None:
    async def scenario(venue: Venue) -> None:
        with pytest.raises(DataFolderInUse):
            Venue.open(tmp_path, on_fatal=_fail)

    _play(tmp_path, scenario)
    lock = FolderLock(tmp_path)
    lock.acquire()  # given back
    lock.release()


def test_a_folder_that_cannot_be_recovered_is_given_back(tmp_path: Path) -> None:
    history = records(10)
    with closing(SqliteJournal(tmp_path)) as journal:
        journal.append(history)
    damaged = (tmp_path / FILE_NAME).read_bytes().replace(b"id-5", b"id-6")
    (tmp_path / FILE_NAME).write_bytes(damaged)

    async def play() -> None:
        with pytest.raises(JournalDamaged, match="record 5"):
            Venue.open(tmp_path, on_fatal=_fail)

    uvloop.run(play())
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()
