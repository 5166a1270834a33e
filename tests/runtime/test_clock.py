"""The venue's clock: the machine's, made steady, unless a sandbox moves it."""

from __future__ import annotations

import time

import pytest
from tests.runtime.machine import HandTime

from overround.runtime.clock import JUMP_MS_MIN, VenueClock

HOUR_MS = 3_600_000
START_MS = 1_790_000_000_000


def wall_ms() -> int:
    return time.time_ns() // 1_000_000


def test_it_is_the_machines_clock() -> None:
    before = wall_ms()
    now = VenueClock().now_ms()
    assert before - 1 <= now <= wall_ms()


def test_it_can_run_ahead() -> None:
    clock = VenueClock()
    clock.adjust(HOUR_MS, None)
    before = wall_ms()
    now = clock.now_ms() - HOUR_MS
    assert before - 1 <= now <= wall_ms()
    assert not clock.is_frozen


def test_it_can_stand_still_and_go_on() -> None:
    clock = VenueClock()
    clock.adjust(HOUR_MS, 12345)
    assert clock.is_frozen
    assert clock.now_ms() == 12345
    clock.adjust(0, None)
    assert not clock.is_frozen
    assert clock.now_ms() >= 12345


@pytest.fixture
def machine() -> HandTime:
    """A machine of our own."""
    return HandTime(START_MS)


@pytest.fixture
def clock(machine: HandTime) -> VenueClock:
    """A venue's clock on it."""
    return VenueClock(machine)


def test_it_goes_on_at_its_own_pace_when_the_machines_clock_is_set_back(machine: HandTime, clock: VenueClock) -> None:
    """It must not stand still: a heartbeat would fire an hour late."""
    machine.go_on(1_000)
    machine.set_wall(-HOUR_MS)
    for passed_ms in range(1_000, 10_000, 1_000):
        assert clock.now_ms() == START_MS + passed_ms
        assert clock.take_jump_ms() == 0
        assert clock.ahead_ms() == HOUR_MS
        machine.go_on(1_000)


def test_it_follows_the_machines_clock_ahead_and_says_so_once(machine: HandTime, clock: VenueClock) -> None:
    machine.go_on(500)
    machine.set_wall(HOUR_MS)
    assert clock.now_ms() == START_MS + 500 + HOUR_MS
    assert clock.take_jump_ms() == HOUR_MS
    assert clock.take_jump_ms() == 0
    machine.go_on(500)
    assert clock.now_ms() == START_MS + 1_000 + HOUR_MS
    assert clock.take_jump_ms() == 0


def test_a_clock_set_back_and_forth_has_not_jumped(machine: HandTime, clock: VenueClock) -> None:
    for step_ms in (-HOUR_MS, HOUR_MS, -5 * HOUR_MS, 4 * HOUR_MS):
        machine.set_wall(step_ms)
        machine.go_on(10)
        clock.now_ms()
    assert clock.take_jump_ms() == 0
    assert clock.now_ms() == START_MS + 40


def test_the_noise_of_two_readings_is_no_jump(machine: HandTime, clock: VenueClock) -> None:
    machine.set_wall(JUMP_MS_MIN - 1)
    assert clock.now_ms() == START_MS
    machine.set_wall(1)
    assert clock.now_ms() == START_MS + JUMP_MS_MIN
    assert clock.take_jump_ms() == JUMP_MS_MIN


def test_it_goes_on_from_the_last_record_where_the_machines_clock_is_behind(
    machine: HandTime, clock: VenueClock
) -> None:
    clock.go_on_from(START_MS + HOUR_MS)
    assert clock.now_ms() == START_MS + HOUR_MS
    machine.go_on(250)
    assert clock.now_ms() == START_MS + HOUR_MS + 250
    clock.go_on_from(START_MS)  # and is never put back
    assert clock.now_ms() == START_MS + HOUR_MS + 250
    assert clock.take_jump_ms() == 0


def test_a_jump_while_it_stands_still_is_none(machine: HandTime, clock: VenueClock) -> None:
    clock.adjust(0, START_MS)
    machine.set_wall(HOUR_MS)
    assert clock.now_ms() == START_MS
    clock.machine_ms()
    assert clock.take_jump_ms() == 0
    clock.adjust(-HOUR_MS, None)
    assert clock.now_ms() == START_MS
    assert clock.take_jump_ms() == 0
