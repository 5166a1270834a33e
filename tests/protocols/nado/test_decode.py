"""Bodies to executes: every vector, every shape, every tolerance, and a documented code for everything else
(`spec/nado.md` 7)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.vectors import (
    DOMAIN,
    LINKED,
    LINKED_SIGNER,
    OWNER,
    VECTORS,
    Vector,
    body_of,
    domain_of,
    raw,
)

from overround.protocols.nado import weights
from overround.protocols.nado.decode import CANCEL_DIGESTS_MAX, CANCEL_PRODUCTS_MAX, ORDERS_MAX, decode_execute
from overround.protocols.nado.errors import Code, GatewayError, failure
from overround.protocols.nado.frames import decode_frame
from overround.protocols.nado.queries import Query
from overround.protocols.nado.requests import (
    UNSERVED,
    CancelAndPlace,
    CancelOrders,
    CancelProductOrders,
    Execute,
    LinkSigner,
    PlaceOrder,
    PlaceOrders,
    id_of,
    request_type_of,
    signature_echo,
    wallet,
)
from overround.protocols.nado.units import subaccount

SERVED = ("place_order", "cancel_orders", "cancel_product_orders", "link_signer")
Request = dict[str, Any]


def kind_of(vector: Vector) -> str:
    request = vector["request"]
    return next(iter(request)) if isinstance(request, dict) and len(request) == 1 else ""


def served() -> list[str]:
    return [name for name, vector in VECTORS.items() if kind_of(vector) in SERVED]


def decode(request: Any) -> Execute:
    return decode_execute(body_of(request), DOMAIN)


def refused(request: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decode_execute(request if isinstance(request, bytes) else body_of(request), DOMAIN)
    return caught.value


def request_of(name: str) -> Request:
    request: Request = copy.deepcopy(VECTORS[name]["request"])
    return request


def place(**changes: Any) -> Request:
    """A good `place_order`; changes to members of the signed object or of the body, `...` removes one."""
    request = request_of("place_order_default_buy")
    body = request["place_order"]
    for name, value in changes.items():
        members = body["order"] if name in body["order"] else body
        if value is ...:
            del members[name]
        else:
            members[name] = value
    return request


def cancel(**changes: Any) -> Request:
    """A good `cancel_orders`, changed as in `place`."""
    request = request_of("cancel_orders_one")
    body = request["cancel_orders"]
    for name, value in changes.items():
        members = body["tx"] if name in body["tx"] else body
        if value is ...:
            del members[name]
        else:
            members[name] = value
    return request


def cancel_and_place(**changes: Any) -> Request:
    cancellation, order = request_of("cancel_orders_one")["cancel_orders"], request_of("place_order_ioc")["place_order"]
    body = {"cancel_tx": cancellation["tx"], "cancel_signature": cancellation["signature"], "place_order": order}
    return {"cancel_and_place": {**body, **changes}}


# ---- vectors -------------------------------------------------------------------------------------------------------


@pytest.mark.row("C-01", "C-02", "C-03", "P-01", "P-11", "P-13", "S-07")
@pytest.mark.parametrize("name", served())
def test_the_request_of_a_vector_has_its_digest_and_its_signer(name: str) -> None:
    vector = VECTORS[name]
    for decoded in (
        decode_execute(body_of(vector["request"]), domain_of(vector)),
        decode_frame(body_of(vector["request"]), domain_of(vector)),
    ):
        assert not isinstance(decoded, PlaceOrders | CancelAndPlace | Query)
        assert decoded.digest == raw(vector["digest"])
        assert decoded.signer() == OWNER
        assert request_type_of(decoded) == "execute_" + kind_of(vector)
        assert signature_echo(decoded) == vector["signature"]
        assert wallet(decoded) == OWNER


def test_only_what_this_venue_does_not_serve_is_left_out_of_the_vectors() -> None:
    others = {kind_of(vector) for vector in VECTORS.values()} - set(SERVED)
    assert others <= UNSERVED | {"", "method", "list_trigger_orders"}


# ---- place_order ---------------------------------------------------------------------------------------------------


@pytest.mark.row("P-01")
def test_an_order_is_decoded_member_by_member() -> None:
    decoded = decode(place(amount="-5", appendix="1537", id=100, spot_leverage=False, borrow_margin=True))
    assert isinstance(decoded, PlaceOrder)
    assert decoded.product_id == 2
    assert decoded.sender == subaccount(OWNER)
    assert decoded.terms.price_x18 == 100_000 * 10**18
    assert decoded.terms.amount == -5
    assert decoded.terms.expiration == 4_294_967_295
    assert decoded.nonce == decoded.terms.nonce == 1820002552381441000
    assert decoded.appendix.order_type.text == "post_only"
    assert (decoded.id, decoded.spot_leverage, decoded.borrow_margin) == (100, False, True)


@pytest.mark.row("P-03", "K-02")
def test_null_is_absent_and_strangers_are_ignored() -> None:
    plain = decode(place())
    nulls = place(id=None, digest=None, spot_leverage=None, borrow_margin=None)
    nulls["place_order"]["order"]["recv_window"] = 5000
    nulls["place_order"]["comment"] = {"any": ["thing"]}
    nulls["extra"] = 1
    assert decode(nulls) == plain


def test_integers_of_the_signed_object_may_be_json_integers() -> None:
    order = place()["place_order"]["order"]
    numbers = {name: int(value) for name, value in order.items() if name != "sender"}
    assert decode(place(**numbers)) == decode(place())


def test_hex_is_read_in_any_letter_case() -> None:
    request = place()
    upper = place(
        sender="0x" + request["place_order"]["order"]["sender"][2:].upper(),
        signature="0x" + request["place_order"]["signature"][2:].upper(),
    )
    assert decode(upper) == decode(request)


@pytest.mark.parametrize("number", [0, 1, 2**53, 2**64 - 1])
@pytest.mark.row("P-02")
def test_any_u64_is_an_id(number: int) -> None:
    assert id_of(decode(place(id=number))) == number


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": ...}, {"priceX18": ...}, {"amount": ...}, {"expiration": ...}, {"nonce": ...}, {"appendix": ...},
        {"order": ...}, {"signature": ...}, {"product_id": ...}, {"order": None}, {"order": []}, {"signature": None},
        {"signature": 1}, {"sender": None}, {"sender": "0x"}, {"sender": "default"}, {"sender": "0x" + "f" * 40},
        {"product_id": "2"}, {"product_id": -1}, {"product_id": 2**32}, {"product_id": 2.0}, {"product_id": True},
        {"priceX18": "1.5"}, {"priceX18": "1e18"}, {"priceX18": 1.5}, {"priceX18": None}, {"amount": ""},
        {"amount": "0x1"}, {"expiration": "-1"}, {"expiration": str(2**64)}, {"nonce": "-1"}, {"nonce": ""},
        {"nonce": str(2**64)}, {"appendix": str(2**128)}, {"appendix": "-1"}, {"id": -1}, {"id": 2**64}, {"id": "1"},
        {"digest": "0x12"}, {"digest": 1}, {"spot_leverage": "true"}, {"borrow_margin": 1},
    ],
)  # fmt: skip
def test_a_malformed_order_is_2038_and_the_message_says_where(changes: dict[str, Any]) -> None:
    request = place()
    members = request["place_order"]
    for name, value in changes.items():
        target = members["order"] if name in members["order"] else members
        if value is ...:
            target.pop(name)
        else:
            target[name] = value
    error = refused(request)
    assert error.code is Code.INVALID_EXECUTE_MESSAGE
    assert error.request_type == "execute_place_order"
    assert next(iter(changes)) in error.message


@pytest.mark.parametrize("member", ["priceX18", "amount"])
@pytest.mark.parametrize("value", [str(2**127), str(-(2**127) - 1), "9" * 1000])
def test_an_amount_that_no_int128_holds_is_2091(member: str, value: str) -> None:
    assert refused(place(**{member: value})).code is Code.AMOUNT_TOO_LARGE


@pytest.mark.parametrize("spelt", [str, int], ids=["text", "number"])
def test_a_nonce_that_was_shifted_too_far_is_told_so(spelt: Callable[[int], Any]) -> None:
    error = refused(place(nonce=spelt(1_735_689_600_050 << 1020)))
    assert error.code is Code.INVALID_EXECUTE_MESSAGE
    assert error.message.startswith("place_order.order.nonce: ")
    assert "1020" in error.message


@pytest.mark.parametrize("right", [True, False])
def test_a_digest_member_is_verified_with_the_signature(right: bool) -> None:
    digest = VECTORS["place_order_default_buy"]["digest"] if right else "0x" + "00" * 32
    decoded = decode(place(digest=digest))
    assert isinstance(decoded, PlaceOrder)
    if right:
        assert decoded.signer() == OWNER
    else:
        with pytest.raises(GatewayError) as caught:
            decoded.signer()
        assert caught.value.code is Code.SIGNATURE_ERROR


# ---- place_orders --------------------------------------------------------------------------------------------------


def batch(*names: str, **members: Any) -> Request:
    return {"place_orders": {"orders": [request_of(name)["place_order"] for name in names], **members}}


@pytest.mark.row("P-10")
def test_a_batch_keeps_the_order_of_its_orders() -> None:
    names = ("place_order_default_buy", "place_order_ioc", "place_order_fok")
    decoded = decode(batch(*names, stop_on_failure=True))
    assert isinstance(decoded, PlaceOrders)
    assert decoded.stop_on_failure
    assert [order.digest for order in decoded.orders] == [raw(VECTORS[name]["digest"]) for name in names]
    assert signature_echo(decoded) == ""
    assert id_of(decoded) is None
    assert wallet(decoded) == OWNER


@pytest.mark.row("P-10", "K-02")
@pytest.mark.parametrize("members", [{}, {"stop_on_failure": None}, {"stop_on_failure": False}])
def test_a_batch_goes_on_by_default(members: dict[str, Any]) -> None:
    decoded = decode(batch("place_order_ioc", **members))
    assert isinstance(decoded, PlaceOrders)
    assert not decoded.stop_on_failure


def test_an_empty_batch_is_nobodys() -> None:
    assert wallet(decode(batch())) is None


@pytest.mark.row("P-10")
def test_a_batch_has_at_most_fifty_orders() -> None:
    assert isinstance(decode(batch(*["place_order_ioc"] * ORDERS_MAX)), PlaceOrders)
    assert ORDERS_MAX == 50
    assert refused(batch(*["place_order_ioc"] * (ORDERS_MAX + 1))).code is Code.MAX_ORDER_LIMIT_EXCEEDED


def test_a_batch_has_one_sender() -> None:
    error = refused(batch("place_order_default_buy", "place_order_other_subaccount"))
    assert error.code is Code.BATCH_SENDER_MISMATCH


def test_a_malformed_order_of_a_batch_is_named() -> None:
    request = batch("place_order_ioc", "place_order_fok")
    request["place_orders"]["orders"][1]["order"]["amount"] = "x"
    error = refused(request)
    assert error.code is Code.INVALID_EXECUTE_MESSAGE
    assert "orders[1].order.amount" in error.message


# ---- cancel_orders -------------------------------------------------------------------------------------------------


@pytest.mark.row("C-03", "C-05", "C-11", "C-19")
def test_a_cancellation_names_a_product_for_every_digest() -> None:
    decoded = decode(request_of("cancel_orders_two"))
    message = VECTORS["cancel_orders_two"]["message"]
    assert isinstance(decoded, CancelOrders)
    assert decoded.product_ids == tuple(message["productIds"])
    assert decoded.digests == tuple(raw(one) for one in message["digests"])
    assert decoded.nonce == int(message["nonce"])
    assert decoded.sender == raw(message["sender"])
    assert decoded.required_unfilled_amount is None


@pytest.mark.row("C-17", "S-05")
def test_a_cancellation_without_digests_is_legal_and_weighs_one() -> None:
    decoded = decode(request_of("cancel_orders_empty"))
    assert isinstance(decoded, CancelOrders)
    assert decoded.digests == ()
    assert decoded.signer() == OWNER
    assert weights.of_execute(decoded) == 1


@pytest.mark.row("C-21")
def test_the_nonce_tells_equal_cancellations_apart() -> None:
    first, second = decode(cancel(nonce="1")), decode(cancel(nonce="2"))
    assert isinstance(first, CancelOrders)
    assert isinstance(second, CancelOrders)
    assert first.digest != second.digest


@pytest.mark.row("C-22")
@pytest.mark.parametrize(("products", "named"), [([2], []), ([], ["0x" + "ab" * 32]), ([2, 2], ["0x" + "ab" * 32])])
def test_lists_of_different_lengths_are_2039(products: list[int], named: list[str]) -> None:
    error = refused(cancel(productIds=products, digests=named))
    assert error.code is Code.MISMATCHED_DIGESTS_AND_PRODUCT_IDS_LENGTH


def test_a_cancellation_has_a_bound() -> None:
    digests = ["0x" + f"{one:064x}" for one in range(CANCEL_DIGESTS_MAX + 1)]
    error = refused(cancel(productIds=[2] * len(digests), digests=digests))
    assert error.code is Code.RATE_LIMIT
    assert error.message.startswith("Too Many Requests")


@pytest.mark.row("C-29")
@pytest.mark.parametrize(
    ("value", "amount"), [(None, None), ("5", 5), ("-5", 5), (5, 5), ("0", 0), (str(2**127 - 1), 2**127 - 1)]
)
def test_the_required_unfilled_amount_is_a_magnitude_and_not_signed(value: Any, amount: int | None) -> None:
    decoded = decode(cancel(required_unfilled_amount=value))
    assert isinstance(decoded, CancelOrders)
    assert decoded.required_unfilled_amount == amount
    assert decoded.signer() == OWNER


@pytest.mark.row("P-02")
def test_a_cancellation_may_carry_an_id() -> None:
    assert id_of(decode(cancel(id=7))) == 7
    assert id_of(decode(cancel(id=None))) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"tx": ...}, {"tx": None}, {"signature": ...}, {"sender": ...}, {"productIds": ...}, {"digests": ...},
        {"nonce": ...}, {"productIds": None}, {"digests": None}, {"productIds": ["2"]}, {"productIds": [-1]},
        {"productIds": [2.5]}, {"digests": ["0x"]}, {"digests": [1]}, {"digests": ["ab" * 32]},
        {"digests": ["0x" + "zz" * 32]}, {"nonce": None}, {"required_unfilled_amount": "x"},
        {"required_unfilled_amount": True}, {"id": "7"},
    ],
)  # fmt: skip
def test_a_malformed_cancellation_is_2038(changes: dict[str, Any]) -> None:
    assert refused(cancel(**changes)).code is Code.INVALID_EXECUTE_MESSAGE


def test_the_documents_sample_is_refused_for_its_placeholders_alone() -> None:
    """The page's request has "0x" for a digest and for the signature; with real ones it is an ordinary request."""
    sample: Request = {
        "cancel_orders": {
            "tx": {
                "sender": "0x7a5ec2748e9065794491a8d29dcf3f9edb8d7c43746573743000000000000000",
                "productIds": [2],
                "digests": ["0x"],
                "nonce": "1",
            },
            "signature": "0x",
        }
    }
    error = refused(sample)
    assert error.code is Code.INVALID_EXECUTE_MESSAGE
    assert "digests[0]" in error.message
    sample["cancel_orders"]["tx"]["digests"] = ["0x" + "ab" * 32]
    decoded = decode(sample)
    assert isinstance(decoded, CancelOrders)
    assert decoded.nonce == 1
    with pytest.raises(GatewayError) as caught:
        decoded.signer()
    assert caught.value.code is Code.SIGNATURE_LENGTH


