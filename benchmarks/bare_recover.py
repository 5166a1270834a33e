"""The bare limit of signature recovery: a C loop over the C library inside the coincurve wheel.

The functions are looked up by name (``dlsym``) in the very shared object that the server calls, and
handed to ``load/recover_loop.c``, which runs without the interpreter until its time is over.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass

from coincurve import _libsecp256k1

from benchmarks.harness import BenchmarkError, built, pinned
from overround.signing.keccak import keccak256

_LIBRARY_FUNCTIONS = (
    "secp256k1_context_create",
    "secp256k1_context_destroy",
    "secp256k1_ecdsa_recoverable_signature_parse_compact",
    "secp256k1_ecdsa_recover",
    "secp256k1_ec_pubkey_serialize",
)


@dataclass(frozen=True)
class RecoverCase:
    """A signature (65 bytes r, s, v, with v 27 or 28) over a digest, and the address that signed."""

    digest: bytes
    signature: bytes
    signer: bytes


class _Library(ctypes.Structure):
    """``struct library`` of recover_loop.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in _LIBRARY_FUNCTIONS]


class _Case(ctypes.Structure):
    """``struct recover_case`` of recover_loop.c."""

    _fields_ = [
        ("digest", ctypes.c_ubyte * 32),
        ("signature", ctypes.c_ubyte * 65),
        ("key", ctypes.c_ubyte * 65),
    ]


class BareRecover:
    """The loop over a fixed set of signatures: as many as a data cache does not remember."""

    def __init__(self, cases: Sequence[RecoverCase]) -> None:
        self._signers = [case.signer for case in cases]
        self._cases = (_Case * len(cases))(*(_as_c(case) for case in cases))
        self._library = _library()
        self._loop = ctypes.CDLL(str(built("recover_loop.c", shared=True))).recover_loop
        self._loop.restype = ctypes.c_double

    def rate(self, core: int, seconds: float) -> float:
        """Recoveries per second of that core: signature parsed, key recovered and serialized."""
        with pinned(core):
            rate: float = self._loop(
                ctypes.byref(self._library),
                self._cases,
                ctypes.c_size_t(len(self._cases)),
                ctypes.c_double(seconds),
            )
        if rate < 0 or [_address(bytes(case.key)) for case in self._cases] != self._signers:
            raise BenchmarkError("the bare loop did not recover the keys that signed")
        return rate


def _library() -> _Library:
    shared_object = ctypes.CDLL(_libsecp256k1.__file__)
    try:
        functions = [getattr(shared_object, name) for name in _LIBRARY_FUNCTIONS]
    except AttributeError as missing:
        raise BenchmarkError(f"the signature library hides its C functions: {missing}") from None
    return _Library(*(ctypes.cast(function, ctypes.c_void_p) for function in functions))


def _as_c(case: RecoverCase) -> _Case:
    recovery_id = bytes([case.signature[64] - 27])
    return _Case.from_buffer_copy(case.digest + case.signature[:64] + recovery_id + bytes(65))


def _address(public_key: bytes) -> bytes:
    return keccak256(public_key[1:])[12:]
