"""Fixtures and markets: how they come into being, change, begin and close (spec/sx.md 7.9, spec/decisions.md C7)."""

from __future__ import annotations

from typing import Final

import msgspec

from overround.engine import filling
from overround.engine.catalogue import Fixture, League, Market, Team
from overround.engine.commands import (
    CreateFixture,
    CreateMarket,
    ReportMarket,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    UpdateFixture,
)
from overround.engine.events import (
    AnyEvent,
    FixtureChanged,
    FixtureCreated,
    LeagueCreated,
    LiveScoreSet,
    MainLineChanged,
    MarketChanged,
    MarketCreated,
    MarketReported,
    TeamCreated,
)
from overround.engine.fill import FillStatus
from overround.engine.order import Trigger
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import FixtureId, FixtureStatus, MarketHash

FIXTURE_ID_FIRST: Final = 1_000_001  # L1000001 is the first id the engine gives


def create_fixture(state: State, command: CreateFixture, now_ms: int) -> list[AnyEvent] | Rejection:
    """A fixture, and its league and teams where they are new."""
    if command.fixture_id in state.fixtures:
        return Rejection.FIXTURE_EXISTS
    league = _find_league(state, command)
    if league is not None and league.sport_id != command.sport_id:
        return Rejection.LEAGUE_OF_OTHER_SPORT
    events: list[AnyEvent] = []
    if league is None:
        league_id = _next_id(state.leagues) if command.league_id is None else command.league_id
        league = League(league_id, command.sport_id, command.league_label)
        state.put_league(league)
        events.append(LeagueCreated(league=league))
    events += _create_teams(state, league, (command.team_one_name, command.team_two_name))
    fixture = Fixture(
        fixture_id=command.fixture_id or _next_fixture_id(state),
        sport_id=command.sport_id,
        league_id=league.league_id,
        league_label=league.label,
        team_one_name=command.team_one_name,
        team_two_name=command.team_two_name,
        game_time_s=command.game_time_s,
        status=FixtureStatus.NOT_STARTED,
        live_enabled=command.live_enabled,
        status_feed=command.status_feed,
        # Created with its start behind it: in play from the beginning, there is nothing to cancel.
        begun=not command.status_feed and now_ms >= command.game_time_s * 1000,
    )
    state.put_fixture(fixture)
    return [*events, FixtureCreated(fixture=fixture)]


def update_fixture(state: State, command: UpdateFixture, now_ms: int) -> list[AnyEvent] | Rejection:
    """Change what is given. A start moved into the past begins the match now."""
    fixture = state.fixtures.get(command.fixture_id)
    if fixture is None:
        return Rejection.FIXTURE_UNKNOWN
    given = {
        name: value
        for name in ("game_time_s", "live_enabled", "status_feed")
        if (value := getattr(command, name)) is not None
    }
    changed = msgspec.structs.replace(fixture, **given)
    events = _put(state, changed)
    if changed.starts_by_clock and now_ms >= changed.game_time_s * 1000:
        events += begin_match(state, changed, now_ms)
    return events


def set_fixture_status(state: State, command: SetFixtureStatus, now_ms: int) -> list[AnyEvent] | Rejection:
    """A status of 2 begins the match; finished, cancelled and abandoned end every order on the fixture."""
    fixture = state.fixtures.get(command.fixture_id)
    if fixture is None:
        return Rejection.FIXTURE_UNKNOWN
    changed = msgspec.structs.replace(fixture, status=command.status)
    if changed.status is FixtureStatus.IN_PROGRESS and not changed.begun:
        return begin_match(state, changed, now_ms)
    events = _put(state, changed)
    if changed.is_over:
        events += _end_orders(state, state.markets_of[changed.fixture_id], Trigger.MARKET_CLOSE, now_ms)
    return events


def begin_match(state: State, fixture: Fixture, now_ms: int) -> list[AnyEvent]:
    """The match begins: what was accepted before it is cancelled for good (spec/sx.md 7.9)."""
    events = _put(state, msgspec.structs.replace(fixture, begun=True))
    return events + _end_orders(state, state.markets_of[fixture.fixture_id], Trigger.MATCH_START, now_ms)


