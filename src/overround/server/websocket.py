"""A WebSocket on a connection that the HTTP protocol has upgraded.

The published sans-I/O core of `websockets` does the handshake, unmasking, fragments, pings and closing. What we send
is written as ready-made frames: a publication is framed once for all its subscribers. Where a peer takes compressed
messages, they are compressed without memory of the ones before, so that they too are made once (`deflate.py`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import Any, Final
from zlib import MAX_WBITS

from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.extensions.permessage_deflate import PerMessageDeflate, ServerPerMessageDeflateFactory
from websockets.frames import Frame, Opcode, apply_mask  # type: ignore[attr-defined]
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

CLOSE_TIMEOUT_S: Final = 5.0  # how long a peer has to agree that the connection ends
PORTION_BYTES: Final = 1024  # fed to the core at once
TURN_S: Final = 0.002  # how long one peer may be read before others have their turn: tiny frames are much work
WRITE_HIGH_WATER_BYTES: Final = 256 * 1024  # what a transport buffers before it says stop
CLIENT_WINDOW_BITS: Final = 12  # what a client that compresses may refer back to: 4 KB a socket instead of 32
UNREADABLE: Final = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: 46\r\n\r\n"
    b"a WebSocket handshake is a GET without a body\n"
)
_DEFLATE: Final = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_max_window_bits=CLIENT_WINDOW_BITS
)
_SUBPROTOCOL: Final = b"sec-websocket-protocol"
_WHOLE_TEXT: Final = 0x80 | Opcode.TEXT  # the first byte of a text message of one frame that is not compressed
_MASKED: Final = 0x80
_TWO_BYTES_OF_LENGTH: Final = 126
_HEAD_BYTES_MAX: Final = 8  # of a frame of up to 64 KB, mask and all
_PONG: Final = 0x80 | Opcode.PONG  # the first byte of such a frame


def _size_of(data: bytes | bytearray) -> int:
    """How long the frame is that begins here; 0 where that cannot be said, or is not worth saying."""
    if len(data) < _HEAD_BYTES_MAX:
        return 0
    length = data[1] - _MASKED
    if length < _TWO_BYTES_OF_LENGTH:
        return max(length, -6) + 6
    return (data[2] << 8 | data[3]) + 8 if length == _TWO_BYTES_OF_LENGTH else 0


def _payload_of(frame: bytes) -> bytes:
    """The payload of a masked frame of known size."""
    head = 8 if frame[1] == _MASKED | _TWO_BYTES_OF_LENGTH else 6
    return apply_mask(frame[head:], frame[head - 4 : head])


class UpgradeRequest:
    """What a WebSocket handshake says. Header names are lower case."""

    def __init__(self, path: str, query: str, headers: list[tuple[bytes, bytes]], client: str = "") -> None:
        self.path = path
        self.query = query
        self.client = client
        self._headers = headers

    def header(self, name: str) -> str | None:
        """The first header of this name."""
        wanted = name.encode()
        return next((value.decode("latin-1") for found, value in self._headers if found == wanted), None)

    def for_core(self) -> bytes:
        """The request as the core wants to read it. What sub-protocol is spoken was agreed before (`accept`)."""
        lines = [b"GET / HTTP/1.1"]
        # One client sends an empty sub-protocol, which the core would refuse.
        lines += [b"%b: %b" % header for header in self._headers if header[0] != _SUBPROTOCOL]
        return b"\r\n".join([*lines, b"", b""])


class WebSocket(asyncio.Protocol):
    """One socket. Subclasses say what messages mean: `opened`, `message`, `writable`, `lost`, `shutdown`."""

    def __init__(self, server_state: ServerState, *, message_bytes_max: int, compresses: bool = False) -> None:
        self._server_state = server_state
        self._message_bytes_max = message_bytes_max
        extensions = [_DEFLATE] if compresses else None
        self._core = ServerProtocol(max_size=message_bytes_max, extensions=extensions)
        self._unread = bytearray()  # what the peer sent and the core has not seen
        self._reads_on = False  # it will be looked at in the next turn
        self._fragments = bytearray()
        self._is_text = False
        self._pong = b""  # the newest that a peer who reads nothing is owed
        self._closing: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self.paused = False
        self.compressed = False  # permessage-deflate was agreed on
        self.deflates = False  # ... and with a window in which shared frames can be read
        self.choked = False  # no further messages are wanted for now
        self.finished = False  # nothing is written any more
        self.gone = False

    # ---- for the HTTP protocol ------------------------------------------------------------------------------------

    def accept(self, transport: Any, request: UpgradeRequest, subprotocol: str | None) -> None:
        """Answer the handshake: 101, or why not."""
        self.transport = transport
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self._core.receive_data(request.for_core())
        asked = next((one for one in self._core.events_received() if isinstance(one, HandshakeRequest)), None)
        if asked is not None:
            response = self._core.accept(asked)
            if response.status_code != 101:
                response.headers["Sec-WebSocket-Version"] = "13"  # what is spoken here (RFC 6455, 4.2.2)
            elif subprotocol is not None:
                response.headers["Sec-WebSocket-Protocol"] = Subprotocol(subprotocol)
            self._core.send_response(response)
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
        answer = self._core.data_to_send()
        self._send(answer if any(answer) else [UNREADABLE, *answer])  # the core may hang up without a word
        if self._core.state is State.OPEN:
            for extension in self._core.extensions:
                if isinstance(extension, PerMessageDeflate):
                    self.compressed = True
                    self.deflates = extension.local_max_window_bits == MAX_WBITS
            self.opened()

    # ---- for asyncio ----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Act on whole messages; who sends a flood of tiny frames is read a little at a time."""
        if self.gone:
            return
        if not self._unread and not self.choked and (len(data) <= PORTION_BYTES or _size_of(data) == len(data)):
            self._feed(data)
        else:
            self._unread += data
            if not self._reads_on:
                self._read_on()

    def eof_received(self) -> bool:
        """Half-open sockets are of no use."""
        self.finished = True
        self._close_soon()  # the transport waits for a peer who does not read; not for ever
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, in whatever way."""
        del exc
        self.gone = self.finished = True
        self._unread.clear()
        self._server_state.connections.discard(self)
        if self._closing is not None:
            self._closing.cancel()
        self.lost()

    def pause_writing(self) -> None:
        """The transport takes no more for now."""
        self.paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self.paused = False
        pong, self._pong = self._pong, b""
        if pong:
            self.write(pong)
        self.writable()

    # ---- for subclasses -------------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The handshake is done."""

    def message(self, payload: bytes, is_text: bool) -> None:
        """A whole message arrived."""

    def writable(self) -> None:
        """The transport takes more again."""

    def lost(self) -> None:
        """The socket is gone; called once."""

    def shutdown(self) -> None:
        """The server stops."""

    def write(self, frames: bytes) -> None:
        """Write ready-made frames; after the end of the connection nothing is written."""
        if not self.finished:
            self.transport.write(frames)

    def unchoke(self) -> None:
        """Further messages are wanted again."""
        if self.choked:
            self.choked = False
            if not self._reads_on:
                self._reads_on = True
                asyncio.get_running_loop().call_soon(self._read_on)

    def send_close(self, code: int, reason: str) -> None:
        """Start closing: say why, then wait a while for the peer to agree."""
        with suppress(InvalidState):  # the peer was first
            self._core.send_close(code, reason)
        self._send_core()
        self._close_soon()

    def close_quietly(self) -> None:
        """Close the socket without a word."""
        self.finished = True
        self.transport.close()
        self._close_soon()

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _read_on(self) -> None:
        """Feed what is unread, for a while; the rest waits for the next turn, and further bytes for it."""
        self._reads_on = False
        turn_ends = time.perf_counter() + TURN_S
        while self._unread and not self.choked:
            size = _size_of(self._unread) if self._is_between_messages() else 0
            if size == 0 or size > len(self._unread):
                size = PORTION_BYTES  # of a frame that is not whole, or of whatever it is
            portion = bytes(self._unread[:size])
            del self._unread[:size]
            self._feed(portion)
            if self._unread and not self.choked and time.perf_counter() > turn_ends:
                self.transport.pause_reading()
                self._reads_on = True
                asyncio.get_running_loop().call_soon(self._read_on)
                return
        if self.gone:
            return
        if self.choked:
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def _is_between_messages(self) -> bool:
        """Whether a frame that begins now is the first of its message."""
        core = self._core
        return core.state is State.OPEN and core.current_size is None and not core.reader.buffer

    def _feed(self, data: bytes) -> None:
        is_whole = data[0] == _WHOLE_TEXT and _size_of(data) == len(data) <= self._message_bytes_max
        if is_whole and self._is_between_messages():
            # As nearly always. The core, which would say the same, takes four times as long.
            self.message(_payload_of(data), True)
            return
        self._core.receive_data(data)
        for event in self._core.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._send_core()

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self.message(bytes(frame.data), self._is_text)
            else:
                self._fragments = bytearray(frame.data)
        elif frame.opcode is Opcode.CONT:
            self._fragments += frame.data
            if frame.fin:
                payload, self._fragments = bytes(self._fragments), bytearray()
                self.message(payload, self._is_text)

    def _send_core(self) -> None:
        self._send(self._core.data_to_send())

    def _send(self, chunks: list[bytes]) -> None:
        """Write what the core answers. Who pings and reads nothing gets one pong for all (RFC 6455, 5.5.3)."""
        for chunk in chunks:
            if not chunk:
                self._finish()
            elif self.paused and chunk[0] == _PONG:
                self._pong = chunk
            else:
                self.write(chunk)
        if self._core.close_expected():
            self._close_soon()

    def _finish(self) -> None:
        """Nothing more to say. The socket is closed when the peer has nothing more to say either: what we left unread
        would turn into a reset, and a reset may overtake the reason that we gave."""
        if not self.finished:
            self.finished = True
            self.transport.write_eof()
            self._close_soon()

    def _close_soon(self) -> None:
        if self._closing is None and not self.gone:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)
