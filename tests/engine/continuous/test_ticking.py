"""Orders expire in the second that they name, not before and not by themselves."""

from __future__ import annotations

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, PERP, START_MS, Desk

from overround.engine.continuous import engine
from overround.engine.continuous.events import MarkChanged, OrderEnded
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.types import X18, EndCause


@pytest.mark.row("P-06")
def test_an_order_is_dead_from_its_second_on(desk: Desk) -> None:
    assert engine.next_deadline_ms(desk.state) is None
    later, sooner = desk.rest(ALICE, 1, 100, expires_in_s=5), desk.rest(ALICE, 2, 100, expires_in_s=3)
    assert engine.next_deadline_ms(desk.state) == START_MS + 3_000
    assert desk.wait(2.999) == []
    assert desk.wait(0.001) == [OrderEnded(sooner.digest, EndCause.EXPIRED, 2 * X18)]
    desk.reload()
    assert engine.next_deadline_ms(desk.state) == START_MS + 5_000
    assert [one.digest for one in desk.wait(60) if isinstance(one, OrderEnded)] == [later.digest]
    assert engine.next_deadline_ms(desk.state) is None
    assert desk.refused(ALICE, 1, 100, expires_in_s=0) is R.ORDER_EXPIRED


def test_a_late_tick_fires_in_the_order_of_time(desk: Desk) -> None:
    orders = [desk.rest(ALICE, 1, 100, expires_in_s=second) for second in (3, 1, 2, 1)]
    ended = [one.digest for one in desk.wait(10) if isinstance(one, OrderEnded)]
    assert ended == [orders[index].digest for index in (1, 3, 2, 0)]


def test_an_order_that_ended_otherwise_is_not_waited_for(desk: Desk) -> None:
    order = desk.rest(ALICE, 1, 100, expires_in_s=1)
    desk.do(desk.cancel(ALICE, order))
    assert engine.next_deadline_ms(desk.state) is None
    again = desk.rest(ALICE, 1, 100, expires_in_s=1)
    assert [one.digest for one in desk.wait(1) if isinstance(one, OrderEnded)] == [again.digest]


def test_seconds_that_nobody_expires_in_are_swept_out(desk: Desk) -> None:
    for second in range(1, 1_200):
        desk.do(desk.cancel(ALICE, desk.rest(ALICE, 1, 90, expires_in_s=second)))
    assert len(desk.state.expiry._heap) < 1_100


def test_the_mark_follows_a_mid_that_expires(desk: Desk) -> None:
    desk.rest(ALICE, 1, 90)
    desk.rest(BOB, -1, 94, expires_in_s=1)
    desk.fund(CAROL, 5)
    assert MarkChanged(PERP, 100 * X18) in desk.wait(1)
