"""The requests of the trading library's adapter for the order API of this dialect, as `spec/sx.md` 11 records them.

No published release of the library speaks this dialect: the adapter was first released when the original had moved on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.protocols.operating import Operator

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

pytestmark = pytest.mark.xdist_group("trading library")

MORE_THAN_A_PAGE = 110


@pytest.mark.row("CLI-03", "ENV-01", "META-01", "META-05", "ORD-02", "ORD-06", "ORD-08", "ORD-11", "CAN-08")
@pytest.mark.row("SIGN-12", "SIGN-13", "FILL-01", "FILL-02", "FILL-11", "TRD-01", "HTTP-02", "HTTP-03")
def test_the_library_finds_markets_posts_fills_cancels_and_reads_its_trades(
    bots: Bots, http: httpx.Client, world: dict[str, Any], new_maker: Callable[[], Maker]
) -> None:
    operator = Operator(http)
    event = operator.fixture(leagueLabel="League of the library", sportId=15)
    hashes = [operator.market(event) for _ in range(2)]
    elsewhere = operator.fixture()
    hashes += [operator.market(elsewhere, type=2, line=str(line)) for line in range(1, MORE_THAN_A_PAGE)]

    taker = new_maker()
    seen = bots.run("python/trading_library.py", new_maker(), event, TAKER_PRIVATE_KEY=taker.private_key)

    assert sorted(seen["markets"]) == sorted([*hashes, *(one["marketHash"] for one in world["markets"])])
    assert seen["filtered"] == [[event, event]] * 3
    backed, laid, third, last = seen["posted"]
    assert seen["book"] == {"bids": [["0.5525", 25_000_000]], "asks": [["0.6025", 37_893_081]]}
    assert (seen["mine"], seen["paged"], seen["one"]) == ([backed, laid], [backed, laid], [backed])
    best = {one["marketHash"]: one for one in seen["best"]}
    assert {side: best[hashes[0]][side]["percentageOdds"] for side in ("outcomeOne", "outcomeTwo")} == {
        "outcomeOne": "55250000000000000000",
        "outcomeTwo": "39750000000000000000",
    }
    assert set(best) == set(hashes[:2]), "markets without an order are left out"

    assert seen["approved"]["hash"].startswith("0x")
    filled = seen["filled"]
    assert (filled["totalFilled"], filled["isPartialFill"]) == ("5000000", False)
    assert filled["averageOdds"] == "44750001432000045824"
    assert seen["refused"] == {
        "stale": "ODDS_STALE",
        "small": "TAKER_AMOUNT_TOO_LOW",
        "own": "NO_MATCHING_ORDERS",
        "tiny": "TOTAL_BET_SIZE_TOO_LOW",
        "poor": "INSUFFICIENT_BALANCE",
        "unread": seen["refused"]["unread"],
    }
    assert "perPage" in seen["refused"]["unread"]

    assert [[one["orderHash"] for one in step["orders"]] for step in seen["cancelled"]] == [
        [backed], [laid, third], [last],
    ]  # fmt: skip
    assert seen["gone"] == []
    (trade,) = seen["trades"]
    assert (trade["bettor"], trade["stake"], trade["fillHash"]) == (seen["taker"], "5000000", filled["fillHash"])
    assert (trade["maker"], trade["bettingOutcomeOne"], trade["tradeStatus"]) == (False, False, "SUCCESS")
