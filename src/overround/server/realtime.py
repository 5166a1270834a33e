"""The real-time endpoint: sockets on `/connection/websocket`, driving `protocols.centrifugo` over the hub.

All publications of a turn leave a connection in one write: at once when the endpoint was idle, else at the end of a
short window (design rule 5).
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any, Final
from uuid import uuid4

import structlog
from uvicorn.server import ServerState

from overround import __version__
from overround.config import RealtimeConfig
from overround.engine.events import ApiKeyIssued
from overround.engine.record import Record
from overround.protocols import strict_json
from overround.protocols.centrifugo import (
    INVALID_TOKEN,
    SHUTDOWN,
    Connection,
    Endpoint,
    Hooks,
    Options,
    TokenRules,
    is_origin_allowed,
    negotiate,
)
from overround.realtime import Limits
from overround.runtime.feed import HubPublisher
from overround.runtime.venue import Venue
from overround.server.durations import Durations
from overround.server.tokens import TokenVerifier
from overround.server.websocket import UpgradeRequest, WebSocket
from overround.signing.address import AddressError, checksum_address, parse_address

MAKER_PREFIX: Final = "active_orders:"
CLOSED_WITHOUT_CODE: Final = 3000  # internal: the socket is closed, nothing is said (centrifugo.md 15)

_log = structlog.get_logger()


def steady_now_ms() -> int:
    """Unix time that only ever runs forward, whatever is done to the machine's clock."""
    return _STARTED_MS + (time.monotonic_ns() - _STARTED_NS) // 1_000_000


_STARTED_MS: Final = time.time_ns() // 1_000_000
_STARTED_NS: Final = time.monotonic_ns()


class RealtimeMetrics:
    """What the endpoint counts."""

    def __init__(self) -> None:
        self.connections_opened = 0
        self.writes = 0
        self.bytes_written = 0
        self.drops: dict[int, int] = {}  # by close code
        self.outbox_bytes_high = 0
        self.publish_to_write = Durations()


class RealtimeEndpoint:
    """All sockets, and when they are written to."""

    def __init__(self, endpoint: Endpoint[RealtimeSocket], config: RealtimeConfig) -> None:
        self.endpoint = endpoint
        self.metrics = RealtimeMetrics()
        self._config = config
        self._window_s = config.write_window_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._turn_scheduled = False
        self._last_turn_at = 0.0
        self._woken_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_at_ms = 0

    # ---- for the HTTP protocol ------------------------------------------------------------------------------------

    def refusal(self, request: UpgradeRequest) -> str | None:
        """Why this handshake is refused with 403, if it is (`spec/decisions.md` R4)."""
        origin, host = request.header("origin"), request.header("host") or ""
        if is_origin_allowed(origin, host, self._config.allowed_origins):
            return None
        return f"pages of {origin} may not connect: add it to realtime.allowed_origins"

    def accept(self, transport: Any, request: UpgradeRequest, server_state: ServerState) -> WebSocket:
        """Upgrade a connection."""
        agreed = negotiate(request.header("sec-websocket-protocol"), request.query)
        socket = RealtimeSocket(self, agreed, server_state, self._config.message_bytes_max)
        socket.accept(transport, request, agreed.subprotocol)
        return socket

    # ---- turns ----------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Something waits to be written."""
        if not self._turn_scheduled:
            self._turn_scheduled = True
            self._woken_at = self._loop.time()
            wait_s = self._last_turn_at + self._window_s - self._woken_at
            if wait_s <= 0:
                self._loop.call_soon(self._turn)
            else:
                self._loop.call_later(wait_s, self._turn)

    def _turn(self) -> None:
        self._turn_scheduled = False
        self._last_turn_at = self._loop.time()
        ready = self.endpoint.ready()
        for connection in ready:
            connection.owner.flush()
        if ready:
            self.metrics.publish_to_write.observe(self._loop.time() - self._woken_at)
        self.watch_deadline()

    def watch_deadline(self) -> None:
        """Look again when the endpoint's earliest timer comes up."""
        deadline_ms = self.endpoint.next_deadline()
        if deadline_ms is None or (self._alarm is not None and self._alarm_at_ms <= deadline_ms):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at_ms = deadline_ms
        delay_s = max(deadline_ms - steady_now_ms(), 0) / 1000
        self._alarm = self._loop.call_later(delay_s, self._on_alarm)

    def _on_alarm(self) -> None:
        self._alarm = None
        self._woken_at = self._loop.time()
        self.endpoint.tick(steady_now_ms())
        self._turn()

    def stop(self) -> None:
        """No further timers."""
        if self._alarm is not None:
            self._alarm.cancel()


