"""``signed-cancel``: signed, durable cancels per second, against the bare limit of recovery.

64 connections, each with one request in flight, post cancels of everything (``POST
/orders/cancel/all``), every one of them signed by one of a few hundred makers, all unique. The
venue checks each signature, journals the command durably and only then answers; the makers have no
orders, so that what is measured is the way of a signed command and not the size of a book. The bare
limit is the C loop of ``bare_recover`` over the same kind of signatures on the same core: it hashes
nothing, decodes nothing, stores nothing. A venue without any other cost would have ratio 1.
"""

import itertools
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_recover import BareRecover, RecoverCase
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
from benchmarks.http_load import Load, http_post, post_all, write_requests
from overround.engine.commands import CancelAll
from overround.journal.journal import JournalError
from overround.journal.sqlite import SqliteJournal
from overround.protocols.sx.digests import cancel_all_digest
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address
from overround.signing.keccak import keccak256

RATIO_BOUND = Bound(">=", 0.35)

PATH = "/orders/cancel/all"
EXPECTED = '"status":"success"'
CHAIN_ID = 4162
CONNECTIONS = 64
MAKERS = 256
RECOVER_CASES = 512
WARM_UP_REQUESTS = 2000


@dataclass(frozen=True)
class Round:
    """One phase of recovering and one of cancelling, straight after each other."""

    recovers_per_s: float
    load: Load

    @property
    def ratio(self) -> float:
        """Cancels per bare recovery, both per second of the same core."""
        return self.load.rate / self.recovers_per_s


@dataclass(frozen=True)
class SignedCancel:
    """A cancel of everything by one maker, as bytes to post and as a case of the bare loop."""

    request: bytes
    case: RecoverCase


def cancel_all(maker: LocalAccount, timestamp: int) -> SignedCancel:
    """Cancel everything at that time (unix seconds); the random salt makes it unique."""
    salt = os.urandom(32)
    digest = cancel_all_digest(CHAIN_ID, salt, timestamp)
    signature = maker.sign_digest(digest)
    body = {
        "signature": "0x" + signature.hex(),
        "salt": "0x" + salt.hex(),
        "maker": checksum_address(maker.address),
        "timestamp": timestamp,
    }
    request = http_post(PATH, json.dumps(body, separators=(",", ":")).encode())
    return SignedCancel(request, RecoverCase(digest, signature, maker.address))


def cancels(makers: list[LocalAccount], count: int) -> Iterator[SignedCancel]:
    """That many fresh cancels, the makers taking turns."""
    timestamp = int(time.time())
    turns = itertools.islice(itertools.cycle(makers), count)
    return (cancel_all(maker, timestamp) for maker in turns)


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark."""
    makers = [LocalAccount(keccak256(b"maker %d" % number)) for number in range(MAKERS)]
    bare = BareRecover([cancel.case for cancel in cancels(makers, RECOVER_CASES)])
    with work_folder() as folder, pinned(settings.cores.load):
        with running_server(settings, folder) as server:
            bench = Bench(settings, server, makers, bare, folder / "requests")
            rounds = bench.rounds()
        yield from speed(rounds)
        yield durability(journaled_cancels(server.data_dir), bench.acknowledged)


@dataclass
class Bench:
    """A running server and everything that the two phases of a round need."""

    settings: Settings
    server: Server
    makers: list[LocalAccount]
    bare: BareRecover
    requests: Path
    acknowledged: int = 0
    """Cancels that the server has answered with success so far."""

    def rounds(self) -> list[Round]:
        """Warm up, then alternate the phases. The server idles while the bare loop has its core."""
        self.prepare(WARM_UP_REQUESTS)
        self.post()
        recovers_per_s = self.recover()
        rounds = []
        for number in range(1, self.settings.rounds + 1):
            # No server can answer more than the bare limit: the time ends the phase, not the file.
            self.prepare(int(recovers_per_s * self.settings.seconds))
            recovers_per_s = self.recover()
            rounds.append(Round(recovers_per_s, self.post()))
            print(f"signed-cancel  round {number}: {rounds[-1]}", file=sys.stderr)
        return rounds

    def prepare(self, count: int) -> None:
        """Sign that many cancels, fresh ones: their timestamps must lie in the venue's window."""
        fresh = cancels(self.makers, count)
        write_requests(self.requests, (cancel.request for cancel in fresh))

    def recover(self) -> float:
        """Recoveries per second of the bare loop."""
        return self.bare.rate(self.settings.cores.server, self.settings.seconds)

    def post(self) -> Load:
        """Post what was prepared."""
        load = post_all(
            self.server.host,
            self.server.port,
            self.settings.cores.load,
            self.requests,
            connections=CONNECTIONS,
            seconds=self.settings.seconds,
            expected=EXPECTED,
        )
        self.acknowledged += load.count
        return load


def speed(rounds: list[Round]) -> Iterator[Figure]:
    """How fast: each figure is the median of the rounds."""
    note = f"median of {len(rounds)} round{'s' if len(rounds) > 1 else ''}"
    loads = [each.load for each in rounds]
    yield Figure("ratio", median(each.ratio for each in rounds), note, bound=RATIO_BOUND)
    yield Figure("requests", median(load.rate for load in loads), note, "/s")
    yield Figure("bare recoveries", median(each.recovers_per_s for each in rounds), note, "/s")
    of_64 = f"{note}; {CONNECTIONS} connections, always one request in flight on each"
    yield Figure("p50", median(load.p50_us for load in loads) / 1000, of_64, " ms")
    yield Figure("p99", median(load.p99_us for load in loads) / 1000, of_64, " ms")


def journaled_cancels(data_dir: Path) -> int:
    """Cancels of everything in the journal of a stopped server. Reading it checks its chain."""
    try:
        with closing(SqliteJournal(data_dir, read_only=True)) as journal:
            commands = (record.command for record in journal.read(after=0))
            found = [command.replay_key for command in commands if isinstance(command, CancelAll)]
    except JournalError as error:
        raise BenchmarkError(f"the journal cannot be read: {error}") from error
    if len(set(found)) != len(found):
        raise BenchmarkError("a cancel was journaled twice")
    return len(found)


def durability(journaled: int, acknowledged: int) -> Figure:
    """Whether every acknowledged cancel is a command in the journal, once, and no other one is."""
    note = f"cancels in the journal after the stop; acknowledged {acknowledged}"
    return Figure("journaled", journaled, note, bound=Bound("==", acknowledged))
