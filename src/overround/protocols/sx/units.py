"""Numbers and names between the wire and the house (`spec/sx.md` 2.1, 2.4, 3). No float anywhere."""

from __future__ import annotations

import re
from binascii import unhexlify
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from overround.engine.types import WORD_MAX, Address
from overround.signing.address import AddressError, checksum_address, parse_address

_DECIMAL: Final = re.compile(r"[0-9]{1,78}", re.ASCII)
_HEX: Final = re.compile(r"0[xX][0-9a-fA-F]{1,64}", re.ASCII)
_HASH: Final = re.compile(r"0[xX][0-9a-fA-F]{64}", re.ASCII)

# How a salt was spelt, in the first byte of its packed form.
_DECIMAL_SALT: Final = b"d"  # then the number, big-endian without leading zeros
_HEX_SALT: Final = b"x"  # then 32 bytes: `0x` and 64 lower-case digits
_TEXT_SALT: Final = b"t"  # then the text itself


def parse_word(value: object) -> int | None:
    """An unsigned 256-bit integer as decimal text, `0x` hex text or JSON integer; None if it is none."""
    if isinstance(value, str):
        if _DECIMAL.fullmatch(value):
            number = int(value)
        elif _HEX.fullmatch(value):
            number = int(value, 16)
        else:
            return None
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        return None
    return number if 0 <= number <= WORD_MAX else None


def parse_hash(value: object) -> bytes | None:
    """32 bytes from `0x` and 64 hex digits, any letter case; None if it is no hash."""
    if isinstance(value, str) and _HASH.fullmatch(value):
        return unhexlify(value[2:])
    return None


def address_filter(text: str, *, is_lenient: bool) -> Address | None:
    """The address that a filter names: its exact checksummed text, and nothing else, matches (2.4), unless the
    operator is lenient. None where it names nobody."""
    try:
        address = parse_address(text)
    except AddressError:
        return None
    return Address(address) if is_lenient or checksum_address(address) == text else None


def hash_text(value: bytes) -> str:
    """`0x` and lower-case hex."""
    return "0x" + value.hex()


def pack_salt(value: str | int) -> bytes:
    """A salt with the spelling it came in, small enough to keep for a million orders.

    The value must have passed `parse_word`.
    """
    text = str(value)
    if text.isdecimal() and (text[0] != "0" or text == "0"):
        number = int(text)
        return _DECIMAL_SALT + number.to_bytes((number.bit_length() + 7) // 8, "big")
    if len(text) == 66 and text.startswith("0x") and text == text.lower():
        return _HEX_SALT + unhexlify(text[2:])
    return _TEXT_SALT + text.encode()


def unpack_salt(packed: bytes) -> str:
    """The salt exactly as submitted (`spec/sx.md` 5.7)."""
    form, payload = packed[:1], packed[1:]
    if form == _DECIMAL_SALT:
        return str(int.from_bytes(payload, "big"))
    if form == _HEX_SALT:
        return "0x" + payload.hex()
    return payload.decode()


@lru_cache(maxsize=65_536)
def iso_ms(time_ms: int) -> str:
    """ISO 8601 in UTC with milliseconds, e.g. `2026-03-12T14:35:06.614Z`."""
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{time_ms % 1000:03d}Z"
