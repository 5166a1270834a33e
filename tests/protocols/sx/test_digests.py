import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overround.protocols.sx import digests
from overround.protocols.sx.digests import (
    FillMessage,
    LegacyFillMessage,
    OrderFields,
    PermitMessage,
    cancel_all_digest,
    cancel_all_domain,
    cancel_all_struct,
    cancel_event_digest,
    cancel_event_domain,
    cancel_event_struct,
    cancel_orders_digest,
    cancel_orders_domain,
    cancel_orders_struct,
    fill_digest,
    fill_domain,
    fill_struct,
    legacy_fill_digest,
    legacy_fill_struct,
    order_digest,
    order_hash,
    packed_order,
    permit_digest,
    permit_domain,
    permit_struct,
)
from overround.signing import eip712, keccak
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address, parse_address
from overround.signing.eip712 import TypedDataError, type_hash
from overround.signing.recover import parse_signature, recover_address

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_account import Account  # noqa: E402
from eth_account.messages import encode_defunct, encode_typed_data  # noqa: E402
from eth_utils.crypto import keccak as their_keccak  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

Vector = dict[str, Any]

VECTORS: dict[str, Vector] = {
    vector["id"]: vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())["vectors"]
}
ORDERS = [vector for vector in VECTORS.values() if vector["kind"] == "maker_order"]
TYPED = [vector for vector in VECTORS.values() if "domainSeparator" in vector]

CHAIN_ID = 4162
OTHER_CHAIN_ID = 79479957
SALT = bytes(range(32))
TIMESTAMP = 1747490000
UINT256_MAX = 2**256 - 1
LEGACY_DISPLAY_FIELDS = ("action", "market", "betting", "stake", "odds", "returning")

texts = st.text(max_size=80)
words = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
uints = st.integers(0, UINT256_MAX)
chain_ids = st.integers(0, 2**64 - 1)
orders = st.builds(OrderFields, words, addresses, uints, uints, uints, uints, addresses, addresses, st.booleans())
fills = st.builds(
    FillMessage,
    *[texts] * 5,
    uints,
    st.booleans(),
    uints,
    *[texts] * 5,
    addresses,
    st.integers(0, 255),
    words,
)


def by_id(vector: Vector) -> str:
    return str(vector["id"])


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def number(text: str | int) -> int:
    return int(text, 0) if isinstance(text, str) else text


def order_fields(order: dict[str, Any]) -> OrderFields:
    return OrderFields(
        market_hash=raw(order["marketHash"]),
        base_token=parse_address(order["baseToken"]),
        total_bet_size=number(order["totalBetSize"]),
        percentage_odds=number(order["percentageOdds"]),
        expiry=number(order["expiry"]),
        salt=number(order["salt"]),
        maker=parse_address(order["maker"]),
        executor=parse_address(order["executor"]),
        outcome_one=order["isMakerBettingOutcomeOne"],
    )


# The vectors


def test_all_eighteen_vectors_are_here() -> None:
    assert len(VECTORS) == 18
    assert len(ORDERS) + len(TYPED) + 1 == 18


@pytest.mark.row("SIGN-01", "SIGN-15")
@pytest.mark.parametrize("vector", ORDERS, ids=by_id)
def test_an_order_of_the_vectors_packs_and_hashes(vector: Vector) -> None:
    fields = order_fields(vector["order"])
    packed = packed_order(*fields)
    assert len(packed) == vector["packedLength"] == 221
    assert packed == raw(vector["packed"])
    assert order_hash(*fields) == raw(vector["orderHash"])
    assert order_digest(order_hash(*fields)) == raw(vector["personalSignDigest"])


@pytest.mark.row("SIGN-02", "SIGN-15")
@pytest.mark.parametrize("vector", [v for v in ORDERS if "signature" in v], ids=by_id)
def test_an_order_of_the_vectors_is_signed_by_its_maker(vector: Vector) -> None:
    fields = order_fields(vector["order"])
    digest = order_digest(order_hash(*fields))
    signer = recover_address(digest, parse_signature(vector["signature"]))
    assert signer == fields.maker == parse_address(vector["signer"])


Parts = tuple[bytes, bytes, bytes]
"""Domain separator, struct hash and digest."""


def cancel_orders_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    chain_id, salt = domain["chainId"], raw(body["salt"])
    hashes, timestamp = body["orderHashes"], body["timestamp"]
    return (
        cancel_orders_domain(chain_id, salt),
        cancel_orders_struct(hashes, timestamp),
        cancel_orders_digest(chain_id, salt, hashes, timestamp),
    )


