"""What was asked: executes, decoded and not yet judged (`spec/nado.md` 7).

Plain values in the words of the dialect, so that whoever translates them into commands needs no wire knowledge. Each
carries its digest, computed from what was sent, and its signature, read but not verified.
"""

from __future__ import annotations

from typing import Final

import msgspec

from overround.protocols.nado import appendix
from overround.protocols.nado.digests import OrderTerms
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.signatures import ReadSignature, check_claimed_digest, recover_signer
from overround.protocols.nado.units import is_isolated, wallet_of

DEFAULT_SPOT_LEVERAGE: Final = True
DEFAULT_BORROW_MARGIN: Final = True


class PlaceOrder(msgspec.Struct, frozen=True, gc=False):
    """One order to place (7.3)."""

    product_id: int
    terms: OrderTerms
    digest: bytes
    """The order's identity."""
    signature: ReadSignature
    id: int | None = None
    """The client's own number: echoed, not signed, not unique."""
    claimed_digest: bytes | None = None
    spot_leverage: bool | None = None
    borrow_margin: bool | None = None

    @property
    def sender(self) -> bytes:
        return self.terms.sender

    @property
    def nonce(self) -> int:
        return self.terms.nonce

    @property
    def appendix(self) -> appendix.Appendix:
        """The order's type and options, unpacked."""
        return appendix.of(self.terms.appendix)

    def signer(self) -> bytes:
        """Who signed. Expensive. Raises `GatewayError`."""
        check_claimed_digest(self.claimed_digest, self.digest)
        return recover_signer(self.digest, self.signature)


class PlaceOrders(msgspec.Struct, frozen=True):
    """Several orders of one sender, placed one after the other (7.4)."""

    orders: tuple[PlaceOrder, ...]
    stop_on_failure: bool = False


class CancelOrders(msgspec.Struct, frozen=True):
    """Orders to cancel by digest (7.1). Both lists are of one length and may be empty: then there is nothing to do."""

    sender: bytes
    product_ids: tuple[int, ...]
    digests: tuple[bytes, ...]
    nonce: int
    digest: bytes
    """Of the cancellation itself: what replay protection remembers."""
    signature: ReadSignature
    required_unfilled_amount: int | None = None
    """Cancel only if this much of the order, as a magnitude, is still unfilled; else 2126."""
    id: int | None = None

    def signer(self) -> bytes:
        """Who signed. Expensive. Raises `GatewayError`."""
        return recover_signer(self.digest, self.signature)


class CancelProductOrders(msgspec.Struct, frozen=True):
    """Products whose orders to cancel (7.2)."""

    sender: bytes
    product_ids: tuple[int, ...]
    """In the order of the request, without repetitions; none at all means every product."""
    nonce: int
    digest: bytes
    signature: ReadSignature
    claimed_digest: bytes | None = None
    id: int | None = None

    def signer(self) -> bytes:
        """Who signed. Expensive. Raises `GatewayError`."""
        check_claimed_digest(self.claimed_digest, self.digest)
        return recover_signer(self.digest, self.signature)


class CancelAndPlace(msgspec.Struct, frozen=True):
    """A cancellation and an order, as one step (7.5). Both have the same sender."""

    cancel: CancelOrders
    place: PlaceOrder
    place_requires_unfilled: bool = False
    """Refuse the order if the cancellation failed or the cancelled order had fills."""

    def signer(self) -> bytes:
        """Who signed both halves. Expensive: two recoveries. Raises `GatewayError`, 2066 for two signers."""
        signer = self.cancel.signer()
        if self.place.signer() != signer:
            raise GatewayError(Code.CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER)
        return signer


class LinkSigner(msgspec.Struct, frozen=True):
    """A signer to authorise for one subaccount, in place of any other (7.6)."""

    sender: bytes
    signer_bytes: bytes
    """As signed: 32 bytes, of which the first 20 are the address."""
    nonce: int
    """The wallet's next `tx_nonce`: a counter and no time."""
    digest: bytes
    signature: ReadSignature

    @property
    def linked_signer(self) -> bytes | None:
        """The address to authorise; None revokes."""
        address = self.signer_bytes[:20]
        return address if any(self.signer_bytes) else None

    @property
    def from_isolated(self) -> bool:
        """Whether the sender is an isolated account, which links no signer (2089)."""
        return is_isolated(self.sender)

    def signer(self) -> bytes:
        """Who signed. Expensive. Raises `GatewayError`."""
        return recover_signer(self.digest, self.signature)


Execute = PlaceOrder | PlaceOrders | CancelOrders | CancelProductOrders | CancelAndPlace | LinkSigner

NAMES: Final[dict[type, str]] = {
    PlaceOrder: "place_order",
    PlaceOrders: "place_orders",
    CancelOrders: "cancel_orders",
    CancelProductOrders: "cancel_product_orders",
    CancelAndPlace: "cancel_and_place",
    LinkSigner: "link_signer",
}
UNSERVED: Final = frozenset({
    "transfer_quote", "withdraw_collateral", "withdraw_collateral_v2", "mint_nlp", "burn_nlp", "liquidate_subaccount",
})  # fmt: skip
"""Executes of the original that this venue answers with 4001 (7.7)."""


def request_type_of(request: Execute) -> str:
    """The `request_type` of the answer."""
    return "execute_" + NAMES[type(request)]


def id_of(request: Execute) -> int | None:
    """The client's number, which the answer repeats; of `cancel_and_place` it is that of the order (7.5)."""
    if isinstance(request, CancelAndPlace):
        return request.place.id
    if isinstance(request, PlaceOrder | CancelOrders | CancelProductOrders):
        return request.id
    return None


def signature_echo(request: Execute) -> str:
    """The `signature` of the answer: the cancellation's of `cancel_and_place`, none of a batch (O14)."""
    if isinstance(request, CancelAndPlace):
        return request.cancel.signature.echo
    if isinstance(request, PlaceOrders):
        return ""
    return request.signature.echo


def wallet(request: Execute) -> bytes | None:
    """Whose budget the request is charged to, once its signature is verified; None for an empty batch."""
    if isinstance(request, CancelAndPlace):
        return wallet_of(request.cancel.sender)
    if isinstance(request, PlaceOrders):
        return wallet_of(request.orders[0].sender) if request.orders else None
    return wallet_of(request.sender)
