"""Every query, over HTTP in both forms and over the action socket (`spec/nado.md` 8, 9)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, ETH, ETH_SPOT, Bot, Json

from overround.protocols.nado.queries import EDGE_TYPES, TYPES
from overround.protocols.nado.units import X18, hex_text

pytestmark = pytest.mark.xdist_group("gateway queries")

NO_ASK = str(2**127 - 1)


@pytest.mark.row("Q-16", "W-01")
@pytest.mark.parametrize("kind", TYPES)
def test_every_query_is_answered_alike_however_it_is_asked(alice: Bot, kind: str) -> None:
    digest = alice.place(50_000, 0.1)
    sender = hex_text(alice.sender)
    members: Json = {
        "product_id": BTC,
        "product_ids": [BTC, ETH],
        "digest": digest,
        "sender": sender,
        "subaccount": sender,
        "address": hex_text(alice.account.address),
        "depth": 10,
        "price_x18": str(60_000 * X18),
        "direction": "long",
    }
    answer = alice.query(kind, **members)
    assert (answer["status"], answer["request_type"]) == ("success", f"query_{kind}")
    text = httpx.QueryParams({**members, "type": kind, "product_ids": "2,4"})
    lists = [*((k, v) for k, v in members.items() if k != "product_ids"), ("product_ids", 2), ("product_ids", 4)]
    with alice.socket() as socket:
        others = [
            alice.http.get("/v1/query", params=text).json(),
            alice.http.get("/query", params=[*lists, ("type", kind)]).json(),
            socket.ask({"type": kind, **members, "stranger": None}),
        ]
    if kind == "nonces":  # one of them is the time
        for one in (answer, *others):
            one["data"].pop("order_nonce")
    assert others == [answer] * 3


@pytest.mark.row("Q-10", "Q-18")
@pytest.mark.parametrize("kind", EDGE_TYPES)
def test_every_query_of_the_edge_is_answered(alice: Bot, kind: str) -> None:
    assert alice.post("/v1/edge/query", {"type": kind})["status"] == "success"
    assert alice.http.get("/v1/edge/query", params={"type": kind}).json()["status"] == "success"


@pytest.mark.row("Q-01", "Q-02", "Q-03")
def test_what_clients_ask_first(alice: Bot) -> None:
    assert alice.data("status") == "active"
    assert alice.data("contracts") == {
        "chain_id": "763373",
        "endpoint_addr": "0x698d87105274292b5673367dec81874ce3633ac2",
    }
    nonces = alice.data("nonces", address=hex_text(alice.account.address).upper().replace("0X", "0x"))
    assert nonces.keys() == {"tx_nonce", "order_nonce"}
    assert abs((int(nonces["order_nonce"]) >> 20) - 100_000 - alice.now_ms()) < 60_000


@pytest.mark.row("Q-04", "Q-05", "Q-06", "C-20")
def test_open_orders(alice: Bot) -> None:
    first, second = alice.place(50_000, 0.1), alice.place(50_001, 0.1, id=9)
    eth = alice.place(2_000, 1, ETH)
    order = alice.data("order", product_id=BTC, digest=second)
    assert order == alice.open()[1]
    assert (order["digest"], order["id"], order["order_type"]) == (second, 9, "post_only")
    assert [one["digest"] for one in alice.open()] == [first, second]
    assert "id" not in alice.open()[0]
    sender = hex_text(alice.sender)
    found = alice.data("orders", sender=sender, product_ids=[ETH, BTC, ETH_SPOT])
    assert found["sender"] == sender
    assert [(one["product_id"], [order["digest"] for order in one["orders"]]) for one in found["product_orders"]] == [
        (ETH, [eth]),
        (BTC, [first, second]),
        (ETH_SPOT, []),
    ]


@pytest.mark.row("Q-07", "Q-08")
def test_books_and_prices(alice: Bot) -> None:
    assert alice.data("market_price", product_id=BTC) == {"product_id": BTC, "bid_x18": "0", "ask_x18": NO_ASK}
    for price, size in ((50_000, 0.1), (50_000, 0.2), (49_000, 0.1), (70_000, -0.1)):
        alice.place(price, size)
    book = alice.data("market_liquidity", product_id=BTC, depth=1)
    assert book.pop("timestamp").isdigit()
    assert book == {
        "product_id": BTC,
        "bids": [[str(50_000 * X18), str(3 * X18 // 10)]],
        "asks": [[str(70_000 * X18), str(X18 // 10)]],
    }
    prices = alice.data("market_prices", product_ids=[BTC, ETH])["market_prices"]
    assert prices[0] == {"product_id": BTC, "bid_x18": str(50_000 * X18), "ask_x18": str(70_000 * X18)}
    assert [one["product_id"] for one in prices] == [BTC, ETH]
    v2 = alice.http.get("/v2/orderbook", params={"ticker_id": "BTC-PERP_USDT0", "depth": 2}).json()
    assert (v2["product_id"], v2["bids"], v2["asks"]) == (BTC, [[50_000.0, 0.3], [49_000.0, 0.1]], [[70_000.0, 0.1]])
    assert abs(v2["timestamp"] - alice.now_ms()) < 60_000


@pytest.mark.row("Q-09", "Q-10", "Q-17")
def test_products(alice: Bot) -> None:
    def get(path: str, **query: Any) -> Any:
        return alice.http.get(path, params=query).json()

    symbols = alice.data("symbols")["symbols"]
    assert list(symbols) == ["USDT0", "BTC-PERP", "ETH", "ETH-PERP"]
    assert symbols["BTC-PERP"]["price_increment_x18"] == str(X18)
    assert list(alice.data("symbols", product_type="spot")["symbols"]) == ["USDT0", "ETH"]
    assert get("/v1/symbols") == get("/symbols") == list(symbols.values())
    products = alice.data("all_products")
    assert [one["product_id"] for one in products["spot_products"]] == [0, ETH_SPOT]
    assert [one["product_id"] for one in products["perp_products"]] == [BTC, ETH]
    assert alice.data("edge_all_products") == {"edge_all_products": {"763373": products}}
    assert [one["symbol"] for one in get("/v2/assets")] == list(symbols)
    assert [one["ticker_id"] for one in get("/v2/pairs", market="perp")] == ["BTC-PERP_USDT0", "ETH-PERP_USDT0"]
    assert len(get("/v2/pairs")) == 3
    assert [one["symbol"] for one in get("/v2/apr")] == ["USDT0", "ETH"]
    assert get("/v2/orderbook", ticker_id="NOTHING")["error_code"] == 2015


@pytest.mark.row("Q-11", "Q-13", "Q-14", "Q-15")
def test_accounts(alice: Bot) -> None:
    sender = hex_text(alice.sender)
    info = alice.data("subaccount_info", subaccount=sender)
    assert (info["subaccount"], info["exists"]) == (sender, True)
    assert [one["product_id"] for one in info["spot_balances"]] == [0, ETH_SPOT]
    assert [one["product_id"] for one in info["perp_balances"]] == [BTC, ETH]
    assert len(info["healths"]) == 3
    assert len(info["health_contributions"]) == 5
    nobody = alice.data("subaccount_info", subaccount="0x" + "12" * 32)
    assert nobody["exists"] is False
    assert [one["balance"]["amount"] for one in nobody["spot_balances"]] == ["0", "0"]
    deltas = (
        f'[{{"apply_delta":{{"product_id":{BTC},"subaccount":"{sender}","amount_delta":"{X18}","v_quote_delta":"0"}}}}]'
    )
    what_if = alice.data("subaccount_info", subaccount=sender, txns=deltas, pre_state="true")
    assert int(what_if["perp_balances"][0]["balance"]["amount"]) - int(
        what_if["pre_state"]["perp_balances"][0]["balance"]["amount"]
    ) == int(X18)
    fees = alice.data("fee_rates", sender=sender)
    assert (len(fees["taker_fee_rates_x18"]), fees["fee_tier"]) == (5, 0)
    size = alice.data("max_order_size", sender=sender, product_id=BTC, price_x18=str(60_000 * X18), direction="long")[
        "max_order_size"
    ]
    assert int(size) > 0
    assert int(alice.data("max_withdrawable", sender=sender, product_id=0)["max_withdrawable"]) > 0
    assert alice.data("health_groups") == {"health_groups": [[ETH_SPOT, ETH]]}
    assert alice.data("isolated_positions", subaccount=sender) == {"isolated_positions": []}
    assert alice.data("insurance") == {"insurance": "0"}


def test_products_that_do_not_exist(alice: Bot) -> None:
    for kind in ("market_price", "subaccount_orders"):
        assert alice.query(kind, product_id=999, sender=hex_text(alice.sender))["error_code"] == 2016
    assert alice.query("market_liquidity", product_id=0, depth=1)["error_code"] == 2015