def create_market(state: State, command: CreateMarket, now_ms: int) -> list[AnyEvent] | Rejection:
    """A market; the first of its fixture and type is the main line unless a later one claims to be (C7)."""
    del now_ms
    fixture = state.fixtures.get(command.fixture_id)
    if fixture is None:
        return Rejection.FIXTURE_UNKNOWN
    if command.market_hash in state.markets:
        return Rejection.MARKET_EXISTS
    if fixture.is_over:
        return Rejection.FIXTURE_OVER
    main = state.main_lines.get((fixture.fixture_id, command.type))
    takes_main_line = command.has_line and (command.main_line or main is None)
    events: list[AnyEvent] = []
    if takes_main_line and main is not None:
        events += _put_market(state, msgspec.structs.replace(state.markets[main], main_line=False))
    market = Market(
        market_hash=command.market_hash,
        fixture_id=command.fixture_id,
        type=command.type,
        line=command.line,
        has_line=command.has_line,
        outcome_one_name=command.outcome_one_name,
        outcome_two_name=command.outcome_two_name,
        main_line=takes_main_line,
    )
    state.put_market(market)
    events.append(MarketCreated(market=market))
    if takes_main_line:
        events.append(MainLineChanged(fixture_id=fixture.fixture_id, type=market.type, market_hash=market.market_hash))
    return events


def set_market_status(state: State, command: SetMarketStatus, now_ms: int) -> list[AnyEvent] | Rejection:
    """Closing a market ends its orders."""
    market = state.markets.get(command.market_hash)
    if market is None:
        return Rejection.MARKET_UNKNOWN
    if market.outcome is not None:
        return Rejection.MARKET_REPORTED
    events = _put_market(state, msgspec.structs.replace(market, active=command.active))
    if not command.active:
        events += _end_orders(state, [market.market_hash], Trigger.MARKET_CLOSE, now_ms)
    return events


def report_market(state: State, command: ReportMarket, now_ms: int) -> list[AnyEvent] | Rejection:
    """The outcome: ends the market's orders and pays its confirmed fills; the pending ones are paid when they are
    confirmed (spec/sx.md 7.9, D1, D2)."""
    market = state.markets.get(command.market_hash)
    if market is None:
        return Rejection.MARKET_UNKNOWN
    if market.outcome is not None:
        return Rejection.MARKET_REPORTED
    outcome = command.outcome
    events = _put_market(state, msgspec.structs.replace(market, active=False, outcome=outcome, reported_at_ms=now_ms))
    events.append(MarketReported(market_hash=market.market_hash, outcome=outcome, reported_at_ms=now_ms))
    events += _end_orders(state, [market.market_hash], Trigger.MARKET_CLOSE, now_ms)
    for fill in state.fills.of_market(market.market_hash):
        if fill.status is FillStatus.CONFIRMED:
            filling.pay_out(state, fill, outcome)
    return events


def set_live_score(state: State, command: SetLiveScore, now_ms: int) -> list[AnyEvent] | Rejection:
    """The score from here on."""
    if command.score.fixture_id not in state.fixtures:
        return Rejection.FIXTURE_UNKNOWN
    known = state.live_scores.get(command.score.fixture_id)
    score = msgspec.structs.replace(
        command.score, created_at_ms=known.created_at_ms if known else now_ms, updated_at_ms=now_ms
    )
    state.put_live_score(score)
    return [LiveScoreSet(score=score)]


def _put(state: State, fixture: Fixture) -> list[AnyEvent]:
    state.put_fixture(fixture)
    return [FixtureChanged(fixture=fixture)]


def _put_market(state: State, market: Market) -> list[AnyEvent]:
    state.put_market(market)
    return [MarketChanged(market=market)]


def _end_orders(state: State, markets: list[MarketHash], trigger: Trigger, now_ms: int) -> list[AnyEvent]:
    orders = [order for market_hash in markets for order in state.orders_of_market(market_hash)]
    return [changed for order in orders if (changed := state.end(order, trigger, now_ms)) is not None]


def _find_league(state: State, command: CreateFixture) -> League | None:
    """By id if one is given, else by sport and label."""
    if command.league_id is not None:
        return state.leagues.get(command.league_id)
    wanted = (command.sport_id, command.league_label)
    return next((one for one in state.leagues.values() if (one.sport_id, one.label) == wanted), None)


def _create_teams(state: State, league: League, names: tuple[str, ...]) -> list[AnyEvent]:
    known = {team.name for team in state.teams.values() if team.league_id == league.league_id}
    events: list[AnyEvent] = []
    for name in dict.fromkeys(names):
        if name not in known:
            team = Team(_next_id(state.teams), league.league_id, name)
            state.put_team(team)
            events.append(TeamCreated(team=team))
    return events


def _next_id(taken: dict[int, League] | dict[int, Team]) -> int:
    return max(taken, default=0) + 1


def _next_fixture_id(state: State) -> FixtureId:
    number = FIXTURE_ID_FIRST + len(state.fixtures)
    while FixtureId(f"L{number}") in state.fixtures:
        number += 1
    return FixtureId(f"L{number}")
