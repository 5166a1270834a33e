"""From a digest and a signature to the address that signed.

Two steps, because only the second is expensive: `parse_signature` reads text as it arrived and
brings it to one form, `recover_address` spends some 35 to 100 microseconds in libsecp256k1.

Recovery calls the C library without the wrapper's objects, which saves about seven percent. The
buffers are made anew for every call (half a microsecond): nothing is shared, so any number of
threads may recover at once, and the C call releases the GIL while it works.
"""

import re
from binascii import unhexlify
from types import BuiltinFunctionType

from coincurve._libsecp256k1 import ffi, lib

from overround.signing.keccak import keccak256

__all__ = [
    "BackendError",
    "SignatureError",
    "SignatureTextError",
    "SignatureValueError",
    "assert_fast_backend",
    "parse_signature",
    "recover_address",
]

SIGNATURE_DIGITS = 130
FAULT_SCAN_MAX = 1_024
"""Characters of a broken signature that are looked at to say what is wrong with it."""

_CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
# Compared as big-endian bytes, which order like the numbers they spell.
_ZERO = bytes(32)
_ORDER = _CURVE_ORDER.to_bytes(32, "big")
_HALF_ORDER = (_CURVE_ORDER // 2).to_bytes(32, "big")

_PREFIXES = ("0x", "0X")
_NOT_HEX = re.compile(r"[^0-9a-fA-F]")
_V_NORMALISED = {0: b"\x1b", 1: b"\x1c", 27: b"\x1b", 28: b"\x1c"}


class SignatureError(ValueError):
    """A signature is refused before anything is recovered from it; the message says why."""


class SignatureTextError(SignatureError):
    """The text is not hex, or not the hex of 65 bytes."""


class SignatureValueError(SignatureError):
    """The 65 bytes are there, but r, s or v has a value that is never accepted."""


class BackendError(RuntimeError):
    """The compiled cryptography is missing or wrong; the process must not start."""


def parse_signature(text: str) -> bytes:
    """Read a signature and return its one normal form: 65 bytes r, s, v with v 27 or 28.

    Accepts `0x` and 130 hex digits, the bare digits, and the doubled `0x0x` that one line of
    client code sends with older libraries; any letter case; v 0, 1, 27 or 28 (`spec/sx.md` 4.1).

    Raises `SignatureTextError` when the text is not the hex of 65 bytes, and `SignatureValueError`
    for a v outside that set, an r or s that is no number of the curve, or an s in the upper half of
    the order: every signature has a twin there, and one message must not have two signatures.
    """
    digits = text[2:] if text[:2] in _PREFIXES else text
    if digits[:2] in _PREFIXES:
        digits = digits[2:]
    if len(digits) != SIGNATURE_DIGITS:
        raise SignatureTextError(_text_fault(digits))
    try:
        # Unlike bytes.fromhex this takes hex digits only: no spaces, and str must be ASCII.
        raw = unhexlify(digits)
    except ValueError:
        raise SignatureTextError(_text_fault(digits)) from None
    v = _V_NORMALISED.get(raw[64])
    if v is None or not (_ZERO < raw[:32] < _ORDER and _ZERO < raw[32:64] <= _HALF_ORDER):
        raise SignatureValueError(_value_fault(raw))
    return raw[:64] + v


def _text_fault(digits: str) -> str:
    """Say why `digits`, a signature without its prefix, is not the hex of 65 bytes."""
    if not digits:
        return "signature is empty"
    stranger = _NOT_HEX.search(digits, 0, FAULT_SCAN_MAX)
    if stranger:
        place = stranger.start() + 1
        return f"signature is not hex: digit {place} after any prefix is {stranger[0]!a}"
    size, odd = divmod(len(digits), 2)
    if odd:
        return f"signature has an odd number of hex digits ({len(digits)}); 65 bytes are 130"
    if size == 64:
        return "signature has 64 bytes: the compact form is not accepted, send r, s and v"
    if size == 85:
        return "signature has 85 bytes: send the first 65, without the address after them"
    return f"signature has {size} bytes; it must have 65: r (32), s (32) and v (1)"


def _value_fault(raw: bytes) -> str:
    """Say which of r, s and v in these 65 bytes is refused."""
    r, s, v = raw[:32], raw[32:64], raw[64]
    if v >= 35:
        return f"signature has v = {v}, as in a signed transaction; a message has v 27 or 28"
    if v not in _V_NORMALISED:
        return f"signature has v = {v}; it must be 27 or 28 (0 and 1 are accepted)"
    for name, value in (("r", r), ("s", s)):
        if value == _ZERO:
            return f"signature has {name} = 0"
        if value >= _ORDER:
            return f"signature has {name} at or above the order of the curve"
    return "signature has s above half the order of the curve (high s); send n - s and the other v, as wallets do"


# Verifying needs no secret-dependent tables: the static context is constant and shared freely.
_CONTEXT = lib.secp256k1_context_static
_UNCOMPRESSED = lib.SECP256K1_EC_UNCOMPRESSED
_parse = lib.secp256k1_ecdsa_recoverable_signature_parse_compact
_recover = lib.secp256k1_ecdsa_recover
_serialize = lib.secp256k1_ec_pubkey_serialize
_new = ffi.new
_buffer = ffi.buffer
_SIGNATURE = ffi.typeof("secp256k1_ecdsa_recoverable_signature *")
_PUBLIC_KEY = ffi.typeof("secp256k1_pubkey *")
_POINT = ffi.typeof("unsigned char[65]")
_SIZE = ffi.typeof("size_t *")


def recover_address(digest: bytes, signature: bytes) -> bytes | None:
    """Return the 20-byte address whose key signed the 32-byte `digest`, or None if no key could have.

    `signature` is what `parse_signature` returned. Bytes of another form are a mistake of the
    caller and raise `SignatureValueError`: the C library reads 32 and 64 bytes whatever it is
    given, and **aborts the process** on a recovery id outside 0..3.
    """
    if len(digest) != 32 or len(signature) != 65:
        raise SignatureValueError("recovery takes a digest of 32 bytes and a signature of 65")
    v = signature[64]
    if v != 27 and v != 28:
        raise SignatureValueError(f"recovery takes v 27 or 28, not {v}")
    parsed = _new(_SIGNATURE)
    key = _new(_PUBLIC_KEY)
    if not _parse(_CONTEXT, parsed, signature, v - 27):
        return None
    if not _recover(_CONTEXT, key, parsed, digest):
        return None
    point = _new(_POINT)
    _serialize(_CONTEXT, point, _new(_SIZE, 65), key, _UNCOMPRESSED)
    return keccak256(_buffer(point)[1:])[12:]


_KNOWN_DIGEST = bytes.fromhex("c9bcd0c6c1e638928b9c6601c66a6a0fe3085e5d5566e0707bbebb2414aeacd5")
_KNOWN_SIGNATURE = bytes.fromhex(
    "e622e47aea277b37e6ae34ae4acf3dd46bc424b1fa80040a7fe31f478e4c944c"
    "1dc3e6d709641161b9f136a8253177a44382b8d41f0e167c6673b0751b39c7a51b"
)
_KNOWN_ADDRESS = bytes.fromhex("2c7536e3605d9c16a7a3d7b1898e529396a65c23")


def assert_fast_backend() -> None:
    """Raise `BackendError` unless recovery is libsecp256k1's and gives the known answer.

    Called at start: recovery in pure Python is two hundred times slower, and a venue that verifies
    68 signatures a second is one that a single client can silence.
    """
    if not isinstance(_recover, BuiltinFunctionType):
        raise BackendError("signature recovery is not compiled: libsecp256k1 is required")
    if recover_address(_KNOWN_DIGEST, _KNOWN_SIGNATURE) != _KNOWN_ADDRESS:
        raise BackendError("signature recovery gives a wrong answer for a known signature")
