"""Rows of continuous markets: an open order, a balance."""

from __future__ import annotations

import msgspec

from overround.engine.continuous.commands import SignedOrder


class RestingOrder(msgspec.Struct, frozen=True, gc=False):
    """An open order as it is. Replaced, never changed, so that a list of them is a snapshot."""

    terms: SignedOrder
    number: int  # place among all accepted orders
    placed_at_ms: int
    unfilled_x18: int  # without sign

    @property
    def unfilled_signed_x18(self) -> int:
        """What is left, with the sign of the order."""
        return self.unfilled_x18 if self.terms.is_buy else -self.unfilled_x18


class Balance(msgspec.Struct, frozen=True, gc=False):
    """What a subaccount has of a product."""

    amount_x18: int = 0
    v_quote_x18: int = 0
