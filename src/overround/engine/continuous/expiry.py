"""When orders expire: buckets by second, a heap of the seconds."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from overround.engine.continuous.order import ContinuousOrder

STALE_MIN: Final = 1_000  # seconds in the heap that nothing expires in any more, before they are swept out


class ContinuousExpiry:
    """Resting orders by the second they expire in."""

    __slots__ = ("_buckets", "_heap")

    def __init__(self) -> None:
        self._buckets: dict[int, dict[int, ContinuousOrder]] = {}  # by second, then number
        self._heap: list[int] = []  # every second of a bucket, and some that have none

    def add(self, order: ContinuousOrder) -> None:
        """Watch a resting order."""
        second = order.terms.expiration_s
        bucket = self._buckets.get(second)
        if bucket is None:
            self._buckets[second] = {order.number: order}
            heappush(self._heap, second)
        else:
            bucket[order.number] = order

    def remove(self, order: ContinuousOrder) -> None:
        """Watch it no longer."""
        second = order.terms.expiration_s
        bucket = self._buckets[second]
        del bucket[order.number]
        if not bucket:
            del self._buckets[second]
            if len(self._heap) > 2 * len(self._buckets) + STALE_MIN:
                self._heap = list(self._buckets)
                heapify(self._heap)

    @property
    def next_s(self) -> int | None:
        """The earliest second in which something expires."""
        while self._heap:
            if self._heap[0] in self._buckets:
                return self._heap[0]
            heappop(self._heap)
        return None

    def due(self, second: int) -> list[ContinuousOrder]:
        """What expires in this second, oldest first."""
        return list(self._buckets.get(second, {}).values())

    def __iter__(self) -> Iterator[ContinuousOrder]:
        for bucket in self._buckets.values():
            yield from bucket.values()
