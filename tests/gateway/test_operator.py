"""What an operator does to the gateway (`spec/decisions.md` D16), what a sandbox says of it, and one wallet in both
dialects."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, ETH_SPOT, Bot
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import Operator, new_account

from overround.protocols.nado.units import X18, hex_text
from overround.sandbox.accounts import ACCOUNTS
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("gateway operator")


@pytest.fixture(scope="module")
def venue() -> Iterator[httpx.Client]:
    with ServerProcess() as server, server.client() as http:
        yield http


@pytest.fixture
def operator(venue: httpx.Client) -> Operator:
    return Operator(venue)


@pytest.fixture
def bot(venue: httpx.Client) -> Bot:
    return Bot(venue, new_account())


def balance_path(bot: Bot, product_id: Any = 0) -> str:
    return f"/admin/nado/balances/{hex_text(bot.sender)}/{product_id}"


# ---- the sandbox ---------------------------------------------------------------------------------------------------


def test_a_sandbox_says_where_its_gateway_is(venue: httpx.Client) -> None:
    nado = venue.get("/sandbox").json()["nado"]
    base = str(venue.base_url).rstrip("/")
    assert nado["gatewayUrl"] == base + "/v1"
    assert nado["wsUrl"] == base.replace("http", "ws") + "/v1/ws"
    assert nado["subscribeUrl"] == base.replace("http", "ws") + "/v1/subscribe"
    assert (nado["chainId"], nado["endpointAddr"]) == (763373, "0x698D87105274292B5673367DEC81874Ce3633Ac2")
    assert {one["productId"]: one["symbol"] for one in nado["products"]} == {2: "BTC-PERP", 3: "ETH", 4: "ETH-PERP"}


def test_every_account_of_a_sandbox_has_collateral(venue: httpx.Client) -> None:
    for account in ACCOUNTS[4:]:
        sender = account.address + b"default".ljust(12, b"\0")
        bot = Bot(venue, ALICE)
        info = bot.data("subaccount_info", subaccount=hex_text(sender))
        amounts = {one["product_id"]: one["balance"]["amount"] for one in info["spot_balances"]}
        assert amounts == {0: str(100_000 * X18), 3: str(10 * X18)}


# ---- operator ------------------------------------------------------------------------------------------------------


def test_collateral_is_set_absolutely(operator: Operator, bot: Bot) -> None:
    for amount in (5 * X18, 0, 2**127 - 1):
        for spelt in (str(amount), amount):
            found = data_of(operator.call("PUT", balance_path(bot), {"amountX18": spelt}))
            assert found == {"subaccount": hex_text(bot.sender), "productId": 0, "amountX18": str(amount)}
    info = bot.data("subaccount_info", subaccount=hex_text(bot.sender))
    assert info["exists"] is True
    assert {"product_id": 0, "balance": {"amount": str(2**127 - 1)}} in info["spot_balances"]


@pytest.mark.parametrize("amount", ["", "-1", -1, "1.5", 1.5, None, True, 2**127, "1e18", [], "0x1"], ids=str)
def test_collateral_is_a_whole_number_of_units(operator: Operator, bot: Bot, amount: Any) -> None:
    before = operator.digest()
    assert_bad_request(operator.call("PUT", balance_path(bot), {"amountX18": amount}), "amountX18")
    assert operator.digest() == before


def test_collateral_needs_a_subaccount_and_a_product_that_can_be_owned(operator: Operator, bot: Bot) -> None:
    amount = {"amountX18": "1"}
    for unknown in (77, "x", "1_0", 10**12, "%20"):
        assert_failure(operator.call("PUT", balance_path(bot, unknown), amount), 404, "NOT_FOUND")
    assert_failure(operator.call("PUT", balance_path(bot, BTC), amount), 409, "NOT_COLLATERAL")
    for wrong in ("0xabc", checksum_address(bot.account.address), "nobody"):
        assert_bad_request(operator.call("PUT", f"/admin/nado/balances/{wrong}/0", amount), "subaccount")


def test_less_collateral_takes_orders_off(operator: Operator, bot: Bot) -> None:
    operator.call("PUT", balance_path(bot), {"amountX18": str(1_000 * X18)})
    bot.place(50_000, 0.1)
    operator.call("PUT", balance_path(bot), {"amountX18": "0"})
    assert bot.open() == []


@pytest.mark.row("Q-09")
def test_a_product_is_changed_where_something_is_given(operator: Operator, bot: Bot) -> None:
    path = f"/admin/nado/products/{ETH_SPOT}"
    before = data_of(operator.call("POST", path, {}))
    assert (before["symbol"], before["tradingStatus"], before["makerFeeX18"]) == ("ETH", "live", "0")
    fees = {"makerFeeX18": "-10", "takerFeeX18": 20}
    after = data_of(operator.call("POST", path, {**fees, "tradingStatus": "post_only"}))
    assert after == {**before, "makerFeeX18": "-10", "takerFeeX18": "20", "tradingStatus": "post_only"}
    symbol = bot.data("symbols")["symbols"]["ETH"]
    assert (symbol["maker_fee_rate_x18"], symbol["trading_status"]) == ("-10", "post_only")
    price = data_of(operator.call("POST", path, {"oraclePriceX18": str(2_600 * X18)}))
    assert price["oraclePriceX18"] == str(2_600 * X18)
    data_of(operator.call("POST", path, {"makerFeeX18": 0, "takerFeeX18": 0, "tradingStatus": "live"}))
    for wrong in ({"tradingStatus": "open"}, {"oraclePriceX18": "x"}, {"makerFeeX18": 1.5}, {"takerFeeX18": True}):
        assert_bad_request(operator.call("POST", path, wrong), next(iter(wrong)))
    for invalid in ({"oraclePriceX18": 0}, {"takerFeeX18": str(X18)}):
        assert_failure(operator.call("POST", path, invalid), 400, "PRODUCT_INVALID")
    assert_failure(operator.call("POST", "/admin/nado/products/77", {}), 404, "NOT_FOUND")


def test_in_maintenance_orders_are_refused_and_cancels_are_not(operator: Operator, bot: Bot) -> None:
    operator.call("PUT", balance_path(bot), {"amountX18": str(1_000 * X18)})
    digest = bot.place(50_000, 0.01)
    assert data_of(operator.call("POST", "/admin/nado/status", {"maintenance": True})) == {"maintenance": True}
    try:
        answer = bot.execute(place_order=bot.order(50_000, 0.01))
        assert (answer["status"], answer["error_code"]) == ("failure", 2068)
        assert bot.cancel(digest)["status"] == "success"
    finally:
        assert data_of(operator.call("POST", "/admin/nado/status", {"maintenance": False})) == {"maintenance": False}
    assert_bad_request(operator.call("POST", "/admin/nado/status", {"maintenance": "yes"}), "maintenance")


# ---- one wallet in both dialects -----------------------------------------------------------------------------------


class Wallet:
    """Alice with an order of each dialect."""

    def __init__(self, http: httpx.Client) -> None:
        self.http, self.bot, self.operator = http, Bot(http, ALICE), Operator(http)
        self.address = checksum_address(ALICE.address)
        self.key = next(one.api_key for one in ACCOUNTS if one.address == ALICE.address)

    def place(self) -> tuple[str, str]:
        """Hash and digest."""
        market = self.operator.market()
        entry = signed_order(ALICE, market, total_bet_size=20_000_000)
        answer = data_of(self.http.post("/orders/new", json={"orders": [entry]}))
        return answer["orders"][0], self.bot.place(50_000, 0.01)

    def open_orders(self) -> dict[str, int]:
        found: dict[str, int] = data_of(self.operator.call("GET", f"/admin/accounts/{self.address}"))["openOrders"]
        return found

    def clear(self) -> None:
        self.bot.clear()
        self.http.post("/orders/cancel/all", json=signed_cancel(ALICE))


@pytest.fixture
def wallet(venue: httpx.Client) -> Iterator[Wallet]:
    wallet = Wallet(venue)
    yield wallet
    wallet.clear()


def test_the_operator_sees_orders_of_both_dialects(wallet: Wallet) -> None:
    wallet.place()
    assert wallet.open_orders() == {"sx": 1, "nado": 1}


def test_cancelling_everything_in_one_dialect_leaves_the_other(wallet: Wallet) -> None:
    wallet.place()
    assert len(wallet.bot.cancel_products()["data"]["cancelled_orders"]) == 1
    assert wallet.open_orders() == {"sx": 1, "nado": 0}
    wallet.bot.place(50_000, 0.01)
    data_of(wallet.http.post("/orders/cancel/all", json=signed_cancel(ALICE)))
    assert wallet.open_orders() == {"sx": 0, "nado": 1}


def miss_heartbeat(wallet: Wallet) -> dict[str, Any]:
    """Arm it over the SX route with an API key, and let its time pass; what the last firing took."""
    headers = {"X-Api-Key": wallet.key}
    answer = wallet.http.post("/user/heartbeat", json={"interval": 10}, headers=headers)
    assert answer.is_success, answer.text
    wallet.operator.call("POST", "/admin/clock", {"advanceMs": 11_000})
    found = data_of(wallet.operator.call("GET", f"/admin/accounts/{wallet.address}"))
    firing: dict[str, Any] = found["heartbeat"]["lastFiring"]
    return firing


@pytest.mark.parametrize("scope", ["both", "sx", "nado"])
def test_a_missed_heartbeat_cancels_what_its_scope_says(scope: str, tmp_path: Path) -> None:
    (tmp_path / "venue.toml").write_text(f"[nado]\nheartbeat_scope = '{scope}'\n")
    arguments = [*data_dir_arguments(tmp_path / "data"), "--config", str(tmp_path / "venue.toml")]
    with ServerProcess(*arguments) as server, server.client() as http:
        wallet, bob = Wallet(http), Bot(http, BOB)
        order_hash, digest = wallet.place()
        bob.place(50_000, 0.01)
        firing = miss_heartbeat(wallet)
        wanted = {"both": [order_hash, digest], "sx": [order_hash], "nado": [digest]}[scope]
        assert firing["orderHashes"] == wanted
        assert wallet.open_orders() == {"sx": 0 + (scope == "nado"), "nado": 0 + (scope == "sx")}
        assert len(bob.open()) == 1
        before = wallet.operator.digest()
    with ServerProcess(*arguments) as server, server.client() as http:
        assert Operator(http).digest() == before
        assert Wallet(http).open_orders() == {"sx": 0 + (scope == "nado"), "nado": 0 + (scope == "sx")}
