"""Money, API keys, heartbeats and restrictions."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from overround.engine.events import HeartbeatFired
from overround.engine.heartbeat import Firing, Heartbeat
from overround.engine.state import State
from overround.engine.types import Address


class Permit(NamedTuple):
    """What the transfer proxy may spend of an owner's token (spec/sx.md 5.11)."""

    value: int
    next_nonce: int


class Accounts:
    """What operators and the authentication of the API ask about accounts."""

    def __init__(self) -> None:
        self.balances: dict[Address, dict[Address, int]] = {}  # account -> token -> base units
        self.available: dict[Address, dict[Address, int]] = {}  # likewise, without unconfirmed stakes
        self.heartbeats: dict[Address, Heartbeat] = {}  # armed ones
        self.last_firings: dict[Address, Firing] = {}
        self.restricted_until_ms: dict[Address, int | None] = {}  # None: until an operator lifts it
        self.permits: dict[Address, dict[Address, Permit]] = {}  # owner -> token
        self._owner_of_key: dict[bytes, Address] = {}
        self._key_of: dict[Address, tuple[bytes, int]] = {}  # account -> (digest, issued at, ms)

    def seed(self, state: State) -> None:
        """Take over a recovered engine's accounts."""
        for account in state.accounts.values():
            address = account.address
            for token in account.balances:
                self.set_balance(address, token, account.balances[token], account.available(token))
            if account.last_firing is not None:
                self.last_firings[address] = account.last_firing
            if account.restricted_until_ms != 0:
                self.restricted_until_ms[address] = account.restricted_until_ms
            for token, value in account.allowances.items():
                self.permits.setdefault(address, {})[token] = Permit(value, account.permit_nonces[token])
            if account.api_key_digest is not None:
                self.set_key(account.address, account.api_key_digest, account.api_key_issued_at_ms)

        self.heartbeats.update(state.heartbeats)

    def set_balance(self, account: Address, token: Address, balance: int, available: int) -> None:
        """The balance from here on."""
        self.balances.setdefault(account, {})[token] = balance
        self.available.setdefault(account, {})[token] = available

    def fire_heartbeat(self, event: HeartbeatFired) -> None:
        """It did what it is for, and is armed no more."""
        self.heartbeats.pop(event.account, None)
        firing = Firing(event.last_ping_ms, event.deadline_ms, event.fired_at_ms, event.order_hashes)
        self.last_firings[event.account] = firing

    def grant_grace(self, grace_ms: int) -> None:
        """Every armed heartbeat has so much longer."""
        for account, armed in self.heartbeats.items():
            self.heartbeats[account] = msgspec.structs.replace(armed, deadline_ms=armed.deadline_ms + grace_ms)

    def permit_of(self, owner: Address, token: Address) -> Permit:
        """The owner's allowance and the nonce of the next permit."""
        return self.permits.get(owner, {}).get(token, Permit(0, 0))

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
