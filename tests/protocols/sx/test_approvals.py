"""Approvals by permit (`spec/sx.md` 4.6, 5.11)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, new_account

from overround.testing.sx import signed_permit

pytestmark = pytest.mark.xdist_group("sx approvals")  # one server for the module

PATH = "/orders/approve"
(VECTOR,) = [
    vector
    for vector in json.loads((Path(__file__).parents[2] / "vectors" / "sx_vectors.json").read_text())["vectors"]
    if vector["kind"] == "approve"
]


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.mark.row("FILL-11", "SIGN-13")
def test_permits_are_numbered_and_only_more_is_news(http: httpx.Client, operator: Operator) -> None:
    owner = new_account()
    first = data_of(http.post(PATH, json=signed_permit(owner, 5)))["hash"]
    assert_failure(http.post(PATH, json=signed_permit(owner, 6)), 400, "SIGNATURE_MISMATCH")  # nonce 0 is used up
    for value in (5, 4, 0):
        assert data_of(http.post(PATH, json=signed_permit(owner, value, nonce=1))) == {"hash": None}
    second = data_of(http.post(PATH, json=signed_permit(owner, 2**256 - 1, nonce=1, deadline=2**256 - 1)))["hash"]
    assert first != second
    assert all(len(one) == 66 and one.startswith("0x") for one in (first, second))


@pytest.mark.row("FILL-11")
def test_a_deadline_is_a_number_or_its_text_and_passes(http: httpx.Client, operator: Operator) -> None:
    owner, now = new_account(), int(time.time())
    before = operator.digest()
    assert_failure(http.post(PATH, json=signed_permit(owner, 5, deadline=now - 5)), 400, "DEADLINE_EXPIRED")
    body = signed_permit(owner, 5, deadline=now + 60)
    del body["deadline"]
    assert_bad_request(http.post(PATH, json=body), "deadline")
    assert operator.digest() == before
    data_of(http.post(PATH, json={**body, "deadline": str(now + 60)}))


@pytest.mark.row("FILL-11", "SIGN-13")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"value": "6"}, "SIGNATURE_MISMATCH"),
        ({"owner": MAINNET.wsx}, "SIGNATURE_MISMATCH"),
        ({"tokenAddress": MAINNET.wsx}, "BAD_BASE_TOKEN"),
        ({"tokenAddress": "USDC"}, "BAD_BASE_TOKEN"),
        ({"spender": MAINNET.executor}, "BAD_REQUEST"),
        ({"signature": "0x12"}, "BAD_REQUEST"),
        ({"signature": "0x" + "00" * 65}, "SIGNATURE_MISMATCH"),
        ({"value": "-1"}, "BAD_REQUEST"),
    ],
)
def test_a_permit_for_something_else_approves_nothing(
    http: httpx.Client, operator: Operator, change: dict[str, Any], code: str
) -> None:
    before = operator.digest()
    assert_failure(http.post(PATH, json={**signed_permit(new_account(), 5), **change}), 400, code)
    assert operator.digest() == before


@pytest.mark.row("SIGN-13")
def test_the_vector_is_its_owners(http: httpx.Client) -> None:
    """Whatever it is refused or answered with, it is not for its signature (P4)."""
    body = VECTOR["requestBody"]
    answer = http.post(PATH, json=body)
    assert answer.json().get("errorCode") in (None, "DEADLINE_EXPIRED"), answer.text
    if answer.status_code == 200:
        assert data_of(answer)["hash"] == VECTOR["digest"]
