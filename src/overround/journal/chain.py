"""Each record carries the digest of the one before, so that no edit, loss or re-ordering goes unseen."""

from __future__ import annotations

import hashlib
from typing import Final

GENESIS: Final = hashlib.sha256(b"overround journal, schema 1").digest()


def link(previous: bytes, payload: bytes) -> bytes:
    """The digest of a record: 32 bytes over the digest before it and its own payload."""
    return hashlib.sha256(previous + payload).digest()
