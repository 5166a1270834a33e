"""Trades: what each side of a matched fill has in it, and how far it has come (`spec/sx.md` 5.14).

Everything here is thought out from one record alone, so that feeds and history say the same of a trade.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from hashlib import sha256
from typing import Final

import msgspec

from overround.engine.fill import Leg, MatchedFill, average_odds
from overround.engine.record import Record
from overround.engine.types import ODDS_ONE, Address, FillHash, MarketHash, OrderHash, Outcome
from overround.views.changes import FillChange, FillStage

ID_BYTES: Final = 12


class TradeState(Enum):
    """How far a trade has come. The numbers are kept by the history."""

    PENDING = 0
    CONFIRMED = 1
    FAILED = 2
    SETTLED = 3  # confirmed, and paid


class Progress(msgspec.Struct, frozen=True, gc=False):
    """The last thing that happened to a trade; `outcome` and `settlement` where it is settled."""

    state: TradeState
    at_ms: int
    outcome: Outcome | None = None
    settlement: bytes = b""  # the digest of the record that settled it


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One side of one order's part of a fill; or, without an order, all that a bettor has in a fill."""

    fill_hash: FillHash
    order_hash: OrderHash | None
    market_hash: MarketHash
    base_token: Address
    bettor: Address
    is_maker: bool
    is_betting_outcome_one: bool
    odds: int  # this bettor's, x 10^20
    stake: int  # this bettor's, base units
    pot: int  # both sides' stakes
    payout: int  # what he gets if he wins: the pot less the fee
    matched_at_ms: int
    progress: Progress

    @property
    def id(self) -> bytes:
        """Twelve bytes that no other trade has (D8)."""
        assert self.order_hash is not None
        side = b"maker" if self.is_maker else b"taker"
        return sha256(self.fill_hash + self.order_hash + side).digest()[:ID_BYTES]

    @property
    def returned(self) -> int:
        """What the settlement paid: the stake of a void, the payout to the winner (D8)."""
        outcome = self.progress.outcome
        if outcome is Outcome.VOID:
            return self.stake
        return self.payout if (outcome is Outcome.ONE) is self.is_betting_outcome_one else 0


def trades_of(fill: MatchedFill, progress: Progress) -> Iterator[Trade]:
    """The taker's and the maker's trade of each order, in the order of the match."""
    for leg in fill.legs:
        yield _trade(fill, [leg], leg.order_hash, None, progress)
        yield _trade(fill, [leg], leg.order_hash, leg.maker, progress)


def consolidated_of(fill: MatchedFill, progress: Progress) -> Iterator[Trade]:
    """One for each bettor: the taker, then the makers in the order of the match."""
    yield _trade(fill, list(fill.legs), None, None, progress)
    legs: dict[Address, list[Leg]] = {}
    for leg in fill.legs:
        legs.setdefault(leg.maker, []).append(leg)
    for maker, his in legs.items():
        yield _trade(fill, his, None, maker, progress)


def _trade(
    fill: MatchedFill, legs: list[Leg], order_hash: OrderHash | None, maker: Address | None, progress: Progress
) -> Trade:
    """What the maker, or the taker where there is none, has in these legs."""
    is_maker = maker is not None
    is_one = fill.is_taker_betting_outcome_one is not is_maker
    won = Outcome.ONE if is_one else Outcome.TWO
    stake = sum(leg.maker_stake if is_maker else leg.taker_stake for leg in legs)
    pot = sum(leg.pot for leg in legs)
    if order_hash is None:
        odds = average_odds(stake, pot)
    else:
        odds = legs[0].percentage_odds if is_maker else ODDS_ONE - legs[0].percentage_odds
    return Trade(
        fill_hash=fill.fill_hash,
        order_hash=order_hash,
        market_hash=fill.market_hash,
        base_token=fill.base_token,
        bettor=fill.taker if maker is None else maker,
        is_maker=is_maker,
        is_betting_outcome_one=is_one,
        odds=odds,
        stake=stake,
        pot=pot,
        payout=sum(fill.returns(leg, won)[is_maker] for leg in legs),
        matched_at_ms=fill.matched_at_ms,
        progress=progress,
    )


_STATES: Final = {
    FillStage.MATCHED: TradeState.PENDING,
    FillStage.CONFIRMED: TradeState.CONFIRMED,
    FillStage.FAILED: TradeState.FAILED,
}


def progress_of(change: FillChange, record: Record) -> Progress:
    """How far the trades of a fill have come with this change by this record."""
    if change.stage is FillStage.GRADED:
        return Progress(TradeState.SETTLED, record.time_ms, change.outcome, settlement_digest(record))
    return Progress(_STATES[change.stage], record.time_ms)


def settlement_digest(record: Record) -> bytes:
    """What stands for the transaction that settled: a digest of the record's identity (D8).

    Not of its payload: a later version may write the same record with more members, and must come to the same digest.
    """
    return sha256(f"{record.seq} {record.time_ms} {record.epoch} {record.command_id}".encode()).digest()