# ---- cancel_product_orders -----------------------------------------------------------------------------------------


@pytest.mark.row("P-11")
def test_no_products_mean_all_products() -> None:
    decoded = decode(request_of("cancel_product_orders_all"))
    assert isinstance(decoded, CancelProductOrders)
    assert decoded.product_ids == ()
    assert weights.of_execute(decoded) == 50


def test_products_that_are_named_twice_are_signed_twice_and_cancelled_once() -> None:
    request = request_of("cancel_product_orders_one")
    once = decode(request)
    request["cancel_product_orders"]["tx"]["productIds"] *= 2
    twice = decode(request)
    assert isinstance(once, CancelProductOrders)
    assert isinstance(twice, CancelProductOrders)
    assert once.product_ids == twice.product_ids
    assert once.digest != twice.digest


@pytest.mark.row("P-11")
def test_the_digest_member_that_one_sdk_sends_is_verified() -> None:
    request = request_of("cancel_product_orders_one")
    request["cancel_product_orders"]["digest"] = VECTORS["cancel_product_orders_one"]["digest"]
    decoded = decode(request)
    assert isinstance(decoded, CancelProductOrders)
    assert decoded.signer() == OWNER
    request["cancel_product_orders"]["digest"] = "0x" + "00" * 32
    decoded = decode(request)
    assert isinstance(decoded, CancelProductOrders)
    with pytest.raises(GatewayError) as caught:
        decoded.signer()
    assert caught.value.code is Code.SIGNATURE_ERROR


