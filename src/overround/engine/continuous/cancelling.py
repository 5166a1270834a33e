"""The signed cancels: named orders, everything on some products, and cancel-and-place (spec/nado.md 7.1, 7.2, 7.5)."""

from __future__ import annotations

from collections.abc import Iterable

from overround.engine.continuous import authorising, margin, placing
from overround.engine.continuous.commands import CancelAndPlace, CancelDigests, CancelProducts, SignedCancel
from overround.engine.continuous.events import AnyContinuousEvent, CancelFailed
from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import QUOTE, Digest, EndCause, ProductId
from overround.engine.types import Address

Outcome = list[AnyContinuousEvent] | Refusal


def cancel_digests(state: ContinuousState, command: CancelDigests, now_ms: int) -> Outcome:
    """The named orders: all of them or none, unless the rules say to cancel what is found (spec/nado.md 7.1.5)."""
    assert state.rules is not None
    if rejection := _refusal_of_request(state, command, now_ms):
        return Refusal(rejection)
    found, failed = _find(state, command)
    if failed and not (found and state.rules.partial_cancels):
        return Refusal(failed[0].rejection, failed[0].digest)
    state.use(command.digest, command.receive_by_ms, now_ms)
    return [*failed, *_end_all(state, found, EndCause.CANCELLED), *margin.settle(state)]


def cancel_products(state: ContinuousState, command: CancelProducts, now_ms: int) -> Outcome:
    """Every order of the subaccount on the named products, oldest first; on all products where none is named."""
    if any(one not in state.markets and one != QUOTE for one in command.product_ids):
        return Refusal(ContinuousRejection.PRODUCT_UNKNOWN)
    if rejection := _refusal_of_request(state, command, now_ms):
        return Refusal(rejection)
    state.use(command.digest, command.receive_by_ms, now_ms)
    subaccount = state.subaccounts.get(command.sender)
    holdings = subaccount.holdings if subaccount else {}
    wanted: Iterable[ProductId] = set(command.product_ids) or holdings.keys()
    found = [order for one in wanted if one in holdings for order in holdings[one].orders.values()]
    found.sort(key=lambda order: order.number)
    return [*_end_all(state, found, EndCause.CANCELLED), *margin.settle(state)]


def cancel_and_place(state: ContinuousState, command: CancelAndPlace, now_ms: int) -> Outcome:
    """Look at both first, with the cancel done in thought only: a refused placement leaves the old orders (N8)."""
    assert state.rules is not None
    cancel, terms = command.cancel, command.order
    if rejection := _refusal_of_both(state, command, now_ms):
        return Refusal(rejection)
    found, failed = _find(state, cancel)
    if failed and not state.rules.partial_cancels:
        found = []
    had_fills = any(order.unfilled_x18 != abs(order.terms.amount_x18) for order in found)
    if command.requires_unfilled and (failed or had_fills):
        return Refusal(ContinuousRejection.UNFILLED_DIFFERS)
    met = placing.examine(state, terms, now_ms, without=found)
    if isinstance(met, ContinuousRejection):
        refused = placing.turn_away(state, terms, met, now_ms)
        return [refused] if refused.burnt else Refusal(met, terms.digest)
    state.use(cancel.digest, cancel.receive_by_ms, now_ms)
    ended = _end_all(state, found, EndCause.CANCELLED)
    return [*failed, *ended, *placing.place(state, terms, met, now_ms)]


def cancel_all_of_wallet(state: ContinuousState, address: Address) -> list[AnyContinuousEvent]:
    """Everything of every subaccount of the wallet, oldest first, by the venue and not by a signature."""
    return [*_end_all(state, state.orders_of_wallet(address), EndCause.WALLET), *margin.settle(state)]


def _refusal_of_request(state: ContinuousState, cancel: SignedCancel, now_ms: int) -> ContinuousRejection | None:
    return authorising.refusal(state, cancel.sender, cancel.digest, cancel.receive_by_ms, cancel.signer, now_ms)


def _refusal_of_both(state: ContinuousState, command: CancelAndPlace, now_ms: int) -> ContinuousRejection | None:
    """The checks of two requests, each kind for both before the next kind (N7)."""
    cancel, terms = command.cancel, command.order
    rejection = (
        placing.refusal_of_product(state, terms)
        or authorising.refusal_of_time(state, cancel.receive_by_ms, now_ms)
        or authorising.refusal_of_time(state, terms.receive_by_ms, now_ms)
        or authorising.refusal_of_digest(state, cancel.digest)
        or authorising.refusal_of_digest(state, terms.digest)
    )
    if rejection:
        return rejection
    if (cancel.sender, cancel.signer) != (terms.sender, terms.signer):
        return ContinuousRejection.SENDERS_OR_SIGNERS_DIFFER
    return authorising.refusal_of_signer(state, terms.sender, terms.signer)


def _find(state: ContinuousState, command: CancelDigests) -> tuple[list[ContinuousOrder], list[CancelFailed]]:
    """The orders that a cancel names, in its order, and what is wrong with the others (spec/nado.md 7.1)."""
    found: dict[Digest, ContinuousOrder] = {}
    failed: list[CancelFailed] = []
    required = command.required_unfilled_x18
    for product_id, digest in command.orders:
        order = state.orders.get(digest)
        if order is None or order.terms.product_id != product_id or digest in found:
            failed.append(CancelFailed(digest, ContinuousRejection.ORDER_NOT_FOUND))
        elif order.terms.sender != command.sender:
            failed.append(CancelFailed(digest, ContinuousRejection.ORDER_OF_OTHER_SUBACCOUNT))
        elif required is not None and abs(required) != order.unfilled_x18:
            failed.append(CancelFailed(digest, ContinuousRejection.UNFILLED_DIFFERS))
        else:
            found[digest] = order
    return list(found.values()), failed


def _end_all(state: ContinuousState, orders: Iterable[ContinuousOrder], cause: EndCause) -> list[AnyContinuousEvent]:
    return [margin.end(state, order, cause) for order in orders]
