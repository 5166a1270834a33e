"""What answers and events are made of: plain values, to be filled in by whoever knows them.

Integers are exact and, where the name says so, x18; subaccounts and digests are 32 bytes; times say their unit.
`encode` and `feeds` spell them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

import msgspec

Level = tuple[int, int]
"""A price and the quantity at it, both x18."""


class ProductKind(StrEnum):
    """What is traded."""

    SPOT = "spot"
    PERP = "perp"


class TradingStatus(StrEnum):
    """Which orders a product takes."""

    LIVE = "live"
    POST_ONLY = "post_only"
    NOT_TRADABLE = "not_tradable"
    REDUCE_ONLY = "reduce_only"
    SOFT_REDUCE_ONLY = "soft_reduce_only"


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A product, for `symbols`, `all_products` and v2."""

    product_id: int
    kind: ProductKind
    symbol: str
    name: str
    has_book: bool = True
    price_increment_x18: int = 0
    size_increment: int = 0
    min_size: int = 0
    """The least notional, in quote, x18."""
    maker_fee_x18: int = 0
    taker_fee_x18: int = 0
    long_weight_initial_x18: int
    short_weight_initial_x18: int
    long_weight_maintenance_x18: int
    short_weight_maintenance_x18: int
    oracle_price_x18: int
    open_interest: int = 0
    collected_fees: int = 0
    trading_status: TradingStatus = TradingStatus.LIVE
    token: bytes = bytes(20)
    """The contract of a spot product's token."""


class OpenOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An order as queries and cancellations show it."""

    product_id: int
    sender: bytes
    price_x18: int
    amount: int
    """As placed, signed."""
    unfilled_amount: int
    """What remains, with the sign of `amount`."""
    expiration: int
    nonce: int
    appendix: int
    digest: bytes
    placed_at_s: int
    id: int | None = None


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The top of a book; None where nobody offers."""

    product_id: int
    bid: Level | None = None
    ask: Level | None = None


class Book(msgspec.Struct, frozen=True):
    """A book's levels: bids falling, asks rising, quantities positive."""

    product_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    timestamp_ns: int
    """On the clock of `DepthChange` (N10)."""


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What an account holds of a product."""

    amount: int = 0
    v_quote: int = 0
    """Of perps only: the quote side of the position."""


class Health(msgspec.Struct, frozen=True, gc=False):
    """One of the three measures of an account's health."""

    assets: int = 0
    liabilities: int = 0


Healths = tuple[Health, Health, Health]
"""Initial, maintenance, unweighted."""


class Account(msgspec.Struct, frozen=True):
    """A subaccount, for `subaccount_info`. Products without a balance are filled in with zeros."""

    subaccount: bytes
    exists: bool
    balances: Mapping[int, Balance]
    healths: Healths = (Health(), Health(), Health())
    contributions: Mapping[int, tuple[int, int, int]] = {}
    """To the three healths, by product."""


class Placed(msgspec.Struct, frozen=True, gc=False):
    """What became of one order of a batch: a digest, or why not.

    The wire has no room for a code beside the text, so the text begins with it: `str()` of the `GatewayError`.
    """

    digest: bytes | None
    error: str | None = None


# ---- events ----------------------------------------------------------------------------------------------------------


class Reason(StrEnum):
    """What happened to an order."""

    PLACED = "placed"
    FILLED = "filled"
    CANCELLED = "cancelled"


class OrderEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One step of an order's life."""

    timestamp_ns: int
    product_id: int
    subaccount: bytes
    digest: bytes
    remaining: int
    """After the step; of either sign, its magnitude is shown (O20)."""
    reason: Reason
    filled_amount: int | None = None
    filled_price_x18: int | None = None
    id: int | None = None


class FillEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order's share of one trade. Quantities of either sign; their magnitudes are shown."""

    timestamp_ns: int
    product_id: int
    subaccount: bytes
    digest: bytes
    appendix: int
    filled: int
    remaining: int
    original: int
    price_x18: int
    is_taker: bool
    is_bid: bool
    fee_x18: int
    submission_idx: int
    """Different for every fill of the venue: a client keys its memory by it."""
    id: int | None = None


class TradeEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One match."""

    timestamp_ns: int
    product_id: int
    price_x18: int
    quantity: int
    is_taker_buyer: bool


class QuoteEvent(msgspec.Struct, frozen=True, gc=False):
    """The top of a book changed."""

    timestamp_ns: int
    quote: Quote


class DepthChange(msgspec.Struct, frozen=True, kw_only=True):
    """Levels of a book that changed, with their new totals; zero removes."""

    product_id: int
    bids: Sequence[Level]
    asks: Sequence[Level]
    first_timestamp_ns: int
    timestamp_ns: int
    last_timestamp_ns: int
    """The `timestamp_ns` of the message before, of this product."""


class PositionEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A balance changed."""

    timestamp_ns: int
    product_id: int
    subaccount: bytes
    balance: Balance
    reason: str = "match_orders"


class Candle(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Open, high, low, close and volume of an interval, which has begun at `start_s`."""

    product_id: int
    granularity_s: int
    start_s: int
    open_x18: int
    high_x18: int
    low_x18: int
    close_x18: int
    volume: int
