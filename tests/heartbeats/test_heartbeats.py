"""Random pings against a real server while its clock jumps, its process is stopped and killed, and its disk is slow.

No heartbeat may fire whose bot pinged in time while the venue was up, and none may fail to fire. `OVERROUND_HEARTBEATS`
sets how many troubles a long run goes through, `OVERROUND_HEARTBEATS_SEED` the seed; without them there is a short run.
The bots judge by their own clock; afterwards the journal is read, which says when what was armed, given back and fired.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Final

import httpx
import pytest
from tests.heartbeats.bots import Bot, Down, Tally
from tests.heartbeats.troubles import Troubles
from tests.reconnects.proxy import free_port

from overround.engine.commands import GrantGrace, ResumeVenue
from overround.engine.events import GraceGranted, HeartbeatArmed, HeartbeatFired, HeartbeatStopped
from overround.engine.types import Address
from overround.journal.sqlite import SqliteJournal
from overround.testing.server import ServerProcess, data_dir_arguments

ROOT: Final = Path(__file__).parents[2]
BOTS: Final = 12
KINDS: Final = ("ahead", "ahead", "back", "hiccup", "stall", "stall", "slow commit", "kill", "kill", "stop")
SHORT_RUN: Final = ("ahead", "back", "stall", "hiccup", "slow commit", "kill", "stop", "ahead")
NOTICED_S: Final = 1.1  # a stall of so long is noticed for certain
WRONG_MS_MAX: Final = 2 * 3_600_000
LAG_MS_MAX: Final = 1_000  # spec/sx.md 7.8


class Machine:
    """A server in trouble."""

    def __init__(self, server: ServerProcess, troubles: Troubles, down: Down, rng: random.Random) -> None:
        self._server, self._troubles, self._down, self._rng = server, troubles, down, rng

    async def trouble(self, kind: str) -> None:
        """One of its kind."""
        await getattr(self, "_" + kind.replace(" ", "_"))()

    async def _ahead(self) -> None:
        wrong_ms = self._troubles.wall_wrong_ms
        self._troubles.wall_wrong_ms = wrong_ms + self._rng.randrange(50, max(51, WRONG_MS_MAX - wrong_ms))

    async def _back(self) -> None:
        self._troubles.wall_wrong_ms -= self._rng.randrange(WRONG_MS_MAX)

    async def _hiccup(self) -> None:
        """Too short to be a stall: it is charged, and must cost nobody a ping that was in time."""
        await self._hold(self._rng.uniform(0.05, 0.9))

    async def _stall(self) -> None:
        self._down.begin()
        await self._hold(self._rng.uniform(NOTICED_S, 4))
        self._down.end()

    async def _hold(self, span_s: float) -> None:
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(span_s)
        finally:
            os.kill(self._server.pid, signal.SIGCONT)

    async def _slow_commit(self) -> None:
        span_ms = self._rng.choice((self._rng.randrange(100, 900), self._rng.randrange(1_200, 3_000)))
        if span_ms > NOTICED_S * 1000:
            self._down.begin()
        self._troubles.next_commit_ms = span_ms
        while self._troubles.next_commit_ms:  # the bots see to it that there is a commit
            await asyncio.sleep(0.005)
        if span_ms > NOTICED_S * 1000:
            self._down.end()

    async def _kill(self) -> None:
        self._down.begin()
        self._server.kill()
        await self._start()

    async def _stop(self) -> None:
        self._down.begin()
        assert await asyncio.to_thread(self._server.stop) == 0, self._server.log
        await self._start()

    async def _start(self) -> None:
        """After a while, in which the clock may have been set as well."""
        self._troubles.next_commit_ms = 0
        await asyncio.sleep(self._rng.choice((0, 0, self._rng.uniform(0, 3))))
        if self._rng.random() < 0.3:
            await self.trouble(self._rng.choice(("ahead", "back")))
        await asyncio.to_thread(self._server.start)
        self._down.end()


async def _run(folder: Path, rng: random.Random, kinds: list[str], tally: Tally) -> Counter[str]:
    port = free_port()
    troubles, down = Troubles(folder / "troubles"), Down()
    server = ServerProcess(
        *data_dir_arguments(folder / "data"),
        program=(str(Path(__file__).with_name("troubled_venue.py")), str(folder / "troubles")),
        command=("sandbox", "--port", str(port)),
        env={"OVERROUND_LOG__LEVEL": "error", "PYTHONPATH": str(ROOT)},
    )
    with server:
        async with httpx.AsyncClient(base_url=server.base_url) as http:
            world = (await http.get("/sandbox")).json()
        bots = [Bot(port, number, _market(world), down, tally, rng) for number in range(BOTS)]
        await asyncio.gather(*(bot.furnish(world["tokens"]["USDC"]) for bot in bots))
        over = asyncio.Event()
        living = asyncio.gather(*(bot.live(over) for bot in bots))
        machine = Machine(server, troubles, down, rng)
        for kind in kinds:
            await asyncio.sleep(rng.uniform(0.2, 2))
            assert not living.done(), living
            await machine.trouble(kind)
        over.set()
        await living
        for bot in bots:
            bot.hang_up()
        assert await asyncio.to_thread(server.stop) == 0
    return Counter(kinds)


def _market(world: dict[str, list[dict[str, str]]]) -> str:
    return next(one["marketHash"] for one in world["markets"] if one["sportXeventId"] == "L1000001")


class Journal:
    """What it says of heartbeats: the venue's own account of itself."""

    def __init__(self, folder: Path) -> None:
        self.lags_ms: list[int] = []
        self.graces = self.resumes = 0
        self._deadlines: dict[Address, int] = {}
        with closing(SqliteJournal(folder, read_only=True)) as journal:
            for record in journal.read(0):
                self.graces += isinstance(record.command, GrantGrace)
                self.resumes += isinstance(record.command, ResumeVenue)
                for event in record.events:
                    match event:
                        case HeartbeatArmed():
                            assert event.deadline_ms == record.time_ms + event.interval_s * 1000
                            self._deadlines[event.account] = event.deadline_ms
                        case HeartbeatStopped():
                            del self._deadlines[event.account]
                        case GraceGranted():
                            for account in self._deadlines:
                                self._deadlines[account] += event.grace_ms
                        case HeartbeatFired():
                            assert event.deadline_ms == self._deadlines.pop(event.account)
                            assert event.fired_at_ms == record.time_ms
                            self.lags_ms.append(event.fired_at_ms - event.deadline_ms)
                        case _:
                            pass

    def lag_ms(self, share: float) -> int:
        """A percentile of the lags."""
        return sorted(self.lags_ms)[min(int(len(self.lags_ms) * share), len(self.lags_ms) - 1)]


