"""All that the engine remembers, and the few mutations that keep its indexes and its weight in step."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush
from typing import Final

from msgspec.structs import force_setattr, replace

from overround.engine.account import Account, Position
from overround.engine.catalogue import Fixture, League, LiveScore, Market, Team
from overround.engine.commands import NewOrder
from overround.engine.continuous.state import ContinuousState
from overround.engine.events import OrderChanged
from overround.engine.expiry import ExpiryIndex
from overround.engine.exposure import Touched
from overround.engine.fill import Fill, FillStatus, HeldFill, MatchedFill
from overround.engine.fills import Fills
from overround.engine.fixed_odds import Book
from overround.engine.heartbeat import Firing, Heartbeat, Heartbeats
from overround.engine.order import FINAL, TRANSITIONS, Order, OrderState, Trigger
from overround.engine.replays import ReplayMemory
from overround.engine.rules import Rules, Token
from overround.engine.types import Address, FillHash, FixtureId, MarketHash, OrderHash
from overround.engine.weight import Weights, order_weight, replay_weight

SHARED_ODDS_MAX: Final = 100_000  # as many prices as the finest ladder has
# What happens to an open order without making room for suspended ones (spec/decisions.md D10).
_KEEPS_EXPOSURE: Final = frozenset({Trigger.SUSPEND, Trigger.CONFIRM, Trigger.FAIL})


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
        self.lingering: dict[OrderHash, Order] = {}  # ended ones with fills pending
        self.order_count = 0  # orders ever accepted
        self.priority_count = 0  # time priorities ever given: to accepted and to restored orders
        self.books: dict[MarketHash, dict[Address, Book]] = {}
        self.expiry = ExpiryIndex()
        self.starts: list[tuple[int, FixtureId]] = []  # heap of (game time, fixture); stale ones are skipped
        self.replays = ReplayMemory()
        self.cancels_from_s = 0  # cancels signed before this second are refused, however wide the window
        self.fills = Fills()
        self.burnt: set[FillHash] = set()  # a fill hash is used once, for ever (D5)
        self.escrow: dict[tuple[MarketHash, Address], int] = {}  # stakes of confirmed fills by market and token
        self.funded: dict[Address, int] = {}  # token -> what operators put in, less what they took out
        self.fees: dict[Address, int] = {}  # token -> what the venue earned
        self.restricted: set[Address] = set()  # accounts that are, or were until some time ago
        self.heartbeats = Heartbeats()
        self.live_scores: dict[FixtureId, LiveScore] = {}
        self.continuous = ContinuousState()  # the other kind of market, with a room and a weight of its own
        self.touched = Touched()  # whose money or exposure the command under way has moved
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

    def fund(self, address: Address, token: Address, amount: int) -> None:
        """The operator sets the wallet's balance; what that adds or takes comes from outside."""
        account = self.account(address)
        self.count_funds(token, amount - account.balances.get(token, 0))
        self.touched.by_operator(account, token)
        self.set_balance(address, token, amount)

    def count_funds(self, token: Address, amount: int) -> None:
        """Money from outside."""
        self._count(self.funded, "funded", token, amount)

    def pay(self, address: Address, token: Address, amount: int) -> None:
        """Money from (positive) or into escrow."""
        account = self.account(address)
        self.touched.by_fill(account, token)
        self.set_balance(address, token, account.balances.get(token, 0) + amount)

    def keep_fee(self, token: Address, amount: int) -> None:
        """Money from escrow to the venue."""
        if amount:
            self._count(self.fees, "fees", token, amount)

    def reserve(self, address: Address, token: Address, amount: int) -> None:
        """Unconfirmed stakes grow by this, or shrink."""
        account = self.account(address)
        self.touched.by_fill(account, token)
        account.unconfirmed[token] = account.unconfirmed.get(token, 0) + amount

    def set_balance(self, address: Address, token: Address, amount: int) -> None:
        """The account's balance from here on."""
        balances = self.account(address).balances
        before = ("balance", address, token, balances[token]) if token in balances else None
        self.weights.replace_record(before, ("balance", address, token, amount))
        balances[token] = amount

    def set_allowance(self, address: Address, token: Address, value: int, nonce: int) -> None:
        """What the proxy may spend of the account's token, and the number of its next permit."""
        account = self.account(address)
        before = None
        if token in account.permit_nonces:
            before = ("allowance", address, token, account.allowances[token], account.permit_nonces[token])
        self.weights.replace_record(before, ("allowance", address, token, value, nonce))
        account.allowances[token], account.permit_nonces[token] = value, nonce

    def set_restriction(self, address: Address, until_ms: int | None, dips_ms: list[int]) -> None:
        """Until when the account may not post, and the dips that count towards the next time."""
        account = self.account(address)
        self.weights.replace_record(
            ("restriction", address, account.restricted_until_ms, account.dips_ms),
            ("restriction", address, until_ms, dips_ms),
        )
        account.restricted_until_ms, account.dips_ms = until_ms, dips_ms
        if until_ms == 0:
            self.restricted.discard(address)
        else:
            self.restricted.add(address)

    def set_heartbeat(self, address: Address, heartbeat: Heartbeat | None) -> None:
        """The account's heartbeat from here on."""
        before = self.heartbeats.get(address)
        self.weights.replace_record(
            before and ("heartbeat", address, before), heartbeat and ("heartbeat", address, heartbeat)
        )
        self.heartbeats.set(address, heartbeat)

    def set_last_firing(self, address: Address, firing: Firing) -> None:
        """What the account's heartbeat did last."""
        account = self.account(address)
        before = account.last_firing
        self.weights.replace_record(before and ("firing", address, before), ("firing", address, firing))
        account.last_firing = firing

    def put_live_score(self, score: LiveScore) -> None:
        """Add or replace the score of a fixture."""
        self.weights.replace_record(self.live_scores.get(score.fixture_id), score)
        self.live_scores[score.fixture_id] = score

    def _count(self, sums: dict[Address, int], name: str, token: Address, amount: int) -> None:
        before = sums.get(token, 0)
        self.weights.replace_record((name, token, before) if token in sums else None, (name, token, before + amount))
        sums[token] = before + amount

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

    def next_number(self) -> tuple[int, int]:
        """Place and time priority of the next order to be accepted."""
        self.order_count = number = self.order_count + 1
        self.priority_count = priority = self.priority_count + 1
        # One object for both as long as they are the same: a million orders hold them.
        return number, number if priority == number else priority

    def next_priority(self) -> int:
        """A later time priority than any before."""
        self.priority_count += 1
        return self.priority_count

    def admit(self, order: Order) -> None:
        """Index an order that is not in a final state (a new one, or one from a snapshot)."""
        terms = order.terms
        account = self.account(terms.maker)
        self._share(account, terms)
        self.orders[terms.order_hash] = order
        position = order.position = self._position(account, terms)
        position.orders[order.number] = order
        if order.doom is None:
            self.expiry.add(order)
        self.weights.orders += order_weight(order)
        position.enter(order)

    def change(self, order: Order, trigger: Trigger, now_ms: int, *, filled: int = 0, pending: int = 0) -> OrderChanged:
        """Move an order through its lifecycle, and its amounts by `filled` and `pending`; the event carries the values
        after it."""
        position, before, was_doomed = order.position, order.state, order.doom is not None
        assert position is not None
        self.weights.orders -= order_weight(order)
        if before is OrderState.OPEN:
            position.leave_book(order)
            if position.suspended and trigger not in _KEEPS_EXPOSURE:
                self.touched.exposure_fell(self.accounts[order.terms.maker], order.terms)
        elif before not in FINAL:
            position.leave_others(order)
        if filled or pending:
            order.fill_amount += filled
            order.pending_fill_amount += pending
        order.state = state = TRANSITIONS[before, trigger]
        later_ms = order.update_time_ms + 1
        order.update_time_ms = later_ms if later_ms > now_ms else now_ms
        if was_doomed and state is not OrderState.HELD:
            order.doom = None
        if state in FINAL:
            self._end(position, order, was_live=before not in FINAL, was_doomed=was_doomed)
        else:
            if trigger is Trigger.RESTORE:
                order.priority = self.next_priority()
            self.weights.orders += order_weight(order)
            position.enter(order)
        return OrderChanged(
            order.terms.order_hash,
            trigger,
            state,
            order.fill_amount,
            order.pending_fill_amount,
            order.update_time_ms,
        )

    def end(self, order: Order, trigger: Trigger, now_ms: int) -> OrderChanged | None:
        """Take an order off for good, now or, if it is held, as soon as one of its fills fails (D12)."""
        if order.state is OrderState.HELD:
            self.doom(order, trigger)
            return None
        changed = self.change(order, trigger, now_ms)
        if order.pending_fill_amount:
            return replace(changed, pending_fills=self.fills.pending_of(order.terms.order_hash))
        return changed

    def doom(self, order: Order, trigger: Trigger) -> None:
        """What a held order comes to instead of its return; a cancel of the maker's is remembered above all."""
        if order.doom is None or trigger is Trigger.CANCEL:
            if order.doom is None:
                self.expiry.note_ended()
            self.weights.orders -= order_weight(order)
            order.doom = trigger
            self.weights.orders += order_weight(order)

    def remember_closed(self, order_hash: OrderHash) -> None:
        """No order of this hash is ever accepted again."""
        self.closed.add(order_hash)
        self.weights.closed += int.from_bytes(order_hash, "big")

    def orders_of_market(self, market_hash: MarketHash) -> list[Order]:
        """Every live order on a market, in the order of acceptance."""
        found = [order for account in self.accounts.values() for order in account.live_orders_of(market_hash)]
        return sorted(found, key=lambda order: order.number)

    def find_order(self, order_hash: OrderHash) -> Order:
        """An order that a pending fill refers to."""
        return self.orders.get(order_hash) or self.lingering[order_hash]

    def linger_again(self, order: Order) -> None:
        """Index an ended order with fills pending, from a snapshot."""
        terms = order.terms
        account = self.account(terms.maker)
        self._share(account, terms)
        # It counts nowhere any more; the position tells `change` whose it is.
        order.position = Position(self._book(terms))
        self._linger(order)

    def _linger(self, order: Order) -> None:
        """Remember an ended order for as long as fills of it are pending."""
        if order.pending_fill_amount:
            self.lingering[order.terms.order_hash] = order
            self.weights.orders += order_weight(order)
        else:
            self.lingering.pop(order.terms.order_hash, None)

    def _end(self, position: Position, order: Order, *, was_live: bool, was_doomed: bool) -> None:
        """The order is in a final state: once no fill of it is pending, nothing but its hash is remembered."""
        if order.pending_fill_amount or not was_live:
            self._linger(order)
        if not was_live:
            return
        terms = order.terms
        del position.orders[order.number]
        if not position.orders:
            del self.accounts[terms.maker].positions[terms.base_token][terms.market_hash]
        del self.orders[terms.order_hash]
        if not was_doomed:
            self.expiry.note_ended()
        self.remember_closed(terms.order_hash)

    def _position(self, account: Account, terms: NewOrder) -> Position:
        """Where an order of these terms counts, made on first use."""
        markets = account.positions.get(terms.base_token)
        if markets is None:
            markets = account.positions[terms.base_token] = {}
        position = markets.get(terms.market_hash)
        if position is None:
            position = markets[terms.market_hash] = Position(self._book(terms))
        return position

    def _book(self, terms: NewOrder) -> Book:
        """The book of an order of these terms, made on first use."""
        books = self.books[terms.market_hash]
        book = books.get(terms.base_token)
        if book is None:
            book = books[terms.base_token] = Book()
        return book

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

    # ---- fills ----------------------------------------------------------------------------------------------------

    def burn(self, fill_hash: FillHash) -> None:
        """No fill of this hash is ever admitted again."""
        self.burnt.add(fill_hash)
        self.weights.closed += int.from_bytes(fill_hash, "big")

    def hold_fill(self, held: HeldFill) -> None:
        """A fill waits out its betting delay."""
        self.fills.hold(held)
        self.account(held.command.taker).in_flight += 1
        self.weights.replace_record(None, held)

    def release_fill(self, held: HeldFill) -> None:
        """Its delay is over."""
        self.fills.release(held)
        self.accounts[held.command.taker].in_flight -= 1
        self.weights.replace_record(held, None)

    def put_fill(self, fill: Fill) -> None:
        """A matched fill, pending or confirmed: its stakes are reserved, or in escrow."""
        terms = fill.terms
        self.fills.put(fill)
        self.weights.replace_record(None, fill)
        if fill.status is FillStatus.PENDING:
            self._reserve_all(terms, 1)
            self.account(terms.taker).in_flight += 1
        else:
            key = terms.market_hash, terms.base_token
            self.escrow[key] = self.escrow.get(key, 0) + terms.pot

    def drop_fill(self, fill: Fill) -> None:
        """Undo `put_fill`: nothing is reserved or in escrow for it any more."""
        terms = fill.terms
        self.fills.drop(fill)
        self.weights.replace_record(fill, None)
        if fill.status is FillStatus.PENDING:
            self._reserve_all(terms, -1)
            self.accounts[terms.taker].in_flight -= 1
        else:
            key = terms.market_hash, terms.base_token
            self.escrow[key] -= terms.pot
            if not self.escrow[key]:
                del self.escrow[key]

    def _reserve_all(self, terms: MatchedFill, sign: int) -> None:
        self.reserve(terms.taker, terms.base_token, sign * terms.taker_stake)
        for maker, stake in terms.maker_stakes.items():
            self.reserve(maker, terms.base_token, sign * stake)

    def api_keys(self) -> Iterator[Account]:
        """Accounts that own an API key."""
        return (account for account in self.accounts.values() if account.api_key_digest is not None)
