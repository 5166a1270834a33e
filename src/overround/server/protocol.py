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
from typing import Any, Final, Protocol
from urllib.parse import unquote

import httptools
from uvicorn.config import Config as UvicornConfig
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from overround.config import ServerConfig
from overround.server.eager import Eager
from overround.server.http import Headers, Request, Response, single_slashes
from overround.server.lanes import Sender
from overround.server.proxies import Proxies
from overround.server.websocket import UpgradeRequest, WebSocket

PIPELINE_MAX: Final = 64  # requests of one connection that wait for their turn; then reading pauses
PARSED_BYTES_MAX: Final = 8 * 1024  # parsed before the pipeline is looked at: one read may hold thousands of requests

WATCH_INTERVAL_S: Final = 1.0  # how late a slow client may be noticed

_STATUS_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}

Dispatch = Callable[[Request], Awaitable[Response]]


class SocketEndpoint(Protocol):
    """Where WebSockets of one path go."""

    def refusal(self, request: UpgradeRequest) -> str | None:
        """Why this handshake is refused with 403, if it is."""

    def accept(self, transport: Any, request: UpgradeRequest, server_state: ServerState) -> WebSocket:
        """Take a connection over."""


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
        self.sockets: dict[str, SocketEndpoint] = {}  # by path
        self.proxies = Proxies(config.trusted_proxies)
        self._prefix = request_id_prefix
        self._numbers = count(1)
        self._heads: dict[tuple[int, bytes], bytes] = {}
        self._heads_of: Headers | None = None

    def head(self, response: Response, default_headers: Headers) -> bytes:
        """Status line and the headers that many answers share; made once while the server's Date stands."""
        if default_headers is not self._heads_of:
            self._heads_of = default_headers
            self._heads.clear()
        key = (response.status, response.content_type)
        head = self._heads.get(key)
        if head is None:
            lines = [_STATUS_LINES[response.status], *(b"%b: %b\r\n" % line for line in default_headers)]
            head = self._heads[key] = b"".join(lines) + b"content-type: %b\r\n" % response.content_type
        return head

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
        self._is_proxied = False  # the peer speaks for others
        self._sender = Sender()
        self._method = ""
        self._header_bytes = 0
        self._body = bytearray()
        self._is_upgrade = False
        self._receiving = False  # a request has begun to arrive
        self._broken = False  # the stream cannot be trusted any further: whatever else arrives is not read
        self._refusal: tuple[int, str] | None = None  # the last answer, when those before it are sent
        self._deadline_at = 0.0  # loop time by which something is owed
        self._owed: int | None = None  # the status of the answer when it is not; None: only silence is closed
        self._watchdog: asyncio.TimerHandle | None = None
        self._unsent = 0  # bytes of answers that the client had not taken at the last look
        self._taken_at = 0.0  # loop time of the last look that found it had taken some
        self._waiting: deque[tuple[Request, bool, bool]] = deque()
        self._unparsed = b""  # read while the pipeline was full
        self._busy = False  # a request is being handled
        self._keep_alive = True
        self._shutting_down = False

    # ---- connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client connected; it owes a request within the header time."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._client = self.client[0] if self.client else ""
        self._is_proxied = self.limits.proxies.trusts(self._client)
        self._taken_at = self.loop.time()
        self._expect_within(self._bounds.header_timeout_s, None)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """What was asked and not yet answered is still carried out."""
        self._waiting.clear()
        self._unparsed = b""
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; callbacks below do the rest. What a full pipeline leaves over is kept for later."""
        if self._unparsed:
            self._unparsed += data
            return
        self._unparsed = data
        while self._unparsed:
            if len(self._waiting) >= PIPELINE_MAX:
                self.flow.pause_reading()
                return
            self._parse_piece()

    def _parse_on(self) -> None:
        """One answer later: one piece more, so that many pipelines that empty together keep nobody waiting."""
        if len(self._waiting) < PIPELINE_MAX:
            self._parse_piece()
        while self._unparsed and not self._waiting:
            self._parse_piece()
        if not self._unparsed:
            self.flow.resume_reading()

    def _parse_piece(self) -> None:
        piece, self._unparsed = self._unparsed[:PARSED_BYTES_MAX], self._unparsed[PARSED_BYTES_MAX:]
        if self._broken:
            return
        try:
            self.parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:
            rest, self._unparsed = piece[upgrade.args[0] :] + self._unparsed, b""
            if self._broken:
                return
            if self._wants_websocket():
                self._upgrade(rest)
            else:
                self._ignore_upgrade(rest)
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
        self._receiving = True
        self._expect_within(self._bounds.header_timeout_s, 408)

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self.url += url
        if len(self.url) > self._bounds.url_bytes_max:
            self._reject(414, f"the URL is longer than {self._bounds.url_bytes_max} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self._header_bytes += len(name) + len(value) + 4
        self.headers.append((name.lower(), value))
        if self._header_bytes > self._bounds.header_bytes_max or len(self.headers) > self._bounds.headers_max:
            self.headers.pop()
            self._reject(431, "the headers are too large or too many")

    def on_headers_complete(self) -> None:
        """The body may follow."""
        if self._broken:
            return
        self._method = self.parser.get_method().decode("ascii", "replace")
        if self.parser.should_upgrade():
            self._is_upgrade = True
            return
        self._expect_within(self._bounds.body_timeout_s, 408)
        content_length = 0
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit():  # the parser has refused what is no number
                content_length = int(value)
            elif name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
        if content_length > self._bounds.body_bytes_max:
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
        self._receiving = False
        self._expect_nothing()
        path, _, query_string = self.url.partition(b"?")
        request = Request(
            self._method,
            _decode_path(path),
            query_string.partition(b"#")[0],
            self.headers,
            bytes(self._body),
            self.limits.proxies.client(self._client, self.headers) if self._is_proxied else self._client,
            self.limits.next_request_id(),
            Sender() if self._is_proxied else self._sender,
        )
        keep_alive = self.parser.should_keep_alive()
        if self._busy:
            self._waiting.append((request, keep_alive, self._method == "HEAD"))
        else:
            self._handle(request, keep_alive, self._method == "HEAD")

    # ---- answering ------------------------------------------------------------------------------------------------

    def _handle(self, request: Request, keep_alive: bool, is_head: bool) -> None:
        self._busy = True
        Eager(self.loop, self._answer(request, keep_alive, is_head), _ignore)

    async def _answer(self, request: Request, keep_alive: bool, is_head: bool) -> None:
        """Answer a request and, one after the other, those that arrived meanwhile."""
        while True:
            self._keep_alive = keep_alive
            response = await self.limits.dispatch(request)
            if self.transport.is_closing():
                return
            self._send(response, request.request_id, is_head=is_head)
            self.server_state.total_requests += 1
            if not keep_alive:
                self.transport.close()  # what was pipelined behind it is not looked at (RFC 9112 9.6)
                return
            if self.flow.write_paused:
                await self.flow.drain()  # who does not read his answers gets no further ones: the buffer has a bound
            if self.transport.is_closing():
                return
            if not self._waiting:
                break
            await asyncio.sleep(0)  # other connections have their turn in between
            request, keep_alive, is_head = self._waiting.popleft()
            if self._unparsed:  # after a turn of the loop: the parser may have been calling us before
                self._parse_on()
        self._busy = False
        if self._refusal is not None:
            self._refuse(*self._refusal)
        elif self._shutting_down:
            self.transport.close()
        elif not self._receiving:  # else the deadline of the request that is arriving stands
            self._expect_within(self._bounds.keep_alive_s, None)

    def _send(self, response: Response, request_id: str, *, is_head: bool = False) -> None:
        parts = [
            self.limits.head(response, self.server_state.default_headers),
            b"content-length: %d\r\nx-request-id: %b\r\n" % (len(response.body), request_id.encode()),
        ]
        for name, value in response.headers:
            parts += (name, b": ", value, b"\r\n")
        if not self._keep_alive or (self._shutting_down and not self._waiting):
            parts.append(b"connection: close\r\n")
        parts.append(b"\r\n")
        if not is_head:
            parts.append(response.body)
        self.transport.write(b"".join(parts))

    def _reject_body(self) -> None:
        self._reject(413, f"the body is larger than {self._bounds.body_bytes_max} bytes")

    def _reject(self, status: int, text: str) -> None:
        """Answer what never became a request, and close: the rest of the stream cannot be trusted.

        Requests that came whole before it are carried out, so they are answered first: a client must not take a
        refusal for the answer to its order.
        """
        if self._broken:
            return
        self._broken = True
        self._expect_nothing()
        if self._busy:
            self._refusal = (status, text)
        else:
            self._refuse(status, text)

    def _refuse(self, status: int, text: str) -> None:
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
        now = self.loop.time()
        self._watchdog = self.loop.call_later(self._watch_interval_s, self._watch)
        if self._is_stalled(now):
            self.transport.abort()
        elif now < self._deadline_at or self._broken or self.transport.is_closing():
            return
        elif self._owed is None:
            self.transport.close()
        else:
            self._reject(self._owed, "the request did not arrive in time")

    def _stop_watching(self) -> None:
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _is_stalled(self, now: float) -> bool:
        """Whether the client took nothing of what it asked for, for as long as an idle connection may last."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent == 0 or self._unsent < before:
            self._taken_at = now
        return now - self._taken_at > self._bounds.keep_alive_s

    def _wants_websocket(self) -> bool:
        return self._method == "CONNECT" or self._get_upgrade() == b"websocket"

    def _upgrade(self, rest: bytes) -> None:
        """Hand the connection over to the WebSocket endpoint of this path."""
        self._expect_nothing()
        path, _, query = self.url.partition(b"?")
        endpoint = self.limits.sockets.get(single_slashes(_decode_path(path)))
        client = self.limits.proxies.client(self._client, self.headers) if self._is_proxied else self._client
        request = UpgradeRequest(_decode_path(path), query.decode("latin-1"), self.headers, client)
        if self._method != "GET":
            self._reject(400, "a WebSocket is opened with GET")
        elif endpoint is None:
            self._reject(404, "there is no WebSocket here")
        elif self._busy:
            self._reject(400, "an upgrade must not be pipelined")
        elif refusal := endpoint.refusal(request):
            self._reject(403, refusal)
        else:
            self._stop_watching()
            self.connections.discard(self)
            socket = endpoint.accept(self.transport, request, self.server_state)
            self.transport.set_protocol(socket)
            if rest:
                socket.data_received(rest)

    def _ignore_upgrade(self, rest: bytes) -> None:
        """Read the request again as if it had not asked for an upgrade that is not spoken here (RFC 9110 7.8).

        Java's client asks for h2c with its first request, whatever that is. The parser takes the body of such a
        request for the other protocol's first bytes; a new one, without the question, does not.
        """
        version = self.parser.get_http_version().encode()
        head = [self._method.encode(), b" ", self.url, b" HTTP/", version, b"\r\n"]
        for name, value in self.headers:
            if name == b"connection":
                tokens = [
                    one for one in value.split(b",") if one.strip().lower() not in (b"upgrade", b"http2-settings")
                ]
                value = b",".join(tokens)
            if name != b"upgrade" and value:
                head += [name, b": ", value, b"\r\n"]
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(b"".join([*head, b"\r\n", rest]))


def _ignore(_: None) -> None:
    """Nothing waits for an answer to have been sent."""


def _decode_path(raw: bytes) -> str:
    path = raw.decode("latin-1")
    return unquote(path) if "%" in path else path


def make_protocol(limits: HttpLimits) -> type[VenueHttpProtocol]:
    """The protocol class for uvicorn, which wants a class and not an instance."""
    return type("BoundVenueHttpProtocol", (VenueHttpProtocol,), {"limits": limits})


__all__ = ["Headers", "HttpLimits", "VenueHttpProtocol", "make_protocol"]
