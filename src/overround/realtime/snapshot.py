"""The shape of a hub's snapshot. Offsets are not stored: they are contiguous up to `top`."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from overround.realtime.channel import Channel

__all__ = ["Dump", "NamespaceDump", "StreamDump", "Table"]


class PublicationDump(Struct, array_like=True, gc=False):
    """One publication: the place of its payload in the table, when it was made, and its id."""

    payload: int
    time_ms: int
    message_id: str


class StreamDump(Struct, array_like=True):
    """One channel: its newest offset, when it was published to last, and its history, oldest first."""

    name: str
    top: int
    last_ms: int
    publications: list[PublicationDump]


class NamespaceDump(Struct, array_like=True):
    """One namespace: where new streams start, and its streams, longest quiet first."""

    floor: int
    streams: list[StreamDump]


class Dump(Struct):
    """A whole hub, as far as the journal determines it."""

    epoch: str
    cursor: int
    payloads: list[bytes]
    namespaces: dict[str, NamespaceDump]
    version: Literal[1] = 1


class Table:
    """Payloads by identity: one update goes to several channels and is stored once."""

    def __init__(self) -> None:
        self.payloads: list[bytes] = []
        self._places: dict[int, int] = {}

    def dump(self, channel: Channel) -> StreamDump:
        """A channel's position and history."""
        return StreamDump(
            channel.name,
            channel.top,
            channel.last_ms,
            [PublicationDump(self._place(p.data), p.time_ms, p.message_id) for p in channel.history],
        )

    def _place(self, data: bytes) -> int:
        place = self._places.get(id(data))
        if place is None:
            place = self._places[id(data)] = len(self.payloads)
            self.payloads.append(data)
        return place
