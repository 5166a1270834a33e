"""The index of what expires when."""

from __future__ import annotations

from random import Random

import pytest
from tests.engine.desk import ALICE, Desk, hashes, lone_order

from overround.engine import expiry
from overround.engine.expiry import ExpiryIndex
from overround.engine.order import Order, OrderState


def watched(index: ExpiryIndex, second: int, place: int) -> Order:
    order = lone_order(place, api_expiry=second)
    index.add(order)
    return order


def end(index: ExpiryIndex, order: Order) -> None:
    order.state = OrderState.CANCELLED
    index.note_ended()


def test_the_earliest_second_comes_first_and_orders_in_the_order_of_acceptance() -> None:
    index = ExpiryIndex()
    late, first, second = watched(index, 20, 1), watched(index, 10, 2), watched(index, 10, 3)
    assert index.next_s == 10
    assert index.pop_next() == [first, second]
    assert index.next_s == 20
    assert index.pop_next() == [late]
    assert index.next_s is None


def test_a_second_whose_orders_all_ended_is_nothing_to_wait_for() -> None:
    """Such a second used to wake the venue, which wrote an empty tick into its journal."""
    index = ExpiryIndex()
    first, second, later = watched(index, 10, 1), watched(index, 10, 2), watched(index, 20, 3)
    end(index, second)
    assert index.next_s == 10
    end(index, first)
    assert index.next_s == 20
    end(index, later)
    assert index.next_s is None


def test_ended_orders_are_not_given_out() -> None:
    index = ExpiryIndex()
    first, second = watched(index, 10, 1), watched(index, 10, 2)
    end(index, first)
    assert list(index) == [second]
    assert index.pop_next() == [second]


def test_ended_orders_are_swept_out_when_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "STALE_MIN", 10)
    index, random = ExpiryIndex(), Random(3)
    orders = [watched(index, random.randrange(5, 40), place) for place in range(100)]
    for order in random.sample(orders, 90):
        end(index, order)
    left = {order.number for order in orders if order.state is OrderState.OPEN}
    assert {order.number for order in index} == left
    found = []
    while index.next_s is not None:
        found += [order.number for order in index.pop_next()]
    assert set(found) == left


def test_orders_that_expire_in_their_time_cause_no_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    """They used to be counted as left behind, so that a busy venue swept its index again and again."""
    monkeypatch.setattr(expiry, "STALE_MIN", 5)
    sweeps: list[ExpiryIndex] = []
    monkeypatch.setattr(ExpiryIndex, "_sweep", sweeps.append)
    desk = Desk()
    desk.fund(ALICE, 1_000)
    resting = [desk.rest(size=1, expires_in_s=3_000) for _ in range(3)]
    for _ in range(10):
        desk.place(*(desk.order(size=1, expires_in_s=1) for _ in range(3)))
        desk.wait(1)
    assert desk.resting() == hashes(*resting)
    assert sweeps == []


def test_an_index_of_many_seconds_gives_them_out_in_order() -> None:
    index, random = ExpiryIndex(), Random(5)
    seconds = [random.randrange(1_000) for _ in range(500)]
    for place, second in enumerate(seconds):
        watched(index, second, place)
    given = []
    while index.next_s is not None:
        second = index.next_s
        given += [(second, order.number) for order in index.pop_next()]
    assert given == sorted((second, place) for place, second in enumerate(seconds))
