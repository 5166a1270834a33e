"""``connections``: what an idle connection costs, and how long a venue takes to get all of them back.

Five thousand connections with ten subscriptions each: the maker's own channel, which nobody else has, and
the channels of six markets and three events, which many share. *Memory* is what the resident memory of a
fresh server grows by, for each connection; what the kernel keeps for a socket is not in it.

*The storm*: the server is ended with ``kill -9`` and started again on its data folder. Orders are posted
before anybody is back, so that every connection missed something. Then all of them come at once, 256
handshakes under way at any time, each with its connect and its ten positions in one message. It is over
when every subscription has its answer; the answer must be ``recovered`` with exactly the publications
that the channel had meanwhile, and no offset may be missing on any of them.
"""

import itertools
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import (
    BenchmarkError,
    Bound,
    Figure,
    Settings,
    free_port,
    median,
    pinned,
    pinned_command,
    work_folder,
)
from benchmarks.sandbox import Poster, Sandbox, orders, visit
from benchmarks.websocket import Report, Subscriber, Subscribers
from overround.signing.address import checksum_address
from overround.signing.keccak import keccak256
from overround.testing.server import ServerFailed, ServerProcess

CONNECTIONS = 5000
SUBSCRIPTIONS = 10
SHARED_MARKETS = 6
SHARED_EVENTS = 3
MISSED_POSTS = 24
ROUNDS_MAX = 3  # a round takes much longer than a phase

MEMORY_BOUND = Bound("<=", 40)  # KiB
STORM_BOUND = Bound("<=", 15)  # seconds

HOST = "127.0.0.1"
WAIT_MAX_S = 120.0
SPARE_FILES = 512


@dataclass(frozen=True)
class Storm:
    """One crash with all connections held."""

    restart_s: float
    """From the start of the new process to its ready line."""
    report: Report
    missed: int
    """Publications that the connections together must recover."""


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    with open_files(CONNECTIONS + SPARE_FILES), work_folder() as folder, pinned(settings.cores.load):
        port = free_port()
        command = settings.server_command(port, folder / "data")
        server = ServerProcess(program=pinned_command(settings.cores.server, command)[1:], command=())
        try:
            with server:
                bench = Bench(settings, server, visit(HOST, port))
                with bench.subscribers(folder) as subscribers:
                    yield from opening(*bench.open(subscribers))
                    storms = bench.storms(subscribers)
        except ServerFailed as error:
            raise BenchmarkError(str(error)) from error
    yield from recovery(storms)


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Let this process, and the server that inherits it, have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchmarkError(f"{count} open files are needed, {hard} allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@dataclass
class Bench:
    """A server that can be killed, and who connects to it."""

    settings: Settings
    server: ServerProcess
    sandbox: Sandbox

    def subscribers(self, folder: Path) -> Subscribers:
        """The client that holds all connections; none is open yet."""
        return Subscribers(HOST, self.sandbox.port, self.settings.cores.load, self.everybody(), folder / "subscribers")

    def everybody(self) -> list[Subscriber]:
        """All connections to be: the accounts take turns, and so do the shared channels."""
        tokens = [self.sandbox.token(guest) for guest in self.sandbox.guests]
        return [Subscriber(tokens[number % len(tokens)], self.channels(number)) for number in range(CONNECTIONS)]

    def channels(self, number: int) -> list[str]:
        """What one connection subscribes to."""
        own = f"active_orders:{checksum_address(keccak256(b'maker %d' % number)[12:])}"
        markets = [f"order_book:market_{one}" for one in turns(self.sandbox.markets, number, SHARED_MARKETS)]
        events = [f"order_book:event_{one}" for one in turns(self.sandbox.events, number, SHARED_EVENTS)]
        channels = [own, *markets, *events]
        if len(set(channels)) != SUBSCRIPTIONS:
            raise BenchmarkError(f"{len(set(channels))} channels instead of {SUBSCRIPTIONS}")
        return channels

    def open(self, subscribers: Subscribers) -> tuple[Report, float]:
        """Open all connections for the first time; returns by how many bytes each of them made the server grow."""
        before = resident_bytes(self.server.pid)
        report = subscribers.open(WAIT_MAX_S)
        return report, (resident_bytes(self.server.pid) - before) / CONNECTIONS

    def storms(self, subscribers: Subscribers) -> list[Storm]:
        """Crash, restart and reconnect, some times."""
        storms = []
        for number in range(1, min(self.settings.rounds, ROUNDS_MAX) + 1):
            storms.append(self.storm(subscribers))
            print(f"connections  round {number}: {storms[-1]}", file=sys.stderr)
        return storms

    def storm(self, subscribers: Subscribers) -> Storm:
        """Kill the server and bring everybody back."""
        self.server.kill()
        subscribers.await_loss(WAIT_MAX_S)
        started = time.monotonic()
        self.server.start()
        restart_s = time.monotonic() - started
        missed = self.post_unheard()
        return Storm(restart_s, subscribers.open(WAIT_MAX_S), missed)

    def post_unheard(self) -> int:
        """Post orders while nobody is connected; returns how many publications that is for all who were."""
        markets = list(itertools.islice(itertools.cycle(self.sandbox.markets), MISSED_POSTS))
        with Poster(HOST, self.sandbox.port) as poster:
            for order in orders(self.sandbox.guests[0].account, markets, MISSED_POSTS):
                poster.post(order)
        published = Counter(f"order_book:market_{one}" for one in markets)
        published.update(f"order_book:event_{self.sandbox.event_of[one]}" for one in markets)
        return sum(published[channel] for number in range(CONNECTIONS) for channel in self.channels(number))


def turns(names: list[str], number: int, count: int) -> list[str]:
    """`count` of the names, another selection for every number."""
    return [names[(number + step) % len(names)] for step in range(count)]


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def opening(report: Report, bytes_per_connection: float) -> Iterator[Figure]:
    """What it costs to hold all connections, and to open them."""
    load = f"{CONNECTIONS} connections with {SUBSCRIPTIONS} subscriptions each"
    yield Figure("memory", bytes_per_connection / 1024, load, " KiB/connection", MEMORY_BOUND)
    yield Figure("opened", report.opened / report.seconds, f"{load}; {report.seconds:.2f} s", "/s")


def recovery(storms: list[Storm]) -> Iterator[Figure]:
    """What became of the storms: of counts the worst, of times the median."""
    note = f"{len(storms)} crash{'es' if len(storms) > 1 else ''}"
    wanted = CONNECTIONS * SUBSCRIPTIONS
    reports = [storm.report for storm in storms]
    lost = sum(abs(storm.missed - storm.report.recovered_publications) for storm in storms)
    middle = f"median of {note}"
    yield Figure(
        "recovered", min(each.recovered for each in reports), f"subscriptions; {note}", bound=Bound("==", wanted)
    )
    yield Figure(
        "publications lost", lost, f"of {sum(storm.missed for storm in storms)} missed; {note}", bound=Bound("==", 0)
    )
    yield Figure("gaps", sum(each.gaps for each in reports), note, bound=Bound("==", 0))
    yield Figure("storm", median(each.seconds for each in reports), f"until all are back; {middle}", " s", STORM_BOUND)
    yield Figure("restart", median(storm.restart_s for storm in storms), f"until ready; {middle}", " s")
    yield Figure("retries", max(each.retries for each in reports), f"of opening; most of {note}")
