"""A session: one connection as the hub sees it. What it listens to, what waits to be written to it, and
why it ended.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from overround.realtime.endings import Disconnect
from overround.realtime.publication import ClientInfo, Framing

__all__ = ["Limits", "Session", "Subscription"]

KIB: Final = 1024
MIB: Final = 1024 * KIB


class Limits(Struct, frozen=True, kw_only=True):
    """The bounds of a hub (centrifugo.md 14; decisions R3)."""

    subscriptions_max: int = 512  # of one session
    publication_bytes_max: int = 256 * KIB  # payload of one publication; feeds split larger batches

    recovery_publications_max: int = 1000
    recovery_bytes_max: int = 768 * KIB  # so that no frame exceeds 1 MiB, which some clients refuse
    history_publications_max: int = 1000
    history_bytes_max: int = 768 * KIB
    presence_max: int = 4096  # entries of one answer

    # Answers made for one session alone (recoveries, histories) that still wait to be written. Beyond it
    # a recovery is declined and the client reads the state anew: without this bound a reconnecting client
    # with 512 channels would be cut off as slow, come back at the same positions, and so on forever.
    replies_bytes_max: int = 4 * MIB

    # R3: slow is more than `queue_bytes_soft` for longer than `queue_soft_ms`, or more than
    # `queue_bytes_hard` at once.
    queue_bytes_soft: int = 1 * MIB
    queue_soft_ms: int = 5_000
    queue_bytes_hard: int = 16 * MIB

    # Bytes handed to a transport at once: more would queue where a ping cannot overtake it (5), and as
    # copies, while what stays in the outboxes is shared by all subscribers.
    write_bytes_max: int = 256 * KIB


class Subscription(Struct, gc=False, eq=False):
    """What one session gets of one channel."""

    positioned: bool = False
    recoverable: bool = False
    push_join_leave: bool = False
    server_side: bool = False
    chan_info: bytes = b""


class Session:
    """One connection of the hub. Made by `Hub.open`, known to others from `Hub.attach` on.

    A positioned session stands at the newest offset of each of its channels: whatever is published goes
    into its outbox in the same step, and when that cannot be, it is told so (`LOST_POSITION`, or the end
    of the session). So no position is kept per subscriber, and a delivery costs one append.
    """

    __slots__ = (
        "_counted",
        "_counted_bytes",
        "client",
        "conn_info",
        "ended",
        "framing",
        "limits",
        "outbox",
        "over_since_ms",
        "reply_bytes",
        "subscriptions",
        "user",
    )

    def __init__(self, framing: Framing, limits: Limits) -> None:
        self.framing = framing
        self.limits = limits
        self.client = ""
        self.user = ""
        self.conn_info = b""
        self.subscriptions: dict[str, Subscription] = {}
        # Complete frames, oldest first. Channels hold on to this very list: it is emptied, never replaced.
        self.outbox: list[bytes] = []
        # How much of the outbox, from its front, was measured, and what it weighs: a publication only
        # appends, so measuring is left to those who ask.
        self._counted = 0
        self._counted_bytes = 0
        # Bytes of the outbox that were made for this session alone.
        self.reply_bytes = 0
        self.over_since_ms: int | None = None
        self.ended: Disconnect | None = None

    def info(self, channel: str) -> ClientInfo:
        """How this session appears on a channel that it is subscribed to."""
        return ClientInfo(self.user, self.client, self.conn_info, self.subscriptions[channel].chan_info)

    @property
    def replies_left_bytes(self) -> int:
        """How much more may be put together for this session before it has read what waits."""
        return self.limits.replies_bytes_max - self.reply_bytes

    def queued_bytes(self) -> int:
        """What waits in the outbox. Costs time for what is new since the last call only."""
        fresh = self.outbox[self._counted :]
        self._counted += len(fresh)
        self._counted_bytes += sum(map(len, fresh))
        return self._counted_bytes

    def put(self, frame: bytes) -> None:
        """Queue a frame that was made for this session alone."""
        self.outbox.append(frame)
        self.reply_bytes += len(frame)

    def put_first(self, frame: bytes) -> None:
        """Queue a frame in front of everything that waits."""
        self.outbox.insert(0, frame)
        self._counted += 1
        self._counted_bytes += len(frame)

    def take(self) -> bytes:
        """Remove and return what to write next, whole frames joined; b"" when nothing waits.

        At most `Limits.write_bytes_max` at once unless a single frame is larger: call again while the
        transport takes more. A lone frame is returned as it is, not copied.
        """
        outbox = self.outbox
        if len(outbox) == 1 and not self._counted:  # by far the most frequent case
            self.reply_bytes = 0
            self.over_since_ms = None
            return outbox.pop()
        if self.queued_bytes() <= self.limits.write_bytes_max or len(outbox) == 1:
            chunk = b"".join(outbox)
            self.discard()
            return chunk
        count = _leading(outbox, self.limits.write_bytes_max)
        chunk = b"".join(outbox[:count])
        del outbox[:count]
        self._counted -= count
        self._counted_bytes -= len(chunk)
        self.reply_bytes = min(self.reply_bytes, self._counted_bytes)
        return chunk

    def discard(self) -> None:
        """Forget everything that waits."""
        self.outbox.clear()
        self._counted = self._counted_bytes = self.reply_bytes = 0
        self.over_since_ms = None

    def is_slow(self, buffered_bytes: int, now_ms: int) -> bool:
        """Whether the peer reads too slowly (R3), given what its transport still buffers.

        Remembers since when the queue is over the soft bound, so it must be asked whenever the transport
        could not take everything.
        """
        queued = buffered_bytes + self.queued_bytes()
        if queued <= self.limits.queue_bytes_soft:
            self.over_since_ms = None
            return False
        if self.over_since_ms is None:
            self.over_since_ms = now_ms
        return queued > self.limits.queue_bytes_hard or now_ms - self.over_since_ms > self.limits.queue_soft_ms


def _leading(frames: list[bytes], bytes_max: int) -> int:
    """How many frames from the front fit into a number of bytes; at least one."""
    size = count = 0
    for frame in frames:
        size += len(frame)
        if count and size > bytes_max:
            break
        count += 1
    return count
