"""``post-to-push``: how long until a subscriber hears of an order.

A maker posts signed orders at a steady rate over keep-alive connections, one order a request, and
follows ``active_orders:{maker}`` on a WebSocket. Measured for every order, by its hash: from the sending
of the request to its push, and from its answer to its push (negative where the push was read first). The
rate does not yield: an order is due when it is due, and the time in which all connections were busy counts.

Poster and subscriber are one C program with one clock (``load/ws_post_to_push.c``) on the core that the
server does not have. Two figures tell what it adds itself: how late it posts (p99), and its processor
time per order, which covers posting, answer and push. A third tells what the machine adds: for which part
of the time threads of the server were ready to run and had to wait for its core. Much more than the
server's own threads take from each other (a few percent) and the latencies are those of a crowded core.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import Bound, Figure, Server, Settings, median, pinned, running_server, work_folder
from benchmarks.http_load import write_requests
from benchmarks.process import core_wait_s
from benchmarks.sandbox import Sandbox, orders, visit
from benchmarks.websocket import Microseconds, PostToPush, post_to_push

RATES = (200, 1000)  # orders per second
SEND_TO_PUSH_P99_BOUNDS = {200: Bound("<=", 20)}  # milliseconds, by rate

CONNECTIONS = 128  # so many orders may be under way: a standstill of 128 ms at 1,000/s
WARM_UP_S = 0.5


@dataclass(frozen=True)
class Measured:
    """One phase."""

    seen: PostToPush
    server_waited: float
    """For which part of the time the server had to wait for its core."""


@dataclass(frozen=True)
class Bench:
    """A running server, and where the requests are written to."""

    settings: Settings
    server: Server
    sandbox: Sandbox
    folder: Path

    def measure(self, number: int, rate: int, seconds: float) -> Measured:
        """Post for that long at that rate. The makers take turns by `number`: each can afford so many orders."""
        maker = self.sandbox.guests[number % len(self.sandbox.guests)]
        requests, hashes = self.folder / "requests", self.folder / "hashes"
        batch = list(orders(maker.account, self.sandbox.markets, max(1, int(rate * seconds))))
        write_requests(requests, (one.request for one in batch))
        hashes.write_text("".join(f"{one.order_hash}\n" for one in batch))
        pid = self.server.process.pid
        waited_before_s = core_wait_s(pid)
        seen = post_to_push(
            self.server.host,
            self.server.port,
            self.settings.cores.load,
            requests,
            hashes,
            token=self.sandbox.token(maker),
            channel=f"active_orders:{maker.address}",
            rate=rate,
            connections=CONNECTIONS,
            seconds=seconds,
        )
        return Measured(seen, (core_wait_s(pid) - waited_before_s) / seen.seconds)


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    phases: dict[int, list[Measured]] = {rate: [] for rate in RATES}
    with work_folder() as folder, pinned(settings.cores.load), running_server(settings, folder) as server:
        bench = Bench(settings, server, visit(server.host, server.port), folder)
        bench.measure(0, max(RATES), WARM_UP_S)
        for number in range(1, settings.rounds + 1):
            for rate in RATES:
                phases[rate].append(bench.measure(number, rate, settings.seconds))
                print(f"post-to-push  round {number}, {rate}/s: {phases[rate][-1]}", file=sys.stderr)
    for rate in RATES:
        yield from figures(rate, phases[rate])


def figures(rate: int, phases: list[Measured]) -> Iterator[Figure]:
    """Each figure is the median of the rounds."""
    rounds = [each.seen for each in phases]
    note = f"{rate} orders/s; median of {len(rounds)} round{'s' if len(rounds) > 1 else ''}"

    def spread(name: str, latencies: list[Microseconds], bound: Bound | None = None) -> Iterator[Figure]:
        yield Figure(f"{name} p50", median(each.p50 for each in latencies) / 1000, note, " ms")
        yield Figure(f"{name} p99", median(each.p99 for each in latencies) / 1000, note, " ms", bound)

    yield from spread("send to push", [each.send_to_push for each in rounds], SEND_TO_PUSH_P99_BOUNDS.get(rate))
    yield from spread("answer to push", [each.ack_to_push for each in rounds])
    yield from spread("send to answer", [each.send_to_ack for each in rounds])
    yield Figure("client late p99", median(each.late.p99 for each in rounds) / 1000, note, " ms")
    yield Figure("client", median(each.cpu_s / each.count * 1e6 for each in rounds), note, " us/order")
    waited = median(each.server_waited for each in phases)
    yield Figure("server without its core", waited * 100, note, " % of the time")
    most = f"{rate} orders/s; most of a round"
    yield Figure("orders that found every connection busy", max(each.queued for each in rounds), most)
