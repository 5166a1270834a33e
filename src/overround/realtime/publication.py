"""What travels: publications, where they stand, who made them, and how a kind of peer reads them."""

from __future__ import annotations

from typing import Final, Protocol

from msgspec import Struct

from overround.realtime.endings import Unsubscribe

__all__ = ["PUBLICATION_OVERHEAD_BYTES", "ClientInfo", "Framing", "Position", "Publication"]

# What one kept publication costs beside its payload: the record, its place in the history, its id.
PUBLICATION_OVERHEAD_BYTES: Final = 200


class Position(Struct, frozen=True):
    """A place in a channel: everything up to `offset` of the incarnation `epoch`."""

    offset: int
    epoch: str


class ClientInfo(Struct, frozen=True, gc=False):
    """Who a connection is, as others on a channel may see it; the two infos are JSON or empty."""

    user: str
    client: str
    conn_info: bytes = b""
    chan_info: bytes = b""


class Publication(Struct, gc=False, eq=False):
    """One message of a channel. `data` is JSON unless said otherwise; `offset` is 0 in a channel without history."""

    offset: int
    data: bytes
    time_ms: int
    message_id: str = ""
    info: ClientInfo | None = None
    is_json: bool = True
    # Encoded once per framing when somebody first recovers it; most publications never need it.
    bodies: dict[Framing, bytes] | None = None

    def body(self, framing: Framing, epoch: str) -> bytes:
        """The encoded publication as it stands inside a reply."""
        bodies = self.bodies
        if bodies is None:
            bodies = self.bodies = {}
        body = bodies.get(framing)
        if body is None:
            body = bodies[framing] = framing.body(self, epoch)
        return body

    @property
    def weight_bytes(self) -> int:
        """What keeping it costs, about."""
        return len(self.data) + PUBLICATION_OVERHEAD_BYTES


class Framing(Protocol):
    """How one kind of peer reads what the hub pushes.

    Every method but `body` returns complete frames, ready to be written. One object serves all sessions
    of its kind; the hub calls `publication` once per publication, whatever the number of subscribers.
    """

    @property
    def reads_binary(self) -> bool:
        """Whether a payload that is no JSON can be framed; the hub shows such a payload to no other peer."""
        ...

    def publication(self, channel: str, publication: Publication, epoch: str) -> bytes:
        """A publication as it is pushed to subscribers."""
        ...

    def body(self, publication: Publication, epoch: str) -> bytes:
        """A publication as it stands inside a recovery or history reply; no frame."""
        ...

    def join(self, channel: str, info: ClientInfo) -> bytes:
        """Somebody came to a channel."""
        ...

    def leave(self, channel: str, info: ClientInfo) -> bytes:
        """Somebody left a channel."""
        ...

    def unsubscribe(self, channel: str, why: Unsubscribe) -> bytes:
        """The hub ended this peer's subscription."""
        ...
