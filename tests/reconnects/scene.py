"""A venue that is killed and comes back to its port, a road to it that can be cut, and a maker who trades."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
from tests.reconnects.followers import until
from tests.reconnects.proxy import Proxy, free_port

from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import hash_of, signed_cancel, signed_order

EVENT: Final = "L1000001"
MAKER_CHANNEL: Final = f"active_orders:{checksum_address(ALICE.address)}"
EVENT_CHANNEL: Final = f"order_book:event_{EVENT}"
NEVER: Final = "1000000"  # records between two snapshots
SPARE_RECORDS: Final = 50
LOOK_EVERY_S: Final = 0.3
ENOUGH_FOR_A_SNAPSHOT: Final = 25  # records, where one is due every 20


class Scene:
    """A venue on a fixed port, a road to it, and a maker who knows neither of cuts nor of crashes."""

    def __init__(self, folder: Path, server: ServerProcess, proxy: Proxy, http: httpx.AsyncClient) -> None:
        self.folder = folder
        self.server = server
        self.proxy = proxy
        self.http = http
        self.token = ""
        self._markets: list[str] = []
        self._placed: Iterator[int] = itertools.count()

    async def look_around(self) -> None:
        """Ask what there is."""
        world = (await self.http.get("/sandbox")).json()
        key = {"x-api-key": world["accounts"][0]["apiKey"]}
        self.token = (await self.http.get("/user/realtime-token/api-key", headers=key)).json()["token"]
        self._markets = [one["marketHash"] for one in world["markets"] if one["sportXeventId"] == EVENT]

    async def trade(self, count: int) -> None:
        """So many publications on every channel: orders that come, and every third one goes."""
        posted = ""
        for _ in range(count):
            number = next(self._placed)
            if posted and number % 3 == 0:
                await self._post("/orders/cancel/v2", signed_cancel(ALICE, order_hashes=[posted]))
                posted = ""
            else:
                entry = signed_order(ALICE, self._markets[number % 3])
                await self._post("/orders/new", {"orders": [entry]})
                posted = hash_of(entry)

    async def wait_for_snapshot(self) -> None:
        """Do enough for one, and wait until the side process has written it; what follows is the tail.

        Trading on at full speed meanwhile would overrun the history of a channel on a slow machine.
        """
        written = set(self.folder.glob("snapshots/*.snapshot"))
        await self.trade(ENOUGH_FOR_A_SNAPSHOT)
        for _ in range(SPARE_RECORDS):  # the one before may have been under way all the while: then a record starts it
            if set(self.folder.glob("snapshots/*.snapshot")) - written:
                return
            await asyncio.sleep(LOOK_EVERY_S)
            await self.trade(1)
        await until(lambda: set(self.folder.glob("snapshots/*.snapshot")) - written, "a snapshot is there")

    async def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = await self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text

    async def kill(self) -> None:
        """kill -9, and a new process on the same folder and port."""
        self.server.kill()
        await asyncio.to_thread(self.server.start)

    async def stop(self) -> None:
        """SIGTERM, and a new process on the same folder and port."""
        assert await asyncio.to_thread(self.server.stop) == 0
        await asyncio.to_thread(self.server.start)

    @staticmethod
    async def until_next_second() -> None:
        """What counts by the second is another one afterwards."""
        second = int(time.time())
        while int(time.time()) == second:
            await asyncio.sleep(0.01)

    async def operate(self, path: str, body: dict[str, Any]) -> None:
        """An operator's request."""
        answer = await self.http.post(path, json=body, headers={"authorization": "Bearer sandbox-admin"})
        assert answer.status_code == 200, answer.text


@contextlib.asynccontextmanager
async def scene_of(folder: Path, *, snapshot_records: str = NEVER) -> AsyncIterator[Scene]:
    """A scene on a data folder."""
    port = free_port()
    environment = {"OVERROUND_DATA__SNAPSHOT_RECORDS": snapshot_records, "OVERROUND_LOG__LEVEL": "error"}
    command = ("sandbox", "--port", str(port))
    with ServerProcess(*data_dir_arguments(folder), command=command, env=environment) as server:
        async with (
            Proxy(port) as proxy,
            httpx.AsyncClient(base_url=server.base_url, timeout=30, trust_env=False) as http,
        ):
            scene = Scene(folder, server, proxy, http)
            await scene.look_around()
            yield scene
