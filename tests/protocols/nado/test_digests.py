"""What every message hashes to and who signed it: all vectors, and an independent encoder on everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak as their_keccak
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import FILE, LINKED, NEGATIVE, OWNER, VECTORS, Vector, domain_of, raw

from overround.protocols.nado import digests
from overround.protocols.nado.digests import Domain, Liquidation, OrderTerms, WithdrawalV2, product_address
from overround.signing.account import LocalAccount
from overround.signing.eip712 import TypedDataError, type_hash
from overround.signing.keccak import keccak256
from overround.signing.recover import parse_signature, recover_address

Message = dict[str, Any]


def order_terms(message: Message) -> OrderTerms:
    return OrderTerms(
        raw(message["sender"]),
        int(message["priceX18"]),
        int(message["amount"]),
        int(message["expiration"]),
        int(message["nonce"]),
        int(message["appendix"]),
    )


def sender_and_nonce(message: Message) -> tuple[bytes, int]:
    return raw(message["sender"]), int(message["nonce"])


def of_order(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    terms = order_terms(message)
    return digests.order_struct(terms), digests.order_digest(domain, product_id, terms)


def of_cancellation(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, message["productIds"], [raw(one) for one in message["digests"]], nonce
    return digests.cancellation_struct(*given), digests.cancellation_digest(domain, *given)


def of_cancellation_products(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, message["productIds"], nonce
    return digests.cancellation_products_struct(*given), digests.cancellation_products_digest(domain, *given)


def of_link_signer(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, raw(message["signer"]), nonce
    return digests.link_signer_struct(*given), digests.link_signer_digest(domain, *given)


def of_stream_authentication(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    given = raw(message["sender"]), int(message["expiration"])
    return digests.stream_authentication_struct(*given), digests.stream_authentication_digest(domain, *given)


def of_list_trigger_orders(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    given = raw(message["sender"]), int(message["recvTime"])
    return digests.list_trigger_orders_struct(*given), digests.list_trigger_orders_digest(domain, *given)


def of_transfer_quote(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, raw(message["recipient"]), int(message["amount"]), nonce
    return digests.transfer_quote_struct(*given), digests.transfer_quote_digest(domain, *given)


def of_withdrawal(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, message["productId"], int(message["amount"]), nonce
    return digests.withdraw_collateral_struct(*given), digests.withdraw_collateral_digest(domain, *given)


def of_withdrawal_v2(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = WithdrawalV2(
        sender, message["productId"], int(message["amount"]), nonce, raw(message["sendTo"]), int(message["appendix"])
    )
    return digests.withdraw_collateral_v2_struct(given), digests.withdraw_collateral_v2_digest(domain, given)


def of_mint(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, int(message["quoteAmount"]), nonce
    return digests.mint_nlp_struct(*given), digests.mint_nlp_digest(domain, *given)


def of_burn(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = sender, int(message["nlpAmount"]), nonce
    return digests.burn_nlp_struct(*given), digests.burn_nlp_digest(domain, *given)


def of_liquidation(domain: Domain, message: Message, product_id: int) -> tuple[bytes, bytes]:
    sender, nonce = sender_and_nonce(message)
    given = Liquidation(
        sender,
        raw(message["liquidatee"]),
        message["productId"],
        message["isEncodedSpread"],
        int(message["amount"]),
        nonce,
    )
    return digests.liquidate_subaccount_struct(given), digests.liquidate_subaccount_digest(domain, given)


HASHED: dict[str, tuple[bytes, Callable[[Domain, Message, int], tuple[bytes, bytes]]]] = {
    "Order": (digests._ORDER, of_order),
    "Cancellation": (digests._CANCELLATION, of_cancellation),
    "CancellationProducts": (digests._CANCELLATION_PRODUCTS, of_cancellation_products),
    "LinkSigner": (digests._LINK_SIGNER, of_link_signer),
    "StreamAuthentication": (digests._STREAM_AUTHENTICATION, of_stream_authentication),
    "ListTriggerOrders": (digests._LIST_TRIGGER_ORDERS, of_list_trigger_orders),
    "TransferQuote": (digests._TRANSFER_QUOTE, of_transfer_quote),
    "WithdrawCollateral": (digests._WITHDRAW, of_withdrawal),
    "WithdrawCollateralV2": (digests._WITHDRAW_V2, of_withdrawal_v2),
    "MintNlp": (digests._MINT_NLP, of_mint),
    "BurnNlp": (digests._BURN_NLP, of_burn),
    "LiquidateSubaccount": (digests._LIQUIDATE, of_liquidation),
}


def hashed(vector: Vector, domain: Domain | None = None, product_id: int | None = None) -> tuple[bytes, bytes]:
    if product_id is None:
        product_id = int(vector["domain"]["verifyingContract"], 16) if vector["primaryType"] == "Order" else 0
    return HASHED[vector["primaryType"]][1](domain or domain_of(vector), vector["message"], product_id)


@pytest.mark.row("C-06", "C-07", "S-01", "S-02", "S-03", "S-04", "S-05", "S-06", "S-07")
@pytest.mark.parametrize("name", VECTORS)
def test_a_vector_is_hashed_and_signed_as_recorded(name: str) -> None:
    vector = VECTORS[name]
    struct, digest = hashed(vector)
    assert struct == raw(vector["struct_hash"])
    assert digest == raw(vector["digest"])
    signature = parse_signature(vector["signature"])
    assert recover_address(digest, signature) == OWNER
    assert LocalAccount.from_hex(FILE["meta"]["private_key"]).sign_digest(digest) == signature


@pytest.mark.row("S-01", "S-02", "S-03")
@pytest.mark.parametrize("name", VECTORS)
def test_the_domain_of_a_vector_is_the_recorded_one(name: str) -> None:
    vector = VECTORS[name]
    domain = domain_of(vector)
    separator = domain.of_endpoint()
    if vector["primaryType"] == "Order":
        separator = domain.of_product(int(vector["domain"]["verifyingContract"], 16))
    assert separator == raw(vector["domain_separator"])


@pytest.mark.row("C-06")
@pytest.mark.parametrize("name", FILE["type_hashes"])
def test_every_type_has_the_hash_of_the_vectors(name: str) -> None:
    recorded = FILE["type_hashes"][name]
    ours, _ = HASHED[name]
    assert ours == raw(recorded if isinstance(recorded, str) else recorded["type_hash"])


def test_every_type_that_is_hashed_has_a_recorded_hash() -> None:
    recorded = {vector["primaryType"]: vector for vector in VECTORS.values()}
    for name, (ours, _) in HASHED.items():
        if name in recorded:
            assert ours == type_hash(recorded[name]["type_string"])
    assert HASHED.keys() - recorded.keys() <= {"LiquidateSubaccount", "WithdrawCollateralV2"}
    # For these two there are the hashes of the specification (3.2).
    assert digests._WITHDRAW_V2.hex() == "29d86053133cb725ee577ea914103fedd391bbfb3b46570de2c96ef629704ba7"
    assert digests._LIQUIDATE.hex() == "62fea0eec641a754b446e9412a9833bbd3b6f7c67da4a953e503311e4e48c62c"


@pytest.mark.row("S-09")
@pytest.mark.parametrize("linked", LINKED, ids=lambda one: one["name"])
def test_a_linked_signer_signs_the_same_digest(linked: Vector) -> None:
    vector = VECTORS[linked["base"]]
    digest = hashed(vector)[1]
    assert digest == raw(linked["digest"])
    assert recover_address(digest, parse_signature(linked["signature"])) == raw(linked["signer_address"])


@pytest.mark.row("S-08")
@pytest.mark.parametrize("negative", [one for one in NEGATIVE if "domain" in one], ids=lambda one: one["name"])
def test_a_signature_for_another_domain_is_a_strangers(negative: Vector) -> None:
    base = VECTORS[negative["base"]]
    signature = parse_signature(negative["signature"])
    assert recover_address(raw(negative["digest"]), signature) == OWNER
    assert raw(negative["digest"]) != hashed(base)[1]
    assert recover_address(hashed(base)[1], signature) != OWNER


@pytest.mark.row("S-02")
@pytest.mark.parametrize("example", FILE["order_verifying_contract_examples"], ids=lambda one: str(one["product_id"]))
def test_a_product_is_an_address(example: Vector) -> None:
    assert product_address(example["product_id"]) == raw(example["address"])


def test_the_separators_of_the_specification() -> None:
    domain = domain_of(VECTORS["cancel_orders_one"])
    assert domain.of_product(2).hex() == "53a1b8705759523a089bf598ed3b977b17e68860e5886950c416878869a3ecf8"
    assert domain.of_endpoint().hex() == "c06910bc539dca2e02940c0a9fe806e6815d411ecf74f7e244ffc7a86d64fdf5"
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


# Against an independent encoder

senders = st.binary(min_size=32, max_size=32)
addresses = st.binary(min_size=20, max_size=20)
uint32s = st.integers(0, 2**32 - 1)
uint64s = st.integers(0, 2**64 - 1)
uint128s = st.integers(0, 2**128 - 1)
int128s = st.integers(-(2**127), 2**127 - 1)
domains = st.builds(Domain, st.integers(0, 2**64), addresses)

TYPES: dict[str, list[dict[str, str]]] = {
    vector["primaryType"]: vector["types"][vector["primaryType"]] for vector in VECTORS.values()
}


def assert_equal_to_eth_account(name: str, domain: Domain, contract: bytes, message: Message, digest: bytes) -> None:
    signable = encode_typed_data(
        {"name": "Nado", "version": "0.0.1", "chainId": domain.chain_id, "verifyingContract": "0x" + contract.hex()},
        {name: TYPES[name]},
        message,
    )
    assert digest == their_keccak(b"\x19\x01" + signable.header + signable.body)


@pytest.mark.row("S-04", "S-06")
@settings(deadline=None)
@given(domains, uint32s, st.builds(OrderTerms, senders, int128s, int128s, uint64s, uint64s, uint128s))
def test_any_order(domain: Domain, product_id: int, terms: OrderTerms) -> None:
    message = dict(zip([field["name"] for field in TYPES["Order"]], terms, strict=True))
    digest = digests.order_digest(domain, product_id, terms)
    assert_equal_to_eth_account("Order", domain, product_id.to_bytes(20, "big"), message, digest)


@pytest.mark.row("S-05")
@settings(deadline=None)
@given(domains, senders, st.lists(uint32s, max_size=4), st.lists(senders, max_size=4), uint64s)
def test_any_cancellation(domain: Domain, sender: bytes, products: list[int], named: list[bytes], nonce: int) -> None:
    message = {"sender": sender, "productIds": products, "digests": named, "nonce": nonce}
    digest = digests.cancellation_digest(domain, sender, products, named, nonce)
    assert_equal_to_eth_account("Cancellation", domain, domain.endpoint, message, digest)
    message = {"sender": sender, "productIds": products, "nonce": nonce}
    digest = digests.cancellation_products_digest(domain, sender, products, nonce)
    assert_equal_to_eth_account("CancellationProducts", domain, domain.endpoint, message, digest)


@settings(deadline=None)
@given(domains, senders, senders, uint64s)
def test_any_linking_and_any_authentication(domain: Domain, sender: bytes, signer: bytes, number: int) -> None:
    message: Message = {"sender": sender, "signer": signer, "nonce": number}
    digest = digests.link_signer_digest(domain, sender, signer, number)
    assert_equal_to_eth_account("LinkSigner", domain, domain.endpoint, message, digest)
    message = {"sender": sender, "expiration": number}
    digest = digests.stream_authentication_digest(domain, sender, number)
    assert_equal_to_eth_account("StreamAuthentication", domain, domain.endpoint, message, digest)


# What a digest depends on

TERMS = order_terms(VECTORS["place_order_default_buy"]["message"])


@pytest.mark.row("S-04")
def test_every_member_the_product_and_the_chain_change_the_identity_of_an_order() -> None:
    domain = domain_of(VECTORS["place_order_default_buy"])
    others: dict[str, Any] = {**dict.fromkeys(TERMS._fields, 7), "sender": bytes(32)}
    changed = [TERMS._replace(**{field: other}) for field, other in others.items()]
    seen = {digests.order_digest(domain, 2, terms) for terms in [TERMS, *changed]}
    seen |= {digests.order_digest(domain, 4, TERMS), digests.order_digest(Domain(1, domain.endpoint), 2, TERMS)}
    assert len(seen) == 1 + len(TERMS._fields) + 2
    # The endpoint is no part of it.
    assert digests.order_digest(Domain(domain.chain_id, bytes(20)), 2, TERMS) == digests.order_digest(domain, 2, TERMS)


@pytest.mark.parametrize(
    "change",
    [
        {"sender": bytes(31)}, {"sender": bytes(20)}, {"price_x18": 2**127}, {"amount": -(2**127) - 1},
        {"expiration": 2**64}, {"expiration": -1}, {"nonce": 2**64}, {"appendix": 2**128}, {"appendix": -1},
    ],
)  # fmt: skip
def test_what_does_not_fit_its_type_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(TypedDataError):
        digests.order_struct(TERMS._replace(**change))


@pytest.mark.parametrize("product_id", [-1, 2**32])
def test_a_product_is_an_unsigned_number_of_32_bits(product_id: int) -> None:
    with pytest.raises(TypedDataError):
        product_address(product_id)
