"""Bytes to a server and bytes from it, for what no HTTP client would send."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any, NamedTuple

from overround.testing.server import ServerProcess

PATIENCE_S = 30.0


class Answer(NamedTuple):
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """One TCP connection; a context manager."""

    def __init__(self, server: ServerProcess) -> None:
        host, _, port = server.base_url.removeprefix("http://").partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=PATIENCE_S)
        self._buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, data: bytes) -> None:
        """Send it all; what the other side closed meanwhile is no failure of the sender."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def send_some(self, data: bytes) -> int:
        """Send what fits into the buffers without waiting."""
        self._socket.setblocking(False)
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        finally:
            self._socket.settimeout(PATIENCE_S)

    def answer(self, *, to_head: bool = False) -> Answer:
        """Wait for one response."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = 0 if to_head else int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            self._fill()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return Answer(int(status_line.split()[1]), headers, body)

    def rest(self) -> bytes:
        """Wait until the server closes; what it sent until then."""
        while (data := self._receive()) != b"":
            self._buffer += data
        rest, self._buffer = self._buffer, b""
        return rest

    def _fill(self) -> None:
        data = self._receive()
        assert data, f"the server closed the connection after {self._buffer!r}"
        self._buffer += data

    def _receive(self) -> bytes:
        try:
            return self._socket.recv(65536)
        except ConnectionResetError:
            return b""


def exchange(server: ServerProcess, data: bytes) -> Answer:
    """Send bytes on a connection of their own; the one answer to them."""
    with Connection(server) as connection:
        connection.send(data)
        return connection.answer()


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    """A request as it should be."""
    lines = [f"{method} {path} HTTP/1.1", "Host: venue", *headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def assert_refusal(answer: Answer, status: int, code: str) -> None:
    """The envelope also for what never became a request, and the end of the connection."""
    assert answer.status == status, answer
    body = answer.json
    assert body["status"] == "failure"
    assert (body["statusCode"], body["errorCode"]) == (status, code)
    assert body["message"]
    assert isinstance(body["error"], str)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["connection"] == "close"