def test_products_of_a_cancellation_have_a_bound() -> None:
    request = request_of("cancel_product_orders_one")
    request["cancel_product_orders"]["tx"]["productIds"] = [2] * (CANCEL_PRODUCTS_MAX + 1)
    assert refused(request).code is Code.INVALID_EXECUTE_MESSAGE


# ---- cancel_and_place ----------------------------------------------------------------------------------------------


@pytest.mark.row("P-12")
def test_both_halves_are_decoded_and_both_are_signed() -> None:
    request = cancel_and_place(place_requires_unfilled=True, required_unfilled_amount="7")
    request["cancel_and_place"]["place_order"]["id"] = 9
    decoded = decode(request)
    assert isinstance(decoded, CancelAndPlace)
    assert decoded.cancel.digest == raw(VECTORS["cancel_orders_one"]["digest"])
    assert decoded.place.digest == raw(VECTORS["place_order_ioc"]["digest"])
    assert decoded.place_requires_unfilled
    assert decoded.cancel.required_unfilled_amount == 7
    assert decoded.signer() == OWNER
    assert id_of(decoded) == 9
    assert signature_echo(decoded) == VECTORS["cancel_orders_one"]["signature"]
    assert wallet(decoded) == OWNER


@pytest.mark.row("P-03", "P-12")
@pytest.mark.parametrize("members", [{}, {"place_requires_unfilled": None, "required_unfilled_amount": None}])
def test_the_order_is_placed_whatever_the_cancellation_does_unless_asked_otherwise(members: dict[str, Any]) -> None:
    decoded = decode(cancel_and_place(**members))
    assert isinstance(decoded, CancelAndPlace)
    assert not decoded.place_requires_unfilled
    assert decoded.cancel.required_unfilled_amount is None


