"""The one decoder of bodies: what is verified is what is executed, and nothing else comes out than a clear refusal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.protocols.strict_json import MalformedBody, decode_body, encode


class Body(msgspec.Struct):
    name: str
    number: int = 0


class Anything(msgspec.Struct):
    value: Any = None


@pytest.mark.parametrize(
    "body",
    [
        b"", b" ", b"null", b"[]", b"1", b'"x"', b"{", b"}", b"{}}", b'{"name":"x"', b'{"name":"x",}', b"{'name':'x'}",
        b'{"name":"x"} {"name":"y"}', b'{"name":"x"}\x00', b"\x00", b"\xef\xbb\xbf" + b'{"name":"x"}',
        '{"name":"x"}'.encode("utf-16"), '{"name":"x"}'.encode("utf-32"), b"//\n{}", b'{"name":"x" /* */}',
        b'{"name":"a\nb"}', b'{"name":"a\x00b"}', b'{"name":"\\x41"}', b'{"name":"\\ud800"}',
        b'{"name":"\\udc00\\ud800"}', b'{"other":"\\ud800","name":"x"}', b'{"name":"x","number":NaN}',
        b'{"name":"x","other":NaN}', b'{"name":"x","other":Infinity}', b'{"name":"x","other":-Infinity}',
        b'{"name":"x","number":1.0}', b'{"name":"x","number":1e2}', b'{"name":"x","number":01}',
        b'{"name":"x","number":+1}', b'{"name":"x","number":"1"}', b'{"name":"x","number":true}', b'{"name":1}',
        b'{"name":null}', b'{"number":1}', b'{"name":"\xff"}', b'{"name":"x","other":"\xff"}',
        b'{"name":"x","\xff":1}', b'{"name":"\xed\xa0\x80"}', b'{"name":"x","other":"\xc0\xaf"}',
    ],
)  # fmt: skip
def test_what_is_no_json_object_of_the_wanted_shape_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        decode_body(body, Body)
    assert str(caught.value)


@pytest.fixture
def server_recursion_limit() -> Iterator[None]:
    """What the server asserts at its start. Libraries of other tests raise the limit when they are imported."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("server_recursion_limit")
@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"value":[', b"[[{"])
@pytest.mark.parametrize("wanted", [Body, Anything])
@pytest.mark.parametrize("place", [b'{"name":"x","other":%s', b'{"name":"x","value":%s', b"%s"])
def test_any_depth_is_refused_and_never_crashes_the_interpreter(
    opening: bytes, wanted: type[Any], place: bytes
) -> None:
    with pytest.raises(MalformedBody):
        decode_body(place % (opening * 100_000), wanted)


def test_the_reason_names_the_member() -> None:
    with pytest.raises(MalformedBody, match=r"^number: expected `int`, got `str`$"):
        decode_body(b'{"name":"x","number":"1"}', Body)


def test_of_duplicate_keys_the_last_one_wins_in_structs_and_in_free_values_alike() -> None:
    assert decode_body(b'{"name":"x","name":"y"}', Body).name == "y"
    assert decode_body(b'{"value":1,"value":{"a":1,"a":2}}', Anything).value == {"a": 2}


def test_unknown_members_are_ignored() -> None:
    assert decode_body(b'{"name":"x","other":[{}],"more":1e300}', Body) == Body("x")


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**64, 2**256 - 1, 10**30, 10**4000])
def test_integers_are_read_exactly(number: int) -> None:
    assert decode_body(b'{"name":"x","number":%d}' % number, Body).number == number


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**63 - 1])
def test_integers_are_written_exactly(number: int) -> None:
    assert encode({"number": number}) == b'{"number":%d}' % number


@pytest.mark.parametrize("digits", [4_301, 1_000_000])
def test_a_run_of_digits_is_bounded(digits: int) -> None:
    with pytest.raises(MalformedBody):
        decode_body(b'{"name":"x","number":%s}' % (b"9" * digits), Body)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    for wanted in (Body, Anything):
        with suppress(MalformedBody):
            decode_body(body, wanted)
