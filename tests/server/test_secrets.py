"""No secret is ever written down: not in the log, however much of it is asked for, and not in the data folder."""

from __future__ import annotations

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
from tests.protocols.operating import BEARER
from tests.server.raw import Connection, request

from overround.sandbox.accounts import PRIVATE_KEYS
from overround.testing.accounts import ALICE, EVERYBODY
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

ADMIN_TOKEN = "an-operators-token-that-is-secret"
TOKEN_SECRET = "a-secret-of-tokens-that-is-long-enough-0123456789"


def use_everything(http: httpx.Client, server: ServerProcess) -> set[str]:
    """Good and bad requests with every kind of secret; returns the secrets."""
    world: dict[str, Any] = http.get("/sandbox").json()
    admin = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
    secrets: set[str] = {ADMIN_TOKEN, TOKEN_SECRET}
    for account in world["accounts"]:
        secrets |= {account["privateKey"].removeprefix("0x"), account["apiKey"]}

    key = http.post("/admin/api-keys", json={"address": world["accounts"][5]["address"]}, headers=admin).json()
    secrets.add(key["data"]["apiKey"])
    for name, value in (("X-Api-Key", key["data"]["apiKey"]), ("X-Api-Key", "wrong-key-" + "7" * 20), *BEARER.items()):
        answer = http.get("/user/realtime-token/api-key", headers={name: value})
        secrets |= {value, *answer.json().values()} if answer.status_code == 200 else {value}
    secrets.discard(BEARER["Authorization"])
    http.get("/admin/digest", headers={"Authorization": "Bearer wrong-token-" + "8" * 20})
    secrets.add("wrong-token-" + "8" * 20)
    http.get("/orders", params={"maker": "secret-in-a-query-" + "9" * 20})
    http.get("/secret-in-a-path-" + "9" * 20)
    secrets |= {"secret-in-a-query-" + "9" * 20, "secret-in-a-path-" + "9" * 20}

    market = world["markets"][0]["marketHash"]
    orders = [signed_order(ALICE, market) for _ in range(3)]
    cancel = signed_cancel(ALICE)
    forged = {**cancel, "signature": "0x" + "5a" * 64 + "1b"}
    malformed = {**cancel, "signature": "0x" + "6b" * 66}
    for path, body in (
        ("/orders/new", {"orders": orders}),
        ("/orders/new", {"orders": [{**orders[0], "signature": "0x" + "7c" * 64 + "1c"}]}),
        ("/orders/new", {"orders": [{**orders[0], "totalBetSize": "1"}]}),
        ("/orders/cancel/all", forged),
        ("/orders/cancel/all", malformed),
        ("/orders/cancel/all", cancel),
        ("/orders/cancel/all", cancel),
    ):
        http.post(path, json=body)
    for body in (*orders, cancel, forged, malformed):
        secrets.add(str(body["signature"]).removeprefix("0x"))
    secrets.add("7c" * 64)

    for data in (
        request("GET", "/metadata", b"", "X-Api-Key: secret-in-garbage", "A: " + "x" * 40_000),
        b"secret-in-garbage\r\n\r\n",
        request("POST", "/orders/new", b"[" * 1000),
    ):
        with Connection(server) as connection:
            connection.send(data)
            connection.answer()
    secrets.add("secret-in-garbage")
    return secrets


def test_no_secret_is_in_the_log_and_no_key_or_token_in_the_data_folder(tmp_path: Path) -> None:
    file, folder = tmp_path / "venue.toml", tmp_path / "data"
    file.write_text(
        f'[log]\nlevel = "debug"\nrequests = "all"\n'
        f'[admin]\ntoken = "{ADMIN_TOKEN}"\n[tokens]\nsecret = "{TOKEN_SECRET}"\n'
    )
    with (
        ServerProcess("--config", str(file), "--data-dir", str(folder)) as server,
        server.client() as http,
    ):
        secrets = use_everything(http, server)
        assert server.stop() == 0
        log = server.log
    lines = [json.loads(line) for line in log.splitlines()]
    assert sum(line["event"] == "request" for line in lines) > 15  # it was asked for everything, and wrote it
    assert len(secrets) > 30
    for secret in secrets:
        assert secret.lower() not in log.lower()

    stored = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert any(spelt in stored for spelt in spellings(ALICE.address)), "this is how to look for something"
    for secret in secrets:
        if len(secret) < 128:  # orders keep their signatures, which makers publish; nothing else may be found
            raw = bytes.fromhex(secret) if len(secret) == 64 else secret.encode()
            assert not any(spelt in stored for spelt in spellings(raw)), secret


def spellings(raw: bytes) -> set[bytes]:
    """How bytes may be written down."""
    return {raw, raw.lower(), raw.hex().encode(), b64encode(raw).rstrip(b"=")}


def test_an_account_shows_its_address_and_never_its_key() -> None:
    for account, key in zip(EVERYBODY, PRIVATE_KEYS, strict=True):
        assert key.removeprefix("0x") not in f"{account!r} {account} {vars(type(account))}"


def test_by_default_only_failures_are_logged_each_on_one_line_with_its_request() -> None:
    with ServerProcess() as server, server.client() as http:
        http.get("/metadata")
        failure = http.get("/orders?page=0")
        unknown = http.get("/x%0Ay%0D{}")
        lines = [json.loads(line) for line in server.log.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["request_id"] for line in requests] == [
        answer.headers["x-request-id"] for answer in (failure, unknown)
    ]
    wanted = {"level": "info", "method": "GET", "route": "/orders", "status": 400, "client": "127.0.0.1"}
    assert requests[0].items() >= wanted.items()
    assert (requests[1]["route"], requests[1]["status"]) == ("(unknown)", 404)
