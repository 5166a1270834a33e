"""What both framings of the protocol can do, and the payload rules that they share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import accumulate, count
from operator import sub
from typing import Final, Protocol

import msgspec
from msgspec import Raw

from overround.protocols.centrifugo.errors import Error
from overround.protocols.centrifugo.wire import Command, Result, SubscribeResult
from overround.realtime import Framing

__all__ = ["JSON_CONTAINERS_MAX", "JSON_DEPTH_MAX", "Codec", "Malformed", "Wrap", "clean_payload"]

JSON_DEPTH_MAX: Final = 64  # of a payload that clients hand to each other
JSON_CONTAINERS_MAX: Final = 16_384  # arrays and objects of such a payload: bounds the work of checking it

# Turns one encoded object into what is written: a WebSocket frame, or the object itself.
Wrap = Callable[[bytes], bytes]


class Malformed(ValueError):
    """Bytes that are not of the protocol. Decoders raise nothing else."""


class Codec(Framing, Protocol):
    """One framing, JSON or Protobuf. Everything outgoing is one wrapped object per call (2.3)."""

    @property
    def ping(self) -> bytes:
        """The empty object."""
        ...

    def commands(self, message: bytes) -> Iterator[Command]:
        """The commands of a message, decoded one by one as they are asked for.

        Raises Malformed where the message ceases to be of the protocol.
        """
        ...

    def reply(self, command_id: int, key: str, result: Result) -> bytes:
        """A granted request."""
        ...

    def error(self, command_id: int, error: Error) -> bytes:
        """A refused request."""
        ...

    def subscribe(self, channel: str, result: SubscribeResult) -> bytes:
        """Push: the server subscribed this connection to a channel."""
        ...

    def message(self, data: bytes) -> bytes:
        """Push: a message for this connection, outside any channel."""
        ...

    def refresh(self, ttl_s: int) -> bytes:
        """Push: the server changed when this connection expires; 0: never."""
        ...


# -- payloads of clients ---------------------------------------------------------------------------

_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"')
_RAW = msgspec.json.Decoder(Raw)
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_OPENS_TWICE = bytes.maketrans(b"[{]}", b"\2\2\0\0")


def clean_payload(data: bytes) -> bytes | None:
    """A payload as other clients may safely get it, or None if they may not.

    It is valid JSON of bounded depth, without line breaks: one object is one line (2.1).
    """
    try:
        data.decode()
        _RAW.decode(data)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
    containers = data.count(b"[") + data.count(b"{")
    if containers > JSON_DEPTH_MAX and _depth(data) > JSON_DEPTH_MAX:
        return None
    # Valid JSON has line breaks only between its tokens.
    return data.replace(b"\n", b"").replace(b"\r", b"")


def _depth(valid_json: bytes) -> int:
    """How deep arrays and objects are nested; too deep where there are too many to look."""
    brackets = _STRING.sub(b"", valid_json).translate(None, _NO_BRACKET)
    if len(brackets) > 2 * JSON_CONTAINERS_MAX:
        return JSON_CONTAINERS_MAX
    # Counting an opening one as 2, a closing one as 0, and taking 1 off at every step.
    opened = accumulate(brackets.translate(_OPENS_TWICE))
    return max(map(sub, opened, count(1)), default=0)
