"""The margin rule N2: what may be placed, and what is taken off when it is no longer covered."""

from __future__ import annotations

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, PERP, SPOT, Desk, subaccount

from overround.engine.continuous.events import MarkChanged
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.types import X18, EndCause, OrderType, ProductId

IOC = OrderType.IOC
ETH_PERP = ProductId(4)


@pytest.fixture
def desk() -> Desk:
    """Carol has 1,000; everybody else has plenty. Positions cost 5 % of what they are worth."""
    desk = Desk()
    desk.fund(ALICE, 0, SPOT)
    desk.fund(CAROL, 1_000)
    return desk


def test_open_orders_tie_up_the_larger_side(desk: Desk) -> None:
    desk.update(mark_x18=100 * X18)
    desk.rest(CAROL, 200, 100)  # 200 * 100 * 5 % = all of it
    assert desk.refused(CAROL, 1, 100) is R.MARGIN_INSUFFICIENT
    desk.rest(CAROL, -200, 101)  # the other side is free
    assert desk.refused(CAROL, -1, 101) is R.MARGIN_INSUFFICIENT


def test_a_price_beyond_the_mark_costs_its_distance(desk: Desk) -> None:
    desk.update(mark_x18=100 * X18)
    assert desk.refused(CAROL, 100, 106) is R.MARGIN_INSUFFICIENT  # 500 + 600
    desk.rest(CAROL, 100, 105)  # 500 + 500
    assert desk.refused(CAROL, 1, 60) is R.MARGIN_INSUFFICIENT


def test_a_fill_costs_what_it_costs_and_not_its_limit(desk: Desk) -> None:
    desk.rest(BOB, -150, 100)
    desk.place(desk.order(CAROL, 150, 200, IOC))
    assert desk.balance(CAROL) == (150, -15_000)


def test_what_would_rest_counts_at_its_limit(desk: Desk) -> None:
    desk.rest(BOB, -100, 100)
    desk.update(mark_x18=100 * X18)
    assert desk.refused(CAROL, 150, 200) is R.MARGIN_INSUFFICIENT


def test_long_and_short_have_weights_of_their_own(desk: Desk) -> None:
    assert desk.refused(CAROL, 51, 100, product_id=ETH_PERP) is R.MARGIN_INSUFFICIENT  # 20 %
    desk.rest(CAROL, -33, 100, product_id=ETH_PERP)  # 30 %
    assert desk.refused(CAROL, -1, 100, product_id=ETH_PERP) is R.MARGIN_INSUFFICIENT


def test_spot_counts_as_equity_but_is_not_borrowed_against(desk: Desk) -> None:
    desk.fund(CAROL, 10, SPOT)
    desk.rest(CAROL, 400, 100)  # 1,000 quote and 10 * 100
    assert desk.refused(CAROL, 1, 100) is R.MARGIN_INSUFFICIENT
    assert desk.refused(CAROL, 11, 100, product_id=SPOT) is R.MARGIN_INSUFFICIENT


@pytest.mark.row("P-07")
def test_spot_orders_reserve_all_that_they_would_pay(desk: Desk) -> None:
    desk.rest(CAROL, 6, 100, product_id=SPOT)
    assert desk.refused(CAROL, 5, 90, product_id=SPOT) is R.MARGIN_INSUFFICIENT
    desk.rest(CAROL, 4, 100, product_id=SPOT)
    assert desk.refused(CAROL, -1, 200, product_id=SPOT) is R.MARGIN_INSUFFICIENT  # nothing to sell
    desk.fund(CAROL, 2, SPOT)
    desk.rest(CAROL, -2, 200, product_id=SPOT)
    assert desk.refused(CAROL, -1, 200, product_id=SPOT) is R.MARGIN_INSUFFICIENT


