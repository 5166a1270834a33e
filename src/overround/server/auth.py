"""API keys (`spec/sx.md` 5.17) and the operator's token."""

from __future__ import annotations

import hmac
from uuid import uuid4

from overround.engine.types import Address
from overround.protocols.sx.errors import WireError
from overround.server.http import Request
from overround.signing.api_keys import key_digest
from overround.views.accounts import Accounts


def new_api_key() -> str:
    """A key as the original venue's look: an upper-case UUID, 122 random bits."""
    return str(uuid4()).upper()


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
