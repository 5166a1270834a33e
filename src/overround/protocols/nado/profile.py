"""The constants of a Nado gateway that clients hard-code, and the switches that the specification leaves open."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from overround.engine.continuous.product import Product
from overround.engine.continuous.types import QUOTE, X18, ProductId, ProductKind
from overround.protocols.nado.digests import Domain

TESTNET_CHAIN_ID: Final = 763_373
TESTNET_ENDPOINT: Final = bytes.fromhex("698d87105274292b5673367dec81874ce3633ac2")
QUOTE_PRODUCT_ID: Final = 0
QUOTE_SYMBOL: Final = "USDT0"

QUOTE_PRODUCT: Final = Product(QUOTE, QUOTE_SYMBOL, ProductKind.SPOT, 0, 0, 0, X18)
"""What everything is priced in: listed like the others, without a book."""
_PERCENT: Final = X18 // 100
PRODUCTS: Final = (
    Product(
        product_id=ProductId(2),
        symbol="BTC-PERP",
        kind=ProductKind.PERP,
        tick_x18=X18,
        lot_x18=5 * 10**13,
        notional_min_x18=100 * X18,
        start_price_x18=60_000 * X18,
        long_weight_x18=95 * _PERCENT,
        short_weight_x18=105 * _PERCENT,
    ),
    Product(
        product_id=ProductId(3),
        symbol="ETH",
        kind=ProductKind.SPOT,
        tick_x18=10**17,
        lot_x18=10**15,
        notional_min_x18=100 * X18,
        start_price_x18=2_500 * X18,
        long_weight_x18=90 * _PERCENT,
        short_weight_x18=110 * _PERCENT,
    ),
    Product(
        product_id=ProductId(4),
        symbol="ETH-PERP",
        kind=ProductKind.PERP,
        tick_x18=10**17,
        lot_x18=10**15,
        notional_min_x18=100 * X18,
        start_price_x18=2_500 * X18,
        long_weight_x18=97 * _PERCENT,
        short_weight_x18=103 * _PERCENT,
    ),
)
"""The products that a venue has unless it is configured otherwise (`spec/decisions.md` N1)."""


class CancelMode(StrEnum):
    """What one bad digest does to a cancellation of several orders (7.1.5)."""

    ATOMIC = "atomic"
    """Nothing is cancelled; the answer names the first offender in list order."""
    PARTIAL = "partial"
    """What can be cancelled is; the answer is a failure only if nothing was found."""


class Profile(msgspec.Struct, frozen=True):
    """A venue's settings. The defaults are the public testnet's, which two SDKs carry within them (3.1)."""

    chain_id: int = TESTNET_CHAIN_ID
    endpoint: bytes = TESTNET_ENDPOINT
    cancel_mode: CancelMode = CancelMode.ATOMIC
    builders: frozenset[int] | None = None
    """Registered builder ids; None ignores whatever an order names (O10)."""
    batch_object_for_python: bool = False
    """Answer `place_orders` with an object when the client is the Python SDK, which misreads the array (O6)."""
    compression_required: bool = False
    """Refuse sockets that do not offer permessage-deflate (2080)."""

    @property
    def domain(self) -> Domain:
        """What signatures commit to. It can never change in a data folder."""
        return Domain(self.chain_id, self.endpoint)
