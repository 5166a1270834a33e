"""The appendix of an order (`spec/nado.md` 5.3): its type and its options, packed into 128 bits."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import msgspec

from overround.protocols.nado.errors import Code

VERSION: Final = 1
_RESERVED_BITS: Final = 24


class OrderType(IntEnum):
    """How an order meets the book (5.4)."""

    DEFAULT = 0
    IOC = 1
    FOK = 2
    POST_ONLY = 3

    @property
    def text(self) -> str:
        """As answers spell it."""
        return self.name.lower()


_TEXTS: Final = tuple(one.text for one in OrderType)


def order_type_text(appendix: int) -> str:
    """The order type of an appendix, as answers spell it, without unpacking the rest."""
    return _TEXTS[appendix >> 9 & 3]


class Trigger(IntEnum):
    """What the trigger service waits for; only NONE belongs on the gateway."""

    NONE = 0
    PRICE = 1
    TWAP = 2
    TWAP_CUSTOM_AMOUNTS = 3


class Appendix(msgspec.Struct, frozen=True, gc=False):
    """The fields of an appendix. `of(appendix).packed()` is the same number again."""

    version: int = VERSION
    isolated: bool = False
    order_type: OrderType = OrderType.DEFAULT
    reduce_only: bool = False
    trigger: Trigger = Trigger.NONE
    reserved: int = 0
    builder_fee: int = 0
    """In tenths of a basis point."""
    builder_id: int = 0
    value: int = 0
    """The margin of an isolated order, x6; the slices and the slippage of a TWAP."""

    def packed(self) -> int:
        """The number that is signed."""
        return (
            self.version
            | self.isolated << 8
            | self.order_type << 9
            | self.reduce_only << 11
            | self.trigger << 12
            | self.reserved << 14
            | self.builder_fee << 38
            | self.builder_id << 48
            | self.value << 64
        )


def of(appendix: int) -> Appendix:
    """Unpack 128 bits, whatever they are."""
    return Appendix(
        version=appendix & 0xFF,
        isolated=bool(appendix >> 8 & 1),
        order_type=OrderType(appendix >> 9 & 3),
        reduce_only=bool(appendix >> 11 & 1),
        trigger=Trigger(appendix >> 12 & 3),
        reserved=appendix >> 14 & ((1 << _RESERVED_BITS) - 1),
        builder_fee=appendix >> 38 & 0x3FF,
        builder_id=appendix >> 48 & 0xFFFF,
        value=appendix >> 64,
    )


def fault(appendix: Appendix, *, spot: bool, builders: frozenset[int] | None = None) -> Code | None:
    """Why an order with this appendix is not taken, or None.

    `builders` are the registered ones; None accepts and ignores any, since a widely used client names one in every
    order (5.3, O10).
    """
    if appendix.version != VERSION:
        return Code.INVALID_ORDER_VERSION
    if appendix.trigger is not Trigger.NONE:
        return Code.INVALID_TRIGGER_ORDER
    if appendix.reserved:
        return Code.ORDER_TYPE_NOT_SUPPORTED
    if appendix.isolated:
        return Code.INVALID_ISOLATED_SPOT_ORDER if spot else Code.INVALID_ISOLATED_MARGIN
    if builders is not None and _builder_unknown(appendix, builders):
        return Code.INVALID_BUILDER
    return None


def _builder_unknown(appendix: Appendix, builders: frozenset[int]) -> bool:
    if appendix.builder_id == 0:
        return appendix.builder_fee != 0
    return appendix.builder_id not in builders
