"""Other Pythons on this machine, each with the runtime dependencies in a virtual environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = ROOT / "requirements" / "runtime.lock"
SUPPORTED = ("3.11", "3.12", "3.13")
CURRENT = f"{sys.version_info.major}.{sys.version_info.minor}"


def find(version: str) -> Path | None:
    """An interpreter of this version that really runs; a shim that only knows its name does not count."""
    return next((path for path in _candidates(version) if _runs(path, version)), None)


def environment(interpreter: Path, version: str) -> Path:
    """The Python of `.venv-<version>`, made anew when the lock file has changed since; quick the second time."""
    folder = ROOT / f".venv-{version}"
    python, stamp = folder / "bin" / "python", folder / ".runtime"
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    (ROOT / ".make").mkdir(exist_ok=True)
    with (ROOT / ".make" / f"venv-{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # test processes beside this one want it too
        if not (stamp.is_file() and stamp.read_text() == wanted and _runs(python, version)):
            _run(interpreter, "-m", "venv", "--clear", folder)
            _run(
                python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", LOCK
            )
            stamp.write_text(wanted)
    return python


def _candidates(version: str) -> Iterator[Path]:
    name = f"python{version}"
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        if found := shutil.which(name, path=folder):
            yield Path(found)
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/{name}"))


def _runs(python: Path, version: str) -> bool:
    script = "import ctypes, sqlite3, ssl, sys, venv; print('%d.%d' % sys.version_info[:2])"
    try:
        found = subprocess.run([python, "-c", script], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0 and found.stdout.strip() == version


def _run(*command: str | Path) -> None:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}"
