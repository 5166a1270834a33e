"""Drives ``load/ws_*.c``: many subscribers, the bare send loop, and what measures from post to push."""

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.harness import BUILD, SOURCES, BenchmarkError, built, pinned_command

HEADER = "ws.h"
LIFE_S = 900.0  # the programs end by themselves after that
OPENING_MAX = 256  # connections that a client opens at a time
_GRACE_S = 30.0


def program(source: str) -> Path:
    """The program of a file in ``load/``, compiled anew also when the header that it shares is newer."""
    target = BUILD / Path(source).stem
    if target.exists() and target.stat().st_mtime < (SOURCES / HEADER).stat().st_mtime:
        os.utime(target, (0, 0))
    return built(source)


class _Conversation:
    """A program that answers every line with a line."""

    def __init__(self, core: int, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            pinned_command(core, list(command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the program: by the end of its input, else by force."""
        try:
            self._process.communicate(timeout=_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()

    def _read(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.endswith("\n"):
            _, complaint = self._process.communicate()
            raise BenchmarkError(complaint.strip() or f"a load program ended with {self._process.returncode}")
        return line.rstrip("\n")

    def _ask(self, line: str) -> str:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # reading says why
        return self._read()


# ---- many subscribers ----


@dataclass(frozen=True)
class Report:
    """What the subscribers saw since they were last opened or reset; see ``ws_subscribers.c``."""

    connections: int
    subscribed: int
    opened: int
    recovered: int
    unrecovered: int
    recovered_publications: int
    pushes: int
    push_bytes: int
    gaps: int
    retries: int
    seconds: float
    first_s: float
    last_s: float


@dataclass(frozen=True)
class Subscriber:
    """One connection to be: who connects, and to what it subscribes."""

    token: str
    channels: Sequence[str]


class Subscribers(_Conversation):
    """Connections on a core of their own. They are all closed at the end."""

    def __init__(
        self,
        host: str,
        port: int,
        core: int,
        subscribers: Sequence[Subscriber],
        file: Path,
        life_s: float = LIFE_S,
    ) -> None:
        lines = (" ".join([one.token, *one.channels]) for one in subscribers)
        file.write_text("".join(f"{line}\n" for line in lines))
        address = [host, str(port), str(file)]
        super().__init__(core, [str(program("ws_subscribers.c")), *address, str(OPENING_MAX), str(life_s)])

    def open(self, within_s: float) -> Report:
        """Open every connection that is not, and subscribe, from where it stood if it was open before."""
        return self._report(f"open {within_s}")

    def reset(self) -> Report:
        """Count from zero."""
        return self._report("reset")

    def await_pushes(self, count: int, within_s: float) -> Report:
        """Wait for the last of so many publications since the reset."""
        return self._report(f"await {count} {within_s}")

    def await_loss(self, within_s: float) -> Report:
        """Wait until every connection is lost."""
        return self._report(f"lost {within_s}")

    def sample(self) -> bytes:
        """The first publication since the reset as it came, without its frame."""
        return self._ask("sample").encode()

    def _report(self, line: str) -> Report:
        return Report(**json.loads(self._ask(line)))


# ---- the bare limit ----


@dataclass(frozen=True)
class Sent:
    """What the send loop did."""

    sent: int
    connections: int
    cpu_s: float


class SendLoop(_Conversation):
    """The C loop that sends one frame to everybody who connects; `port` is where it listens."""

    def __init__(self, core: int, frame: bytes, file: Path, connections: int, life_s: float = LIFE_S) -> None:
        file.write_bytes(frame)
        super().__init__(core, [str(program("ws_send_loop.c")), str(file), str(connections), str(life_s)])
        word, _, port = self._read().partition(" ")
        if word != "ready":
            raise BenchmarkError(f"the send loop said {word} {port}")
        self.port = int(port)

    def send(self, count: int, interval_s: float) -> Sent:
        """Send the frame to everybody, that often and that far apart."""
        return Sent(**json.loads(self._ask(f"send {count} {interval_s * 1e6:.0f}")))


# ---- from post to push ----


@dataclass(frozen=True)
class Microseconds:
    """How a latency spreads."""

    p50: int
    p90: int
    p99: int
    max: int


@dataclass(frozen=True)
class PostToPush:
    """What ``ws_post_to_push.c`` measured."""

    count: int
    seconds: float
    cpu_s: float
    queued: int
    late: Microseconds
    send_to_ack: Microseconds
    send_to_push: Microseconds
    ack_to_push: Microseconds


def post_to_push(
    host: str,
    port: int,
    core: int,
    requests: Path,
    hashes: Path,
    *,
    token: str,
    channel: str,
    rate: int,
    connections: int,
    seconds: float,
) -> PostToPush:
    """From that core, post the file's requests at that rate, which takes `seconds`, and await their pushes."""
    target = [host, str(port), str(requests), str(hashes), token, channel]
    command = [str(program("ws_post_to_push.c")), *target, str(rate), str(connections)]
    done = subprocess.run(
        pinned_command(core, command),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + 2 * _GRACE_S,
    )
    if done.returncode != 0:
        raise BenchmarkError(done.stderr.strip())
    report = json.loads(done.stdout)
    spreads = {name: Microseconds(**value) for name, value in report.items() if isinstance(value, dict)}
    return PostToPush(**{**report, **spreads})
