"""The journal on disk: torn writes, flipped bits, edits, other processes. Contract: `test_journal.py`."""

from __future__ import annotations

import os
import random
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.journal.history import records

from overround.engine.record import Record
from overround.journal import chain, codec
from overround.journal.journal import CommitUnknown, JournalDamaged, JournalError, JournalUnavailable
from overround.journal.sqlite import FILE_NAME, SqliteJournal
from overround.journal.sqlite import LOG_NAME as WAL_NAME

HISTORY = records(60)
BATCH = 5
SEED = 7
LONG = bool(os.environ.get("LONG"))  # every byte and every bit instead of a sample
CUTS = 10**9 if LONG else 150
FLIPS = 4_000 if LONG else 250


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal of the history, folded into one file."""
    folder = tmp_path / "data"
    folder.mkdir()
    _write(folder, HISTORY)
    return folder


@pytest.fixture
def crashed(tmp_path: Path) -> Path:
    """The files of a process that died: half of the history folded into the database, the rest in the log."""
    live, folder = tmp_path / "live", tmp_path / "crashed"
    live.mkdir()
    folder.mkdir()
    _write(live, HISTORY[:30])
    with closing(SqliteJournal(live)) as journal:
        for start in range(30, 60, BATCH):
            journal.append(HISTORY[start : start + BATCH])
        for name in (FILE_NAME, WAL_NAME):
            shutil.copy(live / name, folder / name)
    return folder


def _write(folder: Path, history: list[Record]) -> None:
    with closing(SqliteJournal(folder)) as journal:
        for start in range(0, len(history), BATCH):
            journal.append(history[start : start + BATCH])


def _read(folder: Path) -> list[Record]:
    """What a start would find."""
    with closing(SqliteJournal(folder)) as journal:
        found = list(journal.read(0))
        assert journal.head.seq == len(found)
        return found


def _edit(folder: Path, *statements: str, parameters: tuple[object, ...] = ()) -> None:
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        for statement in statements:
            connection.execute(statement, parameters)
        connection.commit()


# ---- the file ------------------------------------------------------------------------------------------------------


def test_a_reopened_journal_goes_on(folder: Path) -> None:
    more = records(65)[60:]
    with closing(SqliteJournal(folder)) as journal:
        assert journal.head.seq == 60
        journal.append(more)
    assert _read(folder) == HISTORY + more


def test_every_commit_waits_for_the_disk(folder: Path) -> None:
    with closing(SqliteJournal(folder)) as journal:
        assert journal._writer.execute("PRAGMA synchronous").fetchone() == (2,)
        assert journal._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_closed_journal_is_one_file(folder: Path) -> None:
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_a_full_file_fails_the_commit_and_keeps_what_was_there(tmp_path: Path) -> None:
    history = records(1_000)
    with closing(SqliteJournal(tmp_path, size_max_bytes=64 * 1024)) as journal:

        def append_all() -> None:
            for record in history:
                journal.append([record])

        with pytest.raises(CommitUnknown, match="full"):
            append_all()
        appended = journal.head.seq
    assert _read(tmp_path) == history[:appended]
    assert 10 < appended < len(history)
    assert (tmp_path / FILE_NAME).stat().st_size <= 64 * 1024


def test_a_locked_file_fails_the_commit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(SqliteJournal(folder)) as journal, closing(sqlite3.connect(folder / FILE_NAME)) as intruder:
        journal._writer.execute("PRAGMA busy_timeout = 10")
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(CommitUnknown, match="locked"):
            journal.append(records(61)[60:])


def test_a_long_reading_does_not_keep_the_log_from_being_folded(tmp_path: Path) -> None:
    """Regression: a reader that stood still pinned the log, which then grew for as long as it stood."""
    with closing(SqliteJournal(tmp_path)) as journal:
        journal._writer.execute("PRAGMA wal_autocheckpoint = 50")
        history = records(3_000)
        journal.append(history[:50])
        reading = journal.read(0)
        next(reading)
        for start in range(50, 3_000, 50):
            journal.append(history[start : start + 50])
        assert (tmp_path / WAL_NAME).stat().st_size < 1024 * 1024
        assert list(reading) == history[1:]  # and what it went on to read is whole


def test_reading_only_does_not_need_the_writer_to_be_gone(folder: Path) -> None:
    with closing(SqliteJournal(folder)) as writer, closing(SqliteJournal(folder, read_only=True)) as reader:
        writer.append(records(65)[60:])
        assert list(reader.read(0)) == records(65)


@pytest.mark.parametrize("read_only", [True, False])
def test_a_file_that_cannot_be_opened_is_not_called_damaged(tmp_path: Path, read_only: bool) -> None:
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(JournalUnavailable):
        SqliteJournal(tmp_path, read_only=read_only)


def test_another_schema_is_named(folder: Path) -> None:
    _edit(folder, "UPDATE meta SET value = 99 WHERE name = 'schema'")
    with pytest.raises(JournalDamaged, match="schema 99, this version reads 1"):
        SqliteJournal(folder)


@pytest.mark.parametrize(
    "statement", ["DROP TABLE meta", "DELETE FROM meta", "DROP TABLE records"], ids=["no meta", "empty meta", "none"]
)
def test_a_database_that_is_no_journal_is_refused(folder: Path, statement: str) -> None:
    """Regression: the start made the missing tables anew, and the venue began at record 1."""
    _edit(folder, statement)
    for read_only in (True, False):
        with pytest.raises(JournalDamaged):
            SqliteJournal(folder, read_only=read_only)


def test_a_database_whose_tables_cannot_be_seen_is_not_made_anew(folder: Path) -> None:
    """One bit in the number of tables. Regression: the start found none, and made new ones."""
    raw = bytearray((folder / FILE_NAME).read_bytes())
    assert raw[103:105] == b"\0\2"
    raw[104] = 0
    (folder / FILE_NAME).write_bytes(raw)
    with pytest.raises(JournalDamaged, match="no journal can be seen"):
        SqliteJournal(folder)


def test_a_start_that_was_cut_off_before_the_tables_were_made_is_no_damage(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    assert _read(tmp_path) == []


def test_an_old_sqlite_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: the journal was called damaged, for its tables could not be understood."""
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(JournalUnavailable, match=r"SQLite 3\.37 or newer is needed"):
        SqliteJournal(folder)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_bytes(random.Random(SEED).randbytes(8192))
    with pytest.raises(JournalDamaged, match="not a database"):
        SqliteJournal(tmp_path)