def cancel_event_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    chain_id, salt = domain["chainId"], raw(body["salt"])
    event_id, timestamp = body["sportXeventId"], body["timestamp"]
    return (
        cancel_event_domain(chain_id, salt),
        cancel_event_struct(event_id, timestamp),
        cancel_event_digest(chain_id, salt, event_id, timestamp),
    )


def cancel_all_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    chain_id, salt, timestamp = domain["chainId"], raw(body["salt"]), body["timestamp"]
    return (
        cancel_all_domain(chain_id, salt),
        cancel_all_struct(timestamp),
        cancel_all_digest(chain_id, salt, timestamp),
    )


def fill_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    message = FillMessage(
        market=body["market"],
        market_hash=body.get("marketHash", body["market"]),
        base_token=body["baseToken"],
        stake_wei=body["stakeWei"],
        desired_odds=body["desiredOdds"],
        odds_slippage=body["oddsSlippage"],
        outcome_one=body["isTakerBettingOutcomeOne"],
        fill_salt=number(body["fillSalt"]),
    )
    place = domain["chainId"], domain["version"], parse_address(domain["verifyingContract"])
    return fill_domain(*place), fill_struct(message), fill_digest(*place, message)


def legacy_fill_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    named = [v for v in ORDERS if v["orderHash"] in body["orderHashes"]]
    message = LegacyFillMessage(
        orders=[order_fields(vector["order"]) for vector in named],
        maker_signatures=[parse_signature(vector["signature"]) for vector in named],
        taker_amounts=[number(amount) for amount in body["takerAmounts"]],
        fill_salt=number(body["fillSalt"]),
        **{field: body[field] for field in LEGACY_DISPLAY_FIELDS},
    )
    place = domain["chainId"], domain["version"], parse_address(domain["verifyingContract"])
    return fill_domain(*place), legacy_fill_struct(message), legacy_fill_digest(*place, message)


def permit_parts(domain: dict[str, Any], body: dict[str, Any]) -> Parts:
    message = PermitMessage(
        owner=parse_address(body["owner"]),
        spender=parse_address(body["spender"]),
        value=number(body["value"]),
        nonce=0,
        deadline=number(body["deadline"]),
    )
    place = domain["chainId"], domain["name"], parse_address(body["tokenAddress"])
    return permit_domain(*place), permit_struct(message), permit_digest(*place, message)


PARTS: dict[str, Callable[[dict[str, Any], dict[str, Any]], Parts]] = {
    "cancel_v2": cancel_orders_parts,
    "cancel_event": cancel_event_parts,
    "cancel_all": cancel_all_parts,
    "fill_v2": fill_parts,
    "fill_v1": legacy_fill_parts,
    "approve": permit_parts,
}
ROWS = {
    "cancel_v2": ["SIGN-03", "SIGN-06"],
    "cancel_event": ["SIGN-04", "SIGN-06"],
    "cancel_all": ["SIGN-05", "SIGN-06"],
    "fill_v2": ["SIGN-12"],
    "fill_v1": ["SIGN-14"],
    "approve": ["SIGN-13"],
}


def typed_cases() -> list[Any]:
    return [
        pytest.param(
            vector,
            id=vector["id"],
            marks=pytest.mark.row("SIGN-07", "SIGN-15", *ROWS[vector["kind"]]),
        )
        for vector in TYPED
    ]


@pytest.mark.parametrize("vector", typed_cases())
def test_a_request_of_the_vectors_is_hashed_and_signed_as_recorded(vector: Vector) -> None:
    domain, struct, digest = PARTS[vector["kind"]](vector["domain"], vector["requestBody"])
    assert domain == raw(vector["domainSeparator"])
    assert struct == raw(vector["structHash"])
    assert digest == raw(vector["digest"])
    signature = parse_signature(vector["signature"])
    assert recover_address(digest, signature) == parse_address(vector["signer"])
    assert LocalAccount.from_hex(vector["privateKey"]).sign_digest(digest) == signature


@pytest.mark.row("SIGN-03", "SIGN-04", "SIGN-05", "SIGN-12", "SIGN-13", "SIGN-14")
@pytest.mark.parametrize(
    ("hash_of_type", "vector"),
    [
        (digests._CANCEL_ORDERS, "cancel-v2-1"),
        (digests._CANCEL_EVENT, "cancel-event-1"),
        (digests._CANCEL_ALL, "cancel-all-1"),
        (digests._FILL, "fill-v2-1"),
        (digests._LEGACY_FILL, "fill-v1-legacy"),
        (digests._PERMIT, "approve-permit-1"),
    ],
)
def test_the_type_hashes_are_those_of_the_vectors(hash_of_type: bytes, vector: str) -> None:
    assert hash_of_type == raw(VECTORS[vector]["typeHash"])
    assert hash_of_type == type_hash(VECTORS[vector]["encodeType"])


