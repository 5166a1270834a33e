"""A day with the official Python SDK of the Nado dialect, against a real sandbox (`spec/nado.md` 14.1).

The SDK has an environment of its own (`make setup`): it pins what this one cannot live with.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from overround.protocols.nado.units import X18
from overround.testing.server import ServerProcess

ENVIRONMENT: Final = Path(__file__).parents[2] / ".venv-nado"
PYTHON: Final = ENVIRONMENT / "env" / "bin" / "python"
PROGRAM: Final = Path(__file__).parent / "python" / "nado_sdk.py"
TIMEOUT_S: Final = 180
BTC, ETH = 2, 4
TENTH: Final = str(X18 // 10)

Json = dict[str, Any]


def _why_there_is_none() -> str:
    log = ENVIRONMENT / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return f"no environment for the Python SDK of Nado: {lines[-1] if lines else 'run `make setup`'}"


pytestmark = [
    pytest.mark.xdist_group("nado python"),
    pytest.mark.row("K-01"),
    pytest.mark.skipif(not PYTHON.exists(), reason=_why_there_is_none()),
]


class Day:
    """What the program saw, step by step."""

    def __init__(self, steps: dict[str, Json]) -> None:
        self.steps = steps

    def __getitem__(self, name: str) -> Any:
        """What a step returned; it did not fail."""
        return self.steps[name]["value"]

    def failure(self, name: str) -> Json:
        """The answer that made a step fail, as the SDK hands it out."""
        kind, _, text = self.steps[name]["error"].partition(": ")
        assert kind == "ExecuteFailedException"
        answer: Json = msgspec.json.decode(text)
        return answer

    def digest(self, name: str) -> str:
        """Of the order that a step placed."""
        answer = self[name]
        assert answer["status"] == "success"
        return str(answer["data"]["digest"])

    def cancelled(self, name: str) -> list[str]:
        """The digests of the orders that a step cancelled."""
        return [one["digest"] for one in self[name]["data"]["cancelled_orders"]]

    def open(self, name: str) -> list[str]:
        """The digests of the open orders that a step saw."""
        return [one["digest"] for one in self[name]["orders"]]

    def held(self, name: str, product_id: int) -> Json:
        """What the account holds of a product."""
        account = self[name]
        balances = [*account["spot_balances"], *account["perp_balances"]]
        balance: Json = next(one["balance"] for one in balances if one["product_id"] == product_id)
        return balance


def spend(sandbox: ServerProcess) -> Day:
    ended = subprocess.run(
        [str(PYTHON), str(PROGRAM), sandbox.base_url], capture_output=True, timeout=TIMEOUT_S, check=False
    )
    assert ended.returncode == 0, ended.stderr.decode()
    return Day(msgspec.json.decode(ended.stdout))


@pytest.fixture(scope="module")
def day(sandbox: ServerProcess) -> Day:
    return spend(sandbox)


@pytest.mark.row("P-15")
def test_nothing_fails_but_what_must(day: Day) -> None:
    failed = {name: day.failure(name) for name, one in day.steps.items() if "error" in one}
    codes = {name: answer.get("error_code") for name, answer in failed.items()}
    # `place_several` was answered with success: the SDK cannot read the array (docs/protocols/nado.md 5).
    assert codes == {"cancel_again": 2020, "link_again": 2026, "withdraw": 4001, "place_several": None}


@pytest.mark.row("Q-01", "Q-03", "Q-09", "Q-10", "Q-11")
def test_it_finds_its_way_around(day: Day) -> None:
    assert {BTC, ETH} <= {one["product_id"] for one in day["symbols"]}
    assert day["status"] == "active"
    assert day["nonces"]["tx_nonce"] == "0"
    assert day["account"]["exists"] is True
    assert int(day.held("account", 0)["amount"]) > 0
    products = day["products"]
    (edge,) = day["edge_products"]["edge_all_products"].values()
    assert {one["product_id"] for one in edge["perp_products"]} == {
        one["product_id"] for one in products["perp_products"]
    }
    served = {one["product_id"] for one in [*products["spot_products"], *products["perp_products"]]}
    assert served == {one["product_id"] for one in day["symbols"]}
    assert {one["ticker_id"] for one in day["assets"]} >= {one["ticker_id"] for one in day["pairs"]}


@pytest.mark.row("P-01", "P-02", "Q-04", "Q-05")
def test_an_order_is_placed_and_found(day: Day) -> None:
    digest = day.digest("place")
    assert day["place"]["id"] == 100
    (order,) = day["open"]["orders"]
    assert order == day["order"]
    assert (order["digest"], order["price_x18"], order["unfilled_amount"]) == (digest, str(50_000 * X18), TENTH)


@pytest.mark.row("C-01", "C-20", "C-23")
def test_orders_are_cancelled_by_digest(day: Day) -> None:
    assert day.cancelled("cancel") == [day.digest("place")]
    assert day.digest("place") in day.failure("cancel_again")["error"]
    assert day.cancelled("cancel_nothing") == []


@pytest.mark.row("P-11", "Q-06")
def test_orders_are_cancelled_by_product(day: Day) -> None:
    by_product = {one["product_id"]: one["orders"] for one in day["open_both"]["product_orders"]}
    assert [one["digest"] for one in by_product[BTC]] == [day.digest("place_btc")]
    assert [one["digest"] for one in by_product[ETH]] == [day.digest("place_eth")]
    assert day.cancelled("cancel_product") == [day.digest("place_btc")]
    assert day.cancelled("cancel_all") == [day.digest("place_eth")]


@pytest.mark.row("P-12")
def test_one_order_replaces_another(day: Day) -> None:
    assert day.open("open_replaced") == [day.digest("replace")] != [day.digest("place_old")]
    assert day["open_replaced"]["orders"][0]["price_x18"] == str(48_500 * X18)


@pytest.mark.row("P-10")
def test_several_orders_are_placed_although_the_sdk_says_that_they_are_not(day: Day) -> None:
    answer = day.failure("place_several")
    placed = [one["digest"] for one in answer["data"]]
    assert (answer["status"], len(placed)) == ("success", 2)
    assert set(day.open("open_several")) == {day.digest("replace"), *placed}
    assert set(day.cancelled("clear")) == {day.digest("replace"), *placed}


def test_market_orders_open_a_position_and_close_it(day: Day) -> None:
    position = day.held("position", BTC)
    assert (position["amount"], position["v_quote_balance"]) == (TENTH, str(-6_000 * X18))
    # Bought at 60,000 and sold at 59,900.
    flat = day.held("flat", BTC)
    assert flat["amount"] == "0"
    lost = int(day.held("account", 0)["amount"]) - int(day.held("flat", 0)["amount"])
    assert lost - int(flat["v_quote_balance"]) == 10 * X18


@pytest.mark.row("P-13", "S-09", "C-30", "Q-12")
def test_a_linked_signer_places_and_cancels(day: Day, world: Json) -> None:
    assert day["link"]["status"] == "success"
    assert day["linked"]["linked_signer"] == world["accounts"][8]["address"].lower()
    assert day.cancelled("cancel_linked") == [day.digest("place_linked")]


@pytest.mark.row("W-01", "W-03", "C-02")
def test_its_action_socket_is_served(day: Day) -> None:
    assert day["ws_status"] == {"status": "success", "data": "active", "request_type": "query_status"}
    assert day["ws_place"]["id"] == 7
    assert day.cancelled("ws_cancel") == [day.digest("ws_place")]


@pytest.mark.row("W-05", "W-06", "W-07", "C-31")
def test_its_orders_are_followed(day: Day) -> None:
    assert day["subscribe_early"]["error"] == "Auth is needed."
    assert [one["type"] for one in day["list"]["result"]] == ["default", "order_update"]
    (placed,), (cancelled,) = day["event_placed"], day["event_cancelled"]
    assert {placed["digest"], cancelled["digest"]} == {day.digest("place_followed")}
    assert (placed["reason"], placed["amount"], placed["id"]) == ("placed", TENTH, 9)
    assert (cancelled["reason"], cancelled["amount"]) == ("cancelled", "0")


@pytest.mark.row("W-08", "W-09")
def test_and_the_market_is(day: Day) -> None:
    events = {one["type"]: one for one in day["event_market"]}
    assert events.keys() == {"trade", "best_bid_offer", "book_depth", "fill"}
    assert (events["trade"]["price"], events["trade"]["taker_qty"]) == (str(60_000 * X18), TENTH)
    fill = events["fill"]
    assert (fill["order_digest"], fill["is_taker"]) == (day.digest("taker_order"), True)


@pytest.mark.row("Q-07", "Q-08", "Q-13", "Q-14", "Q-15")
def test_a_bot_gets_answers_to_whatever_else_it_asks(day: Day) -> None:
    assert int(day["max_order_size"]["max_order_size"]) > 0
    assert int(day["max_withdrawable"]["max_withdrawable"]) > 0
    assert day["liquidity"]["asks"][0] == [str(60_000 * X18), str(3 * X18 // 10)]
    assert day["price"]["bid_x18"] == str(59_900 * X18)
    btc, eth = day["prices"]["market_prices"]
    assert (btc, eth["product_id"]) == (day["price"], ETH)
    assert (eth["bid_x18"], eth["ask_x18"]) == ("0", str(2**127 - 1)), "nobody is there"
    assert set(day["fee_rates"]["taker_fee_rates_x18"]) == {"0"}
    assert day["health_groups"]["health_groups"] == [[3, ETH]]
    assert day["insurance"] == {"insurance": "0"}
    assert day["isolated"] == {"isolated_positions": []}
    assert day["pools"] == {"nlp_pools": []}
    assert day["maker_leaves"]["status"] == "success"


@pytest.fixture(scope="module")
def obliging_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    """The same at a venue that answers this SDK as it wants to be answered."""
    file = tmp_path_factory.mktemp("obliging") / "venue.toml"
    file.write_text("[nado]\nbatch_object_for_python = true\n")
    with ServerProcess("--config", str(file)) as server:
        yield spend(server)


def test_an_obliging_venue_answers_batches_so_that_it_can_read_them(obliging_day: Day) -> None:
    answer = obliging_day["place_several"]
    placed = [one["digest"] for one in answer["data"]["place_orders"]]
    assert (answer["status"], len(placed)) == ("success", 2)
    assert set(obliging_day.open("open_several")) == {obliging_day.digest("replace"), *placed}
