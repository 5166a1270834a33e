"""Real clients under load whose connections break in every way: nobody misses an update without being told so.

`OVERROUND_RECONNECTS` sets how many reconnects a long run waits for, `OVERROUND_RECONNECTS_SEED` the seed; without
them there is a short run. At the end what every client has, merged by offset, is what the journal says that was
published, and the orders that it knows of are those of `GET /orders`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from tests.reconnects.followers import Follower, NodeFollowers, PythonFollower, View, until
from tests.reconnects.load import Load
from tests.reconnects.proxy import Proxy, free_port, socket_url
from tests.reconnects.truth import Truth

from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE, BOB, CAROL
from overround.testing.server import ServerProcess, data_dir_arguments

MAKERS: Final = (ALICE, BOB, CAROL)
EVENTS: Final = ("L1000001", "L1000002")
PAUSE_S: Final = 0.03  # between two requests of one maker
SHORT_RUN: Final = {"close": 2, "reset": 2, "kill": 2, "stop": 1, "swallow": 1, "mute": 1, "interrupt": 1}
LONG_RUN: Final = {"close": 38, "reset": 38, "kill": 10, "stop": 3, "swallow": 2, "mute": 2, "interrupt": 7}
LONG_RUN_SETS: Final = 2  # of clients
AT_ONCE: Final = 0.2  # how often the next break does not wait until all have come back
CLOSING_VENUE: Final = str(Path(__file__).with_name("closing_venue.py"))
SETTINGS: Final = {
    "OVERROUND_DATA__SNAPSHOT_RECORDS": "300",
    "OVERROUND_LOG__LEVEL": "error",
    "OVERROUND_REALTIME__PING_INTERVAL_S": "2",
    "OVERROUND_REALTIME__PONG_TIMEOUT_S": "1.5",
}


class Figures:
    """What the last line says."""

    def __init__(self) -> None:
        self.breaks: Counter[str] = Counter()
        self.reconnects = self.resubscriptions = self.recoveries = self.unrecovered = self.redelivered = 0
        self.publications = self.records = self.snapshots = 0
        self.faults: list[str] = []

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.breaks.items())
        return (
            f"reconnects: {self.reconnects} of real clients ({kinds}), {self.recoveries} recoveries of channels, "
            f"{self.unrecovered} told to be impossible; {self.publications} publications read, {self.redelivered} "
            f"redelivered; {len(self.faults)} undetected gaps, duplicates or other faults; {self.records} records"
        )


class Road:
    """A venue, the road to it, and everything that can go wrong with either."""

    def __init__(self, server: ServerProcess, proxy: Proxy, rng: random.Random, figures: Figures) -> None:
        self.followers: list[Follower] = []
        self._server = server
        self._proxy = proxy
        self._rng = rng
        self._figures = figures

    async def break_once(self, kind: str, *, wait: bool) -> None:
        """Break every connection in one way, and wait until all clients are back, if that is wanted."""
        before = [(one, one.connections, one.resubscriptions) for one in self.followers]
        await getattr(self, f"_{kind}")()
        self._figures.breaks[kind] += 1
        if wait:
            await until(lambda: all(_is_back(kind, *one) for one in before), f"all are back after {kind}")

    async def all_whole(self) -> None:
        """Wait until every client listens to everything."""
        await until(lambda: all(one.is_whole for one in self.followers), "every client listens")

    async def _close(self) -> None:
        os.kill(self._server.pid, signal.SIGUSR1)

    async def _interrupt(self) -> None:
        os.kill(self._server.pid, signal.SIGUSR2)

    async def _reset(self) -> None:
        self._proxy.reset()

    async def _swallow(self) -> None:
        self._proxy.swallow()

    async def _mute(self) -> None:
        self._proxy.mute()

    async def _kill(self) -> None:
        await asyncio.sleep(self._rng.uniform(0, 0.05))
        self._server.kill()
        await asyncio.to_thread(self._server.start)

    async def _stop(self) -> None:
        assert await asyncio.to_thread(self._server.stop) == 0
        await asyncio.to_thread(self._server.start)


def _is_back(kind: str, follower: Follower, connections: int, resubscriptions: int) -> bool:
    if kind == "interrupt":  # the connection lives on
        return follower.is_whole and follower.resubscriptions >= resubscriptions + len(follower.views)
    return follower.is_whole and follower.connections > connections


@contextlib.asynccontextmanager
async def _clients(url: str, token: str, channels: list[str], sets: int) -> AsyncIterator[list[Follower]]:
    """Five a set: three of Python and two of JavaScript."""
    async with contextlib.AsyncExitStack() as stack:
        followers: list[Follower] = []
        for _ in range(sets):
            for name in ("python json 1", "python json 2", "python protobuf"):
                follower = PythonFollower(name, channels, url, token, protobuf="protobuf" in name)
                followers.append(await stack.enter_async_context(follower))
            node = await stack.enter_async_context(NodeFollowers(channels, url, token))
            followers += node.followers.values()
        yield followers


def _breaks(rng: random.Random) -> list[str]:
    kinds = [kind for kind, count in SHORT_RUN.items() for _ in range(count)]
    rng.shuffle(kinds)
    return kinds


async def _run(folder: Path, rng: random.Random, wanted: int, figures: Figures) -> None:
    port = free_port()
    command = ("sandbox", "--port", str(port))
    server = ServerProcess(*data_dir_arguments(folder), command=command, program=(CLOSING_VENUE,), env=SETTINGS)
    with server:
        async with httpx.AsyncClient(base_url=server.base_url, timeout=30, trust_env=False) as http:
            world = (await http.get("/sandbox")).json()
            key = {"x-api-key": world["accounts"][0]["apiKey"]}
            token = (await http.get("/user/realtime-token/api-key", headers=key)).json()["token"]
        markets = [one["marketHash"] for one in world["markets"] if one["sportXeventId"] in EVENTS]
        channels = [f"active_orders:{checksum_address(maker.address)}" for maker in MAKERS]
        channels += [f"order_book:event_{event}" for event in EVENTS]
        channels += [f"order_book:market_{market}" for market in markets[:2]]
        sets = LONG_RUN_SETS if wanted else 1
        async with Proxy(port) as proxy, _clients(socket_url(proxy.port), token, channels, sets) as followers:
            road = Road(server, proxy, rng, figures)
            road.followers = followers
            await road.all_whole()
            async with Load(server.base_url, MAKERS, markets, rng, pause_s=PAUSE_S):
                await _break_all(road, followers, rng, wanted)
            await road.all_whole()
            await _compare(folder, server, followers, figures)
        assert server.stop() == 0


async def _break_all(road: Road, followers: list[Follower], rng: random.Random, wanted: int) -> None:
    if not wanted:
        for kind in _breaks(rng):
            await road.break_once(kind, wait=True)
        return
    kinds, weights = list(LONG_RUN), list(LONG_RUN.values())
    while sum(one.connections - 1 for one in followers) < wanted:
        await road.break_once(rng.choices(kinds, weights)[0], wait=rng.random() > AT_ONCE)


async def _compare(folder: Path, server: ServerProcess, followers: list[Follower], figures: Figures) -> None:
    truth = Truth(folder)
    views = [view for one in followers for view in one.views.values()]
    with contextlib.suppress(AssertionError):  # who does not get there is told about below
        await until(lambda: all(view.offset >= truth.top(view.channel) for view in views), "all have caught up")
    figures.faults = [fault for one in followers for fault in one.compare(truth)]
    async with httpx.AsyncClient(base_url=server.base_url, timeout=30, trust_env=False) as http:
        for channel in followers[0].views:
            figures.faults += await _against_rest(http, channel, [view for view in views if view.channel == channel])
    figures.reconnects = sum(one.connections - 1 for one in followers)
    figures.recoveries = sum(view.recoveries for view in views)
    figures.unrecovered = sum(len(view.unrecovered) for view in views)
    figures.redelivered = sum(view.redelivered for view in views)
    figures.publications = sum(len(view.said) for view in views)
    figures.records = truth.cursor


async def _against_rest(http: httpx.AsyncClient, channel: str, views: list[View]) -> list[str]:
    """The same orders, field by field, and the same position."""
    name, _, subject = channel.partition(":")
    kind, _, rest = subject.partition("_")
    query = {"maker": subject} if name == "active_orders" else {"marketHashes": rest}
    if kind == "event":
        query = {"sportXeventId": rest}
    answer = await http.get("/orders", params=query)
    rows = {row["orderHash"]: row for row in answer.json()["data"]}
    position = answer.headers["x-overround-position"]
    faults = []
    for view in views:
        if position != f"{channel} {view.epoch} {view.offset}":
            faults.append(f"{channel}: stands at {view.epoch} {view.offset}, GET /orders at {position}")
        if view.book is not None and view.book.keys() != rows.keys():
            faults.append(f"{channel}: knows {len(view.book)} open orders, GET /orders {len(rows)}")
        for order_hash, update in (view.book or {}).items():
            row: dict[str, Any] = rows.get(order_hash, {})
            different = {member for member in row.keys() & update.keys() if row[member] != update[member]}
            if different or not row:
                faults.append(f"{channel}: order {order_hash} differs in {different}")
    return faults


@pytest.mark.row("WS-03", "WS-24")
@pytest.mark.timeout(0)
@pytest.mark.xdist_group("reconnects")
def test_nobody_misses_an_update_without_being_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = int(os.environ.get("OVERROUND_RECONNECTS", "0"))
    seed = int(os.environ.get("OVERROUND_RECONNECTS_SEED", random.SystemRandom().randrange(2**32)))
    figures = Figures()
    try:
        asyncio.run(_run(tmp_path, random.Random(seed), wanted, figures))
    except BaseException as error:
        error.add_note(f"OVERROUND_RECONNECTS_SEED={seed}")
        raise
    finally:
        with capsys.disabled():
            print(f"\n{figures} (seed {seed})")
    assert not figures.faults, "\n".join(figures.faults[:20])
    assert figures.recoveries > figures.reconnects
