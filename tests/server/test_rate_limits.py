"""Rate limits of a real server: groups, headers, the lane of cancels, and floods that harm only their sender."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_failure, data_of
from tests.protocols.operating import BEARER, Operator, address_of, new_account

from overround.config import Config
from overround.signing.account import LocalAccount
from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

NUMBERS = {"posts": 5, "cancels": 6, "order_reads": 4, "trade_reads": 3, "others": 7}
FREE = ("/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/sandbox", "/admin/digest")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A sandbox with small limits, and a proxy on every address of this machine but the first."""
    lines = ["[limits]", "profile = 'sx'", *(f"{group}_per_min = {number}" for group, number in NUMBERS.items())]
    file = tmp_path / "venue.toml"
    file.write_text("\n".join([*lines, "[server]", "trusted_proxies = ['127.0.0.2']", ""]))
    with ServerProcess("--config", str(file)) as started:
        yield started


@pytest.fixture
def http(server: ServerProcess) -> Iterator[httpx.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def market(http: httpx.Client) -> str:
    found: str = http.get("/sandbox").json()["markets"][0]["marketHash"]
    return found


@pytest.fixture
def key(http: httpx.Client) -> dict[str, str]:
    """Alice's API key."""
    accounts = http.get("/sandbox").json()["accounts"]
    return {"X-Api-Key": next(one["apiKey"] for one in accounts if one["address"] == address_of(ALICE))}


def from_address(server: ServerProcess, address: str) -> httpx.Client:
    """A client on another address of this machine."""
    return httpx.Client(base_url=server.base_url, transport=httpx.HTTPTransport(local_address=address))


def exhaust(http: httpx.Client, method: str, path: str, group: str, **more: Any) -> httpx.Response:
    """Send as many requests as the group allows, each counted down in its headers; the one that is too many."""
    limit = NUMBERS[group]
    for number in range(limit):
        answer = http.request(method, path, **more)
        assert answer.status_code not in (429, 503)
        assert answer.headers["RateLimit-Policy"] == f"{limit};w=60"
        assert answer.headers["RateLimit"].startswith(f"limit={limit}, remaining={limit - number - 1}, reset=")
    return http.request(method, path, **more)


def assert_limited(answer: httpx.Response, limit: int, window_s: int = 60) -> None:
    """It is the whole answer to a request that was too many."""
    assert_failure(answer, 429, "TOO_MANY_REQUESTS")
    wait_s = int(answer.headers["Retry-After"])
    assert 1 <= wait_s <= window_s
    assert answer.headers["RateLimit"] == f"limit={limit}, remaining=0, reset={wait_s}"
    assert answer.headers["RateLimit-Policy"] == f"{limit};w={window_s}"


def post(http: httpx.Client, market: str, maker: LocalAccount = ALICE, **headers: str) -> httpx.Response:
    return http.post("/orders/new", json={"orders": [signed_order(maker, market)]}, headers=headers)


def cancel(http: httpx.Client, maker: LocalAccount = ALICE, **headers: str) -> httpx.Response:
    return http.post("/orders/cancel/all", json=signed_cancel(maker), headers=headers)


def forge(http: httpx.Client, victim: LocalAccount = ALICE, **headers: str) -> httpx.Response:
    """A cancel in somebody's name that he did not sign."""
    body = signed_cancel(new_account(), maker=address_of(victim))
    return http.post("/orders/cancel/all", json=body, headers=headers)


# ---- groups --------------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-09")
@pytest.mark.parametrize(
    ("method", "paths", "group"),
    [
        ("POST", ("/orders/new", "/orders/fill/v2", "/orders/approve"), "posts"),
        ("POST", ("/orders/cancel/v2", "/orders/cancel/event", "/orders/cancel/all"), "cancels"),
        ("GET", ("/orders", "/orders/odds/best"), "order_reads"),
        ("GET", ("/trades", "/trades/consolidated"), "trade_reads"),
        ("GET", ("/metadata", "/markets/active", "/no/such/path"), "others"),
    ],
)
def test_a_group_has_one_budget_and_no_other_group_feels_it(
    http: httpx.Client, method: str, paths: tuple[str, ...], group: str
) -> None:
    assert_limited(exhaust(http, method, paths[0], group, content=b"{}"), NUMBERS[group])
    for path in paths:
        assert_limited(http.request(method, path, content=b"{}"), NUMBERS[group])
    others = {"posts": "/orders/new", "cancels": "/orders/cancel/all", "order_reads": "/orders", "others": "/metadata"}
    for other, path in others.items():
        if other != group:
            answer = http.request("POST" if other in ("posts", "cancels") else "GET", path, content=b"{}")
            assert answer.status_code in (200, 400)
    refused = next(
        line for line in http.get("/metrics").text.splitlines() if line.startswith("overround_rate_limited_total{")
    )
    assert refused == f'overround_rate_limited_total{{group="{group}"}} {1.0 + len(paths)}'


@pytest.mark.row("HTTP-09")
def test_operators_are_never_locked_out(http: httpx.Client) -> None:
    assert_limited(exhaust(http, "GET", "/metadata", "others"), NUMBERS["others"])
    for path in FREE * 3:
        answer = http.get(path, headers=BEARER)
        assert answer.status_code == 200
        assert "RateLimit" not in answer.headers


@pytest.mark.row("HTTP-09")
def test_all_traffic_together_has_a_budget_and_cancels_are_not_in_it(tmp_path: Path, market: str) -> None:
    file = tmp_path / "all.toml"
    file.write_text("limits = {profile = 'sx', all_per_10_min = 6}\n")
    with ServerProcess("--config", str(file)) as server, server.client() as http:
        for _ in range(10):
            assert cancel(http).status_code == 200
        for path in ("/metadata", "/orders?maker=x", "/trades") * 2:
            assert http.get(path).status_code != 429
        for path in ("/metadata", "/orders?maker=x", "/trades"):
            assert_limited(http.get(path), 6, 600)
        assert_limited(post(http, market), 6, 600)
        assert cancel(http).status_code == 200


@pytest.mark.row("HTTP-09")
def test_a_key_has_a_budget_of_its_own_and_an_unknown_one_has_none(
    server: ServerProcess, http: httpx.Client, key: dict[str, str]
) -> None:
    assert_limited(exhaust(http, "GET", "/orders", "order_reads"), NUMBERS["order_reads"])
    assert_limited(http.get("/orders", headers={"X-Api-Key": "undefined"}), NUMBERS["order_reads"])
    assert_limited(exhaust(http, "GET", "/orders", "order_reads", headers=key), NUMBERS["order_reads"])
    with from_address(server, "127.0.0.3") as elsewhere:
        assert_limited(elsewhere.get("/orders", headers=key), NUMBERS["order_reads"])
        assert elsewhere.get("/orders").status_code == 400


def test_only_configured_proxies_speak_for_others(server: ServerProcess, http: httpx.Client) -> None:
    for number in range(NUMBERS["others"]):
        assert http.get("/metadata", headers={"X-Forwarded-For": f"203.0.113.{number}"}).status_code == 200
    assert_limited(http.get("/metadata", headers={"X-Forwarded-For": "203.0.113.99"}), NUMBERS["others"])
    with from_address(server, "127.0.0.2") as proxy:
        one, other = {"X-Forwarded-For": "1.1.1.1, 203.0.113.1"}, {"X-Forwarded-For": "203.0.113.2"}
        assert_limited(exhaust(proxy, "GET", "/metadata", "others", headers=one), NUMBERS["others"])
        assert proxy.get("/metadata", headers=other).status_code == 200


# ---- profiles ------------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-09")
def test_a_sandbox_has_no_limits_unless_it_is_told_so(tmp_path: Path) -> None:
    with ServerProcess() as server, server.client() as http:
        for path in ("/metadata", "/orders?maker=x"):
            assert "RateLimit" not in http.get(path).headers
    file = tmp_path / "strict.toml"
    file.write_text('limits = "sx-strict"\n')
    published = {
        ("POST", "/orders/new"): 5500,
        ("POST", "/orders/cancel/all"): 10_000,
        ("GET", "/orders"): 5500,
        ("GET", "/trades"): 200,
        ("GET", "/metadata"): 500,
    }
    with ServerProcess("--config", str(file)) as server, server.client() as http:
        for (method, path), limit in published.items():
            answer = http.request(method, path, content=b"{}")
            assert answer.headers["RateLimit-Policy"] == f"{limit};w=60"
            assert answer.headers["RateLimit"] == f"limit={limit}, remaining={limit - 1}, reset=60"


@pytest.mark.row("HTTP-09")
def test_a_real_venue_has_limits_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    secrets = {
        "OVERROUND_TOKENS__SECRET": "7b1d0c6f2e9a48d3b5f60718293a4b5c",
        "OVERROUND_ADMIN__TOKEN": "3f9c2b7a1e8d4605",
    }
    file = tmp_path / "venue.toml"
    file.write_text(f"[server]\nport = 0\n[data]\ndir = '{tmp_path / 'data'}'\n")
    command = ("serve", "--config", str(file))
    assert Config().limits.others_per_min == 500
    for more, policy in (({}, "500;w=60"), ({"OVERROUND_LIMITS": "off"}, None)):
        with ServerProcess(command=command, env={**secrets, **more}) as server, server.client() as http:
            assert http.get("/metadata").headers.get("RateLimit-Policy") == policy


# ---- the lane of cancels -------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-09")
def test_who_used_up_his_posts_can_still_cancel(http: httpx.Client, market: str, key: dict[str, str]) -> None:
    without_key: dict[str, Any] = {}
    with_key: dict[str, Any] = {**key}
    for headers in (without_key, with_key):
        for _ in range(NUMBERS["posts"]):
            assert data_of(post(http, market, **headers))["statuses"]
        assert_limited(post(http, market, **headers), NUMBERS["posts"])
        answer = cancel(http, **headers)
        assert data_of(answer)["cancelledCount"] == NUMBERS["posts"]
        assert answer.headers["RateLimit-Policy"] == f"{NUMBERS['cancels']};w=60"


@pytest.mark.row("HTTP-09")
def test_cancels_have_a_budget_for_each_maker_and_each_key(http: httpx.Client, key: dict[str, str]) -> None:
    for _ in range(NUMBERS["cancels"]):
        assert cancel(http).status_code == 200
    assert_limited(cancel(http), NUMBERS["cancels"])
    assert cancel(http, BOB).status_code == 200
    assert_limited(cancel(http, BOB, **key), NUMBERS["cancels"])  # Alice's key: it is her budget


@pytest.mark.row("HTTP-09")
def test_a_flood_of_bad_cancels_uses_up_nobodys_budget_but_its_senders(
    server: ServerProcess, http: httpx.Client, key: dict[str, str]
) -> None:
    with from_address(server, "127.0.0.9") as attacker:
        for _ in range(NUMBERS["cancels"]):
            assert_failure(forge(attacker), 400, "SIGNATURE_MISMATCH")
        for _ in range(20):
            assert_limited(forge(attacker), NUMBERS["cancels"])
        # The victim behind the very same address, on a connection of his own and even on the attacker's.
        with from_address(server, "127.0.0.9") as neighbour:
            assert cancel(neighbour).status_code == 200
        assert cancel(attacker).status_code == 200
    assert cancel(http).headers["RateLimit"].startswith(f"limit=6, remaining={NUMBERS['cancels'] - 3}, ")
    assert cancel(http, BOB, **key).status_code == 200


@pytest.mark.row("HTTP-09")
def test_a_flood_of_bad_posts_uses_up_nobodys_budget_but_its_senders(
    server: ServerProcess, http: httpx.Client, market: str
) -> None:
    entry = signed_order(new_account(), market)
    body = {"orders": [{**entry, "maker": address_of(ALICE)}]}
    with from_address(server, "127.0.0.9") as attacker:
        for _ in range(NUMBERS["posts"]):
            assert_failure(attacker.post("/orders/new", json=body), 400, "SIGNATURE_MISMATCH")
        assert_limited(attacker.post("/orders/new", json=body), NUMBERS["posts"])
        assert cancel(attacker).status_code == 200
    assert data_of(post(http, market))["inserted"] == 1


def test_made_up_makers_share_the_budget_of_who_made_them_up(server: ServerProcess, http: httpx.Client) -> None:
    with from_address(server, "127.0.0.9") as attacker:
        for _ in range(NUMBERS["cancels"]):
            assert cancel(attacker, new_account()).status_code == 200
        seq, _ = Operator(http).digest()
        for _ in range(10):
            assert_limited(cancel(attacker, new_account()), NUMBERS["cancels"])
        assert Operator(http).digest()[0] == seq, "what is refused writes nothing"
        assert cancel(attacker).status_code == 200


def test_a_replay_is_charged_to_who_sends_it(server: ServerProcess, http: httpx.Client) -> None:
    body = signed_cancel(ALICE)
    assert http.post("/orders/cancel/all", json=body).status_code == 200
    with from_address(server, "127.0.0.9") as attacker:
        for _ in range(NUMBERS["cancels"]):
            answer = attacker.post("/orders/cancel/all", json=body)
            assert_failure(answer, 400, "CANCEL_REQUEST_ALREADY_PROCESSED")
        assert_limited(attacker.post("/orders/cancel/all", json=body), NUMBERS["cancels"])
    assert cancel(http).headers["RateLimit"].startswith(f"limit=6, remaining={NUMBERS['cancels'] - 2}, ")
