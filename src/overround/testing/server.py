"""A venue in a process of its own, on a free loopback port."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import httpx

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 60.0


class ServerFailed(Exception):
    """The process ended, or stayed silent, instead of getting ready; carries its log."""


class ServerProcess:
    """`overround sandbox` (or another command) as a child process; a context manager that leaves nothing running.

    `base_url` is known once it is started. `kill` is `kill -9`, `stop` is SIGTERM and returns the exit code.
    """

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = ("sandbox", "--port", "0"),
        program: Sequence[str] = ("-m", "overround"),
        env: dict[str, str] | None = None,
        preexec_fn: Any = None,
    ) -> None:
        self._argv = [sys.executable, *program, *command, *arguments]
        self._env = {**os.environ, **(env or {})}
        self._preexec_fn = preexec_fn
        self._log: IO[bytes] | None = None
        self._log_text = ""
        self._process: subprocess.Popen[bytes] | None = None
        self.base_url = ""

    def __enter__(self) -> ServerProcess:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.is_running:
            self.kill()
        self._close()

    def start(self) -> ServerProcess:
        """Start and wait until requests are accepted. Raises ServerFailed."""
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            self._argv, stdout=subprocess.PIPE, stderr=self._log, env=self._env, preexec_fn=self._preexec_fn
        )
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_TIMEOUT_S, self._process.kill)
        watchdog.start()
        try:
            line = self._process.stdout.readline().decode()
        finally:
            watchdog.cancel()
        if not line.startswith("ready "):
            code = self.wait()
            raise ServerFailed(f"exit code {code}\n{self.log}")
        self.base_url = line.split()[1]
        return self

    @property
    def pid(self) -> int:
        """The process id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the process wrote to standard error so far."""
        if self._log is None:
            return self._log_text
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def wait(self) -> int:
        """Wait for the process to end by itself; its exit code."""
        assert self._process is not None
        code = self._process.wait(STOP_TIMEOUT_S)
        self._close()
        return code

    def stop(self) -> int:
        """Ask it to end; its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it at once, as a crash would."""
        assert self._process is not None
        self._process.kill()
        self.wait()

    def _close(self) -> None:
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        if self._log is not None:
            self._log_text = self.log
            self._log.close()
            self._log = None

    def client(self) -> httpx.Client:
        """An HTTP client of this server."""
        return httpx.Client(base_url=self.base_url, timeout=30)


def data_dir_arguments(folder: Path) -> tuple[str, str]:
    """The flags that keep the data in a folder."""
    return "--data-dir", str(folder)
