"""The dead-man switch: armed, stopped, fired, given grace (`spec/sx.md` 7.8, `spec/decisions.md` D5, D9, D12, D14)."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, RULES, USDC, A, B, Desk, number

from overround.engine.commands import FillMarket, GrantGrace, PingHeartbeat, ResumeVenue, StopHeartbeat
from overround.engine.events import (
    FillDropped,
    GraceGranted,
    HeartbeatArmed,
    HeartbeatStopped,
)
from overround.engine.fill import FillStatus
from overround.engine.heartbeat import Heartbeat
from overround.engine.order import OrderState, Trigger
from overround.engine.rules import BettingDelays
from overround.engine.types import Address, FillHash

EASY = msgspec.structs.replace(USDC, taker_minimum=1)
SLOW = msgspec.structs.replace(RULES, tokens=(EASY,), settlement_delay_ms=None)
QUICK = msgspec.structs.replace(SLOW, betting_delays=BettingDelays(pre_match_ms=0))


def ping(account: Address = ALICE, interval_s: int = 30) -> PingHeartbeat:
    return PingHeartbeat(account=account, interval_s=interval_s)


def armed(desk: Desk, account: Address = ALICE) -> Heartbeat | None:
    return desk.engine.state.heartbeats.get(account)


def take(stake: int, market_hash: bytes = A, name: str = "fill") -> FillMarket:
    """Bob takes what is offered on outcome one."""
    return FillMarket(
        taker=BOB,
        fill_hash=FillHash(number(32, name)),
        market_hash=market_hash,  # type: ignore[arg-type]
        base_token=USDC.address,
        is_taker_betting_outcome_one=False,
        stake=stake,
        desired_odds=50 * 10**18,
        odds_slippage=0,
    )


@pytest.mark.row("HB-02", "HB-03")
def test_the_first_ping_arms_and_every_ping_starts_anew() -> None:
    desk = Desk()
    assert desk.events(ping()) == [
        HeartbeatArmed(account=ALICE, interval_s=30, pinged_at_ms=desk.now_ms, deadline_ms=desk.now_ms + 30_000)
    ]
    desk.wait(29.999)
    desk.do(ping(interval_s=7))
    assert armed(desk) == Heartbeat(7, desk.now_ms, desk.now_ms + 7_000)
    assert desk.engine.heartbeats_armed == 1
    assert desk.engine.next_heartbeat_ms == desk.engine.next_deadline_ms() == desk.now_ms + 7_000


@pytest.mark.row("HB-04", "HB-06")
def test_silence_ends_every_order_of_the_account_in_the_order_of_acceptance() -> None:
    desk = Desk()
    orders = [desk.rest(ALICE, market, size=10) for market in (B, A, B)]
    other = desk.rest(BOB)
    desk.do(ping())
    pinged_ms = desk.now_ms
    desk.wait(29.999)
    assert len(desk.resting(ALICE)) == 3
    assert desk.wait(0.001).ended == {one.order_hash: OrderState.CANCELLED for one in orders}
    assert desk.resting() == [other.order_hash]
    firing = desk.engine.state.accounts[ALICE].last_firing
    assert firing is not None
    assert firing.order_hashes == tuple(one.order_hash for one in orders)
    assert (firing.last_ping_ms, firing.deadline_ms, firing.fired_at_ms) == (pinged_ms, pinged_ms + 30_000, desk.now_ms)
    assert armed(desk) is None
    again = desk.rest(ALICE)
    assert desk.wait(1_000).ended == {}
    assert desk.resting(ALICE) == [again.order_hash]


@pytest.mark.row("HB-05")
def test_stopping_ends_nothing_and_may_be_done_twice() -> None:
    desk = Desk()
    desk.rest(ALICE)
    desk.do(ping())
    assert desk.events(StopHeartbeat(account=ALICE)) == [HeartbeatStopped(account=ALICE)]
    assert desk.events(StopHeartbeat(account=ALICE)) == []
    desk.wait(60)
    assert len(desk.resting(ALICE)) == 1


def test_suspended_orders_are_within_its_reach() -> None:
    desk = Desk()
    kept, suspended = desk.rest(ALICE, size=50), desk.rest(ALICE, size=50)
    desk.fund(ALICE, 60)
    desk.do(ping())
    assert desk.wait(30).ended.keys() == {kept.order_hash, suspended.order_hash}
    desk.fund(ALICE, 100)
    assert desk.resting(ALICE) == []


def test_a_held_order_goes_when_it_would_come_back() -> None:
    """Everything of it sits in a pending fill, which settles all the same; if it fails, the cancel is remembered."""
    desk = Desk(rules=QUICK)
    held = desk.rest(ALICE, size=50)
    desk.do(take(50))
    desk.tick()
    state = desk.engine.state
    assert state.orders[held.order_hash].state is OrderState.HELD
    desk.do(ping())
    desk.wait(30)
    assert state.orders[held.order_hash].doom is Trigger.HEARTBEAT
    assert state.fills.by_hash[FillHash(number(32, "fill"))].status is FillStatus.PENDING
    firing = state.accounts[ALICE].last_firing
    assert firing is not None
    assert firing.order_hashes == (held.order_hash,)


@pytest.mark.parametrize("reload", [False, True])
def test_an_order_that_expires_at_the_deadline_has_expired(reload: bool) -> None:
    """`spec/decisions.md` D9: ties go to the expiry."""
    desk = Desk()
    expiring, staying = desk.rest(ALICE, expires_in_s=30), desk.rest(ALICE)
    desk.do(ping())
    if reload:
        desk.reload()
    assert desk.wait(30).ended == {
        expiring.order_hash: OrderState.EXPIRED,
        staying.order_hash: OrderState.CANCELLED,
    }


def test_several_fire_in_the_order_of_their_deadlines() -> None:
    desk = Desk()
    desk.do(ping(ALICE, 20))
    desk.do(ping(BOB, 10))
    desk.now_ms += 60_000
    desk.tick()
    firings = [desk.engine.state.accounts[one].last_firing for one in (BOB, ALICE)]
    assert [one and one.deadline_ms for one in firings] == [desk.now_ms - 50_000, desk.now_ms - 40_000]


def test_a_firing_that_frees_money_brings_nothing_of_the_account_back() -> None:
    desk = Desk()
    desk.rest(ALICE, size=80)
    desk.rest(ALICE, size=20)
    desk.fund(ALICE, 80)
    desk.do(ping())
    desk.wait(30)
    assert desk.resting(ALICE) == []


# ---- grace ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("HB-10", "LIFE-06")
@pytest.mark.parametrize("reload", [False, True])
def test_grace_moves_every_deadline(reload: bool) -> None:
    desk = Desk()
    desk.do(ping(ALICE, 30))
    desk.do(ping(BOB, 40))
    assert desk.events(GrantGrace(grace_ms=5_000)) == [GraceGranted(grace_ms=5_000)]
    if reload:
        desk.reload()
    desk.wait(34.999)
    assert armed(desk) == Heartbeat(30, desk.now_ms - 34_999, desk.now_ms + 1)
    desk.wait(0.001)
    assert (armed(desk), armed(desk, BOB) is not None) == (None, True)
    desk.wait(10)
    assert armed(desk, BOB) is None


def test_grace_for_nobody_is_none() -> None:
    desk = Desk()
    assert desk.events(GrantGrace(grace_ms=5_000)) == []
    desk.do(ping())
    assert desk.events(GrantGrace(grace_ms=0)) == []


def test_resuming_gives_back_the_time_and_drops_what_waits_out_its_delay() -> None:
    desk = Desk(rules=SLOW)
    desk.rest(ALICE, size=50)
    desk.do(take(50))
    desk.do(ping())
    assert desk.engine.waits
    desk.now_ms += 600_000
    events = desk.engine.execute(ResumeVenue(grace_ms=600_000), desk.now_ms)
    assert events == [FillDropped(fill_hash=FillHash(number(32, "fill"))), GraceGranted(grace_ms=600_000)]
    desk.tick()
    assert armed(desk) == Heartbeat(30, desk.now_ms - 600_000, desk.now_ms + 30_000)
    assert len(desk.resting(ALICE)) == 1
    assert desk.refusal(take(50)) is not None  # its hash stays burnt
    desk.do(StopHeartbeat(account=ALICE))
    assert not desk.engine.waits


# ---- the worked example of 7.6 -------------------------------------------------------------------------------------


@pytest.mark.row("EXP-06", "EXP-07", "EXP-08", "EXP-11")
@pytest.mark.parametrize("confirmed", [False, True], ids=["while the fill is pending", "once it is confirmed"])
def test_a_fill_on_one_market_takes_orders_off_the_others(confirmed: bool) -> None:
    """Balance 100; A: 50 and 50, B: 100, C: 50 and 50. B is filled for 60: 40 are left, on B as on every market."""
    rules = msgspec.structs.replace(QUICK, settlement_delay_ms=0 if confirmed else None)
    desk = Desk(rules=rules)
    c = number(32, "C")
    a1, a2 = desk.rest(ALICE, A, 50), desk.rest(ALICE, A, 50)
    b1 = desk.rest(ALICE, B, 100)
    c1, c2 = (desk.rest(ALICE, c, 50) for _ in range(2))

    desk.do(take(60, B))
    desk.tick()
    desk.tick()  # what a tick matched settles in the next one
    assert desk.resting(ALICE) == [b1.order_hash]
    exposures = [desk.exposure(ALICE, market) for market in (A, B, c)]  # type: ignore[arg-type]
    assert exposures == [0, 40, 0]
    order = desk.engine.state.orders[b1.order_hash]
    assert (order.fill_amount, order.pending_fill_amount) == ((60, 0) if confirmed else (0, 60))
    assert desk.engine.state.accounts[ALICE].available(USDC.address) == 40

    wallet = 40 if confirmed else 100
    desk.fund(ALICE, wallet + 20)
    assert sorted(desk.resting(ALICE)) == sorted(one.order_hash for one in (a1, b1, c1))
    desk.fund(ALICE, wallet + 60)
    assert sorted(desk.resting(ALICE)) == sorted(one.order_hash for one in (a1, a2, b1, c1, c2))
