"""What may be asked of continuous markets.

Shapes are checked and signers recovered before: a command says who signed which digest, and the engine decides whether
that signer may.
"""

from __future__ import annotations

import msgspec

from overround.engine.base import Command
from overround.engine.continuous.product import Product
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.types import Digest, OrderType, ProductId, SubaccountId, TradingStatus
from overround.engine.types import Address


class SignedOrder(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An order as it was signed; the `terms` of the order for its whole life, shared by engine and views."""

    digest: Digest  # commits to everything down to the appendix
    product_id: ProductId
    sender: SubaccountId
    price_x18: int
    amount_x18: int  # positive buys, negative sells
    expiration_s: int  # unix seconds; from this second on the order is dead
    nonce: int
    appendix: int  # as signed; what it says is below
    order_type: OrderType
    receive_by_ms: int  # said by the nonce: when the request stops being good
    signer: Address  # recovered
    signature: bytes
    reduce_only: bool = False
    # Not signed: travels beside the order (spec/nado.md 7.3).
    client_id: int | None = None

    @property
    def is_buy(self) -> bool:
        """Which side it is on."""
        return self.amount_x18 > 0


# ---- operator ------------------------------------------------------------------------------------------------------


class ConfigureContinuous(Command, frozen=True):
    """The rules from here on. Before every other command of continuous markets."""

    rules: ContinuousRules


class ConfigureProduct(Command, frozen=True):
    """A product, new or as it is from here on. What orders and balances rest on cannot change under them."""

    product: Product


class UpdateProduct(Command, frozen=True):
    """Change what is given, keep the rest (D16). A price becomes the mark until somebody trades (N4)."""

    product_id: ProductId
    mark_x18: int | None = None
    trading_status: TradingStatus | None = None
    maker_fee_x18: int | None = None
    taker_fee_x18: int | None = None


class SetCollateral(Command, frozen=True):
    """What a subaccount has of quote or of a spot product, absolute."""

    subaccount: SubaccountId
    product_id: ProductId
    amount_x18: int


class SetMaintenance(Command, frozen=True):
    """While on, orders are refused. Cancels never are."""

    on: bool


# ---- signed --------------------------------------------------------------------------------------------------------


class LinkSigner(Command, frozen=True):
    """Let another key sign for this subaccount, or none. Only the wallet itself may say so (spec/nado.md 7.6, O7)."""

    sender: SubaccountId
    linked: Address | None
    tx_nonce: int  # of the wallet; counts what it had accepted (spec/nado.md 4.2)
    signer: Address  # recovered


class SubmitOrders(Command, frozen=True):
    """Signed orders of one request, one after the other (spec/nado.md 7.3, 7.4)."""

    orders: tuple[SignedOrder, ...]
    stop_on_failure: bool = False


class SignedCancel(Command, frozen=True):
    """Base of the signed cancels."""

    sender: SubaccountId
    digest: Digest  # of the request itself
    receive_by_ms: int
    signer: Address  # recovered


class CancelDigests(SignedCancel, frozen=True):
    """The named orders, each under the product it is on (spec/nado.md 7.1). None at all is a legal request."""

    orders: tuple[tuple[ProductId, Digest], ...] = ()
    # Not signed: only if this much is left of each, either sign.
    required_unfilled_x18: int | None = None


class CancelProducts(SignedCancel, frozen=True):
    """Every order of the subaccount on these products, on all where none is named (spec/nado.md 7.2)."""

    product_ids: tuple[ProductId, ...] = ()


class CancelAndPlace(Command, frozen=True):
    """One step: nothing trades in between (spec/nado.md 7.5, N8).

    The new order is judged as if the cancel were done. If it is refused, the old ones stay. It is placed even where
    the cancel fails, unless it requires that the cancelled orders were there and unfilled.
    """

    cancel: CancelDigests
    order: SignedOrder
    requires_unfilled: bool = False


AnyContinuousCommand = (
    ConfigureContinuous
    | ConfigureProduct
    | UpdateProduct
    | SetCollateral
    | SetMaintenance
    | LinkSigner
    | SubmitOrders
    | CancelDigests
    | CancelProducts
    | CancelAndPlace
)
