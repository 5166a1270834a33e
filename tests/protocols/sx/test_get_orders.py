"""The books as they are read: `GET /orders` and `GET /orders/odds/best` (`spec/sx.md` 5.7, 5.8)."""

from __future__ import annotations

import time
from typing import Any

import httpx
import pytest
import requests
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.signing.account import LocalAccount
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx books")  # one server for the module

UNKNOWN_HASH = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture
def maker(operator: Operator) -> LocalAccount:
    """An account with money that nobody else uses."""
    account = new_account()
    operator.fund(account, 1_000_000_000)
    return account


def post(http: httpx.Client, *entries: dict[str, Any]) -> list[str]:
    """Post orders, all of which must be accepted; their hashes."""
    data = data_of(http.post("/orders/new", json={"orders": list(entries)}))
    assert data["inserted"] == len(entries), data
    hashes: list[str] = data["orders"]
    return hashes


def rows(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(http.get("/orders", params=query))
    return found


def listed(http: httpx.Client, **query: Any) -> list[str]:
    return [row["orderHash"] for row in rows(http, **query)]


@pytest.mark.row("ORD-01")
def test_a_makers_open_orders_are_polled_by_his_address(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    assert listed(http, maker=address_of(maker)) == []
    posted = post(http, *(signed_order(maker, operator.market()) for _ in range(3)))
    assert listed(http, maker=address_of(maker)) == posted


@pytest.mark.row("ORD-03", "ORD-12", "HTTP-08", "UNIT-01")
def test_a_row_carries_every_member_of_the_feed_and_the_extras_with_their_types(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    fixture = operator.fixture()
    market = operator.market(fixture)
    before = time.time_ns() // 1_000_000
    entry = signed_order(maker, market, api_expiry=int(time.time()) + 999)
    (name,) = post(http, entry)
    (row,) = rows(http, maker=address_of(maker))
    accepted_ms = int(row.pop("updateTime"))
    created = row.pop("createdAt")
    assert before <= accepted_ms <= time.time_ns() // 1_000_000
    assert created.endswith(f".{accepted_ms % 1000:03d}Z")
    assert row == {
        "orderHash": name,
        "marketHash": market,
        "orderStatus": "ACTIVE",
        "fillAmount": "0",
        "pendingFillAmount": "0",
        "totalBetSize": "10000000",
        "percentageOdds": "50000000000000000000",
        "expiry": 2209006800,
        "apiExpiry": entry["apiExpiry"],
        "baseToken": MAINNET.usdc,
        "executor": MAINNET.executor,
        "maker": address_of(maker),
        "salt": entry["salt"],
        "isMakerBettingOutcomeOne": True,
        "signature": entry["signature"],
        "sportXeventId": fixture,
    }


@pytest.mark.row("ORD-02")
def test_filters_by_market_event_order_maker_and_token_combine_with_and(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    fixture = operator.fixture()
    first, second, third = operator.market(fixture), operator.market(fixture, type=226), operator.market()
    other = new_account()
    operator.fund(other, 10**9)
    a, b = post(http, signed_order(maker, first), signed_order(maker, second))
    c, d = *post(http, signed_order(other, first)), *post(http, signed_order(other, third))

    assert listed(http, marketHashes=first) == [a, c]
    assert listed(http, marketHashes=f"{first},{third},{UNKNOWN_HASH}") == [a, c, d]
    assert listed(http, marketHashes=first, maker=address_of(other)) == [c]
    for name in ("sportXeventId", "sportXEventId"):
        assert listed(http, **{name: fixture}) == [a, b, c]
        assert listed(http, **{name: fixture, "maker": address_of(maker)}) == [a, b]
    assert listed(http, orderHashes=f"{d},{a},{UNKNOWN_HASH},0xabc") == [a, d]
    assert listed(http, orderHashes=f"{d},{a}", marketHashes=third) == [d]
    assert listed(http, orderHashes=a, maker=address_of(other)) == []
    assert listed(http, orderHashes=a, sportXeventId=fixture) == [a]
    assert listed(http, orderHashes=d, sportXeventId=fixture) == []
    assert listed(http, maker=address_of(maker), baseToken=MAINNET.usdc) == [a, b]
    assert listed(http, maker=address_of(maker), baseToken=MAINNET.wsx) == []
    assert listed(http, maker=address_of(maker), marketHashes="0xabc") == []


@pytest.mark.row("ORD-02")
def test_at_least_one_of_four_filters_is_required(http: httpx.Client) -> None:
    for query in ("", "?baseToken=" + MAINNET.usdc, "?page=0", "?marketHashes=&maker=", "?chainVersion=SXR"):
        assert_bad_request(http.get("/orders" + query), "is required")


@pytest.mark.row("ORD-02")
def test_pages_are_numbered_from_nothing_and_a_page_behind_the_end_is_empty(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market = operator.market()
    posted = post(http, *(signed_order(maker, market) for _ in range(5)))
    mine = {"maker": address_of(maker)}
    assert listed(http, **mine, perPage=2) == posted[:2]
    assert listed(http, **mine, perPage=2, page=1) == posted[2:4]
    assert listed(http, **mine, perPage=2, page=2) == posted[4:]
    assert listed(http, **mine, page=0) == posted
    assert listed(http, **mine, page=1) == []
    assert listed(http, **mine, page=10**17) == []
    for wrong in ("page=-1", "page=x", "page=0.5", "perPage=0", "perPage=1001", "perPage=-1", "perPage=1_0"):
        name = wrong.partition("=")[0]
        assert_bad_request(http.get(f"/orders?maker={mine['maker']}&{wrong}"), name)


@pytest.mark.row("ORD-02")
def test_rows_are_sorted_by_every_documented_key_in_both_directions(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market, now = operator.market(), int(time.time())
    a, b, c = post(
        http,
        signed_order(maker, market, total_bet_size=30_000_000, percentage_odds=20 * 10**18, api_expiry=now + 200),
        signed_order(maker, market, total_bet_size=10_000_000, percentage_odds=30 * 10**18, api_expiry=now + 300),
        signed_order(maker, market, total_bet_size=200_000_000, percentage_odds=10 * 10**18, api_expiry=now + 100),
    )
    for key, wanted in (
        ("created_at", [a, b, c]),
        ("updated_at", [a, b, c]),
        ("fill_amount", [a, b, c]),  # equal: in the order of acceptance
        ("total_bet_size", [b, a, c]),  # as numbers, not as texts
        ("percentage_odds", [c, a, b]),
        ("api_expiry", [c, a, b]),
    ):
        assert listed(http, marketHashes=market, sortBy=key) == wanted
        assert listed(http, marketHashes=market, sortBy=key, sortAsc="true") == wanted
        assert listed(http, marketHashes=market, sortBy=key, sortAsc="False") == wanted[::-1]
    assert listed(http, marketHashes=market, sortAsc=0) == [c, b, a]
    assert listed(http, marketHashes=market, sortBy="total_bet_size", perPage=1, page=2) == [c]
    assert_bad_request(http.get(f"/orders?marketHashes={market}&sortBy=createdAt"), "sortBy")
    assert_bad_request(http.get(f"/orders?marketHashes={market}&sortAsc=down"), "sortAsc")


@pytest.mark.row("ORD-02")
def test_without_paging_every_row_comes_also_when_there_are_more_than_a_page(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market = operator.market()
    operator.fund(maker, 10**12)
    posted = post(http, *(signed_order(maker, market) for _ in range(1000)))
    posted += post(http, signed_order(maker, market))
    assert listed(http, marketHashes=market) == posted
    assert listed(http, marketHashes=market, page=0) == posted[:1000]
    assert listed(http, marketHashes=market, page=1) == posted[1000:]


@pytest.mark.row("ORD-04")
def test_only_orders_that_can_be_filled_are_listed(http: httpx.Client, operator: Operator, maker: LocalAccount) -> None:
    fixture = operator.fixture()
    market, closing = operator.market(fixture), operator.market()
    kept, cancelled = post(http, signed_order(maker, market), signed_order(maker, market))
    post(http, signed_order(maker, closing))
    data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[cancelled])))
    data_of(operator.call("POST", f"/admin/markets/{closing}/status", {"status": "INACTIVE"}))
    assert listed(http, maker=address_of(maker)) == [kept]
    operator.set_status(fixture, 2)
    assert listed(http, maker=address_of(maker)) == []


@pytest.mark.row("ORD-05")
def test_more_than_a_thousand_markets_are_refused_with_their_own_code(http: httpx.Client) -> None:
    def get(path: str, **query: str) -> httpx.Response:
        """httpx builds no URL of this length; the request is made by another client."""
        answer = requests.get(f"{http.base_url}{path}", params=query, timeout=30)
        return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

    thousand = ",".join([UNKNOWN_HASH] * 1000)
    code = "RATE_LIMIT_ORDER_REQUEST_MARKET_COUNT"
    assert data_of(get("/orders", marketHashes=thousand)) == []
    assert_failure(get("/orders", marketHashes=f"{thousand},{UNKNOWN_HASH}"), 400, code)
    assert data_of(get("/orders/odds/best", baseToken=MAINNET.usdc, marketHashes=thousand)) == {"bestOdds": []}
    answer = get("/orders/odds/best", baseToken=MAINNET.usdc, marketHashes=f"{thousand},{UNKNOWN_HASH}")
    assert_failure(answer, 400, code)
    assert data_of(get("/orders", orderHashes=thousand)) == []
    assert_bad_request(get("/orders", orderHashes=f"{thousand},{UNKNOWN_HASH}"), "orderHashes")


@pytest.mark.row("ORD-05")
def test_an_event_and_markets_together_are_refused_with_their_own_code(http: httpx.Client) -> None:
    for name in ("sportXeventId", "sportXEventId"):
        answer = http.get("/orders", params={"marketHashes": UNKNOWN_HASH, name: "L1000001"})
        assert_failure(answer, 400, "BOTH_SPORTXEVENTID_MARKETHASHES_PRESENT")


# ---- best odds -----------------------------------------------------------------------------------------------------


@pytest.mark.row("ORD-06", "UNIT-02")
def test_the_best_odds_of_a_side_are_the_makers_highest_and_know_since_when(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market = operator.market()

    def best() -> Any:
        query = {"marketHashes": market, "baseToken": MAINNET.usdc}
        return data_of(http.get("/orders/odds/best", params=query))["bestOdds"]

    assert best() == []
    low = post(http, signed_order(maker, market, percentage_odds=40 * 10**18))[0]
    high = post(http, signed_order(maker, market, percentage_odds=57_750 * 10**15))[0]
    post(http, signed_order(maker, market, percentage_odds=34 * 10**18, outcome_one=False))
    updates = {row["orderHash"]: int(row["updateTime"]) for row in rows(http, marketHashes=market)}
    (row,) = best()
    assert (row["marketHash"], row["baseToken"]) == (market, MAINNET.usdc)
    assert row["outcomeOne"] == {"percentageOdds": "57750000000000000000", "updatedAt": updates[high]}
    assert row["outcomeTwo"]["percentageOdds"] == "34000000000000000000"

    data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[high])))
    (row,) = best()
    assert row["outcomeOne"]["percentageOdds"] == "40000000000000000000"
    assert row["outcomeOne"]["updatedAt"] >= updates[high]

    data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[low])))
    (row,) = best()
    assert row["outcomeOne"] == {"percentageOdds": None, "updatedAt": None}
    data_of(http.post("/orders/cancel/all", json=signed_cancel(maker)))
    assert best() == []


