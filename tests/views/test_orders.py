"""Open orders, by hash, maker and market."""

from __future__ import annotations

import pytest
from tests.engine.desk import ALICE, BOB, A, B, hashes
from tests.views.window import Window

from overround.engine.events import OrderChanged
from overround.engine.order import OrderState, Trigger
from overround.views.orders import Orders


def shown(window: Window, how: str) -> Orders:
    return window.views.orders if how == "fed" else window.seeded().orders


@pytest.mark.row("ORD-01", "ORD-04")
@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_open_orders_are_listed_by_maker_and_by_market_oldest_first(window: Window, how: str) -> None:
    first, second, third = window.rest(ALICE, A), window.rest(BOB, A), window.rest(ALICE, B)
    orders = shown(window, how)
    assert list(orders.by_hash) == hashes(first, second, third)
    assert [row.terms for row in orders.of_maker(ALICE)] == [first, third]
    assert [row.terms for row in orders.of_market(A)] == [first, second]
    assert list(orders.of_maker(type(ALICE)(bytes(20)))) == []


@pytest.mark.row("ORD-04")
@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_what_ended_is_listed_no_more(window: Window, how: str) -> None:
    cancelled, expired, stays = window.rest(), window.rest(expires_in_s=5), window.rest()
    window.do(window.cancel(ALICE, cancelled))
    window.wait(5)
    assert expired.order_hash not in shown(window, how).by_hash
    assert list(shown(window, how).by_hash) == hashes(stays)


@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_a_row_tells_when_the_order_came_and_last_changed(window: Window, how: str) -> None:
    window.wait(2)
    order = window.rest()
    row = shown(window, how).by_hash[order.order_hash]
    assert (row.number, row.accepted_at_ms, row.update_time_ms) == (1, window.now_ms, window.now_ms)
    assert (row.fill_amount, row.pending_fill_amount) == (0, 0)


@pytest.mark.row("ORD-04")
@pytest.mark.parametrize("trigger", [Trigger.SUSPEND, Trigger.EXHAUST])
def test_held_and_suspended_orders_are_not_listed(window: Window, trigger: Trigger) -> None:
    window.rest()
    (order,) = window.engine.state.orders.values()
    row = window.views.orders.change(window.engine.state.change(order, trigger, window.now_ms))
    assert row is not None
    assert list(window.views.orders.by_hash) == list(window.seeded().orders.by_hash) == []


def test_a_partly_matched_order_stays_with_its_new_amounts(window: Window) -> None:
    order = window.rest(size=50)
    before = window.views.orders.by_hash[order.order_hash]
    matched = OrderChanged(order.order_hash, Trigger.MATCH, OrderState.OPEN, 0, 20, window.now_ms + 1)
    assert window.views.orders.change(matched) is before
    row = window.views.orders.by_hash[order.order_hash]
    assert (row.pending_fill_amount, row.accepted_at_ms) == (20, before.accepted_at_ms)
    assert row.update_time_ms > before.update_time_ms
    assert before.pending_fill_amount == 0  # rows are replaced, never changed


def test_rows_share_the_engine_s_record_of_what_was_signed(window: Window) -> None:
    order = window.rest()
    terms = window.engine.state.orders[order.order_hash].terms
    assert window.views.orders.by_hash[order.order_hash].terms is terms
    assert window.seeded().orders.by_hash[order.order_hash].terms is terms


def test_a_change_of_an_order_that_is_not_listed_is_passed_over(window: Window) -> None:
    order = window.rest()
    window.do(window.cancel(ALICE, order))
    event = window.records[-1].events[0]
    assert window.views.orders.change(event) is None  # type: ignore[arg-type]
