"""Mixed signed traffic on a sandbox: several makers and an operator, each with one request under way at a time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import httpx

from overround.signing.account import LocalAccount
from overround.testing.accounts import ALICE, BOB, CAROL, DAVE
from overround.testing.ledger import Asked, Ledger
from overround.testing.sx import hash_of, signed_cancel, signed_order

MAKERS = (ALICE, BOB, CAROL)
HOLDER = DAVE  # the operator changes this account's balance
POSTED_AGAIN = "ORDERS_ALREADY_EXIST"
CANCELLED_AGAIN = "CANCEL_REQUEST_ALREADY_PROCESSED"


class World:
    """What the traffic needs to know of the sandbox; the same for all its lives."""

    def __init__(self, described: dict[str, Any]) -> None:
        self.fixture_of = {one["marketHash"]: one["sportXeventId"] for one in described["markets"]}
        self.markets = sorted(self.fixture_of)
        self.fixtures = sorted(set(self.fixture_of.values()))


class Traffic:
    """Clients that go on until they are stopped or their server is gone."""

    def __init__(self, ledger: Ledger, world: World, rng: random.Random) -> None:
        self._ledger = ledger
        self._world = world
        self._rng = rng
        self._amount = 0
        self._answers = 0
        self._wanted = 0
        self._then: Callable[[], object] = bool
        self._enough = asyncio.Event()
        self._clients: list[asyncio.Task[Any]] = []

    async def run(self, base_url: str, end: Callable[[Traffic], Any]) -> None:
        """Send traffic while the coroutine `end` runs, at whose end the server must be gone."""
        async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
            self._clients = [asyncio.create_task(self._trade(http, maker)) for maker in MAKERS]
            self._clients.append(asyncio.create_task(self._operate(http)))
            try:
                await end(self)
            except BaseException:
                for client in self._clients:
                    client.cancel()
                raise
            for result in await asyncio.gather(*self._clients, return_exceptions=True):
                if not isinstance(result, httpx.TransportError):
                    cause = result if isinstance(result, BaseException) else None
                    raise AssertionError("a client ended by itself") from cause

    async def answers(self, count: int, then: Callable[[], object] = bool) -> None:
        """Wait until that many more requests were answered, and call `then` the moment the last answer is there."""
        self._wanted, self._then = self._answers + count, then
        self._enough.clear()
        enough = asyncio.create_task(self._enough.wait())
        while not self._enough.is_set():
            at_work = [client for client in self._clients if not client.done()]
            if not at_work:
                enough.cancel()
                raise AssertionError("the server is gone")
            await asyncio.wait({enough, *at_work}, return_when=asyncio.FIRST_COMPLETED)

    def _count(self, asked: Asked) -> Asked:
        self._answers += 1
        if self._answers == self._wanted:
            self._then()
            self._enough.set()
        assert asked.status in (200, 400), asked.answer
        return asked

    async def _operate(self, http: httpx.AsyncClient) -> None:
        while True:
            self._amount += 1
            amount = 10**12 + self._rng.randrange(10**9) * 1000 + self._amount % 1000
            self._count(await self._ledger.set_balance(http, HOLDER.address, amount))

    async def _trade(self, http: httpx.AsyncClient, maker: LocalAccount) -> None:
        posted: list[str] = []
        signed: list[Asked] = []
        while True:
            choice = self._rng.random()
            if choice < 0.12 and signed:
                await self.send_again(http, self._rng.choice(signed))
                continue
            if choice < 0.65 or not posted:
                markets = self._rng.sample(self._world.markets, self._rng.randint(1, 3))
                entries = [signed_order(maker, market) for market in markets]
                asked = self._count(await self._ledger.post(http, entries))
                posted += map(hash_of, entries)
            else:
                asked = self._count(await self._ledger.cancel(http, self._cancel(maker, choice, posted)))
            assert asked.is_acknowledged, asked.answer
            signed.append(asked)

    def _cancel(self, maker: LocalAccount, choice: float, posted: list[str]) -> dict[str, Any]:
        if choice < 0.85:
            names = self._rng.sample(posted, min(len(posted), self._rng.randint(1, 3)))
            return signed_cancel(maker, order_hashes=[*names, "0xabc..."])
        if choice < 0.97:
            return signed_cancel(maker, event=self._rng.choice(self._world.fixtures))
        return signed_cancel(maker)

    async def send_again(self, http: httpx.AsyncClient, before: Asked) -> None:
        """What was obeyed once is refused for ever."""
        asked = self._count(await self._ledger.again(http, before))
        if "orders" in before.body:
            assert asked.is_acknowledged
            assert asked.answer["data"]["inserted"] == 0
            assert set(asked.answer["data"]["statuses"].values()) == {POSTED_AGAIN}
        else:
            assert asked.answer["errorCode"] == CANCELLED_AGAIN
