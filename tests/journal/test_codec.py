"""Records to bytes and back, exactly; and what was written once can be read for ever."""

from __future__ import annotations

import msgspec
import pytest
from tests.journal.history import records

from overround.engine.commands import CancelAll, PlaceOrders
from overround.journal.codec import SCHEMA_VERSION, decode_record, encode_record

# As written by the first version. A change that cannot read these must raise SCHEMA_VERSION.
RECORDS_OF_SCHEMA_1 = (
    (
        b'{"seq":9,"time_ms":1790000000009,"epoch":1,"command_id":"id-9","command":{"command":"CancelAll",'
        b'"maker":"QkJCQkJCQkJCQkJCQkJCQkJCQkI=","digest":"ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGQ=",'
        b'"timestamp_s":1790000000},"events":[]}'
    ),
)


def test_every_record_comes_back() -> None:
    for record in records(60):
        assert decode_record(encode_record(record)) == record


def test_the_same_record_is_always_the_same_bytes() -> None:
    assert list(map(encode_record, records(60))) == list(map(encode_record, records(60)))


def test_a_person_can_read_it() -> None:
    payload = encode_record(records(8)[7])
    assert payload.startswith(b'{"seq":8,"time_ms":1790000000008,"epoch":1,"command_id":"id-8","command":{"command":')
    assert isinstance(decode_record(payload).command, PlaceOrders)


@pytest.mark.parametrize("payload", RECORDS_OF_SCHEMA_1)
def test_what_the_first_version_wrote_can_be_read(payload: bytes) -> None:
    assert SCHEMA_VERSION == 1
    record = decode_record(payload)
    assert isinstance(record.command, CancelAll)
    assert encode_record(record) == payload


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"null", b'{"seq":1}', encode_record(records(1)[0]).replace(b"ConfigureVenue", b"DoWhatever")],
)
def test_what_is_no_record_is_refused(payload: bytes) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_record(payload)
