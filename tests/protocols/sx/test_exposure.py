"""The exposure rule over the wire: the seeds' table, both worked examples, and restriction (`spec/sx.md` 7.6, 7.7)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator
from tests.protocols.sx.test_heartbeat import User, ms_of

from overround.signing.address import checksum_address
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx exposure")  # one server for the module

USDC = 10**6


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A sandbox whose clock stands still: only the tests move it."""
    with ServerProcess() as server, server.client() as client:
        Operator(client).clock(freeze=True)
        yield client


@pytest.fixture
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture
def user(http: httpx.Client, operator: Operator) -> User:
    """With 100 USDC."""
    found = User(http)
    operator.fund(found.account, 100 * USDC)
    return found


def place(user: User, *orders: tuple[str, bool, int]) -> list[tuple[str, str]]:
    """Post orders of (market, outcome one, base units) in one request; hashes with their statuses."""
    far = int(time.time()) + 10 * 86_400
    entries = [
        signed_order(user.account, market, outcome_one=one, total_bet_size=size, api_expiry=far)
        for market, one, size in orders
    ]
    data = data_of(user.http.post("/orders/new", json={"orders": entries}))
    return [(name, data["statuses"][name]) for name in data["orders"]]


def exposure(user: User) -> dict[str, Any]:
    """By market, of the only token."""
    (token,) = data_of(user.call("GET", "/user/exposure"))
    assert token["token"] == MAINNET.usdc
    return {one.pop("marketHash"): one for one in token["markets"]} | {
        "balance": token["balance"],
        "available": token["available"],
    }


def market_of(exposed: int, headroom: int, orders: int, *suspended: str) -> dict[str, Any]:
    return {
        "exposure": str(exposed * USDC),
        "headroom": str(headroom * USDC),
        "openOrders": orders,
        "suspended": list(suspended),
    }


@pytest.mark.row("EXP-01", "EXP-02", "EXP-03", "EXP-04", "EXP-05")
def test_the_table_of_the_documentation_is_valid_to_the_last_base_unit(operator: Operator, user: User) -> None:
    spread, moneyline, totals = operator.market(), operator.market(), operator.market()
    table = [
        (spread, True, 50), (spread, False, 50), (moneyline, True, 100), (totals, True, 50), (totals, False, 50),
    ]  # fmt: skip
    placed = place(user, *((market, one, size * USDC) for market, one, size in table))
    assert [status for _, status in placed] == ["OK"] * 5
    assert exposure(user) == {
        "balance": "100000000",
        "available": "100000000",
        spread: market_of(100, 0, 2),
        moneyline: market_of(100, 0, 1),
        totals: market_of(100, 0, 2),
    }
    # The smallest order that there is: of one base unit it would be too small to be looked at.
    for market in (spread, moneyline, totals):
        for one in (True, False):
            ((_, status),) = place(user, (market, one, MAINNET.maker_minimum_usdc))
            assert status == "INSUFFICIENT_BALANCE"
    operator.fund(user.account, 100 * USDC + MAINNET.maker_minimum_usdc - 1)
    ((_, status),) = place(user, (spread, True, MAINNET.maker_minimum_usdc))
    assert status == "INSUFFICIENT_BALANCE"  # one base unit short
    operator.fund(user.account, 100 * USDC + MAINNET.maker_minimum_usdc)
    ((_, status),) = place(user, (spread, True, MAINNET.maker_minimum_usdc))
    assert status == "OK"


@pytest.mark.row("EXP-06", "EXP-07", "EXP-08")
def test_orders_go_and_come_back_with_the_balance(operator: Operator, user: User) -> None:
    """The second half of 7.6's example: what its fill leaves behind is set here by hand."""
    a, b, c = operator.market(), operator.market(), operator.market()
    (a1, _), (a2, _) = place(user, (a, True, 50 * USDC), (a, False, 50 * USDC))
    ((b1, _),) = place(user, (b, True, 40 * USDC))
    (c1, _), (c2, _) = place(user, (c, True, 50 * USDC), (c, True, 50 * USDC))
    assert user.open() == [a1, a2, b1, c1, c2]

    operator.fund(user.account, 40 * USDC)
    assert user.open() == [b1]
    assert exposure(user) == {
        "balance": "40000000",
        "available": "40000000",
        a: market_of(0, 40, 0, a1, a2),
        b: market_of(40, 0, 1),
        c: market_of(0, 40, 0, c1, c2),
    }
    operator.fund(user.account, 60 * USDC)
    assert user.open() == [a1, b1, c1]
    found = exposure(user)
    assert (found[a], found[b], found[c]) == (
        market_of(50, 10, 1, a2), market_of(40, 20, 1), market_of(50, 10, 1, c2),
    )  # fmt: skip
    operator.fund(user.account, 100 * USDC)
    assert user.open() == [a1, a2, b1, c1, c2]
    account = data_of(operator.call("GET", f"/admin/accounts/{user.address}"))
    assert account["exposure"] == data_of(user.call("GET", "/user/exposure"))
    assert account["openOrders"] == {"sx": 5, "nado": 0}


