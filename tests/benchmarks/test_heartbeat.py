"""The heartbeat benchmark, in small, against a real sandbox: half of the accounts fire, the other half do not."""

import os
import sys

import pytest
from benchmarks.harness import Cores, Settings

from benchmarks import heartbeat

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux only", allow_module_level=True)

CORES = Cores(server=min(os.sched_getaffinity(0)), load=max(os.sched_getaffinity(0)))


def test_those_who_fall_silent_fire_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "ACCOUNTS", 40)
    monkeypatch.setattr(heartbeat, "INTERVAL_S", 3)
    monkeypatch.setattr(heartbeat, "SETTLE_S", 1.0)
    found = {figure.name: figure for figure in heartbeat.run(Settings(rounds=1, seconds=0.2, cores=CORES))}
    assert found["false firings"].value == found["missing firings"].value == 0
    assert "20 fired" in found["lag p99"].note
    assert found["lag p99"].bound == heartbeat.LAG_P99_BOUND
    assert 0 <= found["lag p50"].value <= found["lag p99"].value <= found["lag, most"].value
