"""When orders expire: buckets by second, a heap of the seconds."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import Final

from overround.engine.order import FINAL, Order

# Orders that ended another way stay in their bucket until there are this many of them and they are the majority.
STALE_MIN: Final = 10_000


class ExpiryIndex:
    """Live orders by the second they expire in. An order that ended, or is doomed, is skipped and swept out in bulk."""

    __slots__ = ("_buckets", "_heap", "_seconds", "_size", "_stale")

    def __init__(self) -> None:
        self._buckets: dict[int, list[Order]] = {}
        self._heap: list[int] = []
        self._seconds: dict[int, int] = {}
        self._size = 0
        self._stale = 0

    def shared(self, second: int) -> int:
        """The one object that all watched orders of this second hold."""
        return self._seconds.get(second, second)

    def add(self, order: Order) -> None:
        """Watch a live order."""
        second = order.terms.api_expiry
        bucket = self._buckets.get(second)
        if bucket is None:
            self._buckets[second] = [order]
            self._seconds[second] = second
            heappush(self._heap, second)
        else:
            bucket.append(order)
        self._size += 1

    def note_ended(self) -> None:
        """An order that is watched ended before its expiry, or is held and will never return to the book."""
        self._stale += 1
        if self._stale >= STALE_MIN and self._stale * 2 > self._size:
            self._sweep()

    @property
    def next_s(self) -> int | None:
        """The earliest second in which something expires."""
        while self._heap:
            second = self._heap[0]
            bucket = self._buckets[second]
            while bucket and not _is_watched(bucket[-1]):
                bucket.pop()
                self._size -= 1
                self._stale -= 1
            if bucket:
                return second
            self._drop_next()
        return None

    def pop_next(self) -> list[Order]:
        """The live orders of the earliest bucket, in the order of their acceptance; the bucket is gone."""
        bucket = self._drop_next()
        self._size -= len(bucket)
        self._stale -= len(bucket)  # the live ones are about to end, and are noted when they do
        return [order for order in bucket if _is_watched(order)]

    def __iter__(self) -> Iterator[Order]:
        for bucket in self._buckets.values():
            yield from (order for order in bucket if _is_watched(order))

    def _drop_next(self) -> list[Order]:
        second = heappop(self._heap)
        del self._seconds[second]
        return self._buckets.pop(second)

    def _sweep(self) -> None:
        live = {
            second: kept
            for second, bucket in self._buckets.items()
            if (kept := [order for order in bucket if _is_watched(order)])
        }
        self._buckets = live
        self._heap = list(live)
        self._seconds = {second: second for second in live}
        heapify(self._heap)
        self._size = sum(map(len, live.values()))
        self._stale = 0


def _is_watched(order: Order) -> bool:
    return order.state not in FINAL and order.doom is None
