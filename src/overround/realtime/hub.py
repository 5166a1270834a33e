"""The hub: who listens to what, and everything that reaches them.

It has no socket, no clock, no protocol and no thread: bytes come in framed by a `Framing`, time is handed
in, and every call finishes what it began. Registering a subscriber, reading what it missed and pushing to
it are therefore one step with respect to publications, which is what makes a feed without gaps simple.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from overround.realtime.channel import Channel, Shelf
from overround.realtime.endings import (
    INAPPROPRIATE_PROTOCOL,
    INSUFFICIENT_STATE,
    LOST_POSITION,
    SLOW,
    Disconnect,
    Unsubscribe,
)
from overround.realtime.namespace import Grant, Namespace, Namespaces
from overround.realtime.publication import ClientInfo, Framing, Position, Publication
from overround.realtime.session import Limits, Session, Subscription
from overround.realtime.snapshot import Dump, NamespaceDump, StreamDump, Table

__all__ = ["History", "Hub", "Joined", "UnknownNamespace"]

# A client that knows no epoch yet may send this one, so it must never match (centrifugo.md 8).
FORBIDDEN_EPOCH: Final = "_"


class UnknownNamespace(LookupError):
    """A feed published to a channel that no namespace rules: the configuration lacks it."""


class Joined(Struct, frozen=True):
    """The outcome of a subscribe.

    `position` is where the subscription stands: for a recovered one the position that the client sent,
    and `publications` leads from there to the newest; else the newest itself. None in a channel without
    history and for a subscription that is not positioned.
    """

    position: Position | None
    recovered: bool = False
    was_recovering: bool = False
    publications: tuple[bytes, ...] = ()  # encoded bodies, oldest first


class History(Struct, frozen=True):
    """A page of past publications, encoded, and the newest position."""

    position: Position
    publications: tuple[bytes, ...] = ()


class Hub:
    """All channels and all sessions of a venue.

    `epoch` is stored with the venue and never changes; `boot` is new at every start. Offsets of journaled
    namespaces count under the first, those of all others under the second (decisions R5). Both are short
    opaque texts.
    """

    def __init__(self, namespaces: Namespaces, *, epoch: str, boot: str, limits: Limits | None = None) -> None:
        if {epoch, boot} & {"", FORBIDDEN_EPOCH}:
            raise ValueError(f'an epoch must not be "" or "{FORBIDDEN_EPOCH}"')
        self.namespaces = namespaces
        self.limits = limits or Limits()
        # The last journal record whose publications are in; kept for the feed, and part of the snapshot.
        self.cursor = 0
        # For the operator's eyes.
        self.subscription_count = 0
        self.publication_count = 0
        self.delivery_count = 0
        self._epoch = epoch
        self._boot = boot
        self._channels: dict[str, Channel] = {}
        self._shelves: dict[str, Shelf] = {}
        # Where a namespace goes on that the configuration does not let us serve now (see `restore`).
        self._dormant: dict[str, int] = {}
        self._users: dict[str, dict[Session, None]] = {}
        # Sessions with something of their own to write, and channels whose whole audience has.
        self._ready: dict[Session, list[bytes]] = {}
        self._stirred: set[Channel] = set()

    # -- sessions ----------------------------------------------------------------------------------

    def open(self, framing: Framing) -> Session:
        """A new session that nobody else knows yet; its outbox works."""
        return Session(framing, self.limits)

    def attach(self, session: Session, client: str, user: str, conn_info: bytes = b"") -> None:
        """Make a session known under its user. `client` must be unique among the living."""
        session.client, session.user, session.conn_info = client, user, conn_info
        self._users.setdefault(user, {})[session] = None

    def end(self, session: Session, why: Disconnect) -> None:
        """End a session: it hears nothing new, others hear that it left. Ending twice changes nothing.

        What already waits stays in the outbox for a last write, except for a slow reader (15).
        """
        if session.ended is not None:
            return
        session.ended = why
        if why == SLOW:
            session.discard()
        for name in list(session.subscriptions):
            self.leave(session, name)
        known = self._users.get(session.user, {})
        known.pop(session, None)
        if not known:
            self._users.pop(session.user, None)
        self._ready[session] = session.outbox

    def sessions_of(self, user: str) -> list[Session]:
        """All attached sessions of a user."""
        return list(self._users.get(user, ()))

    def count_of(self, user: str) -> int:
        """How many attached sessions a user has."""
        return len(self._users.get(user, ()))

    def send(self, session: Session, frame: bytes) -> None:
        """Queue a frame for one session alone."""
        if session.ended is not None:
            return
        session.put(frame)
        self._ready[session] = session.outbox
        # (a) of 14.2: what was alone in the queue is never too much.
        if session.reply_bytes > self.limits.queue_bytes_hard and len(session.outbox) > 1:
            self.end(session, SLOW)

    def overtake(self, session: Session, frame: bytes) -> None:
        """Queue a small frame in front of everything that waits: a ping must not starve (5)."""
        session.put_first(frame)
        self._ready[session] = session.outbox

    def wake(self, session: Session) -> None:
        """Have a session named by `ready` though nothing new happened to it."""
        self._ready[session] = session.outbox

    def ready(self) -> list[Session]:
        """The sessions with something to write or with an end to announce; each is named once."""
        ready = self._ready
        for channel in self._stirred:
            for audience in channel.audiences.values():
                ready.update(audience)
        self._stirred.clear()
        self._ready = {}
        return list(ready)

    def held(self, session: Session, buffered_bytes: int, now_ms: int) -> None:
        """Say that a session's transport takes no more now; ends it as slow when rule R3 says so."""
        if session.is_slow(buffered_bytes, now_ms):
            self.end(session, SLOW)

    # -- subscriptions -----------------------------------------------------------------------------

    def join(
        self,
        session: Session,
        name: str,
        grant: Grant,
        now_ms: int,
        *,
        since: Position | None = None,
        or_refuse: bool = False,
        bytes_max: int | None = None,
        server_side: bool = False,
        chan_info: bytes = b"",
    ) -> Joined | None:
        """Subscribe a session to a channel of a known namespace that it does not listen to yet.

        `since` is the position from which a returning client wants everything it missed; what encodes to
        more than `bytes_max` (default and upper bound: `Limits.recovery_bytes_max`) is not recovered.
        With `or_refuse` the answer is None, and there is no subscription, when the recovery fails.

        Others are not told: call `announce` once the reply is queued, so that no push overtakes it.
        """
        assert name not in session.subscriptions
        assert session.ended is None
        channel = self._channel(name)
        missed: list[bytes] | None = None
        recovering = grant.recoverable and since is not None
        if recovering and since is not None:
            missed = self._missed(channel, since, session, now_ms, bytes_max)
            if missed is None and or_refuse:
                self._forget_if_idle(channel)
                return None
        session.subscriptions[name] = Subscription(
            positioned=grant.positioned,
            recoverable=grant.recoverable,
            push_join_leave=grant.push_join_leave,
            server_side=server_side,
            chan_info=chan_info,
        )
        channel.audiences.setdefault(session.framing, {})[session] = session.outbox
        self.subscription_count += 1
        if missed is not None and since is not None:
            here = Position(since.offset, channel.epoch)
            return Joined(here, recovered=True, was_recovering=True, publications=tuple(missed))
        return Joined(channel.position if grant.positioned else None, was_recovering=recovering)

    def announce(self, session: Session, name: str) -> None:
        """Tell a channel that a session joined it, where the namespace wants that told."""
        subscription = session.subscriptions.get(name)
        if subscription is not None:
            self._tell_presence(self._channels[name], session.info(name), joined=True)

    def leave(self, session: Session, name: str) -> bool:
        """End a subscription; nothing of the channel reaches the session any more. False: there was none."""
        if name not in session.subscriptions:
            return False
        channel = self._channels[name]
        info = session.info(name)
        del session.subscriptions[name]
        self.subscription_count -= 1
        # A publication of this turn may wait in the outbox: the session must still be seen.
        if session.outbox:
            self._ready[session] = session.outbox
        audience = channel.audiences[session.framing]
        del audience[session]
        if not audience:
            del channel.audiences[session.framing]
        self._tell_presence(channel, info, joined=False)
        self._forget_if_idle(channel)
        return True

    def drop(self, session: Session, name: str, why: Unsubscribe) -> bool:
        """End a subscription by our will and say so to the session. False: there was none."""
        if not self.leave(session, name):
            return False
        self.send(session, session.framing.unsubscribe(name, why))
        return True

    def presence(self, name: str) -> dict[str, ClientInfo] | None:
        """Who listens to a channel now, by client; None where they are more than `Limits.presence_max`."""
        channel = self._channels.get(name)
        if channel is None:
            return {}
        if sum(map(len, channel.audiences.values())) > self.limits.presence_max:
            return None
        return {session.client: session.info(name) for session in channel.sessions()}

    def presence_stats(self, name: str) -> tuple[int, int]:
        """How many sessions and how many different users listen to a channel now."""
        channel = self._channels.get(name)
        users = Counter(session.user for session in channel.sessions()) if channel else None
        return (users.total(), len(users)) if users else (0, 0)

    def _tell_presence(self, channel: Channel, info: ClientInfo, *, joined: bool) -> None:
        if not channel.namespace.join_leave:
            return
        for framing, audience in channel.audiences.items():
            encode = framing.join if joined else framing.leave
            frame = encode(channel.name, info)
            for session, outbox in audience.items():
                if session.subscriptions[channel.name].push_join_leave:
                    outbox.append(frame)
        self._stirred.add(channel)

    # -- publications ------------------------------------------------------------------------------

    def publish(
        self,
        name: str,
        data: bytes,
        time_ms: int,
        *,
        message_id: str = "",
        info: ClientInfo | None = None,
        offset: int | None = None,
        delivered: bool = True,
        is_json: bool = True,
    ) -> Position | None:
        """Publish to a channel: JSON without line breaks, at most `Limits.publication_bytes_max`.

        What is not JSON (`is_json=False`) ends the sessions on the channel that cannot read it: they would have a hole
        that nobody told them of.

        Returns where it stands (offset 0 and no epoch in a channel without history).

        Times must not go backwards within a namespace. `offset` is for a hub that follows another one:
        an offset that is already here changes nothing and returns None, one that leaves a gap costs
        everybody their position. `delivered=False` keeps the publication but loses it on the way out, as
        a lossy network would; subscribers are told (for scripted faults).

        Raises UnknownNamespace, and ValueError for a payload over the bound: a feed must split it.
        """
        key = self.namespaces.name_of(name)
        namespace = self.namespaces.get(key)
        if namespace is None:
            raise UnknownNamespace(name)
        if len(data) > self.limits.publication_bytes_max:
            raise ValueError(f"publication of {len(data)} bytes on {name}")
        if not namespace.has_history:
            self._push_unkept(name, Publication(0, data, time_ms, message_id, info, is_json), delivered)
            return Position(0, "")
        shelf = self._shelf(namespace, key)
        self._make_room(shelf, time_ms)
        channel = self._channel(name)
        if not channel.shelved:
            self._begin(channel, shelf.floor)
        if offset is not None and offset <= channel.top:
            self._forget_if_idle(channel)
            return None
        if offset is not None and offset > channel.top + 1:
            shelf.empty(channel)
            self._begin(channel, offset - 1)
        publication = Publication(channel.top + 1, data, time_ms, message_id, info, is_json)
        shelf.keep(channel, publication)
        if delivered:
            self._push(channel, publication)
        else:
            self.interrupt(name)
        return channel.position

    def interrupt(self, name: str) -> None:
        """Tell every positioned subscriber of a channel that it may have missed something (10).

        They come back at once and recover, if the history still has what they need.
        """
        channel = self._channels.get(name)
        for session in list(channel.sessions()) if channel else ():
            subscription = session.subscriptions[name]
            if not subscription.positioned:
                continue
            if subscription.server_side:
                self.end(session, INSUFFICIENT_STATE)
            else:
                self.drop(session, name, LOST_POSITION)

    def position(self, name: str) -> Position | None:
        """The newest position of a channel; None where there is no history."""
        namespace = self.namespaces.of(name)
        if namespace is None or not namespace.has_history:
            return None
        return self._peek(name).position

    def history(
        self,
        name: str,
        now_ms: int,
        *,
        framing: Framing,
        limit: int = 0,
        since: Position | None = None,
        reverse: bool = False,
    ) -> History | None:
        """Past publications of a channel that has a history, as a page for one kind of peer (12).

        `limit` 0 asks for the position alone; below 0 or above the bound means the bound. Forward pages
        begin after `since`, reverse ones below it. A page ends early where it would exceed
        `Limits.history_bytes_max`. None: `since` is of another epoch.
        """
        channel = self._peek(name)
        if since is not None and since.epoch and since.epoch != channel.epoch:
            return None
        if limit == 0:
            return History(channel.position)
        if not 0 < limit <= self.limits.history_publications_max:
            limit = self.limits.history_publications_max
        if reverse:
            found = channel.before(since.offset if since else channel.top + 1, now_ms)
        else:
            found = channel.after(since.offset if since else 0, now_ms)
        return History(channel.position, self._page(found, framing, limit, channel.epoch))

    def tick(self, time_ms: int) -> None:
        """Release histories that outlived their time. It frees memory; nothing else depends on it."""
        for shelf in self._shelves.values():
            shelf.sweep(time_ms)

    def _push(self, channel: Channel, publication: Publication) -> None:
        """The hot loop: encode once per framing, then one append per subscriber."""
        self.publication_count += 1
        if not publication.is_json:
            self._end_who_cannot_read(channel)
        if not channel.audiences:
            return
        for framing, audience in channel.audiences.items():
            self.delivery_count += len(audience)
            frame = framing.publication(channel.name, publication, channel.epoch)
            for outbox in audience.values():
                outbox.append(frame)
        self._stirred.add(channel)

    def _end_who_cannot_read(self, channel: Channel) -> None:
        """Before a payload that is no JSON (15)."""
        for session in list(channel.sessions()):
            if not session.framing.reads_binary:
                self.end(session, INAPPROPRIATE_PROTOCOL)

    def _push_unkept(self, name: str, publication: Publication, delivered: bool) -> None:
        channel = self._channels.get(name)
        if channel is not None and delivered:
            self._push(channel, publication)

    def _page(self, found: Iterable[Publication], framing: Framing, limit: int, epoch: str) -> tuple[bytes, ...]:
        page: list[bytes] = []
        size = 0
        for publication in found:
            if not (publication.is_json or framing.reads_binary):
                continue  # the hole shows in the offsets
            body = publication.body(framing, epoch)
            size += len(body)
            if len(page) == limit or (page and size > self.limits.history_bytes_max):
                break
            page.append(body)
        return tuple(page)

    def _missed(
        self,
        channel: Channel,
        since: Position,
        session: Session,
        now_ms: int,
        bytes_max: int | None,
    ) -> list[bytes] | None:
        """What a returning session missed, encoded; None when it cannot be had whole (9)."""
        missed = channel.missed(since, now_ms, self.limits.recovery_publications_max)
        if missed is None:
            return None
        bound = min(
            self.limits.recovery_bytes_max if bytes_max is None else bytes_max,
            self.limits.recovery_bytes_max,
        )
        if not session.framing.reads_binary and not all(publication.is_json for publication in missed):
            return None
        # Payloads alone first: hopeless ones are not worth encoding.
        if sum(len(publication.data) for publication in missed) > bound:
            return None
        bodies = [publication.body(session.framing, channel.epoch) for publication in missed]
        return bodies if sum(map(len, bodies)) <= bound else None

    def _begin(self, channel: Channel, top: int) -> None:
        """Let a stream start after an offset; whoever stands elsewhere loses its position."""
        if channel.top != top:
            channel.top = top
            self.interrupt(channel.name)
            # The last subscriber may have gone with that; this channel is about to be used.
            self._channels[channel.name] = channel

    # -- channels ----------------------------------------------------------------------------------

    def _channel(self, name: str) -> Channel:
        channel = self._channels.get(name)
        if channel is None:
            channel = self._channels[name] = self._peek(name)
        return channel

    def _peek(self, name: str) -> Channel:
        """A channel, but one that nobody used yet is not remembered for being looked at."""
        channel = self._channels.get(name)
        if channel is not None:
            return channel
        key = self.namespaces.name_of(name)
        namespace = self.namespaces.get(key)
        assert namespace is not None
        if not namespace.has_history:
            return Channel(name, namespace, "", 0)
        epoch = self._epoch if namespace.journaled else self._boot
        return Channel(name, namespace, epoch, self._shelf(namespace, key).floor)

    def _shelf(self, namespace: Namespace, key: str) -> Shelf:
        shelf = self._shelves.get(key)
        if shelf is None:
            shelf = self._shelves[key] = Shelf(namespace)
        return shelf

    def _forget_if_idle(self, channel: Channel) -> None:
        if not channel.audiences and not channel.shelved:
            self._channels.pop(channel.name, None)

    def _make_room(self, shelf: Shelf, time_ms: int) -> None:
        """Before a publication: bring the shelf into its bounds, which it then exceeds by one at most."""
        shelf.sweep(time_ms)
        for channel in shelf.forget(time_ms):
            self._forget_if_idle(channel)

    # -- across restarts ---------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """Positions and histories of the journaled namespaces as plain data (text, bytes, integers)."""
        table = Table()
        namespaces = {
            key: NamespaceDump(shelf.floor, [table.dump(channel) for channel in shelf])
            for key, shelf in self._shelves.items()
            if shelf.namespace.journaled
        }
        for key, floor in self._dormant.items():
            namespaces[key] = NamespaceDump(floor, [])
        dump = Dump(self._epoch, self.cursor, table.payloads, namespaces)
        plain: dict[str, Any] = msgspec.to_builtins(dump, builtin_types=(bytes,))
        return plain

    def restore(self, snapshot: dict[str, Any]) -> None:
        """Take over a snapshot, into a hub that was not used yet.

        A namespace that is not journaled or has no history any more sleeps: should it come back, it goes
        on beyond everything it had, and nobody recovers across the time in which nothing was counted.

        Raises ValueError for a snapshot of another venue or of a shape that we do not know.
        """
        assert not self._channels
        try:
            dump = msgspec.convert(snapshot, Dump)
        except msgspec.ValidationError as error:
            raise ValueError(f"not a snapshot of a hub: {error}") from error
        if dump.epoch != self._epoch:
            raise ValueError(f"the snapshot belongs to epoch {dump.epoch!r}")
        self.cursor = dump.cursor
        for key, kept in dump.namespaces.items():
            namespace = self.namespaces.get(key)
            if namespace is not None and namespace.journaled and namespace.has_history:
                self._restore_namespace(key, namespace, kept, dump.payloads)
            else:
                tops = [stream.top for stream in kept.streams]
                self._dormant[key] = max(kept.floor, *(top + 1 for top in tops), 0)

    def _restore_namespace(self, key: str, namespace: Namespace, kept: NamespaceDump, payloads: list[bytes]) -> None:
        shelf = self._shelves[key] = Shelf(namespace, kept.floor)
        for stream in kept.streams:
            channel = self._restore_stream(namespace, stream, payloads)
            self._channels[channel.name] = channel
            shelf.put(channel)

    def _restore_stream(self, namespace: Namespace, stream: StreamDump, payloads: list[bytes]) -> Channel:
        channel = Channel(stream.name, namespace, self._epoch, stream.top - len(stream.publications))
        for kept in stream.publications:
            if not 0 <= kept.payload < len(payloads):
                raise ValueError(f"not a snapshot of a hub: no payload {kept.payload}")
            data = payloads[kept.payload]
            channel.append(Publication(channel.top + 1, data, kept.time_ms, kept.message_id))
        channel.last_ms = stream.last_ms
        return channel
