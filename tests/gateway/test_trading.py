"""Placing, replacing, batching, linking and trading on a live gateway (`spec/nado.md` 7)."""

from __future__ import annotations

import pytest
from tests.gateway.bot import BTC, DEFAULT, ETH, ETH_SPOT, FOK, IOC, POST_ONLY, REDUCE_ONLY, Bot

from overround.protocols.nado.units import X18, hex_text, subaccount
from overround.testing.accounts import CAROL, DAVE

pytestmark = pytest.mark.xdist_group("gateway trading")


def position(bot: Bot, product_id: int = BTC) -> int:
    """What the account holds of a product, in thousandths."""
    info = bot.data("subaccount_info", subaccount=hex_text(bot.sender))
    balances = {one["product_id"]: one["balance"]["amount"] for one in (*info["spot_balances"], *info["perp_balances"])}
    return int(balances[product_id]) * 1000 // X18


@pytest.mark.row("P-01", "P-02")
def test_an_order_is_placed_and_its_number_repeated(alice: Bot) -> None:
    body = alice.order(50_000, 0.1, id=18446744073709551615)
    answer = alice.execute(place_order=body)
    (order,) = alice.open()
    assert answer == {
        "status": "success",
        "signature": body["signature"],
        "data": {"digest": order["digest"]},
        "id": 18446744073709551615,
        "request_type": "execute_place_order",
    }
    assert order["id"] == 18446744073709551615


