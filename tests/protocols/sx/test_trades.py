"""Trades over HTTP and on their channels, of a day that was traded before the server came (`spec/sx.md` 5.14, 6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.history.day import MAKER, OTHER, TAKER, Day, play
from tests.protocols.envelope import assert_bad_request, data_of
from tests.realtime_server.peer import Peer
from tests.realtime_server.trader import token_for

from overround.engine.types import Outcome
from overround.protocols.sx.units import hash_text
from overround.signing.address import checksum_address
from overround.testing.server import ServerProcess, data_dir_arguments

pytestmark = pytest.mark.xdist_group("trades")

ZERO = "0x" + "00" * 20
FAR = 2_000_000_000
CHANNELS = ("recent_trades:global", "recent_trades_consolidated:global")


class Traded:
    """What happened, by name."""

    def __init__(self) -> None:
        self.fills: dict[str, str] = {}
        self.orders: dict[str, str] = {}
        self.markets: list[str] = []

    async def play(self, day: Day) -> None:
        self.markets = [hash_text(one) for one in day.markets]
        first, second, third, elsewhere = day.markets[:4]
        won_order = await day.rest(MAKER, first, 10**9, 43.875, one=True)
        won = await day.fill(TAKER, first, 34_320_000, one=False)
        several_orders = [
            await day.rest(MAKER, second, 30_000_000, 52.5, one=True),
            await day.rest(OTHER, second, 40_000_000, 52.0, one=True),
        ]
        several = await day.fill(TAKER, second, 50_000_000, one=False)
        failed_order = await day.rest(OTHER, second, 100_000_000, 50, one=False)
        failed = await day.fill(MAKER, second, 20_000_000, one=True)
        void = await day.match(OTHER, TAKER, third, 5_000_000)
        pending = await day.match(MAKER, OTHER, elsewhere, 3_000_000)
        for fill in (won, several, void):
            await day.decide(fill)
        await day.decide(failed, confirmed=False)
        await day.report(first, Outcome.TWO)
        await day.report(third, Outcome.VOID)
        names = {"won": won, "several": several, "failed": failed, "void": void, "pending": pending}
        self.fills = {name: hash_text(fill) for name, fill in names.items()}
        self.orders = {
            "won": hash_text(won_order),
            "first of several": hash_text(several_orders[0]),
            "failed": hash_text(failed_order),
        }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trades") / "data"


@pytest.fixture(scope="module")
def traded(folder: Path) -> Traded:
    found = Traded()
    play(folder, found.play)
    return found


@pytest.fixture(scope="module")
def sandbox(folder: Path, traded: Traded) -> Iterator[ServerProcess]:
    with ServerProcess(*data_dir_arguments(folder)) as server:
        yield server


def trades(http: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = data_of(http.get("/trades", params=query))["trades"]
    return found


def fills_of(http: httpx.Client, **query: Any) -> set[tuple[str, bool]]:
    return {(one["fillHash"], one["maker"]) for one in trades(http, **query)}


# ---- the shape of a trade ------------------------------------------------------------------------------------------


@pytest.mark.row("TRD-05", "TRD-06", "UNIT-05")
def test_a_settled_trade_has_every_member(http: httpx.Client, traded: Traded, world: dict[str, Any]) -> None:
    taker, maker = trades(http, marketHashes=traded.markets[0])[::-1]
    fill = traded.fills["won"]
    expected = {
        "_id": taker["_id"],
        "baseToken": world["tokens"]["USDC"],
        "bettor": checksum_address(TAKER),
        "stake": "34320000",
        "normalizedStake": "34.32",
        "odds": "56125000000000000000",
        "orderHash": traded.orders["won"],
        "marketHash": traded.markets[0],
        "fillHash": fill,
        "maker": False,
        "betType": 1,
        "betTime": taker["betTime"],
        "betTimeValue": 34.32,
        "bettingOutcomeOne": False,
        "tradeStatus": "SUCCESS",
        "settled": True,
        "settleValue": 1,
        "netReturn": "61.14922",
        "valid": True,
        "affiliate": ZERO,
        "contractsVersion": "6.0",
        "chainVersion": "SXR",
        "fillOrderHash": fill,
        "fillOrderHashAttempts": [fill],
        "lastMineAttemptTime": taker["createdAt"],
        "createdAt": taker["createdAt"],
        "updatedAt": taker["settleDate"],
        "sportXeventId": "L1000001",
        "marketHasRefunds": False,
        "outcome": 2,
        "settleDate": taker["settleDate"],
        "settleTxHash": taker["settleTxHash"],
        "settleNetReturnValue": "61.14922",
    }
    assert taker == expected
    assert maker == expected | {
        "_id": maker["_id"],
        "bettor": checksum_address(MAKER),
        "stake": "26829220",
        "normalizedStake": "26.82922",
        "odds": "43875000000000000000",
        "maker": True,
        "betType": 0,
        "betTimeValue": 26.82922,
        "bettingOutcomeOne": True,
        "netReturn": "61.149219",  # 26.82922 / 0.43875, to the nearest unit
        "settleNetReturnValue": "0.0",
    }
    assert isinstance(taker["betTime"], int)
    assert len(taker["_id"]) == 24
    assert int(taker["_id"], 16) != int(maker["_id"], 16)
    assert taker["createdAt"].endswith("Z")
    assert len(taker["settleTxHash"]) == 66


@pytest.mark.row("TRD-06")
def test_what_is_not_settled_says_nothing_of_a_settlement(http: httpx.Client, traded: Traded) -> None:
    for name, status in (("pending", "PENDING"), ("failed", "FAILED"), ("several", "SUCCESS")):
        rows = [one for one in trades(http, startDate=0) if one["fillHash"] == traded.fills[name]]
        assert rows
        for row in rows:
            assert (row["tradeStatus"], row["settled"], row["settleValue"]) == (status, False, 0)
            assert not row.keys() & {"outcome", "settleDate", "settleTxHash", "settleNetReturnValue", "status"}


@pytest.mark.row("TRD-06")
def test_a_void_returns_both_stakes(http: httpx.Client, traded: Traded) -> None:
    rows = trades(http, marketHashes=traded.markets[2])
    assert [(row["outcome"], row["settled"]) for row in rows] == [(0, True)] * 2
    assert [row["settleNetReturnValue"] for row in rows] == [row["normalizedStake"] for row in rows] == ["5.0", "5.0"]


# ---- GET /trades ---------------------------------------------------------------------------------------------------


@pytest.mark.row("TRD-01")
def test_every_filter_selects_and_they_add_up(http: httpx.Client, traded: Traded, world: dict[str, Any]) -> None:
    taker, maker, other = (checksum_address(one) for one in (TAKER, MAKER, OTHER))
    fills = traded.fills
    everything = fills_of(http, startDate=0)
    assert everything == {(fill, side) for fill in fills.values() for side in (True, False)}
    assert fills_of(http, bettor=taker) == {(fills[name], False) for name in ("won", "several", "void")}
    assert fills_of(http, bettor=maker, maker="true") == {(fills[name], True) for name in ("won", "several", "pending")}
    assert fills_of(http, bettor=maker, maker="false") == {(fills["failed"], False)}
    assert fills_of(http, bettor=other, tradeStatus="FAILED") == {(fills["failed"], True)}
    assert fills_of(http, bettor=other, tradeStatus="PENDING") == {(fills["pending"], False)}
    assert fills_of(http, bettor=taker, tradeStatus="SUCCESS", settled="false") == {(fills["several"], False)}
    assert fills_of(http, bettor=taker, settled="TRUE") == {(fills["won"], False), (fills["void"], False)}
    assert fills_of(http, sportXeventId="L1000002") == {(fills["pending"], True), (fills["pending"], False)}
    assert fills_of(http, sportXEventId="L1000001", marketHashes=traded.markets[3]) == set()
    assert fills_of(http, marketHashes=",".join(traded.markets[:2]), bettor=taker, settled="0") == {
        (fills["several"], False)
    }
    assert fills_of(http, bettor=taker, baseToken=world["tokens"]["USDC"]) == fills_of(http, bettor=taker)
    assert fills_of(http, startDate=0, affiliate=ZERO) == everything
    assert fills_of(http, startDate=FAR) == set()
    assert fills_of(http, startDate=0, endDate=1) == set()
    (bet_time,) = {one["betTime"] for one in trades(http, marketHashes=traded.markets[0])}
    assert (fills["won"], True) in fills_of(http, startDate=bet_time, endDate=bet_time)
    assert fills_of(http, startDate=0, endDate=10**17) == everything


@pytest.mark.row("TRD-01", "HTTP-08")
def test_what_matches_nothing_is_an_empty_list(http: httpx.Client, traded: Traded) -> None:
    taker = checksum_address(TAKER)
    for query in (
        {"bettor": taker.lower()},
        {"bettor": "nobody"},
        {"bettor": taker, "baseToken": ZERO},
        {"bettor": taker, "affiliate": taker},
        {"marketHashes": "0x" + "ab" * 32},
        {"marketHashes": "no hash"},
        {"sportXeventId": "nowhere"},
        {"bettor": taker, "settled": "true", "tradeStatus": "PENDING"},
    ):
        data = data_of(http.get("/trades", params=query))
        assert data == {"trades": [], "pageSize": 100, "count": 0}, query


@pytest.mark.row("TRD-01")
@pytest.mark.parametrize(
    ("query", "about"),
    [
        ({}, "one of bettor, marketHashes, sportXeventId, startDate is required"),
        ({"settled": "true", "endDate": "5"}, "one of bettor"),
        ({"bettor": ""}, "one of bettor"),
        ({"startDate": "yesterday"}, "startDate"),
        ({"startDate": "0", "endDate": "1.5"}, "endDate"),
        ({"startDate": "0", "pageSize": "0"}, "pageSize"),
        ({"startDate": "0", "pageSize": "many"}, "pageSize"),
        ({"startDate": "0", "settled": "perhaps"}, "settled"),
        ({"startDate": "0", "maker": "2"}, "maker"),
        ({"startDate": "0", "tradeStatus": "DONE"}, "tradeStatus"),
        ({"startDate": "0", "paginationKey": "abc"}, "paginationKey"),
        ({"startDate": "0", "paginationKey": "0" * 24}, "paginationKey"),
        ({"marketHashes": ",".join(["0x" + "00" * 32] * 101)}, "at most 100"),
    ],
)
def test_a_malformed_query_is_told_what_is_wrong(http: httpx.Client, query: dict[str, str], about: str) -> None:
    assert_bad_request(http.get("/trades", params=query), about)


@pytest.mark.row("TRD-01")
def test_pages_follow_each_other_without_a_gap_newest_first(http: httpx.Client, traded: Traded) -> None:
    everything = trades(http, startDate=0)
    assert [one["betTime"] for one in everything] == sorted((one["betTime"] for one in everything), reverse=True)
    assert everything[0]["fillHash"] == traded.fills["pending"]
    for size in (1, 5, len(everything)):
        found: list[dict[str, Any]] = []
        query = {"startDate": 0, "pageSize": size}
        while True:
            data = data_of(http.get("/trades", params=query))
            found += data["trades"]
            assert data["count"] == len(data["trades"]) <= data["pageSize"] == size
            if "nextKey" not in data:
                break
            assert data["nextKey"] == found[-1]["_id"]
            query["paginationKey"] = data["nextKey"]
        assert found == everything
    assert data_of(http.get("/trades", params={"startDate": 0, "pageSize": 1000}))["pageSize"] == 300


# ---- GET /trades/orders --------------------------------------------------------------------------------------------


@pytest.mark.row("TRD-02")
def test_both_sides_of_every_fill_of_some_orders(http: httpx.Client, traded: Traded) -> None:
    names = ("won", "first of several")
    hashes = ",".join(traded.orders[name] for name in names)
    rows = data_of(http.get("/trades/orders", params={"orderHashes": hashes + ",nothing,0x" + "11" * 32}))["trades"]
    assert {(row["orderHash"], row["maker"]) for row in rows} == {
        (traded.orders[name], side) for name in names for side in (True, False)
    }
    of_market = {row["_id"]: row for row in trades(http, startDate=0)}
    for row in rows:
        other = of_market[row["_id"]]
        assert row["betTime"] == row["createdAt"]  # ISO text here
        assert row | {"betTime": None} == other | {"betTime": None}


@pytest.mark.row("TRD-02")
def test_order_hashes_must_be_given_and_not_too_many(http: httpx.Client) -> None:
    assert_bad_request(http.get("/trades/orders"), "orderHashes is required")
    assert_bad_request(http.get("/trades/orders", params={"orderHashes": ",".join(["0x1"] * 1001)}), "at most 1000")
    assert data_of(http.get("/trades/orders", params={"orderHashes": "0x" + "11" * 32})) == {"trades": []}


# ---- GET /trades/consolidated --------------------------------------------------------------------------------------


@pytest.mark.row("TRD-03", "UNIT-05")
def test_a_consolidated_trade_has_every_member(http: httpx.Client, traded: Traded, world: dict[str, Any]) -> None:
    data = data_of(http.get("/trades/consolidated", params={"bettor": checksum_address(TAKER)}))
    assert data["count"] == 3
    void, several, won = data["trades"]
    assert won == {
        "baseToken": world["tokens"]["USDC"],
        "tradeStatus": "SUCCESS",
        "bettor": checksum_address(TAKER),
        "totalStake": "34.32",
        "totalBetTimeValue": "34.32",
        "weightedAverageOdds": "56125000449719554886",  # as published by the original
        "netReturn": "61.14922",
        "netReturnBetTimeValue": 61.14922,
        "totalReturn": "61.14922",
        "crosschainNetReturn": "0",
        "marketHash": traded.markets[0],
        "marketType": 52,
        "maker": False,
        "settled": True,
        "fillHash": traded.fills["won"],
        "fillOrderHash": traded.fills["won"],
        "gameLabel": "Harbour United vs Castle Rovers",
        "bettingOutcome": 2,
        "bettingOutcomeLabel": "Castle Rovers",
        "sportXeventId": "L1000001",
        "gameTime": won["gameTime"],
        "leagueLabel": "Sandbox Premier",
        "sportId": 5,
        "betTime": won["betTime"],
        "chainVersion": "SXR",
        "marketHasRefunds": False,
        "outcome": 2,
    }
    assert won["gameTime"].endswith("Z")
    assert (several["totalStake"], several["netReturn"]) == ("50.0", "104.761903")
    assert several["weightedAverageOdds"] == "47727273529958691186"
    assert "outcome" not in several
    assert void["outcome"] == 0


@pytest.mark.row("TRD-03")
def test_consolidated_trades_are_filtered_sorted_and_paged(http: httpx.Client, traded: Traded) -> None:
    def fills(**query: Any) -> list[str]:
        rows = data_of(http.get("/trades/consolidated", params=query))["trades"]
        by_hash = {fill: name for name, fill in traded.fills.items()}
        return [f"{by_hash[row['fillHash']]} {'maker' if row['maker'] else 'taker'}" for row in rows]

    everything = fills()
    assert everything == [
        "pending maker", "pending taker", "void maker", "void taker", "failed maker", "failed taker",
        "several maker", "several maker", "several taker", "won maker", "won taker",
    ]  # fmt: skip
    assert fills(sortAsc="true") == everything[::-1]
    assert fills(page=1, perPage=4) == everything[4:8]
    assert fills(page=9) == []
    assert fills(sportXeventId="L1000002", maker="false") == ["pending taker"]
    assert fills(tradeStatus="FAILED") == ["failed maker", "failed taker"]
    assert fills(settled="true", maker="true") == ["void maker", "won maker"]
    assert fills(hideQuarterLineLegs="true", hideQuarterLineParents="true") == everything
    bettor = checksum_address(TAKER)
    assert fills(bettor=bettor, sortBy="totalStake") == ["several taker", "won taker", "void taker"]
    assert fills(bettor=bettor, sortBy="totalStake", sortAsc="1") == ["void taker", "won taker", "several taker"]
    assert fills(bettor=bettor, sortBy="settleNetReturnValue", perPage=1) == ["won taker"]
    for sort_by in ("weightedAverageOdds", "netReturn", "gameTime"):
        assert sorted(fills(sortBy=sort_by)) == sorted(everything)
    data = data_of(http.get("/trades/consolidated", params={"page": 3, "perPage": 2}))
    assert (len(data["trades"]), data["count"]) == (2, 11)


@pytest.mark.row("TRD-03")
@pytest.mark.parametrize(
    ("query", "about"),
    [
        ({"page": "-1"}, "page"),
        ({"perPage": "1001"}, "perPage"),
        ({"perPage": "0"}, "perPage"),
        ({"page": "100000", "perPage": "1000"}, "page * perPage"),
        ({"sortBy": "luck"}, "sortBy"),
        ({"sortAsc": "down"}, "sortAsc"),
        ({"tradeStatus": "x"}, "tradeStatus"),
    ],
)
def test_a_malformed_query_of_consolidated_trades(http: httpx.Client, query: dict[str, str], about: str) -> None:
    assert_bad_request(http.get("/trades/consolidated", params=query), about)


# ---- GET /trades/portfolio/refunds ---------------------------------------------------------------------------------


@pytest.mark.row("TRD-04")
def test_there_are_no_refunds(http: httpx.Client) -> None:
    path = "/trades/portfolio/refunds"
    bettor = checksum_address(TAKER)
    query: dict[str, str | int] = {"bettor": bettor, "page": 2, "perPage": 500, "sortAsc": "true", "maker": "false"}
    assert data_of(http.get(path, params=query)) == {"results": [], "count": 0}
    assert_bad_request(http.get(path), "bettor is required")
    assert_bad_request(http.get(path, params={**query, "perPage": 501}), "perPage")


# ---- volume --------------------------------------------------------------------------------------------------------


@pytest.mark.row("META-07", "META-01")
def test_the_volume_is_what_was_matched_and_did_not_fail(http: httpx.Client, traded: Traded) -> None:
    found = http.get("/metadata").text
    assert '"totalVolume":181.911123,' in found  # 61.14922 + 104.761903 + 10 + 6
    popular = [one["marketHash"] for one in data_of(http.get("/markets/popular"))]
    assert popular[:2] == [traded.markets[1], traded.markets[3]]  # of the markets that are still active


# ---- channels ------------------------------------------------------------------------------------------------------


@pytest.fixture
def peer(sandbox: ServerProcess, http: httpx.Client, world: dict[str, Any]) -> Iterator[Peer]:
    with Peer(sandbox) as connected:
        connected.connect(token_for(http, world["accounts"][0]["apiKey"]))
        yield connected


def history(peer: Peer, channel: str) -> tuple[str, list[Any]]:
    peer.subscribe(channel, positioned=True, recoverable=True)
    found = peer.ask("history", channel=channel, limit=1000)["history"]
    publications = found["publications"]
    assert [one["offset"] for one in publications] == list(range(1, found["offset"] + 1))
    return found["epoch"], [one["data"] for one in publications]


@pytest.mark.row("WS-32")
def test_each_side_of_each_order_is_told_when_it_is_decided_and_when_it_is_settled(
    peer: Peer, http: httpx.Client, traded: Traded
) -> None:
    _, told = history(peer, CHANNELS[0])
    names = {fill: name for name, fill in traded.fills.items()}
    assert [(names[one["fillHash"]], one["status"], one["settled"], one["maker"]) for one in told] == [
        ("won", "SUCCESS", False, False), ("won", "SUCCESS", False, True),
        ("several", "SUCCESS", False, False), ("several", "SUCCESS", False, True),
        ("several", "SUCCESS", False, False), ("several", "SUCCESS", False, True),
        ("void", "SUCCESS", False, False), ("void", "SUCCESS", False, True),
        ("failed", "FAILED", False, False), ("failed", "FAILED", False, True),
        ("won", "SUCCESS", True, False), ("won", "SUCCESS", True, True),
        ("void", "SUCCESS", True, False), ("void", "SUCCESS", True, True),
    ]  # fmt: skip
    last_said = {one["_id"]: one for one in told}
    shown = {one["_id"]: one for one in trades(http, startDate=0)}
    for trade_id, one in last_said.items():
        assert one.pop("status") == one["tradeStatus"]
        assert one == shown[trade_id]


@pytest.mark.row("WS-32")
def test_consolidated_trades_are_told_at_the_match_too(peer: Peer, http: httpx.Client, traded: Traded) -> None:
    _, told = history(peer, CHANNELS[1])
    names = {fill: name for name, fill in traded.fills.items()}
    takers = [(names[one["fillHash"]], one["tradeStatus"], one["settled"]) for one in told if not one["maker"]]
    assert takers == [
        ("won", "PENDING", False), ("several", "PENDING", False), ("failed", "PENDING", False),
        ("void", "PENDING", False), ("pending", "PENDING", False),
        ("won", "SUCCESS", False), ("several", "SUCCESS", False), ("void", "SUCCESS", False),
        ("failed", "FAILED", False), ("won", "SUCCESS", True), ("void", "SUCCESS", True),
    ]  # fmt: skip
    shown = data_of(http.get("/trades/consolidated"))["trades"]
    last_said = {(one["fillHash"], one["bettor"]): one for one in told}
    assert last_said == {(one["fillHash"], one["bettor"]): one for one in shown}


@pytest.mark.row("WS-35")
def test_refunds_and_parlays_can_be_followed_and_stay_silent(peer: Peer) -> None:
    for channel in (f"ce_refunds:{checksum_address(TAKER)}", "parlay_markets:global"):
        peer.subscribe(channel)
    assert history(peer, f"ce_refunds:{checksum_address(MAKER)}")[1] == []
    assert peer.waiting() == []


@pytest.mark.row("WS-32")
def test_offsets_and_answers_are_the_same_after_a_crash(
    sandbox: ServerProcess, http: httpx.Client, world: dict[str, Any], folder: Path
) -> None:
    token = token_for(http, world["accounts"][0]["apiKey"])

    def look() -> list[Any]:
        with Peer(sandbox) as peer, sandbox.client() as client:
            peer.connect(token)
            return [
                *(history(peer, channel) for channel in CHANNELS),
                trades(client, startDate=0),
                client.get("/metadata").json()["data"]["totalVolume"],
            ]

    before = look()
    for snapshots in (True, False):
        sandbox.kill()
        if not snapshots:  # everything is counted again from the first record, and the history is made anew
            for path in (folder / "snapshots").iterdir():
                path.unlink()
            (folder / "history.db").unlink()
        sandbox.start()
        assert look() == before
