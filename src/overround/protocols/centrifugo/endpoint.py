"""All connections of a hub: their timers, what is ready to be written, and the operator's hand on them."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from typing import Generic

from overround.protocols.centrifugo.codec import Codec
from overround.protocols.centrifugo.connection import Connection, Owner
from overround.protocols.centrifugo.errors import CONNECTION_CLOSED, SHUTDOWN
from overround.protocols.centrifugo.options import Hooks, Options, Setup
from overround.protocols.centrifugo.tokens import Verifier
from overround.realtime import Disconnect, Hub, Session, Unsubscribe

__all__ = ["Endpoint"]


class Endpoint(Generic[Owner]):
    """Opens connections and drives them. `Owner` is what the shell keeps per socket."""

    def __init__(self, hub: Hub, verifier: Verifier, options: Options, hooks: Hooks | None = None) -> None:
        self.hub = hub
        self._setup = Setup(hub, verifier, options, hooks or Hooks())
        self._connections: dict[Session, Connection[Owner]] = {}
        # Each connection stands here at or before its next deadline. One that has moved later is put back
        # when its old place comes up, so a ping costs one push and one pop.
        self._timers: list[tuple[int, int, Connection[Owner]]] = []
        self._places = count()

    def __len__(self) -> int:
        return len(self._connections)

    # -- for the shell -----------------------------------------------------------------------------

    def open(self, owner: Owner, codec: Codec, *, client: str, jitter: float, now_ms: int) -> Connection[Owner]:
        """A new connection, after the handshake.

        `client` is a fresh UUID; `jitter`, random in [0, 1), spreads the pings of many connections.
        """
        connection = Connection(owner, self._setup, codec, client=client, jitter=jitter, now_ms=now_ms)
        self._connections[connection.session] = connection
        self._schedule(connection)
        return connection

    def receive(self, connection: Connection[Owner], message: bytes, now_ms: int) -> None:
        """Take in one WebSocket message; see `Connection.receive`."""
        try:
            connection.receive(message, now_ms)
        finally:
            self._schedule(connection)

    def held(self, connection: Connection[Owner], buffered_bytes: int, now_ms: int) -> None:
        """Say that a transport takes no more now; see `Connection.held`."""
        connection.held(buffered_bytes, now_ms)
        self._schedule(connection)

    def closed(self, connection: Connection[Owner]) -> None:
        """Say that a socket is gone; must be called once for every connection."""
        connection.end(CONNECTION_CLOSED)
        self._connections.pop(connection.session, None)

    def ready(self) -> list[Connection[Owner]]:
        """The connections with something to write or an end to announce, each once."""
        find = self._connections.get
        return [one for session in self.hub.ready() if (one := find(session)) is not None]

    def tick(self, now_ms: int) -> None:
        """Fire every timer that is due."""
        self.hub.tick(self._setup.hooks.venue_ms(now_ms))
        while self._timers and self._timers[0][0] <= now_ms:
            at, _, connection = heappop(self._timers)
            if at == connection.scheduled_ms:  # else it stands in an earlier place as well
                connection.scheduled_ms = None
                connection.tick(now_ms)
                self._schedule(connection)

    def next_deadline(self) -> int | None:
        """When to call `tick`; None: there is nothing to wait for."""
        return self._timers[0][0] if self._timers else None

    def _schedule(self, connection: Connection[Owner]) -> None:
        due = connection.next_deadline()
        if due is None:
            return
        if connection.scheduled_ms is None or due < connection.scheduled_ms:
            connection.scheduled_ms = due
            heappush(self._timers, (due, next(self._places), connection))

    # -- for the operator ----------------------------------------------------------------------------

    def disconnect(self, user: str, why: Disconnect) -> int:
        """End all connections of a user, as when its key was revoked; returns how many there were."""
        return self._for_each(user, lambda connection: connection.end(why))

    def subscribe(self, user: str, channel: str, now_ms: int) -> int:
        """Subscribe all connections of a user to a channel; returns how many were not yet."""
        return self._for_each(user, lambda connection: connection.subscribe(channel, now_ms))

    def unsubscribe(self, user: str, channel: str, why: Unsubscribe) -> int:
        """End a subscription on all connections of a user; returns how many had it."""
        return self._for_each(user, lambda connection: connection.unsubscribe(channel, why))

    def message(self, user: str, data: bytes) -> int:
        """Push JSON without line breaks, outside any channel, to all connections of a user; returns how
        many there were."""
        return self._for_each(user, lambda connection: connection.message(data))

    def refresh(self, user: str, expires_at_ms: int | None, now_ms: int) -> int:
        """Move the end of all connections of a user; returns how many there were."""

        def move(connection: Connection[Owner]) -> None:
            connection.refresh(expires_at_ms, now_ms)
            self._schedule(connection)

        return self._for_each(user, move)

    def shutdown(self, at_most: int) -> int:
        """End so many more connections with 3001; returns how many are left.

        Called every few moments it spreads the reconnects, which would else come all at once (15).
        """
        open_ones = [one for one in self._connections.values() if one.ended is None]
        for connection in open_ones[:at_most]:
            connection.end(SHUTDOWN)
        return max(0, len(open_ones) - at_most)

    def _for_each(self, user: str, act: Callable[[Connection[Owner]], bool | None]) -> int:
        """Act on all connections of a user; counts those for which it did not return False."""
        sessions = self.hub.sessions_of(user)
        found = [self._connections[one] for one in sessions if one in self._connections]
        return sum(act(connection) is not False for connection in found)
