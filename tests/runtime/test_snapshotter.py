"""Snapshots come from a process beside the venue, which is never held up, and which ends with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.journal.history import records

from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import SqliteJournal
from overround.runtime.recovery import recover
from overround.runtime.snapshotter import CHILD_FLAG
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import signed_order

PATIENCE_S = 30.0
EVERY = {"OVERROUND_DATA__SNAPSHOT_RECORDS": "20", "OVERROUND_LOG__LEVEL": "error"}
SELDOM = {"OVERROUND_LOG__LEVEL": "error"}

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


def _until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def _post(http: httpx.Client, count: int) -> None:
    market = http.get("/sandbox").json()["markets"][0]["marketHash"]
    for _ in range(count):
        answer = http.post("/orders/new", json={"orders": [signed_order(ALICE, market)]})
        assert answer.json()["data"]["inserted"] == 1


def _replayed(http: httpx.Client) -> int:
    lines = http.get("/metrics").text.splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith("overround_replayed_records "))
    return int(float(value))


def _snapshots(folder: Path) -> list[Path]:
    return sorted(folder.glob("snapshots/*.snapshot"))


def test_the_next_start_uses_what_was_written_while_the_venue_ran(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path), env=EVERY) as server, server.client() as http:
        while not _snapshots(tmp_path):
            _post(http, 5)  # answered all the while
        newest = int(_snapshots(tmp_path)[-1].stem)
        _post(http, 3)
        seq = http.get("/readyz").json()["seq"]
        server.kill()
    with ServerProcess(*data_dir_arguments(tmp_path), env=SELDOM) as server, server.client() as http:
        assert _replayed(http) <= seq - newest < seq
        assert server.stop() == 0


def test_a_clean_stop_leaves_nothing_to_replay(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path), env=SELDOM) as server, server.client() as http:
        _post(http, 10)
        assert server.stop() == 0
    with ServerProcess(*data_dir_arguments(tmp_path), env=SELDOM) as server, server.client() as http:
        assert _replayed(http) == 0
        assert len(http.get("/orders", params={"maker": checksum_address(ALICE.address)}).json()["data"]) == 10
        assert server.stop() == 0


def test_time_alone_makes_a_snapshot_due(tmp_path: Path) -> None:
    soon = SELDOM | {"OVERROUND_DATA__SNAPSHOT_INTERVAL_S": "0.01"}
    with ServerProcess(*data_dir_arguments(tmp_path), env=soon) as server, server.client() as http:
        while not _snapshots(tmp_path):
            _post(http, 1)
        server.kill()


@needs_proc
def test_the_side_process_does_not_outlive_the_venue(tmp_path: Path) -> None:
    """Regression: after kill -9 it went on, into the next venue's life."""
    with ServerProcess(*data_dir_arguments(tmp_path), env=EVERY) as server, server.client() as http:
        child = _caught_child(server, http)
        assert CHILD_FLAG in Path(f"/proc/{child}/cmdline").read_text().split("\0")
        server.kill()
    os.kill(child, signal.SIGCONT)
    _until(partial(_has_state, child, "Z"))


@needs_proc
def test_a_venue_that_stops_takes_its_side_process_along(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path), env=EVERY) as server, server.client() as http:
        child = _caught_child(server, http)  # held up, so that it would never end by itself
        assert server.stop() == 0
    assert _has_state(child, "Z")
    with ServerProcess(*data_dir_arguments(tmp_path), env=SELDOM) as server, server.client() as http:
        assert _replayed(http) == 0


def test_without_a_parent_it_writes_nothing(tmp_path: Path) -> None:
    _journal(tmp_path)
    argv = [sys.executable, "-m", "overround.runtime.snapshotter", str(tmp_path), CHILD_FLAG]
    assert subprocess.run(argv, stdin=subprocess.DEVNULL).returncode == 1  # as a pipe whose other end is closed
    assert _snapshots(tmp_path) == []


def _caught_child(server: ServerProcess, http: httpx.Client) -> int:
    """A side process, stopped in its tracks."""
    while True:
        _post(http, 1)
        for child in _children(server.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGSTOP)
                _until(partial(_has_state, child, "TZ"))
                if _has_state(child, "T"):
                    return child


def _children(pid: int) -> list[int]:
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _has_state(pid: int, letters: str) -> bool:
    """One of the letters that the kernel uses: T stopped, Z ended; a process that is gone has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in letters
    except (FileNotFoundError, ProcessLookupError):
        return "Z" in letters


def test_a_snapshot_that_fails_does_not_disturb_the_venue(tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_bytes(b"in the way")
    with ServerProcess(*data_dir_arguments(tmp_path), env=EVERY) as server, server.client() as http:
        while "FileExistsError" not in server.log:  # and the side process says so
            _post(http, 5)
        _post(http, 5)
        assert server.stop() == 0
    with ServerProcess(*data_dir_arguments(tmp_path), env=SELDOM) as server, server.client() as http:
        assert _replayed(http) == http.get("/readyz").json()["seq"]


def test_it_runs_by_hand_too(tmp_path: Path) -> None:
    _journal(tmp_path)
    argv = [sys.executable, "-m", "overround.runtime.snapshotter", str(tmp_path)]
    assert subprocess.run(argv, stdin=subprocess.DEVNULL).returncode == 0
    with closing(SqliteJournal(tmp_path, read_only=True)) as journal:
        assert recover(journal, SnapshotStore(tmp_path)).replayed == 0


def _journal(folder: Path) -> None:
    with closing(SqliteJournal(folder)) as journal:
        journal.append(records(30))
