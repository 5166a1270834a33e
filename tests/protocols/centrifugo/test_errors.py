"""The codes of the protocol, as the specification lists them."""

import json

import pytest
from tests.protocols.centrifugo.world import frames

from overround.protocols.centrifugo import (
    DISCONNECTS,
    ERRORS,
    UNSUBSCRIBES,
    close_frame,
    is_terminal,
)

TEMPORARY = {100, 111, 113}
MESSAGES = {
    100: "internal server error",
    101: "unauthorized",
    102: "unknown channel",
    103: "permission denied",
    104: "method not found",
    105: "already subscribed",
    106: "limit exceeded",
    107: "bad request",
    108: "not available",
    109: "token expired",
    110: "expired",
    111: "too many requests",
    112: "unrecoverable position",
    113: "concurrent pagination",
}
REASONS = {
    3000: "connection closed",
    3001: "shutdown",
    3004: "internal server error",
    3005: "connection expired",
    3006: "subscription expired",
    3008: "slow",
    3009: "write error",
    3010: "insufficient state",
    3011: "force reconnect",
    3012: "no pong",
    3013: "too many requests",
    3014: "state invalidated",
    3500: "invalid token",
    3501: "bad request",
    3502: "stale",
    3503: "force disconnect",
    3504: "connection limit",
    3505: "channel limit",
    3506: "inappropriate protocol",
    3507: "permission denied",
    3508: "not available",
    3509: "too many errors",
}


def test_errors() -> None:
    assert {code: error.message for code, error in ERRORS.items()} == MESSAGES
    assert {code for code, error in ERRORS.items() if error.temporary} == TEMPORARY


def test_unsubscribes() -> None:
    assert {code: end.reason for code, end in UNSUBSCRIBES.items()} == {
        2000: "server unsubscribe",
        2500: "insufficient state",
        2501: "subscription expired",
        2502: "state invalidated",
    }


@pytest.mark.row("CF-52")
def test_disconnects_and_their_close_frames() -> None:
    assert {code: end.reason for code, end in DISCONNECTS.items()} == REASONS
    for code, end in DISCONNECTS.items():
        ((opcode, payload),) = frames(close_frame(end))
        assert opcode == 8
        assert (int.from_bytes(payload[:2], "big"), payload[2:].decode()) == (code, end.reason)
        with pytest.raises(json.JSONDecodeError):  # a client tries that first
            json.loads(payload[2:])
        assert is_terminal(code) == (code >= 3500)
