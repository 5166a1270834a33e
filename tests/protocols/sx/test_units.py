"""Numbers on the wire, and the arithmetic of odds (`spec/sx.md` 2.1, 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocols.envelope import assert_failure, data_of

from overround.engine.order import is_exhausted, maker_amount, remaining_taker_space
from overround.engine.types import ODDS_ONE, WORD_MAX
from overround.protocols.sx.units import hash_text, iso_ms, pack_salt, parse_hash, parse_word, unpack_salt
from overround.testing.accounts import ALICE
from overround.testing.sx import hash_of, signed_order

ARITHMETIC: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())[
    "arithmetic"
]


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [vector for vector in ARITHMETIC if vector["kind"] == kind]


@pytest.mark.row("HTTP-06", "UNIT-05")
@given(st.integers(0, WORD_MAX))
def test_a_number_is_the_same_as_decimal_text_hex_text_and_json_integer(number: int) -> None:
    assert parse_word(str(number)) == parse_word(hex(number)) == parse_word(number) == number
    assert parse_word(f"0X{number:064X}") == number


@pytest.mark.row("HTTP-06")
@pytest.mark.parametrize(
    "value",
    [
        "", " 12 ", "12 ", "1_000", "+1", "-1", "1.0", "1e3", "0x", "0x_1", "0xg", "x12", "١٢", "１２", "12\n", "0b1",
        "0" * 79, "9" * 78, "0x" + "0" * 65, -1, 2**256, 1.0, True, None, [], {}, "0x 1", "\x00", "NaN", "Infinity",
    ],
)  # fmt: skip
def test_what_python_would_read_as_a_number_is_none_unless_it_is_spelt_plainly(value: object) -> None:
    assert parse_word(value) is None


@pytest.mark.row("ORD-11")
@given(
    st.one_of(
        st.integers(0, WORD_MAX).map(str),
        st.integers(0, WORD_MAX).map(hex),
        st.integers(0, WORD_MAX).map(lambda number: f"0x{number:064x}"),
        st.integers(0, WORD_MAX).map(lambda number: f"0X{number:X}"),
        st.from_regex(r"\A0{1,5}[0-9]{1,20}\Z"),
        st.from_regex(r"\A0[xX][0-9a-fA-F]{1,64}\Z"),
        st.integers(0, WORD_MAX),
    )
)
def test_a_salt_comes_back_as_it_was_spelt(salt: str | int) -> None:
    assert parse_word(salt) is not None
    assert unpack_salt(pack_salt(salt)) == str(salt)


@pytest.mark.parametrize(
    "text", ["", "0x", "0xabc", "ab" * 32, "0x" + "g" * 64, "0x" + "a" * 63, "0x" + "a" * 65, "0x" + "a" * 62 + "  "]
)
def test_a_hash_is_0x_and_64_hex_digits(text: str) -> None:
    assert parse_hash(text) is None
    assert parse_hash(None) is None


def test_hashes_compare_in_any_letter_case_and_leave_in_lower_case() -> None:
    assert parse_hash("0X" + "AB" * 32) == parse_hash("0x" + "ab" * 32) == bytes([0xAB] * 32)
    assert hash_text(bytes([0xAB] * 32)) == "0x" + "ab" * 32


def test_times_are_iso_text_with_milliseconds_in_utc() -> None:
    assert iso_ms(1_773_326_106_614) == "2026-03-12T14:35:06.614Z"
    assert iso_ms(0) == "1970-01-01T00:00:00.000Z"


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", of_kind("capacity"), ids=lambda vector: vector["percentageOdds"])
def test_takers_space_and_the_makers_part_equal_the_vectors(vector: dict[str, Any]) -> None:
    odds, left = int(vector["percentageOdds"]), int(vector["remainingMaker"])
    space = remaining_taker_space(left, odds)
    taken = maker_amount(space, odds)
    assert (str(space), str(taken), str(left - taken)) == (
        vector["remainingTakerSpace"],
        vector["makerAmountWhenTakingAll"],
        vector["dustLeft"],
    )
    tolerated = (left - taken) * 100_000 <= left
    assert tolerated is vector["filledByTolerance"]
    assert is_exhausted(left - taken, left, odds)  # by tolerance or because no taker fits any more


@pytest.mark.row("UNIT-04", "UNIT-05")
@pytest.mark.parametrize("vector", of_kind("leg"), ids=lambda vector: vector["takerStake"])
def test_the_makers_part_of_a_stake_equals_production_trades(vector: dict[str, Any]) -> None:
    odds, stake = int(vector["percentageOdds"]), int(vector["takerStake"])
    assert maker_amount(stake, odds) == int(vector["makerAmount"])
    assert stake + maker_amount(stake, odds) == int(vector["pot"])
    assert ODDS_ONE - odds == int(vector["takerOdds"])


@pytest.mark.row("UNIT-04", "UNIT-05")
@given(st.integers(0, 2**128), st.integers(1, ODDS_ONE - 1))
def test_rounding_never_costs_the_maker_more_than_is_left(left: int, odds: int) -> None:
    space = remaining_taker_space(left, odds)
    assert space >= 0
    assert maker_amount(space, odds) <= left


@pytest.mark.row("UNIT-03", "UNIT-05")
@pytest.mark.parametrize(
    "vector",
    [vector for vector in of_kind("ladder") if vector["oddsLadderStepSize"] == 125],
    ids=lambda vector: vector["percentageOdds"],
)
def test_the_ladder_accepts_and_refuses_what_the_vectors_say(
    http: httpx.Client, world: dict[str, Any], vector: dict[str, Any]
) -> None:
    entry = signed_order(ALICE, world["markets"][0]["marketHash"], percentage_odds=int(vector["percentageOdds"]))
    answer = http.post("/orders/new", json={"orders": [entry]})
    if not vector["inRange"]:
        assert_failure(answer, 400, "PERCENTAGEODDS_UNDEFINED_OR_MALFORMED")
    elif vector["onLadder"]:
        assert data_of(answer)["statuses"] == {hash_of(entry): "OK"}
    else:
        assert_failure(answer, 400, "INVALID_ODDS")


@pytest.mark.row("UNIT-01")
def test_amounts_are_base_units_of_a_token_with_six_decimals_as_text(http: httpx.Client, world: dict[str, Any]) -> None:
    ten_usdc = 10 * 10**6
    assert data_of(http.get("/metadata"))["makerOrderMinimums"] == {world["tokens"]["USDC"]: str(ten_usdc)}
    entry = signed_order(ALICE, world["markets"][1]["marketHash"], total_bet_size=ten_usdc)
    assert data_of(http.post("/orders/new", json={"orders": [entry]}))["inserted"] == 1
    (row,) = data_of(http.get("/orders", params={"orderHashes": hash_of(entry)}))
    assert (row["totalBetSize"], row["fillAmount"], row["pendingFillAmount"]) == ("10000000", "0", "0")


@pytest.mark.row("UNIT-02")
def test_odds_are_the_makers_and_the_best_is_the_one_that_leaves_takers_most(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    """A maker at 70.375 % on outcome one leaves takers of outcome two 29.625 %: better than one at 60 %."""
    market, usdc = world["markets"][2]["marketHash"], world["tokens"]["USDC"]
    entries = [
        signed_order(ALICE, market, percentage_odds=odds, outcome_one=True) for odds in (60 * 10**18, 70_375 * 10**15)
    ]
    assert data_of(http.post("/orders/new", json={"orders": entries}))["inserted"] == 2
    (best,) = data_of(http.get("/orders/odds/best", params={"marketHashes": market, "baseToken": usdc}))["bestOdds"]
    assert best["outcomeOne"]["percentageOdds"] == "70375000000000000000"
    assert best["outcomeTwo"] == {"percentageOdds": None, "updatedAt": None}
