"""What the slow engine (`model.py`) remembers: plain records, one of each thing, nothing derived."""

from __future__ import annotations

from dataclasses import dataclass, field

from overround.engine.commands import FillMarket, FillOrders, NewOrder
from overround.engine.order import OrderState, Trigger
from overround.engine.types import Address, FillHash, FixtureId, FixtureStatus, MarketHash, Outcome

Side = tuple[MarketHash, Address, bool]  # market, token, whether the makers back outcome one


@dataclass(eq=False)
class ModelOrder:
    """An accepted order. What pends of it is the business of the fills."""

    terms: NewOrder
    number: int
    priority: int
    accepted_at_ms: int
    update_time_ms: int
    state: OrderState = OrderState.OPEN
    filled: int = 0
    doom: Trigger | None = None  # what ends a held order as soon as it could return

    @property
    def side(self) -> Side:
        """Where it stands."""
        return self.terms.market_hash, self.terms.base_token, self.terms.is_maker_betting_outcome_one


@dataclass(eq=False)
class ModelLeg:
    """One order's part of a fill."""

    order: ModelOrder
    taker_stake: int
    maker_stake: int


@dataclass(eq=False)
class ModelFill:
    """A fill that was admitted, for ever."""

    command: FillMarket | FillOrders
    number: int
    market_hash: MarketHash
    base_token: Address
    due_ms: int | None  # end of the delay, then of the settlement; None: the operator decides
    expires_at_s: int | None = None  # of the first named order, in the legacy form
    status: str = "held"  # then refused or dropped, or pending, then failed, or confirmed, then paid
    legs: list[ModelLeg] = field(default_factory=list)
    fee: int = 0

    @property
    def fill_hash(self) -> FillHash:
        """Its identity."""
        return self.command.fill_hash

    @property
    def taker(self) -> Address:
        """Who takes."""
        return self.command.taker

    def stakes(self) -> dict[Address, int]:
        """What everybody has in it."""
        found = {self.taker: sum(leg.taker_stake for leg in self.legs)}
        for leg in self.legs:
            maker = leg.order.terms.maker
            found[maker] = found.get(maker, 0) + leg.maker_stake
        return found


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
    outcome: Outcome | None = None
    reported_at_ms: int = 0


@dataclass
class ModelHeartbeat:
    """An armed one."""

    interval_s: int
    pinged_at_ms: int
    deadline_ms: int


@dataclass
class ModelRestriction:
    """Until when an account may not post, and the dips that count towards the next time."""

    until_ms: int | None = 0  # None: until it is lifted by hand
    dips_ms: list[int] = field(default_factory=list)


@dataclass
class BestPrice:
    """The best odds of one side, and since when."""

    percentage_odds: int | None
    since_ms: int
