"""Signatures that are refused, each with its code, and whom an accepted one speaks for (`spec/nado.md` 3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import LINKED_SIGNER, OWNER, VECTORS, raw

from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.signatures import (
    check_authority,
    check_claimed_digest,
    read_signature,
    recover_signer,
)
from overround.protocols.nado.units import subaccount

VECTOR = VECTORS["cancel_orders_one"]
DIGEST, SIGNATURE = raw(VECTOR["digest"]), VECTOR["signature"]
R, S, V = SIGNATURE[2:66], SIGNATURE[66:130], SIGNATURE[130:]
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HIGH_S = f"{ORDER - int(S, 16):064x}"
OTHER_V = {"1b": "1c", "1c": "1b"}[V]
NO_POINT = f"{5:064x}"  # there is no point of the curve with this x


@pytest.mark.row("C-26", "S-08")
@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Code.SIGNATURE_LENGTH),
        ("0x", Code.SIGNATURE_LENGTH),
        ("not hex at all", Code.SIGNATURE_LENGTH),
        (SIGNATURE[:-2], Code.SIGNATURE_LENGTH),
        (SIGNATURE[:-1], Code.SIGNATURE_LENGTH),
        (SIGNATURE + "00", Code.SIGNATURE_LENGTH),
        (SIGNATURE + OWNER.hex(), Code.SIGNATURE_LENGTH),
        (f"0x{R}{S}00", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{S}01", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{S}02", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{S}1a", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{S}1d", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{S}ff", Code.INVALID_SIGNATURE_V),
        (f"0x{R}{HIGH_S}{OTHER_V}", Code.SIGNATURE_ERROR),
        (f"0x{R}{HIGH_S}{V}", Code.SIGNATURE_ERROR),
        (f"0x{R}{'0' * 64}{V}", Code.SIGNATURE_ERROR),
        (f"0x{'0' * 64}{S}{V}", Code.SIGNATURE_ERROR),
        (f"0x{'f' * 64}{S}{V}", Code.SIGNATURE_ERROR),
        ("0x" + "z" * 130, Code.SIGNATURE_ERROR),
        ("0x" + "1" * 129 + " ", Code.SIGNATURE_ERROR),
        (f"0x{NO_POINT}{S}{V}", Code.INVALID_SIGNER_ZERO),
    ],
)
def test_a_signature_that_cannot_be_used_has_a_code(text: str, code: Code) -> None:
    signature = read_signature(text)
    with pytest.raises(GatewayError) as caught:
        recover_signer(DIGEST, signature)
    assert caught.value.code is code
    assert caught.value.message


@pytest.mark.row("C-26", "S-07")
@pytest.mark.parametrize("text", [SIGNATURE, SIGNATURE.upper().replace("0X", "0x"), SIGNATURE[2:]])
def test_a_good_signature_speaks_for_its_signer(text: str) -> None:
    signature = read_signature(text)
    assert recover_signer(DIGEST, signature) == OWNER
    assert signature.echo == SIGNATURE


def test_what_could_not_be_read_is_not_repeated() -> None:
    assert read_signature("0x" + "z" * 130).echo == ""
    assert read_signature(SIGNATURE[:-2]).echo == ""


def test_85_bytes_are_told_what_to_leave_out() -> None:
    assert "first 65" in read_signature(SIGNATURE + OWNER.hex()).fault


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_signature_or_has_a_code(text: str) -> None:
    signature = read_signature(text)
    assert (signature.raw is None) == (signature.code is not None)
    assert signature.raw is None or len(signature.raw) == 65


SENDER = subaccount(OWNER)


@pytest.mark.row("S-09")
@pytest.mark.parametrize("linked", [None, LINKED_SIGNER])
def test_the_owner_may_always_act(linked: bytes | None) -> None:
    check_authority(OWNER, SENDER, linked, digest=DIGEST)


@pytest.mark.row("S-09")
def test_the_linked_signer_may_act_where_he_is_linked() -> None:
    check_authority(LINKED_SIGNER, SENDER, LINKED_SIGNER, digest=DIGEST)


@pytest.mark.row("S-09", "C-26")
@pytest.mark.parametrize(("signer", "linked"), [(LINKED_SIGNER, None), (LINKED_SIGNER, bytes(20)), (bytes(20), OWNER)])
def test_a_stranger_is_told_whom_he_was_taken_for(signer: bytes, linked: bytes | None) -> None:
    with pytest.raises(GatewayError) as caught:
        check_authority(signer, SENDER, linked, digest=DIGEST)
    assert caught.value.code is Code.INVALID_SIGNER
    assert DIGEST.hex() in caught.value.message


def test_a_digest_member_must_be_right_or_absent() -> None:
    check_claimed_digest(None, DIGEST)
    check_claimed_digest(DIGEST, DIGEST)
    with pytest.raises(GatewayError) as caught:
        check_claimed_digest(bytes(32), DIGEST)
    assert caught.value.code is Code.SIGNATURE_ERROR
