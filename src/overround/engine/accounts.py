"""Balances, API keys, restrictions, approvals (spec/sx.md 5.11, 5.17, 7.7)."""

from __future__ import annotations

from overround.engine.commands import Approve, IssueApiKey, SetBalance, SetRestriction
from overround.engine.events import AllowanceSet, AnyEvent, ApiKeyIssued, RestrictionChanged
from overround.engine.rejections import Rejection
from overround.engine.state import State


def set_balance(state: State, command: SetBalance, now_ms: int) -> list[AnyEvent] | Rejection:
    """Set a wallet balance; what it means for open orders is the exposure rule's affair."""
    del now_ms
    assert state.rules is not None
    if state.rules.token(command.token) is None:
        return Rejection.TOKEN_UNKNOWN
    state.fund(command.account, command.token, command.amount)
    return []  # `exposure.restore_rule` tells the new balance


def issue_api_key(state: State, command: IssueApiKey, now_ms: int) -> list[AnyEvent]:
    """The account's one and only key from here on."""
    state.set_api_key(command.account, command.key_digest, now_ms)
    return [ApiKeyIssued(account=command.account, key_digest=command.key_digest, issued_at_ms=now_ms)]


def set_restriction(state: State, command: SetRestriction, now_ms: int) -> list[AnyEvent]:
    """By hand: until it is lifted by hand, which forgets the dips as well (spec/sx.md 7.7)."""
    del now_ms
    until_ms = None if command.restricted else 0
    state.set_restriction(command.account, until_ms, [])
    return [RestrictionChanged(account=command.account, until_ms=until_ms)]


def approve(state: State, command: Approve, now_ms: int) -> list[AnyEvent] | Rejection:
    """The allowance becomes the permit's value, unless it is at least as high already (spec/sx.md 5.11)."""
    assert state.rules is not None
    if state.rules.token(command.token) is None:
        return Rejection.TOKEN_UNKNOWN
    if command.deadline_s * 1000 < now_ms:
        return Rejection.DEADLINE_EXPIRED
    account = state.accounts.get(command.owner)
    nonce = account.permit_nonces.get(command.token, 0) if account else 0
    if command.nonce != nonce:
        return Rejection.NONCE_STALE
    allowance = account.allowances.get(command.token, 0) if account else 0
    changed = command.value > allowance
    if changed:
        allowance, nonce = command.value, nonce + 1
        state.set_allowance(command.owner, command.token, allowance, nonce)
    return [AllowanceSet(owner=command.owner, token=command.token, value=allowance, nonce=nonce, changed=changed)]
