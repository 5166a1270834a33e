"""The engine against its slow twin, under random traffic, time jumps, crashes and recoveries.

Hypothesis shortens what it finds; `OVERROUND_MODEL_STEPS` sets how many steps it takes. Seeded walks (`walks.py`) go
further: `make model` walks as long as you want.
"""

from __future__ import annotations

import os
import time
from random import Random

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.properties import traffic
from tests.properties.traffic import Kind, Traffic
from tests.properties.twins import Twins
from tests.properties.walks import Walk

STEPS = int(os.environ.get("OVERROUND_MODEL_STEPS", "3000"))
STEPS_PER_DAY = 60
STEPS_MS = st.sampled_from(traffic.STEPS_MS)
SEEDS = st.integers(0, 2**32 - 1)  # of the choices inside one command


class MarketDay(RuleBasedStateMachine):
    """One venue from its first command on: some hours of traffic, and a few disasters."""

    decided = 0  # commands, on all days together

    def __init__(self) -> None:
        super().__init__()
        self.twins = Twins()
        self.traffic = Traffic()

    @initialize()
    def open_the_venue(self) -> None:
        for command in self.traffic.opening():
            self.twins.submit(command)

    @rule(steps=st.lists(st.tuples(STEPS_MS, SEEDS), min_size=1, max_size=6))
    def trade(self, steps: list[tuple[int, int]]) -> None:
        for step_ms, seed in steps:
            self._ask(self.traffic.trading, step_ms, seed)

    @rule(step_ms=STEPS_MS, seed=SEEDS)
    def operate(self, step_ms: int, seed: int) -> None:
        self._ask(self.traffic.operating, step_ms, seed)

    @rule(step_ms=STEPS_MS)
    def ask_nothing_for_a_while(self, step_ms: int) -> None:
        self.twins.pass_time(step_ms)
        self.twins.fire()

    @rule(seed=SEEDS)
    def meet_with_a_disaster(self, seed: int) -> None:
        random = Random(seed)
        self.twins.take_snapshot()
        if random.random() < 0.5:
            self.twins.crash()
        else:
            self.twins.crash_beside(random.choice(self.twins.images))

    @invariant()
    def both_show_the_same(self) -> None:
        self.twins.check()

    def teardown(self) -> None:
        self.twins.take_snapshot()
        self.twins.crash_beside(self.twins.images[-1])
        self.twins.crash()
        self.twins.check()
        MarketDay.decided += self.twins.decided

    def _ask(self, kinds: tuple[Kind, ...], step_ms: int, seed: int) -> None:
        self.twins.pass_time(step_ms)
        random = Random(seed)
        command = random.choice(kinds)(random, self.twins.now_ms)
        note(f"{self.twins.now_ms}: {command}")
        note(f"    {self.twins.submit(command)}")
        self.twins.check()


@pytest.mark.row("CAN-11", "CAN-12", "EXP-06", "EXP-07", "EXP-08", "EXP-09", "EXP-11", "FILL-04", "FILL-05", "FILL-06")
@pytest.mark.row("FILL-07", "FILL-09", "HB-03", "HB-04", "HB-06", "LIFE-04", "LIFE-06")
@pytest.mark.parametrize("seed", range(8))
def test_a_walk_meets_no_difference(seed: int) -> None:
    Walk(seed).run()


@pytest.mark.row("EXP-01", "EXP-02", "EXP-03", "EXP-05", "LIFE-01", "LIFE-03", "LIFE-05", "LIFE-06", "CAN-08", "ORD-15")
@pytest.mark.timeout(600 if STEPS <= 3000 else 0)  # a failing day is shortened for some minutes before it is shown
def test_the_engine_answers_and_shows_what_its_slow_twin_does() -> None:
    began = time.perf_counter()
    run_state_machine_as_test(
        MarketDay,
        settings=settings(
            max_examples=max(1, STEPS // STEPS_PER_DAY),
            stateful_step_count=STEPS_PER_DAY,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    seconds = time.perf_counter() - began
    print(f"\n{MarketDay.decided} commands, {MarketDay.decided / seconds:.0f} a second")
