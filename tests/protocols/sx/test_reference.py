"""Sports, leagues, fixtures and markets (`spec/sx.md` 5.2 to 5.6)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import Operator

from overround.protocols.sx.reference import MARKET_TYPES

pytestmark = pytest.mark.xdist_group("sx reference")  # one server for the module

UNKNOWN_HASH = "0x" + "ab" * 32


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


def hashes_of(markets: list[dict[str, Any]]) -> list[str]:
    return [market["marketHash"] for market in markets]


def active(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    """The markets of one page of `GET /markets/active`."""
    found: list[dict[str, Any]] = data_of(http.get("/markets/active", params=query))["markets"]
    return found


# ---- sports, leagues, fixtures -------------------------------------------------------------------------------------


@pytest.mark.row("META-02")
def test_the_twenty_sports_are_listed(http: httpx.Client) -> None:
    sports = data_of(http.get("/sports"))
    assert [sport["sportId"] for sport in sports] == list(range(1, 21))
    assert sports[4] == {"sportId": 5, "label": "Soccer"}


@pytest.mark.row("META-02")
def test_leagues_are_listed_of_all_sports_or_of_one(http: httpx.Client) -> None:
    leagues = data_of(http.get("/leagues"))
    assert {league["sportId"] for league in leagues} >= {1, 5, 6, 8}
    assert all(league.keys() == {"leagueId", "label", "sportId", "active"} for league in leagues)
    assert data_of(http.get("/leagues", params={"sportId": 5})) == [one for one in leagues if one["sportId"] == 5]
    assert data_of(http.get("/leagues", params={"sportId": 20})) == []
    assert_bad_request(http.get("/leagues", params={"sportId": "soccer"}), "sportId")


@pytest.mark.row("META-02")
def test_active_leagues_need_no_sport_and_count_events_by_bet_group(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture(sportId=2, leagueLabel="Active League")
    market = operator.market(fixture)
    operator.market(fixture, type=63)

    def listed(**query: Any) -> list[dict[str, Any]]:
        found = data_of(http.get("/leagues/active", params=query))
        return [league for league in found if league["label"] == "Active League"]

    (league,) = listed()
    assert league["eventsByType"] == {"game-lines": 1, "first-half-lines": 1}
    assert listed(sportId=2) == [league]
    assert listed(sportId=3) == []
    data_of(operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"}))
    (league,) = listed()
    assert league["eventsByType"] == {"first-half-lines": 1}


@pytest.mark.row("META-02")
def test_a_league_whose_markets_are_all_closed_is_known_but_not_active(http: httpx.Client, operator: Operator) -> None:
    market = operator.market(operator.fixture(sportId=2, leagueLabel="Quiet League"))
    data_of(operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"}))
    (league,) = [one for one in data_of(http.get("/leagues")) if one["label"] == "Quiet League"]
    assert league["active"] is False
    assert league["leagueId"] not in {one["leagueId"] for one in data_of(http.get("/leagues/active"))}


@pytest.mark.row("META-02")
def test_teams_of_a_league_are_listed_under_both_paths(http: httpx.Client) -> None:
    (league,) = [one for one in data_of(http.get("/leagues")) if one["label"] == "Sandbox Open"]
    teams = data_of(http.get(f"/leagues/teams/{league['leagueId']}"))
    assert [team["name"] for team in teams["teams"]] == ["A. Archer", "B. Baker"]
    assert data_of(http.get("/teams", params={"leagueId": league["leagueId"]})) == teams
    assert data_of(http.get("/leagues/teams/999999")) == {"teams": []}
    assert_bad_request(http.get("/teams"), "leagueId is required")
    for wrong in ("abc", "-1", "1.5", "1_0", "9" * 30, "%D9%A1"):
        assert_bad_request(http.get(f"/leagues/teams/{wrong}"), "leagueId")


@pytest.mark.row("META-03")
def test_active_fixtures_of_a_league_have_start_names_and_status(http: httpx.Client, operator: Operator) -> None:
    start = int(time.time()) + 86_400
    fixture = operator.fixture(leagueLabel="Fixture League", teamOneName="Reds", teamTwoName="Blues", gameTime=start)
    (league,) = [one for one in data_of(http.get("/leagues")) if one["label"] == "Fixture League"]
    assert data_of(http.get("/fixture/active", params={"leagueId": league["leagueId"]})) == [
        {
            "eventId": fixture,
            "leagueId": league["leagueId"],
            "leagueLabel": "Fixture League",
            "sportId": 5,
            "startDate": datetime.fromtimestamp(start, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "status": 1,
            "participantOneName": "Reds",
            "participantTwoName": "Blues",
            "participants": ["Reds", "Blues"],
        }
    ]
    assert_bad_request(http.get("/fixture/active"), "leagueId is required")
    assert_bad_request(http.get("/fixture/active?leagueId=x"), "leagueId")
    assert data_of(http.get("/fixture/active?leagueId=999999")) == []


@pytest.mark.row("META-03")
@pytest.mark.parametrize(("status", "listed"), [(status, status in (1, 2, 6, 7, 8, 9)) for status in range(1, 10)])
def test_finished_cancelled_and_postponed_fixtures_are_not_active(
    http: httpx.Client, operator: Operator, status: int, listed: bool
) -> None:
    fixture = operator.fixture(leagueLabel=f"League of status {status}")
    operator.set_status(fixture, status)
    (league,) = [one for one in data_of(http.get("/leagues")) if one["label"] == f"League of status {status}"]
    found = data_of(http.get("/fixture/active", params={"leagueId": league["leagueId"]}))
    assert [one["status"] for one in found] == ([status] if listed else [])
    assert data_of(http.get("/fixture/status", params={"sportXEventIds": fixture})) == {fixture: status}


@pytest.mark.row("META-03")
@pytest.mark.parametrize("name", ["sportXEventIds", "sportXeventIds"])
def test_the_status_of_fixtures_is_asked_for_in_both_spellings_and_unknown_ones_are_left_out(
    http: httpx.Client, world: dict[str, Any], name: str
) -> None:
    first, second = (one["sportXeventId"] for one in world["fixtures"][:2])
    assert data_of(http.get(f"/fixture/status?{name}={first},{second},L0")) == {first: 1, second: 1}
    assert_bad_request(http.get("/fixture/status"), "sportXEventIds")


# ---- markets -------------------------------------------------------------------------------------------------------


@pytest.mark.row("META-05")
def test_a_market_object_carries_every_documented_member_with_its_type(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture(teamOneName="Reds", teamTwoName="Blues", leagueLabel="Market League")
    market = operator.market(fixture, type=3, line=-0.25, outcomeOneName="Reds -0.25", outcomeTwoName="Blues +0.25")
    (found,) = data_of(http.get("/markets/find", params={"marketHashes": market}))
    league_id, start = found.pop("leagueId"), found.pop("gameTime")
    assert (type(league_id), type(start)) == (int, int)
    assert found == {
        "status": "ACTIVE",
        "marketHash": market,
        "outcomeOneName": "Reds -0.25",
        "outcomeTwoName": "Blues +0.25",
        "outcomeVoidName": "NO_CONTEST",
        "teamOneName": "Reds",
        "teamTwoName": "Blues",
        "type": 3,
        "line": -0.25,
        "mainLine": True,
        "sportXeventId": fixture,
        "sportXEventId": fixture,
        "liveEnabled": True,
        "sportLabel": "Soccer",
        "sportId": 5,
        "leagueLabel": "Market League",
        "group1": "Market League",
        "isQuarterLineMarket": True,
        "chainVersion": "SXR",
    }


@pytest.mark.row("META-05")
def test_a_market_without_a_line_has_neither_line_nor_main_line(http: httpx.Client, operator: Operator) -> None:
    (found,) = data_of(http.get("/markets/find", params={"marketHashes": operator.market()}))
    assert "line" not in found
    assert "mainLine" not in found
    assert found["isQuarterLineMarket"] is False


@pytest.mark.row("META-05")
def test_pages_of_active_markets_are_chained_by_the_next_key_until_a_short_one(
    http: httpx.Client, operator: Operator
) -> None:
    fixture = operator.fixture(leagueLabel="Paged League")
    created = [operator.market(fixture, type=kind) for kind in (1, 52, 88, 226, 274, 63, 202)]
    assert hashes_of(active(http, eventId=fixture)) == created

    seen: list[str] = []
    key: str | None = None
    for size in (3, 3, 1):
        data = data_of(
            http.get("/markets/active", params={"eventId": fixture, "pageSize": 3, "paginationKey": key or ""})
        )
        assert len(data["markets"]) == size
        seen += hashes_of(data["markets"])
        key = data.get("nextKey")
    assert (seen, key) == (created, None)
    exact = data_of(http.get("/markets/active", params={"eventId": fixture, "pageSize": 7}))
    assert "nextKey" not in exact


@pytest.mark.row("META-05")
def test_paging_goes_on_behind_a_market_that_was_closed_meanwhile(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture(leagueLabel="Moving League")
    created = [operator.market(fixture, type=kind) for kind in (1, 52, 88)]
    first = data_of(http.get("/markets/active", params={"eventId": fixture, "pageSize": 1}))
    assert hashes_of(first["markets"]) == created[:1]
    data_of(operator.call("POST", f"/admin/markets/{created[0]}/status", {"status": "INACTIVE"}))
    rest = active(http, eventId=fixture, paginationKey=first["nextKey"])
    assert hashes_of(rest) == created[1:]


@pytest.mark.row("META-05")
def test_a_page_is_fifty_by_default_and_a_hundred_at_most(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture(leagueLabel="Long League")
    lines = [f"{number}.5" for number in range(101)]
    for line in lines:
        operator.market(fixture, type=2, line=line, outcomeOneName=f"Over {line}", outcomeTwoName=f"Under {line}")
    for query, size in (({}, 50), ({"pageSize": 100}, 100), ({"pageSize": 1000}, 100), ({"pageSize": 7}, 7)):
        assert len(active(http, eventId=fixture, **query)) == size
    for wrong in ("0", "-1", "x", "1.5"):
        assert_bad_request(http.get("/markets/active", params={"pageSize": wrong}), "pageSize")
    assert_bad_request(http.get("/markets/active?paginationKey=nonsense"), "paginationKey")
    assert_bad_request(http.get(f"/markets/active?paginationKey={UNKNOWN_HASH}"), "paginationKey")


@pytest.mark.row("META-05")
def test_filters_of_active_markets_narrow_by_event_league_sport_type_group_and_play(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    everything = active(http, pageSize=100)
    of_event = [market for market in everything if market["sportXeventId"] == "L1000004"]
    assert len(of_event) == 3
    for name in ("eventId", "sportXeventId", "sportXEventId"):
        assert active(http, **{name: "L1000004"}) == of_event
    assert active(http, leagueId=of_event[0]["leagueId"]) == of_event
    for name in ("sportIds", "sportId"):
        assert active(http, **{name: "8"}) == of_event
    in_play = active(http, liveOnly="TRUE")
    assert {market["sportXeventId"] for market in in_play} >= {"L1000004"}
    assert {market["sportXeventId"] for market in in_play}.isdisjoint({"L1000001", "L1000002", "L1000003"})
    assert {market["type"] for market in active(http, type="226,28", pageSize=100)} == {226, 28}
    assert active(http, eventId="L1000004", betGroup="game-lines") == of_event
    assert active(http, eventId="L1000004", betGroup="outright-winner") == []
    assert active(http, eventId="L0") == []
    assert_bad_request(http.get("/markets/active?type=1&betGroup=game-lines"), "mutually exclusive")
    for query in ("leagueId=x", "sportIds=5,x", "type=1.5", "liveOnly=perhaps", "onlyMainLine=2"):
        assert_bad_request(http.get(f"/markets/active?{query}"))


@pytest.mark.row("META-05")
def test_only_main_lines_leave_out_other_lines_and_keep_markets_without_lines(
    http: httpx.Client, operator: Operator
) -> None:
    fixture = operator.fixture()
    moneyline = operator.market(fixture)
    main = operator.market(fixture, type=3, line="-1.5")
    other = operator.market(fixture, type=3, line="-2.5")
    assert hashes_of(active(http, eventId=fixture)) == [moneyline, main, other]
    assert hashes_of(active(http, eventId=fixture, onlyMainLine="true")) == [moneyline, main]
    assert hashes_of(active(http, eventId=fixture, onlyMainLine="0")) == [moneyline, main, other]


@pytest.mark.row("META-05")
def test_closed_markets_are_not_active_and_can_still_be_found(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture()
    market = operator.market(fixture)
    data_of(operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"}))
    assert active(http, eventId=fixture) == []
    (found,) = data_of(http.get("/markets/find", params={"marketHashes": market}))
    assert found["status"] == "INACTIVE"


@pytest.mark.row("META-06")
def test_markets_are_found_by_up_to_thirty_hashes_and_unknown_ones_are_left_out(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    first, second = (market["marketHash"] for market in world["markets"][:2])
    found = data_of(http.get(f"/markets/find?marketHashes={second},{UNKNOWN_HASH},0X{first[2:].upper()},{second}"))
    assert hashes_of(found) == [second, first]
    assert data_of(http.get("/markets/find", params={"marketHashes": ",".join([UNKNOWN_HASH] * 30)})) == []


@pytest.mark.row("META-06")
@pytest.mark.parametrize(
    "hashes", ["", ",", "0xabc", UNKNOWN_HASH + ",0xabc", ",".join([UNKNOWN_HASH] * 31), UNKNOWN_HASH[2:], "*"]
)
def test_no_hash_a_malformed_one_and_more_than_thirty_are_refused(http: httpx.Client, hashes: str) -> None:
    assert_failure(http.get("/markets/find", params={"marketHashes": hashes}), 400, "BAD_MARKET_HASHES")
    assert_failure(http.get("/markets/find"), 400, "BAD_MARKET_HASHES")


@pytest.mark.row("META-07")
def test_popular_markets_are_ten_active_ones_soonest_first(http: httpx.Client, operator: Operator) -> None:
    soon = operator.market(operator.fixture(gameTime=int(time.time()) - 86_400, statusFeed=True))
    popular = data_of(http.get("/markets/popular"))
    assert len(popular) == 10
    assert [one["gameTime"] for one in popular] == sorted(one["gameTime"] for one in popular)
    assert popular[0]["marketHash"] == soon
    data_of(operator.call("POST", f"/admin/markets/{soon}/status", {"status": "INACTIVE"}))
    assert soon not in hashes_of(data_of(http.get("/markets/popular")))


@pytest.mark.row("META-05")
def test_every_documented_market_type_can_be_listed_in_its_group(http: httpx.Client, operator: Operator) -> None:
    fixture = operator.fixture()
    created = {}
    for kind, known in MARKET_TYPES.items():
        created[kind] = operator.market(fixture, type=kind, **({"line": 2.5} if known.has_line else {}))
    for group in {known.bet_group for known in MARKET_TYPES.values()}:
        wanted = [market for kind, market in created.items() if MARKET_TYPES[kind].bet_group == group]
        assert hashes_of(active(http, eventId=fixture, betGroup=group)) == wanted
