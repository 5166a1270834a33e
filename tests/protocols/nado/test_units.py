"""Numbers, bytes and subaccounts on the wire (`spec/nado.md` 2)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import FILE, Vector, raw

from overround.protocols.nado.units import (
    DIGITS_MAX,
    NotANumber,
    OutOfRange,
    hex_text,
    human,
    is_isolated,
    name_of,
    parse_bytes,
    parse_int,
    shown,
    subaccount,
    wallet_of,
)


@pytest.mark.parametrize(
    ("value", "number"),
    [("0", 0), ("-1", -1), ("007", 7), ("-0", 0), (5, 5), (-5, -5), (str(2**127 - 1), 2**127 - 1), (-1, -1)],
)  # fmt: skip
def test_integers_are_text_or_json_integers(value: Any, number: int) -> None:
    assert parse_int(value, 128, signed=True) == number


@pytest.mark.parametrize(
    "value",
    ["", "-", "+1", " 1", "1 ", "1e3", "1.0", "0x1", "1_000", "١", "²", "--1", "1\n", None, True, False, 1.0, [], {}],
)  # fmt: skip
def test_nothing_else_is_an_integer(value: Any) -> None:
    with pytest.raises(NotANumber):
        parse_int(value, 128, signed=True)


@pytest.mark.parametrize(
    ("value", "bits", "signed"),
    [("-1", 64, False), (2**64, 64, False), ("-1", 128, False), (2**127, 128, True), (-(2**127) - 1, 128, True)],
)
def test_an_integer_of_another_type_is_out_of_range_and_not_cut_off(value: Any, bits: int, signed: bool) -> None:
    with pytest.raises(OutOfRange) as caught:
        parse_int(value, bits, signed=signed)
    assert caught.value.value == int(value)


def test_an_integer_that_is_too_long_is_not_even_converted() -> None:
    with pytest.raises(OutOfRange) as caught:
        parse_int("9" * (DIGITS_MAX + 1), 64)
    assert caught.value.value is None


@settings(deadline=None)
@given(st.integers(-(2**127), 2**127 - 1))
def test_every_number_survives_the_journey(number: int) -> None:
    assert parse_int(str(number), 128, signed=True) == number == parse_int(number, 128, signed=True)


@pytest.mark.parametrize("text", ["0x" + "aB" * 20, "0X" + "Ab" * 20])
def test_hex_is_read_in_any_letter_case_and_written_in_lower_case(text: str) -> None:
    assert hex_text(parse_bytes(text, 20)) == "0x" + "ab" * 20


@pytest.mark.parametrize(
    "value", ["", "0x", "ab" * 20, "0x" + "ab" * 19, "0x" + "ab" * 21, "0x" + "zz" * 20, 1, None, []]
)
def test_what_is_no_hex_of_the_wanted_length_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="40 hex digits"):
        parse_bytes(value, 20)


@pytest.mark.row("C-04")
@pytest.mark.parametrize("example", FILE["subaccount_examples"], ids=lambda one: one["name"] or "empty")
def test_a_subaccount_is_a_wallet_and_a_name(example: Vector) -> None:
    wallet = raw(example["address"])
    account = subaccount(wallet, example["name"])
    assert hex_text(account) == example["bytes32"]
    assert (wallet_of(account), name_of(account)) == (wallet, example["name"])


@pytest.mark.row("C-04")
def test_default_is_the_name_of_whoever_gives_none() -> None:
    assert subaccount(bytes(20)) == subaccount(bytes(20), "default")


@pytest.mark.parametrize(("wallet", "name"), [(bytes(19), ""), (bytes(20), "abcdefghijklm"), (bytes(20), "é")])
def test_a_name_is_at_most_twelve_bytes_of_ascii(wallet: bytes, name: str) -> None:
    with pytest.raises(ValueError):
        subaccount(wallet, name)


def test_a_name_that_is_no_text_can_still_be_shown() -> None:
    assert name_of(bytes(20) + b"a\xff" + bytes(10)) == "a\\xff"


def test_an_isolated_account_is_known_by_its_last_bytes() -> None:
    assert is_isolated(bytes(26) + b"\x00\x02\x01" + b"iso")
    assert not is_isolated(subaccount(bytes(20), "iso"))


@settings(deadline=None)
@given(st.integers(-(2**127), 2**127 - 1))
def test_a_human_number_is_the_nearest_float(number: int) -> None:
    assert human(number) == float(f"{number}e-18")


def test_a_clients_text_is_repeated_short_and_in_ascii() -> None:
    assert shown("é") == "'\\xe9'"
    assert len(shown("x" * 10_000)) < 50
