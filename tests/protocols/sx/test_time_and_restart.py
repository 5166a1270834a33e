"""What time does to orders, and what a stop or a crash does not (`spec/sx.md` 7.9, 7.13, 7.15)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

PATIENCE_S = 20.0


def wait_until(is_true: Callable[[], bool]) -> None:
    """Ask until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.002)


def post(http: httpx.Client, *entries: dict[str, Any]) -> list[str]:
    """Post orders, all of which must be accepted; their hashes."""
    data = data_of(http.post("/orders/new", json={"orders": list(entries)}))
    assert data["inserted"] == len(entries), data
    hashes: list[str] = data["orders"]
    return hashes


def open_orders(http: httpx.Client, account: Any = ALICE) -> list[str]:
    return [row["orderHash"] for row in data_of(http.get("/orders", params={"maker": address_of(account)}))]


@pytest.fixture
def frozen() -> Iterator[tuple[httpx.Client, Operator, int]]:
    """A sandbox whose clock stands still at a full second."""
    with ServerProcess() as server, server.client() as client:
        operator = Operator(client)
        yield client, operator, operator.freeze_at_full_second()


# ---- time ----------------------------------------------------------------------------------------------------------


@pytest.mark.row("LIFE-03", "ORD-13", "ORD-04")
def test_an_order_expires_at_its_second_and_not_a_millisecond_before(
    frozen: tuple[httpx.Client, Operator, int],
) -> None:
    http, operator, now = frozen
    market = operator.market()
    soon, later = post(
        http, signed_order(ALICE, market, api_expiry=now + 5), signed_order(ALICE, market, api_expiry=now + 6)
    )
    operator.clock(advanceMs=4_999)
    before = operator.digest()
    assert open_orders(http) == [soon, later]
    operator.clock(advanceMs=1)
    wait_until(lambda: open_orders(http) == [later])
    assert operator.digest() != before
    operator.clock(advanceMs=1_000)
    wait_until(lambda: open_orders(http) == [])
    query = {"marketHashes": market, "baseToken": MAINNET.usdc}
    best = data_of(http.get("/orders/odds/best", params=query))
    assert best == {"bestOdds": []}


@pytest.mark.row("LIFE-03", "ORD-15", "CAN-10")
def test_an_expired_order_is_gone_for_good(frozen: tuple[httpx.Client, Operator, int]) -> None:
    http, operator, now = frozen
    entry = signed_order(ALICE, operator.market(), api_expiry=now + 1)
    (name,) = post(http, entry)
    operator.clock(advanceMs=1_000)
    wait_until(lambda: open_orders(http) == [])
    assert_failure(http.post("/orders/new", json={"orders": [entry]}), 400, "APIEXPIRY_UNDEFINED_OR_MALFORMED")
    revived = {**entry, "apiExpiry": now + 3600}
    data = data_of(http.post("/orders/new", json={"orders": [revived]}))
    assert data["statuses"] == {name: "ORDERS_ALREADY_EXIST"}
    cancel = signed_cancel(ALICE, order_hashes=[name], timestamp=now + 1)
    assert data_of(http.post("/orders/cancel/v2", json=cancel)) == {
        "cancelledCount": 0,
        "notCancelled": [{"orderHash": name, "reason": "not_found_or_inactive"}],
    }


@pytest.mark.row("LIFE-03", "EXP-05")
def test_expiry_makes_room_under_the_balance(frozen: tuple[httpx.Client, Operator, int]) -> None:
    http, operator, now = frozen
    market = operator.market()
    operator.fund(ALICE, 10_000_000)
    post(http, signed_order(ALICE, market, api_expiry=now + 1))
    large = signed_order(ALICE, market, api_expiry=now + 100)
    (status,) = data_of(http.post("/orders/new", json={"orders": [large]}))["statuses"].values()
    assert status == "INSUFFICIENT_BALANCE"
    operator.clock(advanceMs=1_000)
    post(http, large)  # the deadline fires before the command that carries the later time


