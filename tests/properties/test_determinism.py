"""The same journal leads to the same state: on every supported Python, wherever and however it runs.

A seeded workload is journaled once; every other interpreter decides each of its commands again, compares the events
with those in the journal, and weighs the state.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from tests.engine.continuous.traffic import STEPS_MS as CONTINUOUS_STEPS_MS
from tests.engine.continuous.traffic import Traffic as ContinuousTraffic
from tests.properties import interpreters
from tests.properties.traffic import STEPS_MS, Traffic
from tests.properties.twins import Twins

from overround.engine.commands import AnyCommand, Tick
from overround.engine.engine import Engine
from overround.engine.record import Record
from overround.journal.sqlite import SqliteJournal

pytestmark = pytest.mark.xdist_group("interpreters")  # one workload for all

SEED = 20_260_301
COMMANDS = 1_500
EVENING_COMMANDS = 600
BATCH = 100


class Workload(NamedTuple):
    folder: Path
    seq: int
    digest: str


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """A data folder with a busy day in it."""
    folder = tmp_path_factory.mktemp("workload")
    twins, traffic, random = Twins(), Traffic(), Random(SEED)
    for command in traffic.opening():
        twins.submit(command)
    while twins.decided < COMMANDS:
        twins.pass_time(random.choice(STEPS_MS))
        twins.submit(traffic.any(random, twins.now_ms))
    records = list(twins.journal.read(0))
    records += evening(twins.engine, len(records), twins.now_ms, random)
    journal = SqliteJournal(folder)
    for start in range(0, len(records), BATCH):
        journal.append(records[start : start + BATCH])
    journal.close()
    return Workload(folder, len(records), "0x" + twins.engine.digest().hex())


def evening(engine: Engine, seq: int, now_ms: int, random: Random) -> list[Record]:
    """The same venue goes on with its other kind of market, which the twin does not know."""
    traffic, records = ContinuousTraffic(), []
    waiting: list[AnyCommand] = [*traffic.opening()]
    for _ in range(EVENING_COMMANDS):
        now_ms += random.choice(CONTINUOUS_STEPS_MS)
        waiting.append(traffic.any(random, now_ms))
        while waiting:
            due_ms = engine.next_deadline_ms()
            command = Tick() if due_ms is not None and due_ms <= now_ms else waiting.pop(0)
            outcome = engine.execute(command, now_ms)
            if isinstance(outcome, list):
                seq += 1
                records.append(Record(seq, now_ms, 1, f"e{seq}", command, outcome))
    return records


def verify(workload: Workload, python: Path, *flags: str, **env: str) -> None:
    """Replay the journal in a process of its own and compare its state with ours."""
    done = subprocess.run(
        [python, *flags, "-m", "overround", "journal", "verify", "--json", "--data-dir", workload.folder],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(interpreters.ROOT / "src"), **env},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"ok": True, "seq": workload.seq, "digest": workload.digest}


def test_the_workload_leaves_something_to_weigh(workload: Workload) -> None:
    assert workload.seq > COMMANDS / 3
    assert workload.digest != "0x" + Engine().digest().hex()


@pytest.mark.row("LIFE-06")
@pytest.mark.timeout(600)  # the first time, dependencies are installed
@pytest.mark.parametrize("version", [one for one in interpreters.SUPPORTED if one != interpreters.CURRENT])
def test_another_python_comes_to_the_same_state(workload: Workload, version: str) -> None:
    interpreter = interpreters.find(version)
    if interpreter is None:
        pytest.skip(f"no Python {version} that runs, neither on the PATH nor among those of pyenv")
    verify(workload, interpreters.environment(interpreter, version))


@pytest.mark.parametrize(
    "env",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati"},
        {"PYTHONHASHSEED": "4294967295", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
    ],
    ids=lambda env: " ".join(f"{name}={value}" for name, value in env.items()),
)
def test_neither_hash_seed_nor_time_zone_nor_locale_matter(workload: Workload, env: dict[str, str]) -> None:
    verify(workload, Path(sys.executable), **env)


def test_running_without_assertions_does_not_matter(workload: Workload) -> None:
    verify(workload, Path(sys.executable), "-O")
