"""What weighs a state, of either kind of market: sums of the weights of records (spec/decisions.md C6).

Every record of a state has a weight; the weight of a set is the sum, so that it is kept up to date by adding and
subtracting, and does not depend on the order in which the state came about.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

SUM_BYTES: Final = 96  # of 2^64 and more weights, none of which has more than 80; one that is off may be negative
_encode: Final = msgspec.json.Encoder(order="deterministic").encode
_number: Final = int.from_bytes


def product_weight(digest: bytes, fields: bytes) -> int:
    """The weight of a record that a digest names: the digest, times everything else about it.

    A product, so that two records which exchange anything weigh another sum. One factor is a digest already, so no
    hash is needed.
    """
    return _number(digest, "big") * _number(fields, "big")


def hash_weight(packed: bytes) -> int:
    """The weight of what has no digest yet."""
    return _number(hashlib.sha256(packed).digest(), "big")


def record_weight(record: object) -> int:
    """The weight of any other record, by its encoding."""
    return hash_weight(_encode(record))


def digest_of_sums(*sums: int) -> bytes:
    """32 bytes: equal for equal states."""
    return hashlib.sha256(b"".join([one.to_bytes(SUM_BYTES, "big", signed=True) for one in sums])).digest()


class WorldSum:
    """The records that are few and change seldom: base of the running sums of a state."""

    __slots__ = ("world",)

    def __init__(self) -> None:
        self.world = 0

    def replace_record(self, before: object | None, after: object | None) -> None:
        """A record of the world changed, came (`before` None) or went (`after` None)."""
        self.world += (0 if after is None else record_weight(after)) - (0 if before is None else record_weight(before))
