"""``fan-out``: processor time of the server for one delivery, against the bare limit of a send loop.

A thousand WebSocket connections follow one market. Orders are posted on it at a steady rate; every post
is one publication, and every publication a thousand deliveries of the same frame. The server's time for
a delivery is what its process takes more for these posts than for as many posts on a market that nobody
follows, divided by the deliveries: journal, engine, signatures and HTTP cancel out.

The bare limit is a C loop (``load/ws_send_loop.c``) that calls ``send`` with the very same bytes on a
thousand connections of the same client, on the same core, at the same rate, in alternation. It looks up
nothing, queues nothing and encodes nothing: the rest is the kernel's work, which a server cannot avoid
while every connection has a socket of its own. A venue without any other cost would have ratio 1.

The kinds alternate in slices of half a second, and the figures are medians of slices: where others use the
cores as well, they meet all kinds alike. They still cost the server more than the loop, whose code and data
are small enough to stay in the caches; so a last figure tells for which part of the time the server was
ready to run and had to wait for its core. On a core of its own that is a few percent.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

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
from benchmarks.process import core_wait_s, cpu_s, open_files
from benchmarks.sandbox import Guest, Poster, orders, visit
from benchmarks.websocket import SendLoop, Subscriber, Subscribers
from overround.protocols.centrifugo import text_frame

RATIO_BOUND = Bound("<=", 1.6)

SUBSCRIBERS = 1000
POSTS_PER_S = 100
SLICE_POSTS = 50
WARM_UP_POSTS = 50
OPEN_WAIT_MAX_S = 30.0
PUSH_WAIT_MAX_S = 20.0
SPARE_FILES = 256


@dataclass(frozen=True)
class Slice:
    """Half a second of each kind, straight after each other; microseconds of processor time."""

    quiet_post_us: float
    delivery_us: float
    bare_send_us: float
    server_waited: float
    """For which part of the time of its deliveries the server had to wait for its core."""

    @property
    def ratio(self) -> float:
        """The server's time for a delivery, in bare sends."""
        return self.delivery_us / self.bare_send_us


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    with (
        open_files(SUBSCRIBERS + SPARE_FILES),
        work_folder() as folder,
        pinned(settings.cores.load),
        running_server(settings, folder) as server,
    ):
        sandbox = visit(server.host, server.port)
        maker, followed, ignored = sandbox.guests[0], *sandbox.markets[:2]
        followers = followers_of(settings, server.port, sandbox.token(maker), f"order_book:market_{followed}", folder)
        with followers, Poster(server.host, server.port) as poster:
            followers.open(OPEN_WAIT_MAX_S)
            bench = Bench(settings, server, maker, followed, ignored, poster, followers)
            frame = bench.warm_up()
            yield from figures(bench.run(frame, folder), len(frame))


def followers_of(settings: Settings, port: int, token: str, channel: str, folder: Path) -> Subscribers:
    """All connections to one of the two servers, not open yet."""
    everybody = [Subscriber(token, [channel])] * SUBSCRIBERS
    return Subscribers(
        "127.0.0.1", port, settings.cores.load, everybody, folder / f"followers-{port}", life_s(settings)
    )


def life_s(settings: Settings) -> float:
    """More than all rounds may take: then the C programs end by themselves."""
    return 120 + settings.rounds * (4 * settings.seconds + 2 * PUSH_WAIT_MAX_S)


