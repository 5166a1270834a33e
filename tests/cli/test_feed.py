"""`overround feed`, as people and machines use it: a process beside a real venue that comes and goes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from tests.cli.runner import Outcome
from tests.reconnects.followers import until
from tests.reconnects.scene import EVENT_CHANNEL, MAKER_CHANNEL, Scene, scene_of
from tests.reconnects.truth import Said, Truth

from overround.config import SANDBOX_TOKEN_SECRET
from overround.runtime.clock import VenueClock
from overround.sandbox.accounts import ACCOUNTS
from overround.server.tokens import ConnectionTokens
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.views.accounts import Accounts

COMMAND: Final = (sys.executable, "-m", "overround", "feed")
TIMEOUT_S: Final = 60
MAKER_HISTORY: Final = 100
BACK: Final = "overround: connected again, and nothing is missing"
LOST: Final = "overround: the connection is lost"

pytestmark = pytest.mark.xdist_group("reconnects")


class Tail:
    """A running `overround feed` and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out: list[str] = []
        self.err: list[str] = []
        assert process.stdout is not None
        assert process.stderr is not None
        self._readers = [
            asyncio.create_task(self._read(stream, lines))
            for stream, lines in ((process.stdout, self.out), (process.stderr, self.err))
        ]

    @staticmethod
    async def _read(stream: asyncio.StreamReader, lines: list[str]) -> None:
        async for line in stream:
            lines.append(line.decode().removesuffix("\n"))

    async def says(self, text: str, count: int = 1) -> None:
        """Wait until standard error has lines that begin so."""
        await until(lambda: sum(line.startswith(text) for line in self.err) >= count, f"{text!r} is said: {self.err}")

    async def printed(self, count: int) -> list[Any]:
        """Wait for so many updates; JSON."""
        await until(lambda: len(self.out) >= count, f"{count} updates are printed, not {len(self.out)}")
        return [json.loads(line) for line in self.out]

    async def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(number)
        return await self.wait()

    async def wait(self) -> int:
        """Wait for the process to end by itself."""
        async with asyncio.timeout(TIMEOUT_S):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code


