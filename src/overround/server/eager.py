"""Run a coroutine at once, and finish it later only if it has to wait.

A task would start it on the next turn of the loop and tell that it is done on the one after: two turns that most
requests do not need (Python 3.12 has eager tasks for this; we support 3.11).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

_T = TypeVar("_T")


class Wait(Generic[_T]):
    """To be awaited, once, by a coroutine that `Eager` runs: it goes on, on the spot, when `resume` is called."""

    __slots__ = ("_asyncio_future_blocking", "_is_over", "_step", "_value")

    def __init__(self) -> None:
        self._asyncio_future_blocking = True
        self._is_over = False
        self._step: Callable[[], object] | None = None
        self._value: _T | None = None

    def __await__(self) -> Generator[Any, None, _T]:
        if not self._is_over:
            yield self
        return cast("_T", self._value)

    def add_done_callback(self, step: Callable[[], object]) -> None:
        """What `Eager` does with whatever its coroutine awaits."""
        self._step = step

    def resume(self, value: _T) -> None:
        """It is over, with this value."""
        self._is_over, self._value = True, value
        if self._step is not None:
            self._step()


class Eager(Generic[_T]):
    """One coroutine under way. It may await futures and `asyncio.sleep(0)`, not what needs a current task."""

    __slots__ = ("_coroutine", "_done", "_loop")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, _T], done: Callable[[_T], object]
    ) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._done = done
        self._step()

    def _step(self, _: object = None) -> None:
        try:
            awaited = self._coroutine.send(None)
        except StopIteration as finished:
            self._done(finished.value)
            return
        if awaited is None:  # asyncio.sleep(0)
            self._loop.call_soon(self._step)
        else:  # a future; the coroutine asks it for its result when it is resumed
            awaited._asyncio_future_blocking = False
            awaited.add_done_callback(self._step)
