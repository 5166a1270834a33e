"""The only place that knows what time it is.

The venue's time runs at the pace of the monotonic clock and never backwards, whatever is done to the machine's wall
clock: a heartbeat of 30 s is 30 s long. Where the wall clock turns out to be ahead the venue's time jumps after it,
and the jump is told, so that nobody is charged for it (spec/decisions.md D14). Where it turns out to be behind, the
venue's time goes on at its own pace until the wall clock has caught up.
"""

from __future__ import annotations

import time
from typing import Final, Protocol

JUMP_MS_MIN: Final = 100  # the wall clock is followed when it is ahead by so much; less is the noise of two readings
_MS: Final = 1_000_000  # ns


class TimeSource(Protocol):
    """The machine's two clocks, in ns."""

    def wall_ns(self) -> int:
        """Unix time; may be set anywhere at any moment."""

    def steady_ns(self) -> int:
        """Since some moment; never set, and stands still while the machine sleeps."""


class MachineTime:
    """The real ones."""

    wall_ns = staticmethod(time.time_ns)
    steady_ns = staticmethod(time.monotonic_ns)


class Clock(Protocol):
    """Milliseconds since the Unix epoch, as the venue counts them."""

    def now_ms(self) -> int:
        """The time now."""

    def take_jump_ms(self) -> int:
        """How far the time has jumped since this was asked last, because the machine's clock was set."""

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """Run `offset_ms` ahead of the machine's time, or stand still."""

    def go_on_from(self, time_ms: int) -> None:
        """Be no earlier than this."""


class VenueClock:
    """The machine's time made steady; in a sandbox it can be moved and stopped (`AdjustClock`)."""

    def __init__(self, source: TimeSource | None = None) -> None:
        machine = MachineTime() if source is None else source
        self._wall_ns, self._steady_ns = machine.wall_ns, machine.steady_ns
        # The wall clock is read first: whatever interrupts the two readings makes the difference smaller, and only a
        # larger one than before is followed.
        self._ahead_ns = max(self._wall_ns() - self._steady_ns() for _ in range(5))  # of the monotonic clock
        self._jumped_ns = 0
        self._offset_ms = 0
        self._frozen_at_ms: int | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether it stands still."""
        return self._frozen_at_ms is not None

    def now_ms(self) -> int:
        """The venue's time."""
        if self._frozen_at_ms is not None:
            return self._frozen_at_ms
        return self.machine_ms() + self._offset_ms

    def machine_ms(self) -> int:
        """What the venue's time would be had nobody adjusted it: the machine's, but steady."""
        wall_ns, steady_ns = self._wall_ns(), self._steady_ns()
        jump_ns = wall_ns - steady_ns - self._ahead_ns
        if jump_ns >= JUMP_MS_MIN * _MS:
            self._ahead_ns += jump_ns
            self._jumped_ns += jump_ns
        return (steady_ns + self._ahead_ns) // _MS

    def take_jump_ms(self) -> int:
        """How far the time has jumped since this was asked last; nothing while it stands still."""
        if not self._jumped_ns:
            return 0
        jumped_ms, self._jumped_ns = -(-self._jumped_ns // _MS), 0
        return 0 if self.is_frozen else jumped_ms

    def ahead_ms(self) -> int:
        """How far the steady time is ahead of the machine's clock, which was set back then; else about 0."""
        return self.machine_ms() - self._wall_ns() // _MS

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """Follow an `AdjustClock` command."""
        self._offset_ms, self._frozen_at_ms = offset_ms, frozen_at_ms

    def go_on_from(self, time_ms: int) -> None:
        """Be no earlier than what was decided last, though the machine's clock may have been set back since."""
        behind_ms = time_ms - self.now_ms()
        if behind_ms <= 0:
            return
        if self.is_frozen:
            self._frozen_at_ms = time_ms
        else:
            self._ahead_ns += behind_ms * _MS
