"""The rules of a venue: its tokens, and the window in which signed cancels are obeyed."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.desk import RULES, START_MS, START_S, USDC, WSX

from overround.engine.rules import Rules
from overround.engine.types import Address


def with_window(past_s: int, future_s: int) -> Rules:
    return msgspec.structs.replace(RULES, cancel_timestamp_past_max_s=past_s, cancel_timestamp_future_max_s=future_s)


def test_tokens_are_known_by_address() -> None:
    assert RULES.token(USDC.address) == USDC
    assert RULES.token(WSX.address) == WSX
    assert RULES.token(Address(bytes(20))) is None


def test_a_window_may_be_open_to_one_side_only() -> None:
    assert with_window(0, 60).accepts_cancel_time(START_S, START_MS)
    assert not with_window(0, 60).accepts_cancel_time(START_S - 1, START_MS)
    assert with_window(0, 60).accepts_cancel_time(START_S + 60, START_MS)
    assert not with_window(60, 0).accepts_cancel_time(START_S + 1, START_MS)
    assert not with_window(60, 0).any_cancel_time


def test_without_a_window_any_time_will_do() -> None:
    rules = with_window(0, 0)
    assert rules.any_cancel_time
    assert rules.accepts_cancel_time(0, START_MS)
    assert rules.accepts_cancel_time(2**63 - 1, START_MS)
    assert rules.earliest_cancel_s(START_MS) == 0


@given(past_s=st.integers(0, 5), future_s=st.integers(0, 5), now_ms=st.integers(10_000, 12_000))
def test_what_may_be_forgotten_is_exactly_what_is_too_old(past_s: int, future_s: int, now_ms: int) -> None:
    rules = with_window(past_s, future_s)
    accepted = [second for second in range(30) if rules.accepts_cancel_time(second, now_ms)]
    if accepted:
        assert rules.earliest_cancel_s(now_ms) == accepted[0]