@dataclass
class Bench:
    """A running server with its followers, and what a slice needs."""

    settings: Settings
    server: Server
    maker: Guest
    followed: str
    ignored: str
    poster: Poster
    followers: Subscribers

    def warm_up(self) -> bytes:
        """Post some orders; returns the frame that each of them sent to every follower."""
        self.post(self.ignored, WARM_UP_POSTS)
        self.followers.reset()
        self.post(self.followed, WARM_UP_POSTS)
        self.followers.await_pushes(WARM_UP_POSTS * SUBSCRIBERS, PUSH_WAIT_MAX_S)
        return text_frame(self.followers.sample())

    def run(self, frame: bytes, folder: Path) -> list[Slice]:
        """All slices. The server idles while the bare loop has its core, its followers connected."""
        core, life = self.settings.cores.server, life_s(self.settings)
        with (
            SendLoop(core, frame, folder / "frame", SUBSCRIBERS, life) as loop,
            followers_of(self.settings, loop.port, "-", "-", folder) as bare_followers,
        ):
            bare_followers.open(OPEN_WAIT_MAX_S)
            slices = []
            for number in range(1, self.slices + 1):
                slices.append(self.slice(loop, bare_followers))
                print(f"fan-out  slice {number} of {self.slices}: {slices[-1]}", file=sys.stderr)
            return slices

    @property
    def slices(self) -> int:
        """How many it takes to spend the time of all rounds on each kind."""
        return max(1, round(self.settings.rounds * self.settings.seconds * POSTS_PER_S / SLICE_POSTS))

    def slice(self, loop: SendLoop, bare_followers: Subscribers) -> Slice:
        """As many posts without followers and with them, and as many bare sends."""
        quiet_s = self.post(self.ignored, SLICE_POSTS)
        started, waited_before_s = time.monotonic(), core_wait_s(self.server.process.pid)
        followed_s = self.post_to_followers()
        waited_s = core_wait_s(self.server.process.pid) - waited_before_s
        lasted_s = time.monotonic() - started
        bare_s = self.send_bare(loop, bare_followers)
        deliveries = SLICE_POSTS * SUBSCRIBERS
        return Slice(
            quiet_post_us=quiet_s / SLICE_POSTS * 1e6,
            delivery_us=(followed_s - quiet_s) / deliveries * 1e6,
            bare_send_us=bare_s / deliveries * 1e6,
            server_waited=waited_s / lasted_s,
        )

    def post(self, market: str, count: int) -> float:
        """Post that many orders on a market; returns the server's processor time for them."""
        batch = list(orders(self.maker.account, [market], count))
        before_s = cpu_s(self.server.process.pid)
        self.poster.post_paced(batch, POSTS_PER_S)
        return cpu_s(self.server.process.pid) - before_s

    def post_to_followers(self) -> float:
        """The same where everybody follows, until the last delivery."""
        self.followers.reset()
        before_s = cpu_s(self.server.process.pid)
        self.post(self.followed, SLICE_POSTS)
        seen = self.followers.await_pushes(SLICE_POSTS * SUBSCRIBERS, PUSH_WAIT_MAX_S)
        taken_s = cpu_s(self.server.process.pid) - before_s
        if seen.gaps or seen.pushes != SLICE_POSTS * SUBSCRIBERS:
            raise BenchmarkError(f"what arrived is not what was published: {seen}")
        return taken_s

    def send_bare(self, loop: SendLoop, followers: Subscribers) -> float:
        """The processor time of the C loop for as many deliveries."""
        followers.reset()
        sent = loop.send(SLICE_POSTS, 1 / POSTS_PER_S)
        seen = followers.await_pushes(SLICE_POSTS * SUBSCRIBERS, PUSH_WAIT_MAX_S)
        if sent.sent != seen.pushes:
            raise BenchmarkError(f"the bare loop sent {sent}, but {seen} arrived")
        return sent.cpu_s


def figures(slices: list[Slice], frame_size: int) -> Iterator[Figure]:
    """Each figure is the median of the slices."""
    note = f"median of {len(slices)} slice{'s' if len(slices) > 1 else ''}"
    load = f"{note}; {SUBSCRIBERS} connections, {POSTS_PER_S} publications/s, frames of {frame_size} bytes"
    yield Figure("ratio", median(each.ratio for each in slices), load, bound=RATIO_BOUND)
    yield Figure("server", median(each.delivery_us for each in slices), note, " us/delivery")
    yield Figure("bare send loop", median(each.bare_send_us for each in slices), note, " us/delivery")
    yield Figure("post that nobody follows", median(each.quiet_post_us for each in slices), note, " us")
    waited = median(each.server_waited for each in slices)
    yield Figure("server without its core", waited * 100, note, " % of the time")
