"""Which signed requests were obeyed already (spec/sx.md 5.10 step 3)."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush


class ReplayMemory:
    """Replay keys with the second their signature was made in, forgotten once the window refuses that second.

    A key is the signer followed by the digest. What is forgotten could not be used again: its timestamp lies
    outside the window.
    """

    __slots__ = ("_buckets", "_heap", "_keys")

    def __init__(self) -> None:
        self._keys: set[bytes] = set()
        self._buckets: dict[int, list[bytes]] = {}
        self._heap: list[int] = []

    def __contains__(self, key: bytes) -> bool:
        return key in self._keys

    @property
    def oldest_s(self) -> int | None:
        """The earliest second that anything remembered was signed in."""
        return self._heap[0] if self._heap else None

    def __len__(self) -> int:
        return len(self._keys)

    def remember(self, key: bytes, timestamp_s: int) -> None:
        """Never obey this request again."""
        self._keys.add(key)
        bucket = self._buckets.get(timestamp_s)
        if bucket is None:
            self._buckets[timestamp_s] = [key]
            heappush(self._heap, timestamp_s)
        else:
            bucket.append(key)

    def forget_before(self, timestamp_s: int) -> list[tuple[int, bytes]]:
        """Forget what was signed before this second; returns what was forgotten."""
        forgotten: list[tuple[int, bytes]] = []
        if not self._heap or self._heap[0] >= timestamp_s:
            return forgotten  # as nearly always
        while self._heap and self._heap[0] < timestamp_s:
            second = heappop(self._heap)
            forgotten += [(second, key) for key in self._buckets.pop(second)]
        self._keys.difference_update(key for _, key in forgotten)
        return forgotten

    def items(self) -> Iterator[tuple[int, bytes]]:
        """All (second, key) pairs, oldest second first."""
        for second in sorted(self._buckets):
            yield from ((second, key) for key in self._buckets[second])
