"""Who verifies, and how: in the loop and in processes beside it, with the same outcome."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.gateway.bot import BTC, Bot

from overround.server import verifier_process
from overround.server.verifier import UNDER_WAY_MAX, Verifier
from overround.signing.account import LocalAccount
from overround.signing.keccak import keccak256
from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

PATIENCE_S = 60.0
NOBODYS = b"\xff" * 32 + b"\x01" * 32 + b"\x1b"  # r is no coordinate of the curve
ACCOUNTS = [LocalAccount(keccak256(b"verified %d" % number)) for number in range(5)]


class Bench:
    """A verifier, and what it told, in the order in which it did."""

    def __init__(self) -> None:
        self.verifier = Verifier()
        self.told: list[tuple[int, bytes | None]] = []

    def ask(self, number: int, signature: bytes | None = None) -> None:
        account = ACCOUNTS[number % len(ACCOUNTS)]
        digest = keccak256(b"message %d" % number)
        signed = account.sign_digest(digest) if signature is None else signature
        self.verifier.recover(digest, signed, lambda found: self.told.append((number, found)))

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not holds():
                await asyncio.sleep(0.001)

    def check(self, count: int) -> None:
        """Everybody was told, once, the right thing."""
        wanted = [(number, ACCOUNTS[number % len(ACCOUNTS)].address) for number in range(count)]
        assert sorted(self.told) == wanted


def run(test: Callable[[Bench], Coroutine[Any, Any, None]], processes: int) -> None:
    async def main() -> None:
        bench = Bench()
        await bench.verifier.start(processes)
        assert bench.verifier.processes == processes
        try:
            await test(bench)
        finally:
            await bench.verifier.stop()

    asyncio.run(main())


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_everybody_is_told_who_signed_and_not_at_once(processes: int) -> None:
    async def test(bench: Bench) -> None:
        for number in range(500):
            bench.ask(number)
        bench.verifier.recover(bytes(32), NOBODYS, lambda found: bench.told.append((500, found)))
        assert (bench.told, bench.verifier.waiting) == ([], 501)
        await bench.until(lambda: len(bench.told) == 501)
        assert bench.verifier.waiting == 0
        bench.told.remove((500, None))
        bench.check(500)

    run(test, processes)


@pytest.mark.parametrize("processes", [0, 1])
def test_answers_come_in_the_order_of_the_questions_where_one_works(processes: int) -> None:
    async def test(bench: Bench) -> None:
        for number in range(300):
            bench.ask(number)
        await bench.until(lambda: len(bench.told) == 300)
        assert [number for number, _ in bench.told] == list(range(300))

    run(test, processes)


def test_others_have_their_turn_while_much_is_verified() -> None:
    async def test(bench: Bench) -> None:
        for number in range(2_000):
            bench.ask(number)
        turns = 0
        while bench.verifier.waiting:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 3

    run(test, 0)


def test_one_process_is_not_asked_without_end() -> None:
    async def test(bench: Bench) -> None:
        count = 2 * UNDER_WAY_MAX + 10
        for number in range(count):
            bench.ask(number)
        await asyncio.sleep(0)
        assert len(bench.verifier._processes[0].under_way) <= UNDER_WAY_MAX
        await bench.until(lambda: len(bench.told) == count)
        bench.check(count)

    run(test, 1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_process_leaves_undone_is_done_and_another_takes_its_place(processes: int, how: signal.Signals) -> None:
    async def test(bench: Bench) -> None:
        (first, *_) = [process.pid for process in bench.verifier._processes]
        for number in range(3_000):
            bench.ask(number)
        await bench.until(lambda: len(bench.told) > 50)
        os.kill(first, how)
        await bench.until(lambda: len(bench.told) == 3_000)
        bench.check(3_000)
        await bench.until(lambda: bench.verifier.processes == processes)
        assert first not in [process.pid for process in bench.verifier._processes]
        bench.told.clear()
        for number in range(20):
            bench.ask(number)
        await bench.until(lambda: len(bench.told) == 20)
        bench.check(20)

    run(test, processes)


def test_processes_end_with_their_verifier() -> None:
    pids: list[int] = []

    async def test(bench: Bench) -> None:
        pids.extend(process.pid for process in bench.verifier._processes)

    run(test, 2)
    assert len(pids) == 2
    for pid in pids:
        with pytest.raises(ProcessLookupError):  # waited for, so it is gone
            os.kill(pid, 0)


def test_a_process_answers_whatever_it_is_sent_and_ends_when_nobody_asks() -> None:
    """In pieces of any size; a question that breaks the rules is answered like one that nobody signed."""
    account, digest = ACCOUNTS[0], keccak256(b"one")
    signature = account.sign_digest(digest)
    bad = signature[:64] + b"\x05"
    questions = digest + signature + digest + bad + bytes(32) + NOBODYS + digest + signature
    ours, theirs = socket.socketpair()
    thread = threading.Thread(target=verifier_process.serve, args=(theirs,))
    thread.start()
    with ours, theirs:
        ours.settimeout(PATIENCE_S)
        for at in range(0, len(questions), 50):
            ours.sendall(questions[at : at + 50])
        answers = b""
        while len(answers) < 80:
            answers += ours.recv(1_000)
        ours.shutdown(socket.SHUT_WR)
        thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert answers == account.address + bytes(40) + account.address


# ---- a venue with verifiers ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    file: Path = tmp_path_factory.mktemp("verifiers") / "venue.toml"
    file.write_text("[server]\nverifiers = 2\n")
    with ServerProcess("--config", str(file)) as server:
        yield server


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


def children_of(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_cancels_of_both_dialects_are_verified_beside_the_venue(client: httpx.Client) -> None:
    market = client.get("/sandbox").json()["markets"][0]["marketHash"]
    for _ in range(3):  # from the second one on the connection is trusted
        entry = signed_order(ALICE, market)
        assert client.post("/orders/new", json={"orders": [entry]}).status_code == 200
        body = signed_cancel(ALICE, order_hashes=[hash_of(entry)])
        assert client.post("/orders/cancel/v2", json=body).json()["data"]["cancelledCount"] == 1
        assert client.post("/orders/cancel/v2", json=body).status_code == 400  # a replay
        forged = {**signed_cancel(ALICE, order_hashes=[hash_of(entry)]), "maker": signed_cancel(BOB)["maker"]}
        assert client.post("/orders/cancel/v2", json=forged).status_code == 400

    alice, bob = Bot(client, ALICE), Bot(client, BOB)
    with alice.socket("/ws/v2") as socket:
        for _ in range(3):
            digest = alice.place(20_000, 0.01)
            stolen = bob.cancellation([digest], sender=alice.sender)
            for body, code in ((stolen, 2028), (alice.cancellation([digest]), None), (stolen, 2028)):
                socket.send({"cancel_orders": body})
                answer = socket.receive()
                assert answer.get("error_code") == code, answer
    assert alice.open(BTC) == []


def test_cancels_are_answered_though_their_verifiers_are_killed(server: ServerProcess, client: httpx.Client) -> None:
    alice = Bot(client, ALICE)
    digests = [alice.place(20_000, 0.01) for _ in range(40)]
    with alice.socket("/ws/v2") as socket:
        socket.send({"cancel_orders": alice.cancellation([])})
        socket.receive()
        for victim in children_of(server.pid):
            for digest in digests[:20]:
                socket.send({"cancel_orders": alice.cancellation([digest])})
            os.kill(victim, signal.SIGKILL)
            for _ in range(20):
                assert socket.receive()["status"] == "success"
            digests = digests[20:]
    assert alice.open(BTC) == []
    wait_until(lambda: "overround_verifier_processes 2.0" in client.get("/metrics").text)


def test_nothing_stays_behind_a_venue_that_is_killed() -> None:
    with ServerProcess(env={"OVERROUND_SERVER__VERIFIERS": "1"}) as server:
        (child,) = children_of(server.pid)
        server.kill()
        wait_until(lambda: not Path(f"/proc/{child}").exists() or "Z (zombie)" in status_of(child))


def status_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "Z (zombie)"
