"""Bots that ping a real server as bots do, and know whether they were in time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from typing import Any

from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address
from overround.testing.sx import signed_order

# A ping is in time when it is sent so long before its deadline: the way to the server and the bot's own slowness.
MARGIN_S = 0.3
LATE_S_MAX = 5.0  # a heartbeat that has not fired by then is missing; how late it really was the journal says
RETRY_S = 0.01
BEARER = {"Authorization": "Bearer sandbox-admin"}


class Down:
    """When the venue could not be reached, or was stalled long enough to notice: that is charged to nobody."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        self._since: float | None = None

    def begin(self) -> None:
        """From now on."""
        self._since = time.monotonic()

    def end(self) -> None:
        """Until now."""
        assert self._since is not None
        self._spans.append((self._since, time.monotonic()))
        self._since = None

    def charged_s(self, start: float, end: float) -> float:
        """How much of a span is charged."""
        spans = [*self._spans, *([(self._since, end)] if self._since is not None else [])]
        return end - start - sum(max(0.0, min(end, until) - max(start, since)) for since, until in spans)


class Tally:
    """What came of it."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[str] = []


class Bot:
    """One account with one order. It pings for a while, falls silent or stops its heartbeat, and begins again."""

    def __init__(self, port: int, number: int, market: str, down: Down, tally: Tally, rng: random.Random) -> None:
        self._signer = LocalAccount.from_hex(f"{0xB07_0000 + number:064x}")
        self.address = checksum_address(self._signer.address)
        self._port, self._market, self._down, self._tally, self._rng = port, market, down, tally, rng
        self._keeps_connection = number % 2 == 0
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._key = ""
        self._interval_s = 0
        self._last_firing: Any = None
        self._sent_at = self._answered_at = 0.0

    async def furnish(self, usdc: str) -> None:
        """Money and a key."""
        await self._ask("PUT", f"/admin/balances/{self.address}/{usdc}", {"amount": str(10**9)}, BEARER)
        issued = await self._ask("POST", "/admin/api-keys", {"address": self.address}, BEARER)
        self._key = issued["apiKey"]

    async def live(self, over: asyncio.Event) -> None:
        """Until it is over; a phase that was begun is finished."""
        while not over.is_set():
            self._interval_s = self._rng.choice((1, 2, 2, 3, 4))
            await self._post()
            await self._ping()
            for _ in range(self._rng.randrange(12)):
                await self._ping_in_time()
                if over.is_set():
                    break
            await self._rng.choice((self._fall_silent, self._fall_silent, self._stop))()

    def hang_up(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    # ---- phases ---------------------------------------------------------------------------------------------------

    async def _ping_in_time(self) -> None:
        before = self._sent_at
        await asyncio.sleep(max(0.0, before + self._rng.uniform(0.05, self._interval_s - MARGIN_S) - time.monotonic()))
        await self._ping()
        charged_s = self._down.charged_s(before, self._sent_at)
        if await self._has_fired():
            if charged_s < self._interval_s - MARGIN_S:
                self._fault(f"fired although only {charged_s:.3f} s of {self._interval_s} s had passed")
            else:  # its own slowness, or that of the venue, which took no second
                self._tally.counts["pinged too late"] += 1
            await self._post()

    async def _fall_silent(self) -> None:
        """It must fire, neither too early nor never, and cancel the order."""
        self._tally.counts["silences"] += 1
        while not await self._has_fired():
            charged_s = self._down.charged_s(self._answered_at, time.monotonic())
            if charged_s > self._interval_s + LATE_S_MAX:
                self._fault(f"has not fired although {charged_s:.3f} s have passed, not {self._interval_s} s")
                return
            await asyncio.sleep(0.02)
        charged_s = self._down.charged_s(self._sent_at, time.monotonic())
        if charged_s < self._interval_s - MARGIN_S:
            self._fault(f"fired although only {charged_s:.3f} s of {self._interval_s} s of silence had passed")
        if await self._open_orders():
            self._fault("fired, and left an order open")

    async def _stop(self) -> None:
        """It must not fire any more."""
        self._tally.counts["stopped"] += 1
        await self._ask("POST", "/user/heartbeat/cancel", {}, {"X-Api-Key": self._key})
        fired = await self._has_fired()  # before it was stopped, perhaps
        if fired and self._down.charged_s(self._sent_at, time.monotonic()) < self._interval_s - MARGIN_S:
            self._fault("fired before it was stopped, too early")
        await asyncio.sleep(self._interval_s + 1)
        if await self._has_fired():
            self._fault("fired although it had been stopped")
        if not fired and not await self._open_orders():
            self._fault("lost its order although its heartbeat had been stopped")

    # ---- requests -------------------------------------------------------------------------------------------------

    async def _ping(self) -> None:
        await self._ask("POST", "/user/heartbeat", {"interval": self._interval_s}, {"X-Api-Key": self._key})
        self._sent_at, self._answered_at = self._asked_at, time.monotonic()
        self._tally.counts["pings"] += 1

    async def _has_fired(self) -> bool:
        state = await self._ask("GET", "/user/heartbeat", None, {"X-Api-Key": self._key})
        fired = state["lastFiring"] != self._last_firing
        self._last_firing = state["lastFiring"]
        self._tally.counts["firings"] += fired
        return bool(fired)

    async def _post(self) -> None:
        if not await self._open_orders():
            expiry = int(time.time()) + 30 * 86_400
            entry = signed_order(self._signer, self._market, api_expiry=expiry)
            await self._ask("POST", "/orders/new", {"orders": [entry]}, {})

    async def _open_orders(self) -> int:
        return len(await self._ask("GET", f"/orders?maker={self.address}", None, {}))

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Any:
        """Ask until there is an answer, for the venue may be down."""
        sent = json.dumps(body).encode() if body is not None else b""
        lines = [f"{method} {path} HTTP/1.1", "Host: x", *(f"{name}: {value}" for name, value in headers.items())]
        request = "\r\n".join([*lines, f"Content-Length: {len(sent)}", "", ""]).encode() + sent
        while True:
            with contextlib.suppress(OSError, EOFError):
                status, answer = await self._exchange(request)
                assert status == 200, f"{method} {path}: {status} {answer!r}"
                return json.loads(answer)["data"]
            self.hang_up()
            await asyncio.sleep(RETRY_S)

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connection
        self._asked_at = time.monotonic()
        writer.write(request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        body = await reader.readexactly(int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0]))
        if not self._keeps_connection:
            self.hang_up()
        return int(head.split()[1]), body

    def _fault(self, what: str) -> None:
        self._tally.faults.append(f"{self.address} {what}")
