"""Which came first, the token or the key (`spec/decisions.md` R6)."""

from __future__ import annotations

import pytest

from overround.engine.types import Address
from overround.protocols.centrifugo import ConnectionClaims, TokenProblem, TokenRules
from overround.server.tokens import ConnectionTokens, TokenVerifier
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.views.accounts import Accounts

SECRET = "a secret of more than thirty-two bytes"
ACCOUNT = Address(ALICE.address)
NOW_MS = 1_790_000_000_123


class Hand:
    """A clock that shows what it is set to."""

    def __init__(self) -> None:
        self.shown_ms = NOW_MS

    def now_ms(self) -> int:
        return self.shown_ms

    def adjust(self, offset_ms: int, frozen_at_ms: int | None) -> None:
        raise AssertionError

    def take_jump_ms(self) -> int:
        raise AssertionError

    def go_on_from(self, time_ms: int) -> None:
        raise AssertionError


class Office:
    """Issues keys and tokens, and looks at tokens."""

    def __init__(self) -> None:
        self.clock = Hand()
        self.accounts = Accounts()
        self._tokens = ConnectionTokens(SECRET, 60, self.clock, self.accounts)
        self._verifier = TokenVerifier(SECRET, TokenRules(), self.clock, self.accounts)
        self._keys = 0

    def new_key(self, issued_at_ms: int) -> None:
        self._keys += 1
        self.accounts.set_key(ACCOUNT, bytes([self._keys]) * 32, issued_at_ms)

    def token(self) -> str:
        return self._tokens.issue(ACCOUNT)

    def accepts(self, token: str) -> bool:
        found = self._verifier.connection(token, self.clock.now_ms())
        if isinstance(found, ConnectionClaims):
            assert found.user == checksum_address(ACCOUNT)
            return True
        assert found is TokenProblem.INVALID
        return False


@pytest.mark.row("USR-05")
@pytest.mark.parametrize("ms", [0, 1, 2, 123, 499, 500, 501, 998, 999])
def test_a_token_is_as_old_as_the_millisecond_it_was_issued_in(ms: int) -> None:
    office = Office()
    second_ms = NOW_MS // 1000 * 1000
    office.new_key(second_ms + ms)
    office.clock.shown_ms = second_ms + ms
    before = office.token()
    assert office.accepts(before)
    office.new_key(second_ms + ms + 1)
    office.clock.shown_ms += 1
    assert not office.accepts(before)
    assert office.accepts(office.token())


def test_a_clock_that_was_set_back_locks_nobody_out() -> None:
    """Records never go back in time, so a key may be issued in the future of the clock."""
    office = Office()
    office.new_key(NOW_MS)
    before = office.token()
    office.new_key(NOW_MS + 3_600_000)
    assert office.accepts(office.token())
    assert not office.accepts(before)


def test_an_account_without_a_key_has_no_good_tokens() -> None:
    office = Office()
    assert not office.accepts(office.token())
