"""Fixtures and markets: how they come, change, begin and close, and what that does to orders."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import (
    ALICE,
    BOB,
    ELSEWHERE,
    MATCH,
    MATCH_IN_AN_HOUR,
    OTHER,
    START_S,
    A,
    B,
    C,
    Desk,
    hashes,
    market,
    number,
)

from overround.engine.commands import CreateMarket, SetFixtureStatus, SetMarketStatus, UpdateFixture
from overround.engine.events import FixtureChanged, MainLineChanged, MarketChanged, MarketCreated
from overround.engine.order import OrderState
from overround.engine.rejections import Rejection
from overround.engine.types import FixtureId, FixtureStatus, MarketHash

HOUR = 3_600
KICK_OFF_S = START_S + HOUR


def status(of: FixtureStatus, fixture_id: FixtureId = MATCH) -> SetFixtureStatus:
    return SetFixtureStatus(fixture_id=fixture_id, status=of)


def change(**changes: object) -> UpdateFixture:
    return UpdateFixture(fixture_id=MATCH, **changes)  # type: ignore[arg-type]


# ---- coming into being ---------------------------------------------------------------------------------------------


def test_ids_that_are_left_out_are_given() -> None:
    desk = Desk(furnished=False)
    nameless = msgspec.structs.replace(MATCH_IN_AN_HOUR, fixture_id=None)
    named = msgspec.structs.replace(MATCH_IN_AN_HOUR, fixture_id=FixtureId("L1000003"))
    for command in (nameless, nameless, named, nameless):
        desk.do(command)
    assert list(desk.engine.state.fixtures) == ["L1000001", "L1000002", "L1000003", "L1000004"]


def test_a_league_and_its_teams_come_with_their_first_fixture() -> None:
    desk = Desk(furnished=False)
    first = msgspec.structs.replace(MATCH_IN_AN_HOUR, fixture_id=FixtureId("1"))
    for command in (
        first,
        msgspec.structs.replace(first, fixture_id=FixtureId("2"), team_two_name="Third"),
        msgspec.structs.replace(first, fixture_id=FixtureId("3"), league_label="Second"),
        msgspec.structs.replace(first, fixture_id=FixtureId("4"), league_id=40, league_label="Named"),
        msgspec.structs.replace(first, fixture_id=FixtureId("5"), league_id=40, league_label="ignored"),
        msgspec.structs.replace(first, fixture_id=FixtureId("6"), sport_id=1),
    ):
        desk.do(command)
    state = desk.engine.state
    assert [(one.league_id, one.sport_id, one.label) for one in state.leagues.values()] == [
        (1, 5, "Premier"),
        (2, 5, "Second"),
        (40, 5, "Named"),
        (41, 1, "Premier"),
    ]
    teams = [(team.league_id, team.name) for team in state.teams.values()]
    assert teams[:4] == [(1, "Home"), (1, "Away"), (1, "Third"), (2, "Home")]
    assert len(teams) == len(set(teams)) == 9
    assert state.fixtures[FixtureId("5")].league_label == "Named"


def test_a_fixture_whose_start_lies_behind_it_is_in_play_from_the_beginning(desk: Desk) -> None:
    late = msgspec.structs.replace(
        MATCH_IN_AN_HOUR, fixture_id=FixtureId("late"), game_time_s=START_S - 1, live_enabled=True
    )
    desk.do(late)
    desk.do(market(MarketHash(number(32, "late")), FixtureId("late")))
    order = desk.rest(ALICE, MarketHash(number(32, "late")))
    desk.wait(60)
    assert desk.resting() == hashes(order)


def test_the_first_line_of_its_type_is_the_main_line_until_another_claims_to_be(desk: Desk) -> None:
    first, second, third = (MarketHash(number(32, name)) for name in ("first", "second", "third"))
    desk.do(market(first, line="-1.5"))
    desk.do(market(second, line="-2.5"))
    assert desk.engine.state.main_lines[MATCH, 3] == first
    claims = msgspec.structs.replace(market(third, line="-3.5"), main_line=True)
    assert desk.engine.execute(claims, desk.now_ms) == [
        MarketChanged(market=desk.engine.state.markets[first]),
        MarketCreated(market=desk.engine.state.markets[third]),
        MainLineChanged(fixture_id=MATCH, type=3, market_hash=third),
    ]
    assert [one.main_line for one in desk.engine.state.markets.values() if one.has_line] == [False, False, True]


def test_a_market_without_a_line_is_never_the_main_line(desk: Desk) -> None:
    desk.do(msgspec.structs.replace(market(MarketHash(number(32, "new"))), main_line=True))
    assert desk.engine.state.main_lines == {}


# ---- the match begins (7.9, D13) -----------------------------------------------------------------------------------


@pytest.mark.row("LIFE-01")
def test_status_two_begins_the_match_and_ends_what_was_accepted_before(desk: Desk) -> None:
    on_a, on_b, bobs = desk.rest(ALICE, A), desk.rest(ALICE, B, one=False), desk.rest(BOB, A)
    elsewhere = desk.rest(ALICE, ELSEWHERE)
    answer = desk.do(status(FixtureStatus.IN_PROGRESS))
    assert answer.ended == dict.fromkeys(hashes(on_a, on_b, bobs), OrderState.CANCELLED)
    assert desk.resting() == hashes(elsewhere)


@pytest.mark.row("LIFE-01")
def test_without_a_status_feed_the_clock_begins_the_match_to_the_millisecond(desk: Desk) -> None:
    order = desk.rest()
    assert desk.wait(HOUR - 0.001).ended == {}
    assert desk.wait(0.001).ended == {order.order_hash: OrderState.CANCELLED}
    assert desk.fixture().begun


@pytest.mark.row("LIFE-01")
def test_with_a_status_feed_the_clock_begins_nothing(desk: Desk) -> None:
    desk.do(change(status_feed=True))
    order = desk.rest()
    desk.wait(HOUR + 60)
    assert desk.resting() == hashes(order)
    assert desk.do(status(FixtureStatus.IN_PROGRESS)).ended == {order.order_hash: OrderState.CANCELLED}


@pytest.mark.row("LIFE-02")
def test_in_play_orders_are_accepted_where_they_are_enabled_and_live_on(desk: Desk) -> None:
    desk.do(change(live_enabled=True))
    desk.rest()
    desk.do(status(FixtureStatus.IN_PROGRESS))
    in_play = desk.rest()
    desk.wait(HOUR)  # the time on the programme comes and goes
    desk.do(status(FixtureStatus.IN_PROGRESS))
    assert desk.resting() == hashes(in_play)


@pytest.mark.row("LIFE-02")
def test_in_play_orders_are_refused_where_they_are_not_enabled(desk: Desk) -> None:
    desk.do(status(FixtureStatus.IN_PROGRESS))
    assert desk.place(desk.order()) == [Rejection.MARKET_NOT_BETTABLE]
    desk.do(change(live_enabled=True))
    desk.rest()


def test_a_match_begins_once(desk: Desk) -> None:
    desk.do(change(live_enabled=True))
    desk.wait(HOUR)
    in_play = desk.rest()
    for step in (status(FixtureStatus.IN_PROGRESS), change(game_time_s=KICK_OFF_S + 10), change(status_feed=False)):
        desk.do(step)
    desk.wait(60)
    assert desk.resting() == hashes(in_play)


def test_a_start_that_is_moved_later_begins_nothing_at_the_old_time(desk: Desk) -> None:
    order = desk.rest()
    desk.do(change(game_time_s=KICK_OFF_S + HOUR - 60))
    desk.wait(HOUR)
    assert desk.resting() == hashes(order)
    desk.wait(HOUR - 60)
    assert desk.resting() == []


def test_a_start_that_is_moved_to_and_fro_begins_the_match_once(desk: Desk) -> None:
    for game_time_s in (KICK_OFF_S + 100, KICK_OFF_S, KICK_OFF_S + 200, KICK_OFF_S):
        desk.do(change(game_time_s=game_time_s))
    order = desk.rest()
    assert desk.wait(HOUR).ended == {order.order_hash: OrderState.CANCELLED}
    assert desk.engine.next_deadline_ms() == desk.fixture(OTHER).game_time_s * 1000


@pytest.mark.parametrize("step", [{"game_time_s": START_S}, {"game_time_s": START_S - 5}])
def test_a_start_that_is_moved_into_the_past_begins_the_match_at_once(desk: Desk, step: dict[str, int]) -> None:
    order = desk.rest()
    assert desk.do(change(**step)).ended == {order.order_hash: OrderState.CANCELLED}


def test_taking_the_status_feed_away_after_the_start_begins_the_match_at_once(desk: Desk) -> None:
    desk.do(change(status_feed=True))
    order = desk.rest()
    desk.wait(HOUR)
    assert desk.do(change(status_feed=False)).ended == {order.order_hash: OrderState.CANCELLED}


@pytest.mark.parametrize("off", [FixtureStatus.POSTPONED, FixtureStatus.INTERRUPTED, FixtureStatus.COVERAGE_LOST])
def test_while_a_match_is_off_its_orders_rest_and_nobody_may_post(desk: Desk, off: FixtureStatus) -> None:
    order = desk.rest()
    desk.do(status(off))
    desk.wait(HOUR)
    assert desk.resting() == hashes(order)
    assert desk.place(desk.order()) == [Rejection.MARKET_NOT_BETTABLE]
    # Back on the programme after its time has come: the match begins before anything else is decided.
    desk.do(status(FixtureStatus.NOT_STARTED))
    assert desk.tick().ended == {order.order_hash: OrderState.CANCELLED}


# ---- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.row("LIFE-05")
@pytest.mark.parametrize("over", [FixtureStatus.FINISHED, FixtureStatus.CANCELLED, FixtureStatus.ABANDONED])
def test_a_match_that_is_over_ends_all_its_orders(desk: Desk, over: FixtureStatus) -> None:
    desk.do(change(live_enabled=True))
    desk.do(status(FixtureStatus.IN_PROGRESS))
    in_play, elsewhere = desk.rest(ALICE, C), desk.rest(ALICE, ELSEWHERE)
    assert desk.do(status(over)).ended == {in_play.order_hash: OrderState.CANCELLED}
    assert desk.resting() == hashes(elsewhere)
    assert desk.place(desk.order()) == [Rejection.MARKET_NOT_BETTABLE]


@pytest.mark.row("LIFE-05")
def test_a_market_that_closes_ends_its_orders_and_reopens_without_them(desk: Desk) -> None:
    on_a, bobs, on_b = desk.rest(ALICE, A), desk.rest(BOB, A, one=False), desk.rest(ALICE, B)
    closed = desk.do(SetMarketStatus(market_hash=A, active=False))
    assert closed.ended == dict.fromkeys(hashes(on_a, bobs), OrderState.CANCELLED)
    assert desk.place(desk.order()) == [Rejection.MARKET_NOT_BETTABLE]
    desk.do(SetMarketStatus(market_hash=A, active=True))
    assert desk.resting() == hashes(on_b)
    assert desk.place(on_a) == [Rejection.ORDER_EXISTS]
    desk.rest(ALICE, A)


def test_every_change_of_a_fixture_is_told_whole(desk: Desk) -> None:
    events = desk.engine.execute(change(live_enabled=True), desk.now_ms)
    assert events == [FixtureChanged(fixture=desk.fixture())]
    assert (desk.fixture().live_enabled, desk.fixture().game_time_s) == (True, KICK_OFF_S)


# ---- refusals ------------------------------------------------------------------------------------------------------


def test_what_does_not_exist_cannot_change(desk: Desk) -> None:
    nowhere, unknown = FixtureId("nowhere"), MarketHash(bytes(32))
    assert desk.refusal(status(FixtureStatus.FINISHED, nowhere)) is Rejection.FIXTURE_UNKNOWN
    assert desk.refusal(UpdateFixture(fixture_id=nowhere)) is Rejection.FIXTURE_UNKNOWN
    assert desk.refusal(market(unknown, nowhere)) is Rejection.FIXTURE_UNKNOWN
    assert desk.refusal(SetMarketStatus(market_hash=unknown, active=True)) is Rejection.MARKET_UNKNOWN


def test_what_exists_cannot_come_again(desk: Desk) -> None:
    assert desk.refusal(MATCH_IN_AN_HOUR) is Rejection.FIXTURE_EXISTS
    assert desk.refusal(market(A, OTHER)) is Rejection.MARKET_EXISTS


def test_a_league_belongs_to_one_sport(desk: Desk) -> None:
    other_sport = msgspec.structs.replace(MATCH_IN_AN_HOUR, fixture_id=FixtureId("new"), sport_id=1, league_id=1)
    assert desk.refusal(other_sport) is Rejection.LEAGUE_OF_OTHER_SPORT


def test_a_fixture_that_is_over_gets_no_new_market(desk: Desk) -> None:
    desk.do(status(FixtureStatus.FINISHED))
    late: CreateMarket = market(MarketHash(number(32, "late")))
    assert desk.refusal(late) is Rejection.FIXTURE_OVER
