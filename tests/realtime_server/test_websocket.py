"""What one socket may cost its server, with a transport that we hold in our hands."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.protocols.centrifugo.world import frames
from tests.realtime_server.peer import CLOSE, CONTINUATION, KEY, PING, PONG, TEXT, frame
from uvicorn.server import ServerState

from overround.config import RealtimeConfig
from overround.protocols.centrifugo import Endpoint, Options
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.realtime import Hub, Namespaces
from overround.server import websocket
from overround.server.realtime import RealtimeEndpoint, RealtimeSocket
from overround.server.websocket import UpgradeRequest, WebSocket

HEADERS = [
    (b"host", b"venue"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", KEY.encode()),
    (b"sec-websocket-version", b"13"),
]


class Transport:
    """Remembers what a socket did to it."""

    def __init__(self) -> None:
        self.written = b""
        self.reads = True
        self.ended = False
        self.aborted = False

    def frames(self) -> list[tuple[int, bytes]]:
        """What was written since the last look."""
        taken, self.written = self.written, b""
        return frames(taken)

    def write(self, data: bytes) -> None:
        assert not self.ended, "written after the end"
        self.written += data

    def write_eof(self) -> None:
        self.ended = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def abort(self) -> None:
        self.aborted = True

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


class Ear(WebSocket):
    """Keeps what it hears."""

    def __init__(self) -> None:
        super().__init__(ServerState(), message_bytes_max=1 << 20)
        self.heard: list[bytes] = []
        self.transport = Transport()
        self.accept(self.transport, UpgradeRequest("/", "", HEADERS), None)
        assert self.transport.written.startswith(b"HTTP/1.1 101 ")
        self.transport.written = b""

    def message(self, payload: bytes, is_text: bool) -> None:
        assert is_text
        self.heard.append(payload)


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def turns_until(done: Callable[[], bool]) -> Any:
    """How often others could have had their turn meanwhile."""

    async def wait() -> int:
        turns = 0
        while not done():
            await asyncio.sleep(0)
            turns += 1
            assert turns < 100_000
        return turns

    return wait()


def test_whoever_pings_and_does_not_read_is_owed_one_pong(loop: asyncio.Runner) -> None:
    async def play() -> None:
        ear = Ear()
        ear.data_received(frame(b"1", PING) + frame(b"2", PING))
        assert ear.transport.frames() == [(PONG, b"1"), (PONG, b"2")]
        ear.pause_writing()
        ear.data_received(frame(b"3", PING) + frame(b"4", PING) + frame(b"hello") + frame(b"5", PING))
        assert ear.transport.frames() == []
        assert ear.heard == [b"hello"]
        ear.resume_writing()
        assert ear.transport.frames() == [(PONG, b"5")]
        ear.pause_writing()
        ear.resume_writing()
        assert ear.transport.frames() == []

    loop.run(play())


@pytest.mark.parametrize("tiny", [frame(b"", PING), frame(b"", PONG), frame(b"x")])
def test_a_flood_of_tiny_frames_leaves_others_their_turns(loop: asyncio.Runner, tiny: bytes) -> None:
    """What one read brings in can be half a second of work."""

    async def play() -> None:
        ear = Ear()
        ear.data_received(tiny * 40_000 + frame(b"last"))
        assert ear.heard[-1:] != [b"last"]
        assert not ear.transport.reads
        assert await turns_until(lambda: ear.heard[-1:] == [b"last"]) > 1
        assert ear.transport.reads
        if tiny == frame(b"x"):
            assert ear.heard == [b"x"] * 40_000 + [b"last"]

    loop.run(play())


def test_a_large_message_comes_together_whatever_its_pieces(loop: asyncio.Runner) -> None:
    async def play() -> None:
        payload = bytes(range(256)) * 4096
        pieces = [payload[start : start + 5000] for start in range(0, len(payload), 5000)]
        sent = frame(pieces[0], TEXT, fin=False)
        sent += b"".join(frame(piece, CONTINUATION, fin=False) for piece in pieces[1:-1])
        sent += frame(pieces[-1], CONTINUATION) + frame(b"next")
        for size in (len(sent), 65_536, 1000, 4):
            ear = Ear()
            for start in range(0, len(sent), size):
                ear.data_received(sent[start : start + size])
                while not ear.transport.reads:
                    await asyncio.sleep(0)
            assert ear.heard == [payload, b"next"]

    loop.run(play())


def test_pieces_of_nothing_take_no_room(loop: asyncio.Runner) -> None:
    async def play() -> None:
        ear = Ear()
        ear.data_received(frame(b"a", fin=False))
        tracemalloc.start()
        try:
            for _ in range(15):
                ear.data_received(frame(b"", CONTINUATION, fin=False) * 1000)
                while not ear.transport.reads:
                    await asyncio.sleep(0)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert held < 50_000  # 15,000 places in a list are 120,000 bytes
        ear.data_received(frame(b"b", CONTINUATION))
        assert ear.heard == [b"ab"]

    loop.run(play())


def test_a_peer_that_is_gone_is_not_read_on(loop: asyncio.Runner) -> None:
    async def play() -> None:
        ear = Ear()
        ear.data_received(frame(b"x") * 40_000)
        ear.connection_lost(None)
        heard = len(ear.heard)
        assert heard < 40_000
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(ear.heard) == heard

    loop.run(play())


@pytest.mark.parametrize("sent", [frame(b"\x03\xe8", CLOSE), frame(b"x", rsv=4), frame(b"x" * (1 << 20 | 1))])
def test_after_the_last_word_nothing_is_written_and_what_comes_is_passed_over(
    loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    """Closing at once would turn what is still coming in into a reset, which may overtake the last word."""
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.01)

    async def play() -> None:
        ear = Ear()
        ear.data_received(sent + frame(b"more"))
        await turns_until(lambda: ear.transport.reads and ear.transport.ended)
        ((opcode, _),) = ear.transport.frames()
        assert opcode == CLOSE
        ear.write(frame(b"too late"))
        ear.send_close(3001, "shutdown")
        ear.data_received(frame(b"more") * 10)
        assert ear.transport.frames() == []
        assert ear.heard == []
        assert not ear.transport.aborted
        while not ear.transport.aborted:  # the peer does not close its side
            await asyncio.sleep(0.01)

    loop.run(play())


class Surprising:
    """A verifier with a mistake in it."""

    def connection(self, token: str, now_ms: int) -> Any:
        raise ZeroDivisionError("nobody thought of this")

    subscription = connection


@pytest.mark.row("CF-52")
def test_a_mistake_of_ours_ends_one_connection_with_3004(
    loop: asyncio.Runner, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        hub = Hub(Namespaces(SX_NAMESPACES), epoch="epoch", boot="boot")
        endpoint: Endpoint[RealtimeSocket] = Endpoint(hub, Surprising(), Options(version="1"))
        realtime = RealtimeEndpoint(endpoint, RealtimeConfig())  # type: ignore[call-arg]
        transport = Transport()
        socket = realtime.accept(transport, UpgradeRequest("/", "", HEADERS), ServerState())
        transport.written = b""
        socket.data_received(frame(b'{"id":1,"connect":{"token":"x"}}'))
        while not transport.written:
            await asyncio.sleep(0)
        assert transport.frames() == [(CLOSE, (3004).to_bytes(2, "big") + b"internal server error")]
        socket.connection_lost(None)
        assert len(endpoint) == 0
        realtime.stop()

    loop.run(play())
    assert "nobody thought of this" in "".join(capsys.readouterr())


def test_a_message_is_the_same_wherever_the_network_cuts_it(loop: asyncio.Runner) -> None:
    """Whole frames are read without the library's machine, but only between its own messages."""

    async def play() -> None:
        ear = Ear()
        whole, long = frame(b"hello"), frame(b"x" * 200)
        for sent in (whole, long):
            for cut in range(1, len(sent)):
                ear.data_received(sent[:cut])
                ear.data_received(sent[cut:])
                ear.data_received(whole)
        assert ear.heard == [b"hello"] * 2 * (len(whole) - 1) + [b"x" * 200, b"hello"] * (len(long) - 1)
        ear.heard.clear()
        ear.data_received(frame(b"one ", fin=False))
        ear.data_received(frame(b"two", CONTINUATION))
        ear.data_received(frame(b""))
        ear.data_received(whole + whole + frame(b"?", PING))
        assert ear.heard == [b"one two", b"", b"hello", b"hello"]
        assert ear.transport.frames() == [(PONG, b"?")]

    loop.run(play())


@pytest.mark.parametrize(
    "sent",
    [frame(b"text", masked=False), frame(b"text", rsv=4), frame(b"one", fin=False) + frame(b"two")],
    ids=["unmasked", "compressed without agreement", "a message within a message"],
)
def test_what_is_no_frame_of_a_client_is_still_the_end(loop: asyncio.Runner, sent: bytes) -> None:
    async def play() -> None:
        ear = Ear()
        ear.data_received(sent)
        assert ear.heard == []
        ((opcode, payload),) = ear.transport.frames()
        assert (opcode, payload[:2]) == (CLOSE, b"\x03\xea")

    loop.run(play())


def test_a_message_within_a_message_is_refused_also_when_it_comes_by_itself(loop: asyncio.Runner) -> None:
    async def play() -> None:
        ear = Ear()
        ear.data_received(frame(b"one", fin=False))
        ear.data_received(frame(b"two"))
        assert ear.heard == []
        assert ear.transport.frames()[0][0] == CLOSE

    loop.run(play())
