"""Operator requests, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.protocols.operator import decode
from overround.protocols.sx.errors import WireError

MARKET: dict[str, Any] = {"sportXeventId": "L1", "type": 3, "outcomeOneName": "a", "outcomeTwoName": "b"}


def market_with_line(raw: str) -> Any:
    body = json.dumps(MARKET)[:-1] + f',"line":{raw}}}'
    return decode.create_market(body.encode())


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("2.5", "2.5"), ('"2.5"', "2.5"), ("2.50", "2.5"), ("-2.25", "-2.25"), ("3", "3"), ("3.000", "3"), ("-0", "0"),
        ("-0.0", "0"), ("0.125", "0.125"), ('"-1000000"', "-1000000"), ("1000000.000", "1000000"),
        ("2.50000000000000000000", "2.5"),
    ],
)  # fmt: skip
def test_a_line_is_read_exactly_and_kept_in_one_spelling(raw: str, line: str) -> None:
    assert market_with_line(raw).line == line
    assert market_with_line(raw).market_hash == market_with_line(f'"{line}"').market_hash


@pytest.mark.parametrize(
    "raw",
    [
        # What a library's decimals would read as numbers:
        '" 2.5 "', '"2.5 "', '"2.5\\n"', '"1_0.5"', '"١.٥"', '"１"', '"+2.5"', '"2.5e1"', "1e1", "1E400", "1e-400",
        '"NaN"', '"sNaN"', '"Infinity"', '"-Infinity"', '".5"', '"5."', '"0x10"', '"--1"', '"\\u0032"', '""',
        # and what is none:
        '"two"', "true", "[2.5]", "{}", "null", "1000001", "-1000000.5", "0.1234", "1000000.0000000000000000000001",
        "1" * 100, "1" * 100_000, '"' + "1" * 100_000 + '"', "2." + "0" * 100_000 + "1",
    ],
    ids=lambda raw: raw[:30],
)  # fmt: skip
def test_what_is_no_plain_decimal_number_within_bounds_is_refused(raw: str) -> None:
    with pytest.raises(WireError) as caught:
        market_with_line(raw)
    assert caught.value.code == "BAD_REQUEST"


@given(st.decimals(-1_000_000, 1_000_000, places=3, allow_nan=False))
def test_any_line_of_three_decimals_keeps_its_value(value: Any) -> None:
    text = f"{value:.3f}"
    line = market_with_line(text).line
    assert type(value)(line) == value
    assert "e" not in line.lower()
    assert line == "0" or not line.endswith((".", "-0"))


def test_markets_with_lines_need_one_and_markets_without_take_none() -> None:
    for body in (MARKET, {**MARKET, "line": None}, {**MARKET, "type": 52, "line": 2.5}):
        with pytest.raises(WireError) as caught:
            decode.create_market(json.dumps(body).encode())
        assert caught.value.code == "BAD_REQUEST"
    for body in ({**MARKET, "type": 52}, {**MARKET, "type": 52, "line": None}):
        assert decode.create_market(json.dumps(body).encode()).line is None


def test_a_market_hash_depends_on_every_part_of_what_names_the_market() -> None:
    parts: tuple[Any, ...] = ("L1", 3, "2.5", "a", "b")
    other: tuple[Any, ...] = ("L2", 2, "3.5", "c", "d")
    hashes = {decode.market_hash(*parts)}
    for place in range(len(parts)):
        hashes.add(decode.market_hash(*(other[n] if n == place else part for n, part in enumerate(parts))))
    hashes.add(decode.market_hash("L1", 3, None, "a", "b"))
    hashes.add(decode.market_hash("L1", 3, "2.5", "b", "a"))
    hashes.add(decode.market_hash("L1", 3, "2.5", 'a","b', ""))
    assert len(hashes) == 9
    assert decode.market_hash(*parts) in hashes


def test_an_unknown_market_in_the_path_is_refused_with_an_exception_of_its_own() -> None:
    """One shared instance would keep the frames of every request that ever raised it, bodies included."""
    caught = []
    for _ in range(2):
        with pytest.raises(WireError) as info:
            decode.set_market_status("0xabc", b'{"status":"ACTIVE"}')
        caught.append(info.value)
    assert caught[0] is not caught[1]
    assert (caught[0].code, caught[0].status) == ("NOT_FOUND", 404)


def test_the_clock_goes_on_from_where_it_stood() -> None:
    def adjusted(*, now_ms: int, frozen: bool, **step: Any) -> tuple[int, int | None]:
        command = decode.adjust_clock(json.dumps(step).encode(), now_ms=now_ms, real_ms=1_000, frozen=frozen)
        return command.offset_ms, command.frozen_at_ms

    assert adjusted(now_ms=1_000, frozen=False, freeze=True) == (0, 1_000)
    assert adjusted(now_ms=500, frozen=True, freeze=True) == (-500, 500)
    assert adjusted(now_ms=500, frozen=True, resume=True) == (-500, None)
    assert adjusted(now_ms=500, frozen=True, advanceMs=250) == (-250, 750)
    assert adjusted(now_ms=1_500, frozen=False, advanceMs=0) == (500, None)
    assert adjusted(now_ms=1_500, frozen=False, setMs=2_000) == (1_000, None)
    assert adjusted(now_ms=500, frozen=True, setMs=900) == (-100, 900)
