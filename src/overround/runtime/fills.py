"""Who waits for what becomes of a fill. A taker's request is held open through the betting delay (spec/sx.md 5.12)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from overround.engine.events import FillDropped, FillMatched, FillRefused
from overround.engine.record import Record
from overround.engine.types import FillHash

FillResult = FillMatched | FillRefused | FillDropped


class FillResults:
    """Told of every durable record; tells those who wait. Nobody has to: a fill without a waiter ends all the same."""

    def __init__(self) -> None:
        self._waiting: dict[FillHash, list[asyncio.Future[FillResult]]] = {}
        self.closed = False  # the venue stops: new fills would not live to see the end of their delay

    def __len__(self) -> int:
        """Requests that are held open."""
        return sum(map(len, self._waiting.values()))

    @contextmanager
    def of(self, fill_hash: FillHash) -> Iterator[asyncio.Future[FillResult]]:
        """What becomes of a fill. Enter before the fill is submitted: without a delay it is decided in the same batch
        as its admission, and listeners are told before whoever asked is answered."""
        result: asyncio.Future[FillResult] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.setdefault(fill_hash, [])
        waiting.append(result)
        try:
            yield result
        finally:
            result.cancel()
            waiting.remove(result)
            if not waiting:
                self._waiting.pop(fill_hash, None)

    def follow(self, record: Record) -> None:
        """A record is durable and shown."""
        if not self._waiting:
            return
        for event in record.events:
            if isinstance(event, FillMatched):
                self._tell(event.fill.fill_hash, event)
            elif isinstance(event, FillRefused | FillDropped):
                self._tell(event.fill_hash, event)

    def _tell(self, fill_hash: FillHash, event: FillResult) -> None:
        for result in self._waiting.get(fill_hash, ()):
            if not result.done():
                result.set_result(event)
