"""A WebSocket on a connection that the HTTP protocol has upgraded.

The published sans-I/O core of `websockets` does the handshake, unmasking, fragments, pings and closing. What we send
is written as ready-made frames: a publication is framed once for all its subscribers.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from uvicorn.server import ServerState
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

CLOSE_TIMEOUT_S: Final = 5.0  # how long a peer has to answer our close frame
WRITE_HIGH_WATER_BYTES: Final = 256 * 1024  # what a transport buffers before it says stop
_SUBPROTOCOL: Final = b"sec-websocket-protocol"


class UpgradeRequest:
    """What a WebSocket handshake says. Header names are lower case."""

    def __init__(self, path: str, query: str, headers: list[tuple[bytes, bytes]]) -> None:
        self.path = path
        self.query = query
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

    def __init__(self, server_state: ServerState, *, message_bytes_max: int) -> None:
        self._server_state = server_state
        self._core = ServerProtocol(max_size=message_bytes_max)
        self._fragments: list[bytes] = []
        self._closing: asyncio.TimerHandle | None = None
        self.transport: Any = None
        self.paused = False
        self.gone = False

    # ---- for the HTTP protocol ------------------------------------------------------------------------------------

    def accept(self, transport: Any, request: UpgradeRequest, subprotocol: str | None) -> None:
        """Answer the handshake: 101, or why not."""
        self.transport = transport
        self._server_state.connections.add(self)  # type: ignore[arg-type]
        self._core.receive_data(request.for_core())
        for event in self._core.events_received():
            if isinstance(event, HandshakeRequest):
                response = self._core.accept(event)
                if subprotocol is not None and response.status_code == 101:
                    response.headers["Sec-WebSocket-Protocol"] = Subprotocol(subprotocol)
                self._core.send_response(response)
        transport.set_write_buffer_limits(high=WRITE_HIGH_WATER_BYTES)
        self._send_core()
        if self._core.state is State.OPEN:
            self.opened()
        else:
            transport.close()

    # ---- for asyncio ----------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Feed the core and act on whole messages."""
        if self.gone:
            return
        self._core.receive_data(data)
        for event in self._core.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._send_core()
        if self._core.close_expected() and self._closing is None:
            self._close_soon()

    def eof_received(self) -> bool:
        """Half-open sockets are of no use."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, in whatever way."""
        del exc
        self.gone = True
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
        """Write ready-made frames."""
        self.transport.write(frames)

    def send_close(self, code: int, reason: str) -> None:
        """Start closing: say why, then wait a while for the peer to agree."""
        with suppress(InvalidState):  # the peer was first
            self._core.send_close(code, reason)
        self._send_core()
        self._close_soon()

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _take(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY):
            self._is_text = frame.opcode is Opcode.TEXT
            if frame.fin:
                self.message(bytes(frame.data), self._is_text)
            else:
                self._fragments = [bytes(frame.data)]
        elif frame.opcode is Opcode.CONT:
            self._fragments.append(bytes(frame.data))
            if frame.fin:
                payload, self._fragments = b"".join(self._fragments), []
                self.message(payload, self._is_text)

    def _send_core(self) -> None:
        for chunk in self._core.data_to_send():
            if chunk:
                self.transport.write(chunk)
            else:
                self.transport.close()

    def _close_soon(self) -> None:
        if self._closing is None and not self.gone:
            loop = asyncio.get_running_loop()
            self._closing = loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)
