"""The Protobuf framing: records of a varint length and a message (centrifugo.md 2.2, appendix A).

The messages are few and flat, so the codec is three tables and a page of code instead of a runtime. It is
stricter than the format asks for: a known field of another wire type, a number that does not fit, text
that is not UTF-8 and groups are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

from msgspec import Raw, Struct

from overround.protocols.centrifugo import wire
from overround.protocols.centrifugo.codec import Malformed, Wrap
from overround.protocols.centrifugo.errors import Error
from overround.protocols.centrifugo.wire import Command, Result, SubscribeResult
from overround.realtime import ClientInfo, Publication, Unsubscribe

__all__ = ["ProtobufFraming"]

# -- numbers on the wire -----------------------------------------------------------------------------

VARINT, FIXED64, DELIMITED, FIXED32 = 0, 1, 2, 5
VARINT_BYTES_MAX: Final = 10
UINT32_MAX: Final = 0xFFFFFFFF
UINT64_MAX: Final = 0xFFFFFFFFFFFFFFFF


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def _read_varint(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at a place, and the place after it."""
    if at < end and buffer[at] < 0x80:  # nearly all
        return buffer[at], at + 1
    number = 0
    for index in range(VARINT_BYTES_MAX):
        if at >= end:
            raise Malformed("cut off inside a number")
        byte = buffer[at]
        at += 1
        number |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            if number > UINT64_MAX:
                break
            return number, at
    raise Malformed("a number of more than 64 bits")


