"""The slow, obvious engine: lists, loops and sorts, written from the specification. It judges the fast one.

It shares the engine's words (commands, refusals, states) and none of its code: no index is kept, every question is
answered by looking at everything. Feed both the same commands at the same times and compare what they answer
(`answer_of` translates the engine's events) and what they show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from overround.engine.commands import (
    AdjustClock,
    AnyCommand,
    Cancel,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    IssueApiKey,
    NewOrder,
    PlaceOrders,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    Tick,
    UpdateFixture,
)
from overround.engine.engine import Outcome
from overround.engine.events import CancelRefused, OrderAccepted, OrderChanged, OrderRefused
from overround.engine.order import CancelRefusal, OrderState
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules
from overround.engine.types import Address, FixtureId, FixtureStatus, MarketHash, OrderHash

ACCEPTED: Final = "accepted"
_OVER: Final = (FixtureStatus.FINISHED, FixtureStatus.CANCELLED, FixtureStatus.ABANDONED)
_BEFORE: Final = (FixtureStatus.NOT_STARTED, FixtureStatus.ABOUT_TO_START)


@dataclass
class Answer:
    """What one command led to, in words that both engines share."""

    refused: Rejection | None = None  # the whole command, and nothing changed
    placed: list[str | Rejection] = field(default_factory=list)  # for each order of the request
    ended: dict[OrderHash, OrderState] = field(default_factory=dict)  # orders that left the book for good
    not_cancelled: list[tuple[str, CancelRefusal]] = field(default_factory=list)


def answer_of(outcome: Outcome) -> Answer:
    """The engine's outcome in the words of the model."""
    if isinstance(outcome, Rejection):
        return Answer(refused=outcome)
    answer = Answer()
    for event in outcome:
        match event:
            case OrderAccepted():
                answer.placed.append(ACCEPTED)
            case OrderRefused():
                answer.placed.append(event.rejection)
            case OrderChanged():
                answer.ended[event.order_hash] = event.state
            case CancelRefused():
                answer.not_cancelled.append((event.order_hash, event.refusal))
    return answer


@dataclass
class ModelOrder:
    """An accepted order."""

    terms: NewOrder
    number: int
    accepted_at_ms: int
    update_time_ms: int
    state: OrderState = OrderState.OPEN


@dataclass
class ModelFixture:
    """A sports event; members are named like those of the engine's, so that the two can be compared."""

    fixture_id: FixtureId
    sport_id: int
    league_id: int
    league_label: str
    team_one_name: str
    team_two_name: str
    game_time_s: int
    status: FixtureStatus
    live_enabled: bool
    status_feed: bool
    begun: bool


@dataclass
class ModelMarket:
    """A market, likewise."""

    market_hash: MarketHash
    fixture_id: FixtureId
    type: int
    line: str | None
    has_line: bool
    outcome_one_name: str
    outcome_two_name: str
    active: bool
    main_line: bool


@dataclass
class BestPrice:
    """The best odds of one side, and since when."""

    percentage_odds: int | None
    since_ms: int


Side = tuple[MarketHash, Address, bool]  # market, token, whether the makers back outcome one


