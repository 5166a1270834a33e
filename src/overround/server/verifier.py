"""Signatures to signers, for cancels: one straight after the other in this process, or in others beside it.

Recovering a signer costs more than everything else about a request, and needs nothing but the request. So requests are
read as they arrive, and their signatures wait here until the sockets have been looked at: work of one kind at a time
stays in the processor's caches, and what is verified together is committed together. Where there are processes for it
(`verifier_process.py`) the work goes there, and the loop has its core for the rest.

A process that dies costs nothing but time: what it was asked is done by the others, or here, and another one is
started. One that stands still is killed.
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

import structlog

from overround.server.eager import Wait
from overround.server.verifier_process import ANSWER_BYTES, NOBODY
from overround.signing.recover import recover_address

SLICE_S: Final = 0.004  # spent on signatures, where it is done here, before the sockets are looked at again
UNDER_WAY_MAX: Final = 1_024  # questions of one process that are not answered; further ones wait
LOOK_S: Final = 0.5  # between two looks at the processes
SILENT_LOOKS_MAX: Final = 2  # in a row at which a process had been asked and had said nothing; then it is killed
RESTART_S: Final = 1.0
STOP_WAIT_S: Final = 5.0

_log = structlog.get_logger()

Told = Callable[[bytes | None], object]
"""Who is told the address of a signer, or None where no key could have signed. It must not raise."""
_Question = tuple[bytes, bytes, Told]


class Verifier:
    """One for a venue. Made inside a running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._questions: deque[_Question] = deque()
        self._is_scheduled = False
        self._processes: list[_Process] = []
        self._stopping = False

    @property
    def waiting(self) -> int:
        """Signatures that are not verified yet."""
        return len(self._questions) + sum(len(process.under_way) for process in self._processes)

    @property
    def processes(self) -> int:
        """How many work beside this one."""
        return len(self._processes)

    async def start(self, count: int) -> None:
        """Start that many processes; with none the work is done here."""
        for _ in range(count):
            await self._start_one()
        if count:
            self._loop.call_later(LOOK_S, self._look)

    async def stop(self) -> None:
        """End the processes. What they were asked is not answered any more."""
        self._stopping = True
        processes, self._processes = self._processes, []
        for process in processes:
            process.close()
        for process in processes:
            await self._loop.run_in_executor(None, process.end)

    def recover(self, digest: bytes, signature: bytes, tell: Told) -> None:
        """Find out who signed (`parse_signature` gave the 65 bytes): `tell` is called in a later turn of the loop."""
        self._questions.append((digest, signature, tell))
        self._schedule()

    def recovered(self, digest: bytes, signature: bytes) -> Wait[bytes | None]:
        """The same, to be awaited."""
        wait: Wait[bytes | None] = Wait()
        self.recover(digest, signature, wait.resume)
        return wait

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            self._loop.call_soon(self._work)

    def _work(self) -> None:
        self._is_scheduled = False
        if self._processes:
            self._hand_over()
        else:
            self._work_here()

    def _work_here(self) -> None:
        questions, until = self._questions, perf_counter() + SLICE_S
        try:
            while questions:
                digest, signature, tell = questions.popleft()
                tell(recover_address(digest, signature))
                if perf_counter() >= until:
                    break
        finally:
            if questions:
                self._schedule()

    def _hand_over(self) -> None:
        """Everything at once, to those who have least to do; what is too much waits for answers."""
        questions = self._questions
        while questions:
            process = min(self._processes, key=_load)
            room = UNDER_WAY_MAX - len(process.under_way)
            if room <= 0:
                return
            share = min(room, -(-len(questions) // len(self._processes)))
            process.ask([questions.popleft() for _ in range(share)])

    def _look(self) -> None:
        """A process that is stopped, or has no memory to go on, must not keep a cancel waiting."""
        if self._stopping:
            return
        self._loop.call_later(LOOK_S, self._look)
        for process in self._processes:
            process.silent_looks = process.silent_looks + 1 if process.under_way else 0
            if process.silent_looks > SILENT_LOOKS_MAX:
                _log.error("verifier_process_stands_still", pid=process.pid)
                process.kill()

    async def _start_one(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "overround.server.verifier_process"]
            process = await self._loop.run_in_executor(
                None, lambda: subprocess.Popen(command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL)
            )
        ours.setblocking(False)
        peer = _Process(process, self._answered, self._lost)
        await self._loop.create_connection(lambda: peer, sock=ours)
        if self._stopping:
            peer.close()
        else:
            self._processes.append(peer)

    def _answered(self) -> None:
        if self._questions:
            self._schedule()

    def _lost(self, process: _Process) -> None:
        """What it has not answered is done by others, first."""
        if process in self._processes:
            self._processes.remove(process)
        self._loop.run_in_executor(None, process.end)
        if self._stopping:
            return
        _log.error("verifier_process_lost", pid=process.pid, unanswered=len(process.under_way))
        self._questions.extendleft(reversed(process.under_way))
        process.under_way.clear()
        if self._questions:
            self._schedule()
        self._loop.call_later(RESTART_S, self._restart)

    def _restart(self) -> None:
        if not self._stopping:
            self._restarting = self._loop.create_task(self._replace())

    async def _replace(self) -> None:
        try:
            await self._start_one()
        except OSError as error:  # no memory, no descriptors: the work is done without it
            _log.error("verifier_process_not_started", reason=str(error))
            self._loop.call_later(RESTART_S, self._restart)


class _Process(asyncio.Protocol):
    """One process, and what it was asked."""

    def __init__(
        self, process: subprocess.Popen[bytes], answered: Callable[[], None], lost: Callable[[_Process], None]
    ) -> None:
        self._process = process
        self._tell_answered = answered
        self._tell_lost = lost
        self._transport: Any = None
        self._unread = b""
        self.under_way: deque[_Question] = deque()
        self.silent_looks = 0
        self.pid = process.pid

    def ask(self, questions: list[_Question]) -> None:
        """Answers come in this order."""
        self.under_way.extend(questions)
        self._transport.write(b"".join([digest + signature for digest, signature, _ in questions]))

    def close(self) -> None:
        """Nothing more is asked; it ends when it sees that."""
        self._transport.close()

    def kill(self) -> None:
        """End it at once; the socket tells when that has happened."""
        self._process.kill()

    def end(self) -> None:
        """Wait for its end, not for ever. On another thread than the loop's."""
        try:
            self._process.wait(STOP_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    # ---- for asyncio ----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be asked from here on."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answers, to those who asked."""
        self.silent_looks = 0
        data = self._unread + data if self._unread else data
        whole = len(data) // ANSWER_BYTES * ANSWER_BYTES
        self._unread = data[whole:]
        take = self.under_way.popleft
        for at in range(0, whole, ANSWER_BYTES):
            address = data[at : at + ANSWER_BYTES]
            take()[2](None if address == NOBODY else address)
        self._tell_answered()

    def connection_lost(self, exc: Exception | None) -> None:
        """It died, or was closed."""
        del exc
        self._tell_lost(self)


def _load(process: _Process) -> int:
    return len(process.under_way)