@pytest.mark.row("HB-03", "HB-04", "HB-05", "HB-06", "HB-10")
@pytest.mark.xdist_group("heartbeats in trouble")
@pytest.mark.timeout(0)
def test_no_heartbeat_fires_falsely_and_none_fails_to_fire(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = int(os.environ.get("OVERROUND_HEARTBEATS", "0"))
    seed = int(os.environ.get("OVERROUND_HEARTBEATS_SEED", str(time.time_ns() % 10**9)))
    rng, tally = random.Random(seed), Tally()
    kinds = rng.choices(KINDS, k=wanted) if wanted else rng.sample(SHORT_RUN, len(SHORT_RUN))
    met = asyncio.run(_run(tmp_path, rng, kinds, tally))
    journal = Journal(tmp_path / "data")
    late = sum(not 0 <= lag <= LAG_MS_MAX for lag in journal.lags_ms)
    with capsys.disabled():
        print(f"\nheartbeats: seed {seed}; {_figures(met, tally, journal, late)}")
    assert tally.faults == [], f"seed {seed}"
    assert not late, f"seed {seed}: {sorted(journal.lags_ms)[-10:]}"


def _figures(met: Counter[str], tally: Tally, journal: Journal, late: int) -> str:
    counts, kinds = tally.counts, ", ".join(f"{count} {kind}" for kind, count in met.items())
    return (
        f"{met.total()} troubles ({kinds}); {counts['pings']} pings, {counts['silences']} silences, "
        f"{counts['stopped']} stopped; {len(journal.lags_ms)} firings, of them {counts['pinged too late']} of bots "
        f"that were late; {len(tally.faults)} false or missing, {late} later than a second, lag p99 "
        f"{journal.lag_ms(0.99)} ms; {journal.graces} times of grace, {journal.resumes} resumptions"
    )
