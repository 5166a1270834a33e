"""The life of an order as a table, and the arithmetic of its amounts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.desk import Desk

from overround.engine.events import OrderChanged
from overround.engine.fill import average_odds
from overround.engine.order import (
    FINAL,
    TRANSITIONS,
    OrderState,
    Trigger,
    is_exhausted,
    maker_amount,
    remaining_taker_space,
)
from overround.engine.types import ODDS_ONE, Side

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "sx_vectors.json").read_text())[
    "arithmetic"
]

OPEN, HELD, SUSPENDED = OrderState.OPEN, OrderState.HELD, OrderState.SUSPENDED
FILLED, CANCELLED, EXPIRED = OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED

OFF_THE_BOOK = "it is not on the book, nobody can be matched with it"
NEVER_SUSPENDED = "only a suspended order is restored"
STAYS = "a confirmation leaves the state as it is, even the last one (spec/sx.md 7.1)"
OVER = "its life is over"
NOT_HELD = "only an order that is held stays what it is because nothing worth matching came free"
NOTHING_PENDS = "it is filled: nothing pends, nothing is left"

IMPOSSIBLE: dict[tuple[OrderState, Trigger], str] = {
    (OPEN, Trigger.RESTORE): NEVER_SUSPENDED,
    (HELD, Trigger.MATCH): OFF_THE_BOOK,
    (HELD, Trigger.EXHAUST): OFF_THE_BOOK,
    (HELD, Trigger.RESTORE): NEVER_SUSPENDED,
    (SUSPENDED, Trigger.MATCH): OFF_THE_BOOK,
    (SUSPENDED, Trigger.EXHAUST): OFF_THE_BOOK,
    (SUSPENDED, Trigger.COMPLETE): STAYS,
    (SUSPENDED, Trigger.SUSPEND): "it is suspended already",
    (SUSPENDED, Trigger.UNCOVERED): "it offers nothing that would have to be covered",
    **{(state, Trigger.FAIL_EXHAUSTED): NOT_HELD for state in (OPEN, SUSPENDED, CANCELLED, EXPIRED)},
    **{
        (state, trigger): reason
        for state in (CANCELLED, EXPIRED)
        for trigger, reason in {
            Trigger.MATCH: OFF_THE_BOOK,
            Trigger.EXHAUST: OFF_THE_BOOK,
            Trigger.COMPLETE: STAYS,
            Trigger.SUSPEND: OVER,
            Trigger.UNCOVERED: OVER,
            Trigger.HEARTBEAT: OVER,
            Trigger.RESTORE: OVER,
            Trigger.CANCEL: OVER,
            Trigger.EXPIRE: OVER,
            Trigger.MATCH_START: OVER,
            Trigger.MARKET_CLOSE: OVER,
        }.items()
    },
    **{(FILLED, trigger): NOTHING_PENDS for trigger in Trigger},
}

# ---- lifecycle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("trigger", Trigger)
@pytest.mark.parametrize("state", OrderState)
def test_every_trigger_in_every_state_is_either_in_the_table_or_known_to_be_impossible(
    state: OrderState, trigger: Trigger
) -> None:
    assert ((state, trigger) in TRANSITIONS) != ((state, trigger) in IMPOSSIBLE)


def test_a_final_state_is_never_left() -> None:
    assert {after for (before, _), after in TRANSITIONS.items() if before in FINAL} <= FINAL
    assert all(before is after for (before, _), after in TRANSITIONS.items() if before in FINAL)


def test_every_state_is_reached_and_every_live_one_can_end() -> None:
    reached = {OPEN} | set(TRANSITIONS.values())
    assert reached == set(OrderState)
    for live in set(OrderState) - FINAL:
        assert {TRANSITIONS[live, trigger] for trigger in Trigger if (live, trigger) in TRANSITIONS} & FINAL


def test_the_book_is_entered_from_a_held_or_a_suspended_order_only() -> None:
    entries = {(before, trigger) for (before, trigger), after in TRANSITIONS.items() if after is OPEN is not before}
    assert entries == {(HELD, Trigger.FAIL), (SUSPENDED, Trigger.RESTORE)}


@pytest.mark.parametrize(
    "trigger", [Trigger.CANCEL, Trigger.HEARTBEAT, Trigger.EXPIRE, Trigger.MATCH_START, Trigger.MARKET_CLOSE]
)
@pytest.mark.parametrize("state", [OPEN, HELD, SUSPENDED])
def test_whatever_lives_can_be_ended(state: OrderState, trigger: Trigger) -> None:
    assert TRANSITIONS[state, trigger] is (EXPIRED if trigger is Trigger.EXPIRE else CANCELLED)


def test_the_update_time_grows_even_within_a_millisecond(desk: Desk) -> None:
    order = desk.rest()
    events = desk.events(desk.cancel_all(order.maker))
    assert events == [OrderChanged(order.order_hash, Trigger.CANCEL, CANCELLED, 0, 0, desk.now_ms + 1)]


def test_an_order_knows_what_is_left_of_it_and_whose_side_it_is_on(desk: Desk) -> None:
    backs_two = desk.rest(size=40, one=False)
    order = desk.engine.state.orders[backs_two.order_hash]
    assert order.side is Side.OUTCOME_TWO
    assert order.remaining == 40
    order.fill_amount, order.pending_fill_amount = 10, 5
    assert order.remaining == 25
    order.fill_amount = order.pending_fill_amount = 0


# ---- arithmetic ----------------------------------------------------------------------------------------------------

# What the 26 vectors are about, and what of it the engine decides.
COVERED = {
    "capacity": "taker space, maker amount, tolerance",
    "leg": "maker amount against a taker's stake",
    "multi": "the legs and the average odds of the whole",
    "average-real": "weighted average odds, rounded half up",
    "slippage": "in `test_matching.py`: the price rule (spec/decisions.md D3)",
}
WAITING = {
    "netReturn-real": "is what trade records show (`protocols/sx/`)",
    "ladder": "is decided before the engine, where orders are decoded (`protocols/sx/decode.py`)",
}


def vectors(kind: str) -> list[Any]:
    return [pytest.param(one, id=f"{kind}-{place}") for place, one in enumerate(VECTORS) if one["kind"] == kind]


def test_no_kind_of_vector_is_forgotten() -> None:
    assert len(VECTORS) == 26
    assert {one["kind"] for one in VECTORS} == COVERED.keys() | WAITING.keys()


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", vectors("capacity"))
def test_what_takers_may_still_stake_and_what_is_left_when_they_took_it_all(vector: dict[str, Any]) -> None:
    odds, remaining = int(vector["percentageOdds"]), int(vector["remainingMaker"])
    space = remaining_taker_space(remaining, odds)
    assert space == int(vector["remainingTakerSpace"])
    taken = maker_amount(space, odds)
    assert taken == int(vector["makerAmountWhenTakingAll"])
    left = remaining - taken
    assert left == int(vector["dustLeft"])
    assert (left * 100_000 <= remaining) is vector["filledByTolerance"]
    # Beyond the tolerance an order is done when nobody can stake anything against the rest (spec/sx.md 7.1).
    assert is_exhausted(left, remaining, odds)


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", vectors("leg"))
def test_what_the_maker_pays_against_a_stake(vector: dict[str, Any]) -> None:
    odds, stake = int(vector["percentageOdds"]), int(vector["takerStake"])
    assert maker_amount(stake, odds) == int(vector["makerAmount"])
    assert stake + maker_amount(stake, odds) == int(vector["pot"])
    assert ODDS_ONE - odds == int(vector["takerOdds"])


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", vectors("multi"))
def test_a_stake_spread_over_several_orders_takes_each_to_its_space(vector: dict[str, Any]) -> None:
    left, pots = int(vector["stakeWei"]), []
    for leg in vector["legs"]:
        odds = int(leg["percentageOdds"])
        stake = min(remaining_taker_space(int(leg["remainingMaker"]), odds), left)
        assert stake == int(leg["takerStake"])
        assert maker_amount(stake, odds) == int(leg["makerAmount"])
        pots.append(stake + maker_amount(stake, odds))
        assert pots[-1] == int(leg["pot"])
        left -= stake
    assert int(vector["stakeWei"]) - left == int(vector["totalFilled"])
    assert sum(pots) == int(vector["totalReturn"])
    assert average_odds(int(vector["totalFilled"]), sum(pots)) == int(vector["averageOdds"])


@pytest.mark.row("FILL-08", "UNIT-05")
@pytest.mark.parametrize("vector", vectors("average-real"))
def test_average_odds_are_rounded_half_up(vector: dict[str, Any]) -> None:
    found = average_odds(int(vector["totalStake"]), int(vector["totalReturn"]))
    assert found == int(vector["weightedAverageOdds"]) == int(vector["published"])


AMOUNTS = st.integers(1, 2**256 - 1)
ODDS = st.integers(1, ODDS_ONE - 1)


@pytest.mark.row("UNIT-04")
@given(remaining=AMOUNTS, odds=ODDS)
def test_taking_all_the_space_never_costs_the_maker_more_than_he_risks(remaining: int, odds: int) -> None:
    space = remaining_taker_space(remaining, odds)
    assert 0 <= maker_amount(space, odds) <= remaining


@pytest.mark.row("UNIT-04")
@given(remaining=AMOUNTS, odds=ODDS)
def test_one_unit_more_than_the_space_would_cost_him_more_than_his_odds_allow(remaining: int, odds: int) -> None:
    """The pot of one unit more exceeds `remaining / odds`: the space is the largest stake that the odds cover."""
    stake = remaining_taker_space(remaining, odds) + 1
    assert (remaining + stake) * odds > remaining * ODDS_ONE


@given(stake=AMOUNTS, odds=ODDS)
def test_the_maker_never_overpays_and_never_saves_a_whole_unit(stake: int, odds: int) -> None:
    paid = maker_amount(stake, odds)
    assert paid * (ODDS_ONE - odds) <= stake * odds < (paid + 1) * (ODDS_ONE - odds)


@pytest.mark.parametrize(
    ("left", "total", "odds", "exhausted"),
    [
        (9_165, 2_681_520_865, 50 * 10**18, True),  # published numbers: 0.00034 % left
        (1, 100_000, 50 * 10**18, True),  # exactly 0.001 %
        (2, 199_999, 50 * 10**18, False),  # just above
        (2, 200_000, 50 * 10**18, True),
        (515, 10_000_000, 99_875 * 10**15, True),  # far above, but a taker's share of it is less than one unit
        (0, 1, 50 * 10**18, True),
        (1, 1, 50 * 10**18, False),
    ],
)
def test_an_order_is_exhausted_within_a_thousandth_of_a_percent_or_without_taker_space(
    left: int, total: int, odds: int, exhausted: bool
) -> None:
    assert is_exhausted(left, total, odds) is exhausted
