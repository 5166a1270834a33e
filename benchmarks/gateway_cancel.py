"""``gateway-cancel``: signed, durable cancels over the action socket, against the bare limit of recovery.

8 connections to ``/ws/v2``, each always with 16 requests in flight, send ``cancel_orders`` with one digest
each: an order that rests on a book, placed before the phase by the same maker. Every cancel is signed.
The venue checks the signature, takes the order off its book, journals the command durably and only then
answers with the order. The bare limit is that of ``signed-cancel``: a C loop that recovers and does
nothing else, on the server's core, straight before. The venue is measured twice: all of it on that core, and
with a verifier (``server.verifiers = 1``), a process that shares the other core with the load.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import httpx

from benchmarks.bare_recover import BareRecover, RecoverCase
from benchmarks.cancels import Round, durability, speed
from benchmarks.harness import (
    BenchmarkError,
    Bound,
    Figure,
    Server,
    Settings,
    pinned,
    pinned_command,
    running_server,
    work_folder,
)
from benchmarks.http_load import Load, write_requests
from benchmarks.websocket import program
from overround.engine.commands import AnyCommand
from overround.engine.continuous.commands import CancelDigests
from overround.protocols.nado.digests import OrderTerms, cancellation_digest, cancellation_products_digest, order_digest
from overround.protocols.nado.nonces import make_nonce
from overround.protocols.nado.profile import Profile
from overround.protocols.nado.units import X18, hex_text, subaccount
from overround.signing.account import LocalAccount
from overround.signing.keccak import keccak256

RATIO_BOUND = Bound(">=", 0.45)

PATH = "/ws/v2"
EXPECTED = '"status":"success"'
DOMAIN = Profile().domain
CONNECTIONS = 8
IN_FLIGHT = 16  # on each: a maker who pulls its quotes does not wait for one answer before it sends the next
MAKERS = 64
PRODUCTS = ((2, 30_000 * X18, X18 // 100), (3, 1_250 * X18, X18 // 10), (4, 1_250 * X18, X18 // 10))
ORDERS_MAX = 450  # open orders of one maker on one product; the venue allows 500
BATCH = 50
RECOVER_CASES = 512
WARM_UP = 1000
FOR_EVER = 4_294_967_295
HEADROOM = 0.75  # of the bare limit: no venue cancels faster than that, and every cancel needs an order
WHERE = ("all on one core", "verifier on the other core")
_GRACE_S = 30.0
_randoms = count(secrets.randbelow(1 << 19))


@dataclass(frozen=True)
class Resting:
    """An order on a book."""

    maker: LocalAccount
    product_id: int
    digest: bytes


def run(settings: Settings) -> Iterator[Figure]:
    """The figures of this benchmark: the venue on one core, and with a verifier on the core of the load."""
    for verifiers in (0, 1):
        yield from measured(settings, verifiers)


def measured(settings: Settings, verifiers: int) -> Iterator[Figure]:
    """The figures with that many processes beside the venue's own."""
    makers = [LocalAccount(keccak256(b"gateway maker %d" % number)) for number in range(MAKERS)]
    cases = [case for _, case in (cancel(Resting(maker, 2, secrets.token_bytes(32))) for maker in makers * 8)]
    with work_folder() as folder, pinned(settings.cores.load):
        with running_server(settings, folder, verifiers=verifiers) as server:
            bench = Bench(settings, server, makers, BareRecover(cases[:RECOVER_CASES]), folder / "messages")
            rounds = bench.rounds()
        bound = RATIO_BOUND if verifiers else None
        yield from speed(
            rounds, WHERE[verifiers], f"{CONNECTIONS} sockets, {IN_FLIGHT} requests in flight on each", bound
        )
        yield durability(server.data_dir, bench.acknowledged, identity)


