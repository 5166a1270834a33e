"""The single writer: gives every command its place and time, runs the engine, and releases what is durable.

    stamp -> inbox -> execute -> journal -> (commit) -> views -> answers

While one batch is being committed the next one gathers in the inbox, so that load makes batches and no load makes
none. Nothing leaves before its commit: not an answer, not a view, not even a refusal, which may rest on a change
that is still on its way to the disk.

A command carries the time at which it arrived, and only deadlines up to then fire before it: a ping that came in time
has come in time, however long a commit took. Time in which no ping could be heard is given back to armed heartbeats
before anything fires (`vigil.py`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final, overload

import msgspec

from overround.engine.commands import (
    AdjustClock,
    AnyCommand,
    Fill,
    GrantGrace,
    PlaceOrders,
    ResumeVenue,
    Tick,
    VenueCommand,
)
from overround.engine.continuous.commands import AnyContinuousCommand, SubmitOrders
from overround.engine.continuous.rejections import Refusal
from overround.engine.engine import Engine, Outcome
from overround.engine.events import AnyEvent
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.journal.writer import JournalWriter
from overround.runtime.clock import Clock
from overround.runtime.vigil import BEAT_S, STALL_MS, Vigil

BATCH_SIZE_MAX: Final = 1_000  # commands per commit
INBOX_SIZE_MAX: Final = 20_000  # commands waiting for their turn
PLACE_INBOX_SIZE_MAX: Final = 10_000  # from here on orders are turned away; cancels are not (design rule 3)
TICK_ID: Final = "tick"
GRACE_ID: Final = "grace"
RESUME_ID: Final = "resume"
SETTLE_S: Final = 0.05  # after an interruption: new connections are accepted and read before anything fires
ALARM_S_MAX: Final = 5.0  # a far deadline is looked at again: the machine's clock may have been set in between
DEAF_ALARM_S_MIN: Final = 0.1  # while nobody is heard every alarm is answered with grace: not too many of them

Decision = Record | Rejection | Refusal
_PLACING: Final = (PlaceOrders, Fill, SubmitOrders)  # cancel-and-place takes as much off as it puts on


class InboxFull(Exception):
    """Too many commands wait for their turn; nothing was done, try again."""


Tell = Callable[[Decision], object]
"""Who is told of a decision, once it is durable."""


class _Waiting(msgspec.Struct, gc=False):
    command: AnyCommand
    command_id: str
    tell: Tell
    arrived_ms: int


_Answer = tuple[Tell, Decision]


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
        stall_ms: int = STALL_MS,
        charge_downtime: bool = False,
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
        self._beat_timer: asyncio.TimerHandle | None = None
        self._vigil = Vigil(clock.now_ms(), stall_ms)
        self._settled = False
        self._charge_downtime = charge_downtime
        self._stopped_at_ms: int | None = time_ms  # until the venue has gone on from there
        self._resumed = asyncio.Event()
        if engine.waits:
            self._schedule_turn()
        self.schedule_tick()

    @property
    def inbox_size(self) -> int:
        """Commands waiting for their turn."""
        return len(self._inbox)

    @overload
    def submit(self, command: AnyContinuousCommand, command_id: str) -> asyncio.Future[Record | Refusal]: ...

    @overload
    def submit(self, command: VenueCommand, command_id: str) -> asyncio.Future[Record | Rejection]: ...

    def submit(self, command: AnyCommand, command_id: str) -> Any:
        """Queue a command; resolves to its record, or to the reason why nothing happened, once that is durable."""
        answer: asyncio.Future[Decision] = self._loop.create_future()
        self.submit_for(command, command_id, partial(_resolve, answer))
        return answer

    def submit_for(self, command: AnyCommand, command_id: str, tell: Tell) -> None:
        """The same for who needs no future: `tell` is called with the decision, straight after its commit."""
        size = len(self._inbox)
        if size >= INBOX_SIZE_MAX or (size >= PLACE_INBOX_SIZE_MAX and isinstance(command, _PLACING)):
            raise InboxFull
        self._inbox.append(_Waiting(command, command_id, tell, self._clock.now_ms()))
        if not (self._turn_is_scheduled or self._committing):
            self._schedule_turn()

    async def resumed(self) -> None:
        """Wait until time that passed while the venue was down has been given back, durably."""
        if self._engine.waits:
            await self._resumed.wait()

    async def stop(self) -> None:
        """Decide and commit everything that was submitted, then stand still."""
        self._stopping = self._loop.create_future()
        self._schedule_turn()
        await self._stopping
        for timer in (self._alarm, self._beat_timer):
            if timer is not None:
                timer.cancel()

    def deafen(self) -> None:
        """No ping can be heard from here on: no request is accepted yet, or any more. Heartbeats are not charged."""
        self._vigil.deafen()

    def listen(self) -> None:
        """Requests are accepted from here on."""
        self._vigil.listen()
        if self._engine.heartbeats_armed:
            self._schedule_turn()

    def schedule_tick(self) -> None:
        """Wake up at the engine's next deadline, and show signs of life while heartbeats depend on it."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        deadline_ms = self._engine.next_deadline_ms()
        if deadline_ms is None:
            return
        is_due = deadline_ms <= self._time_ms
        wait_ms = 0 if is_due else max(deadline_ms - self._clock.now_ms(), 0)
        delay_s = min(wait_ms / 1000, ALARM_S_MAX)
        if self._vigil.is_deaf:
            delay_s = max(delay_s, DEAF_ALARM_S_MIN)
        self._alarm = self._loop.call_later(delay_s, self._ring)
        if self._beat_timer is None and self._engine.heartbeats_armed:
            self._beat_timer = self._loop.call_later(BEAT_S, self._beat)

    # ---- one turn -------------------------------------------------------------------------------------------------

    def _ring(self) -> None:
        """A deadline has come. Timers run before sockets are read: one look at those first, there may be a ping."""
        self._loop.call_soon(self._schedule_turn)

    def _beat(self) -> None:
        self._beat_timer = None
        if self._engine.heartbeats_armed:
            self._beat_timer = self._loop.call_later(BEAT_S, self._beat)
            if not self._vigil.beat(self._clock.now_ms(), committing=self._committing):
                self._schedule_turn()

    def _schedule_turn(self) -> None:
        if not (self._turn_is_scheduled or self._committing):
            self._turn_is_scheduled = True
            self._loop.call_soon(self._turn)

    def _settles(self, now_ms: int) -> bool:
        """After an interruption the turn is put off, once, until what waits in sockets has been read."""
        self._settled = not self._settled and bool(self._engine.heartbeats_armed) and self._vigil.is_interrupted(now_ms)
        if self._settled:
            self._loop.call_later(SETTLE_S, self._turn)
        return self._settled

    def _turn(self) -> None:
        now_ms = self._clock.now_ms()
        if self._settles(now_ms):
            return
        self._turn_is_scheduled = False
        records: list[Record] = []
        answers: list[_Answer] = []
        try:
            self._decide_batch(now_ms, records, answers)
        except Exception as error:
            self._break(error, "a command could not be decided")
        else:
            self._commit(records, answers)

    def _decide_batch(self, now_ms: int, records: list[Record], answers: list[_Answer]) -> None:
        self._make_up(now_ms, records)
        inbox = self._inbox
        for _ in range(min(len(inbox), BATCH_SIZE_MAX)):
            waiting = inbox.popleft()
            self._fire_deadlines(waiting.arrived_ms, records)
            outcome = self._engine.execute(waiting.command, self._time_ms)
            answers.append((waiting.tell, self._decide(waiting, outcome, records)))
        # Up to when the turn began: every socket had been looked at by then. And not past who waits for the next.
        self._fire_deadlines(min(now_ms, inbox[0].arrived_ms) if inbox else now_ms, records)

    def _commit(self, records: list[Record], answers: list[_Answer]) -> None:
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
        answers: list[_Answer],
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
        self._resumed.set()
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

    def _make_up(self, now_ms: int, records: list[Record]) -> None:
        """Give back what time was lost, before anything fires and before what arrived meanwhile is decided (D14)."""
        engine = self._engine
        if self._stopped_at_ms is not None:
            lost_ms, self._stopped_at_ms = max(now_ms - self._stopped_at_ms, 0), None
            self._vigil.restart(now_ms)
            self._clock.take_jump_ms()
            if engine.waits:
                self._give_back(
                    ResumeVenue(grace_ms=0 if self._charge_downtime else lost_ms), RESUME_ID, now_ms, records
                )
            return
        due_ms = engine.next_heartbeat_ms
        is_due = due_ms is not None and due_ms <= now_ms
        lost_ms = self._vigil.lost_ms(now_ms, self._clock.take_jump_ms(), is_due=is_due)
        if lost_ms and due_ms is not None:
            self._give_back(GrantGrace(grace_ms=lost_ms), GRACE_ID, now_ms, records)

    def _give_back(
        self, command: ResumeVenue | GrantGrace, command_id: str, now_ms: int, records: list[Record]
    ) -> None:
        """At the time of this turn, and so is everything that waits: a ping counts from the end of the lost time."""
        self._time_ms = max(self._time_ms, now_ms)
        events = self._engine.execute(command, self._time_ms)
        assert isinstance(events, list)
        records.append(self._record(command, command_id, events))

    def _fire_deadlines(self, until_ms: int, records: list[Record]) -> None:
        """Time has come so far; what is due by it fires before the command that carries it (spec/decisions.md D9)."""
        if until_ms > self._time_ms:  # never backwards
            self._time_ms = until_ms
        # More than once where a tick made something due at once, which it leaves to the next one.
        while self._engine.is_due(self._time_ms):
            events = self._engine.execute(Tick(), self._time_ms)
            assert isinstance(events, list)
            records.append(self._record(Tick(), TICK_ID, events))

    def _decide(self, waiting: _Waiting, outcome: Outcome, records: list[Record]) -> Decision:
        if not isinstance(outcome, list):
            return outcome
        record = self._record(waiting.command, waiting.command_id, outcome)
        records.append(record)
        if isinstance(waiting.command, AdjustClock):
            self._step_clock(waiting.command, records)
        return record

    def _step_clock(self, command: AdjustClock, records: list[Record]) -> None:
        """Whoever moves the clock sees what that makes due, at once. Heartbeats are charged: that is what for."""
        self._clock.take_jump_ms()
        self._clock.adjust(command.offset_ms, command.frozen_at_ms)
        self._clock.go_on_from(self._time_ms)  # it was told to stand still where it stood when it was asked
        now_ms = self._clock.now_ms()
        self._vigil.restart(now_ms)
        self._fire_deadlines(now_ms, records)

    def _record(self, command: AnyCommand, command_id: str, events: list[AnyEvent]) -> Record:
        self._seq += 1
        return Record(self._seq, self._time_ms, self._epoch, command_id, command, events)

    def _answer(self, answers: list[_Answer]) -> None:
        for tell, decision in answers:
            try:
                tell(decision)
            except Exception as error:  # what was decided stands, and the others are still to be told
                context = {"message": "a decision could not be told", "exception": error}
                self._loop.call_exception_handler(context)


def _resolve(answer: asyncio.Future[Decision], decision: Decision) -> None:
    if not answer.done():  # the client may have gone; what was decided stands
        answer.set_result(decision)
