"""What happened. Events are facts with absolute values: applying one twice changes nothing more."""

from __future__ import annotations

import msgspec

from overround.engine.catalogue import Fixture, League, Market, Team
from overround.engine.order import CancelRefusal, OrderState, Trigger
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.engine.types import Address, FixtureId, MarketHash, OrderHash


class Event(msgspec.Struct, frozen=True, tag=True, tag_field="event", kw_only=True, gc=False):
    """Base of all events; the tag is the class name in the journal."""


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


class BalanceSet(Event, frozen=True):
    account: Address
    token: Address
    amount: int


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


class OrderChanged(Event, frozen=True):
    """An accepted order went through a transition of its lifecycle; the values are those after it."""

    order_hash: OrderHash
    trigger: Trigger
    state: OrderState
    fill_amount: int
    pending_fill_amount: int
    update_time_ms: int


class CancelRefused(Event, frozen=True):
    """An order named in a cancel (text as received) that this cancel did not remove, and why."""

    order_hash: str
    refusal: CancelRefusal


AnyEvent = (
    VenueConfigured
    | ClockAdjusted
    | LeagueCreated
    | TeamCreated
    | FixtureCreated
    | FixtureChanged
    | MarketCreated
    | MarketChanged
    | MainLineChanged
    | BalanceSet
    | ApiKeyIssued
    | OrderAccepted
    | OrderRefused
    | OrderChanged
    | CancelRefused
)