def _read_size(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """The bounds of a delimited piece: where it begins and where it ends."""
    size, at = _read_varint(buffer, at, end)
    if size > end - at:
        raise Malformed("a length beyond the end")
    return at, at + size


# -- in ------------------------------------------------------------------------------------------------


def _uint32(number: int) -> int:
    if number > UINT32_MAX:
        raise Malformed("not an unsigned number of 32 bits")
    return number


def _uint64(number: int) -> int:
    return number


def _int64(number: int) -> int:
    return number - (1 << 64) if number >> 63 else number


def _int32(number: int) -> int:
    signed = _int64(number)
    if not -(1 << 31) <= signed < 1 << 31:
        raise Malformed("not a number of 32 bits")
    return signed


def _raw(buffer: bytes, start: int, end: int) -> Raw:
    return Raw(buffer[start:end])


def _text(buffer: bytes, start: int, end: int) -> str:
    try:
        return buffer[start:end].decode()
    except UnicodeDecodeError as error:
        raise Malformed("text that is not UTF-8") from error


class Field(NamedTuple):
    """How a field is read: `read` takes a number, or a buffer and the bounds of a delimited piece."""

    name: str
    kind: int
    read: Callable[..., Any]
    is_map: bool = False


class Shape(NamedTuple):
    """How a message is read: the record it becomes, and its fields by number."""

    record: type[Struct]
    fields: Mapping[int, Field]


def _number(name: str, read: Callable[[int], Any]) -> Field:
    return Field(name, VARINT, read)


def _string(name: str) -> Field:
    return Field(name, DELIMITED, _text)


def _payload(name: str) -> Field:
    return Field(name, DELIMITED, _raw)


def _message(name: str, shape: Shape) -> Field:
    return Field(name, DELIMITED, partial(_read, shape))


def _map(name: str, shape: Shape) -> Field:
    """A map from text to messages."""
    entry = Shape(_Entry, {1: _string("key"), 2: _message("value", shape)})
    return Field(name, DELIMITED, partial(_read, entry), is_map=True)


class _Entry(Struct):
    key: str = ""
    value: Any = None


def _read(shape: Shape, buffer: bytes, at: int, end: int) -> Any:
    """One message of a shape. A field given twice counts as it was given last."""
    values: dict[str, Any] = {}
    while at < end:
        tag, at = _read_varint(buffer, at, end)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise Malformed("field number 0")
        field = shape.fields.get(number)
        if field is None:
            at = _skip(kind, buffer, at, end)
        elif kind != field.kind:
            raise Malformed(f"wire type {kind} for field {number}")
        elif kind == VARINT:
            value, at = _read_varint(buffer, at, end)
            values[field.name] = field.read(value)
        else:
            start, at = _read_size(buffer, at, end)
            value = field.read(buffer, start, at)
            if field.is_map:
                values.setdefault(field.name, {})[value.key] = value.value
            else:
                values[field.name] = value
    return shape.record(**values)


def _skip(kind: int, buffer: bytes, at: int, end: int) -> int:
    """The place after a field that we do not know."""
    if kind == VARINT:
        return _read_varint(buffer, at, end)[1]
    if kind == DELIMITED:
        return _read_size(buffer, at, end)[1]
    size = {FIXED64: 8, FIXED32: 4}.get(kind)
    if size is None or size > end - at:
        raise Malformed(f"wire type {kind}")
    return at + size


SUBSCRIBE_REQUEST: Final = Shape(
    wire.SubscribeRequest,
    {
        1: _string("channel"),
        2: _string("token"),
        3: _number("recover", bool),
        6: _string("epoch"),
        7: _number("offset", _uint64),
        8: _payload("data"),
        9: _number("positioned", bool),
        10: _number("recoverable", bool),
        11: _number("join_leave", bool),
        12: _string("delta"),
        13: _payload("tf"),  # a tree that we never grant: that it is there is all we need
        14: _number("flag", _int64),
        15: _number("type", _int32),
    },
)
CONNECT_REQUEST: Final = Shape(
    wire.ConnectRequest,
    {
        1: _string("token"),
        2: _payload("data"),
        3: _map("subs", SUBSCRIBE_REQUEST),
        4: _string("name"),
        5: _string("version"),
    },
)
STREAM_POSITION: Final = Shape(wire.StreamPosition, {1: _number("offset", _uint64), 2: _string("epoch")})
HISTORY_REQUEST: Final = Shape(
    wire.HistoryRequest,
    {
        1: _string("channel"),
        7: _number("limit", _int32),
        8: _message("since", STREAM_POSITION),
        9: _number("reverse", bool),
    },
)
COMMAND: Final = Shape(
    Command,
    {
        1: _number("id", _uint32),
        4: _message("connect", CONNECT_REQUEST),
        5: _message("subscribe", SUBSCRIBE_REQUEST),
        6: _message("unsubscribe", Shape(wire.UnsubscribeRequest, {1: _string("channel")})),
        7: _message("publish", Shape(wire.PublishRequest, {1: _string("channel"), 2: _payload("data")})),
        8: _message("presence", Shape(wire.PresenceRequest, {1: _string("channel")})),
        9: _message("presence_stats", Shape(wire.PresenceStatsRequest, {1: _string("channel")})),
        10: _message("history", HISTORY_REQUEST),
        11: _message("ping", Shape(wire.PingRequest, {})),
        12: _message("send", Shape(wire.SendRequest, {1: _payload("data")})),
        13: _message("rpc", Shape(wire.RPCRequest, {1: _payload("data"), 2: _string("method")})),
        14: _message("refresh", Shape(wire.RefreshRequest, {1: _string("token")})),
        15: _message(
            "sub_refresh",
            Shape(wire.SubRefreshRequest, {1: _string("channel"), 2: _string("token")}),
        ),
    },
)


# -- out -----------------------------------------------------------------------------------------------
#
# Each of these gives the bytes of one field, or none where the value is the default of the format.


def _number_field(number: int, value: int) -> bytes:
    return _varint(number << 3 | VARINT) + _varint(value) if value else b""


def _message_field(number: int, value: bytes) -> bytes:
    """Written even when empty: that a message is there says something."""
    return _varint(number << 3 | DELIMITED) + _varint(len(value)) + value


def _bytes_field(number: int, value: bytes | Raw) -> bytes:
    piece = bytes(value)
    return _message_field(number, piece) if piece else b""


def _text_field(number: int, value: str) -> bytes:
    return _bytes_field(number, value.encode())


def _list_field(number: int, value: list[Raw]) -> bytes:
    """Messages that are encoded already."""
    return b"".join(_message_field(number, bytes(piece)) for piece in value)


def _map_field(number: int, value: Mapping[str, Result]) -> bytes:
    return b"".join(
        _message_field(number, _text_field(1, key) + _message_field(2, _write(piece))) for key, piece in value.items()
    )


Writer = Callable[[int, Any], bytes]

RESULTS: Final[Mapping[type[Result], tuple[tuple[int, str, Writer], ...]]] = {
    wire.ConnectResult: (
        (1, "client", _text_field),
        (2, "version", _text_field),
        (3, "expires", _number_field),
        (4, "ttl", _number_field),
        (5, "data", _bytes_field),
        (6, "subs", _map_field),
        (7, "ping", _number_field),
        (8, "pong", _number_field),
    ),
    wire.SubscribeResult: (
        (1, "expires", _number_field),
        (2, "ttl", _number_field),
        (3, "recoverable", _number_field),
        (6, "epoch", _text_field),
        (7, "publications", _list_field),
        (8, "recovered", _number_field),
        (9, "offset", _number_field),
        (10, "positioned", _number_field),
        (11, "data", _bytes_field),
        (12, "was_recovering", _number_field),
    ),
    wire.RefreshResult: (
        (1, "client", _text_field),
        (2, "version", _text_field),
        (3, "expires", _number_field),
        (4, "ttl", _number_field),
    ),
    wire.SubRefreshResult: ((1, "expires", _number_field), (2, "ttl", _number_field)),
    wire.UnsubscribeResult: (),
    wire.PublishResult: (),
    wire.PresenceResult: ((1, "presence", _map_field),),
    wire.PresenceStatsResult: (
        (1, "num_clients", _number_field),
        (2, "num_users", _number_field),
    ),
    wire.HistoryResult: (
        (1, "publications", _list_field),
        (2, "epoch", _text_field),
        (3, "offset", _number_field),
    ),
    wire.RPCResult: ((1, "data", _bytes_field),),
    wire.ClientInfo: (
        (1, "user", _text_field),
        (2, "client", _text_field),
        (3, "conn_info", _bytes_field),
        (4, "chan_info", _bytes_field),
    ),
}

# Fields of a reply, by the key of the request.
REPLY: Final = {
    "connect": 5,
    "subscribe": 6,
    "unsubscribe": 7,
    "publish": 8,
    "presence": 9,
    "presence_stats": 10,
    "history": 11,
    "rpc": 13,
    "refresh": 14,
    "sub_refresh": 15,
}
REPLY_ERROR, REPLY_PUSH = 2, 4

# Fields of a push.
PUSH_CHANNEL, PUSH_PUB, PUSH_JOIN, PUSH_LEAVE = 2, 4, 5, 6
PUSH_UNSUBSCRIBE, PUSH_MESSAGE, PUSH_SUBSCRIBE, PUSH_REFRESH = 7, 8, 9, 12


def _write(result: Result) -> bytes:
    return b"".join(
        write(number, value)
        for number, name, write in RESULTS[type(result)]
        if (value := getattr(result, name))  # every default of ours is the default of the format
    )


def _info(info: ClientInfo) -> bytes:
    return (
        _text_field(1, info.user)
        + _text_field(2, info.client)
        + _bytes_field(3, info.conn_info)
        + _bytes_field(4, info.chan_info)
    )


class ProtobufFraming:
    """Protobuf records. `wrap` makes what is written of one record; without it the record is written."""

    reads_binary = True

    def __init__(self, wrap: Wrap = bytes) -> None:
        self._wrap = wrap
        self.ping = wrap(b"\0")

    # -- in ----------------------------------------------------------------------------------------

    def commands(self, message: bytes) -> Iterator[Command]:
        """The commands of a message; see `Codec.commands`."""
        if not message:
            raise Malformed("an empty message")
        at, end = 0, len(message)
        while at < end:
            start, at = _read_size(message, at, end)
            command: Command = _read(COMMAND, message, start, at)
            yield command

    # -- out, to one connection ----------------------------------------------------------------------

    def reply(self, command_id: int, key: str, result: Result) -> bytes:
        """A granted request."""
        return self._record(_number_field(1, command_id) + _message_field(REPLY[key], _write(result)))

    def error(self, command_id: int, error: Error) -> bytes:
        """A refused request."""
        told = _number_field(1, error.code) + _text_field(2, error.message) + _number_field(3, error.temporary)
        return self._record(_number_field(1, command_id) + _message_field(REPLY_ERROR, told))

    def subscribe(self, channel: str, result: SubscribeResult) -> bytes:
        """Push: the server subscribed this connection to a channel."""
        told = (
            _number_field(1, result.recoverable)
            + _text_field(4, result.epoch)
            + _number_field(5, result.offset)
            + _number_field(6, result.positioned)
            + _bytes_field(7, result.data)
        )
        return self._push(channel, PUSH_SUBSCRIBE, told)

    def unsubscribe(self, channel: str, why: Unsubscribe) -> bytes:
        """Push: the hub ended this subscription."""
        told = _number_field(2, why.code) + _text_field(3, why.reason)
        return self._push(channel, PUSH_UNSUBSCRIBE, told)

    def message(self, data: bytes) -> bytes:
        """Push: a message outside any channel."""
        return self._push("", PUSH_MESSAGE, _bytes_field(1, data))

    def refresh(self, ttl_s: int) -> bytes:
        """Push: the connection expires at another time."""
        return self._push("", PUSH_REFRESH, _number_field(1, ttl_s > 0) + _number_field(2, ttl_s))

    # -- out, to an audience -------------------------------------------------------------------------

    def publication(self, channel: str, publication: Publication, epoch: str) -> bytes:
        """Push: a publication."""
        return self._push(channel, PUSH_PUB, self.body(publication, epoch))

    def body(self, publication: Publication, epoch: str) -> bytes:
        """A publication inside a reply."""
        tag = _text_field(1, "messageId") + _text_field(2, publication.message_id)
        return b"".join(
            (
                _bytes_field(4, publication.data),
                _message_field(5, _info(publication.info)) if publication.info else b"",
                _number_field(6, publication.offset),
                _message_field(7, tag) if publication.message_id else b"",
                # 8: so that a subscriber without an epoch can adopt it.
                _text_field(14, epoch) if publication.offset == 1 else b"",
            )
        )

    def join(self, channel: str, info: ClientInfo) -> bytes:
        """Push: somebody came."""
        return self._push(channel, PUSH_JOIN, _message_field(1, _info(info)))

    def leave(self, channel: str, info: ClientInfo) -> bytes:
        """Push: somebody left."""
        return self._push(channel, PUSH_LEAVE, _message_field(1, _info(info)))

    def _push(self, channel: str, kind: int, told: bytes) -> bytes:
        push = _text_field(PUSH_CHANNEL, channel) + _message_field(kind, told)
        return self._record(_message_field(REPLY_PUSH, push))

    def _record(self, reply: bytes) -> bytes:
        return self._wrap(_varint(len(reply)) + reply)
