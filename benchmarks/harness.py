"""What all benchmarks share: figures and bounds, cores, the server under test, C programs."""

import importlib.util
import operator
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = Path(__file__).resolve().parent / "load"
BUILD = ROOT / "build" / "benchmarks"

OVERROUND = Path(sys.executable).with_name("overround")
SANDBOX = ("sandbox", "--port", "{port}", "--data-dir", "{data_dir}")

READY_WAIT_MAX_S = 60.0
STOP_WAIT_MAX_S = 30.0
COMPILE_WAIT_MAX_S = 300.0

# Runs in the child, which then becomes the command: prctl(PR_SET_PDEATHSIG, SIGTERM), affinity.
_PIN_AND_BECOME = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(1, 15)
os.sched_setaffinity(0, {int(sys.argv[1])})
os.execvp(sys.argv[2], sys.argv[2:])
"""


class BenchmarkError(Exception):
    """A benchmark could not be run, or what it ran misbehaved: there is no figure to report."""


# ---- figures ----


@dataclass(frozen=True)
class Bound:
    """What a figure must satisfy: ``Bound(">=", 0.35)``."""

    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        compare: dict[str, Callable[[float, float], bool]] = {
            ">=": operator.ge,
            "<=": operator.le,
            "==": operator.eq,
        }
        return compare[self.sign](value, self.limit)

    def __str__(self) -> str:
        return f"goal {self.sign} {self.limit:g}"


@dataclass(frozen=True)
class Figure:
    """One line of the report. `unit` follows the value as it is written: ``/s`` or `` ms``."""

    name: str
    value: float
    note: str
    unit: str = ""
    bound: Bound | None = None

    @property
    def missed(self) -> bool:
        return self.bound is not None and not self.bound.holds(self.value)

    def line(self, benchmark: str) -> str:
        digits = 0 if self.value >= 100 or self.value == int(self.value) else 2
        remarks = [self.note, *([str(self.bound)] if self.bound else [])]
        mark = "  MISSED" if self.missed else ""
        value = f"{self.value:.{digits}f}{self.unit}"
        return f"{benchmark}  {self.name} {value}  ({'; '.join(remarks)}){mark}"


def median(values: Iterable[float]) -> float:
    """The middle one of the rounds: one disturbed round does not move it."""
    return statistics.median(values)


# ---- cores ----


@dataclass(frozen=True)
class Cores:
    """Two cores of this machine: one for what is measured, one for what makes the load."""

    server: int
    load: int

    @classmethod
    def choose(cls) -> "Cores":
        """The last two cores that this process may use (the first ones serve most interrupts)."""
        usable = sorted(os.sched_getaffinity(0))
        if len(usable) < 2:
            raise BenchmarkError("two cores are needed: one for the server, one for the load")
        return cls(server=usable[-1], load=usable[-2])


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Keep the calling thread on that core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pinned_command(core: int, command: list[str]) -> list[str]:
    """That command on that core, with all its threads and children, and not to outlive us."""
    return [sys.executable, "-I", "-S", "-c", _PIN_AND_BECOME, str(core), *command]


# ---- what a run is told ----


@dataclass(frozen=True)
class Settings:
    """How to run: the same for every benchmark."""

    rounds: int = 5
    seconds: float = 2.5
    """Length of one phase of a round."""
    server: str = ""
    """Command of the server under test, with the fields {port} and {data_dir}; empty: our own."""
    cores: Cores = field(default_factory=Cores.choose)

    def server_command(self, port: int, data_dir: Path) -> list[str]:
        """The words of the server's command line."""
        words = shlex.split(self.server) or [str(OVERROUND), *SANDBOX]
        return [word.format(port=port, data_dir=data_dir) for word in words]


# ---- the server under test ----


@dataclass(frozen=True)
class Server:
    """A server that accepts requests."""

    host: str
    port: int
    data_dir: Path
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """A loopback port that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def work_folder() -> Iterator[Path]:
    """A folder on the disk of this checkout, removed at the end."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="run-", dir=BUILD) as folder:
        yield Path(folder)


@contextmanager
def running_server(settings: Settings, folder: Path, *, verifiers: int = 0) -> Iterator[Server]:
    """Start the server on its core, wait for its ready line, stop it cleanly at the end.

    Its verifiers, processes beside it, share the core of the load.
    """
    port, data_dir, log = free_port(), folder / "data", folder / "server.log"
    data_dir.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("OVERROUND_")}
    with log.open("wb") as output:
        process = subprocess.Popen(
            pinned_command(settings.cores.server, settings.server_command(port, data_dir)),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment | ({"OVERROUND_SERVER__VERIFIERS": str(verifiers)} if verifiers else {}),
        )
    try:
        _wait_until_ready(process, log)
        if verifiers:
            _move_children(process.pid, settings.cores.load, verifiers)
        yield Server("127.0.0.1", port, data_dir, process)
        _check_pinned(process.pid, settings.cores.server)
    finally:
        stopped = _stop(process)
    if stopped != 0:
        raise BenchmarkError(f"the server ended with {stopped} when told to stop:\n{_tail(log)}")


def _wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WAIT_MAX_S
    while not any(line.startswith(b"ready ") for line in log.read_bytes().splitlines(True)):
        if process.poll() is not None:
            raise BenchmarkError(f"the server ended with {process.returncode}:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise BenchmarkError(f"not ready after {READY_WAIT_MAX_S:.0f} s:\n{_tail(log)}")
        time.sleep(0.02)


def _move_children(pid: int, core: int, count: int) -> None:
    """Let the children of a process work on another core than its own."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    if len(children) != count:
        raise BenchmarkError(f"{count} processes were to start beside the server, {len(children)} did")
    for child in children:
        os.sched_setaffinity(child, {core})


def _check_pinned(pid: int, core: int) -> None:
    """Every thread of the server must have been on its core alone, else no ratio means anything."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # a thread that just ended
            if os.sched_getaffinity(int(task.name)) != {core}:
                raise BenchmarkError(f"a thread of the server left core {core}")


def _stop(process: subprocess.Popen[bytes]) -> int:
    """SIGTERM and wait; returns the exit code, negative when it had to be killed."""
    process.terminate()
    try:
        return process.wait(STOP_WAIT_MAX_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


# ---- C programs ----


def built(source: str, *, shared: bool = False) -> Path:
    """The program (or shared object) of a file in ``load/``, compiled if the file is newer."""
    origin = SOURCES / source
    target = BUILD / (origin.stem + (".so" if shared else ""))
    if target.exists() and target.stat().st_mtime >= origin.stat().st_mtime:
        return target
    BUILD.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    kind = ["-shared", "-fPIC"] if shared else []
    flags = ["-O2", "-std=c11", "-Wall", "-Wextra", *kind]
    command = [*compiler(), *flags, "-o", str(fresh), str(origin)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_WAIT_MAX_S)
    if done.returncode != 0:
        raise BenchmarkError(f"{shlex.join(command)}:\n{done.stderr}")
    fresh.replace(target)
    return target


def compiler() -> list[str]:
    """The C compiler of the machine, else the one of the ``ziglang`` wheel."""
    for name in ("cc", "gcc", "clang"):
        if shutil.which(name):
            return [name]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise BenchmarkError("no C compiler: install cc, or `pip install ziglang`")
