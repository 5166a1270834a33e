"""What the operator does: products, prices, collateral."""

from __future__ import annotations

import msgspec
from tests.engine.continuous.desk import ALICE, BOB, BTC_PERP, CAROL, PERP, SPOT, Desk, product

from overround.engine.continuous.commands import ConfigureProduct, SetCollateral, UpdateProduct
from overround.engine.continuous.events import MarkChanged, PositionChanged, ProductSet
from overround.engine.continuous.product import fee_of
from overround.engine.continuous.types import QUOTE, X18, EndCause, PositionReason, ProductKind, TradingStatus


def test_the_products_of_the_sandbox_are_valid() -> None:
    """spec/decisions.md N1: tick * lot is a multiple of 10^18."""
    steps = [(10**18, 5 * 10**13), (10**17, 10**15), (10**17, 10**15)]
    assert all(product(2, "x", ProductKind.PERP, tick_x18=tick, lot_x18=lot).is_valid for tick, lot in steps)
    assert not product(2, "x", ProductKind.PERP, tick_x18=10, lot_x18=10**16).is_valid


def test_only_what_is_given_changes(desk: Desk) -> None:
    events = desk.events(UpdateProduct(product_id=PERP, trading_status=TradingStatus.POST_ONLY))
    assert events == [ProductSet(msgspec.structs.replace(BTC_PERP, trading_status=TradingStatus.POST_ONLY))]
    (changed, marked) = desk.events(UpdateProduct(product_id=PERP, maker_fee_x18=7, mark_x18=5))
    assert marked == MarkChanged(PERP, 5)
    assert isinstance(changed, ProductSet)
    assert (changed.product.trading_status, changed.product.maker_fee_x18) == (TradingStatus.POST_ONLY, 7)


def test_steps_may_change_while_nobody_is_concerned(desk: Desk) -> None:
    finer = msgspec.structs.replace(BTC_PERP, tick_x18=X18 // 2)
    desk.do(ConfigureProduct(product=finer))
    desk.rest(ALICE, 2, 0, price_x18=X18 * 201 // 2)


def test_weights_that_change_are_judged_at_once(desk: Desk) -> None:
    desk.fund(CAROL, 500)
    order = desk.rest(CAROL, 100, 100)
    heavier = msgspec.structs.replace(BTC_PERP, long_weight_x18=X18 // 2)
    assert desk.do(ConfigureProduct(product=heavier)).ended == [(order.digest, EndCause.MARGIN, 100 * X18)]


def test_collateral_is_absolute_and_tells_what_it_was(desk: Desk) -> None:
    def told(amount: int) -> PositionReason:
        (event,) = desk.events(SetCollateral(subaccount=BOB, product_id=QUOTE, amount_x18=amount))
        assert isinstance(event, PositionChanged)
        assert (event.subaccount, event.product_id, event.amount_x18, event.v_quote_x18) == (BOB, QUOTE, amount, 0)
        return event.reason

    assert [told(X18), told(2 * X18), told(0)] == [
        PositionReason.WITHDRAWAL,
        PositionReason.DEPOSIT,
        PositionReason.WITHDRAWAL,
    ]
    assert desk.state.deposits[QUOTE] == 200_000 * X18
    desk.fund(BOB, 12, SPOT)
    assert desk.state.deposits[SPOT] == 32 * X18


def test_a_fee_is_rounded_up_and_a_rebate_down() -> None:
    assert [fee_of(1, X18 // 2), fee_of(3, X18 // 2), fee_of(2, X18 // 2), fee_of(0, X18 // 2)] == [1, 2, 1, 0]
    assert [fee_of(1, -X18 // 2), fee_of(3, -X18 // 2), fee_of(2, -X18 // 2)] == [0, -1, -1]
