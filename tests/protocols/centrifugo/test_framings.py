"""Both framings against other implementations, and their decoders against everything else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw, Struct
from tests.protocols.centrifugo import samples
from tests.protocols.centrifugo.world import OPEN, World, decode, encode

from overround.protocols.centrifugo import (
    DISCONNECTS,
    ERRORS,
    UNSUBSCRIBES,
    Codec,
    JsonFraming,
    Malformed,
    ProtobufFraming,
    wire,
)
from overround.realtime import ClientInfo, Publication

CODECS: dict[str, Codec] = {"json": JsonFraming(), "protobuf": ProtobufFraming()}
OPCODES = {"json": 1, "protobuf": 2}


def read(framing: str, wrapped: bytes) -> dict[str, Any]:
    """What a client makes of one object."""
    return decode(framing, OPCODES[framing], wrapped)


def without_zeros(value: Any) -> Any:
    """A message without what stands for nothing, in which the framings differ."""
    if isinstance(value, Mapping):
        kept = {key: without_zeros(part) for key, part in value.items()}
        return {key: part for key, part in kept.items() if part not in (0, "", None, {}, [])}
    return [without_zeros(part) for part in value] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """A record of ours as the dictionary it was made from."""
    if isinstance(value, Raw):
        piece = bytes(value)
        return json.loads(piece) if piece else None
    if isinstance(value, Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return value


# -- there and back ------------------------------------------------------------------------------------


@given(st.lists(samples.commands, min_size=1, max_size=4))
@pytest.mark.parametrize("framing", CODECS)
def test_commands_are_read_as_they_were_meant(framing: str, commands: list[dict[str, Any]]) -> None:
    read_back = list(CODECS[framing].commands(encode(framing, *commands)))
    assert [without_zeros(plain(one)) for one in read_back] == [without_zeros(one) for one in commands]
    for one, command in zip(read_back, commands, strict=True):
        keys = [key for key in command if key != "id"]
        chosen = one.request()
        assert (chosen[0] if chosen else None) == (keys[0] if keys else None)


@given(st.integers(1, 2**32 - 1), samples.replies)
@pytest.mark.parametrize("framing", CODECS)
def test_results_are_read_as_they_were_meant(framing: str, command_id: int, reply: tuple[str, wire.Result]) -> None:
    key, result = reply
    said = read(framing, CODECS[framing].reply(command_id, key, result))
    assert set(said) == {"id", key}
    assert said["id"] == command_id
    assert without_zeros(said[key]) == without_zeros(plain(result))


@given(samples.names, samples.publications, samples.words)
@pytest.mark.parametrize("framing", CODECS)
def test_publications_are_read_as_they_were_meant(
    framing: str, channel: str, publication: Publication, epoch: str
) -> None:
    codec = CODECS[framing]
    meant = {
        "data": json.loads(publication.data),
        "offset": publication.offset,
        "tags": {"messageId": publication.message_id},
        "info": _info(publication.info),
        "epoch": epoch if publication.offset == 1 else "",
    }
    push = read(framing, codec.publication(channel, publication, epoch))["push"]
    assert push["channel"] == channel
    assert without_zeros(push["pub"]) == without_zeros(meant)
    result = wire.SubscribeResult(publications=[Raw(codec.body(publication, epoch))] * 2)
    said = read(framing, codec.reply(1, "subscribe", result))
    assert said["subscribe"]["publications"] == [push["pub"]] * 2


@given(samples.names, samples.infos)
@pytest.mark.parametrize("framing", CODECS)
def test_joins_and_leaves_are_read_as_they_were_meant(framing: str, channel: str, info: ClientInfo) -> None:
    codec = CODECS[framing]
    for key, frame in (("join", codec.join(channel, info)), ("leave", codec.leave(channel, info))):
        push = read(framing, frame)["push"]
        assert set(push) == {"channel", key}
        assert without_zeros(push[key].get("info")) == without_zeros(_info(info))


def _info(info: ClientInfo | None) -> dict[str, Any] | None:
    if info is None:
        return None
    return {
        "user": info.user,
        "client": info.client,
        "conn_info": json.loads(info.conn_info or b"null"),
        "chan_info": json.loads(info.chan_info or b"null"),
    }


@pytest.mark.parametrize("framing", CODECS)
def test_errors_and_unsubscribes(framing: str) -> None:
    codec = CODECS[framing]
    for error in ERRORS.values():
        told = {"code": error.code, "message": error.message}
        told |= {"temporary": True} if error.temporary else {}
        assert read(framing, codec.error(7, error)) == {"id": 7, "error": told}
    for why in UNSUBSCRIBES.values():
        push = read(framing, codec.unsubscribe("a", why))["push"]
        assert push == {"channel": "a", "unsubscribe": {"code": why.code, "reason": why.reason}}


@pytest.mark.parametrize("framing", CODECS)
def test_a_ping_is_the_empty_object(framing: str) -> None:
    assert read(framing, CODECS[framing].ping) == {}
    assert list(CODECS[framing].commands(CODECS[framing].ping)) == [wire.Command()]


def test_the_examples_of_the_specification() -> None:
    assert ProtobufFraming().reply(1, "unsubscribe", wire.UnsubscribeResult()) == b"\x04\x08\x01\x3a\x00"
    assert JsonFraming().reply(7, "unsubscribe", wire.UnsubscribeResult()) == b'{"id":7,"unsubscribe":{}}'


def test_protobuf_skips_what_it_does_not_know() -> None:
    """Fields of every wire type that are not ours, before and after one that is."""
    unknown = b"\xf8\x07\xff\x01" + b"\xf9\x07" + b"8bytes!!" + b"\xfa\x07\x02ab" + b"\xfd\x074byt"
    record = unknown + b"\x08\x07" + unknown
    (command,) = ProtobufFraming().commands(bytes([len(record)]) + record)
    assert command == wire.Command(id=7)


# -- whatever else comes in --------------------------------------------------------------------------------


def damaged(framing: str) -> st.SearchStrategy[bytes]:
    """Messages that were good once: cut, repeated, with bytes changed or put in."""

    @st.composite
    def strategy(draw: st.DrawFn) -> bytes:
        given = draw(st.lists(samples.commands, min_size=1, max_size=3))
        message = bytearray(encode(framing, *given))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, max(0, len(message) - 1)))
            piece = draw(st.binary(max_size=3))
            message[at : at + draw(st.integers(0, 3))] = piece
        return bytes(message)

    return strategy()


@settings(max_examples=300)
@given(st.data())
@pytest.mark.parametrize("framing", CODECS)
def test_decoders_raise_nothing_but_malformed(framing: str, data: st.DataObject) -> None:
    message = data.draw(st.one_of(st.binary(max_size=200), damaged(framing)))
    try:
        commands = list(CODECS[framing].commands(message))
    except Malformed:
        return
    assert all(isinstance(command, wire.Command) for command in commands)


@settings(max_examples=150)
@given(st.data())
@pytest.mark.parametrize("framing", CODECS)
def test_connections_answer_anything_with_documented_codes(framing: str, data: st.DataObject) -> None:
    """And whatever a peer does, another one still gets its publications."""
    world = World(OPEN, framing=framing, insecure=True)
    witness, peer = world.connected("witness").attend(), world.peer()
    witness.subscribe("smallhistory:w")
    if data.draw(st.booleans()):
        peer.connect()
    for message in data.draw(st.lists(st.one_of(st.binary(max_size=60), damaged(framing)), max_size=4)):
        peer.raw(message)
        world.wind(data.draw(st.sampled_from([0, 1, 6_000])))
    for reply in peer.read():
        if "error" in reply:
            assert ERRORS[reply["error"]["code"]].message == reply["error"]["message"]
    if peer.connection.ended is not None:
        assert peer.connection.ended in DISCONNECTS.values()
    witness.read()
    world.publish("smallhistory:w", [1])
    assert (len(witness.pubs()), witness.closed) == (1, None)


def test_a_frame_of_many_small_commands_costs_no_more_than_the_burst() -> None:
    world = World(commands_burst=100)
    peer = world.connected()
    peer.raw(b"\n".join([b'{"id":9,"rpc":{}}'] * 50_000))
    assert (len(peer.read()), peer.closed) == (99, 3013)


def test_records_are_typed() -> None:
    """Every request and every result is in the tables of both framings."""
    keys = {field.name for field in msgspec.structs.fields(wire.Command)} - {"id"}
    assert keys == set(samples.requests)
    assert keys - {"ping", "send"} == set(samples.results)
