"""A day on a sandbox's data folder: orders, fills and reports, submitted to a venue in this process.

What it leaves is a folder that any process can serve.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop
from tests.engine.desk import PERCENT, number

from overround.config import load
from overround.engine.commands import (
    AnyCommand,
    ConfigureVenue,
    DecideFill,
    FillMarket,
    NewOrder,
    PlaceOrders,
    ReportMarket,
)
from overround.engine.record import Record
from overround.engine.rules import BettingDelays
from overround.engine.types import Address, FillHash, MarketHash, OrderHash, Outcome
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.protocols.sx.profile import PROFILES
from overround.realtime import Namespaces
from overround.runtime.venue import Venue
from overround.sandbox import world
from overround.sandbox.accounts import ACCOUNTS
from overround.server.main import rules_of
from overround.signing.address import parse_address

PROFILE: Final = PROFILES["mainnet"]
USDC: Final = Address(parse_address(PROFILE.usdc))
MAKER, OTHER, TAKER, NOBODY = (Address(account.address) for account in ACCOUNTS[:4])
NAMESPACES: Final = Namespaces(dict(SX_NAMESPACES))


def fail(error: BaseException) -> None:
    raise AssertionError from error


class Day:
    """Commands to a venue, in few words. Fills are matched at once; they are confirmed by hand."""

    def __init__(self, venue: Venue, **rules: Any) -> None:
        self.venue = venue
        self.records: list[Record] = []
        self.markets: list[MarketHash] = []
        self._rules = rules
        self._numbers = count(1)

    async def open(self) -> None:
        """The sandbox's world, where it is not there yet."""
        given = {
            "settlement_delay_ms": None,
            "betting_delays": BettingDelays(pre_match_ms=0, in_play_ms=0),
            "fills_in_flight_max": 10**9,
            **self._rules,
        }
        rules = msgspec.structs.replace(rules_of(PROFILE, load(None)), **given)
        await self.do(ConfigureVenue(rules=rules))
        if not self.venue.views.catalogue.fixtures:
            for command in world.commands(rules, self.venue.clock.now_ms()):
                await self.do(command)
        self.markets = list(self.venue.views.catalogue.markets)

    async def do(self, command: AnyCommand) -> Record:
        decision = await self.venue.submit(command, f"day-{next(self._numbers)}")
        assert isinstance(decision, Record), decision
        self.records.append(decision)
        return decision

    async def rest(self, maker: Address, market: MarketHash, size: int, odds: float, *, one: bool) -> OrderHash:
        """An order on the book."""
        name = (self.venue.views.seq, next(self._numbers))
        order_hash = OrderHash(number(32, "order", name))
        order = NewOrder(
            order_hash=order_hash,
            market_hash=market,
            maker=maker,
            base_token=USDC,
            total_bet_size=size,
            percentage_odds=round(odds * 1000) * PERCENT // 1000,
            salt=b"d" + number(8, name),
            is_maker_betting_outcome_one=one,
            signature=number(32, name) * 2 + b"\x1b",
            api_expiry=self.venue.clock.now_ms() // 1000 + 10**6,
        )
        await self.do(PlaceOrders(orders=(order,)))
        return order_hash

    async def fill(self, taker: Address, market: MarketHash, stake: int, *, one: bool) -> FillHash:
        """Take what there is."""
        fill_hash = FillHash(number(32, "fill", self.venue.views.seq, next(self._numbers)))
        command = FillMarket(
            taker=taker,
            fill_hash=fill_hash,
            market_hash=market,
            base_token=USDC,
            is_taker_betting_outcome_one=one,
            stake=stake,
            desired_odds=99 * PERCENT,
            odds_slippage=99,
        )
        await self.do(command)
        return fill_hash

    async def match(self, maker: Address, taker: Address, market: MarketHash, stake: int = 10**7) -> FillHash:
        """An order at 50 % for outcome one, and a fill of it."""
        await self.rest(maker, market, 10**8, 50, one=True)
        return await self.fill(taker, market, stake, one=False)

    async def decide(self, fill_hash: FillHash, *, confirmed: bool = True) -> None:
        await self.do(DecideFill(fill_hash=fill_hash, confirmed=confirmed))

    async def report(self, market: MarketHash, outcome: Outcome) -> Record:
        return await self.do(ReportMarket(market_hash=market, outcome=outcome))


def play(folder: Path, scenario: Callable[[Day], Awaitable[object]], **rules: Any) -> None:
    """Open a venue on a folder, play, and stop it."""

    async def run() -> None:
        venue = Venue.open(folder, on_fatal=fail, namespaces=NAMESPACES)
        try:
            day = Day(venue, **rules)
            await day.open()
            await scenario(day)
        finally:
            await venue.stop()

    uvloop.run(run())
