"""What happened on continuous markets. Events are facts with absolute values: applying one twice changes nothing more.

The book follows from them: `OrderRested` adds to a level, the maker's side of a `Traded` takes from one, and an
`OrderEnded` of an order that rested takes the rest. What an order says is in the command that placed it.
"""

from __future__ import annotations

import msgspec

from overround.engine.base import Event
from overround.engine.continuous.product import Product
from overround.engine.continuous.rejections import ContinuousRejection
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.types import Digest, EndCause, PositionReason, ProductId, SubaccountId
from overround.engine.types import Address


class ContinuousConfigured(Event, frozen=True):
    rules: ContinuousRules


class ProductSet(Event, frozen=True):
    product: Product


class MarkChanged(Event, frozen=True):
    """What a product is now worth, to margin and to whoever asks for its oracle price (N4)."""

    product_id: ProductId
    mark_x18: int


class MaintenanceSet(Event, frozen=True):
    on: bool


class SignerLinked(Event, frozen=True):
    """Who signs for the subaccount beside its wallet, and the nonce that the wallet's next transaction must carry."""

    subaccount: SubaccountId
    linked: Address | None
    next_tx_nonce: int


class OrderEntered(Event, frozen=True):
    """Order number `index` of the command was accepted; what became of it follows."""

    index: int
    digest: Digest
    number: int  # place among all accepted orders; time priority
    placed_at_ms: int


class OrderTurnedAway(Event, frozen=True):
    """Order number `index` of the command was refused. Where `burnt`, its digest is used up and it counts as seen."""

    index: int
    digest: Digest
    rejection: ContinuousRejection
    burnt: bool = False


class FillSide(msgspec.Struct, frozen=True, gc=False):
    """One order's share of a trade. Deltas are the subaccount's, fee not included."""

    digest: Digest
    subaccount: SubaccountId
    base_delta_x18: int
    quote_delta_x18: int
    fee_x18: int
    unfilled_x18: int  # left of the order, without sign; 0 ends it


class Traded(Event, frozen=True):
    """Two orders met, at the price of the one that rested."""

    number: int  # place among all trades
    product_id: ProductId
    price_x18: int
    size_x18: int
    taker: FillSide
    maker: FillSide


class OrderRested(Event, frozen=True):
    """What is left of an order that just entered is on the book."""

    digest: Digest
    unfilled_x18: int


class OrderEnded(Event, frozen=True):
    """An order is gone before it was filled."""

    digest: Digest
    cause: EndCause
    unfilled_x18: int  # what was left of it, without sign


class CancelFailed(Event, frozen=True):
    """An order named in a cancel that went on without it, and why."""

    digest: Digest
    rejection: ContinuousRejection


class PositionChanged(Event, frozen=True):
    """A balance of a subaccount, after the change. The virtual quote is that of a perp (N3)."""

    subaccount: SubaccountId
    product_id: ProductId
    amount_x18: int
    v_quote_x18: int
    reason: PositionReason


AnyContinuousEvent = (
    ContinuousConfigured
    | ProductSet
    | MarkChanged
    | MaintenanceSet
    | SignerLinked
    | OrderEntered
    | OrderTurnedAway
    | Traded
    | OrderRested
    | OrderEnded
    | CancelFailed
    | PositionChanged
)
