"""The SX dialect's shapes, member by member as the specification spells them (`spec/sx.md` 5)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class PlaceBody(msgspec.Struct):
    """`POST /orders/new`. Entries are checked member by member: each has a code of its own."""

    orders: Any = UNSET


class CancelBody(msgspec.Struct):
    """What the three cancels share (5.10)."""

    signature: str
    salt: str
    maker: str
    timestamp: int | str


class CancelOrdersBody(CancelBody, kw_only=True):
    """`POST /orders/cancel/v2`."""

    orderHashes: list[str]


class CancelEventBody(CancelBody, kw_only=True):
    """`POST /orders/cancel/event`; both spellings of the event are in use."""

    sportXeventId: str | UnsetType = UNSET
    sportXEventId: str | UnsetType = UNSET


class FillBody(msgspec.Struct):
    """`POST /orders/fill/v2`. Members are checked one by one: most have a code of their own (5.12)."""

    market: Any = UNSET
    marketHash: Any = UNSET
    baseToken: Any = UNSET
    isTakerBettingOutcomeOne: Any = UNSET
    stakeWei: Any = UNSET
    desiredOdds: Any = UNSET
    oddsSlippage: Any = UNSET
    fillSalt: Any = UNSET
    taker: Any = UNSET
    takerSig: Any = UNSET
    proxyTaker: Any = UNSET
    # What the wallet showed; signed, and used for nothing else.
    action: Any = UNSET
    betting: Any = UNSET
    stake: Any = UNSET
    worstOdds: Any = UNSET
    worstReturning: Any = UNSET


class FillOrdersBody(msgspec.Struct):
    """`POST /orders/fill`, the legacy form (5.13)."""

    orderHashes: list[str]
    takerAmounts: list[str | int]
    taker: str
    takerSig: str
    fillSalt: str | int
    action: str = "N/A"
    market: str = "N/A"
    betting: str = "N/A"
    stake: str = "N/A"
    odds: str = "N/A"
    returning: str = "N/A"
    proxyTaker: str | None = None


class ApproveBody(msgspec.Struct):
    """`POST /orders/approve` (5.11)."""

    owner: str
    spender: str
    tokenAddress: str
    value: str | int
    deadline: str | int
    signature: str


class FillAnswer(msgspec.Struct):
    """Both fills (5.12)."""

    fillHash: str
    isPartialFill: bool
    totalFilled: str
    averageOdds: str


class HeartbeatBody(msgspec.Struct):
    """`POST /user/heartbeat` (5.16): seconds."""

    interval: int | str


class LegacyHeartbeatBody(msgspec.Struct):
    """`POST /heartbeat` (5.16)."""

    requestor: str
    timeoutSeconds: int | str


class OrderRow(msgspec.Struct):
    """A row of `GET /orders` (5.7)."""

    orderHash: str
    marketHash: str
    orderStatus: str
    fillAmount: str
    pendingFillAmount: str
    totalBetSize: str
    percentageOdds: str
    expiry: int
    apiExpiry: int
    baseToken: str
    executor: str
    maker: str
    salt: str
    isMakerBettingOutcomeOne: bool
    signature: str
    sportXeventId: str
    createdAt: str
    updateTime: str


class OrderUpdate(msgspec.Struct):
    """An element of an order channel (6.6.1)."""

    orderHash: str
    marketHash: str
    status: str
    fillAmount: str
    pendingFillAmount: str
    maker: str
    totalBetSize: str
    percentageOdds: str
    expiry: int
    apiExpiry: int
    salt: str
    isMakerBettingOutcomeOne: bool
    signature: str
    updateTime: str
    sportXeventId: str
    baseToken: str


class BestOddsUpdate(msgspec.Struct):
    """An element of `best_odds:global` (6.6.2): replaces what was known of its side."""

    baseToken: str
    marketHash: str
    isMakerBettingOutcomeOne: bool
    percentageOdds: str | None
    updatedAt: int
    sportId: int
    leagueId: int


class BestOddsSide(msgspec.Struct):
    """One side of `GET /orders/odds/best`; nulls where nobody offers (5.8)."""

    percentageOdds: str | None = None
    updatedAt: int | None = None


class BestOddsRow(msgspec.Struct):
    """One market of `GET /orders/odds/best`."""

    marketHash: str
    baseToken: str
    outcomeOne: BestOddsSide
    outcomeTwo: BestOddsSide


class League(msgspec.Struct):
    """5.3"""

    leagueId: int
    label: str
    sportId: int
    active: bool


class ActiveLeague(League, kw_only=True):
    """`GET /leagues/active`: with the number of distinct events per bet group."""

    eventsByType: dict[str, int]


class Fixture(msgspec.Struct, omit_defaults=True):
    """5.4"""

    eventId: str
    leagueId: int
    leagueLabel: str
    sportId: int
    startDate: str
    status: int
    participantOneName: str
    participantTwoName: str
    participants: list[str]


class Market(msgspec.Struct):
    """5.6; `line` and `mainLine` only where the type has lines, outcome and scores once it is reported."""

    status: str
    marketHash: str
    outcomeOneName: str
    outcomeTwoName: str
    outcomeVoidName: str
    teamOneName: str
    teamTwoName: str
    type: int
    gameTime: int
    sportXeventId: str
    sportXEventId: str
    liveEnabled: bool
    sportLabel: str
    sportId: int
    leagueLabel: str
    leagueId: int
    group1: str
    isQuarterLineMarket: bool
    chainVersion: str
    line: msgspec.Raw | UnsetType = UNSET
    mainLine: bool | UnsetType = UNSET
    outcome: int | UnsetType = UNSET
    reportedDate: int | UnsetType = UNSET
    teamOneScore: int | UnsetType = UNSET
    teamTwoScore: int | UnsetType = UNSET


class Period(msgspec.Struct):
    """A part of a match (5.5)."""

    label: str
    isFinished: bool
    teamOneScore: str
    teamTwoScore: str


class LiveScore(msgspec.Struct):
    """6.6.6: what `fixtures:live_scores` carries."""

    teamOneScore: int
    teamTwoScore: int
    sportXEventId: str
    currentPeriod: str
    periodTime: str
    sportId: int
    leagueId: int
    periods: list[Period]
    extra: str


class LiveScoreRow(LiveScore):
    """A row of `GET /live-scores` (5.5)."""

    createdAt: str
    updatedAt: str


class Trade(msgspec.Struct):
    """One side of one order's part of a fill (5.14)."""

    _id: str
    baseToken: str
    bettor: str
    stake: str
    normalizedStake: str
    odds: str
    orderHash: str
    marketHash: str
    fillHash: str
    maker: bool
    betType: int
    betTime: int | str
    betTimeValue: msgspec.Raw
    bettingOutcomeOne: bool
    tradeStatus: str
    settled: bool
    settleValue: int
    netReturn: str
    valid: bool
    affiliate: str
    contractsVersion: str
    chainVersion: str
    fillOrderHash: str
    fillOrderHashAttempts: list[str]
    lastMineAttemptTime: str
    createdAt: str
    updatedAt: str
    sportXeventId: str
    marketHasRefunds: bool
    status: str | UnsetType = UNSET  # on the channel only (6.6.3)
    outcome: int | UnsetType = UNSET
    settleDate: str | UnsetType = UNSET
    settleTxHash: str | UnsetType = UNSET
    settleNetReturnValue: str | UnsetType = UNSET


class ConsolidatedTrade(msgspec.Struct):
    """All that a bettor has in a fill (5.14)."""

    baseToken: str
    tradeStatus: str
    bettor: str
    totalStake: str
    totalBetTimeValue: str
    weightedAverageOdds: str
    netReturn: str
    netReturnBetTimeValue: msgspec.Raw
    totalReturn: str
    crosschainNetReturn: str
    marketHash: str
    marketType: int
    maker: bool
    settled: bool
    fillHash: str
    fillOrderHash: str
    gameLabel: str
    bettingOutcome: int
    bettingOutcomeLabel: str
    sportXeventId: str
    gameTime: str
    leagueLabel: str
    sportId: int
    betTime: int
    chainVersion: str
    marketHasRefunds: bool
    outcome: int | UnsetType = UNSET
