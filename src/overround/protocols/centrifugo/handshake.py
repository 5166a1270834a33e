"""The WebSocket handshake, as far as the protocol has a say (centrifugo.md 1)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qs

from msgspec import Struct

from overround.protocols.centrifugo.codec import Codec
from overround.protocols.centrifugo.frames import binary_frame, text_frame
from overround.protocols.centrifugo.framing_json import JsonFraming
from overround.protocols.centrifugo.framing_protobuf import ProtobufFraming

__all__ = ["JSON", "PATH", "PROTOBUF", "Handshake", "is_origin_allowed", "negotiate"]

PATH: Final = "/connection/websocket"

# One of each for all connections: subscribers of the same framing share the same frames.
JSON: Final[Codec] = JsonFraming(text_frame)
PROTOBUF: Final[Codec] = ProtobufFraming(binary_frame)

SUBPROTOCOLS: Final = {"centrifuge-json": JSON, "centrifuge-protobuf": PROTOBUF}


class Handshake(Struct, frozen=True):
    """What was agreed: the framing, and the sub-protocol to echo (None: send no such header)."""

    framing: Codec
    subprotocol: str | None = None


def negotiate(offered: str | None, query: str = "") -> Handshake:
    """Choose from the `Sec-WebSocket-Protocol` header (None: absent) and the query string of the URL.

    The first value that we know is echoed; an empty header, as one client sends it, and unknown values
    are as good as none.
    """
    wanted = (value.strip() for value in (offered or "").split(","))
    chosen = next((value for value in wanted if value in SUBPROTOCOLS), None)
    if chosen is not None:
        return Handshake(SUBPROTOCOLS[chosen], chosen)
    arguments = parse_qs(query)
    binary = "protobuf" in arguments.get("format", []) + arguments.get("cf_protocol", [])
    return Handshake(PROTOBUF if binary else JSON)


def is_origin_allowed(origin: str | None, host: str, allowed: Collection[str] = ()) -> bool:
    """Whether a page of this origin may connect (decisions R4).

    `host` is the request's `Host` header. No origin (not a browser) and the same one are welcome, others
    only when listed; "*" lists all.
    """
    if origin is None or "*" in allowed:
        return True
    spelled = origin.lower()
    if spelled in {one.lower() for one in allowed}:
        return True
    scheme, separator, origin_host = spelled.partition("://")
    return bool(scheme and separator) and origin_host == host.lower()
