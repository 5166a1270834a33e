"""Many connections: slow readers, ends, the operator's hand, and both framings side by side."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from tests.protocols.centrifugo.world import EPOCH, MARKET, OPEN, START_MS, Peer, World, token

from overround.protocols.centrifugo import (
    DISCONNECTS,
    FORCE_RECONNECT,
    INVALID_TOKEN,
    STATE_INVALIDATED,
    WRITE_ERROR,
)
from overround.realtime import Limits

KIB = 1024
MIB = 1024 * KIB


def stuck(peer: Peer, buffered_bytes: int = 64 * KIB) -> int | None:
    """A turn in which the peer's transport takes nothing; returns the code of its end."""
    assert peer.connection in peer.world.endpoint.ready()
    peer.world.endpoint.held(peer.connection, buffered_bytes, peer.world.now_ms)
    return peer.closed


def fill(world: World, size: int) -> None:
    """Publish so many bytes."""
    while size > 0:
        world.publish(data="x" * (min(size, 200 * KIB)))
        size -= 200 * KIB


# -- slow readers (decisions R3) -----------------------------------------------------------------------


@pytest.mark.row("CF-49", "WS-30")
def test_more_than_1_mib_for_longer_than_5_seconds_is_slow_and_recovers_later(world: World) -> None:
    slow, other = world.connected("slow"), world.connected("other")
    for peer in (slow, other):
        peer.subscribe()
    fill(world, MIB)
    assert stuck(slow) is None
    assert world.endpoint.next_deadline() == world.now_ms + 1000
    for _ in range(5):
        world.wind(1000)
        assert stuck(slow) is None  # 5 s is not longer than 5 s
    world.wind(1000)
    assert stuck(slow) == 3008
    assert slow.read() == []  # not flushed
    assert other.closed is None
    assert len(other.pubs()) == 6
    again = world.connected("slow")
    result = again.subscribe(recover=True, epoch=EPOCH, offset=5)
    assert [pub["offset"] for pub in result["publications"]] == [6]


@pytest.mark.row("CF-49")
def test_less_than_that_is_waited_for(world: World) -> None:
    peer = world.connected().attend()
    peer.subscribe()
    fill(world, MIB)
    assert stuck(peer) is None
    world.wind(4_000)
    assert stuck(peer) is None
    assert len(peer.pubs()) == 6  # it read
    world.wind(2_000)
    fill(world, MIB)
    assert stuck(peer) is None
    world.wind(5_000)
    assert stuck(peer) is None


