"""The venue's clock: the machine's, unless a sandbox moves it."""

from __future__ import annotations

from overround.runtime.clock import VenueClock, real_now_ms

HOUR_MS = 3_600_000


def test_it_is_the_machines_clock() -> None:
    before = real_now_ms()
    now = VenueClock().now_ms()
    assert before <= now <= real_now_ms()


def test_it_can_run_ahead() -> None:
    clock = VenueClock()
    clock.adjust(HOUR_MS, None)
    before = real_now_ms()
    now = clock.now_ms() - HOUR_MS
    assert before <= now <= real_now_ms()
    assert not clock.is_frozen


def test_it_can_stand_still_and_go_on() -> None:
    clock = VenueClock()
    clock.adjust(HOUR_MS, 12345)
    assert clock.is_frozen
    assert clock.now_ms() == 12345
    clock.adjust(0, None)
    assert not clock.is_frozen
    assert clock.now_ms() >= 12345
