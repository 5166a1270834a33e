"""What is refused before the engine is asked, and in which order (`spec/nado.md` 5.5, `spec/decisions.md` N7).

The vectors, positive and negative, pass through every step here, with the clock of the vectors and with a product list
that has the products of the vectors (N14).
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.protocols.nado.test_decode import cancel_and_place, place, request_of, served
from tests.protocols.nado.vectors import (
    DOMAIN,
    LINKED,
    LINKED_SIGNER,
    NEGATIVE,
    NOW_MS,
    OWNER,
    VECTORS,
    Vector,
    body_of,
    domain_of,
)

from overround.protocols.nado.appendix import Appendix, OrderType
from overround.protocols.nado.checks import Market, check_product, check_signature, check_terms, check_time
from overround.protocols.nado.decode import decode_execute
from overround.protocols.nado.digests import Domain
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.requests import CancelAndPlace, Execute
from overround.protocols.nado.units import X18

MARKETS = {
    0: Market(spot=True, has_book=False),
    1: Market(spot=True, price_increment_x18=X18, size_increment=5 * 10**13, min_size=100 * X18),
    2: Market(spot=False, price_increment_x18=X18, size_increment=5 * 10**13, min_size=100 * X18),
    3: Market(spot=True),
    4: Market(spot=False),
    18: Market(spot=False),
}


def nobody(sender: bytes) -> bytes | None:
    return None


def linked(sender: bytes) -> bytes | None:
    return LINKED_SIGNER


def admit(request: Execute, now_ms: int = NOW_MS, signers: Any = nobody) -> None:
    """Every step, in order."""
    check_product(request, MARKETS)
    check_time(request, now_ms)
    check_signature(request, signers)
    check_terms(request, MARKETS, now_ms)


def outcome(request: Any, now_ms: int = NOW_MS, signers: Any = nobody, domain: Domain = DOMAIN) -> Code | None:
    try:
        admit(decode_execute(body_of(request), domain), now_ms, signers)
    except GatewayError as error:
        return error.code
    return None


@pytest.mark.row("S-07", "C-09", "P-01")
@pytest.mark.parametrize("name", served())
def test_every_vector_passes_at_its_time(name: str) -> None:
    isolated = Code.INVALID_ISOLATED_MARGIN if name == "place_order_isolated" else None
    assert outcome(VECTORS[name]["request"], domain=domain_of(VECTORS[name])) is isolated


@pytest.mark.row("S-08", "C-26")
@pytest.mark.parametrize("negative", NEGATIVE, ids=lambda one: one["name"])
def test_every_negative_vector_is_refused_with_its_code(negative: Vector) -> None:
    request = request_of(negative["base"])
    next(iter(request.values()))["signature"] = negative["signature"]
    expected = next(code for code in (2027, 2028, 2034, 2035) if str(code) in negative["expect"])
    assert outcome(request) == expected


@pytest.mark.row("S-09", "C-30")
@pytest.mark.parametrize("vector", [one for one in LINKED if one["base"] in served()], ids=lambda one: one["name"])
def test_a_linked_signer_passes_where_he_is_linked(vector: Vector) -> None:
    request = request_of(vector["base"])
    next(iter(request.values()))["signature"] = vector["signature"]
    assert outcome(request) is Code.INVALID_SIGNER
    assert outcome(request, signers=linked) is None


@pytest.mark.row("P-13")
def test_only_the_owner_links_a_signer() -> None:
    request = request_of("link_signer")
    request["link_signer"]["tx"]["sender"] = "0x" + LINKED_SIGNER.ljust(32, b"\0").hex()
    assert outcome(request, signers=lambda _: OWNER) is Code.INVALID_SIGNER


@pytest.mark.row("C-25")
@pytest.mark.parametrize(
    "request_", [place(), request_of("cancel_orders_one"), request_of("cancel_product_orders_all"), cancel_and_place()]
)
def test_whatever_has_a_time_is_late_or_early(request_: Any) -> None:
    assert outcome(request_) is None
    assert outcome(request_, NOW_MS + 90_000) is Code.LATE_RECV_EXECUTION
    assert outcome(request_, NOW_MS - 10_001) is Code.EARLY_RECV_EXECUTION


@pytest.mark.row("P-14")
def test_linking_has_a_counter_and_no_time() -> None:
    assert outcome(request_of("link_signer"), now_ms=0) is None


def test_the_order_of_a_replacement_has_a_time_of_its_own() -> None:
    late = place(nonce="1")["place_order"]
    assert outcome(cancel_and_place(place_order=late)) is Code.LATE_RECV_EXECUTION


@pytest.mark.parametrize(("product_id", "code"), [(5, Code.INVALID_PRODUCT_ID), (0, Code.MARKET_NOT_FOUND)])
def test_an_order_needs_a_product_with_a_market(product_id: int, code: Code) -> None:
    assert outcome(place(product_id=product_id)) is code
    assert outcome(cancel_and_place(place_order=place(product_id=product_id)["place_order"])) is code


def test_unknown_products_of_a_product_cancellation_are_2016() -> None:
    request = request_of("cancel_product_orders_one")
    request["cancel_product_orders"]["tx"]["productIds"] = [2, 5]
    assert outcome(request) is Code.INVALID_PRODUCT_ID


def test_a_digest_under_an_unknown_product_is_for_the_engine_to_miss() -> None:
    request = decode_execute(body_of(request_of("cancel_orders_one")), DOMAIN)
    check_product(request, {})


# ---- terms ---------------------------------------------------------------------------------------------------------

IOC_REDUCE = Appendix(order_type=OrderType.IOC, reduce_only=True).packed()


def terms_of(**changes: Any) -> Code | None:
    request = decode_execute(body_of(place(**changes)), DOMAIN)
    try:
        check_terms(request, MARKETS, NOW_MS)
    except GatewayError as error:
        return error.code
    return None


@pytest.mark.row("P-04", "P-06", "P-07")
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, None),
        ({"appendix": "0"}, Code.INVALID_ORDER_VERSION),
        ({"appendix": "4097"}, Code.INVALID_TRIGGER_ORDER),
        ({"appendix": "257"}, Code.INVALID_ISOLATED_MARGIN),
        ({"appendix": "257", "product_id": 1}, Code.INVALID_ISOLATED_SPOT_ORDER),
        ({"appendix": "1266640143977021441"}, None),
        ({"expiration": str(NOW_MS // 1000)}, Code.ORDER_EXPIRED),
        ({"expiration": "0"}, Code.ORDER_EXPIRED),
        ({"expiration": str(NOW_MS // 1000 + 1)}, None),
        ({"expiration": "4611687701117784255"}, None),
        ({"expiration": str(2**64 - 1)}, None),
        ({"priceX18": "0"}, Code.INVALID_PRICE),
        ({"priceX18": str(-X18)}, Code.INVALID_PRICE),
        ({"priceX18": str(60_000 * X18 + 1)}, Code.INVALID_PRICE_INCREMENT),
        ({"amount": "0"}, Code.ZERO_AMOUNT),
        ({"amount": str(10**17 + 1)}, Code.INVALID_AMOUNT_INCREMENT),
        ({"amount": str(-(10**17) - 1)}, Code.INVALID_AMOUNT_INCREMENT),
        ({"amount": str(10**15)}, None),
        ({"amount": str(10**15), "priceX18": str(99_999 * X18)}, Code.ORDER_SIZE_TOO_SMALL),
        ({"amount": str(-(10**15)), "priceX18": str(99_999 * X18)}, Code.ORDER_SIZE_TOO_SMALL),
        ({"appendix": "2049"}, Code.REDUCE_ONLY_NOT_TAKER),
        ({"appendix": str(1537 | 1 << 11)}, Code.REDUCE_ONLY_NOT_TAKER),
        ({"appendix": str(IOC_REDUCE)}, None),
        ({"spot_leverage": True}, Code.INAPPROPRIATE_SPOT_LEVERAGE),
        ({"spot_leverage": False}, Code.INAPPROPRIATE_SPOT_LEVERAGE),
        ({"spot_leverage": None}, None),
        ({"spot_leverage": False, "product_id": 1}, None),
        # Of two reasons the first one in the table of 5.5 is given.
        ({"appendix": "0", "expiration": "0"}, Code.INVALID_ORDER_VERSION),
        ({"expiration": "0", "priceX18": "0"}, Code.ORDER_EXPIRED),
        ({"priceX18": "1", "amount": "0"}, Code.INVALID_PRICE_INCREMENT),
        ({"amount": "1", "appendix": "2049"}, Code.INVALID_AMOUNT_INCREMENT),
    ],
)
def test_what_an_order_rules_out_by_itself(changes: dict[str, Any], code: Code | None) -> None:
    assert terms_of(**changes) is code


def test_an_isolated_account_links_no_signer() -> None:
    request = request_of("link_signer")
    request["link_signer"]["tx"]["sender"] = "0x" + (OWNER + bytes(6) + b"\x00\x02\x01iso").hex()
    with pytest.raises(GatewayError) as caught:
        check_terms(decode_execute(body_of(request), DOMAIN), MARKETS, NOW_MS)
    assert caught.value.code is Code.INVALID_LINK_SIGNER_SENDER


def test_the_order_of_a_replacement_is_checked_like_any_other() -> None:
    request = decode_execute(body_of(cancel_and_place(place_order=place(amount="0")["place_order"])), DOMAIN)
    assert isinstance(request, CancelAndPlace)
    with pytest.raises(GatewayError) as caught:
        check_terms(request, MARKETS, NOW_MS)
    assert caught.value.code is Code.ZERO_AMOUNT


def test_a_batch_passes_and_its_orders_are_checked_one_by_one() -> None:
    bad = place(amount="0", nonce="1", product_id=5, signature="0x")["place_order"]
    admit(decode_execute(body_of({"place_orders": {"orders": [bad]}}), DOMAIN))


# ---- precedence (N7) -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"nonce": "x", "product_id": 5, "signature": "0x", "amount": "0"}, Code.INVALID_EXECUTE_MESSAGE),
        ({"nonce": "1", "product_id": 5, "signature": "0x", "amount": "0"}, Code.INVALID_PRODUCT_ID),
        ({"nonce": "1", "signature": "0x", "amount": "0"}, Code.LATE_RECV_EXECUTION),
        ({"signature": "0x", "amount": "0"}, Code.SIGNATURE_LENGTH),
        ({"amount": "0"}, Code.INVALID_SIGNER),
    ],
)
def test_shape_then_product_then_time_then_signature_then_the_rest(changes: dict[str, Any], code: Code) -> None:
    assert outcome(place(**changes)) is code