@pytest.mark.row("P-12")
def test_two_senders_are_2066() -> None:
    other = request_of("place_order_other_subaccount")["place_order"]
    error = refused(cancel_and_place(place_order=other))
    assert error.code is Code.CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER


@pytest.mark.row("P-12", "S-09")
def test_two_signers_are_2066() -> None:
    linked = next(one for one in LINKED if one["base"] == "cancel_orders_one")
    decoded = decode(cancel_and_place(cancel_signature=linked["signature"]))
    assert isinstance(decoded, CancelAndPlace)
    assert decoded.cancel.signer() == LINKED_SIGNER
    with pytest.raises(GatewayError) as caught:
        decoded.signer()
    assert caught.value.code is Code.CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER


# ---- link_signer ---------------------------------------------------------------------------------------------------


@pytest.mark.row("P-13", "C-30")
def test_a_signer_is_the_first_twenty_of_thirty_two_bytes() -> None:
    decoded = decode(request_of("link_signer"))
    assert isinstance(decoded, LinkSigner)
    assert decoded.linked_signer == LINKED_SIGNER
    assert decoded.nonce == 7
    assert not decoded.from_isolated
    assert id_of(decoded) is None


@pytest.mark.row("P-13")
def test_zeros_revoke() -> None:
    decoded = decode(request_of("link_signer_revoke"))
    assert isinstance(decoded, LinkSigner)
    assert decoded.linked_signer is None


