"""Weighted budgets of two windows (`spec/nado.md` 12)."""

from __future__ import annotations

import pytest

from overround.config import LimitsConfig
from overround.server.budgets import BudgetExceeded, Budgets

WALLET, OTHER = b"w" * 20, b"o" * 20
HOME = "192.0.2.1"


class Clock:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def budgets(clock: Clock, profile: str = "sx-strict", **numbers: int) -> Budgets:
    return Budgets(LimitsConfig(profile=profile, **numbers), clock)  # type: ignore[arg-type]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.row("R-01")
def test_a_hundred_in_ten_seconds_and_six_hundred_in_sixty(clock: Clock) -> None:
    some = budgets(clock)
    for _ in range(6):
        some.charge(WALLET, 100)
        with pytest.raises(BudgetExceeded):
            some.charge(WALLET, 1)
        clock.now += 9.99
        with pytest.raises(BudgetExceeded):
            some.charge(WALLET, 1)
        clock.now += 0.01
    clock.now -= 0.02
    with pytest.raises(BudgetExceeded) as refused:
        some.charge(WALLET, 1)
    assert refused.value.code == 1000
    clock.now += 0.02
    some.charge(WALLET, 1)


@pytest.mark.row("R-01", "R-04")
def test_whoever_is_refused_is_told_when_to_come_back(clock: Clock) -> None:
    some = budgets(clock)
    some.charge(WALLET, 60)
    clock.now += 4
    with pytest.raises(BudgetExceeded) as refused:
        some.charge(WALLET, 50)
    assert refused.value.retry_after_s == 6
    assert refused.value.message == (
        "Too Many Requests: at most weight 100 in 10 s; this request weighs 50, 40 is left; try again in 6 s"
    )
    some.charge(WALLET, 40)


@pytest.mark.row("R-01")
def test_one_wallet_does_not_spend_the_budget_of_another(clock: Clock) -> None:
    some = budgets(clock)
    some.charge(WALLET, 100)
    some.charge(OTHER, 100)


@pytest.mark.row("R-01", "C-18")
def test_a_request_heavier_than_the_short_window_passes_when_that_is_untouched(clock: Clock) -> None:
    some = budgets(clock)
    some.charge(WALLET, 150)
    with pytest.raises(BudgetExceeded):
        some.charge(WALLET, 1)
    clock.now += 10
    some.charge(WALLET, 1)
    with pytest.raises(BudgetExceeded):
        some.charge(WALLET, 150)
    clock.now += 50
    some.charge(WALLET, 600)
    clock.now += 60
    with pytest.raises(BudgetExceeded, match="split it"):
        some.charge(WALLET, 601)


def test_looking_costs_nothing(clock: Clock) -> None:
    some = budgets(clock)
    for _ in range(3):
        some.look(WALLET, 100)
    some.charge(WALLET, 100)
    with pytest.raises(BudgetExceeded):
        some.look(WALLET, 1)


@pytest.mark.row("R-02")
def test_queries_are_charged_to_the_address(clock: Clock) -> None:
    some = budgets(clock)
    for _ in range(4):
        some.query(HOME, 100)
    with pytest.raises(BudgetExceeded):
        some.query(HOME, 1)
    some.query("192.0.2.2", 1)
    some.charge(WALLET, 100)


def test_a_bad_signature_is_charged_to_the_address_alone(clock: Clock) -> None:
    some = budgets(clock)
    for _ in range(5):
        some.blame(HOME, 100)
    with pytest.raises(BudgetExceeded):
        some.query(HOME, 1)
    some.charge(WALLET, 100)


@pytest.mark.parametrize("profile", ["off", "sx"])
def test_every_limit_can_be_switched_off(clock: Clock, profile: str) -> None:
    names = ("nado_wallet_per_min", "nado_wallet_per_10_s", "nado_address_per_min", "nado_address_per_10_s")
    numbers = dict.fromkeys(names, 0)
    some = budgets(clock, profile, **(numbers if profile == "sx" else {}))
    for _ in range(10):
        some.charge(WALLET, 600)
        some.query(HOME, 600)
