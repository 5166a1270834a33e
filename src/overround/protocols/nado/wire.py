"""The Nado dialect's shapes, member by member as the specification spells them (`spec/nado.md` 6 to 11)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from overround.protocols.nado.units import PRODUCT_ID_MAX

ProductId = Annotated[int, Meta(ge=0, le=PRODUCT_ID_MAX)]
Number = str | int
"""An integer of a signed object: text, or tolerated as a JSON integer (N12)."""


# ---- executes as they come (7); null stands for absent -------------------------------------------------------------


class OrderBody(msgspec.Struct):
    """The signed order object (5.1)."""

    sender: str
    priceX18: Number
    amount: Number
    expiration: Number
    nonce: Number
    appendix: Number


class PlaceOrderBody(msgspec.Struct):
    """`place_order` (7.3)."""

    product_id: ProductId
    order: OrderBody
    signature: str
    digest: str | None = None
    id: int | None = None
    spot_leverage: bool | None = None
    borrow_margin: bool | None = None


class PlaceOrdersBody(msgspec.Struct):
    """`place_orders` (7.4)."""

    orders: list[PlaceOrderBody]
    stop_on_failure: bool | None = None


class CancellationBody(msgspec.Struct):
    """The signed object of `cancel_orders`."""

    sender: str
    productIds: list[ProductId]
    digests: list[str]
    nonce: Number


class CancelOrdersBody(msgspec.Struct):
    """`cancel_orders` (7.1)."""

    tx: CancellationBody
    signature: str
    required_unfilled_amount: Number | None = None
    id: int | None = None


class CancelOrdersMessage(msgspec.Struct, forbid_unknown_fields=True):
    """A body or a frame that is a `cancel_orders` and nothing else."""

    cancel_orders: CancelOrdersBody


class CancellationProductsBody(msgspec.Struct):
    """The signed object of `cancel_product_orders`."""

    sender: str
    productIds: list[ProductId]
    nonce: Number


class CancelProductOrdersBody(msgspec.Struct):
    """`cancel_product_orders` (7.2)."""

    tx: CancellationProductsBody
    signature: str
    digest: str | None = None
    id: int | None = None


class CancelAndPlaceBody(msgspec.Struct):
    """`cancel_and_place` (7.5)."""

    cancel_tx: CancellationBody
    cancel_signature: str
    place_order: PlaceOrderBody
    place_requires_unfilled: bool | None = None
    required_unfilled_amount: Number | None = None


class LinkSignerTx(msgspec.Struct):
    """The signed object of `link_signer`."""

    sender: str
    signer: str
    nonce: Number


class LinkSignerBody(msgspec.Struct):
    """`link_signer` (7.6)."""

    tx: LinkSignerTx
    signature: str


class Echo(msgspec.Struct):
    """What an answer repeats of a request that could not be read otherwise."""

    id: Any = None
    signature: Any = None
    cancel_signature: Any = None
    place_order: Any = None


# ---- the subscription socket as it comes (11.1) --------------------------------------------------------------------


class AuthenticationTx(msgspec.Struct):
    """The signed object of `authenticate`."""

    sender: str
    expiration: Number


class SubscriptionBody(msgspec.Struct):
    """Any request of the subscription socket; which members must be there depends on the method."""

    method: str
    id: int
    tx: AuthenticationTx | None = None
    signature: str | None = None
    stream: dict[str, Any] | None = None
    streams: list[dict[str, Any]] | None = None
    client_time: Any = None


# ---- answers -------------------------------------------------------------------------------------------------------


class ExecuteSuccess(msgspec.Struct):
    """The success envelope of an execute (6.1): no `data` where there is none, and never an `error`."""

    status: str
    signature: str
    data: Any | UnsetType = UNSET
    id: int | UnsetType = UNSET
    request_type: str | UnsetType = UNSET


class QuerySuccess(msgspec.Struct):
    """The success envelope of a query (6.2)."""

    status: str
    data: Any
    request_type: str


class PlacedEntry(msgspec.Struct):
    """What became of one order of a batch (7.4); both members are always there."""

    digest: str | None
    error: str | None


class Order(msgspec.Struct):
    """An order, cancelled or open (7.1): all members, since two SDKs read them all."""

    product_id: int
    sender: str
    price_x18: str
    amount: str
    expiration: str
    order_type: str
    nonce: str
    appendix: str
    unfilled_amount: str
    digest: str
    placed_at: int
    id: int | UnsetType = UNSET


class CancelledOrders(msgspec.Struct):
    """The data of a cancellation."""

    cancelled_orders: list[Order]


class Symbol(msgspec.Struct):
    """A product for people and for market tables (8.1)."""

    type: str
    product_id: int
    symbol: str
    price_increment_x18: str
    size_increment: str
    min_size: str
    maker_fee_rate_x18: str
    taker_fee_rate_x18: str
    long_weight_initial_x18: str
    long_weight_maintenance_x18: str
    max_open_interest_x18: str | None
    trading_status: str
    isolated_only: bool


# ---- events of the subscription socket (11.4) ----------------------------------------------------------------------


class OrderUpdate(msgspec.Struct, tag_field="type", tag="order_update"):
    """An order changed; `amount` is what remains of it."""

    timestamp: str
    product_id: int
    digest: str
    amount: str
    reason: str
    filled_qty: str | UnsetType = UNSET
    filled_price: str | UnsetType = UNSET
    id: int | UnsetType = UNSET


class Fill(msgspec.Struct, tag_field="type", tag="fill"):
    """One side of a trade."""

    timestamp: str
    product_id: int
    subaccount: str
    order_digest: str
    appendix: str
    filled_qty: str
    remaining_qty: str
    original_qty: str
    price: str
    is_taker: bool
    is_bid: bool
    fee: str
    submission_idx: str
    id: int | UnsetType = UNSET


class PositionChange(msgspec.Struct, tag_field="type", tag="position_change"):
    """A balance changed; `amount` is the new one, signed."""

    timestamp: str
    product_id: int
    subaccount: str
    isolated: bool
    amount: str
    v_quote_amount: str
    reason: str


class Trade(msgspec.Struct, tag_field="type", tag="trade"):
    """A trade, without its parties."""

    timestamp: str
    product_id: int
    price: str
    taker_qty: str
    maker_qty: str
    is_taker_buyer: bool


class BestBidOffer(msgspec.Struct, tag_field="type", tag="best_bid_offer"):
    """The top of a book; zeros where a side is empty."""

    timestamp: str
    product_id: int
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class BookDepth(msgspec.Struct, tag_field="type", tag="book_depth"):
    """Levels that changed, with their new totals; zero removes."""

    min_timestamp: str
    max_timestamp: str
    last_max_timestamp: str
    product_id: int
    bids: list[tuple[str, str]]
    asks: list[tuple[str, str]]


class LatestCandlestick(msgspec.Struct, tag_field="type", tag="latest_candlestick"):
    """The candle that is being drawn; seconds."""

    timestamp: str
    product_id: int
    granularity: int
    open_x18: str
    high_x18: str
    low_x18: str
    close_x18: str
    volume: str