@pytest.mark.parametrize("signer", ["0x" + "70" * 20, "", None])
def test_an_address_alone_is_no_signer(signer: Any) -> None:
    request = request_of("link_signer")
    request["link_signer"]["tx"]["signer"] = signer
    assert refused(request).code is Code.INVALID_EXECUTE_MESSAGE


# ---- whole bodies --------------------------------------------------------------------------------------------------


@pytest.mark.row("P-15")
@pytest.mark.parametrize("name", sorted(UNSERVED))
@pytest.mark.parametrize("body", [{"tx": {}, "signature": "0x"}, {}, None, 1])
def test_what_is_not_served_is_4001_with_its_request_type(name: str, body: Any) -> None:
    error = refused({name: body})
    assert error.code is Code.NOT_IMPLEMENTED
    assert error.request_type == "execute_" + name


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b"1", b'"x"', b"{", b'{"cancel_orders"}', b'{"no_such_execute":{}}', b"\xff",
        b'{"type":1}', b'{"cancel_orders":{},"place_order":{}}', b'{"Cancel_Orders":{}}', b"[" * 50_000,
    ],
)  # fmt: skip
def test_what_is_no_execute_at_all_is_2038_without_a_request_type(body: bytes) -> None:
    error = refused(body)
    assert error.code is Code.INVALID_EXECUTE_MESSAGE
    assert error.request_type is None
    assert json.loads(failure(error))["signature"] == ""