@contextlib.asynccontextmanager
async def tail_of(*arguments: str, **environment: str) -> AsyncIterator[Tail]:
    """A feed that is left running by nobody."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    tail = Tail(process)
    try:
        yield tail
    finally:
        if process.returncode is None:
            process.kill()
            await tail.wait()


def message(*arguments: str) -> str:
    """What a feed says that gives up at once."""
    outcome = Outcome("feed", *arguments)
    assert (outcome.code, outcome.out) == (2, ""), outcome.err
    (line,) = outcome.err.splitlines()
    return line


# ---- printing ------------------------------------------------------------------------------------------------------


def test_people_get_a_line_for_every_update_and_machines_an_object(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene_of(tmp_path) as scene:
            url = ["--url", scene.server.base_url]
            async with (
                tail_of(EVENT_CHANNEL, *url) as people,
                tail_of(MAKER_CHANNEL, *url, "--json") as machines,
                tail_of("best_odds:global", *url, "--json") as odds,
                tail_of(MAKER_CHANNEL.lower(), *url) as misspelt,
            ):
                tails = (people, machines, odds, misspelt)
                for tail in tails:
                    await tail.says("overround: following")
                assert people.err == [f"overround: following {EVENT_CHANNEL} at {scene.server.base_url}"]
                await misspelt.says(f"overround: hint: this channel is spelt {MAKER_CHANNEL}")
                await scene.trade(4)
                await until(lambda: len(people.out) == 4, "four updates are printed")
                _check_lines(people.out)
                await machines.printed(4)
                await _check_objects(scene, machines)
                (first, *_) = await odds.printed(1)
                assert set(first) == {"channel", "messageId", "update"}
                assert first["update"]["percentageOdds"] == "50000000000000000000"
                for number, tail in enumerate(tails):
                    assert await tail.end((signal.SIGINT, signal.SIGTERM)[number % 2]) == 0
                assert (len(people.err), len(machines.err), misspelt.out) == (1, 1, [])

    asyncio.run(play())


def _check_lines(lines: list[str]) -> None:
    """Three orders, and the third one is cancelled."""
    when, number = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", r"0x[0-9a-f]{64}"
    shape = rf"{when} (ACTIVE|INACTIVE) +({number}) L1000001 0x[0-9a-f]{{8}}… outcome one at 50% "
    shape += "size 10000000 filled 0 pending 0"
    found = [re.fullmatch(shape, line) for line in lines]
    assert all(found), lines
    assert [one[1] for one in found if one] == ["ACTIVE", "ACTIVE", "ACTIVE", "INACTIVE"]
    assert len({one[2] for one in found if one}) == 3


async def _check_objects(scene: Scene, tail: Tail) -> None:
    """Everything that the journal says, and where the channel stands."""
    printed = [json.loads(line) for line in tail.out]
    (epoch,) = {one["epoch"] for one in printed}
    assert [(one["channel"], one["offset"]) for one in printed] == [(MAKER_CHANNEL, n) for n in (1, 2, 3, 4)]
    said = [Said.of(one["messageId"], [one["update"]]) for one in printed]
    assert said == Truth(scene.folder).channels[MAKER_CHANNEL]
    answer = await scene.http.get("/orders", params={"maker": MAKER_CHANNEL.partition(":")[2]})
    assert answer.headers["x-overround-position"] == f"{MAKER_CHANNEL} {epoch} 4"


def test_whoever_has_read_enough_may_go(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene_of(tmp_path) as scene:
            command = f"{' '.join(COMMAND)} {EVENT_CHANNEL} --url {scene.server.base_url} | head -1"
            process = await asyncio.create_subprocess_exec(
                "bash", "-o", "pipefail", "-c", command, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            said = asyncio.create_task(process.communicate())
            while not said.done():
                await scene.trade(1)
            out, err = said.result()
            assert len(out.splitlines()) == 1
            assert (process.returncode, len(err.splitlines())) == (0, 1), err

    asyncio.run(play())


# ---- coming back ---------------------------------------------------------------------------------------------------


def test_restarts_in_the_middle_cost_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene_of(tmp_path) as scene, tail_of(EVENT_CHANNEL, "--url", _road(scene), "--json") as tail:
            await tail.says("overround: following")
            await scene.trade(3)
            await tail.printed(3)
            scene.proxy.cut()
            await tail.says(LOST)
            for restart in (Scene.kill, Scene.stop):
                await scene.trade(3)
                await restart(scene)
            await scene.trade(3)
            scene.proxy.mend()
            await tail.says(BACK)
            await scene.kill()  # and while it listens
            await tail.says(BACK, 2)
            await scene.trade(1)
            printed = await tail.printed(13)
            assert [one["offset"] for one in printed] == list(range(1, 14))
            said = [Said.of(one["messageId"], [one["update"]]) for one in printed]
            assert said == Truth(tmp_path).channels[EVENT_CHANNEL]
            assert await tail.end() == 0
            assert [line for line in tail.err if "missing" in line] == [BACK] * 2

    asyncio.run(play())


def _road(scene: Scene) -> str:
    return f"http://127.0.0.1:{scene.proxy.port}"


def test_a_gap_is_said(tmp_path: Path) -> None:
    """Where more is missing than is kept; and on a channel that keeps nothing, after every break."""

    async def play() -> None:
        async with (
            scene_of(tmp_path) as scene,
            tail_of(MAKER_CHANNEL, "--url", _road(scene), "--json") as tail,
            tail_of("best_odds:global", "--url", _road(scene)) as odds,
        ):
            await tail.says("overround: following")
            await odds.says("overround: this channel keeps no history")
            await scene.trade(2)
            await tail.printed(2)
            scene.proxy.cut()
            await tail.says(LOST)
            await odds.says(LOST)
            await scene.trade(MAKER_HISTORY + 1)
            scene.proxy.mend()
            await tail.says("overround: connected again, but updates are missing: 2 was the last, 103 is the newest")
            await odds.says("overround: connected again; this channel keeps no history")
            await scene.trade(1)
            assert [one["offset"] for one in await tail.printed(3)] == [1, 2, 104]
            assert await odds.end() == 0
            scene.server.kill()
            await tail.says(LOST, 2)
            assert await tail.end() == 0  # also while there is nobody to say goodbye to

    asyncio.run(play())


def test_a_venue_that_was_made_anew_is_another_one(tmp_path: Path) -> None:
    """It refuses the tokens of the one before for good; with a key, new ones can be had."""

    async def play() -> None:
        async with scene_of(tmp_path) as scene, tail_of(EVENT_CHANNEL, "--url", _road(scene), "--json") as tail:
            await tail.says("overround: following")
            await scene.trade(2)
            await tail.printed(2)
            # Keys count by the second: let one pass between the token and the keys of the next venue.
            scene.server.kill()
            await scene.until_next_second()
            shutil.rmtree(tmp_path)
            await asyncio.to_thread(scene.server.start)
            await tail.says("overround: connected again, to a venue that knows nothing of the one before")
            await scene.trade(1)
            assert [one["offset"] for one in await tail.printed(3)] == [1, 2, 1]
            assert await tail.end() == 0

    asyncio.run(play())


# ---- what cannot be followed ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url(sandbox: ServerProcess) -> str:
    """A sandbox."""
    return sandbox.base_url


def test_an_unknown_channel_is_said(url: str) -> None:
    said = message("nowhere:room", "--url", url)
    assert said.startswith("overround: nowhere:room: unknown channel (102): there is no such channel")
    said = message("order_book:" + "x" * 300, "--url", url)
    assert said.endswith("bad request (107): this is no name for a channel")


def test_a_wrong_key_is_said(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = f"overround: {url} does not know this API key"
    assert message("best_odds:global", "--url", url, "--api-key", "nonsense") == said
    monkeypatch.setenv("OVERROUND_API_KEY", "nonsense")
    assert message("best_odds:global", "--url", url) == said


def test_a_wrong_token_is_said(url: str) -> None:
    said = message("best_odds:global", "--url", url, "--token", "nonsense")
    assert said == f"overround: {url} does not accept this token"


def test_a_token_that_has_ended_is_said(url: str) -> None:
    clock = VenueClock()
    clock.adjust(-3_600_000, None)
    token = ConnectionTokens(SANDBOX_TOKEN_SECRET, 60, clock, Accounts()).issue(ACCOUNTS[0].address)
    said = message("best_odds:global", "--url", url, "--token", token)
    assert said == f"overround: {url}: the token has ended: give a fresh one"


@pytest.mark.parametrize("given", [(), ("--token", "any"), ("--api-key", "any")], ids=str)
def test_where_nobody_answers_it_says_so(given: tuple[str, ...]) -> None:
    said = message("best_odds:global", "--url", "http://127.0.0.1:1", *given)
    assert said.startswith("overround: http://127.0.0.1:1 cannot be reached: ")


def test_a_url_needs_a_scheme() -> None:
    said = message("best_odds:global", "--url", "127.0.0.1:8080")
    assert said == "overround: --url must begin with http:// or https://, which 127.0.0.1:8080 does not"


def test_only_a_sandbox_tells_its_keys(tmp_path: Path) -> None:
    file = tmp_path / "venue.toml"
    secrets = '[tokens]\nsecret = "7b1d0c6f2e9a48d3b5f60718293a4b5c"\n[admin]\ntoken = "3f9c2b7a1e8d4605"\n'
    file.write_text(secrets)
    command = ("serve", "--config", str(file), "--port", "0")
    with ServerProcess(*data_dir_arguments(tmp_path / "data"), command=command) as server:
        said = message("best_odds:global", "--url", server.base_url)
        assert said.startswith("overround: an API key is needed: --api-key or OVERROUND_API_KEY")
        said = message("best_odds:global", "--url", server.base_url, "--api-key", ACCOUNTS[0].api_key)
        assert said.endswith("does not know this API key")
        said = message("best_odds:global", "--url", f"{server.base_url}/elsewhere", "--api-key", "any")
        assert said.endswith("is no venue of this kind")
