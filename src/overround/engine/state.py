"""All that the engine remembers, and the few mutations that keep its indexes and its weight in step."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush
from typing import Final

from msgspec.structs import force_setattr

from overround.engine.account import Account, Position
from overround.engine.catalogue import Fixture, League, Market, Team
from overround.engine.commands import NewOrder
from overround.engine.events import OrderChanged
from overround.engine.expiry import ExpiryIndex
from overround.engine.fixed_odds import Book
from overround.engine.order import FINAL, TRANSITIONS, Order, OrderState, Trigger
from overround.engine.replays import ReplayMemory
from overround.engine.rules import Rules, Token
from overround.engine.types import Address, FixtureId, MarketHash, OrderHash
from overround.engine.weight import Weights, order_weight, replay_weight

SHARED_ODDS_MAX: Final = 100_000  # as many prices as the finest ladder has


class State:
    """The venue's memory. Rules of the game live in the modules beside this one; they change it only through here."""

    def __init__(self) -> None:
        self.rules: Rules | None = None
        self.tokens: dict[Address, Token] = {}
        self.clock_offset_ms = 0
        self.clock_frozen_at_ms: int | None = None
        self.leagues: dict[int, League] = {}
        self.teams: dict[int, Team] = {}
        self.fixtures: dict[FixtureId, Fixture] = {}
        self.markets: dict[MarketHash, Market] = {}
        self.markets_of: dict[FixtureId, list[MarketHash]] = {}
        self.main_lines: dict[tuple[FixtureId, int], MarketHash] = {}
        self.accounts: dict[Address, Account] = {}
        self.orders: dict[OrderHash, Order] = {}  # live ones
        self.closed: set[OrderHash] = set()  # ended ones: a hash is used once, for ever (spec/sx.md 7.4)
        self.order_count = 0  # orders ever accepted
        self.books: dict[MarketHash, dict[Address, Book]] = {}
        self.expiry = ExpiryIndex()
        self.starts: list[tuple[int, FixtureId]] = []  # heap of (game time, fixture); stale ones are skipped
        self.replays = ReplayMemory()
        self.cancels_from_s = 0  # cancels signed before this second are refused, however wide the window
        self.weights = Weights()
        self._odds: dict[int, int] = {}

    # ---- the world ------------------------------------------------------------------------------------------------

    def configure(self, rules: Rules) -> None:
        """These rules from here on."""
        self.weights.replace_record(self.rules, rules)
        self.rules = rules
        self.tokens = {token.address: token for token in rules.tokens}

    def adjust_clock(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        """How far the venue's clock is from the real one."""
        before = ("clock", self.clock_offset_ms, self.clock_frozen_at_ms)
        self.weights.replace_record(before, ("clock", offset_ms, frozen_at_ms))
        self.clock_offset_ms, self.clock_frozen_at_ms = offset_ms, frozen_at_ms

    def put_league(self, league: League) -> None:
        """Add a league."""
        self.weights.replace_record(None, league)
        self.leagues[league.league_id] = league

    def put_team(self, team: Team) -> None:
        """Add a team."""
        self.weights.replace_record(None, team)
        self.teams[team.team_id] = team

    def put_fixture(self, fixture: Fixture) -> None:
        """Add or replace a fixture, and watch its start."""
        self.weights.replace_record(self.fixtures.get(fixture.fixture_id), fixture)
        self.fixtures[fixture.fixture_id] = fixture
        self.markets_of.setdefault(fixture.fixture_id, [])
        if fixture.starts_by_clock:
            heappush(self.starts, (fixture.game_time_s, fixture.fixture_id))

    def put_market(self, market: Market) -> None:
        """Add or replace a market."""
        before = self.markets.get(market.market_hash)
        self.weights.replace_record(before, market)
        self.markets[market.market_hash] = market
        if before is None:
            self.markets_of[market.fixture_id].append(market.market_hash)
            self.books[market.market_hash] = {}
        if market.main_line:
            self.main_lines[market.fixture_id, market.type] = market.market_hash

    # ---- accounts -------------------------------------------------------------------------------------------------

    def account(self, address: Address) -> Account:
        """The account of an address, made on first use."""
        account = self.accounts.get(address)
        if account is None:
            account = self.accounts[address] = Account(address)
        return account

    def set_balance(self, address: Address, token: Address, amount: int) -> None:
        """The account's balance from here on."""
        balances = self.account(address).balances
        before = ("balance", address, token, balances[token]) if token in balances else None
        self.weights.replace_record(before, ("balance", address, token, amount))
        balances[token] = amount

    def set_api_key(self, address: Address, key_digest: bytes, issued_at_ms: int) -> None:
        """The account's only key from here on."""
        account = self.account(address)
        before = None
        if account.api_key_digest is not None:
            before = ("api_key", address, account.api_key_digest, account.api_key_issued_at_ms)
        self.weights.replace_record(before, ("api_key", address, key_digest, issued_at_ms))
        account.api_key_digest, account.api_key_issued_at_ms = key_digest, issued_at_ms

    # ---- orders ---------------------------------------------------------------------------------------------------

    def is_known(self, order_hash: OrderHash) -> bool:
        """Whether an order of this hash was ever accepted."""
        return order_hash in self.orders or order_hash in self.closed

    def admit(self, order: Order) -> None:
        """Index an order that is not in a final state (a new one, or one from a snapshot)."""
        terms = order.terms
        account = self.account(terms.maker)
        self._share(account, terms)
        self.orders[terms.order_hash] = order
        position = order.position = self._position(account, terms)
        position.orders[order.number] = order
        self.expiry.add(order)
        self.weights.orders += order_weight(order)
        if order.state is OrderState.OPEN:
            position.enter_book(order)

    def change(self, order: Order, trigger: Trigger, now_ms: int) -> OrderChanged:
        """Move an order through its lifecycle; the event carries the values after it."""
        position = order.position
        assert position is not None
        self.weights.orders -= order_weight(order)
        if order.state is OrderState.OPEN:
            position.leave_book(order)
        order.state = TRANSITIONS[order.state, trigger]
        later_ms = order.update_time_ms + 1
        order.update_time_ms = later_ms if later_ms > now_ms else now_ms
        if order.state in FINAL:
            self._end(position, order)
        else:
            self.weights.orders += order_weight(order)
            if order.state is OrderState.OPEN:
                position.enter_book(order)
        return OrderChanged(
            order.terms.order_hash,
            trigger,
            order.state,
            order.fill_amount,
            order.pending_fill_amount,
            order.update_time_ms,
        )

    def remember_closed(self, order_hash: OrderHash) -> None:
        """No order of this hash is ever accepted again."""
        self.closed.add(order_hash)
        self.weights.closed += int.from_bytes(order_hash, "big")

    def orders_of_market(self, market_hash: MarketHash) -> list[Order]:
        """Every live order on a market, in the order of acceptance."""
        found = [order for account in self.accounts.values() for order in account.live_orders_of(market_hash)]
        return sorted(found, key=lambda order: order.number)

    def _end(self, position: Position, order: Order) -> None:
        """The order reached a final state: nothing but its hash is remembered."""
        terms = order.terms
        del position.orders[order.number]
        if not position.orders:
            del self.accounts[terms.maker].positions[terms.base_token][terms.market_hash]
        del self.orders[terms.order_hash]
        self.expiry.note_ended()
        self.remember_closed(terms.order_hash)

    def _position(self, account: Account, terms: NewOrder) -> Position:
        """Where an order of these terms counts, made on first use."""
        markets = account.positions.get(terms.base_token)
        if markets is None:
            markets = account.positions[terms.base_token] = {}
        position = markets.get(terms.market_hash)
        if position is None:
            books = self.books[terms.market_hash]
            book = books.get(terms.base_token)
            if book is None:
                book = books[terms.base_token] = Book()
            position = markets[terms.market_hash] = Position(book)
        return position

    def _share(self, account: Account, terms: NewOrder) -> None:
        """Let equal values be one object: decoded orders would each hold copies of their own."""
        force_setattr(terms, "maker", account.address)
        force_setattr(terms, "market_hash", self.markets[terms.market_hash].market_hash)
        if token := self.tokens.get(terms.base_token):  # none where the rules have dropped it since
            force_setattr(terms, "base_token", token.address)
        force_setattr(terms, "api_expiry", self.expiry.shared(terms.api_expiry))
        if len(self._odds) < SHARED_ODDS_MAX:
            force_setattr(terms, "percentage_odds", self._odds.setdefault(terms.percentage_odds, terms.percentage_odds))

    # ---- replay protection ----------------------------------------------------------------------------------------

    def remember_request(self, key: bytes, timestamp_s: int) -> None:
        """Never obey this signed request again."""
        self.replays.remember(key, timestamp_s)
        self.weights.replays += replay_weight(timestamp_s, key)

    def refuse_cancels_before(self, second: int) -> None:
        """Obey nothing that was signed earlier, from here on and for ever."""
        if second > self.cancels_from_s:
            self.weights.replace_record(("cancels_from", self.cancels_from_s), ("cancels_from", second))
            self.cancels_from_s = second

    def forget_requests(self, now_ms: int) -> None:
        """Drop requests whose timestamp the window refuses by now."""
        assert self.rules is not None
        earliest_s = self.rules.earliest_cancel_s(now_ms)
        oldest_s = self.replays.oldest_s
        if oldest_s is None or oldest_s >= earliest_s:
            return
        for second, key in self.replays.forget_before(earliest_s):
            self.weights.replays -= replay_weight(second, key)

    def api_keys(self) -> Iterator[Account]:
        """Accounts that own an API key."""
        return (account for account in self.accounts.values() if account.api_key_digest is not None)
