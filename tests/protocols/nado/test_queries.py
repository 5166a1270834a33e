"""Queries from bodies, query strings and frames (`spec/nado.md` 8, 9)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.test_decode import json_values
from tests.protocols.nado.vectors import DOMAIN, OWNER, body_of

from overround.protocols.nado import queries, weights
from overround.protocols.nado.errors import Code, GatewayError, failure
from overround.protocols.nado.frames import decode_frame
from overround.protocols.nado.queries import (
    Query,
    decode_edge_query,
    decode_edge_query_string,
    decode_query,
    decode_query_string,
    decode_v2,
)
from overround.protocols.nado.units import subaccount

ACCOUNT = subaccount(OWNER)
TEXT = "0x" + ACCOUNT.hex()
DIGEST = "0x" + "ab" * 32
PRICE = 60_000 * 10**18

SAMPLES: list[tuple[dict[str, Any], Query, int]] = [
    ({"type": "status"}, queries.Status("status"), 1),
    ({"type": "contracts"}, queries.Contracts("contracts"), 1),
    ({"type": "wallet_orders", "address": "0x" + OWNER.hex()}, queries.WalletOrders("wallet_orders", OWNER), 10),
    ({"type": "nonces", "address": "0x" + OWNER.hex()}, queries.Nonces("nonces", OWNER), 2),
    ({"type": "order", "product_id": 2, "digest": DIGEST}, queries.Order("order", 2, bytes([0xAB] * 32)), 1),
    (
        {"type": "subaccount_orders", "sender": TEXT, "product_id": 2},
        queries.SubaccountOrders("subaccount_orders", ACCOUNT, 2),
        2,
    ),
    ({"type": "orders", "sender": TEXT, "product_ids": [2, 4]}, queries.Orders("orders", ACCOUNT, (2, 4)), 4),
    ({"type": "linked_signer", "subaccount": TEXT}, queries.LinkedSigner("linked_signer", ACCOUNT), 5),
    ({"type": "market_price", "product_id": 2}, queries.MarketPrice("market_price", 2), 1),
    ({"type": "market_prices", "product_ids": [2, 4]}, queries.MarketPrices("market_prices", (2, 4)), 2),
    (
        {"type": "market_liquidity", "product_id": 2, "depth": 10},
        queries.MarketLiquidity("market_liquidity", 2, 10),
        1,
    ),
    ({"type": "symbols"}, queries.Symbols("symbols", None, None), 2),
    (
        {"type": "symbols", "product_ids": [3], "product_type": "spot"},
        queries.Symbols("symbols", (3,), "spot"),
        2,
    ),
    ({"type": "all_products"}, queries.AllProducts("all_products"), 5),
    ({"type": "edge_all_products"}, queries.EdgeAllProducts("edge_all_products"), 5),
    (
        {"type": "subaccount_info", "subaccount": TEXT},
        queries.SubaccountInfo("subaccount_info", ACCOUNT, None, False),
        2,
    ),
    ({"type": "isolated_positions", "subaccount": TEXT}, queries.IsolatedPositions("isolated_positions", ACCOUNT), 10),
    ({"type": "fee_rates", "sender": TEXT}, queries.FeeRates("fee_rates", ACCOUNT), 2),
    (
        {"type": "max_order_size", "sender": TEXT, "product_id": 2, "price_x18": str(PRICE), "direction": "long"},
        queries.MaxOrderSize("max_order_size", ACCOUNT, 2, PRICE, "long", None, None, None, None),
        5,
    ),
    (
        {
            "type": "max_order_size", "sender": TEXT, "product_id": 2, "price_x18": str(PRICE), "direction": "short",
            "spot_leverage": "true", "reduce_only": "false", "isolated": "false", "borrow_margin": None,
        },
        queries.MaxOrderSize("max_order_size", ACCOUNT, 2, PRICE, "short", True, False, False, None),
        5,
    ),
    (
        {"type": "max_withdrawable", "sender": TEXT, "product_id": 0, "spot_leverage": None},
        queries.MaxWithdrawable("max_withdrawable", ACCOUNT, 0, None),
        5,
    ),
    (
        {"type": "max_nlp_mintable", "sender": TEXT, "spot_leverage": "false"},
        queries.MaxNlpMintable("max_nlp_mintable", ACCOUNT, False),
        20,
    ),
    ({"type": "max_nlp_burnable", "sender": TEXT}, queries.MaxNlpBurnable("max_nlp_burnable", ACCOUNT), 20),
    ({"type": "health_groups"}, queries.HealthGroups("health_groups"), 2),
    ({"type": "insurance"}, queries.Insurance("insurance"), 2),
    ({"type": "nlp_pool_info"}, queries.NlpPoolInfo("nlp_pool_info"), 20),
    (
        {"type": "nlp_locked_balances", "subaccount": TEXT},
        queries.NlpLockedBalances("nlp_locked_balances", ACCOUNT),
        20,
    ),
]  # fmt: skip
IDS = [f"{sample['type']}-{place}" for place, (sample, _, _) in enumerate(SAMPLES)]


def refused(given: Any, decode: Any = decode_query) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decode(given if isinstance(given, bytes) else body_of(given))
    return caught.value


@pytest.mark.row(
    "Q-01",
    "Q-02",
    "Q-03",
    "Q-04",
    "Q-05",
    "Q-06",
    "Q-07",
    "Q-08",
    "Q-09",
    "Q-10",
    "Q-11",
    "Q-12",
    "Q-13",
    "Q-14",
    "Q-15",
)
@pytest.mark.parametrize(("sample", "query", "weight"), SAMPLES, ids=IDS)
def test_a_query_means_the_same_in_a_body_and_in_a_frame(sample: dict[str, Any], query: Query, weight: int) -> None:
    assert decode_query(body_of(sample)) == query
    assert decode_frame(body_of(sample), DOMAIN) == query
    assert decode_query(body_of({**sample, "chain_id": 1, "any": {"thing": []}})) == query


@pytest.mark.row("Q-16")
@pytest.mark.parametrize(("sample", "query", "weight"), SAMPLES, ids=IDS)
def test_and_in_a_query_string(sample: dict[str, Any], query: Query, weight: int) -> None:
    given = {name: value for name, value in sample.items() if value is not None}
    assert decode_query_string(urlencode(given, doseq=True).encode()) == query
    joined = {name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in given.items()}
    assert decode_query_string(urlencode(joined).encode()) == query
    listed = {name: json.dumps(value) if isinstance(value, list) else value for name, value in given.items()}
    assert decode_query_string(urlencode(listed).encode()) == query


@pytest.mark.row("R-02")
@pytest.mark.parametrize(("sample", "query", "weight"), SAMPLES, ids=IDS)
def test_it_weighs_what_the_table_says(sample: dict[str, Any], query: Query, weight: int) -> None:
    assert weights.of_query(query) == weight


def test_every_type_has_a_sample_and_a_weight() -> None:
    assert {sample["type"] for sample, _, _ in SAMPLES} == set(queries.TYPES)


@pytest.mark.parametrize(("sample", "query", "weight"), SAMPLES, ids=IDS)
def test_a_query_without_a_member_that_it_needs_is_1005(sample: dict[str, Any], query: Query, weight: int) -> None:
    optional = {"type", "product_type", "spot_leverage", "reduce_only", "isolated", "borrow_margin"}
    if sample["type"] == "symbols":
        optional.add("product_ids")
    for name in sample.keys() - optional:
        for broken in ({k: v for k, v in sample.items() if k != name}, {**sample, name: None}, {**sample, name: {}}):
            error = refused(broken)
            assert error.code is Code.BAD_REQUEST
            assert error.request_type == "query_" + sample["type"]
            assert error.message.startswith(name)


TXN = {"apply_delta": {"product_id": 2, "subaccount": TEXT, "amount_delta": "-5", "v_quote_delta": "7"}}


@pytest.mark.row("Q-11")
def test_changes_to_reckon_with_are_json_in_a_text() -> None:
    sample = {"type": "subaccount_info", "subaccount": TEXT, "txns": json.dumps([TXN]), "pre_state": "true"}
    query = decode_query(body_of(sample))
    assert isinstance(query, queries.SubaccountInfo)
    assert query.txns == (queries.Delta(2, ACCOUNT, -5, 7),)
    assert query.pre_state
    assert weights.of_query(query) == 15
    assert decode_query_string(urlencode(sample).encode()) == query
    query = decode_query(body_of({**sample, "pre_state": None}))
    assert weights.of_query(query) == 10


@pytest.mark.parametrize(
    "txns", ["", "x", "{}", "[1]", "[{}]", '[{"apply_delta":{}}]', "[" * 50_000, json.dumps([TXN] * 101), 1, [TXN]]
)
def test_malformed_changes_are_1005(txns: Any) -> None:
    error = refused({"type": "subaccount_info", "subaccount": TEXT, "txns": txns})
    assert error.code is Code.BAD_REQUEST
    assert error.message.startswith("txns: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"product_id": "x"}, {"product_id": -1}, {"product_id": 2**32}, {"product_id": True}, {"product_id": 2.0},
        {"depth": 0}, {"depth": 101}, {"depth": "x"}, {"depth": -1}, {"product_id": [2]},
    ],
)  # fmt: skip
def test_a_member_with_a_wrong_value_is_1005(changes: dict[str, Any]) -> None:
    assert refused({"type": "market_liquidity", "product_id": 2, "depth": 10, **changes}).code is Code.BAD_REQUEST


@pytest.mark.parametrize("value", ["2", 2, "02"])
def test_a_product_is_a_number_or_digits(value: Any) -> None:
    assert decode_query(body_of({"type": "market_price", "product_id": value})) == queries.MarketPrice(
        "market_price", 2
    )


@pytest.mark.parametrize("value", ["x", "", 1, "SPOT", []])
def test_a_wrong_type_of_product_is_2061(value: Any) -> None:
    assert refused({"type": "symbols", "product_type": value}).code is Code.INVALID_PRODUCT_TYPE


def test_lists_have_a_bound() -> None:
    assert refused({"type": "market_prices", "product_ids": [2] * 1_001}).code is Code.BAD_REQUEST
    assert refused({"type": "market_prices", "product_ids": ",".join(["2"] * 1_001)}).code is Code.BAD_REQUEST
    assert refused({"type": "market_prices", "product_ids": "," * 1_000_000}).code is Code.BAD_REQUEST


@pytest.mark.parametrize("name", sorted(queries.UNSERVED))
def test_queries_that_nobody_needs_are_4001(name: str) -> None:
    error = refused({"type": name})
    assert (error.code, error.request_type) == (Code.NOT_IMPLEMENTED, "query_" + name)


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff", b"{}", b'{"type":1}', b'{"type":"x"}', b'{"type":null}']
)
def test_what_is_no_query_is_1005_without_a_request_type(body: bytes) -> None:
    error = refused(body)
    assert (error.code, error.request_type) == (Code.BAD_REQUEST, None)
    assert "signature" not in json.loads(failure(error))


@pytest.mark.parametrize(
    "query_string", [b"", b"type=", b"type=x", b"type=%ff", b"&" * 10_000, "type=é".encode(), b"t"]
)
def test_nor_is_a_query_string_without_a_known_type(query_string: bytes) -> None:
    error = refused(query_string, decode_query_string)
    assert (error.code, error.request_type) == (Code.BAD_REQUEST, None)


@pytest.mark.parametrize(
    ("sample", "query"),
    [
        ({"type": "cached_status"}, queries.Status("cached_status")),
        ({"type": "cached_contracts"}, queries.Contracts("cached_contracts")),
        ({"type": "cached_prices"}, queries.MarketPrices("cached_prices", None)),
        ({"type": "cached_prices", "product_ids": [2]}, queries.MarketPrices("cached_prices", (2,))),
        ({"type": "cached_symbols", "product_type": "perp"}, queries.Symbols("cached_symbols", None, "perp")),
        ({"type": "cached_all_products"}, queries.AllProducts("cached_all_products")),
        ({"type": "cached_edge_all_products"}, queries.EdgeAllProducts("cached_edge_all_products")),
        ({"type": "cached_health_groups"}, queries.HealthGroups("cached_health_groups")),
        ({"type": "cached_nlp_pool_info"}, queries.NlpPoolInfo("cached_nlp_pool_info")),
        ({"type": "ping"}, queries.EdgePing("ping", None, None)),
        ({"type": "ping", "id": 1, "client_time": "5"}, queries.EdgePing("ping", 1, "5")),
        ({"type": "time", "id": 1}, queries.EdgeTime("time", 1)),
    ],
)
def test_the_edge_has_queries_of_its_own(sample: dict[str, Any], query: Query) -> None:
    assert decode_edge_query(body_of(sample)) == query
    assert decode_edge_query_string(urlencode(sample, doseq=True).encode()) == query
    assert weights.of_query(query) >= 1
    with pytest.raises(GatewayError):
        decode_query(body_of(sample))


@pytest.mark.row("Q-17")
@pytest.mark.parametrize(
    ("route", "query_string", "query"),
    [
        ("assets", b"", queries.Assets("assets")),
        ("assets", b"any=thing", queries.Assets("assets")),
        ("pairs", b"", queries.Pairs("pairs", None)),
        ("pairs", b"market=spot", queries.Pairs("pairs", "spot")),
        ("orderbook", b"ticker_id=BTC-PERP_USDT0&depth=10", queries.Orderbook("orderbook", "BTC-PERP_USDT0", 10)),
        ("orderbook", b"ticker_id=x", queries.Orderbook("orderbook", "x", 100)),
        ("apr", b"", queries.Apr("apr")),
    ],
)
def test_the_routes_of_v2(route: str, query_string: bytes, query: Query) -> None:
    assert decode_v2(route, query_string) == query
    assert route in queries.V2_ROUTES
    assert weights.of_query(query) <= 2


@pytest.mark.parametrize(
    ("route", "query_string"),
    [
        ("orderbook", b""), ("orderbook", b"ticker_id=x&depth=0"), ("orderbook", b"ticker_id=" + b"x" * 100),
        ("pairs", b"market=x"), ("pairs", b"%ff"),
    ],
)  # fmt: skip
def test_malformed_v2_requests_are_1005(route: str, query_string: bytes) -> None:
    assert refused(query_string, lambda given: decode_v2(route, given)).code is Code.BAD_REQUEST


# ---- anything at all -----------------------------------------------------------------------------------------------


def answer_of(given: bytes, decode: Any) -> None:
    try:
        query = decode(given)
    except GatewayError as error:
        assert json.loads(failure(error))["error_code"] in {1005, 2061, 4001}  # noqa: PT017
    else:
        assert weights.of_query(query) >= 1


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(given_: bytes) -> None:
    for decode in (decode_query, decode_query_string, decode_edge_query, decode_edge_query_string):
        answer_of(given_, decode)
    for route in queries.V2_ROUTES:
        answer_of(given_, lambda given, route=route: decode_v2(route, given))


@settings(deadline=None)
@given(st.sampled_from(SAMPLES), st.data(), json_values)
def test_any_value_in_any_member(sample: tuple[dict[str, Any], Query, int], data: st.DataObject, value: Any) -> None:
    name = data.draw(st.sampled_from([*sample[0], "txns", "pre_state", "product_ids"]))
    answer_of(body_of({**sample[0], name: value}), decode_query)
    answer_of(urlencode({**sample[0], name: value}, doseq=True, errors="replace").encode(), decode_query_string)
