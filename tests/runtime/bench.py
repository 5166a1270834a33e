"""A sequencer on a bench: with a clock that is set by hand and a journal that can be held up."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from tests.journal.history import START_MS, records

from overround.engine.commands import VenueCommand
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.journal.journal import Head, Journal
from overround.journal.memory import MemoryJournal
from overround.journal.writer import JournalWriter
from overround.runtime.recovery import recover
from overround.runtime.sequencer import Sequencer

WORLD_LENGTH = 7
PATIENCE_S = 30.0


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(0.001)


class HandClock:
    """Stands still until it is set; may be set anywhere."""

    def __init__(self, now_ms: int = START_MS + 1_000) -> None:
        self.time_ms = now_ms
        self.jump_ms = 0  # what of it the machine's clock is said to have jumped

    def now_ms(self) -> int:
        """The time it was set to."""
        return self.time_ms

    def take_jump_ms(self) -> int:
        """Once, what was set."""
        jump_ms, self.jump_ms = self.jump_ms, 0
        return jump_ms

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """As the venue's clock does, from the time of this clock's making."""
        self.time_ms = START_MS + 1_000 + offset_ms if frozen_at_ms is None else frozen_at_ms

    def go_on_from(self, time_ms: int) -> None:
        """Be no earlier than this."""
        self.time_ms = max(self.time_ms, time_ms)


class RunningClock(HandClock):
    """Runs as the machine's does, from where it was set."""

    def __init__(self) -> None:
        super().__init__()
        self._made_at = time.monotonic()

    def now_ms(self) -> int:
        """The time it was set to, and what has passed since."""
        return self.time_ms + int((time.monotonic() - self._made_at) * 1000)


class HeldJournal:
    """Another journal, whose appends wait while it is held."""

    def __init__(self, inner: Journal) -> None:
        self.inner = inner
        self.batches: list[list[Record]] = []  # that were begun
        self._may_go = threading.Event()
        self._may_go.set()

    def hold(self) -> None:
        """Let appends wait from here on."""
        self._may_go.clear()

    def let_go(self) -> None:
        """Let them finish."""
        self._may_go.set()

    @property
    def head(self) -> Head:
        """The other journal's."""
        return self.inner.head

    @property
    def identity(self) -> str:
        """The other journal's."""
        return self.inner.identity

    def append(self, records: Sequence[Record]) -> None:
        """Wait, then append."""
        self.batches.append(list(records))
        assert self._may_go.wait(PATIENCE_S)
        self.inner.append(records)

    def read(self, after: int) -> Iterator[Record]:
        """The other journal's."""
        return self.inner.read(after)

    def digest_at(self, seq: int) -> bytes | None:
        """The other journal's."""
        return self.inner.digest_at(seq)

    def close(self) -> None:
        """The other journal's."""
        self.inner.close()


class Bench:
    """A small world, recovered, with a sequencer. Make it inside a running loop."""

    def __init__(self, journal: Journal | None = None, clock: HandClock | None = None) -> None:
        self.journal = HeldJournal(MemoryJournal() if journal is None else journal)
        if self.journal.head.seq == 0:
            self.journal.append(records(WORLD_LENGTH))
            self.journal.batches.clear()
        self.clock = HandClock() if clock is None else clock
        self.released: list[Record] = []
        self.fatal: list[BaseException] = []
        recovered = recover(self.journal, None)
        self.engine = recovered.engine
        self.writer = JournalWriter(self.journal)
        self.sequencer = Sequencer(
            recovered.engine,
            self.writer,
            self.clock,
            epoch=3,
            seq=recovered.seq,
            time_ms=recovered.time_ms,
            release=self._release,
            fatal=self.fatal.append,
        )
        self._number = 0

    def submit(self, command: VenueCommand) -> asyncio.Future[Record | Rejection]:
        """Submit under an id of its own."""
        self._number += 1
        return self.sequencer.submit(command, f"command-{self._number}")

    async def record_of(self, command: VenueCommand) -> Record:
        """Submit, and wait for the record."""
        decision = await self.submit(command)
        assert isinstance(decision, Record)
        return decision

    async def stop(self) -> None:
        """As the venue stops."""
        await self.sequencer.stop()
        self.writer.stop()

    def _release(self, records: list[Record], seq: int, digest: bytes) -> None:
        assert records[-1].seq == seq
        assert self.journal.head.seq >= seq, "released before it was durable"
        self.released += records
