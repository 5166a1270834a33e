"""The weight of continuous markets: a sum of the weights of records, kept up to date by adding and subtracting."""

from __future__ import annotations

import hashlib
import struct
from typing import Final

import msgspec

from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.types import ProductId, SubaccountId

_MODULUS_MASK: Final = 2**256 - 1
_ORDER: Final = struct.Struct(">32sQQ")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def _hash(packed: bytes) -> int:
    return int.from_bytes(hashlib.sha256(packed).digest(), "big")


def order_weight(order: ContinuousOrder) -> int:
    """The weight of a resting order: the digest of what was signed, and everything that may differ."""
    return _hash(_ORDER.pack(order.terms.digest, order.number, order.placed_at_ms) + b"%d" % order.unfilled_x18)


def balance_weight(sender: SubaccountId, product_id: ProductId, amount_x18: int, v_quote_x18: int) -> int:
    """The weight of what a subaccount has of a product; having nothing weighs nothing."""
    if not amount_x18 and not v_quote_x18:
        return 0
    return _hash(b"balance" + sender + b"%d %d %d" % (product_id, amount_x18, v_quote_x18))


def request_weight(second: int, key: bytes) -> int:
    """The weight of a remembered request: sender and digest, 32 bytes each, and the second it stops being good in.

    A product, so that exchanging digests changes it. What is multiplied is a digest already: no hash is needed.
    """
    sender_and_time = (int.from_bytes(key[:32], "big") << 64) + second + 1
    return (int.from_bytes(key[32:], "big") + 1) * sender_and_time & _MODULUS_MASK


def record_weight(record: object) -> int:
    """The weight of any other record, by its encoding."""
    return _hash(_encode(record))


class ContinuousWeights:
    """Running sums, one per kind of record."""

    __slots__ = ("balances", "orders", "requests", "world")

    def __init__(self) -> None:
        self.orders = 0
        self.balances = 0
        self.requests = 0
        self.world = 0  # rules, products, prices, signers, counters

    def replace_record(self, before: object | None, after: object | None) -> None:
        """A record of the world changed, came (`before` None) or went (`after` None)."""
        self.world += (0 if after is None else record_weight(after)) - (0 if before is None else record_weight(before))

    def digest(self) -> bytes:
        """32 bytes: equal for equal states."""
        parts = (self.orders, self.balances, self.requests, self.world)
        return hashlib.sha256(b"".join((part & _MODULUS_MASK).to_bytes(32, "big") for part in parts)).digest()
