"""EIP-191 personal messages over a 32-byte hash."""

from overround.signing.keccak import keccak256

__all__ = ["personal_digest"]

_PREFIX = b"\x19Ethereum Signed Message:\n32"


def personal_digest(hash32: bytes) -> bytes:
    """Return the 32-byte digest that wallets sign for the message `hash32`, taken as 32 raw bytes.

    This is ethers' `signMessage(getBytes(hash))`; signing the hash as text gives another digest.
    Raises `ValueError` for another length.
    """
    if len(hash32) != 32:
        raise ValueError(f"a hash is 32 bytes, not {len(hash32)}")
    return keccak256(_PREFIX + hash32)
