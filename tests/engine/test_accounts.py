"""Balances, API keys, approvals, restrictions by hand."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, RULES, USDC, WSX, A, B, Desk, hashes, number

from overround.engine.commands import Approve, IssueApiKey, PlaceOrders, SetBalance, SetRestriction
from overround.engine.events import AllowanceSet, ApiKeyIssued
from overround.engine.order import OrderState
from overround.engine.rejections import Rejection
from overround.engine.types import Address


def test_a_balance_is_absolute(desk: Desk) -> None:
    desk.fund(ALICE, 70)
    desk.fund(ALICE, 30)
    assert desk.engine.state.accounts[ALICE].available(USDC.address) == 30
    assert desk.engine.state.accounts[ALICE].available(WSX.address) == 0


def test_nobody_has_a_balance_in_a_token_that_the_venue_does_not_know(desk: Desk) -> None:
    foreign = Address(number(20, "foreign"))
    assert desk.refusal(SetBalance(account=ALICE, token=foreign, amount=1)) is Rejection.TOKEN_UNKNOWN


def test_the_widest_balance_is_exact(desk: Desk) -> None:
    desk.fund(ALICE, 2**256 - 1)
    desk.rest(size=2**256 - 1)
    assert desk.place(desk.order(size=1)) == [Rejection.INSUFFICIENT_BALANCE]


def test_a_balance_that_falls_leaves_what_it_still_covers_and_admits_no_more(desk: Desk) -> None:
    covered, uncovered = desk.rest(size=20), desk.rest(size=40)
    desk.fund(ALICE, 20)
    assert desk.resting(ALICE) == hashes(covered)
    assert desk.state_of(uncovered) is OrderState.SUSPENDED
    assert desk.exposure(ALICE, A) == 20
    assert desk.place(desk.order(size=1)) == [Rejection.INSUFFICIENT_BALANCE]


# ---- approvals (spec/sx.md 5.11) -----------------------------------------------------------------------------------

MUST_APPROVE = msgspec.structs.replace(RULES, approval_required=True)


def permit(desk: Desk, value: int, nonce: int = 0, *, owner: Address = ALICE, lasts_s: int = 60) -> Approve:
    deadline_s = desk.now_ms // 1000 + lasts_s
    digest = number(32, owner, value, nonce)
    return Approve(owner=owner, token=USDC.address, value=value, nonce=nonce, deadline_s=deadline_s, digest=digest)


@pytest.mark.row("FILL-11")
def test_a_permit_sets_the_allowance_and_uses_up_its_number(desk: Desk) -> None:
    (first,) = desk.events(permit(desk, 50))
    assert first == AllowanceSet(owner=ALICE, token=USDC.address, value=50, nonce=1, changed=True)
    assert desk.refusal(permit(desk, 70)) is Rejection.NONCE_STALE
    (second,) = desk.events(permit(desk, 70, 1))
    assert second == AllowanceSet(owner=ALICE, token=USDC.address, value=70, nonce=2, changed=True)


@pytest.mark.row("FILL-11")
def test_a_permit_for_no_more_than_there_is_changes_nothing(desk: Desk) -> None:
    desk.do(permit(desk, 50))
    before = desk.engine.digest()
    (event,) = desk.events(permit(desk, 50, 1))
    assert event == AllowanceSet(owner=ALICE, token=USDC.address, value=50, nonce=1, changed=False)
    assert desk.engine.digest() == before


@pytest.mark.row("FILL-11")
def test_a_permit_is_good_up_to_and_in_its_last_second(desk: Desk) -> None:
    assert desk.refusal(permit(desk, 50, lasts_s=-1)) is Rejection.DEADLINE_EXPIRED
    assert desk.refusal(permit(desk, 50, lasts_s=0)) is None


@pytest.mark.row("FILL-11")
def test_where_approvals_are_asked_for_orders_and_fills_need_one() -> None:
    desk = Desk(rules=MUST_APPROVE)
    desk.fund(CAROL, 100)
    assert desk.place(desk.order(size=10)) == [Rejection.INSUFFICIENT_BALANCE]
    assert desk.refusal(desk.fill()) is Rejection.TAKER_ALLOWANCE_TOO_LOW
    desk.do(permit(desk, 15))
    desk.do(permit(desk, 10, owner=CAROL))
    # Markets do not add up, as with the balance.
    assert desk.place(desk.order(size=10), desk.order(size=6), desk.order(market_hash=B, size=15)) == [
        "accepted",
        Rejection.INSUFFICIENT_BALANCE,
        "accepted",
    ]
    assert desk.refusal(desk.fill(stake=11)) is Rejection.TAKER_ALLOWANCE_TOO_LOW
    desk.match(stake=10)
    desk.reload()
    assert desk.refusal(permit(desk, 99)) is Rejection.NONCE_STALE


# ---- restrictions by hand (spec/sx.md 7.7) -------------------------------------------------------------------------


@pytest.mark.row("EXP-10")
def test_a_restricted_account_may_do_everything_but_post(desk: Desk) -> None:
    order, bobs = desk.rest(), desk.rest(BOB, one=False)
    desk.do(SetRestriction(account=ALICE, restricted=True))
    desk.reload()
    assert desk.refusal(PlaceOrders(orders=(desk.order(),))) is Rejection.ACCOUNT_RESTRICTED
    assert desk.place(desk.order(BOB)) == ["accepted"]
    desk.ping()
    desk.match(ALICE, one=True, stake=10)
    assert desk.amounts(bobs) == (0, 10)
    assert desk.do(desk.cancel(ALICE, order)).ended == {order.order_hash: OrderState.CANCELLED}
    desk.wait(3_000)
    assert desk.refusal(PlaceOrders(orders=(desk.order(),))) is Rejection.ACCOUNT_RESTRICTED
    desk.do(SetRestriction(account=ALICE, restricted=False))
    assert desk.place(desk.order()) == ["accepted"]


def test_a_new_key_takes_the_place_of_the_old_one(desk: Desk) -> None:
    first, second = number(32, "first key"), number(32, "second key")
    desk.do(IssueApiKey(account=CAROL, key_digest=first))
    desk.wait(5)
    events = desk.events(IssueApiKey(account=CAROL, key_digest=second))
    assert events == [ApiKeyIssued(account=CAROL, key_digest=second, issued_at_ms=desk.now_ms)]
    assert [(one.address, one.api_key_digest) for one in desk.engine.state.api_keys()] == [(CAROL, second)]


def test_a_key_is_the_account_s_own(desk: Desk) -> None:
    for account in (ALICE, BOB):
        desk.do(IssueApiKey(account=account, key_digest=number(32, account)))
    assert {one.address for one in desk.engine.state.api_keys()} == {ALICE, BOB}
