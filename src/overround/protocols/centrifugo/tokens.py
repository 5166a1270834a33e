"""What a token says, once its signature was found good (centrifugo.md 16).

The server owns keys, algorithms and revocation: it implements `Verifier`, typically as "decode with the
JWT library, time checks off, then `read_connection`". Time is judged here, against the time handed in.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from overround.protocols.centrifugo.codec import clean_payload

__all__ = [
    "ChannelClaims",
    "ConnectionClaims",
    "SubscriptionClaims",
    "TokenProblem",
    "TokenRules",
    "Verifier",
    "read_connection",
    "read_subscription",
]


class TokenProblem(Enum):
    """Why a token is not accepted."""

    INVALID = "invalid"  # not ours, or not what it should be
    EXPIRED = "expired"  # was good once, or is not good yet


class TokenRules(Struct, frozen=True, kw_only=True):
    """What is asked of a token beyond its signature. `audience` and `issuer` count when set."""

    expiry_required: bool = True
    audience: str | None = None
    issuer: str | None = None


class ChannelClaims(Struct, frozen=True):
    """A channel that a token subscribes its bearer to; both are JSON or empty."""

    info: bytes = b""
    data: bytes = b""


class ConnectionClaims(Struct, frozen=True, kw_only=True):
    """A connection token. `user` is "" for an anonymous one, `expires_at_ms` None if it never ends."""

    user: str
    expires_at_ms: int | None = None
    issued_at_ms: int | None = None
    info: bytes = b""
    channels: Mapping[str, ChannelClaims] = {}


class SubscriptionClaims(Struct, frozen=True, kw_only=True):
    """A token for one channel. `client` is "" unless it is bound to one connection."""

    user: str
    channel: str
    client: str = ""
    expires_at_ms: int | None = None
    info: bytes = b""


class Verifier(Protocol):
    """Says what a token is worth now."""

    def connection(self, token: str, now_ms: int) -> ConnectionClaims | TokenProblem:
        """A connection token, of `connect` or `refresh`."""
        ...

    def subscription(self, token: str, now_ms: int) -> SubscriptionClaims | TokenProblem:
        """A subscription token, of `subscribe` or `sub_refresh`."""
        ...


# -- reading claims ----------------------------------------------------------------------------------

# Seconds since 1970; the bounds keep infinity and nonsense out of the arithmetic.
Seconds = Annotated[float, Meta(ge=-1e12, le=1e12)]


class _Common(Struct, kw_only=True):
    sub: str | None = None
    exp: Seconds | None = None
    nbf: Seconds | None = None
    iat: Seconds | None = None
    aud: str | list[str] | None = None
    iss: str | None = None
    info: Any = None
    b64info: str | None = None


class _Channel(Struct):
    info: Any = None
    b64info: str | None = None
    data: Any = None
    b64data: str | None = None


class _Connection(_Common, kw_only=True):
    channel: str | None = None
    expire_at: Seconds | None = None
    channels: list[str] | None = None
    subs: dict[str, _Channel] | None = None


class _Subscription(_Common, kw_only=True):
    channel: str | None = None
    client: str | None = None
    expire_at: Seconds | None = None


def read_connection(claims: Mapping[str, Any], now_ms: int, rules: TokenRules) -> ConnectionClaims | TokenProblem:
    """Read the claims of a connection token whose signature is good."""
    try:
        read = msgspec.convert(claims, _Connection)
        if not _is_for_us(read, rules) or read.channel:
            return TokenProblem.INVALID
        if _is_out_of_time(read, now_ms):
            return TokenProblem.EXPIRED
        channels = {name: ChannelClaims() for name in read.channels or ()}
        for name, options in (read.subs or {}).items():  # wins over `channels`
            channels[name] = ChannelClaims(
                _payload(options.info, options.b64info), _payload(options.data, options.b64data)
            )
        return ConnectionClaims(
            user=_text(read.sub),
            expires_at_ms=_lifetime(read.exp, read.expire_at),
            issued_at_ms=_ms(read.iat),
            info=_payload(read.info, read.b64info),
            channels=channels,
        )
    except ValueError:  # a claim of another type, text or payload that nobody could be sent
        return TokenProblem.INVALID


def read_subscription(claims: Mapping[str, Any], now_ms: int, rules: TokenRules) -> SubscriptionClaims | TokenProblem:
    """Read the claims of a subscription token whose signature is good."""
    try:
        read = msgspec.convert(claims, _Subscription)
        if not _is_for_us(read, rules) or not read.channel:
            return TokenProblem.INVALID
        if _is_out_of_time(read, now_ms):
            return TokenProblem.EXPIRED
        return SubscriptionClaims(
            user=_text(read.sub),
            channel=_text(read.channel),
            client=_text(read.client),
            expires_at_ms=_lifetime(read.exp, read.expire_at),
            info=_payload(read.info, read.b64info),
        )
    except ValueError:
        return TokenProblem.INVALID


def _is_for_us(read: _Common, rules: TokenRules) -> bool:
    audiences = [read.aud] if isinstance(read.aud, str) else read.aud or []
    return (
        (rules.audience is None or rules.audience in audiences)
        and (rules.issuer is None or rules.issuer == read.iss)
        and (not rules.expiry_required or read.exp is not None)
    )


def _is_out_of_time(read: _Common, now_ms: int) -> bool:
    expires, begins = _ms(read.exp), _ms(read.nbf)
    return (expires is not None and expires <= now_ms) or (begins is not None and now_ms < begins)


def _lifetime(exp: float | None, expire_at: float | None) -> int | None:
    """`expire_at` decides over `exp` how long a connection lives; 0 means for ever."""
    if expire_at is None:
        return _ms(exp)
    return _ms(expire_at) if expire_at else None


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else int(seconds * 1000)


def _text(value: str | None) -> str:
    """Text that can be sent: JSON allows half characters, UTF-8 does not."""
    return (value or "").encode().decode()


def _payload(value: Any, encoded: str | None) -> bytes:
    """A payload, given as JSON or as base64 of JSON."""
    if encoded:
        payload = clean_payload(b64decode(encoded, validate=True))
        if payload is None:
            raise ValueError("not JSON")
        return payload
    return b"" if value is None else msgspec.json.encode(value)
