"""What one connected peer does with channels: subscribe, unsubscribe, publish, presence, history.

The order of the checks is that of centrifugo.md 7 and 12; permissions are those of 16.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from msgspec import Raw, structs

from overround.protocols.centrifugo import errors, wire
from overround.protocols.centrifugo.codec import Codec, clean_payload
from overround.protocols.centrifugo.errors import Error
from overround.protocols.centrifugo.options import Setup
from overround.protocols.centrifugo.tokens import (
    ChannelClaims,
    ConnectionClaims,
    SubscriptionClaims,
    TokenProblem,
)
from overround.protocols.centrifugo.wire import Result
from overround.realtime import (
    CHANNEL_NAME_BYTES_MAX,
    ClientInfo,
    Disconnect,
    Grant,
    Joined,
    Namespace,
    Position,
    Session,
    Unsubscribe,
    grant,
    may_publish,
    may_read_history,
    may_see_presence,
    may_subscribe,
)

__all__ = ["CHANNEL_HANDLERS", "Channels", "Outcome", "ttl_s"]

KNOWN_DELTAS: Final = frozenset({"", "fossil"})
FLAG_OR_REFUSE: Final = 2  # bit 2 of `flag`: error 112 instead of `recovered: false`

# Other kinds of subscription, by `type`: none is served (7).
SUBSCRIPTION_TYPES: Final = {
    1: errors.PERMISSION_DENIED,
    2: errors.PERMISSION_DENIED,
    3: errors.PERMISSION_DENIED,
    4: errors.NOT_AVAILABLE,
}

Outcome = Result | Error | Disconnect


class Channels:
    """The channel commands of one connection. The dispatcher has seen to it that a channel is named."""

    __slots__ = ("_codec", "_ends", "_session", "_setup", "afterwards")

    def __init__(self, setup: Setup, session: Session, codec: Codec) -> None:
        self._setup = setup
        self._session = session
        self._codec = codec
        # When subscriptions made with a token run out, grace included.
        self._ends: dict[str, int] = {}
        # What a command causes beyond its reply, done after the reply is queued (2.3).
        self.afterwards: list[Callable[[], None]] = []

    # -- subscribe (7) -------------------------------------------------------------------------------

    def subscribe(self, request: wire.SubscribeRequest, now_ms: int) -> Outcome:
        """Subscribe the peer, and bring it up to date if it asks for that."""
        channel = request.channel or ""
        if (request.delta or "") not in KNOWN_DELTAS:
            return errors.BAD_FRAME
        if _is_too_long(channel):
            return errors.BAD_REQUEST
        if request.type:
            return SUBSCRIPTION_TYPES.get(request.type, errors.BAD_REQUEST)
        if self.has(channel):
            return errors.ALREADY_SUBSCRIBED
        if self._is_full:
            return errors.LIMIT_EXCEEDED
        namespace = self._namespace(channel)
        if isinstance(namespace, Error):
            return namespace
        claims = self._admission(channel, request.token or "", namespace, now_ms)
        if not isinstance(claims, SubscriptionClaims):
            return claims
        if bytes(request.tf) not in (b"", b"null"):  # filters by tag are nowhere allowed
            return errors.BAD_REQUEST
        return self._subscribe(channel, request, namespace, claims, now_ms)

    def _admission(
        self, channel: str, token: str, namespace: Namespace, now_ms: int
    ) -> SubscriptionClaims | Error | Disconnect:
        """Whether the peer may subscribe: by its token, else by the rules of the namespace (16)."""
        if token:
            return self._verified(channel, token, now_ms)
        user = self._session.user
        by_rule = may_subscribe(namespace, channel, user, insecure=self._setup.options.insecure)
        if not by_rule or not self._setup.hooks.may_subscribe(user, channel):
            return errors.PERMISSION_DENIED
        return SubscriptionClaims(user=user, channel=channel)

    def _verified(self, channel: str, token: str, now_ms: int) -> SubscriptionClaims | Error | Disconnect:
        claims = self._setup.verifier.subscription(token, now_ms)
        if claims is TokenProblem.EXPIRED:
            return errors.TOKEN_EXPIRED
        if isinstance(claims, TokenProblem):
            return errors.PERMISSION_DENIED
        if (claims.user, claims.channel) != (self._session.user, channel):
            return errors.INVALID_TOKEN
        if claims.client not in ("", self._session.client):
            return errors.INVALID_TOKEN
        return claims

    def _subscribe(
        self,
        channel: str,
        request: wire.SubscribeRequest,
        namespace: Namespace,
        claims: SubscriptionClaims,
        now_ms: int,
    ) -> Outcome:
        granted = grant(
            namespace,
            self._session.user,
            positioned=bool(request.positioned),
            recoverable=bool(request.recoverable),
            join_leave=bool(request.join_leave),
            insecure=self._setup.options.insecure,
        )
        result = self._join(channel, granted, now_ms, asked=request, chan_info=claims.info)
        if result is None:
            return errors.UNRECOVERABLE_POSITION
        self._end_at(channel, claims.expires_at_ms)
        result.expires = claims.expires_at_ms is not None
        result.ttl = ttl_s(claims.expires_at_ms, now_ms)
        greeting = self._setup.hooks.greeting(self._session.user, channel)
        result.data = Raw(greeting) if greeting else wire.NOTHING
        return result

    def _join(
        self,
        channel: str,
        granted: Grant,
        now_ms: int,
        *,
        asked: wire.SubscribeRequest | None = None,
        bytes_max: int | None = None,
        server_side: bool = False,
        chan_info: bytes = b"",
    ) -> wire.SubscribeResult | None:
        """Join a channel of the hub; None: `asked` wants an error rather than a failed recovery."""
        hub, session = self._setup.hub, self._session
        recover = asked is not None and bool(asked.recover)
        left = min(hub.limits.recovery_bytes_max, session.replies_left_bytes)
        joined = hub.join(
            session,
            channel,
            granted,
            self._setup.hooks.venue_ms(now_ms),
            since=Position(asked.offset or 0, asked.epoch or "") if asked and recover else None,
            or_refuse=asked is not None and bool((asked.flag or 0) & FLAG_OR_REFUSE),
            bytes_max=left if bytes_max is None else min(left, bytes_max),
            server_side=server_side,
            chan_info=chan_info,
        )
        if joined is None:
            return None
        self.afterwards.append(lambda: hub.announce(session, channel))
        return _subscribe_result(joined, granted)

    # -- unsubscribe (11), sub_refresh (12) ------------------------------------------------------------

    def unsubscribe(self, request: wire.UnsubscribeRequest, _now_ms: int) -> Outcome:
        """End a subscription; that there is none is fine."""
        channel = request.channel or ""
        self._ends.pop(channel, None)
        self._setup.hub.leave(self._session, channel)
        return wire.UnsubscribeResult()

    def sub_refresh(self, request: wire.SubRefreshRequest, now_ms: int) -> Outcome:
        """Move the end of a subscription with a fresh token."""
        channel = request.channel or ""
        if not request.token:
            return errors.BAD_FRAME
        if not self.has(channel):
            return errors.PERMISSION_DENIED
        claims = self._verified(channel, request.token, now_ms)
        if not isinstance(claims, SubscriptionClaims):
            return claims
        self._end_at(channel, claims.expires_at_ms)
        return wire.SubRefreshResult(expires=claims.expires_at_ms is not None, ttl=ttl_s(claims.expires_at_ms, now_ms))

    def _end_at(self, channel: str, expires_at_ms: int | None) -> None:
        self._ends.pop(channel, None)
        if expires_at_ms is not None:
            self._ends[channel] = expires_at_ms + self._setup.options.expiry_grace_ms

    def next_end(self) -> int | None:
        """When the next subscription runs out."""
        return min(self._ends.values(), default=None)

    def end_due(self, now_ms: int) -> None:
        """End the subscriptions that ran out."""
        for channel in [name for name, at in self._ends.items() if at <= now_ms]:
            self.force_unsubscribe(channel, errors.SUBSCRIPTION_RAN_OUT)

    # -- publish (12) ----------------------------------------------------------------------------------

    def publish(self, request: wire.PublishRequest, now_ms: int) -> Outcome:
        """Publish for the peer, who gets it too if it is subscribed."""
        channel = request.channel or ""
        namespace = self._namespace(channel)
        if isinstance(namespace, Error):
            return namespace
        if not may_publish(
            namespace,
            self._session.user,
            subscribed=self.has(channel),
            insecure=self._setup.options.insecure,
        ):
            return errors.PERMISSION_DENIED
        payload = bytes(request.data)
        if len(payload) > self._setup.hub.limits.publication_bytes_max:
            return errors.LIMIT_EXCEEDED
        data = clean_payload(payload)
        is_json = data is not None
        if data is None:
            if not (payload and namespace.binary_publications and self._codec.reads_binary):
                return errors.BAD_REQUEST
            data = payload
        self.afterwards.append(lambda: self._publish(channel, data, now_ms, is_json=is_json))
        return wire.PublishResult()

    def _publish(self, channel: str, data: bytes, now_ms: int, *, is_json: bool) -> None:
        session = self._session
        info = (
            session.info(channel) if self.has(channel) else ClientInfo(session.user, session.client, session.conn_info)
        )
        time_ms = self._setup.hooks.venue_ms(now_ms)
        self._setup.hub.publish(channel, data, time_ms, info=info, is_json=is_json)

    # -- presence, history (12) ------------------------------------------------------------------------

    def presence(self, request: wire.PresenceRequest, _now_ms: int) -> Outcome:
        """Who is on a channel."""
        channel = request.channel or ""
        refusal = self._presence_refusal(channel)
        if refusal is not None:
            return refusal
        if self._session.replies_left_bytes <= 0:
            return errors.TOO_MANY_REQUESTS
        present = self._setup.hub.presence(channel)
        if present is None or _weight_bytes(present) > self._setup.options.reply_bytes_max:
            return errors.LIMIT_EXCEEDED
        return wire.PresenceResult({client: _client_info(info) for client, info in present.items()})

    def presence_stats(self, request: wire.PresenceStatsRequest, _now_ms: int) -> Outcome:
        """How many are on a channel."""
        channel = request.channel or ""
        refusal = self._presence_refusal(channel)
        if refusal is not None:
            return refusal
        clients, users = self._setup.hub.presence_stats(channel)
        return wire.PresenceStatsResult(num_clients=clients, num_users=users)

    def _presence_refusal(self, channel: str) -> Error | None:
        namespace = self._namespace(channel)
        if isinstance(namespace, Error):
            return namespace
        if not namespace.presence:
            return errors.NOT_AVAILABLE
        user, subscribed = self._session.user, self.has(channel)
        by_rule = may_see_presence(namespace, user, subscribed=subscribed, insecure=self._setup.options.insecure)
        # Who may not listen may not look at what was said either.
        if not by_rule or not (subscribed or self._setup.hooks.may_subscribe(user, channel)):
            return errors.PERMISSION_DENIED
        return None

    def history(self, request: wire.HistoryRequest, now_ms: int) -> Outcome:
        """A page of past publications, or the position alone."""
        channel, since = request.channel or "", request.since
        refusal = self._history_refusal(channel)
        if refusal is not None:
            return refusal
        if request.reverse and since is not None and not since.offset:
            return errors.BAD_REQUEST
        if self._session.replies_left_bytes <= 0:
            return errors.TOO_MANY_REQUESTS
        history = self._setup.hub.history(
            channel,
            self._setup.hooks.venue_ms(now_ms),
            framing=self._codec,
            limit=request.limit or 0,
            since=None if since is None else Position(since.offset or 0, since.epoch or ""),
            reverse=bool(request.reverse),
        )
        if history is None:
            return errors.UNRECOVERABLE_POSITION
        return wire.HistoryResult(
            publications=[Raw(body) for body in history.publications],
            epoch=history.position.epoch,
            offset=history.position.offset,
        )

    def _history_refusal(self, channel: str) -> Error | None:
        namespace = self._namespace(channel)
        if isinstance(namespace, Error):
            return namespace
        if not namespace.has_history:
            return errors.NOT_AVAILABLE
        user, subscribed = self._session.user, self.has(channel)
        by_rule = may_read_history(namespace, user, subscribed=subscribed, insecure=self._setup.options.insecure)
        # Who may not listen may not look at what was said either.
        if not by_rule or not (subscribed or self._setup.hooks.may_subscribe(user, channel)):
            return errors.PERMISSION_DENIED
        return None

    # -- by our will -----------------------------------------------------------------------------------

    def server_side(self, claims: ConnectionClaims) -> dict[str, ChannelClaims] | Error | Disconnect:
        """The channels that a peer with these claims is subscribed to at connect, without asking."""
        channels = dict(claims.channels)
        options = self._setup.options
        if options.personal_channel and claims.user:
            prefix = options.personal_namespace
            name = f"{prefix}:#{claims.user}" if prefix else f"#{claims.user}"
            channels.setdefault(name, ChannelClaims())
        if len(channels) > self._setup.hub.limits.subscriptions_max:
            return errors.CHANNEL_LIMIT
        if any(isinstance(self._namespace(name), Error) for name in channels):
            return errors.UNKNOWN_CHANNEL
        return channels

    def join_server_side(
        self,
        channels: dict[str, ChannelClaims],
        positions: dict[str, wire.SubscribeRequest],
        now_ms: int,
    ) -> dict[str, wire.SubscribeResult]:
        """Subscribe a peer to these channels; `positions` says where it stood in them before."""
        results = {}
        # They share one frame, so they share its bound.
        budget = self._setup.hub.limits.recovery_bytes_max
        for name, claims in channels.items():
            # An error instead of a failed recovery is for those who subscribe by themselves.
            asked = positions.get(name)
            result = self._join(
                name,
                self._forced(name),
                now_ms,
                asked=None if asked is None else structs.replace(asked, flag=0),
                bytes_max=budget,
                server_side=True,
                chan_info=claims.info,
            )
            assert result is not None
            result.data = Raw(claims.data) if claims.data else wire.NOTHING
            budget -= sum(len(bytes(body)) for body in result.publications)
            results[name] = result
        return results

    def force_subscribe(self, channel: str, now_ms: int) -> bool:
        """Subscribe the peer and tell it. False: it is already, or name or limit forbid it."""
        if self._is_full or self.has(channel) or isinstance(self._namespace(channel), Error):
            return False
        result = self._join(channel, self._forced(channel), now_ms, server_side=True)
        assert result is not None
        self._setup.hub.send(self._session, self._codec.subscribe(channel, result))
        self.settle()
        return True

    def force_unsubscribe(self, channel: str, why: Unsubscribe) -> bool:
        """End a subscription and tell the peer. False: there was none."""
        self._ends.pop(channel, None)
        return self._setup.hub.drop(self._session, channel, why)

    def _forced(self, channel: str) -> Grant:
        namespace = self._setup.hub.namespaces.of(channel)
        assert namespace is not None
        return grant(namespace, self._session.user, insecure=self._setup.options.insecure)

    # -- helpers ---------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Do what the last command causes beyond its reply, which is queued by now."""
        acts, self.afterwards = self.afterwards, []
        for act in acts:
            act()

    def has(self, channel: str) -> bool:
        """Whether the peer is subscribed."""
        return channel in self._session.subscriptions

    @property
    def _is_full(self) -> bool:
        return len(self._session.subscriptions) >= self._setup.hub.limits.subscriptions_max

    def _namespace(self, channel: str) -> Namespace | Error:
        """The options of a channel, if its name can be one (7)."""
        if _is_too_long(channel):
            return errors.BAD_REQUEST
        namespace = self._setup.hub.namespaces.of(channel)
        if namespace is None:
            return errors.UNKNOWN_CHANNEL
        return namespace if channel.isascii() else errors.BAD_REQUEST


