"""When a fixture is in play, and when one may bet on it (spec/sx.md 7.9)."""

from __future__ import annotations

import msgspec
import pytest
from tests.engine.desk import MATCH

from overround.engine.catalogue import Fixture
from overround.engine.types import OVER, PRE_MATCH, FixtureStatus

KICK_OFF_S = 1_790_003_600
KICK_OFF_MS = KICK_OFF_S * 1000

FIXTURE = Fixture(
    fixture_id=MATCH,
    sport_id=5,
    league_id=1,
    league_label="Premier",
    team_one_name="Home",
    team_two_name="Away",
    game_time_s=KICK_OFF_S,
    status=FixtureStatus.NOT_STARTED,
    live_enabled=False,
    status_feed=False,
)

BEFORE, AFTER = KICK_OFF_MS - 1, KICK_OFF_MS
IN_PLAY_ONLY_IF_LIVE = "live"


def fixture(**changes: object) -> Fixture:
    return msgspec.structs.replace(FIXTURE, **changes)


@pytest.mark.row("LIFE-02")
@pytest.mark.parametrize(
    ("status", "status_feed", "now_ms", "bettable"),
    [
        (FixtureStatus.NOT_STARTED, False, BEFORE, True),
        (FixtureStatus.NOT_STARTED, False, AFTER, IN_PLAY_ONLY_IF_LIVE),
        (FixtureStatus.NOT_STARTED, True, BEFORE, True),
        (FixtureStatus.NOT_STARTED, True, AFTER, True),
        (FixtureStatus.ABOUT_TO_START, False, BEFORE, True),
        (FixtureStatus.ABOUT_TO_START, False, AFTER, IN_PLAY_ONLY_IF_LIVE),
        (FixtureStatus.ABOUT_TO_START, True, AFTER, True),
        (FixtureStatus.IN_PROGRESS, False, BEFORE, IN_PLAY_ONLY_IF_LIVE),
        (FixtureStatus.IN_PROGRESS, True, AFTER, IN_PLAY_ONLY_IF_LIVE),
        *(
            (status, status_feed, now_ms, False)
            for status in FixtureStatus
            if status not in {FixtureStatus.NOT_STARTED, FixtureStatus.ABOUT_TO_START, FixtureStatus.IN_PROGRESS}
            for status_feed in (False, True)
            for now_ms in (BEFORE, AFTER)
        ),
    ],
)
def test_a_fixture_is_bettable_before_the_match_and_in_play_where_it_is_enabled(
    status: FixtureStatus, status_feed: bool, now_ms: int, bettable: bool | str
) -> None:
    one = fixture(status=status, status_feed=status_feed)
    assert one.is_bettable(now_ms) is (bettable is True)
    live = fixture(status=status, status_feed=status_feed, live_enabled=True)
    assert live.is_bettable(now_ms) is (bettable is not False)
    assert live.is_in_play(now_ms) is (bettable == IN_PLAY_ONLY_IF_LIVE)


@pytest.mark.parametrize("status", FixtureStatus)
def test_the_clock_starts_a_match_once_and_only_while_it_is_on_the_programme(status: FixtureStatus) -> None:
    assert fixture(status=status).starts_by_clock is (status in PRE_MATCH)
    assert not fixture(status=status, begun=True).starts_by_clock
    assert not fixture(status=status, status_feed=True).starts_by_clock


@pytest.mark.parametrize("status", FixtureStatus)
def test_finished_cancelled_and_abandoned_are_over(status: FixtureStatus) -> None:
    over = {FixtureStatus.FINISHED, FixtureStatus.CANCELLED, FixtureStatus.ABANDONED}
    assert fixture(status=status).is_over is (status in over)
    assert over == OVER
