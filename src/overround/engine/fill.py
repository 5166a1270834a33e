"""A fill: what a taker signed, what it was matched with, what the parts are worth (spec/sx.md 7.10 to 7.12)."""

from __future__ import annotations

from enum import Enum

import msgspec

from overround.engine.commands import FillMarket, FillOrders
from overround.engine.types import ODDS_ONE, Address, FillHash, MarketHash, OrderHash, Outcome


class HeldFill(msgspec.Struct, frozen=True):
    """A fill in its betting delay; nothing is reserved for it."""

    number: int  # place among all admitted fills
    command: FillMarket | FillOrders
    market_hash: MarketHash
    base_token: Address
    due_ms: int
    expires_at_s: int | None  # FillOrders: the earliest expiry of the named orders


class Leg(msgspec.Struct, frozen=True, gc=False):
    """One order's part of a fill. Stakes are base units."""

    order_hash: OrderHash
    maker: Address
    percentage_odds: int  # the maker's
    taker_stake: int
    maker_stake: int

    @property
    def pot(self) -> int:
        """What the winner of this part gets, before fees."""
        return self.taker_stake + self.maker_stake


class MatchedFill(msgspec.Struct, frozen=True):
    """A fill as it was matched; never changes."""

    fill_hash: FillHash
    number: int  # place among all admitted fills
    taker: Address
    market_hash: MarketHash
    base_token: Address
    is_taker_betting_outcome_one: bool
    stake: int  # what the taker asked for, base units
    legs: tuple[Leg, ...]
    matched_at_ms: int
    fee: int  # of the winner's profit, x 10^20

    @property
    def taker_stake(self) -> int:
        """What the taker got matched."""
        return sum(leg.taker_stake for leg in self.legs)

    @property
    def pot(self) -> int:
        """Both sides' stakes."""
        return sum(leg.pot for leg in self.legs)

    @property
    def maker_stakes(self) -> dict[Address, int]:
        """What each maker has in it, in the order of the legs."""
        stakes: dict[Address, int] = {}
        for leg in self.legs:
            stakes[leg.maker] = stakes.get(leg.maker, 0) + leg.maker_stake
        return stakes

    def returns(self, leg: Leg, outcome: Outcome) -> tuple[int, int, int]:
        """What the taker, the maker and the venue get of a leg's pot, base units (D1)."""
        if outcome is Outcome.VOID:
            return leg.taker_stake, leg.maker_stake, 0
        if (outcome is Outcome.ONE) is self.is_taker_betting_outcome_one:
            fee = leg.maker_stake * self.fee // ODDS_ONE
            return leg.pot - fee, 0, fee
        fee = leg.taker_stake * self.fee // ODDS_ONE
        return 0, leg.pot - fee, fee


class FillStatus(Enum):
    """Where a matched fill is; one that failed is forgotten, one that is paid as well."""

    PENDING = "pending"
    CONFIRMED = "confirmed"


class Fill(msgspec.Struct):
    """A matched fill that is not paid yet."""

    terms: MatchedFill
    due_ms: int | None
    status: FillStatus = FillStatus.PENDING


def average_odds(stake: int, pot: int) -> int:
    """The implied odds of a stake in a pot, x 10^20, rounded half up (spec/sx.md 7.12)."""
    return (2 * stake * ODDS_ONE + pot) // (2 * pot)


def taker_stake_of(maker_stake: int, percentage_odds: int) -> int:
    """The taker's part where the maker's is given: the legacy direction (spec/sx.md 3.4)."""
    return maker_stake * ODDS_ONE // percentage_odds - maker_stake


def largest_stake_of(maker_stake: int, percentage_odds: int) -> int:
    """The most that a taker can have meant who asks for this part of the maker (spec/sx.md 3.4, floored there)."""
    return ((maker_stake + 1) * (ODDS_ONE - percentage_odds) - 1) // percentage_odds
