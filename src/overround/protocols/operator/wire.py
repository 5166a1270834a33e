"""Bodies of the operator routes. Members are spelt like their SX relatives."""

from __future__ import annotations

from typing import Annotated

import msgspec

# A number or its text, kept to the letter: it is read by a stricter rule than libraries have for decimals.
DecimalText = Annotated[
    msgspec.Raw, msgspec.Meta(extra_json_schema={"anyOf": [{"type": "number"}, {"type": "string"}]})
]


class FixtureBody(msgspec.Struct):
    """`POST /admin/fixtures`"""

    sportId: int
    teamOneName: str
    teamTwoName: str
    gameTime: int
    leagueLabel: str = ""
    leagueId: int | None = None
    liveEnabled: bool = False
    statusFeed: bool = False
    sportXeventId: str | None = None


class FixtureChangeBody(msgspec.Struct):
    """`PATCH /admin/fixtures/{id}`: what is given changes."""

    gameTime: int | None = None
    liveEnabled: bool | None = None
    statusFeed: bool | None = None


class FixtureStatusBody(msgspec.Struct):
    """`POST /admin/fixtures/{id}/status`"""

    status: int


class MarketBody(msgspec.Struct):
    """`POST /admin/markets`"""

    sportXeventId: str
    type: int
    outcomeOneName: str
    outcomeTwoName: str
    line: DecimalText | msgspec.UnsetType = msgspec.UNSET
    mainLine: bool | None = None


class MarketStatusBody(msgspec.Struct):
    """`POST /admin/markets/{hash}/status`"""

    status: str


class SettleBody(msgspec.Struct):
    """`POST /admin/markets/{hash}/settle`: 1, 2, or 0 where there is no winner"""

    outcome: int


class PeriodBody(msgspec.Struct):
    """A part of a match; scores are text."""

    label: str
    isFinished: bool
    teamOneScore: str
    teamTwoScore: str


class LiveScoreBody(msgspec.Struct):
    """`PUT /admin/fixtures/{id}/live-score`"""

    teamOneScore: int
    teamTwoScore: int
    currentPeriod: str
    periodTime: str = "-1"
    periods: list[PeriodBody] = []
    extra: str = "{}"


class BalanceBody(msgspec.Struct):
    """`PUT /admin/balances/{address}/{token}`: base units, as text or integer."""

    amount: str | int


class RestrictionBody(msgspec.Struct):
    """`POST /admin/accounts/{address}/restriction`"""

    restricted: bool


class ApiKeyBody(msgspec.Struct):
    """`POST /admin/api-keys`"""

    address: str


class ClockBody(msgspec.Struct):
    """`POST /admin/clock`: one of these."""

    freeze: bool = False
    resume: bool = False
    advanceMs: int | None = None
    setMs: int | None = None


class CollateralBody(msgspec.Struct):
    """`PUT /admin/nado/balances/{subaccount}/{productId}`: absolute, not below zero."""

    amountX18: str | int


class ProductBody(msgspec.Struct):
    """`POST /admin/nado/products/{id}`: what is given changes."""

    oraclePriceX18: str | int | None = None
    tradingStatus: str | None = None
    makerFeeX18: str | int | None = None
    takerFeeX18: str | int | None = None


class MaintenanceBody(msgspec.Struct):
    """`POST /admin/nado/status`"""

    maintenance: bool
