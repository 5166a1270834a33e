"""The three kinds of sockets as a network sees them (`spec/nado.md` 10, 11)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, DEFAULT, ETH, IOC, WAIT_S, Bot, Socket
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from overround.protocols.nado.units import X18, hex_text
from overround.testing.accounts import ALICE, CAROL
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("gateway sockets")

SERIAL = ["/v1/ws", "/ws", "/v1//ws"]
CONCURRENT = ["/ws/v2", "/v1/ws/v2"]
SUBSCRIBE = ["/v1/subscribe", "/subscribe"]


# ---- the action sockets --------------------------------------------------------------------------------------------


@pytest.mark.row("W-01", "W-02", "C-02")
@pytest.mark.parametrize("path", [*SERIAL, *CONCURRENT])
def test_a_frame_is_what_a_body_is(alice: Bot, path: str) -> None:
    with alice.socket(path) as socket:
        assert socket.ask({"type": "contracts"}) == alice.query("contracts")
        body = alice.order(50_000, 0.1, id=100)
        answer = socket.ask({"place_order": body})
        assert answer == {
            "status": "success",
            "signature": body["signature"],
            "data": {"digest": alice.open()[0]["digest"]},
            "id": 100,
            "request_type": "execute_place_order",
        }
        assert socket.ask({"cancel_orders": alice.cancellation([answer["data"]["digest"]])})["status"] == "success"


@pytest.mark.row("W-01")
def test_requests_are_answered_in_order(alice: Bot) -> None:
    with alice.socket() as socket:
        expected = []
        for number in range(30):
            socket.send({"place_order": alice.order(40_000 + number, 0.1, id=number)})
            socket.send({"type": "subaccount_orders", "sender": hex_text(alice.sender), "product_id": BTC})
            socket.send("nonsense")
            expected.append(number)
        for number in expected:
            assert socket.receive()["id"] == number
            orders = socket.receive()["data"]["orders"]
            assert [one["id"] for one in orders] == expected[: number + 1], "a query sees what came before it"
            assert socket.receive()["error_code"] == 2038


@pytest.mark.row("W-02")
def test_concurrent_requests_are_told_apart_by_their_id(alice: Bot) -> None:
    with alice.socket("/ws/v2") as socket:
        bodies = {number: alice.order(40_000 + number, 0.1, id=number) for number in range(200)}
        for body in bodies.values():
            socket.send({"place_order": body})
        answers = [socket.receive() for _ in bodies]
        assert {one["id"] for one in answers} == bodies.keys()
        assert all(one["signature"] == bodies[one["id"]]["signature"] for one in answers)
        assert {one["request_type"] for one in answers} == {"execute_place_order"}
        digest = answers[0]["data"]["digest"]
        assert socket.ask({"cancel_orders": alice.cancellation([digest], id=7)})["id"] == 7
        assert socket.ask({"cancel_product_orders": alice.product_cancellation([ETH], id=8)})["id"] == 8
        old = alice.place(30_000, 0.1)
        assert socket.ask({"cancel_and_place": alice.replacement(old, alice.order(30_001, 0.1, id=9))})["id"] == 9
        assert socket.ask({"cancel_orders": {**alice.cancellation(["0x" + "ab" * 32]), "id": 10}})["id"] == 10


@pytest.mark.row("W-01")
def test_who_sends_more_than_can_wait_is_answered_all_the_same(alice: Bot) -> None:
    with alice.socket() as socket:
        for _ in range(2_000):
            socket.send({"type": "status"})
        assert {socket.receive()["data"] for _ in range(2_000)} == {"active"}


@pytest.mark.row("W-04")
@pytest.mark.parametrize("path", [SERIAL[0], CONCURRENT[0], SUBSCRIBE[0]])
def test_a_ping_is_answered(alice: Bot, path: str) -> None:
    with alice.socket(path) as socket:
        assert socket.connection.ping(b"there?").wait(WAIT_S)


# ---- compression ---------------------------------------------------------------------------------------------------


@pytest.mark.row("W-03")
@pytest.mark.parametrize("path", [SERIAL[0], CONCURRENT[0], SUBSCRIBE[0]])
@pytest.mark.parametrize(
    "offer",
    [
        {},
        {"client_max_window_bits": None},
        {"client_max_window_bits": 9, "client_no_context_takeover": True},
        {"server_max_window_bits": 9},
        {"server_no_context_takeover": True},
    ],
    ids=str,
)
def test_compression_is_agreed_on_when_it_is_offered(alice: Bot, path: str, offer: dict[str, Any]) -> None:
    extension = ClientPerMessageDeflateFactory(**offer)
    with alice.socket(path, compression=None, extensions=[extension]) as socket:
        assert [type(one).__name__ for one in socket.connection.protocol.extensions] == ["PerMessageDeflate"]
        if path in SUBSCRIBE:
            streams = [{"type": "trade", "product_id": number} for number in range(100)]
            socket.ask({"method": "subscribe_multi", "streams": streams, "id": 1})
            assert len(socket.ask({"method": "list", "id": 1})["result"]) == 101
        else:
            large = {"type": "all_products", "padding": "x" * 10_000}
            for _ in range(3):
                assert len(socket.ask(large)["data"]["perp_products"]) == 2


@pytest.mark.row("W-03")
@pytest.mark.parametrize("path", [*SERIAL[:1], *SUBSCRIBE[:1]])
def test_and_is_not_needed(alice: Bot, path: str) -> None:
    with alice.socket(path, compression=None) as socket:
        assert socket.connection.protocol.extensions == []
        assert socket.ask({"method": "list", "id": 1} if path in SUBSCRIBE else {"type": "status"})


STRICT = """
[nado]
compression_required = true
idle_timeout_s = 1.5
connections_per_address_max = 3
"""


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bot]:
    """A venue that insists on compression, and has little patience."""
    file = tmp_path_factory.mktemp("strict") / "venue.toml"
    file.write_text(STRICT)
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield Bot(client, ALICE)


@pytest.mark.row("W-03")
@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/v1/ws", {"error_code": 2080}),
        ("/ws/v2", {"error_code": 2080}),
        ("/v1/subscribe", {"result": None, "id": 0}),
    ],
)
def test_a_strict_venue_tells_sockets_without_compression_why_it_ends_them(
    strict: Bot, path: str, answer: dict[str, Any]
) -> None:
    with strict.socket(path, compression=None) as socket:
        told = socket.receive()
        assert told.items() >= answer.items()
        assert "permessage-deflate" in told["error"]
        with pytest.raises(ConnectionClosed):
            socket.receive()
    with strict.socket(path) as socket:
        assert socket.ask({"method": "list", "id": 1} if path in SUBSCRIBE else {"type": "status"})


@pytest.mark.row("W-04")
@pytest.mark.parametrize("path", ["/v1/ws", "/v1/subscribe"])
def test_a_silent_socket_is_closed_and_one_that_pings_is_not(strict: Bot, path: str) -> None:
    with strict.socket(path, ping_interval=None) as silent, strict.socket(path, ping_interval=0.4) as pinging:
        began = time.monotonic()
        with pytest.raises(ConnectionClosed) as ended:
            silent.receive()
        assert time.monotonic() - began >= 1.2
        assert ended.value.rcvd is not None
        assert (ended.value.rcvd.code, "ping" in ended.value.rcvd.reason) == (1008, True)
        assert pinging.connection.ping().wait(WAIT_S)


def test_one_address_has_so_many_subscription_sockets(strict: Bot) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(strict.socket("/v1/subscribe", ping_interval=0.4))
        with pytest.raises(InvalidStatus) as refused, strict.socket("/v1/subscribe"):
            pass
        assert refused.value.response.status_code == 403
        stack.enter_context(strict.socket("/v1/ws"))


# ---- subscriptions -------------------------------------------------------------------------------------------------


@pytest.mark.row("W-06")
@pytest.mark.parametrize("path", SUBSCRIBE)
def test_every_request_of_the_table(alice: Bot, path: str) -> None:
    with alice.socket(path) as socket:
        stream = {"type": "trade", "product_id": 2}
        both = [stream, {"type": "best_bid_offer", "product_id": 2}]
        assert socket.ask({"method": "subscribe", "stream": stream, "id": 10}) == {"result": None, "id": 10}
        assert socket.ask({"method": "subscribe", "stream": stream, "id": 10}) == {"result": None, "id": 10}
        assert socket.ask({"method": "list", "id": 14})["result"] == [{"type": "default"}, stream]
        assert socket.ask({"method": "subscribe_multi", "streams": both, "id": 12}) == {"result": None, "id": 12}
        assert socket.ask({"method": "unsubscribe", "stream": stream, "id": 11}) == {"result": None, "id": 11}
        assert socket.ask({"method": "unsubscribe_multi", "streams": both, "id": 13}) == {"result": None, "id": 13}
        assert socket.ask({"method": "list", "id": 14})["result"] == [{"type": "default"}]
        pong = socket.ask({"method": "ping", "id": 15, "client_time": "1735689600000"})
        assert pong["result"].pop("server_time").isdigit()
        assert pong == {"result": {"method": "pong", "client_time": "1735689600000"}, "id": 15}
        assert socket.ask({"method": "time", "id": 16})["result"]["method"] == "time"


@pytest.mark.row("W-05", "W-07")
def test_authentication_has_a_window_and_an_owner(alice: Bot, bob: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket:

        def authenticate(bot: Bot, ahead_ms: int = 50_000) -> str | None:
            answer = socket.ask({"method": "authenticate", "id": 0, **bot.authentication(ahead_ms)})
            error: str | None = answer.get("error")
            return error

        assert "within 100000 ms" in (authenticate(alice, 101_000) or "")
        assert "within 100000 ms" in (authenticate(alice, -50) or "")
        stranger = Bot(alice.http, ALICE, key=CAROL)
        assert "2028" in (authenticate(stranger) or "")
        orders = {"type": "order_update", "subaccount": hex_text(alice.sender), "product_id": None}
        assert socket.ask({"method": "subscribe", "stream": orders, "id": 1})["error"] == "Auth is needed."
        assert authenticate(alice) is None
        socket.follow(**orders)
        assert "another wallet" in (authenticate(bob) or "")


def orders_of(socket: Socket, count: int) -> list[tuple[str, str]]:
    """Amount in thousandths and reason of the next updates."""
    events = [socket.receive() for _ in range(count)]
    assert {one["type"] for one in events} == {"order_update"}
    return [(str(int(one["amount"]) * 1000 // X18), one["reason"]) for one in events]


@pytest.mark.row("W-11", "W-07", "C-31", "W-12")
def test_the_sequences_of_order_updates(alice: Bot, bob: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket, alice.socket() as action:
        socket.authenticate(alice)
        socket.follow(type="order_update", subaccount=hex_text(alice.sender))
        resting = alice.place(50_000, 0.1)
        assert orders_of(socket, 1) == [("100", "placed")]
        bob.place(50_000, -0.01, appendix=IOC)
        assert orders_of(socket, 1) == [("90", "filled")]
        alice.cancel(resting)
        assert orders_of(socket, 1) == [("0", "cancelled")]
        for _ in range(2):
            bob.place(51_000, -0.01)
        alice.place(51_000, 0.1, appendix=DEFAULT)
        assert orders_of(socket, 3) == [("90", "filled"), ("80", "filled"), ("80", "placed")]
        alice.clear()
        assert orders_of(socket, 1) == [("0", "cancelled")]
        bob.place(51_000, -0.01)
        alice.place(51_000, 0.1, appendix=IOC)
        assert orders_of(socket, 2) == [("90", "filled"), ("0", "cancelled")]
        bob.place(51_000, -0.1)
        alice.place(51_000, 0.1, appendix=DEFAULT)
        assert orders_of(socket, 1) == [("0", "filled")]
        assert action.ask({"place_order": alice.order(51_000, 0.1, appendix=IOC)})["error_code"] == 2056
        assert orders_of(socket, 1) == [("0", "cancelled")]


@pytest.mark.row("W-08", "W-09")
def test_a_trade_is_heard_on_every_stream(alice: Bot, bob: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket:
        streams: list[Any] = [
            {"type": "fill", "subaccount": hex_text(bob.sender)},
            {"type": "position_change", "subaccount": hex_text(bob.sender), "product_id": BTC},
            {"type": "trade", "product_id": BTC},
            {"type": "best_bid_offer", "product_id": BTC},
            {"type": "book_depth", "product_id": BTC},
            {"type": "all_bbo"},
        ]
        socket.ask({"method": "subscribe_multi", "streams": streams, "id": 1})
        maker = bob.place(52_000, -0.1, id=5)
        alice.place(52_000, 0.04, appendix=IOC)
        heard: dict[str, list[Any]] = {}
        asks: dict[str, str] = {}
        # What earlier tests left behind may be told first: the depth is heard when it shows this price.
        while not (heard.keys() >= {one["type"] for one in streams} and str(52_000 * X18) in asks):
            event = socket.receive()
            heard.setdefault(event["type"], []).append(event)
            if event["type"] == "book_depth":
                asks |= dict(event["asks"])
        (fill,) = heard["fill"]
        assert fill["order_digest"] == maker
        assert (fill["filled_qty"], fill["remaining_qty"], fill["is_taker"], fill["is_bid"], fill["id"]) == (
            str(4 * X18 // 100),
            str(6 * X18 // 100),
            False,
            False,
            5,
        )
        (trade,) = heard["trade"]
        assert (trade["price"], trade["is_taker_buyer"]) == (str(52_000 * X18), True)
        assert heard["position_change"][-1]["reason"] == "match_orders"
        assert str(52_000 * X18) in [one["ask_price"] for one in heard["best_bid_offer"]]
        assert int(asks[str(52_000 * X18)]) in (X18 // 10, 6 * X18 // 100), "a total, and no difference"


@pytest.mark.row("W-10", "W-09")
def test_a_book_kept_from_its_messages_is_the_book(alice: Bot, bob: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket:
        socket.follow(type="book_depth", product_id=ETH)
        for number in range(30):
            alice.place(2_000 + number % 7, 1, ETH)
        snapshot = alice.data("market_liquidity", product_id=ETH, depth=100)
        book: dict[str, dict[str, str]] = {side: dict(snapshot[side]) for side in ("bids", "asks")}
        for number in range(30):
            bob.place(2_600 + number % 5, -1, ETH)
        bob.place(2_000, -3, ETH, DEFAULT)
        alice.clear()
        final = alice.data("market_liquidity", product_id=ETH, depth=100)
        last = None
        while last is None or int(last["max_timestamp"]) < int(final["timestamp"]):
            message = socket.receive()
            if last is not None:
                assert message["last_max_timestamp"] == last["max_timestamp"]
            assert int(message["min_timestamp"]) <= int(message["max_timestamp"])
            last = message
            if int(message["max_timestamp"]) <= int(snapshot["timestamp"]):
                continue
            for side in ("bids", "asks"):
                for price, size in message[side]:
                    book[side].pop(price, None)
                    if size != "0":
                        book[side][price] = size
        assert book == {side: dict(final[side]) for side in ("bids", "asks")}


@pytest.mark.row("W-06")
def test_streams_that_stay_silent_are_accepted(alice: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket:
        for stream in (
            {"type": "liquidation", "product_id": None},
            {"type": "funding_payment", "product_id": 2},
            {"type": "funding_rate"},
            {"type": "latest_candlestick", "product_id": 2, "granularity": 60, "chain_id": 763373},
        ):
            socket.follow(**stream)


# ---- HTTP ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("K-05")
@pytest.mark.parametrize("path", ["/v1/execute", "/query", "/v2/assets", "/v1//query"])
def test_pages_of_any_origin_may_ask_with_credentials(http: httpx.Client, path: str) -> None:
    origin = {"Origin": "https://app.example"}
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = http.options(path, headers={**origin, **asked})
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
    assert answer.headers["access-control-allow-headers"] == "content-type"
    answer = http.get("/v1/time", headers=origin)
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert "access-control-allow-origin" not in http.get("/v1/time").headers


@pytest.mark.row("Q-16", "Q-18", "C-01")
def test_every_path_is_served_with_and_without_its_prefix(http: httpx.Client, alice: Bot) -> None:
    for prefix in ("/v1", "", "/v1/", "//v1"):
        assert alice.post(f"{prefix}/query", {"type": "status"})["data"] == "active"
        assert http.get(f"{prefix}/query?type=contracts").json() == alice.query("contracts")
        assert alice.post(f"{prefix}/execute", {})["error_code"] == 2038
        assert abs(http.get(f"{prefix}/time").json() - alice.now_ms()) < 60_000
        assert http.get(f"{prefix}/ip").status_code == 200
        assert http.get(f"{prefix}/cf-check").status_code == 200
        assert isinstance(http.get(f"{prefix}/symbols").json(), list)
        assert http.get(f"{prefix}/edge/query?type=time").json()["server_time"].isdigit()
        assert alice.post(f"{prefix}/edge/query", {"type": "cached_status"})["data"] == "active"


@pytest.mark.parametrize(("accepted", "coding"), [("gzip", "gzip"), ("deflate", "deflate"), ("br", None), ("", None)])
def test_answers_are_compressed_for_who_can_read_them(http: httpx.Client, accepted: str, coding: str | None) -> None:
    answer = http.post("/v1/query", json={"type": "all_products"}, headers={"Accept-Encoding": accepted})
    assert answer.headers.get("content-encoding") == coding
    assert "Accept-Encoding" in answer.headers["vary"]
    assert answer.json()["status"] == "success"


def test_a_frame_may_come_in_pieces_and_binary(alice: Bot) -> None:
    with alice.socket() as socket:
        message = json.dumps({"type": "status"})
        socket.connection.send([message[:5], message[5:]])
        assert socket.receive()["data"] == "active"
        socket.connection.send(message.encode())
        assert socket.receive()["data"] == "active"


def test_sandboxes_say_where_their_sockets_are(http: httpx.Client) -> None:
    nado = http.get("/sandbox").json()["nado"]
    base = str(http.base_url).rstrip("/")
    assert nado["gatewayUrl"] == f"{base}/v1"
    assert nado["wsUrl"] == f"{base}/v1/ws".replace("http", "ws")
    assert nado["subscribeUrl"] == f"{base}/v1/subscribe".replace("http", "ws")
