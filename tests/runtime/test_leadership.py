"""The contract of leadership: one writer at a time, however the one before ended."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from overround.runtime.leadership import DataFolderInUse, DataFolderUnusable, FolderLock, Leadership

Make = Callable[[], Leadership]


@pytest.fixture(params=["folder lock"])
def make(tmp_path: Path) -> Make:
    """Makes candidates for the same leadership; further implementations join here."""
    return lambda: FolderLock(tmp_path / "data")


def test_it_is_given_with_an_epoch(make: Make) -> None:
    leader = make()
    assert leader.acquire() >= 1
    leader.release()


def test_it_is_given_to_one_at_a_time(make: Make) -> None:
    leader, other = make(), make()
    leader.acquire()
    with pytest.raises(DataFolderInUse):
        other.acquire()
    with pytest.raises(DataFolderInUse):  # asking again does not help, and does not hurt
        other.acquire()
    leader.release()
    other.acquire()
    with pytest.raises(DataFolderInUse):
        leader.acquire()
    other.release()


def test_giving_up_twice_is_harmless(make: Make) -> None:
    leader, other = make(), make()
    leader.acquire()
    leader.release()
    other.acquire()
    leader.release()
    with pytest.raises(DataFolderInUse):
        make().acquire()
    other.release()


def test_a_loser_that_gives_up_takes_nothing_away(make: Make) -> None:
    leader, loser = make(), make()
    leader.acquire()
    with pytest.raises(DataFolderInUse):
        loser.acquire()
    loser.release()
    with pytest.raises(DataFolderInUse):
        make().acquire()
    leader.release()


# ---- the lock on a folder ------------------------------------------------------------------------------------------


def test_the_owner_is_named(tmp_path: Path) -> None:
    leader = FolderLock(tmp_path)
    leader.acquire()
    with pytest.raises(DataFolderInUse) as refused:
        FolderLock(tmp_path).acquire()
    assert str(tmp_path) in str(refused.value)
    assert f"process {os.getpid()};" in str(refused.value)
    leader.release()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_kernel_takes_it_from_the_dead(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import sys; from pathlib import Path; from overround.runtime.leadership import FolderLock\n"
        "FolderLock(Path(sys.argv[1])).acquire(); print('mine', flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"mine\n"
        with pytest.raises(DataFolderInUse, match=f"process {process.pid};"):
            FolderLock(tmp_path).acquire()
        process.send_signal(number)
        process.wait()
    leader = FolderLock(tmp_path)
    leader.acquire()
    leader.release()


def test_children_do_not_inherit_it(tmp_path: Path) -> None:
    leader = FolderLock(tmp_path)
    leader.acquire()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        leader.release()
        other = FolderLock(tmp_path)
        other.acquire()
        other.release()
        child.kill()


def test_a_new_folder_is_the_owners_alone(tmp_path: Path) -> None:
    leader = FolderLock(tmp_path / "a" / "b")
    leader.acquire()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    leader.release()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataFolderUnusable, match=f"the data folder {folder} cannot be used: "):
            FolderLock(folder).acquire()
