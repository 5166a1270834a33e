"""The exposure rule, its dips and returns, and restrictions (spec/sx.md 7.6, 7.7, spec/decisions.md D10, D11)."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, MATCH, RULES, USDC, WSX, A, B, C, Desk, hashes

from overround.engine.commands import (
    NewOrder,
    PlaceOrders,
    ReportMarket,
    SetBalance,
    SetRestriction,
    UpdateFixture,
)
from overround.engine.events import BalanceChanged, OrderChanged, RestrictionChanged
from overround.engine.order import OrderState, Trigger
from overround.engine.rejections import Rejection
from overround.engine.types import Outcome

OPEN, HELD, SUSPENDED = OrderState.OPEN, OrderState.HELD, OrderState.SUSPENDED
CANCELLED, EXPIRED = OrderState.CANCELLED, OrderState.EXPIRED


@pytest.fixture
def takers(desk: Desk) -> Desk:
    """Carol has money too."""
    desk.fund(CAROL, 1_000)
    return desk


def funded(amount: int, who: bytes = ALICE) -> SetBalance:
    return SetBalance(account=who, token=USDC.address, amount=amount)  # type: ignore[arg-type]


# ---- the worked examples -------------------------------------------------------------------------------------------


@pytest.mark.row("EXP-01", "EXP-02", "EXP-03", "EXP-04", "EXP-05")
def test_the_three_market_example_uses_the_whole_balance_on_each(desk: Desk) -> None:
    desk.rest(ALICE, A, 50)
    desk.rest(ALICE, A, 50, one=False)
    desk.rest(ALICE, B, 100)
    desk.rest(ALICE, C, 50)
    desk.rest(ALICE, C, 50, one=False)
    assert [desk.exposure(ALICE, one) for one in (A, B, C)] == [100, 100, 100]
    for market_hash in (A, B, C):
        assert desk.place(desk.order(ALICE, market_hash, 1)) == [Rejection.INSUFFICIENT_BALANCE]


@pytest.mark.row("EXP-06", "EXP-07", "EXP-08", "EXP-11")
def test_the_dip_example(takers: Desk) -> None:
    """b1 is filled for 60 of 100; deposits of 20 and of 40 bring the others back, oldest first."""
    desk = takers
    a1, a2 = desk.rest(ALICE, A, 50), desk.rest(ALICE, A, 50)
    b1 = desk.rest(ALICE, B, 100)
    c1, c2 = desk.rest(ALICE, C, 50), desk.rest(ALICE, C, 50)
    desk.match(CAROL, B, 60)
    assert desk.resting(ALICE) == hashes(b1)
    desk.wait(1)
    assert (desk.balance(ALICE), desk.amounts(b1), desk.exposure(ALICE, B)) == (40, (60, 0), 40)
    assert [desk.state_of(one) for one in (a1, a2, c1, c2)] == [SUSPENDED] * 4
    assert desk.do(funded(60)).states == {a1.order_hash: OPEN, c1.order_hash: OPEN}
    assert desk.do(funded(100)).states == {a2.order_hash: OPEN, c2.order_hash: OPEN}


@pytest.mark.row("EXP-08")
def test_whole_orders_are_taken_off_and_what_still_fits_stays(desk: Desk) -> None:
    """Walked by acceptance: a large order that does not fit makes room for a younger small one."""
    small, large, tiny = desk.rest(size=30), desk.rest(size=50), desk.rest(size=20)
    assert desk.do(funded(60)).states == {large.order_hash: SUSPENDED}
    assert desk.resting(ALICE) == hashes(small, tiny)
    assert desk.exposure(ALICE) == 50


@pytest.mark.row("EXP-04")
def test_a_balance_that_falls_to_the_exposure_takes_nothing_off(desk: Desk) -> None:
    desk.rest(size=60)
    assert desk.do(funded(60)).states == {}
    assert desk.do(funded(59)).states != {}


@pytest.mark.row("EXP-06")
def test_what_is_suspended_cannot_be_matched_is_not_counted_and_is_known(takers: Desk) -> None:
    desk = takers
    order = desk.rest(size=60)
    desk.fund(ALICE, 50)
    assert (desk.resting(ALICE), desk.book(), desk.exposure(ALICE)) == ([], [], 0)
    fill = desk.fill(CAROL)
    desk.do(fill)
    assert desk.came_to(fill) == ["refused"]
    assert desk.place(order) == [Rejection.ORDER_EXISTS]
    assert desk.place(desk.order(size=50)) == ["accepted"]


def test_tokens_and_accounts_do_not_touch_each_other(desk: Desk) -> None:
    desk.fund(ALICE, 100, WSX)
    in_wsx, bobs = desk.rest(size=60, token=WSX), desk.rest(BOB, size=60)
    desk.rest(size=60)
    desk.fund(ALICE, 0)
    assert desk.resting() == hashes(in_wsx, bobs)


# ---- coming back ---------------------------------------------------------------------------------------------------


@pytest.mark.row("EXP-07")
def test_a_restored_order_waits_behind_those_of_its_price(desk: Desk) -> None:
    first, second = desk.rest(size=60), desk.rest(BOB, size=10)
    desk.fund(ALICE, 50)
    desk.wait(1)
    (_, restored) = desk.events(funded(100))
    assert restored == OrderChanged(first.order_hash, Trigger.RESTORE, OPEN, 0, 0, desk.now_ms)
    assert desk.book() == hashes(second, first)
    desk.reload()
    assert desk.book() == hashes(second, first)


@pytest.mark.row("EXP-07")
def test_room_on_a_market_brings_back_what_fits_there_and_only_there(desk: Desk) -> None:
    on_a, other_a, on_b = desk.rest(size=40), desk.rest(size=40), desk.rest(ALICE, B, 50)
    desk.fund(ALICE, 40)
    assert desk.resting(ALICE) == hashes(on_a)
    assert desk.do(desk.cancel(ALICE, on_a)).states == {on_a.order_hash: CANCELLED, other_a.order_hash: OPEN}
    assert desk.state_of(on_b) is SUSPENDED


@pytest.mark.row("EXP-07")
@pytest.mark.parametrize("end", ["expiry", "cancel", "start"])
def test_what_ended_while_it_was_suspended_never_comes_back(desk: Desk, end: str) -> None:
    order = desk.rest(size=60, expires_in_s=100)
    desk.fund(ALICE, 50)
    if end == "expiry":
        assert desk.wait(100).ended == {order.order_hash: EXPIRED}
    elif end == "cancel":
        assert desk.do(desk.cancel_all(ALICE)).ended == {order.order_hash: CANCELLED}
    else:
        change = UpdateFixture(fixture_id=MATCH, game_time_s=desk.now_ms // 1000, live_enabled=True)
        assert desk.do(change).ended == {order.order_hash: CANCELLED}
    assert desk.do(funded(100)).states == {}


def test_a_confirmation_frees_nothing_and_brings_nothing_back(takers: Desk) -> None:
    """It used to count as a fall of the exposure: a suspended order came back though nothing had been freed."""
    desk = takers
    first = desk.rest(size=50)
    desk.match(CAROL, stake=5)
    large, small = desk.rest(size=40), desk.rest(size=10)
    assert desk.do(funded(99)).states == {small.order_hash: SUSPENDED}
    assert desk.do(funded(85)).states == {large.order_hash: SUSPENDED}  # now the small one would fit
    assert desk.wait(0.5).states == {first.order_hash: OPEN}
    assert desk.do(funded(86)).states == {large.order_hash: OPEN}  # a rise at last: oldest first


def test_orders_come_back_in_the_order_of_acceptance_whatever_the_order_of_their_markets(desk: Desk) -> None:
    """Alice's first market was A, but her oldest order is on B: a reloaded engine saw B first, this one A."""
    gone = desk.rest(ALICE, A, 10)
    on_b, on_a = desk.rest(ALICE, B, 90), desk.rest(ALICE, A, 90)
    desk.do(desk.cancel(ALICE, gone))
    original = desk.engine
    desk.reload()
    for amount in (50, 100):
        outcome = desk.events(funded(amount))
        assert [one.order_hash for one in outcome if isinstance(one, OrderChanged)] == hashes(on_b, on_a)
        assert original.execute(funded(amount), desk.now_ms) == outcome
        assert original.digest() == desk.engine.digest()


