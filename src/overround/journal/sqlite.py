"""The journal as one SQLite file: WAL, `synchronous=FULL`, one transaction a batch."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from overround.engine.record import Record
from overround.journal import chain, codec, wal
from overround.journal.journal import CommitUnknown, Fenced, Head, JournalDamaged, JournalUnavailable

FILE_NAME: Final = "journal.db"
LOG_NAME: Final = f"{FILE_NAME}-wal"
FILES: Final = (LOG_NAME, f"{FILE_NAME}-shm", FILE_NAME)  # to be removed in this order: no log without its database
SQLITE_VERSION_MIN: Final = (3, 37)  # STRICT tables
_SCHEMA: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE records (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
INSERT INTO meta VALUES ('schema', {codec.SCHEMA_VERSION}), ('epoch', 1);
"""
INSERT_ROWS_MAX: Final = 64  # rows of one statement, a power of two
_INSERTS: Final = {
    1 << power: f"INSERT INTO records VALUES {', '.join(['(?, ?, ?)'] * (1 << power))}"
    for power in range(INSERT_ROWS_MAX.bit_length())
}
_READ_CHUNK: Final = 1_000
_LOOKS: Final = 5
_DIGEST_BYTES: Final = 32
# The file cannot be had just now: the disk is full, somebody holds it. What is in it is still good, which no other
# failure of a reading lets anybody say.
UNAVAILABLE: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
    }
)
CHECKPOINT_PAGES: Final = 8_000  # 32 MB of write-ahead log between two checkpoints, each of which costs two fsyncs


