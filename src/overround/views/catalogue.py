"""Leagues, teams, fixtures and markets, as the reference routes list them."""

from __future__ import annotations

from collections.abc import Iterator

from overround.engine.catalogue import Fixture, League, LiveScore, Market, Team
from overround.engine.state import State
from overround.engine.types import FixtureId, MarketHash


class Catalogue:
    """The world by id, in the order of creation."""

    def __init__(self) -> None:
        self.leagues: dict[int, League] = {}
        self.teams: dict[int, Team] = {}
        self.fixtures: dict[FixtureId, Fixture] = {}
        self.markets: dict[MarketHash, Market] = {}
        self.live_scores: dict[FixtureId, LiveScore] = {}
        self._markets_of: dict[FixtureId, list[MarketHash]] = {}

    def seed(self, state: State) -> None:
        """Take over a recovered engine's world."""
        self.leagues.update(state.leagues)
        self.teams.update(state.teams)
        self.fixtures.update(state.fixtures)
        self.live_scores.update(state.live_scores)
        for market in state.markets.values():
            self.put_market(market)

    def put_market(self, market: Market) -> None:
        """Add or replace a market."""
        if market.market_hash not in self.markets:
            self._markets_of.setdefault(market.fixture_id, []).append(market.market_hash)
        self.markets[market.market_hash] = market

    def markets_of(self, fixture_id: str) -> Iterator[Market]:
        """The markets of a fixture; none for an unknown one."""
        return (self.markets[one] for one in self._markets_of.get(FixtureId(fixture_id), ()))
