"""The Nado gateway of a venue: one desk behind three kinds of doors, and what they share."""

from __future__ import annotations

from typing import Final

import msgspec

from overround.config import Config
from overround.engine.record import Record
from overround.protocols.nado.errors import Code, GatewayError, failure
from overround.protocols.nado.facts import QuoteEvent
from overround.protocols.nado.following import facts_of
from overround.protocols.nado.profile import Profile
from overround.protocols.nado.subscriptions import compression_required
from overround.server.budgets import Budgets
from overround.server.conversation import House
from overround.server.desk import VenueDesk
from overround.server.gateway import Gateway
from overround.server.lanes import Lanes
from overround.server.limits import Limits
from overround.server.nado import NadoRoutes
from overround.server.nado_actions import CONCURRENT_PATHS, IN_FLIGHT_MAX, SERIAL_PATHS, ActionEndpoint
from overround.server.nado_streams import PATHS, StreamEndpoint, Streams
from overround.server.protocol import SocketEndpoint
from overround.server.routes import Route
from overround.server.verifier import Verifier
from overround.views.changes import ContinuousChanges

SUBSCRIBER_MESSAGE_BYTES_MAX: Final = 64 * 1024  # 200 streams fit four times over


class SocketBounds(msgspec.Struct, frozen=True):
    """What a socket may cost."""

    message_bytes_max: int
    idle_s: float
    connections_per_client_max: int


class NadoGateway:
    """Routes and sockets, ready to be served."""

    def __init__(
        self,
        desk: VenueDesk,
        profile: Profile,
        config: Config,
        bounds: SocketBounds,
        limits: Limits,
        lanes: Lanes,
        verifier: Verifier,
        command_prefix: str,
        *,
        is_sandbox: bool,
    ) -> None:
        self._desk = desk
        self.budgets = Budgets(config.limits.resolved(is_sandbox=is_sandbox))
        self.gateway = Gateway(desk, self.budgets, limits, lanes, verifier, command_prefix)
        self.gateway.batch_object_for_python = profile.batch_object_for_python
        self.streams = Streams()
        self._desk = desk
        strict = profile.compression_required
        self.actions = House(
            message_bytes_max=bounds.message_bytes_max,
            idle_s=bounds.idle_s,
            compression_required=strict,
            compression_refusal=failure(GatewayError(Code.WEBSOCKET_COMPRESSION_REQUIRED)),
        )
        self.subscribers = House(
            message_bytes_max=SUBSCRIBER_MESSAGE_BYTES_MAX,
            idle_s=bounds.idle_s,
            compression_required=strict,
            compression_refusal=compression_required(),
            connections_per_client_max=bounds.connections_per_client_max,
        )
        self._subscriptions = StreamEndpoint(
            self.subscribers,
            self.streams,
            lanes,
            domain=desk.domain,
            now_ms=desk.now_ms,
            linked_signer_of=desk.linked_signer_of,
        )

    def follow(self, record: Record, changes: ContinuousChanges) -> None:
        """Tell followers what a durable record did; costs nothing where there are none."""
        streams = self.streams
        if not streams.is_followed:
            streams.rest()
            return
        quotes_changed = False
        for fact in facts_of(record, changes):
            streams.tell(fact)
            quotes_changed |= isinstance(fact, QuoteEvent)
        if quotes_changed:
            streams.tell_quotes(self._desk.quotes, record.time_ms)

    def routes(self) -> list[Route]:
        """What is served over HTTP."""
        return NadoRoutes(self.gateway).routes()

    def sockets(self) -> dict[str, SocketEndpoint]:
        """What is served over WebSockets, by path."""
        serial = ActionEndpoint(self.gateway, self.actions)
        concurrent = ActionEndpoint(self.gateway, self.actions, in_flight_max=IN_FLIGHT_MAX)
        return {
            **dict.fromkeys(SERIAL_PATHS, serial),
            **dict.fromkeys(CONCURRENT_PATHS, concurrent),
            **dict.fromkeys(PATHS, self._subscriptions),
        }
