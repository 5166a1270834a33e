"""Balances and API keys."""

from __future__ import annotations

from tests.engine.desk import ALICE, BOB, CAROL, USDC, WSX, A, Desk, hashes, number

from overround.engine.commands import IssueApiKey, SetBalance
from overround.engine.events import ApiKeyIssued
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


def test_a_balance_that_falls_leaves_open_orders_alone_but_admits_no_more(desk: Desk) -> None:
    resting = desk.rest(size=60)
    desk.fund(ALICE, 20)
    assert desk.resting(ALICE) == hashes(resting)
    assert desk.exposure(ALICE, A) == 60
    assert desk.place(desk.order(size=1)) == [Rejection.INSUFFICIENT_BALANCE]


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
