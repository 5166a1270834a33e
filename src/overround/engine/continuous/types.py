"""Identifiers and units of continuous markets. Amounts, prices and money are integers x 10^18 (spec/nado.md 2.2)."""

from __future__ import annotations

from enum import Enum
from typing import Final, NewType

from overround.engine.types import Address

Digest = NewType("Digest", bytes)  # 32 bytes: the hash that a signature was made over; of an order: its identity
SubaccountId = NewType("SubaccountId", bytes)  # 32 bytes: the wallet's address and a name of 12 bytes
ProductId = NewType("ProductId", int)

X18: Final = 10**18
X36: Final = X18 * X18
QUOTE: Final = ProductId(0)  # the currency that everything is priced in; it has no book
WALLET_BYTES: Final = 20


class OrderType(Enum):
    """What becomes of an order on arrival (spec/nado.md 5.4)."""

    __hash__ = object.__hash__  # members are unique objects; the default hashes their name, in Python

    DEFAULT = "default"  # match what crosses, rest the remainder
    IOC = "ioc"  # match what crosses, drop the remainder
    FOK = "fok"  # match all of it or do nothing
    POST_ONLY = "post_only"  # rest, or do nothing


MAY_REST: Final = frozenset({OrderType.DEFAULT, OrderType.POST_ONLY})


class ProductKind(Enum):
    """What owning a product means."""

    SPOT = "spot"  # an asset: bought and sold against quote, never borrowed
    PERP = "perp"  # a position: costs margin, its price is kept as a virtual quote balance (N3)


class TradingStatus(Enum):
    """Which orders a market takes (spec/nado.md 8.1)."""

    LIVE = "live"
    POST_ONLY = "post_only"
    NOT_TRADABLE = "not_tradable"
    REDUCE_ONLY = "reduce_only"  # orders that say reduce-only
    SOFT_REDUCE_ONLY = "soft_reduce_only"  # orders that reduce, whether they say so or not


class EndCause(Enum):
    """Why an order is gone that was not filled."""

    CANCELLED = "cancelled"  # signed by the sender or its linked signer
    EXPIRED = "expired"
    SELF_TRADE = "self_trade"  # it would have met an order of the same subaccount
    MARGIN = "margin"  # the subaccount can no longer afford it (N2)
    UNMATCHED = "unmatched"  # what an immediate order found no match for; it never rested
    WALLET = "wallet"  # everything of the wallet, by the venue: a missed heartbeat


class PositionReason(Enum):
    """Why a balance changed (spec/nado.md 11.4, position_change)."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    MATCH = "match"
    REALISED = "realised"  # a position returned to zero, what it earned or lost became quote (N3)


def wallet_of(sender: SubaccountId) -> Address:
    """The address that owns a subaccount."""
    return Address(sender[:WALLET_BYTES])