def nonce() -> int:
    """Good for a minute and a half from now; the random part counts."""
    return make_nonce(time.time_ns() // 1_000_000 + 90_000, next(_randoms) % (1 << 20))


def placement(maker: LocalAccount, product_id: int, price_x18: int, amount: int) -> tuple[dict[str, object], bytes]:
    """A post-only order far from everybody, as a member of a batch; and its digest."""
    terms = OrderTerms(subaccount(maker.address), price_x18, amount, FOR_EVER, nonce(), 1537)
    digest = order_digest(DOMAIN, product_id, terms)
    order = {
        "sender": hex_text(terms.sender),
        "priceX18": str(price_x18),
        "amount": str(amount),
        "expiration": str(FOR_EVER),
        "nonce": str(terms.nonce),
        "appendix": "1537",
    }
    return {"product_id": product_id, "order": order, "signature": hex_text(maker.sign_digest(digest))}, digest


def cancel(order: Resting) -> tuple[bytes, RecoverCase]:
    """A cancel of one order, as a message to send and as a case of the bare loop."""
    sender, number = subaccount(order.maker.address), nonce()
    digest = cancellation_digest(DOMAIN, sender, [order.product_id], [order.digest], number)
    signature = order.maker.sign_digest(digest)
    tx = {
        "sender": hex_text(sender),
        "productIds": [order.product_id],
        "digests": [hex_text(order.digest)],
        "nonce": str(number),
    }
    body = {"cancel_orders": {"tx": tx, "signature": hex_text(signature)}}
    return json.dumps(body, separators=(",", ":")).encode(), RecoverCase(digest, signature, order.maker.address)


@dataclass
class Bench:
    """A running server and everything that the two phases of a round need."""

    settings: Settings
    server: Server
    makers: list[LocalAccount]
    bare: BareRecover
    messages: Path
    acknowledged: int = 0
    """Cancels that the server has answered with success so far."""

    def rounds(self) -> list[Round]:
        """Warm up, then alternate the phases. The server idles while the bare loop has its core."""
        with httpx.Client(base_url=f"http://{self.server.host}:{self.server.port}", timeout=60) as http:
            self.fund(http)
            self.prepare(http, WARM_UP)
            self.cancel()
            recovers_per_s = self.recover()
            rounds = []
            for number in range(1, self.settings.rounds + 1):
                self.prepare(http, int(recovers_per_s * self.settings.seconds * HEADROOM))
                recovers_per_s = self.recover()
                rounds.append(Round(recovers_per_s, self.cancel()))
                print(f"gateway-cancel  round {number}: {rounds[-1]}", file=sys.stderr)
            return rounds

    def fund(self, http: httpx.Client) -> None:
        """Give every maker more than all of its orders can cost."""
        token = http.get("/sandbox").json()["adminToken"]
        for maker in self.makers:
            path = f"/admin/nado/balances/{hex_text(subaccount(maker.address))}/0"
            body = {"amountX18": str(10**9 * X18)}
            answer = http.put(path, json=body, headers={"Authorization": f"Bearer {token}"})
            if answer.status_code != 200:
                raise BenchmarkError(f"{path}: {answer.status_code} {answer.text}")

    def prepare(self, http: httpx.Client, wanted: int) -> None:
        """Clear the books, place that many orders, and sign a cancel of each."""
        for maker in self.makers:
            self.clear(http, maker)
        slots = [(maker, product) for product in PRODUCTS for maker in self.makers]
        orders: list[Resting] = []
        for _ in range(ORDERS_MAX // BATCH):
            for maker, (product_id, price_x18, amount) in slots:
                if len(orders) < wanted:
                    batch = [placement(maker, product_id, price_x18, amount) for _ in range(BATCH)]
                    self.place(http, [one for one, _ in batch])
                    orders += [Resting(maker, product_id, digest) for _, digest in batch]
        secrets.SystemRandom().shuffle(orders)
        write_requests(self.messages, (cancel(order)[0] for order in orders[:wanted]))

    def clear(self, http: httpx.Client, maker: LocalAccount) -> None:
        """Take off what a maker still has."""
        sender, number = subaccount(maker.address), nonce()
        digest = cancellation_products_digest(DOMAIN, sender, [], number)
        tx = {"sender": hex_text(sender), "productIds": [], "nonce": str(number)}
        body = {"tx": tx, "signature": hex_text(maker.sign_digest(digest))}
        answer = http.post("/v1/execute", json={"cancel_product_orders": body}).json()
        if answer["status"] != "success":
            raise BenchmarkError(f"orders were not taken off: {str(answer)[:500]}")

    def place(self, http: httpx.Client, batch: list[dict[str, object]]) -> None:
        """Place a batch, all of it."""
        answer = http.post("/v1/execute", json={"place_orders": {"orders": batch}}).json()
        if answer["status"] != "success" or any(one["error"] for one in answer["data"]):
            raise BenchmarkError(f"orders were refused: {str(answer)[:500]}")

    def recover(self) -> float:
        """Recoveries per second of the bare loop."""
        return self.bare.rate(self.settings.cores.server, self.settings.seconds)

    def cancel(self) -> Load:
        """Send what was prepared; what rests afterwards is cleared before the next round."""
        target = [self.server.host, str(self.server.port), PATH, str(self.messages)]
        shape = [str(CONNECTIONS), str(IN_FLIGHT), str(self.settings.seconds), EXPECTED]
        command = [str(program("ws_requests.c")), *target, *shape]
        done = subprocess.run(
            pinned_command(self.settings.cores.load, command),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=self.settings.seconds + _GRACE_S,
        )
        if done.returncode not in (0, 1):
            raise BenchmarkError(done.stderr.strip())
        load = Load(**json.loads(done.stdout))
        if load.errors:
            raise BenchmarkError(f"{load.errors} of {load.count} answers were not as expected\n{done.stderr.strip()}")
        self.acknowledged += load.count
        return load


def identity(command: AnyCommand) -> bytes | None:
    """What tells a cancel from all others."""
    return command.digest if isinstance(command, CancelDigests) else None