class Model:
    """A venue as the specification describes it."""

    def __init__(self) -> None:
        self.rules: Rules | None = None
        self.clock: tuple[int, int | None] = (0, None)
        self.leagues: list[tuple[int, int, str]] = []  # id, sport, label
        self.teams: list[tuple[int, int, str]] = []  # id, league, name
        self.fixtures: list[ModelFixture] = []
        self.markets: list[ModelMarket] = []
        self.balances: dict[tuple[Address, Address], int] = {}  # (account, token) -> base units
        self.api_keys: dict[Address, tuple[bytes, int]] = {}  # account -> (digest, issued at)
        self.orders: list[ModelOrder] = []  # every order ever accepted, in that order
        self.requests: list[tuple[Address, bytes]] = []  # every cancel ever obeyed: who signed, what
        self.cancels_refused_before_s = 0
        self.best_prices: dict[Side, BestPrice] = {}

    # ---- what it shows --------------------------------------------------------------------------------------------

    def live_orders(self) -> list[ModelOrder]:
        """Orders that have not ended, oldest first."""
        return [one for one in self.orders if one.state is OrderState.OPEN]

    def ended_orders(self) -> list[ModelOrder]:
        """Orders that have."""
        return [one for one in self.orders if one.state is not OrderState.OPEN]

    def open_orders(self, maker: Address) -> list[OrderHash]:
        """A maker's orders on the books, oldest first."""
        return [one.terms.order_hash for one in self.live_orders() if one.terms.maker == maker]

    def book(self, side: Side) -> list[ModelOrder]:
        """Best price for a taker first, that is the maker's highest odds; then the earliest (spec/sx.md 7.11)."""
        orders = [one for one in self.live_orders() if _side_of(one.terms) == side]
        return sorted(orders, key=lambda one: (-one.terms.percentage_odds, one.number))

    def best(self, side: Side) -> BestPrice:
        """The best odds of a side and since when it has had them (spec/sx.md 5.8)."""
        return self.best_prices.get(side, BestPrice(None, 0))

    def exposure(self, maker: Address, token: Address, market_hash: MarketHash) -> int:
        """The sum of a maker's open orders on a market, both outcomes added up (spec/sx.md 7.6)."""
        return sum(
            one.terms.total_bet_size
            for one in self.live_orders()
            if (one.terms.maker, one.terms.base_token, one.terms.market_hash) == (maker, token, market_hash)
        )

    def fixture(self, fixture_id: FixtureId) -> ModelFixture | None:
        """A fixture by id."""
        return next((one for one in self.fixtures if one.fixture_id == fixture_id), None)

    def market(self, market_hash: MarketHash) -> ModelMarket | None:
        """A market by hash."""
        return next((one for one in self.markets if one.market_hash == market_hash), None)

    def is_bettable(self, market_hash: MarketHash, now_ms: int) -> bool:
        """Whether orders may be posted on a market (spec/sx.md 7.9)."""
        market = self.market(market_hash)
        if market is None or not market.active:
            return False
        fixture = self.fixture(market.fixture_id)
        assert fixture is not None
        by_clock = not fixture.status_feed and now_ms >= fixture.game_time_s * 1000
        pre_match = fixture.status in _BEFORE and not by_clock
        in_play = fixture.status is FixtureStatus.IN_PROGRESS or (fixture.status in _BEFORE and by_clock)
        return pre_match or (in_play and fixture.live_enabled)

    def next_deadline_ms(self) -> int | None:
        """When the next order expires or the next match starts by the clock."""
        return min([due_ms for due_ms, _ in self._deadlines()], default=None)

    # ---- what it decides ------------------------------------------------------------------------------------------

    def execute(self, command: AnyCommand, now_ms: int) -> Answer:
        """Decide one command."""
        answer = self._decide(command, now_ms)
        self._note_best_prices(now_ms)
        return answer

    def _decide(self, command: AnyCommand, now_ms: int) -> Answer:
        match command:
            case ConfigureVenue():
                return self._configure(command, now_ms)
            case AdjustClock():
                self.clock = (command.offset_ms, command.frozen_at_ms)
                return Answer()
            case Tick():
                return self._tick(now_ms)
            case CreateFixture():
                return self._create_fixture(command, now_ms)
            case UpdateFixture():
                return self._update_fixture(command, now_ms)
            case SetFixtureStatus():
                return self._set_fixture_status(command, now_ms)
            case CreateMarket():
                return self._create_market(command)
            case SetMarketStatus():
                return self._set_market_status(command, now_ms)
            case SetBalance():
                return self._set_balance(command)
            case IssueApiKey():
                self.api_keys[command.account] = (command.key_digest, now_ms)
                return Answer()
            case PlaceOrders():
                return Answer(placed=[self._place(terms, now_ms) for terms in command.orders])
            case CancelOrders() | CancelFixture() | CancelAll():
                return self._cancel(command, now_ms)

    def _configure(self, command: ConfigureVenue, now_ms: int) -> Answer:
        """A window that is widened does not reach back behind what the one before already refused."""
        if self.rules is not None and _has_window(self.rules):
            # `now - past <= timestamp` in whole seconds
            oldest_s = -((self.rules.cancel_timestamp_past_max_s * 1000 - now_ms) // 1000)
            self.cancels_refused_before_s = max(self.cancels_refused_before_s, oldest_s)
        self.rules = command.rules
        return Answer()

    # ---- time (D9, D13) -------------------------------------------------------------------------------------------

    def _deadlines(self) -> list[tuple[int, ModelOrder | ModelFixture]]:
        orders = [(one.terms.api_expiry * 1000, one) for one in self.live_orders()]
        return [*orders, *((one.game_time_s * 1000, one) for one in self.fixtures if _starts_by_clock(one))]

    def _tick(self, now_ms: int) -> Answer:
        """Everything due, in time order; at the same moment orders expire before a match starts."""
        ended: dict[OrderHash, OrderState] = {}
        while due := [one for one in self._deadlines() if one[0] <= now_ms]:
            _, first = min(due, key=lambda one: (one[0], isinstance(one[1], ModelFixture)))
            if isinstance(first, ModelOrder):
                ended |= _end([first], OrderState.EXPIRED, now_ms)
            else:
                ended |= self._begin_match(first, now_ms)
        return Answer(ended=ended)

    def _begin_match(self, fixture: ModelFixture, now_ms: int) -> dict[OrderHash, OrderState]:
        fixture.begun = True
        return _end(self._orders_of_fixture(fixture.fixture_id), OrderState.CANCELLED, now_ms)

    # ---- catalogue (7.9, C7, D16) ---------------------------------------------------------------------------------

    def _create_fixture(self, command: CreateFixture, now_ms: int) -> Answer:
        if any(one.fixture_id == command.fixture_id for one in self.fixtures):
            return Answer(refused=Rejection.FIXTURE_EXISTS)
        if command.league_id is not None:
            found = [one for one in self.leagues if one[0] == command.league_id]
        else:
            found = [one for one in self.leagues if one[1:] == (command.sport_id, command.league_label)]
        if found and found[0][1] != command.sport_id:
            return Answer(refused=Rejection.LEAGUE_OF_OTHER_SPORT)
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
                begun=not command.status_feed and command.game_time_s * 1000 <= now_ms,
            )
        )
        return Answer()

    def _update_fixture(self, command: UpdateFixture, now_ms: int) -> Answer:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Answer(refused=Rejection.FIXTURE_UNKNOWN)
        if command.game_time_s is not None:
            fixture.game_time_s = command.game_time_s
        if command.live_enabled is not None:
            fixture.live_enabled = command.live_enabled
        if command.status_feed is not None:
            fixture.status_feed = command.status_feed
        if _starts_by_clock(fixture) and fixture.game_time_s * 1000 <= now_ms:
            return Answer(ended=self._begin_match(fixture, now_ms))
        return Answer()

    def _set_fixture_status(self, command: SetFixtureStatus, now_ms: int) -> Answer:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Answer(refused=Rejection.FIXTURE_UNKNOWN)
        fixture.status = command.status
        if command.status is FixtureStatus.IN_PROGRESS and not fixture.begun:
            return Answer(ended=self._begin_match(fixture, now_ms))
        if command.status in _OVER:
            return Answer(ended=_end(self._orders_of_fixture(fixture.fixture_id), OrderState.CANCELLED, now_ms))
        return Answer()

    def _create_market(self, command: CreateMarket) -> Answer:
        fixture = self.fixture(command.fixture_id)
        if fixture is None:
            return Answer(refused=Rejection.FIXTURE_UNKNOWN)
        if self.market(command.market_hash) is not None:
            return Answer(refused=Rejection.MARKET_EXISTS)
        if fixture.status in _OVER:
            return Answer(refused=Rejection.FIXTURE_OVER)
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
        return Answer()

    def _set_market_status(self, command: SetMarketStatus, now_ms: int) -> Answer:
        market = self.market(command.market_hash)
        if market is None:
            return Answer(refused=Rejection.MARKET_UNKNOWN)
        market.active = command.active
        if command.active:
            return Answer()
        orders = [one for one in self.live_orders() if one.terms.market_hash == market.market_hash]
        return Answer(ended=_end(orders, OrderState.CANCELLED, now_ms))

    def _orders_of_fixture(self, fixture_id: FixtureId) -> list[ModelOrder]:
        markets = [one.market_hash for one in self.markets if one.fixture_id == fixture_id]
        return [one for one in self.live_orders() if one.terms.market_hash in markets]

    def _next_fixture_id(self) -> FixtureId:
        """L1000001 for the first fixture, L1000002 for the second; the next one where that is taken."""
        taken = [one.fixture_id for one in self.fixtures]
        number = 1_000_001 + len(taken)
        while f"L{number}" in taken:
            number += 1
        return FixtureId(f"L{number}")

    # ---- accounts and posting (5.9, 7.6) --------------------------------------------------------------------------

    def _set_balance(self, command: SetBalance) -> Answer:
        assert self.rules is not None
        if not any(token.address == command.token for token in self.rules.tokens):
            return Answer(refused=Rejection.TOKEN_UNKNOWN)
        self.balances[command.account, command.token] = command.amount
        return Answer()

    def _place(self, terms: NewOrder, now_ms: int) -> str | Rejection:
        if any(one.terms.order_hash == terms.order_hash for one in self.orders):
            return Rejection.ORDER_EXISTS
        if not self.is_bettable(terms.market_hash, now_ms):
            return Rejection.MARKET_NOT_BETTABLE
        exposure = self.exposure(terms.maker, terms.base_token, terms.market_hash)
        if exposure + terms.total_bet_size > self.balances.get((terms.maker, terms.base_token), 0):
            return Rejection.INSUFFICIENT_BALANCE
        self.orders.append(ModelOrder(terms, len(self.orders) + 1, now_ms, now_ms))
        return ACCEPTED

    # ---- cancelling (5.10) ----------------------------------------------------------------------------------------

    def _cancel(self, command: CancelOrders | CancelFixture | CancelAll, now_ms: int) -> Answer:
        if not self._accepts_time_of(command, now_ms):
            return Answer(refused=Rejection.TIMESTAMP_OUTSIDE_WINDOW)
        if (command.maker, command.digest) in self.requests:
            return Answer(refused=Rejection.ALREADY_PROCESSED)
        self.requests.append((command.maker, command.digest))
        mine = [one for one in self.live_orders() if one.terms.maker == command.maker]
        match command:
            case CancelOrders():
                return _cancel_named(mine, command.order_hashes, now_ms)
            case CancelFixture():
                of_fixture = self._orders_of_fixture(command.fixture_id)
                return Answer(ended=_end([one for one in mine if one in of_fixture], OrderState.CANCELLED, now_ms))
            case CancelAll():
                return Answer(ended=_end(mine, OrderState.CANCELLED, now_ms))

    def _accepts_time_of(self, command: Cancel, now_ms: int) -> bool:
        assert self.rules is not None
        if command.timestamp_s < self.cancels_refused_before_s:
            return False
        if not _has_window(self.rules):
            return True
        age_ms = now_ms - command.timestamp_s * 1000
        past_ms = self.rules.cancel_timestamp_past_max_s * 1000
        return -self.rules.cancel_timestamp_future_max_s * 1000 <= age_ms <= past_ms

    # ---- best prices ----------------------------------------------------------------------------------------------

    def _note_best_prices(self, now_ms: int) -> None:
        """A side that ever had an order remembers its best price; a change of it is dated."""
        for side in {_side_of(one.terms) for one in self.orders}:
            book = self.book(side)
            odds = book[0].terms.percentage_odds if book else None
            if side not in self.best_prices or self.best_prices[side].percentage_odds != odds:
                self.best_prices[side] = BestPrice(odds, now_ms)


