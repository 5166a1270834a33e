"""Why sessions and subscriptions end."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

__all__ = ["INAPPROPRIATE_PROTOCOL", "INSUFFICIENT_STATE", "LOST_POSITION", "SLOW", "Disconnect", "Unsubscribe"]


class Disconnect(Struct, frozen=True):
    """Why a session ends, as the peer is told: the status and the reason of a close frame."""

    code: int
    reason: str


class Unsubscribe(Struct, frozen=True):
    """Why a subscription ends by the hub's will. From 2500 on the client subscribes again at once."""

    code: int
    reason: str


# The reasons that the hub finds by itself; a protocol adds its own.
SLOW: Final = Disconnect(3008, "slow")
INAPPROPRIATE_PROTOCOL: Final = Disconnect(3506, "inappropriate protocol")
INSUFFICIENT_STATE: Final = Disconnect(3010, "insufficient state")
LOST_POSITION: Final = Unsubscribe(2500, "insufficient state")