@pytest.mark.parametrize("name", [b"meta", b"records"])
def test_a_schema_with_unreadable_names_is_refused(folder: Path, name: bytes) -> None:
    """Regression: SQLite quotes the names in its complaint, which then is no text, and the start was a traceback."""
    raw = (folder / FILE_NAME).read_bytes()
    for place in [found.start() for found in re.finditer(name, raw[:4096])]:
        (folder / FILE_NAME).write_bytes(raw[: place + 1] + b"\xef" + raw[place + 2 :])
        assert _outcome(folder) in ("damaged", "exact")  # exact where only the text of a statement is kept
    (folder / FILE_NAME).write_bytes(raw[:4096].replace(name, name[:1] + b"\xef" + name[2:]) + raw[4096:])
    with pytest.raises(JournalDamaged):
        SqliteJournal(folder)


# ---- torn writes ---------------------------------------------------------------------------------------------------


def _cuts(size: int, first: int, boundaries: Iterator[int]) -> list[int]:
    """Where to cut: every byte in the long variant, else the boundaries, their neighbours, and a sample."""
    around = {place + shift for place in boundaries for shift in (-1, 0, 1)}
    chosen = {place for place in around if first <= place <= size}
    rest = range(first, size + 1)
    return sorted(chosen | set(random.Random(SEED).sample(rest, min(CUTS, len(rest)))))


@pytest.mark.timeout(1800)
def test_a_log_cut_anywhere_leaves_an_exact_prefix(crashed: Path) -> None:
    """What a crash may leave of the last writes: every record up to some commit, and none of the next."""
    whole = (crashed / WAL_NAME).read_bytes()
    frame = 24 + 4096
    first = 0 if not LONG else max(0, len(whole) - 6 * frame)  # the last commits, byte by byte
    seen = set()
    for cut in _cuts(len(whole), first, iter(range(32, len(whole) + 1, frame))):
        (crashed / f"{WAL_NAME}").write_bytes(whole[:cut])
        (crashed / f"{FILE_NAME}-shm").unlink(missing_ok=True)
        database = (crashed / FILE_NAME).read_bytes()
        found = _read(crashed)
        assert found == HISTORY[: len(found)], f"cut at {cut} of {len(whole)}"
        assert len(found) >= 30
        assert len(found) % BATCH == 0
        seen.add(len(found))
        (crashed / FILE_NAME).write_bytes(database)
    assert seen >= ({55, 60} if LONG else {30, 35, 40, 45, 50, 55, 60})


def test_a_journal_goes_on_after_a_cut(crashed: Path) -> None:
    whole = (crashed / WAL_NAME).read_bytes()
    (crashed / WAL_NAME).write_bytes(whole[:-100])
    with closing(SqliteJournal(crashed)) as journal:
        assert journal.head.seq == 55
        journal.append(HISTORY[55:])
    assert _read(crashed) == HISTORY


