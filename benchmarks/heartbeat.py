"""``heartbeat``: how soon after a missed deadline everybody knows.

Ten thousand accounts, each with an open order and an armed heartbeat. Half of them fall silent: their deadlines come
as their last pings came, a thousand a second. The other half goes on pinging meanwhile, and each of those pings is a
journaled command as well. A follower of the event's channel notes when the order of each silent account is told to be
INACTIVE; the lag is counted from the deadline that the account was told in answer to its last ping. The venue's time is
the machine's here, so the two can be compared.

Told before its deadline is told falsely; so is an order of an account that went on pinging. Both must not happen.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.harness import (
    BenchmarkError,
    Bound,
    Figure,
    Server,
    Settings,
    median,
    pinned,
    running_server,
    work_folder,
)
from benchmarks.sandbox import ORDERS_PATH, Sandbox, get, orders, visit
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address

LAG_P99_BOUND = Bound("<=", 100)  # milliseconds (spec/sx.md 7.8)

ACCOUNTS = 10_000
INTERVAL_S = 20
PINGS_PER_S = 1_000
CALLERS = 64  # connections
ROUNDS_MAX = 2  # a round takes much longer than a phase
SETTLE_S = 2.0  # after the last deadline
FUNDS = 10**9
_WAIT_MAX_S = 60.0


@dataclass
class Account:
    """One bot."""

    signer: LocalAccount
    address: str
    api_key: str = ""
    order_hash: str = ""
    deadline_ms: int = 0
    told_ms: int = 0


@dataclass
class Bench:
    """A running server, and everybody who takes part."""

    server: Server
    sandbox: Sandbox
    admin: str
    usdc: str
    accounts: list[Account] = field(default_factory=list)


@dataclass(frozen=True)
class Measured:
    """One round."""

    lags_ms: list[int]
    false: int
    missing: int
    pings: int

    def percentile(self, share: float) -> int:
        """Of the lags."""
        return sorted(self.lags_ms)[min(int(len(self.lags_ms) * share), len(self.lags_ms) - 1)]


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    rounds = []
    with work_folder() as folder, pinned(settings.cores.load), running_server(settings, folder) as server:
        sandbox = visit(server.host, server.port)
        found = get(server.host, server.port, "/sandbox")
        bench = Bench(server, sandbox, found["adminToken"], found["tokens"]["USDC"])
        asyncio.run(_furnish(bench))
        for number in range(min(settings.rounds, ROUNDS_MAX)):
            rounds.append(asyncio.run(_measure(bench)))
            told = rounds[-1]
            print(
                f"heartbeat  round {number + 1}: {len(told.lags_ms)} fired, p50 {told.percentile(0.5)} ms, "
                f"p99 {told.percentile(0.99)} ms, most {max(told.lags_ms)} ms",
                file=sys.stderr,
            )
    yield from figures(rounds)


def figures(rounds: Sequence[Measured]) -> Iterator[Figure]:
    """Each lag is the median of the rounds, the faults are those of all of them."""
    fired = sum(len(one.lags_ms) for one in rounds)
    note = f"from the deadline to the feed; {ACCOUNTS} armed, {fired} fired"
    yield Figure("lag p50", median(one.percentile(0.5) for one in rounds), note, " ms")
    yield Figure("lag p99", median(one.percentile(0.99) for one in rounds), note, " ms", LAG_P99_BOUND)
    yield Figure("lag, most", max(max(one.lags_ms) for one in rounds), note, " ms")
    pings = f"of {sum(one.pings for one in rounds)} pings"
    yield Figure("false firings", sum(one.false for one in rounds), pings, bound=Bound("==", 0))
    yield Figure("missing firings", sum(one.missing for one in rounds), note, bound=Bound("==", 0))


# ---- a round -------------------------------------------------------------------------------------------------------


async def _furnish(bench: Bench) -> None:
    """Accounts with money and keys."""
    bearer = f"Authorization: Bearer {bench.admin}\r\n"
    for number in range(ACCOUNTS):
        signer = LocalAccount.from_hex(f"{0xBEA7_0000 + number:064x}")
        bench.accounts.append(Account(signer, checksum_address(signer.address)))

    async def furnish(caller: Caller, account: Account) -> None:
        path = f"/admin/balances/{account.address}/{bench.usdc}"
        await caller.call("PUT", path, {"amount": str(FUNDS)}, bearer)
        issued = await caller.call("POST", "/admin/api-keys", {"address": account.address}, bearer)
        account.api_key = issued["data"]["apiKey"]

    await _all(bench, bench.accounts, furnish)


async def _measure(bench: Bench) -> Measured:
    silent, lively = bench.accounts[::2], bench.accounts[1::2]
    await _all(bench, bench.accounts, _post(bench))
    by_hash = {account.order_hash: account for account in bench.accounts}
    token = bench.sandbox.token(bench.sandbox.guests[0])
    url = f"ws://{bench.server.host}:{bench.server.port}/connection/websocket"
    pings = 0
    async with connect(url, max_size=None) as socket:
        following = asyncio.create_task(_follow(socket, token, _events(bench), by_hash))
        await _all(bench, bench.accounts, _ping, rate=PINGS_PER_S)
        pings += len(bench.accounts)
        last_ms = max(account.deadline_ms for account in silent)
        while _now_ms() < last_ms:  # those who are lively ping on, each well within its interval
            await _all(bench, lively, _ping, rate=PINGS_PER_S)
            pings += len(lively)
        await asyncio.sleep(SETTLE_S)
        following.cancel()
    await _all(bench, lively, _cancel_heartbeat)
    fired = [account for account in silent if account.told_ms]
    early = sum(account.told_ms < account.deadline_ms for account in fired)
    measured = Measured(
        [account.told_ms - account.deadline_ms for account in fired],
        early + sum(bool(account.told_ms) for account in lively),
        len(silent) - len(fired),
        pings,
    )
    if not fired:
        raise BenchmarkError("no heartbeat fired")
    return measured


def _events(bench: Bench) -> list[str]:
    return sorted({bench.sandbox.event_of[market] for market in bench.sandbox.markets})


def _post(bench: Bench) -> "Action":
    async def post(caller: "Caller", account: Account) -> None:
        (order,) = orders(account.signer, bench.sandbox.markets[int(account.address[-1], 16) % 2 :], 1)
        account.order_hash, account.told_ms = order.order_hash, 0
        answer = await caller.send("POST", ORDERS_PATH, order.body)
        if b'"OK"' not in answer:
            raise BenchmarkError(f"POST {ORDERS_PATH}: {answer[:300]!r}")

    return post


async def _ping(caller: "Caller", account: Account) -> None:
    key = f"X-Api-Key: {account.api_key}\r\n"
    answer = await caller.call("POST", "/user/heartbeat", {"interval": INTERVAL_S}, key)
    account.deadline_ms = _ms_of(answer["data"]["expiresAt"])


async def _cancel_heartbeat(caller: "Caller", account: Account) -> None:
    await caller.call("POST", "/user/heartbeat/cancel", {}, f"X-Api-Key: {account.api_key}\r\n")


async def _follow(socket: ClientConnection, token: str, events: Iterable[str], by_hash: dict[str, Account]) -> None:
    """Note when each order is told to be gone."""
    await socket.send(json.dumps({"id": 1, "connect": {"token": token}}))
    for number, event in enumerate(events, 2):
        await socket.send(json.dumps({"id": number, "subscribe": {"channel": f"order_book:event_{event}"}}))
    async for frame in socket:
        now_ms = _now_ms()
        for line in str(frame).splitlines():
            told = json.loads(line)
            if not told:
                await socket.send("{}")
            for update in told.get("push", {}).get("pub", {}).get("data", []):
                account = by_hash.get(update["orderHash"])
                if account is not None and update["status"] == "INACTIVE":
                    account.told_ms = now_ms


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _ms_of(text: str) -> int:
    return round(datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC).timestamp() * 1000)


# ---- many requests -------------------------------------------------------------------------------------------------


class Caller:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def call(self, method: str, path: str, body: Any, headers: str = "") -> Any:
        """Send JSON, read JSON."""
        return json.loads(await self.send(method, path, json.dumps(body).encode(), headers))

    async def send(self, method: str, path: str, body: bytes, headers: str = "") -> bytes:
        """The body of the answer; anything but 200 is an error."""
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        size = int(answer.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        found = await self._reader.readexactly(size)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise BenchmarkError(f"{method} {path}: {answer[:60]!r} {found[:300]!r}")
        return found

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


Action = Callable[[Caller, Account], Awaitable[None]]


async def _all(bench: Bench, accounts: Sequence[Account], action: Action, rate: float = 0.0) -> None:
    """Do it for every account, over all connections; with `rate` so many a second."""
    started, number = time.monotonic(), iter(range(len(accounts)))

    async def work() -> None:
        caller = Caller(*await asyncio.open_connection(bench.server.host, bench.server.port))
        try:
            for place in number:
                if rate:
                    await asyncio.sleep(max(0.0, started + place / rate - time.monotonic()))
                await asyncio.wait_for(action(caller, accounts[place]), _WAIT_MAX_S)
        finally:
            caller.close()

    await asyncio.gather(*(work() for _ in range(min(CALLERS, len(accounts)))))
