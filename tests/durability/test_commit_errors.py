"""When a commit fails the process ends: no answer leaves, the message says why, and the next start has it all."""

from __future__ import annotations

import asyncio
import random
import resource
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.durability.traffic import HOLDER, MAKERS, Traffic, World

from overround.journal.sqlite import FILE_NAME, SqliteJournal
from overround.runtime.recovery import recover
from overround.signing.address import checksum_address
from overround.testing.ledger import Ledger
from overround.testing.server import ServerFailed, ServerProcess, data_dir_arguments

EXIT_COMMIT_FAILED = 5
MESSAGE = "overround: the journal could not be written, stopping at once"
QUIET = {"OVERROUND_LOG__LEVEL": "error"}
FILE_BYTES_MAX = 1024 * 1024
FAULTY = str(Path(__file__).with_name("faulty_venue.py"))


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES_MAX, FILE_BYTES_MAX))


def _live_and_die(server: ServerProcess, ledger: Ledger) -> World:
    """Traffic until the server is gone; what is left of its clients' questions stays unanswered."""

    async def end(traffic: Traffic) -> None:
        while server.is_running:
            await asyncio.sleep(0.001)

    with server, server.client() as http:
        world = World(http.get("/sandbox").json())
        asyncio.run(Traffic(ledger, world, random.Random(1)).run(server.base_url, end))
        assert server.wait() == EXIT_COMMIT_FAILED
        assert MESSAGE in server.log
        assert "Traceback" not in server.log
    return world


def _check_recovery(folder: Path, ledger: Ledger, world: World, **more: Any) -> None:
    """A start without the fault: it holds what was acknowledged, and works."""
    with ServerProcess(*data_dir_arguments(folder), env=QUIET, **more) as server, server.client() as http:
        with closing(SqliteJournal(folder, read_only=True)) as journal:
            findings = ledger.compare(journal.read(0))
            assert not findings, findings
            digest = "0x" + recover(journal, None).engine.digest().hex()
        token = {"authorization": "Bearer sandbox-admin"}
        assert http.get("/admin/digest", headers=token).json()["data"]["digest"] == digest
        for maker in MAKERS:
            rows = http.get("/orders", params={"maker": checksum_address(maker.address)}).json()["data"]
            assert {row["orderHash"] for row in rows} == ledger.open_orders(maker.address, world.fixture_of)
        asyncio.run(_work(server.base_url, ledger))
        assert server.stop() == 0


async def _work(base_url: str, ledger: Ledger) -> None:
    async with httpx.AsyncClient(base_url=base_url, timeout=30) as http:
        assert (await ledger.set_balance(http, HOLDER.address, 1)).is_acknowledged


def test_a_disk_that_is_full(tmp_path: Path) -> None:
    """The kernel refuses to let any file of the process grow."""
    ledger = Ledger()
    server = ServerProcess(*data_dir_arguments(tmp_path), env=QUIET, preexec_fn=_limit_files)
    world = _live_and_die(server, ledger)
    assert len(ledger.acknowledged) > 20
    assert (tmp_path / f"{FILE_NAME}-wal").stat().st_size == FILE_BYTES_MAX
    _check_recovery(tmp_path, ledger, world)


def test_a_journal_that_has_reached_its_configured_size(tmp_path: Path) -> None:
    ledger = Ledger()
    bounded = QUIET | {"OVERROUND_DATA__SIZE_MAX_MB": "1"}
    server = ServerProcess(*data_dir_arguments(tmp_path), env=bounded)
    world = _live_and_die(server, ledger)
    assert len(ledger.acknowledged) > 100
    assert "full" in server.log
    _live_and_die(ServerProcess(*data_dir_arguments(tmp_path), env=bounded), ledger)  # as soon as it met the bound
    _check_recovery(tmp_path, ledger, world)


@pytest.mark.parametrize("fault", ["eio", "eio after the write", "fenced", "surprise"])
def test_a_commit_that_fails(tmp_path: Path, fault: str) -> None:
    ledger = Ledger()
    server = ServerProcess(*data_dir_arguments(tmp_path), env=QUIET, program=(FAULTY, fault, "150"))
    world = _live_and_die(server, ledger)
    _check_recovery(tmp_path, ledger, world)
    unanswered = [asked for asked in ledger.asked if asked.is_open]
    assert unanswered
    if fault == "eio after the write":
        assert any(asked.record is not None for asked in unanswered)  # done, and nobody was told


def test_a_disk_that_is_full_at_the_start(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    with pytest.raises(ServerFailed) as failed, ServerProcess(*data_dir_arguments(tmp_path), preexec_fn=limit):
        pass
    assert "exit code 5" in str(failed.value)
    assert "overround: the journal cannot be opened" in str(failed.value)
    assert "damaged" not in str(failed.value)
    with ServerProcess(*data_dir_arguments(tmp_path)) as server:
        assert server.stop() == 0


def test_a_stop_without_room_for_the_snapshot(tmp_path: Path) -> None:
    """Regression: the stop failed half way, with the journal open and exit code 1."""
    with ServerProcess(*data_dir_arguments(tmp_path), env=QUIET) as server:
        (tmp_path / "snapshots").write_bytes(b"in the way")
        assert server.stop() == 0
        assert "the last snapshot could not be written" in server.log
    assert not (tmp_path / f"{FILE_NAME}-wal").exists()  # closed in order
    (tmp_path / "snapshots").unlink()
    with ServerProcess(*data_dir_arguments(tmp_path), env=QUIET) as server:
        assert server.stop() == 0
