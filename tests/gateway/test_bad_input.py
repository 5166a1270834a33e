"""Whatever is wrong with a request is answered with a code, over HTTP and over sockets, and nothing is harmed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, DEFAULT, ETH, ETH_SPOT, FOK, IOC, POST_ONLY, REDUCE_ONLY, Bot, Json
from tests.protocols.nado.test_decode import request_of, served
from tests.protocols.nado.vectors import DOMAIN, NEGATIVE, NOW_MS, VECTORS, Vector, domain_of
from tests.server.test_bad_input import NO_OBJECTS
from websockets.exceptions import ConnectionClosed

from overround.protocols.nado.errors import ANSWERED_INSTEAD, Code
from overround.protocols.nado.nonces import make_nonce
from overround.protocols.nado.units import X18, hex_text, subaccount
from overround.testing.accounts import BOB, CAROL
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("gateway bad input")

OLD = Path(__file__).with_name("venue_of_old.py")


def code_of(answer: Json) -> int:
    """The code of a failure envelope, whose shape is looked at in passing."""
    assert answer["status"] == "failure", answer
    assert isinstance(answer["error"], str)
    assert answer["error"]
    assert "data" not in answer
    assert "req" not in answer
    return int(answer["error_code"])


# ---- vectors -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def past() -> Iterator[Bot]:
    """A sandbox at the time of the vectors."""
    root = Path(__file__).parents[2]
    with ServerProcess(program=(str(OLD),), env={"PYTHONPATH": str(root)}) as server, server.client() as client:
        yield Bot(client, CAROL)


@pytest.mark.row("S-08", "C-26")
@pytest.mark.parametrize("negative", NEGATIVE, ids=lambda one: one["name"])
def test_every_negative_vector_is_refused_with_its_code(past: Bot, negative: Vector) -> None:
    request = request_of(negative["base"])
    next(iter(request.values()))["signature"] = negative["signature"]
    expected = next(code for code in (2027, 2028, 2034, 2035) if str(code) in negative["expect"])
    assert code_of(past.post("/v1/execute", request)) == expected
    with past.socket() as socket:
        assert code_of(socket.ask(request)) == expected


@pytest.mark.row("S-07")
@pytest.mark.parametrize("name", served())
def test_every_vector_is_verified_and_judged_by_what_it_says(past: Bot, name: str) -> None:
    """Its products may not exist here, its price or its account be out of reach; its signature is never at fault."""
    if domain_of(VECTORS[name]) != DOMAIN:
        pytest.skip("signed for another venue")
    answer = past.post("/v1/execute", VECTORS[name]["request"])
    assert answer.get("error_code") not in (2011, 2012, 2027, 2028, 2029, 2034, 2035, 2038), answer


@pytest.mark.row("C-26", "S-08")
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda text: text[:-2] + "00", 2034),
        (lambda text: text[:-2] + "01", 2034),
        (lambda text: text[:-2] + "1d", 2034),
        (lambda text: text[:-2], 2027),
        (lambda text: text + "00" * 20, 2027),
        (lambda _: "0x", 2027),
        (lambda _: "", 2027),
        (lambda text: text[:-3] + "g" + text[-2:], 2035),
        (lambda text: "0x" + "00" * 32 + text[66:], 2035),
        (lambda text: text[:66] + "ff" * 32 + text[-2:], 2035),
        (lambda _: "0x" + "11" * 64 + "1b", 2029),
        (lambda _: VECTORS["cancel_orders_one"]["signature"], 2028),
    ],
    ids=[
        "v 0",
        "v 1",
        "v 29",
        "64 bytes",
        "85 bytes",
        "no digits",
        "nothing",
        "no hex",
        "r 0",
        "high s",
        "nobody",
        "stranger",
    ],
)
def test_signatures(alice: Bot, spoil: Any, code: int) -> None:
    body = alice.cancellation([])
    body["signature"] = spoil(body["signature"])
    answer = alice.execute(cancel_orders=body)
    assert code_of(answer) == code
    assert answer["signature"] == (body["signature"] if code in (2028, 2029) else "")
    order = alice.order(50_000, 0.1)
    order["signature"] = spoil(order["signature"])
    assert code_of(alice.execute(place_order=order)) in (code, 2028, 2029)


def test_a_signature_with_high_s_is_the_twin_of_a_good_one_and_is_refused(alice: Bot) -> None:
    order_of_curve = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    body = alice.cancellation([])
    text = body["signature"]
    s, v = int(text[66:130], 16), int(text[130:], 16)
    body["signature"] = text[:66] + f"{order_of_curve - s:064x}" + f"{55 - v:02x}"
    assert code_of(alice.execute(cancel_orders=body)) == 2035


@pytest.mark.row("S-02", "S-03", "S-08")
def test_what_was_signed_for_something_else(alice: Bot) -> None:
    order = alice.order(50_000, 0.1)
    assert code_of(alice.execute(place_order={**order, "product_id": ETH})) == 2028
    for name, request in VECTORS.items():
        if name.startswith("cancel_orders"):
            assert code_of(alice.post("/v1/execute", request["request"])) == 2011


# ---- nonces --------------------------------------------------------------------------------------------------------


@pytest.mark.row("C-08", "C-25")
def test_nonces_that_cannot_be_right_are_answered_with_a_hint(alice: Bot) -> None:
    now = alice.now_ms()
    for nonce, code, hint in (
        (str((now + 50) << (20 + 1000)), 2038, "shifted by 1020 bits"),
        (str(now + 50), 2011, "not shifted"),
        (str(1 << 64), 2038, "nonce = (recv_time_ms << 20) + random"),
        ("-5", 2038, "32-bit"),
        ("9" * 500, 2038, "nonce = (recv_time_ms << 20) + random"),
    ):
        body = alice.cancellation([])
        body["tx"]["nonce"] = nonce
        answer = alice.execute(cancel_orders=body)
        assert (code_of(answer), hint in answer["error"]) == (code, True), answer
    assert now > NOW_MS


@pytest.mark.row("C-25")
def test_orders_have_the_window_too(alice: Bot) -> None:
    now = alice.now_ms()
    assert code_of(alice.execute(place_order=alice.order(50_000, 0.1, nonce=make_nonce(now - 1)))) == 2011
    assert code_of(alice.execute(place_order=alice.order(50_000, 0.1, nonce=make_nonce(now + 120_000)))) == 2012


# ---- shapes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b"{",
        b'"cancel_orders"',
        b"\xff\xfe",
        b'{"cancel_orders": null}',
        b'{"cancel_orders": []}',
        b'{"nothing": {}}',
        b"{}",
        b'{"cancel_orders": {}, "place_order": {}}',
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b"[" * 100_000,
    ],
    ids=range(14),
)
def test_what_is_no_execute(alice: Bot, content: bytes) -> None:
    assert code_of(alice.post("/v1/execute", content)) == 2038
    assert code_of(alice.post("/v1/query", content)) == 1005
    text = content.decode(errors="replace")
    with alice.socket() as socket:
        answer = socket.ask(text)
        assert code_of(answer) == 2038
        assert code_of(socket.ask("still there?")) == 2038
        assert socket.ask({"type": "status"})["data"] == "active"


@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=list(NO_OBJECTS))
def test_what_is_no_object_is_a_failure_at_every_path(alice: Bot, body: bytes) -> None:
    for path, code in (("/v1/execute", 2038), ("/execute", 2038), ("/query", 1005), ("/v1/edge/query", 1005)):
        assert code_of(alice.post(path, body)) == code


@pytest.mark.row("P-03")
def test_null_is_absent_and_unknown_members_are_ignored_at_every_depth(alice: Bot) -> None:
    order = alice.order(50_000, 0.1, id=None, digest=None, spot_leverage=None, borrow_margin=None, trigger=None, x=[1])
    order["order"]["also"] = {"deep": [None]}
    answer = alice.execute(place_order=order)
    assert answer["status"] == "success"
    assert "id" not in answer
    body = alice.cancellation([answer["data"]["digest"]], required_unfilled_amount=None, id=None, x=None)
    body["tx"]["strange"] = 5
    assert alice.post("/v1/execute", {"cancel_orders": body, "more": 1})["status"] == "success"
    answer = alice.execute(place_orders={"orders": [], "stop_on_failure": None})
    assert answer["data"] == []


def test_a_body_is_bounded(alice: Bot) -> None:
    response = alice.http.post("/v1/execute", content=b'{"a":"' + b"x" * (3 << 20) + b'"}')
    assert response.status_code == 413
    assert alice.http.get("/v1/nowhere").status_code == 404


# ---- orders --------------------------------------------------------------------------------------------------------


@pytest.mark.row("P-04", "P-05", "P-06", "P-07")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"product_id": 999}, 2016),
        ({"product_id": 0}, 2015),
        ({"appendix": 2}, 2095),
        ({"appendix": 1 | 1 << 12}, 2097),
        ({"appendix": 1 | 1 << 14}, 2009),
        ({"appendix": 1 | 1 << 8}, 2086),
        ({"appendix": 1 | 1 << 8, "product_id": ETH_SPOT}, 2083),
        ({"expiration": 1}, 2004),
        ({"price_x18": 0}, 2055),
        ({"price_x18": -X18}, 2055),
        ({"price_x18": 50_000 * X18 + 1}, 2000),
        ({"amount_x18": 0}, 2002),
        ({"amount_x18": X18 // 10 + 1}, 2001),
        ({"amount_x18": 5 * 10**13}, 2094),
        ({"amount_x18": 1 << 127}, 2091),
        ({"appendix": DEFAULT | REDUCE_ONLY}, 2067),
        ({"appendix": IOC | REDUCE_ONLY}, 2064),
        ({"spot_leverage": True}, 2019),
        ({"appendix": IOC}, 2056),
        ({"appendix": FOK}, 2031),
        ({"amount_x18": 1_000 * X18}, 2006),
        ({"digest": "0x" + "00" * 32}, 2035),
        ({"digest": "0x00"}, 2038),
    ],
)
def test_orders_that_cannot_be_placed(alice: Bot, change: Json, code: int) -> None:
    given = dict(change)
    product_id = given.pop("product_id", BTC)
    wide = given.pop("amount_x18", None) if code == 2091 else None
    order = alice.order(50_000, 0.1, product_id, **{"appendix": POST_ONLY, **given})
    if wide:
        order["order"]["amount"] = str(wide)
    assert code_of(alice.execute(place_order=order)) == code
    assert alice.open() == []


@pytest.mark.row("P-08", "P-05", "C-21")
def test_an_order_is_placed_once(alice: Bot) -> None:
    order = alice.order(50_000, 0.1)
    assert alice.execute(place_order=order)["status"] == "success"
    assert code_of(alice.execute(place_order=order)) == 2013
    alice.cancel_products(BTC)
    assert code_of(alice.execute(place_order=order)) == 2013
    immediate = alice.order(50_000, 0.1, appendix=IOC)
    assert code_of(alice.execute(place_order=immediate)) == 2056
    assert code_of(alice.execute(place_order=immediate)) == 2013


@pytest.mark.row("P-05")
def test_post_only_does_not_cross(alice: Bot, bob: Bot) -> None:
    bob.place(61_000, -0.1)
    assert code_of(alice.execute(place_order=alice.order(61_000, 0.1))) == 2008


def test_who_never_had_money_places_nothing(http: httpx.Client) -> None:
    stranger = Bot(http, CAROL, "poor")
    assert code_of(stranger.execute(place_order=stranger.order(50_000, 0.1))) == 2024


# ---- cancels -------------------------------------------------------------------------------------------------------


@pytest.mark.row("C-23", "C-24", "C-27")
def test_one_bad_digest_and_nothing_is_cancelled(alice: Bot, bob: Bot) -> None:
    own, others = alice.place(50_000, 0.1), bob.place(50_001, 0.1)
    unknown = "0x" + "ab" * 32
    answer = alice.cancel(own, unknown)
    assert code_of(answer) == 2020
    assert unknown in answer["error"]
    assert code_of(alice.cancel(own, own)) == 2020
    answer = alice.cancel(others, own)
    assert code_of(answer) == 2014
    assert code_of(alice.cancel(own, products=[ETH])) == 2020
    assert code_of(alice.cancel(own, products=[999])) == 2020
    second = Bot(alice.http, alice.account, "second")
    assert code_of(second.cancel(own)) == 2014
    assert [one["digest"] for one in alice.open()] == [own]
    assert [one["digest"] for one in bob.open()] == [others]


@pytest.mark.row("C-29")
def test_only_what_is_left_as_required(alice: Bot, bob: Bot) -> None:
    order = alice.place(50_000, 0.1)
    bob.place(50_000, -0.04, appendix=IOC)
    assert code_of(alice.cancel(order, required_unfilled_amount=str(X18 // 10))) == 2126
    assert alice.cancel(order, required_unfilled_amount=str(-6 * X18 // 100))["status"] == "success"


@pytest.mark.row("P-11")
def test_products_to_cancel_must_exist(alice: Bot) -> None:
    answer = alice.cancel_products(BTC, 999)
    assert code_of(answer) == 2016
    assert answer["request_type"] == "execute_cancel_product_orders"


@pytest.mark.row("C-21")
def test_a_cancellation_is_obeyed_once(alice: Bot) -> None:
    body = alice.product_cancellation([BTC])
    assert alice.execute(cancel_product_orders=body)["status"] == "success"
    alice.place(50_000, 0.1)
    assert code_of(alice.execute(cancel_product_orders=body)) == 2013
    assert len(alice.open()) == 1


def test_somebody_else_cancels_nothing(alice: Bot, bob: Bot) -> None:
    order = alice.place(50_000, 0.1)
    thief = Bot(alice.http, alice.account, key=BOB)
    assert code_of(thief.cancel(order)) == 2028
    assert code_of(thief.cancel_products()) == 2028
    assert len(alice.open()) == 1


@pytest.mark.row("C-22")
def test_lists_of_different_lengths(alice: Bot) -> None:
    assert code_of(alice.execute(cancel_orders=alice.cancellation([], [BTC]))) == 2039


def test_too_many_digests(alice: Bot) -> None:
    body = alice.cancellation([])
    body["tx"]["digests"], body["tx"]["productIds"] = ["0x" + "ab" * 32] * 1001, [2] * 1001
    assert code_of(alice.execute(cancel_orders=body)) == 1000


# ---- replacing, batches, linking -----------------------------------------------------------------------------------


@pytest.mark.row("P-12")
def test_both_halves_are_of_one_sender_and_one_signer(alice: Bot, bob: Bot) -> None:
    old = alice.place(50_000, 0.1)
    body = alice.replacement(old, bob.order(50_000, 0.1))
    assert code_of(alice.execute(cancel_and_place=body)) == 2066
    other_key = Bot(alice.http, alice.account, key=BOB)
    body = alice.replacement(old, other_key.order(50_000, 0.1))
    assert code_of(alice.execute(cancel_and_place=body)) == 2066
    assert [one["digest"] for one in alice.open()] == [old]


@pytest.mark.row("P-12")
def test_a_placement_that_is_refused_leaves_the_old_order_alone(alice: Bot) -> None:
    old = alice.place(50_000, 0.1)
    body = alice.replacement(old, alice.order(0, 0.1, price_x18=50_000 * X18 + 1))
    assert code_of(alice.execute(cancel_and_place=body)) == 2000
    body = alice.replacement(old, alice.order(50_000, 0.1, appendix=FOK))
    assert code_of(alice.execute(cancel_and_place=body)) == 2031
    assert [one["digest"] for one in alice.open()] == [old]
    body = alice.replacement("0x" + "ab" * 32, alice.order(50_000, 0.1), place_requires_unfilled=True)
    assert code_of(alice.execute(cancel_and_place=body)) == 2126


@pytest.mark.row("P-10")
def test_batches(alice: Bot, bob: Bot) -> None:
    good = alice.order(50_000, 0.1)
    assert code_of(alice.execute(place_orders={"orders": [good] * 51})) == 2111
    assert code_of(alice.execute(place_orders={"orders": [good, bob.order(50_000, 0.1)]})) == 2114
    assert code_of(alice.execute(place_orders={"orders": [good, {}]})) == 2038


@pytest.mark.row("P-13", "P-14")
def test_linking(alice: Bot) -> None:
    carol = subaccount(CAROL.address, "")
    nonce = int(alice.data("nonces", address=hex_text(alice.account.address))["tx_nonce"])
    assert code_of(alice.link(carol, nonce + 1)) == 2022
    assert alice.link(carol)["status"] == "success"
    assert code_of(alice.link(carol, nonce)) == 2022
    assert code_of(alice.link(carol)) == 2026
    by_signer = Bot(alice.http, alice.account, key=CAROL)
    assert code_of(by_signer.link(bytes(32))) == 2028
    assert alice.link(bytes(32))["status"] == "success"
    isolated = Bot(alice.http, alice.account)
    isolated.sender = alice.account.address + bytes(9) + b"iso"
    assert code_of(isolated.link(carol)) == 2089


@pytest.mark.row("P-15")
@pytest.mark.parametrize(
    "name",
    ["transfer_quote", "withdraw_collateral", "withdraw_collateral_v2", "mint_nlp", "burn_nlp", "liquidate_subaccount"],
)
def test_what_is_not_implemented(alice: Bot, name: str) -> None:
    answer = alice.execute(**{name: {"tx": {}, "signature": "0x"}})
    assert code_of(answer) == 4001
    assert answer["request_type"] == f"execute_{name}"


# ---- queries -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"type": "nothing"}, 1005),
        ({}, 1005),
        ({"type": 5}, 1005),
        ({"type": "market_liquidity", "product_id": 2}, 1005),
        ({"type": "market_liquidity", "product_id": 2, "depth": 0}, 1005),
        ({"type": "market_liquidity", "product_id": "two", "depth": 1}, 1005),
        ({"type": "order", "product_id": 2, "digest": "0x" + "ab" * 32}, 2020),
        ({"type": "symbols", "product_type": "option"}, 2061),
        ({"type": "nonces", "address": "0x00"}, 1005),
        ({"type": "validate_order"}, 4001),
    ],
)
def test_queries(alice: Bot, query: Json, code: int) -> None:
    over_http = alice.post("/v1/query", query)
    assert code_of(over_http) == code
    if "type" in query:
        with alice.socket() as socket:
            assert socket.ask(query) == over_http


# ---- sockets -------------------------------------------------------------------------------------------------------


def test_a_frame_that_is_too_large_ends_its_socket_and_no_other(alice: Bot) -> None:
    with alice.socket() as socket, alice.socket("/v1/subscribe") as other:
        with pytest.raises(ConnectionClosed):
            socket.ask(json.dumps({"a": "x" * (3 << 20)}))
        assert other.ask({"method": "list", "id": 1})["id"] == 1


@pytest.mark.row("W-06")
@pytest.mark.parametrize(
    ("message", "text", "id"),
    [
        ("nonsense", "error parsing request", 0),
        ("[]", "error parsing request", 0),
        ({"method": "subscribe", "id": 3}, "missing field `stream`", 3),
        ({"method": "subscribe", "stream": {"type": "trade"}, "id": 3}, "missing field `product_id`", 3),
        ({"method": "subscribe", "stream": {"type": "weather"}, "id": 3}, "unknown stream", 3),
        ({"method": "dance", "id": 3}, "unknown method", 3),
        ({"method": "authenticate", "id": 3, "tx": {"sender": "0x" + "00" * 32}, "signature": "0x"}, "expiration", 3),
    ],
)
def test_what_is_no_subscription(alice: Bot, message: Any, text: str, id: int) -> None:
    with alice.socket("/v1/subscribe") as socket:
        answer = socket.ask(message)
        assert text in answer["error"]
        assert (answer["result"], answer["id"]) == (None, id)
        assert socket.ask({"method": "list", "id": 4})["result"] == [{"type": "default"}]


# ---- all of them ---------------------------------------------------------------------------------------------------


def test_every_marked_code_is_met_by_a_test_or_never_emitted() -> None:
    files = [*Path(__file__).parent.glob("test_*.py"), Path(__file__).parents[1] / "server" / "test_gateway.py"]
    written = "".join(one.read_text() for one in files)
    emitted = {code for code in Code if code.marked} - ANSWERED_INSTEAD.keys()
    assert {code for code in emitted if not re.search(rf"\b{code.value}\b", written)} == set()
