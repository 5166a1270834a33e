"""The house's words for what the specification numbers."""

from __future__ import annotations

from overround.engine.types import ODDS_ONE, OVER, PRE_MATCH, WORD_MAX, FixtureStatus, Side


def test_the_statuses_are_numbered_as_in_the_specification() -> None:
    names = ["NOT_STARTED", "IN_PROGRESS", "FINISHED", "CANCELLED", "POSTPONED", "INTERRUPTED", "ABANDONED"]
    assert [one.name for one in FixtureStatus] == [*names, "COVERAGE_LOST", "ABOUT_TO_START"]
    assert [one.value for one in FixtureStatus] == list(range(1, 10))


def test_no_fixture_is_over_before_it_begins() -> None:
    assert not PRE_MATCH & OVER


def test_the_scales_are_those_of_the_signed_messages() -> None:
    assert ODDS_ONE == 100_000_000_000_000_000_000
    assert WORD_MAX.bit_length() == 256
    assert len(Side) == 2