def test_a_database_cut_anywhere_is_noticed_or_a_prefix(folder: Path) -> None:
    whole = (folder / FILE_NAME).read_bytes()
    outcomes = {"damaged": 0, "prefix": 0}
    for cut in _cuts(len(whole) - 1, 1, iter(range(0, len(whole), 4096))):
        (folder / FILE_NAME).write_bytes(whole[:cut])
        outcomes[_outcome(folder)] += 1
    assert outcomes["damaged"] > 0


def _outcome(folder: Path) -> str:
    """Reading gives exact records from the first one on, or an error of the journal; nothing else."""
    try:
        with closing(SqliteJournal(folder, read_only=True)) as journal:
            journal.check_file()
            found = list(journal.read(0))
    except JournalError:
        return "damaged"
    assert found == HISTORY[: len(found)]
    return "exact" if len(found) == len(HISTORY) else "prefix"


# ---- flipped bits --------------------------------------------------------------------------------------------------


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", ["payload", "digest"])
def test_every_flipped_bit_of_a_record_is_noticed(folder: Path, part: str) -> None:
    raw = bytearray((folder / FILE_NAME).read_bytes())
    rng = random.Random(SEED)
    for _ in range(FLIPS):
        record = rng.choice(HISTORY)
        payload = codec.encode_record(record)[:200]  # the rest of a long one lies on other pages
        place = raw.index(payload) + rng.randrange(len(payload))
        if part == "digest":
            place = raw.index(_digest(folder, record.seq)) + rng.randrange(32)
        bit = 1 << rng.randrange(8)
        raw[place] ^= bit
        (folder / FILE_NAME).write_bytes(raw)
        assert _outcome(folder) == "damaged", f"bit {bit} of byte {place}, record {record.seq}"
        raw[place] ^= bit
        (folder / FILE_NAME).write_bytes(raw)


def _digest(folder: Path, seq: int) -> bytes:
    with closing(SqliteJournal(folder, read_only=True)) as journal:
        found = journal.digest_at(seq)
        assert found is not None
        return found


@pytest.mark.timeout(1800)
def test_a_flipped_bit_anywhere_never_gives_garbage(folder: Path) -> None:
    """Most of a page is structure: what `read` yields is exact all the same, and verifying notices what is missing.

    Regression: a bit in the names of the schema made SQLite's own complaint unreadable, and the start a traceback.
    """
    raw = bytearray((folder / FILE_NAME).read_bytes())
    rng = random.Random(SEED)
    outcomes = {"damaged": 0, "exact": 0, "prefix": 0}
    for place in {*range(100), *range(100, 200 if not LONG else 4196), *rng.sample(range(len(raw)), FLIPS)}:
        bit = 1 << rng.randrange(8)
        raw[place] ^= bit
        (folder / FILE_NAME).write_bytes(raw)
        outcomes[_outcome(folder)] += 1
        raw[place] ^= bit
    assert outcomes["prefix"] == 0  # the check of the file sees rows that fell out
    assert outcomes["damaged"] > 100


@pytest.mark.timeout(1800)
def test_a_flipped_bit_in_the_log_is_noticed(crashed: Path) -> None:
    """SQLite takes what follows a bad frame for a torn write, and drops it without a word (regression: so did we).

    Only the last commit can be torn, and only of that nobody can tell whether it was; or of the one before, where
    the bit was in the mark that ended it.
    """
    log, database = (crashed / WAL_NAME).read_bytes(), (crashed / FILE_NAME).read_bytes()
    rng = random.Random(SEED)
    outcomes = {"damaged": 0, "whole": 0, "last commit torn": 0}
    for place in [*range(80), *rng.sample(range(len(log)), FLIPS)]:
        flipped = bytearray(log)
        flipped[place] ^= 1 << rng.randrange(8)
        (crashed / WAL_NAME).write_bytes(flipped)
        (crashed / FILE_NAME).write_bytes(database)
        (crashed / f"{FILE_NAME}-shm").unlink(missing_ok=True)
        try:
            found = _read(crashed)
        except JournalDamaged:
            outcomes["damaged"] += 1
            continue
        assert found == HISTORY[: len(found)]
        in_mark = (place - 32) % (24 + 4096) < 24
        assert len(found) in ((60, 55, 50) if in_mark else (60, 55)), f"byte {place}"
        outcomes["whole" if len(found) == 60 else "last commit torn"] += 1
    assert outcomes["damaged"] > 4 * outcomes["last commit torn"]
    assert outcomes["whole"] < 20  # members of the header that nothing depends on


