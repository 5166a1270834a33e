"""The journal as one SQLite file: WAL, `synchronous=FULL`, one transaction a batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from overround.engine.record import Record
from overround.journal import chain, codec
from overround.journal.journal import CommitUnknown, Fenced, Head, JournalDamaged

FILE_NAME: Final = "journal.db"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS records (seq INTEGER PRIMARY KEY, payload BLOB NOT NULL, digest BLOB NOT NULL) STRICT;
"""
_READ_CHUNK: Final = 1_000


class SqliteJournal:
    """One file, `journal.db`, in the data folder.

    `size_max_bytes` bounds the file (0: no bound); when it is met, the next commit fails like on a full disk.
    """

    def __init__(self, folder: Path, *, epoch: int = 1, size_max_bytes: int = 0, read_only: bool = False) -> None:
        self._path = folder / FILE_NAME
        self._epoch = epoch
        try:
            self._writer = self._connect(read_only=read_only)
            if not read_only:
                self._prepare(size_max_bytes)
            self._check_schema()
            self._head = self._read_head()
        except sqlite3.DatabaseError as error:
            raise JournalDamaged(f"{self._path}: {error}") from error

    @property
    def head(self) -> Head:
        """The last durable record."""
        return self._head

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
            self._writer.executemany("INSERT INTO records VALUES (?, ?, ?)", rows)
            self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            raise CommitUnknown(f"{self._path}: {error}") from error
        self._head = head

    def read(self, after: int) -> Iterator[Record]:
        """Decode and check record by record; memory stays small however long the journal is."""
        digest = self.digest_at(after)
        if digest is None:
            raise JournalDamaged(f"{self._path}: there is no record {after}")
        seq = after
        for found, payload, stored in self._rows(after):
            if found != seq + 1:
                raise JournalDamaged(f"{self._path}: record {seq + 1} is missing")
            digest = chain.link(digest, payload)
            if digest != stored:
                raise JournalDamaged(f"{self._path}: record {found} does not fit the chain")
            try:
                record = codec.decode_record(payload)
            except msgspec.MsgspecError as error:
                raise JournalDamaged(f"{self._path}: record {found} cannot be read: {error}") from error
            seq = found
            yield record

    def digest_at(self, seq: int) -> bytes | None:
        """The chain digest after record `seq`; the genesis digest for 0."""
        if seq == 0:
            return chain.GENESIS
        reader = self._connect(read_only=True)
        try:
            row = reader.execute("SELECT digest FROM records WHERE seq = ?", (seq,)).fetchone()
        finally:
            reader.close()
        return row[0] if row else None

    def close(self) -> None:
        """Close the file; SQLite folds its write-ahead log into it."""
        self._writer.close()

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
        self._writer.execute("PRAGMA synchronous = FULL")
        self._writer.executescript(_SCHEMA)
        self._writer.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (codec.SCHEMA_VERSION,))
        self._writer.execute("INSERT OR IGNORE INTO meta VALUES ('epoch', 1)")
        self._writer.execute("UPDATE meta SET value = ? WHERE name = 'epoch' AND value < ?", (self._epoch, self._epoch))
        if size_max_bytes:
            (page_bytes,) = self._writer.execute("PRAGMA page_size").fetchone()
            self._writer.execute(f"PRAGMA max_page_count = {max(1, size_max_bytes // page_bytes)}")

    def _check_schema(self) -> None:
        (found,) = self._writer.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
        if found != codec.SCHEMA_VERSION:
            raise JournalDamaged(f"{self._path}: schema {found}, this version reads {codec.SCHEMA_VERSION}")

    def _refuse_if_fenced(self) -> None:
        (epoch,) = self._writer.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        if epoch > self._epoch:
            self._writer.execute("ROLLBACK")
            raise Fenced(f"{self._path}: epoch {epoch} owns this journal, not {self._epoch}")

    def _read_head(self) -> Head:
        row = self._writer.execute("SELECT seq, digest FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        return Head(*row) if row else Head(0, chain.GENESIS)

    def _rows(self, after: int) -> Iterator[tuple[int, bytes, bytes]]:
        reader = self._connect(read_only=True)
        try:
            cursor = reader.execute("SELECT seq, payload, digest FROM records WHERE seq > ? ORDER BY seq", (after,))
            while rows := cursor.fetchmany(_READ_CHUNK):
                yield from rows
        except sqlite3.DatabaseError as error:
            raise JournalDamaged(f"{self._path}: {error}") from error
        finally:
            reader.close()
