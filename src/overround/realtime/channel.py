"""A channel: its offset, its bounded history, and what a returning subscriber missed (centrifugo.md 8, 9).

A `Channel` is a stream, which outlives the process, and who listens to it now. The stream is the newest
offset and the newest publications, whose offsets are contiguous up to it. A `Shelf` keeps the streams of
one namespace within its bounds.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator
from itertools import islice

from overround.realtime.namespace import Namespace
from overround.realtime.publication import Framing, Position, Publication
from overround.realtime.session import Session

__all__ = ["Channel", "Shelf"]


class Channel:
    """One channel while somebody listens to it or its position is remembered."""

    __slots__ = (
        "audiences",
        "epoch",
        "history",
        "history_bytes",
        "last_ms",
        "name",
        "namespace",
        "shelved",
        "top",
    )

    def __init__(self, name: str, namespace: Namespace, epoch: str, top: int) -> None:
        self.name = name
        self.namespace = namespace
        self.epoch = epoch
        self.top = top
        self.last_ms = 0
        self.history: deque[Publication] = deque()
        self.history_bytes = 0
        # True while the shelf remembers the position, so that it must go on from there.
        self.shelved = False
        # Per framing, each session's outbox: the loop of a publication touches nothing else.
        self.audiences: dict[Framing, dict[Session, list[bytes]]] = {}

    @property
    def position(self) -> Position:
        """The newest offset and the epoch."""
        return Position(self.top, self.epoch)

    def sessions(self) -> Iterator[Session]:
        """Everybody who listens."""
        for audience in self.audiences.values():
            yield from audience

    # -- history -----------------------------------------------------------------------------------

    def append(self, publication: Publication) -> None:
        """Keep a publication, which must carry the next offset, and drop what is over the size."""
        assert publication.offset == self.top + 1
        self.top = publication.offset
        self.last_ms = publication.time_ms
        self.history.append(publication)
        self.history_bytes += publication.weight_bytes
        if len(self.history) > self.namespace.history_size:
            self.trim()

    def trim(self) -> None:
        """Drop the oldest publication."""
        self.history_bytes -= self.history.popleft().weight_bytes

    def empty(self) -> None:
        """Drop the history; the position stays."""
        self.history.clear()
        self.history_bytes = 0

    def expired(self, now_ms: int) -> bool:
        """Whether the history has outlived its ttl, which every publication restarts (8)."""
        return self.last_ms + self.namespace.history_ttl_ms <= now_ms

    def after(self, offset: int, now_ms: int) -> Iterator[Publication]:
        """The kept publications beyond an offset, oldest first."""
        if self.expired(now_ms):
            return iter(())
        oldest = self.top - len(self.history) + 1
        return islice(self.history, max(0, offset + 1 - oldest), None)

    def before(self, offset: int, now_ms: int) -> Iterator[Publication]:
        """The kept publications below an offset, newest first."""
        if self.expired(now_ms):
            return iter(())
        return islice(reversed(self.history), max(0, self.top - offset + 1), None)

    def missed(self, since: Position, now_ms: int, count_max: int) -> list[Publication] | None:
        """Everything published after a position, or None unless that is certain to be everything (9)."""
        if since.epoch and since.epoch != self.epoch:
            return None
        count = self.top - since.offset
        if count == 0:
            return []
        # More than the limit is never cut to a part, and an offset ahead of the stream is not ours.
        if not 0 < count <= count_max or count > len(self.history):
            return None
        missed = list(self.after(since.offset, now_ms))
        return missed if len(missed) == count else None


class Shelf:
    """The remembered streams of one namespace, longest quiet first.

    A stream is *warm* while it has a history and *cold* while only its position is known. What a bound
    pushes out is forgotten for good, and no client may be told that it recovered across that: `floor` is
    the highest offset ever forgotten, and every stream that starts anew starts there. A client can then
    only stand at the floor if it missed nothing, and anybody below it will not find the next offset.
    """

    __slots__ = ("_cold", "_warm", "floor", "history_bytes", "namespace")

    def __init__(self, namespace: Namespace, floor: int = 0) -> None:
        self.namespace = namespace
        self.floor = floor
        self.history_bytes = 0
        self._warm: OrderedDict[str, Channel] = OrderedDict()
        self._cold: OrderedDict[str, Channel] = OrderedDict()

    def __len__(self) -> int:
        return len(self._cold) + len(self._warm)

    def __iter__(self) -> Iterator[Channel]:
        yield from self._cold.values()
        yield from self._warm.values()

    def keep(self, channel: Channel, publication: Publication) -> None:
        """Append to a channel's history, after a `sweep`; it becomes the stream that was quiet shortest."""
        self._cold.pop(channel.name, None)
        self._warm[channel.name] = channel
        self._warm.move_to_end(channel.name)
        channel.shelved = True
        self.history_bytes -= channel.history_bytes
        channel.append(publication)
        self.history_bytes += channel.history_bytes

    def put(self, channel: Channel) -> None:
        """Take in a restored stream; the caller puts them longest quiet first."""
        channel.shelved = True
        (self._warm if channel.history else self._cold)[channel.name] = channel
        self.history_bytes += channel.history_bytes

    def empty(self, channel: Channel) -> None:
        """Drop a channel's history; if it is remembered, it turns cold."""
        self.history_bytes -= channel.history_bytes
        channel.empty()
        if self._warm.pop(channel.name, None) is not None:
            self._cold[channel.name] = channel

    def sweep(self, now_ms: int) -> None:
        """Release histories: those that outlived their time, and the oldest while there are too many
        bytes. Positions stay, so it does not matter when this is called."""
        while self._warm and next(iter(self._warm.values())).expired(now_ms):
            self.empty(next(iter(self._warm.values())))
        while self.history_bytes > self.namespace.history_bytes_max:
            oldest = next(iter(self._warm.values()))
            if len(self._warm) > 1:
                self.empty(oldest)
            else:
                self.history_bytes -= oldest.history[0].weight_bytes
                oldest.trim()

    def forget(self, time_ms: int) -> list[Channel]:
        """Forget the streams that were not published to for too long, or are too many; returns them.

        Called after `sweep`, at publications only and with their times: what offsets come next must
        follow from the journal, whatever else happened in between.
        """
        forgotten = []
        while self._is_over(time_ms):
            forgotten.append(self._forget_oldest())
        return forgotten

    def _is_over(self, time_ms: int) -> bool:
        if len(self._cold) + len(self._warm) > self.namespace.streams_max:
            return True
        # A warm stream is younger than its ttl, which does not exceed the one of the position.
        oldest = next(iter(self._cold.values()), None)
        return oldest is not None and oldest.last_ms + self.namespace.history_meta_ttl_ms <= time_ms

    def _forget_oldest(self) -> Channel:
        _, channel = (self._cold or self._warm).popitem(last=False)
        self.history_bytes -= channel.history_bytes
        channel.empty()
        channel.shelved = False
        self.floor = max(self.floor, channel.top)
        return channel
