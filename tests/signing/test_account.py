import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overround.signing.account import LocalAccount, PrivateKeyError
from overround.signing.address import checksum_address
from overround.signing.recover import parse_signature, recover_address

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_account import Account  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
KEY_TEXT = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS_TEXT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

keys = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))
digests = st.binary(min_size=32, max_size=32)


@settings(deadline=None, max_examples=30)
@given(keys, digests)
def test_it_signs_what_eth_account_signs(key: bytes, digest: bytes) -> None:
    account = LocalAccount(key)
    theirs = Account.unsafe_sign_hash(digest, key)
    assert checksum_address(account.address) == Account.from_key(key).address
    assert account.sign_digest(digest) == theirs.signature


@given(keys, digests)
def test_its_signatures_are_in_normal_form_and_recover_its_address(key: bytes, digest: bytes) -> None:
    account = LocalAccount(key)
    signature = account.sign_digest(digest)
    assert parse_signature("0x" + signature.hex()) == signature
    assert recover_address(digest, signature) == account.address


@pytest.mark.parametrize("text", [KEY_TEXT, "0x" + KEY_TEXT, "0x" + KEY_TEXT.upper()])
def test_a_key_may_be_given_as_text(text: str) -> None:
    assert checksum_address(LocalAccount.from_hex(text).address) == ADDRESS_TEXT


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        KEY_TEXT[:-1],
        KEY_TEXT + "0",
        "0x0x" + KEY_TEXT,
        KEY_TEXT[:-1] + "g",
        KEY_TEXT[:-1] + " ",
        " " + KEY_TEXT,
        KEY_TEXT + "\n",
        KEY_TEXT[:-1] + "٣",
    ],
)
def test_other_text_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(PrivateKeyError) as caught:
        LocalAccount.from_hex(text)
    assert KEY_TEXT[:16] not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [b"", bytes(31), bytes(32), bytes(33), CURVE_ORDER.to_bytes(32, "big"), b"\xff" * 32],
)
def test_other_bytes_are_refused(key: bytes) -> None:
    with pytest.raises(PrivateKeyError, match="a private key is"):
        LocalAccount(key)


def test_one_and_the_largest_number_are_keys() -> None:
    for number in (1, CURVE_ORDER - 1):
        assert len(LocalAccount(number.to_bytes(32, "big")).address) == 20


@pytest.mark.parametrize("size", [0, 31, 33])
def test_only_digests_are_signed(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        LocalAccount.from_hex(KEY_TEXT).sign_digest(bytes(size))


def test_printing_it_shows_the_address_only() -> None:
    account = LocalAccount.from_hex(KEY_TEXT)
    assert repr(account) == str(account) == f"{account}" == f"LocalAccount({ADDRESS_TEXT})"
    assert not hasattr(account, "__dict__")
