"""An order that was accepted."""

from __future__ import annotations

import msgspec

from overround.engine.continuous.commands import SignedOrder
from overround.engine.continuous.product import notional_of


class ContinuousOrder(msgspec.Struct, gc=False, eq=False):
    """What was signed (`terms`, immutable) and what is left of it."""

    terms: SignedOrder
    number: int  # place among all accepted orders: "newest" and time priority mean this, never a timestamp
    placed_at_ms: int
    unfilled_x18: int  # without sign

    @property
    def unfilled_notional_x18(self) -> int:
        """What the rest of it is worth at its own price."""
        return notional_of(self.terms.price_x18, self.unfilled_x18)


def adverse_x36(price_x18: int, size_x18: int, mark_x18: int, *, is_buy: bool) -> int:
    """What would be lost against the mark if this size traded at this price; never negative (N2)."""
    distance = price_x18 - mark_x18 if is_buy else mark_x18 - price_x18
    return distance * size_x18 if distance > 0 else 0
