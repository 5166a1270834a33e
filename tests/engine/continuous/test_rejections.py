"""Every refusal is reached, and where several apply the one that is declared first is the answer.

An order is made wrong in as many ways as can be at once, and put right one by one from the top: each time the next
refusal of the list must be the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.engine.continuous.desk import (
    ALICE,
    BOB,
    BTC_PERP,
    OTHER_OF_ALICE,
    PERP,
    POOR,
    RULES,
    SPOT,
    USDT,
    Desk,
    digest_of,
)

from overround.engine.continuous import rejections
from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelAndPlace,
    ConfigureProduct,
    LinkSigner,
    SetCollateral,
    SetMaintenance,
    SubmitOrders,
    UpdateProduct,
)
from overround.engine.continuous.rejections import BURNS
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.types import X18, OrderType, ProductId, TradingStatus, wallet_of
from overround.engine.types import Address

IOC, FOK, POST_ONLY = OrderType.IOC, OrderType.FOK, OrderType.POST_ONLY
DECLARED = list(R)
BAND = msgspec.structs.replace(RULES, open_orders_max=1, band_low_x18=X18 // 2, band_high_x18=2 * X18)
KEY = Address(digest_of("key")[:20])

Ladder = list[tuple[R, Callable[[Desk], Any] | dict[str, Any]]]  # a refusal, and what puts it right


def climb(desk: Desk, ladder: Ladder, **given: Any) -> None:
    """Meet each refusal in turn, putting right what is wrong."""
    positions = [DECLARED.index(rejection) for rejection, _ in ladder]
    assert positions == sorted(positions), "the ladder is not in the order of declaration"
    for rejection, remedy in ladder:
        order = desk.order(**given)
        assert desk.refusal(SubmitOrders(orders=(order,))) is rejection
        if isinstance(remedy, dict):
            given |= remedy
        else:
            remedy(desk)
    desk.place(desk.order(**given))


def _maintenance(on: bool) -> Callable[[Desk], Any]:
    return lambda desk: desk.do(SetMaintenance(on=on))


def test_all_that_can_be_wrong_with_a_resting_order() -> None:
    desk = Desk(BAND)
    desk.do(SetMaintenance(on=True))
    desk.update(trading_status=TradingStatus.NOT_TRADABLE)
    first, theirs = ALICE, BOB
    ladder: Ladder = [
        (R.MAINTENANCE, _maintenance(False)),
        (R.PRODUCT_UNKNOWN, {"product_id": ProductId(0)}),
        (R.MARKET_UNKNOWN, {"product_id": PERP}),
        (R.RECEIVED_LATE, {"receive_in_ms": 100_001}),
        (R.RECEIVED_EARLY, {"receive_in_ms": 100_000}),
        (R.DIGEST_USED, {"digest": digest_of("new")}),
        (R.SIGNER_NOT_AUTHORISED, {"signer": wallet_of(first)}),
        (R.MARKET_BLOCKED, lambda desk: desk.update(trading_status=TradingStatus.LIVE)),
        (R.ORDER_EXPIRED, {"expires_in_s": 1}),
        (R.PRICE_NOT_POSITIVE, {"price_x18": X18 + 1}),
        (R.PRICE_OFF_TICK, {"price_x18": X18}),
        (R.AMOUNT_ZERO, {"amount_x18": X18 + 1}),
        (R.AMOUNT_OFF_LOT, {"amount_x18": X18}),
        (R.NOTIONAL_TOO_SMALL, {"amount_x18": 10**6 * X18}),
        (R.PRICE_OUTSIDE_BAND, {"price_x18": 101 * X18}),
        (R.OPEN_ORDERS_EXHAUSTED, lambda desk: desk.do(desk.cancel_products(first))),
        (R.POST_ONLY_CROSSES, lambda desk: desk.do(desk.cancel_products(theirs))),
        (R.REDUCE_ONLY_INCREASES, {"reduce_only": False}),
        (R.MARGIN_INSUFFICIENT, {"amount_x18": X18}),
    ]
    desk.do(SetMaintenance(on=False))
    desk.update(trading_status=TradingStatus.LIVE)
    desk.rest(first, 1, 90)
    desk.rest(theirs, -1, 101)
    used = desk.cancel(first)
    desk.do(used)
    desk.do(SetMaintenance(on=True))
    desk.update(trading_status=TradingStatus.NOT_TRADABLE, mark_x18=100 * X18)
    climb(
        desk,
        ladder,
        sender=first,
        amount=0,
        price=0,
        order_type=POST_ONLY,
        product_id=ProductId(77),
        expires_in_s=0,
        receive_in_ms=0,
        signer=wallet_of(theirs),
        reduce_only=True,
        digest=used.digest,
    )


@pytest.mark.parametrize(("order_type", "last"), [(IOC, R.NOTHING_TO_MATCH), (FOK, R.NOT_FILLED_COMPLETELY)])
def test_all_that_can_be_wrong_with_an_immediate_order_of_a_stranger(order_type: OrderType, last: R) -> None:
    desk = Desk()
    ladder: Ladder = [
        (R.REDUCE_ONLY_INCREASES, {"reduce_only": False}),
        (R.NO_PRIOR_DEPOSIT, lambda desk: desk.fund(POOR, 1)),
        (last, lambda desk: desk.rest(BOB, -1, 100)),
        (R.MARGIN_INSUFFICIENT, lambda desk: desk.fund(POOR, 5)),
    ]
    climb(desk, ladder, sender=POOR, amount=1, price=100, order_type=order_type, reduce_only=True)


def test_a_resting_order_cannot_be_reduce_only_even_where_it_would_reduce(desk: Desk) -> None:
    desk.rest(BOB, -1, 100)
    desk.place(desk.order(ALICE, 1, 100))
    desk.fund(ALICE, 0)
    desk.fund(ALICE, 0, SPOT)
    ladder: Ladder = [(R.REDUCE_ONLY_INCREASES, {"amount": -1}), (R.REDUCE_ONLY_RESTS, {"reduce_only": False})]
    climb(desk, ladder, sender=ALICE, amount=1, price=120, reduce_only=True)


def test_all_that_can_be_wrong_with_a_cancel(desk: Desk) -> None:
    foreign, mine = desk.rest(BOB, 1, 90), desk.rest(ALICE, 1, 90)
    used = desk.cancel(ALICE)
    desk.do(used)
    cancel = desk.cancel(ALICE, foreign, signer=wallet_of(BOB), digest=used.digest, receive_by_ms=desk.now_ms)
    steps: list[tuple[R, dict[str, Any]]] = [
        (R.RECEIVED_LATE, {"receive_by_ms": desk.now_ms + 100_001}),
        (R.RECEIVED_EARLY, {"receive_by_ms": desk.now_ms + 1}),
        (R.DIGEST_USED, {"digest": digest_of("new")}),
        (R.SIGNER_NOT_AUTHORISED, {"signer": wallet_of(ALICE), "orders": ((SPOT, foreign.digest),)}),
        (R.ORDER_NOT_FOUND, {"orders": ((PERP, foreign.digest),), "required_unfilled_x18": 1}),
        (R.ORDER_OF_OTHER_SUBACCOUNT, {"orders": ((PERP, mine.digest),)}),
        (R.UNFILLED_DIFFERS, {"required_unfilled_x18": X18}),
    ]
    assert [DECLARED.index(one) for one, _ in steps] == sorted(DECLARED.index(one) for one, _ in steps)
    for rejection, remedy in steps:
        assert desk.refusal(cancel) is rejection
        cancel = msgspec.structs.replace(cancel, **remedy)
    desk.do(cancel)
    products = desk.cancel_products(ALICE, ProductId(77), receive_by_ms=desk.now_ms)
    assert desk.refusal(products) is R.PRODUCT_UNKNOWN


def test_all_that_can_be_wrong_with_cancel_and_place(desk: Desk) -> None:
    """Each kind of check for both halves before the next kind (N7)."""
    old = desk.rest(ALICE, 3, 90)
    desk.place(desk.order(BOB, -1, 90))
    used, used_order = desk.cancel(ALICE), desk.order(ALICE, 1, 80)
    desk.do(used)
    desk.place(used_order)
    stranger = wallet_of(BOB)
    cancel = desk.cancel(ALICE, old, signer=stranger, digest=used.digest, receive_by_ms=desk.now_ms)
    order = desk.order(OTHER_OF_ALICE, 1, 90, receive_in_ms=0, digest=used_order.digest, expires_in_s=0)
    order = msgspec.structs.replace(order, product_id=ProductId(77))
    both = CancelAndPlace(cancel=cancel, order=order, requires_unfilled=True)
    soon, later = desk.now_ms + 1, desk.now_ms + 100_001
    steps: list[tuple[R, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        (R.PRODUCT_UNKNOWN, {}, {"product_id": PERP}, {}),
        (R.RECEIVED_LATE, {"receive_by_ms": soon}, {}, {}),
        (R.RECEIVED_LATE, {}, {"receive_by_ms": later}, {}),
        (R.RECEIVED_EARLY, {}, {"receive_by_ms": soon}, {}),
        (R.DIGEST_USED, {"digest": digest_of("c")}, {"sender": ALICE}, {}),
        (R.DIGEST_USED, {}, {"digest": digest_of("o")}, {}),
        (R.SENDERS_OR_SIGNERS_DIFFER, {}, {"signer": stranger}, {}),
        (R.SIGNER_NOT_AUTHORISED, {"signer": wallet_of(ALICE)}, {"signer": wallet_of(ALICE)}, {}),
        (R.UNFILLED_DIFFERS, {}, {}, {"requires_unfilled": False}),
        (R.ORDER_EXPIRED, {}, {"expiration_s": desk.now_ms // 1000 + 1}, {}),
    ]
    assert [DECLARED.index(one[0]) for one in steps] == sorted(DECLARED.index(one[0]) for one in steps)
    for rejection, of_cancel, of_order, of_both in steps:
        assert desk.refusal(both) is rejection
        both = msgspec.structs.replace(
            both,
            cancel=msgspec.structs.replace(both.cancel, **of_cancel),
            order=msgspec.structs.replace(both.order, **of_order),
            **of_both,
        )
    desk.do(both)


def test_all_that_can_be_wrong_with_a_link(desk: Desk) -> None:
    for nonce in range(50):
        desk.do(
            LinkSigner(sender=ALICE, linked=None if nonce % 2 == 0 else KEY, tx_nonce=nonce, signer=wallet_of(ALICE))
        )
    steps = [
        (R.TX_NONCE_WRONG, LinkSigner(sender=ALICE, linked=KEY, tx_nonce=49, signer=KEY)),
        (R.SIGNER_NOT_AUTHORISED, LinkSigner(sender=ALICE, linked=KEY, tx_nonce=50, signer=KEY)),
        (R.SIGNER_LINKED_ALREADY, LinkSigner(sender=ALICE, linked=KEY, tx_nonce=50, signer=wallet_of(ALICE))),
        (R.SIGNER_UPDATES_EXHAUSTED, LinkSigner(sender=ALICE, linked=None, tx_nonce=50, signer=wallet_of(ALICE))),
    ]
    for rejection, command in steps:
        assert desk.refusal(command) is rejection


@pytest.mark.parametrize(
    ("command", "rejection"),
    [
        (UpdateProduct(product_id=ProductId(77)), R.PRODUCT_UNKNOWN),
        (UpdateProduct(product_id=PERP, mark_x18=0), R.PRODUCT_INVALID),
        (UpdateProduct(product_id=PERP, taker_fee_x18=X18), R.PRODUCT_INVALID),
        (UpdateProduct(product_id=USDT.product_id, mark_x18=X18), R.PRODUCT_INVALID),
        (SetCollateral(subaccount=ALICE, product_id=ProductId(77), amount_x18=1), R.PRODUCT_UNKNOWN),
        (SetCollateral(subaccount=ALICE, product_id=PERP, amount_x18=1), R.NOT_COLLATERAL),
        (ConfigureProduct(product=msgspec.structs.replace(BTC_PERP, lot_x18=0)), R.PRODUCT_INVALID),
        (ConfigureProduct(product=msgspec.structs.replace(BTC_PERP, lot_x18=1, tick_x18=1)), R.PRODUCT_INVALID),
        (ConfigureProduct(product=msgspec.structs.replace(BTC_PERP, product_id=ProductId(0))), R.PRODUCT_INVALID),
        (ConfigureProduct(product=msgspec.structs.replace(BTC_PERP, tick_x18=2 * X18)), R.PRODUCT_IN_USE),
    ],
)
def test_what_the_operator_may_not_do(desk: Desk, command: AnyContinuousCommand, rejection: R) -> None:
    desk.rest(ALICE, 1, 100)
    assert desk.refusal(command) is rejection


def test_the_table_names_every_refusal_in_order() -> None:
    assert rejections.__doc__ is not None
    rows = [line for line in rejections.__doc__.splitlines() if line.startswith("| ") and line[2].isupper()]
    named = [name for row in rows for name in row.split("|")[1].strip().split(", ")]
    assert named == [one.name for one in R]
    assert {one.name for one in BURNS} == {row.split("|")[1].strip() for row in rows if "burnt" in row}


@pytest.mark.parametrize("rejection", R)
def test_a_refusal_is_spelt_like_its_name(rejection: R) -> None:
    assert rejection.value == rejection.name.lower()
