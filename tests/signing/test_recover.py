import json
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from coincurve import PublicKey
from hypothesis import given, settings
from hypothesis import strategies as st

from overround.signing import recover
from overround.signing.account import LocalAccount
from overround.signing.keccak import keccak256
from overround.signing.recover import (
    BackendError,
    SignatureError,
    SignatureTextError,
    SignatureValueError,
    assert_fast_backend,
    parse_signature,
    recover_address,
)

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_account import Account  # noqa: E402
from eth_account.messages import encode_defunct  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "vectors" / "sx_vectors.json").read_text())[
    "vectors"
]
SIGNED = [vector for vector in VECTORS if "signature" in vector]

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
HALF_ORDER = CURVE_ORDER // 2

ACCOUNT = LocalAccount(b"\x07" * 32)
DIGEST = keccak256(b"a message")
SIGNATURE = ACCOUNT.sign_digest(DIGEST)
DIGITS = SIGNATURE.hex()
R, S, V = SIGNATURE[:32], SIGNATURE[32:64], SIGNATURE[64]


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def spelt(*, r: bytes = R, s: bytes = S, v: int = V) -> str:
    return "0x" + (r + s + bytes((v,))).hex()


def high_s_twin(signature: bytes) -> bytes:
    s = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + word(s) + bytes((27 + 28 - signature[64],))


# What is accepted


@pytest.mark.row("SIGN-08", "SIGN-09")
@pytest.mark.parametrize(
    "text",
    [
        "0x" + DIGITS,
        DIGITS,
        "0x0x" + DIGITS,
        "0X" + DIGITS,
        "0x" + DIGITS.upper(),
        DIGITS.upper(),
        "0X0x" + DIGITS.title(),
    ],
)
def test_every_spelling_of_a_signature_is_brought_to_one_form(text: str) -> None:
    assert parse_signature(text) == SIGNATURE


@pytest.mark.row("SIGN-09")
@pytest.mark.parametrize("library_prefix", ["", "0x"], ids=["new hexbytes", "old hexbytes"])
def test_the_python_clients_line_works_with_every_age_of_its_library(library_prefix: str) -> None:
    signed = Account.sign_message(encode_defunct(primitive=DIGEST), b"\x07" * 32)
    assert not signed.signature.hex().startswith("0x")
    library_hex = library_prefix + signed.signature.hex()
    assert parse_signature("0x" + library_hex) == bytes(signed.signature)


@pytest.mark.row("SIGN-10")
@pytest.mark.parametrize("offset", [0, 27])
def test_both_families_of_v_are_accepted(offset: int) -> None:
    for parity in (0, 1):
        signature = parse_signature(spelt(v=offset + parity))
        assert signature == R + S + bytes((27 + parity,))
    assert recover_address(DIGEST, parse_signature(spelt(v=V - 27 + offset))) == ACCOUNT.address


def test_the_largest_accepted_r_and_s_are_the_documented_ones() -> None:
    parse_signature(spelt(r=word(CURVE_ORDER - 1), s=word(HALF_ORDER)))
    parse_signature(spelt(r=word(1), s=word(1)))


# What is refused, and what the sender is told


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is empty"),
        ("0x", "is empty"),
        ("0x0x", "is empty"),
        ("0x" + DIGITS[:128], "64 bytes: the compact form is not accepted"),
        ("0x" + DIGITS + "00", "66 bytes; it must have 65"),
        ("0x" + DIGITS + "11" * 20, "85 bytes: send the first 65"),
        ("0x" + DIGITS[2:], "64 bytes"),
        ("0x" + DIGITS[:-1], "odd number of hex digits.*129"),
        ("0x" + DIGITS + "0", "odd number of hex digits.*131"),
        ("0x" + "ab" * 500_000, "500000 bytes"),
        ("0x0x0x" + DIGITS, "not hex: digit 2 after any prefix is 'x'"),
        ("0x" + DIGITS[:-1] + "g", "digit 130 after any prefix is 'g'"),
        ("0xg" + DIGITS[1:], "digit 1 after any prefix is 'g'"),
        ("0x" + DIGITS[:-2] + " 1", "digit 129 after any prefix is ' '"),
        ("0x" + DIGITS[:-2] + "  ", "digit 129 after any prefix is ' '"),
        (" 0x" + DIGITS, "not hex"),
        ("0x" + DIGITS + "\n", "not hex"),
        ("0x " + DIGITS, "not hex"),
        ("0x" + " ".join(DIGITS[i : i + 2] for i in range(0, 130, 2)), "not hex"),
        ("0x" + DIGITS[:63] + "_" + DIGITS[64:], "not hex.*'_'"),
        ("0x" + DIGITS[:-1] + "１", r"not hex.*'\\uff11'"),  # FULLWIDTH DIGIT ONE
        ("0x" + DIGITS[:-1] + "١", r"not hex.*'\\u0661'"),  # ARABIC-INDIC DIGIT ONE
        ("0x" + DIGITS[:-1] + "\ud800", r"not hex.*'\\ud800'"),
        ("0x" + DIGITS[:-1] + "\x00", r"not hex.*'\\x00'"),
        ("0x-" + DIGITS[1:], "not hex.*'-'"),
        ("0x+" + DIGITS[1:], "not hex.*'\\+'"),
        ("N/A", "not hex"),
        ("undefined", "not hex"),
        ("z" * 1_000_000, "not hex"),
    ],
)
def test_text_that_is_not_65_bytes_of_hex(text: str, reason: str) -> None:
    with pytest.raises(SignatureTextError, match=reason) as caught:
        parse_signature(text)
    assert len(str(caught.value)) < 120


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize("v", [2, 3, 4, 26, 29, 30, 31, 35, 36, 37, 127, 128, 255])
def test_no_other_v_is_accepted(v: int) -> None:
    with pytest.raises(SignatureValueError, match=f"v = {v}"):
        parse_signature(spelt(v=v))


