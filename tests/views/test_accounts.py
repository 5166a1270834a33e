"""Balances and API keys as the operator and the authentication see them."""

from __future__ import annotations

import pytest
from tests.engine.desk import ALICE, BOB, CAROL, USDC, WSX, number
from tests.views.window import Window

from overround.engine.commands import IssueApiKey
from overround.views.accounts import Accounts

FIRST, SECOND = number(32, "first"), number(32, "second")


def shown(window: Window, how: str) -> Accounts:
    return window.views.accounts if how == "fed" else window.seeded().accounts


@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_balances_are_shown_by_account_and_token(window: Window, how: str) -> None:
    window.fund(ALICE, 70)
    window.fund(ALICE, 5, WSX)
    balances = shown(window, how).balances
    assert balances == {ALICE: {USDC.address: 70, WSX.address: 5}, BOB: {USDC.address: 100}}


@pytest.mark.parametrize("how", ["fed", "seeded"])
def test_only_the_latest_key_of_an_account_opens_it(window: Window, how: str) -> None:
    window.do(IssueApiKey(account=CAROL, key_digest=FIRST))
    window.wait(5)
    window.do(IssueApiKey(account=CAROL, key_digest=SECOND))
    accounts = shown(window, how)
    assert (accounts.owner_of_key(FIRST), accounts.owner_of_key(SECOND)) == (None, CAROL)
    assert accounts.key_issued_at_ms(CAROL) == window.now_ms
    assert accounts.key_issued_at_ms(ALICE) is None


def test_the_same_key_may_be_issued_again(window: Window) -> None:
    for _ in range(2):
        window.do(IssueApiKey(account=CAROL, key_digest=FIRST))
    assert window.views.accounts.owner_of_key(FIRST) == CAROL


def test_an_account_that_only_has_a_key_has_no_balance_to_show(window: Window) -> None:
    window.do(IssueApiKey(account=CAROL, key_digest=FIRST))
    assert CAROL not in window.seeded().accounts.balances
