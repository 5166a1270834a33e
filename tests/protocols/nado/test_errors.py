"""The code table and the failure envelope (`spec/nado.md` 13, 6)."""

from __future__ import annotations

import json

import pytest

from overround.protocols.nado.errors import ANSWERED_INSTEAD, Code, GatewayError, failure


def test_codes_are_numbers_with_a_sentence_each() -> None:
    assert {code.value: code for code in Code}[2020] is Code.ORDER_NOT_FOUND
    for code in Code:
        assert code.text.strip() == code.text != ""
        assert not code.text.endswith(".")
        assert code.text.isascii()


def test_the_marked_codes_are_those_of_the_specification() -> None:
    marked = {code.value for code in Code if code.marked}
    assert marked == {
        1000, 1004, 1005, *range(2000, 2010), *range(2011, 2017), 2020, 2022, 2024, *range(2026, 2032),
        *range(2033, 2036), *range(2038, 2041), 2050, 2055, 2056, 2061, 2062, 2064, *range(2066, 2070), 2072, 2073,
        2074, 2080, 2089, 2091, 2094, 2095, 2097, 2111, 2114, 2118, 4001, 5000,
    }  # fmt: skip


@pytest.mark.row("R-04")
def test_the_text_of_the_rate_limit_begins_as_clients_expect() -> None:
    assert Code.RATE_LIMIT.text.startswith("Too Many Requests")


def test_what_is_never_emitted_is_marked_and_its_substitute_is_emitted() -> None:
    for code, instead in ANSWERED_INSTEAD.items():
        assert code.marked
        assert instead not in ANSWERED_INSTEAD


@pytest.mark.row("C-15", "C-16")
def test_a_refused_execute_has_the_members_of_the_document_in_its_order() -> None:
    error = GatewayError(Code.ORDER_NOT_FOUND).about("execute_cancel_orders", signature="0x12")
    body = failure(error)
    assert list(json.loads(body)) == ["status", "signature", "error", "error_code", "request_type"]
    assert json.loads(body) == {
        "status": "failure",
        "signature": "0x12",
        "error": Code.ORDER_NOT_FOUND.text,
        "error_code": 2020,
        "request_type": "execute_cancel_orders",
    }


@pytest.mark.row("P-02")
def test_a_refused_execute_repeats_its_id_zero_included() -> None:
    error = GatewayError(Code.ORDER_EXPIRED, "too late").about("execute_place_order", signature="", id=0)
    assert json.loads(failure(error)) == {
        "status": "failure",
        "signature": "",
        "error": "too late",
        "error_code": 2004,
        "id": 0,
        "request_type": "execute_place_order",
    }


def test_a_refused_query_has_no_signature() -> None:
    error = GatewayError(Code.ORDER_NOT_FOUND).about("query_order")
    assert list(json.loads(failure(error))) == ["status", "error", "error_code", "request_type"]


def test_what_could_not_be_recognised_has_no_request_type() -> None:
    assert list(json.loads(failure(GatewayError(Code.BAD_REQUEST)))) == ["status", "error", "error_code"]


def test_an_error_says_its_code_when_it_is_printed() -> None:
    assert str(GatewayError(Code.ZERO_AMOUNT)) == "2002: the amount is zero"
