"""API keys: what is kept of one (`spec/sx.md` 5.17)."""

import hashlib

__all__ = ["key_digest"]


def key_digest(api_key: str) -> bytes:
    """The 32 bytes that are kept of a key. Keys are random, so a plain hash cannot be searched."""
    return hashlib.sha256(api_key.encode("utf-8", "surrogateescape")).digest()
