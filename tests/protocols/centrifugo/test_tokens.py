"""What the claims of a token come to."""

from typing import Any

import pytest

from overround.protocols.centrifugo import (
    ChannelClaims,
    ConnectionClaims,
    SubscriptionClaims,
    TokenProblem,
    TokenRules,
    read_connection,
    read_subscription,
)

NOW_S = 1_790_000_000
NOW_MS = NOW_S * 1000
STRICT = TokenRules()
LOOSE = TokenRules(expiry_required=False)


def test_a_connection_token_in_full() -> None:
    claims = {
        "sub": "u1",
        "exp": NOW_S + 60,
        "nbf": NOW_S,
        "iat": NOW_S - 1.5,
        "jti": "ignored",
        "aud": ["a", "b"],
        "iss": "venue",
        "info": {"n": 1},
        "meta": {"never": "sent"},
        "channels": ["a", "b"],
        "subs": {"b": {"info": 1, "data": {"x": []}}, "c": {"b64info": "WzFd"}},
    }
    rules = TokenRules(audience="b", issuer="venue")
    assert read_connection(claims, NOW_MS, rules) == ConnectionClaims(
        user="u1",
        expires_at_ms=NOW_MS + 60_000,
        issued_at_ms=NOW_MS - 1500,
        info=b'{"n":1}',
        channels={
            "a": ChannelClaims(),
            "b": ChannelClaims(b"1", b'{"x":[]}'),
            "c": ChannelClaims(b"[1]"),
        },
    )


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"exp": NOW_S}, TokenProblem.EXPIRED),
        ({"exp": NOW_S + 1, "nbf": NOW_S + 1}, TokenProblem.EXPIRED),
        ({"exp": -5}, TokenProblem.EXPIRED),
        ({}, TokenProblem.INVALID),
        ({"exp": None}, TokenProblem.INVALID),
        ({"exp": "1"}, TokenProblem.INVALID),
        ({"exp": True}, TokenProblem.INVALID),
        ({"exp": float("inf")}, TokenProblem.INVALID),
        ({"exp": float("nan")}, TokenProblem.INVALID),
        ({"exp": 10**400}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "sub": 1}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "sub": "\ud800"}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "info": "\ud800"}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "b64info": "%"}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "b64info": "anVuaw=="}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "channels": "a"}, TokenProblem.INVALID),
        ({"exp": NOW_S + 1, "subs": ["a"]}, TokenProblem.INVALID),
        # In order: for whom, for what, until when.
        ({"exp": NOW_S, "channel": "a"}, TokenProblem.INVALID),
    ],
)
def test_connection_tokens_that_are_no_good(claims: dict[str, Any], problem: TokenProblem) -> None:
    assert read_connection(claims, NOW_MS, STRICT) is problem


def test_audience_and_issuer_count_when_set() -> None:
    rules = TokenRules(audience="a", issuer="i", expiry_required=False)
    assert read_connection({"aud": "a", "iss": "i"}, NOW_MS, rules) == ConnectionClaims(user="")
    for claims in ({"iss": "i"}, {"aud": "b", "iss": "i"}, {"aud": ["b"], "iss": "i"}, {"aud": "a"}):
        assert read_connection(claims, NOW_MS, rules) is TokenProblem.INVALID
        assert read_connection(claims, NOW_MS, LOOSE) == ConnectionClaims(user="")


def test_expire_at_decides_how_long_a_connection_lives() -> None:
    for claims, expected in (
        ({"exp": NOW_S + 1}, NOW_MS + 1000),
        ({"exp": NOW_S + 1, "expire_at": NOW_S + 9}, NOW_MS + 9000),
        ({"exp": NOW_S + 1, "expire_at": 0}, None),
        ({"expire_at": NOW_S + 9}, NOW_MS + 9000),
        ({}, None),
    ):
        assert read_connection(claims, NOW_MS, LOOSE) == ConnectionClaims(user="", expires_at_ms=expected)


def test_a_subscription_token_names_its_channel() -> None:
    claims = {"sub": "u1", "channel": "a", "exp": NOW_S + 1, "client": "c", "info": [1]}
    assert read_subscription(claims, NOW_MS, STRICT) == SubscriptionClaims(
        user="u1", channel="a", client="c", expires_at_ms=NOW_MS + 1000, info=b"[1]"
    )
    for spoilt in ({"channel": None}, {"channel": ""}, {"channel": 1}, {"exp": None}, {"client": 1}):
        assert read_subscription(claims | spoilt, NOW_MS, STRICT) is TokenProblem.INVALID
    assert read_subscription(claims | {"exp": 1}, NOW_MS, STRICT) is TokenProblem.EXPIRED