@pytest.mark.row("CF-49")
def test_more_than_16_mib_at_once_is_slow(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    fill(world, 16 * MIB - 300 * KIB)
    assert stuck(peer) is None
    fill(world, 400 * KIB)
    assert stuck(peer) == 3008


def test_what_the_transport_holds_counts_too(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    world.publish(data=[1])
    assert stuck(peer, 16 * MIB) == 3008


@pytest.mark.row("CF-50")
def test_one_large_reply_on_an_empty_queue_survives(world: World) -> None:
    for _ in range(3):
        world.publish(data="x" * (250 * KIB))
    peer = world.connected()
    peer.send({"id": 5, "subscribe": {"channel": MARKET, "recover": True, "epoch": EPOCH}})
    assert stuck(peer) is None
    world.wind(5_500)
    (reply,) = peer.read()
    assert len(reply["subscribe"]["publications"]) == 3
    assert peer.closed is None


def test_replies_that_nobody_reads_are_bounded(framing: str) -> None:
    limits = Limits(queue_bytes_hard=20_000, replies_bytes_max=100_000)
    world = World(framing=framing, limits=limits, commands_per_s=0)
    peer, other = world.connected("greedy"), world.connected("other")
    for number in range(10):
        world.publish(data=["x" * 900, number])
    commands: list[dict[str, Any]] = [
        {"id": number + 2, "history": {"channel": MARKET, "limit": -1}} for number in range(50)
    ]
    peer.send(*commands)
    assert (peer.read(), peer.closed, other.closed) == ([], 3008, None)


def test_a_thousand_readers_that_stopped_share_what_they_do_not_read() -> None:
    world = World()
    peers = [world.connected(f"u{number}") for number in range(1000)]
    for peer in peers:
        peer.subscribe()
    tracemalloc.start()
    fill(world, 10 * MIB)
    for connection in world.endpoint.ready():
        world.endpoint.held(connection, 64 * KIB, world.now_ms)
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert {peer.closed for peer in peers} == {None}
    assert used < 40 * MIB  # instead of 10 GiB


def test_a_large_queue_is_handed_over_in_pieces_and_a_ping_slips_between(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    fill(world, 3 * MIB)
    pieces = [peer.connection.output()]
    world.wind(12_500)
    while piece := peer.connection.output():
        pieces.append(piece)
    assert len(pieces) == 16
    assert all(len(piece) <= 256 * KIB for piece in pieces)
    assert pieces[1].startswith(peer.connection.codec.ping)


# -- ends ----------------------------------------------------------------------------------------------


def test_a_revoked_key_ends_its_connections_and_no_others(world: World) -> None:
    mine, also_mine, other = world.connected("u1"), world.connected("u1"), world.connected("u2")
    mine.subscribe()
    world.endpoint.ready()
    world.publish(data=[1])
    assert world.endpoint.disconnect("u1", INVALID_TOKEN) == 2
    assert [peer.closed for peer in (mine, also_mine, other)] == [3500, 3500, None]
    assert [set(message["push"]) for message in mine.read()] == [{"channel", "pub"}]  # flushed
    world.publish(data=[2])
    assert mine.read() == []
    assert {one.owner for one in world.endpoint.ready()} == {mine, also_mine}
    assert world.endpoint.disconnect("u1", INVALID_TOKEN) == 0


@pytest.mark.row("CF-52")
def test_every_code_can_end_a_connection_and_the_first_one_stands(world: World) -> None:
    for end in (*DISCONNECTS.values(), FORCE_RECONNECT, STATE_INVALIDATED):
        peer = world.connected("u1")
        world.endpoint.disconnect("u1", end)
        peer.connection.end(WRITE_ERROR)
        assert peer.connection.ended is end
        assert peer.connection.next_deadline() is None


def test_shutdown_is_spread(world: World) -> None:
    peers = [world.connected(f"u{number}") for number in range(5)] + [world.peer()]
    assert [world.endpoint.shutdown(4), world.endpoint.shutdown(4), world.endpoint.shutdown(4)] == [
        2,
        0,
        0,
    ]
    assert {peer.closed for peer in peers} == {3001}


def test_nothing_is_left_of_a_socket_that_is_gone(world: World) -> None:
    peers = [world.connected(f"u{number}") for number in range(20)]
    for peer in peers:
        peer.subscribe()
        peer.subscribe("plain:a")
        world.endpoint.closed(peer.connection)
    assert len(world.endpoint) == 0
    assert world.endpoint.ready() == []
    world.wind(100_000)
    assert world.endpoint.next_deadline() is None
    assert world.hub.presence_stats(MARKET) == (0, 0)
    world.publish(data=[1])
    world.publish("plain:a", [1])
    assert world.endpoint.ready() == []


# -- timers --------------------------------------------------------------------------------------------


def test_each_connection_is_named_once_a_turn(world: World) -> None:
    peers = [world.connected(f"u{number}") for number in range(3)]
    for peer in peers:
        peer.subscribe()
        peer.subscribe("plain:a")
        peer.read()
    world.endpoint.ready()
    assert world.endpoint.ready() == []
    world.publish(data=[1])
    world.publish("plain:a", [1])
    peers[0].send({"id": 9, "unsubscribe": {"channel": "plain:a"}})
    assert sorted(one.client for one in world.endpoint.ready()) == sorted(p.client for p in peers)


def test_timers_fire_once_and_in_time_for_many_connections(framing: str) -> None:
    world = World(framing=framing)
    jitters = [number / 50 for number in range(50)]
    pings: dict[str, list[int]] = {}
    peers = [world.peer(jitter=jitter) for jitter in jitters]
    for peer in peers:
        peer.connect(token=token(sub="u1"))
    for _ in range(100):
        world.wind(1_000)
        for peer in peers:
            for _ in (message for message in peer.read() if message == {}):
                pings.setdefault(peer.client, []).append(world.now_ms - START_MS)
                peer.pong()
    for peer, jitter in zip(peers, jitters, strict=True):
        first = 12_500 + round(12_500 * jitter)
        expected = [-(-(first + 25_000 * number) // 1000) * 1000 for number in range(4)]
        assert pings[peer.client] == [at for at in expected if at <= 100_000]


# -- the operator's hand ---------------------------------------------------------------------------------


def test_a_message_outside_any_channel(world: World) -> None:
    peer, other = world.connected("u1"), world.connected("u2")
    assert world.endpoint.message("u1", b'{"hello":1}') == 1
    assert peer.read() == [{"push": {"message": {"data": {"hello": 1}}}}]
    assert other.read() == []


def test_the_operator_moves_the_end_of_a_connection(world: World) -> None:
    peer = world.connected().attend()
    assert world.endpoint.refresh("u1", START_MS + 10_000, START_MS) == 1
    assert peer.read() == [{"push": {"refresh": {"expires": True, "ttl": 10}}}]
    world.wind(34_999)
    assert world.endpoint.refresh("u1", None, START_MS) == 1
    assert peer.read() == [{"push": {"refresh": {}}}]
    world.wind(10_000_000)
    assert peer.closed is None


# -- parity --------------------------------------------------------------------------------------------


@pytest.mark.row("CF-53")
def test_both_framings_tell_the_same_story() -> None:
    """One transcript of everything a connection can be told, in both framings."""
    assert transcript("json") == transcript("protobuf")


def transcript(framing: str) -> list[Any]:
    told: list[Any] = []
    for world in (World(framing=framing), World(OPEN, framing=framing, personal_channel=True)):
        peer = world.peer()
        channel = MARKET if world.hub.namespaces.without_namespace is None else "room"
        commands = [
            ("connect", {"token": token(sub="u1", info={"a": 1})}),
            ("subscribe", {"channel": channel, "join_leave": True}),
            ("subscribe", {"channel": channel}),
            ("subscribe", {"channel": "nowhere:a"}),
            ("publish", {"channel": channel, "data": {"text": "hi"}}),
            ("presence", {"channel": channel}),
            ("history", {"channel": channel, "limit": 10, "reverse": True}),
            ("rpc", {"method": "m", "data": 1}),
            ("refresh", {"token": token(sub="u1", exp=START_MS // 1000 + 9)}),
            ("sub_refresh", {"channel": channel, "token": token(sub="u1", channel=channel)}),
            ("unsubscribe", {"channel": channel}),
            ("subscribe", {"channel": channel, "recover": True, "epoch": "", "offset": 0}),
        ]
        for number, (key, request) in enumerate(commands, start=1):
            peer.send({"id": number, key: request})
            world.publish(channel, [number], message_id=f"m{number}")
            told += peer.read()
        world.publish(channel, [0], delivered=False)
        world.endpoint.message("u1", b"[1]")
        world.wind(20_500)
        told += [*peer.read(), peer.closed]
    return told
