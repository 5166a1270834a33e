"""Every refusal is reached, and where several apply the one that is declared first is the answer.

The order of the enum is the order of the checks: whoever reorders one must reorder the other, or fail here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import msgspec
import pytest
from tests.engine.desk import ALICE, MATCH, MATCH_IN_AN_HOUR, OTHER, A, Desk, market

from overround.engine.commands import (
    AnyCommand,
    PlaceOrders,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    UpdateFixture,
)
from overround.engine.events import OrderRefused
from overround.engine.rejections import Rejection
from overround.engine.types import Address, FixtureId, FixtureStatus, MarketHash

R = Rejection
DECLARED = list(Rejection)
NOWHERE, NEW = FixtureId("nowhere"), FixtureId("new")
UNKNOWN = MarketHash(bytes(32))


class Case(NamedTuple):
    """A command to which these refusals apply, all of them at once."""

    apply: set[Rejection]
    command: AnyCommand | Callable[[Desk], AnyCommand]


def _over(desk: Desk) -> None:
    desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.FINISHED))


def _market_on_finished_fixture(desk: Desk, market_hash: MarketHash) -> AnyCommand:
    _over(desk)
    return market(market_hash)


def _obeyed_and_too_old(desk: Desk) -> AnyCommand:
    cancel = desk.cancel_all(ALICE)
    desk.do(cancel)
    desk.wait(601)
    assert cancel.replay_key in desk.engine.state.replays
    return cancel


def _obeyed(desk: Desk) -> AnyCommand:
    cancel = desk.cancel_all(ALICE)
    desk.do(cancel)
    return cancel


def _known_order(desk: Desk, *, closed: bool, poor: bool) -> AnyCommand:
    order = desk.rest(size=60)
    if closed:
        desk.do(SetMarketStatus(market_hash=A, active=False))
    if poor:
        desk.fund(ALICE, 0)
    return PlaceOrders(orders=(order,))


def _order_on_closed_market(desk: Desk, size: int) -> AnyCommand:
    desk.do(SetMarketStatus(market_hash=A, active=False))
    return PlaceOrders(orders=(desk.order(size=size),))


OTHER_SPORT = msgspec.structs.replace(MATCH_IN_AN_HOUR, sport_id=1, league_id=1)

CASES = [
    Case({R.FIXTURE_UNKNOWN}, UpdateFixture(fixture_id=NOWHERE)),
    Case({R.FIXTURE_UNKNOWN}, SetFixtureStatus(fixture_id=NOWHERE, status=FixtureStatus.FINISHED)),
    Case({R.FIXTURE_UNKNOWN}, market(UNKNOWN, NOWHERE)),
    Case({R.FIXTURE_UNKNOWN, R.MARKET_EXISTS}, market(A, NOWHERE)),
    Case({R.FIXTURE_EXISTS}, MATCH_IN_AN_HOUR),
    Case({R.LEAGUE_OF_OTHER_SPORT}, msgspec.structs.replace(OTHER_SPORT, fixture_id=NEW)),
    Case({R.FIXTURE_EXISTS, R.LEAGUE_OF_OTHER_SPORT}, OTHER_SPORT),
    Case({R.MARKET_UNKNOWN}, SetMarketStatus(market_hash=UNKNOWN, active=True)),
    Case({R.MARKET_EXISTS}, market(A, OTHER)),
    Case({R.FIXTURE_OVER}, lambda desk: _market_on_finished_fixture(desk, UNKNOWN)),
    Case({R.MARKET_EXISTS, R.FIXTURE_OVER}, lambda desk: _market_on_finished_fixture(desk, A)),
    Case({R.TOKEN_UNKNOWN}, SetBalance(account=ALICE, token=Address(bytes(20)), amount=1)),
    Case({R.TIMESTAMP_OUTSIDE_WINDOW}, lambda desk: desk.cancel_all(ALICE, age_s=601)),
    Case({R.ALREADY_PROCESSED}, _obeyed),
    Case({R.TIMESTAMP_OUTSIDE_WINDOW, R.ALREADY_PROCESSED}, _obeyed_and_too_old),
    Case({R.ORDER_EXISTS}, lambda desk: _known_order(desk, closed=False, poor=False)),
    Case({R.ORDER_EXISTS, R.MARKET_NOT_BETTABLE}, lambda desk: _known_order(desk, closed=True, poor=False)),
    Case({R.ORDER_EXISTS, R.INSUFFICIENT_BALANCE}, lambda desk: _known_order(desk, closed=False, poor=True)),
    Case(
        {R.ORDER_EXISTS, R.MARKET_NOT_BETTABLE, R.INSUFFICIENT_BALANCE},
        lambda desk: _known_order(desk, closed=True, poor=True),
    ),
    Case({R.MARKET_NOT_BETTABLE}, lambda desk: _order_on_closed_market(desk, 10)),
    Case({R.MARKET_NOT_BETTABLE, R.INSUFFICIENT_BALANCE}, lambda desk: _order_on_closed_market(desk, 101)),
    Case({R.INSUFFICIENT_BALANCE}, lambda desk: PlaceOrders(orders=(desk.order(size=101),))),
]

# The pairs that one and the same command can meet; all others belong to different commands.
MET_TOGETHER = {
    frozenset({R.FIXTURE_UNKNOWN, R.MARKET_EXISTS}),
    frozenset({R.FIXTURE_EXISTS, R.LEAGUE_OF_OTHER_SPORT}),
    frozenset({R.MARKET_EXISTS, R.FIXTURE_OVER}),
    frozenset({R.TIMESTAMP_OUTSIDE_WINDOW, R.ALREADY_PROCESSED}),
    frozenset({R.ORDER_EXISTS, R.MARKET_NOT_BETTABLE}),
    frozenset({R.ORDER_EXISTS, R.INSUFFICIENT_BALANCE}),
    frozenset({R.MARKET_NOT_BETTABLE, R.INSUFFICIENT_BALANCE}),
}


def answer(desk: Desk, command: AnyCommand) -> Rejection | None:
    """The one refusal of a command, or of the one order in it."""
    if not isinstance(command, PlaceOrders):
        return desk.refusal(command)
    (event,) = desk.events(command)
    return event.rejection if isinstance(event, OrderRefused) else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: "+".join(sorted(one.value for one in case.apply)))
def test_of_all_refusals_that_apply_the_one_declared_first_is_the_answer(case: Case) -> None:
    desk = Desk()
    command = case.command(desk) if callable(case.command) else case.command
    assert answer(desk, command) is min(case.apply, key=DECLARED.index)


def test_every_refusal_is_reached_alone() -> None:
    assert {one for case in CASES if len(case.apply) == 1 for one in case.apply} == set(Rejection)


def test_every_pair_that_can_meet_does() -> None:
    pairs = {frozenset(pair) for case in CASES for pair in combinations(case.apply, 2)}
    assert pairs == MET_TOGETHER


@pytest.mark.parametrize("rejection", Rejection)
def test_a_refusal_is_spelt_like_its_name(rejection: Rejection) -> None:
    assert rejection.value == rejection.name.lower()
