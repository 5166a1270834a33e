"""The HTTP/1.1 connection: uvicorn's protocol, with bounds, and without a framework between bytes and handlers.

A request is collected whole, within bounds on its line, headers, body and duration (`spec/decisions.md` C9), handed
to `dispatch`, and answered with one write. Requests that a client pipelines are answered in order, one at a time.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from itertools import count
from math import inf
from typing import Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.config import Config as UvicornConfig
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from overround.config import ServerConfig
from overround.server.http import Headers, Request, Response

PIPELINE_MAX: Final = 64  # requests of one connection that wait for their turn; then reading pauses

WATCH_INTERVAL_S: Final = 1.0  # how late a slow client may be noticed

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Dispatch = Callable[[Request], Awaitable[Response]]


class HttpLimits:
    """What the protocol needs to know, the same for all connections."""

    def __init__(
        self,
        config: ServerConfig,
        dispatch: Dispatch,
        refuse: Callable[[int, str], Response],
        request_id_prefix: str,
    ) -> None:
        self.config = config
        self.dispatch = dispatch
        self.refuse = refuse  # (status, text) -> the answer to what never became a request
        self._prefix = request_id_prefix
        self._numbers = count(1)

    def next_request_id(self) -> str:
        """Unique in this process and, by its random prefix, between processes."""
        return f"{self._prefix}-{next(self._numbers):x}"


class VenueHttpProtocol(HttpToolsProtocol):
    """One connection. Subclasses set `limits`."""

    limits: HttpLimits

    def __init__(
        self,
        config: UvicornConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = self.limits.config
        self._watch_interval_s = min(
            WATCH_INTERVAL_S,
            self._bounds.header_timeout_s,
            self._bounds.body_timeout_s,
            self._bounds.keep_alive_s,
        )
        self._client = ""
        self._method = ""
        self._header_bytes = 0
        self._body = bytearray()
        self._is_upgrade = False
        self._broken = False  # answered before its end: whatever else arrives is not read
        self._deadline_at = 0.0  # loop time by which something is owed
        self._owed: int | None = None  # the status of the answer when it is not; None: only silence is closed
        self._watchdog: asyncio.TimerHandle | None = None
        self._waiting: deque[tuple[Request, bool, bool]] = deque()
        self._busy = False  # a request is being handled
        self._keep_alive = True
        self._shutting_down = False

    # ---- connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected; it owes a request within the header time."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._client = self.client[0] if self.client else ""
        self._expect_within(self._bounds.header_timeout_s, None)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was asked and not yet answered is still carried out."""
        self._waiting.clear()
        if self._watchdog is not None:
            self._watchdog.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; callbacks below do the rest."""
        if self._broken:
            return
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._broken:
                return
            self._expect_nothing()
            if self._should_upgrade():
                self.handle_websocket_upgrade()
            else:
                self._reject(400, "the only upgrade is to websocket")
        except httptools.HttpParserError:
            if not self._broken:
                self._reject(400, "the request is not valid HTTP/1.1")

    def shutdown(self) -> None:
        """The server stops: answer what is under way, then close."""
        self._shutting_down = True
        if not self._busy and not self._waiting:
            self.transport.close()

    # ---- parser callbacks -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request line starts."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._header_bytes = 0
        self._body = bytearray()
        self._is_upgrade = False
        self._expect_within(self._bounds.header_timeout_s, 408)

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self.url += url
        if len(self.url) > self._bounds.url_bytes_max:
            self._reject(414, f"the URL is longer than {self._bounds.url_bytes_max} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self._header_bytes += len(name) + len(value) + 4
        if self._header_bytes > self._bounds.header_bytes_max or len(self.headers) >= self._bounds.headers_max:
            self._reject(431, "the headers are too large or too many")
            return
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The body may follow."""
        if self._broken:
            return
        self._method = self.parser.get_method().decode("ascii", "replace")
        if self.parser.should_upgrade():
            self._is_upgrade = True
            self.scope = self._websocket_scope()
            return
        self._expect_within(self._bounds.body_timeout_s, 408)
        if self._content_length() > self._bounds.body_bytes_max:
            self._reject_body()
        elif self.expect_100_continue:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self._broken or self._is_upgrade:
            return
        self._body += body
        if len(self._body) > self._bounds.body_bytes_max:
            self._reject_body()

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._broken or self._is_upgrade:
            return
        self._expect_nothing()
        path, _, query_string = self.url.partition(b"?")
        request = Request(
            self._method,
            _decode_path(path),
            query_string.partition(b"#")[0],
            self.headers,
            bytes(self._body),
            self._client,
            self.limits.next_request_id(),
        )
        keep_alive = self.parser.should_keep_alive()
        if self._busy:
            self._waiting.append((request, keep_alive, self._method == "HEAD"))
            if len(self._waiting) >= PIPELINE_MAX:
                self.flow.pause_reading()
        else:
            self._handle(request, keep_alive, self._method == "HEAD")

    # ---- answering ------------------------------------------------------------------------------------------------

    def _handle(self, request: Request, keep_alive: bool, is_head: bool) -> None:
        self._busy = True
        self._keep_alive = keep_alive
        task = self.loop.create_task(self._answer(request, is_head))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, request: Request, is_head: bool) -> None:
        response = await self.limits.dispatch(request)
        self._busy = False
        if self.transport.is_closing():
            return
        self._send(response, request.request_id, is_head=is_head)
        self.server_state.total_requests += 1
        if self._waiting:
            self._handle(*self._waiting.popleft())
            self.flow.resume_reading()
        elif self._shutting_down or not self._keep_alive:
            self.transport.close()
        else:
            self._expect_within(self._bounds.keep_alive_s, None)

    def _send(self, response: Response, request_id: str, *, is_head: bool = False) -> None:
        parts = [_STATUS_LINES[response.status]]
        for name, value in self.server_state.default_headers:
            parts += (name, b": ", value, b"\r\n")
        parts += (b"content-type: ", response.content_type, b"\r\ncontent-length: ")
        parts += (b"%d" % len(response.body), b"\r\nx-request-id: ", request_id.encode(), b"\r\n")
        for name, value in response.headers:
            parts += (name, b": ", value, b"\r\n")
        if not self._keep_alive or self._shutting_down:
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if not is_head:
            parts.append(response.body)
        self.transport.write(b"".join(parts))

    def _reject_body(self) -> None:
        self._reject(413, f"the body is larger than {self._bounds.body_bytes_max} bytes")

    def _reject(self, status: int, text: str) -> None:
        """Answer what never became a request, and close: the rest of the stream cannot be trusted."""
        if self._broken:
            return
        self._broken = True
        self._keep_alive = False
        if not self.transport.is_closing():
            self._send(self.limits.refuse(status, text), self.limits.next_request_id())
            self.transport.close()

    # ---- bounds ---------------------------------------------------------------------------------------------------

    def _expect_within(self, seconds: float, owed: int | None) -> None:
        self._deadline_at = self.loop.time() + seconds
        self._owed = owed

    def _expect_nothing(self) -> None:
        self._deadline_at = inf

    def _watch(self) -> None:
        """One timer a connection that looks now and then: setting a deadline costs an assignment, no timer."""
        self._watchdog = None
        if self.transport.is_closing() or self._broken:
            return
        if self.loop.time() < self._deadline_at:
            self._watchdog = self.loop.call_later(self._watch_interval_s, self._watch)
        elif self._owed is None:
            self.transport.close()
        else:
            self._reject(self._owed, "the request did not arrive in time")

    def _content_length(self) -> int:
        for name, value in self.headers:
            if name == b"content-length":
                return int(value) if value.isdigit() else 0  # the parser has refused what is no number
        return 0

    def _websocket_scope(self) -> Any:
        """What uvicorn's upgrade needs to replay the handshake."""
        return {"method": self._method, "headers": self.headers}


def _decode_path(raw: bytes) -> str:
    path = raw.decode("latin-1")
    return unquote(path) if "%" in path else path


def make_protocol(limits: HttpLimits) -> type[VenueHttpProtocol]:
    """The protocol class for uvicorn, which wants a class and not an instance."""
    return type("BoundVenueHttpProtocol", (VenueHttpProtocol,), {"limits": limits})


__all__ = ["Headers", "HttpLimits", "VenueHttpProtocol", "make_protocol"]