@pytest.mark.row("SIGN-11")
def test_exactly_four_values_of_v_are_accepted() -> None:
    accepted = []
    for v in range(256):
        try:
            parse_signature(spelt(v=v))
        except SignatureValueError:
            continue
        accepted.append(v)
    assert accepted == [0, 1, 27, 28]


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize("v", [0, 1, 27, 28])
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"r": bytes(32)}, "r = 0"),
        ({"s": bytes(32)}, "s = 0"),
        ({"r": word(CURVE_ORDER)}, "r at or above the order"),
        ({"r": word(CURVE_ORDER + 1)}, "r at or above the order"),
        ({"r": b"\xff" * 32}, "r at or above the order"),
        ({"s": word(CURVE_ORDER)}, "s at or above the order"),
        ({"s": b"\xff" * 32}, "s at or above the order"),
        ({"s": word(HALF_ORDER + 1)}, "high s"),
        ({"s": word(CURVE_ORDER - 1)}, "high s"),
    ],
)
def test_numbers_outside_the_curve_and_high_s(changed: dict[str, bytes], reason: str, v: int) -> None:
    with pytest.raises(SignatureValueError, match=reason):
        parse_signature(spelt(v=v, **changed))


@pytest.mark.row("SIGN-11")
@given(st.binary(min_size=32, max_size=32))
def test_the_high_s_twin_of_a_signature_is_refused(digest: bytes) -> None:
    twin = high_s_twin(ACCOUNT.sign_digest(digest))
    # The reason for refusing it: it is good, so that one message would have two signatures.
    assert recover_address(digest, twin) == ACCOUNT.address
    with pytest.raises(SignatureValueError, match="high s"):
        parse_signature("0x" + twin.hex())


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused_as_text(text: str) -> None:
    with pytest.raises(SignatureTextError):
        parse_signature(text)


@given(st.binary(min_size=65, max_size=65))
def test_any_65_bytes_are_read_or_refused_for_their_value(raw: bytes) -> None:
    try:
        signature = parse_signature(raw.hex())
    except SignatureValueError:
        return
    assert signature[:64] == raw[:64]
    assert signature[64] in (27, 28)


def test_the_errors_form_one_tree() -> None:
    assert issubclass(SignatureTextError, SignatureError)
    assert issubclass(SignatureValueError, SignatureError)
    assert issubclass(SignatureError, ValueError)


# Recovery


@pytest.mark.row("SIGN-08", "SIGN-15")
@pytest.mark.parametrize("vector", SIGNED, ids=lambda vector: str(vector["id"]))
def test_every_vector_recovers_its_signer(vector: dict[str, Any]) -> None:
    digest = bytes.fromhex((vector.get("digest") or vector["personalSignDigest"])[2:])
    signature = parse_signature(vector["signature"])
    assert "0x" + signature.hex() == vector["signature"]
    signer = recover_address(digest, signature)
    assert signer == bytes.fromhex(vector["signer"][2:])


@settings(deadline=None, max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_it_recovers_what_eth_account_recovers(message: bytes, key: bytes) -> None:
    key = word(int.from_bytes(key, "big") % (CURVE_ORDER - 1) + 1)
    signed = Account.sign_message(encode_defunct(primitive=message), key)
    recovered = recover_address(bytes(signed.message_hash), bytes(signed.signature))
    assert recovered == LocalAccount(key).address


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(1, CURVE_ORDER - 1),
    st.integers(1, HALF_ORDER),
    st.sampled_from([27, 28]),
)
def test_random_numbers_recover_a_stranger_or_nobody(digest: bytes, r: int, s: int, v: int) -> None:
    signature = parse_signature(spelt(r=word(r), s=word(s), v=v))
    try:
        key = PublicKey.from_signature_and_message(signature[:64] + bytes((v - 27,)), digest, hasher=None)
    except ValueError:
        assert recover_address(digest, signature) is None
    else:
        expected = keccak256(key.format(compressed=False)[1:])[12:]
        assert recover_address(digest, signature) == expected