def test_spot_buys_reserve_their_fee_as_well(desk: Desk) -> None:
    desk.update(SPOT, maker_fee_x18=X18 // 100)
    assert desk.refused(CAROL, 10, 100, product_id=SPOT) is R.MARGIN_INSUFFICIENT
    desk.rest(CAROL, 9, 100, product_id=SPOT)


def test_a_rebate_that_is_not_earned_yet_buys_nothing(desk: Desk) -> None:
    desk.update(SPOT, maker_fee_x18=-X18 // 10)
    assert desk.refused(CAROL, 11, 100, product_id=SPOT) is R.MARGIN_INSUFFICIENT


def test_the_fee_of_a_trade_must_be_affordable(desk: Desk) -> None:
    desk.update(taker_fee_x18=X18 // 100)
    desk.rest(BOB, -200, 100)
    assert desk.refused(CAROL, 200, 100) is R.MARGIN_INSUFFICIENT
    desk.place(desk.order(CAROL, 166, 100))  # 830 and 166
    assert desk.quote(CAROL) == 834


@pytest.mark.parametrize("takes", [True, False])
def test_a_loss_that_is_realised_leaves_less_for_spot_orders(desk: Desk, takes: bool) -> None:
    """The mark does not move with this trade; the money does."""
    desk.rest(BOB, -10, 150)
    desk.place(desk.order(CAROL, 10, 150))
    desk.rest(BOB, -1, 100)
    desk.place(desk.order(ALICE, 1, 100))  # the mark
    spot = desk.rest(CAROL, 9, 100, product_id=SPOT)
    if takes:
        desk.rest(BOB, 10, 100)
        answer = desk.place(desk.order(CAROL, -10, 100))
    else:
        desk.rest(CAROL, -10, 100)
        answer = desk.place(desk.order(BOB, 10, 100))
    assert desk.quote(CAROL) == 500
    assert answer.ended == [(spot.digest, EndCause.MARGIN, 9 * X18)]


def test_a_mark_that_moves_takes_off_the_newest_orders_first(desk: Desk) -> None:
    older, newer, other_side = desk.rest(CAROL, 50, 90), desk.rest(CAROL, 100, 90), desk.rest(CAROL, -10, 150)
    events = desk.wait(0)
    answer = desk.update(mark_x18=200 * X18)  # 150 * 200 * 5 %, and 10 sells 50 below the mark
    assert events == []
    assert answer.ended == [
        (other_side.digest, EndCause.MARGIN, 10 * X18),
        (newer.digest, EndCause.MARGIN, 100 * X18),
    ]
    assert desk.open(CAROL) == [older.digest]


def test_the_mark_is_told_when_it_moves(desk: Desk) -> None:
    """N4: the last trade, else the mid, else the start."""
    assert desk.mark() == 100
    desk.rest(ALICE, 1, 90)
    assert desk.mark() == 100
    ask = desk.rest(BOB, -1, 94)
    assert desk.mark() == 92
    cancelled = desk.events(desk.cancel(BOB, ask))
    assert MarkChanged(PERP, 100 * X18) in cancelled
    desk.rest(BOB, -1, 90 + 5)
    desk.place(desk.order(BOB, -1, 90))
    assert desk.mark() == 90
    desk.update(mark_x18=77 * X18)
    assert desk.mark() == 77


@pytest.mark.parametrize(("side", "mark"), [(1, 92), (-1, 108)])
def test_orders_that_only_reduce_are_kept(desk: Desk, side: int, mark: int) -> None:
    desk.rest(BOB, -side * 100, 100)
    desk.place(desk.order(CAROL, side * 100, 100))
    closing, opening = desk.rest(CAROL, -side * 50, 100 + side * 5), desk.rest(CAROL, side * 5, 100 - side * 10)
    answer = desk.update(mark_x18=mark * X18)  # 1,000 - 800 is not 460
    assert [digest for digest, _, _ in answer.ended] == [opening.digest]
    assert desk.open(CAROL) == [closing.digest]


def test_who_is_short_may_still_close_but_nothing_else(desk: Desk) -> None:
    desk.rest(BOB, -100, 100)
    desk.place(desk.order(CAROL, 100, 100))
    desk.update(mark_x18=92 * X18)
    desk.rest(BOB, 150, 91)
    assert desk.refused(CAROL, 1, 80) is R.MARGIN_INSUFFICIENT
    assert desk.refused(CAROL, -150, 91, IOC) is R.MARGIN_INSUFFICIENT
    desk.place(desk.order(CAROL, -100, 91, IOC))
    assert (desk.balance(CAROL), desk.quote(CAROL)) == ((0, 0), 100)


def test_who_is_short_may_not_give_it_away(desk: Desk) -> None:
    """Closing far from the mark would hand over what is not there."""
    desk.rest(BOB, -100, 100)
    desk.place(desk.order(CAROL, 100, 100))
    desk.update(mark_x18=92 * X18)
    desk.rest(ALICE, 150, 60)
    assert desk.refused(CAROL, -100, 60, IOC) is R.MARGIN_INSUFFICIENT


def test_a_negative_quote_stands_and_blocks_placing(desk: Desk) -> None:
    desk.rest(BOB, -100, 100)
    desk.place(desk.order(CAROL, 100, 100))
    desk.update(mark_x18=80 * X18)
    desk.rest(BOB, 100, 80)
    desk.place(desk.order(CAROL, -100, 80, IOC))
    assert desk.quote(CAROL) == -1_000
    desk.fund(CAROL, 100, SPOT)  # worth 10,000
    assert desk.refused(CAROL, 1, 80) is R.MARGIN_INSUFFICIENT
    desk.rest(BOB, 20, 100, product_id=SPOT)
    desk.place(desk.order(CAROL, -20, 100, product_id=SPOT))  # selling what one has always works
    assert desk.quote(CAROL) == 1_000
    desk.rest(CAROL, 1, 70)


def test_a_trade_judges_both_sides_and_everybody_who_is_concerned(desk: Desk) -> None:
    desk.fund(ALICE, 1_000)
    desk.update(mark_x18=100 * X18)
    hers = desk.rest(ALICE, 190, 95)  # 950 of 1,000
    desk.rest(BOB, -1, 200)
    bobs = desk.order(BOB, 1, 200)
    assert desk.place(bobs).trades == []  # his own
    desk.rest(CAROL, -1, 201)
    events = desk.do(desk.cancel(BOB, bobs))
    assert events.ended[0][0] == bobs.digest
    answer = desk.place(desk.order(BOB, 1, 201))
    assert answer.ended == [(hers.digest, EndCause.MARGIN, 190 * X18)]


def test_less_collateral_takes_orders_off(desk: Desk) -> None:
    first, second = desk.rest(CAROL, 5, 100, product_id=SPOT), desk.rest(CAROL, 4, 100, product_id=SPOT)
    assert desk.fund(CAROL, 600).ended == [(second.digest, EndCause.MARGIN, 4 * X18)]
    assert desk.open(CAROL) == [first.digest]
    desk.fund(CAROL, 5, SPOT)
    sells = desk.rest(CAROL, -5, 110, product_id=SPOT)
    assert desk.fund(CAROL, 4, SPOT).ended == [(sells.digest, EndCause.MARGIN, 5 * X18)]


def test_an_account_that_is_trimmed_may_move_a_mark_for_others(desk: Desk) -> None:
    """Without a trade the mark is the mid: the best bid that goes takes somebody else's equity along."""
    desk.fund(CAROL, 10, SPOT)
    desk.rest(BOB, -1, 140, product_id=SPOT)
    desk.rest(BOB, 1, 70, product_id=SPOT)
    best = desk.rest(ALICE, 5, 120, product_id=SPOT)
    assert desk.mark(SPOT) == 130
    hers = desk.rest(CAROL, 460, 100)  # 5 % are 2,300: 1,000 and 10 * 130
    assert desk.fund(ALICE, 100).ended == [
        (best.digest, EndCause.MARGIN, 5 * X18),
        (hers.digest, EndCause.MARGIN, 460 * X18),
    ]
    assert desk.mark(SPOT) == 105


def test_who_was_judged_already_is_judged_again_if_that_moved_another_mark() -> None:
    first, second = sorted((subaccount("one"), subaccount("two")))
    desk = Desk()
    desk.fund(first, 1_000)
    desk.fund(second, 1_000)
    desk.rest(first, 1, 90)
    kept = desk.rest(second, 100, 90)
    desk.rest(BOB, -1, 150, product_id=ETH_PERP)
    ask = desk.rest(second, -10, 110, product_id=ETH_PERP)
    bid = desk.rest(first, 45, 90, product_id=ETH_PERP)  # 20 % of 45 * 100, the mid
    answer = desk.update(mark_x18=160 * X18)  # too much for the second, whose ask made the mid
    assert answer.ended == [(ask.digest, EndCause.MARGIN, 10 * X18), (bid.digest, EndCause.MARGIN, 45 * X18)]
    assert desk.mark(ETH_PERP) == 100  # the bid was the last one: the start again
    assert desk.open(second) == [kept.digest]


def test_an_order_may_be_accepted_and_taken_off_by_the_mark_that_it_makes(desk: Desk) -> None:
    """Only before the first trade, while the mark is the mid (N4)."""
    bid = desk.rest(CAROL, 200, 100)
    order = desk.order(CAROL, -200, 101)
    answer = desk.place(order)  # the mark would be 100.5
    assert answer.ended == [(order.digest, EndCause.MARGIN, 200 * X18)]
    assert (desk.open(CAROL), desk.mark()) == ([bid.digest], 100)
