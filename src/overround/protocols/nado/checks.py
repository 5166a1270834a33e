"""What can be refused without asking the engine, in its order (`spec/decisions.md` N7): product, receive time,
[budget, replay,] signature, and then, of the semantics, what the request alone decides.

The steps are separate functions, because budget and replay memory belong to others and stand between them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from overround.protocols.nado import appendix
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.nonces import check_window
from overround.protocols.nado.requests import (
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    LinkSigner,
    PlaceOrder,
    PlaceOrders,
)
from overround.protocols.nado.signatures import check_authority, signer_of
from overround.protocols.nado.units import X18

LinkedSigners = Callable[[bytes], bytes | None]
"""From a subaccount to the address of the signer that is linked to it."""


class Market(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a product demands of every order, whatever the state is."""

    spot: bool
    has_book: bool = True
    price_increment_x18: int = 1
    size_increment: int = 1
    min_size: int = 0
    """The least notional, amount times price, x18."""


SingleExecute = PlaceOrder | CancelOrders | CancelProductOrders | CancelAndPlace | LinkSigner
"""Whatever is not a batch."""

Markets = Mapping[int, Market]
"""Every product there is, by its id."""


def check_product(request: Execute, markets: Markets) -> None:
    """Refuse unknown products (2016) and, for orders, those without a market (2015). Raises `GatewayError`.

    A batch passes: each of its orders is checked, and answered, on its own. So does `cancel_orders`: a digest under a
    product that it does not belong to is not found (7.1.4).
    """
    match request:
        case PlaceOrder():
            _check_tradable(request.product_id, markets)
        case CancelAndPlace():
            _check_tradable(request.place.product_id, markets)
        case CancelProductOrders():
            for product_id in request.product_ids:
                if product_id not in markets:
                    raise GatewayError(Code.INVALID_PRODUCT_ID, f"there is no product {product_id}")


def _check_tradable(product_id: int, markets: Markets) -> None:
    if product_id not in markets:
        raise GatewayError(Code.INVALID_PRODUCT_ID, f"there is no product {product_id}")
    if not markets[product_id].has_book:
        raise GatewayError(Code.MARKET_NOT_FOUND, f"product {product_id} has no market")


def check_time(request: Execute, now_ms: int) -> None:
    """Refuse what comes too late (2011) or too early (2012). Raises `GatewayError`.

    `link_signer` has a counter and no time; a batch passes, as in `check_product`.
    """
    match request:
        case PlaceOrder() | CancelOrders() | CancelProductOrders():
            check_window(request.nonce, now_ms)
        case CancelAndPlace():
            check_window(request.cancel.nonce, now_ms)
            check_window(request.place.nonce, now_ms)


def check_signature(request: Execute, linked_signer_of: LinkedSigners) -> None:
    """Refuse whoever may not act for the sender (2027, 2034, 2035, 2029, 2066, 2028). Raises `GatewayError`.

    Expensive: one recovery a signature. A batch passes, as in `check_product`.
    """
    if not isinstance(request, PlaceOrders):
        authorised_signer(request, linked_signer_of)


def authorised_signer(request: SingleExecute, linked_signer_of: LinkedSigners) -> bytes:
    """Who signed, if that is somebody who may. Expensive. Raises `GatewayError`, as `check_signature`."""
    match request:
        case CancelOrders() | PlaceOrder() | CancelProductOrders():
            sender, digest, linked = request.sender, request.digest, linked_signer_of(request.sender)
        case CancelAndPlace():
            sender, digest = request.cancel.sender, request.cancel.digest
            linked = linked_signer_of(sender)
        case LinkSigner():  # the owner only (O7)
            sender, digest, linked = request.sender, request.digest, None
    signer = request.signer()
    check_authority(signer, sender, linked, digest=digest)
    return signer


def cancel_signer(request: CancelOrders, recovered: bytes | None, linked_signer_of: LinkedSigners) -> bytes:
    """The same for what has to be quick: the address was recovered elsewhere, or there was nothing to recover from.

    Nobody looks up a linked signer where the owner signed.
    """
    signer = signer_of(request.signature, recovered)
    if not request.sender.startswith(signer):
        check_authority(signer, request.sender, linked_signer_of(request.sender), digest=request.digest)
    return signer


def check_terms(request: Execute, markets: Markets, now_ms: int, builders: frozenset[int] | None = None) -> None:
    """Refuse what a request by itself rules out, in the order of 5.5. Raises `GatewayError`.

    For an order: its appendix (2095, 2097, 2009, 2083, 2086, 2118), expiration (2004), price (2055, 2000), amount
    (2002, 2001), notional (2094), a reduce-only that could rest (2067), `spot_leverage` where there is no spot (2019).
    For `link_signer`: an isolated sender (2089). The product must have passed `check_product`.
    """
    match request:
        case PlaceOrder():
            _check_order(request, markets[request.product_id], now_ms, builders)
        case CancelAndPlace():
            _check_order(request.place, markets[request.place.product_id], now_ms, builders)
        case LinkSigner():
            if request.from_isolated:
                raise GatewayError(Code.INVALID_LINK_SIGNER_SENDER)


def _check_order(order: PlaceOrder, market: Market, now_ms: int, builders: frozenset[int] | None) -> None:
    unpacked, terms = order.appendix, order.terms
    code = appendix.fault(unpacked, spot=market.spot, builders=builders)
    if code is not None:
        raise GatewayError(code)
    if terms.expiration * 1000 <= now_ms:
        message = f"{Code.ORDER_EXPIRED.text}: it is {terms.expiration}, the venue's clock says {now_ms // 1000}"
        raise GatewayError(Code.ORDER_EXPIRED, message)
    _check_numbers(terms.price_x18, terms.amount, market)
    if unpacked.reduce_only and unpacked.order_type not in (appendix.OrderType.IOC, appendix.OrderType.FOK):
        raise GatewayError(Code.REDUCE_ONLY_NOT_TAKER)
    if order.spot_leverage is not None and not market.spot:
        raise GatewayError(Code.INAPPROPRIATE_SPOT_LEVERAGE)


def _check_numbers(price_x18: int, amount: int, market: Market) -> None:
    if price_x18 <= 0:
        raise GatewayError(Code.INVALID_PRICE)
    if price_x18 % market.price_increment_x18:
        message = f"{Code.INVALID_PRICE_INCREMENT.text}, {market.price_increment_x18}"
        raise GatewayError(Code.INVALID_PRICE_INCREMENT, message)
    if amount == 0:
        raise GatewayError(Code.ZERO_AMOUNT)
    if amount % market.size_increment:
        message = f"{Code.INVALID_AMOUNT_INCREMENT.text}, {market.size_increment}"
        raise GatewayError(Code.INVALID_AMOUNT_INCREMENT, message)
    if abs(amount) * price_x18 < market.min_size * X18:
        raise GatewayError(Code.ORDER_SIZE_TOO_SMALL, f"{Code.ORDER_SIZE_TOO_SMALL.text}, {market.min_size}")
