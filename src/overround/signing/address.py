"""Addresses: 20 raw bytes inside the house, EIP-55 text outside."""

import re
from binascii import unhexlify
from functools import lru_cache

from overround.signing.keccak import keccak256

__all__ = ["ADDRESS_CACHE_SIZE_MAX", "AddressError", "checksum_address", "parse_address"]

ADDRESS_CACHE_SIZE_MAX = 16_384
"""Addresses that each of the two caches remembers; about 5 MB when both are full."""

# Spelt out, so that neither other scripts' digits nor spaces nor underscores count as hex.
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


class AddressError(ValueError):
    """The value is not an address; the message says what is wrong with it."""


@lru_cache(ADDRESS_CACHE_SIZE_MAX)
def parse_address(text: str) -> bytes:
    """Turn `0x` and 40 hex digits into the 20 bytes of an address (`spec/sx.md` 2.4).

    Accepted are the EIP-55 checksum, all lower case and all upper case. Raises `AddressError` for
    anything else; for a wrong checksum its message names the right spelling.
    """
    if not _ADDRESS.fullmatch(text):
        raise AddressError(_shape_fault(text))
    digits = text[2:]
    address = unhexlify(digits)
    if digits not in (digits.lower(), digits.upper()):
        right = checksum_address(address)
        if text != right:
            raise AddressError(f"address {text} has a wrong checksum: its checksummed spelling is {right}")
    return address


@lru_cache(ADDRESS_CACHE_SIZE_MAX)
def checksum_address(address: bytes) -> str:
    """Spell the 20 bytes of an address with the EIP-55 checksum. Raises `AddressError` for another length."""
    if len(address) != 20:
        raise AddressError(f"an address is 20 bytes, not {len(address)}")
    digits = address.hex()
    nibbles = keccak256(digits.encode()).hex()
    spelt = (digit.upper() if nibble >= "8" else digit for digit, nibble in zip(digits, nibbles, strict=False))
    return "0x" + "".join(spelt)


def _shape_fault(text: str) -> str:
    # The text may be as long as a request body, so it is measured and not repeated.
    if not text.startswith("0x"):
        return "an address starts with 0x"
    if len(text) != 42:
        return f"an address is 0x and 40 hex digits, not {len(text) - 2} characters after 0x"
    return "an address is 0x and 40 hex digits, this one has another character among them"
