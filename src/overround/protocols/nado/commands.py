"""Requests to commands, and refusals to codes: where the dialect meets the engine.

A request goes through `checks` first; who signed it is found there. `command_of` then says what to submit, and the
decision is either a record or a `Refusal`, which `refused` turns into the failure that answers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelDigests,
    CancelProducts,
    SignedOrder,
    SubmitOrders,
)
from overround.engine.continuous.commands import CancelAndPlace as CancelAndPlaceCommand
from overround.engine.continuous.commands import LinkSigner as LinkSignerCommand
from overround.engine.continuous.events import CancelFailed, OrderEntered, OrderTurnedAway
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.types import Digest, OrderType, ProductId, SubaccountId
from overround.engine.record import Record
from overround.engine.types import Address
from overround.protocols.nado import appendix
from overround.protocols.nado.checks import SingleExecute
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.facts import Placed
from overround.protocols.nado.nonces import recv_time_ms
from overround.protocols.nado.requests import (
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    LinkSigner,
    PlaceOrder,
)
from overround.protocols.nado.units import hex_text

CODES: Final[dict[ContinuousRejection, Code]] = {
    ContinuousRejection.MAINTENANCE: Code.SYSTEM_UNDER_MAINTENANCE,
    ContinuousRejection.PRODUCT_UNKNOWN: Code.INVALID_PRODUCT_ID,
    ContinuousRejection.MARKET_UNKNOWN: Code.MARKET_NOT_FOUND,
    ContinuousRejection.RECEIVED_LATE: Code.LATE_RECV_EXECUTION,
    ContinuousRejection.RECEIVED_EARLY: Code.EARLY_RECV_EXECUTION,
    ContinuousRejection.TX_NONCE_WRONG: Code.INVALID_NONCE,
    ContinuousRejection.DIGEST_USED: Code.DIGEST_ALREADY_EXISTS,
    ContinuousRejection.SENDERS_OR_SIGNERS_DIFFER: Code.CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER,
    ContinuousRejection.SIGNER_NOT_AUTHORISED: Code.INVALID_SIGNER,
    ContinuousRejection.SIGNER_LINKED_ALREADY: Code.DUPLICATE_SIGNER_LINKING,
    ContinuousRejection.SIGNER_UPDATES_EXHAUSTED: Code.LINKED_SIGNER_UPDATE_LIMIT_EXCEEDED,
    ContinuousRejection.ORDER_NOT_FOUND: Code.ORDER_NOT_FOUND,
    ContinuousRejection.ORDER_OF_OTHER_SUBACCOUNT: Code.UNAUTHORIZED_SUBACCOUNT_CANCELLATION,
    ContinuousRejection.UNFILLED_DIFFERS: Code.REQUIRED_UNFILLED_MISMATCH,
    ContinuousRejection.MARKET_BLOCKED: Code.MARKET_TRADING_BLOCKED,
    ContinuousRejection.ORDER_EXPIRED: Code.ORDER_EXPIRED,
    ContinuousRejection.PRICE_NOT_POSITIVE: Code.INVALID_PRICE,
    ContinuousRejection.PRICE_OFF_TICK: Code.INVALID_PRICE_INCREMENT,
    ContinuousRejection.AMOUNT_ZERO: Code.ZERO_AMOUNT,
    ContinuousRejection.AMOUNT_OFF_LOT: Code.INVALID_AMOUNT_INCREMENT,
    ContinuousRejection.NOTIONAL_TOO_SMALL: Code.ORDER_SIZE_TOO_SMALL,
    ContinuousRejection.PRICE_OUTSIDE_BAND: Code.ORACLE_PRICE_DIFFERENCE,
    ContinuousRejection.OPEN_ORDERS_EXHAUSTED: Code.MAX_ORDERS_LIMIT_REACHED,
    ContinuousRejection.POST_ONLY_CROSSES: Code.POST_ONLY_ORDER_CROSSES_BOOK,
    ContinuousRejection.REDUCE_ONLY_INCREASES: Code.REDUCE_ONLY_INCREASES_POSITION,
    ContinuousRejection.REDUCE_ONLY_RESTS: Code.REDUCE_ONLY_NOT_TAKER,
    ContinuousRejection.NO_PRIOR_DEPOSIT: Code.NO_PRIOR_DEPOSIT,
    ContinuousRejection.NOTHING_TO_MATCH: Code.IMMEDIATE_OR_CANCEL_DOES_NOT_CROSS,
    ContinuousRejection.NOT_FILLED_COMPLETELY: Code.FILL_OR_KILL_NOT_FILLED,
    ContinuousRejection.MARGIN_INSUFFICIENT: Code.UNHEALTHY_ORDER,
}
"""Every refusal that a client can meet. The others are the operator's: see `OPERATOR_ONLY`."""

OPERATOR_ONLY: Final = frozenset({
    ContinuousRejection.PRODUCT_INVALID, ContinuousRejection.PRODUCT_IN_USE, ContinuousRejection.NOT_COLLATERAL,
})  # fmt: skip

