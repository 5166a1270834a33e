"""Figures and their bounds, and servers that do not behave."""

import os
import shlex
import sys
from pathlib import Path

import pytest
from benchmarks.harness import BenchmarkError, Bound, Cores, Figure, Settings, running_server

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux only", allow_module_level=True)

CORE = min(os.sched_getaffinity(0))

GOOD = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("ready http://127.0.0.1:1", flush=True)
signal.pause()
"""


def settings(script: str) -> Settings:
    return Settings(server=shlex.join([sys.executable, "-c", script]), cores=Cores(server=CORE, load=CORE))


def test_a_figure_is_one_line_with_its_goal() -> None:
    figure = Figure("ratio", 0.4142, "median of 5 rounds", bound=Bound(">=", 0.35))
    assert figure.line("signed-cancel") == "signed-cancel  ratio 0.41  (median of 5 rounds; goal >= 0.35)"
    assert not figure.missed


def test_a_missed_goal_is_marked() -> None:
    figure = Figure("ratio", 0.3, "", bound=Bound(">=", 0.35))
    assert figure.missed
    assert figure.line("signed-cancel").endswith("MISSED")


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(12345.6, "/s", "12346/s"), (7.125, " ms", "7.12 ms"), (0, "", "0")]
)
def test_large_values_carry_no_digits_after_the_point(value: float, unit: str, text: str) -> None:
    assert Figure("x", value, "note", unit).line("b") == f"b  x {text}  (note)"


def test_a_server_is_started_pinned_and_stopped(tmp_path: Path) -> None:
    with running_server(settings(GOOD), tmp_path) as server:
        assert server.process.poll() is None
    assert server.process.returncode == 0


def test_a_server_that_never_gets_ready_is_shown_with_its_words(tmp_path: Path) -> None:
    with (
        pytest.raises(BenchmarkError, match="no such table"),
        running_server(settings("import sys; sys.exit('no such table')"), tmp_path),
    ):
        pass


def test_a_server_that_fails_while_stopping_fails_the_benchmark(tmp_path: Path) -> None:
    script = GOOD.replace("sys.exit(0)", "sys.exit(5)")
    with pytest.raises(BenchmarkError, match="ended with 5"), running_server(settings(script), tmp_path):
        pass
