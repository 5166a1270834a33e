"""Knows since when the venue has not listened: time in which no ping can be heard is nobody's fault (7.8, D14).

All times are the venue's, so that a clock that stands still in a sandbox loses nothing. A jump of the clock is lost
time as well, but no interruption: it is told by the clock itself, exactly.
"""

from __future__ import annotations

from typing import Final

BEAT_S: Final = 0.1  # between two signs of life, while heartbeats are armed
# A loop that was held up for less cannot cost a heartbeat more than the last moment of its interval; for longer, and
# no heartbeat fires before what waits has been read.
HICCUP_MS: Final = 250
STALL_MS: Final = 1_000


class Vigil:
    """Two marks: when the loop last turned, and when commands could last be decided as well."""

    def __init__(self, now_ms: int, stall_ms: int) -> None:
        self._stall_ms = stall_ms
        self._turned_ms = self._decided_ms = now_ms
        self._is_deaf = False
        self._was_deaf = False

    def beat(self, now_ms: int, *, committing: bool) -> bool:
        """A sign of life, unless it comes too late: then False, and the marks stay for whoever makes up for it."""
        if self.is_interrupted(now_ms):
            return False
        self._turned_ms = now_ms
        if not committing:
            self._decided_ms = now_ms
        return True

    def is_interrupted(self, now_ms: int) -> bool:
        """Whether pings may be waiting that could not be heard in time."""
        late = now_ms - self._turned_ms >= HICCUP_MS or now_ms - self._decided_ms >= self._stall_ms
        return self._was_deaf or (late and not self._is_deaf)

    def lost_ms(self, now_ms: int, jump_ms: int, *, is_due: bool) -> int:
        """How much of the time until now is not charged; the vigil starts anew.

        `is_due` says that a heartbeat would fire now: a short interruption matters then, and only then.
        """
        gap_ms = now_ms - jump_ms - self._decided_ms
        held_up = is_due and now_ms - jump_ms - self._turned_ms >= HICCUP_MS
        counts = self._is_deaf or self._was_deaf or held_up or gap_ms >= self._stall_ms
        self.restart(now_ms)
        return jump_ms + (max(gap_ms, 0) if counts else 0)

    def restart(self, now_ms: int) -> None:
        """Everything before is settled."""
        self._turned_ms = self._decided_ms = now_ms
        self._was_deaf = False

    def deafen(self) -> None:
        """From here on no ping can be heard: no requests are accepted yet, or any more."""
        self._is_deaf = True

    def listen(self) -> None:
        """Pings can be heard from here on."""
        self._was_deaf, self._is_deaf = self._is_deaf, False

    @property
    def is_deaf(self) -> bool:
        """Whether no ping can be heard."""
        return self._is_deaf
