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
import sys
import time
from collections import Counter
from collections.abc import Iterator
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
from benchmarks.process import cpu_s, open_files, resident_bytes
from benchmarks.sandbox import Poster, Sandbox, orders, visit
from benchmarks.websocket import Report, Subscriber, Subscribers
from overround.signing.address import checksum_address
from overround.signing.keccak import keccak256
from overround.testing.server import ServerFailed, ServerProcess

MEMORY_BOUND = Bound("<=", 20)  # KiB per connection
STORM_BOUND = Bound("<=", 15)  # seconds until all are back
STORM_CPU_BOUND = Bound("<=", 1.5)  # milliseconds of the server's processor time per connection

CONNECTIONS = 5000
SUBSCRIPTIONS = 10
SHARED_MARKETS = 6
SHARED_EVENTS = 3
MISSED_POSTS = 24
ROUNDS_MAX = 3  # a round takes much longer than a phase

HOST = "127.0.0.1"
WAIT_MAX_S = 120.0
SPARE_FILES = 512


@dataclass(frozen=True)
class Opening:
    """All connections were opened."""

    report: Report
    cpu_s: float
    """Processor time of the server meanwhile."""
    grown_bytes: int
    """What its resident memory grew by."""


@dataclass(frozen=True)
class Storm:
    """One crash with all connections held."""

    restart_s: float
    """From the start of the new process to its ready line."""
    missed: int
    """Publications that the connections together must recover."""
    back: Opening


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
                    yield from opening(bench.open(subscribers))
                    storms = bench.storms(subscribers)
                if (code := server.stop()) != 0:
                    raise BenchmarkError(f"the server ended with {code} when told to stop:\n{server.log[-2000:]}")
        except ServerFailed as error:
            raise BenchmarkError(str(error)) from error
    yield from recovery(storms)


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

    def open(self, subscribers: Subscribers) -> Opening:
        """Open all connections, from where they stood if they were open before."""
        pid = self.server.pid
        resident_before, cpu_before_s = resident_bytes(pid), cpu_s(pid)
        report = subscribers.open(WAIT_MAX_S)
        return Opening(report, cpu_s(pid) - cpu_before_s, resident_bytes(pid) - resident_before)

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
        return Storm(restart_s, self.post_unheard(), self.open(subscribers))

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


def opening(first: Opening) -> Iterator[Figure]:
    """What it costs to hold all connections, and to open them for the first time."""
    load = f"{CONNECTIONS} connections with {SUBSCRIPTIONS} subscriptions each"
    yield Figure("memory", first.grown_bytes / CONNECTIONS / 1024, load, " KiB/connection", MEMORY_BOUND)
    yield Figure("opening", first.report.seconds, f"{load}, for the first time", " s")
    yield Figure("opening, server", first.cpu_s / CONNECTIONS * 1000, "processor time", " ms/connection")


def recovery(storms: list[Storm]) -> Iterator[Figure]:
    """What became of the storms: of counts the worst, of times the median."""
    crashes = f"{len(storms)} crash{'es' if len(storms) > 1 else ''}"
    reports = [storm.back.report for storm in storms]
    wanted = CONNECTIONS * SUBSCRIPTIONS
    lost = sum(abs(storm.missed - storm.back.report.recovered_publications) for storm in storms)
    missed = sum(storm.missed for storm in storms)
    server_ms = median(storm.back.cpu_s for storm in storms) / CONNECTIONS * 1000
    subscriptions = f"subscriptions; worst of {crashes}"
    yield Figure("recovered", min(each.recovered for each in reports), subscriptions, "", Bound("==", wanted))
    yield Figure("publications lost", lost, f"of {missed} missed; {crashes}", "", Bound("==", 0))
    yield Figure("gaps", sum(each.gaps for each in reports), crashes, "", Bound("==", 0))
    note = f"median of {crashes}"
    yield Figure("storm", median(each.seconds for each in reports), f"until all are back; {note}", " s", STORM_BOUND)
    yield Figure("storm, server", server_ms, f"processor time; {note}", " ms/connection", STORM_CPU_BOUND)
    yield Figure("restart", median(storm.restart_s for storm in storms), f"until ready; {note}", " s")
    yield Figure("retries", max(each.retries for each in reports), f"of opening a connection; worst of {crashes}")
