"""Which payloads clients may hand to each other."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.protocols.centrifugo.codec import (
    JSON_CONTAINERS_MAX,
    JSON_DEPTH_MAX,
    clean_payload,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text('ab"\\[]{}\n é', max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=20,
)


@given(json_values, st.sampled_from([None, 1, "\t"]))
def test_valid_json_passes_on_one_line(value: object, indent: int | str | None) -> None:
    cleaned = clean_payload(json.dumps(value, indent=indent).encode())
    assert cleaned is not None
    assert b"\n" not in cleaned
    assert json.loads(cleaned) == value


@given(st.binary(max_size=40))
def test_anything_else_does_not(data: bytes) -> None:
    cleaned = clean_payload(data)
    if cleaned is not None:
        json.loads(cleaned)


@pytest.mark.parametrize(
    "data", [b"", b" ", b"{", b"nul", b"NaN", b'"\xff"', b'"\\ud800"', b"[1,]", b"01", b'"\t"', b"{}[]"]
)
def test_what_strict_readers_refuse_is_refused(data: bytes) -> None:
    assert clean_payload(data) is None


@pytest.mark.parametrize("depth", [1, JSON_DEPTH_MAX - 1, JSON_DEPTH_MAX, JSON_DEPTH_MAX + 1, 500, 100_000])
@pytest.mark.parametrize(
    ("opening", "closing", "deeper"),
    [
        (b"[", b"]", 0),
        (b'{"a":', b"}", 0),
        (b'["]]]]",', b"]", 0),
        (b'[{},[],"\\"[",', b"]", 1),  # the innermost holds containers as well
    ],
)
def test_depth_is_bounded(depth: int, opening: bytes, closing: bytes, deeper: int) -> None:
    nested = opening * depth + b"0" + closing * depth
    assert (clean_payload(nested) is not None) == (depth + deeper <= JSON_DEPTH_MAX)


def test_many_shallow_containers_are_fine_up_to_a_bound() -> None:
    many = b"[" + b"[]," * (JSON_CONTAINERS_MAX - 2) + b"[]]"
    assert clean_payload(many) == many
    assert clean_payload(b"[" + b"[]," * JSON_CONTAINERS_MAX + b"[]]") is None
    brackets_in_text = b'["' + b"[" * 100_000 + b'"]'
    assert clean_payload(brackets_in_text) == brackets_in_text
