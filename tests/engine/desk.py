"""A trading desk in front of an engine: short words for what tests say all the time.

Amounts are small integers, odds are in percent, times are seconds. The desk's clock moves with `wait` only, and what
is due fires on the way, as it does in the venue.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import Final

import msgspec

from overround.engine import invariants
from overround.engine.catalogue import Fixture
from overround.engine.commands import (
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    FillOrders,
    NewOrder,
    PingHeartbeat,
    PlaceOrders,
    SetBalance,
    Tick,
    VenueCommand,
)
from overround.engine.engine import Engine, VenueOutcome
from overround.engine.events import AnyEvent
from overround.engine.order import Order, OrderState
from overround.engine.rejections import Rejection
from overround.engine.rules import Rules, Token
from overround.engine.snapshot import dump, load
from overround.engine.types import Address, FillHash, FixtureId, MarketHash, OrderHash, Side
from overround.testing.answers import Answer, answer_of


def number(size: int, *parts: object) -> bytes:
    """Bytes that look like an address or a hash, always the same for the same words."""
    return sha256(repr(parts).encode()).digest()[:size]


START_MS: Final = 1_790_000_000_000
START_S: Final = START_MS // 1000
PERCENT: Final = 10**18

ALICE, BOB, CAROL = (Address(number(20, name)) for name in ("alice", "bob", "carol"))
USDC = Token("USDC", Address(number(20, "USDC")), 6, 10_000_000, 1_000_000)
WSX = Token("WSX", Address(number(20, "WSX")), 18, 10**19, 10**18)
MATCH, OTHER = FixtureId("match"), FixtureId("other")
A, B, C, ELSEWHERE = (MarketHash(number(32, name)) for name in ("A", "B", "C", "elsewhere"))
RULES = Rules(
    chain_id=4162,
    executor=Address(number(20, "executor")),
    tokens=(USDC, WSX),
    odds_ladder_step=125,
    cancel_timestamp_past_max_s=600,
    cancel_timestamp_future_max_s=60,
)

MATCH_IN_AN_HOUR: Final = CreateFixture(
    fixture_id=MATCH,
    sport_id=5,
    league_label="Premier",
    team_one_name="Home",
    team_two_name="Away",
    game_time_s=START_S + 3_600,
)
OTHER_TOMORROW: Final = CreateFixture(
    fixture_id=OTHER,
    sport_id=5,
    league_label="Premier",
    team_one_name="Here",
    team_two_name="There",
    game_time_s=START_S + 86_400,
)


def market(market_hash: MarketHash, fixture_id: FixtureId = MATCH, line: str | None = None) -> CreateMarket:
    """A money line, or a spread where a line is given."""
    return CreateMarket(
        market_hash=market_hash,
        fixture_id=fixture_id,
        type=52 if line is None else 3,
        outcome_one_name="Home",
        outcome_two_name="Away",
        line=line,
        has_line=line is not None,
    )


class Desk:
    """An engine with two fixtures, four markets, and 100 for Alice and for Bob; or with nothing but its rules."""

    def __init__(self, *, furnished: bool = True, rules: Rules = RULES) -> None:
        self.engine = Engine()
        self.now_ms = START_MS
        self.last = Answer()  # of the last fill
        self.outcome: VenueOutcome = []  # of the last command
        self._salts = count(1)
        self.do(ConfigureVenue(rules=rules))
        if furnished:
            for command in (MATCH_IN_AN_HOUR, OTHER_TOMORROW):
                self.do(command)
            for market_hash in (A, B, C):
                self.do(market(market_hash))
            self.do(market(ELSEWHERE, OTHER))
            for account in (ALICE, BOB):
                self.fund(account, 100)

    # ---- commands -------------------------------------------------------------------------------------------------

    def do(self, command: VenueCommand) -> Answer:
        """Decide a command; what it led to. The engine's invariants hold afterwards."""
        self.tick()
        answer = answer_of(self._execute(command))
        invariants.check(self.engine.state)
        return answer

    def events(self, command: VenueCommand) -> list[AnyEvent]:
        """What exactly happened, for a command that must not be refused."""
        self.tick()
        outcome = self._execute(command)
        assert not isinstance(outcome, Rejection), outcome
        return outcome

    def refusal(self, command: VenueCommand) -> Rejection | None:
        """Why a command is refused, if it is. It must not change anything then."""
        self.tick()
        before = self.engine.digest()
        outcome = self._execute(command)
        if not isinstance(outcome, Rejection):
            return None
        assert self.engine.digest() == before, "a refusal changed something"
        return outcome

    def events_after(self, seconds: float) -> list[AnyEvent]:
        """What exactly happens by then, in one tick."""
        self.now_ms += round(seconds * 1000)
        return self.events_of(Tick())

    def events_of(self, command: VenueCommand) -> list[AnyEvent]:
        """What exactly happens, and nothing that is due before it."""
        outcome = self._execute(command)
        assert not isinstance(outcome, Rejection), outcome
        return outcome

    def tick(self) -> Answer:
        """Fire what is due, if anything is."""
        events: list[AnyEvent] = []
        while self._is_due():
            outcome = self._execute(Tick())
            assert not isinstance(outcome, Rejection)
            events += outcome
        return answer_of(events)

    def _is_due(self) -> bool:
        due_ms = self.engine.next_deadline_ms()
        is_due = due_ms is not None and due_ms <= self.now_ms
        assert self.engine.is_due(self.now_ms) is is_due  # what the sequencer asks says the same
        return is_due

    def _execute(self, command: VenueCommand) -> VenueOutcome:
        self.outcome = self.engine.execute(command, self.now_ms)
        return self.outcome

    def wait(self, seconds: float) -> Answer:
        """Let time pass, then fire what is due."""
        self.now_ms += round(seconds * 1000)
        return self.tick()

    def fund(self, account: Address, amount: int, token: Token = USDC) -> None:
        assert self.do(SetBalance(account=account, token=token.address, amount=amount)).refused is None

    # ---- orders ---------------------------------------------------------------------------------------------------

    def order(
        self,
        maker: Address = ALICE,
        market_hash: MarketHash = A,
        size: int = 10,
        *,
        odds: float = 50,
        one: bool = True,
        token: Token = USDC,
        expires_in_s: int = 7_200,
    ) -> NewOrder:
        """A fresh order; its hash commits to everything but the expiry."""
        salt = str(next(self._salts)).encode()
        odds_int = round(odds * 1000) * PERCENT // 1000
        return NewOrder(
            order_hash=OrderHash(number(32, maker, market_hash, size, odds_int, one, token.symbol, salt)),
            market_hash=market_hash,
            maker=maker,
            base_token=token.address,
            total_bet_size=size,
            percentage_odds=odds_int,
            salt=salt,
            is_maker_betting_outcome_one=one,
            signature=number(32, salt) * 2 + b"\x1b",
            api_expiry=self.now_ms // 1000 + expires_in_s,
        )

    def place(self, *orders: NewOrder) -> list[str | Rejection]:
        """Post orders in one request; what became of each."""
        return self.do(PlaceOrders(orders=orders)).placed

    def rest(self, *arguments: object, **options: object) -> NewOrder:
        """Post an order that must be accepted."""
        order = self.order(*arguments, **options)  # type: ignore[arg-type]
        assert self.place(order) == ["accepted"]
        return order

    # ---- cancels --------------------------------------------------------------------------------------------------

    def cancel(
        self, maker: Address, *wanted: NewOrder | str, age_s: int = 0, salt: object = None, digest: bytes | None = None
    ) -> CancelOrders:
        """A signed cancel of some orders; the digest commits to the names, the time and the salt, not to the maker."""
        names = tuple(one if isinstance(one, str) else "0x" + one.order_hash.hex() for one in wanted)
        timestamp_s, signed = self._signed(("orders", names), age_s, salt)
        return CancelOrders(maker=maker, digest=digest or signed, timestamp_s=timestamp_s, order_hashes=names)

    def cancel_fixture(
        self, maker: Address, fixture_id: str = MATCH, *, age_s: int = 0, salt: object = None
    ) -> CancelFixture:
        timestamp_s, digest = self._signed(("fixture", fixture_id), age_s, salt)
        return CancelFixture(maker=maker, digest=digest, timestamp_s=timestamp_s, fixture_id=FixtureId(fixture_id))

    def cancel_all(self, maker: Address, *, age_s: int = 0, salt: object = None) -> CancelAll:
        timestamp_s, digest = self._signed(("all",), age_s, salt)
        return CancelAll(maker=maker, digest=digest, timestamp_s=timestamp_s)

    def _signed(self, said: object, age_s: int, salt: object) -> tuple[int, bytes]:
        timestamp_s = self.now_ms // 1000 - age_s
        return timestamp_s, number(32, said, timestamp_s, next(self._salts) if salt is None else salt)

    # ---- fills ----------------------------------------------------------------------------------------------------

    def fill(
        self,
        taker: Address = CAROL,
        market_hash: MarketHash = A,
        stake: int = 10,
        *,
        odds: float = 50,
        slippage: int = 0,
        one: bool = False,
        token: Token = USDC,
    ) -> FillMarket:
        """A fresh fill; `odds` are the taker's."""
        return FillMarket(
            taker=taker,
            fill_hash=FillHash(number(32, "fill", next(self._salts))),
            market_hash=market_hash,
            base_token=token.address,
            is_taker_betting_outcome_one=one,
            stake=stake,
            desired_odds=round(odds * 1000) * PERCENT // 1000,
            odds_slippage=slippage,
        )

    def fill_named(self, *parts: tuple[NewOrder, int], taker: Address = CAROL) -> FillOrders:
        """A fresh fill of the legacy form: so much of the maker's money of each order."""
        return FillOrders(
            taker=taker,
            fill_hash=FillHash(number(32, "fill", next(self._salts))),
            order_hashes=tuple(order.order_hash for order, _ in parts),
            maker_amounts=tuple(amount for _, amount in parts),
        )

    def match(self, *arguments: object, **options: object) -> FillMarket:
        """A fill that must be matched: it stands pending when its delay is over."""
        command = self.fill(*arguments, **options)  # type: ignore[arg-type]
        assert self.do(command).refused is None
        assert self.came_to(command) == ["matched"], self.last
        return command

    def came_to(self, command: FillMarket | FillOrders) -> list[str]:
        """Wait for the end of a fill's betting delay; what happened then."""
        held = self.engine.state.fills.held[command.fill_hash]
        self.last = self.wait((held.due_ms - self.now_ms) / 1000)
        return [step.word for step in self.last.fills[command.fill_hash]]

    def decide(self, fill: FillMarket | FillOrders, *, confirmed: bool) -> Answer:
        """The operator settles a fill."""
        return self.do(DecideFill(fill_hash=fill.fill_hash, confirmed=confirmed))

    def events_of_decision(self, fill: FillMarket | FillOrders, *, confirmed: bool) -> list[AnyEvent]:
        return self.events(DecideFill(fill_hash=fill.fill_hash, confirmed=confirmed))

    def ping(self, account: Address = ALICE, interval_s: int = 30) -> Answer:
        return self.do(PingHeartbeat(account=account, interval_s=interval_s))

    # ---- what stands ----------------------------------------------------------------------------------------------

    def resting(self, maker: Address | None = None) -> list[OrderHash]:
        """Open orders, oldest first."""
        return [
            order.terms.order_hash
            for order in self.engine.state.orders.values()
            if order.state is OrderState.OPEN and maker in (None, order.terms.maker)
        ]

    def book(self, market_hash: MarketHash = A, *, one: bool = True, token: Token = USDC) -> list[OrderHash]:
        """One side of a book, best first."""
        books = self.engine.state.books[market_hash]
        if token.address not in books:
            return []
        side = books[token.address].side(Side.OUTCOME_ONE if one else Side.OUTCOME_TWO)
        return [order.terms.order_hash for order in side]

    def exposure(self, maker: Address, market_hash: MarketHash = A, token: Token = USDC) -> int:
        account = self.engine.state.accounts.get(maker)
        return account.exposure(token.address, market_hash) if account else 0

    def fixture(self, fixture_id: str = MATCH) -> Fixture:
        return self.engine.state.fixtures[FixtureId(fixture_id)]

    def state_of(self, order: NewOrder) -> OrderState | None:
        """Where an order is in its life; None once it is forgotten."""
        state = self.engine.state
        found = state.orders.get(order.order_hash) or state.lingering.get(order.order_hash)
        return found.state if found else None

    def amounts(self, order: NewOrder) -> tuple[int, int]:
        """What is filled of an order, and what is pending."""
        found = self.engine.state.find_order(order.order_hash)
        return found.fill_amount, found.pending_fill_amount

    def balance(self, account: Address, token: Token = USDC) -> int:
        return self.engine.state.accounts[account].balances.get(token.address, 0)

    def available(self, account: Address, token: Token = USDC) -> int:
        return self.engine.state.accounts[account].available(token.address)

    def reload(self) -> None:
        """Forget everything but a snapshot."""
        digest = self.engine.digest()
        self.engine = Engine(load(list(dump(self.engine.state))))
        assert self.engine.digest() == digest


def hashes(*orders: NewOrder) -> list[OrderHash]:
    return [order.order_hash for order in orders]


def lone_order(place: int, *, odds: int = 50 * PERCENT, api_expiry: int = START_S + 60) -> Order:
    """An order outside of any engine, for the indexes that hold them."""
    terms = msgspec.structs.replace(_TERMS, percentage_odds=odds, api_expiry=api_expiry)
    return Order(terms, place, place, START_MS, START_MS)


_TERMS: Final = Desk(furnished=False).order()
