"""The book by itself: price, time, and who is met."""

from __future__ import annotations

from random import Random

from tests.engine.continuous.desk import ALICE, BOB, Desk

from overround.engine.continuous.book import Book, Step
from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.types import X18


def resting(desk: Desk, number: int, amount: int, price: int) -> ContinuousOrder:
    return ContinuousOrder(desk.order(BOB, amount, price), number, desk.now_ms, abs(amount) * X18)


def test_a_side_is_always_in_price_time_order(desk: Desk) -> None:
    random, book = Random(7), Book()
    orders: list[ContinuousOrder] = []
    for number in range(400):
        if orders and random.random() < 0.45:
            book.remove(orders.pop(random.randrange(len(orders))))
        else:
            orders.append(resting(desk, number, random.choice((1, -1)), 100 + random.randrange(12)))
            book.add(orders[-1])
        for side, sign in ((book.bids, -1), (book.asks, 1)):
            wanted = [one for one in orders if one.terms.is_buy == (side is book.bids)]
            wanted.sort(key=lambda one: (sign * one.terms.price_x18, one.number))
            assert list(side) == wanted
            assert side.best_x18 == (wanted[0].terms.price_x18 if wanted else None)
        assert len(book) == len(orders)


def test_matching_changes_nothing_and_stops_when_it_is_filled(desk: Desk) -> None:
    book = Book()
    own = ContinuousOrder(desk.order(ALICE, -1, 101), 1, 0, X18)
    first, second, third = (resting(desk, number, -2, 100 + number) for number in (2, 3, 4))
    for order in (own, first, second, third):
        book.add(order)
    steps = book.match(ALICE, 103 * X18, 3 * X18, is_buy=True)
    assert steps == [Step(own, 0), Step(first, 2 * X18), Step(second, X18)]
    assert book.match(ALICE, 103 * X18, 3 * X18, is_buy=True, without=[own, first]) == [Step(second, 2 * X18)]
    assert book.match(ALICE, 100 * X18, X18, is_buy=True) == []
    assert [one.unfilled_x18 for one in book] == [X18, 2 * X18, 2 * X18, 2 * X18]


def test_the_mid_needs_two_sides(desk: Desk) -> None:
    book = Book()
    assert book.mid_x18 is None
    book.add(resting(desk, 1, 1, 100))
    assert book.mid_x18 is None
    book.add(resting(desk, 2, -1, 103))
    assert book.mid_x18 == 203 * X18 // 2
