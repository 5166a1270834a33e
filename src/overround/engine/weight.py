"""State can be weighed: a digest that does not depend on the order in which the state came about.

Each record of the state has a 256-bit weight; the weight of a set is their sum modulo 2^256, so that it is kept
up to date by adding and subtracting (spec/decisions.md C6).
"""

from __future__ import annotations

import hashlib
import struct
from typing import Final

import msgspec

from overround.engine.order import Order, OrderState

_MODULUS_MASK: Final = 2**256 - 1
_STATE_CODE: Final = {state: code for code, state in enumerate(OrderState)}
_ORDER: Final = struct.Struct(">32sBQQQQQ")
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


def order_weight(order: Order) -> int:
    """The weight of a live order: what was signed, and everything that may change."""
    terms = order.terms
    packed = _ORDER.pack(
        terms.order_hash,
        _STATE_CODE[order.state],
        order.number,
        order.priority,
        order.accepted_at_ms,
        order.update_time_ms,
        terms.api_expiry,
    )
    if order.doom is not None:
        packed += order.doom.value.encode()
    if order.fill_amount or order.pending_fill_amount:
        packed += b"%d %d" % (order.fill_amount, order.pending_fill_amount)
    return int.from_bytes(hashlib.sha256(packed).digest(), "big")


def replay_weight(timestamp_s: int, key: bytes) -> int:
    """The weight of a remembered request: 20 bytes of signer, 32 of digest, and the second it was signed in.

    A product and not a sum: two requests that exchanged their digests must not weigh the same. What is multiplied is
    a digest already, so no further hash is needed.
    """
    signer_and_time = (int.from_bytes(key[:20], "big") << 64) + timestamp_s + 1
    return (int.from_bytes(key[20:], "big") + 1) * signer_and_time


def record_weight(record: object) -> int:
    """The weight of any other record, by its encoding."""
    return int.from_bytes(hashlib.sha256(_encode(record)).digest(), "big")


class Weights:
    """Running sums, one per kind of record."""

    __slots__ = ("closed", "orders", "replays", "world")

    def __init__(self) -> None:
        self.orders = 0  # live orders
        self.closed = 0  # hashes of orders that ended
        self.replays = 0
        self.world = 0  # rules, catalogue, accounts

    def replace_record(self, before: object | None, after: object | None) -> None:
        """A record of the world changed, came (`before` None) or went (`after` None)."""
        self.world += (0 if after is None else record_weight(after)) - (0 if before is None else record_weight(before))

    def digest(self) -> bytes:
        """32 bytes: equal for equal states."""
        parts = (self.orders, self.closed, self.replays, self.world)
        return hashlib.sha256(b"".join((part & _MODULUS_MASK).to_bytes(32, "big") for part in parts)).digest()
