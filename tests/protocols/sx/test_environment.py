"""A bot that was written for the original venue runs here after a change of its base URL (`spec/sx.md` 1, 5.1)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
from tests.protocols.envelope import assert_failure, data_of
from tests.protocols.sx.wallet import CHAIN_ID, EXECUTOR, USDC, Wallet

from overround.protocols.sx.profile import PROFILES
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx environment")  # one server for the module

TORONTO = PROFILES["toronto"]


@pytest.fixture(scope="module")
def toronto() -> Iterator[httpx.Client]:
    with ServerProcess("--profile", "toronto") as server, server.client() as client:
        yield client


@pytest.fixture(scope="module")
def private_chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(
        '[sx]\nchain_id = 31337\nexecutor = "0x3259e7ccc0993368fcb82689f5c534669a0c06ca"\n'
        "odds_ladder_step = 0\nmaker_minimum_usdc = 1\ntaker_minimum_usdc = 2\n"
    )
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield client


@pytest.mark.row("ENV-01", "ENV-05", "CAN-01", "CAN-02", "CAN-03", "CAN-08")
def test_a_bot_with_the_constants_of_the_original_needs_another_base_url_only(world: dict[str, Any]) -> None:
    base_url, account = world["baseUrl"], world["accounts"][3]
    bot = Wallet(account["privateKey"])
    session = requests.Session()

    def get(path: str, **params: Any) -> Any:
        answer = session.get(base_url + path, params=params)
        answer.raise_for_status()
        return answer.json()["data"]

    def post(path: str, body: dict[str, Any]) -> Any:
        answer = session.post(base_url + path, json=body)
        answer.raise_for_status()
        return answer.json()["data"]

    def place(market: dict[str, Any]) -> str:
        salt, odds, size = secrets.randbits(256), 50_250_000_000_000_000_000, 10_000_000
        market_hash = market["marketHash"]
        order = bot.order(market_hash, salt, size=size, odds=odds, api_expiry=int(time.time()) + 600, one=True)
        order_hash = "0x" + bot.order_hash(market_hash, salt, size=size, odds=odds, one=True).hex()
        assert post("/orders/new", {"orders": [order]})["statuses"] == {order_hash: "OK"}
        return order_hash

    with session:
        token = session.get(
            base_url + "/user/realtime-token/api-key", headers={"x-api-key": account["apiKey"]}, timeout=10
        )
        assert token.ok
        assert token.json()["token"].count(".") == 2

        markets = get("/markets/active", onlyMainLine=True)["markets"]
        event = markets[0]["sportXeventId"]
        elsewhere = next(market for market in markets if market["sportXeventId"] != event)
        first, second, third = place(markets[0]), place(markets[0]), place(elsewhere)
        assert {row["orderHash"] for row in get("/orders", maker=bot.address)} == {first, second, third}

        # One salt for three different cancels, as in the published sample.
        salt, now = secrets.token_bytes(32), int(time.time())
        by_hash = bot.cancel("v2", salt, now, order_hashes=[first])
        assert post("/orders/cancel/v2", by_hash)["cancelledCount"] == 1
        by_event = bot.cancel("event", salt, now, event=event)
        assert post("/orders/cancel/event", by_event)["orders"] == [{"orderHash": second, "pendingFills": []}]
        everything = bot.cancel("all", salt, now)
        assert post("/orders/cancel/all", everything)["cancelledCount"] == 1
        assert get("/orders", maker=bot.address) == []


@pytest.mark.row("ENV-03", "ENV-04", "META-01")
def test_mainnet_metadata_carries_the_constants_that_bots_hard_code(http: httpx.Client) -> None:
    data = data_of(http.get("/metadata", params={"chainVersion": "SXR"}))
    assert data == {
        "executorAddress": EXECUTOR,
        "oracleFees": {USDC: "0"},
        "sportXAffiliate": {"address": "0x0000000000000000000000000000000000000000", "amount": "0"},
        "makerOrderMinimums": {USDC: "10000000"},
        "takerMinimums": {USDC: "1000000"},
        "addresses": {str(CHAIN_ID): {"USDC": USDC, "WSX": "0x3E96B0a25d51e3Cc89C557f152797c33B839968f"}},
        "totalVolume": 0,
        "domainVersion": "6.0",
        "EIP712FillHasher": "0x845a2Da2D70fEDe8474b1C8518200798c60aC364",
        "TokenTransferProxy": "0x38aef22152BC8965bf0af7Cf53586e4b0C4E9936",
        "bridgeFee": 0,
        "oddsLadderStepSize": 125,
        "bettingEnabled": True,
    }


@pytest.mark.row("ENV-03", "ENV-04", "META-01")
def test_toronto_metadata_carries_the_constants_of_the_test_network(toronto: httpx.Client) -> None:
    data = data_of(toronto.get("/metadata"))
    usdc = "0x1BC6326EA6aF2aB8E4b6Bc83418044B1923b2956"
    assert data["addresses"] == {"79479957": {"USDC": usdc, "WSX": "0x5c02932f8422D943647682E95c87ea0333191e08"}}
    assert data["executorAddress"] == "0x3259E7Ccc0993368fCB82689F5C534669A0C06ca"
    assert data["domainVersion"] == "6.0"
    assert data["makerOrderMinimums"] == {usdc: "5000000"}
    assert data["takerMinimums"] == {usdc: "1000000"}
    assert data["oddsLadderStepSize"] == 125
    for name in ("EIP712FillHasher", "TokenTransferProxy"):
        assert data[name].startswith("0x")
        assert len(data[name]) == 42


@pytest.mark.row("ENV-03", "SIGN-07")
def test_a_toronto_venue_takes_toronto_signatures_and_refuses_those_of_mainnet(toronto: httpx.Client) -> None:
    world = toronto.get("/sandbox").json()
    assert world["chainId"] == 79479957
    assert world["tokens"] == {"USDC": TORONTO.usdc}
    market = world["markets"][0]["marketHash"]

    entry = signed_order(ALICE, market, profile=TORONTO, total_bet_size=5_000_000)
    name = hash_of(entry)
    assert data_of(toronto.post("/orders/new", json={"orders": [entry]}))["statuses"] == {name: "OK"}
    assert_failure(toronto.post("/orders/new", json={"orders": [signed_order(ALICE, market)]}), 400, "BAD_BASE_TOKEN")

    for cancel in ({"order_hashes": [name]}, {"event": world["markets"][0]["sportXeventId"]}, {}):
        path = "/orders/cancel/" + ("v2" if "order_hashes" in cancel else "event" if cancel else "all")
        assert_failure(toronto.post(path, json=signed_cancel(ALICE, **cancel)), 400, "SIGNATURE_MISMATCH")
    cancelled = data_of(toronto.post("/orders/cancel/all", json=signed_cancel(ALICE, profile=TORONTO)))
    assert cancelled["cancelledCount"] == 1


@pytest.mark.row("ENV-04")
def test_every_constant_of_a_profile_can_be_configured(private_chain: httpx.Client) -> None:
    data = data_of(private_chain.get("/metadata"))
    assert list(data["addresses"]) == ["31337"]
    assert data["executorAddress"] == TORONTO.executor
    assert data["oddsLadderStepSize"] == 0
    assert list(data["makerOrderMinimums"].values()) == ["1"]
    assert list(data["takerMinimums"].values()) == ["2"]


@pytest.mark.row("UNIT-03")
def test_without_a_ladder_every_odds_between_nothing_and_certainty_are_taken(private_chain: httpx.Client) -> None:
    import msgspec

    market = private_chain.get("/sandbox").json()["markets"][0]["marketHash"]
    profile = msgspec.structs.replace(PROFILES["mainnet"], chain_id=31337, executor=TORONTO.executor)
    entries = [
        signed_order(ALICE, market, profile=profile, percentage_odds=odds, total_bet_size=1)
        for odds in (1, 50 * 10**18 + 1, 10**20 - 1)
    ]
    assert data_of(private_chain.post("/orders/new", json={"orders": entries}))["inserted"] == 3


@pytest.mark.row("META-01")
def test_metadata_names_exactly_one_chain_id_for_clients_take_the_first(http: httpx.Client) -> None:
    assert len(data_of(http.get("/metadata"))["addresses"]) == 1


@pytest.mark.row("ENV-05")
def test_rest_paths_stand_directly_under_the_base_url(http: httpx.Client) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path in (
        "/metadata", "/sports", "/leagues", "/leagues/active", "/leagues/teams/{leagueId}", "/fixture/active",
        "/fixture/status", "/markets/active", "/markets/find", "/markets/popular", "/orders", "/orders/odds/best",
        "/orders/new", "/orders/cancel/v2", "/orders/cancel/event", "/orders/cancel/all",
        "/user/realtime-token/api-key",
    ):  # fmt: skip
        assert path in paths
    for path in ("/v1/metadata", "/api/metadata", "/metadata/"):
        assert_failure(http.get(path), 404, "NOT_FOUND")
