"""Every refusal is reached, and where several apply the one that is declared first is the answer.

The order of the enum is the order of the checks: whoever reorders one must reorder the other, or fail here.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import NamedTuple

import msgspec
import pytest
from tests.engine.desk import (
    ALICE,
    BOB,
    CAROL,
    MATCH,
    MATCH_IN_AN_HOUR,
    OTHER,
    RULES,
    USDC,
    WSX,
    A,
    B,
    Desk,
    market,
    number,
)

from overround.engine.catalogue import LiveScore
from overround.engine.commands import (
    Approve,
    ConfigureVenue,
    DecideFill,
    FillMarket,
    FillOrders,
    PlaceOrders,
    ReportMarket,
    SetBalance,
    SetFixtureStatus,
    SetLiveScore,
    SetMarketStatus,
    SetRestriction,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.events import OrderRefused
from overround.engine.rejections import Rejection
from overround.engine.types import Address, FillHash, FixtureId, FixtureStatus, MarketHash, OrderHash, Outcome

R = Rejection
DECLARED = list(Rejection)
NOWHERE, NEW = FixtureId("nowhere"), FixtureId("new")
UNKNOWN = MarketHash(bytes(32))


class Case(NamedTuple):
    """A command to which these refusals apply, all of them at once."""

    apply: set[Rejection]
    command: VenueCommand | Callable[[Desk], VenueCommand]


def _over(desk: Desk) -> None:
    desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.FINISHED))


def _market_on_finished_fixture(desk: Desk, market_hash: MarketHash) -> VenueCommand:
    _over(desk)
    return market(market_hash)


def _obeyed_and_too_old(desk: Desk) -> VenueCommand:
    cancel = desk.cancel_all(ALICE)
    desk.do(cancel)
    desk.wait(601)
    assert cancel.replay_key in desk.engine.state.replays
    return cancel


def _obeyed(desk: Desk) -> VenueCommand:
    cancel = desk.cancel_all(ALICE)
    desk.do(cancel)
    return cancel


def _known_order(desk: Desk, *, closed: bool, poor: bool) -> VenueCommand:
    order = desk.rest(size=60)
    if closed:
        desk.do(SetMarketStatus(market_hash=A, active=False))
    if poor:
        desk.fund(ALICE, 0)
    return PlaceOrders(orders=(order,))


def _order_on_closed_market(desk: Desk, size: int) -> VenueCommand:
    desk.do(SetMarketStatus(market_hash=A, active=False))
    return PlaceOrders(orders=(desk.order(size=size),))


def _restricted(desk: Desk) -> VenueCommand:
    command = _known_order(desk, closed=True, poor=True)
    desk.do(SetRestriction(account=ALICE, restricted=True))
    return command


def _restricted_only(desk: Desk) -> VenueCommand:
    desk.do(SetRestriction(account=ALICE, restricted=True))
    return PlaceOrders(orders=(desk.order(),))


REPORT = ReportMarket(market_hash=A, outcome=Outcome.ONE)


def _reported(desk: Desk, command: VenueCommand) -> VenueCommand:
    desk.do(REPORT)
    return command


def _decided(desk: Desk) -> VenueCommand:
    desk.fund(CAROL, 100)
    desk.rest()
    fill = desk.match()
    desk.wait(1)
    return DecideFill(fill_hash=fill.fill_hash, confirmed=True)


def _permit(flaws: set[Rejection]) -> Callable[[Desk], VenueCommand]:
    return lambda desk: Approve(
        owner=ALICE,
        token=Address(bytes(20)) if R.TOKEN_UNKNOWN in flaws else USDC.address,
        value=1,
        nonce=1 if R.NONCE_STALE in flaws else 0,
        deadline_s=desk.now_ms // 1000 - (R.DEADLINE_EXPIRED in flaws),
        digest=bytes(32),
    )


# What may be wrong with a fill, in order of precedence; each list is one ladder.
OF_MARKETS = [
    R.FILL_EXISTS,
    R.MATCH_STATE_INVALID,
    R.TOO_MANY_IN_FLIGHT,
    R.TAKER_ALLOWANCE_TOO_LOW,
    R.TAKER_BALANCE_TOO_LOW,
]
OF_NAMED_ORDERS = [
    R.FILL_EXISTS,
    R.MATCH_STATE_INVALID,
    R.ORDERS_INVALID,
    R.MARKETS_NOT_SAME,
    R.BASE_TOKENS_NOT_SAME,
    R.DIRECTIONS_NOT_SAME,
    R.ORDER_SPACE_TOO_SMALL,
    R.TAKER_AMOUNT_TOO_LOW,
    R.TOO_MANY_IN_FLIGHT,
    R.TAKER_ALLOWANCE_TOO_LOW,
    R.TAKER_BALANCE_TOO_LOW,
]
OF_PERMITS = [R.TOKEN_UNKNOWN, R.DEADLINE_EXPIRED, R.NONCE_STALE]
MILLION = 1_000_000


def _fill(flaws: set[Rejection], *, named: bool) -> Callable[[Desk], VenueCommand]:
    """A fill with exactly these flaws."""

    def prepare(desk: Desk) -> VenueCommand:
        for account in (ALICE, BOB):
            for token in (USDC, WSX):
                desk.fund(account, 100 * MILLION, token)
        command = _named_fill(desk, flaws) if named else desk.fill(BOB, stake=5 * MILLION)
        if R.FILL_EXISTS in flaws:
            desk.do(msgspec.structs.replace(desk.fill(BOB, B, 1), fill_hash=command.fill_hash))
            desk.wait(1)
        if R.TOO_MANY_IN_FLIGHT in flaws:
            desk.do(ConfigureVenue(rules=msgspec.structs.replace(RULES, fills_in_flight_max=0)))
        if R.TAKER_ALLOWANCE_TOO_LOW in flaws:
            rules = desk.engine.state.rules
            assert rules is not None
            desk.do(ConfigureVenue(rules=msgspec.structs.replace(rules, approval_required=True)))
        if R.TAKER_BALANCE_TOO_LOW in flaws:
            desk.fund(BOB, 0)
        if R.MATCH_STATE_INVALID in flaws:
            desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.POSTPONED))
        return command

    return prepare


def _named_fill(desk: Desk, flaws: set[Rejection]) -> FillOrders:
    size = 4 * MILLION
    orders = [desk.rest(size=size)]
    if R.MARKETS_NOT_SAME in flaws:
        orders.append(desk.rest(market_hash=B, size=size))
    if R.BASE_TOKENS_NOT_SAME in flaws:
        orders.append(desk.rest(size=size, token=WSX))
    if R.DIRECTIONS_NOT_SAME in flaws:
        orders.append(desk.rest(size=size, one=False))
    amount = 10 if R.TAKER_AMOUNT_TOO_LOW in flaws else size
    parts = [(order, amount) for order in orders]
    if R.ORDER_SPACE_TOO_SMALL in flaws:
        parts[0] = (desk.rest(size=5), 6 if R.TAKER_AMOUNT_TOO_LOW in flaws else size)
    fill = desk.fill_named(*parts, taker=BOB)
    if R.ORDERS_INVALID in flaws:
        unknown = OrderHash(number(32, "unknown"))
        return msgspec.structs.replace(
            fill, order_hashes=(*fill.order_hashes, unknown), maker_amounts=(*fill.maker_amounts, amount)
        )
    return fill


def _ladder(names: list[Rejection], make: Callable[[set[Rejection]], Callable[[Desk], VenueCommand]]) -> list[Case]:
    """Every refusal alone, and each of them together with all that follow it."""
    alone = [{one} for one in names]
    tails = [set(names[place:]) for place in range(len(names) - 1)]
    return [Case(flaws, make(flaws)) for flaws in [*alone, *tails]]


# ---- after the betting delay: a fill that was in order when it came ------------------------------------------------


def _delayed(desk: Desk, *disturbances: VenueCommand, named: bool = False, odds: float = 50) -> FillMarket | FillOrders:
    desk.fund(BOB, 100 * MILLION)
    if ALICE not in {order.terms.maker for order in desk.engine.state.orders.values()}:
        desk.fund(ALICE, 100 * MILLION)
        desk.rest(size=4 * MILLION, expires_in_s=2)
    order = next(iter(desk.engine.state.orders.values())).terms
    desk.wait(1.5)
    fill = desk.fill_named((order, 4 * MILLION), taker=BOB) if named else desk.fill(BOB, stake=4 * MILLION, odds=odds)
    assert desk.refusal(fill) is None
    for command in disturbances:
        desk.do(command)
    return fill


def _expired_and_closed(desk: Desk) -> VenueCommand:
    return _delayed(desk, SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.POSTPONED), named=True)


def _held_by_somebody_else(desk: Desk) -> VenueCommand:
    desk.fund(CAROL, 100)
    desk.rest(size=10)
    desk.do(ConfigureVenue(rules=msgspec.structs.replace(RULES, settlement_delay_ms=None)))
    desk.match()
    fill = desk.fill(BOB)
    desk.do(fill)
    return fill


def _too_dear(desk: Desk) -> VenueCommand:
    desk.fund(BOB, 100)
    desk.rest(size=10)
    fill = desk.fill(BOB, odds=49)
    desk.do(fill)
    return fill


def _nobody_there(desk: Desk) -> VenueCommand:
    fill = desk.fill(BOB)
    desk.do(fill)
    return fill


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
    Case({R.ACCOUNT_RESTRICTED}, _restricted_only),
    Case({R.ACCOUNT_RESTRICTED, R.ORDER_EXISTS, R.MARKET_NOT_BETTABLE, R.INSUFFICIENT_BALANCE}, _restricted),
    Case({R.FIXTURE_UNKNOWN}, SetLiveScore(score=LiveScore(NOWHERE, "1st Half", "-1", 0, 0))),
    Case({R.MARKET_UNKNOWN}, ReportMarket(market_hash=UNKNOWN, outcome=Outcome.ONE)),
    Case({R.MARKET_REPORTED}, lambda desk: _reported(desk, REPORT)),
    Case({R.MARKET_REPORTED}, lambda desk: _reported(desk, SetMarketStatus(market_hash=A, active=True))),
    Case({R.FILL_UNKNOWN}, DecideFill(fill_hash=FillHash(bytes(32)), confirmed=True)),
    Case({R.FILL_DECIDED}, _decided),
    *_ladder(OF_PERMITS, _permit),
    *_ladder(OF_MARKETS, lambda flaws: _fill(flaws, named=False)),
    *_ladder(OF_NAMED_ORDERS, lambda flaws: _fill(flaws, named=True)),
    Case({R.AFTER_ORDER_EXPIRY, R.ORDERS_INVALID}, lambda desk: _delayed(desk, named=True)),
    Case({R.MATCH_STATE_INVALID, R.AFTER_ORDER_EXPIRY, R.ORDERS_INVALID}, _expired_and_closed),
    Case({R.NO_MATCHING_ORDERS}, _nobody_there),
    Case({R.INSUFFICIENT_SPACE}, _held_by_somebody_else),
    Case({R.ODDS_STALE}, _too_dear),
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
    *(
        frozenset({R.ACCOUNT_RESTRICTED, one})
        for one in (R.ORDER_EXISTS, R.MARKET_NOT_BETTABLE, R.INSUFFICIENT_BALANCE)
    ),
    *(frozenset(pair) for ladder in (OF_PERMITS, OF_MARKETS, OF_NAMED_ORDERS) for pair in combinations(ladder, 2)),
    frozenset({R.AFTER_ORDER_EXPIRY, R.ORDERS_INVALID}),  # expired orders are gone
    frozenset({R.MATCH_STATE_INVALID, R.AFTER_ORDER_EXPIRY}),
}
# After its order's expiry a fill has no order either, so this one is never the only reason.
NEVER_ALONE = {R.AFTER_ORDER_EXPIRY}


def answer(desk: Desk, command: VenueCommand) -> Rejection | None:
    """The one refusal of a command, or of the one order in it, or of the fill after its delay."""
    if isinstance(command, FillMarket | FillOrders) and command.fill_hash in desk.engine.state.fills.held:
        desk.now_ms = desk.engine.state.fills.held[command.fill_hash].due_ms
        (step,) = desk.tick().fills[command.fill_hash]
        return step.detail if isinstance(step.detail, Rejection) else None
    refusal = desk.refusal(command)
    if refusal is not None or not isinstance(command, PlaceOrders):
        return refusal
    assert not isinstance(desk.outcome, Rejection)
    (event,) = desk.outcome
    return event.rejection if isinstance(event, OrderRefused) else None


@pytest.mark.parametrize("case", CASES, ids=lambda case: "+".join(sorted(one.value for one in case.apply)))
def test_of_all_refusals_that_apply_the_one_declared_first_is_the_answer(case: Case) -> None:
    desk = Desk()
    command = case.command(desk) if callable(case.command) else case.command
    assert answer(desk, command) is min(case.apply, key=DECLARED.index)


def test_every_refusal_is_reached_alone() -> None:
    assert {one for case in CASES if len(case.apply) == 1 for one in case.apply} == set(Rejection) - NEVER_ALONE


def test_every_pair_that_can_meet_does() -> None:
    pairs = {frozenset(pair) for case in CASES for pair in combinations(case.apply, 2)}
    assert pairs == MET_TOGETHER


@pytest.mark.parametrize("rejection", Rejection)
def test_a_refusal_is_spelt_like_its_name(rejection: Rejection) -> None:
    assert rejection.value == rejection.name.lower()
