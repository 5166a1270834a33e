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
