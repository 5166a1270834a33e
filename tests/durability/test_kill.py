"""kill -9 at random moments under mixed load: what was acknowledged is there, once; the rest wholly or not at all.

`KILL_CYCLES` sets the number of cycles, `KILL_SEED` the seed; a failure names the seed and keeps the data folder.
A data folder lives for a few cycles, so that recovery meets histories of all lengths.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.durability.traffic import HOLDER, MAKERS, Traffic, World

from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import SqliteJournal
from overround.runtime.recovery import recover
from overround.signing.address import checksum_address
from overround.testing.ledger import Findings, Ledger
from overround.testing.server import ServerFailed, ServerProcess, data_dir_arguments

CYCLES_DEFAULT = 6
CYCLES_PER_FOLDER = 6
SNAPSHOT_RECORDS = 40
ANSWERS_MAX = 160  # answered requests before a kill
SENT_AGAIN = 3  # requests of earlier lives sent again after each restart
START_S = 0.5  # about how long a start takes: kills of starting servers are spread over it


class Figures:
    """What the last line says."""

    def __init__(self) -> None:
        self.cycles = self.starts_killed = self.stops_killed = 0
        self.acknowledged = self.open = self.open_and_done = self.refused_again = self.snapshots_used = 0
        self.findings = Findings()

    def __str__(self) -> str:
        return (
            f"kill -9: {self.cycles} cycles ({self.starts_killed} of them while starting, {self.stops_killed} while "
            f"stopping), {self.acknowledged} commands acknowledged, {len(self.findings.lost)} lost, "
            f"{len(self.findings.doubled)} doubled; {self.open} unanswered, {self.open_and_done} of them done; "
            f"{self.refused_again} sent again and refused; {self.snapshots_used} starts from a snapshot"
        )


class Venue:
    """One data folder through its lives, with everything that its clients remember."""

    def __init__(self, folder: Path, rng: random.Random, figures: Figures) -> None:
        self.folder = folder
        self.rng = rng
        self.figures = figures
        self.ledger = Ledger()
        self.world: World | None = None
        environment = {"OVERROUND_DATA__SNAPSHOT_RECORDS": str(SNAPSHOT_RECORDS), "OVERROUND_LOG__LEVEL": "error"}
        self.server = ServerProcess(*data_dir_arguments(folder), env=environment)

    async def live(self, *, until_snapshot: bool) -> None:
        """Start, be compared, work, and be killed."""
        if self.world is not None and self.rng.random() < 0.25:
            await self._kill_start()
        self.server.start()
        async with httpx.AsyncClient(base_url=self.server.base_url, timeout=30) as http:
            if self.world is None:
                self.world = World((await http.get("/sandbox")).json())
            await self.check(http)
        traffic = Traffic(self.ledger, self.world, self.rng)
        await traffic.run(self.server.base_url, self._until_snapshot if until_snapshot else self._until_killed)
        self.figures.cycles += 1

    async def _kill_start(self) -> None:
        """A start that does not get to its end."""
        starting = asyncio.create_task(asyncio.to_thread(self.server.start))
        while not (self.server.is_running or starting.done()):
            await asyncio.sleep(0.001)
        await asyncio.sleep(self.rng.uniform(0, START_S))
        os.kill(self.server.pid, signal.SIGKILL)
        try:
            await starting
        except ServerFailed:
            self.figures.starts_killed += 1
        else:
            self.server.wait()

    async def _until_killed(self, traffic: Traffic) -> None:
        """Most die the moment an answer is there: what it acknowledges must be on disk by then."""
        count, way = self.rng.randint(1, ANSWERS_MAX), self.rng.random()
        if way < 0.6:
            await traffic.answers(count, lambda: os.kill(self.server.pid, signal.SIGKILL))
        else:
            await traffic.answers(count)
            await asyncio.sleep(self.rng.uniform(0, 0.005))
            if way > 0.8:
                os.kill(self.server.pid, signal.SIGTERM)  # and while the last snapshot is written, or just not
                await asyncio.sleep(self.rng.uniform(0, 0.1))
                self.figures.stops_killed += self.server.is_running
        self.server.kill()

    async def _until_snapshot(self, traffic: Traffic) -> None:
        while not list(self.folder.glob("snapshots/*.snapshot")):
            await traffic.answers(10)
        await self._until_killed(traffic)

    async def check(self, http: httpx.AsyncClient) -> None:
        """Journal, digests and books against the ledger; then old requests once more."""
        digest = (await http.get("/admin/digest", headers={"authorization": "Bearer sandbox-admin"})).json()["data"]
        assert self._recovered_digests() == [digest, digest]
        findings = self._compare()
        assert not findings, findings
        await self._check_books(http)
        self.figures.snapshots_used += "overround_replayed_records" in await self._short_replay(http, digest["seq"])
        await self._send_again(http)

    def _compare(self) -> Findings:
        with closing(SqliteJournal(self.folder, read_only=True)) as journal:
            findings = self.ledger.compare(journal.read(0))
        for name in ("lost", "doubled", "invented"):
            getattr(self.figures.findings, name).extend(getattr(findings, name))
        return findings

    def _recovered_digests(self) -> list[dict[str, Any]]:
        """From the newest snapshot, and from the first record on."""
        with closing(SqliteJournal(self.folder, read_only=True)) as journal:
            found = [recover(journal, store) for store in (SnapshotStore(self.folder), None)]
        return [{"seq": one.seq, "digest": "0x" + one.engine.digest().hex()} for one in found]

    async def _check_books(self, http: httpx.AsyncClient) -> None:
        assert self.world is not None
        for maker in MAKERS:
            rows = (await http.get("/orders", params={"maker": checksum_address(maker.address)})).json()["data"]
            found = {row["orderHash"] for row in rows}
            assert found == self.ledger.open_orders(maker.address, self.world.fixture_of)
        expected = self.ledger.balance(HOLDER.address)
        if expected is not None:
            token = {"authorization": "Bearer sandbox-admin"}
            account = (await http.get(f"/admin/accounts/{checksum_address(HOLDER.address)}", headers=token)).json()
            assert list(account["data"]["balances"].values()) == [str(expected)]

    async def _short_replay(self, http: httpx.AsyncClient, seq: int) -> str:
        for line in (await http.get("/metrics")).text.splitlines():
            if line.startswith("overround_replayed_records ") and float(line.split()[1]) < seq:
                return line
        return ""

    async def _send_again(self, http: httpx.AsyncClient) -> None:
        """Signed requests of earlier lives: those that were obeyed are refused."""
        assert self.world is not None
        signed = [asked for asked in self.ledger.asked if asked.path.startswith("/orders") and asked.record is not None]
        traffic = Traffic(self.ledger, self.world, self.rng)
        for asked in self.rng.sample(signed, min(SENT_AGAIN, len(signed))):
            await traffic.send_again(http, asked)
            self.figures.refused_again += 1

    def close(self) -> None:
        """The last start ends in order; then the command line has its say."""
        self.server.start()
        with self.server.client() as http:
            token = {"authorization": "Bearer sandbox-admin"}
            digest = http.get("/admin/digest", headers=token).json()["data"]
            assert not self._compare()
            # Verifying is safe beside a running venue, and changes nothing that a stop and a start would see.
            assert _overround("journal", "verify", "--data-dir", str(self.folder), "--json") == {"ok": True, **digest}
        assert self.server.stop() == 0
        assert _overround("journal", "digest", "--data-dir", str(self.folder), "--json") == digest
        self.figures.acknowledged += len(self.ledger.acknowledged)
        unanswered = [asked for asked in self.ledger.asked if asked.is_open]
        self.figures.open += len(unanswered)
        self.figures.open_and_done += sum(asked.record is not None for asked in unanswered)


def _overround(*arguments: str) -> Any:
    done = subprocess.run([sys.executable, "-m", "overround", *arguments], capture_output=True, check=True)
    return json.loads(done.stdout)


async def _run(cycles: int, seed: int, folder: Path, figures: Figures) -> None:
    rng = random.Random(seed)
    for first in range(0, cycles, CYCLES_PER_FOLDER):
        venue = Venue(folder / str(first), rng, figures)
        try:
            for number in range(first, min(first + CYCLES_PER_FOLDER, cycles)):
                await venue.live(until_snapshot=number == first)
            venue.close()
        finally:
            if venue.server.is_running:
                venue.server.kill()


@pytest.mark.row("LIFE-06")
@pytest.mark.timeout(0)
def test_acknowledged_commands_survive_kill_9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cycles = int(os.environ.get("KILL_CYCLES", CYCLES_DEFAULT))
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(2**32)))
    figures = Figures()
    try:
        asyncio.run(_run(cycles, seed, tmp_path, figures))
    except BaseException as error:
        error.add_note(f"KILL_SEED={seed}")
        raise
    finally:
        with capsys.disabled():
            print(f"\n{figures} (seed {seed})")
    assert figures.snapshots_used > 0
