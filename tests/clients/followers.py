"""Client programs that run until their input ends, and what they have told so far."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread
from typing import Any, Final

HERE: Final = Path(__file__).parent
COMMANDS: Final = {".py": sys.executable, ".mjs": "node"}
PATIENCE_S: Final = 60.0

Event = dict[str, Any]


class Follower:
    """One program; a context manager that leaves nothing running."""

    def __init__(self, program: str, *arguments: str, **environment: str) -> None:
        path = HERE / program
        self.events: list[Event] = []
        self._news = Condition()
        self._over = False
        self._process = subprocess.Popen(
            [COMMANDS[path.suffix], str(path), *arguments],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._errors: list[str] = []
        self._threads = [Thread(target=self._read, daemon=True), Thread(target=self._read_errors, daemon=True)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Follower:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for thread in self._threads:
            thread.join()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    # ---- what it told ---------------------------------------------------------------------------------------------

    def told(self, event: str, **members: Any) -> list[Event]:
        """The events of a kind with these members, up to now."""
        with self._news:
            events = list(self.events)
        return [
            one
            for one in events
            if one.get("event") == event and all(one.get(name) == value for name, value in members.items())
        ]

    def updates(self, channel: str | None = None) -> list[tuple[str, str]]:
        """Hash and status of every update, in the order of arrival."""
        found = self.told("update") + [
            update for one in self.told("publication") for update in one["data"] if channel in (None, one["channel"])
        ]
        return [(update["orderHash"], update["status"]) for update in found]

    def offsets(self, channel: str) -> list[int]:
        """Of the publications of a channel, in the order of arrival."""
        return [one["offset"] for one in self.told("publication", channel=channel)]

    # ---- waiting --------------------------------------------------------------------------------------------------

    def wait(self, enough: Callable[[Follower], object]) -> None:
        """Until what it told is enough."""
        with self._news:
            self._news.wait_for(lambda: enough(self) or self._over, PATIENCE_S)
        assert enough(self), (str(self.events[-3:])[:1000], self.errors)

    def wait_for(self, event: str, count: int = 1, **members: Any) -> None:
        """Until it told so many of these."""
        self.wait(lambda one: len(one.told(event, **members)) >= count)

    def finish(self) -> list[Event]:
        """End its input and wait for its last words."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        return self.ended()

    def ended(self) -> list[Event]:
        """Wait until it ends by itself, which it must do well."""
        assert self._process.wait(PATIENCE_S) == 0, self.errors
        for thread in self._threads:
            thread.join()
        return self.events

    @property
    def errors(self) -> str:
        """What it wrote to standard error."""
        return "".join(self._errors)

    # ---- trouble --------------------------------------------------------------------------------------------------

    def suspend(self) -> None:
        """Stop it in the middle of whatever it does."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._process.send_signal(signal.SIGCONT)

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._news:
                self.events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._over = True
            self._news.notify_all()

    def _read_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors.append(line)
