"""Makers who post and cancel all the time, whether or not anybody answers."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import httpx

from overround.signing.account import LocalAccount
from overround.testing.sx import hash_of, signed_cancel, signed_order

OPEN_MAX = 60  # of one maker, about
RETRY_S = 0.02


class Load:
    """A context manager: traffic goes on inside."""

    def __init__(
        self,
        base_url: str,
        makers: Sequence[LocalAccount],
        markets: Sequence[str],
        rng: random.Random,
        *,
        pause_s: float,
    ) -> None:
        self.answered = 0
        self._base_url = base_url
        self._makers = makers
        self._markets = markets
        self._rng = rng
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._trade(maker)) for maker in self._makers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result

    async def _trade(self, maker: LocalAccount) -> None:
        book: list[str] = []
        async with httpx.AsyncClient(base_url=self._base_url, timeout=30, trust_env=False) as http:
            while True:
                path, body = self._next(maker, book)
                try:
                    answer = await http.post(path, json=body)
                except httpx.TransportError:  # the venue is gone; what was asked may have been done or not
                    await asyncio.sleep(RETRY_S)
                    continue
                assert answer.status_code == 200, answer.text
                self.answered += 1
                await asyncio.sleep(self._rng.uniform(0, 2 * self._pause_s))

    def _next(self, maker: LocalAccount, book: list[str]) -> tuple[str, dict[str, Any]]:
        choice = self._rng.random()
        if len(book) > OPEN_MAX or choice < 0.02:
            book.clear()
            return "/orders/cancel/all", signed_cancel(maker)
        if choice < 0.4 and book:
            names = [book.pop(self._rng.randrange(len(book))) for _ in range(min(len(book), self._rng.randint(1, 3)))]
            return "/orders/cancel/v2", signed_cancel(maker, order_hashes=names)
        markets = self._rng.sample(self._markets, self._rng.randint(1, 3))
        entries = [signed_order(maker, market) for market in markets]
        book += map(hash_of, entries)
        return "/orders/new", {"orders": entries}
