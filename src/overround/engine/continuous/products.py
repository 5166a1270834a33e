"""What the operator does: rules, products, prices, collateral, maintenance (spec/decisions.md D16, N1, N4)."""

from __future__ import annotations

import msgspec

from overround.engine.continuous import margin
from overround.engine.continuous.commands import (
    ConfigureContinuous,
    ConfigureProduct,
    SetCollateral,
    SetMaintenance,
    UpdateProduct,
)
from overround.engine.continuous.events import (
    AnyContinuousEvent,
    ContinuousConfigured,
    MaintenanceSet,
    PositionChanged,
    ProductSet,
)
from overround.engine.continuous.product import Product
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import QUOTE, PositionReason, SubaccountId

Outcome = list[AnyContinuousEvent] | Refusal

FIXED = ("kind", "tick_x18", "lot_x18")  # what orders and balances rest on


def configure(state: ContinuousState, command: ConfigureContinuous, now_ms: int) -> Outcome:
    """These rules from here on."""
    del now_ms
    state.configure(command.rules)
    return [ContinuousConfigured(command.rules)]


def configure_product(state: ContinuousState, command: ConfigureProduct, now_ms: int) -> Outcome:
    """A new product, or a new version of one. Steps and kind are fixed while anybody has orders or a balance in it."""
    del now_ms
    product = command.product
    if not product.is_valid:
        return Refusal(ContinuousRejection.PRODUCT_INVALID)
    market = state.markets.get(product.product_id)
    if market and market.holders and any(getattr(product, one) != getattr(market.product, one) for one in FIXED):
        return Refusal(ContinuousRejection.PRODUCT_IN_USE)
    return _put(state, product)


def update_product(state: ContinuousState, command: UpdateProduct, now_ms: int) -> Outcome:
    """Change what is given."""
    del now_ms
    market = state.markets.get(command.product_id)
    if market is None:
        return Refusal(ContinuousRejection.PRODUCT_UNKNOWN)
    given = {
        name: value
        for name in ("trading_status", "maker_fee_x18", "taker_fee_x18")
        if (value := getattr(command, name)) is not None
    }
    product = msgspec.structs.replace(market.product, **given)
    price_x18 = command.mark_x18
    if not product.is_valid or (price_x18 is not None and (price_x18 <= 0 or not product.has_book)):
        return Refusal(ContinuousRejection.PRODUCT_INVALID)
    if price_x18 is not None:
        state.set_last_price(market, price_x18)
    return _put(state, product)


def set_collateral(state: ContinuousState, command: SetCollateral, now_ms: int) -> Outcome:
    """A balance, absolute. Orders that it no longer covers are taken off (N2)."""
    del now_ms
    product_id, amount_x18 = command.product_id, command.amount_x18
    market = state.markets.get(product_id)
    if market is None and product_id != QUOTE:
        return Refusal(ContinuousRejection.PRODUCT_UNKNOWN)
    if market is not None and market.product.is_perp:
        return Refusal(ContinuousRejection.NOT_COLLATERAL)
    subaccount = state.subaccount(command.subaccount)
    delta_x18 = amount_x18 - subaccount.holding(product_id).amount_x18
    state.set_balance(subaccount, product_id, amount_x18, 0)
    state.note_deposit(product_id, delta_x18)
    if amount_x18 > 0:
        state.set_funded(subaccount)
    reason = PositionReason.WITHDRAWAL if delta_x18 < 0 else PositionReason.DEPOSIT
    event = PositionChanged(command.subaccount, product_id, amount_x18, 0, reason)
    return [event, *margin.settle(state, [command.subaccount])]


def set_maintenance(state: ContinuousState, command: SetMaintenance, now_ms: int) -> Outcome:
    """Refuse orders, or take them again."""
    del now_ms
    state.set_maintenance(command.on)
    return [MaintenanceSet(command.on)]


def _put(state: ContinuousState, product: Product) -> list[AnyContinuousEvent]:
    """Weights and fees decide who is covered: everybody who holds the product is judged anew."""
    state.put_product(product)
    holders: list[SubaccountId] = list(state.markets[product.product_id].holders)
    return [ProductSet(product), *margin.settle(state, holders)]
