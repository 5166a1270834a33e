"""What the records of continuous markets weigh (`engine/sums.py`)."""

from __future__ import annotations

import struct
from typing import Final

from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.types import ProductId, SubaccountId
from overround.engine.sums import WorldSum, digest_of_sums, hash_weight, product_weight

_FIELDS: Final = struct.Struct(">QQ16s")


def order_weight(order: ContinuousOrder) -> int:
    """The weight of a resting order: the digest of what was signed, and everything that may differ."""
    fields = _FIELDS.pack(order.number, order.placed_at_ms, order.unfilled_x18.to_bytes(16, "big"))
    return product_weight(order.terms.digest, fields)


def balance_weight(sender: SubaccountId, product_id: ProductId, amount_x18: int, v_quote_x18: int) -> int:
    """The weight of what a subaccount has of a product; having nothing weighs nothing."""
    if not amount_x18 and not v_quote_x18:
        return 0
    return hash_weight(b"balance" + sender + b"%d %d %d" % (product_id, amount_x18, v_quote_x18))


def request_weight(second: int, digest: bytes) -> int:
    """The weight of a remembered request, and the second it stops being good in."""
    return product_weight(digest, (second + 1).to_bytes(8, "big"))


class ContinuousWeights(WorldSum):
    """Running sums, one per kind of record; `world` is rules, products, prices, signers and counters."""

    __slots__ = ("balances", "orders", "requests")

    def __init__(self) -> None:
        super().__init__()
        self.orders = 0
        self.balances = 0
        self.requests = 0

    def digest(self) -> bytes:
        """32 bytes: equal for equal states."""
        return digest_of_sums(self.orders, self.balances, self.requests, self.world)
