"""The operator's routes for continuous markets: requests to commands, and answers (`spec/decisions.md` D16).

Numbers are x 10^18, as decimal text or integer; answers have them as text.
"""

from __future__ import annotations

from typing import Any, Final

from overround.engine.continuous.commands import SetCollateral, SetMaintenance, UpdateProduct
from overround.engine.continuous.rejections import ContinuousRejection
from overround.engine.continuous.types import ProductId, SubaccountId, TradingStatus
from overround.protocols.nado.units import PRODUCT_ID_MAX, hex_text, parse_bytes, parse_int
from overround.protocols.operator.wire import CollateralBody, MaintenanceBody, ProductBody
from overround.protocols.sx.decode import body_of
from overround.protocols.sx.errors import WireError, bad_request
from overround.views.continuous import Continuous

_X18_BITS: Final = 128


# ---- commands ------------------------------------------------------------------------------------------------------


def set_collateral(subaccount: str, product_id: str, body: bytes) -> SetCollateral:
    """What a subaccount has of quote or of a spot product from here on."""
    amount = _x18("amountX18", body_of(body, CollateralBody).amountX18)
    if amount < 0:
        raise bad_request("amountX18 must not be negative: nobody borrows")
    try:
        sender = parse_bytes(subaccount, 32)
    except ValueError as error:
        raise bad_request(f"subaccount {error}") from None
    return SetCollateral(subaccount=SubaccountId(sender), product_id=_product_id(product_id), amount_x18=amount)


def update_product(product_id: str, body: bytes) -> UpdateProduct:
    """A price, a status, fees."""
    wanted = body_of(body, ProductBody)
    try:
        status = None if wanted.tradingStatus is None else TradingStatus(wanted.tradingStatus)
    except ValueError:
        raise bad_request("tradingStatus must be one of " + ", ".join(one.value for one in TradingStatus)) from None
    return UpdateProduct(
        product_id=_product_id(product_id),
        mark_x18=_optional("oraclePriceX18", wanted.oraclePriceX18),
        trading_status=status,
        maker_fee_x18=_optional("makerFeeX18", wanted.makerFeeX18),
        taker_fee_x18=_optional("takerFeeX18", wanted.takerFeeX18),
    )


def set_maintenance(body: bytes) -> SetMaintenance:
    """Refuse orders, or take them again."""
    return SetMaintenance(on=body_of(body, MaintenanceBody).maintenance)


def _optional(name: str, value: str | int | None) -> int | None:
    return None if value is None else _x18(name, value)


def _x18(name: str, value: str | int) -> int:
    try:
        return parse_int(value, _X18_BITS, signed=True)
    except ValueError as error:
        raise bad_request(f"{name} {error}") from None


def _product_id(text: str) -> ProductId:
    """Of a path: what is no number is no product."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > PRODUCT_ID_MAX:
        raise WireError("NOT_FOUND", status=404, detail="product unknown")
    return ProductId(int(text))


# ---- answers -------------------------------------------------------------------------------------------------------

_STATUS_OF: Final = {
    ContinuousRejection.PRODUCT_UNKNOWN: (404, "NOT_FOUND"),
    ContinuousRejection.PRODUCT_INVALID: (400, "PRODUCT_INVALID"),
    ContinuousRejection.NOT_COLLATERAL: (409, "NOT_COLLATERAL"),
}


def refusal(rejection: ContinuousRejection) -> WireError:
    """The answer to an operator whose command was refused."""
    status, code = _STATUS_OF[rejection]
    return WireError(code, status=status, detail=rejection.value.replace("_", " "))


def balance(command: SetCollateral, views: Continuous) -> dict[str, Any]:
    """A balance as it is now."""
    found = views.balance(command.subaccount, command.product_id)
    return {
        "subaccount": hex_text(command.subaccount),
        "productId": command.product_id,
        "amountX18": str(found.amount_x18),
    }


def product(product_id: ProductId, views: Continuous) -> dict[str, Any]:
    """A product as the operator knows it."""
    one = views.products[product_id]
    return {
        "productId": one.product_id,
        "symbol": one.symbol,
        "type": one.kind.value,
        "oraclePriceX18": str(views.marks[product_id]),
        "tradingStatus": one.trading_status.value,
        "makerFeeX18": str(one.maker_fee_x18),
        "takerFeeX18": str(one.taker_fee_x18),
    }
