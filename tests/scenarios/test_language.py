"""The language of the market days: what it understands, what it refuses, and that it notices a wrong answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from overround.testing import scenario
from overround.testing.floors import EngineFloor
from overround.testing.scenario import Day, Mismatch, ScenarioError, parse, play

MORNING = """
fixture cup starts +1h  -> ok
market A cup            -> ok
balance alice 100       -> ok
"""


def played(text: str) -> EngineFloor:
    floor = EngineFloor()
    play(parse(MORNING + text, "day"), floor)
    return floor


def test_a_day_has_rows_commands_and_expected_answers() -> None:
    day = parse("rows EXP-01 EXP-02\n# a remark\n\nopen alice -> nothing  # another\nwait 10s\n", "day")
    assert day.rows == ("EXP-01", "EXP-02")
    assert [(line.verb, line.words, line.expected) for line in day.lines] == [
        ("open", "alice", "nothing"),
        ("wait", "10s", None),
    ]
    assert [line.place for line in day.lines] == ["day:4", "day:5"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("jump alice -> ok", "no verb 'jump'"),
        ("open alice", "open has an answer"),
        ("wait 10s -> ok", "wait has no answer"),
    ],
)
def test_what_is_no_market_day_is_refused_with_its_line(text: str, complaint: str) -> None:
    with pytest.raises(ScenarioError, match=f"^day:2: .*{complaint}"):
        parse("\n" + text, "day")


@pytest.mark.parametrize(
    "text",
    [
        "place alice a1 A one 0.0000001 -> ok",
        "place alice a1 A both 10 -> ok",
        "place alice a1 NOWHERE one 10 -> ok",
        "place nobody a1 A one 10 -> ok",
        "place alice a1 A one 10 until soon -> ok",
        "place alice a1 A one 10, a1 A one 20 -> ok, ok",
        "place alice a1 -> ok",
        "wait an hour",
        "wait",
        "again c1 -> already_processed",
        "status cup dancing -> ok",
    ],
)
def test_a_line_that_makes_no_sense_is_named(text: str) -> None:
    with pytest.raises(ScenarioError, match=r"^day:5: "):
        played(text)


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("open alice -> a1", "nothing"),
        ("place alice a1 A one 101 -> ok", "insufficient_balance"),
        ("place alice a1 A one 10, a2 A one 10 -> ok", "ok, ok"),
        ("cancel alice 0xabc... -> nothing", "0xabc... not_found_or_inactive"),
        ("fixture cup starts +1h -> ok", "fixture_exists"),
        ("wallet alice -> 99", "100"),
    ],
)
def test_a_wrong_answer_is_noticed(text: str, answered: str) -> None:
    with pytest.raises(Mismatch, match=f"^day:5: [^\n]*\n  expected [^\n]*\n  answered {answered}$"):
        played(text)


def test_spaces_do_not_matter_to_an_answer() -> None:
    played("place alice a1 A one 10, a2 A one 1000 ->   ok ,insufficient_balance")


@pytest.mark.parametrize(
    ("text", "span_ms"),
    [("90s", 90_000), ("10m", 600_000), ("1h30m", 5_400_000), ("1ms", 1), ("-1m1s", -61_000), ("+2h", 7_200_000)],
)
def test_spans_are_exact(text: str, span_ms: int) -> None:
    assert scenario._span_ms(text) == span_ms


def test_amounts_and_odds_are_exact() -> None:
    played(
        "place alice a1 A one 0.000001 @ 0.125 -> ok\n"
        "exposure alice A -> 0.000001\n"
        "best A one -> 0.125\n"
        "balance alice 123456789012345678901234567890.123456 -> ok\n"
        "wallet alice -> 123456789012345678901234567890.123456\n"
    )


def test_every_verb_is_described() -> None:
    assert scenario.__doc__ is not None
    undescribed = [verb for verb in scenario._VERBS if f" {verb} " not in f"{scenario.__doc__} ".replace("`", " ")]
    assert undescribed == []


def test_every_day_has_rows_and_every_verb_has_its_day() -> None:
    days: list[Day] = [parse(path.read_text(), path.stem) for path in (Path(__file__).parent / "days").glob("*.day")]
    assert all(day.rows for day in days)
    assert {line.verb for day in days for line in day.lines} == set(scenario._VERBS)
