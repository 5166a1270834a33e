"""The slow, obvious engine: lists, loops and sorts, written from the specification. It judges the fast one.

It shares the engine's words (commands, refusals, states) and none of its code: no index is kept, every question is
answered by looking at everything. Feed both the same commands at the same times and compare what they answer
(`answers.answer_of` translates the engine's events) and what they show.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Final

import msgspec

from overround.engine.catalogue import LiveScore
from overround.engine.commands import (
    AdjustClock,
    Approve,
    Cancel,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    FillOrders,
    GrantGrace,
    IssueApiKey,
    NewOrder,
    PingHeartbeat,
    PlaceOrders,
    ReportMarket,
    ResumeVenue,
    SetBalance,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    SetRestriction,
    StopHeartbeat,
    Tick,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.order import CancelRefusal, OrderState, Trigger
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.engine.types import Address, FillHash, FixtureId, FixtureStatus, MarketHash, OrderHash, Outcome
from overround.testing.answers import ACCEPTED, Answer, OrderStep
from overround.testing.model_records import (
    BestPrice,
    ModelFill,
    ModelFixture,
    ModelHeartbeat,
    ModelLeg,
    ModelMarket,
    ModelOrder,
    ModelRestriction,
    Side,
)

_ONE: Final = 10**20  # implied odds of certainty
_OVER: Final = (FixtureStatus.FINISHED, FixtureStatus.CANCELLED, FixtureStatus.ABANDONED)
_BEFORE: Final = (FixtureStatus.NOT_STARTED, FixtureStatus.ABOUT_TO_START)
_ENDED: Final = (OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED)
# Which of several deadlines at the same moment comes first (D9).
_EXPIRY, _START, _HEARTBEAT, _SETTLEMENT, _RELEASE = range(5)

Purse = tuple[Address, Address]  # account, token


class Model:
    """A venue as the specification describes it."""

    def __init__(self) -> None:
        self.rules: Rules | None = None
        self.clock: tuple[int, int | None] = (0, None)
        self.leagues: list[tuple[int, int, str]] = []  # id, sport, label
        self.teams: list[tuple[int, int, str]] = []  # id, league, name
        self.fixtures: list[ModelFixture] = []
        self.markets: list[ModelMarket] = []
        self.live_scores: dict[FixtureId, LiveScore] = {}
        self.balances: dict[Purse, int] = {}  # base units
        self.funded: dict[Address, int] = {}  # token -> what operators put in, less what they took out
        self.fees: dict[Address, int] = {}  # token -> what the venue earned
        self.allowances: dict[Purse, tuple[int, int]] = {}  # value, next nonce
        self.restrictions: dict[Address, ModelRestriction] = {}
        self.heartbeats: dict[Address, ModelHeartbeat] = {}  # armed ones
        self.last_firings: dict[Address, tuple[int, int, int, set[OrderHash]]] = {}  # ping, deadline, fired, orders
        self.api_keys: dict[Address, tuple[bytes, int]] = {}  # account -> (digest, issued at)
        self.orders: list[ModelOrder] = []  # every order ever accepted, in that order
        self.fills: list[ModelFill] = []  # every fill ever admitted, in that order
        self.matched: list[ModelFill] = []  # those that were matched, in the order of their matches
        self.requests: set[tuple[Address, bytes]] = set()  # every cancel ever obeyed: who signed, what
        self.cancels_refused_before_s = 0
        self.best_prices: dict[Side, BestPrice] = {}
        self._priorities = 0
        self._now_ms = 0
        self._answer = Answer()

    # ---- what it shows --------------------------------------------------------------------------------------------

    def live_orders(self) -> list[ModelOrder]:
        """Orders that have not ended, oldest first."""
        return [one for one in self.orders if one.state not in _ENDED]

    def ended_orders(self) -> list[ModelOrder]:
        """Orders that have."""
        return [one for one in self.orders if one.state in _ENDED]

    def on_books(self) -> list[ModelOrder]:
        """Orders that can be matched, oldest first."""
        return [one for one in self.orders if one.state is OrderState.OPEN]

    def open_orders(self, maker: Address) -> list[OrderHash]:
        """A maker's orders on the books, oldest first."""
        return [one.terms.order_hash for one in self.on_books() if one.terms.maker == maker]

    def book(self, side: Side) -> list[ModelOrder]:
        """Best price for a taker first, that is the maker's highest odds; then the earliest (spec/sx.md 7.11)."""
        orders = [one for one in self.on_books() if one.side == side]
        return sorted(orders, key=lambda one: (-one.terms.percentage_odds, one.priority))

    def best(self, side: Side) -> BestPrice:
        """The best odds of a side and since when it has had them (spec/sx.md 5.8)."""
        return self.best_prices.get(side, BestPrice(None, 0))

    def pending_fills(self, order: ModelOrder) -> list[tuple[FillHash, int]]:
        """An order's unconfirmed parts, in the order of the matches."""
        pending = (one for one in self.matched if one.status == "pending")
        return [(one.fill_hash, leg.maker_stake) for one in pending for leg in one.legs if leg.order is order]

    def pending(self, order: ModelOrder) -> int:
        """What of an order is matched and unconfirmed."""
        return sum(amount for _, amount in self.pending_fills(order))

    def remaining(self, order: ModelOrder) -> int:
        """What of an order may still be matched (spec/sx.md 3.4)."""
        return order.terms.total_bet_size - order.filled - self.pending(order)

    def exposures(self) -> dict[tuple[Address, Address, MarketHash], int]:
        """The sums of everybody's open orders market by market, both outcomes added up (spec/sx.md 7.6)."""
        sums: dict[tuple[Address, Address, MarketHash], int] = defaultdict(int)
        for one in self.on_books():
            sums[one.terms.maker, one.terms.base_token, one.terms.market_hash] += self.remaining(one)
        return sums

    def available(self) -> dict[Purse, int]:
        """Balances without the stakes that wait for confirmation (spec/sx.md 7.6, D1)."""
        sums: dict[Purse, int] = defaultdict(int, self.balances)
        for fill in self.matched:
            if fill.status == "pending":
                for party, stake in fill.stakes().items():
                    sums[party, fill.base_token] -= stake
        return sums

    def in_flight(self, taker: Address) -> int:
        """A taker's fills from acceptance to confirmation (spec/sx.md 5.12)."""
        return sum(one.taker == taker and one.status in ("held", "pending") for one in self.fills)

    def fixture(self, fixture_id: FixtureId) -> ModelFixture | None:
        """A fixture by id."""
        return next((one for one in self.fixtures if one.fixture_id == fixture_id), None)

    def market(self, market_hash: MarketHash) -> ModelMarket | None:
        """A market by hash."""
        return next((one for one in self.markets if one.market_hash == market_hash), None)

    def is_in_play(self, fixture: ModelFixture) -> bool:
        """By status, or by the clock where there is no status feed (spec/sx.md 7.9)."""
        by_clock = not fixture.status_feed and self._now_ms >= fixture.game_time_s * 1000
        return fixture.status is FixtureStatus.IN_PROGRESS or (fixture.status in _BEFORE and by_clock)

    def is_bettable(self, market_hash: MarketHash) -> bool:
        """Whether orders may be posted and filled on a market (spec/sx.md 7.9)."""
        market = self.market(market_hash)
        if market is None or not market.active:
            return False
        fixture = self.fixture(market.fixture_id)
        assert fixture is not None
        return fixture.live_enabled if self.is_in_play(fixture) else fixture.status in _BEFORE

    def is_restricted(self, account: Address) -> bool:
        """Whether an account may not post (spec/sx.md 7.7)."""
        until_ms = self.restrictions.get(account, ModelRestriction()).until_ms
        return until_ms is None or self._now_ms < until_ms

    def next_deadline_ms(self) -> int | None:
        """When something is due by itself."""
        return min([due_ms for due_ms, _, _ in self._deadlines()], default=None)

    # ---- what it decides ------------------------------------------------------------------------------------------

    def execute(self, command: VenueCommand, now_ms: int) -> Answer:
        """Decide one command."""
        self._now_ms, self._answer = now_ms, Answer()
        if isinstance(command, Tick):
            self._tick()
        else:
            rejection = self._step(lambda: self._decide(command), by_operator=isinstance(command, SetBalance))
            if rejection is not None:
                self._answer = Answer(refused=rejection)
        self._note_best_prices()
        return self._answer

    def _decide(self, command: VenueCommand) -> Rejection | None:
        match command:
            case ConfigureVenue():
                self._configure(command)
            case AdjustClock():
                self.clock = (command.offset_ms, command.frozen_at_ms)
            case ResumeVenue():
                self._resume(command)
            case GrantGrace():
                self._grant(command.grace_ms)
            case IssueApiKey():
                self.api_keys[command.account] = (command.key_digest, self._now_ms)
            case SetRestriction():
                self.restrictions[command.account] = ModelRestriction(None if command.restricted else 0)
            case PingHeartbeat():
                deadline_ms = self._now_ms + command.interval_s * 1000
                self.heartbeats[command.account] = ModelHeartbeat(command.interval_s, self._now_ms, deadline_ms)
            case StopHeartbeat():
                self.heartbeats.pop(command.account, None)
            case _:
                return self._try(command)
        return None

    def _try(self, command: VenueCommand) -> Rejection | None:
        """Commands that may be refused."""
        match command:
            case CreateFixture():
                return self._create_fixture(command)
            case UpdateFixture():
                return self._update_fixture(command)
            case SetFixtureStatus():
                return self._set_fixture_status(command)
            case CreateMarket():
                return self._create_market(command)
            case SetMarketStatus():
                return self._set_market_status(command)
            case ReportMarket():
                return self._report_market(command)
            case SetLiveScore():
                return self._set_live_score(command)
            case SetBalance():
                return self._set_balance(command)
            case Approve():
                return self._approve(command)
            case PlaceOrders():
                return self._place_orders(command)
            case CancelOrders() | CancelFixture() | CancelAll():
                return self._cancel(command)
            case FillMarket() | FillOrders():
                return self._submit(command)
            case DecideFill():
                return self._decide_fill(command)
        raise AssertionError(command)

    def _configure(self, command: ConfigureVenue) -> None:
        """A window that is widened does not reach back behind what the one before already refused."""
        if self.rules is not None and _has_window(self.rules):
            # `now - past <= timestamp` in whole seconds
            oldest_s = -((self.rules.cancel_timestamp_past_max_s * 1000 - self._now_ms) // 1000)
            self.cancels_refused_before_s = max(self.cancels_refused_before_s, oldest_s)
        self.rules = command.rules

    # ---- time (D9, D13, D14) --------------------------------------------------------------------------------------

    def _deadlines(self) -> list[tuple[int, int, object]]:
        """Everything that is due by itself some day: when, what kind, which one."""
        pending = [one for one in self.matched if one.status == "pending"]
        return [
            *((one.terms.api_expiry * 1000, _EXPIRY, 0) for one in self.live_orders() if one.doom is None),
            *((one.game_time_s * 1000, _START, one.fixture_id) for one in self.fixtures if _starts_by_clock(one)),
            *((one.deadline_ms, _HEARTBEAT, account) for account, one in self.heartbeats.items()),
            *((one.due_ms, _SETTLEMENT, one.number) for one in pending if one.due_ms is not None),
            *((one.due_ms, _RELEASE, one.number) for one in self.fills if one.status == "held" and one.due_ms),
        ]

    def _tick(self) -> None:
        """Everything due, in time order; each moment of one kind is a step of its own (D10).

        A fill and its settlement are two commands: one that is matched here is settled by the next tick, and so is
        whatever is due after it.
        """
        before = {fill.number for fill in self.matched}
        while due := [one for one in self._deadlines() if one[0] <= self._now_ms]:
            due_ms, kind, which = min(due)
            if kind == _SETTLEMENT and which not in before:
                break
            self._step(self._what_is_due(due_ms, kind, which))

    def _what_is_due(self, due_ms: int, kind: int, which: object) -> Callable[[], None]:
        if kind == _EXPIRY:
            return lambda: self._expire(due_ms)
        if kind == _START:
            (fixture,) = (one for one in self.fixtures if one.fixture_id == which)
            return lambda: self._begin_match(fixture)
        if kind == _HEARTBEAT:
            (account,) = (one for one in self.heartbeats if one == which)
            return lambda: self._fire(account)
        (fill,) = (one for one in self.fills if one.number == which)
        return lambda: self._confirm(fill) if kind == _SETTLEMENT else self._release(fill)

    def _expire(self, due_ms: int) -> None:
        due = [one for one in self.live_orders() if one.doom is None and one.terms.api_expiry * 1000 == due_ms]
        self._end(due, Trigger.EXPIRE)

    def _begin_match(self, fixture: ModelFixture) -> None:
        fixture.begun = True
        self._end(self._orders_of_fixture(fixture.fixture_id), Trigger.MATCH_START)

    def _fire(self, account: Address) -> None:
        """No ping came in time: as a cancel of everything, once (spec/sx.md 7.8)."""
        armed = self.heartbeats.pop(account)
        orders = [one for one in self.live_orders() if one.terms.maker == account]
        hashes = {one.terms.order_hash for one in orders}
        self.last_firings[account] = (armed.pinged_at_ms, armed.deadline_ms, self._now_ms, hashes)
        self._answer.fired[account] = hashes
        self._end(orders, Trigger.HEARTBEAT)

    def _grant(self, grace_ms: int) -> None:
        for armed in self.heartbeats.values():
            armed.deadline_ms += grace_ms

    def _resume(self, command: ResumeVenue) -> None:
        """Nobody waits for fills in their delay any more (D5); the time is not charged to heartbeats (D14)."""
        for fill in self.fills:
            if fill.status == "held":
                fill.status = "dropped"
                self._answer.fill_step(fill.fill_hash, "dropped")
        self._grant(command.grace_ms)

    # ---- the exposure rule (7.6, 7.7, D10, D11) -------------------------------------------------------------------

    def _step(self, action: Callable[[], Rejection | None], *, by_operator: bool = False) -> Rejection | None:
        """Let something happen, then bring everybody back under the rule, once."""
        money, exposed = self.available(), self.exposures()
        rejection = action()
        if rejection is not None:
            return rejection
        money_now, exposed_now = self.available(), self.exposures()
        fell = [key for key, amount in exposed.items() if exposed_now.get(key, 0) < amount]
        for purse in sorted(money_now):
            if money_now[purse] < money[purse]:
                self._take_off(purse, money_now[purse], by_operator=by_operator)
        back: list[ModelOrder] = []
        for order in [one for one in self.orders if one.state is OrderState.SUSPENDED]:
            terms = order.terms
            purse = terms.maker, terms.base_token
            if money_now[purse] > money[purse] or (*purse, terms.market_hash) in fell:
                order.state = OrderState.OPEN  # for the sum
                if self.exposures()[(*purse, terms.market_hash)] <= money_now[purse]:
                    back.append(order)
                else:
                    order.state = OrderState.SUSPENDED
        for order in back:
            order.priority = self._next_priority()
            self._move(order, OrderState.OPEN)
        return None

    def _take_off(self, purse: Purse, available: int, *, by_operator: bool) -> None:
        """Keep, oldest first, what still fits; market by market."""
        assert self.rules is not None
        kept: dict[MarketHash, int] = defaultdict(int)
        misfits = []
        for order in self.on_books():
            terms, remaining = order.terms, self.remaining(order)
            if (terms.maker, terms.base_token) != purse:
                continue
            if kept[terms.market_hash] + remaining <= available:
                kept[terms.market_hash] += remaining
            else:
                misfits.append(order)
        for order in misfits:
            if self.rules.suspends:
                self._move(order, OrderState.SUSPENDED)
            else:
                self._move(order, OrderState.CANCELLED, tells_pending=True)
        if misfits and by_operator:
            self._count_dip(purse[0])

    def _count_dip(self, account: Address) -> None:
        """Falls that the account's own fills caused do not count; several within a moment count once."""
        assert self.rules is not None
        rule, now_ms = self.rules.restrictions, self._now_ms
        mine = self.restrictions.setdefault(account, ModelRestriction())
        recent = [one for one in mine.dips_ms if now_ms - one < rule.window_ms]
        if rule.dips_max == 0 or any(now_ms - one < rule.merge_ms for one in recent):
            return
        mine.dips_ms = [*recent, now_ms]
        if len(mine.dips_ms) >= rule.dips_max and not self.is_restricted(account):
            self.restrictions[account] = ModelRestriction(now_ms + rule.duration_ms)

    # ---- orders ---------------------------------------------------------------------------------------------------

    def _move(self, order: ModelOrder, state: OrderState, *, tells_pending: bool = False) -> None:
        """A transition, told to everybody."""
        order.state = state
        if state is not OrderState.HELD:
            order.doom = None
        order.update_time_ms = max(self._now_ms, order.update_time_ms + 1)
        pending = tuple(self.pending_fills(order))
        amount = sum(part for _, part in pending)
        step = OrderStep(state, order.filled, amount, order.update_time_ms, pending if tells_pending else ())
        self._answer.order_step(order.terms.order_hash, step)

    def _end(self, orders: Iterable[ModelOrder], trigger: Trigger) -> None:
        """For good; a held order ends when it would return (7.1, D12)."""
        for order in orders:
            if order.state is not OrderState.HELD:
                state = OrderState.EXPIRED if trigger is Trigger.EXPIRE else OrderState.CANCELLED
                self._move(order, state, tells_pending=True)
            elif order.doom is None or trigger is Trigger.CANCEL:
                order.doom = trigger

    def _is_exhausted(self, order: ModelOrder) -> bool:
        """Within 0.001 % of the total, or a taker could not stake one unit against the rest (7.1)."""
        remaining, odds = self.remaining(order), order.terms.percentage_odds
        return remaining * 100_000 <= order.terms.total_bet_size or _taker_space(remaining, odds) == 0

    def _next_priority(self) -> int:
        self._priorities += 1
        return self._priorities

    def _place_orders(self, command: PlaceOrders) -> Rejection | None:
        if any(self.is_restricted(terms.maker) for terms in command.orders):
            return Rejection.ACCOUNT_RESTRICTED
        self._answer.placed = [self._place(terms) for terms in command.orders]
        return None

    def _place(self, terms: NewOrder) -> str | Rejection:
        assert self.rules is not None
        if any(one.terms.order_hash == terms.order_hash for one in self.orders):
            return Rejection.ORDER_EXISTS
        if not self.is_bettable(terms.market_hash):
            return Rejection.MARKET_NOT_BETTABLE
        purse = terms.maker, terms.base_token
        wanted = self.exposures()[(*purse, terms.market_hash)] + terms.total_bet_size
        allowed = self.allowances.get(purse, (0, 0))[0] if self.rules.approval_required else wanted
        if wanted > min(self.available()[purse], allowed):
            return Rejection.INSUFFICIENT_BALANCE
        number = len(self.orders) + 1
        self.orders.append(ModelOrder(terms, number, self._next_priority(), self._now_ms, self._now_ms))
        return ACCEPTED

    def _orders_of_fixture(self, fixture_id: FixtureId) -> list[ModelOrder]:
        markets = [one.market_hash for one in self.markets if one.fixture_id == fixture_id]
        return [one for one in self.live_orders() if one.terms.market_hash in markets]

    # ---- cancelling (5.10) ----------------------------------------------------------------------------------------

    def _cancel(self, command: CancelOrders | CancelFixture | CancelAll) -> Rejection | None:
        if not self._accepts_time_of(command):
            return Rejection.TIMESTAMP_OUTSIDE_WINDOW
        if (command.maker, command.digest) in self.requests:
            return Rejection.ALREADY_PROCESSED
        self.requests.add((command.maker, command.digest))
        mine = [one for one in self.live_orders() if one.terms.maker == command.maker]
        match command:
            case CancelOrders():
                self._cancel_named(mine, command.order_hashes)
            case CancelFixture():
                of_fixture = self._orders_of_fixture(command.fixture_id)
                self._cancel_all([one for one in mine if one in of_fixture])
            case CancelAll():
                self._cancel_all(mine)
        return None

    def _accepts_time_of(self, command: Cancel) -> bool:
        assert self.rules is not None
        if command.timestamp_s < self.cancels_refused_before_s:
            return False
        if not _has_window(self.rules):
            return True
        age_ms = self._now_ms - command.timestamp_s * 1000
        past_ms = self.rules.cancel_timestamp_past_max_s * 1000
        return -self.rules.cancel_timestamp_future_max_s * 1000 <= age_ms <= past_ms

    def _cancel_named(self, mine: list[ModelOrder], names: Iterable[str]) -> None:
        """Letter case does not matter to a hash, and a name given twice is reported once."""
        seen: list[str] = []
        for name in names:
            canonical = name.lower() if _is_hash(name) else name
            if canonical in seen:
                continue
            seen.append(canonical)
            found = [one for one in mine if "0x" + one.terms.order_hash.hex() == canonical]
            if found:
                self._cancel_one(found[0], name)
            else:
                self._answer.not_cancelled.append((name, CancelRefusal.NOT_FOUND_OR_INACTIVE))

    def _cancel_all(self, orders: list[ModelOrder]) -> None:
        for order in orders:
            self._cancel_one(order, "0x" + order.terms.order_hash.hex())

    def _cancel_one(self, order: ModelOrder, name: str) -> None:
        """A held order remembers; a missed heartbeat is remembered as a cancel too (7.8)."""
        if order.state is OrderState.HELD:
            remembered = order.doom in (Trigger.CANCEL, Trigger.HEARTBEAT)
            refusal = CancelRefusal.ALREADY_PENDING_CANCEL if remembered else CancelRefusal.ORDER_LOCKED
            self._answer.not_cancelled.append((name, refusal))
        self._end([order], Trigger.CANCEL)

    # ---- fills: admission (5.12, 5.13, 7.10) ----------------------------------------------------------------------

    def _submit(self, command: FillMarket | FillOrders) -> Rejection | None:
        assert self.rules is not None
        if any(one.fill_hash == command.fill_hash for one in self.fills):
            return Rejection.FILL_EXISTS
        if isinstance(command, FillMarket):
            markets = [command.market_hash]
        else:
            markets = [one.terms.market_hash for one in self._named(command) if one is not None]
        if not all(self.is_bettable(one) for one in markets):
            return Rejection.MATCH_STATE_INVALID
        token, stake, expires_at_s = Address(b""), 0, None
        if isinstance(command, FillMarket):
            token, stake = command.base_token, command.stake
        else:
            legs = self._named_legs(command)
            if isinstance(legs, Rejection):
                return legs
            token = legs[0].order.terms.base_token
            stake = sum(leg.taker_stake for leg in legs)
            expires_at_s = min(leg.order.terms.api_expiry for leg in legs)
        if self.in_flight(command.taker) >= self.rules.fills_in_flight_max:
            return Rejection.TOO_MANY_IN_FLIGHT
        if rejection := self._cannot_pay((command.taker, token), stake):
            return rejection
        due_ms = self._now_ms + self._delay_ms(markets[0])
        self.fills.append(ModelFill(command, len(self.fills) + 1, markets[0], token, due_ms, expires_at_s))
        self._answer.fill_step(command.fill_hash, "held", due_ms)
        return None

    def _delay_ms(self, market_hash: MarketHash) -> int:
        """League beats sport beats the rest (7.10)."""
        assert self.rules is not None
        delays = self.rules.betting_delays
        market = self.market(market_hash)
        assert market is not None
        fixture = self.fixture(market.fixture_id)
        assert fixture is not None
        if not self.is_in_play(fixture):
            return delays.pre_match_ms
        by_league = [ms for label, ms in delays.in_play_by_league if label == fixture.league_label]
        by_sport = [ms for sport_id, ms in delays.in_play_by_sport if sport_id == fixture.sport_id]
        return [*by_league, *by_sport, delays.in_play_ms][0]

    def _cannot_pay(self, purse: Purse, stake: int) -> Rejection | None:
        assert self.rules is not None
        if self.rules.approval_required and self.allowances.get(purse, (0, 0))[0] < stake:
            return Rejection.TAKER_ALLOWANCE_TOO_LOW
        return Rejection.TAKER_BALANCE_TOO_LOW if self.available()[purse] < stake else None

    def _named(self, command: FillOrders) -> list[ModelOrder | None]:
        live = {one.terms.order_hash: one for one in self.live_orders()}
        return [live.get(name) for name in command.order_hashes]

    def _named_legs(self, command: FillOrders) -> list[ModelLeg] | Rejection:
        """All or nothing (5.13, D7). An order that is held is active, but has no room."""
        assert self.rules is not None
        orders = [one for one in self._named(command) if one is not None and one.state is not OrderState.SUSPENDED]
        if not orders or len(orders) < len(command.order_hashes):
            return Rejection.ORDERS_INVALID
        if command.taker in [one.terms.maker for one in orders]:
            return Rejection.ORDERS_INVALID
        for rejection, values in (
            (Rejection.MARKETS_NOT_SAME, {one.terms.market_hash for one in orders}),
            (Rejection.BASE_TOKENS_NOT_SAME, {one.terms.base_token for one in orders}),
            (Rejection.DIRECTIONS_NOT_SAME, {one.terms.is_maker_betting_outcome_one for one in orders}),
        ):
            if len(values) > 1:
                return rejection
        legs = []
        for order, amount in zip(orders, command.maker_amounts, strict=True):
            if order.state is OrderState.HELD or amount > self.remaining(order):
                return Rejection.ORDER_SPACE_TOO_SMALL
            legs.append(ModelLeg(order, _taker_space(amount, order.terms.percentage_odds), amount))
        minimums = [one.taker_minimum for one in self.rules.tokens if one.address == orders[0].terms.base_token]
        meant = sum(_most_for(leg.maker_stake, leg.order.terms.percentage_odds) for leg in legs)
        is_too_low = min(leg.taker_stake for leg in legs) < 1 or meant < max([*minimums, 1])
        return Rejection.TAKER_AMOUNT_TOO_LOW if is_too_low else legs

    # ---- fills: matching (7.11, D3, D4, D6) -----------------------------------------------------------------------

    def _release(self, fill: ModelFill) -> None:
        """The delay is over: match with the book as it is now."""
        assert self.rules is not None
        legs = self._legs(fill)
        if isinstance(legs, Rejection):
            fill.status = "refused"
            self._answer.fill_step(fill.fill_hash, "refused", legs)
            return
        delay_ms = self.rules.settlement_delay_ms
        fill.due_ms = None if delay_ms is None else self._now_ms + delay_ms
        fill.status, fill.legs, fill.fee = "pending", legs, self.rules.fee
        self.matched.append(fill)
        told = tuple((leg.order.terms.order_hash, leg.taker_stake, leg.maker_stake) for leg in legs)
        self._answer.fill_step(fill.fill_hash, "matched", (told, fill.due_ms))
        for leg in legs:
            self._move(leg.order, OrderState.HELD if self._is_exhausted(leg.order) else OrderState.OPEN)

    def _legs(self, fill: ModelFill) -> list[ModelLeg] | Rejection:
        command = fill.command
        if not self.is_bettable(fill.market_hash):
            return Rejection.MATCH_STATE_INVALID
        purse = fill.taker, fill.base_token
        if isinstance(command, FillMarket):
            return self._cannot_pay(purse, command.stake) or self._best_legs(command)
        if fill.expires_at_s is not None and self._now_ms >= fill.expires_at_s * 1000:
            return Rejection.AFTER_ORDER_EXPIRY
        legs = self._named_legs(command)
        if isinstance(legs, Rejection):
            return legs
        return self._cannot_pay(purse, sum(leg.taker_stake for leg in legs)) or legs

    def _best_legs(self, command: FillMarket) -> list[ModelLeg] | Rejection:
        opposing = (command.market_hash, command.base_token, not command.is_taker_betting_outcome_one)
        others = [one for one in self.live_orders() if one.side == opposing and one.terms.maker != command.taker]
        candidates = [
            one
            for one in self.book(opposing)
            if one in others and one.terms.api_expiry * 1000 > self._now_ms and self.remaining(one) > 0
        ]
        if not candidates:
            held = any(one.state is OrderState.HELD for one in others)
            return Rejection.INSUFFICIENT_SPACE if held else Rejection.NO_MATCHING_ORDERS
        return self._walk(candidates, command)

    def _walk(self, candidates: list[ModelOrder], command: FillMarket) -> list[ModelLeg] | Rejection:
        """Best price first; what is taken must be worth what the taker wants, all together (D3)."""
        legs: list[ModelLeg] = []
        left, too_dear = command.stake, False
        purses = self.available()
        for order in candidates:
            odds = order.terms.percentage_odds
            most = min(_taker_space(self.remaining(order), odds), left)
            if command.odds_slippage == 0 and _ONE - odds > command.desired_odds:
                too_dear = True
                break
            stake = _largest(most, lambda stake, odds=odds: _is_worth(legs, stake, odds, command))  # type: ignore[misc]
            amount = stake * odds // (_ONE - odds)
            purse = order.terms.maker, order.terms.base_token
            if stake >= 1 and amount >= 1 and amount <= purses[purse]:
                legs.append(ModelLeg(order, stake, amount))
                purses[purse] -= amount
                left -= stake
            if stake < most:
                too_dear = True
                break
            if left == 0:
                break
        return legs or (Rejection.ODDS_STALE if too_dear else Rejection.NO_MATCHING_ORDERS)

    # ---- fills: settlement (7.11.8, D1, D2, D12) ------------------------------------------------------------------

    def _decide_fill(self, command: DecideFill) -> Rejection | None:
        fill = next((one for one in self.fills if one.fill_hash == command.fill_hash), None)
        if fill is None or fill.status == "held":
            return Rejection.FILL_UNKNOWN
        if fill.status != "pending":
            return Rejection.FILL_DECIDED
        if command.confirmed:
            self._confirm(fill)
        else:
            self._fail(fill, wallet_short=False)
        return None

    def _confirm(self, fill: ModelFill) -> None:
        """Stakes leave the wallets; one short wallet fails the whole fill."""
        stakes = fill.stakes()
        if any(self.balances.get((party, fill.base_token), 0) < stake for party, stake in stakes.items()):
            self._fail(fill, wallet_short=True)
            return
        for party, stake in stakes.items():
            self.balances[party, fill.base_token] -= stake
        fill.status = "confirmed"
        for leg in fill.legs:
            order = leg.order
            order.filled += leg.maker_stake
            on_book = order.state in (OrderState.OPEN, OrderState.HELD)
            done = on_book and self.pending(order) == 0 and self._is_exhausted(order)
            self._move(order, OrderState.FILLED if done else order.state)
        market = self.market(fill.market_hash)
        assert market is not None
        self._answer.fill_step(fill.fill_hash, "confirmed", market.outcome)
        if market.outcome is not None:
            self._pay(fill, market.outcome)

    def _pay(self, fill: ModelFill, outcome: Outcome) -> None:
        """Per order: the winner gets both stakes less the fee on his profit, or everybody his own back."""
        fill.status = "paid"
        for leg in fill.legs:
            maker = leg.order.terms.maker
            maker_wins = (outcome is Outcome.ONE) is leg.order.terms.is_maker_betting_outcome_one
            if outcome is Outcome.VOID:
                self._give(maker, fill, leg.maker_stake)
                self._give(fill.taker, fill, leg.taker_stake)
            else:
                winner, won = (maker, leg.taker_stake) if maker_wins else (fill.taker, leg.maker_stake)
                fee = int(Fraction(fill.fee, _ONE) * won)
                self._give(winner, fill, leg.taker_stake + leg.maker_stake - fee)
                if fee:
                    self.fees[fill.base_token] = self.fees.get(fill.base_token, 0) + fee

    def _give(self, account: Address, fill: ModelFill, amount: int) -> None:
        self.balances[account, fill.base_token] = self.balances.get((account, fill.base_token), 0) + amount

    def _fail(self, fill: ModelFill, *, wallet_short: bool) -> None:
        """Undo the match. What was held returns, oldest first, where it still fits beside everything else (D12)."""
        assert self.rules is not None
        fill.status = "failed"
        self._answer.fill_step(fill.fill_hash, "failed", wallet_short)
        held = [leg.order for leg in fill.legs if leg.order.state is OrderState.HELD]
        for leg in fill.legs:
            if leg.order not in held:
                self._move(leg.order, leg.order.state)
        for order in sorted(held, key=lambda one: one.number):
            self._move(order, self._after_failure(order))

    def _after_failure(self, order: ModelOrder) -> OrderState:
        assert self.rules is not None
        if order.doom is not None:
            return OrderState.EXPIRED if order.doom is Trigger.EXPIRE else OrderState.CANCELLED
        if self._is_exhausted(order):
            return OrderState.HELD if self.pending(order) else OrderState.FILLED
        terms = order.terms
        exposed = self.exposures()[terms.maker, terms.base_token, terms.market_hash] + self.remaining(order)
        if exposed <= self.available()[terms.maker, terms.base_token]:
            return OrderState.OPEN
        return OrderState.SUSPENDED if self.rules.suspends else OrderState.CANCELLED

    # ---- accounts (5.11, D1) --------------------------------------------------------------------------------------

    def _knows_token(self, token: Address) -> bool:
        assert self.rules is not None
        return any(one.address == token for one in self.rules.tokens)

    def _set_balance(self, command: SetBalance) -> Rejection | None:
        if not self._knows_token(command.token):
            return Rejection.TOKEN_UNKNOWN
        before = self.balances.get((command.account, command.token), 0)
        self.funded[command.token] = self.funded.get(command.token, 0) + command.amount - before
        self.balances[command.account, command.token] = command.amount
        return None

    def _approve(self, command: Approve) -> Rejection | None:
        if not self._knows_token(command.token):
            return Rejection.TOKEN_UNKNOWN
        if command.deadline_s * 1000 < self._now_ms:
            return Rejection.DEADLINE_EXPIRED
        value, nonce = self.allowances.get((command.owner, command.token), (0, 0))
        if command.nonce != nonce:
            return Rejection.NONCE_STALE
        if command.value > value:
            self.allowances[command.owner, command.token] = command.value, nonce + 1
        return None

    # ---- catalogue (7.9, C7, D16) ---------------------------------------------------------------------------------

    def _create_fixture(self, command: CreateFixture) -> Rejection | None:
        if any(one.fixture_id == command.fixture_id for one in self.fixtures):
            return Rejection.FIXTURE_EXISTS
        if command.league_id is not None:
            found = [one for one in self.leagues if one[0] == command.league_id]
        else:
            found = [one for one in self.leagues if one[1:] == (command.sport_id, command.league_label)]
        if found and found[0][1] != command.sport_id:
            return Rejection.LEAGUE_OF_OTHER_SPORT
        if not found:
            league_id = _next_id(self.leagues) if command.league_id is None else command.league_id
            found = [(league_id, command.sport_id, command.league_label)]
            self.leagues += found
        league_id, _, label = found[0]
        for name in (command.team_one_name, command.team_two_name):
            if not any(team[1:] == (league_id, name) for team in self.teams):
                self.teams.append((_next_id(self.teams), league_id, name))
        self.fixtures.append(
            ModelFixture(
                fixture_id=command.fixture_id or self._next_fixture_id(),
                sport_id=command.sport_id,
                league_id=league_id,
                league_label=label,
                team_one_name=command.team_one_name,
                team_two_name=command.team_two_name,
                game_time_s=command.game_time_s,
                status=FixtureStatus.NOT_STARTED,
                live_enabled=command.live_enabled,
                status_feed=command.status_feed,
                begun=not command.status_feed and command.game_time_s * 1000 <= self._now_ms,
            )
        )
        return None

    def _update_fixture(self, command: UpdateFixture) -> Rejection | None:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Rejection.FIXTURE_UNKNOWN
        if command.game_time_s is not None:
            fixture.game_time_s = command.game_time_s
        if command.live_enabled is not None:
            fixture.live_enabled = command.live_enabled
        if command.status_feed is not None:
            fixture.status_feed = command.status_feed
        if _starts_by_clock(fixture) and fixture.game_time_s * 1000 <= self._now_ms:
            self._begin_match(fixture)
        return None

    def _set_fixture_status(self, command: SetFixtureStatus) -> Rejection | None:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Rejection.FIXTURE_UNKNOWN
        fixture.status = command.status
        if command.status is FixtureStatus.IN_PROGRESS and not fixture.begun:
            self._begin_match(fixture)
        elif command.status in _OVER:
            self._end(self._orders_of_fixture(fixture.fixture_id), Trigger.MARKET_CLOSE)
        return None

    def _create_market(self, command: CreateMarket) -> Rejection | None:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Rejection.FIXTURE_UNKNOWN
        if self.market(command.market_hash) is not None:
            return Rejection.MARKET_EXISTS
        if fixture.status in _OVER:
            return Rejection.FIXTURE_OVER
        siblings = [one for one in self.markets if (one.fixture_id, one.type) == (fixture.fixture_id, command.type)]
        main_line = command.has_line and (command.main_line is True or not any(one.main_line for one in siblings))
        if main_line:
            for one in siblings:
                one.main_line = False
        self.markets.append(
            ModelMarket(
                market_hash=command.market_hash,
                fixture_id=command.fixture_id,
                type=command.type,
                line=command.line,
                has_line=command.has_line,
                outcome_one_name=command.outcome_one_name,
                outcome_two_name=command.outcome_two_name,
                active=True,
                main_line=main_line,
            )
        )
        return None

    def _set_market_status(self, command: SetMarketStatus) -> Rejection | None:
        market = self.market(command.market_hash)
        if market is None:
            return Rejection.MARKET_UNKNOWN
        if market.outcome is not None:
            return Rejection.MARKET_REPORTED
        market.active = command.active
        if not command.active:
            self._close(market)
        return None

    def _report_market(self, command: ReportMarket) -> Rejection | None:
        market = self.market(command.market_hash)
        if market is None:
            return Rejection.MARKET_UNKNOWN
        if market.outcome is not None:
            return Rejection.MARKET_REPORTED
        market.active, market.outcome, market.reported_at_ms = False, command.outcome, self._now_ms
        self._close(market)
        for fill in self.matched:
            if fill.market_hash == market.market_hash and fill.status == "confirmed":
                self._pay(fill, command.outcome)
        return None

    def _close(self, market: ModelMarket) -> None:
        orders = [one for one in self.live_orders() if one.terms.market_hash == market.market_hash]
        self._end(orders, Trigger.MARKET_CLOSE)

    def _set_live_score(self, command: SetLiveScore) -> Rejection | None:
        fixture_id = command.score.fixture_id
        if self.fixture(fixture_id) is None:
            return Rejection.FIXTURE_UNKNOWN
        known = self.live_scores.get(fixture_id)
        since_ms = known.created_at_ms if known else self._now_ms
        self.live_scores[fixture_id] = msgspec.structs.replace(
            command.score, created_at_ms=since_ms, updated_at_ms=self._now_ms
        )
        return None

    def _next_fixture_id(self) -> FixtureId:
        """L1000001 for the first fixture, L1000002 for the second; the next one where that is taken."""
        taken = [one.fixture_id for one in self.fixtures]
        number = 1_000_001 + len(taken)
        while f"L{number}" in taken:
            number += 1
        return FixtureId(f"L{number}")

    # ---- best prices ----------------------------------------------------------------------------------------------

    def _note_best_prices(self) -> None:
        """A side that ever had an order remembers its best price; a change of it is dated."""
        best: dict[Side, int] = {}
        for one in self.on_books():
            best[one.side] = max(one.terms.percentage_odds, best.get(one.side, 0))
        for side in best.keys() | self.best_prices.keys():
            odds = best.get(side)
            if side not in self.best_prices or self.best_prices[side].percentage_odds != odds:
                self.best_prices[side] = BestPrice(odds, self._now_ms)


def _has_window(rules: Rules) -> bool:
    return (rules.cancel_timestamp_past_max_s, rules.cancel_timestamp_future_max_s) != (0, 0)


def _starts_by_clock(fixture: ModelFixture) -> bool:
    """Once, without a status feed, while the match has neither begun nor been taken off the programme (D13)."""
    return not fixture.begun and not fixture.status_feed and fixture.status in _BEFORE


def _taker_space(maker_stake: int, percentage_odds: int) -> int:
    """The other side of so much maker money: the pot, floored, less the maker's part (spec/sx.md 3.4)."""
    return int(Fraction(maker_stake * _ONE, percentage_odds)) - maker_stake


def _most_for(maker_stake: int, percentage_odds: int) -> int:
    """The largest stake that asks for no more than so much maker money, which is floored from it (spec/sx.md 3.4)."""
    return math.ceil((maker_stake + 1) / Fraction(percentage_odds, _ONE - percentage_odds)) - 1


def _is_worth(legs: list[ModelLeg], stake: int, percentage_odds: int, command: FillMarket) -> bool:
    """Whether the average decimal odds, with `stake` more at these maker's odds, are what the taker asks for.

    An average of unfloored pots: `stake * 10^20 / taker odds` each (D3).
    """
    parts = [(leg.taker_stake, leg.order.terms.percentage_odds) for leg in legs] + [(stake, percentage_odds)]
    pot = sum((Fraction(part * _ONE, _ONE - odds) for part, odds in parts), Fraction(0))
    wanted = Fraction(100 - command.odds_slippage, 100) * Fraction(_ONE, command.desired_odds)
    return pot >= wanted * sum(part for part, _ in parts)


def _largest(most: int, is_worth: Callable[[int], bool]) -> int:
    """The largest stake up to `most` that is worth it; none at all always is."""
    if is_worth(most):
        return most
    low, high = 0, most  # worth it, not worth it
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if is_worth(middle) else (low, middle)
    return low


def _is_hash(name: str) -> bool:
    return len(name) == 66 and name[:2].lower() == "0x" and all(one in "0123456789abcdefABCDEF" for one in name[2:])


def _next_id(rows: list[tuple[int, int, str]]) -> int:
    return max([one[0] for one in rows], default=0) + 1
