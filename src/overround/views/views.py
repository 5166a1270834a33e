"""All read models together: the one place where a durable record becomes visible."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overround.engine.commands import Cancel, CancelAll, CancelFixture, CancelOrders, NewOrder, PlaceOrders
from overround.engine.continuous.commands import CancelDigests, CancelProducts
from overround.engine.events import (
    AllowanceSet,
    ApiKeyIssued,
    BalanceChanged,
    FillConfirmed,
    FillFailed,
    FillHeld,
    FillMatched,
    FixtureChanged,
    FixtureCreated,
    GraceGranted,
    HeartbeatArmed,
    HeartbeatFired,
    HeartbeatStopped,
    LeagueCreated,
    LiveScoreSet,
    MarketChanged,
    MarketCreated,
    MarketReported,
    OrderAccepted,
    OrderChanged,
    RestrictionChanged,
    TeamCreated,
    VenueConfigured,
)
from overround.engine.heartbeat import Heartbeat
from overround.engine.order import OrderState
from overround.engine.record import Record
from overround.engine.replays import ReplayMemory
from overround.engine.rules import Rules
from overround.engine.state import State
from overround.engine.types import FillHash, MarketHash, Outcome
from overround.views.accounts import Accounts, Permit
from overround.views.best_odds import BestOdds, side_key
from overround.views.catalogue import Catalogue
from overround.views.changes import BestOddsChange, Changes, FillChange, FillStage, OrderChange
from overround.views.continuous import Continuous
from overround.views.fills import Fills
from overround.views.orders import Orders
from overround.views.volumes import Volumes


class Views:
    """Seeded from a recovered engine, then fed with every record after its commit and before its answer."""

    def __init__(self) -> None:
        self.rules: Rules | None = None
        self.catalogue = Catalogue()
        self.accounts = Accounts()
        self.orders = Orders()
        self.best_odds = BestOdds()
        self.fills = Fills()
        self.volumes = Volumes()
        self.fill_hashes: set[FillHash] = set()  # of every fill ever admitted (spec/decisions.md D5)
        self.requests = ReplayMemory()  # signed cancels already obeyed (spec/decisions.md C5)
        self.continuous = Continuous()
        self.seq = 0
        self.time_ms = 0
        self.digest = b""
        self._changes = Changes()
        self._apply: dict[type, Callable[[Record, Any], None]] = {
            VenueConfigured: self._on_configured,
            LeagueCreated: self._on_league,
            TeamCreated: self._on_team,
            FixtureCreated: self._on_fixture,
            FixtureChanged: self._on_fixture,
            MarketCreated: self._on_market,
            MarketChanged: self._on_market,
            MarketReported: self._on_reported,
            LiveScoreSet: self._on_live_score,
            BalanceChanged: self._on_balance,
            RestrictionChanged: self._on_restriction,
            AllowanceSet: self._on_allowance,
            HeartbeatArmed: self._on_armed,
            HeartbeatStopped: self._on_stopped,
            HeartbeatFired: self._on_fired,
            GraceGranted: self._on_grace,
            FillHeld: self._on_held,
            FillMatched: self._on_matched,
            FillConfirmed: self._on_confirmed,
            FillFailed: self._on_failed,
            ApiKeyIssued: self._on_api_key,
            OrderAccepted: self._on_accepted,
            OrderChanged: self._on_changed,
            **self.continuous.on_event,
        }
        # Commands that leave their mark without an event: signed cancels, which are obeyed once.
        self._obeyed: dict[type, Callable[[Record], None]] = {
            **dict.fromkeys((CancelOrders, CancelFixture, CancelAll), self._remember_request),
            **dict.fromkeys((CancelDigests, CancelProducts), self.continuous.on_cancel),
        }

    def seed(self, state: State, *, seq: int, time_ms: int, digest: bytes) -> None:
        """Start from a recovered engine."""
        self.seq, self.time_ms, self.digest = seq, time_ms, digest
        self.rules = state.rules
        self.catalogue.seed(state)
        self.accounts.seed(state)
        for order in state.orders.values():
            self.orders.seed(order)
            if order.state is OrderState.OPEN:
                self.best_odds.add(order.terms, order.update_time_ms)
        for order in state.lingering.values():
            self.orders.seed(order)
        for fill in state.fills.by_hash.values():
            self.fills.seed(fill)
        self.fill_hashes.update(state.burnt)
        for second, key in state.replays.items():
            self.requests.remember(key, second)
        self.continuous.seed(state.continuous, time_ms)

    def apply(self, record: Record) -> Changes:
        """Fold one durable record in; returns what it did to orders and prices."""
        changes = self._changes = Changes()
        self.seq, self.time_ms = record.seq, record.time_ms
        obeyed = self._obeyed.get(type(record.command))
        if obeyed is not None:
            obeyed(record)
        for event in record.events:
            handler = self._apply.get(type(event))
            if handler is not None:
                handler(record, event)
        for side, (best_before, updated_at_ms) in changes.sides_before().items():
            self.best_odds.keep_date(side, best_before, updated_at_ms)
        changes.continuous = self.continuous.finish(record)
        return changes

    def best_odds_changes(self, changes: Changes) -> list[BestOddsChange]:
        """The sides whose best price is another than before the record that was applied last."""
        found = []
        for side, (before, _) in changes.sides_before().items():
            price = self.best_odds.get(side)
            if price is not None and price.percentage_odds != before:
                found.append(BestOddsChange(side, price.percentage_odds, price.updated_at_ms))
        return found

    def _remember_request(self, record: Record) -> None:
        command = record.command
        assert isinstance(command, Cancel)
        if self.rules is not None:
            self.requests.forget_before(self.rules.earliest_cancel_s(record.time_ms))
        self.requests.remember(command.replay_key, command.timestamp_s)

    def _on_configured(self, record: Record, event: VenueConfigured) -> None:
        del record
        self.rules = event.rules

    def _on_league(self, record: Record, event: LeagueCreated) -> None:
        del record
        self.catalogue.leagues[event.league.league_id] = event.league

    def _on_team(self, record: Record, event: TeamCreated) -> None:
        del record
        self.catalogue.teams[event.team.team_id] = event.team

    def _on_fixture(self, record: Record, event: FixtureCreated | FixtureChanged) -> None:
        del record
        self.catalogue.fixtures[event.fixture.fixture_id] = event.fixture

    def _on_market(self, record: Record, event: MarketCreated | MarketChanged) -> None:
        del record
        self.catalogue.put_market(event.market)

    def _on_balance(self, record: Record, event: BalanceChanged) -> None:
        del record
        self.accounts.set_balance(event.account, event.token, event.balance, event.available)

    def _on_restriction(self, record: Record, event: RestrictionChanged) -> None:
        del record
        self.accounts.restricted_until_ms[event.account] = event.until_ms

    def _on_allowance(self, record: Record, event: AllowanceSet) -> None:
        del record
        if event.changed:
            self.accounts.permits.setdefault(event.owner, {})[event.token] = Permit(event.value, event.nonce)

    def _on_armed(self, record: Record, event: HeartbeatArmed) -> None:
        del record
        self.accounts.heartbeats[event.account] = Heartbeat(event.interval_s, event.pinged_at_ms, event.deadline_ms)

    def _on_stopped(self, record: Record, event: HeartbeatStopped) -> None:
        del record
        self.accounts.heartbeats.pop(event.account, None)

    def _on_fired(self, record: Record, event: HeartbeatFired) -> None:
        del record
        self.accounts.fire_heartbeat(event)

    def _on_grace(self, record: Record, event: GraceGranted) -> None:
        del record
        self.accounts.grant_grace(event.grace_ms)

    def _on_live_score(self, record: Record, event: LiveScoreSet) -> None:
        del record
        self.catalogue.live_scores[event.score.fixture_id] = event.score

    # ---- fills ----------------------------------------------------------------------------------------------------

    def _on_held(self, record: Record, event: FillHeld) -> None:
        del record
        self.fill_hashes.add(event.fill_hash)

    def _on_matched(self, record: Record, event: FillMatched) -> None:
        del record
        self.fills.match(event.fill)
        self.volumes.add(event.fill)
        self._changes.fills.append(FillChange(event.fill, FillStage.MATCHED))

    def _on_confirmed(self, record: Record, event: FillConfirmed) -> None:
        del record
        fill = self.fills.confirm(event.fill_hash)
        self._changes.fills.append(FillChange(fill, FillStage.CONFIRMED))
        if event.outcome is not None:
            self._grade(fill.market_hash, event.outcome)

    def _on_failed(self, record: Record, event: FillFailed) -> None:
        del record
        fill = self.fills.fail(event.fill_hash)
        self.volumes.add(fill, -1)
        self._changes.fills.append(FillChange(fill, FillStage.FAILED))

    def _on_reported(self, record: Record, event: MarketReported) -> None:
        del record
        self._grade(event.market_hash, event.outcome)

    def _grade(self, market_hash: MarketHash, outcome: Outcome) -> None:
        for fill in self.fills.grade(market_hash):
            self._changes.fills.append(FillChange(fill, FillStage.GRADED, outcome))

    # ---- orders ---------------------------------------------------------------------------------------------------

    def _on_api_key(self, record: Record, event: ApiKeyIssued) -> None:
        del record
        self.accounts.set_key(event.account, event.key_digest, event.issued_at_ms)

    def _on_accepted(self, record: Record, event: OrderAccepted) -> None:
        terms = accepted_terms(record, event)
        self.orders.accept(terms, event)
        self._touch(terms)
        self.best_odds.add(terms, event.update_time_ms)
        self._changes.orders.append(OrderChange(terms, OrderState.OPEN, 0, 0, event.update_time_ms))

    def _on_changed(self, record: Record, event: OrderChanged) -> None:
        before = self.orders.change(event)
        if before is None:
            return
        is_open = event.state is OrderState.OPEN
        if is_open is not before.is_open:
            self._touch(before.terms)
            move = self.best_odds.add if is_open else self.best_odds.remove
            move(before.terms, record.time_ms)  # an update time may run ahead by a millisecond
        self._changes.orders.append(
            OrderChange(before.terms, event.state, event.fill_amount, event.pending_fill_amount, event.update_time_ms)
        )

    def _touch(self, terms: NewOrder) -> None:
        side = side_key(terms)
        price = self.best_odds.get(side)
        if price is None:
            self._changes.touch(side, None, 0)
        else:
            self._changes.touch(side, price.percentage_odds, price.updated_at_ms)


def accepted_terms(record: Record, event: OrderAccepted) -> NewOrder:
    """What was signed, for an order that this record accepted."""
    assert isinstance(record.command, PlaceOrders)
    return record.command.orders[event.index]
