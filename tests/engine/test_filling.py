"""Fills from admission to payment (spec/sx.md 5.12, 5.13, 7.1, 7.10 to 7.12, spec/decisions.md D1 to D7, D12)."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, MATCH, RULES, START_MS, START_S, USDC, A, B, Desk, hashes

from overround.engine.commands import (
    ConfigureVenue,
    ReportMarket,
    ResumeVenue,
    SetFixtureStatus,
    SetMarketStatus,
    Tick,
    UpdateFixture,
)
from overround.engine.events import FillConfirmed, FillHeld, FillMatched, FillRefused, OrderChanged
from overround.engine.fill import average_odds
from overround.engine.order import CancelRefusal, OrderState, Trigger
from overround.engine.rejections import Rejection
from overround.engine.rules import BettingDelays
from overround.engine.types import ODDS_ONE, FixtureStatus, Outcome

OPEN, HELD, SUSPENDED = OrderState.OPEN, OrderState.HELD, OrderState.SUSPENDED
FILLED, CANCELLED, EXPIRED = OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED
MANUAL = msgspec.structs.replace(RULES, settlement_delay_ms=None)


@pytest.fixture
def desk() -> Desk:
    """Carol takes."""
    desk = Desk()
    desk.fund(CAROL, 1_000)
    return desk


@pytest.fixture
def manual() -> Desk:
    """Nothing settles by itself."""
    desk = Desk(rules=MANUAL)
    desk.fund(CAROL, 1_000)
    return desk


# ---- the life of a fill --------------------------------------------------------------------------------------------


@pytest.mark.row("FILL-07", "LIFE-04")
def test_pending_at_the_match_filled_at_the_confirmation(desk: Desk) -> None:
    order = desk.rest(size=50)
    fill = desk.fill(stake=20)
    assert desk.events(fill) == [FillHeld(fill_hash=fill.fill_hash, due_ms=START_MS + 500)]
    assert desk.amounts(order) == (0, 0)
    assert desk.wait(0.499).fills == {}
    assert desk.came_to(fill) == ["matched"]
    assert (desk.state_of(order), desk.amounts(order), desk.exposure(ALICE)) == (OPEN, (0, 20), 30)
    assert (desk.balance(ALICE), desk.available(ALICE)) == (100, 80)
    assert desk.wait(0.499).fills == {}
    assert desk.wait(0.001).states == {order.order_hash: OPEN}
    assert (desk.state_of(order), desk.amounts(order), desk.exposure(ALICE)) == (OPEN, (20, 0), 30)
    assert (desk.balance(ALICE), desk.available(ALICE), desk.balance(CAROL)) == (80, 80, 980)


@pytest.mark.row("LIFE-04", "FILL-07")
def test_the_published_full_fill(desk: Desk) -> None:
    """2681520865 at some odds; 9165 units are left, 0.00034 %: held, then filled (spec/sx.md 7.1)."""
    size, matched = 2_681_520_865, 2_681_511_700
    desk.fund(ALICE, size)
    desk.fund(CAROL, 10**10)
    order = desk.rest(size=size)
    desk.match(stake=matched)
    assert (desk.state_of(order), desk.amounts(order)) == (HELD, (0, matched))
    assert desk.resting(ALICE) == []
    (event,) = (one for one in desk.events_after(0.5) if isinstance(one, OrderChanged))
    assert (event.state, event.fill_amount, event.pending_fill_amount) == (FILLED, matched, 0)
    assert desk.state_of(order) is None


@pytest.mark.row("FILL-08", "FILL-02")
def test_the_published_average_of_a_fill(desk: Desk) -> None:
    """T = 34.320000 and P = 61.149220 make 56125000449719554886 (spec/sx.md 7.12)."""
    desk.fund(ALICE, 10**9)
    desk.fund(CAROL, 10**9)
    desk.rest(size=10**8, odds=43.875)
    fill = desk.fill(stake=34_320_000, odds=56.125)
    desk.do(fill)
    (event, *_) = desk.events_after(0.5)
    assert isinstance(event, FillMatched)
    assert (event.fill.taker_stake, event.fill.pot) == (34_320_000, 61_149_220)
    assert average_odds(event.fill.taker_stake, event.fill.pot) == 56_125_000_449_719_554_886


@pytest.mark.row("FILL-04")
def test_best_price_first_then_time_and_none_of_the_takers_own(desk: Desk) -> None:
    late, best, own = desk.rest(ALICE, size=10), desk.rest(BOB, size=15, odds=60), desk.rest(CAROL, size=10, odds=70)
    later = desk.rest(BOB, size=10)
    desk.match(stake=25)
    assert [desk.amounts(one) for one in (best, late, later, own)] == [(0, 15), (0, 10), (0, 5), (0, 0)]


@pytest.mark.row("FILL-03")
def test_the_book_counts_as_it_is_when_the_delay_is_over(desk: Desk) -> None:
    gone = desk.rest(size=10, odds=60)
    fill = desk.fill(stake=10)
    desk.do(fill)
    desk.do(desk.cancel(ALICE, gone))
    better = desk.rest(BOB, size=20, odds=55)
    assert desk.came_to(fill) == ["matched"]
    assert desk.amounts(better) == (0, 12)


DELAYS = BettingDelays(500, 8_000, in_play_by_sport=((5, 6_000),), in_play_by_league=(("Premier", 4_000),))


@pytest.mark.row("FILL-03")
@pytest.mark.parametrize(
    ("delays", "in_play", "expected_ms"),
    [
        (DELAYS, False, 500),
        (DELAYS, True, 4_000),
        (msgspec.structs.replace(DELAYS, in_play_by_league=()), True, 6_000),
        (BettingDelays(), True, 8_000),
        (BettingDelays(0, 0), True, 0),
    ],
)
def test_league_beats_sport_beats_the_rest(delays: BettingDelays, *, in_play: bool, expected_ms: int) -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, betting_delays=delays))
    if in_play:
        desk.do(UpdateFixture(fixture_id=MATCH, live_enabled=True))
        desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.IN_PROGRESS))
    fill = desk.fill(BOB)
    assert desk.events(fill) == [FillHeld(fill_hash=fill.fill_hash, due_ms=START_MS + expected_ms)]


@pytest.mark.row("FILL-03")
@pytest.mark.parametrize(("live", "word"), [(True, "matched"), (False, "refused")])
def test_a_match_that_begins_during_the_delay_is_looked_at_again(desk: Desk, live: bool, word: str) -> None:
    desk.do(UpdateFixture(fixture_id=MATCH, live_enabled=live))
    fill = desk.fill()
    desk.do(fill)
    desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.IN_PROGRESS))
    if live:
        desk.rest()
    assert desk.came_to(fill) == [word]


# ---- refusals that only the end of the delay can tell --------------------------------------------------------------


def refused(desk: Desk, fill: object) -> Rejection:
    """Why, after the delay."""
    assert desk.came_to(fill) == ["refused"]  # type: ignore[arg-type]
    (step,) = desk.last.fills[fill.fill_hash]  # type: ignore[attr-defined]
    assert isinstance(step.detail, Rejection)
    return step.detail


@pytest.mark.row("FILL-01", "FILL-09")
def test_money_is_looked_at_again_and_the_hash_stays_burnt(desk: Desk) -> None:
    order = desk.rest()
    fill = desk.fill(stake=10)
    desk.do(fill)
    desk.fund(CAROL, 9)
    assert refused(desk, fill) is Rejection.TAKER_BALANCE_TOO_LOW
    assert desk.amounts(order) == (0, 0)
    desk.fund(CAROL, 100)
    assert desk.refusal(fill) is Rejection.FILL_EXISTS
    assert desk.refusal(msgspec.structs.replace(fill, taker=BOB)) is Rejection.FILL_EXISTS


def test_a_refusal_on_arrival_burns_nothing(desk: Desk) -> None:
    fill = desk.fill(stake=1_001)
    assert desk.refusal(fill) is Rejection.TAKER_BALANCE_TOO_LOW
    desk.fund(CAROL, 1_001)
    assert desk.do(fill).refused is None


@pytest.mark.row("FILL-01")
def test_why_nothing_was_found(manual: Desk) -> None:
    """Nobody there; only oneself; too dear; all of it held; suspended orders are nobody (D6)."""
    desk = manual
    for prepare, reason in (
        (lambda: None, Rejection.NO_MATCHING_ORDERS),
        (lambda: desk.rest(CAROL, odds=60), Rejection.NO_MATCHING_ORDERS),
        (lambda: desk.rest(BOB, odds=40), Rejection.ODDS_STALE),
        (lambda: desk.do(desk.cancel_all(BOB)), Rejection.NO_MATCHING_ORDERS),
    ):
        prepare()
        fill = desk.fill()
        desk.do(fill)
        assert refused(desk, fill) is reason
    desk.rest(ALICE, size=10)
    desk.match(stake=10)
    fill = desk.fill()
    desk.do(fill)
    assert refused(desk, fill) is Rejection.INSUFFICIENT_SPACE


def test_nobody_is_matched_with_an_order_whose_time_is_over_however_late_the_sweep_is(desk: Desk) -> None:
    """Both are due in one tick, the fill first: it used to take the order that had expired by then."""
    order = desk.rest(expires_in_s=1)
    fill = desk.fill()
    desk.do(fill)
    desk.now_ms += 1_000
    answer = desk.tick()
    assert [step.detail for step in answer.fills[fill.fill_hash]] == [Rejection.NO_MATCHING_ORDERS]
    assert answer.states == {order.order_hash: EXPIRED}


@pytest.mark.row("FILL-09")
def test_the_limit_counts_from_acceptance_to_confirmation() -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, fills_in_flight_max=2))
    desk.fund(CAROL, 100)
    desk.rest(size=10)
    fills = [desk.fill(stake=1) for _ in range(2)]
    for fill in fills:
        desk.do(fill)
    assert desk.refusal(desk.fill(stake=1)) is Rejection.TOO_MANY_IN_FLIGHT
    assert desk.do(desk.fill(BOB, stake=1)).refused is None
    desk.wait(0.5)
    desk.reload()
    assert desk.refusal(desk.fill(stake=1)) is Rejection.TOO_MANY_IN_FLIGHT
    desk.wait(0.5)
    assert desk.refusal(desk.fill(stake=1)) is None


@pytest.mark.row("LIFE-06")
def test_a_fill_in_its_delay_does_not_outlive_a_stop(desk: Desk) -> None:
    order = desk.rest()
    fill = desk.fill()
    desk.do(fill)
    assert [step.word for step in desk.do(ResumeVenue(grace_ms=0)).fills[fill.fill_hash]] == ["dropped"]
    desk.wait(5)
    assert desk.amounts(order) == (0, 0)
    assert desk.refusal(fill) is Rejection.FILL_EXISTS


# ---- settlement ----------------------------------------------------------------------------------------------------


@pytest.mark.row("FILL-07")
def test_a_failed_fill_frees_everything_again(manual: Desk) -> None:
    desk = manual
    order = desk.rest(size=20)
    fill = desk.match(stake=20)
    assert desk.decide(fill, confirmed=False).states == {order.order_hash: OPEN}
    assert (desk.amounts(order), desk.available(ALICE), desk.available(CAROL)) == ((0, 0), 100, 1_000)
    assert desk.book() == hashes(order)
    assert desk.decide(fill, confirmed=True).refused is Rejection.FILL_DECIDED


def test_a_returned_order_keeps_its_place_in_the_queue(manual: Desk) -> None:
    first, second = manual.rest(size=10), manual.rest(BOB, size=10)
    fill = manual.match(stake=10)
    manual.decide(fill, confirmed=False)
    assert manual.book() == hashes(first, second)


@pytest.mark.row("FILL-07")
def test_one_short_wallet_fails_the_whole_fill(manual: Desk) -> None:
    desk = manual
    alices, bobs = desk.rest(ALICE, size=20), desk.rest(BOB, size=20)
    fill = desk.match(stake=40)
    desk.fund(BOB, 19)
    answer = desk.decide(fill, confirmed=True)
    assert [(step.word, step.detail) for step in answer.fills[fill.fill_hash]] == [("failed", True)]
    assert (desk.balance(ALICE), desk.balance(BOB), desk.balance(CAROL)) == (100, 19, 1_000)
    # Bob's whole order no longer fits: it does not return to the book (D12).
    assert answer.states == {alices.order_hash: OPEN, bobs.order_hash: SUSPENDED}


@pytest.mark.row("CAN-12", "LIFE-04")
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_held_order_remembers_its_cancel(manual: Desk, confirmed: bool) -> None:
    desk = manual
    order = desk.rest(size=20)
    fill = desk.match(stake=20)
    name = "0x" + order.order_hash.hex()
    assert desk.do(desk.cancel(ALICE, order)).not_cancelled == [(name, CancelRefusal.ORDER_LOCKED)]
    assert desk.do(desk.cancel_all(ALICE)).not_cancelled == [(name, CancelRefusal.ALREADY_PENDING_CANCEL)]
    desk.reload()
    assert desk.decide(fill, confirmed=confirmed).states == {order.order_hash: FILLED if confirmed else CANCELLED}


@pytest.mark.row("LIFE-04")
@pytest.mark.parametrize(
    ("meanwhile", "after"),
    [("expiry", EXPIRED), ("start", CANCELLED), ("close", CANCELLED), ("expiry, cancel", CANCELLED)],
)
def test_what_happens_to_a_held_order_decides_about_its_return(manual: Desk, meanwhile: str, after: OrderState) -> None:
    desk = manual
    order = desk.rest(size=20, expires_in_s=60)
    fill = desk.match(stake=20)
    if "expiry" in meanwhile:
        assert desk.wait(60).states == {}
    if "start" in meanwhile:
        assert desk.do(SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.IN_PROGRESS)).states == {}
    if "close" in meanwhile:
        assert desk.do(SetMarketStatus(market_hash=A, active=False)).states == {}
    if "cancel" in meanwhile:
        desk.do(desk.cancel_all(ALICE))
    assert desk.engine.next_deadline_ms() in (None, (START_S + 3_600) * 1000, (START_S + 86_400) * 1000)
    assert desk.decide(fill, confirmed=False).states == {order.order_hash: after}


@pytest.mark.row("CAN-11", "CAN-10")
@pytest.mark.parametrize("confirmed", [True, False])
def test_a_part_that_is_pending_settles_after_the_cancel(manual: Desk, confirmed: bool) -> None:
    desk = manual
    order = desk.rest(size=20)
    fill = desk.match(stake=5)
    (event,) = desk.events(desk.cancel(ALICE, order))
    assert isinstance(event, OrderChanged)
    assert (event.state, event.pending_fill_amount, event.pending_fills) == (CANCELLED, 5, ((fill.fill_hash, 5),))
    (changed,) = (one for one in desk.events_of_decision(fill, confirmed=confirmed) if isinstance(one, OrderChanged))
    assert (changed.state, changed.fill_amount, changed.pending_fill_amount) == (CANCELLED, 5 if confirmed else 0, 0)
    assert desk.state_of(order) is None


def test_held_orders_return_only_beside_what_the_same_fill_leaves_on_the_book(manual: Desk) -> None:
    """Rests that are too small to be matched are not counted while an order is held: a third order found room in
    that. The first used to come back into it, and Alice had 21 of her 20 on the market."""
    desk = manual
    desk.fund(ALICE, 20)
    held, partly = desk.rest(size=10, odds=75), desk.rest(size=10, odds=75)
    fill = desk.match(stake=4, odds=25)
    assert (desk.amounts(held), desk.amounts(partly)) == ((0, 9), (0, 3))
    third = desk.rest(size=1)
    answer = desk.decide(fill, confirmed=False)
    assert answer.states == {held.order_hash: SUSPENDED, partly.order_hash: OPEN}
    assert desk.resting(ALICE) == hashes(partly, third)
    assert desk.exposure(ALICE) == 11


def test_a_fill_that_fails_may_leave_too_little_to_return_with(manual: Desk) -> None:
    """Of a million, 5 and 999,990 are pending; 10 are within the tolerance (spec/sx.md 7.1)."""
    desk = manual
    desk.fund(ALICE, 10**6)
    desk.fund(CAROL, 10**7)
    order = desk.rest(size=10**6)
    small, large = desk.match(stake=5), desk.match(stake=999_990)
    assert desk.state_of(order) is HELD
    assert desk.decide(small, confirmed=False).states == {order.order_hash: HELD}
    assert desk.decide(large, confirmed=True).states == {order.order_hash: FILLED}


def test_the_last_decision_fills_an_order_of_which_nothing_is_left_even_if_it_is_a_failure(manual: Desk) -> None:
    desk = manual
    desk.fund(ALICE, 10**6)
    desk.fund(CAROL, 10**7)
    order = desk.rest(size=10**6)
    small, large = desk.match(stake=5), desk.match(stake=999_990)
    assert desk.decide(large, confirmed=True).states == {order.order_hash: HELD}
    assert desk.decide(small, confirmed=False).states == {order.order_hash: FILLED}


# ---- reporting and payment (D1, D2) --------------------------------------------------------------------------------


@pytest.mark.row("TRD-06", "LIFE-05")
@pytest.mark.parametrize(
    ("outcome", "alice", "carol"), [(Outcome.ONE, 120, 970), (Outcome.TWO, 70, 1_020), (Outcome.VOID, 100, 1_000)]
)
def test_the_winner_gets_the_pot(desk: Desk, outcome: Outcome, alice: int, carol: int) -> None:
    order = desk.rest(size=30, odds=60)
    desk.match(stake=20, odds=40)
    desk.wait(1)
    assert (desk.balance(ALICE), desk.balance(CAROL)) == (70, 980)
    report = ReportMarket(market_hash=A, outcome=outcome)
    desk.do(report)
    assert desk.state_of(order) is None
    expected = {Outcome.ONE: (120, 980), Outcome.TWO: (70, 1_030), Outcome.VOID: (100, 1_000)}[outcome]
    assert (desk.balance(ALICE), desk.balance(CAROL)) == expected
    assert desk.refusal(report) is Rejection.MARKET_REPORTED
    assert desk.engine.state.escrow == {}


def test_a_fill_that_is_confirmed_late_is_paid_at_once(manual: Desk) -> None:
    desk = manual
    desk.rest(size=30)
    fill = desk.match(stake=30)
    desk.do(ReportMarket(market_hash=A, outcome=Outcome.TWO))
    assert desk.balance(CAROL) == 1_000
    (confirmed, *_) = desk.events_of_decision(fill, confirmed=True)
    assert confirmed == FillConfirmed(fill_hash=fill.fill_hash, outcome=Outcome.TWO)
    assert (desk.balance(ALICE), desk.balance(CAROL)) == (70, 1_030)


def test_a_fill_that_fails_after_the_report_costs_nobody_anything(manual: Desk) -> None:
    desk = manual
    desk.rest(size=30)
    fill = desk.match(stake=30)
    desk.do(ReportMarket(market_hash=A, outcome=Outcome.TWO))
    desk.decide(fill, confirmed=False)
    assert (desk.balance(ALICE), desk.balance(CAROL)) == (100, 1_000)


def test_a_fee_is_taken_from_the_winners_profit_and_floored() -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, fee=ODDS_ONE // 20))
    desk.fund(CAROL, 1_000)
    desk.rest(size=39)
    desk.match(stake=39)
    desk.wait(1)
    desk.do(ConfigureVenue(rules=RULES))  # agreed when it was matched
    desk.do(ReportMarket(market_hash=A, outcome=Outcome.TWO))
    assert (desk.balance(CAROL), desk.balance(ALICE)) == (1_000 + 39 - 1, 61)
    assert desk.engine.state.fees == {USDC.address: 1}
    desk.reload()
    assert desk.engine.state.fees == {USDC.address: 1}


# ---- the legacy form (5.13, D7) ------------------------------------------------------------------------------------

MILLION = 1_000_000


@pytest.fixture
def rich(desk: Desk) -> Desk:
    for account in (ALICE, BOB, CAROL):
        desk.fund(account, 100 * MILLION)
    return desk


@pytest.mark.row("FILL-10")
def test_named_orders_are_taken_for_what_is_asked_of_each(rich: Desk) -> None:
    first, second = rich.rest(size=10 * MILLION, odds=75), rich.rest(BOB, size=10 * MILLION)
    fill = rich.fill_named((first, 9 * MILLION), (second, 2 * MILLION))
    rich.do(fill)
    assert rich.came_to(fill) == ["matched"]
    assert (rich.amounts(first), rich.amounts(second)) == ((0, 9 * MILLION), (0, 2 * MILLION))
    assert rich.available(CAROL) == 95 * MILLION


@pytest.mark.row("FILL-10")
def test_all_of_them_or_none(rich: Desk) -> None:
    first, second = rich.rest(size=10 * MILLION), rich.rest(BOB, size=10 * MILLION)
    fill = rich.fill_named((first, 5 * MILLION), (second, 5 * MILLION))
    rich.do(fill)
    rich.do(rich.cancel(BOB, second))
    assert refused(rich, fill) is Rejection.ORDERS_INVALID
    assert rich.amounts(first) == (0, 0)


@pytest.mark.row("FILL-10")
def test_an_order_that_expires_during_the_delay_is_named_as_the_reason(rich: Desk) -> None:
    order = rich.rest(size=10 * MILLION, expires_in_s=2)
    rich.wait(1.6)
    fill = rich.fill_named((order, 5 * MILLION))
    rich.do(fill)
    assert refused(rich, fill) is Rejection.AFTER_ORDER_EXPIRY


@pytest.mark.row("FILL-10")
def test_the_minimum_applies_to_the_whole_and_one_unit_to_each(rich: Desk) -> None:
    first, second = rich.rest(size=10 * MILLION), rich.rest(BOB, size=10 * MILLION)
    half = MILLION // 2
    assert rich.refusal(rich.fill_named((first, half - 1), (second, half))) is Rejection.TAKER_AMOUNT_TOO_LOW
    assert rich.refusal(rich.fill_named((first, half), (second, half))) is None
    dear = rich.rest(BOB, size=10 * MILLION, odds=99.875)
    assert rich.refusal(rich.fill_named((first, 2 * MILLION), (dear, 700))) is Rejection.TAKER_AMOUNT_TOO_LOW


# ---- one clock rule (D9) -------------------------------------------------------------------------------------------


def test_what_is_due_in_the_same_millisecond_comes_in_its_order(desk: Desk) -> None:
    """Expiry, start, heartbeat, settlement, held fills: each changes what the next one finds."""
    desk.do(UpdateFixture(fixture_id=MATCH, game_time_s=START_S + 60, live_enabled=True))
    expiring, on_event = desk.rest(size=10, expires_in_s=60), desk.rest(size=10)
    elsewhere = desk.rest(ALICE, B, 10)
    desk.wait(30)
    desk.ping(ALICE, 30)
    desk.wait(29)
    settled = desk.fill(stake=5)
    desk.do(settled)
    desk.wait(0.5)
    held = desk.fill(stake=5)
    desk.do(held)
    events = desk.events_after(0.5)
    told = [
        (type(one).__name__, one.trigger if isinstance(one, OrderChanged) else None)
        for one in events
        if isinstance(one, OrderChanged | FillConfirmed | FillRefused)
    ]
    assert told == [
        ("OrderChanged", Trigger.EXPIRE),
        ("OrderChanged", Trigger.MATCH_START),
        ("OrderChanged", Trigger.MATCH_START),
        ("FillConfirmed", None),
        ("OrderChanged", Trigger.CONFIRM),
        ("FillRefused", None),
    ]
    assert {expiring.order_hash, on_event.order_hash, elsewhere.order_hash} == {
        one.order_hash for one in events if isinstance(one, OrderChanged)
    }


def test_an_instant_settlement_is_a_command_of_its_own() -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, settlement_delay_ms=0))
    desk.rest(size=20)
    desk.do(desk.fill(BOB))
    desk.now_ms += 500
    assert [type(one).__name__ for one in desk.events_of(Tick())] == ["FillMatched", "OrderChanged"] + [
        "BalanceChanged"
    ] * 2
    assert desk.engine.next_deadline_ms() == desk.now_ms
    assert [type(one).__name__ for one in desk.events_of(Tick())][:2] == ["FillConfirmed", "OrderChanged"]
