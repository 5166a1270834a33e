"""The benchmarks of the feeds, in small, against a real sandbox: what they count is right whatever they measure."""

import os
import sys
from collections.abc import Callable, Iterator

import pytest
from benchmarks.harness import BenchmarkError, Cores, Figure, Settings, compiler

from benchmarks import connections, fan_out, post_to_push

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux only", allow_module_level=True)

CORE = min(os.sched_getaffinity(0))
SMALL = Settings(rounds=1, seconds=0.2, cores=Cores(server=CORE, load=max(os.sched_getaffinity(0))))


def have_compiler() -> bool:
    try:
        return bool(compiler())
    except BenchmarkError:
        return False


pytestmark = pytest.mark.skipif(not have_compiler(), reason="no C compiler")


def figures(run: Callable[[Settings], Iterator[Figure]]) -> dict[str, Figure]:
    return {figure.name: figure for figure in run(SMALL)}


def test_fan_out_reaches_every_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fan_out, "SUBSCRIBERS", 20)
    monkeypatch.setattr(fan_out, "WARM_UP_POSTS", 5)
    monkeypatch.setattr(fan_out, "SLICE_POSTS", 5)
    found = figures(fan_out.run)
    assert found["bare send loop"].value > 0
    assert found["ratio"].bound == fan_out.RATIO_BOUND


def test_every_order_is_pushed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(post_to_push, "RATES", (100, 200))
    found = [figure for figure in post_to_push.run(SMALL) if figure.name == "send to push p99"]
    assert [figure.note.split(";")[0] for figure in found] == ["100 orders/s", "200 orders/s"]
    assert all(figure.value > 0 for figure in found)


def test_everybody_comes_back_without_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "CONNECTIONS", 30)
    found = figures(connections.run)
    counts = [found[name] for name in ("recovered", "publications lost", "gaps")]
    assert [figure.value for figure in counts] == [300, 0, 0]
    assert not any(figure.missed for figure in counts)
