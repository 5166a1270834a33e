"""Signatures as real libraries make them, in every accepted spelling and in every broken one (`spec/sx.md` 4)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, assert_some_failure, data_of
from tests.protocols.operating import Operator
from tests.protocols.sx.wallet import Wallet

from overround.sandbox.accounts import PRIVATE_KEYS
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("sx signatures")  # one server for the module

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141

WALLET = Wallet(PRIVATE_KEYS[4])
VECTORS: list[dict[str, Any]] = json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())[
    "vectors"
]

# What each cancel names.
SCOPES: dict[str, dict[str, Any]] = {
    "v2": {"order_hashes": ["0xabc..."]},
    "event": {"event": "L1000001"},
    "all": {},
}

Signature = str
Sender = Callable[[Callable[[Signature], Any]], httpx.Response]


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture(params=["order", "v2", "event", "all"])
def send(request: pytest.FixtureRequest, http: httpx.Client, world: dict[str, Any]) -> Sender:
    """Sends a fresh signed request of one kind after a change of its signature."""
    kind: str = request.param

    def post(change: Callable[[Signature], Any]) -> httpx.Response:
        now, salt = int(time.time()), secrets.token_bytes(32)
        if kind == "order":
            market = world["markets"][0]["marketHash"]
            number = int.from_bytes(salt, "big")
            body = WALLET.order(market, number, size=10**7, odds=50 * 10**18, api_expiry=now + 600, one=True)
            return http.post("/orders/new", json={"orders": [{**body, "signature": change(body["signature"])}]})
        body = WALLET.cancel(kind, salt, now, **SCOPES[kind])
        return http.post(f"/orders/cancel/{kind}", json={**body, "signature": change(body["signature"])})

    return post


def parts(signature: Signature) -> tuple[int, int, int]:
    raw = bytes.fromhex(signature.removeprefix("0x"))
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big"), raw[64]


def whole(r: int, s: int, v: int) -> Signature:
    return f"0x{r:064x}{s:064x}{v:02x}"


def with_v(v: int) -> Callable[[Signature], Signature]:
    return lambda signature: f"{signature[:-2]}{v:02x}"


def with_small_v(signature: Signature) -> Signature:
    r, s, v = parts(signature)
    return whole(r, s, v - 27)


def with_high_s(signature: Signature) -> Signature:
    """The malleable twin: it recovers the same address with most libraries."""
    r, s, v = parts(signature)
    return whole(r, CURVE_ORDER - s, 55 - v)


# ---- accepted ------------------------------------------------------------------------------------------------------


@pytest.mark.row("SIGN-02", "SIGN-03", "SIGN-04", "SIGN-05", "SIGN-06", "SIGN-08", "SIGN-09", "SIGN-10", "CAN-04")
@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda text: text, id="0x and hex, as ethers and current libraries write it"),
        pytest.param(lambda text: text[2:], id="bare hex"),
        pytest.param(lambda text: "0x" + text, id="0x0x, as a prefixed hex of an older library comes out"),
        pytest.param(lambda text: "0x" + text[2:].upper(), id="upper case"),
        pytest.param(lambda text: "0X" + text[2:].upper(), id="upper case with its prefix"),
        pytest.param(with_small_v, id="v 0 or 1"),
        pytest.param(lambda text: "0x" + with_small_v(text).upper(), id="v 0 or 1, doubled prefix, upper case"),
    ],
)
def test_a_signature_is_accepted_in_every_spelling_that_clients_send(
    send: Sender, spell: Callable[[Signature], Signature]
) -> None:
    data = data_of(send(spell))
    assert data.get("inserted", 1) == 1


@pytest.mark.row("SIGN-10", "HTTP-08")
def test_a_signature_is_stored_in_its_normal_form(http: httpx.Client, world: dict[str, Any]) -> None:
    market = world["markets"][1]["marketHash"]
    order = WALLET.order(market, 7, size=10**7, odds=50 * 10**18, api_expiry=int(time.time()) + 600, one=True)
    spelt = {**order, "signature": "0X" + with_small_v(order["signature"])[2:].upper()}
    (name,) = data_of(http.post("/orders/new", json={"orders": [spelt]}))["orders"]
    (row,) = data_of(http.get("/orders", params={"orderHashes": name}))
    assert row["signature"] == order["signature"]


@pytest.mark.row("SIGN-01")
def test_the_hash_of_an_order_is_the_one_that_its_signer_computed(http: httpx.Client, world: dict[str, Any]) -> None:
    for market, one in ((world["markets"][1]["marketHash"], True), (world["markets"][2]["marketHash"], False)):
        salt = secrets.randbits(256)
        order = WALLET.order(market, salt, size=12_345_678, odds=125 * 10**15, api_expiry=2**40, one=one)
        expected = "0x" + WALLET.order_hash(market, salt, size=12_345_678, odds=125 * 10**15, one=one).hex()
        assert data_of(http.post("/orders/new", json={"orders": [order]}))["statuses"] == {expected: "OK"}


@pytest.fixture(scope="module")
def venues(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, httpx.Client]]:
    """A venue for each chain id that takes cancels of any age: the vectors are from the past."""
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text("[sx]\ncancel_timestamp_past_max_s = 0\ncancel_timestamp_future_max_s = 0\n")
    with (
        ServerProcess("--config", str(file)) as mainnet,
        ServerProcess("--config", str(file), "--profile", "toronto") as toronto,
        mainnet.client() as of_mainnet,
        toronto.client() as of_toronto,
    ):
        yield {4162: of_mainnet, 79479957: of_toronto}


CANCEL_PATHS = {"cancel_v2": "v2", "cancel_event": "event", "cancel_all": "all"}


@pytest.mark.row("SIGN-03", "SIGN-04", "SIGN-05", "SIGN-07", "SIGN-15")
@pytest.mark.parametrize(
    "vector", [one for one in VECTORS if one["kind"] in CANCEL_PATHS], ids=lambda vector: str(vector["id"])
)
def test_the_cancels_of_the_vectors_are_accepted_on_their_chain_and_on_no_other(
    venues: dict[int, httpx.Client], vector: dict[str, Any]
) -> None:
    chain_id, path = vector["domain"]["chainId"], f"/orders/cancel/{CANCEL_PATHS[vector['kind']]}"
    for other, venue in venues.items():
        answer = venue.post(path, json=vector["requestBody"])
        if other == chain_id:
            assert data_of(answer)["cancelledCount"] == 0
        else:
            assert_failure(answer, 400, "SIGNATURE_MISMATCH")


@pytest.mark.row("SIGN-01", "SIGN-02", "SIGN-15")
@pytest.mark.parametrize(
    "vector",
    [one for one in VECTORS if one["kind"] == "maker_order" and one.get("signature")],
    ids=lambda vector: str(vector["id"]),
)
def test_the_signed_orders_of_the_vectors_pass_every_check_but_that_of_their_market(
    venues: dict[int, httpx.Client], vector: dict[str, Any]
) -> None:
    order = {**vector["order"], "signature": vector["signature"], "apiExpiry": 2**40}
    is_mainnet = order["executor"] == "0x52adf738AAD93c31f798a30b2C74D658e1E9a562"
    venue = venues[4162 if is_mainnet else 79479957]
    data = data_of(venue.post("/orders/new", json={"orders": [order]}))
    assert data == {"orders": [vector["orderHash"]], "statuses": {vector["orderHash"]: "INVALID_MARKET"}, "inserted": 0}


# ---- refused -------------------------------------------------------------------------------------------------------


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize("v", [2, 3, 4, 26, 29, 30, 31, 32, 35, 36, 37, 127, 128, 255])
def test_a_recovery_id_outside_the_four_accepted_ones_is_a_mismatch_and_never_reaches_the_library(
    send: Sender, http: httpx.Client, v: int
) -> None:
    """libsecp256k1 aborts the process on a recovery id outside 0 to 3."""
    assert_failure(send(with_v(v)), 400, "SIGNATURE_MISMATCH")
    assert http.get("/healthz").status_code == 200


@pytest.mark.row("SIGN-11")
def test_the_twin_with_a_high_s_is_a_mismatch(send: Sender) -> None:
    body = assert_failure(send(with_high_s), 400, "SIGNATURE_MISMATCH")
    assert "high s" in body["detail"]


@pytest.mark.row("SIGN-11", "CAN-09")
def test_the_twin_of_a_used_cancel_is_a_replay(http: httpx.Client) -> None:
    body = WALLET.cancel("all", secrets.token_bytes(32), int(time.time()))
    data_of(http.post("/orders/cancel/all", json=body))
    twin = {**body, "signature": with_high_s(body["signature"])}
    assert_failure(http.post("/orders/cancel/all", json=twin), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize(
    ("r", "s"),
    [
        (0, 1), (1, 0), (0, 0), (CURVE_ORDER, 1), (1, CURVE_ORDER), (1, CURVE_ORDER - 1), (1, CURVE_ORDER // 2 + 1),
        (2**256 - 1, 1), (1, 2**256 - 1), (2**256 - 1, 2**256 - 1),
        (5, 1),  # no point of the curve has this abscissa
        (1, 1), (CURVE_ORDER - 1, CURVE_ORDER // 2),
    ],
)  # fmt: skip
def test_numbers_that_are_no_signature_are_a_mismatch(send: Sender, r: int, s: int) -> None:
    for signature in (whole(r, s, v) for v in (27, 28, 0, 1)):
        assert_failure(send(partial(_instead, signature)), 400, "SIGNATURE_MISMATCH")


def _instead(signature: Signature, _: Signature) -> Signature:
    return signature


@pytest.mark.row("SIGN-11")
@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda text: text[:-2], id="64 bytes"),
        pytest.param(lambda text: text + "00", id="66 bytes"),
        pytest.param(lambda text: text + "00" * 20, id="85 bytes"),
        pytest.param(lambda text: text[:-1], id="half a byte short"),
        pytest.param(lambda text: text + "0", id="half a byte long"),
        pytest.param(lambda _: "", id="empty"),
        pytest.param(lambda _: "0x", id="prefix only"),
        pytest.param(lambda text: "0x0x0x" + text[2:], id="tripled prefix"),
        pytest.param(lambda text: "x" + text[2:], id="half a prefix"),
        pytest.param(lambda text: text[:40] + "g" + text[41:], id="a letter that is no hex digit"),
        pytest.param(lambda text: text[:40] + " " + text[41:], id="a space"),
        pytest.param(lambda text: text[:40] + "\x00" + text[41:], id="a NUL"),
        pytest.param(lambda text: text[:40] + "é" + text[41:], id="a letter outside ASCII"),
        pytest.param(lambda text: text[:40] + "１" + text[41:], id="a digit of another script"),
        pytest.param(lambda text: text + "\n", id="a line break behind it"),
        pytest.param(lambda text: " " + text, id="a space before it"),
        pytest.param(lambda _: "0x" + "ab" * 500_000, id="a megabyte"),
        pytest.param(lambda text: int(text, 16), id="a number"),
        pytest.param(lambda text: list(bytes.fromhex(text[2:])), id="a list of bytes"),
        pytest.param(lambda text: dict(zip("rsv", parts(text), strict=True)), id="an object"),
        pytest.param(lambda _: None, id="null"),
        pytest.param(lambda _: True, id="a boolean"),
    ],
)
def test_text_that_is_not_the_hex_of_65_bytes_is_malformed(
    send: Sender, operator: Operator, break_it: Callable[[Signature], Any]
) -> None:
    before = operator.digest()
    answer = send(break_it)
    body = assert_some_failure(answer)
    if body["errorCode"] == "BAD_REQUEST":
        assert_bad_request(answer, "signature")
    else:
        assert body["errorCode"] == "SIGNATURE_UNDEFINED_OR_MALFORMED"
    assert operator.digest() == before


@pytest.mark.row("SIGN-07")
@pytest.mark.parametrize("kind", ["v2", "event", "all"])
@pytest.mark.parametrize(
    "domain",
    [
        {"chain_id": 79479957},
        {"chain_id": 1},
        {"chain_id": 0},
        {"version": "1"},
        {"version": "6.0"},
        {"domain_name": "CancelOrderSportX"},
        {"domain_name": "SX Bet"},
    ],
    ids=str,
)
def test_a_cancel_signed_for_another_domain_is_a_mismatch(
    http: httpx.Client, kind: str, domain: dict[str, Any]
) -> None:
    body = WALLET.cancel(kind, secrets.token_bytes(32), int(time.time()), **SCOPES[kind], **domain)
    assert_failure(http.post(f"/orders/cancel/{kind}", json=body), 400, "SIGNATURE_MISMATCH")


@pytest.mark.row("SIGN-07")
def test_an_order_that_names_the_executor_of_the_other_chain_is_refused(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    """A maker order does not name the chain; its executor does."""
    order = WALLET.order(world["markets"][0]["marketHash"], 9, size=10**7, odds=50 * 10**18, api_expiry=2**40, one=True)
    order["executor"] = "0x3259E7Ccc0993368fCB82689F5C534669A0C06ca"
    assert_failure(http.post("/orders/new", json={"orders": [order]}), 400, "EXECUTOR_UNDEFINED_OR_MALFORMED")


@pytest.mark.row("SIGN-01", "SIGN-02")
@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("marketHash", "0x" + "00" * 32),
        ("totalBetSize", "10000001"),
        ("percentageOdds", "50125000000000000000"),
        ("salt", "2"),
        ("isMakerBettingOutcomeOne", False),
        ("maker", "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"),
    ],
)
def test_every_signed_member_of_an_order_is_bound_by_the_signature(
    http: httpx.Client, world: dict[str, Any], member: str, value: Any
) -> None:
    market = world["markets"][0]["marketHash"]
    order = WALLET.order(market, 1, size=10**7, odds=50 * 10**18, api_expiry=2**40, one=True)
    answer = http.post("/orders/new", json={"orders": [{**order, member: value}]})
    assert_failure(answer, 400, "SIGNATURE_MISMATCH")
