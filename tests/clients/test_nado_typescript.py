"""A day with the official TypeScript SDK of the Nado dialect, against a real sandbox (`spec/nado.md` 14.2)."""

from __future__ import annotations

import os
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from overround.protocols.nado.units import X18
from overround.testing.server import ServerProcess

pytestmark = [pytest.mark.xdist_group("nado typescript"), pytest.mark.row("K-02")]

PROGRAM: Final = Path(__file__).parent / "javascript" / "nado_day.mjs"
TIMEOUT_S: Final = 120
BTC, ETH = 2, 4
TENTH: Final = str(X18 // 10)

Json = dict[str, Any]


class Day:
    """What the program saw, step by step."""

    def __init__(self, steps: dict[str, Json]) -> None:
        self.steps = steps

    def __getitem__(self, name: str) -> Any:
        """What a step returned; it did not fail."""
        return self.steps[name]["value"]

    def digest(self, name: str) -> str:
        """Of the order that a step placed."""
        answer = self[name]
        assert (answer["status"], answer["signature"][:2]) == ("success", "0x")
        return str(answer["data"]["digest"])

    def cancelled(self, name: str) -> list[str]:
        """The digests of the orders that a step cancelled."""
        return [one["digest"] for one in self[name]["data"]["cancelled_orders"]]

    def balance(self, name: str, product_id: int) -> Json:
        """What an account holds of a product."""
        found: Json = next(one for one in self[name]["balances"] if one["productId"] == product_id)
        return found


@pytest.fixture(scope="module")
def day(sandbox: ServerProcess) -> Day:
    ended = subprocess.run(
        ["node", str(PROGRAM)],
        env={**os.environ, "BASE_URL": sandbox.base_url},
        capture_output=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return Day(msgspec.json.decode(ended.stdout))


def test_nothing_fails_but_what_must(day: Day) -> None:
    failed = {name: one["error"] for name, one in day.steps.items() if "error" in one}
    assert failed == {"cancelAgain": f"2020: there is no such open order: {day.digest('place')}"}


@pytest.mark.row("Q-01", "Q-02", "Q-03", "Q-09", "Q-10", "Q-11")
def test_it_finds_its_way_around(day: Day) -> None:
    assert day["contracts"]["chainId"] == 763373
    assert day["status"] == "active"
    assert {BTC, ETH} <= {one["productId"] for one in day["markets"]}
    assert {one["productId"] for one in day["symbols"]["symbols"].values()} == {
        one["productId"] for one in day["markets"]
    }
    assert day["account"]["exists"] is True
    assert Decimal(day.balance("account", 0)["amount"]) > 0
    assert day["nonce"] == "0"
    assert day["emptyBook"] == {"asks": [], "bids": []}


@pytest.mark.row("P-01", "P-02", "P-03", "Q-04", "Q-05", "Q-07", "Q-08")
def test_an_order_is_placed_and_found(day: Day) -> None:
    digest = day.digest("place")
    assert day["place"]["id"] == 100
    (order,) = day["open"]["orders"]
    assert order == day["order"]
    assert (order["digest"], order["price"], order["totalAmount"], order["unfilledAmount"]) == (
        digest,
        "50000",
        TENTH,
        TENTH,
    )
    assert order["appendix"]["orderExecutionType"] == "post_only"
    assert day["book"]["bids"] == [{"price": "50000", "liquidity": TENTH}]
    assert day["price"]["bid"] == "50000"
    assert day["price"]["ask"].replace(".", "") == str(2**127 - 1), "nobody asks"


@pytest.mark.row("C-01", "C-20", "C-23")
def test_orders_are_cancelled_by_digest(day: Day) -> None:
    assert day.cancelled("cancel") == [day.digest("place")]
    assert day.cancelled("cancelNothing") == []


@pytest.mark.row("P-11", "Q-06")
def test_orders_are_cancelled_by_product(day: Day) -> None:
    by_product = {one["productId"]: one["orders"] for one in day["openBoth"]["productOrders"]}
    assert [one["digest"] for one in by_product[BTC]] == [day.digest("placeBtc")]
    assert [one["digest"] for one in by_product[ETH]] == [day.digest("placeEth")]
    assert day.cancelled("cancelProduct") == [day.digest("placeBtc")]
    assert day.cancelled("cancelAll") == [day.digest("placeEth")]


@pytest.mark.row("P-12")
def test_one_order_replaces_another(day: Day) -> None:
    (order,) = day["openReplaced"]["orders"]
    assert order["digest"] == day.digest("replace") != day.digest("placeOld")
    assert order["price"] == "48500"


@pytest.mark.row("P-10")
def test_of_several_orders_the_bad_one_fails_alone(day: Day) -> None:
    one, bad, other = day["placeSeveral"]["data"]
    assert (one["error"], bad["digest"], other["error"]) == (None, None, None)
    assert bad["error"].startswith("2000: ")
    assert set(day.cancelled("clear")) == {day.digest("replace"), one["digest"], other["digest"]}


@pytest.mark.row("P-13", "S-09", "C-30", "Q-12")
def test_a_linked_signer_trades(day: Day) -> None:
    assert day["link"]["status"] == "success"
    assert day["linked"]["signer"] == day["hand"].lower()
    assert day["nonceAfter"] == "1"
    assert day.cancelled("cancelLinked") == [day.digest("placeLinked")]
    assert day.digest("takeLinked")
    position = day.balance("position", BTC)
    assert (position["amount"], Decimal(position["vQuoteBalance"])) == (TENTH, Decimal(-6_000 * X18))


@pytest.mark.row("C-02", "W-01", "W-03")
def test_messages_it_builds_are_read_on_a_socket(day: Day) -> None:
    assert day["extensions"] == "permessage-deflate"
    assert day["wsQuery"] == {"status": "success", "data": "active", "request_type": "query_status"}
    assert day["wsPlace"]["id"] == 7
    assert day.cancelled("wsCancel") == [day.digest("wsPlace")]


@pytest.mark.row("W-05", "W-06", "W-07", "W-08", "C-31")
def test_orders_and_fills_are_followed(day: Day) -> None:
    assert day["subscribeEarly"] == {"result": None, "error": "Auth is needed.", "id": 0}
    for name, number in (("authenticate", 1), ("subscribeOrders", 2), ("unsubscribe", 4), ("subscribeFills", 5)):
        assert day[name] == {"result": None, "id": number}
    assert [one["type"] for one in day["list"]["result"]] == ["default", "order_update"]
    placed, cancelled, fill = day["eventPlaced"], day["eventCancelled"], day["eventFill"]
    assert {placed["type"], cancelled["type"]} == {"order_update"}
    assert {placed["digest"], cancelled["digest"]} == {day.digest("placeFollowed")}
    assert (placed["reason"], placed["amount"], placed["id"]) == ("placed", TENTH, 9)
    assert (cancelled["reason"], cancelled["amount"]) == ("cancelled", "0")
    assert (fill["type"], fill["order_digest"], fill["is_taker"]) == ("fill", day.digest("sell"), False)
    assert fill["filled_qty"] == TENTH


def test_the_day_ends_flat_and_with_empty_books(day: Day) -> None:
    # Bought a tenth at 60,000 and sold it at 59,500.
    lost = Decimal(day.balance("account", 0)["amount"]) - Decimal(day.balance("flat", 0)["amount"])
    position = day.balance("flat", BTC)
    assert position["amount"] == "0"
    assert lost - Decimal(position["vQuoteBalance"]) == 50 * X18
    assert day.cancelled("leave") == []
    assert day.cancelled("counterpartyLeaves") == [day.digest("offer")]
    assert day["openAtTheEnd"] == {"asks": [], "bids": []}
