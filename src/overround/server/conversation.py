"""Sockets on which a client asks and is answered: the two kinds of the Nado dialect (`spec/nado.md` 10, 11).

Requests are answered in the order in which they came, or several at a time where the client can tell the answers
apart. Whoever asks faster than he is answered, or does not read his answers, is not read any further.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from uvicorn.server import ServerState

from overround.server.deflate import message_frame
from overround.server.lanes import Sender
from overround.server.websocket import UpgradeRequest, WebSocket

WAITING_MAX: Final = 64  # requests of one socket that wait for their turn; then it is not read any further
SWEEP_S: Final = 1.0  # how late a silent socket may be noticed
GOING_AWAY: Final = 1001
POLICY_VIOLATION: Final = 1008


class Conversation(WebSocket):
    """One socket. Subclasses say what is answered."""

    def __init__(
        self,
        house: House,
        request: UpgradeRequest,
        server_state: ServerState,
        *,
        in_flight_max: int = 1,
    ) -> None:
        super().__init__(server_state, message_bytes_max=house.message_bytes_max, compresses=True)
        self._house = house
        self._in_flight_max = in_flight_max
        self._in_flight = 0
        self._waiting: deque[bytes] = deque()
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self.client = request.client
        self.sender = Sender()
        self.heard_at = self.taken_at = self._loop.time()
        self._unsent = 0

    # ---- for the WebSocket ----------------------------------------------------------------------------------------

    def opened(self) -> None:
        """The handshake is done: refuse it now, with words, where a condition of it was not met (O26)."""
        self._house.enter(self)
        if self._house.compression_required and not self.compressed:
            self.say(self._house.compression_refusal)
            self.hang_up(POLICY_VIOLATION, "permessage-deflate is required")

    def data_received(self, data: bytes) -> None:
        """Any byte is a sign of life, a ping above all."""
        self.heard_at = self._loop.time()
        super().data_received(data)

    def message(self, payload: bytes, is_text: bool) -> None:
        """A request; what else could it be."""
        del is_text
        if self._stopping:
            return
        if self._in_flight >= self._in_flight_max or self._waiting or self.paused:
            self._waiting.append(payload)
            self.choked = len(self._waiting) >= WAITING_MAX
        else:
            self._begin(payload)

    def writable(self) -> None:
        """He reads again."""
        self._go_on()

    def lost(self) -> None:
        """What was asked is still carried out; what only waited is not."""
        self._waiting.clear()
        self._house.leave(self)

    def shutdown(self) -> None:
        """The server stops: finish what is under way."""
        self._stopping = True
        self._waiting.clear()
        if self._in_flight == 0:
            self.send_close(GOING_AWAY, "the server stops")

    # ---- for subclasses -------------------------------------------------------------------------------------------

    def ask(self, payload: bytes) -> None:
        """Carry a request out: now or later, once, `answered` is called with the answer. Must not raise."""
        raise NotImplementedError

    def answered(self, answer: bytes) -> None:
        """A request has its answer; nothing is sent where it is empty."""
        self._in_flight -= 1
        if not self.finished and answer:
            self.say(answer)
        if self._waiting:
            self._loop.call_soon(self._go_on)  # other sockets have their turn in between
        elif self._stopping and self._in_flight == 0 and not self.finished:
            self.send_close(GOING_AWAY, "the server stops")

    def say(self, payload: bytes) -> None:
        """Send one message."""
        self.write(message_frame(payload, deflated=self.deflates))

    def hang_up(self, code: int, reason: str) -> None:
        """End the conversation."""
        self._stopping = True
        self._waiting.clear()
        self.send_close(code, reason)

    def look(self, now: float, idle_s: float) -> None:
        """Close a socket that says nothing, and cut one that reads nothing."""
        before, self._unsent = self._unsent, self.transport.get_write_buffer_size()
        if self._unsent == 0 or self._unsent < before:
            self.taken_at = now
        if now - self.taken_at > idle_s:
            self.transport.abort()
        elif now - self.heard_at > idle_s and self._in_flight == 0 and not self.finished:
            self.hang_up(POLICY_VIOLATION, f"silent for {idle_s:.0f} s: send a ping every 30 s")

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _begin(self, payload: bytes) -> None:
        self._in_flight += 1
        self.ask(payload)

    def _go_on(self) -> None:
        while self._waiting and self._in_flight < self._in_flight_max and not self.paused and not self.gone:
            self._begin(self._waiting.popleft())
        if self.choked and len(self._waiting) < WAITING_MAX and not self.paused:
            self.unchoke()


class House:
    """What all sockets of a dialect share: bounds, and a timer that looks at them now and then."""

    def __init__(
        self,
        *,
        message_bytes_max: int,
        idle_s: float,
        compression_required: bool = False,
        compression_refusal: bytes = b"",
        connections_per_client_max: int = 0,
    ) -> None:
        self.message_bytes_max = message_bytes_max
        self.compression_required = compression_required
        self.compression_refusal = compression_refusal
        self.sockets: set[Conversation] = set()
        self.opened = 0
        self._idle_s = idle_s
        self._per_client_max = connections_per_client_max
        self._per_client: dict[str, int] = {}
        self._sweep_s = min(SWEEP_S, idle_s / 4)
        self._timer: asyncio.TimerHandle | None = None

    def enter(self, socket: Conversation) -> None:
        """A socket was opened."""
        self.sockets.add(socket)
        self.opened += 1
        self._per_client[socket.client] = self._per_client.get(socket.client, 0) + 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._sweep_s, self._sweep)

    def leave(self, socket: Conversation) -> None:
        """A socket is gone."""
        if socket not in self.sockets:
            return
        self.sockets.discard(socket)
        left = self._per_client[socket.client] - 1
        if left:
            self._per_client[socket.client] = left
        else:
            del self._per_client[socket.client]

    def refusal(self, request: UpgradeRequest) -> str | None:
        """Why a further socket is refused, if it is."""
        if self._per_client_max and self._per_client.get(request.client, 0) >= self._per_client_max:
            return f"{request.client} has {self._per_client_max} connections, which is as many as one address may have"
        return None

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(self._sweep_s, self._sweep) if self.sockets else None
        now = loop.time()
        for socket in list(self.sockets):
            socket.look(now, self._idle_s)
