"""WebSocket frames, read back by another implementation."""

from collections.abc import Generator

import pytest
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader

from overround.protocols.centrifugo import binary_frame, close_frame, text_frame
from overround.realtime import Disconnect


def parsed(frame: bytes) -> Frame:
    """What a client makes of it."""
    reader = StreamReader()
    reader.feed_data(frame)
    reader.feed_eof()
    found: list[Frame] = []

    def parse() -> Generator[None, None, None]:
        found.append((yield from Frame.parse(reader.read_exact, mask=False)))

    for _ in parse():
        pass
    assert reader.buffer == b""
    return found[0]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 1_048_576])
def test_messages_of_every_size_class(size: int) -> None:
    payload = b"x" * size
    assert parsed(text_frame(payload)) == Frame(Opcode.TEXT, payload)
    assert parsed(binary_frame(payload)) == Frame(Opcode.BINARY, payload)


def test_a_close_frame() -> None:
    frame = parsed(close_frame(Disconnect(3012, "no pong")))
    assert frame.opcode is Opcode.CLOSE
    assert Close.parse(bytes(frame.data)) == Close(3012, "no pong")


def test_a_reason_that_no_close_frame_holds_is_a_mistake_of_ours() -> None:
    assert close_frame(Disconnect(4000, "x" * 122))
    with pytest.raises(ValueError, match="123 bytes"):
        close_frame(Disconnect(4000, "x" * 123))
