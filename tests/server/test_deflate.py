"""Compression of answers and of messages."""

from __future__ import annotations

import gzip
import zlib

import pytest
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from overround.server.deflate import MESSAGE_BYTES_MIN, Message, coding, encoded, message_frame


def read(frame: bytes) -> bytes:
    """What a client that agreed on compression reads."""
    stream = StreamReader()
    stream.feed_data(frame)
    extension = PerMessageDeflate(True, True, 15, 15)
    parsing = Frame.parse(stream.read_exact, mask=False, extensions=[extension])
    with pytest.raises(StopIteration) as end:
        next(parsing)
    read: Frame = end.value.value
    assert read.opcode is Opcode.TEXT
    return bytes(read.data)


@pytest.mark.row("W-03")
@pytest.mark.parametrize("size", [0, 1, 125, 126, MESSAGE_BYTES_MIN - 1, MESSAGE_BYTES_MIN, 65_535, 65_536, 300_000])
def test_a_message_reads_the_same_compressed_or_not(size: int) -> None:
    payload = (b'{"type":"trade"}' * (size // 16 + 1))[:size]
    message = Message(payload)
    plain, deflated = message.frame(deflated=False), message.frame(deflated=True)
    assert read(plain) == read(deflated) == payload
    assert (deflated == plain) is (size < MESSAGE_BYTES_MIN)
    assert message.frame(deflated=True) is deflated
    assert message_frame(payload, deflated=True) == deflated
    assert message_frame(payload, deflated=False) == plain


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("gzip", "gzip"),
        ("gzip, compress, deflate, br", "gzip"),
        ("gzip, br, deflate", "gzip"),
        ("deflate", "deflate"),
        ("br", None),
        ("br, deflate;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip; q=0.000", None),
        ("GZIP;q=1.0", "gzip"),
        ("*", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0, *", "deflate"),
    ],
)
def test_what_the_client_accepts(accepted: str | None, chosen: str | None) -> None:
    assert coding(accepted) == chosen


def test_both_codings_are_read_by_others() -> None:
    body = b"body " * 1000
    assert gzip.decompress(encoded(body, "gzip")) == body
    assert zlib.decompress(encoded(body, "deflate")) == body
    assert len(encoded(body, "gzip")) < 100