@pytest.mark.row("EXP-07")
def test_what_was_cancelled_while_it_was_suspended_does_not_come_back(operator: Operator, user: User) -> None:
    """Suspended orders are within reach of the cancels and of the heartbeat."""
    market = operator.market()
    (first, _), (second, _), (third, _) = place(user, *[(market, True, 30 * USDC)] * 3)
    operator.fund(user.account, 30 * USDC)
    assert user.open() == [first]
    now_s = operator.clock(advanceMs=0) // 1000
    body = signed_cancel(user.account, order_hashes=[second], timestamp=now_s)
    assert data_of(user.http.post("/orders/cancel/v2", json=body))["cancelledCount"] == 1
    assert exposure(user)[market] == market_of(30, 0, 1, third)
    operator.fund(user.account, 100 * USDC)
    assert user.open() == [first, third]
    operator.fund(user.account, 30 * USDC)
    user.ping(1)
    operator.clock(advanceMs=1_000)
    assert user.state()["lastFiring"]["orderHashes"] == [first, third]
    operator.fund(user.account, 100 * USDC)
    assert user.open() == []
    assert exposure(user) == {"balance": "100000000", "available": "100000000"}


# ---- restriction (7.7) ---------------------------------------------------------------------------------------------


def restriction(operator: Operator, user: User) -> dict[str, Any]:
    found: dict[str, Any] = data_of(operator.call("GET", f"/admin/accounts/{user.address}"))["restriction"]
    return found


def posting(user: User, market: str) -> httpx.Response:
    far = int(time.time()) + 10 * 86_400
    return user.http.post("/orders/new", json={"orders": [signed_order(user.account, market, api_expiry=far)]})


def dip(operator: Operator, user: User) -> None:
    """The balance falls below the exposure and recovers; events within a second count once."""
    operator.fund(user.account, 0)
    operator.fund(user.account, 100 * USDC)
    operator.clock(advanceMs=1_000)


@pytest.mark.row("EXP-09", "EXP-10")
def test_repeated_dips_restrict_for_a_while_and_never_block_a_cancel(operator: Operator, user: User) -> None:
    market = operator.market()
    (order, _), _ = place(user, (market, True, 50 * USDC), (market, False, 50 * USDC))
    for _ in range(4):
        dip(operator, user)
    assert restriction(operator, user) == {"restricted": False, "until": None}
    now_ms = operator.clock(advanceMs=0)
    dip(operator, user)
    found = restriction(operator, user)
    assert found["restricted"]
    assert ms_of(found["until"]) == now_ms + 900_000

    assert_failure(posting(user, market), 403, "ACCOUNT_RESTRICTED")
    assert len(user.open()) == 2  # existing orders are not affected, nor are reads
    user.ping(3600)
    now_s = operator.clock(advanceMs=0) // 1000
    named: dict[str, dict[str, Any]] = {"v2": {"order_hashes": [order]}, "event": {"event": "L1000001"}, "all": {}}
    for scope, body in named.items():
        cancel = signed_cancel(user.account, timestamp=now_s, **body)
        data_of(user.http.post(f"/orders/cancel/{scope}", json=cancel))
    assert user.open() == []

    operator.clock(setMs=ms_of(found["until"]) - 1)
    assert_failure(posting(user, market), 403, "ACCOUNT_RESTRICTED")
    operator.clock(advanceMs=1)
    assert data_of(posting(user, market))["inserted"] == 1
    assert restriction(operator, user) == {"restricted": False, "until": None}


@pytest.mark.row("EXP-09")
def test_dips_that_follow_each_other_within_a_second_count_once(operator: Operator, user: User) -> None:
    place(user, (operator.market(), True, 50 * USDC))
    for _ in range(20):
        operator.fund(user.account, 0)
        operator.fund(user.account, 100 * USDC)
        operator.clock(advanceMs=40)
    assert not restriction(operator, user)["restricted"]


@pytest.mark.row("EXP-09", "EXP-10")
def test_an_operator_restricts_and_lifts_by_hand(operator: Operator, user: User) -> None:
    market, path = operator.market(), f"/admin/accounts/{user.address}/restriction"
    for _ in range(4):
        place(user, (market, True, 50 * USDC))
        dip(operator, user)
    answer = data_of(operator.call("POST", path, {"restricted": True}))
    assert answer["restriction"] == {"restricted": True, "until": None}
    operator.clock(advanceMs=1_000_000)
    assert_failure(posting(user, market), 403, "ACCOUNT_RESTRICTED")
    lifted = data_of(operator.call("POST", path, {"restricted": False}))
    assert lifted["restriction"] == {"restricted": False, "until": None}
    assert data_of(posting(user, market))["statuses"]
    dip(operator, user)  # the counter was cleared: this is the first
    assert not restriction(operator, user)["restricted"]


def test_a_restriction_is_an_operators_affair(http: httpx.Client, operator: Operator, user: User) -> None:
    path = f"/admin/accounts/{user.address}/restriction"
    assert_failure(http.post(path, json={"restricted": True}), 401, "UNAUTHORIZED")
    bodies: tuple[Any, ...] = ({}, {"restricted": "yes"}, {"restricted": None}, [], 7)
    for body in bodies:
        assert_bad_request(operator.call("POST", path, body))
    assert_bad_request(operator.call("POST", "/admin/accounts/nobody/restriction", {"restricted": True}), "address")
    assert restriction(operator, user) == {"restricted": False, "until": None}
    unused = checksum_address(b"\x07" * 20)
    data_of(operator.call("POST", f"/admin/accounts/{unused}/restriction", {"restricted": False}))
