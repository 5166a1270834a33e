"""``cancel-under-attack``: how long a maker's cancel takes while others overload the venue.

A few makers cancel everything at a steady rate over keep-alive connections, each cancel signed and unique, and every
one must be answered with success. First on an idle venue; then while somebody else offers five times as many signed
orders a second as the venue was just seen to accept, pipelined and without waiting for answers; then the same with
bad signatures, half of them orders and half of them cancels in the name of these very makers.

A latency runs from the moment at which a cancel was due, so that a cancel that holds up the next one counts twice.
Makers and attacker share the core that the server does not have, the attacker at the lowest priority; what that
costs the makers is in the figures. No rate limit is on (a sandbox has none): all that comes must be dealt with.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.harness import (
    ROOT,
    BenchmarkError,
    Bound,
    Figure,
    Server,
    Settings,
    median,
    pinned,
    pinned_command,
    running_server,
    work_folder,
)
from benchmarks.http_load import http_post, post_all, write_requests
from benchmarks.process import core_wait_s
from benchmarks.sandbox import ORDERS_PATH, Sandbox, orders, visit
from overround.signing.account import LocalAccount
from overround.testing.sx import signed_cancel, signed_order

OVERLOAD = 5  # times what the venue accepts
MAKERS = 4  # each with a connection of its own
CANCELS_PER_S = 200  # of all makers together
ATTACK_CONNECTIONS = 64
FORGERIES = 2_000
CAPACITY_S = 1.0
CAPACITY_POSTS = 10_000  # more than a second of it
UNIQUE_SHARE = 1.5  # of what the venue can accept in a phase; then the orders begin again, and are known
LEAD_S = 0.5  # the attack is under way when the first cancel is sent
CANCEL_PATH = "/orders/cancel/all"
ANSWER_WAIT_MAX_S = 30.0
PHASES = ("idle", "posts", "bad signatures")


@dataclass
class Phase:
    """What the makers saw, in all rounds."""

    sent: int = 0
    served: int = 0
    p50s_ms: list[float] = field(default_factory=list)
    p99s_ms: list[float] = field(default_factory=list)
    offered_per_s: list[float] = field(default_factory=list)
    answered_per_s: list[float] = field(default_factory=list)
    server_waited: list[float] = field(default_factory=list)
    """For which part of the time the server had to wait for its core."""

    def add(self, latencies_s: list[float], sent: int) -> None:
        """One round."""
        self.sent += sent
        self.served += len(latencies_s)
        ordered = sorted(latencies_s) or [ANSWER_WAIT_MAX_S]
        self.p50s_ms.append(ordered[len(ordered) // 2] * 1000)
        self.p99s_ms.append(ordered[int(len(ordered) * 0.99)] * 1000)

    def last(self, name: str) -> str:
        """The last round, for whoever watches."""
        waited = f"waited for its core {self.server_waited[-1]:.0%}"
        return f"{name} p50 {self.p50s_ms[-1]:.2f} p99 {self.p99s_ms[-1]:.2f} ms, {waited}"


class Maker:
    """Cancels at a steady rate over one connection."""

    def __init__(self, server: Server, account: LocalAccount, count: int) -> None:
        self._socket = socket.create_connection((server.host, server.port), timeout=ANSWER_WAIT_MAX_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bodies = (json.dumps(signed_cancel(account), separators=(",", ":")) for _ in range(count))
        self._requests = [http_post(CANCEL_PATH, body.encode()) for body in bodies]
        self.latencies_s: list[float] = []  # of those that were served
        self.refused: list[bytes] = []

    def run(self, start_at: float, rate: float) -> None:
        """Send what is due when it is due, or as soon as the one before was answered."""
        with self._socket:
            for number, request in enumerate(self._requests):
                due = start_at + number / rate
                time.sleep(max(0.0, due - time.monotonic()))
                self._socket.sendall(request)
                answer = self._answer()
                if answer.startswith(b"HTTP/1.1 200 ") and b'"status":"success"' in answer:
                    self.latencies_s.append(time.monotonic() - due)
                else:
                    self.refused.append(answer)

    def _answer(self) -> bytes:
        answer = b""
        while True:
            head, end, body = answer.partition(b"\r\n\r\n")
            if end:
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
                if len(body) >= length:
                    return answer
            received = self._socket.recv(65536)
            if not received:
                raise BenchmarkError("the server closed a maker's connection")
            answer += received


@dataclass(frozen=True)
class Bench:
    """A running server, and where requests are written to."""

    settings: Settings
    server: Server
    sandbox: Sandbox
    folder: Path

    def cancel(self, phase: Phase) -> None:
        """The makers' share of a phase."""
        rate = CANCELS_PER_S / MAKERS
        count = max(1, int(rate * self.settings.seconds))
        makers = [Maker(self.server, guest.account, count) for guest in self.sandbox.guests[:MAKERS]]
        waited_before_s, start_at = core_wait_s(self.server.process.pid), time.monotonic() + 0.05
        threads = [
            threading.Thread(target=maker.run, args=(start_at + number / CANCELS_PER_S, rate), daemon=True)
            for number, maker in enumerate(makers)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.settings.seconds + ANSWER_WAIT_MAX_S)
        for refused in (answer for maker in makers for answer in maker.refused[:1]):
            print(f"cancel-under-attack  not served: {refused!r}", file=sys.stderr)
        waited_s = core_wait_s(self.server.process.pid) - waited_before_s
        phase.server_waited.append(waited_s / (time.monotonic() - start_at))
        phase.add([each for maker in makers for each in maker.latencies_s], count * MAKERS)

    def capacity(self, number: int) -> float:
        """Orders a second that the venue accepts from connections that are always busy."""
        path = self.folder / "capacity"
        self._write_posts(path, number, CAPACITY_POSTS)
        load = post_all(
            self.server.host,
            self.server.port,
            self.settings.cores.load,
            path,
            connections=ATTACK_CONNECTIONS,
            seconds=CAPACITY_S,
            expected='"status":"success"',
        )
        return load.rate

    def posts(self, number: int, per_s: float) -> Path:
        """Signed orders for an attack."""
        path = self.folder / "posts"
        self._write_posts(path, number, per_s * UNIQUE_SHARE * (self.settings.seconds + LEAD_S))
        return path

    def _write_posts(self, path: Path, number: int, count: float) -> None:
        """Unique orders. The guests behind the makers take turns by `number`: each can afford so many."""
        attackers = self.sandbox.guests[MAKERS:]
        account = attackers[number % len(attackers)].account
        write_requests(path, (one.request for one in orders(account, self.sandbox.markets, int(count))))

    def forgeries(self) -> Path:
        """Orders and cancels that their makers did not sign."""
        path = self.folder / "forgeries"
        attacker, victims = self.sandbox.guests[-1], self.sandbox.guests[:MAKERS]

        def bodies() -> Iterator[tuple[str, object]]:
            for turn in range(FORGERIES // 2):
                victim = victims[turn % len(victims)]
                market = self.sandbox.markets[turn % len(self.sandbox.markets)]
                entry = signed_order(attacker.account, market)
                yield ORDERS_PATH, {"orders": [{**entry, "maker": victim.address}]}
                yield CANCEL_PATH, {**signed_cancel(attacker.account), "maker": victim.address}

        write_requests(path, (http_post(to, json.dumps(body).encode()) for to, body in bodies()))
        return path

    @contextmanager
    def attack(self, requests: Path, per_s: float, phase: Phase) -> Iterator[None]:
        """Offer them, from before to after."""
        seconds = LEAD_S + self.settings.seconds + 0.5
        words = (self.server.host, self.server.port, requests, ATTACK_CONNECTIONS, per_s, seconds)
        command = [sys.executable, "-m", "benchmarks.flood", *map(str, words)]
        flood = subprocess.Popen(
            pinned_command(self.settings.cores.load, ["nice", "-n", "19", *command]),
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        try:
            time.sleep(LEAD_S)
            yield
            output, _ = flood.communicate(timeout=seconds + ANSWER_WAIT_MAX_S)
        finally:
            if flood.poll() is None:
                flood.kill()
                flood.wait()
        if flood.returncode != 0:
            raise BenchmarkError(f"the attack ended with {flood.returncode}")
        seen = json.loads(output)
        phase.offered_per_s.append(seen["offered"] / seconds)
        phase.answered_per_s.append(seen["answered"] / seconds)
        print(f"cancel-under-attack  attack: {seen}", file=sys.stderr)


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    phases = {name: Phase() for name in PHASES}
    with work_folder() as folder, pinned(settings.cores.load), running_server(settings, folder) as server:
        bench = Bench(settings, server, visit(server.host, server.port), folder)
        forgeries = bench.forgeries()
        bench.cancel(Phase())  # warm up
        for number in range(1, settings.rounds + 1):
            per_s = OVERLOAD * bench.capacity(2 * number)
            posts = bench.posts(2 * number + 1, per_s / OVERLOAD)
            bench.cancel(phases["idle"])
            for name, requests in (("posts", posts), ("bad signatures", forgeries)):
                with bench.attack(requests, per_s, phases[name]):
                    bench.cancel(phases[name])
            last = ", ".join(phase.last(name) for name, phase in phases.items())
            print(f"cancel-under-attack  round {number}: {last}", file=sys.stderr)
    yield from figures(phases, settings.rounds)


def figures(phases: dict[str, Phase], rounds: int) -> Iterator[Figure]:
    """Latencies are medians of the rounds, ratios are of these."""
    note = f"median of {rounds} round{'s' if rounds > 1 else ''}"
    idle = phases["idle"]
    for name, phase in phases.items():
        yield Figure(f"{name}: served", phase.served, f"of {phase.sent}", bound=Bound("==", phase.sent))
        yield Figure(f"{name}: p50", median(phase.p50s_ms), note, " ms")
        yield Figure(f"{name}: p99", median(phase.p99s_ms), note, " ms")
        waited = median(phase.server_waited)
        yield Figure(f"{name}: server without its core", waited * 100, note, " % of the time")
        if name != "idle":
            yield Figure(f"{name}: p99 against idle", median(phase.p99s_ms) / median(idle.p99s_ms), note, "x")
            yield Figure(f"{name}: offered", median(phase.offered_per_s), note, "/s")
            yield Figure(f"{name}: answered", median(phase.answered_per_s), note, "/s")
