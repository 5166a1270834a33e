"""Drives ``load/http_load.c``: posts prepared requests, one in flight per connection."""

import json
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import BenchmarkError, built, pinned_command

_GRACE_S = 30.0  # the program bounds itself; this is for the day it does not


@dataclass(frozen=True)
class Load:
    """What the load generator measured.

    `seconds` runs from the first request to the last answer. A latency runs from the writing of
    one request to the end of its answer, in microseconds; with every connection always busy it is
    mostly the time spent queueing behind the other connections.
    """

    count: int
    errors: int
    seconds: float
    p50_us: int
    p90_us: int
    p99_us: int
    max_us: int

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.count / self.seconds


def http_post(path: str, body: bytes) -> bytes:
    """A whole HTTP/1.1 request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: overround-benchmarks\r\n"
        f"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def write_requests(path: Path, requests: Iterable[bytes]) -> None:
    """Write the file that the load generator reads: each request behind its length."""
    with path.open("wb") as file:
        for request in requests:
            file.write(len(request).to_bytes(4, "little"))
            file.write(request)


def post_all(
    host: str, port: int, core: int, requests: Path, *, connections: int, seconds: float, expected: str
) -> Load:
    """From that core, post the file's requests until it or the time ends. A bad answer is an error."""
    target = [host, str(port), str(requests)]
    command = [str(built("http_load.c")), *target, str(connections), str(seconds), expected]
    done = subprocess.run(
        pinned_command(core, command),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=seconds + _GRACE_S,
    )
    if done.returncode not in (0, 1):
        raise BenchmarkError(done.stderr.strip())
    load = Load(**json.loads(done.stdout))
    if load.errors:
        raise BenchmarkError(f"{load.errors} of {load.count} answers were not as expected\n{done.stderr.strip()}")
    return load
