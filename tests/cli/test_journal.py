"""`overround journal`: whole journals, damaged ones, journals in use; for people and for machines."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.runner import Outcome
from tests.journal.history import records

from overround.engine.commands import SetBalance
from overround.journal.memory import MemoryJournal
from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import FILE_NAME, LOG_NAME, SqliteJournal
from overround.runtime.recovery import recover
from overround.runtime.snapshotter import write_snapshot
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import signed_cancel, signed_order

HISTORY = records(60)
COMMANDS = ("verify", "show", "digest")


def _digest(length: int) -> str:
    journal = MemoryJournal()
    journal.append(HISTORY[:length])
    return "0x" + recover(journal, None).engine.digest().hex()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with the history, and a snapshot at its end."""
    with closing(SqliteJournal(tmp_path)) as journal:
        journal.append(HISTORY)
        write_snapshot(journal, recover(journal, None), SnapshotStore(tmp_path))
    return tmp_path


def _edit(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        connection.execute(statement)
        connection.commit()


# ---- whole ---------------------------------------------------------------------------------------------------------


def test_verify_says_what_it_found(folder: Path) -> None:
    outcome = Outcome("journal", "verify", "--data-dir", folder)
    assert outcome.code == 0
    assert outcome.out == f"ok: 60 records, every one follows; state digest {_digest(60)}\n"
    assert Outcome("journal", "verify", "--data-dir", folder, "--json").json == {
        "ok": True,
        "seq": 60,
        "digest": _digest(60),
    }


def test_digest_is_that_of_the_last_record_or_of_any_other(folder: Path) -> None:
    assert Outcome("journal", "digest", "--data-dir", folder).out == f"60 {_digest(60)}\n"
    found = Outcome("journal", "digest", "--data-dir", folder, "--json").json
    assert found == {"seq": 60, "digest": _digest(60)}
    for at in (0, 1, 33, 60):
        found = Outcome("journal", "digest", "--data-dir", folder, "--at", at, "--json").json
        assert found == {"seq": at, "digest": _digest(at)}


def test_show_prints_a_record_a_line(folder: Path) -> None:
    lines = Outcome("journal", "show", "--data-dir", folder).out.splitlines()
    assert len(lines) == 60
    assert lines[0] == "1 1790000000001 id-1 ConfigureVenue: VenueConfigured"
    assert lines[7] == "8 1790000000008 id-8 PlaceOrders: OrderAccepted"


def test_show_can_start_and_end_anywhere(folder: Path) -> None:
    def shown(*more: object) -> list[int]:
        lines = Outcome("journal", "show", "--data-dir", folder, *more).out.splitlines()
        return [int(line.split()[0]) for line in lines]

    assert shown("--after", 57) == [58, 59, 60]
    assert shown("--limit", 2) == [1, 2]
    assert shown("--after", 10, "--limit", 3) == [11, 12, 13]
    assert shown("--after", 60) == []


def test_show_gives_machines_everything(folder: Path) -> None:
    outcome = Outcome("journal", "show", "--data-dir", folder, "--after", 3, "--limit", 1, "--json")
    (command,) = [json.loads(line) for line in outcome.out.splitlines()]
    assert command == {
        "seq": 4,
        "time_ms": 1790000000004,
        "epoch": 1,
        "command_id": "id-4",
        "command": {
            "command": "SetBalance",
            "account": "0x" + "41" * 20,
            "token": "0x" + "54" * 20,
            "amount": 10**30,  # exact, however wide
        },
        "events": [
            {
                "event": "BalanceChanged",
                "account": "0x" + "41" * 20,
                "token": "0x" + "54" * 20,
                "balance": 10**30,
                "available": 10**30,
            }
        ],
    }


def test_a_reader_that_has_enough_may_go(folder: Path) -> None:
    """`overround journal show | head -1`"""
    argv = [sys.executable, "-m", "overround", "journal", "show", "--data-dir", str(folder), "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


def test_everything_works_beside_a_running_venue(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path)) as server, server.client() as http:
        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        for _ in range(5):
            http.post("/orders/new", json={"orders": [signed_order(ALICE, market)]})
        found = http.get("/admin/digest", headers={"authorization": "Bearer sandbox-admin"}).json()["data"]
        assert Outcome("journal", "verify", "--data-dir", tmp_path, "--json").json == {"ok": True, **found}
        assert Outcome("journal", "digest", "--data-dir", tmp_path, "--json").json == found
        shown = Outcome("journal", "show", "--data-dir", tmp_path).out.splitlines()
        assert len(shown) == found["seq"]
        assert shown[-1].endswith(" PlaceOrders: OrderAccepted")
        # and the venue did not notice
        assert http.post("/orders/cancel/all", json=signed_cancel(ALICE)).json()["data"]["cancelledCount"] == 5
        assert server.stop() == 0


# ---- what is wrong -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_without_a_journal_is_wrong_usage(tmp_path: Path, command: str) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        outcome = Outcome("journal", command, "--data-dir", folder)
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == f"overround: there is no journal in {folder}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [("show", "--after", "61"), ("digest", "--at", "61")], ids=" ".join)
def test_a_record_that_is_not_there_yet_is_wrong_usage(folder: Path, arguments: tuple[str, ...]) -> None:
    """Regression: the journal was called damaged."""
    outcome = Outcome("journal", *arguments, "--data-dir", folder)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "overround: there is no record 61: the journal ends at record 60\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_damage_exits_with_4(folder: Path, command: str) -> None:
    _edit(folder, "UPDATE records SET digest = zeroblob(32) WHERE seq = 20")
    for path in folder.glob("snapshots/*"):
        path.unlink()
    outcome = Outcome("journal", command, "--data-dir", folder)
    assert outcome.code == 4
    assert outcome.err.startswith("overround: the journal is damaged: ")
    assert "record 20 does not fit the chain" in outcome.err


def test_verify_does_not_believe_a_snapshot(folder: Path) -> None:
    """It would hide what is wrong before it."""
    _edit(folder, "UPDATE records SET digest = zeroblob(32) WHERE seq = 20")
    assert Outcome("journal", "digest", "--data-dir", folder).code == 0
    assert Outcome("journal", "verify", "--data-dir", folder).code == 4


def test_verify_finds_a_record_that_does_not_follow(folder: Path) -> None:
    """All digests recomputed; no snapshot left to tell."""
    (folder / FILE_NAME).unlink()
    for path in folder.glob("snapshots/*"):
        path.unlink()
    command = HISTORY[3].command
    assert isinstance(command, SetBalance)
    other = SetBalance(account=command.account, token=command.token, amount=command.amount + 1)
    forged = HISTORY[3].__class__(4, HISTORY[3].time_ms, 1, "id-4", other, HISTORY[3].events)
    with closing(SqliteJournal(folder)) as journal:
        journal.append([*HISTORY[:3], forged, *HISTORY[4:]])
    outcome = Outcome("journal", "verify", "--data-dir", folder)
    assert outcome.code == 4
    assert "record 4 does not follow from its command" in outcome.err


def test_verify_finds_that_the_end_was_cut_off(folder: Path) -> None:
    """Regression: an exact prefix passed, though a snapshot knew better."""
    _edit(folder, "DELETE FROM records WHERE seq > 50")
    outcome = Outcome("journal", "verify", "--data-dir", folder)
    assert outcome.code == 4
    assert "was made at record 60 of a history that this journal does not hold" in outcome.err


def test_a_noted_digest_finds_that_the_end_was_cut_off_or_rewritten(folder: Path) -> None:
    """Without a snapshot, what `GET /admin/digest` once said is the witness."""
    noted = {"seq": 55, "digest": _digest(55)}
    assert Outcome("journal", "digest", "--data-dir", folder, "--at", noted["seq"], "--json").json == noted
    _edit(folder, "DELETE FROM records WHERE seq > 50")
    assert Outcome("journal", "digest", "--data-dir", folder, "--at", noted["seq"]).code == 2


def test_verify_finds_structure_that_the_chain_cannot_see(folder: Path) -> None:
    raw = bytearray((folder / FILE_NAME).read_bytes())
    page = len(raw) - 4096  # the last leaf: say that it has one cell less
    cells = int.from_bytes(raw[page + 3 : page + 5], "big")
    raw[page + 3 : page + 5] = (cells - 1).to_bytes(2, "big")
    (folder / FILE_NAME).write_bytes(raw)
    for path in folder.glob("snapshots/*"):
        path.unlink()
    assert Outcome("journal", "verify", "--data-dir", folder).code == 4


def test_a_journal_that_cannot_be_opened_is_not_called_damaged(folder: Path) -> None:
    (folder / LOG_NAME).mkdir()
    outcome = Outcome("journal", "digest", "--data-dir", folder)
    assert outcome.code == 5
    assert outcome.err.startswith("overround: the journal cannot be opened: ")
