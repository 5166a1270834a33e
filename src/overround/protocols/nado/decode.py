"""Bytes to executes (`spec/nado.md` 7), over HTTP and as frames of the action socket alike.

The form only: every integer is of its type, every hash of its length, and every digest computed. Nothing is refused
here that depends on the clock, on state, or on who signed; that has its order (`spec/decisions.md` N7).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from overround.protocols import strict_json
from overround.protocols.nado import digests, wire
from overround.protocols.nado.digests import Domain, OrderTerms
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.nonces import parse_nonce
from overround.protocols.nado.requests import (
    UNSERVED,
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    LinkSigner,
    PlaceOrder,
    PlaceOrders,
)
from overround.protocols.nado.signatures import read_signature
from overround.protocols.nado.units import UINT64_MAX, NotANumber, OutOfRange, parse_bytes, parse_int, shown

ORDERS_MAX: Final = 50  # orders in one batch
CANCEL_DIGESTS_MAX: Final = 1_000  # digests in one cancellation; the default budget allows 600
CANCEL_PRODUCTS_MAX: Final = 1_000  # products in one cancellation
CANCEL_HEAD: Final = b'{"cancel_orders"'  # how a body begins that most likely is one

_T = TypeVar("_T")


# ---- whole bodies --------------------------------------------------------------------------------------------------


def decode_execute(body: bytes, domain: Domain) -> Execute:
    """Decode the body of `POST /execute`, or a frame. Raises `GatewayError`, which knows what the answer repeats."""
    if body.startswith(CANCEL_HEAD):  # what must be quick, in one step; whatever is odd about it takes the other way
        try:
            cancel = strict_json.decode_body(body, wire.CancelOrdersMessage).cancel_orders
            return _cancel_of(cancel, domain)
        except (strict_json.MalformedBody, GatewayError):
            pass
    return _execute(_members(body), domain)


def is_query(frame: bytes) -> bool:
    """Whether a frame of the action socket is a query; anything else is to be decoded as an execute. Never raises."""
    try:
        members = _members(frame)
    except GatewayError:
        return False
    return "type" in members and not members.keys() & _KNOWN


def is_cancel(body: bytes) -> bool:
    """Whether a body, read or not, is a request that only cancels: those come before everything else. Never raises."""
    try:
        names = _members(body).keys() & _KNOWN
    except GatewayError:
        return False
    return bool(names) and names <= _CANCELS


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    try:
        return strict_json.decode_body(body, dict[str, msgspec.Raw])
    except strict_json.MalformedBody as error:
        raise GatewayError(Code.INVALID_EXECUTE_MESSAGE, str(error)).about(None, signature="") from None


def _execute(members: dict[str, msgspec.Raw], domain: Domain) -> Execute:
    names = members.keys() & _KNOWN  # other members are ignored, as everywhere (1.3)
    if len(names) != 1:
        found = ", ".join(sorted(names)) or ", ".join(shown(name) for name in list(members)[:3]) or "nothing"
        message = f"the body must have one member, the name of an execute; found {found}"
        raise GatewayError(Code.INVALID_EXECUTE_MESSAGE, message).about(None, signature="")
    (name,) = names
    raw = bytes(members[name])
    try:
        if name in UNSERVED:
            raise GatewayError(Code.NOT_IMPLEMENTED, f"{name} is not implemented by this venue")
        return _DECODERS[name](raw, domain)
    except GatewayError as error:
        raise _with_echo(error, name, raw) from None


def _with_echo(error: GatewayError, name: str, raw: bytes) -> GatewayError:
    """Complete a refusal with what can be read of the request, however malformed the rest of it is."""
    try:
        echo = strict_json.decode_body(raw, wire.Echo)
    except strict_json.MalformedBody:
        echo = wire.Echo()
    signature = echo.cancel_signature if name == "cancel_and_place" else echo.signature
    text = read_signature(signature).echo if isinstance(signature, str) else ""
    numbered = echo.place_order if name == "cancel_and_place" else {"id": echo.id}
    number = numbered.get("id") if isinstance(numbered, dict) else None
    plain = isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= UINT64_MAX
    return error.about("execute_" + name, signature=text, id=number if plain else None)


# ---- one execute each ----------------------------------------------------------------------------------------------


def _place_order(raw: bytes, domain: Domain) -> PlaceOrder:
    return _placement(_body(raw, wire.PlaceOrderBody, "place_order"), domain, "place_order")


def _place_orders(raw: bytes, domain: Domain) -> PlaceOrders:
    body = _body(raw, wire.PlaceOrdersBody, "place_orders")
    if len(body.orders) > ORDERS_MAX:
        raise GatewayError(
            Code.MAX_ORDER_LIMIT_EXCEEDED, f"{len(body.orders)} orders; a batch has at most {ORDERS_MAX}"
        )
    orders = tuple(_placement(one, domain, f"place_orders.orders[{place}]") for place, one in enumerate(body.orders))
    if len({order.sender for order in orders}) > 1:
        raise GatewayError(Code.BATCH_SENDER_MISMATCH)
    return PlaceOrders(orders, bool(body.stop_on_failure))


def _cancel_orders(raw: bytes, domain: Domain) -> CancelOrders:
    return _cancel_of(_body(raw, wire.CancelOrdersBody, "cancel_orders"), domain)


def _cancel_of(body: wire.CancelOrdersBody, domain: Domain) -> CancelOrders:
    required, number = body.required_unfilled_amount, body.id
    if required is not None:
        required = _required_unfilled(required, "cancel_orders")
    if number is not None:
        number = _id(number, "cancel_orders")
    return _cancellation(body.tx, body.signature, domain, "cancel_orders.tx", required, number)


def _cancel_product_orders(raw: bytes, domain: Domain) -> CancelProductOrders:
    body = _body(raw, wire.CancelProductOrdersBody, "cancel_product_orders")
    where = "cancel_product_orders.tx"
    if len(body.tx.productIds) > CANCEL_PRODUCTS_MAX:
        raise _malformed(f"{where}.productIds", f"has more than {CANCEL_PRODUCTS_MAX} elements")
    sender, nonce = _bytes(body.tx.sender, 32, where, "sender"), _nonce(body.tx.nonce, where)
    return CancelProductOrders(
        sender=sender,
        product_ids=tuple(dict.fromkeys(body.tx.productIds)),
        nonce=nonce,
        digest=digests.cancellation_products_digest(domain, sender, body.tx.productIds, nonce),
        signature=read_signature(body.signature),
        claimed_digest=_claimed_digest(body.digest, "cancel_product_orders"),
        id=_id(body.id, "cancel_product_orders"),
    )


def _cancel_and_place(raw: bytes, domain: Domain) -> CancelAndPlace:
    name = "cancel_and_place"
    body = _body(raw, wire.CancelAndPlaceBody, name)
    required = _required_unfilled(body.required_unfilled_amount, name)
    cancel = _cancellation(body.cancel_tx, body.cancel_signature, domain, f"{name}.cancel_tx", required, None)
    place = _placement(body.place_order, domain, f"{name}.place_order")
    if cancel.sender != place.sender:
        raise GatewayError(Code.CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER)
    return CancelAndPlace(cancel, place, bool(body.place_requires_unfilled))


def _link_signer(raw: bytes, domain: Domain) -> LinkSigner:
    body = _body(raw, wire.LinkSignerBody, "link_signer")
    where = "link_signer.tx"
    sender, signer = _bytes(body.tx.sender, 32, where, "sender"), _bytes(body.tx.signer, 32, where, "signer")
    nonce = _number(body.tx.nonce, 64, f"{where}.nonce")
    digest = digests.link_signer_digest(domain, sender, signer, nonce)
    return LinkSigner(sender, signer, nonce, digest, read_signature(body.signature))


_DECODERS: Final[dict[str, Callable[[bytes, Domain], Execute]]] = {
    "place_order": _place_order,
    "place_orders": _place_orders,
    "cancel_orders": _cancel_orders,
    "cancel_product_orders": _cancel_product_orders,
    "cancel_and_place": _cancel_and_place,
    "link_signer": _link_signer,
}
_KNOWN: Final = _DECODERS.keys() | UNSERVED
_CANCELS: Final = frozenset({"cancel_orders", "cancel_product_orders"})


# ---- parts ---------------------------------------------------------------------------------------------------------


def _placement(body: wire.PlaceOrderBody, domain: Domain, where: str) -> PlaceOrder:
    order = f"{where}.order"
    terms = OrderTerms(
        sender=_bytes(body.order.sender, 32, order, "sender"),
        price_x18=_amount(body.order.priceX18, f"{order}.priceX18"),
        amount=_amount(body.order.amount, f"{order}.amount"),
        expiration=_number(body.order.expiration, 64, f"{order}.expiration"),
        nonce=_nonce(body.order.nonce, order),
        appendix=_number(body.order.appendix, 128, f"{order}.appendix"),
    )
    return PlaceOrder(
        product_id=body.product_id,
        terms=terms,
        digest=digests.order_digest(domain, body.product_id, terms),
        signature=read_signature(body.signature),
        id=_id(body.id, where),
        claimed_digest=_claimed_digest(body.digest, where),
        spot_leverage=body.spot_leverage,
        borrow_margin=body.borrow_margin,
    )


def _cancellation(
    tx: wire.CancellationBody, signature: str, domain: Domain, where: str, required: int | None, id: int | None
) -> CancelOrders:
    if len(tx.productIds) != len(tx.digests):
        message = f"{len(tx.productIds)} productIds for {len(tx.digests)} digests"
        raise GatewayError(Code.MISMATCHED_DIGESTS_AND_PRODUCT_IDS_LENGTH, message)
    if len(tx.digests) > CANCEL_DIGESTS_MAX:
        message = f"{Code.RATE_LIMIT.text}: a cancellation names at most {CANCEL_DIGESTS_MAX} digests"
        raise GatewayError(Code.RATE_LIMIT, message)
    sender, nonce = _bytes(tx.sender, 32, where, "sender"), _nonce(tx.nonce, where)
    named = _digests(tx.digests, where)
    digest = digests.cancellation_digest(domain, sender, tx.productIds, named, nonce)
    return CancelOrders(sender, tuple(tx.productIds), named, nonce, digest, read_signature(signature), required, id)


def _body(raw: bytes, wanted: type[_T], where: str) -> _T:
    try:
        return strict_json.decode_body(raw, wanted)
    except strict_json.MalformedBody as error:
        raise GatewayError(Code.INVALID_EXECUTE_MESSAGE, f"{where}: {error}") from None


def _malformed(where: str, what: object) -> GatewayError:
    return GatewayError(Code.INVALID_EXECUTE_MESSAGE, f"{where}: {what}")


def _bytes(text: str, size: int, where: str, name: str) -> bytes:
    try:
        return parse_bytes(text, size)
    except ValueError as error:
        raise _malformed(f"{where}.{name}", error) from None


def _digests(texts: list[str], where: str) -> tuple[bytes, ...]:
    try:
        return tuple([parse_bytes(one, 32) for one in texts])
    except ValueError:
        return tuple(_bytes(one, 32, where, f"digests[{place}]") for place, one in enumerate(texts))


def _number(value: Any, bits: int, where: str) -> int:
    try:
        return parse_int(value, bits)
    except (NotANumber, OutOfRange) as error:
        raise _malformed(where, error) from None


def _amount(value: Any, where: str) -> int:
    """A price or a quantity: an int128, and a code of its own when it is wider (2091)."""
    try:
        return parse_int(value, 128, signed=True)
    except NotANumber as error:
        raise _malformed(where, error) from None
    except OutOfRange as error:
        raise GatewayError(Code.AMOUNT_TOO_LARGE, f"{where}: {error}") from None


def _nonce(value: Any, where: str) -> int:
    try:
        return parse_nonce(value)
    except GatewayError as error:
        raise GatewayError(error.code, f"{where}.{error.message}") from None


def _required_unfilled(value: Any, where: str) -> int | None:
    return None if value is None else abs(_amount(value, f"{where}.required_unfilled_amount"))


def _claimed_digest(text: str | None, where: str) -> bytes | None:
    return None if text is None else _bytes(text, 32, where, "digest")


def _id(number: int | None, where: str) -> int | None:
    return None if number is None else _number(number, 64, f"{where}.id")
