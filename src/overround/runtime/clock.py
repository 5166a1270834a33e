"""The only place that knows what time it is."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Milliseconds since the Unix epoch."""

    def now_ms(self) -> int:
        """The time now; it may jump backwards, the sequencer does not."""

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """Run `offset_ms` ahead of real time, or stand still."""


def real_now_ms() -> int:
    """The machine's clock."""
    return time.time_ns() // 1_000_000


class VenueClock:
    """The machine's clock; in a sandbox it can be moved and stopped (`AdjustClock`)."""

    def __init__(self) -> None:
        self._offset_ms = 0
        self._frozen_at_ms: int | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen_at_ms is not None

    def now_ms(self) -> int:
        """The venue's time."""
        return real_now_ms() + self._offset_ms if self._frozen_at_ms is None else self._frozen_at_ms

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """Follow an `AdjustClock` command."""
        self._offset_ms, self._frozen_at_ms = offset_ms, frozen_at_ms
