"""A machine whose clocks are set by hand."""

from __future__ import annotations

MS = 1_000_000


class HandTime:
    """A `TimeSource`: time passes on both clocks when it is told to; the wall clock may be set besides."""

    def __init__(self, wall_ms: int, steady_ms: int = 5_000) -> None:
        self._wall_ns, self._steady_ns = wall_ms * MS, steady_ms * MS

    def wall_ns(self) -> int:
        """Unix time, or what it is taken for."""
        return self._wall_ns

    def steady_ns(self) -> int:
        """Since some moment."""
        return self._steady_ns

    def go_on(self, span_ms: float) -> None:
        """Time passes."""
        self._wall_ns += int(span_ms * MS)
        self._steady_ns += int(span_ms * MS)

    def set_wall(self, step_ms: float) -> None:
        """Somebody sets the wall clock, by so much; or the machine slept for so long."""
        self._wall_ns += int(step_ms * MS)
