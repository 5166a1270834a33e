"""What a log says about commits that SQLite would drop."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from tests.journal.history import records

from overround.journal.sqlite import LOG_NAME, SqliteJournal
from overround.journal.wal import commits_behind_damage

FRAME = 24 + 4096
COMMITS = 20


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A log of that many commits, a record each, on top of those that made the file."""
    folder = tmp_path_factory.mktemp("data")
    with closing(SqliteJournal(folder)) as journal:
        for record in records(COMMITS):
            journal.append([record])
        return (folder / LOG_NAME).read_bytes()


def _frames(log: bytes) -> int:
    return (len(log) - 32) // FRAME


def _flipped(log: bytes, place: int) -> bytes:
    return log[:place] + bytes([log[place] ^ 1]) + log[place + 1 :]


def test_a_whole_log_has_lost_nothing(log: bytes) -> None:
    assert commits_behind_damage(log) == 0
    assert commits_behind_damage(b"") == 0


def test_a_log_cut_anywhere_is_a_torn_one(log: bytes) -> None:
    for cut in range(0, len(log), 997):
        assert commits_behind_damage(log[:cut]) == 0
        assert commits_behind_damage(log[:cut].ljust(len(log), b"\0")) == 0


def test_damage_is_told_by_the_commits_behind_it(log: bytes) -> None:
    """All but the last: that one may be torn, whatever is wrong with it."""
    behind = [commits_behind_damage(_flipped(log, 32 + number * FRAME + 500)) for number in range(_frames(log))]
    assert behind == sorted(behind, reverse=True)
    assert behind[0] >= COMMITS - 1
    assert behind[-1] == 0


@pytest.mark.parametrize("place", [0, 3, 8, 10, 16, 23, 24, 31])
def test_a_damaged_header_is_noticed(log: bytes, place: int) -> None:
    assert commits_behind_damage(_flipped(log, place)) >= COMMITS - 1


@pytest.mark.parametrize("place", [0, 3, 4, 7, 8, 15, 16, 23])
def test_a_damaged_frame_header_is_noticed(log: bytes, place: int) -> None:
    assert commits_behind_damage(_flipped(log, 32 + place)) >= COMMITS - 2


def test_frames_of_an_earlier_generation_are_no_loss(tmp_path: Path) -> None:
    """After a checkpoint SQLite writes over its log from the start; what it has not reached yet is old."""
    history = records(200)
    with closing(SqliteJournal(tmp_path)) as journal:
        for record in history[:190]:
            journal.append([record])
        journal._writer.execute("PRAGMA wal_checkpoint(RESTART)")
        for record in history[190:]:
            journal.append([record])
        shutil.copytree(tmp_path, tmp_path / "crashed")
        log = (tmp_path / LOG_NAME).read_bytes()
        assert _frames(log) > 190
    assert commits_behind_damage(log) == 0
    with closing(SqliteJournal(tmp_path / "crashed")) as journal:
        assert list(journal.read(0)) == history
