"""A venue that trades until it is killed; it prints what was acknowledged."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.history.day import MAKER, TAKER, Day, play

from overround.engine.types import Outcome


async def trade(day: Day) -> None:
    """Fills for ever, every third confirmed, the markets reported one after the other."""
    markets = [one for one in day.markets if day.venue.views.catalogue.markets[one].outcome is None]
    for place in range(10_000):
        market = markets[0]
        fill = await day.match(MAKER, TAKER, market, 10**6)
        print(fill.hex(), flush=True)
        if place % 3 == 0:
            await day.decide(fill)
        if place % 30 == 29 and len(markets) > 1:
            await day.report(markets.pop(0), Outcome.ONE)


if __name__ == "__main__":
    play(Path(sys.argv[1]), trade)
