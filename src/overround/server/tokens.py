"""Connection tokens (JWT, HS256): issuing them, and telling what one is worth (`spec/sx.md` 5.15, centrifugo.md 16)."""

from __future__ import annotations

import warnings
from typing import Any, Final, TypeVar

import jwt
import msgspec
from jwt.warnings import InsecureKeyLengthWarning

from overround.engine.types import Address
from overround.protocols.centrifugo import (
    ConnectionClaims,
    SubscriptionClaims,
    TokenProblem,
    TokenRules,
    read_connection,
    read_subscription,
)
from overround.runtime.clock import Clock
from overround.signing.address import AddressError, checksum_address, parse_address
from overround.views.accounts import Accounts

ALGORITHM: Final = "HS256"

# `overround serve` refuses short secrets, and says so; who gives one to a sandbox knows.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)


class ConnectionTokens:
    """Issues the tokens that feed connections present. Their times are the venue's."""

    def __init__(self, secret: str, ttl_s: int, clock: Clock, accounts: Accounts) -> None:
        self._secret = secret
        self._ttl_s = ttl_s
        self._clock = clock
        self._accounts = accounts

    def issue(self, account: Address) -> str:
        """A JWT whose subject is the checksummed address of the key's owner; nothing else is in it.

        Its times have milliseconds: whole seconds could not tell whether the token or a new key came first (R6).
        It is never older than the key it was issued for, also where the clock was set back since.
        """
        now_ms = self._clock.now_ms()
        issued_at_ms = max(now_ms, self._accounts.key_issued_at_ms(account) or 0)
        expires_at_s = now_ms / 1000 + self._ttl_s
        claims = {"sub": checksum_address(account), "iat": issued_at_ms / 1000, "exp": expires_at_s}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)


class TokenVerifier:
    """Checks tokens of connections and subscriptions.

    Tokens live in the venue's time and connections in real time, which differ where a sandbox steps its clock: what is
    left of a token's life is carried over from one to the other.
    """

    def __init__(
        self, secret: str, rules: TokenRules, clock: Clock, accounts: Accounts, *, any_subject: bool = False
    ) -> None:
        self._secret = secret
        self._rules = rules
        self._clock = clock
        self._accounts = accounts
        self._any_subject = any_subject

    def connection(self, token: str, now_ms: int) -> ConnectionClaims | TokenProblem:
        """A connection token, of `connect` or `refresh`."""
        claims = self._claims(token)
        if claims is None:
            return TokenProblem.INVALID
        read = read_connection(claims, self._clock.now_ms(), self._rules)
        if isinstance(read, TokenProblem):
            return read
        if not self._any_subject and self._is_revoked(read.user, claims.get("iat")):
            return TokenProblem.INVALID
        return _in_real_time(read, self._clock.now_ms(), now_ms)

    def subscription(self, token: str, now_ms: int) -> SubscriptionClaims | TokenProblem:
        """A subscription token, of `subscribe` or `sub_refresh`."""
        claims = self._claims(token)
        if claims is None:
            return TokenProblem.INVALID
        read = read_subscription(claims, self._clock.now_ms(), self._rules)
        return read if isinstance(read, TokenProblem) else _in_real_time(read, self._clock.now_ms(), now_ms)

    def _claims(self, token: str) -> dict[str, Any] | None:
        """The claims of a token with a good signature; its times are judged against the venue's clock, later."""
        try:
            decoded: dict[str, Any] = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                options={
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                    "verify_aud": False,
                    "verify_iss": False,
                    "verify_sub": False,
                    "verify_jti": False,
                },
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        return decoded

    def _is_revoked(self, user: str, issued_at_s: float | None) -> bool:
        """Whether the token is older than the account's current key (`spec/decisions.md` R6), or names nobody as we
        do: a connection is found, when its key is revoked, by the checksummed address."""
        try:
            account = Address(parse_address(user))
        except AddressError:
            return True
        if user != checksum_address(account):
            return True
        key_issued_at_ms = self._accounts.key_issued_at_ms(account)
        if key_issued_at_ms is None or issued_at_s is None:
            return True
        return round(issued_at_s * 1000) < key_issued_at_ms


_Claims = TypeVar("_Claims", ConnectionClaims, SubscriptionClaims)


def _in_real_time(read: _Claims, venue_ms: int, now_ms: int) -> _Claims:
    if read.expires_at_ms is None:
        return read
    return msgspec.structs.replace(read, expires_at_ms=read.expires_at_ms - venue_ms + now_ms)
