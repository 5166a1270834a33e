"""Keeps the history in step with the journal, on a thread of its own.

The loop hands over what is durable and never waits. Where the thread falls behind (at the start, after a failure, or
when more is handed over than it can hold) it reads the journal from its cursor on: the same code that builds the
history from nothing.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path
from threading import Condition, Thread, local
from typing import Final, TypeVar

from overround.engine.record import Record
from overround.history.database import FILE_NAME, FILES, HistoryDatabase, NotThisHistory, concerns
from overround.history.reading import Reading
from overround.journal.journal import Journal, JournalError
from overround.journal.sqlite import UNAVAILABLE

QUEUE_MAX: Final = 10_000  # records handed over and not yet in; beyond, they are read from the journal
CATCH_UP_RECORDS: Final = 2_000  # records of the journal looked at for one commit
CURSOR_RECORDS: Final = 10_000  # records without trades after which the cursor is written all the same
RETRY_S: Final = 2.0
WAIT_S: Final = 5.0  # how long a reader waits for the history to reach what he has seen
READERS: Final = 2  # threads
READS_MAX: Final = 200  # waiting and under way
_T = TypeVar("_T")


class HistoryBehind(Exception):
    """The history cannot be read just now: it is being brought up to date, or too many ask. Try again."""


class History:
    """The history of one venue. Made inside a running event loop."""

    def __init__(self, folder: Path, journal: Journal) -> None:
        self._path = folder / FILE_NAME
        self._journal = journal
        self._identity = journal.identity
        self._loop = asyncio.get_running_loop()
        self._condition = Condition()  # guards what follows
        self._queue: deque[Record] = deque()
        self._seen = journal.head.seq  # the last durable record
        self._seq = -1  # everything up to this record is in
        self._written = -1  # the cursor in the file
        self._behind = True  # the queue is not the continuation of what is in
        self._busy = True
        self._stopped = False
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []  # the loop's own
        self._reads = 0
        self._generation = 0  # of the file: raised when it is made anew
        self._connections = local()
        self._database: HistoryDatabase | None = None
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="history reader")
        self._thread = Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    # ---- on the loop ----------------------------------------------------------------------------------------------

    @property
    def seq(self) -> int:
        """Everything up to this record is in; -1 while that is not known."""
        return self._seq

    def follow(self, records: Sequence[Record]) -> None:
        """These records are durable."""
        news = [record for record in records if concerns(record)]
        with self._condition:
            self._seen = records[-1].seq
            if self._behind:
                return
            if not news and not self._queue and not self._busy:
                self._seq = self._seen
                if self._seen - self._written < CURSOR_RECORDS:
                    return
            if len(self._queue) + len(news) > QUEUE_MAX:
                self._queue.clear()
                self._behind = True
            else:
                self._queue.extend(news)
            self._condition.notify()

    async def read(self, seq: int, question: Callable[[Reading], _T]) -> _T:
        """Ask, off the loop, once everything up to record `seq` is in. Raises HistoryBehind."""
        if self._reads >= READS_MAX or self._stopped:
            raise HistoryBehind
        self._reads += 1
        try:
            if self._seq < seq:
                await self._reached(seq)
            return await self._loop.run_in_executor(self._readers, self._ask, question)
        finally:
            self._reads -= 1

    async def _reached(self, seq: int) -> None:
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append((seq, waiter))
        self._wake()  # it may have got there just before
        try:
            await asyncio.wait_for(waiter, WAIT_S)
        except TimeoutError:
            raise HistoryBehind from None

    def _wake(self) -> None:
        still = []
        for seq, waiter in self._waiters:
            if waiter.done():
                continue
            if seq <= self._seq:
                waiter.set_result(None)
            else:
                still.append((seq, waiter))
        self._waiters = still

    def stop(self) -> None:
        """Take in what was handed over, then let go of the file."""
        with self._condition:
            self._stopped = True
            self._condition.notify()
        self._thread.join()
        self._readers.shutdown(cancel_futures=True)

    # ---- a reader's thread ----------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[Reading], _T]) -> _T:
        try:
            reading = Reading(self._reader())
            try:
                return question(reading)
            finally:
                reading.close()
        except sqlite3.Error as error:
            self._connections.generation = None
            raise HistoryBehind from error

    def _reader(self) -> sqlite3.Connection:
        """This thread's connection, to the file that is there now."""
        mine = self._connections
        if getattr(mine, "generation", None) != self._generation:
            mine.generation = self._generation
            mine.connection = sqlite3.connect(
                f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        connection: sqlite3.Connection = mine.connection
        return connection

    # ---- the writer's thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            try:
                database = self._open()
                self._follow_on(database)
            except Exception as error:
                self._close()
                if self._is_over(error):
                    return
            else:
                self._close()
                return

    def _is_over(self, error: Exception) -> bool:
        """Something failed: wait a little and begin again with the journal, unless the venue stops."""
        with self._condition:
            self._behind = self._busy = True
            self._queue.clear()
            is_over = self._stopped
        if not is_over:
            context = {"message": "the history could not be written; trying again", "exception": error}
            self._tell(lambda: self._loop.call_exception_handler(context))
        if not (isinstance(error, JournalError) or getattr(error, "sqlite_errorcode", -1) & 0xFF in UNAVAILABLE):
            self._remove()  # whatever is wrong with it, the journal has it all
        with self._condition:
            return is_over or self._condition.wait_for(lambda: self._stopped, RETRY_S)

    def _open(self) -> HistoryDatabase:
        try:
            database = HistoryDatabase(self._path, self._identity)
            if database.cursor > self._journal.head.seq:  # the journal was cut back: what is here never happened
                database.close()
                raise NotThisHistory
        except NotThisHistory:
            self._remove()
            database = HistoryDatabase(self._path, self._identity)
        self._database = database
        return database

    def _remove(self) -> None:
        remove(self._path.parent)
        self._generation += 1

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _follow_on(self, database: HistoryDatabase) -> None:
        self._catch_up(database)
        while True:
            with self._condition:
                self._condition.wait_for(self._has_work)
                if self._behind:
                    news, seq = None, 0
                else:
                    news, seq = list(self._queue), self._seen
                    self._queue.clear()
                    self._busy = True
                stopped = self._stopped
            if news is None:
                if stopped:
                    return  # the next start reads the rest
                self._catch_up(database)
            else:
                database.apply(news, seq)
                self._arrived(seq)
                if stopped:
                    return

    def _has_work(self) -> bool:
        return bool(self._stopped or self._behind or self._queue or self._seen - self._written >= CURSOR_RECORDS)

    def _catch_up(self, database: HistoryDatabase) -> None:
        """Read the journal from the cursor to the last record that was shown."""
        cursor = database.cursor
        while True:
            with self._condition:
                self._behind = self._seen > cursor
                self._busy = self._behind
                left = self._seen - cursor
                if self._stopped and self._behind:
                    return
            if left <= 0:
                self._arrived(cursor)
                return
            cursor = take_in(database, self._journal, cursor, min(left, CATCH_UP_RECORDS))

    def _arrived(self, seq: int) -> None:
        with self._condition:
            self._busy = False
            self._written = seq
            self._seq = max(self._seq, seq if self._queue or self._behind else self._seen)
        self._tell(self._wake)

    def _tell(self, what: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(what)


def take_in(database: HistoryDatabase, journal: Journal, cursor: int, count: int) -> int:
    """Apply the next `count` records of a journal; returns the new cursor."""
    news = []
    for record in islice(journal.read(cursor), count):
        cursor = record.seq
        if concerns(record):
            news.append(record)
    database.apply(news, cursor)
    return cursor


def rebuild(folder: Path, journal: Journal) -> HistoryDatabase:
    """Make the history anew, from nothing but the journal; for a folder that no venue has open."""
    remove(folder)
    database = HistoryDatabase(folder / FILE_NAME, journal.identity)
    cursor = 0
    while cursor < journal.head.seq:
        cursor = take_in(database, journal, cursor, CATCH_UP_RECORDS)
    return database


def remove(folder: Path) -> None:
    """Remove the history; the next start makes it anew."""
    for name in FILES:
        (folder / name).unlink(missing_ok=True)
