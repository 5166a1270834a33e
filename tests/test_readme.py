"""The README can be followed: every block of it is run, in order, and prints what the README says.

The other documents are held to what they name: files, links, make targets, the rooms of the house.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.test_imports import MAY_ENTER

from overround import __version__

ROOT: Final = Path(__file__).parent.parent
SOURCE: Final = ROOT / "src" / "overround"
DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
WRITTEN_PORT: Final = "8080"
TIMEOUT_S: Final = 60
OUTPUT_TIMEOUT_S: Final = 10  # how long a reader would look again before losing faith

pytestmark = pytest.mark.xdist_group("readme")


# ---- the README ----------------------------------------------------------------------------------------------------


class Block(NamedTuple):
    """A fenced block: its language, the file that the comment above it names, its text."""

    line: int
    language: str
    file: str | None
    text: str


def blocks(document: Path) -> list[Block]:
    """Every fenced block, in order."""
    found: list[Block] = []
    lines = iter(enumerate(document.read_text().splitlines(), start=1))
    before = ""
    for number, line in lines:
        if fence := re.fullmatch(r"```(\w*)", line):
            inside = []
            for _, inner in lines:
                if inner == "```":
                    break
                inside.append(inner)
            named = re.fullmatch(r"<!-- (\S+) -->", before)
            found.append(Block(number, fence[1], named[1] if named else None, "\n".join(inside) + "\n"))
        before = line
    return found


def matches(expected: str, printed: str) -> bool:
    """Whether output is what the README shows; `…` stands for anything on a line."""
    pattern = ".*".join(map(re.escape, expected.strip().split("…")))
    return re.fullmatch(pattern, printed.strip()) is not None


class Reader:
    """Somebody who follows the README in an empty folder; only the port is another one."""

    def __init__(self, folder: Path, port: str) -> None:
        self._folder = folder
        self._port = port
        self._server: subprocess.Popen[str] | None = None
        self._listener: subprocess.Popen[str] | None = None
        self._heard = ""
        self._environment = {**os.environ, "OVERROUND_SERVER__PORT": port}
        # The clone: what `make setup` installed, and nothing else yet.
        (folder / ".venv").symlink_to(sys.prefix)
        modules = folder / "tests" / "clients" / "node_modules"
        modules.parent.mkdir(parents=True)
        modules.symlink_to(ROOT / "tests" / "clients" / "node_modules")

    def save(self, block: Block) -> None:
        """A program that the README shows."""
        assert block.file is not None
        path = self._folder / block.file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.adapted(block.text))

    def follow(self, block: Block, shown: str | None) -> None:
        """Do what a block says; what comes out must be what is shown."""
        commands = self.adapted(block.text)
        if commands == "make test\n":
            assert "-m pytest" in _dry_run("test")
        elif commands == "make run\n":
            self._serve(_dry_run("run", f"PORT={self._port}").splitlines()[-1], shown)
        elif "overround sandbox" in commands:
            self._serve(commands, shown)
        elif "overround feed" in commands:
            self._listen(commands)
        else:
            self._run(commands, shown)

    def adapted(self, text: str) -> str:
        """The text with this reader's port."""
        return text.replace(f"127.0.0.1:{WRITTEN_PORT}", f"127.0.0.1:{self._port}")

    def look_at_the_listener(self, shown: str) -> None:
        """What the other terminal prints; there is nothing more to hear in it."""
        listener, self._listener = self._listener, None
        assert listener is not None
        assert listener.stdout is not None
        printed = self._heard + "".join(listener.stdout.readline() for _ in shown.splitlines()[1:])
        listener.send_signal(signal.SIGINT)
        printed += listener.communicate(timeout=TIMEOUT_S)[0]
        assert matches(self.adapted(shown), printed), printed

    def stop(self) -> None:
        """Ctrl-C, if a server is running."""
        if self._listener is not None:
            self._listener.kill()
            self._listener.communicate()
        server, self._server = self._server, None
        if server is None or server.stdout is None:
            return
        if server.poll() is None:
            server.send_signal(signal.SIGINT)
            assert server.wait(TIMEOUT_S) == 0
        server.stdout.close()

    def _serve(self, command: str, shown: str | None) -> None:
        self.stop()
        self._server = subprocess.Popen(
            ["bash", "-c", f"exec {command.removeprefix('exec ')}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._server.stdout is not None
        printed = self._server.stdout.readline()
        assert matches(self.adapted(shown or "ready http://…"), printed), printed

    def _listen(self, command: str) -> None:
        self._listener = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._listener.stdout is not None
        self._heard = self._listener.stdout.readline()  # it listens from now on

    def _run(self, commands: str, shown: str | None) -> None:
        only_looks = re.match(r"curl -s \S+$", commands.strip()) is not None
        give_up_at = time.monotonic() + OUTPUT_TIMEOUT_S
        while True:
            ended = subprocess.run(
                ["bash", "-eu", "-c", commands],
                cwd=self._folder,
                env=self._environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=TIMEOUT_S,
                check=False,
            )
            assert ended.returncode == 0, ended.stdout
            if shown is None or matches(self.adapted(shown), ended.stdout):
                return
            if not only_looks or time.monotonic() > give_up_at:
                pytest.fail(f"shown:\n{self.adapted(shown)}\nprinted:\n{ended.stdout}")


def _dry_run(*arguments: str) -> str:
    """What make would do."""
    command = ["make", "--dry-run", "--no-print-directory", "-C", str(ROOT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader with a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    follower = Reader(tmp_path, port)
    yield follower
    follower.stop()


def test_the_readme_can_be_followed(reader: Reader) -> None:
    found = blocks(ROOT / "README.md")
    for place, block in enumerate(found):
        following = found[place + 1] if place + 1 < len(found) else None
        shown = following.text if following and following.language == "text" else None
        if block.text.startswith("overround: following"):
            reader.look_at_the_listener(block.text)
            continue
        if block.file is not None:
            assert block.text == (ROOT / block.file).read_text(), f"README.md:{block.line} is not {block.file}"
            reader.save(block)
        elif block.language == "sh":
            reader.follow(block, shown)
        else:
            assert block.language == "text", f"README.md:{block.line}: nothing is known to do with this block"


def test_a_bot_author_can_do_what_the_testing_guide_shows(tmp_path: Path) -> None:
    example = blocks(ROOT / "docs" / "testing.md")[-1]
    (tmp_path / "conftest.py").write_text(example.text)
    (tmp_path / "test_bot.py").write_text(
        "import httpx\n\n\ndef test_bot(venue):\n    assert httpx.get(f'{venue}/readyz').is_success\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert ended.returncode == 0, ended.stdout


# ---- the other documents -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(document: Path) -> None:
    named = re.findall(r"`([\w.][\w./-]*\.(?:py|mjs|md|toml|lock|json))`", document.read_text())
    homes = (ROOT, SOURCE, ROOT / "tests", ROOT / "docs")
    missing = [name for name in named if not any((home / name).is_file() for home in homes)]
    assert not missing


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_in_a_document_leads_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(#[^)]*)?\)", document.read_text())
    missing = [target for target, _ in targets if "://" not in target and not (document.parent / target).exists()]
    assert not missing


def test_every_make_target_that_a_document_names_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {name for document in DOCUMENTS for name in re.findall(r"`make ([a-z0-9-]+)", document.read_text())}
    assert named <= targets


def test_the_changelog_speaks_of_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_architecture_shows_who_may_import_whom() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("| Room | may import |")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines() if line.startswith("| `")]
    shown: dict[str, set[str]] = {}
    for names, allowed in rows:
        named = set(re.findall(r"`([\w.]+)`", allowed))
        may_enter = shown.keys() - named if "everything above" in allowed else named
        shown |= {room: set(may_enter) for room in re.findall(r"`([\w.]+)`", names)}
    assert shown == {room: may_enter for room, may_enter in MAY_ENTER.items() if not room.startswith("__")}
