"""Balances and API keys."""

from __future__ import annotations

from overround.engine.state import State
from overround.engine.types import Address


class Accounts:
    """What operators and the authentication of the API ask about accounts."""

    def __init__(self) -> None:
        self.balances: dict[Address, dict[Address, int]] = {}  # account -> token -> base units
        self._owner_of_key: dict[bytes, Address] = {}
        self._key_of: dict[Address, tuple[bytes, int]] = {}  # account -> (digest, issued at, ms)

    def seed(self, state: State) -> None:
        """Take over a recovered engine's accounts."""
        for account in state.accounts.values():
            if account.balances:
                self.balances[account.address] = dict(account.balances)
            if account.api_key_digest is not None:
                self.set_key(account.address, account.api_key_digest, account.api_key_issued_at_ms)

    def set_balance(self, account: Address, token: Address, amount: int) -> None:
        """The balance from here on."""
        self.balances.setdefault(account, {})[token] = amount

    def set_key(self, account: Address, digest: bytes, issued_at_ms: int) -> None:
        """The only key of the account from here on."""
        before = self._key_of.get(account)
        if before is not None:
            self._owner_of_key.pop(before[0], None)
        self._key_of[account] = (digest, issued_at_ms)
        self._owner_of_key[digest] = account

    def owner_of_key(self, digest: bytes) -> Address | None:
        """Whose key has this SHA-256."""
        return self._owner_of_key.get(digest)

    def key_issued_at_ms(self, account: Address) -> int | None:
        """When the account's current key was issued."""
        key = self._key_of.get(account)
        return key[1] if key else None
