"""From the text of a signature to who signed, with a code for everything that can be wrong (`spec/nado.md` 3.4)."""

from __future__ import annotations

from typing import Final

import msgspec

from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.units import hex_text, wallet_of
from overround.signing.address import checksum_address
from overround.signing.recover import (
    SIGNATURE_DIGITS,
    SignatureTextError,
    SignatureValueError,
    parse_signature,
    recover_address,
)


class ReadSignature(msgspec.Struct, frozen=True, gc=False):
    """A signature in its normal form, or the code and the reason that it will be refused with in its turn."""

    raw: bytes | None
    code: Code | None = None
    fault: str = ""

    @property
    def echo(self) -> str:
        """What answers repeat: the signature where it could be read, else nothing (6.1, O13)."""
        return "" if self.raw is None else hex_text(self.raw)


def read_signature(text: str) -> ReadSignature:
    """Read `0x` and 130 hex digits. Never raises: window and replay are looked at before the signature (N7)."""
    try:
        raw = parse_signature(text)
    except SignatureTextError as error:
        right_length = len(text.removeprefix("0x").removeprefix("0X")) == SIGNATURE_DIGITS
        return ReadSignature(None, Code.SIGNATURE_ERROR if right_length else Code.SIGNATURE_LENGTH, str(error))
    except SignatureValueError as error:
        code = Code.SIGNATURE_ERROR if _v_of(text) in (27, 28) else Code.INVALID_SIGNATURE_V
        return ReadSignature(None, code, str(error))
    if text[-2:] not in _GOOD_V:
        return ReadSignature(None, Code.INVALID_SIGNATURE_V, "signature has v 0 or 1; it must be 27 or 28")
    return ReadSignature(raw)


_GOOD_V: Final = frozenset({"1b", "1c", "1B", "1C"})


def _v_of(text: str) -> int:
    return int(text[-2:], 16)


def recover_signer(digest: bytes, signature: ReadSignature) -> bytes:
    """The address that signed. Expensive: one public key recovery. Raises `GatewayError` 2027, 2034, 2035, 2029."""
    return signer_of(signature, None if signature.raw is None else recover_address(digest, signature.raw))


def signer_of(signature: ReadSignature, recovered: bytes | None) -> bytes:
    """What was recovered from a signature, unless it is a reason to refuse it. Raises as `recover_signer`."""
    if signature.raw is None:
        assert signature.code is not None
        raise GatewayError(signature.code, signature.fault)
    if recovered is None:
        raise GatewayError(Code.INVALID_SIGNER_ZERO)
    return recovered


def check_claimed_digest(claimed: bytes | None, digest: bytes) -> None:
    """Refuse (2035) a `digest` member that is not what the other members hash to (N12)."""
    if claimed is not None and claimed != digest:
        message = f"the digest member is {hex_text(claimed)}, but what was sent hashes to {hex_text(digest)}"
        raise GatewayError(Code.SIGNATURE_ERROR, message)


def check_authority(signer: bytes, sender: bytes, linked_signer: bytes | None, *, digest: bytes) -> None:
    """Refuse (2028) whoever is neither the owner of `sender` nor the signer linked to exactly this subaccount.

    Pass None as the linked signer where only the owner may act (3.5: `link_signer`).
    """
    owner = wallet_of(sender)
    if signer == owner or (linked_signer is not None and signer == linked_signer):
        return
    message = (
        f"the signature over digest {hex_text(digest)} is of {checksum_address(signer)}, who is neither "
        f"the owner {checksum_address(owner)} nor the signer linked to this subaccount"
    )
    raise GatewayError(Code.INVALID_SIGNER, message)
