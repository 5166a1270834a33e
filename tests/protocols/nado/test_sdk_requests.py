"""What the official SDKs send, as recorded, is read and means what its caller meant (`spec/nado.md` 14)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.protocols.nado.test_checks import MARKETS, nobody
from tests.protocols.nado.vectors import DOMAIN, NOW_MS, OWNER, SDK_REQUESTS, raw

from overround.protocols.nado import digests
from overround.protocols.nado.checks import check_product, check_signature
from overround.protocols.nado.decode import decode_execute
from overround.protocols.nado.digests import Liquidation, WithdrawalV2
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.frames import decode_frame
from overround.protocols.nado.nonces import check_window
from overround.protocols.nado.queries import Query, decode_edge_query, decode_query, decode_v2
from overround.protocols.nado.requests import UNSERVED, CancelAndPlace, Execute, LinkSigner, PlaceOrder, PlaceOrders
from overround.protocols.nado.signatures import read_signature
from overround.protocols.nado.subscriptions import Authenticate, decode_request
from overround.signing.recover import recover_address

Recorded = dict[str, str]

BARE = {"/v1/symbols", "/v1/time", "/v1/ip", "/v1/cf-check"}


def recorded(keep: Any) -> list[Any]:
    return [
        pytest.param(one, id=f"{sdk}-{place}-{one['call'].replace(' ', '_')}")
        for sdk in ("python", "typescript")
        for place, one in enumerate(SDK_REQUESTS[sdk])
        if keep(one)
    ]


def name_of(one: Recorded) -> str:
    return str(next(iter(json.loads(one["body"]))))


def is_execute(one: Recorded) -> bool:
    return one.get("path") == "/v1/execute" or (one.get("socket") == "/v1/ws" and name_of(one) != "type")


def parts(request: Execute) -> list[Any]:
    if isinstance(request, PlaceOrders):
        return list(request.orders)
    return [request.cancel, request.place] if isinstance(request, CancelAndPlace) else [request]


@pytest.mark.row("K-01", "K-02", "S-07")
@pytest.mark.parametrize("one", recorded(lambda one: is_execute(one) and name_of(one) not in UNSERVED))
def test_an_execute_is_read_and_is_its_owners(one: Recorded) -> None:
    request = decode_execute(one["body"].encode(), DOMAIN)
    assert decode_frame(one["body"].encode(), DOMAIN) == request
    check_product(request, MARKETS)
    check_signature(request, nobody)
    for part in parts(request):
        assert part.signer() == OWNER
        if not isinstance(part, LinkSigner) and not one["call"].endswith("close_position"):
            check_window(part.nonce, NOW_MS)  # its helper takes the time from the machine


@pytest.mark.row("P-15")
@pytest.mark.parametrize("one", recorded(lambda one: is_execute(one) and name_of(one) in UNSERVED))
def test_what_is_not_served_is_refused_by_name_with_its_signature(one: Recorded) -> None:
    body = json.loads(one["body"])
    with pytest.raises(GatewayError) as caught:
        decode_execute(one["body"].encode(), DOMAIN)
    assert caught.value.code is Code.NOT_IMPLEMENTED
    assert caught.value.request_type == "execute_" + name_of(one)
    assert caught.value.signature == body[name_of(one)]["signature"]


@pytest.mark.row("K-01", "K-02")
@pytest.mark.parametrize("one", recorded(lambda one: one.get("path") == "/v1/query"))
def test_a_query_is_read(one: Recorded) -> None:
    query = decode_query(one["body"].encode())
    assert query.type == json.loads(one["body"])["type"]


@pytest.mark.parametrize("one", recorded(lambda one: one.get("path") == "/v1/edge/query"))
def test_a_query_at_the_edge_is_read_or_not_implemented(one: Recorded) -> None:
    try:
        decode_edge_query(one["body"].encode())
    except GatewayError as error:
        assert (error.code, name_of(one)) == (Code.NOT_IMPLEMENTED, "type")  # noqa: PT017
        assert "cached_bbo_history" in one["body"]


@pytest.mark.row("Q-17")
@pytest.mark.parametrize("one", recorded(lambda one: one.get("path", "").startswith("/v2/")))
def test_a_v2_request_is_read(one: Recorded) -> None:
    route, _, query_string = one["path"].removeprefix("/v2/").partition("?")
    assert decode_v2(route, query_string.encode()).type == route


@pytest.mark.row("W-06", "K-01")
@pytest.mark.parametrize("one", recorded(lambda one: one.get("socket") == "/v1/subscribe"))
def test_a_subscription_is_read(one: Recorded) -> None:
    assert decode_request(one["body"].encode(), DOMAIN).id == json.loads(one["body"])["id"]


@pytest.mark.row("W-05", "K-01")
def test_an_authentication_is_its_wallets() -> None:
    one = next(one for one in SDK_REQUESTS["python"] if one["call"] == "authenticate")
    request = decode_request(one["body"].encode(), DOMAIN)
    assert isinstance(request, Authenticate)
    request.check_window(NOW_MS)
    assert request.signer() == request.wallet == OWNER


@pytest.mark.parametrize("one", recorded(lambda one: one.get("socket") == "/v1/ws"))
def test_a_frame_is_an_execute_or_a_query(one: Recorded) -> None:
    assert isinstance(decode_frame(one["body"].encode(), DOMAIN), Query) == (name_of(one) == "type")


def test_nothing_that_was_recorded_is_left_out() -> None:
    paths = {one["path"] for sdk in ("python", "typescript") for one in SDK_REQUESTS[sdk] if "path" in one}
    assert {one for one in paths if not one.startswith("/v2/")} == BARE | {"/v1/execute", "/v1/query", "/v1/edge/query"}


@pytest.mark.row("K-01")
def test_the_python_client_asks_for_the_contracts_and_for_nothing_else_when_it_is_made() -> None:
    made = [one for one in SDK_REQUESTS["python"] if one["call"] == "create_nado_client"]
    assert [(one["path"], json.loads(one["body"])) for one in made] == [("/v1/query", {"type": "contracts"})]
    assert not [one for one in SDK_REQUESTS["typescript"] if one["call"] == "createNadoClient"]


@pytest.mark.row("S-07", "K-01", "K-02")
def test_both_sdks_sign_the_same_order_alike() -> None:
    python, typescript = (
        decode_execute(next(one["body"] for one in SDK_REQUESTS[sdk] if is_execute(one)).encode(), DOMAIN)
        for sdk in ("python", "typescript")
    )
    assert isinstance(python, PlaceOrder)
    assert python == typescript


# Types of which the vectors have none: the Python SDK signed one of each.


def tx_of(name: str) -> tuple[dict[str, Any], str]:
    body = next(
        json.loads(one["body"])[name] for one in SDK_REQUESTS["python"] if is_execute(one) and name_of(one) == name
    )
    return body["tx"], body["signature"]


def test_a_withdrawal_to_another_address_is_hashed_as_the_sdk_does() -> None:
    tx, signature = tx_of("withdraw_collateral_v2")
    message = WithdrawalV2(
        raw(tx["sender"]), tx["productId"], int(tx["amount"]), int(tx["nonce"]), raw(tx["sendTo"]), int(tx["appendix"])
    )
    read = read_signature(signature).raw
    assert read is not None
    assert recover_address(digests.withdraw_collateral_v2_digest(DOMAIN, message), read) == OWNER


def test_a_liquidation_is_hashed_as_the_sdk_does() -> None:
    tx, signature = tx_of("liquidate_subaccount")
    message = Liquidation(
        raw(tx["sender"]),
        raw(tx["liquidatee"]),
        tx["productId"],
        tx["isEncodedSpread"],
        int(tx["amount"]),
        int(tx["nonce"]),
    )
    read = read_signature(signature).raw
    assert read is not None
    assert recover_address(digests.liquidate_subaccount_digest(DOMAIN, message), read) == OWNER
