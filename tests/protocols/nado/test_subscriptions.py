"""The subscription socket's requests and answers (`spec/nado.md` 11.1 to 11.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocols.nado.test_decode import json_values
from tests.protocols.nado.vectors import DOMAIN, LINKED, LINKED_SIGNER, NOW_MS, OWNER, VECTORS, body_of, raw

from overround.protocols.nado import subscriptions
from overround.protocols.nado.subscriptions import (
    STREAM_TYPES,
    STREAMS_MAX,
    Authenticate,
    ListStreams,
    Ping,
    Request,
    Stream,
    Subscribe,
    SubscriptionError,
    Time,
    Unsubscribe,
    decode_request,
)
from overround.protocols.nado.units import subaccount

ACCOUNT = subaccount(OWNER)
TEXT = "0x" + ACCOUNT.hex()
VECTOR = VECTORS["stream_authentication"]
AUTHENTICATE: dict[str, Any] = {
    "method": "authenticate",
    "id": 0,
    "tx": {"sender": VECTOR["message"]["sender"], "expiration": str(VECTOR["message"]["expiration"])},
    "signature": VECTOR["signature"],
}
TRADES = {"type": "trade", "product_id": 2}


def decode(request: Any) -> Request:
    return decode_request(body_of(request), DOMAIN)


def refused(request: Any) -> SubscriptionError:
    with pytest.raises(SubscriptionError) as caught:
        decode_request(request if isinstance(request, bytes) else body_of(request), DOMAIN)
    return caught.value


@pytest.mark.row("W-06")
@pytest.mark.parametrize(
    ("request_", "decoded"),
    [
        ({"method": "subscribe", "stream": TRADES, "id": 10}, Subscribe(10, (Stream("trade", 2),))),
        ({"method": "unsubscribe", "stream": TRADES, "id": 11}, Unsubscribe(11, (Stream("trade", 2),))),
        (
            {"method": "subscribe_multi", "streams": [TRADES, {"type": "all_bbo"}, TRADES], "id": 12},
            Subscribe(12, (Stream("trade", 2), Stream("all_bbo"))),
        ),
        ({"method": "unsubscribe_multi", "streams": [], "id": 13}, Unsubscribe(13, ())),
        ({"method": "list", "id": 14}, ListStreams(14)),
        ({"method": "ping", "id": 15, "client_time": "1735689600000"}, Ping(15, "1735689600000")),
        ({"method": "ping", "id": 15, "client_time": 5}, Ping(15, 5)),
        ({"method": "ping", "id": 15, "client_time": {"x": 1}}, Ping(15, None)),
        ({"method": "ping", "id": 2**64 - 1}, Ping(2**64 - 1, None)),
        ({"method": "time", "id": 16}, Time(16)),
    ],
)
def test_every_request_of_the_table(request_: dict[str, Any], decoded: Request) -> None:
    assert decode(request_) == decoded
    assert decode({**request_, "chain_id": 1, "any": ["thing"], "tx": None}) == decoded


@pytest.mark.row("W-06", "W-08", "W-09")
@pytest.mark.parametrize(
    ("stream", "decoded"),
    [
        ({"type": "order_update", "subaccount": TEXT}, Stream("order_update", None, ACCOUNT)),
        ({"type": "order_update", "subaccount": TEXT, "product_id": None}, Stream("order_update", None, ACCOUNT)),
        ({"type": "order_update", "subaccount": TEXT, "product_id": 2}, Stream("order_update", 2, ACCOUNT)),
        ({"type": "fill", "subaccount": TEXT.upper().replace("0X", "0x")}, Stream("fill", None, ACCOUNT)),
        ({"type": "position_change", "subaccount": TEXT}, Stream("position_change", None, ACCOUNT)),
        ({"type": "trade", "product_id": 2}, Stream("trade", 2)),
        ({"type": "best_bid_offer", "product_id": 2}, Stream("best_bid_offer", 2)),
        ({"type": "book_depth", "product_id": 2}, Stream("book_depth", 2)),
        ({"type": "all_bbo", "product_id": 2}, Stream("all_bbo")),
        ({"type": "liquidation"}, Stream("liquidation")),
        ({"type": "latest_candlestick", "product_id": 2, "granularity": 60}, Stream("latest_candlestick", 2, None, 60)),
        ({"type": "funding_payment", "product_id": 2}, Stream("funding_payment", 2)),
        ({"type": "funding_rate", "product_id": None}, Stream("funding_rate")),
    ],
)
def test_every_stream_with_and_without_what_it_may_leave_out(stream: dict[str, Any], decoded: Stream) -> None:
    assert decode({"method": "subscribe", "id": 1, "stream": {**stream, "chain_id": 1}}) == Subscribe(1, (decoded,))
    assert decoded.type in STREAM_TYPES
    assert decode({"method": "subscribe", "id": 1, "stream": decoded.wire()}) == Subscribe(1, (decoded,))


@pytest.mark.row("W-07", "W-08")
def test_only_orders_need_authentication() -> None:
    assert [kind for kind in STREAM_TYPES if Stream(kind).needs_authentication] == ["order_update"]


@pytest.mark.parametrize(
    "stream",
    [
        {}, {"type": None}, {"type": "x"}, {"type": 1}, {"type": ["trade"]}, {"type": "trade"}, {"type": "default"},
        {"type": "trade", "product_id": "x"}, {"type": "trade", "product_id": -1},
        {"type": "trade", "product_id": 2**32}, {"type": "fill"}, {"type": "fill", "subaccount": "x"},
        {"type": "fill", "subaccount": "0x" + OWNER.hex()}, {"type": "latest_candlestick", "product_id": 2},
    ],
)  # fmt: skip
def test_an_unknown_or_incomplete_stream_is_an_error_with_the_requests_id(stream: dict[str, Any]) -> None:
    for request in (
        {"method": "subscribe", "stream": stream},
        {"method": "subscribe_multi", "streams": [TRADES, stream]},
    ):
        error = refused({**request, "id": 5})
        assert error.id == 5
        assert str(error).startswith("error parsing request: ")


@pytest.mark.parametrize(
    ("request_", "id_"),
    [
        (b"", 0), (b"null", 0), (b"[]", 0), (b"\xff", 0), (b"[" * 50_000, 0), ({}, 0), ({"id": 3}, 3), ({"id": "3"}, 0),
        ({"id": -1, "method": "list"}, 0), ({"id": 2**64, "method": "list"}, 0), ({"method": "list"}, 0),
        ({"method": "x", "id": 3}, 3), ({"method": 1, "id": 3}, 3), ({"method": "subscribe", "id": 3}, 3),
        ({"method": "subscribe", "id": 3, "stream": []}, 3), ({"method": "subscribe_multi", "id": 3}, 3),
        ({"method": "subscribe_multi", "id": 3, "streams": [1]}, 3), ({"method": "authenticate", "id": 3}, 3),
        ({"method": "subscribe_multi", "id": 3, "streams": [TRADES] * (STREAMS_MAX + 1)}, 3),
        ({**AUTHENTICATE, "id": 3, "signature": None}, 3), ({**AUTHENTICATE, "id": 3, "tx": {"sender": TEXT}}, 3),
        ({**AUTHENTICATE, "id": 3, "tx": {"sender": "x", "expiration": "1"}}, 3),
        ({**AUTHENTICATE, "id": 3, "tx": {"sender": TEXT, "expiration": "x"}}, 3),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_an_error_and_repeats_the_id_if_it_can(request_: Any, id_: int) -> None:
    error = refused(request_)
    assert error.id == id_
    answer = json.loads(subscriptions.refused(error))
    assert list(answer) == ["result", "error", "id"]
    assert answer["result"] is None
    assert answer["id"] == id_


def test_a_missing_member_is_named() -> None:
    error = refused({**AUTHENTICATE, "tx": {"sender": TEXT}})
    assert "`expiration`" in str(error)


# ---- authentication ------------------------------------------------------------------------------------------------


@pytest.mark.row("W-05", "S-07")
def test_the_vector_authenticates_its_wallet() -> None:
    request = decode(AUTHENTICATE)
    assert isinstance(request, Authenticate)
    assert request.digest == raw(VECTOR["digest"])
    assert request.signer() == request.wallet == OWNER


@pytest.mark.row("W-05", "S-09")
def test_a_linked_signer_authenticates_too() -> None:
    linked = next(one for one in LINKED if one["base"] == "stream_authentication")
    request = decode({**AUTHENTICATE, "signature": linked["signature"]})
    assert isinstance(request, Authenticate)
    assert request.signer() == LINKED_SIGNER


@pytest.mark.row("W-05")
@pytest.mark.parametrize(
    ("offset_ms", "fits"), [(-1, False), (0, True), (5_000, True), (100_000, True), (100_001, False)]
)
def test_it_may_be_presented_until_it_expires_and_not_more_than_100_s_before(offset_ms: int, fits: bool) -> None:
    request = decode({**AUTHENTICATE, "id": 4, "tx": {"sender": TEXT, "expiration": str(NOW_MS + offset_ms)}})
    assert isinstance(request, Authenticate)
    if fits:
        request.check_window(NOW_MS)
    else:
        with pytest.raises(SubscriptionError) as caught:
            request.check_window(NOW_MS)
        assert caught.value.id == 4


def test_a_bad_signature_is_an_error_with_its_code() -> None:
    request = decode({**AUTHENTICATE, "id": 4, "signature": "0x12"})
    assert isinstance(request, Authenticate)
    with pytest.raises(SubscriptionError, match="2027") as caught:
        request.signer()
    assert caught.value.id == 4


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.row("W-06")
def test_every_answer_of_the_table() -> None:
    assert subscriptions.succeeded(0) == b'{"result":null,"id":0}'
    assert json.loads(subscriptions.listed(14, [Stream("trade", 2), Stream("fill", None, ACCOUNT)])) == {
        "result": [{"type": "default"}, {"type": "trade", "product_id": 2}, {"type": "fill", "subaccount": TEXT}],
        "id": 14,
    }
    assert json.loads(subscriptions.pong(Ping(15, "1735689600000"), 1_735_689_600_005)) == {
        "result": {"method": "pong", "server_time": "1735689600005", "client_time": "1735689600000"},
        "id": 15,
    }
    assert json.loads(subscriptions.pong(Ping(15, None), 5)) == {
        "result": {"method": "pong", "server_time": "5"},
        "id": 15,
    }
    assert json.loads(subscriptions.time(16, 5)) == {"result": {"method": "time", "server_time": "5"}, "id": 16}


@pytest.mark.row("W-03")
def test_a_socket_without_compression_is_told_the_code() -> None:
    assert "2080" in json.loads(subscriptions.compression_required())["error"]


# ---- anything at all -----------------------------------------------------------------------------------------------


def answer_of(frame: bytes) -> None:
    try:
        decode_request(frame, DOMAIN)
    except SubscriptionError as error:
        assert json.loads(subscriptions.refused(error))["error"]  # noqa: PT017


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes(frame: bytes) -> None:
    answer_of(frame)


@settings(deadline=None)
@given(
    st.sampled_from(["authenticate", "subscribe", "subscribe_multi", "ping", "list", "x"]),
    st.dictionaries(st.sampled_from(["id", "tx", "stream", "streams", "signature", "client_time"]), json_values),
)
def test_any_values_in_any_members(method: str, members: dict[str, Any]) -> None:
    answer_of(body_of({"id": 1, **members, "method": method}))


@settings(deadline=None)
@given(
    st.sampled_from(STREAM_TYPES),
    st.dictionaries(st.sampled_from(["product_id", "subaccount", "granularity"]), json_values),
)
def test_any_values_in_a_stream(kind: str, members: dict[str, Any]) -> None:
    answer_of(body_of({"method": "subscribe", "id": 1, "stream": {**members, "type": kind}}))
