"""The other end of a socket, frame by frame, for what no library would send; it speaks both framings.

It answers pings like a client, unless told otherwise, and keeps what it did not look for: `ask` finds its reply among
publications, `push` finds publications among replies.
"""

from __future__ import annotations

import json
import socket
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread
from time import monotonic
from typing import Any, Final, NamedTuple

from tests.protocols.centrifugo.world import decode, encode

from overround.testing.server import ServerProcess

PATIENCE_S: Final = 30.0
PATH: Final = "/connection/websocket"
KEY: Final = "dGhlIHNhbXBsZSBub25jZQ=="
UPGRADE: Final = ("Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13")

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


class Closed(Exception):
    """The server ended the connection."""


class End(NamedTuple):
    """How the server ended it: its close frame, or no code where it just closed the socket."""

    code: int | None
    reason: str = ""


class Frame(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes


class Answer(NamedTuple):
    """What the server says to a handshake. Header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> bytes:
    """A frame as a client sends it, or as none should."""
    head = bytearray([(fin << 7) | (rsv << 4) | opcode])
    bit, size = masked << 7, len(payload)
    if size < 126:
        head.append(bit | size)
    elif size < 1 << 16:
        head += struct.pack("!BH", bit | 126, size)
    else:
        head += struct.pack("!BQ", bit | 127, size)
    if not masked:
        return bytes(head) + payload
    return bytes(head) + bytes(4) + payload  # masking with zeros changes nothing


class Peer:
    """One connection; a context manager. It is upgraded at once unless `upgrade` is False."""

    def __init__(
        self,
        server: ServerProcess | str,
        *headers: str,
        framing: str = "json",
        path: str = PATH,
        upgrade: bool = True,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        base_url = server if isinstance(server, str) else server.base_url
        host, _, port = base_url.partition("://")[2].partition(":")
        self.framing = framing
        self.host = f"{host}:{port}"
        self.pongs = True  # whether pings of the protocol are answered
        self.pings = 0  # how many came
        self.unread: deque[dict[str, Any]] = deque()
        self._ids = 0
        self._buffer = b""
        self.ending = End(None)  # how it ended, once it has
        self._socket = socket.socket()
        if receive_buffer_bytes is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.settimeout(PATIENCE_S)
        self._socket.connect((host, int(port)))
        if upgrade:
            given = ("Sec-WebSocket-Protocol: centrifuge-protobuf", *headers) if framing == "protobuf" else headers
            self.send_bytes(self.handshake(*given, path=path))
            answer = self.answer()
            assert answer.status == 101, answer

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    # ---- bytes ----------------------------------------------------------------------------------------------------

    def handshake(self, *headers: str, path: str = PATH) -> bytes:
        """The bytes of a good one."""
        return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {self.host}", *UPGRADE, *headers, "", ""]).encode("latin-1")

    def send_bytes(self, data: bytes) -> None:
        """Send it all; what the server has closed meanwhile is no failure of the sender."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def send_what_fits(self, data: bytes) -> int:
        """Send without waiting for a server that does not read now."""
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except (BlockingIOError, BrokenPipeError, ConnectionResetError):
            return 0
        finally:
            self._socket.settimeout(PATIENCE_S)

    def answer(self) -> Answer:
        """The response to a handshake; frames may follow it."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(status_line.split()[1]), headers, body)

    def frame(self) -> Frame:
        """The next frame of the server, whatever it is. Raises Closed at the end of the stream."""
        head = self._take(2)
        assert head[0] & 0xF0 == 0x80, "final, no extension"
        assert not head[1] & 0x80, "a server masks nothing"
        size = head[1]
        if size == 126:
            (size,) = struct.unpack("!H", self._take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self._take(8))
        return Frame(head[0] & 0x0F, self._take(size))

    def abandon(self) -> None:
        """Be gone without a word: the server gets a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def half_close(self) -> None:
        """Nothing more will be sent, though much may be received."""
        self._socket.shutdown(socket.SHUT_WR)

    def hang_up(self) -> None:
        """Be gone; a thread that waits for more wakes up."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._fill()
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        return taken

    def _fill(self) -> None:
        try:
            data = self._socket.recv(1 << 20)
        except (ConnectionResetError, BrokenPipeError):
            data = b""
        if not data:
            raise Closed
        self._buffer += data

    # ---- messages -------------------------------------------------------------------------------------------------

    def raw(self, message: bytes) -> None:
        """One message as it is."""
        self.send_bytes(frame(message, BINARY if self.framing == "protobuf" else TEXT))

    def send(self, *commands: dict[str, Any]) -> None:
        """Commands, in one message."""
        self.raw(encode(self.framing, *commands))

    def pong(self) -> None:
        """Answer a ping, or pretend to."""
        self.raw(b"\0" if self.framing == "protobuf" else b"{}")

    def receive(self) -> dict[str, Any]:
        """The next message; pings are answered and left out. Raises Closed."""
        while True:
            came = self.frame()
            if came.opcode == CLOSE:
                self.ending = End(int.from_bytes(came.payload[:2], "big"), came.payload[2:].decode())
                self.send_bytes(frame(came.payload, CLOSE))
                raise Closed
            if came.opcode in (PING, PONG):
                continue
            message = decode(self.framing, came.opcode, came.payload)
            if message:
                return message
            self.pings += 1
            if self.pongs:
                self.pong()

    def find(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first message that matches, of those kept and those to come; others are kept."""
        for place, message in enumerate(self.unread):
            if wanted(message):
                del self.unread[place]
                return message
        deadline = monotonic() + PATIENCE_S
        while monotonic() < deadline:
            message = self.receive()
            if wanted(message):
                return message
            self.unread.append(message)
        raise AssertionError(f"not among {list(self.unread)}")

    def ask(self, key: str, **request: Any) -> dict[str, Any]:
        """One command; its reply."""
        self._ids += 1
        number = self._ids
        self.send({"id": number, key: request})
        return self.find(lambda message: message.get("id") == number)

    def connect(self, token: str = "", **request: Any) -> dict[str, Any]:
        """Connect and expect to be let in."""
        result: dict[str, Any] = self.ask("connect", token=token, **request)["connect"]
        return result

    def subscribe(self, channel: str, **request: Any) -> dict[str, Any]:
        """Subscribe and expect it to be granted."""
        reply = self.ask("subscribe", channel=channel, **request)
        assert "subscribe" in reply, reply
        result: dict[str, Any] = reply["subscribe"]
        return result

    def refused(self, key: str, **request: Any) -> int:
        """One command; the code of the error that answers it."""
        code: int = self.ask(key, **request)["error"]["code"]
        return code

    def push(self, kind: str = "pub", channel: str | None = None) -> dict[str, Any]:
        """The next push of a kind, of one channel or any: `{"channel": ..., kind: ...}`."""
        found: dict[str, Any] = self.find(
            lambda message: kind in message.get("push", {}) and channel in (None, message["push"].get("channel"))
        )["push"]
        return found

    def publication(self, channel: str | None = None) -> dict[str, Any]:
        """The next publication."""
        found: dict[str, Any] = self.push("pub", channel)["pub"]
        return found

    def updates(self, count: int, channel: str | None = None) -> list[dict[str, Any]]:
        """So many elements of the next publications, which must end there."""
        found: list[dict[str, Any]] = []
        while len(found) < count:
            found += self.publication(channel)["data"]
        assert len(found) == count
        return found

    def waiting(self) -> list[dict[str, Any]]:
        """Everything that was sent to us up to now: the reply to a question that changes nothing comes behind it."""
        self.ask("unsubscribe", channel="nothing:at_all")
        waiting = list(self.unread)
        self.unread.clear()
        return waiting

    def end(self) -> End:
        """Read until the server ends the connection."""
        with suppress(Closed):
            while True:
                self.unread.append(self.receive())
        with suppress(Closed):  # after a close frame comes the end of the stream, and nothing else
            surplus = self.frame()
            raise AssertionError(f"after {self.ending}: {surplus}")
        return self.ending


class Listener:
    """Reads what a peer gets, on a thread of its own; a context manager. Keeps every push, in order."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.pushes: list[dict[str, Any]] = []
        self.ended: End | None = None
        self._news = Condition()
        self._thread = Thread(target=self._read, daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.peer.hang_up()
        self._thread.join(PATIENCE_S)

    def publications(self, channel: str | None = None) -> list[dict[str, Any]]:
        """The publications of one channel, or of all, up to now."""
        with self._news:
            found = [push for push in self.pushes if "pub" in push and channel in (None, push["channel"])]
        return [push["pub"] for push in found]

    def updates(self, channel: str | None = None) -> list[dict[str, Any]]:
        """Their elements."""
        return [update for one in self.publications(channel) for update in one["data"]]

    def wait(self, enough: Callable[[Listener], bool]) -> None:
        """Until what was heard is enough."""
        with self._news:
            assert self._news.wait_for(lambda: enough(self) or self.ended is not None, PATIENCE_S), self.pushes[-1:]
            assert enough(self), self.ended

    def end(self) -> End:
        """Until the server ends the connection."""
        with self._news:
            assert self._news.wait_for(lambda: self.ended is not None, PATIENCE_S)
        assert self.ended is not None
        return self.ended

    def _read(self) -> None:
        with suppress(Closed, OSError):
            while True:
                push = self.peer.receive().get("push")
                with self._news:
                    if push is not None:
                        self.pushes.append(push)
                    self._news.notify_all()
        with self._news:
            self.ended = self.peer.ending
            self._news.notify_all()
