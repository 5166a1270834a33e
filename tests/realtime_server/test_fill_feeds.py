"""What fills do to the order channels (`spec/sx.md` 7.1, 7.2), and live scores (6.6.6)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.trader import Trader

from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_fill

pytestmark = pytest.mark.xdist_group("realtime fills")
USDC = 10**6

Step = tuple[str, str, str]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    with ServerProcess(env={"OVERROUND_SX__BETTING_DELAY_MS": "0", "OVERROUND_SX__SETTLEMENT": "manual"}) as server:
        yield server


def steps(updates: list[dict[str, Any]]) -> list[Step]:
    times = [int(update["updateTime"]) for update in updates]
    assert times == sorted(set(times))
    return [(one["status"], one["fillAmount"], one["pendingFillAmount"]) for one in updates]


@pytest.mark.row("WS-11", "WS-18", "WS-19", "WS-21", "WS-09", "LIFE-04", "FILL-07")
def test_a_fill_is_told_at_its_match_and_at_its_end_on_all_three_channels(
    dial: Dial, framing: str, http: httpx.Client, operator: Operator, market: str, trader: Trader
) -> None:
    (listed,) = data_of(http.get("/markets/find", params={"marketHashes": market}))
    channels = (trader.channel, f"order_book:market_{market}", f"order_book:event_{listed['sportXeventId']}")
    peers = []
    for channel in channels:
        peers.append(dial(framing))
        peers[-1].subscribe(channel)
    taker = Trader(http)

    def fill(stake: int) -> str:
        return str(
            data_of(http.post("/orders/fill/v2", json=signed_fill(taker.account, market, stake=stake)))["fillHash"]
        )

    trader.post(market, total_bet_size=30 * USDC)
    partial = fill(10 * USDC)
    data_of(operator.call("POST", f"/admin/fills/{partial}/confirm"))
    failing = fill(20 * USDC)  # nothing is left: held
    data_of(operator.call("POST", f"/admin/fills/{failing}/fail"))
    rest = fill(20 * USDC)
    data_of(operator.call("POST", f"/admin/fills/{rest}/confirm"))

    told = [
        ("ACTIVE", "0", "0"),
        ("ACTIVE", "0", "10000000"),
        ("ACTIVE", "10000000", "0"),
        ("INACTIVE", "10000000", "20000000"),
        ("ACTIVE", "10000000", "0"),
        ("INACTIVE", "10000000", "20000000"),
        ("FILLED", "30000000", "0"),
    ]
    for peer in peers:
        assert steps(peer.updates(len(told))) == told


@pytest.mark.row("WS-21", "CAN-11", "LIFE-04")
def test_a_cancelled_order_settles_its_fills_without_ever_being_filled(
    dial: Dial, http: httpx.Client, operator: Operator, market: str, trader: Trader
) -> None:
    peer = dial()
    peer.subscribe(trader.channel)
    taker = Trader(http)
    (order,) = trader.post(market, total_bet_size=20 * USDC)
    body = signed_fill(taker.account, market, stake=10 * USDC)
    fill_hash = data_of(http.post("/orders/fill/v2", json=body))["fillHash"]
    data_of(http.post("/orders/cancel/v2", json=signed_cancel(trader.account, order_hashes=[order])))
    data_of(operator.call("POST", f"/admin/fills/{fill_hash}/confirm"))
    assert steps(peer.updates(4)) == [
        ("ACTIVE", "0", "0"),
        ("ACTIVE", "0", "10000000"),
        ("INACTIVE", "0", "10000000"),
        ("INACTIVE", "10000000", "0"),
    ]


@pytest.mark.row("LIFE-04")
def test_an_order_is_filled_within_a_thousandth_of_a_percent(
    dial: Dial, http: httpx.Client, operator: Operator, market: str, trader: Trader
) -> None:
    """The published example: 9165 of 2681520865 are left, and the order is done."""
    peer = dial()
    peer.subscribe(trader.channel)
    taker = Trader(http)
    trader.post(market, total_bet_size=2_681_520_865)
    body = signed_fill(taker.account, market, stake=2_681_511_700)
    fill_hash = data_of(http.post("/orders/fill/v2", json=body))["fillHash"]
    data_of(operator.call("POST", f"/admin/fills/{fill_hash}/confirm"))
    assert steps(peer.updates(3)) == [
        ("ACTIVE", "0", "0"),
        ("INACTIVE", "0", "2681511700"),
        ("FILLED", "2681511700", "0"),
    ]


@pytest.mark.row("LIFE-05", "WS-33")
def test_a_report_ends_open_orders_and_is_told_with_the_market(
    dial: Dial, http: httpx.Client, operator: Operator, market: str, trader: Trader
) -> None:
    peer = dial()
    for channel in (trader.channel, "markets:global"):
        peer.subscribe(channel)
    trader.post(market)
    reported = data_of(operator.call("POST", f"/admin/markets/{market}/settle", {"outcome": 1}))
    assert steps(peer.updates(2, trader.channel)) == [("ACTIVE", "0", "0"), ("INACTIVE", "0", "0")]
    assert peer.publication("markets:global")["data"] == [reported]


@pytest.mark.row("WS-34", "META-04")
def test_live_scores_are_told_and_listed(dial: Dial, framing: str, http: httpx.Client, operator: Operator) -> None:
    peer = dial(framing)
    peer.subscribe("fixtures:live_scores")
    fixture = operator.fixture()
    body = {
        "teamOneScore": 2,
        "teamTwoScore": 1,
        "currentPeriod": "2nd Half",
        "periodTime": "63:10",
        "periods": [
            {"label": "1st Half", "isFinished": True, "teamOneScore": "1", "teamTwoScore": "1"},
            {"label": "2nd Half", "isFinished": False, "teamOneScore": "1", "teamTwoScore": "0"},
        ],
        "extra": '{"corners":[3,4]}',
    }
    row = data_of(operator.call("PUT", f"/admin/fixtures/{fixture}/live-score", body))
    told = peer.publication("fixtures:live_scores")["data"]
    assert told == {**body, "sportXEventId": fixture, "sportId": 5, "leagueId": told["leagueId"]}
    times = {name: row[name] for name in ("createdAt", "updatedAt")}
    assert data_of(http.get("/live-scores", params={"sportXEventIds": f"{fixture},unknown"})) == [{**told, **times}]