ORDER_TYPES: Final[dict[appendix.OrderType, OrderType]] = {
    appendix.OrderType.DEFAULT: OrderType.DEFAULT,
    appendix.OrderType.IOC: OrderType.IOC,
    appendix.OrderType.FOK: OrderType.FOK,
    appendix.OrderType.POST_ONLY: OrderType.POST_ONLY,
}


# ---- what to submit ------------------------------------------------------------------------------------------------


def command_of(request: SingleExecute, signer: bytes) -> AnyContinuousCommand:
    """The command of a request that `signer` was found to have signed."""
    who = Address(signer)
    match request:
        case CancelOrders():
            return cancel_command(request, who)
        case PlaceOrder():
            return SubmitOrders(orders=(signed_order(request, who),))
        case CancelProductOrders():
            return CancelProducts(
                sender=SubaccountId(request.sender),
                digest=Digest(request.digest),
                receive_by_ms=recv_time_ms(request.nonce),
                signer=who,
                product_ids=tuple(map(ProductId, request.product_ids)),
            )
        case CancelAndPlace():
            return CancelAndPlaceCommand(
                cancel=cancel_command(request.cancel, who),
                order=signed_order(request.place, who),
                requires_unfilled=request.place_requires_unfilled,
            )
        case LinkSigner():
            linked = request.linked_signer
            return LinkSignerCommand(
                sender=SubaccountId(request.sender),
                linked=None if linked is None else Address(linked),
                tx_nonce=request.nonce,
                signer=who,
            )


def submission_of(orders: Iterable[tuple[PlaceOrder, bytes]], *, stop_on_failure: bool) -> SubmitOrders:
    """The command of a batch: its orders, each with its signer."""
    signed = tuple(signed_order(order, Address(signer)) for order, signer in orders)
    return SubmitOrders(orders=signed, stop_on_failure=stop_on_failure)


def signed_order(request: PlaceOrder, signer: Address) -> SignedOrder:
    """An order as the engine keeps it for its whole life. The type and the options are read from the appendix."""
    terms, unpacked = request.terms, request.appendix
    assert request.signature.raw is not None, "its signer was recovered from it"
    return SignedOrder(
        digest=Digest(request.digest),
        product_id=ProductId(request.product_id),
        sender=SubaccountId(terms.sender),
        price_x18=terms.price_x18,
        amount_x18=terms.amount,
        expiration_s=terms.expiration,
        nonce=terms.nonce,
        appendix=terms.appendix,
        order_type=ORDER_TYPES[unpacked.order_type],
        receive_by_ms=recv_time_ms(terms.nonce),
        signer=signer,
        signature=request.signature.raw,
        reduce_only=unpacked.reduce_only,
        client_id=request.id,
    )


def cancel_command(request: CancelOrders, signer: bytes) -> CancelDigests:
    """The command of a cancellation by digest."""
    return _cancel_digests(
        sender=request.sender,
        digest=request.digest,
        receive_by_ms=recv_time_ms(request.nonce),
        signer=signer,
        orders=tuple(zip(request.product_ids, request.digests, strict=True)),
        required_unfilled_x18=request.required_unfilled_amount,
    )


_cancel_digests: Final[Callable[..., CancelDigests]] = CancelDigests
"""Untyped: the engine's names for plain bytes and numbers are made by calls, of which a cancel should cost none."""


# ---- what became of it ---------------------------------------------------------------------------------------------


def refused(rejection: ContinuousRejection, digest: bytes | None = None) -> GatewayError:
    """Why nothing happened, in the words of the dialect; the message names the one order that it is about."""
    code = CODES[rejection]
    return GatewayError(code, None if digest is None else f"{code.text}: {hex_text(digest)}")


def check_decision(decision: Record | Refusal) -> Record:
    """The record of a single request that was obeyed. Raises `GatewayError` for one that was not.

    An order that was turned away has a record where its digest was used up (N9): it is refused all the same. Ask
    `placements` of a batch, which is never refused as a whole.
    """
    if isinstance(decision, Refusal):
        raise refused(decision.rejection, decision.digest if decision.rejection in _NAMES_AN_ORDER else None)
    for event in decision.events:
        if isinstance(event, OrderTurnedAway):
            raise refused(event.rejection)
    return decision


_NAMES_AN_ORDER: Final = frozenset({
    ContinuousRejection.ORDER_NOT_FOUND, ContinuousRejection.ORDER_OF_OTHER_SUBACCOUNT,
    ContinuousRejection.UNFILLED_DIFFERS,
})  # fmt: skip


def placements(record: Record) -> list[Placed]:
    """What became of each order of a batch, in its order; nothing of those behind a stop."""
    found: list[Placed] = []
    for event in record.events:
        if isinstance(event, OrderEntered):
            found.append(Placed(event.digest))
        elif isinstance(event, OrderTurnedAway):
            found.append(Placed(None, str(refused(event.rejection))))
    return found


def failures(record: Record) -> list[GatewayError]:
    """What a cancellation in partial mode did not find, in the order of its list (7.1.5)."""
    return [refused(event.rejection, event.digest) for event in record.events if isinstance(event, CancelFailed)]