@pytest.mark.row("ORD-06")
def test_best_odds_are_asked_for_by_markets_or_by_leagues_but_not_by_both_or_none(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    fixture = operator.fixture(leagueLabel="Best Odds League")
    first, second = operator.market(fixture), operator.market(fixture, type=226)
    operator.market(fixture, type=1)
    entry = signed_order(maker, first)
    post(http, entry, signed_order(maker, second, outcome_one=False))
    (league,) = [one for one in data_of(http.get("/leagues")) if one["label"] == "Best Odds League"]

    def markets(**query: Any) -> list[str]:
        found = data_of(http.get("/orders/odds/best", params={"baseToken": MAINNET.usdc, **query}))["bestOdds"]
        return [row["marketHash"] for row in found]

    assert markets(leagueIds=league["leagueId"]) == [first, second]
    assert markets(leagueIds=f"{league['leagueId']},999999") == [first, second]
    assert markets(leagueIds=999999) == []
    assert markets(marketHashes=f"{second},{UNKNOWN_HASH},0xabc,{first}") == [second, first]
    for query in (
        {"marketHashes": first},
        {"baseToken": MAINNET.usdc},
        {"baseToken": MAINNET.usdc, "marketHashes": first, "leagueIds": "1"},
        {"baseToken": MAINNET.usdc, "leagueIds": "one"},
    ):
        assert_bad_request(http.get("/orders/odds/best", params=query))
    assert hash_of(entry) in listed(http, marketHashes=first)
