"""The single writer: gives every command its place and time, runs the engine, and releases what is durable.

    inbox -> stamp -> execute -> journal -> (commit) -> views -> answers

While one batch is being committed the next one gathers in the inbox, so that load makes batches and no load makes
none. Nothing leaves before its commit: not an answer, not a view, not even a refusal, which may rest on a change
that is still on its way to the disk.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import msgspec

from overround.engine.commands import AdjustClock, AnyCommand, PlaceOrders, Tick
from overround.engine.engine import Engine, Outcome
from overround.engine.events import AnyEvent
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.journal.writer import JournalWriter
from overround.runtime.clock import Clock

BATCH_SIZE_MAX: Final = 1_000  # commands per commit
INBOX_SIZE_MAX: Final = 20_000  # commands waiting for their turn
PLACE_INBOX_SIZE_MAX: Final = 10_000  # from here on orders are turned away; cancels are not (design rule 3)
TICK_ID: Final = "tick"

Decision = Record | Rejection


class InboxFull(Exception):
    """Too many commands wait for their turn; nothing was done, try again."""


class _Waiting(msgspec.Struct, gc=False):
    command: AnyCommand
    command_id: str
    answer: asyncio.Future[Decision]


class Sequencer:
    """Runs on the event loop's thread; the journal writer's thread only waits for the disk."""

    def __init__(
        self,
        engine: Engine,
        writer: JournalWriter,
        clock: Clock,
        *,
        epoch: int,
        seq: int,
        time_ms: int,
        release: Callable[[list[Record], int, bytes], None],
        fatal: Callable[[BaseException], None],
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._clock = clock
        self._epoch = epoch
        self._seq = seq
        self._time_ms = time_ms
        self._release = release
        self._fatal = fatal
        self._loop = asyncio.get_running_loop()
        self._inbox: deque[_Waiting] = deque()
        self._turn_is_scheduled = False
        self._committing = False
        self._stopping: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self.schedule_tick()

    @property
    def inbox_size(self) -> int:
        """Commands waiting for their turn."""
        return len(self._inbox)

    def submit(self, command: AnyCommand, command_id: str) -> asyncio.Future[Decision]:
        """Queue a command; resolves to its record, or to the reason why nothing happened, once that is durable."""
        size = len(self._inbox)
        if size >= INBOX_SIZE_MAX or (size >= PLACE_INBOX_SIZE_MAX and isinstance(command, PlaceOrders)):
            raise InboxFull
        answer: asyncio.Future[Decision] = self._loop.create_future()
        self._inbox.append(_Waiting(command, command_id, answer))
        self._schedule_turn()
        return answer

    async def stop(self) -> None:
        """Decide and commit everything that was submitted, then stand still."""
        self._stopping = self._loop.create_future()
        self._schedule_turn()
        await self._stopping
        if self._alarm is not None:
            self._alarm.cancel()

    def schedule_tick(self) -> None:
        """Wake up at the engine's next deadline."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        deadline_ms = self._engine.next_deadline_ms()
        if deadline_ms is not None:
            is_due = deadline_ms <= self._time_ms  # also when the wall clock was set back meanwhile
            wait_ms = 0 if is_due else max(deadline_ms - self._clock.now_ms(), 0)
            # A far deadline is looked at again every hour: the wall clock may have been set in between.
            delay_s = min(wait_ms / 1000, 3600)
            self._alarm = self._loop.call_later(delay_s, self._schedule_turn)

    # ---- one turn -------------------------------------------------------------------------------------------------

    def _schedule_turn(self) -> None:
        if not (self._turn_is_scheduled or self._committing):
            self._turn_is_scheduled = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_scheduled = False
        records: list[Record] = []
        answers: list[tuple[asyncio.Future[Decision], Decision]] = []
        try:
            self._decide_batch(records, answers)
        except Exception as error:
            self._break(error, "a command could not be decided")
        else:
            self._commit(records, answers)

    def _decide_batch(self, records: list[Record], answers: list[tuple[asyncio.Future[Decision], Decision]]) -> None:
        self._fire_deadlines(records)
        for _ in range(min(len(self._inbox), BATCH_SIZE_MAX)):
            waiting = self._inbox.popleft()
            self._fire_deadlines(records)
            outcome = self._engine.execute(waiting.command, self._time_ms)
            answers.append((waiting.answer, self._decide(waiting, outcome, records)))
        self._fire_deadlines(records)  # whoever moved the clock sees what that made due

    def _commit(self, records: list[Record], answers: list[tuple[asyncio.Future[Decision], Decision]]) -> None:
        if records:
            self._committing = True
            seq, digest = self._seq, self._engine.digest()
            self._writer.submit(
                records,
                lambda error: self._loop.call_soon_threadsafe(self._committed, error, records, answers, seq, digest),
            )
        else:
            self._answer(answers)
            self._end_turn()

    def _committed(
        self,
        error: BaseException | None,
        records: list[Record],
        answers: list[tuple[asyncio.Future[Decision], Decision]],
        seq: int,
        digest: bytes,
    ) -> None:
        if error is not None:
            self._fatal(error)  # and stay in `_committing` for ever: no further turn, no further answer
            return
        try:
            self._release(records, seq, digest)
        except Exception as failure:
            self._break(failure, "a durable record could not be shown")
            return
        self._answer(answers)
        self._committing = False
        self._end_turn()

    def _end_turn(self) -> None:
        if self._inbox:
            self._schedule_turn()
        elif self._stopping is not None and not self._stopping.done():
            self._stopping.set_result(None)
        self.schedule_tick()

    def _break(self, error: Exception, what: str) -> None:
        """A fault of ours: memory may be half changed, so nothing that follows from it may be told or written."""
        self._committing = True  # for ever
        self._loop.call_exception_handler({"message": what, "exception": error})
        self._fatal(error)

    # ---- one command ----------------------------------------------------------------------------------------------

    def _fire_deadlines(self, records: list[Record]) -> None:
        """Take the time; what is due by it fires before the command that carries it (spec/decisions.md D9)."""
        self._time_ms = max(self._time_ms, self._clock.now_ms())  # never backwards, whatever the clock does
        deadline_ms = self._engine.next_deadline_ms()
        if deadline_ms is not None and deadline_ms <= self._time_ms:
            events = self._engine.execute(Tick(), self._time_ms)
            assert not isinstance(events, Rejection)
            records.append(self._record(Tick(), TICK_ID, events))

    def _decide(self, waiting: _Waiting, outcome: Outcome, records: list[Record]) -> Decision:
        if isinstance(outcome, Rejection):
            return outcome
        record = self._record(waiting.command, waiting.command_id, outcome)
        records.append(record)
        if isinstance(waiting.command, AdjustClock):
            self._clock.adjust(waiting.command.offset_ms, waiting.command.frozen_at_ms)
        return record

    def _record(self, command: AnyCommand, command_id: str, events: list[AnyEvent]) -> Record:
        self._seq += 1
        return Record(self._seq, self._time_ms, self._epoch, command_id, command, events)

    @staticmethod
    def _answer(answers: list[tuple[asyncio.Future[Decision], Decision]]) -> None:
        for future, decision in answers:
            if not future.done():  # the client may have gone; what was decided stands
                future.set_result(decision)