class RealtimeSocket(WebSocket):
    """One socket and its connection of the protocol."""

    def __init__(self, owner: RealtimeEndpoint, agreed: Any, server_state: ServerState, message_bytes_max: int) -> None:
        super().__init__(server_state, message_bytes_max=message_bytes_max)
        self._owner = owner
        self._agreed = agreed
        self._connection: Connection[RealtimeSocket] | None = None
        self._closed = False

    def opened(self) -> None:
        """The handshake is done: the peer owes a connect command."""
        self._owner.metrics.connections_opened += 1
        self._connection = self._owner.endpoint.open(
            self, self._agreed.framing, client=str(uuid4()), jitter=random.random(), now_ms=steady_now_ms()
        )
        self._owner.watch_deadline()

    def message(self, payload: bytes, is_text: bool) -> None:
        """Commands of the peer."""
        del is_text  # the framing was agreed in the handshake
        if self._connection is None or self._closed:
            return
        try:
            self._owner.endpoint.receive(self._connection, payload, steady_now_ms())
        except Exception:  # it has ended with 3004, which its peer is still to hear
            _log.exception("realtime_message_failed", client=self._connection.client)
        self._owner.wake()

    def writable(self) -> None:
        """The transport takes more again."""
        self.flush()

    def flush(self) -> None:
        """Write what waits, as much as the transport takes; close when the connection has ended."""
        connection = self._connection
        if connection is None or self._closed or self.finished:
            return
        metrics = self._owner.metrics
        session = connection.session
        ended, outbox, write = connection.ended, session.outbox, self.transport.write
        while outbox and (not self.paused or ended):
            chunk = session.take()
            write(chunk)
            metrics.writes += 1
            metrics.bytes_written += len(chunk)
        if ended is not None:
            self._close(ended.code, ended.reason)
        elif self.paused:
            buffered = self.transport.get_write_buffer_size()
            metrics.outbox_bytes_high = max(metrics.outbox_bytes_high, buffered)
            self._owner.endpoint.held(connection, buffered, steady_now_ms())
            if connection.ended is not None:
                self._owner.wake()
            self._owner.watch_deadline()

    def lost(self) -> None:
        """The socket is gone."""
        self._closed = True
        if self._connection is not None:
            self._owner.endpoint.closed(self._connection)
            self._connection = None
            self._owner.wake()  # others may have been told that it left

    def shutdown(self) -> None:
        """The server stops: clients are told to come back (3001)."""
        if self._connection is None:
            self.close_quietly()
        else:
            self._connection.end(SHUTDOWN)
            self.flush()

    def _close(self, code: int, reason: str) -> None:
        self._closed = True
        drops = self._owner.metrics.drops
        drops[code] = drops.get(code, 0) + 1
        if code == CLOSED_WITHOUT_CODE:
            self.close_quietly()
        else:
            self.send_close(code, reason)


def realtime_limits(config: RealtimeConfig) -> Limits:
    """The hub's bounds."""
    usual = Limits()
    # What a client asks for in one breath when it comes back must fit into its queue: cut off as slow, it would come
    # back at the same positions, and so on for ever.
    half_a_queue = max(config.queue_bytes_hard // 2, usual.recovery_bytes_max)
    return Limits(
        subscriptions_max=config.subscriptions_max,
        recovery_publications_max=config.recovery_publications_max,
        queue_bytes_soft=config.queue_bytes_soft,
        queue_bytes_hard=config.queue_bytes_hard,
        replies_bytes_max=min(usual.replies_bytes_max, half_a_queue),
    )


def build_realtime(venue: Venue, config: RealtimeConfig, secret: str) -> RealtimeEndpoint:
    """The endpoint of a venue that was opened with feeds."""
    assert venue.feed is not None
    assert isinstance(venue.feed.publisher, HubPublisher)
    rules = TokenRules(expiry_required=not config.tokens_without_key)
    verifier = TokenVerifier(secret, rules, venue.clock, venue.views.accounts, any_subject=config.tokens_without_key)
    hooks = Hooks(
        may_subscribe=_owns_channel if config.private_active_orders else _everybody,
        greeting=_spelling_hint,
        venue_ms=lambda _: venue.clock.now_ms(),
    )
    endpoint: Endpoint[RealtimeSocket] = Endpoint(venue.feed.publisher.hub, verifier, _options(config), hooks)
    realtime = RealtimeEndpoint(endpoint, config)

    def follow(record: Record) -> None:
        for event in record.events:
            if isinstance(event, ApiKeyIssued):  # whoever connected with the key before is somebody else now
                endpoint.disconnect(checksum_address(event.account), INVALID_TOKEN)
        realtime.wake()

    venue.listeners.append(follow)
    return realtime


def _options(config: RealtimeConfig) -> Options:
    return Options(
        version=f"Overround {__version__}",
        ping_interval_ms=config.ping_interval_s * 1000,
        pong_timeout_ms=int(config.pong_timeout_s * 1000),
        stale_delay_ms=int(config.stale_delay_s * 1000),
        message_bytes_max=config.message_bytes_max,
        connections_per_user_max=config.connections_per_user_max,
        insecure=config.insecure,
        allow_anonymous_connect_without_token=config.anonymous_connections,
        allow_anonymous_tokens=config.anonymous_tokens,
        personal_channel=config.personal_channel,
    )


def _everybody(user: str, channel: str) -> bool:
    del user, channel
    return True


def _owns_channel(user: str, channel: str) -> bool:
    """`private_active_orders`: a maker's channel is for its maker (`spec/sx.md` 6.7)."""
    return not channel.startswith(MAKER_PREFIX) or channel == MAKER_PREFIX + user


def _spelling_hint(user: str, channel: str) -> bytes:
    """A maker's channel in another spelling stays silent for ever; the reply says so (centrifugo.md 19)."""
    del user
    if not channel.startswith(MAKER_PREFIX):
        return b""
    text = channel.removeprefix(MAKER_PREFIX)
    try:
        right = checksum_address(parse_address(text))
    except AddressError as error:
        return strict_json.encode({"hint": str(error)})
    return b"" if right == text else strict_json.encode({"hint": f"this channel is spelt {MAKER_PREFIX}{right}"})
