"""What happened. Events are facts with absolute values: applying one twice changes nothing more."""

from __future__ import annotations

from overround.engine.base import Event
from overround.engine.catalogue import Fixture, League, LiveScore, Market, Team
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.fill import MatchedFill
from overround.engine.order import CancelRefusal, OrderState, Trigger
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.engine.types import Address, FillHash, FixtureId, MarketHash, OrderHash, Outcome


class VenueConfigured(Event, frozen=True):
    rules: Rules


class ClockAdjusted(Event, frozen=True):
    offset_ms: int
    frozen_at_ms: int | None


class LeagueCreated(Event, frozen=True):
    league: League


class TeamCreated(Event, frozen=True):
    team: Team


class FixtureCreated(Event, frozen=True):
    fixture: Fixture


class FixtureChanged(Event, frozen=True):
    fixture: Fixture


class MarketCreated(Event, frozen=True):
    market: Market


class MarketChanged(Event, frozen=True):
    market: Market


class MainLineChanged(Event, frozen=True):
    """This market is now the main line of its fixture and type."""

    fixture_id: FixtureId
    type: int
    market_hash: MarketHash


class MarketReported(Event, frozen=True):
    """Every confirmed fill of the market is paid by this outcome now, and so is each that is confirmed later (D2)."""

    market_hash: MarketHash
    outcome: Outcome
    reported_at_ms: int


class LiveScoreSet(Event, frozen=True):
    score: LiveScore


class BalanceChanged(Event, frozen=True):
    """The wallet after the command, and what of it no unconfirmed stake is waiting for (spec/sx.md 7.6)."""

    account: Address
    token: Address
    balance: int
    available: int


class RestrictionChanged(Event, frozen=True):
    """The account may not post before `until_ms`; None: not before an operator lifts it, 0: it may."""

    account: Address
    until_ms: int | None


class AllowanceSet(Event, frozen=True):
    """`changed` is false where the allowance was at least as high already: nothing happened then."""

    owner: Address
    token: Address
    value: int
    nonce: int  # the next one
    changed: bool


class HeartbeatArmed(Event, frozen=True):
    account: Address
    interval_s: int
    pinged_at_ms: int
    deadline_ms: int


class HeartbeatStopped(Event, frozen=True):
    account: Address


class HeartbeatFired(Event, frozen=True):
    """No ping came in time: these orders were cancelled (their `OrderChanged` follow) or are doomed if held.

    The digests of orders on continuous markets stand behind the hashes (N13); their `OrderEnded` follow.
    """

    account: Address
    last_ping_ms: int
    deadline_ms: int
    fired_at_ms: int
    order_hashes: tuple[OrderHash, ...]


class GraceGranted(Event, frozen=True):
    """Every armed heartbeat's deadline is so much later."""

    grace_ms: int


class ApiKeyIssued(Event, frozen=True):
    account: Address
    key_digest: bytes
    issued_at_ms: int


class OrderAccepted(Event, frozen=True):
    """Order number `index` of the command rests on the book. `number` is its place among all accepted orders."""

    index: int
    order_hash: OrderHash
    number: int
    update_time_ms: int


class OrderRefused(Event, frozen=True):
    """Order number `index` of the command was not inserted, and why."""

    index: int
    order_hash: OrderHash
    rejection: Rejection


class OrderChanged(Event, frozen=True, omit_defaults=True):
    """An accepted order went through a transition of its lifecycle; the values are those after it.

    `pending_fills` is told where an order left the book with fills pending: they still settle (spec/sx.md 5.10).
    """

    order_hash: OrderHash
    trigger: Trigger
    state: OrderState
    fill_amount: int
    pending_fill_amount: int
    update_time_ms: int
    pending_fills: tuple[tuple[FillHash, int], ...] = ()  # (fill, maker side base units)


class CancelRefused(Event, frozen=True):
    """An order named in a cancel (text as received) that this cancel did not remove, and why."""

    order_hash: str
    refusal: CancelRefusal


# ---- fills ---------------------------------------------------------------------------------------------------------


class FillHeld(Event, frozen=True):
    """The fill was admitted: it waits out its betting delay; its hash is burnt."""

    fill_hash: FillHash
    due_ms: int


class FillRefused(Event, frozen=True):
    """After its delay the fill could not be matched."""

    fill_hash: FillHash
    rejection: Rejection


class FillDropped(Event, frozen=True):
    """The venue stood still during the delay: the fill will never be matched (D5)."""

    fill_hash: FillHash


class FillMatched(Event, frozen=True):
    """The fill was matched; it is confirmed at `due_ms`, or when the operator decides (None)."""

    fill: MatchedFill
    due_ms: int | None


class FillConfirmed(Event, frozen=True):
    """Stakes moved into the market's escrow; `outcome` is told where the market was reported before (D2)."""

    fill_hash: FillHash
    outcome: Outcome | None = None


class FillFailed(Event, frozen=True):
    """The match was undone; `wallet_short` where a wallet could not pay, else the operator said so."""

    fill_hash: FillHash
    wallet_short: bool


VenueEvent = (
    VenueConfigured
    | ClockAdjusted
    | LeagueCreated
    | TeamCreated
    | FixtureCreated
    | FixtureChanged
    | MarketCreated
    | MarketChanged
    | MainLineChanged
    | MarketReported
    | LiveScoreSet
    | BalanceChanged
    | ApiKeyIssued
    | RestrictionChanged
    | AllowanceSet
    | HeartbeatArmed
    | HeartbeatStopped
    | HeartbeatFired
    | GraceGranted
    | OrderAccepted
    | OrderRefused
    | OrderChanged
    | CancelRefused
    | FillHeld
    | FillRefused
    | FillDropped
    | FillMatched
    | FillConfirmed
    | FillFailed
)
AnyEvent = VenueEvent | AnyContinuousEvent
