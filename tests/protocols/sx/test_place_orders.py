"""`POST /orders/new`: what is accepted, what is refused, and which refusal comes first (`spec/sx.md` 5.9)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.signing.account import LocalAccount
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx posting")  # one server for the module

Entry = dict[str, Any]
USDC = 10**6


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture(scope="module")
def market(operator: Operator) -> str:
    return operator.market()


@pytest.fixture
def maker(operator: Operator) -> LocalAccount:
    """An account with 100 USDC that nobody else uses."""
    account = new_account()
    operator.fund(account, 100 * USDC)
    return account


def post(http: httpx.Client, *entries: Any) -> httpx.Response:
    return http.post("/orders/new", json={"orders": list(entries)})


def statuses(http: httpx.Client, *entries: Entry) -> list[str]:
    """What became of each order, in the order of the request."""
    data = data_of(post(http, *entries))
    assert data["orders"] == [hash_of(entry) for entry in entries]
    return [data["statuses"][name] for name in data["orders"]]


def open_orders(http: httpx.Client, maker: LocalAccount) -> list[str]:
    return [row["orderHash"] for row in data_of(http.get("/orders", params={"maker": address_of(maker)}))]


# ---- step by step --------------------------------------------------------------------------------------------------


@pytest.mark.row("ORD-07")
@pytest.mark.parametrize(
    ("orders", "text"),
    [
        ({}, "orders must be an array"),
        ("0x", "orders must be an array"),
        (None, "orders must be an array"),
        (7, "orders must be an array"),
        ([], "orders must not be empty"),
        ([None], "orders[0] must be an object"),
        ([[]], "orders[0] must be an object"),
        (["0x"], "orders[0] must be an object"),
        ([{}] * 1001, "orders must contain at most 1000 elements"),
    ],
)
def test_orders_must_be_an_array_of_one_to_a_thousand_objects(http: httpx.Client, orders: Any, text: str) -> None:
    assert_bad_request(http.post("/orders/new", json={"orders": orders}), text)


@pytest.mark.row("ORD-07", "HTTP-03")
def test_a_body_without_orders_has_the_attested_text(http: httpx.Client) -> None:
    assert_bad_request(http.post("/orders/new", json={}), "orders must be an array")
    assert_bad_request(http.post("/orders/new", json={"order": {}}), "orders must be an array")


MALFORMED: dict[str, list[Any]] = {
    "marketHash": ["0xabc", "ab" * 32, "0x" + "g" * 64, "0x" + "a" * 63, "0x" + "a" * 65, 7],
    "maker": ["0xabc", "nobody", "0x" + "g" * 40, "f39Fd6e51aad88F6F4ce6aB8827279cffFb92266", 7],
    "baseToken": ["USDC", "0x" + "0" * 39, 7],
    "totalBetSize": ["0", 0, "-1", -1, "1.5", 10_000_000.0, "1_000", " 12 ", "١٢", "1e7", "0x", str(2**256), 2**256],
    "percentageOdds": ["0", 0, str(10**20), 10**20, "-1", 5e19, "5_0", " 50 ", "٥٠", "0x", str(2**256), "NaN"],
    "expiry": ["2209006800", 2209006800.0, -1, 2**64, 1 << 300],
    "apiExpiry": ["1893456000", 1893456000.5, -1, 2**63, 10**30],
    "executor": ["0xabc", "nobody", 7],
    "salt": ["0", 0, "-1", -1, "1.5", 1.5, "1_000", " 12 ", "١٢", "0x", "0xzz", str(2**256), 2**256, "9" * 100],
    "isMakerBettingOutcomeOne": ["true", 1, 0, "1"],
    "signature": ["0x", "nothing", "0x" + "1" * 128, "0x" + "1" * 129, "0x" + "1" * 132, "0x" + "1" * 170, 7],
}


@pytest.mark.row("ORD-07")
@pytest.mark.parametrize("member", MALFORMED)
def test_a_missing_or_malformed_member_is_named_by_its_code(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount, member: str
) -> None:
    entry = signed_order(maker, market)
    before = operator.digest()
    code = f"{member.upper()}_UNDEFINED_OR_MALFORMED"
    without = {name: value for name, value in entry.items() if name != member}
    assert_failure(post(http, without), 400, code)
    for value in (None, [], {}, "", *MALFORMED[member]):
        assert_failure(post(http, {**entry, member: value}), 400, code)
    assert operator.digest() == before


@pytest.mark.row("ORD-07", "ORD-12")
@pytest.mark.parametrize("expiry", [0, 1893456000, 2209006799, 2209006801, 2209006800000, 2**63 - 1])
def test_any_other_expiry_than_the_fixed_one_is_refused(
    http: httpx.Client, market: str, maker: LocalAccount, expiry: int
) -> None:
    answer = post(http, signed_order(maker, market, expiry=expiry))
    assert_failure(answer, 400, "EXPIRY_UNDEFINED_OR_MALFORMED")


@pytest.mark.row("ORD-07", "ORD-13")
def test_an_api_expiry_that_is_not_in_the_future_is_refused(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    for seconds in (0, 1, int(time.time())):
        answer = post(http, signed_order(maker, market, api_expiry=seconds))
        assert_failure(answer, 400, "APIEXPIRY_UNDEFINED_OR_MALFORMED")
    assert statuses(http, signed_order(maker, market, api_expiry=2**63 - 1)) == ["OK"]


@pytest.mark.row("ORD-09")
def test_three_markets_fit_into_a_request_and_a_fourth_is_too_many(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    markets = [operator.market() for _ in range(4)]
    entries = [signed_order(maker, one) for one in markets]
    assert_failure(post(http, *entries), 400, "TOO_MANY_DIFFERENT_MARKETS")
    assert open_orders(http, maker) == []
    assert statuses(http, *entries[:3], signed_order(maker, markets[0])) == ["OK"] * 4


@pytest.mark.row("ORD-09")
def test_one_supported_token_per_request(http: httpx.Client, market: str, maker: LocalAccount) -> None:
    entry = signed_order(maker, market)
    other = {**signed_order(maker, market), "baseToken": MAINNET.wsx}
    assert_failure(post(http, other), 400, "BAD_BASE_TOKEN")
    assert_failure(post(http, entry, other), 400, "BAD_BASE_TOKEN")
    assert_failure(post(http, other, other), 400, "BAD_BASE_TOKEN")
    assert open_orders(http, maker) == []


@pytest.mark.row("ORD-10")
def test_the_makers_minimum_of_the_metadata_is_the_smallest_order(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    least = int(data_of(http.get("/metadata"))["makerOrderMinimums"][MAINNET.usdc])
    small = signed_order(maker, market, total_bet_size=least - 1)
    assert_failure(post(http, small), 400, "TOTAL_BET_SIZE_TOO_LOW")
    assert_failure(post(http, signed_order(maker, market), small), 400, "TOTAL_BET_SIZE_TOO_LOW")
    assert open_orders(http, maker) == []
    assert statuses(http, signed_order(maker, market, total_bet_size=least)) == ["OK"]


@pytest.mark.row("UNIT-03", "ORD-07")
@pytest.mark.parametrize("odds", [50_200 * 10**15, 50 * 10**18 + 1, 125 * 10**15 - 1, 1, 10**20 - 1])
def test_odds_off_the_ladder_refuse_the_whole_request(
    http: httpx.Client, market: str, maker: LocalAccount, odds: int
) -> None:
    good, bad = signed_order(maker, market), signed_order(maker, market, percentage_odds=odds)
    assert_failure(post(http, good, bad), 400, "INVALID_ODDS")
    assert open_orders(http, maker) == []


@pytest.mark.row("UNIT-03")
def test_the_first_and_the_last_rung_of_the_ladder_are_accepted(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    rung = 125 * 10**15
    entries = [signed_order(maker, market, percentage_odds=odds) for odds in (rung, 10**20 - rung)]
    assert statuses(http, *entries) == ["OK", "OK"]


@pytest.mark.row("ORD-07")
def test_the_executor_of_another_venue_is_refused(http: httpx.Client, market: str, maker: LocalAccount) -> None:
    answer = post(http, signed_order(maker, market, executor="0x3259E7Ccc0993368fCB82689F5C534669A0C06ca"))
    assert_failure(answer, 400, "EXECUTOR_UNDEFINED_OR_MALFORMED")


@pytest.mark.row("ORD-07", "SIGN-02")
def test_one_forged_order_refuses_the_whole_request(http: httpx.Client, market: str, maker: LocalAccount) -> None:
    forged = {**signed_order(maker, market), "signature": signed_order(maker, market)["signature"]}
    for size in (1, 20):  # a few are verified on the loop, many in a thread
        good = [signed_order(maker, market) for _ in range(size)]
        body = assert_failure(post(http, *good, forged), 400, "SIGNATURE_MISMATCH")
        assert hash_of(forged) in body["detail"]
        assert_failure(post(http, forged, *good), 400, "SIGNATURE_MISMATCH")
    assert open_orders(http, maker) == []


# ---- which refusal comes first -------------------------------------------------------------------------------------

# The request-level checks in their order: what an entry must look like to break each of them, and the code. An entry
# that breaks two is answered with the one that stands higher, wherever the entries stand in the request.
BREAKS: list[tuple[str, str, Callable[[Entry], Entry]]] = [
    ("form", "SALT_UNDEFINED_OR_MALFORMED", lambda entry: {**entry, "salt": "1_000"}),
    ("token", "BAD_BASE_TOKEN", lambda entry: {**entry, "baseToken": MAINNET.wsx}),
    ("minimum", "TOTAL_BET_SIZE_TOO_LOW", lambda entry: {**entry, "totalBetSize": "9999999"}),
    ("ladder", "INVALID_ODDS", lambda entry: {**entry, "percentageOdds": "50200000000000000000"}),
    ("executor", "EXECUTOR_UNDEFINED_OR_MALFORMED", lambda entry: {**entry, "executor": MAINNET.usdc}),
    ("expiry", "EXPIRY_UNDEFINED_OR_MALFORMED", lambda entry: {**entry, "expiry": 2209006801}),
    ("api expiry", "APIEXPIRY_UNDEFINED_OR_MALFORMED", lambda entry: {**entry, "apiExpiry": 1}),
    ("signature", "SIGNATURE_MISMATCH", lambda entry: {**entry, "signature": "0x" + "11" * 64 + "1b"}),
]


@pytest.mark.row("ORD-07")
@pytest.mark.parametrize(
    ("first", "second"),
    [(first, second) for first in range(len(BREAKS)) for second in range(first + 1, len(BREAKS))],
    ids=lambda place: BREAKS[place][0],
)
def test_of_two_broken_rules_the_one_that_is_checked_earlier_answers(
    http: httpx.Client, market: str, maker: LocalAccount, first: int, second: int
) -> None:
    code = BREAKS[first][1]
    entry = signed_order(maker, market)
    both = BREAKS[second][2](BREAKS[first][2](entry))
    assert_failure(post(http, both), 400, code)
    # In two entries of a request the earlier step answers too, except within step 6, which goes entry by entry.
    if not 2 <= first < second <= 6:
        one, other = BREAKS[first][2](entry), BREAKS[second][2](signed_order(maker, market))
        assert_failure(post(http, one, other), 400, code)
        assert_failure(post(http, other, one), 400, code)


@pytest.mark.row("ORD-07", "ORD-09")
def test_too_many_markets_come_after_the_form_and_before_the_token(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    entries = [signed_order(maker, "0x" + f"{number:064x}") for number in range(4)]
    wrong_token = {**entries[3], "baseToken": MAINNET.wsx, "totalBetSize": "1", "signature": "0x" + "11" * 65}
    assert_failure(post(http, *entries[:3], wrong_token), 400, "TOO_MANY_DIFFERENT_MARKETS")
    malformed = {**entries[3], "maker": "nobody"}
    assert_failure(post(http, *entries[:3], malformed), 400, "MAKER_UNDEFINED_OR_MALFORMED")


@pytest.mark.row("ORD-07")
def test_members_of_one_entry_are_checked_in_the_order_of_the_table(http: httpx.Client) -> None:
    codes = [f"{member.upper()}_UNDEFINED_OR_MALFORMED" for member in MALFORMED]
    entry: Entry = {}
    whole = signed_order(new_account(), "0x" + "00" * 32)
    for member, code in zip(MALFORMED, codes, strict=True):
        assert_failure(post(http, entry), 400, code)
        entry[member] = whole[member]
    assert statuses(http, entry) == ["INVALID_MARKET"]


@pytest.mark.row("ORD-07", "ORD-08")
def test_what_is_decided_order_by_order_comes_after_the_signatures(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    """An unknown market and an empty wallet are statuses of a request that is otherwise right."""
    forged = {**signed_order(maker, "0x" + "00" * 32), "signature": "0x" + "11" * 64 + "1b"}
    assert_failure(post(http, forged), 400, "SIGNATURE_MISMATCH")
    poor = signed_order(new_account(), market)
    assert statuses(http, signed_order(maker, "0x" + "00" * 32), poor) == ["INVALID_MARKET", "INSUFFICIENT_BALANCE"]


# ---- what becomes of each order ------------------------------------------------------------------------------------


@pytest.mark.row("ORD-08")
def test_statuses_are_an_object_and_orders_are_all_hashes_in_the_order_of_the_request(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount
) -> None:
    fine, unknown = signed_order(maker, market), signed_order(maker, "0x" + "00" * 32)
    large = signed_order(maker, market, total_bet_size=101 * USDC)
    data = data_of(post(http, unknown, fine, large, fine))
    names = [hash_of(entry) for entry in (unknown, fine, large, fine)]
    assert data == {
        "orders": names,
        "statuses": {names[0]: "INVALID_MARKET", names[1]: "OK", names[2]: "INSUFFICIENT_BALANCE"},
        "inserted": 1,
    }


@pytest.mark.row("ORD-08")
def test_a_request_of_which_nothing_was_inserted_succeeds_all_the_same(http: httpx.Client, maker: LocalAccount) -> None:
    entry = signed_order(maker, "0x" + "00" * 32)
    name = hash_of(entry)
    data = data_of(post(http, entry))
    assert data == {"orders": [name], "statuses": {name: "INVALID_MARKET"}, "inserted": 0}


@pytest.mark.row("ORD-08")
def test_a_thousand_orders_fit_into_a_request(http: httpx.Client, operator: Operator, market: str) -> None:
    maker = new_account()
    operator.fund(maker, 10_000 * USDC)
    entries = [signed_order(maker, market) for _ in range(1000)]
    assert data_of(post(http, *entries))["inserted"] == 1000


@pytest.mark.row("ORD-15")
def test_an_order_hash_is_used_once_for_ever(
    http: httpx.Client, operator: Operator, market: str, maker: LocalAccount
) -> None:
    entry = signed_order(maker, market)
    assert statuses(http, entry, entry) == ["OK", "OK"]  # of two equal ones the first counts
    assert len(open_orders(http, maker)) == 1
    assert statuses(http, entry) == ["ORDERS_ALREADY_EXIST"]
    again = {**entry, "apiExpiry": entry["apiExpiry"] + 60}  # is not part of the hash
    assert statuses(http, again) == ["ORDERS_ALREADY_EXIST"]
    data_of(http.post("/orders/cancel/all", json=signed_cancel(maker)))
    assert statuses(http, entry) == ["ORDERS_ALREADY_EXIST"]
    assert open_orders(http, maker) == []


@pytest.mark.row("ORD-15")
def test_a_hash_that_was_only_refused_may_be_posted_again(http: httpx.Client, operator: Operator, market: str) -> None:
    maker = new_account()
    entry = signed_order(maker, market)
    assert statuses(http, entry) == ["INSUFFICIENT_BALANCE"]
    operator.fund(maker, 10 * USDC)
    assert statuses(http, entry) == ["OK"]


@pytest.mark.row("ORD-15")
def test_that_an_order_exists_comes_before_a_closed_market_and_an_empty_wallet(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market = operator.market()
    entry, later = signed_order(maker, market), signed_order(maker, market)
    assert statuses(http, entry) == ["OK"]
    data_of(operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"}))
    operator.fund(maker, 0)
    assert statuses(http, entry, later) == ["ORDERS_ALREADY_EXIST", "INVALID_MARKET"]


@pytest.mark.row("ORD-14")
def test_an_order_is_changed_by_cancelling_it_and_posting_another(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    before = signed_order(maker, market, percentage_odds=50 * 10**18, salt=77)
    assert statuses(http, before) == ["OK"]
    better = signed_order(maker, market, percentage_odds=51 * 10**18, salt=77)
    cancel = signed_cancel(maker, order_hashes=[hash_of(before)])
    assert data_of(http.post("/orders/cancel/v2", json=cancel))["cancelledCount"] == 1
    assert statuses(http, better) == ["OK"]
    assert open_orders(http, maker) == [hash_of(better)]
    for method in ("PUT", "PATCH", "DELETE"):
        assert_failure(http.request(method, "/orders/new", json={"orders": [before]}), 405, "METHOD_NOT_ALLOWED")


@pytest.mark.row("ORD-11", "HTTP-06")
@pytest.mark.parametrize(
    "salt", ["1", "007", "0x1", "0x00ff", "0xABCDEF", "0X0a", "0x" + "ab" * 32, "0x" + "AB" * 32, str(2**256 - 1)]
)
def test_a_salt_is_echoed_as_it_was_submitted(http: httpx.Client, market: str, maker: LocalAccount, salt: str) -> None:
    number = int(salt, 16) if salt[:2] in ("0x", "0X") else int(salt)
    entry = {**signed_order(maker, market, salt=number), "salt": salt}
    data = data_of(post(http, entry))
    assert data["inserted"] == 1
    (row,) = data_of(http.get("/orders", params={"orderHashes": data["orders"][0]}))
    assert row["salt"] == salt


@pytest.mark.row("ORD-11")
def test_two_spellings_of_a_salt_are_one_order(http: httpx.Client, market: str, maker: LocalAccount) -> None:
    entry = signed_order(maker, market, salt=255)
    assert statuses(http, entry) == ["OK"]
    assert statuses(http, {**entry, "salt": "0xff"}) == ["ORDERS_ALREADY_EXIST"]
    assert statuses(http, {**entry, "salt": "0x00FF"}) == ["ORDERS_ALREADY_EXIST"]


@pytest.mark.row("EXP-01", "EXP-02", "EXP-03", "EXP-04", "EXP-05")
def test_open_orders_of_a_market_may_add_up_to_the_balance_and_not_to_one_unit_more(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    """The worked example: a hundred USDC, three markets, both outcomes added up, equality allowed."""
    spread, moneyline, totals = (operator.market() for _ in range(3))
    fifty, hundred = 50 * USDC, 100 * USDC
    assert (
        statuses(
            http,
            signed_order(maker, spread, total_bet_size=fifty),
            signed_order(maker, spread, total_bet_size=fifty, outcome_one=False),
            signed_order(maker, moneyline, total_bet_size=hundred),
            signed_order(maker, totals, total_bet_size=fifty),
            signed_order(maker, totals, total_bet_size=fifty, outcome_one=False),
        )
        == ["OK"] * 5
    )
    for market in (spread, moneyline, totals):
        assert statuses(http, signed_order(maker, market)) == ["INSUFFICIENT_BALANCE"]


@pytest.mark.row("EXP-05")
def test_one_unit_above_the_balance_is_refused_and_the_rest_of_the_request_is_unaffected(
    http: httpx.Client, market: str, maker: LocalAccount
) -> None:
    entries = [
        signed_order(maker, market, total_bet_size=100 * USDC + 1),
        signed_order(maker, market, total_bet_size=90 * USDC),
        signed_order(maker, market, total_bet_size=10 * USDC + 1),
        signed_order(maker, market, total_bet_size=10 * USDC),
    ]
    assert statuses(http, *entries) == ["INSUFFICIENT_BALANCE", "OK", "INSUFFICIENT_BALANCE", "OK"]


@pytest.mark.row("EXP-05")
def test_a_cancelled_order_makes_room_again(http: httpx.Client, market: str, maker: LocalAccount) -> None:
    whole = [signed_order(maker, market, total_bet_size=100 * USDC) for _ in range(2)]
    assert statuses(http, *whole) == ["OK", "INSUFFICIENT_BALANCE"]
    data_of(http.post("/orders/cancel/all", json=signed_cancel(maker)))
    assert statuses(http, whole[1]) == ["OK"]


def test_makers_never_match_each_other(http: httpx.Client, operator: Operator, maker: LocalAccount) -> None:
    other, market = new_account(), operator.market()
    operator.fund(other, 100 * USDC)
    entries = [
        signed_order(maker, market, percentage_odds=80 * 10**18),
        signed_order(other, market, percentage_odds=80 * 10**18, outcome_one=False),
    ]
    assert statuses(http, *entries) == ["OK", "OK"]
    assert [row["fillAmount"] for row in data_of(http.get("/orders", params={"marketHashes": market}))] == ["0", "0"]


def test_orders_of_several_makers_may_share_a_request(http: httpx.Client, operator: Operator, market: str) -> None:
    makers = [new_account(), new_account()]
    for one in makers:
        operator.fund(one, 10 * USDC)
    assert statuses(http, *(signed_order(one, market) for one in makers)) == ["OK", "OK"]