@pytest.mark.row("LIFE-03")
def test_an_order_expires_while_nobody_asks_for_anything(http: httpx.Client, world: dict[str, Any]) -> None:
    expiry = int(time.time()) + 2
    post(http, signed_order(BOB, world["markets"][0]["marketHash"], api_expiry=expiry))
    wait_until(lambda: open_orders(http, BOB) == [])
    assert time.time() >= expiry


@pytest.mark.row("LIFE-01", "LIFE-02")
def test_when_the_match_begins_earlier_orders_die_and_later_ones_live_if_it_is_live_enabled(
    frozen: tuple[httpx.Client, Operator, int],
) -> None:
    http, operator, now = frozen
    live, quiet = (operator.fixture(gameTime=now + 60, liveEnabled=enabled) for enabled in (True, False))
    in_play, closed, other = operator.market(live), operator.market(quiet), operator.market()
    a, b, kept = post(http, *(signed_order(ALICE, one, api_expiry=now + 3600) for one in (in_play, closed, other)))
    operator.clock(advanceMs=59_999)
    assert open_orders(http) == [a, b, kept]
    operator.clock(advanceMs=1)
    wait_until(lambda: open_orders(http) == [kept])

    again = [signed_order(ALICE, one, api_expiry=now + 3600) for one in (in_play, closed)]
    data = data_of(http.post("/orders/new", json={"orders": again}))
    assert list(data["statuses"].values()) == ["OK", "INVALID_MARKET"]
    operator.set_status(live, 2)  # the match began already: once is once
    assert open_orders(http) == [kept, hash_of(again[0])]


@pytest.mark.row("LIFE-01")
def test_a_start_that_moves_away_in_time_cancels_nothing(frozen: tuple[httpx.Client, Operator, int]) -> None:
    http, operator, now = frozen
    fixture = operator.fixture(gameTime=now + 60)
    (name,) = post(http, signed_order(ALICE, operator.market(fixture), api_expiry=now + 3600))
    data_of(operator.call("PATCH", f"/admin/fixtures/{fixture}", {"gameTime": now + 120}))
    operator.clock(advanceMs=119_000)
    assert open_orders(http) == [name]
    data_of(operator.call("PATCH", f"/admin/fixtures/{fixture}", {"gameTime": now + 119}))
    assert open_orders(http) == []


@pytest.mark.row("LIFE-05")
def test_closing_a_market_and_ending_a_fixture_cancel_their_orders(http: httpx.Client, sandbox: ServerProcess) -> None:
    operator = Operator(http)
    for status in (3, 4, 7):
        fixture = operator.fixture()
        market = operator.market(fixture)
        post(http, signed_order(BOB, market), signed_order(BOB, market))
        operator.set_status(fixture, status)
        assert open_orders(http, BOB) == []
    market = operator.market()
    entry = signed_order(BOB, market)
    (name,) = post(http, entry)
    path = f"/admin/markets/{market}/status"
    data_of(operator.call("POST", path, {"status": "INACTIVE"}))
    assert open_orders(http, BOB) == []
    later = signed_order(BOB, market)
    data = data_of(http.post("/orders/new", json={"orders": [later]}))
    assert list(data["statuses"].values()) == ["INVALID_MARKET"]
    data_of(operator.call("POST", path, {"status": "ACTIVE"}))
    assert open_orders(http, BOB) == []  # for good
    assert data_of(http.post("/orders/new", json={"orders": [entry]}))["statuses"] == {name: "ORDERS_ALREADY_EXIST"}
    post(http, later)


# ---- restart -------------------------------------------------------------------------------------------------------


