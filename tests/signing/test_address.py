import pytest
from eth_utils.address import is_checksum_address, to_checksum_address
from hypothesis import given
from hypothesis import strategies as st

from overround.signing.address import (
    ADDRESS_CACHE_SIZE_MAX,
    AddressError,
    checksum_address,
    parse_address,
)

# From EIP-55; then an address whose digits are all decimal, and the zero address.
CHECKSUMMED = [
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    "0x52908400098527886E0F7030069857D2E4169EE7",
    "0xde709f2102306220921060314715629080e2fb77",
    "0x1234567890123456789012345678901234567890",
    "0x0000000000000000000000000000000000000000",
]
MIXED = CHECKSUMMED[0]


@pytest.mark.parametrize("text", CHECKSUMMED)
def test_every_accepted_spelling_is_the_same_address(text: str) -> None:
    address = parse_address(text)
    assert address.hex() == text[2:].lower()
    assert parse_address(text.lower()) == address
    assert parse_address("0x" + text[2:].upper()) == address
    assert checksum_address(address) == text


@given(st.binary(min_size=20, max_size=20))
def test_the_checksum_is_the_one_of_ethereum(address: bytes) -> None:
    text = checksum_address(address)
    assert text == to_checksum_address(address)
    assert parse_address(text) == address


@given(st.binary(min_size=20, max_size=20), st.integers(0, 39))
def test_one_letter_in_the_wrong_case_is_refused(address: bytes, place: int) -> None:
    text = checksum_address(address)
    digits = text[2:]
    wrong = "0x" + digits[:place] + digits[place].swapcase() + digits[place + 1 :]
    if wrong[2:] in (digits, digits.lower(), digits.upper()):
        assert parse_address(wrong) == address
    else:
        assert not is_checksum_address(wrong)
        with pytest.raises(AddressError, match=f"its checksummed spelling is {text}"):
            parse_address(wrong)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "starts with 0x"),
        (MIXED[2:], "starts with 0x"),
        ("0X" + MIXED[2:], "starts with 0x"),
        (" " + MIXED, "starts with 0x"),
        (MIXED + " ", "41 characters"),
        (MIXED + "\n", "41 characters"),
        (MIXED[:-1], "39 characters"),
        ("0x" + MIXED, "42 characters"),
        ("0x", "0 characters"),
        ("0x" + "a" * 1_000_000, "1000000 characters"),
        (MIXED[:-1] + "g", "another character"),
        (MIXED[:-1] + " ", "another character"),
        (MIXED[:-1] + "\n", "another character"),
        (MIXED[:-2] + "_1", "another character"),
        (MIXED[:-2] + "0x", "another character"),
        (MIXED[:-1] + "٣", "another character"),  # ARABIC-INDIC DIGIT THREE: int() takes it
        (MIXED[:-1] + "３", "another character"),  # FULLWIDTH DIGIT THREE
        (MIXED[:-1] + "\ud800", "another character"),
        ("0x+" + MIXED[3:], "another character"),
    ],
)
def test_everything_else_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(AddressError, match=reason) as caught:
        parse_address(text)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("size", [0, 19, 21, 32])
def test_only_twenty_bytes_are_spelt(size: int) -> None:
    with pytest.raises(AddressError, match=f"20 bytes, not {size}"):
        checksum_address(bytes(size))


def test_the_caches_are_bounded() -> None:
    assert parse_address.cache_info().maxsize == ADDRESS_CACHE_SIZE_MAX
    assert checksum_address.cache_info().maxsize == ADDRESS_CACHE_SIZE_MAX


def test_refusals_are_not_cached() -> None:
    before = parse_address.cache_info().currsize
    with pytest.raises(AddressError):
        parse_address("0x" + "z" * 40)
    assert parse_address.cache_info().currsize == before