# ---- the other policy ----------------------------------------------------------------------------------------------


@pytest.mark.row("EXP-06")
def test_a_venue_that_does_not_suspend_cancels_for_good() -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, suspends=False))
    kept, gone = desk.rest(size=40), desk.rest(size=40)
    assert desk.do(funded(50)).ended == {gone.order_hash: CANCELLED}
    assert desk.do(funded(100)).states == {}
    assert desk.resting(ALICE) == hashes(kept)
    assert desk.place(gone) == [Rejection.ORDER_EXISTS]


def test_a_cancel_for_lack_of_money_tells_what_still_settles() -> None:
    desk = Desk(rules=msgspec.structs.replace(RULES, suspends=False))
    order = desk.rest(size=40)
    fill = desk.match(BOB, stake=10)
    (_, event) = desk.events(funded(20))
    assert isinstance(event, OrderChanged)
    assert (event.order_hash, event.trigger) == (order.order_hash, Trigger.UNCOVERED)
    assert event.pending_fills == ((fill.fill_hash, 10),)


# ---- what is told --------------------------------------------------------------------------------------------------


def test_every_movement_of_money_is_told_with_what_is_available(takers: Desk) -> None:
    desk = takers
    desk.rest(size=40)
    fill = desk.fill(CAROL, stake=10)
    desk.do(fill)
    desk.wait(0.5)
    told = [one for one in desk.outcome if isinstance(one, BalanceChanged)]  # type: ignore[union-attr]
    assert told == [
        BalanceChanged(account=CAROL, token=USDC.address, balance=1_000, available=990),
        BalanceChanged(account=ALICE, token=USDC.address, balance=100, available=90),
    ]