@pytest.mark.row("SIGN-07", "SIGN-15")
def test_a_signature_for_another_chain_is_a_strangers() -> None:
    cancel, negative = VECTORS["cancel-v2-1"], VECTORS["negative-cancel-wrong-chain"]
    elsewhere = {**cancel["domain"], "chainId": OTHER_CHAIN_ID}
    _, _, digest = cancel_orders_parts(elsewhere, cancel["requestBody"])
    recovered = recover_address(digest, parse_signature(cancel["signature"]))
    assert recovered is not None
    assert checksum_address(recovered) == negative["recovered"]
    assert checksum_address(recovered) != negative["mustNotEqual"]


@pytest.mark.row("SIGN-12")
def test_the_display_variants_of_a_fill_are_told_apart_by_its_signature() -> None:
    vector = VECTORS["fill-v2-3"]
    body, domain = vector["requestBody"], vector["domain"]
    place = domain["chainId"], domain["version"], parse_address(domain["verifyingContract"])
    message = FillMessage(
        body["marketHash"],
        body["marketHash"],
        body["baseToken"],
        body["stakeWei"],
        body["desiredOdds"],
        body["oddsSlippage"],
        body["isTakerBettingOutcomeOne"],
        number(body["fillSalt"]),
    )
    signature, taker = parse_signature(body["takerSig"]), parse_address(body["taker"])
    signers = {
        market: recover_address(fill_digest(*place, message._replace(market=market)), signature)
        for market in (body["market"], body["marketHash"])
    }
    assert signers[body["market"]] == taker
    assert signers[body["marketHash"]] != taker


# Against an independent encoder


def assert_equal_to_eth_account(vector: str, domain: dict[str, Any], message: dict[str, Any], parts: Parts) -> None:
    signable = encode_typed_data(domain, VECTORS[vector]["types"], message)
    separator, struct, digest = parts
    assert separator == signable.header
    assert struct == signable.body
    assert digest == their_keccak(b"\x19\x01" + signable.header + signable.body)


@pytest.mark.row("SIGN-01", "SIGN-02")
@settings(deadline=None)
@given(orders)
def test_any_order_is_hashed_and_signed_as_eth_account_does(order: OrderFields) -> None:
    packed = order.market_hash + order.base_token
    for value in (order.total_bet_size, order.percentage_odds, order.expiry, order.salt):
        packed += bytes.fromhex(f"{value:064x}")
    packed += order.maker + order.executor + bytes([order.outcome_one])
    assert len(packed) == 221
    assert order_hash(*order) == their_keccak(packed)
    account = LocalAccount(b"\x01" * 32)
    signed = Account.sign_message(encode_defunct(primitive=their_keccak(packed)), b"\x01" * 32)
    assert account.sign_digest(order_digest(order_hash(*order))) == signed.signature


@pytest.mark.row("SIGN-03", "SIGN-06")
@settings(deadline=None)
@given(chain_ids, words, st.lists(texts, max_size=5), uints)
def test_any_cancel_by_hashes(chain_id: int, salt: bytes, hashes: list[str], timestamp: int) -> None:
    assert_equal_to_eth_account(
        "cancel-v2-1",
        {"name": "CancelOrderV2SportX", "version": "1.0", "chainId": chain_id, "salt": salt},
        {"orderHashes": hashes, "timestamp": timestamp},
        (
            cancel_orders_domain(chain_id, salt),
            cancel_orders_struct(hashes, timestamp),
            cancel_orders_digest(chain_id, salt, hashes, timestamp),
        ),
    )


@pytest.mark.row("SIGN-04", "SIGN-06")
@settings(deadline=None)
@given(chain_ids, words, texts, uints)
def test_any_cancel_by_event(chain_id: int, salt: bytes, event_id: str, timestamp: int) -> None:
    assert_equal_to_eth_account(
        "cancel-event-1",
        {"name": "CancelOrderEventsSportX", "version": "1.0", "chainId": chain_id, "salt": salt},
        {"sportXeventId": event_id, "timestamp": timestamp},
        (
            cancel_event_domain(chain_id, salt),
            cancel_event_struct(event_id, timestamp),
            cancel_event_digest(chain_id, salt, event_id, timestamp),
        ),
    )


