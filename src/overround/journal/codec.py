"""Records to bytes and back, as JSON: exact for integers of any width, and readable with any tool."""

from __future__ import annotations

from typing import Final

import msgspec

from overround.engine.record import Record

SCHEMA_VERSION: Final = 1  # raised when old payloads can no longer be read

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Record)


def encode_record(record: Record) -> bytes:
    """The payload of a record."""
    return _encoder.encode(record)


def decode_record(payload: bytes) -> Record:
    """The record of a payload; raises msgspec.MsgspecError if it is none."""
    return _decoder.decode(payload)
