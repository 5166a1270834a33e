import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overround.signing import eip712
from overround.signing.eip712 import (
    TypedDataError,
    address_word,
    array_hash,
    bool_word,
    bytes32_word,
    contract_domain,
    int_word,
    salted_domain,
    string_array_hash,
    string_hash,
    struct_hash,
    type_hash,
    typed_digest,
    uint256_word,
    uint_word,
)
from overround.signing.keccak import keccak256

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_account.messages import encode_typed_data  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

UINT256_MAX = 2**256 - 1
NOTHING_HASHED = keccak256(b"")

texts = st.text(max_size=80)
words32 = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)


def uints(bits: int) -> st.SearchStrategy[int]:
    return st.integers(0, 2**bits - 1)


def ints(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


# Every member type that the dialects sign: how to draw one, and how we encode it.
MEMBERS: dict[str, tuple[st.SearchStrategy[Any], Callable[[Any], bytes]]] = {
    "string": (texts, string_hash),
    "bool": (st.booleans(), bool_word),
    "address": (addresses, address_word),
    "bytes": (st.binary(max_size=80), keccak256),
    "bytes32": (words32, bytes32_word),
    "uint8": (uints(8), lambda value: uint_word(value, 8)),
    "uint32": (uints(32), lambda value: uint_word(value, 32)),
    "uint64": (uints(64), lambda value: uint_word(value, 64)),
    "uint128": (uints(128), lambda value: uint_word(value, 128)),
    "uint256": (uints(256), uint256_word),
    "int128": (ints(128), lambda value: int_word(value, 128)),
    "int256": (ints(256), lambda value: int_word(value, 256)),
    "string[]": (st.lists(texts, max_size=4), string_array_hash),
    "bytes32[]": (st.lists(words32, max_size=4), array_hash),
    "uint32[]": (
        st.lists(uints(32), max_size=4),
        lambda values: array_hash([uint_word(value, 32) for value in values]),
    ),
}


@st.composite
def messages(draw: st.DrawFn) -> list[tuple[str, Any]]:
    kinds = draw(st.lists(st.sampled_from(sorted(MEMBERS)), min_size=1, max_size=6))
    return [(kind, draw(MEMBERS[kind][0])) for kind in kinds]


@settings(deadline=None)
@given(messages(), texts, texts, uints(64), words32)
def test_a_random_message_in_a_salted_domain_hashes_as_eth_account_says(
    members: list[tuple[str, Any]], name: str, version: str, chain_id: int, salt: bytes
) -> None:
    domain = {"name": name, "version": version, "chainId": chain_id, "salt": salt}
    separator = salted_domain(name, version, chain_id, salt)
    assert_equal_to_eth_account(domain, separator, members)


@settings(deadline=None)
@given(messages(), texts, texts, uints(64), addresses)
def test_a_random_message_in_a_contract_domain_hashes_as_eth_account_says(
    members: list[tuple[str, Any]], name: str, version: str, chain_id: int, contract: bytes
) -> None:
    domain = {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": "0x" + contract.hex(),
    }
    separator = contract_domain(name, version, chain_id, contract)
    assert_equal_to_eth_account(domain, separator, members)


def assert_equal_to_eth_account(domain: dict[str, Any], separator: bytes, members: list[tuple[str, Any]]) -> None:
    fields = [{"name": f"m{i}", "type": kind} for i, (kind, _) in enumerate(members)]
    signable = encode_typed_data(domain, {"Message": fields}, {f"m{i}": value for i, (_, value) in enumerate(members)})
    type_text = "Message(" + ",".join(f"{f['type']} {f['name']}" for f in fields) + ")"
    ours = struct_hash(type_hash(type_text), *[MEMBERS[kind][1](value) for kind, value in members])
    assert separator == signable.header
    assert ours == signable.body
    assert typed_digest(separator, ours) == keccak256(b"\x19" + signable.version + signable.header + signable.body)


@pytest.mark.parametrize(
    ("contract", "separator"),
    [
        (
            "0000000000000000000000000000000000000002",
            "53a1b8705759523a089bf598ed3b977b17e68860e5886950c416878869a3ecf8",
        ),
        (
            "698d87105274292b5673367dec81874ce3633ac2",
            "c06910bc539dca2e02940c0a9fe806e6815d411ecf74f7e244ffc7a86d64fdf5",
        ),
    ],
)
def test_known_domains_of_the_other_dialect(contract: str, separator: str) -> None:
    assert contract_domain("Nado", "0.0.1", 763373, bytes.fromhex(contract)).hex() == separator


def test_known_type_hash() -> None:
    order = "Order(bytes32 sender,int128 priceX18,int128 amount,uint64 expiration,uint64 nonce,uint128 appendix)"
    assert type_hash(order).hex() == ("f3470a668b2f0320725df211bd72d8b088d93caf7fd296a5722d4c457e29a8b3")


def test_an_empty_array_hashes_nothing() -> None:
    assert array_hash([]) == string_array_hash([]) == NOTHING_HASHED


def test_a_negative_integer_is_sign_extended() -> None:
    assert int_word(-1, 128) == b"\xff" * 32
    assert int_word(-(2**127), 128) == b"\xff" * 16 + b"\x80" + bytes(15)
    assert int_word(2**127 - 1, 128) == bytes(16) + b"\x7f" + b"\xff" * 15


@pytest.mark.parametrize("bits", [8, 32, 64, 128, 256])
def test_integers_are_refused_from_the_first_one_that_does_not_fit(bits: int) -> None:
    assert uint_word(0, bits) == bytes(32)
    assert int.from_bytes(uint_word(2**bits - 1, bits), "big") == 2**bits - 1
    for value in (-1, 2**bits):
        with pytest.raises(TypedDataError, match=f"uint{bits}"):
            uint_word(value, bits)
    for value in (-(2 ** (bits - 1)) - 1, 2 ** (bits - 1)):
        with pytest.raises(TypedDataError, match=f" int{bits}"):
            int_word(value, bits)


@pytest.mark.parametrize("value", [-1, 2**256, 2**4096])
def test_uint256_is_refused_out_of_range(value: int) -> None:
    assert uint256_word(UINT256_MAX) == b"\xff" * 32
    with pytest.raises(TypedDataError, match="uint256"):
        uint256_word(value)


@pytest.mark.row("SIGN-06")
@pytest.mark.parametrize("size", [0, 20, 31, 33, 64])
def test_a_salt_is_exactly_32_bytes(size: int) -> None:
    with pytest.raises(TypedDataError, match=f"32 bytes, not {size}"):
        salted_domain("Venue", "1", 1, bytes(size))


@pytest.mark.parametrize("size", [0, 19, 21, 32])
def test_an_address_is_exactly_20_bytes(size: int) -> None:
    with pytest.raises(TypedDataError, match=f"20 bytes, not {size}"):
        address_word(bytes(size))
    with pytest.raises(TypedDataError, match=f"20 bytes, not {size}"):
        contract_domain("Venue", "1", 1, bytes(size))


def test_words_of_wrong_length_are_refused_even_when_the_total_is_right() -> None:
    uneven = [bytes(31), bytes(33)]
    with pytest.raises(TypedDataError, match="32 bytes, not 31"):
        array_hash(uneven)
    with pytest.raises(TypedDataError, match="32 bytes, not 31"):
        struct_hash(bytes(32), *uneven)
    for separator, struct in ((bytes(31), bytes(33)), (bytes(32), b""), (b"", bytes(32))):
        with pytest.raises(TypedDataError, match="32 bytes each"):
            typed_digest(separator, struct)


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(TypedDataError, match="surrogate"):
        string_hash("L1\ud800")
    with pytest.raises(TypedDataError, match="surrogate"):
        string_array_hash(["ok", "\udfff"])


@pytest.mark.parametrize("chain_id", [-1, 2**256])
def test_a_chain_id_out_of_range_is_refused(chain_id: int) -> None:
    with pytest.raises(TypedDataError, match="uint256"):
        salted_domain("Venue", "1", chain_id, bytes(32))


def test_the_salt_is_all_that_a_known_salted_domain_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    salted_domain("Venue", "1", 7, bytes(32))
    hashed: list[bytes] = []

    def counting(data: bytes) -> bytes:
        hashed.append(data)
        return keccak256(data)

    monkeypatch.setattr(eip712, "keccak256", counting)
    salted_domain("Venue", "1", 7, b"\x01" * 32)
    assert len(hashed) == 1
