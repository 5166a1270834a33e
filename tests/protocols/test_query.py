"""Query strings as real clients write them (`spec/sx.md` 2.1)."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.protocols.query import FIELDS_MAX, MalformedQuery, Query


@pytest.mark.row("HTTP-05")
@pytest.mark.parametrize(
    "text", ["a=1,2,3", "a=1&a=2&a=3", "a[]=1&a[]=2&a[]=3", "a%5B%5D=1&a%5B%5D=2,3", "a=1%2C2&a=3", "a=1,,2&a=,3,"]
)
def test_a_list_is_the_same_with_commas_repeated_keys_and_brackets(text: str) -> None:
    query = Query(text.encode())
    assert query.texts("a") == ["1", "2", "3"]
    assert query.integers("a") == [1, 2, 3]


def test_an_absent_list_differs_from_an_empty_one() -> None:
    assert Query(b"b=1").texts("a") is None
    assert Query(b"a=").texts("a") == []
    assert Query(b"").integers("a") is None


def test_the_last_value_wins_and_an_empty_one_counts_as_absent() -> None:
    assert Query(b"a=1&a=2").text("a") == "2"
    assert Query(b"a=").text("a") is None
    assert Query(b"a").integer("a") is None


def test_other_spellings_are_looked_at_in_their_order() -> None:
    assert Query(b"y=2&x=1").text("x", "y") == "1"
    assert Query(b"y=2").text("x", "y") == "2"
    assert Query(b"y=2,3").integers("x", "y") == [2, 3]


@pytest.mark.parametrize("text", ["true", "TRUE", "True", "1"])
def test_true_is_read_in_any_letter_case(text: str) -> None:
    assert Query(f"a={text}".encode()).boolean("a") is True


@pytest.mark.parametrize("text", ["false", "FALSE", "False", "0"])
def test_false_is_read_in_any_letter_case(text: str) -> None:
    assert Query(f"a={text}".encode()).boolean("a") is False


@pytest.mark.parametrize("text", ["yes", "2", "t", "truee", "-1", "+true"])
def test_other_words_are_no_booleans(text: str) -> None:
    with pytest.raises(MalformedQuery, match="a must be true or false"):
        Query(f"a={text}".encode()).boolean("a")


@pytest.mark.parametrize(
    "text", ["1_000", "%2012%20", "+1", "1.0", "1e3", "0x10", "%D9%A1%D9%A2", "9" * 19, "--1", "%0012", "12%0A", "NaN"]
)
def test_what_python_would_read_as_an_integer_is_refused_unless_it_is_plain_digits(text: str) -> None:
    with pytest.raises(MalformedQuery, match="a must be an integer"):
        Query(f"a={text}".encode()).integer("a")
    with pytest.raises(MalformedQuery, match="a must be an integer"):
        Query(f"a=1,{text}".encode()).integers("a")


@pytest.mark.parametrize("raw", [b"a=%FF", b"a=%ED%A0%80", b"%C3=1", b"a=\xff"])
def test_what_is_no_utf8_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedQuery, match="malformed"):
        Query(raw)


def test_the_number_of_parameters_is_bounded() -> None:
    assert len(Query(b"&".join([b"a=1"] * FIELDS_MAX)).texts("a") or ()) == FIELDS_MAX
    with pytest.raises(MalformedQuery):
        Query(b"&".join([b"a=1"] * (FIELDS_MAX + 1)))


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(MalformedQuery):
        query = Query(raw)
        query.text("a")
        query.texts("a")
        query.integers("a")
        query.boolean("a")
