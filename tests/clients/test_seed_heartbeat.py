"""The heartbeat samples of the documentation page that this project began with, word for word (`samples/`).

Only the URL is another. They ping every 15 s, and the sandbox's clock is moved besides, so that each ping matters.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.clients.conftest import COMMANDS

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

pytestmark = pytest.mark.xdist_group("seed heartbeat")

SAMPLES = Path(__file__).parent / "samples"
PRODUCTION = '"https://api.sx.bet"'
PATIENCE_S = 60.0


class Sample:
    """A running sample, and the account whose orders it protects."""

    def __init__(self, name: str, folder: Path, http: httpx.Client, bearer: dict[str, str], maker: Maker) -> None:
        text = (SAMPLES / name).read_text()
        assert text.count(PRODUCTION) == 1
        program = folder / name
        program.write_text(text.replace(PRODUCTION, f'"{http.base_url!s}"'))
        issued = http.post("/admin/api-keys", json={"address": maker.address}, headers=bearer)
        key = issued.json()["data"]["apiKey"]
        self.maker = maker
        self._http, self._headers = http, {"X-Api-Key": key}
        command = [COMMANDS[program.suffix], str(program)]
        self._process = subprocess.Popen(command, env={**os.environ, "SX_API_KEY": key})

    def state(self) -> dict[str, Any]:
        """Its account's heartbeat."""
        assert self._process.poll() is None
        found: dict[str, Any] = self._http.get("/user/heartbeat", headers=self._headers).json()["data"]
        return found

    def open(self) -> int:
        """How many orders are open."""
        return len(self._http.get("/orders", params={"maker": self.maker.address}).json()["data"])

    def last_firing(self) -> dict[str, Any]:
        """What became of them after the sample had gone."""
        found: dict[str, Any] = self._http.get("/user/heartbeat", headers=self._headers).json()["data"]["lastFiring"]
        return found

    def kill(self) -> None:
        """The bot is gone."""
        self._process.kill()
        self._process.wait()


def wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)


@pytest.mark.row("HB-01", "HB-02", "HB-03", "HB-04", "HB-06", "CLI-01", "CLI-02", "ENV-01")
def test_the_samples_keep_orders_alive_as_long_as_they_run(
    bots: Bots, http: httpx.Client, world: dict[str, Any], new_maker: Callable[[], Maker], tmp_path: Path
) -> None:
    bearer = {"Authorization": f"Bearer {world['adminToken']}"}
    market = world["markets"][0]["marketHash"]
    makers = [new_maker(), new_maker(), new_maker()]
    for maker in makers:
        bots.post("javascript/{}.mjs", maker, market)
    samples = [
        Sample(name, tmp_path, http, bearer, maker)
        for name, maker in zip(("heartbeat.py", "heartbeat.mjs"), makers, strict=False)
    ]
    try:
        wait_until(lambda: all(sample.state()["armed"] for sample in samples))
        assert {sample.state()["interval"] for sample in samples} == {30}
        http.post("/admin/clock", json={"advanceMs": 10_000}, headers=bearer)  # of 30 s; the next ping comes in 15 s
        before = [sample.state()["expiresAt"] for sample in samples]
        wait_until(lambda: all(sample.state()["expiresAt"] > was for sample, was in zip(samples, before, strict=True)))
        assert [sample.open() for sample in samples] == [1, 1]
        assert all(sample.last_firing() is None for sample in samples)
    finally:
        for sample in samples:
            sample.kill()
    http.post("/admin/clock", json={"advanceMs": 30_000}, headers=bearer)
    assert [sample.open() for sample in samples] == [0, 0]
    assert [sample.last_firing()["cancelledCount"] for sample in samples] == [1, 1]
    unprotected = http.get("/orders", params={"maker": makers[2].address}).json()["data"]
    assert len(unprotected) == 1