@pytest.mark.row("P-05", "P-16")
def test_trades_happen_at_the_price_of_the_order_that_rested_the_older_first(alice: Bot, bob: Bot) -> None:
    before = position(alice), position(bob)
    first, second = bob.place(53_000, -0.1), bob.place(53_000, -0.1)
    better = bob.place(52_900, -0.1)
    alice.place(54_000, 0.25, appendix=IOC)
    left = {one["digest"]: one["unfilled_amount"] for one in bob.open()}
    assert left == {second: str(-5 * X18 // 100)}
    assert {first, better}.isdisjoint(left)
    assert (position(alice) - before[0], position(bob) - before[1]) == (250, -250)
    bob.clear()
    alice.place(53_000, -0.25, appendix=POST_ONLY)
    bob.place(53_000, 0.25, appendix=FOK)
    assert (position(alice), position(bob)) == before


@pytest.mark.row("P-16")
def test_an_account_does_not_trade_with_itself(alice: Bot) -> None:
    resting = alice.place(50_000, 0.1)
    before = position(alice)
    crossing = alice.place(50_000, -0.1, appendix=DEFAULT)
    assert [one["digest"] for one in alice.open()] == [crossing]
    assert position(alice) == before
    assert alice.query("order", product_id=BTC, digest=resting)["error_code"] == 2020


@pytest.mark.row("P-04", "P-05")
def test_reduce_only_reduces(alice: Bot, bob: Bot) -> None:
    start = position(alice)
    bob.place(55_000, -0.02)
    alice.place(55_000, 0.02, appendix=IOC)
    bob.place(54_000, 0.1)
    answer = alice.execute(place_order=alice.order(54_000, -0.02, appendix=IOC | REDUCE_ONLY))
    assert answer["status"] == ("success" if start >= 0 else "failure")
    bob.clear()


@pytest.mark.row("P-10")
def test_the_orders_of_a_batch_are_placed_one_after_the_other(alice: Bot) -> None:
    orders = [alice.order(50_000, 0.1), alice.order(0, 0.1), alice.order(50_001, 0.1), alice.order(1_999, 1, ETH)]
    answer = alice.execute(place_orders={"orders": orders})
    assert (answer["status"], answer["signature"], answer["request_type"]) == ("success", "", "execute_place_orders")
    assert [entry["error"] and entry["error"][:4] for entry in answer["data"]] == [None, "2055", None, None]
    assert [one["digest"] for one in alice.open()] == [answer["data"][0]["digest"], answer["data"][2]["digest"]]
    again = alice.execute(place_orders={"orders": orders, "stop_on_failure": True})
    assert [entry["error"][:4] for entry in again["data"]] == ["2013"]


@pytest.mark.row("P-10")
def test_fifty_orders_at_once_and_one_of_them_forged(alice: Bot) -> None:
    orders = [alice.order(40_000 + number, 0.01) for number in range(50)]
    orders[7]["signature"] = orders[8]["signature"]
    answer = alice.execute(place_orders={"orders": orders})
    errors = {place: entry["error"] for place, entry in enumerate(answer["data"]) if entry["error"]}
    assert list(errors) == [7]
    assert errors[7].startswith("2028: ")
    assert len(alice.open()) == 49
    stopped = [alice.order(40_000, 0.01), alice.order(40_000, 0.01), alice.order(40_000, 0.01)]
    stopped[1]["signature"] = "0x"
    entries = alice.execute(place_orders={"orders": stopped, "stop_on_failure": True})["data"]
    assert [entry["error"] and entry["error"][:4] for entry in entries] == [None, "2027"]


@pytest.mark.row("P-11")
def test_cancels_by_product_and_of_everything(alice: Bot) -> None:
    btc, eth, spot = alice.place(50_000, 0.1), alice.place(2_000, 1, ETH), alice.place(2_000, 0.1, ETH_SPOT)
    body = alice.product_cancellation([BTC, ETH], id=5, digest=None)
    answer = alice.execute(cancel_product_orders=body)
    assert {one["digest"] for one in answer["data"]["cancelled_orders"]} == {btc, eth}
    assert (answer["id"], answer["request_type"]) == (5, "execute_cancel_product_orders")
    assert answer["signature"] == body["signature"]
    answer = alice.cancel_products()
    assert [one["digest"] for one in answer["data"]["cancelled_orders"]] == [spot]
    assert alice.cancel_products()["data"] == {"cancelled_orders": []}


@pytest.mark.row("P-12")
def test_an_order_takes_the_place_of_another(alice: Bot, bob: Bot) -> None:
    old = alice.place(50_000, 0.1)
    body = alice.replacement(old, alice.order(50_001, 0.1, id=3))
    answer = alice.execute(cancel_and_place=body)
    assert answer["signature"] == body["cancel_signature"]
    assert (answer["id"], answer["request_type"]) == (3, "execute_cancel_and_place")
    assert [one["digest"] for one in alice.open()] == [answer["data"]["digest"]]
    body = alice.replacement(old, alice.order(50_002, 0.1))
    assert alice.execute(cancel_and_place=body)["status"] == "success", "also where the old one is gone (7.5)"
    assert len(alice.open()) == 2
    filled = alice.open()[0]["digest"]
    bob.place(50_001, -0.12, appendix=IOC)
    body = alice.replacement(filled, alice.order(50_003, 0.1), place_requires_unfilled=True)
    assert alice.execute(cancel_and_place=body)["error_code"] == 2126
    assert [one["price_x18"] for one in alice.open()] == [str(50_001 * X18)]


@pytest.mark.row("P-13", "P-14", "C-30", "S-09", "Q-12", "Q-03")
def test_a_linked_signer_acts_for_one_subaccount_until_it_is_revoked(alice: Bot) -> None:
    address = hex_text(alice.account.address)
    nonce = int(alice.data("nonces", address=address)["tx_nonce"])
    answer = alice.link(subaccount(CAROL.address, "whatever"))
    assert answer.keys() == {"status", "signature", "request_type"}
    assert answer["request_type"] == "execute_link_signer"
    assert alice.data("linked_signer", subaccount=hex_text(alice.sender)) == {"linked_signer": hex_text(CAROL.address)}
    assert int(alice.data("nonces", address=address)["tx_nonce"]) == nonce + 1
    hand = Bot(alice.http, alice.account, key=CAROL)
    order = hand.place(50_000, 0.1)
    replaced = hand.execute(cancel_and_place=hand.replacement(order, hand.order(50_001, 0.1)))["data"]["digest"]
    assert hand.cancel(replaced)["status"] == "success"
    second = Bot(alice.http, alice.account, "second", key=CAROL)
    assert second.cancel()["error_code"] == 2028
    assert alice.cancel()["status"] == "success"
    with hand.socket("/v1/subscribe") as socket:
        socket.authenticate(hand)
    assert alice.link(subaccount(DAVE.address, ""))["status"] == "success"
    assert hand.cancel()["error_code"] == 2028
    assert alice.link(bytes(32))["status"] == "success"
    assert alice.data("linked_signer", subaccount=hex_text(alice.sender)) == {"linked_signer": "0x" + "00" * 20}


@pytest.mark.row("P-06")
def test_an_order_expires_in_its_second(alice: Bot) -> None:
    with alice.socket("/v1/subscribe") as socket:
        socket.authenticate(alice)
        socket.follow(type="order_update", subaccount=hex_text(alice.sender))
        digest = alice.place(50_000, 0.1, expiration=alice.now_ms() // 1000 + 2)
        assert [socket.receive()["reason"] for _ in range(2)] == ["placed", "cancelled"]
        assert alice.query("order", product_id=BTC, digest=digest)["error_code"] == 2020
