"""One wallet with orders in both dialects: what one dialect does to its own leaves the other's alone, and a missed
heartbeat takes off both (`spec/decisions.md` N13; other scopes are in `test_operator.py`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.gateway.bot import BTC, ETH, Bot

from overround.protocols.nado.units import hex_text
from overround.sandbox.accounts import ACCOUNTS
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("both dialects")

INTERVAL_S: Final = 30
Json = dict[str, Any]


class Trader:
    """A wallet that speaks both dialects to one venue."""

    def __init__(self, http: httpx.Client, account: LocalAccount) -> None:
        world = http.get("/sandbox").json()
        self.http = http
        self.account = account
        self.bot = Bot(http, account)
        self._markets = [one["marketHash"] for one in world["markets"]]
        self._admin = {"Authorization": f"Bearer {world['adminToken']}"}
        self._key = {"X-Api-Key": next(one.api_key for one in ACCOUNTS if one.address == account.address)}

    def post_bets(self, count: int = 2) -> list[str]:
        """Orders on fixed-odds markets; their hashes."""
        entries = [signed_order(self.account, one) for one in self._markets[:count]]
        answer = self.send("/orders/new", {"orders": entries})
        assert answer["data"]["statuses"] == {hash_of(one): "OK" for one in entries}
        return sorted(hash_of(one) for one in entries)

    def post_orders(self) -> list[str]:
        """Orders on two continuous markets; their digests."""
        return sorted(
            [self.bot.place(40_000, 0.1, BTC), self.bot.place(41_000, 0.1, BTC), self.bot.place(1_000, 1, ETH)]
        )

    def bets(self) -> list[str]:
        """The hashes of its open orders of one dialect."""
        answer = self.http.get("/orders", params={"maker": checksum_address(self.account.address)})
        return sorted(one["orderHash"] for one in answer.json()["data"])

    def orders(self) -> list[str]:
        """The digests of those of the other."""
        found = self.bot.data("orders", sender=hex_text(self.bot.sender), product_ids=[BTC, ETH])["product_orders"]
        return sorted(order["digest"] for product in found for order in product["orders"])

    def cancel_bets(self) -> list[str]:
        """Everything of one dialect; what was cancelled."""
        answer = self.send("/orders/cancel/all", signed_cancel(self.account))
        return sorted(one["orderHash"] for one in answer["data"].get("orders", []))

    def cancel_orders(self) -> list[str]:
        """Everything of the other."""
        return sorted(one["digest"] for one in self.bot.cancel_products()["data"]["cancelled_orders"])

    def ping(self) -> None:
        """Arm the heartbeat, or keep it alive."""
        self.send("/user/heartbeat", {"interval": INTERVAL_S}, self._key)

    def heartbeat(self) -> Json:
        """Its state, and the last firing."""
        found: Json = self.http.get("/user/heartbeat", headers=self._key).json()["data"]
        return found

    def let_pass(self, seconds: float) -> None:
        """Move the venue's clock."""
        self.send("/admin/clock", {"advanceMs": int(seconds * 1000)}, self._admin)

    def leave(self) -> None:
        """Take everything off, and need no heartbeat."""
        self.cancel_bets()
        self.cancel_orders()
        self.send("/user/heartbeat/cancel", {}, self._key)

    def send(self, path: str, body: Json, headers: dict[str, str] | None = None) -> Json:
        response = self.http.post(path, json=body, headers=headers)
        assert response.status_code == 200, response.text
        answer: Json = response.json()
        return answer


@pytest.fixture
def alice(http: httpx.Client) -> Iterator[Trader]:
    trader = Trader(http, ALICE)
    yield trader
    trader.leave()


@pytest.fixture
def bob(http: httpx.Client) -> Iterator[Trader]:
    trader = Trader(http, BOB)
    yield trader
    trader.leave()


# ---- cancels -------------------------------------------------------------------------------------------------------


def test_cancel_all_of_one_dialect_touches_its_own(alice: Trader) -> None:
    bets, orders = alice.post_bets(), alice.post_orders()
    assert alice.cancel_bets() == bets
    assert (alice.bets(), alice.orders()) == ([], orders)


def test_and_so_does_that_of_the_other(alice: Trader) -> None:
    bets, orders = alice.post_bets(), alice.post_orders()
    assert alice.cancel_orders() == orders
    assert (alice.bets(), alice.orders()) == (bets, [])


def test_neither_knows_an_order_of_the_other_by_its_identity(alice: Trader) -> None:
    bets, orders = alice.post_bets(), alice.post_orders()
    assert alice.bot.cancel(*bets)["error_code"] == 2020
    answer = alice.send("/orders/cancel/v2", signed_cancel(ALICE, order_hashes=orders))
    refused = [{"orderHash": one, "reason": "not_found_or_inactive"} for one in orders]
    assert answer["data"] == {"cancelledCount": 0, "notCancelled": refused}
    assert (alice.bets(), alice.orders()) == (bets, orders)


# ---- heartbeats ----------------------------------------------------------------------------------------------------


def test_a_missed_heartbeat_takes_orders_of_both_dialects_off(alice: Trader, bob: Trader) -> None:
    bets, orders = alice.post_bets(), alice.post_orders()
    others = bob.post_bets(), bob.post_orders()
    with alice.bot.socket("/v1/subscribe") as socket:
        socket.authenticate(alice.bot)
        socket.follow(type="order_update", subaccount=hex_text(alice.bot.sender))
        alice.ping()
        alice.let_pass(INTERVAL_S + 1)
        ended = [socket.receive() for _ in orders]
    assert sorted(one["digest"] for one in ended) == orders
    assert {(one["reason"], one["amount"]) for one in ended} == {("cancelled", "0")}
    assert (alice.bets(), alice.orders()) == ([], [])
    state = alice.heartbeat()
    assert state["armed"] is False
    assert sorted(state["lastFiring"]["orderHashes"]) == sorted([*bets, *orders])
    assert (bob.bets(), bob.orders()) == others


def test_a_ping_in_time_keeps_both(alice: Trader) -> None:
    bets, orders = alice.post_bets(), alice.post_orders()
    for _ in range(3):
        alice.ping()
        alice.let_pass(INTERVAL_S - 10)
    assert alice.heartbeat()["armed"] is True
    assert (alice.bets(), alice.orders()) == (bets, orders)


def test_a_wallet_without_bets_has_a_heartbeat_too(alice: Trader) -> None:
    orders = alice.post_orders()
    alice.ping()
    alice.let_pass(INTERVAL_S + 1)
    assert alice.orders() == []
    assert sorted(alice.heartbeat()["lastFiring"]["orderHashes"]) == orders


@pytest.fixture
def restart(tmp_path: Path) -> Iterator[Callable[[], Trader]]:
    """Kills the venue if there is one, and starts it on the same data."""
    with ExitStack() as stack:

        def start() -> Trader:
            stack.close()
            server = stack.enter_context(ServerProcess(*data_dir_arguments(tmp_path)))
            return Trader(stack.enter_context(server.client()), ALICE)

        yield start


def test_a_crash_keeps_orders_of_both_dialects_and_the_heartbeat_over_them(restart: Callable[[], Trader]) -> None:
    alice = restart()
    bets, orders = alice.post_bets(), alice.post_orders()
    alice.ping()
    alice = restart()
    assert (alice.bets(), alice.orders()) == (bets, orders)
    assert alice.heartbeat()["armed"] is True
    alice.let_pass(INTERVAL_S + 1)
    assert (alice.bets(), alice.orders()) == ([], [])
