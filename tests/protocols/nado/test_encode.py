"""Answers, member by member (`spec/nado.md` 6 to 9): the seed page's shapes and the tables of the specification."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tests.protocols.nado.test_decode import batch, cancel, cancel_and_place, place, request_of
from tests.protocols.nado.vectors import DOMAIN, NOW_MS, OWNER, VECTORS, body_of

from overround.protocols.nado import encode, queries
from overround.protocols.nado.decode import decode_execute
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.facts import (
    Account,
    Balance,
    Book,
    Health,
    OpenOrder,
    Placed,
    Product,
    ProductKind,
    Quote,
    TradingStatus,
)
from overround.protocols.nado.units import X18, subaccount

ACCOUNT = subaccount(OWNER)
TEXT = "0x" + ACCOUNT.hex()
SEED_SENDER = bytes.fromhex("7a5ec2748e9065794491a8d29dcf3f9edb8d7c43746573743000000000000000")

# The order of the seed page's response, with the appendix that newer editions carry and real hex for its digest.
SEED_ORDER = OpenOrder(
    product_id=2,
    sender=SEED_SENDER,
    price_x18=20_000 * X18,
    amount=-(10**17),
    unfilled_amount=-(10**17),
    expiration=1_686_332_748,
    nonce=1768248100142339392,
    appendix=1537,
    digest=bytes.fromhex("3195a7929feb8307edecf9c0450ced68925108f0aa305f0ee5773854159377c0"),
    placed_at_s=1_686_332_708,
)
SEED_OBJECT = {
    "product_id": 2,
    "sender": "0x7a5ec2748e9065794491a8d29dcf3f9edb8d7c43746573743000000000000000",
    "price_x18": "20000000000000000000000",
    "amount": "-100000000000000000",
    "expiration": "1686332748",
    "order_type": "post_only",
    "nonce": "1768248100142339392",
    "appendix": "1537",
    "unfilled_amount": "-100000000000000000",
    "digest": "0x3195a7929feb8307edecf9c0450ced68925108f0aa305f0ee5773854159377c0",
    "placed_at": 1686332708,
}

QUOTE = Product(
    product_id=0, kind=ProductKind.SPOT, symbol="USDT0", name="Tether", has_book=False, oracle_price_x18=X18,
    long_weight_initial_x18=X18, short_weight_initial_x18=X18, long_weight_maintenance_x18=X18,
    short_weight_maintenance_x18=X18, trading_status=TradingStatus.NOT_TRADABLE,
)  # fmt: skip
BTC = Product(
    product_id=2, kind=ProductKind.PERP, symbol="BTC-PERP", name="Bitcoin Perp", price_increment_x18=X18,
    size_increment=5 * 10**13, min_size=100 * X18, taker_fee_x18=2 * 10**14, long_weight_initial_x18=95 * 10**16,
    short_weight_initial_x18=105 * 10**16, long_weight_maintenance_x18=97 * 10**16,
    short_weight_maintenance_x18=103 * 10**16, oracle_price_x18=60_000 * X18, open_interest=5,
)  # fmt: skip
ETH = Product(
    product_id=3, kind=ProductKind.SPOT, symbol="ETH", name="Ether", price_increment_x18=10**17, size_increment=10**15,
    min_size=100 * X18, long_weight_initial_x18=9 * 10**17, short_weight_initial_x18=11 * 10**17,
    long_weight_maintenance_x18=95 * 10**16, short_weight_maintenance_x18=105 * 10**16, oracle_price_x18=2_500 * X18,
    token=bytes([0xAB] * 20),
)  # fmt: skip
PRODUCTS = (QUOTE, BTC, ETH)


def plain(value: Any) -> Any:
    """What travels."""
    return json.loads(msgspec.json.encode(value))


def executed(request: Any, *data: Any) -> tuple[bytes, dict[str, Any]]:
    answer = encode.executed(decode_execute(body_of(request), DOMAIN), *data)
    return answer, json.loads(answer)


# ---- executes ------------------------------------------------------------------------------------------------------


@pytest.mark.row("C-12", "C-13", "C-14", "C-16", "C-28")
def test_the_success_of_a_cancellation_is_that_of_the_seed_page() -> None:
    _, answer = executed(cancel(), encode.cancelled_orders([SEED_ORDER]))
    assert list(answer) == ["status", "signature", "data", "request_type"]
    assert answer == {
        "status": "success",
        "signature": VECTORS["cancel_orders_one"]["signature"],
        "data": {"cancelled_orders": [SEED_OBJECT]},
        "request_type": "execute_cancel_orders",
    }
    assert list(answer["data"]["cancelled_orders"][0]) == list(SEED_OBJECT)


@pytest.mark.row("C-17", "P-11")
@pytest.mark.parametrize("name", ["cancel_orders_empty", "cancel_product_orders_all"])
def test_nothing_cancelled_is_an_empty_list(name: str) -> None:
    _, answer = executed(request_of(name), encode.cancelled_orders([]))
    assert answer["data"] == {"cancelled_orders": []}


@pytest.mark.row("P-01", "P-02")
def test_a_placed_order_is_answered_with_its_digest_and_its_id() -> None:
    digest = bytes([0xAB] * 32)
    _, answer = executed(place(id=100), encode.placed(digest))
    assert answer == {
        "status": "success",
        "signature": VECTORS["place_order_default_buy"]["signature"],
        "data": {"digest": "0x" + "ab" * 32},
        "id": 100,
        "request_type": "execute_place_order",
    }
    assert "id" not in executed(place(), encode.placed(digest))[1]
    assert executed(place(id=0), encode.placed(digest))[1]["id"] == 0


@pytest.mark.row("P-10")
def test_a_batch_is_answered_with_a_bare_array_and_an_empty_signature() -> None:
    refusal = GatewayError(Code.ZERO_AMOUNT)
    results = [Placed(bytes(32)), Placed(None, str(refusal))]
    answer, decoded = executed(batch("place_order_ioc"), encode.placed_orders(results))
    assert decoded == {
        "status": "success",
        "signature": "",
        "data": [{"digest": "0x" + "00" * 32, "error": None}, {"digest": None, "error": "2002: the amount is zero"}],
        "request_type": "execute_place_orders",
    }
    assert b'req"' not in answer
    assert plain(encode.placed_orders(results, as_object=True)) == {"place_orders": decoded["data"]}


@pytest.mark.row("P-12")
def test_a_replacement_is_answered_with_the_cancellations_signature_and_the_orders_id() -> None:
    request = cancel_and_place()
    request["cancel_and_place"]["place_order"]["id"] = 7
    _, answer = executed(request, encode.placed(bytes(32)))
    assert answer["signature"] == VECTORS["cancel_orders_one"]["signature"]
    assert answer["id"] == 7
    assert answer["request_type"] == "execute_cancel_and_place"


@pytest.mark.row("P-13", "K-01")
def test_a_linked_signer_is_answered_without_data() -> None:
    _, answer = executed(request_of("link_signer"))
    assert list(answer) == ["status", "signature", "request_type"]
    assert answer["request_type"] == "execute_link_signer"


@pytest.mark.row("P-02")
def test_an_order_shows_its_id_if_it_has_one() -> None:
    assert plain(encode.order(SEED_ORDER)) == SEED_OBJECT
    assert plain(encode.order(msgspec.structs.replace(SEED_ORDER, id=5))) == {**SEED_OBJECT, "id": 5}


# ---- queries -------------------------------------------------------------------------------------------------------


@pytest.mark.row("Q-01")
def test_a_query_is_answered_in_an_envelope() -> None:
    answer = encode.answered(queries.Status("status"), "active")
    assert answer == b'{"status":"success","data":"active","request_type":"query_status"}'


@pytest.mark.row("Q-02", "S-03")
def test_contracts() -> None:
    assert encode.contracts(DOMAIN) == {
        "chain_id": "763373",
        "endpoint_addr": "0x698d87105274292b5673367dec81874ce3633ac2",
    }


@pytest.mark.row("Q-03")
def test_nonces() -> None:
    assert encode.nonces(7, NOW_MS) == {"tx_nonce": "7", "order_nonce": str((NOW_MS + 100_000) << 20)}


@pytest.mark.row("Q-04", "Q-05", "Q-06")
def test_open_orders_by_product() -> None:
    assert plain(encode.subaccount_orders(ACCOUNT, 2, [SEED_ORDER])) == {
        "sender": TEXT,
        "product_id": 2,
        "orders": [SEED_OBJECT],
    }
    assert plain(encode.product_orders(ACCOUNT, [(2, [SEED_ORDER]), (4, [])])) == {
        "sender": TEXT,
        "product_orders": [{"product_id": 2, "orders": [SEED_OBJECT]}, {"product_id": 4, "orders": []}],
    }


@pytest.mark.row("Q-12")
def test_linked_signer() -> None:
    assert encode.linked_signer(OWNER) == {"linked_signer": "0x" + OWNER.hex()}
    assert encode.linked_signer(None) == {"linked_signer": "0x" + "00" * 20}


@pytest.mark.row("Q-08")
def test_market_prices_and_their_empty_sides() -> None:
    full = Quote(2, bid=(5, 1), ask=(7, 1))
    assert encode.market_price(full) == {"product_id": 2, "bid_x18": "5", "ask_x18": "7"}
    empty = {"product_id": 2, "bid_x18": "0", "ask_x18": "170141183460469231731687303715884105727"}
    assert encode.market_prices([Quote(2), full])["market_prices"] == [empty, encode.market_price(full)]


@pytest.mark.row("Q-07")
def test_market_liquidity() -> None:
    book = Book(2, [(5, 1), (4, 2)], [(7, 3)], 1_735_689_600_000_000_000)
    assert plain(encode.market_liquidity(book, 1)) == {
        "bids": [["5", "1"]],
        "asks": [["7", "3"]],
        "product_id": 2,
        "timestamp": "1735689600000000000",
    }


BTC_SYMBOL = {
    "type": "perp",
    "product_id": 2,
    "symbol": "BTC-PERP",
    "price_increment_x18": "1000000000000000000",
    "size_increment": "50000000000000",
    "min_size": "100000000000000000000",
    "maker_fee_rate_x18": "0",
    "taker_fee_rate_x18": "200000000000000",
    "long_weight_initial_x18": "950000000000000000",
    "long_weight_maintenance_x18": "970000000000000000",
    "max_open_interest_x18": None,
    "trading_status": "live",
    "isolated_only": False,
}


@pytest.mark.row("Q-09")
def test_symbols_with_all_their_members() -> None:
    assert plain(encode.symbol(BTC)) == BTC_SYMBOL
    listed = json.loads(encode.symbols_list(PRODUCTS))
    assert [one["symbol"] for one in listed] == ["USDT0", "BTC-PERP", "ETH"]
    assert listed[1] == BTC_SYMBOL
    assert listed[0]["trading_status"] == "not_tradable"


@pytest.mark.row("Q-09")
@pytest.mark.parametrize(
    ("ids", "kind", "names"),
    [
        (None, None, ["USDT0", "BTC-PERP", "ETH"]),
        ((2, 3, 9), None, ["BTC-PERP", "ETH"]),
        (None, "spot", ["USDT0", "ETH"]),
        ((2, 3), "perp", ["BTC-PERP"]),
        ((), None, []),
    ],
)
def test_symbols_that_were_asked_for(ids: tuple[int, ...] | None, kind: str | None, names: list[str]) -> None:
    assert list(encode.symbols(PRODUCTS, queries.Symbols("symbols", ids, kind))["symbols"]) == names


@pytest.mark.row("Q-10", "K-04")
def test_products_with_all_their_members() -> None:
    data = plain(encode.all_products(PRODUCTS))
    spot = data["spot_products"][1]
    perp = data["perp_products"][0]
    risk = {
        "long_weight_initial_x18", "short_weight_initial_x18", "long_weight_maintenance_x18",
        "short_weight_maintenance_x18", "price_x18",
    }  # fmt: skip
    assert spot.keys() == {"product_id", "oracle_price_x18", "risk", "config", "state", "book_info"}
    assert perp.keys() == {"product_id", "oracle_price_x18", "risk", "state", "book_info"}
    assert spot["risk"].keys() == perp["risk"].keys() == risk
    assert spot["config"].keys() == {
        "token", "interest_inflection_util_x18", "interest_floor_x18", "interest_small_cap_x18",
        "interest_large_cap_x18", "withdraw_fee_x18", "min_deposit_rate_x18",
    }  # fmt: skip
    assert spot["state"].keys() == {
        "cumulative_deposits_multiplier_x18", "cumulative_borrows_multiplier_x18", "total_deposits_normalized",
        "total_borrows_normalized",
    }  # fmt: skip
    assert perp["state"].keys() == {
        "cumulative_funding_long_x18", "cumulative_funding_short_x18", "available_settle", "open_interest",
    }  # fmt: skip
    assert spot["book_info"] == {
        "size_increment": "1000000000000000",
        "price_increment_x18": "100000000000000000",
        "min_size": "100000000000000000000",
        "collected_fees": "0",
    }
    assert spot["config"]["token"] == "0x" + "ab" * 20
    assert perp["oracle_price_x18"] == perp["risk"]["price_x18"] == "60000000000000000000000"
    assert encode.edge_all_products(DOMAIN, PRODUCTS)["edge_all_products"].keys() == {"763373"}


@pytest.mark.row("Q-11", "K-01")
def test_an_account_lists_every_product_held_or_not() -> None:
    account = Account(
        ACCOUNT,
        True,
        {0: Balance(1000 * X18), 2: Balance(-5, 300)},
        (Health(10, 4), Health(10, 3), Health(10, 0)),
        {2: (1, 2, 3)},
    )
    data = plain(encode.subaccount_info(account, PRODUCTS))
    assert (data["subaccount"], data["exists"], data["spot_count"], data["perp_count"]) == (TEXT, True, 2, 1)
    assert data["healths"][0] == {"assets": "10", "liabilities": "4", "health": "6"}
    assert data["health_contributions"] == [["0"] * 3, ["0"] * 3, ["1", "2", "3"], ["0"] * 3]
    assert data["spot_balances"] == [
        {"product_id": 0, "balance": {"amount": str(1000 * X18)}},
        {"product_id": 3, "balance": {"amount": "0"}},
    ]
    assert data["perp_balances"] == [
        {
            "product_id": 2,
            "balance": {"amount": "-5", "v_quote_balance": "300", "last_cumulative_funding_x18": "0"},
        }
    ]
    assert [one["product_id"] for one in data["spot_products"] + data["perp_products"]] == [0, 3, 2]
    assert "pre_state" not in data
    what_if = plain(encode.subaccount_info(account, PRODUCTS, before=Account(ACCOUNT, True, {})))
    assert what_if["pre_state"].keys() == {"healths", "health_contributions", "spot_balances", "perp_balances"}


@pytest.mark.row("Q-13")
def test_fee_rates_are_arrays_by_product_id() -> None:
    assert encode.fee_rates(PRODUCTS) == {
        "taker_fee_rates_x18": ["0", "0", "200000000000000", "0"],
        "maker_fee_rates_x18": ["0", "0", "0", "0"],
        "liquidation_sequencer_fee": "0",
        "health_check_sequencer_fee": "0",
        "taker_sequencer_fee": "0",
        "withdraw_sequencer_fees": ["0", "0", "0", "0"],
        "fee_tier": 0,
    }


@pytest.mark.row("Q-14", "Q-15")
def test_small_answers() -> None:
    assert encode.max_order_size(5) == {"max_order_size": "5"}
    assert encode.max_withdrawable(5) == {"max_withdrawable": "5"}
    assert encode.health_groups([(3, 4)]) == {"health_groups": [[3, 4]]}
    assert encode.ISOLATED_POSITIONS == {"isolated_positions": []}
    assert encode.INSURANCE == {"insurance": "0"}
    assert encode.NLP_POOL_INFO == {"nlp_pools": []}
    assert encode.MAX_NLP_MINTABLE == {"max_base_amount": "0", "max_quote_amount": "0"}
    assert encode.MAX_NLP_BURNABLE == {"max_nlp_amount": "0"}
    assert encode.NLP_LOCKED_BALANCES.keys() == {"balance_locked", "balance_unlocked", "locked_balances"}


# ---- other routes --------------------------------------------------------------------------------------------------


@pytest.mark.row("Q-17")
def test_assets_without_a_market_have_no_ticker_and_no_fees() -> None:
    usdt, btc, _ = json.loads(encode.assets(PRODUCTS))
    assert btc == {
        "product_id": 2,
        "ticker_id": "BTC-PERP_USDT0",
        "market_type": "perp",
        "name": "Bitcoin Perp",
        "symbol": "BTC-PERP",
        "maker_fee": 0.0,
        "taker_fee": 0.0002,
        "can_withdraw": False,
        "can_deposit": False,
    }
    assert [usdt[name] for name in ("ticker_id", "market_type", "maker_fee", "taker_fee")] == [None] * 4


@pytest.mark.row("Q-17")
def test_pairs_by_market() -> None:
    btc = {"product_id": 2, "ticker_id": "BTC-PERP_USDT0", "base": "BTC-PERP", "quote": "USDT0"}
    eth = {"product_id": 3, "ticker_id": "ETH_USDT0", "base": "ETH", "quote": "USDT0"}
    for market, expected in ((None, [btc, eth]), ("perp", [btc]), ("spot", [eth])):
        assert json.loads(encode.pairs(PRODUCTS, queries.Pairs("pairs", market))) == expected


@pytest.mark.row("Q-17")
def test_the_v2_book_has_json_floats_and_milliseconds() -> None:
    book = Book(2, [(60_000 * X18, 10**17)], [(60_001 * X18, 15 * 10**17)], 5)
    assert json.loads(encode.orderbook(BTC, book, 10, NOW_MS)) == {
        "product_id": 2,
        "ticker_id": "BTC-PERP_USDT0",
        "bids": [[60000.0, 0.1]],
        "asks": [[60001.0, 1.5]],
        "timestamp": NOW_MS,
    }
    assert [one["symbol"] for one in json.loads(encode.apr(PRODUCTS))] == ["USDT0", "ETH"]


@pytest.mark.row("Q-18")
def test_time_is_a_bare_number_and_flat_at_the_edge() -> None:
    assert encode.time(NOW_MS) == b"1735689600000"
    assert json.loads(encode.edge_time(queries.EdgeTime("time", 3), NOW_MS)) == {
        "status": "success",
        "server_time": "1735689600000",
        "id": 3,
        "request_type": "query_time",
    }
    assert json.loads(encode.edge_pong(queries.EdgePing("ping", 3, "5"), NOW_MS))["data"] == {
        "method": "pong",
        "server_time": "1735689600000",
        "client_time": "5",
        "id": 3,
    }
