"""Commands and replies over a real socket, in both framings (centrifugo.md 2, 3, 7, 11, 12, `spec/sx.md` 6.2, 6.3)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocols.centrifugo.world import encode
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import BINARY, CONTINUATION, TEXT, frame
from tests.realtime_server.trader import Trader

pytestmark = pytest.mark.xdist_group("realtime commands")

SUBSCRIPTIONS_MAX = 512


# ---- frames --------------------------------------------------------------------------------------------------------


@pytest.mark.row("CF-07", "CF-13", "WS-01", "ENV-02")
def test_every_command_of_the_protocol_is_answered(dial: Dial, trader: Trader, market: str, framing: str) -> None:
    channel = f"order_book:market_{market}"
    peer = dial(framing, token=None)
    connected = peer.connect(trader.token(), name="bot", version="1")
    assert len(connected["client"]) == 36
    assert connected["version"].startswith("Overround ")
    assert (connected["expires"], connected["ping"], connected["pong"]) == (True, 30, True)
    assert 3590 <= connected["ttl"] <= 3600

    subscribed = peer.subscribe(channel, positioned=True, recoverable=True)
    assert (subscribed["positioned"], subscribed["recoverable"]) == (True, True)
    epoch = subscribed["epoch"]
    (name,) = trader.post(market)
    push = peer.push()
    assert (push["channel"], push["pub"]["offset"]) == (channel, 1)
    assert [update["orderHash"] for update in push["pub"]["data"]] == [name]

    history = peer.ask("history", channel=channel, limit=10)["history"]
    assert (history["epoch"], history["offset"]) == (epoch, 1)
    assert [one["data"] for one in history["publications"]] == [push["pub"]["data"]]
    assert history["publications"][0]["tags"] == push["pub"]["tags"]
    position = peer.ask("history", channel=channel)["history"]
    assert (position["epoch"], position["offset"], position.get("publications", [])) == (epoch, 1, [])

    refreshed = peer.ask("refresh", token=trader.token())
    assert refreshed["refresh"]["expires"] is True
    for _ in range(2):  # also when there is nothing to leave
        assert peer.ask("unsubscribe", channel=channel)["unsubscribe"] == {}
    trader.cancel_all()
    assert peer.waiting() == []


@pytest.mark.row("WS-02", "CF-08")
def test_several_commands_in_one_frame_get_a_frame_each(dial: Dial, token: str, framing: str) -> None:
    peer = dial(framing, token=None)
    channels = [f"order_book:event_many{number}" for number in range(50)]
    peer.send(
        {"id": 1, "connect": {"token": token}},
        *({"id": number, "subscribe": {"channel": channel}} for number, channel in enumerate(channels, start=2)),
        {"id": 100, "history": {"channel": "best_odds:global"}},
    )
    # `receive` fails on a frame with more than one object in it.
    assert [peer.receive()["id"] for _ in range(52)] == [1, *range(2, 52), 100]


@pytest.mark.row("CF-07")
def test_a_trailing_newline_is_fine(dial: Dial) -> None:
    peer = dial()
    peer.raw(b'{"id":7,"unsubscribe":{"channel":"a"}}\n')
    assert peer.receive() == {"id": 7, "unsubscribe": {}}


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_json_may_come_in_either_kind_of_frame_and_leaves_as_text(dial: Dial, opcode: int) -> None:
    peer = dial()
    peer.send_bytes(frame(b'{"id":7,"unsubscribe":{"channel":"a"}}', opcode))
    came = peer.frame()
    assert (came.opcode, came.payload) == (TEXT, b'{"id":7,"unsubscribe":{}}')


def test_a_message_may_come_in_pieces_with_pings_between_them(dial: Dial, framing: str) -> None:
    peer = dial(framing)
    message = encode(framing, {"id": 7, "unsubscribe": {"channel": "a"}})
    middle = [frame(message[place : place + 1], CONTINUATION, fin=False) for place in range(1, len(message))]
    peer.send_bytes(frame(message[:1], TEXT, fin=False))
    for piece in middle:
        peer.send_bytes(frame(b"still there?", 9) + piece)
    peer.send_bytes(frame(b"", CONTINUATION))
    pongs = [peer.frame() for _ in middle]
    assert {(one.opcode, one.payload) for one in pongs} == {(10, b"still there?")}
    assert peer.receive()["id"] == 7


@pytest.mark.row("CF-05", "CF-06", "CF-09", "CF-10", "CF-11", "CF-12", "CF-26")
@pytest.mark.parametrize(
    ("connected", "message"),
    [
        pytest.param(True, b"", id="an empty frame"),
        pytest.param(True, b"hello", id="a word"),
        pytest.param(True, b"[]", id="an array"),
        pytest.param(True, b'{"id":2,"subscribe":{"channel":"a"}', id="half an object"),
        pytest.param(True, b"\n", id="a newline"),
        pytest.param(True, b'{"id":2,"unsubscribe":{"channel":"a"}}\n\n', id="a blank line"),
        pytest.param(True, b'{"id":2,"unsubscribe":{"channel":"\xff"}}', id="no UTF-8"),
        pytest.param(True, b'{"id":2,"x":"\xed\xa0\x80","unsubscribe":{"channel":"a"}}', id="no UTF-8 unseen"),
        pytest.param(True, b"[" * 100_000, id="a deep hole"),
        pytest.param(True, b'{"id":2,"x":' + b"[" * 100_000, id="a deep hole unseen"),
        pytest.param(True, b"{}", id="an unsolicited pong"),
        pytest.param(True, b'{"id":0,"unsubscribe":{"channel":"a"}}', id="id 0"),
        pytest.param(True, b'{"id":-1,"unsubscribe":{"channel":"a"}}', id="a negative id"),
        pytest.param(True, b'{"id":4294967296,"unsubscribe":{"channel":"a"}}', id="a huge id"),
        pytest.param(True, b'{"id":2,"connect":{}}', id="a second connect"),
        pytest.param(True, b'{"id":2,"ping":{}}', id="a ping as a command"),
        pytest.param(True, b'{"id":2,"frobnicate":{}}', id="an unknown command"),
        pytest.param(True, b'{"id":2}', id="no command"),
        pytest.param(True, b'{"id":2,"subscribe":{}}', id="no channel"),
        pytest.param(True, b'{"id":2,"history":{}}', id="a history of nothing"),
        pytest.param(False, b'{"id":1,"subscribe":{"channel":"best_odds:global"}}', id="before connect"),
        pytest.param(False, b"{}", id="a pong before connect"),
        pytest.param(False, b'{"id":1,"connect":{}}', id="no token"),
        pytest.param(False, b'{"id":1,"connect":{"token":""}}', id="an empty token"),
        pytest.param(False, b'{"connect":{"token":"x"}}', id="a connect without id"),
    ],
)
def test_what_is_no_command_ends_with_3501(dial: Dial, connected: bool, message: bytes) -> None:
    peer = dial() if connected else dial(token=None)
    peer.raw(message)
    assert peer.end() == (3501, "bad request")
    assert not peer.unread or message.startswith(b'{"id":2,"unsubscribe"')


@pytest.mark.row("CF-06", "CF-53")
@pytest.mark.parametrize(
    "message", [b"", b"\x05\x08", b"\xff" * 11, b"{}", b"\x00", b"\x02\x0b\x0c", b"\x03\x08\x02\x5a"]
)
def test_what_is_no_record_ends_with_3501(dial: Dial, message: bytes) -> None:
    peer = dial("protobuf")
    peer.raw(message)
    assert peer.end() == (3501, "bad request")


@pytest.mark.row("WS-01")
@pytest.mark.parametrize(
    ("key", "request_", "code"),
    [
        ("publish", {"channel": "order_book:event_L1000001", "data": [{"status": "ACTIVE"}]}, 103),
        ("publish", {"channel": "best_odds:global", "data": []}, 103),
        ("presence", {"channel": "order_book:event_L1000001"}, 108),
        ("presence_stats", {"channel": "order_book:event_L1000001"}, 108),
        ("history", {"channel": "best_odds:global"}, 108),
        ("history", {"channel": "order_book:event_L1000001", "since": {"offset": 1, "epoch": "foreign"}}, 112),
        ("history", {"channel": "nothing:here"}, 102),
        ("rpc", {"method": "buy", "data": {}}, 108),
        ("sub_refresh", {"channel": "order_book:event_L1000001", "token": "x"}, 103),
    ],
)
def test_what_is_not_offered_is_refused_and_the_connection_stays(
    dial: Dial, framing: str, key: str, request_: dict[str, Any], code: int
) -> None:
    peer = dial(framing)
    assert peer.refused(key, **request_) == code
    assert peer.waiting() == []


def test_nobody_publishes_to_a_feed(dial: Dial, framing: str) -> None:
    listener, forger = dial(framing), dial(framing)
    listener.subscribe("order_book:event_L1000001")
    assert forger.refused("publish", channel="order_book:event_L1000001", data=[{"status": "ACTIVE"}]) == 103
    assert listener.waiting() == []


# ---- subscriptions -------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-22", "WS-23", "CF-28")
@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"positioned": True},
        {"recoverable": True},
        {"positioned": True, "recoverable": True},
        {"positioned": True, "recoverable": True, "join_leave": True, "flag": 1, "delta": "fossil"},
    ],
)
def test_order_feeds_tell_everybody_where_they_stand_and_others_those_who_ask(
    dial: Dial, trader: Trader, market: str, framing: str, flags: dict[str, Any]
) -> None:
    peer = dial(framing)
    trader.post(market)
    for channel in (trader.channel, f"order_book:market_{market}"):
        told = peer.subscribe(channel, **flags)
        assert told == {"positioned": True, "recoverable": True, "epoch": told["epoch"], "offset": 1}
    asked = bool(flags.get("recoverable")) or bool(flags.get("positioned"))
    told = peer.subscribe("markets:global", **flags)
    assert told.get("positioned", False) is asked
    assert told.get("recoverable", False) is bool(flags.get("recoverable"))
    assert ("epoch" in told, "offset" in told) == (asked, asked)
    assert peer.subscribe("best_odds:global", **flags) == {}
    assert peer.subscribe("parlay_markets:global", **flags, recover=True, epoch="x", offset=5) == {}


@pytest.mark.row("WS-29", "CF-29", "CF-31", "CF-33")
@pytest.mark.parametrize(
    ("channel", "code"),
    [
        *((name, 102) for name in ("nothing:here", "markets", "best_odds", "recent_trades", "main_line", ":x", "a")),
        ("active_orders_v2:0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B:0x2c7536E3605D9C16a7a3D7b1898e529396a65c23", 102),
        ("order_book_v2:0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B:0x01", 102),
        ("live_scores:L1", 102),
        ("markets:parlay", 0),  # a name of a known namespace that is silent for ever
        ("Order_book:event_L1", 102),
        ("order_book:" + "x" * 244, 0),
        ("order_book:" + "x" * 245, 107),
        ("order_book:" + "é" * 122, 107),
        ("$order_book:event_L1", 103),
    ],
)
def test_unknown_namespaces_and_unspeakable_names_are_refused(
    dial: Dial, framing: str, channel: str, code: int
) -> None:
    peer = dial(framing)
    if code:
        assert peer.refused("subscribe", channel=channel) == code
    else:
        peer.subscribe(channel)
        assert peer.refused("subscribe", channel=channel) == 105
    peer.subscribe("best_odds:global")


@pytest.mark.row("WS-04", "WS-29")
def test_another_spelling_of_an_address_stays_silent_and_is_told_so(
    dial: Dial, trader: Trader, market: str, framing: str
) -> None:
    peer = dial(framing)
    told = peer.subscribe(trader.channel.lower())
    assert told["data"] == {"hint": f"this channel is spelt {trader.channel}"}
    assert "hint" in peer.subscribe("active_orders:0x12")["data"]
    assert "data" not in peer.subscribe(trader.channel)
    trader.post(market)
    assert [push["push"]["channel"] for push in peer.waiting()] == [trader.channel]


@pytest.mark.parametrize(
    "channel", ["order_book:market_0x12", "order_book:event_nowhere", "order_book:", "active_orders:", "markets:x"]
)
def test_what_nobody_speaks_of_is_silent(dial: Dial, trader: Trader, market: str, channel: str) -> None:
    peer = dial()
    peer.subscribe(channel)
    trader.post(market)
    assert peer.waiting() == []


@pytest.mark.row("WS-26", "WS-27", "CF-32", "CF-34")
def test_512_subscriptions_in_one_frame_and_not_one_more(
    dial: Dial, token: str, trader: Trader, market: str, framing: str
) -> None:
    names = [trader.channel, f"order_book:market_{market}"]
    names += [f"order_book:market_0x{number:064x}" for number in range(SUBSCRIPTIONS_MAX - 2)]
    asking = {"positioned": True, "recoverable": True, "recover": True, "epoch": "x" * 12, "offset": 1, "flag": 1}
    commands = [{"id": number, "subscribe": {"channel": name, **asking}} for number, name in enumerate(names, start=2)]
    assert len(encode("json", *commands)) > 65_536
    peer = dial(framing, token=None)
    peer.send({"id": 1, "connect": {"token": token}}, *commands)
    replies = [peer.receive() for _ in range(SUBSCRIPTIONS_MAX + 1)]
    assert [reply["id"] for reply in replies] == list(range(1, SUBSCRIPTIONS_MAX + 2))
    assert all("subscribe" in reply for reply in replies[1:])

    assert peer.refused("subscribe", channel="order_book:event_one_too_many") == 106
    trader.post(market)
    assert {peer.push()["channel"], peer.push()["channel"]} == set(names[:2])
    peer.ask("unsubscribe", channel=names[-1])
    peer.subscribe("order_book:event_one_too_many")


@pytest.mark.row("CF-48")
def test_nothing_of_a_channel_follows_the_reply_to_an_unsubscribe(
    dial: Dial, trader: Trader, market: str, framing: str
) -> None:
    leaving, staying = dial(framing), dial(framing)
    for peer in (leaving, staying):
        peer.subscribe(trader.channel)
    for offset in range(1, 21):
        trader.post(market)
        if offset == 10:
            leaving.send({"id": 900, "unsubscribe": {"channel": trader.channel}})
            leaving.find(lambda message: message.get("id") == 900)
            heard = len(leaving.unread)
    assert heard == 10
    assert [push["push"]["pub"]["offset"] for push in leaving.waiting()] == list(range(1, 11))
    assert [staying.publication()["offset"] for _ in range(20)] == list(range(1, 21))