def test_a_log_without_its_database_is_noticed(crashed: Path) -> None:
    """Regression: SQLite removes such a log, and the venue began anew."""
    for remove in (os.truncate, lambda path, _: path.unlink()):
        remove(crashed / FILE_NAME, 0)
        with pytest.raises(JournalDamaged, match="the database that it belongs to is not"):
            SqliteJournal(crashed)


def test_a_start_folds_the_log_that_a_crash_left(crashed: Path) -> None:
    with closing(SqliteJournal(crashed)):
        assert (crashed / WAL_NAME).stat().st_size < 10_000
        shutil.copy(crashed / FILE_NAME, crashed.parent / FILE_NAME)
    assert _read(crashed.parent) == HISTORY


# ---- edits ---------------------------------------------------------------------------------------------------------


def _forge(folder: Path, seq: int, change: Callable[[Record], Record], *, through: int | None = None) -> None:
    """Change a record and recompute digests from it through another one."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as connection:
        rows = dict(connection.execute("SELECT seq, payload FROM records").fetchall())
        digest = chain.GENESIS
        rows[seq] = codec.encode_record(change(codec.decode_record(rows[seq])))
        for number in sorted(rows):
            if number > (through or seq):
                break
            digest = chain.link(digest, rows[number])
            connection.execute(
                "UPDATE records SET payload = ?, digest = ? WHERE seq = ?", (rows[number], digest, number)
            )
        connection.commit()


def _other_id(record: Record) -> Record:
    return msgspec.structs.replace(record, command_id="forged")


EDITS = {
    "deletion": ("DELETE FROM records WHERE seq = 20", "record 20 is missing"),
    "deletion of the first": ("DELETE FROM records WHERE seq = 1", "record 1 is missing"),
    "deletion of a stretch": ("DELETE FROM records WHERE seq BETWEEN 20 AND 30", "record 20 is missing"),
    "other bytes": ("UPDATE records SET payload = CAST('{}' AS BLOB) WHERE seq = 20", "record 20 does not fit"),
    "other digest": ("UPDATE records SET digest = zeroblob(32) WHERE seq = 20", "record 20 does not fit"),
    "copy of another": (
        "UPDATE records SET payload = (SELECT payload FROM records WHERE seq = 21) WHERE seq = 20",
        "record 20 does not fit",
    ),
    "insertion": ("INSERT INTO records VALUES (61, CAST('{}' AS BLOB), zeroblob(32))", "record 61 does not fit"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_is_noticed(folder: Path, edit: str) -> None:
    statement, complaint = EDITS[edit]
    _edit(folder, statement)
    with pytest.raises(JournalDamaged, match=complaint):
        _read(folder)


def test_two_records_that_changed_places_are_noticed(folder: Path) -> None:
    _edit(
        folder,
        "UPDATE records SET seq = -1 WHERE seq = 20",
        "UPDATE records SET seq = 20 WHERE seq = 21",
        "UPDATE records SET seq = 21 WHERE seq = -1",
    )
    with pytest.raises(JournalDamaged, match="record 20 does not fit"):
        _read(folder)


def test_an_edit_with_its_own_digest_recomputed_is_noticed_at_the_next_record(folder: Path) -> None:
    _forge(folder, 20, _other_id)
    with pytest.raises(JournalDamaged, match="record 21 does not fit"):
        _read(folder)


def test_a_payload_that_is_no_record_is_noticed_even_with_a_good_chain(folder: Path) -> None:
    with closing(SqliteJournal(folder, read_only=True)) as journal:
        before = journal.digest_at(59)
    assert before is not None
    for payload in (b"{}", b"\xff\xfe", b"[" * 100_000, b""):
        _edit(
            folder,
            "UPDATE records SET payload = ?, digest = ? WHERE seq = 60",
            parameters=(payload, chain.link(before, payload)),
        )
        with pytest.raises(JournalDamaged, match="record 60 cannot be read"):
            _read(folder)


def test_a_record_whose_seq_is_not_its_place_is_noticed(folder: Path) -> None:
    _forge(folder, 20, lambda record: msgspec.structs.replace(record, seq=19), through=60)
    with pytest.raises(JournalDamaged, match="record 20 "):
        _read(folder)


def test_records_cut_off_at_the_end_leave_an_exact_prefix(folder: Path) -> None:
    """No chain can tell what came after its end; a snapshot or a noted digest can (`tests/cli/test_journal.py`)."""
    _edit(folder, "DELETE FROM records WHERE seq > 50")
    assert _read(folder) == HISTORY[:50]