@pytest.mark.row("SIGN-05", "SIGN-06")
@settings(deadline=None)
@given(chain_ids, words, uints)
def test_any_cancel_of_everything(chain_id: int, salt: bytes, timestamp: int) -> None:
    assert_equal_to_eth_account(
        "cancel-all-1",
        {"name": "CancelAllOrdersSportX", "version": "1.0", "chainId": chain_id, "salt": salt},
        {"timestamp": timestamp},
        (
            cancel_all_domain(chain_id, salt),
            cancel_all_struct(timestamp),
            cancel_all_digest(chain_id, salt, timestamp),
        ),
    )


def contract_domain_of(name: str, version: str, chain_id: int, contract: bytes) -> dict[str, Any]:
    return {
        "name": name,
        "version": version,
        "chainId": chain_id,
        "verifyingContract": "0x" + contract.hex(),
    }


@pytest.mark.row("SIGN-12")
@settings(deadline=None)
@given(chain_ids, texts, addresses, fills)
def test_any_fill(chain_id: int, version: str, hasher: bytes, fill: FillMessage) -> None:
    assert_equal_to_eth_account(
        "fill-v2-1",
        contract_domain_of("SX Bet", version, chain_id, hasher),
        {
            "action": fill.action,
            "market": fill.market,
            "betting": fill.betting,
            "stake": fill.stake,
            "worstOdds": fill.worst_odds,
            "worstReturning": fill.worst_returning,
            "fills": {
                "stakeWei": fill.stake_wei,
                "marketHash": fill.market_hash,
                "baseToken": fill.base_token,
                "desiredOdds": fill.desired_odds,
                "oddsSlippage": fill.odds_slippage,
                "isTakerBettingOutcomeOne": fill.outcome_one,
                "fillSalt": fill.fill_salt,
                "beneficiary": fill.beneficiary,
                "beneficiaryType": fill.beneficiary_type,
                "cashOutTarget": fill.cash_out_target,
            },
        },
        (
            fill_domain(chain_id, version, hasher),
            fill_struct(fill),
            fill_digest(chain_id, version, hasher, fill),
        ),
    )


@pytest.mark.row("SIGN-14")
@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(orders, st.binary(max_size=70), uints), max_size=3),
    uints,
    st.lists(texts, min_size=6, max_size=6),
)
def test_any_legacy_fill(legs: list[tuple[OrderFields, bytes, int]], fill_salt: int, display: list[str]) -> None:
    hasher = b"\x0f" * 20
    shown: dict[str, Any] = dict(zip(LEGACY_DISPLAY_FIELDS, display, strict=True))
    fill = LegacyFillMessage(
        [order for order, _, _ in legs],
        [signature for _, signature, _ in legs],
        [amount for _, _, amount in legs],
        fill_salt,
        **shown,
    )
    names = [field["name"] for field in VECTORS["fill-v1-legacy"]["types"]["Order"]]
    assert_equal_to_eth_account(
        "fill-v1-legacy",
        contract_domain_of("SX Bet", "6.0", CHAIN_ID, hasher),
        {
            **shown,
            "fills": {
                "orders": [dict(zip(names, order, strict=True)) for order in fill.orders],
                "makerSigs": fill.maker_signatures,
                "takerAmounts": fill.taker_amounts,
                "fillSalt": fill_salt,
                "beneficiary": fill.beneficiary,
                "beneficiaryType": 0,
                "cashOutTarget": fill.cash_out_target,
            },
        },
        (
            fill_domain(CHAIN_ID, "6.0", hasher),
            legacy_fill_struct(fill),
            legacy_fill_digest(CHAIN_ID, "6.0", hasher, fill),
        ),
    )


@pytest.mark.row("SIGN-13")
@settings(deadline=None)
@given(chain_ids, texts, addresses, st.builds(PermitMessage, addresses, addresses, uints, uints, uints))
def test_any_permit(chain_id: int, name: str, token: bytes, permit: PermitMessage) -> None:
    assert_equal_to_eth_account(
        "approve-permit-1",
        contract_domain_of(name, "1", chain_id, token),
        permit._asdict(),
        (
            permit_domain(chain_id, name, token),
            permit_struct(permit),
            permit_digest(chain_id, name, token, permit),
        ),
    )


# What a digest depends on

ORDER = order_fields(VECTORS["order-1"]["order"])


