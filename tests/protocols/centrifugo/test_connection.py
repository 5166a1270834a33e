"""Connect, refresh, dispatch and timers, in both framings."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from tests.protocols.centrifugo.world import OPEN, SECRET, START_MS, World, encode, token

from overround.protocols.centrifugo import Hooks, Options, TokenRules

NOW_S = START_MS // 1000
SUBSCRIBE = {"id": 2, "subscribe": {"channel": "order_book:x"}}

# -- frames --------------------------------------------------------------------------------------------


@pytest.mark.row("CF-05")
def test_an_empty_frame_is_a_bad_request(world: World) -> None:
    peer = world.connected()
    peer.raw(b"")
    assert (peer.read(), peer.closed) == ([], 3501)


@pytest.mark.row("CF-06")
@pytest.mark.parametrize(
    "line",
    [
        *(b"junk", b"[]", b"1", b"null", b'""', b"\n", b"{}}", b"\0", b"\xff", b"\xef\xbb\xbf{}"),
        *(b'{"id":1', b'{"id":-1}', b'{"id":1.0}', b'{"id":4294967296}', b'{"id":"1"}'),
        *(b'{"id":1,"rpc":[]}', b'{"id":1,"x":"\xff"}', b'{"id":1,"rpc":{"method":"\\ud800"}}'),
        b'{"x":' + b"[" * 100_000,
    ],
)
def test_a_json_line_that_is_no_command_is_a_bad_request(line: bytes) -> None:
    peer = World().connected()
    peer.raw(line)
    assert (peer.read(), peer.closed) == ([], 3501)


@pytest.mark.row("CF-06")
@pytest.mark.parametrize(
    ("record", "why"),
    [
        (b"\x05\x08", "a length beyond the end"),
        (b"\x80", "cut off inside a length"),
        (b"\xff" * 11, "a length without end"),
        (b"\x02\x0b\x0c", "groups"),
        (b"\x01\x00", "field number 0"),
        (b"\x02\x0a\x00", "text where the id should be"),
        (b"\x06\x08\x80\x80\x80\x80\x10", "an id of 33 bits"),
        (b"\x05\x2a\x03\x0a\x01\xff", "a channel that is not UTF-8"),
        (b"\x02\x25\x00", "a message that is a number"),
        (b"\x03\x79\x00\x00", "eight bytes, cut off"),
        (b"\x0b\x08" + b"\xff" * 9 + b"\x02", "more than 64 bits"),
    ],
)
def test_a_protobuf_record_that_is_no_command_is_a_bad_request(record: bytes, why: str) -> None:
    peer = World(framing="protobuf").connected()
    peer.raw(record)
    assert (peer.read(), peer.closed) == ([], 3501), why


@pytest.mark.row("CF-06")
def test_what_stands_before_the_junk_is_done(world: World) -> None:
    peer = world.connected()
    junk = b"\njunk" if world.framing == "json" else b"\xff"
    peer.raw(encode(world.framing, SUBSCRIBE) + junk)
    assert [reply["id"] for reply in peer.read()] == [2]
    assert peer.closed == 3501


@pytest.mark.row("CF-07")
def test_one_trailing_newline_is_fine_and_a_second_is_not() -> None:
    peer = World().connected()
    peer.raw(b'{"id":2,"unsubscribe":{"channel":"a"}}\n')
    assert peer.read() == [{"id": 2, "unsubscribe": {}}]
    peer.raw(b'{"id":3,"unsubscribe":{"channel":"a"}}\n\n')
    assert peer.closed == 3501


@pytest.mark.row("CF-06")
def test_a_blank_line_between_commands_is_a_bad_request() -> None:
    peer = World().connected()
    peer.raw(b'{"id":2,"unsubscribe":{"channel":"a"}}\n\n{"id":3,"unsubscribe":{"channel":"a"}}')
    assert (len(peer.read()), peer.closed) == (1, 3501)


@pytest.mark.row("CF-08", "WS-02")
def test_commands_of_one_frame_are_answered_in_order_each_in_a_frame_of_its_own(world: World) -> None:
    peer = world.peer()
    peer.send({"id": 1, "connect": {"token": token(sub="u1")}}, SUBSCRIBE)
    assert [set(reply) for reply in peer.read()] == [{"id", "connect"}, {"id", "subscribe"}]


def test_nulls_and_unknown_fields_are_as_good_as_absent() -> None:
    peer = World().peer()
    peer.raw(
        b'{"id":1,"new":1,"connect":{"token":"%b","data":null,"name":null,"subs":null,"flag":8,'
        b'"headers":{"a":"b"},"dict":{"x":[1]}},"subscribe":null}' % token(sub="u").encode()
    )
    assert [reply["id"] for reply in peer.read()] == [1]
    assert peer.subscribe("order_book:x", epoch=None, recover=None, offset=None, tf=None)


def test_of_several_requests_in_one_command_the_first_in_the_order_of_the_protocol_counts(
    world: World,
) -> None:
    peer = world.connected()
    peer.send({"id": 2, "history": {"channel": "order_book:x"}, "unsubscribe": {"channel": "a"}})
    assert peer.read() == [{"id": 2, "unsubscribe": {}}]


def test_a_message_over_the_bound_ends_with_1009(framing: str) -> None:
    world = World(framing=framing, message_bytes_max=200)
    peer = world.peer()
    peer.raw(b" " * 201)
    assert peer.closed == 1009


def test_nothing_is_processed_after_the_end(world: World) -> None:
    peer = world.connected()
    peer.raw(b"")
    peer.send(SUBSCRIBE)
    assert (peer.read(), peer.closed) == ([], 3501)


# -- dispatch ------------------------------------------------------------------------------------------


@pytest.mark.row("CF-09")
def test_nothing_comes_before_connect(framing: str) -> None:
    commands: list[dict[str, Any]] = [SUBSCRIBE, {}, {"id": 1}, {"send": {}}]
    for command in [*commands, {"id": 0, "connect": {}}]:
        peer = World(framing=framing).peer()
        peer.send(command)
        assert (peer.read(), peer.closed) == ([], 3501), command


@pytest.mark.row("CF-10")
def test_a_second_connect_is_a_bad_request(world: World) -> None:
    peer = world.connected()
    peer.send({"id": 2, "connect": {"token": token(sub="u1")}})
    assert (peer.read(), peer.closed) == ([], 3501)


@pytest.mark.row("CF-11")
def test_an_unknown_request_and_a_bare_ping_are_bad_requests(framing: str) -> None:
    for command in ({"id": 2}, {"id": 2, "ping": {}}):
        peer = World(framing=framing).connected()
        peer.send(command)
        assert (peer.read(), peer.closed) == ([], 3501), command
    peer = World().connected()
    peer.raw(b'{"id":2,"teleport":{}}')
    assert peer.closed == 3501


@pytest.mark.row("CF-12")
def test_id_0_is_a_pong_whatever_else_it_says(world: World) -> None:
    peer = world.connected()
    world.wind(12_500)
    assert {} in peer.read()
    peer.send({"unsubscribe": {"channel": "a"}})  # answers the ping
    assert (peer.read(), peer.closed) == ([], None)
    peer.send({"unsubscribe": {"channel": "a"}})  # answers nothing
    assert peer.closed == 3501


@pytest.mark.parametrize(
    "key",
    ["subscribe", "unsubscribe", "publish", "presence", "presence_stats", "history", "sub_refresh"],
)
def test_a_command_without_its_channel_is_a_bad_request(world: World, key: str) -> None:
    peer = world.connected()
    peer.send({"id": 2, key: {}})
    assert (peer.read(), peer.closed) == ([], 3501)


def test_a_surprise_of_ours_ends_the_connection_with_3004_and_is_raised(framing: str) -> None:
    def fail(user: str, channel: str) -> bytes:
        raise RuntimeError("a hook that raises")

    world = World(framing=framing, hooks=Hooks(greeting=fail))
    peer = world.connected()
    with pytest.raises(RuntimeError):
        peer.send(SUBSCRIBE)
    assert peer.closed == 3004


# -- connect -------------------------------------------------------------------------------------------


@pytest.mark.row("CF-13", "WS-01")
def test_a_good_token_connects(world: World) -> None:
    peer = world.peer()
    assert peer.connect(token=token(sub="u1"), name="js", version="5", data={"a": 1}) == {
        "client": peer.client,
        "version": "1.2.3",
        "expires": True,
        "ttl": 3600,
        "ping": 25,
        "pong": True,
    }
    assert peer.connection.user == "u1"


@pytest.mark.row("CF-14", "WS-29")
@pytest.mark.parametrize("claims", [{"exp": NOW_S}, {"exp": NOW_S - 1}, {"nbf": NOW_S + 1}])
def test_an_expired_token_is_told_and_nothing_else_of_the_socket_is_processed(
    world: World, claims: dict[str, Any]
) -> None:
    peer = world.peer()
    peer.send({"id": 1, "connect": {"token": token(sub="u1", **claims)}}, SUBSCRIBE)
    assert peer.read() == [{"id": 1, "error": {"code": 109, "message": "token expired"}}]
    peer.send({"id": 3, "connect": {"token": token(sub="u1")}})
    peer.raw(b"junk")
    assert (peer.read(), peer.closed) == ([], None)
    world.wind(5_000)
    assert peer.closed == 3000  # close without a code


@pytest.mark.row("CF-15", "WS-29")
@pytest.mark.parametrize(
    "given",
    [
        "junk",
        "a.b.c",
        token(sub="u1", secret="another secret of more than thirty-two bytes"),
        jwt.encode({"sub": "u1", "exp": NOW_S + 60}, SECRET, "HS512"),
        jwt.encode({"sub": "u1", "exp": NOW_S + 60}, None, "none"),
        token(sub="u1", channel="order_book:x"),
        token(sub="u1", exp=None),
        token(sub="u1", info={"half": "\ud800"}),
        token(sub="u\ud800"),
        token(sub="u1", exp="soon"),
        token(sub=7),
        # Expired as well: the signature is judged first.
        token(sub="u1", exp=NOW_S - 1, secret="another secret of more than thirty-two bytes"),
        token(sub="u1", exp=NOW_S - 1, channel="order_book:x"),
    ],
)
def test_a_token_that_is_not_ours_ends_with_3500(world: World, given: str) -> None:
    peer = world.peer()
    peer.send({"id": 1, "connect": {"token": given}}, SUBSCRIBE)
    assert (peer.read(), peer.closed) == ([], 3500)


@pytest.mark.row("CF-16")
def test_no_token_ends_with_3501_unless_that_is_allowed(framing: str) -> None:
    peer = World(framing=framing).peer()
    peer.send({"id": 1, "connect": {}})
    assert (peer.read(), peer.closed) == ([], 3501)
    allowed: list[dict[str, Any]] = [
        {"insecure": True},
        {"allow_anonymous_connect_without_token": True},
    ]
    for options in allowed:
        world = World(framing=framing, **options)
        assert world.peer().connect() == {
            "client": "client-1",
            "version": "1.2.3",
            "ping": 25,
            "pong": True,
        }


def test_a_token_without_a_user_ends_with_3507_unless_that_is_allowed(framing: str) -> None:
    for claims in ({"sub": ""}, {}):
        peer = World(framing=framing).peer()
        peer.send({"id": 1, "connect": {"token": token(**claims)}})
        assert (peer.read(), peer.closed) == ([], 3507)
    assert World(framing=framing, allow_anonymous_tokens=True).peer().connect(token=token())


@pytest.mark.row("CF-17")
def test_the_life_of_a_token_is_announced_in_whole_seconds(framing: str) -> None:
    given: list[tuple[dict[str, Any], int]] = [
        ({"exp": NOW_S + 1}, 1),
        ({"exp": NOW_S + 90}, 90),
        ({"exp": NOW_S + 90, "expire_at": NOW_S + 7}, 7),
    ]
    for claims, ttl in given:
        result = World(framing=framing).peer().connect(token=token(sub="u", **claims))
        assert (result["expires"], result["ttl"]) == (True, ttl)
    result = World(framing=framing).peer().connect(token=token(sub="u", expire_at=0))
    assert not {"expires", "ttl"} & set(result)
    loose = World(framing=framing, rules=TokenRules(expiry_required=False))
    assert "ttl" not in loose.peer().connect(token=token(sub="u", exp=None))


def test_a_user_has_no_more_connections_than_allowed(framing: str) -> None:
    world = World(framing=framing, connections_per_user_max=2)
    first, _ = world.connected("u1"), world.connected("u1")
    third = world.peer()
    third.send({"id": 1, "connect": {"token": token(sub="u1")}})
    assert (third.read(), third.closed) == ([], 3504)
    world.connected("u2")
    world.endpoint.closed(first.connection)
    world.connected("u1")


@pytest.mark.row("CF-22")
def test_who_does_not_connect_in_time_is_stale(world: World) -> None:
    silent, connected = world.peer(), world.connected()
    world.wind(9_999)
    assert [silent.closed, connected.closed] == [None, None]
    world.wind(1)
    assert [silent.closed, connected.closed] == [3502, None]


# -- server-side subscriptions -------------------------------------------------------------------------


def test_a_token_can_carry_channels(world: World) -> None:
    world.publish("order_book:a", [1])
    peer = world.peer()
    result = peer.connect(
        token=token(
            sub="u1",
            channels=["order_book:a", "plain:b"],
            subs={"plain:b": {"data": {"hi": 1}}, "plain:c": {"b64data": "WzFd"}},
        )
    )
    assert result["subs"] == {
        "order_book:a": {
            "recoverable": True,
            "epoch": "venueepoch",
            "offset": 1,
            "positioned": True,
        },
        "plain:b": {"data": {"hi": 1}},
        "plain:c": {"data": [1]},
    }
    world.publish("order_book:a", [2])
    assert [pub["offset"] for pub in peer.pubs()] == [2]
    assert peer.refused("subscribe", channel="plain:b") == 105


def test_a_server_side_subscription_recovers_at_connect(world: World) -> None:
    for number in range(4):
        world.publish("order_book:a", [number])
    peer = world.peer()
    result = peer.connect(
        token=token(sub="u1", channels=["order_book:a"]),
        subs={"order_book:a": {"recover": True, "epoch": "venueepoch", "offset": 2}},
    )
    subscription = result["subs"]["order_book:a"]
    assert [pub["offset"] for pub in subscription["publications"]] == [3, 4]
    assert (subscription["recovered"], subscription["was_recovering"]) == (True, True)
    # It cannot be refused; a bit that asks for that counts for nothing.
    other = world.peer().connect(
        token=token(sub="u1", channels=["order_book:a"]),
        subs={"order_book:a": {"recover": True, "epoch": "other", "flag": 2}},
    )["subs"]["order_book:a"]
    assert (other.get("recovered"), other["was_recovering"]) == (None, True)


def test_unknown_and_too_many_server_side_channels_are_refused(world: World) -> None:
    peer = world.peer()
    peer.send({"id": 1, "connect": {"token": token(sub="u1", channels=["nowhere:a"])}})
    assert peer.read() == [{"id": 1, "error": {"code": 102, "message": "unknown channel"}}]
    peer = world.peer()
    many = [f"plain:{number}" for number in range(513)]
    peer.send({"id": 1, "connect": {"token": token(sub="u1", channels=many)}})
    assert (peer.read(), peer.closed) == ([], 3505)


def test_the_personal_channel_is_subscribed_by_the_server(framing: str) -> None:
    world = World(OPEN, framing=framing, personal_channel=True)
    peer = world.peer()
    peer.send({"id": 1, "connect": {"token": token(sub="42")}})
    reply, joined = peer.read()  # its own coming is pushed to it as well, after the reply
    assert reply["connect"]["subs"] == {"#42": {"recoverable": True, "epoch": "boot", "positioned": True}}
    assert joined["push"]["join"]["info"] == {"user": "42", "client": peer.client}
    world.publish("#42", {"for": "you"})
    assert [pub["data"] for pub in peer.pubs()] == [{"for": "you"}]
    anonymous = World(OPEN, framing=framing, personal_channel=True, insecure=True).peer()
    assert "subs" not in anonymous.connect()
    named = World(OPEN, framing=framing, personal_channel=True, personal_namespace="smallhistory")
    assert list(named.peer().connect(token=token(sub="42"))["subs"]) == ["smallhistory:#42"]


# -- refresh -------------------------------------------------------------------------------------------


@pytest.mark.row("CF-18", "WS-01")
def test_a_refresh_moves_the_end(world: World) -> None:
    peer = world.connected(exp=NOW_S + 10).attend()
    fresh = token(sub="u1", exp=NOW_S + 100)
    assert peer.ask("refresh", token=fresh)["refresh"] == {
        "client": peer.client,
        "version": "1.2.3",
        "expires": True,
        "ttl": 100,
    }
    world.wind(100_000 + 24_999)
    assert peer.closed is None
    world.wind(1)
    assert peer.closed == 3005


@pytest.mark.row("CF-18")
def test_a_refresh_without_expiry_lets_the_connection_live_for_ever(framing: str) -> None:
    world = World(framing=framing, rules=TokenRules(expiry_required=False))
    peer = world.connected(exp=NOW_S + 10)
    assert peer.ask("refresh", token=token(sub="u1", exp=None))["refresh"] == {}
    peer.attend()
    world.wind(1_000_000)
    assert peer.closed is None


@pytest.mark.row("CF-19")
def test_a_refresh_with_an_expired_token_ends_with_3005(world: World) -> None:
    peer = world.connected()
    peer.send({"id": 2, "refresh": {"token": token(sub="u1", exp=NOW_S - 1)}})
    assert (peer.read(), peer.closed) == ([], 3005)


@pytest.mark.row("CF-20")
def test_a_refresh_that_is_invalid_or_for_another_user_ends_with_3500(world: World) -> None:
    for given in (token(sub="u2"), token(), "junk"):
        peer = world.connected()
        peer.send({"id": 2, "refresh": {"token": given}})
        assert (peer.read(), peer.closed) == ([], 3500)


def test_a_refresh_without_a_token_is_a_bad_request(world: World) -> None:
    peer = world.connected()
    peer.send({"id": 2, "refresh": {}})
    assert peer.closed == 3501


@pytest.mark.row("CF-21")
def test_who_does_not_refresh_is_closed_after_the_grace(world: World) -> None:
    peer = world.connected(exp=NOW_S + 10).attend()
    world.wind(10_000 + 24_999)
    assert peer.closed is None
    world.wind(1)
    assert peer.closed == 3005


# -- pings ---------------------------------------------------------------------------------------------


@pytest.mark.row("CF-23", "WS-30")
@pytest.mark.parametrize(("jitter", "first_ms"), [(0.0, 15_000), (0.5, 22_500), (0.999999, 30_000)])
def test_the_first_ping_comes_in_the_second_half_of_the_interval(framing: str, jitter: float, first_ms: int) -> None:
    world = World(framing=framing, ping_interval_ms=30_000)
    peer = world.peer(jitter=jitter)
    assert peer.connect(token=token(sub="u1"))["ping"] == 30
    world.wind(first_ms - 1)
    assert peer.read() == []
    world.wind(1)
    assert peer.read() == [{}]


@pytest.mark.row("CF-24", "CF-25", "WS-30")
def test_pings_come_every_interval_and_pongs_are_accepted(world: World) -> None:
    peer = world.connected()
    world.wind(12_500)
    for _ in range(5):
        assert peer.read() == [{}]
        world.wind(1)
        peer.pong()
        world.wind(24_998)
        assert (peer.read(), peer.closed) == ([], None)
        world.wind(1)


@pytest.mark.row("CF-26")
def test_a_pong_that_nobody_asked_for_is_a_bad_request(world: World) -> None:
    early = world.connected()
    early.pong()
    assert early.closed == 3501
    twice = world.connected()
    world.wind(13_000)
    twice.pong()
    assert twice.closed is None
    twice.pong()
    assert twice.closed == 3501


@pytest.mark.row("CF-27", "WS-30")
def test_a_missing_pong_ends_with_3012(world: World) -> None:
    peer = world.connected()
    world.wind(12_500 + 7_999)
    assert peer.closed is None
    world.wind(1)
    assert peer.closed == 3012


def test_our_own_standstill_is_not_taken_for_a_missing_pong(world: World) -> None:
    peer = world.connected()
    world.wind(12_500)
    assert peer.read() == [{}]
    world.now_ms += 60_000  # no turn of the loop for a minute; the pong waits unread
    world.endpoint.tick(world.now_ms)
    assert peer.read() == []  # nor a second ping while the first is open
    peer.pong()
    world.wind(1_000)
    assert (peer.read(), peer.closed) == ([{}], None)
    world.now_ms += 60_000
    world.endpoint.tick(world.now_ms)
    world.wind(1_000)
    assert peer.closed == 3012


@pytest.mark.row("CF-51")
def test_a_ping_is_not_suppressed_by_traffic_and_overtakes_what_waits(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    for number in range(100):
        world.publish(data=[number])
    world.wind(12_500)
    messages = peer.read()
    assert messages[0] == {}
    assert [message["push"]["pub"]["offset"] for message in messages[1:]] == list(range(1, 101))


# -- floods --------------------------------------------------------------------------------------------


def test_a_flood_of_commands_ends_with_3013_and_a_busy_client_is_left_alone(framing: str) -> None:
    world = World(framing=framing, commands_burst=10, commands_per_s=5)
    busy, flooding = world.connected("busy"), world.connected("flooding")
    for number in range(40):
        world.wind(200)
        busy.send({"id": number + 2, "unsubscribe": {"channel": "a"}})
        assert busy.closed is None
    flooding.send(*[{"id": n + 2, "unsubscribe": {"channel": "a"}} for n in range(100)])
    assert flooding.closed == 3013
    assert len(flooding.read()) == 10
    assert busy.closed is None


def test_a_flood_of_pongs_ends_at_the_first_that_nobody_asked_for(world: World) -> None:
    peer = world.connected()
    world.wind(12_500)
    peer.read()
    peer.send(*[{} for _ in range(1000)])
    assert (peer.read(), peer.closed) == ([], 3501)


# -- rpc, send -----------------------------------------------------------------------------------------


def test_rpc_without_methods_is_not_available(world: World) -> None:
    assert world.connected().refused("rpc", method="now", data={}) == 108


def test_rpc_runs_a_method_and_knows_no_other(framing: str) -> None:
    def echo(user: str, data: bytes) -> bytes:
        return b'{"user":"%b","data":%b}' % (user.encode(), data)

    peer = World(framing=framing, hooks=Hooks(rpc={"echo": echo})).connected()
    assert peer.ask("rpc", method="echo", data=[1])["rpc"] == {"data": {"user": "u1", "data": [1]}}
    assert peer.refused("rpc", method="other") == 104


def test_send_ends_with_3508(framing: str) -> None:
    commands: list[dict[str, Any]] = [{"send": {"data": {}}}, {"id": 3, "send": {"data": {}}}]
    for command in commands:
        peer = World(framing=framing).connected()
        peer.send(command)
        assert (peer.read(), peer.closed) == ([], 3508)


# -- options -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"pong_timeout_ms": 25_000},
        {"pong_timeout_ms": 0},
        {"ping_interval_ms": 25_500},
        {"version": ""},
        {"commands_burst": 0},
    ],
)
def test_contradicting_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        Options(**{"version": "1"} | options)
