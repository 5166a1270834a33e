"""Two processes on one data folder: the second is sent away, and the first does not notice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from overround.testing.accounts import ALICE
from overround.testing.server import ServerFailed, ServerProcess, data_dir_arguments
from overround.testing.sx import signed_order

EXIT_IN_USE = 3


def _sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "overround", "sandbox", "--port", "0", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("more", [(), ("--fresh",)], ids=["start", "fresh start"])
def test_the_second_process_is_sent_away(tmp_path: Path, more: tuple[str, ...]) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path)) as first, first.client() as http:
        second = _sandbox(*data_dir_arguments(tmp_path), *more)
        assert second.returncode == EXIT_IN_USE
        assert second.stdout == ""
        (line,) = second.stderr.splitlines()
        assert line.startswith(f"overround: the data folder {tmp_path} is in use by process {first.pid};")

        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        posted = http.post("/orders/new", json={"orders": [signed_order(ALICE, market)]}).json()
        assert posted["data"]["inserted"] == 1
        assert first.stop() == 0


def test_a_killed_process_leaves_the_folder_free(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path)) as first:
        first.kill()
    with ServerProcess(*data_dir_arguments(tmp_path)) as second:
        assert second.stop() == 0


def test_a_stopped_process_keeps_its_folder(tmp_path: Path) -> None:
    """It is alive, only slow: nobody may take over behind its back."""
    with ServerProcess(*data_dir_arguments(tmp_path)) as first, first.client() as http:
        subprocess.run(["kill", "-STOP", str(first.pid)], check=True)
        with pytest.raises(ServerFailed, match=f"exit code {EXIT_IN_USE}"):
            ServerProcess(*data_dir_arguments(tmp_path)).start()
        subprocess.run(["kill", "-CONT", str(first.pid)], check=True)
        assert http.get("/readyz").status_code == 200
        assert first.stop() == 0


def test_another_folder_is_another_venue(tmp_path: Path) -> None:
    with (
        ServerProcess(*data_dir_arguments(tmp_path / "one")) as one,
        ServerProcess(*data_dir_arguments(tmp_path / "two")) as two,
    ):
        assert one.stop() == 0
        assert two.stop() == 0
