"""What a peer sends is read as the protocol's own machine would read it, however it comes in pieces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from overround.server.websocket import PORTION_BYTES, UpgradeRequest, WebSocket

MESSAGE_BYTES_MAX = 70_000
SIZES = [
    0,
    1,
    2,
    5,
    124,
    125,
    126,
    127,
    520,
    PORTION_BYTES - 1,
    PORTION_BYTES,
    PORTION_BYTES + 1,
    5_000,
    65_535,
    65_536,
]
HEADERS = [
    (b"host", b"here"),
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    (b"sec-websocket-version", b"13"),
]


class Peer:
    """The other end of the socket: takes whatever is written."""

    def __init__(self) -> None:
        self.written = b""

    def write(self, data: bytes) -> None:
        self.written += data

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class State:
    """What a server knows of its connections."""

    def __init__(self) -> None:
        self.connections: set[object] = set()


class Heard(WebSocket):
    """Notes the messages."""

    def __init__(self) -> None:
        super().__init__(State(), message_bytes_max=MESSAGE_BYTES_MAX)  # type: ignore[arg-type]
        self.messages: list[tuple[bytes, bool]] = []

    def message(self, payload: bytes, is_text: bool) -> None:
        self.messages.append((payload, is_text))


def opened() -> tuple[Heard, Peer]:
    socket, peer = Heard(), Peer()
    socket.accept(peer, UpgradeRequest("/", "", HEADERS), None)
    assert peer.written.startswith(b"HTTP/1.1 101")
    peer.written = b""
    return socket, peer


async def hear(socket: Heard, pieces: list[bytes]) -> None:
    for piece in pieces:
        socket.data_received(piece)
        while socket._reads_on:
            await asyncio.sleep(0)


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[bytes, bool]], int]:
    """Bytes of a peer, the messages in them, and how many pings."""
    data, messages, pings = b"", [], 0
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["text", "text", "text", "binary", "ping", "fragments"]))
        payload = b"x" * draw(st.sampled_from(SIZES))
        if kind == "ping":
            data += frame(Opcode.PING, payload[:125])
            pings += 1
        elif kind == "fragments":
            cut = draw(st.integers(0, len(payload)))
            data += frame(Opcode.TEXT, payload[:cut], fin=False)
            if draw(st.booleans()):
                data += frame(Opcode.PING, b"in between")
                pings += 1
            data += frame(Opcode.CONT, payload[cut:])
            messages.append((payload, True))
        else:
            data += frame(Opcode.TEXT if kind == "text" else Opcode.BINARY, payload)
            messages.append((payload, kind == "text"))
    return data, messages, pings


@given(streams(), st.lists(st.integers(1, 200_000), max_size=12))
def test_messages_are_the_same_however_they_are_cut(
    stream: tuple[bytes, list[tuple[bytes, bool]], int], cuts: list[int]
) -> None:
    data, messages, pings = stream
    ends = sorted({min(cut, len(data)) for cut in cuts} | {len(data)})
    pieces = [data[begin:end] for begin, end in zip([0, *ends], ends, strict=False) if end > begin]

    async def main() -> None:
        socket, peer = opened()
        await hear(socket, pieces)
        assert socket.messages == messages
        assert peer.written.count(b"\x8a") >= pings  # every ping has its pong

    asyncio.run(main())


@pytest.mark.parametrize("pieces", [1, 7])
def test_a_message_beyond_the_bound_ends_the_connection_and_is_not_heard(pieces: int) -> None:
    data = (
        frame(Opcode.TEXT, b"fits") + frame(Opcode.TEXT, b"x" * (MESSAGE_BYTES_MAX + 1)) + frame(Opcode.TEXT, b"late")
    )

    async def main() -> None:
        socket, peer = opened()
        step = -(-len(data) // pieces)
        await hear(socket, [data[at : at + step] for at in range(0, len(data), step)])
        assert socket.messages == [(b"fits", True)]
        assert b"\x88" in peer.written
        assert (1009).to_bytes(2, "big") in peer.written

    asyncio.run(main())


def test_frames_without_a_mask_are_refused() -> None:
    async def main() -> None:
        for payload in (b"", b"short", b"x" * 200):
            socket, peer = opened()
            await hear(socket, [Frame(Opcode.TEXT, payload).serialize(mask=False)])
            assert socket.messages == []
            assert (1002).to_bytes(2, "big") in peer.written

    asyncio.run(main())
