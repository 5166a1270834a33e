"""The book of a market: best price first, then first come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.desk import ALICE, BOB, WSX, A, B, Desk, hashes, lone_order

from overround.engine.fixed_odds import Book, BookSide
from overround.engine.types import ODDS_ONE, Side


def test_the_highest_odds_of_a_maker_are_the_best_price_for_a_taker(desk: Desk) -> None:
    low, high, middle = desk.rest(odds=40), desk.rest(odds=60), desk.rest(odds=50)
    assert desk.book() == hashes(high, middle, low)


def test_at_the_same_price_the_earlier_order_comes_first_whoever_posted_it(desk: Desk) -> None:
    first, second, third = desk.rest(ALICE), desk.rest(BOB), desk.rest(ALICE)
    assert desk.book() == hashes(first, second, third)


def test_the_smallest_step_in_price_counts_more_than_time(desk: Desk) -> None:
    early, late = desk.rest(odds=50), desk.rest(odds=50.125)
    assert desk.book() == hashes(late, early)


def test_sides_markets_and_tokens_have_books_of_their_own(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    one, two = desk.rest(one=True), desk.rest(one=False)
    in_wsx, on_b = desk.rest(token=WSX), desk.rest(ALICE, B)
    assert desk.book(A, one=True) == hashes(one)
    assert desk.book(A, one=False) == hashes(two)
    assert desk.book(A, one=True, token=WSX) == hashes(in_wsx)
    assert desk.book(B, one=True) == hashes(on_b)


def test_makers_cross_nobody(desk: Desk) -> None:
    """Odds of two sides that overlap simply rest: nothing is matched on entry (spec/sx.md 5.9)."""
    backs_one, backs_two = desk.rest(odds=70, one=True), desk.rest(BOB, odds=70, one=False)
    assert desk.book(one=True) == hashes(backs_one)
    assert desk.book(one=False) == hashes(backs_two)


def test_an_order_that_leaves_gives_way_to_the_next(desk: Desk) -> None:
    first, second, third = desk.rest(odds=60), desk.rest(odds=60), desk.rest(odds=50)
    for gone, left in ((first, (second, third)), (second, (third,)), (third, ())):
        desk.do(desk.cancel(ALICE, gone))
        assert desk.book() == hashes(*left)


ORDERS = st.lists(
    st.tuples(st.sampled_from([1, 2, 50, ODDS_ONE - 1]) | st.integers(1, ODDS_ONE - 1), st.integers(1, 2**40)),
    unique_by=lambda one: one[1],
    max_size=30,
)


@given(prices=ORDERS, leaving=st.sets(st.integers(0, 29)))
def test_a_side_is_always_in_the_order_of_price_then_priority(prices: list[tuple[int, int]], leaving: set[int]) -> None:
    side, orders = BookSide(), [lone_order(place, odds=odds) for odds, place in prices]
    for order in orders:
        side.add(order)
    for place in leaving & set(range(len(orders))):
        side.remove(orders[place])
    left = [order for place, order in enumerate(orders) if place not in leaving]
    wanted = sorted(left, key=lambda one: (-one.terms.percentage_odds, one.priority))
    assert list(side) == wanted
    assert side.best is (wanted[0] if wanted else None)
    assert len(side) == len(left)


def test_an_order_that_is_not_on_the_side_cannot_leave_it() -> None:
    side = BookSide()
    side.add(lone_order(1))
    side.add(lone_order(3))
    with pytest.raises(AssertionError, match="disagree"):
        side.remove(lone_order(1))


def test_a_book_lists_both_sides() -> None:
    book, one = Book(), lone_order(1)
    book.add(one)
    assert (len(book), list(book), book.side(Side.OUTCOME_ONE).best) == (1, [one], one)
    book.remove(one)
    assert (len(book), list(book)) == (0, [])