def test_an_r_that_is_on_no_point_recovers_nobody() -> None:
    # 5 is the smallest x without a point on the curve.
    assert recover_address(DIGEST, parse_signature(spelt(r=word(5)))) is None


def test_the_point_at_infinity_recovers_nobody() -> None:
    # With r the x of G and s * G equal to the digest * G, the key would be zero.
    generator_x = 0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798
    s = 12345
    even = parse_signature(spelt(r=word(generator_x), s=word(s), v=27))
    assert recover_address(word(s), even) is None


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize("v", [0, 1, 2, 3, 4, 26, 29, 31, 35, 255])
def test_the_library_never_sees_a_v_that_would_abort_it(v: int) -> None:
    with pytest.raises(SignatureValueError, match=f"not {v}"):
        recover_address(DIGEST, SIGNATURE[:64] + bytes((v,)))


@pytest.mark.parametrize(
    ("digest", "signature"),
    [
        (b"", SIGNATURE),
        (DIGEST[:31], SIGNATURE),
        (DIGEST + b"\x00", SIGNATURE),
        (DIGEST, b""),
        (DIGEST, SIGNATURE[:64]),
        (DIGEST, SIGNATURE + b"\x1b"),
    ],
)
def test_the_library_never_reads_past_the_end(digest: bytes, signature: bytes) -> None:
    with pytest.raises(SignatureValueError, match="32 bytes"):
        recover_address(digest, signature)


HOSTILE = """
import random
from overround.signing.recover import SignatureError, parse_signature, recover_address

generator = random.Random(20250517)
digest = generator.randbytes(32)
outcomes = {"refused": 0, "nobody": 0, "stranger": 0}
for turn in range(10_000):
    raw = bytearray(generator.randbytes(65))
    if turn % 2:  # otherwise hardly any would get as far as recovery
        raw[32] &= 0x7F
        raw[64] = generator.choice((0, 1, 27, 28))
    try:
        signer = recover_address(digest, parse_signature(raw.hex()))
    except SignatureError:
        outcomes["refused"] += 1
    else:
        outcomes["stranger" if signer else "nobody"] += 1
    try:  # and once more past the reader, straight to the library's door
        recover_address(digest, bytes(raw))
    except SignatureError:
        pass
print(*outcomes.values())
"""


@pytest.mark.row("SIGN-11")
def test_the_process_survives_ten_thousand_random_signatures() -> None:
    run = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, text=True, check=False, timeout=60)
    assert (run.returncode, run.stderr) == (0, "")
    refused, nobody, stranger = map(int, run.stdout.split())
    assert refused + nobody + stranger == 10_000
    assert min(refused, nobody, stranger) > 1_000


def test_threads_recover_at_once_without_disturbing_each_other() -> None:
    accounts = [LocalAccount(bytes((number,)) * 32) for number in range(1, 5)]
    wrong: list[bytes | None] = []

    def verify(account: LocalAccount) -> None:
        for turn in range(200):
            digest = keccak256(account.address + bytes((turn,)))
            signer = recover_address(digest, account.sign_digest(digest))
            if signer != account.address:
                wrong.append(signer)

    threads = [threading.Thread(target=verify, args=(account,)) for account in accounts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_recovery_lets_other_threads_run() -> None:
    # With a switch interval this long, a thread gets its turn only if the one before lets go.
    interval = sys.getswitchinterval()
    turns: list[str] = []

    def verify(name: str) -> None:
        for _ in range(2_000):
            recover_address(DIGEST, SIGNATURE)
            turns.append(name)

    other = threading.Thread(target=verify, args=("other",))
    sys.setswitchinterval(60)
    try:
        other.start()
        verify("this")
        other.join()
    finally:
        sys.setswitchinterval(interval)
    handovers = sum(before != after for before, after in pairwise(turns))
    assert handovers > 1


# The check at start


def test_the_compiled_backend_is_accepted() -> None:
    assert_fast_backend()


def test_a_slow_backend_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recover, "_recover", lambda *_: 1)
    with pytest.raises(BackendError, match="not compiled"):
        assert_fast_backend()


@pytest.mark.parametrize("answer", [None, bytes(20)])
def test_a_wrong_backend_is_refused(monkeypatch: pytest.MonkeyPatch, answer: bytes | None) -> None:
    monkeypatch.setattr(recover, "recover_address", lambda *_: answer)
    with pytest.raises(BackendError, match="wrong answer"):
        assert_fast_backend()
