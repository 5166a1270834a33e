"""The rules a venue plays by. They are journaled, so that a replay never depends on today's configuration."""

from __future__ import annotations

from enum import Enum

import msgspec

from overround.engine.types import Address


class Token(msgspec.Struct, frozen=True, gc=False):
    """A token that orders may be staked in. Amounts are base units (`10 ** decimals` to the nominal unit)."""

    symbol: str
    address: Address
    decimals: int
    maker_minimum: int
    taker_minimum: int


class BettingDelays(msgspec.Struct, frozen=True):
    """How long a fill waits before it is matched (spec/sx.md 7.10). League beats sport beats the rest."""

    pre_match_ms: int = 500
    in_play_ms: int = 8_000
    in_play_by_sport: tuple[tuple[int, int], ...] = ()  # (sport id, ms)
    in_play_by_league: tuple[tuple[str, int], ...] = ()  # (league label, ms)

    def in_play(self, sport_id: int, league_label: str) -> int:
        """The delay while a match of this league is on, ms."""
        leagues, sports = dict(self.in_play_by_league), dict(self.in_play_by_sport)
        return leagues.get(league_label, sports.get(sport_id, self.in_play_ms))


class Restrictions(msgspec.Struct, frozen=True):
    """When an account may not post for a while: its balance fell below its exposure too often (spec/sx.md 7.7)."""

    dips_max: int = 5  # so many of them; 0 switches restrictions off
    window_ms: int = 600_000  # within this time
    merge_ms: int = 1_000  # those that follow each other faster count once
    duration_ms: int = 900_000


class HeartbeatScope(Enum):
    """Which of a wallet's orders a missed heartbeat cancels (N13)."""

    BOTH = "both"
    SX = "sx"  # those on fixed-odds markets
    NADO = "nado"  # those on continuous markets, of all its subaccounts


class Rules(msgspec.Struct, frozen=True):
    """Everything that decides and may differ between venues (spec/sx.md 1.1, 5.10, 9).

    A window of 0 seconds on both sides switches the timestamp check of cancels off; the replay memory is then
    kept for ever.
    """

    chain_id: int
    executor: Address
    tokens: tuple[Token, ...]
    odds_ladder_step: int  # in units of 10^15; 0 switches the ladder off (spec/sx.md 3.3)
    cancel_timestamp_past_max_s: int
    cancel_timestamp_future_max_s: int
    settlement_delay_ms: int | None = 500  # from match to confirmation; None: the operator decides (7.11.8)
    betting_delays: BettingDelays = BettingDelays()
    fills_in_flight_max: int = 10  # of one taker, from acceptance to confirmation (5.12)
    fee: int = 0  # of a winner's profit, x 10^20 (D1)
    suspends: bool = True  # uncovered orders are suspended; False: cancelled for good (7.6)
    restrictions: Restrictions = Restrictions()
    approval_required: bool = False  # orders and fills need an allowance (5.11)
    tells_pending_trades: bool = False  # on `recent_trades`; here because offsets are counted along the journal (6.6.3)
    heartbeat_scope: HeartbeatScope = HeartbeatScope.BOTH

    def token(self, address: bytes) -> Token | None:
        """The supported token at this address."""
        return next((token for token in self.tokens if token.address == address), None)

    @property
    def any_cancel_time(self) -> bool:
        """Whether the timestamp of a cancel is not checked at all."""
        return self.cancel_timestamp_past_max_s == 0 and self.cancel_timestamp_future_max_s == 0

    def earliest_cancel_s(self, now_ms: int) -> int:
        """The first second whose cancels may still be obeyed; 0 where any may."""
        return 0 if self.any_cancel_time else -(-now_ms // 1000) - self.cancel_timestamp_past_max_s

    def accepts_cancel_time(self, timestamp_s: int, now_ms: int) -> bool:
        """Whether a cancel signed at `timestamp_s` may still be obeyed (spec/sx.md 5.10 step 2)."""
        earliest_ms = now_ms - self.cancel_timestamp_past_max_s * 1000
        latest_ms = now_ms + self.cancel_timestamp_future_max_s * 1000
        return earliest_ms <= timestamp_s * 1000 <= latest_ms or self.any_cancel_time