@pytest.mark.parametrize("inner", ["1", "null", "[]", '"x"', "[" * 50_000])
def test_an_execute_that_is_no_object_is_2038(inner: str) -> None:
    error = refused(b'{"cancel_orders":' + inner.encode() + b"}")
    assert error.code is Code.INVALID_EXECUTE_MESSAGE


@pytest.mark.row("C-15", "P-02")
def test_a_refusal_repeats_whatever_could_be_read() -> None:
    error = refused(cancel(nonce="x", id=12))
    assert (error.request_type, error.id) == ("execute_cancel_orders", 12)
    assert error.signature == VECTORS["cancel_orders_one"]["signature"]
    error = refused(cancel(sender="x", id="12", signature="0x12"))
    assert (error.signature, error.id) == ("", None)
    request = cancel_and_place()
    request["cancel_and_place"]["place_order"]["id"] = 3
    request["cancel_and_place"]["place_order"]["order"] = None
    error = refused(request)
    assert (error.request_type, error.id) == ("execute_cancel_and_place", 3)
    assert error.signature == VECTORS["cancel_orders_one"]["signature"]


def test_of_members_that_are_given_twice_the_last_one_counts() -> None:
    text = body_of(cancel()).decode()
    digest = VECTORS["cancel_orders_one"]["message"]["digests"][0]
    doubled = text.replace('"nonce":', '"nonce": "5", "nonce":', 1)
    assert doubled != text
    decoded = decode_execute(doubled.encode(), DOMAIN)
    assert isinstance(decoded, CancelOrders)
    assert decoded.digests == (raw(digest),)
    assert decoded.signer() == OWNER


# ---- weights (12) --------------------------------------------------------------------------------------------------


@pytest.mark.row("C-18", "R-01")
@pytest.mark.parametrize(
    ("request_", "weight"),
    [
        (lambda: place(), 1),
        (lambda: place(spot_leverage=True), 1),
        (lambda: place(spot_leverage=False), 20),
        (lambda: request_of("cancel_orders_two"), 2),
        (lambda: request_of("cancel_product_orders_two"), 10),
        (lambda: batch("place_order_ioc", "place_order_fok"), 2),
        (lambda: cancel_and_place(), 2),
        (lambda: request_of("link_signer"), 30),
    ],
)
def test_a_request_weighs_what_the_table_says(request_: Callable[[], Request], weight: int) -> None:
    assert weights.of_execute(decode(request_())) == weight


# ---- anything at all -----------------------------------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
MUTABLE = [place, cancel, cancel_and_place, lambda: request_of("link_signer"), lambda: batch("place_order_ioc")]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(deeper for key, one in inner for deeper in paths(one, (*path, key)))]


def answer_of(body: bytes) -> None:
    """Any bytes are a request, or are refused with a documented code; and the refusal can be told."""
    refusal: GatewayError | None = None
    try:
        decoded = decode_frame(body, DOMAIN)
    except GatewayError as error:
        refusal = error
    if refusal is None:
        assert isinstance(decoded, Query) or request_type_of(decoded).startswith("execute_")
    else:
        envelope = json.loads(failure(refusal))
        assert (envelope["status"], envelope["error_code"]) == ("failure", refusal.code)
        assert envelope["error"]


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    answer_of(body)


@settings(deadline=None)
@given(st.sampled_from([*SERVED, "place_orders", "cancel_and_place", "type", "x"]), json_values)
def test_any_value_under_any_name(name: str, value: Any) -> None:
    answer_of(body_of({name: value}))


@settings(deadline=None)
@given(st.data(), json_values)
def test_any_value_in_any_place_of_a_good_request(data: st.DataObject, value: Any) -> None:
    request = data.draw(st.sampled_from(MUTABLE))()
    *way, last = data.draw(st.sampled_from(paths(request)[1:]))
    target = request
    for key in way:
        target = target[key]
    target[last] = value
    answer_of(body_of(request))


@settings(deadline=None)
@given(st.data())
def test_any_cut_and_any_flipped_byte_of_a_good_request(data: st.DataObject) -> None:
    body = bytearray(body_of(data.draw(st.sampled_from(MUTABLE))()))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answer_of(bytes(body[: data.draw(st.integers(0, len(body)))]))
    answer_of(bytes(body))
