"""API keys and the tokens they buy (`spec/sx.md` 5.15, 5.17)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from tests.protocols.envelope import assert_failure, data_of
from tests.protocols.operating import Operator, address_of, new_account

from overround.config import SANDBOX_TOKEN_SECRET
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("sx user")  # one server for the module

PATH = "/user/realtime-token/api-key"


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


def issue_key(operator: Operator, address: str) -> str:
    return str(data_of(operator.call("POST", "/admin/api-keys", {"address": address}))["apiKey"])


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, if it is signed as it must be."""
    claims: dict[str, Any] = jwt.decode(
        token, SANDBOX_TOKEN_SECRET, algorithms=["HS256"], options={"require": ["sub", "iat", "exp"]}
    )
    return claims


@pytest.mark.row("USR-01")
def test_a_key_buys_a_token_that_stands_at_top_level_and_names_the_owner(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    account = world["accounts"][0]
    before = int(time.time())
    answer = http.get(PATH, headers={"x-api-key": account["apiKey"]})
    assert answer.status_code == 200
    assert answer.json().keys() == {"token"}
    token = answer.json()["token"]
    claims = claims_of(token)
    assert claims.keys() == {"sub", "iat", "exp"}
    assert claims["sub"] == account["address"]
    assert before <= claims["iat"] <= time.time()
    assert claims["exp"] - claims["iat"] == 3600
    assert jwt.get_unverified_header(token)["alg"] == "HS256"


@pytest.mark.row("USR-02")
@pytest.mark.parametrize("key", [None, "", "undefined", "00000000-0000-0000-0000-000000000000", "é", "x" * 10_000])
def test_without_a_valid_key_there_is_no_token(http: httpx.Client, key: str | None) -> None:
    headers = {} if key is None else {"x-api-key": key.encode()}
    assert_failure(http.get(PATH, headers=headers), 401, "UNAUTHORIZED")  # type: ignore[arg-type]


@pytest.mark.row("USR-02")
def test_a_key_counts_in_its_header_only_and_to_the_letter(http: httpx.Client, world: dict[str, Any]) -> None:
    key = world["accounts"][0]["apiKey"]
    assert_failure(http.get(PATH, params={"x-api-key": key, "apiKey": key}), 401, "UNAUTHORIZED")
    assert_failure(http.get(PATH, headers={"Authorization": f"Bearer {key}"}), 401, "UNAUTHORIZED")
    assert_failure(http.get(PATH, headers={"x-api-key": key.lower()}), 401, "UNAUTHORIZED")
    assert_failure(http.get(PATH, headers={"x-api-key": key[:-1]}), 401, "UNAUTHORIZED")


@pytest.mark.row("USR-03")
def test_the_token_route_may_be_asked_on_every_connect_and_refresh(http: httpx.Client, world: dict[str, Any]) -> None:
    account = world["accounts"][1]
    for _ in range(5):
        answer = http.get(PATH, headers={"x-api-key": account["apiKey"]})
        assert claims_of(answer.json()["token"])["sub"] == account["address"]


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text('[tokens]\nttl_s = 60\nsecret = "another secret of quite some length: 0123456789"\n')
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield client


@pytest.mark.row("USR-01")
def test_life_and_secret_of_tokens_are_configured_and_time_is_the_venues(short: httpx.Client) -> None:
    second = Operator(short).freeze_at_full_second()
    key = short.get("/sandbox").json()["accounts"][0]["apiKey"]
    token = short.get(PATH, headers={"x-api-key": key}).json()["token"]
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["iat"], claims["exp"]) == (second, second + 60)
    with pytest.raises(jwt.InvalidSignatureError):
        claims_of(token)


@pytest.mark.row("USR-05")
def test_a_new_key_is_shown_once_and_revokes_the_one_before(http: httpx.Client, operator: Operator) -> None:
    address = address_of(new_account())
    first = issue_key(operator, address)
    assert [len(part) for part in first.split("-")] == [8, 4, 4, 4, 12]
    assert claims_of(http.get(PATH, headers={"x-api-key": first}).json()["token"])["sub"] == address

    second = issue_key(operator, address)
    assert second != first
    assert_failure(http.get(PATH, headers={"x-api-key": first}), 401, "UNAUTHORIZED")
    assert http.get(PATH, headers={"x-api-key": second}).status_code == 200


@pytest.mark.row("USR-05")
def test_a_key_of_one_account_is_untouched_by_a_new_key_of_another(http: httpx.Client, operator: Operator) -> None:
    kept = issue_key(operator, address_of(new_account()))
    issue_key(operator, address_of(new_account()))
    assert http.get(PATH, headers={"x-api-key": kept}).status_code == 200
