"""One way in, one way out, and nothing else that counts."""

from __future__ import annotations

from random import Random

import pytest
from tests.engine.desk import ALICE, START_MS, Desk, hashes, number
from tests.properties.traffic import STEPS_MS, Traffic

from overround.engine.commands import CancelOrders, SetBalance, Tick, VenueCommand
from overround.engine.engine import Engine
from overround.engine.rejections import Rejection
from overround.engine.types import Address


def a_day(seed: int) -> list[tuple[VenueCommand, int]]:
    """Commands with their times."""
    traffic, random, now_ms = Traffic(), Random(seed), START_MS
    day: list[tuple[VenueCommand, int]] = [(command, now_ms) for command in traffic.opening()]
    for _ in range(120):
        now_ms += random.choice(STEPS_MS)
        day += [(Tick(), now_ms), (traffic.any(random, now_ms), now_ms)]
    return day


@pytest.mark.parametrize("seed", range(5))
def test_the_same_commands_at_the_same_times_lead_to_the_same_events_and_state(seed: int) -> None:
    first, second = Engine(), Engine()
    for command, now_ms in a_day(seed):
        assert first.execute(command, now_ms) == second.execute(command, now_ms)
        assert first.digest() == second.digest()


def test_time_is_part_of_a_command(desk: Desk) -> None:
    early, late = Desk(), Desk()
    late.now_ms += 1
    early.rest()
    late.rest()
    assert early.engine.digest() != late.engine.digest()


def test_a_refused_command_changes_nothing(desk: Desk) -> None:
    foreign = Address(number(20, "foreign"))
    assert desk.refusal(SetBalance(account=ALICE, token=foreign, amount=1)) is Rejection.TOKEN_UNKNOWN


def test_a_new_engine_waits_for_nothing_and_weighs_the_same_as_any_other() -> None:
    assert Engine().next_deadline_ms() is None
    assert Engine().digest() == Engine().digest()


def test_a_tick_that_finds_nothing_due_says_nothing(desk: Desk) -> None:
    before = desk.engine.digest()
    assert desk.engine.execute(Tick(), desk.now_ms) == []
    assert desk.engine.digest() == before


def test_a_cancel_decided_before_a_later_post_does_not_reach_it(desk: Desk) -> None:
    before = desk.rest()
    cancel = desk.cancel_all(ALICE)
    desk.do(cancel)
    after = desk.rest()
    assert before.order_hash not in desk.resting()
    assert desk.resting() == hashes(after)
    assert isinstance(desk.engine.execute(cancel, desk.now_ms), Rejection)
    assert not isinstance(cancel, CancelOrders)
