"""Numbers, bytes and names between the wire and the house (`spec/nado.md` 2). No float but where v2 asks for one."""

from __future__ import annotations

import re
from binascii import unhexlify
from typing import Final

X18: Final = 10**18
INT128_MAX: Final = 2**127 - 1
UINT64_MAX: Final = 2**64 - 1
PRODUCT_ID_MAX: Final = 2**32 - 1
SUBACCOUNT_NAME_SIZE_MAX: Final = 12
DIGITS_MAX: Final = 400
"""Digits of a number that are converted at all. More than any type needs; enough to recognise the nonce that comes
of `<< 20 + 1000`."""

_DECIMAL: Final = re.compile(r"-?[0-9]+", re.ASCII)
_HEX_PREFIXES: Final = ("0x", "0X")
_ISOLATED: Final = b"iso"
_SHOWN_MAX: Final = 40


class NotANumber(ValueError):
    """The value spells no integer."""


class OutOfRange(ValueError):
    """An integer, but not one of the wanted type. `value` is None when it is too long to be looked at."""

    def __init__(self, wanted: str, value: int | None) -> None:
        super().__init__(f"does not fit {wanted}")
        self.value = value


def parse_int(value: object, bits: int, *, signed: bool = False) -> int:
    """An integer of a signed object: decimal text, or a JSON integer (`spec/decisions.md` N12).

    Raises `NotANumber` and `OutOfRange`. A leading plus, spaces, `1e3`, hex and digits of other scripts are none.
    """
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()) and not _DECIMAL.fullmatch(value):
            raise NotANumber("must be an integer in decimal digits")
        if len(value) > DIGITS_MAX:
            raise OutOfRange(_wanted(bits, signed), None)
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise NotANumber("must be an integer, as text")
    low, high = (-1 << (bits - 1), 1 << (bits - 1)) if signed else (0, 1 << bits)
    if not low <= number < high:
        raise OutOfRange(_wanted(bits, signed), number)
    return number


def _wanted(bits: int, signed: bool) -> str:
    return f"int{bits}" if signed else f"uint{bits}"


def parse_bytes(value: object, size: int) -> bytes:
    """Bytes from `0x` and hex digits of any letter case (2.3). Raises `ValueError`."""
    if isinstance(value, str) and len(value) == 2 + 2 * size and value[:2] in _HEX_PREFIXES:
        try:
            return unhexlify(value[2:])  # unlike `bytes.fromhex` it takes no spaces, and ASCII alone
        except ValueError:
            pass
    raise ValueError(f"must be 0x and {2 * size} hex digits")


def hex_text(value: bytes) -> str:
    """`0x` and lower-case hex."""
    return "0x" + value.hex()


# Subaccounts (2.4): 20 bytes of wallet, 12 bytes of name.


def subaccount(wallet: bytes, name: str = "default") -> bytes:
    """The 32 bytes of a wallet's subaccount. Raises `ValueError` for a name that is no 12 bytes of ASCII."""
    if len(wallet) != 20:
        raise ValueError(f"an address is 20 bytes, not {len(wallet)}")
    spelt = name.encode("ascii")
    if len(spelt) > SUBACCOUNT_NAME_SIZE_MAX:
        raise ValueError(f"a subaccount's name is at most {SUBACCOUNT_NAME_SIZE_MAX} bytes")
    return wallet + spelt.ljust(SUBACCOUNT_NAME_SIZE_MAX, b"\0")


def wallet_of(sender: bytes) -> bytes:
    """Whose subaccount it is: budgets, transaction nonces and stream authentication belong to the wallet."""
    return sender[:20]


def name_of(sender: bytes) -> str:
    """The name of a subaccount, for people: what is no ASCII is shown escaped."""
    return sender[20:].rstrip(b"\0").decode("ascii", "backslashreplace")


def is_isolated(sender: bytes) -> bool:
    """Whether it is the derived account of an isolated position; it can link no signer."""
    return sender.endswith(_ISOLATED)


def human(value_x18: int) -> float:
    """An x18 number as the JSON float that the v2 routes serve (9.2); the nearest one there is."""
    return value_x18 / X18


def shown(text: str) -> str:
    """A client's own text within a message: short, and ASCII."""
    return ascii(text if len(text) <= _SHOWN_MAX else text[:_SHOWN_MAX] + "...")