def _side_of(terms: NewOrder) -> Side:
    return terms.market_hash, terms.base_token, terms.is_maker_betting_outcome_one


def _has_window(rules: Rules) -> bool:
    return (rules.cancel_timestamp_past_max_s, rules.cancel_timestamp_future_max_s) != (0, 0)


def _starts_by_clock(fixture: ModelFixture) -> bool:
    """Once, without a status feed, while the match has neither begun nor been taken off the programme (D13)."""
    return not fixture.begun and not fixture.status_feed and fixture.status in _BEFORE


def _end(orders: Iterable[ModelOrder], state: OrderState, now_ms: int) -> dict[OrderHash, OrderState]:
    ended: dict[OrderHash, OrderState] = {}
    for order in orders:
        order.state = state
        order.update_time_ms = max(now_ms, order.update_time_ms + 1)
        ended[order.terms.order_hash] = state
    return ended


def _cancel_named(mine: list[ModelOrder], names: Iterable[str], now_ms: int) -> Answer:
    """Letter case does not matter to a hash, and a name given twice is reported once."""
    answer, seen = Answer(), []
    for name in names:
        canonical = name.lower() if _is_hash(name) else name
        if canonical in seen:
            continue
        seen.append(canonical)
        found = [one for one in mine if "0x" + one.terms.order_hash.hex() == canonical]
        if found:
            answer.ended |= _end(found, OrderState.CANCELLED, now_ms)
        else:
            answer.not_cancelled.append((name, CancelRefusal.NOT_FOUND_OR_INACTIVE))
    return answer


def _is_hash(name: str) -> bool:
    return len(name) == 66 and name[:2].lower() == "0x" and all(one in "0123456789abcdefABCDEF" for one in name[2:])


def _next_id(rows: list[tuple[int, int, str]]) -> int:
    return max([one[0] for one in rows], default=0) + 1