class SqliteJournal:
    """One file, `journal.db`, in the data folder.

    `size_max_bytes` bounds the file (0: no bound); when it is met, the next commit fails like on a full disk.
    """

    def __init__(self, folder: Path, *, epoch: int = 1, size_max_bytes: int = 0, read_only: bool = False) -> None:
        self._path = folder / FILE_NAME
        self._epoch = epoch
        if sqlite3.sqlite_version_info < SQLITE_VERSION_MIN:
            wanted = ".".join(map(str, SQLITE_VERSION_MIN))
            raise JournalUnavailable(f"SQLite {wanted} or newer is needed, this Python has {sqlite3.sqlite_version}")
        if not read_only:
            self._check_log()  # before SQLite makes its own sense of it
        with self._failures_named():
            self._writer = self._connect(read_only=read_only)
        try:
            with self._failures_named():
                if not read_only:
                    self._prepare(size_max_bytes)
                self._check_schema()
                self._head = self._read_head()
        except BaseException:
            self._writer.close()
            raise

    @property
    def head(self) -> Head:
        """The last durable record."""
        return self._head

    @property
    def identity(self) -> str:
        """Twelve hex digits, drawn when the file was made: what was counted along this journal belongs to it alone."""
        with self._failures_named():
            row = self._writer.execute("SELECT value FROM meta WHERE name = 'identity'").fetchone()
        return f"{row[0]:x}" if row else "0"

    def append(self, records: Sequence[Record]) -> None:
        """One transaction, one fsync."""
        rows, head = [], self._head
        for record in records:
            assert record.seq == head.seq + 1, "records must be contiguous"
            payload = codec.encode_record(record)
            head = Head(record.seq, chain.link(head.digest, payload))
            rows.append((record.seq, payload, head.digest))
        try:
            self._writer.execute("BEGIN IMMEDIATE")
            self._refuse_if_fenced()
            self._insert(rows)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommitUnknown(f"{self._path}: {error}") from error
        self._head = head

    def _insert(self, rows: list[tuple[int, bytes, bytes]]) -> None:
        """Insert in statements of many rows: each statement gives the interpreter away once, and must win it back."""
        start = 0
        while start < len(rows):
            size = min(INSERT_ROWS_MAX, 1 << (len(rows) - start).bit_length() - 1)
            values = [value for row in rows[start : start + size] for value in row]
            self._writer.execute(_INSERTS[size], values)
            start += size

    def read(self, after: int) -> Iterator[Record]:
        """Decode and check record by record; memory stays small however long the journal is."""
        digest = self.digest_at(after)
        if digest is None:
            raise JournalDamaged(f"{self._path}: there is no record {after}")
        for seq, (found, payload, stored) in enumerate(self._rows(after), start=after + 1):
            if found != seq:
                raise JournalDamaged(f"{self._path}: record {seq} is missing")
            if not isinstance(payload, bytes) or (digest := chain.link(digest, payload)) != stored:
                raise JournalDamaged(f"{self._path}: record {seq} does not fit the chain")
            try:
                record = codec.decode_record(payload)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise JournalDamaged(f"{self._path}: record {seq} cannot be read: {error}") from error
            if record.seq != seq:
                raise JournalDamaged(f"{self._path}: record {seq} says that it is record {record.seq}")
            yield record

    def digest_at(self, seq: int) -> bytes | None:
        """The chain digest after record `seq`; the genesis digest for 0."""
        if seq == 0:
            return chain.GENESIS
        with self._failures_named(), closing(self._connect(read_only=True)) as reader:
            row = reader.execute("SELECT digest FROM records WHERE seq = ?", (seq,)).fetchone()
        return self._digest(row[0], seq) if row else None

    def check_file(self) -> None:
        """Check what the chain cannot see: the structure that holds the records. Raises JournalDamaged."""
        self._check_log()
        with self._failures_named(), closing(self._connect(read_only=True)) as reader:
            (found,) = reader.execute("PRAGMA integrity_check(1)").fetchone()
        if found != "ok":
            raise JournalDamaged(f"{self._path}: {found}")

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        self._writer.close()

    def _check_log(self) -> None:
        """Raises JournalDamaged if SQLite would drop commits from its log (`wal.py`)."""
        path = self._path.with_name(LOG_NAME)
        for _ in range(_LOOKS):
            try:
                log = path.read_bytes()
            except FileNotFoundError:
                return
            except OSError as error:
                raise JournalUnavailable(f"{path}: {error.strerror}") from error
            behind = wal.commits_behind_damage(log)
            if not behind:
                break  # a writer at work may have been half way through something; at the next look it is done
        else:
            raise JournalDamaged(f"{path} is damaged, and {behind} commits lie behind the damage")
        if log and not (self._path.is_file() and self._path.stat().st_size):
            raise JournalDamaged(f"{path} is there, but the database that it belongs to is not")

    def _connect(self, *, read_only: bool) -> sqlite3.Connection:
        mode = "ro" if read_only else "rwc"
        return sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,  # opened by one thread, written by another, never by two at a time
        )

    def _prepare(self, size_max_bytes: int) -> None:
        self._writer.execute("PRAGMA journal_mode = WAL")
        self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what a crash left is folded: the log starts anew
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if not tables:  # all or nothing: what has tables already has these, or is damaged
            if self._writer.execute("PRAGMA page_count").fetchone() > (1,):
                raise JournalDamaged(f"{self._path}: it holds something, but no journal can be seen")
            self._writer.executescript(f"BEGIN; {_SCHEMA} COMMIT;")
        self._writer.execute("INSERT OR IGNORE INTO meta VALUES ('identity', ?)", (secrets.randbits(48) | 1 << 47,))
        self._writer.execute("UPDATE meta SET value = ? WHERE name = 'epoch' AND value < ?", (self._epoch, self._epoch))
        if size_max_bytes:
            (page_bytes,) = self._writer.execute("PRAGMA page_size").fetchone()
            self._writer.execute(f"PRAGMA max_page_count = {max(1, size_max_bytes // page_bytes)}")

    def _check_schema(self) -> None:
        meta = dict(self._writer.execute("SELECT name, value FROM meta").fetchall())
        if not meta.keys() >= {"schema", "epoch"}:
            raise JournalDamaged(f"{self._path}: this is no journal")
        if meta["schema"] != codec.SCHEMA_VERSION:
            raise JournalDamaged(f"{self._path}: schema {meta['schema']}, this version reads {codec.SCHEMA_VERSION}")

    def _refuse_if_fenced(self) -> None:
        (epoch,) = self._writer.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        if epoch > self._epoch:
            self._writer.execute("ROLLBACK")
            raise Fenced(f"{self._path}: epoch {epoch} owns this journal, not {self._epoch}")

    def _read_head(self) -> Head:
        row = self._writer.execute("SELECT seq, digest FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(row[0], self._digest(row[1], row[0])) if row else Head(0, chain.GENESIS)

    def _rows(self, after: int) -> Iterator[tuple[int, object, object]]:
        """Chunk by chunk, each a reading of its own: a long one would keep SQLite from folding its log."""
        query = "SELECT seq, payload, digest FROM records WHERE seq > ? ORDER BY seq LIMIT ?"
        with closing(self._connect(read_only=True)) as reader:
            while True:
                with self._failures_named():
                    rows = reader.execute(query, (after, _READ_CHUNK)).fetchall()
                if not rows:
                    return
                yield from rows
                after = rows[-1][0]

    def _digest(self, stored: object, seq: int) -> bytes:
        if not isinstance(stored, bytes) or len(stored) != _DIGEST_BYTES:
            raise JournalDamaged(f"{self._path}: record {seq} has no digest")
        return stored

    @contextmanager
    def _failures_named(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            kind = JournalUnavailable if code in UNAVAILABLE else JournalDamaged
            raise kind(f"{self._path}: {error}") from error
