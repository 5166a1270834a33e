"""Server-side WebSocket frames, built whole: unmasked, final, not compressed (RFC 6455, 5.2).

A publication is framed once and the same bytes are written to every subscriber, so framing cannot be left
to each connection's WebSocket machine.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from overround.realtime import Disconnect

__all__ = ["REASON_BYTES_MAX", "binary_frame", "close_frame", "text_frame"]

REASON_BYTES_MAX: Final = 122  # centrifugo.md 15: below 123, the most that a close frame holds

_FIN_TEXT, _FIN_BINARY, _FIN_CLOSE = 0x81, 0x82, 0x88
_SHORT_MAX, _MEDIUM_MAX = 125, 0xFFFF
_MEDIUM, _LONG = Struct("!BBH"), Struct("!BBQ")


def text_frame(payload: bytes) -> bytes:
    """A text message of one frame."""
    return _header(_FIN_TEXT, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """A binary message of one frame."""
    return _header(_FIN_BINARY, len(payload)) + payload


def close_frame(end: Disconnect) -> bytes:
    """A close frame with status and reason."""
    reason = end.reason.encode()
    if len(reason) > REASON_BYTES_MAX:
        raise ValueError(f"reason of {len(reason)} bytes")
    payload = end.code.to_bytes(2, "big") + reason
    return _header(_FIN_CLOSE, len(payload)) + payload


def _header(first: int, size: int) -> bytes:
    if size <= _SHORT_MAX:
        return bytes((first, size))
    if size <= _MEDIUM_MAX:
        return _MEDIUM.pack(first, 126, size)
    return _LONG.pack(first, 127, size)
