"""What is played and traded: leagues, teams, fixtures and their markets (spec/sx.md 5.2 to 5.6, 7.9)."""

from __future__ import annotations

import msgspec

from overround.engine.types import OVER, PRE_MATCH, FixtureId, FixtureStatus, MarketHash, Outcome


class League(msgspec.Struct, frozen=True):
    """Comes into being with its first fixture (spec/decisions.md C7)."""

    league_id: int
    sport_id: int
    label: str


class Team(msgspec.Struct, frozen=True):
    """Comes into being with its first fixture in the league."""

    team_id: int
    league_id: int
    name: str


class Fixture(msgspec.Struct, frozen=True):
    """A sports event."""

    fixture_id: FixtureId
    sport_id: int
    league_id: int
    league_label: str
    team_one_name: str
    team_two_name: str
    game_time_s: int
    status: FixtureStatus
    live_enabled: bool
    status_feed: bool
    begun: bool = False  # the match has begun; once, and for good (D13)

    def is_in_play(self, now_ms: int) -> bool:
        """In play by status or, without a status feed, by the clock (spec/sx.md 7.9)."""
        if self.status is FixtureStatus.IN_PROGRESS:
            return True
        return self.status in PRE_MATCH and not self.status_feed and now_ms >= self.game_time_s * 1000

    def is_bettable(self, now_ms: int) -> bool:
        """Whether orders on its active markets may be posted and filled now (spec/sx.md 7.9)."""
        if self.is_in_play(now_ms):
            return self.live_enabled
        return self.status in PRE_MATCH

    @property
    def is_over(self) -> bool:
        """No order on it can ever be filled again."""
        return self.status in OVER

    @property
    def starts_by_clock(self) -> bool:
        """Whether `game_time_s` will start the match (D13)."""
        return not self.begun and not self.status_feed and self.status in PRE_MATCH


class Market(msgspec.Struct, frozen=True):
    """A fixed-odds market: two outcomes of one fixture."""

    market_hash: MarketHash
    fixture_id: FixtureId
    type: int
    line: str | None  # canonical decimal text
    has_line: bool
    outcome_one_name: str
    outcome_two_name: str
    active: bool = True
    main_line: bool = False
    outcome: Outcome | None = None  # once reported
    reported_at_ms: int = 0


class Period(msgspec.Struct, frozen=True):
    """A part of a match with its score, as text (spec/sx.md 5.5)."""

    label: str
    is_finished: bool
    team_one_score: str
    team_two_score: str


class LiveScore(msgspec.Struct, frozen=True):
    """How a match stands (spec/sx.md 5.5)."""

    fixture_id: FixtureId
    current_period: str
    period_time: str  # "-1" where there is none
    team_one_score: int
    team_two_score: int
    periods: tuple[Period, ...] = ()
    extra: str = "{}"  # JSON
    created_at_ms: int = 0
    updated_at_ms: int = 0
