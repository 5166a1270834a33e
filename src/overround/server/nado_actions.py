"""The action sockets of the Nado dialect (`spec/nado.md` 10): the same JSON as over HTTP, a frame each way.

`/v1/ws` answers in order, one request after the other; `/ws/v2` takes several at a time, and the answers carry their
`id`.
"""

from __future__ import annotations

from typing import Any, Final

from uvicorn.server import ServerState

from overround.server.conversation import Conversation, House
from overround.server.gateway import Asker, Gateway
from overround.server.websocket import UpgradeRequest, WebSocket

SERIAL_PATHS: Final = ("/v1/ws", "/ws")
CONCURRENT_PATHS: Final = ("/ws/v2", "/v1/ws/v2")
IN_FLIGHT_MAX: Final = 64  # requests of one concurrent socket that are under way


class ActionSocket(Conversation):
    """One socket."""

    def __init__(self, gateway: Gateway, house: House, request: UpgradeRequest, state: ServerState, in_flight_max: int):
        super().__init__(house, request, state, in_flight_max=in_flight_max)
        self._gateway = gateway
        self._asker = Asker(self.client, self.sender, request.header("user-agent") or "")

    def ask(self, payload: bytes) -> None:
        """An execute or a query."""
        self._gateway.frame(payload, self._asker, self.answered)


class ActionEndpoint:
    """Where the sockets of one kind go."""

    def __init__(self, gateway: Gateway, house: House, *, in_flight_max: int = 1) -> None:
        self._gateway = gateway
        self._house = house
        self._in_flight_max = in_flight_max

    def refusal(self, request: UpgradeRequest) -> str | None:
        """Any page may connect: what counts here is signed, and nothing is remembered of who is logged in."""
        return self._house.refusal(request)

    def accept(self, transport: Any, request: UpgradeRequest, server_state: ServerState) -> WebSocket:
        """Take a connection over."""
        socket = ActionSocket(self._gateway, self._house, request, server_state, self._in_flight_max)
        socket.accept(transport, request, None)
        return socket
