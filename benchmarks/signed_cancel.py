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
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bare_recover import BareRecover, RecoverCase
from benchmarks.cancels import Round, durability, speed
from benchmarks.harness import (
    Bound,
    Figure,
    Server,
    Settings,
    pinned,
    running_server,
    work_folder,
)
from benchmarks.http_load import Load, http_post, post_all, write_requests
from overround.engine.commands import AnyCommand, CancelAll
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
        in_flight = f"{CONNECTIONS} connections, always one request in flight on each"
        yield from speed(rounds, "all on one core", in_flight, RATIO_BOUND)
        yield durability(server.data_dir, bench.acknowledged, identity)


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


def identity(command: AnyCommand) -> bytes | None:
    """What tells a cancel from all others."""
    return command.replay_key if isinstance(command, CancelAll) else None
