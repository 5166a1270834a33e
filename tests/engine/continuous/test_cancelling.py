"""The signed cancels: all or nothing, partial, by product, and cancel-and-place as one step."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.continuous.desk import (
    ALICE,
    BOB,
    CAROL,
    OTHER_OF_ALICE,
    PERP,
    RULES,
    SPOT,
    Desk,
    digest_of,
)

from overround.engine.continuous import engine
from overround.engine.continuous.commands import CancelAndPlace, SetMaintenance, SubmitOrders
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.types import X18, EndCause, OrderType, ProductId, wallet_of

IOC, FOK, POST_ONLY = OrderType.IOC, OrderType.FOK, OrderType.POST_ONLY
CANCELLED = EndCause.CANCELLED
PARTIAL = msgspec.structs.replace(RULES, partial_cancels=True)


# ---- by digest -----------------------------------------------------------------------------------------------------


@pytest.mark.row("C-19", "C-20")
def test_the_named_orders_are_gone_in_the_order_of_the_request(desk: Desk) -> None:
    first, second, kept = desk.rest(ALICE, 1, 100), desk.rest(ALICE, -2, 103), desk.rest(ALICE, 3, 99)
    answer = desk.do(desk.cancel(ALICE, second, first))
    assert answer.ended == [(second.digest, CANCELLED, 2 * X18), (first.digest, CANCELLED, X18)]
    assert desk.open(ALICE) == [kept.digest]


@pytest.mark.row("C-27", "C-23")
def test_one_unknown_digest_spares_all(desk: Desk) -> None:
    order, unknown = desk.rest(ALICE, 1, 100), desk.order(ALICE, 1, 100)
    gone = desk.order(ALICE, 1, 100)
    assert desk.execute(desk.cancel(ALICE, order, unknown, gone)) == Refusal(R.ORDER_NOT_FOUND, unknown.digest)
    assert desk.open(ALICE) == [order.digest]


@pytest.mark.row("C-23")
def test_filled_cancelled_expired_orders_and_those_of_another_product_are_unknown(desk: Desk) -> None:
    filled, cancelled = desk.rest(BOB, -1, 101), desk.rest(BOB, 1, 90)
    expired, elsewhere = desk.rest(BOB, 1, 90, expires_in_s=1), desk.rest(BOB, 1, 90)
    desk.place(desk.order(ALICE, 1, 101))
    desk.do(desk.cancel(BOB, cancelled))
    desk.wait(1)
    for order in (filled, cancelled, expired, msgspec.structs.replace(elsewhere, product_id=SPOT)):
        assert desk.execute(desk.cancel(BOB, order)) == Refusal(R.ORDER_NOT_FOUND, order.digest)


@pytest.mark.row("C-24")
def test_an_order_of_another_subaccount_is_not_touched_even_of_the_same_wallet(desk: Desk) -> None:
    order = desk.rest(OTHER_OF_ALICE, 1, 100)
    assert desk.execute(desk.cancel(ALICE, order)) == Refusal(R.ORDER_OF_OTHER_SUBACCOUNT, order.digest)


def test_a_digest_that_is_named_twice_is_not_found_twice(desk: Desk) -> None:
    order = desk.rest(ALICE, 1, 100)
    assert desk.execute(desk.cancel(ALICE, order, order)) == Refusal(R.ORDER_NOT_FOUND, order.digest)


def test_a_cancel_of_nothing_is_legal_and_obeyed_once(desk: Desk) -> None:
    desk.rest(ALICE, 1, 100)
    cancel = desk.cancel(ALICE)
    assert desk.do(cancel).ended == []
    assert desk.refusal(cancel) is R.DIGEST_USED
    assert len(desk.open(ALICE)) == 1


@pytest.mark.row("C-27")
def test_a_partial_venue_cancels_what_it_finds() -> None:
    desk = Desk(PARTIAL)
    order, foreign, unknown = desk.rest(ALICE, 1, 100), desk.rest(BOB, 1, 100), desk.order(ALICE, 1, 100)
    answer = desk.do(desk.cancel(ALICE, unknown, order, foreign))
    assert answer.ended == [(order.digest, CANCELLED, X18)]
    assert answer.not_cancelled == [
        (unknown.digest, R.ORDER_NOT_FOUND),
        (foreign.digest, R.ORDER_OF_OTHER_SUBACCOUNT),
    ]
    assert desk.execute(desk.cancel(ALICE, unknown, foreign)) == Refusal(R.ORDER_NOT_FOUND, unknown.digest)


@pytest.mark.row("C-29")
@pytest.mark.parametrize("sign", [1, -1])
def test_only_if_this_much_is_left(desk: Desk, sign: int) -> None:
    order = desk.rest(BOB, -3, 101)
    desk.place(desk.order(ALICE, 1, 101))
    assert desk.refusal(desk.cancel(BOB, order, required_unfilled_x18=sign * 3 * X18)) is R.UNFILLED_DIFFERS
    assert desk.do(desk.cancel(BOB, order, required_unfilled_x18=sign * 2 * X18)).ended[0][2] == 2 * X18


@pytest.mark.row("C-21")
def test_a_refused_cancel_may_be_sent_again(desk: Desk) -> None:
    order = desk.order(ALICE, 1, 100)
    cancel = desk.cancel(ALICE, order)
    assert desk.refusal(cancel) is R.ORDER_NOT_FOUND
    desk.place(order)
    desk.do(cancel)
    assert desk.refusal(cancel) is R.DIGEST_USED


@pytest.mark.row("C-25", "C-09")
def test_a_cancel_is_good_for_a_time(desk: Desk) -> None:
    late, last = desk.cancel(ALICE, receive_by_ms=desk.now_ms), desk.cancel(ALICE, receive_by_ms=desk.now_ms + 100_000)
    early, first = (
        desk.cancel(ALICE, receive_by_ms=desk.now_ms + 100_001),
        desk.cancel(ALICE, receive_by_ms=desk.now_ms + 1),
    )
    assert [desk.refusal(one) for one in (late, early)] == [R.RECEIVED_LATE, R.RECEIVED_EARLY]
    desk.do(first)
    desk.do(last)


def test_cancels_are_obeyed_in_maintenance(desk: Desk) -> None:
    order = desk.rest(ALICE, 1, 100)
    desk.do(SetMaintenance(on=True))
    assert desk.refused(ALICE, 1, 100) is R.MAINTENANCE
    desk.do(desk.cancel(ALICE, order))
    desk.reload()
    assert desk.refused(ALICE, 1, 100) is R.MAINTENANCE
    desk.do(SetMaintenance(on=False))
    desk.rest(ALICE, 1, 100)


# ---- by product ----------------------------------------------------------------------------------------------------


@pytest.mark.row("P-11")
def test_everything_on_a_product_oldest_first(desk: Desk) -> None:
    perps = [desk.rest(ALICE, 1, 100), desk.rest(ALICE, -1, 102)]
    spot, others = desk.rest(ALICE, 1, 100, product_id=SPOT), desk.rest(OTHER_OF_ALICE, 1, 100)
    assert desk.do(desk.cancel_products(ALICE, PERP, PERP)).ended == [(one.digest, CANCELLED, X18) for one in perps]
    assert set(desk.state.orders) == {spot.digest, others.digest}


@pytest.mark.row("P-11")
def test_no_product_means_all_products(desk: Desk) -> None:
    orders = [desk.rest(ALICE, 1, 100), desk.rest(ALICE, 1, 100, product_id=SPOT), desk.rest(ALICE, 1, 99)]
    kept = desk.rest(BOB, 1, 100)
    assert [digest for digest, _, _ in desk.do(desk.cancel_products(ALICE)).ended] == [one.digest for one in orders]
    assert list(desk.state.orders) == [kept.digest]


@pytest.mark.row("P-11")
def test_an_unknown_product_cancels_nothing_and_quote_has_nothing_to_cancel(desk: Desk) -> None:
    desk.rest(ALICE, 1, 100)
    assert desk.refusal(desk.cancel_products(ALICE, PERP, ProductId(77))) is R.PRODUCT_UNKNOWN
    assert desk.do(desk.cancel_products(ALICE, ProductId(0))).ended == []
    assert desk.do(desk.cancel_products(CAROL)).ended == []
    cancel = desk.cancel_products(ALICE, PERP)
    desk.do(cancel)
    assert desk.refusal(cancel) is R.DIGEST_USED


# ---- cancel and place ----------------------------------------------------------------------------------------------


@pytest.mark.row("P-12")
def test_one_order_for_another_in_one_step(desk: Desk) -> None:
    old = desk.rest(ALICE, 5, 99)
    new = desk.order(ALICE, 4, 100)
    answer = desk.do(desk.replace(old, new))
    assert (answer.ended, answer.placed) == ([(old.digest, CANCELLED, 5 * X18)], [(new.digest, None)])
    assert desk.book() == ([(100, 4)], [])


@pytest.mark.row("P-12")
def test_the_new_order_is_judged_as_if_the_old_one_were_gone() -> None:
    """N8: own cross, order limit, margin."""
    desk = Desk(msgspec.structs.replace(RULES, open_orders_max=1))
    desk.fund(CAROL, 500)
    old = desk.rest(CAROL, 100, 100)  # all of the money, the only order
    assert desk.refused(CAROL, 100, 99) is R.OPEN_ORDERS_EXHAUSTED
    new = desk.order(CAROL, -100, 100, POST_ONLY)  # at the price of the old one
    answer = desk.do(desk.replace(old, new))
    assert answer.ended == [(old.digest, CANCELLED, 100 * X18)]
    spot = desk.order(CAROL, 5, 100, product_id=SPOT)
    desk.do(desk.replace(new, spot))
    assert desk.open(CAROL) == [spot.digest]


@pytest.mark.row("P-12")
@pytest.mark.parametrize("partial", [False, True])
def test_a_refused_placement_leaves_the_old_order_alone(partial: bool) -> None:
    desk = Desk(msgspec.structs.replace(RULES, partial_cancels=partial))
    old, theirs = desk.rest(ALICE, 5, 99), desk.rest(BOB, -1, 101)
    new = desk.order(ALICE, 4, 101, POST_ONLY)
    assert desk.execute(desk.replace(old, new)) == Refusal(R.POST_ONLY_CROSSES, new.digest)
    assert list(desk.state.orders) == [old.digest, theirs.digest]
    assert desk.refusal(desk.replace(old, desk.order(ALICE, 10**6, 101))) is R.MARGIN_INSUFFICIENT
    assert list(desk.state.orders) == [old.digest, theirs.digest]


@pytest.mark.parametrize(("order_type", "rejection"), [(IOC, R.NOTHING_TO_MATCH), (FOK, R.NOT_FILLED_COMPLETELY)])
def test_an_immediate_order_that_fails_leaves_it_as_well_and_is_used_up(
    desk: Desk, order_type: OrderType, rejection: R
) -> None:
    old = desk.rest(ALICE, 5, 99)
    new = desk.order(ALICE, 4, 100, order_type)
    both = desk.replace(old, new)
    answer = desk.do(both)
    assert (answer.placed, answer.ended) == ([(new.digest, rejection)], [])
    assert desk.open(ALICE) == [old.digest]
    assert desk.refusal(SubmitOrders(orders=(new,))) is R.DIGEST_USED
    desk.do(both.cancel)  # was not obeyed yet


@pytest.mark.row("P-12")
def test_the_new_order_is_placed_even_if_the_old_one_just_filled(desk: Desk) -> None:
    old = desk.rest(ALICE, 1, 100)
    desk.place(desk.order(BOB, -1, 100))
    new = desk.order(ALICE, 4, 99)
    answer = desk.do(desk.replace(old, new))
    assert answer.not_cancelled == [(old.digest, R.ORDER_NOT_FOUND)]
    assert desk.open(ALICE) == [new.digest]


@pytest.mark.row("P-12")
def test_unless_it_requires_that_the_old_one_was_there_and_unfilled(desk: Desk) -> None:
    filled, touched, whole = desk.rest(ALICE, 1, 100), desk.rest(ALICE, 3, 100), desk.rest(ALICE, 3, 99)
    desk.place(desk.order(BOB, -2, 100))
    for old in (filled, touched):
        both = desk.replace(old, desk.order(ALICE, 1, 98), requires_unfilled=True)
        assert desk.execute(both) == Refusal(R.UNFILLED_DIFFERS)
    assert desk.open(ALICE) == [touched.digest, whole.digest]
    new = desk.order(ALICE, 1, 98)
    desk.do(desk.replace(whole, new, requires_unfilled=True))
    assert desk.open(ALICE) == [touched.digest, new.digest]


def test_in_an_atomic_venue_a_failed_cancel_cancels_nothing_beside_the_placement(desk: Desk) -> None:
    old, unknown, new = desk.rest(ALICE, 1, 99), desk.order(ALICE, 1, 99), desk.order(ALICE, 1, 98)
    answer = desk.do(CancelAndPlace(cancel=desk.cancel(ALICE, old, unknown), order=new))
    assert answer.not_cancelled == [(unknown.digest, R.ORDER_NOT_FOUND)]
    assert desk.open(ALICE) == [old.digest, new.digest]


def test_required_unfilled_of_the_cancel_is_kept_here_too(desk: Desk) -> None:
    old, new = desk.rest(ALICE, 3, 99), desk.order(ALICE, 1, 98)
    cancel = desk.cancel(ALICE, old, required_unfilled_x18=2 * X18)
    answer = desk.do(CancelAndPlace(cancel=cancel, order=new))
    assert answer.not_cancelled == [(old.digest, R.UNFILLED_DIFFERS)]
    assert desk.open(ALICE) == [old.digest, new.digest]


@pytest.mark.row("P-12")
def test_both_come_from_one_sender_and_one_signer(desk: Desk) -> None:
    old = desk.rest(ALICE, 1, 99)
    cancel = desk.cancel(ALICE, old)
    for order in (desk.order(OTHER_OF_ALICE, 1, 98), desk.order(ALICE, 1, 98, signer=wallet_of(BOB))):
        assert desk.refusal(CancelAndPlace(cancel=cancel, order=order)) is R.SENDERS_OR_SIGNERS_DIFFER
    foreign = desk.cancel(ALICE, old, signer=wallet_of(BOB))
    order = desk.order(ALICE, 1, 98, signer=wallet_of(BOB))
    assert desk.refusal(CancelAndPlace(cancel=foreign, order=order)) is R.SIGNER_NOT_AUTHORISED


def test_neither_half_can_be_sent_again(desk: Desk) -> None:
    old, new = desk.rest(ALICE, 1, 99), desk.order(ALICE, 1, 98)
    both = desk.replace(old, new)
    desk.do(both)
    for again in (both, both.cancel, SubmitOrders(orders=(new,))):
        assert desk.refusal(again) is R.DIGEST_USED


# ---- the whole wallet ----------------------------------------------------------------------------------------------


def test_everything_of_a_wallet_oldest_first(desk: Desk) -> None:
    orders = [desk.rest(ALICE, 1, 100), desk.rest(OTHER_OF_ALICE, 1, 100), desk.rest(ALICE, 1, 100, product_id=SPOT)]
    kept = desk.rest(BOB, 1, 100)
    desk.reload()
    events = engine.cancel_all_of_wallet(desk.state, wallet_of(ALICE), desk.now_ms)
    assert [(one.digest, one.cause) for one in events] == [(one.digest, EndCause.WALLET) for one in orders]  # type: ignore[union-attr]
    assert list(desk.state.orders) == [kept.digest]
    assert engine.cancel_all_of_wallet(desk.state, wallet_of(CAROL), desk.now_ms) == []


def test_a_digest_of_a_cancel_is_no_order(desk: Desk) -> None:
    cancel = desk.cancel(ALICE, digest=digest_of("c"))
    desk.do(cancel)
    assert desk.state.orders == {}
