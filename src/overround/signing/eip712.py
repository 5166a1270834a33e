"""EIP-712 in small steps that a protocol puts together for its own types.

There is no generic encoder here: it would walk a type description for every message, at twenty to
sixty times the cost. A protocol hashes its type strings once, at import, and per message joins
32-byte words:

    _PING = type_hash("Ping(address sender,uint256 timestamp)")
    separator = contract_domain("Venue", "1", chain_id, contract)
    ping = struct_hash(_PING, address_word(sender), uint256_word(timestamp))
    digest = typed_digest(separator, ping)

Every step refuses (`TypedDataError`) what has no exact encoding, so that two different messages
can never share a digest.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from overround.signing.keccak import keccak256

__all__ = [
    "DOMAIN_CACHE_SIZE_MAX",
    "TypedDataError",
    "address_word",
    "array_hash",
    "bool_word",
    "bytes32_word",
    "contract_domain",
    "int_word",
    "salted_domain",
    "string_array_hash",
    "string_hash",
    "struct_hash",
    "type_hash",
    "typed_digest",
    "uint256_word",
    "uint_word",
]

DOMAIN_CACHE_SIZE_MAX = 1_024
"""Domains that are remembered: a venue has a handful, and one per product in some dialects."""

_NO_WORD = bytes(32)
_ONE_WORD = bytes(31) + b"\x01"
_ADDRESS_PADDING = bytes(12)


class TypedDataError(ValueError):
    """A value does not fit the type it is to be hashed as."""


def type_hash(type_text: str) -> bytes:
    """Hash a full type string, referenced structures included. Raises `ValueError` if not ASCII."""
    return keccak256(type_text.encode("ascii"))


def string_hash(text: str) -> bytes:
    """Hash a `string` as its UTF-8 bytes, exactly as received."""
    try:
        return keccak256(text.encode())
    except UnicodeEncodeError:
        # Wallets disagree about a lone surrogate: some refuse it, some replace it.
        raise TypedDataError("text with a lone surrogate has no UTF-8 form") from None


def uint256_word(value: int) -> bytes:
    """Encode a `uint256`: 32 bytes, big-endian."""
    try:
        return value.to_bytes(32, "big")
    except OverflowError:
        raise TypedDataError("the value does not fit uint256") from None


def uint_word(value: int, bits: int) -> bytes:
    """Encode an unsigned integer of `bits` bits (`uint8` to `uint256`) as a word."""
    if not 0 <= value < 1 << bits:
        raise TypedDataError(f"the value does not fit uint{bits}")
    return value.to_bytes(32, "big")


def int_word(value: int, bits: int) -> bytes:
    """Encode a signed integer of `bits` bits (`int8` to `int256`) as a word, sign-extended."""
    if not -1 << (bits - 1) <= value < 1 << (bits - 1):
        raise TypedDataError(f"the value does not fit int{bits}")
    return value.to_bytes(32, "big", signed=True)


def bool_word(flag: bool) -> bytes:
    """Encode a `bool` as a word."""
    return _ONE_WORD if flag else _NO_WORD


def address_word(address: bytes) -> bytes:
    """Encode the 20 bytes of an `address` as a word."""
    if len(address) != 20:
        raise TypedDataError(f"an address is 20 bytes, not {len(address)}")
    return _ADDRESS_PADDING + address


def bytes32_word(value: bytes) -> bytes:
    """Return a `bytes32` as it is. A shorter one is refused: padding it would give it a twin."""
    if len(value) != 32:
        raise TypedDataError(f"a bytes32 is 32 bytes, not {len(value)}")
    return value


def array_hash(words: Sequence[bytes]) -> bytes:
    """Hash an array of encoded elements, 32 bytes each. An empty one hashes nothing, not a word."""
    return keccak256(_joined(words))


def string_array_hash(texts: Iterable[str]) -> bytes:
    """Hash a `string[]`: each text as received, letter case included."""
    return keccak256(b"".join([string_hash(text) for text in texts]))


def struct_hash(hash_of_type: bytes, *words: bytes) -> bytes:
    """Hash a structure: its type hash, then its members as words in the order of its type string."""
    return keccak256(hash_of_type + _joined(words))


def salted_domain(name: str, version: str, chain_id: int, salt: bytes) -> bytes:
    """Return the separator of `EIP712Domain(name, version, chainId, salt)`.

    `salt` is exactly 32 bytes and differs from message to message, so it is all that is hashed
    here: one keccak.
    """
    return keccak256(_domain_head(_SALTED, name, version, chain_id) + bytes32_word(salt))


@lru_cache(DOMAIN_CACHE_SIZE_MAX)
def contract_domain(name: str, version: str, chain_id: int, verifying_contract: bytes) -> bytes:
    """Return the separator of `EIP712Domain(name, version, chainId, verifyingContract)`.

    `verifying_contract` is 20 bytes. The whole separator is remembered: no keccak when it is known.
    """
    head = _domain_head(_CONTRACT, name, version, chain_id)
    return keccak256(head + address_word(verifying_contract))


def typed_digest(domain_separator: bytes, hash_of_struct: bytes) -> bytes:
    """Return the 32-byte digest that is signed, from a domain separator and a struct hash."""
    if len(domain_separator) != 32 or len(hash_of_struct) != 32:
        raise TypedDataError("a domain separator and a struct hash are 32 bytes each")
    return keccak256(b"\x19\x01" + domain_separator + hash_of_struct)


@lru_cache(DOMAIN_CACHE_SIZE_MAX)
def _domain_head(hash_of_type: bytes, name: str, version: str, chain_id: int) -> bytes:
    return hash_of_type + string_hash(name) + string_hash(version) + uint256_word(chain_id)


def _joined(words: Sequence[bytes]) -> bytes:
    # Word by word: a long one and a short one could add up to the right total.
    for word in words:
        if len(word) != 32:
            raise TypedDataError(f"a word is 32 bytes, not {len(word)}")
    return b"".join(words)


_SALTED = type_hash("EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)")
_CONTRACT = type_hash("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
