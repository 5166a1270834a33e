"""`docs/protocols/centrifugo.md` says what is: its samples run, and its tables are compared with the code."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from tests.reconnects.followers import until
from tests.reconnects.scene import MAKER_CHANNEL, Scene, scene_of

from overround.config import Config, RealtimeConfig
from overround.protocols.centrifugo import DISCONNECTS, ERRORS, UNSUBSCRIBES, Options
from overround.realtime import Limits, Namespace

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "protocols" / "centrifugo.md"
TEXT: Final = PAGE.read_text()
NODE_MODULES: Final = ROOT / "tests" / "clients" / "node_modules"
MAKER: Final = MAKER_CHANNEL.partition(":")[2]
MAKER_HISTORY: Final = 100

pytestmark = pytest.mark.xdist_group("reconnects")


# ---- samples -------------------------------------------------------------------------------------------------------


class Sample:
    """A running sample of the page, and the lines that it printed."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode().strip())

    @property
    def loads(self) -> list[int]:
        """How many orders were loaded each time."""
        return [int(line.split()[1]) for line in self.lines if line.startswith("loaded")]

    @property
    def updates(self) -> list[list[str]]:
        """Offset, status, hash, and how many orders are open then."""
        return [line.split() for line in self.lines if not line.startswith("loaded")]

    async def reaches(self, offset: int) -> None:
        """Wait for an update."""
        await until(lambda: self.updates and int(self.updates[-1][0]) >= offset, f"offset {offset}: {self.lines}")


@contextlib.asynccontextmanager
async def _sample(folder: Path, language: str, scene: Scene, api_key: str) -> AsyncIterator[Sample]:
    (text,) = re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    suffix, program = {"python": (".py", sys.executable), "js": (".mjs", "node")}[language]
    file = (folder / "sample").with_suffix(suffix)
    file.write_text(text)
    if not (folder / "node_modules").exists():
        (folder / "node_modules").symlink_to(NODE_MODULES)
    settings = {"BASE_URL": f"http://127.0.0.1:{scene.proxy.port}", "API_KEY": api_key, "MAKER": MAKER}
    process = await asyncio.create_subprocess_exec(
        program, str(file), env={**os.environ, **settings}, stdout=asyncio.subprocess.PIPE
    )
    sample = Sample(process)
    try:
        yield sample
        assert process.returncode is None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        await sample.reader


@pytest.mark.row("WS-03", "WS-36", "WS-37")
def test_the_samples_never_lose_track(tmp_path: Path) -> None:
    """They load, follow, survive a kill -9, and load again when more is gone than is kept."""

    async def play() -> None:
        programs = tmp_path / "programs"
        programs.mkdir()
        async with scene_of(tmp_path / "data") as scene:
            api_key = (await scene.http.get("/sandbox")).json()["accounts"][1]["apiKey"]
            await scene.trade(2)
            async with (
                _sample(programs, "python", scene, api_key) as python,
                _sample(programs, "js", scene, api_key) as js,
            ):
                samples = (python, js)
                await until(lambda: all(one.loads for one in samples), "both have loaded")
                await scene.trade(2)  # orders 3 and, as a cancel, 4
                for one in samples:
                    await one.reaches(4)
                await scene.kill()
                await scene.trade(2)
                for one in samples:
                    await one.reaches(6)
                    assert one.loads == [2]
                    assert [int(update[0]) for update in one.updates] == [3, 4, 5, 6]
                scene.proxy.cut()
                await scene.trade(MAKER_HISTORY + 1)
                scene.proxy.mend()
                await until(lambda: all(len(one.loads) == 2 for one in samples), "both have loaded again")
                await scene.trade(2)
                rows = (await scene.http.get("/orders", params={"maker": MAKER})).json()["data"]
                for one in samples:
                    await one.reaches(6 + MAKER_HISTORY + 1 + 2)
                    assert int(one.updates[-1][3]) == len(rows)

    asyncio.run(play())


# ---- tables --------------------------------------------------------------------------------------------------------


def _rows(name: str) -> list[list[str]]:
    """The cells of a table between two comments."""
    (table,) = re.findall(rf"<!-- {name} -->\n(.*?)<!-- end of {name} -->", TEXT, re.DOTALL)
    lines = [line.strip().strip("|") for line in table.strip().splitlines()]
    return [[cell.strip() for cell in line.split("|")] for line in lines[2:]]


def test_every_error_is_there() -> None:
    assert [(int(code), message) for code, message, _ in _rows("errors")] == [
        (code, one.message) for code, one in sorted(ERRORS.items())
    ]
    temporary = {int(code) for code, _, when in _rows("errors") if when.endswith("temporary")}
    assert temporary == {code for code, one in ERRORS.items() if one.temporary}


@pytest.mark.parametrize(("name", "known"), [("closes", DISCONNECTS), ("unsubscribes", UNSUBSCRIBES)])
def test_every_end_is_there(name: str, known: dict[int, object]) -> None:
    shown = [(int(code), reason) for code, reason, _ in _rows(name)]
    assert shown == [(code, getattr(one, "reason", "")) for code, one in sorted(known.items())]


def _kept(one: Namespace) -> str:
    return f"{one.history_size} / {one.history_ttl_ms // 1000} s" if one.has_history else "nothing"


def _positions(one: Namespace) -> str:
    return "always" if one.force_recovery else "when asked for" if one.allow_recovery else "none"


def test_every_namespace_is_there() -> None:
    namespaces = Config().realtime.resolved_namespaces().named
    assert [row[:3] for row in _rows("namespaces")] == [
        [f"`{name}`", _kept(one), _positions(one)] for name, one in namespaces.items()
    ]


def test_the_limits_are_those_that_are_kept() -> None:
    limits, options = Limits(), Options(version="any")
    config = RealtimeConfig.model_construct()
    kib = 1024
    assert (config.subscriptions_max, config.message_bytes_max) == (512, kib * kib)
    assert (limits.recovery_publications_max, limits.recovery_bytes_max) == (1_000, 768 * kib)
    assert (limits.history_publications_max, limits.history_bytes_max) == (1_000, 768 * kib)
    assert (limits.publication_bytes_max, limits.queue_soft_ms) == (256 * kib, 5_000)
    assert (config.queue_bytes_soft, config.queue_bytes_hard) == (kib * kib, 16 * kib * kib)
    assert (options.commands_burst, options.commands_per_s, options.expiry_grace_ms) == (1_024, 256, 25_000)
    assert (config.ping_interval_s, config.pong_timeout_s, config.stale_delay_s) == (30, 8, 10)
    assert config.write_window_ms == 2
    assert Namespace().history_bytes_max == 256 * kib * kib
    for key in set(re.findall(r"`(?:realtime\.)?(\w+_(?:s|ms|max|soft|hard|channel|origins|orders))`", TEXT)):
        assert key in RealtimeConfig.model_fields or key in {"ttl_s", "active_orders"}, key


def test_every_link_leads_somewhere() -> None:
    targets = re.findall(r"\]\(([^)#]*)(#[^)]*)?\)", TEXT)
    assert [target for target, _ in targets if target and not (PAGE.parent / target).exists()] == []
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in TEXT.splitlines()}
    assert [anchor for target, anchor in targets if not target and anchor[1:] not in headings] == []
