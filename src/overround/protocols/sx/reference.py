"""Sports and market types (`spec/sx.md` 5.2, 5.6)."""

from __future__ import annotations

from typing import Final, NamedTuple

SPORTS: Final[dict[int, str]] = {
    1: "Basketball",
    2: "Hockey",
    3: "Baseball",
    4: "Golf",
    5: "Soccer",
    6: "Tennis",
    7: "Mixed Martial Arts",
    8: "Football",
    9: "E Sports",
    10: "Custom",
    11: "Rugby Union",
    12: "Racing",
    13: "Boxing",
    14: "Crypto",
    15: "Cricket",
    16: "Economics",
    17: "Politics",
    18: "Entertainment",
    19: "Medicinal",
    20: "Rugby League",
}


class MarketType(NamedTuple):
    """What a market type is called, whether its markets carry a line, and the group it is listed in."""

    name: str
    has_line: bool
    bet_group: str


MARKET_TYPES: Final[dict[int, MarketType]] = {
    1: MarketType("1X2", False, "1X2"),
    52: MarketType("12", False, "game-lines"),
    88: MarketType("To Qualify", False, "game-lines"),
    226: MarketType("12 Including Overtime", False, "game-lines"),
    3: MarketType("Asian Handicap", True, "game-lines"),
    201: MarketType("Asian Handicap Games", True, "game-lines"),
    342: MarketType("Asian Handicap Including Overtime", True, "game-lines"),
    2: MarketType("Under/Over", True, "game-lines"),
    835: MarketType("Asian Under/Over", True, "game-lines"),
    28: MarketType("Under/Over Including Overtime", True, "game-lines"),
    29: MarketType("Under/Over Rounds", True, "game-lines"),
    166: MarketType("Under/Over Games", True, "game-lines"),
    1536: MarketType("Under/Over Maps", True, "game-lines"),
    274: MarketType("Outright Winner", False, "outright-winner"),
    202: MarketType("First Period Winner", False, "first-period-lines"),
    203: MarketType("Second Period Winner", False, "second-period-lines"),
    204: MarketType("Third Period Winner", False, "third-period-lines"),
    205: MarketType("Fourth Period Winner", False, "fourth-period-lines"),
    866: MarketType("Set Spread", True, "set-betting"),
    165: MarketType("Set Total", True, "set-betting"),
    53: MarketType("Asian Handicap Halftime", True, "first-half-lines"),
    63: MarketType("12 Halftime", False, "first-half-lines"),
    77: MarketType("Under/Over Halftime", True, "first-half-lines"),
    64: MarketType("Asian Handicap First Period", True, "first-period-lines"),
    65: MarketType("Asian Handicap Second Period", True, "second-period-lines"),
    66: MarketType("Asian Handicap Third Period", True, "third-period-lines"),
    21: MarketType("Under/Over First Period", True, "first-period-lines"),
    45: MarketType("Under/Over Second Period", True, "second-period-lines"),
    46: MarketType("Under/Over Third Period", True, "third-period-lines"),
    281: MarketType("1st Five Innings Asian Handicap", True, "first-five-innings"),
    1618: MarketType("1st 5 Innings Winner-12", False, "first-five-innings"),
    236: MarketType("1st 5 Innings Under/Over", True, "first-five-innings"),
}

# How long a fill waits while the match is on, ms (7.10): league labels beat sport ids.
IN_PLAY_DELAYS_BY_LEAGUE: Final[dict[str, int]] = {
    "NFL": 3_000,
    "IPL": 4_000,
    "NBA": 4_000,
    "MLB": 5_000,
    "NHL": 5_000,
    "EPL": 6_000,
    "La Liga": 6_000,
    "Champions League": 6_000,
    "Serie A": 6_000,
    "Ligue 1": 6_000,
}
IN_PLAY_DELAYS_BY_SPORT: Final[dict[int, int]] = {
    1: 8_000,
    2: 8_000,
    3: 8_000,
    5: 10_000,
    6: 5_000,
    7: 6_000,
    8: 8_000,
    15: 8_000,
}
