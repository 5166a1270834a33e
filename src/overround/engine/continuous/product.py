"""A product: what can be traded, in which steps, and what it takes to hold it (spec/decisions.md N1)."""

from __future__ import annotations

import msgspec

from overround.engine.continuous.types import QUOTE, X18, ProductId, ProductKind, TradingStatus


class Product(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What the operator says about a product. All prices, sizes, weights and rates are x 10^18."""

    product_id: ProductId
    symbol: str
    kind: ProductKind
    tick_x18: int  # prices are multiples of it
    lot_x18: int  # sizes are multiples of it
    notional_min_x18: int  # the least quote an order may be worth
    start_price_x18: int  # the mark until something else is known (N4)
    long_weight_x18: int = X18  # what a long position is worth as margin
    short_weight_x18: int = X18  # what a short one costs
    maker_fee_x18: int = 0  # of the notional; negative is a rebate
    taker_fee_x18: int = 0
    trading_status: TradingStatus = TradingStatus.LIVE

    @property
    def has_book(self) -> bool:
        """Whether it can be traded at all: everything but quote itself."""
        return self.product_id != QUOTE

    @property
    def is_perp(self) -> bool:
        """Whether holding it is a position and not an asset."""
        return self.kind is ProductKind.PERP

    @property
    def is_valid(self) -> bool:
        """Whether a book can be kept with it: every price times every size is a whole number (N1)."""
        if not self.has_book:
            return self.kind is ProductKind.SPOT
        steps = self.tick_x18 > 0 and self.lot_x18 > 0 and self.tick_x18 * self.lot_x18 % X18 == 0
        rates = max(abs(self.maker_fee_x18), abs(self.taker_fee_x18)) < X18
        weights = self.long_weight_x18 >= 0 and self.short_weight_x18 >= 0
        return steps and rates and weights and self.start_price_x18 > 0 and self.notional_min_x18 >= 0

    def margin_rate_x18(self, size_x18: int) -> int:
        """What a position of this sign ties up, of what it is worth (N2)."""
        weight = self.long_weight_x18 if size_x18 >= 0 else self.short_weight_x18
        return abs(X18 - weight)


def notional_of(price_x18: int, size_x18: int) -> int:
    """What a size is worth at a price; exact for prices and sizes on the steps of a valid product."""
    return price_x18 * size_x18 // X18


def fee_of(notional_x18: int, rate_x18: int) -> int:
    """The fee on a notional, rounded against the payer: a fee up, a rebate down (N3)."""
    return -(-notional_x18 * rate_x18 // X18)
