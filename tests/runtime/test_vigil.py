"""Which time counts as lost."""

from __future__ import annotations

from overround.runtime.vigil import HICCUP_MS, Vigil

START_MS = 1_790_000_000_000
STALL_MS = 1_000


def vigil() -> Vigil:
    return Vigil(START_MS, STALL_MS)


def test_nothing_is_lost_while_the_loop_turns() -> None:
    watched, now_ms = vigil(), START_MS
    for _ in range(100):
        now_ms += 100
        assert watched.beat(now_ms, committing=False)
    assert not watched.is_interrupted(now_ms + 100)
    assert watched.lost_ms(now_ms + 100, 0, is_due=True) == 0


def test_a_stall_is_lost_from_the_last_sign_of_life() -> None:
    watched = vigil()
    assert watched.beat(START_MS + 100, committing=False)
    now_ms = START_MS + 100 + STALL_MS
    assert not watched.beat(now_ms, committing=False)
    assert watched.is_interrupted(now_ms)
    assert watched.lost_ms(now_ms + 7, 0, is_due=False) == STALL_MS + 7
    assert not watched.is_interrupted(now_ms + 7)
    assert watched.lost_ms(now_ms + 7, 0, is_due=True) == 0


def test_a_commit_that_takes_long_is_a_stall_though_the_loop_turns() -> None:
    watched, now_ms = vigil(), START_MS
    while now_ms < START_MS + STALL_MS - 100:
        now_ms += 100
        assert watched.beat(now_ms, committing=True)
    assert watched.lost_ms(now_ms, 0, is_due=True) == 0  # a commit shorter than a stall costs its own time
    watched, now_ms = vigil(), START_MS
    while now_ms < START_MS + STALL_MS:
        now_ms += 100
        watched.beat(now_ms, committing=True)
    assert watched.lost_ms(now_ms, 0, is_due=False) == STALL_MS


def test_a_hiccup_matters_only_where_a_heartbeat_would_fire() -> None:
    for is_due, lost_ms in ((False, 0), (True, HICCUP_MS)):
        watched = vigil()
        assert watched.is_interrupted(START_MS + HICCUP_MS)
        assert watched.lost_ms(START_MS + HICCUP_MS, 0, is_due=is_due) == lost_ms


def test_a_jump_of_the_clock_is_lost_but_no_stall() -> None:
    watched = vigil()
    assert watched.lost_ms(START_MS + 3_600_050, 3_600_000, is_due=False) == 3_600_000


def test_a_jump_and_a_stall_add_up() -> None:
    watched = vigil()
    assert watched.lost_ms(START_MS + 3_605_000, 3_600_000, is_due=False) == 3_605_000


def test_all_time_is_lost_while_nobody_is_heard() -> None:
    watched = vigil()
    watched.deafen()
    assert not watched.is_interrupted(START_MS + 5_000)
    assert watched.lost_ms(START_MS + 3, 0, is_due=False) == 3
    watched.listen()
    assert watched.is_interrupted(START_MS + 4)  # what waits is read first
    assert watched.lost_ms(START_MS + 10, 0, is_due=True) == 7
    assert watched.lost_ms(START_MS + 20, 0, is_due=True) == 0
