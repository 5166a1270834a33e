"""The interface of the journal. In-process implementations: `sqlite.py` and, for tests, `memory.py`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from overround.engine.record import Record


class JournalError(Exception):
    """Base of what a journal raises. All of them end the process: nobody may be answered any more."""


class CommitUnknown(JournalError):
    """An append failed, and whether it is on disk cannot be known from here."""


class Fenced(JournalError):
    """Somebody with a higher epoch owns the journal now."""


class JournalDamaged(JournalError):
    """What was read is not what was written."""


class JournalUnavailable(JournalError):
    """The journal cannot be opened or read just now; nothing says that it is damaged."""


class Head(msgspec.Struct, frozen=True):
    """The end of the journal: 0 and the genesis digest for an empty one."""

    seq: int
    digest: bytes


class Journal(Protocol):
    """Records in one total order. One thread appends; any thread may read."""

    @property
    def head(self) -> Head:
        """Where the next record goes."""

    @property
    def identity(self) -> str:
        """A short text that no other journal has."""

    def append(self, records: Sequence[Record]) -> None:
        """Make records durable, all or none, in order. Raises CommitUnknown or Fenced."""

    def read(self, after: int) -> Iterator[Record]:
        """Records with a higher seq, checked against the chain. Raises JournalDamaged and JournalUnavailable."""

    def digest_at(self, seq: int) -> bytes | None:
        """The chain digest of a record; None if there is no such record."""

    def close(self) -> None:
        """Release everything."""
