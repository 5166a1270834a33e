"""The legacy fill (`spec/sx.md` 4.5, 5.13; decision D7)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.signing.account import LocalAccount
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_legacy_fill, signed_order

pytestmark = pytest.mark.xdist_group("sx legacy fills")  # one server for the module

Json = dict[str, Any]
USDC = 10**6
PERCENT = 10**18
UNKNOWN = "0x" + "ab" * 32
(VECTOR,) = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())["vectors"]
    if vector["kind"] == "fill_v1"
]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    with ServerProcess(env={"OVERROUND_SX__BETTING_DELAY_MS": "0", "OVERROUND_SX__SETTLEMENT": "manual"}) as server:
        yield server


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture
def market(operator: Operator) -> str:
    return operator.market()


@pytest.fixture
def maker(operator: Operator) -> LocalAccount:
    return _account(operator)


@pytest.fixture
def taker(operator: Operator) -> LocalAccount:
    return _account(operator)


def _account(operator: Operator) -> LocalAccount:
    account = new_account()
    operator.fund(account, 100_000 * USDC)
    return account


def post(http: httpx.Client, maker: LocalAccount, market: str, **terms: Any) -> Json:
    """A resting order, as it was posted."""
    entry = signed_order(maker, market, **terms)
    assert data_of(http.post("/orders/new", json={"orders": [entry]}))["inserted"] == 1
    return entry


def pending(http: httpx.Client, entry: Json) -> str:
    """What of an open order waits for confirmation."""
    (row,) = data_of(http.get("/orders", params={"orderHashes": hash_of(entry)}))
    return str(row["pendingFillAmount"])


def refused(http: httpx.Client, operator: Operator, body: Json, code: str) -> None:
    before = operator.digest()
    assert_failure(http.post("/orders/fill", json=body), 400, code)
    assert operator.digest() == before


@pytest.mark.row("FILL-10", "SIGN-14")
def test_named_orders_are_taken_by_the_makers_amounts(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    first = post(http, maker, market, percentage_odds=40 * PERCENT, total_bet_size=50 * USDC)
    second = post(http, maker, market, percentage_odds=52_500 * 10**15, total_bet_size=50 * USDC, salt=hex(2**255 - 1))
    body = signed_legacy_fill(taker, [first, second], [4 * USDC, 21 * USDC])
    data = data_of(http.post("/orders/fill", json=body))
    # Taker's parts: 4 * (1/0.4 - 1) = 6, 21 * (1/0.525 - 1) = 19.
    assert (data["totalFilled"], data["isPartialFill"], data["averageOdds"]) == (
        "25000000", False, "50000000000000000000",
    )  # fmt: skip
    assert [pending(http, one) for one in (first, second)] == ["4000000", "21000000"]
    data_of(operator.call("POST", f"/admin/fills/{data['fillHash']}/confirm"))
    refused(http, operator, body, "FILL_ALREADY_SUBMITTED")


@pytest.mark.row("FILL-10")
def test_it_is_all_or_nothing(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    roomy = post(http, maker, market, total_bet_size=50 * USDC)
    tight = post(http, maker, market)
    refused(http, operator, signed_legacy_fill(taker, [roomy, tight], [USDC, 10 * USDC + 1]), "INSUFFICIENT_SPACE")
    assert pending(http, roomy) == "0"
    data_of(http.post("/orders/fill", json=signed_legacy_fill(taker, [roomy, tight], [USDC, 10 * USDC])))
    held = signed_legacy_fill(taker, [tight], [USDC])
    refused(http, operator, held, "INSUFFICIENT_SPACE")


@pytest.mark.row("FILL-10", "FILL-01")
def test_orders_must_belong_together_and_be_there(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    one, other_side = post(http, maker, market), post(http, maker, market, outcome_one=False)
    elsewhere, own = post(http, maker, operator.market()), post(http, taker, market)
    gone = post(http, maker, market)
    data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[hash_of(gone)])))

    def body(*entries: Json, **changes: Any) -> Json:
        return signed_legacy_fill(taker, list(entries), [USDC] * len(entries), **changes)

    refused(http, operator, body(one, elsewhere), "MARKETS_NOT_SAME")
    refused(http, operator, body(one, other_side), "DIRECTIONS_NOT_SAME")
    refused(http, operator, body(one, gone), "INVALID_ORDERS")
    refused(http, operator, body(one, own), "INVALID_ORDERS")
    refused(http, operator, body(one, one), "ORDERS_NOT_UNIQUE")
    refused(http, operator, body(one, orderHashes=[hash_of(one), hash_of(one).upper().replace("0X", "0x")],
                                 takerAmounts=["1", "1"]), "ORDERS_NOT_UNIQUE")  # fmt: skip
    refused(http, operator, body(one, takerAmounts=["1", "2"]), "INCORRECT_ARRAY_LENGTHS")
    for name in (UNKNOWN, "0xabc", ""):
        refused(http, operator, body(one, orderHashes=[name]), "INVALID_ORDERS")
    refused(http, operator, body(one, proxyTaker=MAINNET.wsx), "PROXY_ACCOUNT_INVALID")
    assert_bad_request(http.post("/orders/fill", json=body(one, orderHashes=[], takerAmounts=[])), "orderHashes")
    assert_bad_request(http.post("/orders/fill", json=body(one, takerAmounts=["1.5"])), "takerAmounts")
    data_of(http.post("/orders/fill", json=body(one)))


@pytest.mark.row("FILL-10")
def test_every_part_needs_a_unit_and_the_sum_the_minimum(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    entries = [post(http, maker, market) for _ in range(2)]
    refused(http, operator, signed_legacy_fill(taker, entries[:1], [USDC - 1]), "TAKER_AMOUNT_TOO_LOW")
    refused(http, operator, signed_legacy_fill(taker, entries, [USDC, 0]), "TAKER_AMOUNT_TOO_LOW")
    data_of(http.post("/orders/fill", json=signed_legacy_fill(taker, entries, [USDC - 1, 1])))


@pytest.mark.row("FILL-10", "CLI-04")
@pytest.mark.parametrize("odds", [PERCENT * 505 // 10, PERCENT * 10, PERCENT * 95])
def test_who_computes_the_makers_part_of_exactly_the_minimum_is_served(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount, odds: int
) -> None:
    """Regression: the published tutorials stake 1 USDC by default; floored twice, it comes back as a unit less."""
    makers_part = USDC * odds // (100 * PERCENT - odds)
    one = post(http, maker, market, percentage_odds=odds, total_bet_size=100 * USDC)
    refused(http, operator, signed_legacy_fill(taker, [one], [makers_part * 99 // 100]), "TAKER_AMOUNT_TOO_LOW")
    filled = data_of(http.post("/orders/fill", json=signed_legacy_fill(taker, [one], [makers_part])))
    assert USDC - 10 < int(filled["totalFilled"]) <= USDC


@pytest.mark.row("SIGN-14")
def test_the_signature_commits_to_the_orders_their_signatures_and_the_amounts(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    one, two = post(http, maker, market), post(http, maker, market)
    body = signed_legacy_fill(taker, [one], [USDC])
    for change in (
        {"orderHashes": [hash_of(two)]},
        {"takerAmounts": [str(USDC + 1)]},
        {"fillSalt": "1"},
        {"action": "Bet"},
        {"taker": address_of(maker)},
        {"takerSig": "0x12"},
    ):
        refused(http, operator, {**body, **change}, "TAKER_SIGNATURE_MISMATCH")
    data_of(http.post("/orders/fill", json=body))


@pytest.mark.row("SIGN-14")
def test_the_vector_names_orders_that_this_venue_does_not_know(http: httpx.Client, operator: Operator) -> None:
    """Its digest is proven by `test_digests.py`; over HTTP the orders are looked for first (P4)."""
    refused(http, operator, VECTOR["requestBody"], "INVALID_ORDERS")


@pytest.mark.row("FILL-10")
def test_named_orders_that_expire_during_the_delay_are_told() -> None:
    with ServerProcess() as server, server.client() as http:
        operator = Operator(http)
        second = operator.freeze_at_full_second()
        market, maker, taker = operator.market(), _account(operator), _account(operator)
        entry = post(http, maker, market, api_expiry=second + 10)
        operator.clock(advanceMs=9_800)
        operator.clock(resume=True)
        answer = http.post("/orders/fill", json=signed_legacy_fill(taker, [entry], [USDC]))
        assert_failure(answer, 400, "AFTER_ORDER_EXPIRY")
