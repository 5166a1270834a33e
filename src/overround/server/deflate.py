"""Compression, for HTTP answers and for WebSocket messages (RFC 9110 8.4, RFC 7692).

A message is compressed by itself, with nothing of the ones before, so that what goes to many is compressed once.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Final

from overround.protocols.centrifugo.frames import text_frame

MESSAGE_BYTES_MIN: Final = 1024  # shorter messages travel as they are: it would save less than it costs
BODY_BYTES_MIN: Final = 512
_LEVEL: Final = 1
_MEMORY_LEVEL: Final = 5  # small hash tables: they are cleared for every message
_RSV1: Final = 0x40
_TAIL_BYTES: Final = 4  # what a flush ends with, and the receiver adds (RFC 7692, 7.2.1)


class Message:
    """A text message for many sockets: framed once, and compressed once if anybody takes it so."""

    __slots__ = ("_deflated", "plain")

    def __init__(self, payload: bytes) -> None:
        self.plain = text_frame(payload)
        self._deflated = b"" if len(payload) >= MESSAGE_BYTES_MIN else self.plain

    def frame(self, *, deflated: bool) -> bytes:
        """The frame for a socket that takes compressed messages, or does not."""
        if not deflated:
            return self.plain
        if not self._deflated:
            payload = memoryview(self.plain)[4 if self.plain[1] == _MEDIUM else 10 :]
            self._deflated = deflated_frame(payload)
        return self._deflated


_MEDIUM: Final = 126  # the length of a frame follows in two bytes


def deflated_frame(payload: bytes | memoryview) -> bytes:
    """A compressed text message of one frame."""
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY_LEVEL)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    frame = bytearray(text_frame(data[:-_TAIL_BYTES]))
    frame[0] |= _RSV1
    return bytes(frame)


def message_frame(payload: bytes, *, deflated: bool) -> bytes:
    """A text message for one socket."""
    if deflated and len(payload) >= MESSAGE_BYTES_MIN:
        return deflated_frame(payload)
    return text_frame(payload)


# ---- HTTP ----------------------------------------------------------------------------------------------------------


def coding(accepted: str | None) -> str | None:
    """The content coding for a client that accepts these: gzip, else deflate, else none at all."""
    if not accepted:
        return None
    wanted: dict[str, bool] = {}
    for part in accepted.lower().split(","):
        name, _, parameters = part.partition(";")
        weight = parameters.replace(" ", "")
        wanted[name.strip()] = not (weight.startswith("q=0") and not weight.strip("q=0."))
    for name in ("gzip", "deflate"):
        if wanted.get(name, wanted.get("*", False)):
            return name
    return None


def encoded(body: bytes, name: str) -> bytes:
    """A body in that coding. `deflate` is zlib's format (RFC 9110 8.4.1.2)."""
    return gzip.compress(body, _LEVEL, mtime=0) if name == "gzip" else zlib.compress(body, _LEVEL)
