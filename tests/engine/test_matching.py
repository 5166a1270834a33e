"""What a fill takes of a book: the arithmetic vectors, and the price rule (`spec/sx.md` 7.11, 7.12, D3)."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.desk import lone_order

from overround.engine.fill import average_odds, largest_stake_of, taker_stake_of
from overround.engine.matching import Taken, take
from overround.engine.order import Order, maker_amount, remaining_taker_space
from overround.engine.types import ODDS_ONE

PERCENT = 10**18
ARITHMETIC: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "sx_vectors.json").read_text())[
    "arithmetic"
]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [vector for vector in ARITHMETIC if vector["kind"] == kind]


def resting(place: int, size: int, odds: int) -> Order:
    """An order of so much, best price first in the order of the places."""
    order = lone_order(place, odds=odds)
    order.terms = msgspec.structs.replace(order.terms, total_bet_size=size)
    return order


def parts(taken: Taken) -> list[tuple[int, int]]:
    return [(one.taker_stake, one.maker_stake) for one in taken.takes]


def take_all(orders: list[Order], stake: int, desired: int, slippage: int) -> Taken:
    return take(orders, stake, desired, slippage, lambda *_: True)


@pytest.mark.row("UNIT-05", "FILL-08")
@pytest.mark.parametrize("vector", of_kind("multi"), ids=lambda vector: vector["stakeWei"])
def test_a_stake_is_spread_over_orders_as_the_vectors_say(vector: dict[str, Any]) -> None:
    legs = vector["legs"]
    orders = [
        resting(place, int(leg["remainingMaker"]), int(leg["percentageOdds"])) for place, leg in enumerate(legs, 1)
    ]
    stake = int(vector["stakeWei"])
    found = parts(take_all(orders, stake, ODDS_ONE - int(legs[-1]["percentageOdds"]), 0))
    assert found == [(int(leg["takerStake"]), int(leg["makerAmount"])) for leg in legs]
    total, pot = sum(taker for taker, _ in found), sum(map(sum, found))
    assert (str(total), str(pot)) == (vector["totalFilled"], vector["totalReturn"])
    assert str(average_odds(total, pot)) == vector["averageOdds"]
    assert (total < stake) is vector["isPartialFill"]


@pytest.mark.row("UNIT-05", "FILL-08")
@pytest.mark.parametrize("vector", of_kind("average-real"), ids=lambda vector: vector["totalStake"])
def test_an_average_equals_the_published_one(vector: dict[str, Any]) -> None:
    found = average_odds(int(vector["totalStake"]), int(vector["totalReturn"]))
    assert str(found) == vector["weightedAverageOdds"] == vector["published"]


@pytest.mark.row("FILL-08")
def test_an_average_is_rounded_half_up() -> None:
    assert average_odds(1, 3) == 33_333_333_333_333_333_333
    assert average_odds(2, 3) == 66_666_666_666_666_666_667
    assert average_odds(1, 8 * ODDS_ONE) == 0  # 0.125
    assert average_odds(1, 2 * ODDS_ONE) == 1  # 0.5


@pytest.mark.row("UNIT-05", "FILL-05")
@pytest.mark.parametrize("vector", of_kind("slippage"), ids=lambda vector: vector["desiredOdds"])
def test_the_worst_average_of_the_vectors_is_taken_and_the_next_one_is_not(vector: dict[str, Any]) -> None:
    desired, slippage, worst = int(vector["desiredOdds"]), vector["oddsSlippage"], int(vector["worstAverageImplied"])
    size = 10**9
    taken = take_all([resting(1, size, ODDS_ONE - worst)], size, desired, slippage)
    assert taken.takes
    beyond = take_all([resting(1, size, ODDS_ONE - worst - 1)], size, desired, slippage)
    assert beyond == Taken([], stopped_by_price=True)


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", of_kind("capacity"), ids=lambda vector: vector["percentageOdds"])
def test_all_of_an_order_is_what_the_vectors_say(vector: dict[str, Any]) -> None:
    odds, left = int(vector["percentageOdds"]), int(vector["remainingMaker"])
    (part,) = parts(take_all([resting(1, left, odds)], 10**30, ODDS_ONE - odds, 0))
    assert part == (int(vector["remainingTakerSpace"]), int(vector["makerAmountWhenTakingAll"]))


def test_what_is_not_worth_a_unit_on_each_side_is_skipped_and_the_next_one_taken() -> None:
    tiny, good = resting(1, 10**7, 125 * 10**15), resting(2, 10**7, 125 * 10**15)
    assert parts(take_all([tiny, good], 1, ODDS_ONE - 125 * 10**15, 0)) == []  # one unit is worth less than one
    crumbs = resting(1, 1, 99_875 * 10**15)
    assert remaining_taker_space(1, 99_875 * 10**15) == 0
    assert parts(take_all([crumbs, resting(2, 10**7, 50 * PERCENT)], 10, ODDS_ONE // 2, 0)) == [(10, 10)]


# ---- which orders, and how much of each ----------------------------------------------------------------------------


def book(*offers: tuple[int, float]) -> list[Order]:
    """Orders of so much maker money at these odds, in percent; in the order in which they are given."""
    orders = []
    for place, (size, odds) in enumerate(offers, start=1):
        order = lone_order(place, odds=round(odds * 1000) * PERCENT // 1000)
        order.fill_amount = order.terms.total_bet_size - size
        orders.append(order)
    return orders


def taken(
    orders: list[Order], stake: int, desired: float, slippage: int = 0, *, poor: tuple[Order, ...] = ()
) -> tuple[list[tuple[int, int, int]], bool]:
    """(number, taker's part, maker's part) of each leg, and whether the price kept it from being more."""
    desired_odds = round(desired * 1000) * PERCENT // 1000
    found = take(orders, stake, desired_odds, slippage, lambda order, _: order not in poor)
    return [(one.order.number, one.taker_stake, one.maker_stake) for one in found.takes], found.stopped_by_price


@pytest.mark.row("FILL-04")
def test_the_first_is_taken_to_its_end_before_the_next() -> None:
    orders = book((30, 60), (50, 50), (50, 50))
    assert taken(orders, 60, 50) == ([(1, 20, 20 * 60 // 40), (2, 40, 40)], False)


@pytest.mark.row("FILL-06")
def test_what_is_not_there_is_not_taken() -> None:
    assert taken(book((30, 50), (20, 50)), 80, 50) == ([(1, 30, 30), (2, 20, 20)], False)
    assert taken([], 80, 50) == ([], False)


@pytest.mark.row("FILL-05")
def test_without_slippage_no_order_may_be_worse() -> None:
    """The average would allow some of the second: the first is far better than asked for."""
    orders = book((30, 75), (50, 40))
    assert taken(orders, 50, 50) == ([(1, 10, 30)], True)
    assert taken(book((50, 49.999)), 50, 50) == ([], True)


@pytest.mark.row("FILL-05")
def test_with_slippage_single_orders_may_be_worse_as_long_as_the_average_is_not() -> None:
    """Asked: 2.0 less 10 %, so 1.8. The first pays 2.5, the second 1.25: every unit of the first carries 0.7 / 0.55."""
    orders = book((15, 60), (1_000, 20))
    assert taken(orders, 100, 50, 10) == ([(1, 10, 15), (2, 12, 3)], True)
    (legs, _) = taken(orders, 100, 50, 10)
    pot = sum(Fraction(stake * 100, 40 if number == 1 else 80) for number, stake, _ in legs)
    stakes = sum(stake for _, stake, _ in legs)
    assert pot / stakes >= Fraction(18, 10)
    assert (pot + Fraction(100, 80)) / (stakes + 1) < Fraction(18, 10)


@pytest.mark.row("FILL-05")
def test_any_price_is_good_enough_for_a_slippage_of_a_hundred() -> None:
    assert taken(book((1, 0.125), (50, 0.125)), 10**6, 0.001, 100)[1] is False


def test_a_maker_who_cannot_pay_is_skipped() -> None:
    orders = book((50, 60), (50, 50))
    assert taken(orders, 10, 50, poor=(orders[0],)) == ([(2, 10, 10)], False)


ODDS = st.integers(1, 799).map(lambda step: step * 125 * 10**15)


@given(
    st.lists(st.tuples(st.integers(1, 10**9), ODDS), max_size=6),
    st.integers(1, 10**9),
    st.integers(1, ODDS_ONE - 1),
    st.integers(0, 100),
)
def test_the_price_rule_holds_for_the_whole_fill_and_nobody_pays_too_much(
    book: list[tuple[int, int]], stake: int, desired: int, slippage: int
) -> None:
    """D3 in exact fractions: sum of t * (1/implied) >= (100 - s) % of the desired decimal odds times the stake."""
    orders = [resting(place, size, odds) for place, (size, odds) in enumerate(sorted(book, key=lambda one: -one[1]))]
    taken = take_all(orders, stake, desired, slippage)
    total = sum(one.taker_stake for one in taken.takes)
    assert total <= stake
    for order, t, m in taken.takes:
        odds = order.terms.percentage_odds
        assert t >= 1
        assert 1 <= m == maker_amount(t, odds) <= order.remaining
        assert slippage or ODDS_ONE - odds <= desired
    pots = sum(Fraction(t * ODDS_ONE, ODDS_ONE - order.terms.percentage_odds) for order, t, _ in taken.takes)
    assert 100 * desired * pots >= (100 - slippage) * ODDS_ONE * total


@given(st.integers(1, 10**12), st.integers(1, ODDS_ONE - 1))
def test_the_largest_stake_of_an_amount_is_the_last_that_asks_for_no_more(amount: int, odds: int) -> None:
    most = largest_stake_of(amount, odds)
    assert maker_amount(most, odds) <= amount < maker_amount(most + 1, odds)
    assert most >= taker_stake_of(amount, odds), "a leg is never judged as less than it takes"
