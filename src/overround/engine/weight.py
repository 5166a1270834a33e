"""What the records of fixed-odds markets weigh (`sums.py`)."""

from __future__ import annotations

import struct
from typing import Final

from overround.engine.order import Order, OrderState
from overround.engine.sums import WorldSum, digest_of_sums, hash_weight, product_weight

_STATE_CODE: Final = {state: code for code, state in enumerate(OrderState)}
_FIELDS: Final = struct.Struct(">BQQQQQ")
_SIGNER_BYTES: Final = 20


def order_weight(order: Order) -> int:
    """The weight of a live order: what was signed, and everything that may change."""
    terms = order.terms
    fields = _FIELDS.pack(
        _STATE_CODE[order.state],
        order.number,
        order.priority,
        order.accepted_at_ms,
        order.update_time_ms,
        terms.api_expiry,
    )
    weight = product_weight(terms.order_hash, fields)
    if order.fill_amount or order.pending_fill_amount or order.doom is not None:
        doom = "" if order.doom is None else order.doom.value
        amounts = b"%d %d " % (order.fill_amount, order.pending_fill_amount)
        weight += hash_weight(terms.order_hash + amounts + doom.encode())
    return weight


def replay_weight(timestamp_s: int, key: bytes) -> int:
    """The weight of a remembered request: 20 bytes of signer, a digest, and the second it was signed in."""
    return product_weight(key[_SIGNER_BYTES:], key[:_SIGNER_BYTES] + (timestamp_s + 1).to_bytes(8, "big"))


class Weights(WorldSum):
    """Running sums, one per kind of record; `world` is rules, catalogue and accounts."""

    __slots__ = ("closed", "orders", "replays")

    def __init__(self) -> None:
        super().__init__()
        self.orders = 0  # live orders
        self.closed = 0  # hashes of orders that ended
        self.replays = 0

    def digest(self) -> bytes:
        """32 bytes: equal for equal states."""
        return digest_of_sums(self.orders, self.closed, self.replays, self.world)
