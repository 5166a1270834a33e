"""Keccak-256 as Ethereum uses it (the padding differs from SHA3-256 of the standard library)."""

from sha3 import keccak_256

__all__ = ["keccak256"]


def keccak256(data: bytes) -> bytes:
    """Hash `data` to 32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest
