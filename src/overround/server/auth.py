"""API keys and connection tokens (`spec/sx.md` 5.15, 5.17)."""

from __future__ import annotations

import hashlib
import hmac
from uuid import uuid4

import jwt

from overround.engine.types import Address
from overround.protocols.sx.errors import WireError
from overround.server.http import Request
from overround.signing.address import checksum_address
from overround.views.accounts import Accounts

ALGORITHM = "HS256"


def new_api_key() -> str:
    """A key as the original venue's look: an upper-case UUID, 122 random bits."""
    return str(uuid4()).upper()


def key_digest(api_key: str) -> bytes:
    """What is kept of a key. Keys are random, so a plain hash cannot be searched."""
    return hashlib.sha256(api_key.encode("utf-8", "surrogateescape")).digest()


def require_key(request: Request, accounts: Accounts) -> Address:
    """The account whose key came with the request. Raises WireError 401."""
    api_key = request.header(b"x-api-key")
    owner = accounts.owner_of_key(key_digest(api_key)) if api_key else None
    if owner is None:
        raise WireError("UNAUTHORIZED", status=401)
    return owner


def require_bearer(request: Request, token: str) -> None:
    """The operator's token must have come with the request. Raises WireError 401."""
    given = (request.header(b"authorization") or "").encode("latin-1")
    wanted = f"Bearer {token}".encode()
    if not token or not hmac.compare_digest(given, wanted):
        raise WireError("UNAUTHORIZED", status=401)


class ConnectionTokens:
    """Issues the tokens that feed connections present."""

    def __init__(self, secret: str, ttl_s: int) -> None:
        self._secret = secret
        self._ttl_s = ttl_s

    def issue(self, account: Address, now_s: int) -> str:
        """A JWT whose subject is the checksummed address of the key's owner; nothing else is in it."""
        claims = {"sub": checksum_address(account), "iat": now_s, "exp": now_s + self._ttl_s}
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)
