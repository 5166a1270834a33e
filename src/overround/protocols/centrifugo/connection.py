"""One connection: messages in, replies and pushes into its outbox, or an end with code and reason.

Dispatch is that of centrifugo.md 3; what concerns channels is in `channels.py`. The connection has no
clock: a shell calls `tick` at `next_deadline`. The package docstring shows the shell.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

from msgspec import Raw

from overround.protocols.centrifugo import errors, wire
from overround.protocols.centrifugo.channels import CHANNEL_HANDLERS, Channels, Outcome, ttl_s
from overround.protocols.centrifugo.codec import Codec, Malformed
from overround.protocols.centrifugo.errors import Error
from overround.protocols.centrifugo.options import Setup
from overround.protocols.centrifugo.tokens import ConnectionClaims, TokenProblem
from overround.protocols.centrifugo.wire import Command
from overround.realtime import Disconnect, Unsubscribe

__all__ = ["Connection", "Owner"]

REFUSAL_FLUSH_MS: Final = 5_000  # how long a refused connect may take to read its error (3.8)
STALL_MS: Final = 1_000  # a timer later than this means that we stood still, not the peer
SLOW_CHECK_MS: Final = 1_000  # how often a queue over the soft bound is looked at

Owner = TypeVar("Owner")


class Connection(Generic[Owner]):
    """One peer. Made by `Endpoint.open`; `owner` is the shell's own object for it.

    All times are milliseconds since 1970 of a clock that nobody steps.
    """

    __slots__ = (
        "_allowance",
        "_allowance_ms",
        "_channels",
        "_connected",
        "_deadlines",
        "_jitter",
        "_pong_extended",
        "_refused",
        "_setup",
        "client",
        "codec",
        "owner",
        "scheduled_ms",
        "session",
    )

    def __init__(
        self,
        owner: Owner,
        setup: Setup,
        codec: Codec,
        *,
        client: str,
        jitter: float,
        now_ms: int,
    ) -> None:
        self.owner = owner
        self.codec = codec
        self.client = client
        self.session = setup.hub.open(codec)
        self.scheduled_ms: int | None = None  # kept by the endpoint
        self._setup = setup
        self._channels = Channels(setup, self.session, codec)
        self._jitter = jitter
        self._connected = False
        self._refused = False
        self._pong_extended = False
        self._allowance = setup.options.commands_burst * 1000
        self._allowance_ms = now_ms
        # When each timer fires; `_TIMERS` says what it does then.
        self._deadlines = {"stale": now_ms + setup.options.stale_delay_ms}

    # -- for the shell -----------------------------------------------------------------------------

    @property
    def user(self) -> str:
        """Who connected; "" before that and for an anonymous peer."""
        return self.session.user

    @property
    def ended(self) -> Disconnect | None:
        """Why the connection is over, once it is: write what `output` still gives, then close with it.

        3000 is never sent: close without a code.
        """
        return self.session.ended

    def receive(self, message: bytes, now_ms: int) -> None:
        """Take in one WebSocket message, text or binary.

        A surprise of ours ends this connection with 3004 and is raised.
        """
        if not self._is_listening:
            return
        if len(message) > self._setup.options.message_bytes_max:
            self.end(errors.MESSAGE_TOO_BIG)
            return
        try:
            for command in self.codec.commands(message):
                self._execute(command, now_ms)
                if not self._is_listening:
                    return
        except Malformed:
            self.end(errors.BAD_FRAME)
        except Exception:
            self.end(errors.INTERNAL_END)
            raise

    def output(self) -> bytes:
        """What to write next; b"" when nothing waits. Ask again while the transport takes more."""
        return self.session.take()

    def held(self, buffered_bytes: int, now_ms: int) -> None:
        """Say that the transport takes no more now and how much it holds; may end as slow (R3)."""
        self._setup.hub.held(self.session, buffered_bytes, now_ms)
        if self.session.over_since_ms is not None:
            self._deadlines["slow"] = now_ms + SLOW_CHECK_MS

    def tick(self, now_ms: int) -> None:
        """Fire the timers that are due, in the order of their times."""
        due = sorted((at, name) for name, at in self._deadlines.items() if at <= now_ms)
        for at, name in due:
            if self.session.ended is not None:
                return
            del self._deadlines[name]
            self._TIMERS[name](self, at, now_ms)
        if self.session.ended is None:
            self._channels.end_due(now_ms)

    def next_deadline(self) -> int | None:
        """When `tick` has something to do; None: never."""
        if self.session.ended is not None:
            return None
        own = min(self._deadlines.values(), default=None)
        channels = self._channels.next_end()
        return own if channels is None or (own is not None and own < channels) else channels

    def end(self, why: Disconnect) -> None:
        """End the connection from our side, or because the socket is gone (3000)."""
        self._setup.hub.end(self.session, why)

    # -- for the operator, through the endpoint ------------------------------------------------------

    def subscribe(self, channel: str, now_ms: int) -> bool:
        """Subscribe the peer by our will. False: it is already, or name or limit forbid it."""
        return self._channels.force_subscribe(channel, now_ms)

    def unsubscribe(self, channel: str, why: Unsubscribe) -> bool:
        """End a subscription by our will. False: there was none."""
        return self._channels.force_unsubscribe(channel, why)

    def message(self, data: bytes) -> None:
        """Push JSON without line breaks outside any channel."""
        self._setup.hub.send(self.session, self.codec.message(data))

    def refresh(self, expires_at_ms: int | None, now_ms: int) -> None:
        """Move the end of the connection by our will; None: it never ends."""
        self._expire_at(expires_at_ms)
        told = self.codec.refresh(ttl_s(expires_at_ms, now_ms))
        self._setup.hub.send(self.session, told)

    # -- dispatch (3) --------------------------------------------------------------------------------

    @property
    def _is_listening(self) -> bool:
        return self.session.ended is None and not self._refused

    def _execute(self, command: Command, now_ms: int) -> None:
        if not self._spend_allowance(now_ms):
            self.end(errors.FLOOD)
            return
        key, request = command.request() or ("", None)
        if self._connected and not command.id and command.send is None:
            self._take_pong()
        elif self._is_misplaced(command.id or 0, key, request):
            self.end(errors.BAD_FRAME)
        elif key in CHANNEL_HANDLERS:
            outcome = CHANNEL_HANDLERS[key](self._channels, request, now_ms)
            self._answer(command.id or 0, key, outcome, now_ms)
        else:
            outcome = self._HANDLERS[key](self, request, now_ms)
            self._answer(command.id or 0, key, outcome, now_ms)

    def _is_misplaced(self, command_id: int, key: str, request: wire.Request | None) -> bool:
        if key in CHANNEL_HANDLERS:
            if not getattr(request, "channel", None):
                return True
        elif key not in self._HANDLERS:
            return True  # unknown, or a bare ping of older protocol versions
        if self._connected == (key == "connect"):
            return True  # connect comes first, and once
        return command_id == 0 and key != "send"  # its reply would look like a push

    def _answer(self, command_id: int, key: str, outcome: Outcome, now_ms: int) -> None:
        if isinstance(outcome, Disconnect):
            self.end(outcome)
        elif isinstance(outcome, Error):
            self._setup.hub.send(self.session, self.codec.error(command_id, outcome))
            if key == "connect":
                self._refuse(now_ms)
        else:
            self._setup.hub.send(self.session, self.codec.reply(command_id, key, outcome))
        self._channels.settle()

    def _refuse(self, now_ms: int) -> None:
        """After an error of connect nothing more is processed, not even to be refused: a disconnect
        code would be terminal and race with the client's own return with a fresh token (3.8)."""
        self._refused = True
        self._deadlines = {"refused": now_ms + REFUSAL_FLUSH_MS}

    def _spend_allowance(self, now_ms: int) -> bool:
        """A bucket of commands: `commands_burst` deep, `commands_per_s` flow in."""
        options = self._setup.options
        if not options.commands_per_s:
            return True
        earned = max(0, now_ms - self._allowance_ms) * options.commands_per_s
        self._allowance = min(options.commands_burst * 1000, self._allowance + earned)
        self._allowance_ms = now_ms
        if self._allowance < 1000:
            return False
        self._allowance -= 1000
        return True

    # -- connect (4), refresh (6) ----------------------------------------------------------------------

    def _connect(self, request: wire.ConnectRequest, now_ms: int) -> Outcome:
        claims = self._claims(request.token or "", now_ms)
        if not isinstance(claims, ConnectionClaims):
            return claims
        channels = self._channels.server_side(claims)
        if not isinstance(channels, dict):
            return channels
        if self._has_too_many_connections(claims.user):
            return errors.CONNECTION_LIMIT
        self._setup.hub.attach(self.session, self.client, claims.user, claims.info)
        self._connected = True
        self._deadlines = {}
        self._expire_at(claims.expires_at_ms)
        self._start_pings(now_ms)
        return wire.ConnectResult(
            client=self.client,
            version=self._setup.options.version,
            expires=claims.expires_at_ms is not None,
            ttl=ttl_s(claims.expires_at_ms, now_ms),
            subs=self._channels.join_server_side(channels, request.subs or {}, now_ms),
            ping=self._setup.options.ping_interval_ms // 1000,
            pong=True,
        )

    def _claims(self, token: str, now_ms: int) -> ConnectionClaims | Error | Disconnect:
        options = self._setup.options
        if not token:
            if options.insecure or options.allow_anonymous_connect_without_token:
                return ConnectionClaims(user="")
            return errors.BAD_FRAME
        claims = self._setup.verifier.connection(token, now_ms)
        if claims is TokenProblem.EXPIRED:
            return errors.TOKEN_EXPIRED
        if isinstance(claims, TokenProblem):
            return errors.INVALID_TOKEN
        if not claims.user and not (options.insecure or options.allow_anonymous_tokens):
            return errors.ANONYMOUS_DENIED
        return claims

    def _has_too_many_connections(self, user: str) -> bool:
        bound = self._setup.options.connections_per_user_max
        return bound > 0 and user != "" and self._setup.hub.count_of(user) >= bound

    def _refresh(self, request: wire.RefreshRequest, now_ms: int) -> Outcome:
        if not request.token:
            return errors.BAD_FRAME
        claims = self._setup.verifier.connection(request.token, now_ms)
        if claims is TokenProblem.EXPIRED:
            return errors.CONNECTION_EXPIRED
        if isinstance(claims, TokenProblem) or claims.user != self.user:
            return errors.INVALID_TOKEN
        self._expire_at(claims.expires_at_ms)
        if claims.expires_at_ms is None:
            return wire.RefreshResult()
        return wire.RefreshResult(
            client=self.client,
            version=self._setup.options.version,
            expires=True,
            ttl=ttl_s(claims.expires_at_ms, now_ms),
        )

    def _expire_at(self, expires_at_ms: int | None) -> None:
        self._deadlines.pop("expiry", None)
        if expires_at_ms is not None:
            self._deadlines["expiry"] = expires_at_ms + self._setup.options.expiry_grace_ms

    # -- rpc, send (12) --------------------------------------------------------------------------------

    def _rpc(self, request: wire.RPCRequest, _now_ms: int) -> Outcome:
        methods = self._setup.hooks.rpc
        if not methods:
            return errors.NOT_AVAILABLE
        method = methods.get(request.method or "")
        if method is None:
            return errors.METHOD_NOT_FOUND
        return wire.RPCResult(Raw(method(self.user, bytes(request.data))))

    def _send(self, _request: wire.SendRequest, _now_ms: int) -> Outcome:
        return errors.SEND_NOT_AVAILABLE

    _HANDLERS: Final[dict[str, Callable[[Any, Any, int], Outcome]]] = {
        "connect": _connect,
        "rpc": _rpc,
        "send": _send,
        "refresh": _refresh,
    }

    # -- pings (5) and other timers ----------------------------------------------------------------------

    def _start_pings(self, now_ms: int) -> None:
        """The first at a random moment in [interval/2, interval], so that peers do not march in step."""
        half = self._setup.options.ping_interval_ms // 2
        self._deadlines["ping"] = now_ms + half + round(half * self._jitter)

    def _send_ping(self, at_ms: int, now_ms: int) -> None:
        if "pong" in self._deadlines:  # only after a standstill: never two pings without a pong
            self._deadlines["ping"] = now_ms + STALL_MS
            return
        interval = self._setup.options.ping_interval_ms
        self._setup.hub.overtake(self.session, self.codec.ping)
        self._deadlines["ping"] = max(at_ms + interval, now_ms + interval // 2)
        self._deadlines["pong"] = now_ms + self._setup.options.pong_timeout_ms
        self._pong_extended = False

    def _take_pong(self) -> None:
        """At most one pong per ping; one that nobody asked for is refused."""
        if self._deadlines.pop("pong", None) is None:
            self.end(errors.BAD_FRAME)

    def _miss_pong(self, at_ms: int, now_ms: int) -> None:
        # If we stood still, the pong may wait unread: read first, judge once more.
        if now_ms - at_ms > STALL_MS and not self._pong_extended:
            self._pong_extended = True
            self._deadlines["pong"] = now_ms + STALL_MS
        else:
            self.end(errors.NO_PONG)

    def _go_stale(self, _at_ms: int, _now_ms: int) -> None:
        self.end(errors.STALE)

    def _close_refused(self, _at_ms: int, _now_ms: int) -> None:
        self.end(errors.CONNECTION_CLOSED)

    def _expire(self, _at_ms: int, _now_ms: int) -> None:
        self.end(errors.CONNECTION_EXPIRED)

    def _look_if_slow(self, _at_ms: int, _now_ms: int) -> None:
        """Have the shell come by: only it knows what the transport still holds."""
        if self.session.over_since_ms is not None:
            self._setup.hub.wake(self.session)

    _TIMERS: Final[dict[str, Callable[[Any, int, int], None]]] = {
        "stale": _go_stale,
        "refused": _close_refused,
        "ping": _send_ping,
        "pong": _miss_pong,
        "expiry": _expire,
        "slow": _look_if_slow,
    }