@pytest.mark.row("LIFE-06", "ORD-11", "ORD-15", "CAN-09")
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_orders_used_hashes_and_replay_pairs_survive_a_restart(tmp_path: Path, end: str) -> None:
    arguments = ("--data-dir", str(tmp_path))
    with ServerProcess(*arguments) as server, server.client() as http:
        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        kept = [
            signed_order(ALICE, market),
            {**signed_order(ALICE, market, salt=255), "salt": "0x00FF"},
            signed_order(BOB, market, outcome_one=False, percentage_odds=48 * 10**18),
        ]
        gone = signed_order(ALICE, market)
        post(http, *kept, gone)
        cancels = {
            "/orders/cancel/v2": signed_cancel(ALICE, order_hashes=[hash_of(gone)]),
            "/orders/cancel/event": signed_cancel(ALICE, event="L1000002"),
            "/orders/cancel/all": signed_cancel(new_account()),
        }
        for path, body in cancels.items():
            data_of(http.post(path, json=body))
        rows = data_of(http.get("/orders", params={"marketHashes": market}))
        assert [row["salt"] for row in rows] == [entry["salt"] for entry in kept]
        query = {"marketHashes": market, "baseToken": MAINNET.usdc}
        best = data_of(http.get("/orders/odds/best", params=query))
        reference = [http.get(path).json() for path in ("/markets/active", "/leagues", "/metadata", "/sandbox")]
        digest = Operator(http).digest()
        if end == "stop":
            assert server.stop() == 0
        else:
            server.kill()

    with ServerProcess(*arguments) as server, server.client() as http:
        assert Operator(http).digest() == digest
        assert data_of(http.get("/orders", params={"marketHashes": market})) == rows
        again = [http.get(path).json() for path in ("/markets/active", "/leagues", "/metadata", "/sandbox")]
        for body in (again[3], reference[3]):
            for name in ("baseUrl", "wsUrl"):
                del body[name]
            for name in ("gatewayUrl", "wsUrl", "subscribeUrl"):
                del body["nado"][name]
        assert again == reference
        assert data_of(http.get("/orders/odds/best", params=query)) == best
        for path, body in cancels.items():
            assert_failure(http.post(path, json=body), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")
        data = data_of(http.post("/orders/new", json={"orders": [*kept, gone]}))
        assert set(data["statuses"].values()) == {"ORDERS_ALREADY_EXIST"}
        everything = data_of(http.post("/orders/cancel/all", json=signed_cancel(ALICE)))
        assert everything["cancelledCount"] == 2


@pytest.mark.row("LIFE-06", "LIFE-03", "USR-05")
def test_what_was_due_while_the_venue_was_down_is_done_when_it_is_back(tmp_path: Path) -> None:
    """Also the clock of a sandbox, its keys and its balances are where they were."""
    arguments = ("--data-dir", str(tmp_path))
    with ServerProcess(*arguments) as server, server.client() as http:
        operator = Operator(http)
        now = operator.freeze_at_full_second()
        (kept,) = post(http, signed_order(ALICE, operator.market(), api_expiry=now + 3600))
        key = data_of(operator.call("POST", "/admin/api-keys", {"address": address_of(BOB)}))["apiKey"]
        operator.fund(BOB, 2**255 + 1)
        server.kill()
    with ServerProcess(*arguments) as server, server.client() as http:
        operator = Operator(http)
        assert operator.clock(advanceMs=0) == now * 1000
        assert open_orders(http) == [kept]
        answer = http.get("/user/realtime-token/api-key", headers={"x-api-key": key})
        assert answer.status_code == 200
        account = data_of(operator.call("GET", f"/admin/accounts/{address_of(BOB)}"))
        assert list(account["balances"].values()) == [str(2**255 + 1)]
        operator.clock(resume=True)
        expiry = operator.clock(advanceMs=0) // 1000 + 1
        post(http, signed_order(BOB, operator.market(), api_expiry=expiry))
        server.kill()
    wait_until(lambda: time.time() > expiry)  # the venue's clock is ahead of this one
    with ServerProcess(*arguments) as server, server.client() as http:
        wait_until(lambda: open_orders(http, BOB) == [])
        assert open_orders(http) == [kept]
