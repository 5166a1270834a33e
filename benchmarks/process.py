"""Looking at a process from outside, and what it may have open."""

import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.harness import BenchmarkError

_CPU_CLOCK_OF_PROCESS = 2  # the lowest three bits of such a clock's id (clock_getcpuclockid(3))


def cpu_s(pid: int) -> float:
    """Processor time, user and system, of all threads of a process until now."""
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK_OF_PROCESS)


def core_wait_s(pid: int) -> float:
    """How long its living threads were ready to run and had no core, until now: others had it, or each other."""
    waited_ns = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):  # a thread that just ended
            waited_ns += int((thread / "schedstat").read_text().split()[1])
    return waited_ns / 1e9


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


@contextmanager
def open_files(count: int) -> Iterator[None]:
    """Let this process, and whatever it starts, have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise BenchmarkError(f"{count} open files are needed, {hard} allowed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
