"""Time passes: orders expire, matches begin, and nothing happens without reason."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, ELSEWHERE, MATCH, OTHER, START_S, A, Desk, hashes

from overround.engine.commands import SetFixtureStatus, Tick, UpdateFixture
from overround.engine.events import OrderChanged
from overround.engine.order import OrderState, Trigger
from overround.engine.types import FixtureStatus

HOUR = 3_600
EXPIRED, CANCELLED = OrderState.EXPIRED, OrderState.CANCELLED


@pytest.fixture
def quiet() -> Desk:
    """A desk whose matches wait for a status feed, so that only orders have deadlines."""
    desk = Desk()
    for fixture_id in (MATCH, OTHER):
        desk.do(UpdateFixture(fixture_id=fixture_id, status_feed=True))
    return desk


@pytest.mark.row("LIFE-03", "ORD-13")
def test_an_order_expires_in_its_second_to_the_millisecond(quiet: Desk) -> None:
    order = quiet.rest(expires_in_s=30)
    assert quiet.engine.next_deadline_ms() == order.api_expiry * 1000
    assert quiet.wait(29.999).ended == {}
    assert quiet.wait(0.001).ended == {order.order_hash: EXPIRED}
    assert quiet.resting() == []


def test_orders_of_one_second_expire_together_in_the_order_of_acceptance(quiet: Desk) -> None:
    first, second = quiet.rest(expires_in_s=30), quiet.rest(ALICE, ELSEWHERE, expires_in_s=30)
    assert list(quiet.wait(30).ended) == hashes(first, second)


def test_one_tick_fires_everything_that_has_come_due_in_time_order(quiet: Desk) -> None:
    late, early, later = quiet.rest(expires_in_s=20), quiet.rest(expires_in_s=10), quiet.rest(expires_in_s=60)
    assert list(quiet.wait(30).ended) == hashes(early, late)
    assert quiet.resting() == hashes(later)


def test_with_no_order_and_no_start_ahead_nothing_is_due(quiet: Desk) -> None:
    assert quiet.engine.next_deadline_ms() is None


def test_a_deadline_goes_with_the_order_that_had_it(quiet: Desk) -> None:
    """A cancelled order used to leave its deadline behind, for which the venue woke up and wrote an empty tick."""
    early, late = quiet.rest(expires_in_s=10), quiet.rest(expires_in_s=20)
    quiet.do(quiet.cancel(ALICE, early))
    assert quiet.engine.next_deadline_ms() == late.api_expiry * 1000
    quiet.do(quiet.cancel(ALICE, late))
    assert quiet.engine.next_deadline_ms() is None


def test_the_start_of_a_match_is_a_deadline(desk: Desk) -> None:
    assert desk.engine.next_deadline_ms() == (START_S + HOUR) * 1000
    desk.do(UpdateFixture(fixture_id=MATCH, game_time_s=START_S + 60))
    assert desk.engine.next_deadline_ms() == (START_S + 60) * 1000


@pytest.mark.parametrize(
    "step",
    [
        SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.IN_PROGRESS),
        SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.FINISHED),
        SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.POSTPONED),
        UpdateFixture(fixture_id=MATCH, status_feed=True),
        UpdateFixture(fixture_id=MATCH, game_time_s=START_S + 86_400),
        UpdateFixture(fixture_id=MATCH, game_time_s=START_S - 1),
    ],
)
def test_a_start_that_will_not_come_is_no_deadline(desk: Desk, step: SetFixtureStatus | UpdateFixture) -> None:
    desk.do(step)
    assert desk.engine.next_deadline_ms() == (START_S + 86_400) * 1000


def test_an_order_that_expires_as_its_match_begins_has_expired(desk: Desk) -> None:
    expiring, other = desk.rest(expires_in_s=HOUR), desk.rest()
    assert desk.wait(HOUR).ended == {expiring.order_hash: EXPIRED, other.order_hash: CANCELLED}


def test_what_came_first_counts_even_when_both_are_found_late(desk: Desk) -> None:
    """A stall past two deadlines: each order ends by the one that came first for it (D9)."""
    before_start, after_start = desk.rest(expires_in_s=HOUR - 1), desk.rest(expires_in_s=HOUR + 1)
    ended = desk.wait(2 * HOUR).ended
    assert ended == {before_start.order_hash: EXPIRED, after_start.order_hash: CANCELLED}


def test_everything_a_tick_does_carries_the_time_of_the_tick(quiet: Desk) -> None:
    order = quiet.rest(expires_in_s=10)
    quiet.now_ms += 25_000
    outcome = quiet.engine.execute(Tick(), quiet.now_ms)
    assert outcome == [OrderChanged(order.order_hash, Trigger.EXPIRE, EXPIRED, 0, 0, quiet.now_ms)]


def test_an_order_posted_too_late_expires_with_the_next_tick(quiet: Desk) -> None:
    """Between the check of its expiry and its turn a second may pass; it is gone before anything else is decided."""
    late = msgspec.structs.replace(quiet.order(ALICE, A), api_expiry=quiet.now_ms // 1000)
    assert quiet.place(late) == ["accepted"]
    assert quiet.tick().ended == {late.order_hash: EXPIRED}
