import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overround.signing.eip191 import personal_digest
from overround.signing.keccak import keccak256

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_account.messages import encode_defunct  # noqa: E402

sys.setrecursionlimit(_recursion_limit)


@pytest.mark.row("SIGN-02")
@given(st.binary(min_size=32, max_size=32))
def test_the_digest_is_the_one_that_wallets_sign(hash32: bytes) -> None:
    signable = encode_defunct(primitive=hash32)
    wallets = keccak256(b"\x19" + signable.version + signable.header + signable.body)
    assert personal_digest(hash32) == wallets


@pytest.mark.parametrize("size", [0, 31, 33, 64, 66])
def test_only_raw_hashes_are_taken(size: int) -> None:
    with pytest.raises(ValueError, match=f"32 bytes, not {size}"):
        personal_digest(bytes(size))
