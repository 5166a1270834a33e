"""Every code of the protocol: errors inside replies, ends of a connection, ends of a subscription.

Clients decide by the number alone whether to come back: a connection closed with 3500-3999 or 4500-4999
stays closed, any other code makes them reconnect (centrifugo.md 15); an unsubscribe below 2500 is for good
(11); an error of `connect` or `subscribe` is for good unless it is temporary or 109 (13).
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from overround.realtime import (
    INAPPROPRIATE_PROTOCOL,
    INSUFFICIENT_STATE,
    LOST_POSITION,
    SLOW,
    Disconnect,
    Unsubscribe,
)

__all__ = ["DISCONNECTS", "ERRORS", "UNSUBSCRIBES", "Error", "is_terminal"]


class Error(Struct, frozen=True):
    """A refused command. `temporary` invites the client to try again."""

    code: int
    message: str
    temporary: bool = False


# -- inside replies (13) ---------------------------------------------------------------------------

INTERNAL: Final = Error(100, "internal server error", temporary=True)
UNAUTHORIZED: Final = Error(101, "unauthorized")
UNKNOWN_CHANNEL: Final = Error(102, "unknown channel")
PERMISSION_DENIED: Final = Error(103, "permission denied")
METHOD_NOT_FOUND: Final = Error(104, "method not found")
ALREADY_SUBSCRIBED: Final = Error(105, "already subscribed")
LIMIT_EXCEEDED: Final = Error(106, "limit exceeded")
BAD_REQUEST: Final = Error(107, "bad request")
NOT_AVAILABLE: Final = Error(108, "not available")
TOKEN_EXPIRED: Final = Error(109, "token expired")
EXPIRED: Final = Error(110, "expired")
TOO_MANY_REQUESTS: Final = Error(111, "too many requests", temporary=True)
UNRECOVERABLE_POSITION: Final = Error(112, "unrecoverable position")
CONCURRENT_PAGINATION: Final = Error(113, "concurrent pagination", temporary=True)

ERRORS: Final = {
    error.code: error
    for error in (
        INTERNAL,
        UNAUTHORIZED,  # reserved
        UNKNOWN_CHANNEL,
        PERMISSION_DENIED,
        METHOD_NOT_FOUND,
        ALREADY_SUBSCRIBED,
        LIMIT_EXCEEDED,
        BAD_REQUEST,
        NOT_AVAILABLE,
        TOKEN_EXPIRED,
        EXPIRED,  # of server-side refreshing, which we do not do
        TOO_MANY_REQUESTS,
        UNRECOVERABLE_POSITION,
        CONCURRENT_PAGINATION,  # of map subscriptions, which we do not serve
    )
}

# -- ends of a connection (15) ---------------------------------------------------------------------

CONNECTION_CLOSED: Final = Disconnect(3000, "connection closed")  # never sent: just close
SHUTDOWN: Final = Disconnect(3001, "shutdown")
INTERNAL_END: Final = Disconnect(3004, "internal server error")
CONNECTION_EXPIRED: Final = Disconnect(3005, "connection expired")
SUBSCRIPTION_EXPIRED: Final = Disconnect(3006, "subscription expired")
WRITE_ERROR: Final = Disconnect(3009, "write error")
FORCE_RECONNECT: Final = Disconnect(3011, "force reconnect")
NO_PONG: Final = Disconnect(3012, "no pong")
FLOOD: Final = Disconnect(3013, "too many requests")
STATE_INVALIDATED: Final = Disconnect(3014, "state invalidated")
INVALID_TOKEN: Final = Disconnect(3500, "invalid token")
BAD_FRAME: Final = Disconnect(3501, "bad request")
STALE: Final = Disconnect(3502, "stale")
FORCE_DISCONNECT: Final = Disconnect(3503, "force disconnect")
CONNECTION_LIMIT: Final = Disconnect(3504, "connection limit")
CHANNEL_LIMIT: Final = Disconnect(3505, "channel limit")
ANONYMOUS_DENIED: Final = Disconnect(3507, "permission denied")
SEND_NOT_AVAILABLE: Final = Disconnect(3508, "not available")
TOO_MANY_ERRORS: Final = Disconnect(3509, "too many errors")

# A WebSocket status, not one of the protocol: some clients take it as final (14.3).
MESSAGE_TOO_BIG: Final = Disconnect(1009, "message too big")

DISCONNECTS: Final = {
    end.code: end
    for end in (
        CONNECTION_CLOSED,
        SHUTDOWN,
        INTERNAL_END,
        CONNECTION_EXPIRED,
        SUBSCRIPTION_EXPIRED,  # of server-side subscriptions that expire, which we do not give
        SLOW,
        WRITE_ERROR,  # for a shell whose transport fails; the peer cannot read it
        INSUFFICIENT_STATE,
        FORCE_RECONNECT,
        NO_PONG,
        FLOOD,
        STATE_INVALIDATED,
        INVALID_TOKEN,
        BAD_FRAME,
        STALE,
        FORCE_DISCONNECT,
        CONNECTION_LIMIT,
        CHANNEL_LIMIT,
        INAPPROPRIATE_PROTOCOL,
        ANONYMOUS_DENIED,
        SEND_NOT_AVAILABLE,
        TOO_MANY_ERRORS,  # not used
    )
}

# -- ends of a subscription (11) -------------------------------------------------------------------

SERVER_UNSUBSCRIBE: Final = Unsubscribe(2000, "server unsubscribe")
SUBSCRIPTION_RAN_OUT: Final = Unsubscribe(2501, "subscription expired")
SUBSCRIPTION_INVALIDATED: Final = Unsubscribe(2502, "state invalidated")

UNSUBSCRIBES: Final = {
    end.code: end
    for end in (
        SERVER_UNSUBSCRIBE,
        LOST_POSITION,
        SUBSCRIPTION_RAN_OUT,
        SUBSCRIPTION_INVALIDATED,
    )
}


def is_terminal(code: int) -> bool:
    """Whether clients stay away after a connection was closed with this code."""
    return 3500 <= code <= 3999 or 4500 <= code <= 4999
