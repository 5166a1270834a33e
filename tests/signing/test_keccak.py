import hashlib

import pytest

from overround.signing.keccak import keccak256


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"),
        (b"abc", "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45"),
        (b"Nado", "a1b347e60d6351a680000acec45b87735fe2e844c0572ff21d5862b4df0e9300"),
    ],
)
def test_known_hashes(data: bytes, expected: str) -> None:
    assert keccak256(data).hex() == expected


def test_it_is_not_the_sha3_of_the_standard() -> None:
    assert keccak256(b"abc") != hashlib.sha3_256(b"abc").digest()
