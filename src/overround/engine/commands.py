"""What may be asked of the engine. A command is executed once, at the time its journal record carries."""

from __future__ import annotations

import msgspec

from overround.engine.base import Command
from overround.engine.catalogue import LiveScore
from overround.engine.continuous.commands import AnyContinuousCommand
from overround.engine.rules import Rules
from overround.engine.types import Address, FillHash, FixtureId, FixtureStatus, MarketHash, OrderHash, Outcome


class NewOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """A maker's signed order, verified.

    `order_hash` commits to every field but the last two, and to two that are the same for all orders of a venue:
    the fixed expiry and the executor. The same record is the `terms` of the order for its whole life, shared by
    engine and views.
    """

    order_hash: OrderHash
    market_hash: MarketHash
    maker: Address
    base_token: Address
    total_bet_size: int  # base units, the most the maker risks
    percentage_odds: int  # implied probability x 10^20, the maker's view
    salt: bytes  # as submitted, packed by the protocol that received it
    is_maker_betting_outcome_one: bool
    signature: bytes  # 65 bytes r, s, v
    # Not the maker's signed word: travels beside the order (spec/sx.md 4.2).
    api_expiry: int  # unix seconds; from this second on the order is dead


# ---- venue ---------------------------------------------------------------------------------------------------------


class ConfigureVenue(Command, frozen=True):
    """The rules from here on. The first command of every journal."""

    rules: Rules


class AdjustClock(Command, frozen=True):
    """Sandbox only: the venue's clock is the real one plus `offset_ms`, or stands still at `frozen_at_ms`."""

    offset_ms: int
    frozen_at_ms: int | None = None


class Tick(Command, frozen=True):
    """Time has passed: fire every deadline up to the time of this record."""


class ResumeVenue(Command, frozen=True):
    """The venue stood still before this record: no answer is owed to fills in their betting delay any more (D5), and
    `grace_ms` of that time are not charged to armed heartbeats (D14)."""

    grace_ms: int


class GrantGrace(Command, frozen=True):
    """The venue stalled for so long: armed heartbeats get that time back (D14)."""

    grace_ms: int


# ---- catalogue -----------------------------------------------------------------------------------------------------


class CreateFixture(Command, frozen=True):
    """A sports event. Ids left out are given by the engine (spec/decisions.md C7)."""

    sport_id: int
    league_label: str
    team_one_name: str
    team_two_name: str
    game_time_s: int
    live_enabled: bool = False
    status_feed: bool = False  # True: only a status starts the match, never the clock (D13)
    league_id: int | None = None
    fixture_id: FixtureId | None = None


class UpdateFixture(Command, frozen=True):
    """Change what is given, keep the rest (D16)."""

    fixture_id: FixtureId
    game_time_s: int | None = None
    live_enabled: bool | None = None
    status_feed: bool | None = None


class SetFixtureStatus(Command, frozen=True):
    """Progress of the event; `IN_PROGRESS` is "the match begins"."""

    fixture_id: FixtureId
    status: FixtureStatus


class CreateMarket(Command, frozen=True):
    """A fixed-odds market on a fixture. `line` is canonical decimal text."""

    market_hash: MarketHash
    fixture_id: FixtureId
    type: int
    outcome_one_name: str
    outcome_two_name: str
    line: str | None = None
    has_line: bool = False
    main_line: bool | None = None


class SetMarketStatus(Command, frozen=True):
    """Open or close a market for orders."""

    market_hash: MarketHash
    active: bool


class ReportMarket(Command, frozen=True):
    """The outcome of a market: pays every confirmed trade, once and for all (7.9, D1, D2)."""

    market_hash: MarketHash
    outcome: Outcome


class SetLiveScore(Command, frozen=True):
    """The score of a fixture as it stands (5.5)."""

    score: LiveScore


# ---- accounts ------------------------------------------------------------------------------------------------------


class SetBalance(Command, frozen=True):
    """The account's wallet balance of one token, absolute, base units."""

    account: Address
    token: Address
    amount: int


class IssueApiKey(Command, frozen=True):
    """A new API key for the account, of which only the SHA-256 is kept; the one before stops working."""

    account: Address
    key_digest: bytes


class SetRestriction(Command, frozen=True):
    """Restrict an account until it is lifted, or lift any restriction and forget its dips (7.7)."""

    account: Address
    restricted: bool


class PingHeartbeat(Command, frozen=True):
    """Arm the account's heartbeat, or start its countdown again with this interval (5.16, 7.8)."""

    account: Address
    interval_s: int


class StopHeartbeat(Command, frozen=True):
    """Disarm the account's heartbeat; its orders stay."""

    account: Address


class Approve(Command, frozen=True):
    """A verified permit: the transfer proxy may spend so much of the owner's token (5.11)."""

    owner: Address
    token: Address
    value: int
    nonce: int  # the one that was signed
    deadline_s: int
    digest: bytes


# ---- orders --------------------------------------------------------------------------------------------------------


class PlaceOrders(Command, frozen=True):
    """Signed orders of one request, admitted one after the other (spec/sx.md 5.9, 7.6)."""

    orders: tuple[NewOrder, ...]


class Cancel(Command, frozen=True):
    """Base of the signed cancels: who claims to have signed, what, and when (spec/sx.md 5.10)."""

    maker: Address
    digest: bytes  # 32 bytes: the EIP-712 digest that the signature was made over
    timestamp_s: int

    @property
    def replay_key(self) -> bytes:
        """The identity of this signed request: the signer and what was signed, never the signature's bytes."""
        return self.maker + self.digest


class CancelOrders(Cancel, frozen=True):
    """The named orders, if they are the maker's. Names are kept as received: some are no hashes at all."""

    order_hashes: tuple[str, ...]


class CancelFixture(Cancel, frozen=True):
    """Every order of the maker on every market of one fixture."""

    fixture_id: FixtureId


class CancelAll(Cancel, frozen=True):
    """Every order of the maker."""


# ---- fills ---------------------------------------------------------------------------------------------------------


class Fill(Command, frozen=True):
    """Base of the verified fills: who takes, and the digest that was signed."""

    taker: Address
    fill_hash: FillHash


class FillMarket(Fill, frozen=True):
    """Take the best orders of a market, up to a stake (5.12)."""

    market_hash: MarketHash
    base_token: Address
    is_taker_betting_outcome_one: bool
    stake: int  # base units
    desired_odds: int  # the taker's implied odds, x 10^20
    odds_slippage: int  # percent, 0 to 100


class FillOrders(Fill, frozen=True):
    """The legacy form: take so much of each of these orders, all or nothing (5.13)."""

    order_hashes: tuple[OrderHash, ...]
    maker_amounts: tuple[int, ...]  # base units, one for each order


class DecideFill(Command, frozen=True):
    """The operator settles a pending fill by hand."""

    fill_hash: FillHash
    confirmed: bool


# What is asked of the venue as a whole and of fixed-odds markets.
VenueCommand = (
    ConfigureVenue
    | AdjustClock
    | Tick
    | ResumeVenue
    | GrantGrace
    | CreateFixture
    | UpdateFixture
    | SetFixtureStatus
    | CreateMarket
    | SetMarketStatus
    | ReportMarket
    | SetLiveScore
    | SetBalance
    | IssueApiKey
    | SetRestriction
    | PingHeartbeat
    | StopHeartbeat
    | Approve
    | PlaceOrders
    | CancelOrders
    | CancelFixture
    | CancelAll
    | FillMarket
    | FillOrders
    | DecideFill
)
AnyCommand = VenueCommand | AnyContinuousCommand
