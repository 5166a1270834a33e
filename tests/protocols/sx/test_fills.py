"""Fills on a live venue (`spec/sx.md` 5.12, 7.10 to 7.12, 8; decisions D3 to D6)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.signing.account import LocalAccount
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_fill, signed_order, signed_permit

pytestmark = pytest.mark.xdist_group("sx fills")  # one server for the module

Json = dict[str, Any]
USDC: Final = 10**6
PERCENT: Final = 10**18
FILL: Final = "/orders/fill/v2"
VECTORS = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())["vectors"]
    if vector["kind"] == "fill_v2"
]


class Hall:
    """A venue whose fills are settled by hand, and whose clock is stopped unless a test lets it run."""

    def __init__(self, http: httpx.Client, sandbox: ServerProcess) -> None:
        self.http, self.sandbox = http, sandbox
        self.operator = Operator(http)

    def account(self, amount: int = 100_000 * USDC) -> LocalAccount:
        """Somebody with money."""
        account = new_account()
        self.operator.fund(account, amount)
        return account

    def post(self, maker: LocalAccount, market: str, **terms: Any) -> str:
        """A resting order; its hash."""
        entry = signed_order(maker, market, **terms)
        data = data_of(self.http.post("/orders/new", json={"orders": [entry]}))
        assert data["inserted"] == 1, data
        return hash_of(entry)

    def fill(self, body: Json) -> httpx.Response:
        """A fill, answered after its delay."""
        return self.http.post(FILL, json=body)

    def refused(self, body: Json, code: str) -> None:
        """Refused with this code, and nothing changed."""
        before = self.operator.digest()
        assert_failure(self.fill(body), 400, code)
        assert self.operator.digest() == before

    def row(self, order_hash: str) -> Json | None:
        """How an open order stands."""
        rows = data_of(self.http.get("/orders", params={"orderHashes": order_hash}))
        return rows[0] if rows else None

    def balance(self, account: LocalAccount) -> int:
        """What is in the wallet."""
        found = data_of(self.operator.call("GET", f"/admin/accounts/{address_of(account)}"))
        return int(found["balances"][MAINNET.usdc])

    def decide(self, fill_hash: str, how: str) -> httpx.Response:
        """Settle by hand."""
        return self.operator.call("POST", f"/admin/fills/{fill_hash}/{how}")


SETTINGS = {"OVERROUND_SX__BETTING_DELAY_MS": "0", "OVERROUND_SX__SETTLEMENT": "manual"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    with ServerProcess(env=SETTINGS) as server:
        yield server


@pytest.fixture(scope="module")
def hall(http: httpx.Client, sandbox: ServerProcess) -> Hall:
    return Hall(http, sandbox)


@pytest.fixture
def market(hall: Hall) -> str:
    return hall.operator.market()


@pytest.fixture
def maker(hall: Hall) -> LocalAccount:
    return hall.account()


@pytest.fixture
def taker(hall: Hall) -> LocalAccount:
    return hall.account()


# ---- the answer ----------------------------------------------------------------------------------------------------


@pytest.mark.row("FILL-01", "FILL-02", "FILL-07", "UNIT-04")
def test_a_fill_answers_with_what_was_matched_and_waits_for_its_confirmation(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    order = hall.post(maker, market, percentage_odds=52_500 * 10**15, total_bet_size=100 * USDC)
    body = signed_fill(taker, market, stake=50 * USDC, desired_odds=47_500 * 10**15)
    data = data_of(hall.fill(body))
    assert data.keys() == {"fillHash", "isPartialFill", "totalFilled", "averageOdds"}
    assert (data["isPartialFill"], data["totalFilled"]) == (False, "50000000")
    assert data["averageOdds"] == "47500000403750003432"  # 50000000 in a pot of 105263157, half up

    row = hall.row(order)
    assert row is not None
    assert (row["fillAmount"], row["pendingFillAmount"]) == ("0", "55263157")
    assert data_of(hall.decide(data["fillHash"], "confirm")) == {
        "fillHash": data["fillHash"],
        "tradeStatus": "SUCCESS",
    }
    row = hall.row(order)
    assert row is not None
    assert (row["fillAmount"], row["pendingFillAmount"]) == ("55263157", "0")


@pytest.mark.row("FILL-07")
def test_a_failed_fill_gives_the_order_its_part_back(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    order = hall.post(maker, market, total_bet_size=20 * USDC)
    before = hall.balance(maker), hall.balance(taker)
    data = data_of(hall.fill(signed_fill(taker, market, stake=20 * USDC)))
    assert hall.row(order) is None, "what is held is not listed"
    assert data_of(hall.decide(data["fillHash"], "fail"))["tradeStatus"] == "FAILED"
    row = hall.row(order)
    assert row is not None
    assert (row["fillAmount"], row["pendingFillAmount"]) == ("0", "0")
    assert (hall.balance(maker), hall.balance(taker)) == before


@pytest.mark.row("FILL-06", "FILL-02")
def test_what_finds_nobody_is_dropped_and_told(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market, total_bet_size=10 * USDC)
    data = data_of(hall.fill(signed_fill(taker, market, stake=50 * USDC)))
    assert (data["isPartialFill"], data["totalFilled"]) == (True, "10000000")
    assert data_of(hall.http.get("/orders", params={"marketHashes": market})) == []
    assert data_of(hall.http.get("/orders", params={"maker": address_of(taker)})) == []


@pytest.mark.row("FILL-04")
def test_the_best_price_is_taken_first_then_the_oldest_and_never_ones_own(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    worse = hall.post(maker, market, percentage_odds=48 * PERCENT)
    own = hall.post(taker, market, percentage_odds=60 * PERCENT)
    first = hall.post(maker, market, percentage_odds=50 * PERCENT)
    second = hall.post(maker, market, percentage_odds=50 * PERCENT)
    data_of(hall.fill(signed_fill(taker, market, stake=15 * USDC, slippage=10)))
    pending = {one: (row or {"pendingFillAmount": "all"})["pendingFillAmount"] for one in (worse, own, first, second)
               for row in [hall.row(one)]}  # fmt: skip
    assert pending == {worse: "0", own: "0", first: "all", second: "5000000"}


@pytest.mark.row("FILL-04")
def test_a_maker_who_is_alone_on_the_book_cannot_fill_himself(hall: Hall, market: str, maker: LocalAccount) -> None:
    hall.post(maker, market)
    assert_failure(hall.fill(signed_fill(maker, market)), 400, "NO_MATCHING_ORDERS")


@pytest.mark.row("FILL-05")
def test_slippage_binds_the_average_of_the_whole_fill(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market, percentage_odds=50 * PERCENT, total_bet_size=10 * USDC)
    hall.post(maker, market, percentage_odds=40 * PERCENT, total_bet_size=100 * USDC)
    # Decimal odds 2.0 for 10, then 5/3; at least 0.9 * 2 = 1.8 on average: 15 of the second (10*0.2 = 15*(1.8-5/3)).
    data = data_of(hall.fill(signed_fill(taker, market, stake=100 * USDC, slippage=10)))
    assert (data["totalFilled"], data["isPartialFill"]) == ("25000000", True)
    assert int(data["averageOdds"]) <= 10**20 * 10 // 18 + 1


@pytest.mark.row("FILL-05")
def test_without_slippage_no_order_may_be_worse(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market, percentage_odds=60 * PERCENT, total_bet_size=12 * USDC)
    hall.post(maker, market, percentage_odds=49_875 * 10**15)
    data = data_of(hall.fill(signed_fill(taker, market, stake=50 * USDC)))
    assert data["totalFilled"] == "8000000"
    hall_code = hall.fill(signed_fill(taker, market, stake=50 * USDC))
    assert_failure(hall_code, 400, "ODDS_STALE")


# ---- sizes and odds at the ends ------------------------------------------------------------------------------------


@pytest.mark.row("UNIT-04", "FILL-02")
@pytest.mark.parametrize(
    ("odds", "space", "maker_part"),
    [(99_875 * 10**15, 12_515, 9_999_485), (125 * 10**15, 7_990_000_000, 10_000_000)],
)
def test_odds_at_both_ends_of_the_ladder(odds: int, space: int, maker_part: int) -> None:
    settings = {**SETTINGS, "OVERROUND_SX__TAKER_MINIMUM_USDC": "1"}
    with ServerProcess(env=settings) as server, server.client() as http:
        hall = Hall(http, server)
        market, maker, taker = hall.operator.market(), hall.account(), hall.account()
        order = hall.post(maker, market, percentage_odds=odds, total_bet_size=10 * USDC)
        body = signed_fill(taker, market, stake=10_000 * USDC, desired_odds=10**20 - odds)
        data = data_of(hall.fill(body))
        assert data["totalFilled"] == str(space)
        assert hall.row(order) is None
        assert data_of(hall.decide(data["fillHash"], "confirm"))["tradeStatus"] == "SUCCESS"
        assert hall.balance(maker) == 100_000 * USDC - maker_part
        # One base unit: at these odds it is worth 799 of the maker's, or nothing at all.
        other = hall.operator.market()
        hall.post(maker, other, percentage_odds=odds, total_bet_size=10 * USDC)
        answer = hall.fill(signed_fill(taker, other, stake=1, desired_odds=10**20 - odds))
        if odds > 50 * PERCENT:
            assert data_of(answer)["totalFilled"] == "1"
        else:
            assert_failure(answer, 400, "NO_MATCHING_ORDERS")


# ---- signatures ----------------------------------------------------------------------------------------------------


@pytest.mark.row("SIGN-12")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_the_signed_vectors_are_their_takers(http: httpx.Client, hall: Hall, vector: Json) -> None:
    """Their market does not exist: past the signature, that is what is wrong (P4)."""
    if vector["domain"]["chainId"] != MAINNET.chain_id:
        settings = {**SETTINGS, "OVERROUND_SX__FILL_HASHER": vector["domain"]["verifyingContract"]}
        with ServerProcess("--profile", "toronto", env=settings) as server, server.client() as toronto:
            assert_failure(toronto.post(FILL, json=vector["requestBody"]), 400, "MATCH_STATE_INVALID")
        return
    hall.refused(vector["requestBody"], "MATCH_STATE_INVALID")
    altered = {**vector["requestBody"], "oddsSlippage": vector["requestBody"]["oddsSlippage"] + 1}
    hall.refused(altered, "TAKER_SIGNATURE_MISMATCH")


@pytest.mark.row("SIGN-12")
@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        (None, {}),
        ("N/A", {}),
        ("N/A", {"market": "N/A"}),
        ("Reds to win", {"market": "Reds to win"}),
        (None, {"market": "Reds to win"}),
        ("N/A", {"market": None}),
    ],
    ids=["the hash", "nothing shown", "said so", "a text", "a text, but the hash signed", "no market"],
)
def test_wallets_fill_in_the_market_text_differently(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount, shown: str | None, sent: Json
) -> None:
    hall.post(maker, market)
    members: Json = {**sent, **({"marketHash": market} if sent else {})}
    body = signed_fill(taker, market, shown=shown, **members)
    data_of(hall.fill(body))


@pytest.mark.row("SIGN-12")
def test_display_texts_are_part_of_what_is_signed(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market)
    texts = {"action": "Bet", "betting": "Reds ✓", "stake": "10 USDC", "worstOdds": "2.0", "worstReturning": "20"}
    body = signed_fill(taker, market, display=texts)
    for name in texts:
        hall.refused({**body, name: "something else"}, "TAKER_SIGNATURE_MISMATCH")
    data_of(hall.fill(body))


@pytest.mark.row("SIGN-12", "HTTP-06")
def test_texts_are_hashed_as_sent_and_integers_as_their_decimals(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market, total_bet_size=100 * USDC)
    data_of(hall.fill(signed_fill(taker, market, stake=hex(10 * USDC), desired_odds="050000000000000000000")))
    body = signed_fill(taker, market, stake=10 * USDC)
    data_of(hall.fill({**body, "stakeWei": 10 * USDC, "fillSalt": int(body["fillSalt"])}))
    body = signed_fill(taker, market)
    hall.refused({**body, "baseToken": MAINNET.usdc.lower()}, "TAKER_SIGNATURE_MISMATCH")
    hall.refused({**body, "stakeWei": hex(10 * USDC)}, "TAKER_SIGNATURE_MISMATCH")


@pytest.mark.row("SIGN-12", "SIGN-11")
def test_a_signature_of_another_or_of_nobody_is_a_mismatch(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    hall.post(maker, market)
    body = signed_fill(taker, market)
    raw = bytes.fromhex(body["takerSig"][2:])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    high_s = raw[:32] + (order - int.from_bytes(raw[32:64], "big")).to_bytes(32, "big") + bytes([55 - raw[64]])
    for signature in ("", "0x", "0x12", "no hex", raw.hex() + "00", high_s.hex(), raw[:64].hex() + "1d", "00" * 65):
        hall.refused({**body, "takerSig": signature}, "TAKER_SIGNATURE_MISMATCH")
    hall.refused({**body, "taker": address_of(maker)}, "TAKER_SIGNATURE_MISMATCH")
    data_of(hall.fill({**body, "takerSig": raw[:64].hex() + f"{raw[64] - 27:02x}"}))


# ---- codes ---------------------------------------------------------------------------------------------------------

MALFORMED: dict[str, tuple[Json, str]] = {
    "no market": ({"market": "N/A"}, "MARKET_UNDEFINED_OR_MALFORMED"),
    "a short market hash": ({"marketHash": "0x12"}, "MARKET_UNDEFINED_OR_MALFORMED"),
    "another token": ({"baseToken": MAINNET.wsx}, "BAD_BASE_TOKEN"),
    "no token": ({"baseToken": "USDC"}, "BAD_BASE_TOKEN"),
    "below the minimum": ({"stakeWei": "999999"}, "TAKER_AMOUNT_TOO_LOW"),
    "no stake": ({"stakeWei": "0"}, "TAKER_AMOUNT_TOO_LOW"),
    "no odds": ({"desiredOdds": "0"}, "INVALID_ODDS"),
    "odds of one": ({"desiredOdds": str(10**20)}, "INVALID_ODDS"),
    "negative slippage": ({"oddsSlippage": -1}, "INVALID_ODDS_SLIPPAGE"),
    "too much slippage": ({"oddsSlippage": 101}, "INVALID_ODDS_SLIPPAGE"),
    "half a percent": ({"oddsSlippage": 0.5}, "INVALID_ODDS_SLIPPAGE"),
    "slippage as text": ({"oddsSlippage": "5"}, "INVALID_ODDS_SLIPPAGE"),
    "true slippage": ({"oddsSlippage": True}, "INVALID_ODDS_SLIPPAGE"),
    "a proxy": ({"proxyTaker": MAINNET.wsx}, "PROXY_ACCOUNT_INVALID"),
}


@pytest.mark.row("FILL-01")
@pytest.mark.parametrize(("change", "code"), MALFORMED.values(), ids=list(MALFORMED))
def test_what_is_wrong_with_a_fill_has_its_code_and_changes_nothing(
    hall: Hall, market: str, taker: LocalAccount, change: Json, code: str
) -> None:
    hall.refused({**signed_fill(taker, market), **change}, code)


@pytest.mark.row("FILL-01")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("isTakerBettingOutcomeOne", "true"), ("stakeWei", "1.5"), ("stakeWei", None), ("desiredOdds", "high"),
        ("fillSalt", "-1"), ("fillSalt", str(2**256)), ("taker", "me"), ("takerSig", 7), ("action", "x" * 1025),
    ],
)  # fmt: skip
def test_a_member_of_the_wrong_form_is_a_bad_request(
    hall: Hall, market: str, taker: LocalAccount, name: str, value: Any
) -> None:
    before = hall.operator.digest()
    assert_bad_request(hall.fill({**signed_fill(taker, market), name: value}), name)
    assert hall.operator.digest() == before


@pytest.mark.row("FILL-01")
def test_the_checks_have_an_order(hall: Hall, market: str, taker: LocalAccount) -> None:
    """Each step repairs the first thing that is wrong, and the next one is told."""
    unknown = "0x" + "ab" * 32
    body = signed_fill(taker, unknown)
    wrong: Json = {
        "market": "x", "stakeWei": "1.5", "proxyTaker": "p", "baseToken": MAINNET.wsx, "desiredOdds": "0",
        "oddsSlippage": 500, "takerSig": "x",
    }  # fmt: skip
    for name, value, code in [
        ("market", unknown, "MARKET_UNDEFINED_OR_MALFORMED"),
        ("stakeWei", "1", "BAD_REQUEST"),
        ("proxyTaker", None, "PROXY_ACCOUNT_INVALID"),
        ("baseToken", body["baseToken"], "BAD_BASE_TOKEN"),
        ("stakeWei", body["stakeWei"], "TAKER_AMOUNT_TOO_LOW"),
        ("desiredOdds", body["desiredOdds"], "INVALID_ODDS"),
        ("oddsSlippage", body["oddsSlippage"], "INVALID_ODDS_SLIPPAGE"),
        ("takerSig", body["takerSig"], "TAKER_SIGNATURE_MISMATCH"),
    ]:
        hall.refused({**body, **wrong}, code)
        wrong[name] = value
    hall.refused({**body, **wrong}, "MATCH_STATE_INVALID")
    poor = new_account()
    hall.refused(signed_fill(poor, market), "TAKER_INSUFFICIENT_BASE_TOKEN")


@pytest.mark.row("FILL-01")
def test_one_unit_more_than_the_taker_has_is_refused_and_all_that_he_has_is_not(
    hall: Hall, market: str, maker: LocalAccount
) -> None:
    taker = hall.account(10 * USDC)
    hall.post(maker, market, total_bet_size=50 * USDC)
    hall.refused(signed_fill(taker, market, stake=10 * USDC + 1), "TAKER_INSUFFICIENT_BASE_TOKEN")
    data_of(hall.fill(signed_fill(taker, market, stake=9 * USDC)))
    hall.refused(signed_fill(taker, market, stake=USDC + 1), "TAKER_INSUFFICIENT_BASE_TOKEN")
    data_of(hall.fill(signed_fill(taker, market, stake=USDC)))


@pytest.mark.row("FILL-01")
@pytest.mark.parametrize("status", [3, 4, 5, 6, 7, 8])
def test_a_market_that_is_not_bettable_is_a_state_of_the_match(hall: Hall, taker: LocalAccount, status: int) -> None:
    fixture = hall.operator.fixture()
    market = hall.operator.market(fixture)
    hall.operator.set_status(fixture, status)
    hall.refused(signed_fill(taker, market), "MATCH_STATE_INVALID")


def test_a_closed_and_a_reported_market_cannot_be_filled(hall: Hall, taker: LocalAccount) -> None:
    closed, reported = hall.operator.market(), hall.operator.market()
    data_of(hall.operator.call("POST", f"/admin/markets/{closed}/status", {"status": "INACTIVE"}))
    data_of(hall.operator.call("POST", f"/admin/markets/{reported}/settle", {"outcome": 0}))
    for market in (closed, reported):
        hall.refused(signed_fill(taker, market), "MATCH_STATE_INVALID")


@pytest.mark.row("FILL-01", "FILL-09")
def test_a_fill_is_submitted_once_whatever_became_of_it(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    missed = signed_fill(taker, market)
    assert_failure(hall.fill(missed), 400, "NO_MATCHING_ORDERS")
    hall.post(maker, market)
    hall.refused(missed, "FILL_ALREADY_SUBMITTED")
    # Not for another display text either, nor under a broken signature: nothing is recovered for it.
    hall.refused({**missed, "takerSig": "0x" + "11" * 65}, "FILL_ALREADY_SUBMITTED")
    body = signed_fill(taker, market)
    data_of(hall.fill(body))
    hall.refused(body, "FILL_ALREADY_SUBMITTED")


def test_a_refusal_on_arrival_burns_nothing(hall: Hall, market: str, maker: LocalAccount) -> None:
    taker = new_account()
    hall.post(maker, market)
    body = signed_fill(taker, market)
    hall.refused(body, "TAKER_INSUFFICIENT_BASE_TOKEN")
    hall.operator.fund(taker, 10 * USDC)
    data_of(hall.fill(body))


@pytest.mark.row("FILL-01")
def test_size_that_is_held_is_no_space_and_none_at_all_no_orders(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    assert_failure(hall.fill(signed_fill(taker, market)), 400, "NO_MATCHING_ORDERS")
    hall.post(maker, market)
    data_of(hall.fill(signed_fill(taker, market)))
    assert_failure(hall.fill(signed_fill(taker, market)), 400, "INSUFFICIENT_SPACE")
    assert_failure(hall.fill(signed_fill(taker, market, outcome_one=True)), 400, "NO_MATCHING_ORDERS")


@pytest.mark.row("FILL-09")
def test_ten_fills_may_be_in_flight(hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount) -> None:
    hall.post(maker, market, total_bet_size=100 * USDC)
    fills = [data_of(hall.fill(signed_fill(taker, market, stake=USDC)))["fillHash"] for _ in range(10)]
    hall.refused(signed_fill(taker, market, stake=USDC), "META_TX_RATE_LIMIT_REACHED")
    data_of(hall.fill(signed_fill(hall.account(), market, stake=USDC)))  # others are not meant
    data_of(hall.decide(fills[0], "confirm"))
    data_of(hall.decide(fills[1], "fail"))
    for _ in range(2):
        data_of(hall.fill(signed_fill(taker, market, stake=USDC)))
    hall.refused(signed_fill(taker, market, stake=USDC), "META_TX_RATE_LIMIT_REACHED")


# ---- settlement ----------------------------------------------------------------------------------------------------


def test_an_unknown_and_a_decided_fill_are_told_apart(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    for fill_hash in ("0x" + "ab" * 32, "0x12", "x"):
        assert_failure(hall.decide(fill_hash, "confirm"), 404, "NOT_FOUND")
    hall.post(maker, market)
    fill_hash = data_of(hall.fill(signed_fill(taker, market)))["fillHash"]
    data_of(hall.decide(fill_hash.upper().replace("0X", "0x"), "confirm"))
    for how in ("confirm", "fail"):
        before = hall.operator.digest()
        assert_failure(hall.decide(fill_hash, how), 409, "FILL_ALREADY_DECIDED")
        assert hall.operator.digest() == before
    assert_failure(hall.http.post(f"/admin/fills/{fill_hash}/confirm"), 401, "UNAUTHORIZED")


@pytest.mark.row("LIFE-04")
def test_a_balance_that_falls_to_zero_fails_the_fill_that_waits_for_it(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    order = hall.post(maker, market, total_bet_size=20 * USDC)
    fill_hash = data_of(hall.fill(signed_fill(taker, market)))["fillHash"]
    hall.operator.fund(taker, 0)
    assert data_of(hall.decide(fill_hash, "confirm"))["tradeStatus"] == "FAILED"
    row = hall.row(order)
    assert row is not None
    assert (row["fillAmount"], row["pendingFillAmount"]) == ("0", "0")
    assert (hall.balance(maker), hall.balance(taker)) == (100_000 * USDC, 0)


@pytest.mark.row("LIFE-05")
@pytest.mark.parametrize(("outcome", "taker_gets", "maker_gets"), [(2, 40, 0), (1, 0, 40), (0, 20, 20)])
def test_a_report_pays_what_is_confirmed_and_ends_what_is_open(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount, outcome: int, taker_gets: int, maker_gets: int
) -> None:
    order = hall.post(maker, market, total_bet_size=50 * USDC)
    fills = [data_of(hall.fill(signed_fill(taker, market)))["fillHash"] for _ in range(2)]
    data_of(hall.decide(fills[0], "confirm"))

    reported = data_of(hall.operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": outcome}))
    assert (reported["status"], reported["outcome"]) == ("INACTIVE", outcome)
    assert isinstance(reported["reportedDate"], int)
    assert data_of(hall.http.get("/markets/find", params={"marketHashes": market})) == [reported]
    assert hall.row(order) is None
    again = hall.operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": outcome})
    assert_failure(again, 409, "MARKET_ALREADY_REPORTED")

    data_of(hall.decide(fills[1], "confirm"))  # late: paid at once (D2)
    start = 100_000 - 20
    assert hall.balance(taker) == (start + taker_gets) * USDC
    assert hall.balance(maker) == (start + maker_gets) * USDC


def test_an_outcome_is_none_one_or_two_of_a_known_market(hall: Hall, market: str) -> None:
    for outcome in (-1, 3, "1", None, 1.0, True):
        assert_bad_request(hall.operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": outcome}))
    for unknown in ("0x" + "ab" * 32, "x"):
        path = f"/admin/markets/{unknown}/settle"
        assert_failure(hall.operator.call("POST", path, {"outcome": 1}), 404, "NOT_FOUND")


@pytest.mark.row("CAN-11", "CAN-10")
def test_pending_fills_of_a_cancelled_order_still_settle(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    order = hall.post(maker, market, total_bet_size=50 * USDC)
    fill_hash = data_of(hall.fill(signed_fill(taker, market)))["fillHash"]
    cancelled = data_of(hall.http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[order])))
    pending = [{"fillHash": fill_hash, "pendingFillAmount": "10000000"}]
    assert cancelled["orders"] == [{"orderHash": order, "pendingFills": pending}]
    assert data_of(hall.decide(fill_hash, "confirm"))["tradeStatus"] == "SUCCESS"
    assert hall.balance(maker) == (100_000 - 10) * USDC


@pytest.mark.row("CAN-12")
def test_a_held_order_is_locked_and_its_cancel_remembered(
    hall: Hall, market: str, maker: LocalAccount, taker: LocalAccount
) -> None:
    order = hall.post(maker, market)
    fill_hash = data_of(hall.fill(signed_fill(taker, market)))["fillHash"]
    for body, reason in [
        (signed_cancel(maker), "order_locked"),
        (signed_cancel(maker, order_hashes=[order]), "already_pending_cancel"),
    ]:
        path = "/orders/cancel/v2" if "orderHashes" in body else "/orders/cancel/all"
        cancelled = data_of(hall.http.post(path, json=body))
        assert cancelled == {"cancelledCount": 0, "notCancelled": [{"orderHash": order, "reason": reason}]}
    data_of(hall.decide(fill_hash, "fail"))
    assert hall.row(order) is None
    assert_failure(hall.fill(signed_fill(taker, market)), 400, "NO_MATCHING_ORDERS")


# ---- the betting delay ---------------------------------------------------------------------------------------------


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Hall]:
    """A venue of its own, with the delays of the specification, and a clock that stands."""
    with ServerProcess("--data-dir", str(tmp_path)) as server, server.client() as http:
        hall = Hall(http, server)
        hall.operator.freeze_at_full_second()
        yield hall
        hall.http.close()


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as threads:
        yield threads


def admitted(hall: Hall, body: Json, aside: ThreadPoolExecutor) -> Future[httpx.Response]:
    """A fill that is in its delay: the venue has taken it, and not answered."""
    seq = hall.operator.digest()[0]
    answer = aside.submit(hall.fill, body)
    while hall.operator.digest()[0] == seq:
        assert not answer.done(), answer.result().text
    return answer


@pytest.mark.row("FILL-03")
@pytest.mark.parametrize(
    ("sport", "league", "in_play", "delay_ms"),
    [
        (5, "EPL", False, 500), (5, "EPL", True, 6_000), (5, "Some League", True, 10_000), (8, "NFL", True, 3_000),
        (1, "NBA", True, 4_000), (1, "Other", True, 8_000), (6, "ATP", True, 5_000), (17, "Elections", True, 8_000),
    ],
)  # fmt: skip
def test_a_fill_waits_as_long_as_its_league_else_its_sport_says(
    slow: Hall, aside: ThreadPoolExecutor, sport: int, league: str, in_play: bool, delay_ms: int
) -> None:
    fixture = slow.operator.fixture(sportId=sport, leagueLabel=league)
    market, maker, taker = slow.operator.market(fixture), slow.account(), slow.account()
    if in_play:
        slow.operator.set_status(fixture, 2)
    order = slow.post(maker, market)
    answer = admitted(slow, signed_fill(taker, market), aside)
    slow.operator.clock(advanceMs=delay_ms - 1)
    row = slow.row(order)
    assert row is not None
    assert row["pendingFillAmount"] == "0", "nothing is reserved during the delay"
    assert not answer.done()
    slow.operator.clock(advanceMs=1)
    assert data_of(answer.result(10))["totalFilled"] == "10000000"


@pytest.mark.row("FILL-03", "CAN-15")
def test_the_book_counts_as_it_is_after_the_delay(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    slow.post(maker, market, percentage_odds=50 * PERCENT)
    answer = admitted(slow, signed_fill(taker, market), aside)
    assert data_of(slow.http.post("/orders/cancel/all", json=signed_cancel(maker)))["cancelledCount"] == 1
    slow.post(maker, market, percentage_odds=55 * PERCENT, total_bet_size=22 * USDC)
    slow.operator.clock(advanceMs=500)
    data = data_of(answer.result(10))
    assert (data["totalFilled"], data["averageOdds"]) == ("10000000", "45000000450000004500")


@pytest.mark.row("FILL-03")
@pytest.mark.parametrize("live", [False, True])
def test_a_match_that_starts_during_the_delay_is_looked_at_again(
    slow: Hall, aside: ThreadPoolExecutor, live: bool
) -> None:
    fixture = slow.operator.fixture(liveEnabled=live)
    market, maker, taker = slow.operator.market(fixture), slow.account(), slow.account()
    slow.post(maker, market)
    answer = admitted(slow, signed_fill(taker, market), aside)
    slow.operator.set_status(fixture, 2)
    if live:  # it goes on with the delay it got, on the book that the match left
        slow.post(maker, market)
    slow.operator.clock(advanceMs=500)
    if live:
        assert data_of(answer.result(10))["totalFilled"] == "10000000"
    else:
        assert_failure(answer.result(10), 400, "MATCH_STATE_INVALID")


def test_money_is_looked_at_again_after_the_delay(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    slow.post(maker, market)
    body = signed_fill(taker, market)
    answer = admitted(slow, body, aside)
    slow.operator.fund(taker, 0)
    slow.operator.clock(advanceMs=500)
    assert_failure(answer.result(10), 400, "TAKER_INSUFFICIENT_BASE_TOKEN")
    slow.operator.fund(taker, 100 * USDC)
    slow.refused(body, "FILL_ALREADY_SUBMITTED")


@pytest.mark.row("FILL-09")
def test_fills_in_their_delay_are_in_flight(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    slow.post(maker, market, total_bet_size=100 * USDC)
    answers = [admitted(slow, signed_fill(taker, market, stake=USDC), aside) for _ in range(10)]
    slow.refused(signed_fill(taker, market, stake=USDC), "META_TX_RATE_LIMIT_REACHED")
    slow.operator.clock(advanceMs=500)
    assert [data_of(one.result(10))["totalFilled"] for one in answers] == ["1000000"] * 10
    slow.operator.clock(advanceMs=500)
    admitted(slow, signed_fill(taker, market, stake=USDC), aside)
    slow.operator.clock(advanceMs=500)


def test_a_fill_that_is_sent_again_during_its_delay_is_refused_and_the_first_one_answered(
    slow: Hall, aside: ThreadPoolExecutor
) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    order = slow.post(maker, market, total_bet_size=100 * USDC)
    body = signed_fill(taker, market)
    first = admitted(slow, body, aside)
    slow.refused(body, "FILL_ALREADY_SUBMITTED")
    slow.operator.clock(advanceMs=500)
    assert data_of(first.result(10))["totalFilled"] == "10000000"
    row = slow.row(order)
    assert row is not None
    assert row["pendingFillAmount"] == "10000000"


def test_a_client_that_leaves_leaves_its_fill_behind(slow: Hall) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    order = slow.post(maker, market, total_bet_size=20 * USDC)
    body = signed_fill(taker, market)
    with slow.sandbox.client() as leaving, pytest.raises(httpx.ReadTimeout):
        leaving.post(FILL, json=body, timeout=httpx.Timeout(5, read=0.5))
    slow.operator.clock(advanceMs=500)
    row = slow.row(order)
    assert row is not None
    assert row["pendingFillAmount"] == "10000000"
    slow.refused(body, "FILL_ALREADY_SUBMITTED")


def test_a_clean_stop_tells_whoever_waits_and_matches_nothing(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    order = slow.post(maker, market)
    body = signed_fill(taker, market)
    answer = admitted(slow, body, aside)
    assert slow.sandbox.stop() == 0
    response = answer.result(10)
    assert (response.status_code, response.json()["errorCode"]) == (503, "SERVICE_UNAVAILABLE")
    _restart(slow)
    slow.operator.clock(advanceMs=10_000)
    row = slow.row(order)
    assert row is not None
    assert row["pendingFillAmount"] == "0"
    slow.refused(body, "FILL_ALREADY_SUBMITTED")


def test_a_crash_drops_what_is_in_its_delay_and_its_hash_stays_burnt(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    order = slow.post(maker, market)
    body = signed_fill(taker, market)
    answer = admitted(slow, body, aside)
    slow.sandbox.kill()
    with pytest.raises(httpx.TransportError):
        answer.result(10)
    _restart(slow)
    slow.operator.clock(advanceMs=10_000)
    row = slow.row(order)
    assert row is not None
    assert row["pendingFillAmount"] == "0"
    slow.refused(body, "FILL_ALREADY_SUBMITTED")
    answer = admitted(slow, signed_fill(taker, market), aside)  # nothing of it is in flight any more
    slow.operator.clock(advanceMs=500)
    data_of(answer.result(10))


def test_a_matched_fill_settles_after_a_crash(slow: Hall, aside: ThreadPoolExecutor) -> None:
    market, maker, taker = slow.operator.market(), slow.account(), slow.account()
    order = slow.post(maker, market, total_bet_size=50 * USDC)
    answer = admitted(slow, signed_fill(taker, market), aside)
    slow.operator.clock(advanceMs=500)
    data_of(answer.result(10))
    slow.sandbox.kill()
    _restart(slow)
    slow.operator.clock(advanceMs=500)
    row = slow.row(order)
    assert row is not None
    assert (row["fillAmount"], row["pendingFillAmount"]) == ("10000000", "0")
    assert slow.balance(taker) == (100_000 - 10) * USDC


def _restart(hall: Hall) -> None:
    hall.http.close()
    hall.sandbox.start()
    hall.http = hall.sandbox.client()
    hall.operator = Operator(hall.http)


# ---- configuration -------------------------------------------------------------------------------------------------


@pytest.fixture
def configured() -> Iterator[Callable[..., Hall]]:
    """Starts venues with other settings."""
    running: list[Hall] = []

    def start(**settings: str) -> Hall:
        env = {f"OVERROUND_SX__{name.upper()}": value for name, value in {**_QUICK, **settings}.items()}
        server = ServerProcess(env=env).start()
        running.append(Hall(server.client(), server))
        return running[-1]

    yield start
    for hall in running:
        hall.http.close()
        hall.sandbox.__exit__()


_QUICK = {"betting_delay_ms": "0", "settlement": "instant"}


def test_a_fee_is_shown_and_taken_from_the_winners_profit(configured: Callable[..., Hall]) -> None:
    hall = configured(fee_bps="500")
    fees = data_of(hall.http.get("/metadata"))["oracleFees"]
    assert fees == {MAINNET.usdc: "5000000000000000000"}
    market, maker, taker = hall.operator.market(), hall.account(), hall.account()
    hall.post(maker, market)
    data_of(hall.fill(signed_fill(taker, market)))
    data_of(hall.operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": 2}))
    assert hall.balance(taker) == (100_000 + 10) * USDC - 500_000
    assert hall.balance(maker) == (100_000 - 10) * USDC


def test_instant_settlement_confirms_with_the_match(configured: Callable[..., Hall]) -> None:
    hall = configured(fills_in_flight_max="1")
    market, maker, taker = hall.operator.market(), hall.account(), hall.account()
    order = hall.post(maker, market, total_bet_size=50 * USDC)
    for filled in ("1000000", "2000000"):
        data_of(hall.fill(signed_fill(taker, market, stake=USDC)))
        row = hall.row(order)
        assert row is not None
        assert (row["fillAmount"], row["pendingFillAmount"]) == (filled, "0")


def test_delays_by_league_and_sport_are_changed_one_by_one(
    configured: Callable[..., Hall], aside: ThreadPoolExecutor
) -> None:
    hall = configured(betting_delays_by_league_ms='{"EPL": 100}', betting_delays_by_sport_ms='{"5": 200}')
    hall.operator.freeze_at_full_second()
    for league, delay_ms in (("EPL", 100), ("La Liga", 6_000), ("Other", 200)):
        fixture = hall.operator.fixture(leagueLabel=league)
        market = hall.operator.market(fixture)
        hall.operator.set_status(fixture, 2)
        hall.post(hall.account(), market)
        answer = admitted(hall, signed_fill(hall.account(), market), aside)
        hall.operator.clock(advanceMs=delay_ms - 1)
        assert not answer.done()
        hall.operator.clock(advanceMs=1)
        data_of(answer.result(10))


@pytest.mark.row("FILL-11")
def test_where_approval_is_required_orders_and_fills_need_an_allowance(configured: Callable[..., Hall]) -> None:
    hall = configured(require_approval="true")
    market, maker, taker = hall.operator.market(), hall.account(), hall.account()
    entry = signed_order(maker, market)
    statuses = data_of(hall.http.post("/orders/new", json={"orders": [entry]}))["statuses"]
    assert list(statuses.values()) == ["INSUFFICIENT_BALANCE"]
    body = signed_fill(taker, market)
    hall.refused(body, "TAKER_INSUFFICIENT_BASE_TOKEN_ALLOWANCE")
    for account in (maker, taker):
        data_of(hall.http.post("/orders/approve", json=signed_permit(account, 10 * USDC)))
    hall.post(maker, market)
    data_of(hall.fill(body))
    hall.refused(signed_fill(taker, market, stake=10 * USDC + 1), "TAKER_INSUFFICIENT_BASE_TOKEN_ALLOWANCE")
