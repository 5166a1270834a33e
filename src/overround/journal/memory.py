"""The journal in memory, with faults on demand: for tests and simulations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from overround.engine.record import Record
from overround.journal import chain, codec
from overround.journal.journal import Head, JournalDamaged, JournalError


class MemoryJournal:
    """Keeps encoded payloads, so that what is read went through the codec.

    `fault` is raised by every append from the moment it is set; what that append carried is lost.
    """

    def __init__(self) -> None:
        self._payloads: list[bytes] = []
        self._digests = [chain.GENESIS]
        self.fault: JournalError | None = None

    @property
    def head(self) -> Head:
        """The last record."""
        seq = len(self._payloads)
        return Head(seq, self._digests[seq])

    @property
    def identity(self) -> str:
        """The same for all: nothing outlives the process."""
        return "memory"

    def append(self, records: Sequence[Record]) -> None:
        """Keep records, or raise `fault`."""
        if self.fault is not None:
            raise self.fault
        payloads, digests, digest = [], [], self._digests[-1]
        for seq, record in enumerate(records, start=len(self._payloads) + 1):
            assert record.seq == seq, "records must be contiguous"
            payloads.append(codec.encode_record(record))
            digest = chain.link(digest, payloads[-1])
            digests.append(digest)
        self._digests += digests
        self._payloads += payloads  # last: `head` and `read` count these, maybe from another thread

    def read(self, after: int) -> Iterator[Record]:
        """Records with a higher seq."""
        if self.digest_at(after) is None:
            raise JournalDamaged(f"there is no record {after}")
        return map(codec.decode_record, self._payloads[after:])

    def digest_at(self, seq: int) -> bytes | None:
        """The chain digest after record `seq`."""
        return self._digests[seq] if 0 <= seq < len(self._digests) else None

    def close(self) -> None:
        """Nothing to release."""