# What runs a channel command, by its key.
CHANNEL_HANDLERS: Final[dict[str, Callable[[Channels, Any, int], Outcome]]] = {
    "subscribe": Channels.subscribe,
    "unsubscribe": Channels.unsubscribe,
    "publish": Channels.publish,
    "presence": Channels.presence,
    "presence_stats": Channels.presence_stats,
    "history": Channels.history,
    "sub_refresh": Channels.sub_refresh,
}


def ttl_s(expires_at_ms: int | None, now_ms: int) -> int:
    """Whole seconds left; at least 1 of what expires at all, since 0 is not written."""
    return 0 if expires_at_ms is None else max(1, (expires_at_ms - now_ms) // 1000)


def _is_too_long(channel: str) -> bool:
    return len(channel.encode()) > CHANNEL_NAME_BYTES_MAX


def _subscribe_result(joined: Joined, granted: Grant) -> wire.SubscribeResult:
    position = joined.position
    return wire.SubscribeResult(
        recoverable=granted.recoverable,
        positioned=granted.positioned,
        epoch=position.epoch if position else "",
        offset=position.offset if position else 0,
        recovered=joined.recovered,
        was_recovering=joined.was_recovering,
        publications=[Raw(body) for body in joined.publications],
    )


def _client_info(info: ClientInfo) -> wire.ClientInfo:
    return wire.ClientInfo(
        user=info.user,
        client=info.client,
        conn_info=Raw(info.conn_info) if info.conn_info else wire.NOTHING,
        chan_info=Raw(info.chan_info) if info.chan_info else wire.NOTHING,
    )


def _weight_bytes(present: dict[str, ClientInfo]) -> int:
    """What a presence answer encodes to, rather more than less: an escaped letter takes 6 bytes."""
    return sum(
        2 * len(client) + 6 * len(info.user) + len(info.conn_info) + len(info.chan_info) + 80
        for client, info in present.items()
    )
