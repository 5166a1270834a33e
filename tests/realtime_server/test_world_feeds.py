"""Prices, markets, main lines and fixtures as they change (`spec/sx.md` 6.6.2, 6.6.5, 6.6.6), and who is silent.

`fixtures:live_scores` can be subscribed to and is silent until there are live scores; trades (WS-32) wait for fills.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Peer
from tests.realtime_server.trader import Trader

pytestmark = pytest.mark.xdist_group("realtime world")

WORLD = ("best_odds:global", "markets:global", "main_line:global", "fixtures:global", "fixtures:live_scores")


@pytest.fixture
def peer(dial: Dial, framing: str) -> Peer:
    """Somebody who listens to the whole world."""
    found = dial(framing)
    for channel in WORLD:
        found.subscribe(channel, positioned=True, recoverable=True)
    return found


def heard(peer: Peer) -> dict[str, list[Any]]:
    """The payloads up to now, by channel."""
    found: dict[str, list[Any]] = {channel: [] for channel in WORLD}
    for message in peer.waiting():
        found[message["push"]["channel"]].append(message["push"]["pub"]["data"])
    return found


def prices(peer: Peer) -> list[tuple[bool, str | None]]:
    return [
        (one["isMakerBettingOutcomeOne"], one["percentageOdds"])
        for array in heard(peer)["best_odds:global"]
        for one in array
    ]


# ---- prices --------------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-31", "ORD-06")
def test_the_best_price_of_a_side_is_told_when_it_changes(
    peer: Peer, http: httpx.Client, trader: Trader, new_trader: Callable[[], Trader], market: str, world: dict[str, Any]
) -> None:
    percent = 10**18
    (first,) = trader.post(market, percentage_odds=50 * percent)
    ((told,),) = heard(peer)["best_odds:global"]
    (row,) = data_of(
        http.get("/orders/odds/best", params={"baseToken": world["tokens"]["USDC"], "marketHashes": market})
    )["bestOdds"]
    assert told == {
        "baseToken": world["tokens"]["USDC"],
        "marketHash": market,
        "isMakerBettingOutcomeOne": True,
        "percentageOdds": str(50 * percent),
        "updatedAt": row["outcomeOne"]["updatedAt"],
        "sportId": 5,
        "leagueId": told["leagueId"],
    }
    assert isinstance(told["leagueId"], int)

    other = new_trader()
    (worse,) = other.post(market, percentage_odds=40 * percent)
    assert prices(peer) == []
    (better,) = other.post(market, percentage_odds=60 * percent)
    assert prices(peer) == [(True, str(60 * percent))]
    other.post(market, percentage_odds=30 * percent, outcome_one=False)
    assert prices(peer) == [(False, str(30 * percent))]
    other.cancel(better)
    assert prices(peer) == [(True, str(50 * percent))]
    trader.cancel(first)
    assert prices(peer) == [(True, str(40 * percent))]
    other.cancel_all()
    assert sorted(prices(peer)) == [(False, None), (True, None)]
    assert worse


@pytest.mark.row("WS-31")
def test_prices_are_not_kept(peer: Peer, trader: Trader, market: str) -> None:
    trader.post(market)
    publication = peer.publication("best_odds:global")
    assert "offset" not in publication
    assert publication["tags"]["messageId"]
    assert peer.refused("history", channel="best_odds:global", limit=10) == 108


@pytest.mark.row("WS-31")
def test_a_market_that_closes_has_no_prices(peer: Peer, trader: Trader, market: str, operator: Operator) -> None:
    trader.post(market)
    trader.post(market, outcome_one=False)
    heard(peer)
    operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"})
    assert sorted(prices(peer)) == [(False, None), (True, None)]


# ---- markets and fixtures ------------------------------------------------------------------------------------------


@pytest.mark.row("WS-33", "WS-34")
def test_what_the_operator_does_is_told(peer: Peer, http: httpx.Client, operator: Operator) -> None:
    event = operator.fixture()
    told = heard(peer)
    (fixture,) = told.pop("fixtures:global")
    assert (fixture["eventId"], fixture["status"]) == (event, 1)
    assert not any(told.values())

    spread = operator.market(event, type=3, line="-1.5")
    told = heard(peer)
    assert told.pop("main_line:global") == [{"marketHash": spread, "marketType": 3, "sportXEventId": event}]
    assert told.pop("markets:global") == [data_of(http.get("/markets/find", params={"marketHashes": spread}))]
    assert not any(told.values())

    other = operator.market(event, type=3, line="-2.5", mainLine=True)
    told = heard(peer)
    assert [one["marketHash"] for one in told["main_line:global"]] == [other]
    (markets,) = told["markets:global"]
    assert [(one["marketHash"], one["mainLine"]) for one in markets] == [(spread, False), (other, True)]

    operator.call("POST", f"/admin/markets/{spread}/status", {"status": "INACTIVE"})
    ((closed,),) = heard(peer)["markets:global"]
    assert (closed["marketHash"], closed["status"]) == (spread, "INACTIVE")

    operator.set_status(event, 2)
    (begun,) = heard(peer)["fixtures:global"]
    assert (begun["eventId"], begun["status"]) == (event, 2)
    assert begun == {**fixture, "status": 2}


@pytest.mark.row("WS-33", "WS-34")
def test_a_fixture_that_moves_moves_its_markets(peer: Peer, operator: Operator) -> None:
    event = operator.fixture()
    market = operator.market(event)
    heard(peer)
    start_s = int(operator.clock(advanceMs=0) // 1000) + 86_400
    data_of(operator.call("PATCH", f"/admin/fixtures/{event}", {"gameTime": start_s, "liveEnabled": False}))
    told = heard(peer)
    ((moved,),) = told["markets:global"]
    assert (moved["marketHash"], moved["gameTime"], moved["liveEnabled"]) == (market, start_s, False)
    assert [one["eventId"] for one in told["fixtures:global"]] == [event]


@pytest.mark.row("WS-33", "WS-34")
def test_who_was_away_gets_the_news_of_the_world(dial: Dial, operator: Operator, framing: str) -> None:
    before = dial(framing)
    stands = {
        channel: before.subscribe(channel, positioned=True, recoverable=True)
        for channel in ("markets:global", "fixtures:global", "main_line:global")
    }
    event = operator.fixture()
    line = operator.market(event, type=2, line="2.5")
    back = dial(framing)
    found = {}
    for channel, stood in stands.items():
        told = back.subscribe(
            channel, recoverable=True, recover=True, epoch=stood["epoch"], offset=stood.get("offset", 0)
        )
        assert told["recovered"] is True
        found[channel] = [one["data"] for one in told["publications"]]
    assert [one["eventId"] for one in found["fixtures:global"]] == [event]
    assert [[one["marketHash"] for one in array] for array in found["markets:global"]] == [[line]]
    assert [one["marketHash"] for one in found["main_line:global"]] == [line]


# ---- what may be silent --------------------------------------------------------------------------------------------


@pytest.mark.row("WS-35")
def test_refunds_and_parlays_can_be_followed_and_are_silent(
    dial: Dial, trader: Trader, operator: Operator, framing: str
) -> None:
    """A bot that follows everything must not be refused what the venue has nothing to say about."""
    refunds, parlays = f"ce_refunds:{trader.address}", "parlay_markets:global"
    peer = dial(framing)
    told = peer.subscribe(refunds, positioned=True, recoverable=True)
    assert (told["positioned"], told["recoverable"], told.get("offset", 0)) == (True, True, 0)
    assert peer.subscribe(parlays, positioned=True, recoverable=True) == {}

    event = operator.fixture()
    market = operator.market(event)
    trader.post(market, 3)
    trader.cancel_all()
    trader.post(market)
    operator.set_status(event, 2)
    operator.call("POST", f"/admin/markets/{market}/status", {"status": "INACTIVE"})
    assert peer.waiting() == []

    history = peer.ask("history", channel=refunds, limit=-1)["history"]
    assert (history["epoch"], history.get("offset", 0), history.get("publications", [])) == (told["epoch"], 0, [])
    assert peer.refused("history", channel=parlays) == 108
    again = dial(framing).subscribe(refunds, recoverable=True, recover=True, epoch=told["epoch"])
    assert again["recovered"] is True
    for channel in (refunds, parlays):
        assert peer.refused("publish", channel=channel, data=[]) == 103
        assert peer.ask("unsubscribe", channel=channel)["unsubscribe"] == {}
