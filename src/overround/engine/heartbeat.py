"""The dead-man switch: one per account, one shot (spec/sx.md 7.8, spec/decisions.md D9, D14)."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush

import msgspec

from overround.engine.types import Address, OrderHash


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """An armed one."""

    interval_s: int
    pinged_at_ms: int
    deadline_ms: int


class Firing(msgspec.Struct, frozen=True):
    """The record of the account's last missed heartbeat."""

    last_ping_ms: int
    deadline_ms: int
    fired_at_ms: int
    order_hashes: tuple[OrderHash, ...]


class Heartbeats:
    """All armed heartbeats, and which is due first."""

    __slots__ = ("_armed", "_heap")

    def __init__(self) -> None:
        self._armed: dict[Address, Heartbeat] = {}
        self._heap: list[tuple[int, Address]] = []  # entries of earlier deadlines than today's are skipped

    def __len__(self) -> int:
        return len(self._armed)

    def __iter__(self) -> Iterator[tuple[Address, Heartbeat]]:
        return iter(self._armed.items())

    def get(self, account: Address) -> Heartbeat | None:
        """The account's armed heartbeat."""
        return self._armed.get(account)

    def set(self, account: Address, heartbeat: Heartbeat | None) -> None:
        """Arm the account's heartbeat anew, or disarm it."""
        if heartbeat is None:
            self._armed.pop(account, None)
        else:
            self._armed[account] = heartbeat
            heappush(self._heap, (heartbeat.deadline_ms, account))
            self._sweep()

    @property
    def next_ms(self) -> int | None:
        """The earliest deadline."""
        while self._heap:
            deadline_ms, account = self._heap[0]
            armed = self._armed.get(account)
            if armed is not None and armed.deadline_ms == deadline_ms:
                return deadline_ms
            heappop(self._heap)
        return None

    def first(self) -> Address:
        """Whose deadline is the earliest; there must be one."""
        assert self.next_ms is not None
        return self._heap[0][1]

    def _sweep(self) -> None:
        """Accounts that ping far more often than they must leave entries behind."""
        if len(self._heap) > 8 * len(self._armed) + 64:
            self._heap = sorted((one.deadline_ms, account) for account, one in self._armed.items())
