"""The operator's routes (`design.md` 4.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import BEARER, MAINNET, Operator, address_of, new_account

from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("operator")  # one server for the module

UNKNOWN_HASH = "0x" + "ab" * 32
FIXTURE: dict[str, Any] = {
    "sportId": 5,
    "leagueLabel": "Operator League",
    "teamOneName": "Reds",
    "teamTwoName": "Blues",
    "gameTime": 2_000_000_000,
}


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


def operator_routes(http: httpx.Client) -> list[tuple[str, str]]:
    """Every operator route of the document, its parameters filled in."""
    paths: dict[str, dict[str, Any]] = http.get("/openapi.json").json()["paths"]
    return [
        (method.upper(), path.replace("{", "x").replace("}", "x"))
        for path, methods in paths.items()
        if path.startswith("/admin/")
        for method in methods
    ]


# ---- who may -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        None, "", "Bearer", "Bearer sandbox-admi", "Bearer sandbox-admin2", "Bearer  sandbox-admin",
        "sandbox-admin", "Basic sandbox-admin", "Bearer SANDBOX-ADMIN", "Bearer é",
        "Bearer " + "x" * 20_000,
    ],
    ids=lambda text: str(text)[:24],
)  # fmt: skip
def test_without_the_operators_token_every_operator_route_is_closed(
    http: httpx.Client, operator: Operator, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization.encode()}
    before = operator.digest()
    routes = operator_routes(http)
    assert len(routes) >= 10
    for method, path in routes:
        # Also when the body is broken: who may not ask learns nothing.
        for body in ({}, FIXTURE):
            answer = http.request(method, path, json=body, headers=headers)  # type: ignore[arg-type]
            assert_failure(answer, 401, "UNAUTHORIZED")
    assert operator.digest() == before


def test_an_api_key_is_no_operators_token(http: httpx.Client, world: dict[str, Any]) -> None:
    key = world["accounts"][0]["apiKey"]
    for headers in ({"X-Api-Key": key}, {"X-Api-Key": "sandbox-admin"}, {"Authorization": f"Bearer {key}"}):
        assert_failure(http.get("/admin/digest", headers=headers), 401, "UNAUTHORIZED")
    assert_failure(http.get("/admin/digest", params={"token": "sandbox-admin"}), 401, "UNAUTHORIZED")


# ---- fixtures ------------------------------------------------------------------------------------------------------


def test_a_fixture_is_created_with_the_members_that_were_given(operator: Operator) -> None:
    answer = operator.call("POST", "/admin/fixtures", {**FIXTURE, "sportXeventId": "L-my_1", "liveEnabled": True})
    created = data_of(answer)
    league_id = created.pop("leagueId")
    assert type(league_id) is int
    assert created == {
        **FIXTURE,
        "sportXeventId": "L-my_1",
        "liveEnabled": True,
        "statusFeed": False,
        "status": 1,
    }
    assert_failure(
        operator.call("POST", "/admin/fixtures", {**FIXTURE, "sportXeventId": "L-my_1"}), 409, "FIXTURE_EXISTS"
    )


def test_ids_that_are_left_out_are_given_and_leagues_and_teams_are_shared(
    http: httpx.Client, operator: Operator
) -> None:
    first = data_of(operator.call("POST", "/admin/fixtures", {**FIXTURE, "leagueLabel": "Shared League"}))
    second = data_of(operator.call("POST", "/admin/fixtures", {**FIXTURE, "leagueLabel": "Shared League"}))
    by_id = {name: value for name, value in FIXTURE.items() if name != "leagueLabel"}
    third = data_of(operator.call("POST", "/admin/fixtures", {**by_id, "leagueId": first["leagueId"]}))
    assert len({one["sportXeventId"] for one in (first, second, third)}) == 3
    assert {one["leagueId"] for one in (first, second, third)} == {first["leagueId"]}
    assert third["leagueLabel"] == "Shared League"
    teams = data_of(http.get(f"/leagues/teams/{first['leagueId']}"))["teams"]
    assert [team["name"] for team in teams] == ["Reds", "Blues"]
    assert len({team["id"] for team in teams}) == 2


def test_a_league_belongs_to_one_sport(operator: Operator) -> None:
    league = data_of(operator.call("POST", "/admin/fixtures", FIXTURE))["leagueId"]
    answer = operator.call("POST", "/admin/fixtures", {**FIXTURE, "leagueId": league, "sportId": 6})
    assert_failure(answer, 409, "LEAGUE_OF_OTHER_SPORT")


@pytest.mark.parametrize(
    ("change", "about"),
    [
        ({"sportId": 21}, "sportId"),
        ({"sportId": "5"}, "sportId"),
        ({"leagueLabel": ""}, "leagueId or leagueLabel"),
        ({"leagueLabel": "x" * 201}, "leagueLabel"),
        ({"leagueLabel": "a\nb"}, "leagueLabel"),
        ({"leagueId": 0}, "leagueId"),
        ({"leagueId": -1}, "leagueId"),
        ({"leagueId": 2**53}, "leagueId"),
        ({"leagueId": 1.5}, "leagueId"),
        ({"teamOneName": ""}, "teamOneName"),
        ({"teamTwoName": "\x00"}, "teamTwoName"),
        ({"teamTwoName": None}, "teamTwoName"),
        ({"gameTime": -1}, "gameTime"),
        ({"gameTime": 253_402_300_800}, "gameTime"),
        ({"gameTime": 10**30}, "gameTime"),
        ({"gameTime": 1.5}, "gameTime"),
        ({"gameTime": "2000000000"}, "gameTime"),
        ({"liveEnabled": 1}, "liveEnabled"),
        ({"statusFeed": "true"}, "statusFeed"),
        ({"sportXeventId": ""}, "sportXeventId"),
        ({"sportXeventId": "L 1"}, "sportXeventId"),
        ({"sportXeventId": "L/1"}, "sportXeventId"),
        ({"sportXeventId": "é"}, "sportXeventId"),
        ({"sportXeventId": "L" * 65}, "sportXeventId"),
    ],
    ids=str,
)
def test_a_fixture_with_a_member_out_of_bounds_is_refused(
    operator: Operator, change: dict[str, Any], about: str
) -> None:
    before = operator.digest()
    assert_bad_request(operator.call("POST", "/admin/fixtures", {**FIXTURE, **change}), about)
    assert operator.digest() == before


def test_a_fixture_is_changed_where_something_is_given(operator: Operator) -> None:
    fixture = operator.fixture()
    path = f"/admin/fixtures/{fixture}"
    before = data_of(operator.call("PATCH", path, {}))
    start = before["gameTime"] + 60
    assert data_of(operator.call("PATCH", path, {"gameTime": start})) == {**before, "gameTime": start}
    changed = data_of(operator.call("PATCH", path, {"liveEnabled": False, "statusFeed": True}))
    assert changed == {**before, "gameTime": start, "liveEnabled": False, "statusFeed": True}
    assert_bad_request(operator.call("PATCH", path, {"gameTime": -1}), "gameTime")
    assert_failure(operator.call("PATCH", "/admin/fixtures/L0", {"gameTime": start}), 404, "NOT_FOUND")


def test_the_status_of_a_fixture_is_one_of_nine(operator: Operator) -> None:
    path = f"/admin/fixtures/{operator.fixture()}/status"
    for status in range(1, 10):
        assert data_of(operator.call("POST", path, {"status": status}))["status"] == status
    for wrong in (0, 10, -1, 10**30):
        assert_bad_request(operator.call("POST", path, {"status": wrong}), "status")
    for wrong_type in ("2", 2.0, None, True):
        assert_bad_request(operator.call("POST", path, {"status": wrong_type}), "status")
    assert_failure(operator.call("POST", "/admin/fixtures/L0/status", {"status": 2}), 404, "NOT_FOUND")


# ---- markets -------------------------------------------------------------------------------------------------------


def test_a_market_hash_is_made_of_event_type_line_and_names_alone(operator: Operator) -> None:
    """The same world gets the same hashes in every venue."""
    names: dict[str, Any] = {"type": 2, "line": 2.5, "outcomeOneName": "Over 2.5", "outcomeTwoName": "Under 2.5"}
    fixture = operator.fixture(sportXeventId="L-hash")
    here = operator.market(fixture, **names)
    with ServerProcess() as server, server.client() as http:
        elsewhere = Operator(http)
        assert elsewhere.market(elsewhere.fixture(sportXeventId="L-hash", leagueLabel="Another"), **names) == here
    same = {"sportXeventId": fixture, **names, "line": "2.50"}
    assert_failure(operator.call("POST", "/admin/markets", same), 409, "MARKET_EXISTS")
    others: list[dict[str, Any]] = [{"line": 3.5}, {"type": 3}, {"outcomeOneName": "over 2.5"}]
    assert len({operator.market(fixture, **{**names, **change}) for change in others} | {here}) == 4


def test_the_main_line_is_the_first_of_its_kind_until_another_claims_to_be(
    http: httpx.Client, operator: Operator
) -> None:
    fixture = operator.fixture()

    def main_lines() -> list[str]:
        found = data_of(http.get("/markets/active", params={"eventId": fixture}))["markets"]
        return [market["marketHash"] for market in found if market.get("mainLine")]

    first = operator.market(fixture, type=3, line=-0.5)
    second = operator.market(fixture, type=3, line=-1.5)
    total = operator.market(fixture, type=2, line=2.5)
    assert main_lines() == [first, total]
    third = operator.market(fixture, type=3, line=-2.5, mainLine=True)
    assert main_lines() == [total, third]
    operator.market(fixture, type=3, line=-3.5, mainLine=False)
    operator.market(fixture)
    assert main_lines() == [total, third]
    assert second not in main_lines()


@pytest.mark.parametrize(
    "change",
    [
        {"type": 0},
        {"type": "52"},
        {"type": 52.0},
        {"type": 10**30},
        {"outcomeOneName": ""},
        {"outcomeTwoName": "x" * 201},
        {"outcomeOneName": 1},
        {"line": 1.5},
        {"type": 3},
        {"type": 3, "line": "1_0"},
        {"type": 3, "line": 0.0001},
        {"mainLine": "yes"},
        {"sportXeventId": 7},
    ],
    ids=str,
)
def test_a_market_with_a_member_out_of_bounds_is_refused(operator: Operator, change: dict[str, Any]) -> None:
    body = {"sportXeventId": "L1000001", "type": 52, "outcomeOneName": "a", "outcomeTwoName": "b", **change}
    before = operator.digest()
    assert_bad_request(operator.call("POST", "/admin/markets", body))
    assert operator.digest() == before


def test_a_market_needs_a_fixture_that_is_there_and_not_over(operator: Operator) -> None:
    body = {"sportXeventId": "L0", "type": 52, "outcomeOneName": "a", "outcomeTwoName": "b"}
    assert_failure(operator.call("POST", "/admin/markets", body), 404, "NOT_FOUND")
    fixture = operator.fixture()
    operator.set_status(fixture, 3)
    assert_failure(operator.call("POST", "/admin/markets", {**body, "sportXeventId": fixture}), 409, "FIXTURE_OVER")


def test_a_market_is_closed_and_opened(operator: Operator) -> None:
    market = operator.market()
    for status in ("INACTIVE", "ACTIVE", "ACTIVE"):
        found = data_of(operator.call("POST", f"/admin/markets/{market}/status", {"status": status}))
        assert (found["marketHash"], found["status"]) == (market, status)
    for wrong in ("active", "", 1, None):
        assert_bad_request(operator.call("POST", f"/admin/markets/{market}/status", {"status": wrong}), "status")
    for unknown in (UNKNOWN_HASH, "0xabc", "%00", "é"):
        answer = operator.call("POST", f"/admin/markets/{unknown}/status", {"status": "ACTIVE"})
        assert_failure(answer, 404, "NOT_FOUND")


# ---- accounts ------------------------------------------------------------------------------------------------------


def test_a_balance_is_set_absolutely_and_exactly(operator: Operator) -> None:
    account = address_of(new_account())
    path = f"/admin/balances/{account}/{MAINNET.usdc}"
    for amount in (0, 1, 2**53 + 1, 2**64, 10**30, 2**256 - 1):
        for spelt in (str(amount), amount, hex(amount)):
            found = data_of(operator.call("PUT", path, {"amount": spelt}))
            assert found["balances"] == {MAINNET.usdc: str(amount)}
        assert data_of(operator.call("GET", f"/admin/accounts/{account}"))["balances"] == {MAINNET.usdc: str(amount)}


@pytest.mark.parametrize(
    "amount",
    [
        "",
        "-1",
        -1,
        "1.5",
        1.5,
        1e6,
        "1_000",
        " 12 ",
        "12\n",
        "١٢",
        "1e6",
        2**256,
        str(2**256),
        None,
        True,
        [],
        {},
        "NaN",
    ],
    ids=str,
)
def test_a_balance_is_a_number_of_base_units(operator: Operator, amount: Any) -> None:
    before = operator.digest()
    path = f"/admin/balances/{address_of(ALICE)}/{MAINNET.usdc}"
    assert_bad_request(operator.call("PUT", path, {"amount": amount}), "amount")
    assert operator.digest() == before


def test_a_balance_needs_an_address_and_a_token_of_the_venue(operator: Operator) -> None:
    account, amount = address_of(ALICE), {"amount": "1"}
    assert_failure(operator.call("PUT", f"/admin/balances/{account}/{MAINNET.wsx}", amount), 404, "NOT_FOUND")
    for wrong in ("0xabc", "nobody", account.swapcase(), account[:-1] + "%20"):
        assert_bad_request(operator.call("PUT", f"/admin/balances/{wrong}/{MAINNET.usdc}", amount), "address")
        assert_bad_request(operator.call("PUT", f"/admin/balances/{account}/{wrong}", amount), "address")
        assert_bad_request(operator.call("GET", f"/admin/accounts/{wrong}"), "address")
    spelt = operator.call(
        "PUT", f"/admin/balances/{account.lower()}/{MAINNET.usdc.lower()}", {"amount": "100000000000"}
    )
    assert data_of(spelt)["address"] == account


def test_an_account_shows_balances_exposure_and_open_orders(http: httpx.Client, operator: Operator) -> None:
    account = new_account()
    operator.fund(account, 50_000_000)
    market, other = operator.market(), operator.market()
    entries = [
        signed_order(account, market, total_bet_size=20_000_000),
        signed_order(account, market, total_bet_size=20_000_000, outcome_one=False),
        signed_order(account, other, total_bet_size=50_000_000),
    ]
    assert data_of(http.post("/orders/new", json={"orders": entries}))["inserted"] == 3
    assert data_of(operator.call("GET", f"/admin/accounts/{address_of(account)}")) == {
        "address": address_of(account),
        "balances": {MAINNET.usdc: "50000000"},
        "available": {MAINNET.usdc: "50000000"},
        "exposure": [
            {
                "token": MAINNET.usdc,
                "balance": "50000000",
                "available": "50000000",
                "markets": [
                    {
                        "marketHash": market,
                        "exposure": "40000000",
                        "headroom": "10000000",
                        "openOrders": 2,
                        "suspended": [],
                    },
                    {
                        "marketHash": other,
                        "exposure": "50000000",
                        "headroom": "0",
                        "openOrders": 1,
                        "suspended": [],
                    },
                ],
            }
        ],
        "heartbeat": {
            "account": address_of(account),
            "armed": False,
            "interval": 0,
            "expiresAt": None,
            "lastFiring": None,
        },
        "restriction": {"restricted": False, "until": None},
        "openOrders": {"sx": 3, "nado": 0},
    }


def test_an_account_that_nobody_ever_used_is_empty(operator: Operator) -> None:
    address = checksum_address(bytes(20))
    found = data_of(operator.call("GET", f"/admin/accounts/{address}"))
    assert (found["address"], found["balances"], found["exposure"]) == (address, {}, [])


@pytest.mark.row("USR-05")
def test_an_api_key_is_issued_for_an_address(operator: Operator) -> None:
    address = address_of(new_account())
    issued = data_of(operator.call("POST", "/admin/api-keys", {"address": address.lower()}))
    assert issued["address"] == address
    for wrong in ("nobody", "", None, 7, address.swapcase()):
        assert_bad_request(operator.call("POST", "/admin/api-keys", {"address": wrong}), "address")


# ---- digest and clock ----------------------------------------------------------------------------------------------


def test_the_digest_changes_with_every_action_and_with_nothing_else(http: httpx.Client, operator: Operator) -> None:
    seen = [operator.digest()]
    for action in (
        lambda: operator.fixture(),
        lambda: operator.market(),
        lambda: operator.fund(ALICE, 123_456_789),
        lambda: operator.clock(advanceMs=1),
        lambda: data_of(operator.call("POST", "/admin/api-keys", {"address": address_of(ALICE)})),
    ):
        action()
        seen.append(operator.digest())
    assert len({digest for _, digest in seen}) == len(seen)
    assert [seq for seq, _ in seen] == sorted({seq for seq, _ in seen})
    for path in ("/metadata", "/markets/active", f"/orders?maker={address_of(ALICE)}", "/metrics", "/docs", "/sandbox"):
        http.get(path)
    assert operator.digest() == seen[-1]
    assert len(seen[0][1]) == 66


@pytest.fixture
def clocked() -> Iterator[Operator]:
    with ServerProcess() as server, server.client() as client:
        yield Operator(client)


def test_the_clock_is_frozen_advanced_set_and_resumed(clocked: Operator) -> None:
    at = clocked.clock(freeze=True)
    assert abs(at - time.time() * 1000) < 60_000
    assert clocked.clock(advanceMs=0) == at
    assert clocked.clock(advanceMs=90_000) == at + 90_000
    assert clocked.clock(setMs=at + 100_000) == at + 100_000
    assert clocked.clock(freeze=True) == at + 100_000
    resumed = clocked.clock(resume=True)
    assert resumed >= at + 100_000
    deadline = time.monotonic() + 20
    while clocked.clock(advanceMs=0) == resumed:  # it runs again
        assert time.monotonic() < deadline
    later = clocked.clock(advanceMs=3_600_000)
    assert later >= resumed + 3_600_000
    frozen = data_of(clocked.call("POST", "/admin/clock", {"freeze": True}))
    assert frozen.keys() == {"nowMs", "frozen"}
    assert frozen["frozen"] is True


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"freeze": False},
        {"freeze": 1},
        {"freeze": True, "resume": True},
        {"freeze": True, "advanceMs": 1},
        {"advanceMs": 1, "setMs": 4_000_000_000_000},
        {"advanceMs": -1},
        {"advanceMs": 1.5},
        {"advanceMs": "1"},
        {"advanceMs": True},
        {"advanceMs": 10**30},
        {"advanceMs": 400 * 366 * 24 * 3600 * 1000},
        {"setMs": 0},
        {"setMs": -1},
        {"setMs": 10**30},
    ],
    ids=str,
)
def test_the_clock_takes_one_step_forward_within_bounds(operator: Operator, body: dict[str, Any]) -> None:
    before = operator.digest()
    assert_bad_request(operator.call("POST", "/admin/clock", body))
    assert operator.digest() == before


def test_operator_answers_carry_the_same_envelope_as_all_others(http: httpx.Client) -> None:
    assert data_of(http.get("/admin/digest", headers=BEARER)).keys() == {"seq", "digest"}
    assert_failure(http.post("/admin/digest", headers=BEARER), 405, "METHOD_NOT_ALLOWED")
    assert_failure(http.get("/admin/nothing", headers=BEARER), 404, "NOT_FOUND")


# ---- scores and restrictions ---------------------------------------------------------------------------------------


@pytest.mark.row("META-04")
def test_live_scores_of_at_most_fifty_events_are_listed(http: httpx.Client, operator: Operator) -> None:
    fixture, other = operator.fixture(), operator.fixture()
    path = f"/admin/fixtures/{fixture}/live-score"
    first = data_of(operator.call("PUT", path, {"teamOneScore": 0, "teamTwoScore": 0, "currentPeriod": "1"}))
    assert (first["periodTime"], first["periods"], first["extra"]) == ("-1", [], "{}")
    second = data_of(operator.call("PUT", path, {"teamOneScore": 1, "teamTwoScore": 0, "currentPeriod": "1"}))
    assert second["createdAt"] == first["createdAt"]
    assert data_of(http.get("/live-scores", params={"sportXEventIds": f"{other},{fixture},{fixture}"})) == [second]
    assert_bad_request(http.get("/live-scores"), "sportXEventIds")
    assert_bad_request(http.get("/live-scores", params={"sportXEventIds": ",".join(["L1"] * 51)}), "50")
    unknown = operator.call(
        "PUT", "/admin/fixtures/L0/live-score", {"teamOneScore": 0, "teamTwoScore": 0, "currentPeriod": "1"}
    )
    assert_failure(unknown, 404, "NOT_FOUND")


@pytest.mark.row("META-04")
def test_the_score_is_shown_with_a_reported_market(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture()
    market = operator.market(fixture)
    score = {"teamOneScore": 3, "teamTwoScore": 2, "currentPeriod": "End"}
    data_of(operator.call("PUT", f"/admin/fixtures/{fixture}/live-score", score))
    assert "teamOneScore" not in data_of(http.get("/markets/find", params={"marketHashes": market}))[0]
    reported = data_of(operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": 1}))
    assert (reported["teamOneScore"], reported["teamTwoScore"]) == (3, 2)


@pytest.mark.row("EXP-09", "EXP-10", "ORD-07")
def test_a_restricted_account_may_cancel_but_not_post_until_that_is_lifted(
    http: httpx.Client, operator: Operator
) -> None:
    account, market = new_account(), operator.market()
    operator.fund(account, 10**12)
    body = {"orders": [signed_order(account, market)]}
    data_of(http.post("/orders/new", json=body))
    path = f"/admin/accounts/{address_of(account)}/restriction"
    shown = data_of(operator.call("POST", path, {"restricted": True}))
    assert shown["restriction"] == {"restricted": True, "until": None}

    again = {"orders": [signed_order(account, market)]}
    before = operator.digest()
    assert_failure(http.post("/orders/new", json=again), 403, "ACCOUNT_RESTRICTED")
    forged = {"orders": [{**again["orders"][0], "salt": "1"}]}
    assert_failure(http.post("/orders/new", json=forged), 400, "SIGNATURE_MISMATCH")
    assert operator.digest() == before
    assert data_of(http.post("/orders/cancel/all", json=signed_cancel(account)))["cancelledCount"] == 1

    shown = data_of(operator.call("POST", path, {"restricted": False}))
    assert shown["restriction"] == {"restricted": False, "until": None}
    assert data_of(http.post("/orders/new", json=again))["inserted"] == 1