@pytest.mark.row("SIGN-01")
@pytest.mark.parametrize(
    "change",
    [
        {"market_hash": bytes(32)},
        {"base_token": bytes(20)},
        {"total_bet_size": 1},
        {"percentage_odds": 1},
        {"expiry": 1},
        {"salt": 1},
        {"maker": bytes(20)},
        {"executor": bytes(20)},
        {"outcome_one": False},
    ],
)
def test_every_field_of_an_order_changes_its_hash(change: dict[str, Any]) -> None:
    assert order_hash(*ORDER._replace(**change)) != order_hash(*ORDER)


@pytest.mark.row("SIGN-03")
def test_order_hashes_are_hashed_as_the_text_received() -> None:
    lower = "0x" + "ab" * 32
    spellings = [[lower], [lower.upper()], [lower[2:]], [lower + " "], [lower, lower], []]
    seen = {cancel_orders_digest(CHAIN_ID, SALT, texts, TIMESTAMP) for texts in spellings}
    assert len(seen) == len(spellings)


@pytest.mark.row("SIGN-03")
def test_text_that_is_no_hash_is_signed_like_any_other() -> None:
    texts = ["<an order hash>", "", "0x"]
    assert len(cancel_orders_digest(CHAIN_ID, SALT, texts, TIMESTAMP)) == 32


@pytest.mark.row("SIGN-06", "SIGN-07")
@pytest.mark.parametrize(
    "digest",
    [
        lambda chain_id, salt: cancel_orders_digest(chain_id, salt, [], TIMESTAMP),
        lambda chain_id, salt: cancel_event_digest(chain_id, salt, "L1", TIMESTAMP),
        lambda chain_id, salt: cancel_all_digest(chain_id, salt, TIMESTAMP),
    ],
    ids=["orders", "event", "all"],
)
def test_chain_and_salt_change_every_cancel(digest: Callable[[int, bytes], bytes]) -> None:
    assert digest(CHAIN_ID, SALT) == digest(CHAIN_ID, bytes(SALT))
    assert digest(CHAIN_ID, SALT) != digest(OTHER_CHAIN_ID, SALT)
    assert digest(CHAIN_ID, SALT) != digest(CHAIN_ID, bytes(32))
    # A short salt would be padded by wallets, and two requests would share a digest.
    for size in (0, 31, 33):
        with pytest.raises(TypedDataError, match="32 bytes"):
            digest(CHAIN_ID, bytes(size))


@pytest.mark.parametrize(
    "change",
    [
        {"market_hash": bytes(31)},
        {"market_hash": bytes(33), "base_token": bytes(19)},
        {"base_token": bytes(21), "maker": bytes(19)},
        {"executor": b""},
        {"base_token": bytes(19), "maker": bytes(19), "executor": bytes(19)},
        {"base_token": bytes(21), "maker": bytes(21), "executor": bytes(21)},
        {"total_bet_size": -1},
        {"percentage_odds": 2**256},
        {"expiry": -1},
        {"salt": 2**256},
    ],
)
def test_an_order_that_would_not_pack_exactly_is_refused(change: dict[str, Any]) -> None:
    broken = ORDER._replace(**change)
    with pytest.raises(TypedDataError):
        order_hash(*broken)


@pytest.mark.parametrize("timestamp", [-1, 2**256])
def test_a_timestamp_out_of_range_is_refused(timestamp: int) -> None:
    with pytest.raises(TypedDataError, match="uint256"):
        cancel_all_digest(CHAIN_ID, SALT, timestamp)


# What a digest costs


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is hashed from here on, in order."""
    seen: list[bytes] = []
    compute = keccak.keccak256

    def counting(data: bytes) -> bytes:
        seen.append(data)
        return compute(data)

    monkeypatch.setattr(eip712, "keccak256", counting)
    monkeypatch.setattr(digests, "keccak256", counting)
    return seen


def test_a_cancel_costs_three_hashes_and_those_of_its_texts(hashed: list[bytes]) -> None:
    cancel_all_digest(CHAIN_ID, SALT, TIMESTAMP)
    cancel_event_digest(CHAIN_ID, SALT, "L1", TIMESTAMP)
    cancel_orders_digest(CHAIN_ID, SALT, ["0x00"], TIMESTAMP)
    hashed.clear()
    cancel_all_digest(CHAIN_ID, bytes(32), TIMESTAMP + 1)
    assert len(hashed) == 3
    hashed.clear()
    cancel_event_digest(CHAIN_ID, bytes(32), "L2", TIMESTAMP + 1)
    assert len(hashed) == 3 + 1
    hashed.clear()
    cancel_orders_digest(CHAIN_ID, bytes(32), ["0x01", "0x02"], TIMESTAMP + 1)
    assert len(hashed) == 3 + 1 + 2
