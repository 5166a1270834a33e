"""The JSON framing: objects separated by line breaks (centrifugo.md 2.1).

Several commands may come in one message; every reply and push goes out alone, because a widely used
client cannot read joined ones (2.3).
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from overround.protocols.centrifugo.codec import Malformed, Wrap
from overround.protocols.centrifugo.errors import Error
from overround.protocols.centrifugo.wire import Command, Result, SubscribeResult
from overround.realtime import ClientInfo, Publication, Unsubscribe

__all__ = ["JsonFraming"]

_commands = msgspec.json.Decoder(Command)
_encode = msgspec.json.Encoder().encode


class JsonFraming:
    """JSON text. `wrap` makes what is written of one object; without it the object itself is written."""

    reads_binary = False

    def __init__(self, wrap: Wrap = bytes) -> None:
        self._wrap = wrap
        self.ping = wrap(b"{}")

    # -- in ----------------------------------------------------------------------------------------

    def commands(self, message: bytes) -> Iterator[Command]:
        """The commands of a message; see `Codec.commands`."""
        if not message.isascii():
            try:  # msgspec does not look into what it skips
                message.decode()
            except UnicodeDecodeError as error:
                raise Malformed("not UTF-8") from error
        start, end = 0, len(message) - message.endswith(b"\n")
        while start <= end:
            stop = message.find(b"\n", start, end)
            stop = end if stop < 0 else stop
            yield _command(message[start:stop])
            start = stop + 1

    # -- out, to one connection ----------------------------------------------------------------------

    def reply(self, command_id: int, key: str, result: Result) -> bytes:
        """A granted request."""
        return self._wrap(b'{"id":%d,"%b":%b}' % (command_id, key.encode(), _encode(result)))

    def error(self, command_id: int, error: Error) -> bytes:
        """A refused request."""
        temporary = b',"temporary":true' if error.temporary else b""
        return self._wrap(
            b'{"id":%d,"error":{"code":%d,"message":%b%b}}'
            % (command_id, error.code, _encode(error.message), temporary)
        )

    def subscribe(self, channel: str, result: SubscribeResult) -> bytes:
        """Push: the server subscribed this connection to a channel."""
        return self._push(channel, b"subscribe", _encode(result))

    def unsubscribe(self, channel: str, why: Unsubscribe) -> bytes:
        """Push: the hub ended this subscription."""
        told = b'{"code":%d,"reason":%b}' % (why.code, _encode(why.reason))
        return self._push(channel, b"unsubscribe", told)

    def message(self, data: bytes) -> bytes:
        """Push: a message outside any channel."""
        return self._wrap(b'{"push":{"message":{"data":%b}}}' % data)

    def refresh(self, ttl_s: int) -> bytes:
        """Push: the connection expires at another time."""
        told = b'{"expires":true,"ttl":%d}' % ttl_s if ttl_s else b"{}"
        return self._wrap(b'{"push":{"refresh":%b}}' % told)

    # -- out, to an audience -------------------------------------------------------------------------

    def publication(self, channel: str, publication: Publication, epoch: str) -> bytes:
        """Push: a publication."""
        return self._push(channel, b"pub", self.body(publication, epoch))

    def body(self, publication: Publication, epoch: str) -> bytes:
        """A publication inside a reply."""
        parts = [b'{"data":', publication.data]
        if publication.offset:
            parts.append(b',"offset":%d' % publication.offset)
        if publication.offset == 1:  # 8: so that a subscriber without an epoch can adopt it
            parts.append(b',"epoch":' + _encode(epoch))
        if publication.message_id:
            parts.append(b',"tags":{"messageId":%b}' % _encode(publication.message_id))
        if publication.info is not None:
            parts.append(b',"info":' + _info(publication.info))
        parts.append(b"}")
        return b"".join(parts)

    def join(self, channel: str, info: ClientInfo) -> bytes:
        """Push: somebody came."""
        return self._push(channel, b"join", b'{"info":%b}' % _info(info))

    def leave(self, channel: str, info: ClientInfo) -> bytes:
        """Push: somebody left."""
        return self._push(channel, b"leave", b'{"info":%b}' % _info(info))

    def _push(self, channel: str, kind: bytes, told: bytes) -> bytes:
        return self._wrap(b'{"push":{"channel":%b,"%b":%b}}' % (_encode(channel), kind, told))


def _command(line: bytes) -> Command:
    try:
        return _commands.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _info(info: ClientInfo) -> bytes:
    """As presence shows it, too: `user` and `client` are written even when empty."""
    parts = [b'{"user":%b,"client":%b' % (_encode(info.user), _encode(info.client))]
    if info.conn_info:
        parts.append(b',"conn_info":' + info.conn_info)
    if info.chan_info:
        parts.append(b',"chan_info":' + info.chan_info)
    return b"".join(parts) + b"}"
