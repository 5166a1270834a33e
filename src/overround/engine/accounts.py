"""Balances and API keys (operator commands)."""

from __future__ import annotations

from overround.engine.commands import IssueApiKey, SetBalance
from overround.engine.events import AnyEvent, ApiKeyIssued, BalanceSet
from overround.engine.rejections import Rejection
from overround.engine.state import State


def set_balance(state: State, command: SetBalance, now_ms: int) -> list[AnyEvent] | Rejection:
    """Set a wallet balance. Open orders stay as they are (spec/decisions.md C2)."""
    del now_ms
    assert state.rules is not None
    if state.rules.token(command.token) is None:
        return Rejection.TOKEN_UNKNOWN
    state.set_balance(command.account, command.token, command.amount)
    return [BalanceSet(account=command.account, token=command.token, amount=command.amount)]


def issue_api_key(state: State, command: IssueApiKey, now_ms: int) -> list[AnyEvent]:
    """The account's one and only key from here on."""
    state.set_api_key(command.account, command.key_digest, now_ms)
    return [ApiKeyIssued(account=command.account, key_digest=command.key_digest, issued_at_ms=now_ms)]
