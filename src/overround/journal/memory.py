"""The journal in memory, with faults on demand: for tests and simulations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from overround.engine.record import Record
from overround.journal import chain, codec
from overround.journal.journal import Head, JournalError


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
        return Head(len(self._payloads), self._digests[-1])

    def append(self, records: Sequence[Record]) -> None:
        """Keep records, or raise `fault`."""
        if self.fault is not None:
            raise self.fault
        for record in records:
            assert record.seq == len(self._payloads) + 1, "records must be contiguous"
            payload = codec.encode_record(record)
            self._payloads.append(payload)
            self._digests.append(chain.link(self._digests[-1], payload))

    def read(self, after: int) -> Iterator[Record]:
        """Records with a higher seq."""
        return map(codec.decode_record, self._payloads[after:])

    def digest_at(self, seq: int) -> bytes | None:
        """The chain digest after record `seq`."""
        return self._digests[seq] if seq < len(self._digests) else None

    def close(self) -> None:
        """Nothing to release."""
