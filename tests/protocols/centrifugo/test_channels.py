"""Subscribe, recovery, live delivery and the other channel commands, in both framings."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from tests.protocols.centrifugo.world import EPOCH, MARKET, OPEN, START_MS, Peer, World, encode, token

from overround.protocols.centrifugo import SERVER_UNSUBSCRIBE, Hooks
from overround.realtime import Limits

NOW_S = START_MS // 1000
POSITION = {"positioned": True, "recoverable": True, "epoch": EPOCH}


# -- subscribe: what is granted ------------------------------------------------------------------------


@pytest.mark.row("CF-28", "WS-22", "WS-23")
def test_a_venue_channel_gives_everybody_a_position(world: World) -> None:
    peer = world.connected()
    assert peer.subscribe(MARKET, flag=1) == POSITION
    world.publish()
    for name, flags in enumerate(product((False, True), repeat=2)):
        other = world.connected(f"u{name}")
        asked = {"positioned": flags[0], "recoverable": flags[1]}
        assert other.subscribe(MARKET, **asked) == POSITION | {"offset": 1}


@pytest.mark.row("CF-28")
@pytest.mark.parametrize("positioned", [False, True])
@pytest.mark.parametrize("recoverable", [False, True])
@pytest.mark.parametrize("recover", [False, True])
def test_flags_are_granted_where_the_namespace_allows_them(
    world: World, positioned: bool, recoverable: bool, recover: bool
) -> None:
    asked = {"positioned": positioned, "recoverable": recoverable, "recover": recover}
    for namespace in ("asked", "reads", "never", "plain"):
        channel = f"{namespace}:a"
        world.publish(channel, [1])
        expected: dict[str, Any] = {}
        if namespace in ("asked", "reads"):
            if positioned or recoverable:
                expected |= {"positioned": True, "epoch": "boot", "offset": 1}
            if recoverable:
                expected |= {"recoverable": True}
            if recoverable and recover:
                body = {"data": [1], "offset": 1, "epoch": "boot"}
                expected |= {"recovered": True, "was_recovering": True, "publications": [body]}
                del expected["offset"]  # the 0 that the client sent
        assert world.connected().subscribe(channel, **asked) == expected, namespace


def test_a_subscriber_without_a_position_gets_everything_all_the_same(world: World) -> None:
    for channel in ("plain:a", "never:a"):
        peer = world.connected()
        peer.subscribe(channel)
        world.publish(channel, [1])
        world.publish(channel, [2])
        assert [pub["data"] for pub in peer.pubs()] == [[1], [2]]


def test_numbers_for_channels_and_deltas_are_never_granted(world: World) -> None:
    result = world.connected().subscribe(MARKET, flag=1, delta="fossil")
    assert not {"id", "delta"} & set(result)


def test_the_venue_can_greet_and_forbid(framing: str) -> None:
    hooks = Hooks(
        greeting=lambda user, channel: b'{"hint":"%b"}' % user.encode() if "0xAB" in channel else b"",
        may_subscribe=lambda user, channel: not (user and "private" in channel),
    )
    peer = World(framing=framing, hooks=hooks).connected()
    assert peer.subscribe("active_orders:0xAB")["data"] == {"hint": "u1"}
    assert "data" not in peer.subscribe("active_orders:0xab")
    assert peer.refused("subscribe", channel="active_orders:private") == 103


# -- subscribe: what is refused ------------------------------------------------------------------------


@pytest.mark.row("CF-29", "WS-29")
def test_an_unknown_namespace_is_102(world: World) -> None:
    peer = world.connected()
    for channel in ("nowhere:a", "active_orders_v2:USDC:0x1", "markets", ":a", "order_book"):
        assert peer.refused("subscribe", channel=channel) == 102


@pytest.mark.row("CF-30")
def test_what_is_not_permitted_is_103(framing: str) -> None:
    world = World(framing=framing, allow_anonymous_connect_without_token=True)
    peer = world.connected()
    for channel in ("closed:a", "$order_book:a", "plain:a#u2", "plain:a#", "plain:a#u2,u3"):
        assert peer.refused("subscribe", channel=channel) == 103, channel
    peer.subscribe("plain:a#u2,u1")
    anonymous = world.peer()
    anonymous.connect()
    for channel in (MARKET, "plain:a#"):
        assert anonymous.refused("subscribe", channel=channel) == 103
    assert peer.ask("subscribe", channel="closed:b")["error"] == {
        "code": 103,
        "message": "permission denied",
    }


def test_insecure_mode_permits_everything_but_publishing_for_the_venue(framing: str) -> None:
    world = World(framing=framing, insecure=True)
    peer = world.peer()
    peer.connect()
    for channel in ("closed:a", "$plain:a", "plain:a#u2", "chat:a"):
        peer.subscribe(channel)
    assert peer.ask("publish", channel="closed:b", data=[1])["publish"] == {}
    assert peer.refused("publish", channel=MARKET, data=[1]) == 103


@pytest.mark.row("CF-31")
def test_a_second_subscribe_is_105(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    assert peer.refused("subscribe", channel=MARKET) == 105
    peer.ask("unsubscribe", channel=MARKET)
    peer.subscribe()


@pytest.mark.row("CF-32", "CF-34", "WS-26", "WS-27")
@pytest.mark.parametrize("returning", [False, True])
def test_512_subscriptions_fit_into_one_frame_and_the_513th_is_106(world: World, returning: bool) -> None:
    names = [f"order_book:market_0x{number:064x}" for number in range(513)]
    asked: dict[str, Any] = {"positioned": True, "recoverable": True}
    if returning:
        asked |= {"recover": True, "epoch": "x" * 20, "offset": 1_000_000}
    subscribes = [{"id": at, "subscribe": {"channel": name} | asked} for at, name in enumerate(names, start=2)]
    frame = encode(world.framing, {"id": 1, "connect": {"token": token(sub="u1")}}, *subscribes)
    assert len(frame) > (65_536 if world.framing == "json" else 45_000)
    peer = world.peer()
    peer.raw(frame)
    replies = peer.read()
    assert [reply["id"] for reply in replies] == list(range(1, 515))
    assert all("subscribe" in reply for reply in replies[1:513])
    assert replies[513]["error"] == {"code": 106, "message": "limit exceeded"}
    peer.ask("unsubscribe", channel=names[0])
    peer.subscribe(names[512])
    world.publish(names[511], [1])
    assert len(peer.pubs()) == 1


@pytest.mark.row("CF-33")
def test_bad_names_and_filters_are_107(world: World) -> None:
    peer = world.connected()
    assert peer.refused("subscribe", channel="plain:" + "a" * 250) == 107
    assert peer.subscribe("plain:" + "a" * 249) == {}
    assert peer.refused("subscribe", channel="plain:é") == 107
    assert peer.refused("subscribe", channel="é" * 128) == 107  # 256 bytes; its namespace comes later
    assert peer.refused("subscribe", channel="plain:b", tf={"op": "eq", "key": "a"}) == 107
    assert peer.refused("subscribe", channel="plain:b", type=9) == 107
    for key in ("publish", "presence", "presence_stats", "history"):
        for name in ("plain:é", "plain:" + "a" * 250):
            assert peer.refused(key, channel=name) == 107


@pytest.mark.row("CF-28", "CF-33")
def test_the_checks_come_in_the_order_of_the_protocol(framing: str) -> None:
    world = World(framing=framing, limits=Limits(subscriptions_max=1))
    peer = world.connected()
    peer.send({"id": 90, "subscribe": {"channel": "", "delta": "?"}})
    assert peer.closed == 3501
    peer = world.connected()
    peer.subscribe("plain:a")
    for channel, code in (
        ("x:" + "é" * 200, 107),  # too long before everything
        ("plain:a", 105),  # there already before full
        ("nowhere:é", 106),  # full before unknown
    ):
        assert peer.refused("subscribe", channel=channel) == code
    peer.ask("unsubscribe", channel="plain:a")
    assert peer.refused("subscribe", channel="nowhere:é") == 102  # unknown before malformed
    assert peer.refused("subscribe", channel="closed:é") == 107  # malformed before forbidden
    assert peer.refused("subscribe", channel="closed:a") == 103


def test_other_kinds_of_subscription_are_refused(world: World) -> None:
    peer = world.connected()
    for kind, code in ((1, 103), (2, 103), (3, 103), (4, 108)):
        assert peer.refused("subscribe", channel="plain:a", type=kind) == code


def test_an_unknown_delta_is_a_bad_request(world: World) -> None:
    peer = world.connected()
    peer.send({"id": 2, "subscribe": {"channel": "plain:a", "delta": "other"}})
    assert (peer.read(), peer.closed) == ([], 3501)


# -- subscription tokens -------------------------------------------------------------------------------


def test_a_subscription_token_admits_where_the_namespace_does_not(world: World) -> None:
    peer = world.connected()
    admitted = token(sub="u1", channel="$closed:a", exp=NOW_S + 60, info={"seat": 1})
    assert peer.subscribe("$closed:a", token=admitted) == {"expires": True, "ttl": 60}
    bound = token(sub="u1", channel="closed:b", client=peer.client, expire_at=0)
    assert peer.subscribe("closed:b", token=bound) == {}


def test_a_bad_subscription_token_is_refused(world: World) -> None:
    peer = world.connected()
    for given, code in (
        ("junk", 103),
        (token(sub="u1"), 103),
        (token(sub="u1", channel="plain:a", exp=NOW_S), 109),
        (token(sub="u1", channel="plain:a", exp=None), 103),
    ):
        assert peer.refused("subscribe", channel="plain:a", token=given) == code
    for claims in (
        {"sub": "u2", "channel": "plain:a"},
        {"sub": "u1", "channel": "plain:b"},
        {"sub": "u1", "channel": "plain:a", "client": "other"},
    ):
        peer = world.connected()
        peer.send({"id": 2, "subscribe": {"channel": "plain:a", "token": token(**claims)}})
        assert (peer.read(), peer.closed) == ([], 3500)


def test_a_subscription_that_is_not_refreshed_runs_out_after_the_grace(world: World) -> None:
    peer = world.connected().attend()
    peer.subscribe("plain:a", token=token(sub="u1", channel="plain:a", exp=NOW_S + 10))
    peer.subscribe("plain:b", token=token(sub="u1", channel="plain:b", exp=NOW_S + 10))
    peer.subscribe("plain:c", token=token(sub="u1", channel="plain:c", exp=NOW_S + 10))
    fresh = token(sub="u1", channel="plain:b", exp=NOW_S + 100)
    assert peer.ask("sub_refresh", channel="plain:b", token=fresh)["sub_refresh"] == {
        "expires": True,
        "ttl": 100,
    }
    peer.ask("unsubscribe", channel="plain:c")
    peer.subscribe("plain:c")
    world.wind(34_999)
    assert peer.read() == []
    world.wind(1)
    told = {"code": 2501, "reason": "subscription expired"}
    assert peer.read() == [{"push": {"channel": "plain:a", "unsubscribe": told}}]
    world.wind(90_000)
    assert peer.read() == [{"push": {"channel": "plain:b", "unsubscribe": told}}]
    world.publish("plain:c", [1])
    assert len(peer.pubs()) == 1


def test_sub_refresh_is_refused_like_subscribe(world: World) -> None:
    peer = world.connected()
    good = token(sub="u1", channel="plain:a")
    assert peer.refused("sub_refresh", channel="plain:a", token=good) == 103
    peer.subscribe("plain:a")
    assert peer.ask("sub_refresh", channel="plain:a", token=good)["sub_refresh"]["expires"]
    forever = token(sub="u1", channel="plain:a", expire_at=0)
    assert peer.ask("sub_refresh", channel="plain:a", token=forever)["sub_refresh"] == {}
    late = token(sub="u1", channel="plain:a", exp=NOW_S)
    assert peer.refused("sub_refresh", channel="plain:a", token=late) == 109
    peer.send({"id": 90, "sub_refresh": {"channel": "plain:a"}})
    assert peer.closed == 3501


# -- recovery ------------------------------------------------------------------------------------------


def published(world: World, count: int, channel: str = MARKET) -> None:
    for number in range(1, count + 1):
        world.publish(channel, [number], message_id=f"m{number}")


def recover(world: World, offset: int, epoch: str = EPOCH, **more: Any) -> dict[str, Any]:
    return world.connected().subscribe(MARKET, recover=True, offset=offset, epoch=epoch, **more)


NOT_RECOVERED = POSITION | {"was_recovering": True}


@pytest.mark.row("CF-35", "WS-24", "WS-28")
def test_recovery_gives_exactly_what_was_missed(world: World) -> None:
    published(world, 6)
    result = recover(world, 4)
    assert result == POSITION | {
        "recovered": True,
        "was_recovering": True,
        "offset": 4,
        "publications": [
            {"data": [5], "offset": 5, "tags": {"messageId": "m5"}},
            {"data": [6], "offset": 6, "tags": {"messageId": "m6"}},
        ],
    }
    # Encoded once, given to everybody.
    assert recover(world, 4) == result
    assert recover(world, 5)["publications"] == result["publications"][1:]


@pytest.mark.row("CF-36")
def test_who_missed_nothing_is_recovered_without_publications(world: World) -> None:
    assert recover(world, 0) == NOT_RECOVERED | {"recovered": True}
    published(world, 3)
    assert recover(world, 3) == NOT_RECOVERED | {"recovered": True, "offset": 3}


@pytest.mark.row("CF-37")
def test_another_epoch_is_not_recovered(world: World) -> None:
    published(world, 3)
    for epoch in ("other", "_", "boot"):
        assert recover(world, 3, epoch) == NOT_RECOVERED | {"offset": 3}
        assert recover(world, 1, epoch) == NOT_RECOVERED | {"offset": 3}


@pytest.mark.row("CF-38")
def test_what_was_trimmed_is_not_recovered(world: World) -> None:
    published(world, 15, "asked:a")
    for offset, found in ((4, False), (5, True)):
        result = world.connected().subscribe("asked:a", recoverable=True, recover=True, offset=offset, epoch="boot")
        assert result.get("recovered", False) == found
        assert len(result.get("publications", [])) == (10 if found else 0)
        assert result["offset"] == (5 if found else 15)


@pytest.mark.row("CF-39")
def test_what_outlived_its_time_is_not_recovered(world: World) -> None:
    published(world, 3)
    world.wind(299_999)
    assert recover(world, 1)["recovered"]
    world.wind(1)
    assert recover(world, 1) == NOT_RECOVERED | {"offset": 3}
    assert recover(world, 3)["recovered"]  # missed nothing, so nothing is needed
    world.publish(data=["next"])
    assert recover(world, 1) == NOT_RECOVERED | {"offset": 4}
    assert [pub["offset"] for pub in recover(world, 3)["publications"]] == [4]


@pytest.mark.row("CF-40", "WS-25")
def test_more_than_the_limit_is_not_recovered_not_even_in_part(world: World) -> None:
    published(world, 1002)
    assert len(recover(world, 2)["publications"]) == 1000
    assert recover(world, 1) == NOT_RECOVERED | {"offset": 1002}


@pytest.mark.row("CF-41")
def test_more_than_the_bytes_is_not_recovered(framing: str) -> None:
    world = World(framing=framing, limits=Limits(recovery_bytes_max=1000))
    for _ in range(4):
        world.publish(data=["x" * 300])
    assert len(recover(world, 2)["publications"]) == 2
    assert recover(world, 0) == NOT_RECOVERED | {"offset": 4}


@pytest.mark.row("CF-42")
def test_an_offset_ahead_of_the_stream_is_not_recovered(world: World) -> None:
    published(world, 3)
    for offset in (4, 2**63):
        assert recover(world, offset) == NOT_RECOVERED | {"offset": 3}


@pytest.mark.row("CF-43")
def test_offset_0_with_an_empty_epoch_is_matched_by_the_offset_alone(world: World) -> None:
    published(world, 3)
    result = recover(world, 0, "")
    assert [pub["offset"] for pub in result["publications"]] == [1, 2, 3]
    assert (result["recovered"], result["epoch"]) == (True, EPOCH)
    assert result["publications"][0]["epoch"] == EPOCH


@pytest.mark.row("CF-44")
def test_with_bit_2_of_the_flag_a_failed_recovery_is_112_and_no_subscription(world: World) -> None:
    published(world, 3)
    peer = world.connected()
    asked = {"channel": MARKET, "recover": True, "offset": 9, "epoch": EPOCH}
    assert peer.refused("subscribe", flag=3, **asked) == 112
    world.publish(data=["next"])
    assert peer.read() == []
    assert peer.ask("subscribe", flag=3, **asked | {"offset": 4})["subscribe"]["recovered"]


def test_recovery_is_ignored_where_there_is_nothing_to_recover(world: World) -> None:
    asked = {"recover": True, "epoch": "x", "offset": 7, "recoverable": True}
    assert world.connected().subscribe("plain:a", flag=2, **asked) == {}


def test_recovery_stops_before_it_would_make_the_client_a_slow_one(framing: str) -> None:
    """A client that comes back with many channels must not be cut off by its own recoveries."""
    world = World(framing=framing, limits=Limits(replies_bytes_max=10_000))
    names = [f"order_book:{number}" for number in range(10)]
    for name in names:
        world.publish(name, ["x" * 3000])
    peer = world.connected()
    asked = {"recover": True, "epoch": EPOCH}
    peer.send(*[{"id": at + 2, "subscribe": {"channel": n} | asked} for at, n in enumerate(names)])
    recovered = [reply["subscribe"].get("recovered", False) for reply in peer.read()]
    assert recovered == [True] * 3 + [False] * 7
    peer.ask("unsubscribe", channel=names[9])
    assert peer.subscribe(names[9], **asked)["recovered"]  # what waited was read


@pytest.mark.row("CF-35", "WS-24")
def test_recovery_works_across_a_restart(world: World) -> None:
    published(world, 5)
    world.publish("asked:a", [1])
    later = world.restarted()
    later.publish(data=[6])
    assert [pub["offset"] for pub in recover(later, 3)["publications"]] == [4, 5, 6]
    asked = {"recoverable": True, "recover": True, "epoch": "other boot", "offset": 1}
    assert "recovered" not in later.connected().subscribe("asked:a", **asked)


# -- live ----------------------------------------------------------------------------------------------


@pytest.mark.row("CF-45")
def test_publications_come_in_order_after_the_reply(world: World) -> None:
    peer = world.connected()
    world.publish(data=["before"], message_id="m0")
    assert peer.subscribe()["offset"] == 1
    published(world, 3)
    assert peer.read() == [
        {
            "push": {
                "channel": MARKET,
                "pub": {"data": [number], "offset": number + 1, "tags": {"messageId": f"m{number}"}},
            }
        }
        for number in (1, 2, 3)
    ]


@pytest.mark.row("CF-45")
def test_the_first_publication_of_a_stream_carries_its_epoch(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    published(world, 2)
    assert [pub.get("epoch") for pub in peer.pubs()] == [EPOCH, None]


@pytest.mark.row("CF-46")
def test_a_lost_publication_costs_the_position_and_is_recovered(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    world.publish(data=[1])
    world.publish(data=[2], delivered=False)
    seen = [message["push"] for message in peer.read()]
    assert [set(push) - {"channel"} for push in seen] == [{"pub"}, {"unsubscribe"}]
    assert seen[1]["unsubscribe"] == {"code": 2500, "reason": "insufficient state"}
    world.publish(data=[3])
    assert peer.read() == []
    result = peer.subscribe(recover=True, epoch=EPOCH, offset=1)
    assert [pub["offset"] for pub in result["publications"]] == [2, 3]


@pytest.mark.row("CF-46")
def test_a_gap_that_cannot_be_filled_is_told_as_well(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    world.publish(data=[1])
    world.publish(data=[5], offset=5)
    assert [set(message["push"]) - {"channel"} for message in peer.read()] == [
        {"pub"},
        {"unsubscribe"},
    ]
    result = peer.subscribe(recover=True, epoch=EPOCH, offset=1)
    assert result == NOT_RECOVERED | {"offset": 5}


def test_a_server_side_subscription_that_loses_its_position_costs_the_connection(world: World) -> None:
    peer = world.peer()
    peer.connect(token=token(sub="u1", channels=[MARKET]))
    world.publish(data=[1], delivered=False)
    assert (peer.read(), peer.closed) == ([], 3010)


@pytest.mark.row("CF-47")
def test_late_duplicates_are_dropped(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    for offset in (1, 2, 2, 1, 3):
        world.publish(data=[offset], offset=offset)
    assert [pub["offset"] for pub in peer.pubs()] == [1, 2, 3]


@pytest.mark.row("CF-48")
def test_nothing_of_a_channel_follows_the_reply_to_unsubscribe(world: World) -> None:
    peer, other = world.connected(), world.connected()
    peer.subscribe()
    other.subscribe()
    world.publish(data=[1])
    peer.send({"id": 9, "unsubscribe": {"channel": MARKET}})
    world.publish(data=[2])
    first, second = peer.read()
    assert first["push"]["pub"]["offset"] == 1
    assert second == {"id": 9, "unsubscribe": {}}
    assert [pub["offset"] for pub in other.pubs()] == [1, 2]


def test_unsubscribe_is_granted_without_a_subscription_too(world: World) -> None:
    peer = world.connected()
    assert peer.ask("unsubscribe", channel="nowhere:a")["unsubscribe"] == {}


# -- client publications -------------------------------------------------------------------------------


def test_a_client_publishes_and_gets_it_after_the_reply(world: World) -> None:
    peer = world.connected(info={"name": "Ann"})
    peer.subscribe("chat:a")
    peer.send({"id": 5, "publish": {"channel": "chat:a", "data": {"text": "hi"}}})
    reply, pushed = peer.read()
    assert reply == {"id": 5, "publish": {}}
    assert pushed["push"]["pub"] == {
        "data": {"text": "hi"},
        "offset": 1,
        "epoch": "boot",
        "info": {"user": "u1", "client": peer.client, "conn_info": {"name": "Ann"}},
    }


def test_publishing_is_refused_where_it_is_not_permitted(world: World) -> None:
    peer = world.connected()
    for channel, code in ((MARKET, 103), ("plain:a", 103), ("chat:a", 103), ("nowhere:a", 102)):
        assert peer.refused("publish", channel=channel, data=[1]) == code, channel


def test_what_others_could_not_read_is_not_published(framing: str) -> None:
    world = World(framing=framing, limits=Limits(publication_bytes_max=2000))
    peer = world.connected()
    peer.subscribe("chat:a")
    deep: list[Any] = []
    for _ in range(64):
        deep = [deep]
    assert peer.refused("publish", channel="chat:a", data=deep) == 107
    assert peer.refused("publish", channel="chat:a", data="x" * 2000) == 106
    assert peer.refused("publish", channel="chat:a") == 107
    peer.send({"id": 90, "publish": {"channel": "chat:a", "data": deep[0]}})
    assert peer.read()[0] == {"id": 90, "publish": {}}


def test_a_binary_client_cannot_publish_what_is_not_json_and_line_breaks_are_taken_out() -> None:
    world = World(framing="protobuf")
    binary, text = world.connected(), world.peer(framing="json")
    text.connect(token=token(sub="u2"))
    binary.subscribe("chat:a")
    text.subscribe("chat:a")

    for data in (b"", b"junk", b"\xff", b'"\xff"', b"{}{}", b"[" * 100):
        publish_bytes(binary, "chat:a", data)
        assert binary.read()[0]["error"]["code"] == 107, data
    publish_bytes(binary, "chat:a", b'{\r\n "a\\n": [1,\n2]\n}')
    assert [pub["data"] for pub in text.pubs()] == [{"a\n": [1, 2]}]


BINARY_PAYLOADS = [b"boom", b"\xff", b"{}{}", b"[" * 100, b"\0" * 100]


@pytest.mark.parametrize("data", BINARY_PAYLOADS)
@pytest.mark.parametrize("channel", ["bytes:a", "blink:a"])
def test_where_payloads_may_be_anything_binary_clients_hear_them_as_they_are(channel: str, data: bytes) -> None:
    world = World(framing="protobuf")
    speaker, listener = world.connected(), world.connected("u2")
    listener.subscribe(channel)
    publish_bytes(speaker, channel, data)
    assert speaker.read() == [{"id": 7, "publish": {}}]
    (pub,) = listener.pubs()
    assert pub["data"] == data
    assert speaker.refused("publish", channel=channel) == 107  # nothing is no payload


@pytest.mark.row("CF-52")
@pytest.mark.parametrize("channel", ["bytes:a", "blink:a"])
def test_who_reads_nothing_but_json_is_told_to_stay_away_from_other_payloads(channel: str) -> None:
    """Left on the channel it would miss something and never know."""
    world = World(framing="protobuf")
    speaker, text, elsewhere = world.connected(), world.peer(framing="json"), world.peer(framing="json")
    for peer, user in ((text, "u2"), (elsewhere, "u3")):
        peer.connect(token=token(sub=user))
    text.subscribe(channel)
    elsewhere.subscribe("bytes:b")
    publish_bytes(speaker, channel, b"{}")
    assert len(text.pubs()) == 1
    publish_bytes(speaker, channel, b"boom")
    assert text.closed == 3506
    assert elsewhere.closed is None


def test_what_is_no_json_is_neither_recovered_nor_read_by_who_reads_nothing_else() -> None:
    world = World(framing="protobuf")
    speaker = world.connected()
    for data in (b"1", b"boom", b"3"):
        publish_bytes(speaker, "bytes:a", data)
    speaker.read()
    since = {"recoverable": True, "recover": True, "epoch": "boot"}
    told, kept = {}, {}
    for framing in ("json", "protobuf"):
        for offset in (1, 2):
            peer = world.peer(framing=framing)
            peer.connect(token=token(sub="u2"))
            told[framing, offset] = peer.subscribe("bytes:a", **since, offset=offset)
        history = peer.ask("history", channel="bytes:a", limit=-1)["history"]
        kept[framing] = [(one["offset"], one["data"]) for one in history["publications"]]
    assert kept["json"] == [(1, 1), (3, 3)]
    assert kept["protobuf"] == [(1, 1), (2, b"boom"), (3, 3)]
    assert "recovered" not in told["json", 1]
    assert told["json", 1]["offset"] == 3
    assert told["json", 2]["recovered"] is True
    assert told["protobuf", 1]["recovered"] is True
    assert [one["data"] for one in told["protobuf", 1]["publications"]] == [b"boom", 3]


def publish_bytes(peer: Peer, channel: str, data: bytes) -> None:
    """As command number 7."""
    peer.send({"id": 7, "publish": {"channel": channel, "data": data}})


# -- presence ------------------------------------------------------------------------------------------


def test_presence_tells_who_is_there(world: World) -> None:
    one, two = world.connected("u1", info={"n": 1}), world.connected("u1")
    for peer in (one, two):
        peer.subscribe("chat:a")
    assert one.ask("presence", channel="chat:a")["presence"] == {
        "presence": {
            one.client: {"user": "u1", "client": one.client, "conn_info": {"n": 1}},
            two.client: {"user": "u1", "client": two.client},
        }
    }
    assert one.ask("presence_stats", channel="chat:a")["presence_stats"] == {
        "num_clients": 2,
        "num_users": 1,
    }
    world.endpoint.closed(two.connection)
    assert len(one.ask("presence", channel="chat:a")["presence"]["presence"]) == 1


def test_counts_of_nobody_are_written_in_json() -> None:
    world = World(insecure=True)
    peer = world.connected()
    peer.send({"id": 7, "presence_stats": {"channel": "chat:a"}})
    assert b'{"id":7,"presence_stats":{"num_clients":0,"num_users":0}}' in peer.connection.output()
    peer.send({"id": 8, "presence": {"channel": "chat:a"}})
    assert b'{"id":8,"presence":{"presence":{}}}' in peer.connection.output()


@pytest.mark.parametrize("key", ["presence", "presence_stats"])
def test_presence_is_refused_where_there_is_none_or_it_is_not_permitted(world: World, key: str) -> None:
    peer = world.connected()
    for channel, code in ((MARKET, 108), ("chat:a", 103), ("nowhere:a", 102)):
        assert peer.refused(key, channel=channel) == code


def test_a_presence_too_large_for_a_frame_is_106(framing: str) -> None:
    for options in ({"limits": Limits(presence_max=1)}, {"reply_bytes_max": 200}):
        given: dict[str, Any] = options
        world = World(framing=framing, **given)
        one, two = world.connected("u1"), world.connected("u2")
        one.subscribe("chat:a")
        assert one.ask("presence", channel="chat:a")["presence"]["presence"]
        two.subscribe("chat:a")
        assert one.refused("presence", channel="chat:a") == 106
        assert one.ask("presence_stats", channel="chat:a")["presence_stats"]["num_clients"] == 2


def test_join_and_leave_reach_those_who_asked_and_may_see(world: World) -> None:
    watching, deaf = world.connected("u1"), world.connected("u2")
    watching.send({"id": 9, "subscribe": {"channel": "chat:a", "join_leave": True}})
    assert [set(message) for message in watching.read()] == [{"id", "subscribe"}, {"push"}]
    deaf.subscribe("chat:a")
    (joined,) = watching.read()
    assert joined["push"] == {
        "channel": "chat:a",
        "join": {"info": {"user": "u2", "client": deaf.client}},
    }
    world.endpoint.closed(deaf.connection)
    (left,) = watching.read()
    assert left["push"]["leave"] == {"info": {"user": "u2", "client": deaf.client}}
    watching.ask("unsubscribe", channel="chat:a")


def test_join_and_leave_can_be_forced_on_everybody(framing: str) -> None:
    world = World(OPEN, framing=framing)
    one, two = world.connected("u1"), world.connected("u2")
    one.send({"id": 9, "subscribe": {"channel": "a"}})
    one.read()
    two.send({"id": 9, "subscribe": {"channel": "a"}})
    assert [set(message["push"]) for message in one.read()] == [{"channel", "join"}]
    two.send({"id": 10, "unsubscribe": {"channel": "a"}})
    assert [set(message["push"]) for message in one.read()] == [{"channel", "leave"}]


# -- history -------------------------------------------------------------------------------------------


def offsets(peer: Peer, **request: Any) -> list[int]:
    result = peer.ask("history", channel=MARKET, **request)["history"]
    return [pub["offset"] for pub in result.get("publications", [])]


@pytest.mark.row("WS-25")
def test_history_gives_the_position_and_pages_in_both_directions(world: World) -> None:
    peer = world.connected()
    published(world, 6)
    assert peer.ask("history", channel=MARKET)["history"]["offset"] == 6
    assert offsets(peer) == []
    assert offsets(peer, limit=2) == [1, 2]
    assert offsets(peer, limit=-1) == [1, 2, 3, 4, 5, 6]
    assert offsets(peer, limit=5000) == [1, 2, 3, 4, 5, 6]
    assert offsets(peer, limit=2, since={"offset": 3, "epoch": EPOCH}) == [4, 5]
    assert offsets(peer, limit=9, since={"offset": 6}) == []
    assert offsets(peer, limit=9, since={"offset": 60}) == []
    assert offsets(peer, limit=2, reverse=True) == [6, 5]
    assert offsets(peer, limit=2, reverse=True, since={"offset": 3}) == [2, 1]
    assert offsets(peer, limit=2, reverse=True, since={"offset": 60}) == [6, 5]
    assert peer.ask("history", channel=MARKET, limit=1)["history"] == {
        "publications": [{"data": [1], "offset": 1, "epoch": EPOCH, "tags": {"messageId": "m1"}}],
        "epoch": EPOCH,
        "offset": 6,
    }


def test_history_is_refused_where_there_is_none_or_it_is_not_permitted(world: World) -> None:
    peer = world.connected()
    for request, code in (
        ({"channel": "nowhere:a"}, 102),
        ({"channel": "plain:a"}, 108),
        ({"channel": "chat:a"}, 103),
        ({"channel": MARKET, "limit": 1, "since": {"offset": 1, "epoch": "other"}}, 112),
        ({"channel": MARKET, "limit": 1, "since": {"epoch": EPOCH}, "reverse": True}, 107),
    ):
        asked: dict[str, Any] = dict(request)
        assert peer.refused("history", **asked) == code
    peer.subscribe("chat:a")
    assert peer.ask("history", channel="chat:a")["history"]["epoch"] == "boot"


def test_an_empty_history_is_written_whole_in_json() -> None:
    peer = World().connected()
    peer.send({"id": 7, "history": {"channel": MARKET, "limit": 1}})
    expected = b'{"id":7,"history":{"publications":[],"epoch":"venueepoch","offset":0}}'
    assert peer.connection.output().endswith(expected)


def test_history_pages_end_where_a_frame_would_get_too_large(framing: str) -> None:
    world = World(framing=framing, limits=Limits(history_bytes_max=1000))
    for _ in range(5):
        world.publish(data=["x" * 400])
    peer = world.connected()
    assert offsets(peer, limit=-1) == [1, 2]
    assert offsets(peer, limit=-1, since={"offset": 2}) == [3, 4]


def test_who_asks_for_more_than_it_reads_is_told_to_wait(framing: str) -> None:
    world = World(framing=framing, limits=Limits(replies_bytes_max=2000))
    for _ in range(5):
        world.publish(data=["x" * 400])
    peer = world.connected()
    ask = {"channel": MARKET, "limit": -1}
    peer.send(*[{"id": number + 2, "history": ask} for number in range(3)])
    replies = peer.read()
    assert replies[1]["error"] == {"code": 111, "message": "too many requests", "temporary": True}
    assert peer.ask("history", **ask)["history"]["offset"] == 5
    peer.subscribe("chat:a")
    peer.send({"id": 90, "history": ask}, {"id": 91, "presence": {"channel": "chat:a"}})
    assert peer.read()[-1]["error"]["code"] == 111


# -- by the operator's hand ----------------------------------------------------------------------------


def test_the_operator_ends_a_subscription(world: World) -> None:
    peer = world.connected()
    peer.subscribe()
    assert world.endpoint.unsubscribe("u1", MARKET, SERVER_UNSUBSCRIBE) == 1
    assert peer.read() == [
        {
            "push": {
                "channel": MARKET,
                "unsubscribe": {"code": 2000, "reason": "server unsubscribe"},
            }
        }
    ]
    assert world.endpoint.unsubscribe("u1", MARKET, SERVER_UNSUBSCRIBE) == 0


def test_the_operator_subscribes_a_connection(world: World) -> None:
    peer = world.connected()
    published(world, 2)
    assert world.endpoint.subscribe("u1", MARKET, world.now_ms) == 1
    assert peer.read() == [{"push": {"channel": MARKET, "subscribe": POSITION | {"offset": 2}}}]
    world.publish(data=[3])
    assert [pub["offset"] for pub in peer.pubs()] == [3]
    assert world.endpoint.subscribe("u1", MARKET, world.now_ms) == 0
    assert world.endpoint.subscribe("u1", "nowhere:a", world.now_ms) == 0
