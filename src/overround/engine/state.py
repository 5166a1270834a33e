"""All that the engine remembers, and the few mutations that keep its indexes and its weight in step."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush

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
        self.weights = Weights()

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
        position = account.position(terms)
        position.orders.append(order)
        self.expiry.add(order)
        self.weights.orders += order_weight(order)
        if order.state is OrderState.OPEN:
            self._enter_book(position, order)

    def change(self, order: Order, trigger: Trigger, now_ms: int) -> OrderChanged:
        """Move an order through its lifecycle; the event carries the values after it."""
        account = self.accounts[order.terms.maker]
        position = account.position(order.terms)
        self.weights.orders -= order_weight(order)
        if order.state is OrderState.OPEN:
            self._leave_book(position, order)
        order.state = TRANSITIONS[order.state, trigger]
        order.update_time_ms = max(now_ms, order.update_time_ms + 1)
        if order.state in FINAL:
            position.release(order)
            if not position.orders:
                account.drop_position(order.terms)
            self._close(order)
        else:
            self.weights.orders += order_weight(order)
            if order.state is OrderState.OPEN:
                self._enter_book(position, order)
        return OrderChanged(
            order_hash=order.terms.order_hash,
            trigger=trigger,
            state=order.state,
            fill_amount=order.fill_amount,
            pending_fill_amount=order.pending_fill_amount,
            update_time_ms=order.update_time_ms,
        )

    def remember_closed(self, order_hash: OrderHash) -> None:
        """No order of this hash is ever accepted again."""
        self.closed.add(order_hash)
        self.weights.closed += int.from_bytes(order_hash, "big")

    def orders_of_market(self, market_hash: MarketHash) -> list[Order]:
        """Every live order on a market, in the order of acceptance."""
        found = [order for account in self.accounts.values() for order in account.live_orders_of(market_hash)]
        return sorted(found, key=lambda order: order.number)

    def _close(self, order: Order) -> None:
        del self.orders[order.terms.order_hash]
        self.expiry.note_ended()
        self.remember_closed(order.terms.order_hash)

    def _share(self, account: Account, terms: NewOrder) -> None:
        """Let equal identifiers be one object: a decoded journal would hold three copies for every order."""
        force_setattr(terms, "maker", account.address)
        force_setattr(terms, "market_hash", self.markets[terms.market_hash].market_hash)
        force_setattr(terms, "base_token", self.tokens[terms.base_token].address)

    def _enter_book(self, position: Position, order: Order) -> None:
        books = self.books[order.terms.market_hash]
        book = books.get(order.terms.base_token)
        if book is None:
            book = books[order.terms.base_token] = Book()
        book.add(order)
        position.exposure += order.remaining

    def _leave_book(self, position: Position, order: Order) -> None:
        self.books[order.terms.market_hash][order.terms.base_token].remove(order)
        position.exposure -= order.remaining

    # ---- replay protection ----------------------------------------------------------------------------------------

    def remember_request(self, key: bytes, timestamp_s: int) -> None:
        """Never obey this signed request again."""
        self.replays.remember(key, timestamp_s)
        self.weights.replays += replay_weight(timestamp_s, key)

    def forget_requests(self, now_ms: int) -> None:
        """Drop requests whose timestamp the window refuses by now."""
        assert self.rules is not None
        if not self.rules.any_cancel_time:
            oldest_s = -(-now_ms // 1000) - self.rules.cancel_timestamp_past_max_s
            for second, key in self.replays.forget_before(oldest_s):
                self.weights.replays -= replay_weight(second, key)

    def api_keys(self) -> Iterator[Account]:
        """Accounts that own an API key."""
        return (account for account in self.accounts.values() if account.api_key_digest is not None)
