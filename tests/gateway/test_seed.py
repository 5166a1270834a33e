"""The seed page "Cancel Orders", line by line, over the action socket and over HTTP (`seeds/003*`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, DEFAULT, ETH, POST_ONLY, Bot, Json

from overround.protocols.nado.digests import OrderTerms, cancellation_digest, order_digest
from overround.protocols.nado.nonces import make_nonce
from overround.protocols.nado.units import X18, hex_text, subaccount
from overround.signing.recover import parse_signature, recover_address
from overround.testing.accounts import BOB

pytestmark = pytest.mark.xdist_group("gateway seed")

Ask = Callable[[Json], Json]


@pytest.fixture(params=["WEBSOCKET", "HTTP"])
def ask(request: pytest.FixtureRequest, alice: Bot) -> Iterator[Ask]:
    """`Connect: WEBSOCKET [GATEWAY_WEBSOCKET_ENDPOINT]`, and what the gateway serves beside it."""
    if request.param == "HTTP":
        yield lambda message: alice.execute(**message)
    else:
        with alice.socket("/v1/ws") as socket:
            yield socket.ask


@pytest.mark.row("C-01", "C-02", "C-19", "C-20")
def test_removes_specified_orders_from_orderbook(ask: Ask, alice: Bot) -> None:
    gone = [alice.place(50_000, 0.1), alice.place(2_000, 1, ETH)]
    kept = alice.place(49_000, 0.1)
    answer = ask({"cancel_orders": alice.cancellation(gone, [BTC, ETH])})
    assert [one["digest"] for one in answer["data"]["cancelled_orders"]] == gone
    assert [one["digest"] for one in alice.open()] == [kept]
    assert alice.open(ETH) == []
    book = alice.data("market_liquidity", product_id=BTC, depth=10)
    assert book["bids"] == [[str(49_000 * X18), str(X18 // 10)]]
    assert alice.query("order", product_id=BTC, digest=gone[0])["error_code"] == 2020


@pytest.mark.row("C-03", "C-04", "C-05")
@pytest.mark.parametrize("missing", ["tx", "sender", "productIds", "digests", "nonce", "signature"])
def test_request_parameters_are_required(ask: Ask, alice: Bot, missing: str) -> None:
    body = alice.cancellation([])
    del (body if missing in body else body["tx"])[missing]
    answer = ask({"cancel_orders": body})
    assert (answer["status"], answer["error_code"]) == ("failure", 2038)
    assert missing in answer["error"]
    assert answer["request_type"] == "execute_cancel_orders"


@pytest.mark.row("C-03", "C-05", "C-11")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sender", "0x7a5ec2748e9065794491a8d29dcf3f9edb8d7c43"),
        ("sender", 7),
        ("productIds", ["2"]),
        ("productIds", 2),
        ("digests", ["0x"]),
        ("digests", [1]),
        ("nonce", "one"),
        ("nonce", "0x1"),
        ("nonce", 1.5),
    ],
)
def test_request_parameters_have_their_types(ask: Ask, alice: Bot, name: str, value: Any) -> None:
    body = alice.cancellation([])
    body["tx"] = {"productIds": [2], "digests": ["0x" + "00" * 32], **body["tx"], name: value}
    if name == "digests":
        body["tx"]["productIds"] = [2]
    elif name == "productIds" and isinstance(value, list):
        body["tx"]["digests"] = ["0x" + "00" * 32]
    assert ask({"cancel_orders": body})["error_code"] == 2038


@pytest.mark.row("C-05", "C-22")
@pytest.mark.parametrize(("products", "digests"), [([2], 0), ([], 1), ([2, 2], 1), ([2], 2)])
def test_product_ids_correspond_to_the_digests(ask: Ask, alice: Bot, products: list[int], digests: int) -> None:
    body = alice.cancellation([], [])
    body["tx"]["productIds"], body["tx"]["digests"] = products, ["0x" + "11" * 32] * digests
    assert ask({"cancel_orders": body})["error_code"] == 2039


@pytest.mark.row("C-06", "C-07")
def test_the_typed_struct_is_signed_with_its_own_types(ask: Ask, alice: Bot) -> None:
    order = alice.place(50_000, 0.1)
    body = alice.cancellation([order])
    assert isinstance(body["tx"]["nonce"], str)
    digest = cancellation_digest(
        alice_domain(alice), alice.sender, [BTC], [bytes.fromhex(order[2:])], int(body["tx"]["nonce"])
    )
    assert recover_address(digest, parse_signature(body["signature"])) == alice.account.address
    assert ask({"cancel_orders": body})["status"] == "success"


def alice_domain(bot: Bot) -> Any:
    """As clients learn it: from the `contracts` query."""
    from overround.protocols.nado.digests import Domain

    contracts = bot.data("contracts")
    return Domain(int(contracts["chain_id"]), bytes.fromhex(contracts["endpoint_addr"][2:]))


@pytest.mark.row("C-08", "C-10", "C-21")
def test_the_nonce_tells_apart_the_same_cancellation_multiple_times(ask: Ask, alice: Bot) -> None:
    when = alice.now_ms() + 60_000
    first = alice.cancellation([], nonce=make_nonce(when, 1000))
    again = alice.cancellation([], nonce=make_nonce(when, 1001))
    assert ask({"cancel_orders": first})["status"] == "success"
    assert ask({"cancel_orders": again})["status"] == "success"
    assert ask({"cancel_orders": first})["error_code"] == 2013


@pytest.mark.row("C-09", "C-25")
@pytest.mark.parametrize(
    ("ahead_ms", "code"),
    [(0, 2011), (-1, 2011), (1, None), (50, None), (100_000, None), (100_001, 2012), (10**9, 2012)],
)
def test_current_time_is_before_recv_time_and_at_most_100000_behind_it(
    ask: Ask, frozen: Bot, ahead_ms: int, code: int | None
) -> None:
    nonce = make_nonce(frozen.now_ms() + ahead_ms, 1000 + ahead_ms % 7)
    answer = ask({"cancel_orders": frozen.cancellation([], nonce=nonce)})
    assert answer.get("error_code") == code, answer


@pytest.fixture
def frozen(http: httpx.Client, alice: Bot) -> Iterator[Bot]:
    """The sandbox's clock stands still, and is a few milliseconds further in every test."""
    token = http.get("/sandbox").json()["adminToken"]

    def clock(**change: Any) -> None:
        answer = http.post("/admin/clock", json=change, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text

    clock(freeze=True)
    clock(advanceMs=11)
    yield alice
    clock(resume=True)


@pytest.mark.row("C-12", "C-13", "C-14", "C-16", "C-28")
def test_success(ask: Ask, alice: Bot) -> None:
    nonce = alice.nonce()
    bob = Bot(alice.http, BOB)
    taken = alice.place(0, 0, price_x18=52_000 * X18, amount_x18=-X18 // 10, nonce=nonce)
    bob.place(52_000, 0.02, appendix=DEFAULT)
    before_s = alice.now_ms() // 1000
    body = alice.cancellation([taken])
    answer = ask({"cancel_orders": body})
    (cancelled,) = answer["data"].pop("cancelled_orders")
    assert answer == {
        "status": "success",
        "signature": body["signature"],
        "data": {},
        "request_type": "execute_cancel_orders",
    }
    placed_at = cancelled.pop("placed_at")
    assert isinstance(placed_at, int)
    assert before_s - 60 < placed_at <= before_s
    assert cancelled == {
        "product_id": 2,
        "sender": hex_text(subaccount(alice.account.address)),
        "price_x18": "52000000000000000000000",
        "amount": "-100000000000000000",
        "expiration": "4294967295",
        "order_type": "post_only",
        "nonce": str(nonce),
        "appendix": str(POST_ONLY),
        "unfilled_amount": "-80000000000000000",
        "digest": taken,
    }


@pytest.mark.row("C-15", "C-16", "C-23")
def test_failure(ask: Ask, alice: Bot) -> None:
    unknown = "0x3195a7929feb8307edecf9c0455ced68925108f0aa305f0ee5773854159377cc"
    body = alice.cancellation([unknown])
    answer = ask({"cancel_orders": body})
    assert unknown in answer.pop("error")
    assert answer == {
        "status": "failure",
        "signature": body["signature"],
        "error_code": 2020,
        "request_type": "execute_cancel_orders",
    }


def test_a_digest_is_what_place_order_answers(alice: Bot) -> None:
    body = alice.order(50_000, 0.1)
    order = body["order"]
    terms = OrderTerms(
        alice.sender,
        int(order["priceX18"]),
        int(order["amount"]),
        int(order["expiration"]),
        int(order["nonce"]),
        int(order["appendix"]),
    )
    answer = alice.execute(place_order=body)
    assert answer["data"]["digest"] == hex_text(order_digest(alice_domain(alice), BTC, terms))
