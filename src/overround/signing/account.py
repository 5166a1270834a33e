"""Signing with a key held in memory: for the client, the command line and tests."""

import re

from coincurve import PrivateKey

from overround.signing.address import checksum_address
from overround.signing.keccak import keccak256

__all__ = ["LocalAccount", "PrivateKeyError"]

_KEY_TEXT = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")


class PrivateKeyError(ValueError):
    """The value is not a private key. The message never repeats it."""


class LocalAccount:
    """A private key and the address that it signs for. Printing it shows the address only."""

    __slots__ = ("_key", "address")

    address: bytes
    """The 20 bytes of the account's address."""

    def __init__(self, private_key: bytes) -> None:
        """Take the 32 bytes of a key. Raises `PrivateKeyError` if they are none."""
        if len(private_key) != 32:
            raise PrivateKeyError(f"a private key is 32 bytes, not {len(private_key)}")
        try:
            self._key = PrivateKey(private_key)
        except ValueError:
            raise PrivateKeyError("a private key is a number from 1 to the curve order") from None
        self.address = keccak256(self._key.public_key.format(compressed=False)[1:])[12:]

    @classmethod
    def from_hex(cls, text: str) -> "LocalAccount":
        """Take 64 hex digits, with or without `0x`. Raises `PrivateKeyError` for anything else."""
        if not _KEY_TEXT.fullmatch(text):
            raise PrivateKeyError("a private key is 64 hex digits, with or without 0x")
        return cls(bytes.fromhex(text[-64:]))

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v with low s and v 27 or 28.

        The same key and digest always give the same signature (RFC 6979). Raises `ValueError` for
        another length.
        """
        if len(digest) != 32:
            raise ValueError(f"a digest is 32 bytes, not {len(digest)}")
        signature = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((27 + signature[64],))

    def __repr__(self) -> str:
        return f"LocalAccount({checksum_address(self.address)})"
