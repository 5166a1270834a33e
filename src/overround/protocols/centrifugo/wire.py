"""The messages of the protocol, field by field (centrifugo.md 3, 4, 7, 12 and appendix A).

Requests arrive as these records from either framing. JSON clients may write null for any field, so a
request field is None, empty or zero when absent: read it with `or`. Results leave out what equals its
default; fields without a default are always written (2.1).

`Raw` holds an application payload: JSON as it came, never decoded.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta, Raw, Struct

__all__ = [
    "NOTHING",
    "REQUESTS",
    "ClientInfo",
    "Command",
    "ConnectRequest",
    "ConnectResult",
    "HistoryRequest",
    "HistoryResult",
    "PingRequest",
    "PresenceRequest",
    "PresenceResult",
    "PresenceStatsRequest",
    "PresenceStatsResult",
    "PublishRequest",
    "PublishResult",
    "RPCRequest",
    "RPCResult",
    "RefreshRequest",
    "RefreshResult",
    "Request",
    "Result",
    "SendRequest",
    "StreamPosition",
    "SubRefreshRequest",
    "SubRefreshResult",
    "SubscribeRequest",
    "SubscribeResult",
    "UnsubscribeRequest",
    "UnsubscribeResult",
]

NOTHING: Final = Raw()  # an absent payload

UInt32 = Annotated[int, Meta(ge=0, le=0xFFFFFFFF)]
UInt64 = Annotated[int, Meta(ge=0)]

# -- requests --------------------------------------------------------------------------------------


class Request(Struct):
    """What a client asks for."""


class SubscribeRequest(Request):
    """Also the recovery position of a server-side subscription inside `connect`."""

    channel: str | None = None
    token: str | None = None
    data: Raw = NOTHING
    positioned: bool | None = None
    recoverable: bool | None = None
    join_leave: bool | None = None
    recover: bool | None = None
    epoch: str | None = None
    offset: UInt64 | None = None
    delta: str | None = None
    tf: Raw = NOTHING
    flag: int | None = None
    type: int | None = None


class ConnectRequest(Request):
    """`headers`, `flag`, `profile` and `dict` are of no use on a WebSocket and ignored."""

    token: str | None = None
    data: Raw = NOTHING
    name: str | None = None
    version: str | None = None
    subs: dict[str, SubscribeRequest] | None = None


class PingRequest(Request):
    """Of older protocol versions."""


class UnsubscribeRequest(Request):
    channel: str | None = None


class PublishRequest(Request):
    channel: str | None = None
    data: Raw = NOTHING


class PresenceRequest(Request):
    channel: str | None = None


class PresenceStatsRequest(Request):
    channel: str | None = None


class StreamPosition(Request):
    """A place in a stream, inside `history`."""

    offset: UInt64 | None = None
    epoch: str | None = None


class HistoryRequest(Request):
    channel: str | None = None
    limit: int | None = None
    since: StreamPosition | None = None
    reverse: bool | None = None


class RPCRequest(Request):
    data: Raw = NOTHING
    method: str | None = None


class SendRequest(Request):
    data: Raw = NOTHING


class RefreshRequest(Request):
    token: str | None = None


class SubRefreshRequest(Request):
    channel: str | None = None
    token: str | None = None


class Command(Struct):
    """One command: an id and one request. Of several, the first in this order counts (3)."""

    id: UInt32 | None = None
    connect: ConnectRequest | None = None
    ping: PingRequest | None = None
    subscribe: SubscribeRequest | None = None
    unsubscribe: UnsubscribeRequest | None = None
    publish: PublishRequest | None = None
    presence: PresenceRequest | None = None
    presence_stats: PresenceStatsRequest | None = None
    history: HistoryRequest | None = None
    rpc: RPCRequest | None = None
    send: SendRequest | None = None
    refresh: RefreshRequest | None = None
    sub_refresh: SubRefreshRequest | None = None

    def request(self) -> tuple[str, Request] | None:
        """The request that counts, with its key; None when there is none that we know."""
        for key in REQUESTS:
            request: Request | None = getattr(self, key)
            if request is not None:
                return key, request
        return None


REQUESTS: Final = tuple(name for name in Command.__struct_fields__ if name != "id")

# -- results ---------------------------------------------------------------------------------------


class Result(Struct, omit_defaults=True):
    """The answer to a request that was granted."""


class ClientInfo(Result):
    """Who a connection is, in presence, join, leave and client publications."""

    user: str
    client: str
    conn_info: Raw = NOTHING
    chan_info: Raw = NOTHING


class SubscribeResult(Result):
    """`publications` are encoded already, in the framing of the connection."""

    expires: bool = False
    ttl: int = 0  # seconds
    recoverable: bool = False
    epoch: str = ""
    publications: list[Raw] = []
    recovered: bool = False
    offset: int = 0
    positioned: bool = False
    data: Raw = NOTHING
    was_recovering: bool = False


class ConnectResult(Result):
    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0  # seconds
    data: Raw = NOTHING
    subs: dict[str, SubscribeResult] = {}
    ping: int = 0  # seconds
    pong: bool = False


class RefreshResult(Result):
    client: str = ""
    version: str = ""
    expires: bool = False
    ttl: int = 0  # seconds


class SubRefreshResult(Result):
    expires: bool = False
    ttl: int = 0  # seconds


class UnsubscribeResult(Result):
    pass


class PublishResult(Result):
    pass


class PresenceResult(Result):
    presence: dict[str, ClientInfo]


class PresenceStatsResult(Result):
    num_clients: int
    num_users: int


class HistoryResult(Result):
    """`publications` are encoded already, in the framing of the connection."""

    publications: list[Raw]
    epoch: str
    offset: int


class RPCResult(Result):
    data: Raw = NOTHING
