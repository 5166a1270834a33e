"""Identifiers and units of the house. Wire spellings live in `protocols/` only."""

from __future__ import annotations

from enum import Enum
from typing import Final, NewType

Address = NewType("Address", bytes)  # 20 bytes: an Ethereum account or token
OrderHash = NewType("OrderHash", bytes)  # 32 bytes: the hash of what the maker signed; the order's identity
MarketHash = NewType("MarketHash", bytes)  # 32 bytes
FillHash = NewType("FillHash", bytes)  # 32 bytes: the digest of what the taker signed; unique in the venue (D5)
FixtureId = NewType("FixtureId", str)  # a sports event; `sportXeventId` on the SX wire
Millis = NewType("Millis", int)  # milliseconds since the Unix epoch, or a duration in milliseconds

ODDS_ONE: Final = 10**20  # implied probability 1.0 (spec/sx.md 1.3)
WORD_MAX: Final = 2**256 - 1  # the largest amount, salt or odds a signed message can carry


class Side(Enum):
    """Which outcome the maker of an order backs."""

    __hash__ = object.__hash__  # members are unique objects; the default hashes their name, in Python

    OUTCOME_ONE = "one"
    OUTCOME_TWO = "two"


class Outcome(Enum):
    """What a market was reported as (spec/sx.md 7.9)."""

    VOID = 0
    ONE = 1
    TWO = 2


class FixtureStatus(Enum):
    """Progress of a sports event (spec/sx.md 5.4)."""

    NOT_STARTED = 1
    IN_PROGRESS = 2
    FINISHED = 3
    CANCELLED = 4
    POSTPONED = 5
    INTERRUPTED = 6
    ABANDONED = 7
    COVERAGE_LOST = 8
    ABOUT_TO_START = 9


PRE_MATCH: Final = frozenset({FixtureStatus.NOT_STARTED, FixtureStatus.ABOUT_TO_START})
OVER: Final = frozenset({FixtureStatus.FINISHED, FixtureStatus.CANCELLED, FixtureStatus.ABANDONED})
