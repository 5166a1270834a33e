"""Order-style nonces: the window, and hints for the mistakes that the documents invite (`spec/nado.md` 4.1)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import FILE, NOW_MS, Vector

from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.nonces import (
    RECV_WINDOW_MS,
    check_window,
    make_nonce,
    parse_nonce,
    random_part,
    recv_time_ms,
    suggested_nonce,
)


@pytest.mark.row("C-08", "C-10")
@pytest.mark.parametrize("example", FILE["nonce_examples"], ids=lambda one: one["nonce"])
def test_a_nonce_is_a_time_and_twenty_random_bits(example: Vector) -> None:
    nonce = int(example["nonce"])
    assert recv_time_ms(nonce) == int(example["decoded_recv_time_ms"])
    assert random_part(nonce) == int(example["decoded_random"])
    assert make_nonce(recv_time_ms(nonce), random_part(nonce)) == nonce


@pytest.mark.parametrize("random", [-1, 2**20])
def test_more_than_twenty_random_bits_would_change_the_time(random: int) -> None:
    with pytest.raises(ValueError, match="20 bits"):
        make_nonce(NOW_MS, random)


@pytest.mark.row("C-09", "C-25")
@pytest.mark.parametrize(
    ("offset_ms", "code"),
    [
        (-1, Code.LATE_RECV_EXECUTION),
        (0, Code.LATE_RECV_EXECUTION),
        (1, None),
        (5_000, None),
        (90_000, None),
        (RECV_WINDOW_MS, None),
        (RECV_WINDOW_MS + 1, Code.EARLY_RECV_EXECUTION),
    ],
)
def test_the_window_opens_after_now_and_closes_with_the_hundredth_second(offset_ms: int, code: Code | None) -> None:
    nonce = make_nonce(NOW_MS + offset_ms, 0xFFFFF)
    if code is None:
        check_window(nonce, NOW_MS)
    else:
        with pytest.raises(GatewayError) as caught:
            check_window(nonce, NOW_MS)
        assert caught.value.code is code
        assert str(NOW_MS) in caught.value.message


@pytest.mark.row("Q-03")
def test_the_suggested_nonce_is_accepted_now() -> None:
    check_window(suggested_nonce(NOW_MS), NOW_MS)
    with pytest.raises(GatewayError):
        check_window(suggested_nonce(NOW_MS + 1), NOW_MS)


def test_the_nonce_of_the_documents_example_is_read_and_is_late() -> None:
    """The seed's request carries the nonce "1"."""
    with pytest.raises(GatewayError) as caught:
        check_window(parse_nonce("1"), NOW_MS)
    assert caught.value.code is Code.LATE_RECV_EXECUTION


LITERAL = (NOW_MS + 50) << 20 + 1000


@pytest.mark.parametrize("value", [LITERAL, str(LITERAL)])
def test_the_documents_formula_read_literally_is_recognised(value: Any) -> None:
    """`(timestamp_ms() + 50) << 20 + 1000` shifts by 1020 bits in Python, C and JavaScript's big integers."""
    with pytest.raises(GatewayError) as caught:
        parse_nonce(value)
    assert caught.value.code is Code.INVALID_EXECUTE_MESSAGE
    assert "1020" in caught.value.message
    assert "((now_ms + 50) << 20) + 1000" in caught.value.message


@pytest.mark.parametrize(
    ("value", "hint"),
    [("-1048576", "32-bit"), (2**64, "<< 20"), ("9" * 500, "<< 20"), ("x", "decimal"), (None, "text"), (1.5, "text")],
)
def test_what_is_no_uint64_is_refused_with_a_hint(value: Any, hint: str) -> None:
    with pytest.raises(GatewayError, match=hint) as caught:
        parse_nonce(value)
    assert caught.value.code is Code.INVALID_EXECUTE_MESSAGE


def test_a_time_that_was_not_shifted_is_recognised() -> None:
    with pytest.raises(GatewayError, match="not shifted") as caught:
        check_window(parse_nonce(str(NOW_MS + 50)), NOW_MS)
    assert caught.value.code is Code.LATE_RECV_EXECUTION


@settings(deadline=None)
@given(st.integers(0, 2**64 - 1))
def test_any_uint64_is_read_and_then_in_the_window_or_not(nonce: int) -> None:
    assert parse_nonce(str(nonce)) == parse_nonce(nonce) == nonce
    if NOW_MS < nonce >> 20 <= NOW_MS + 100_000:
        check_window(nonce, NOW_MS)
    else:
        with pytest.raises(GatewayError):
            check_window(nonce, NOW_MS)