def test_the_operator_may_take_more_than_is_free(takers: Desk) -> None:
    """`available` is negative then, and everything is off the book (D1)."""
    desk = takers
    desk.rest(size=40)
    desk.match(CAROL, stake=30)
    desk.fund(ALICE, 20)
    assert desk.available(ALICE) == -10
    assert desk.resting(ALICE) == []


# ---- restriction (7.7, D11) ----------------------------------------------------------------------------------------

STRICT = msgspec.structs.replace(RULES.restrictions, dips_max=3, window_ms=60_000, duration_ms=10_000)


def dip(desk: Desk) -> NewOrder:
    """The operator takes money: an order is suspended."""
    desk.fund(ALICE, 100)
    order = desk.rest(size=60)
    desk.fund(ALICE, 50)
    desk.do(desk.cancel(ALICE, order))
    desk.wait(2)
    return order


@pytest.fixture
def strict() -> Desk:
    return Desk(rules=msgspec.structs.replace(RULES, restrictions=STRICT))


def is_refused(desk: Desk) -> bool:
    return desk.refusal(PlaceOrders(orders=(desk.order(size=1),))) is Rejection.ACCOUNT_RESTRICTED


@pytest.mark.row("EXP-09", "EXP-10")
def test_the_last_of_too_many_dips_restricts_for_a_while(strict: Desk) -> None:
    dip(strict)
    dip(strict)
    assert not is_refused(strict)
    strict.fund(ALICE, 100)
    order = strict.rest(size=60)
    events = strict.events(funded(50))
    until_ms = strict.now_ms + 10_000
    assert events[-1] == RestrictionChanged(account=ALICE, until_ms=until_ms)
    assert is_refused(strict)
    assert strict.do(strict.cancel(ALICE, order)).ended == {order.order_hash: CANCELLED}
    strict.wait(9.999)
    assert is_refused(strict)
    strict.reload()
    strict.wait(0.001)
    assert not is_refused(strict)


@pytest.mark.row("EXP-09")
def test_dips_within_a_second_count_once_and_old_ones_not_at_all(strict: Desk) -> None:
    strict.fund(ALICE, 100)
    for size in (60, 50, 40, 30):
        strict.rest(ALICE, size=size)
        strict.fund(ALICE, size - 1)
        strict.wait(0.2)
        strict.do(strict.cancel_all(ALICE))
    assert not is_refused(strict)
    dip(strict)
    strict.wait(60)
    dip(strict)
    dip(strict)
    assert not is_refused(strict)
    dip(strict)
    assert is_refused(strict)


@pytest.mark.row("EXP-09")
def test_falls_that_the_own_fills_caused_do_not_count(strict: Desk) -> None:
    strict.fund(CAROL, 1_000)
    for _ in range(4):
        strict.fund(ALICE, 100)
        on_a, on_b = strict.rest(ALICE, A, 60), strict.rest(ALICE, B, 90)
        strict.match(CAROL, A, 20)
        assert strict.state_of(on_b) is SUSPENDED
        strict.do(strict.cancel(ALICE, on_a, on_b))
        strict.wait(2)
    assert not is_refused(strict)


@pytest.mark.row("EXP-09")
def test_lifting_a_restriction_forgets_the_dips(strict: Desk) -> None:
    for _ in range(3):
        dip(strict)
    assert is_refused(strict)
    strict.do(SetRestriction(account=ALICE, restricted=False))
    assert not is_refused(strict)
    dip(strict)
    assert not is_refused(strict)


@pytest.mark.row("EXP-09")
def test_restrictions_can_be_switched_off() -> None:
    off = msgspec.structs.replace(RULES.restrictions, dips_max=0)
    desk = Desk(rules=msgspec.structs.replace(RULES, restrictions=off))
    for _ in range(8):
        dip(desk)
    assert not is_refused(desk)


def test_winnings_bring_suspended_orders_back(takers: Desk) -> None:
    desk = takers
    desk.rest(ALICE, A, 50)
    suspended = desk.rest(ALICE, B, 100)
    desk.match(CAROL, A, 50)
    desk.wait(1)
    assert desk.state_of(suspended) is SUSPENDED
    answer = desk.do(ReportMarket(market_hash=A, outcome=Outcome.ONE))
    assert answer.states == {suspended.order_hash: OPEN}
    assert desk.balance(ALICE) == 150
