"""The dead-man switch, in all its forms (`spec/sx.md` 5.16, 7.8)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import Operator, address_of, new_account
from tests.protocols.sx.test_time_and_restart import open_orders, post, wait_until

from overround.signing.account import LocalAccount
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx heartbeat")  # one server for the module

FUNDS = 10**12
NEVER = {"armed": False, "interval": 0, "expiresAt": None, "lastFiring": None}


class User:
    """A funded account with a key."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http
        self.account: LocalAccount = new_account()
        self.address = address_of(self.account)
        operator = Operator(http)
        operator.fund(self.account, FUNDS)
        self.key = data_of(operator.call("POST", "/admin/api-keys", {"address": self.address}))["apiKey"]
        self.headers = {"X-Api-Key": self.key}

    def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return self.http.request(method, path, json=body, headers=self.headers, **more)

    def ping(self, interval: int) -> dict[str, Any]:
        found: dict[str, Any] = data_of(self.call("POST", "/user/heartbeat", {"interval": interval}))
        return found

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = data_of(self.call("GET", "/user/heartbeat"))
        assert found.pop("account") == self.address
        return found

    def post(self, *markets: str) -> list[str]:
        far = int(time.time()) + 10 * 86_400
        return post(self.http, *(signed_order(self.account, market, api_expiry=far) for market in markets))

    def open(self) -> list[str]:
        return open_orders(self.http, self.account)


def ms_of(text: str) -> int:
    assert text.endswith("Z")
    assert len(text) == len("2026-03-12T14:35:06.614Z")
    return round(datetime.fromisoformat(text[:-1]).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A sandbox whose clock stands still: only the tests move it."""
    with ServerProcess() as server, server.client() as client:
        Operator(client).clock(freeze=True)
        yield client


@pytest.fixture
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture
def user(http: httpx.Client) -> User:
    return User(http)


# ---- what is asked and answered ------------------------------------------------------------------------------------


@pytest.mark.row("HB-01", "HB-02", "HB-08")
def test_the_first_call_registers_and_says_until_when_silence_is_allowed(operator: Operator, user: User) -> None:
    assert user.state() == NEVER
    now_ms = operator.clock(advanceMs=0)
    answer = user.ping(30)
    assert ms_of(answer.pop("expiresAt")) == now_ms + 30_000
    assert answer == {"requestor": user.address, "timeoutSeconds": 30, "interval": 30}
    state = user.state()
    assert ms_of(state.pop("expiresAt")) == now_ms + 30_000
    assert state == {"armed": True, "interval": 30, "lastFiring": None}


@pytest.mark.row("HB-03")
def test_every_call_replaces_the_interval_and_starts_anew(operator: Operator, user: User) -> None:
    (order,) = user.post(operator.market())
    user.ping(30)
    for interval in (20, 3600, 10):
        now_ms = operator.clock(advanceMs=9_999)
        assert ms_of(user.ping(interval)["expiresAt"]) == now_ms + interval * 1_000
        assert user.state()["interval"] == interval
    operator.clock(advanceMs=9_999)
    assert user.open() == [order]
    operator.clock(advanceMs=1)
    assert user.open() == []


@pytest.mark.row("HB-04", "HB-06")
def test_silence_cancels_everything_of_the_account_once_and_nothing_else(operator: Operator, user: User) -> None:
    other, quiet = User(user.http), User(user.http)
    one, two = operator.market(), operator.market()
    orders, others, quiets = user.post(one, one, two), other.post(one, two), quiet.post(two)
    pinged_ms = ms_of(user.ping(30)["expiresAt"]) - 30_000
    other.ping(31)
    operator.clock(advanceMs=29_999)
    assert user.open() == orders
    now_ms = operator.clock(advanceMs=1)
    assert (user.open(), other.open(), quiet.open()) == ([], others, quiets)
    fired = user.state()
    assert {**fired, "lastFiring": None} == NEVER
    last = fired["lastFiring"]
    assert (ms_of(last["lastPingAt"]), ms_of(last["deadline"])) == (pinged_ms, pinged_ms + 30_000)
    assert ms_of(last["firedAt"]) == now_ms
    assert (last["cancelledCount"], last["orderHashes"]) == (3, orders)
    assert data_of(operator.call("GET", f"/admin/accounts/{user.address}"))["heartbeat"] == {
        "account": user.address,
        **fired,
    }
    # One shot: what is posted now is not watched until the next ping.
    (unprotected,) = user.post(one)
    operator.clock(advanceMs=600)
    assert user.open() == [unprotected]
    assert other.open() == others


@pytest.mark.row("HB-05", "HB-08")
@pytest.mark.parametrize("way", ["cancel", "empty object", "no body", "zero", "legacy zero"])
def test_stopping_cancels_nothing(operator: Operator, user: User, way: str) -> None:
    orders = user.post(operator.market())
    user.ping(5)
    now_ms = operator.clock(advanceMs=1_000)
    calls = {
        "cancel": ("/user/heartbeat/cancel", {"json": {"anything": 1}}),
        "empty object": ("/user/heartbeat/cancel", {"json": {}}),
        "no body": ("/user/heartbeat/cancel", {}),
        "zero": ("/user/heartbeat", {"json": {"interval": 0}}),
        "legacy zero": ("/heartbeat", {"json": {"requestor": user.address, "timeoutSeconds": 0}}),
    }
    path, more = calls[way]
    for _ in range(2):  # also where nothing is registered
        answer = data_of(user.http.post(path, headers=user.headers, **more))  # type: ignore[arg-type]
        assert ms_of(answer.pop("expiresAt")) == now_ms
        assert answer == {"requestor": user.address, "timeoutSeconds": 0, "interval": 0}
    assert user.state() == NEVER
    operator.clock(advanceMs=60_000)
    assert user.open() == orders


@pytest.mark.row("HB-09")
def test_the_legacy_form_is_the_same_heartbeat(operator: Operator, user: User) -> None:
    body = {"requestor": user.address, "timeoutSeconds": 30}
    answer = data_of(user.call("POST", "/heartbeat", body))
    assert (answer["requestor"], answer["timeoutSeconds"], answer["interval"]) == (user.address, 30, 30)
    assert user.state()["interval"] == 30
    for spelling in (user.address.lower(), "0x" + user.address[2:].upper(), user.address.swapcase()):
        data_of(user.call("POST", "/heartbeat", {"requestor": spelling, "timeoutSeconds": 40}))
    assert user.state()["interval"] == 40
    data_of(user.call("POST", "/user/heartbeat/cancel"))
    assert user.state() == NEVER


@pytest.mark.row("HB-09")
def test_nobody_pings_for_another_account(user: User) -> None:
    other = User(user.http)
    other.ping(10)
    body = {"requestor": other.address, "timeoutSeconds": 30}
    assert_failure(user.call("POST", "/heartbeat", body), 403, "FORBIDDEN")
    for malformed in ("", "nobody", user.address[:-1], None, 7):
        assert_bad_request(user.call("POST", "/heartbeat", {**body, "requestor": malformed}), "requestor")
    assert user.state() == NEVER
    assert other.state()["interval"] == 10


BAD_INTERVALS = [
    "-1", "3601", "1e1", "30.0", "0.5", "30.5", '"30.5"', '"-1"', '""', '" 30"', '"0x1e"', '"٣"', '"1e3"', "true",
    "null", "[30]", "{}", "1e400", "9" * 400, '"' + "9" * 400 + '"', '"3601"', '"abc"',
]  # fmt: skip


@pytest.mark.row("HB-08")
@pytest.mark.parametrize("text", BAD_INTERVALS, ids=lambda text: text[:12])
def test_a_bad_interval_changes_nothing(user: User, text: str) -> None:
    user.ping(77)
    for path, body in (
        ("/user/heartbeat", f'{{"interval": {text}}}'),
        ("/heartbeat", f'{{"requestor": "{user.address}", "timeoutSeconds": {text}}}'),
    ):
        assert_bad_request(user.http.post(path, content=body, headers=user.headers))
    assert user.state()["interval"] == 77


@pytest.mark.row("HB-08")
def test_the_bounds_belong_to_the_range(user: User) -> None:
    for interval in (1, 3600, "60", "0060"):
        assert user.ping(interval)["interval"] == int(interval)  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b"7", b'{"interval":30', b"\xff"])
def test_a_malformed_ping_is_refused(user: User, body: bytes) -> None:
    for path in ("/user/heartbeat", "/heartbeat"):
        assert_bad_request(user.http.post(path, content=body, headers=user.headers))
    assert user.state() == NEVER
    user.ping(30)
    data_of(user.http.post("/user/heartbeat/cancel", content=body, headers=user.headers))  # which needs none
    assert user.state() == NEVER


@pytest.mark.row("HB-01")
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/user/heartbeat"),
        ("POST", "/user/heartbeat/cancel"),
        ("POST", "/heartbeat"),
        ("GET", "/user/heartbeat"),
        ("GET", "/user/exposure"),
    ],
)
def test_without_a_valid_key_nothing_is_done(http: httpx.Client, user: User, method: str, path: str) -> None:
    """The key comes first: whoever has none learns nothing about his body either."""
    user.ping(30)
    for headers in ({}, {"X-Api-Key": "undefined"}, {"X-Api-Key": user.key.lower()}, {"Authorization": user.key}):
        for body in ({"interval": 5, "requestor": user.address, "timeoutSeconds": 5}, {"interval": "soon"}):
            assert_failure(http.request(method, path, json=body, headers=headers), 401, "UNAUTHORIZED")
    assert user.state()["interval"] == 30
    old = user.headers
    Operator(http).call("POST", "/admin/api-keys", {"address": user.address})
    assert_failure(http.request(method, path, json={"interval": 5}, headers=old), 401, "UNAUTHORIZED")


def test_nothing_but_a_ping_is_a_ping(operator: Operator, user: User) -> None:
    """Posting, cancelling, asking: none of it says that the account's bot still looks at the market (7.8)."""
    market = operator.market()
    expires_at = user.ping(10)["expiresAt"]
    operator.clock(advanceMs=5_000)
    first, _ = user.post(market, market)
    now_s = operator.clock(advanceMs=0) // 1000
    data_of(
        user.http.post("/orders/cancel/v2", json=signed_cancel(user.account, order_hashes=[first], timestamp=now_s))
    )
    user.call("GET", "/user/exposure")
    assert user.state()["expiresAt"] == expires_at
    operator.clock(advanceMs=5_000)
    assert user.open() == []


def test_firing_without_orders_only_clears_the_state(operator: Operator, user: User) -> None:
    user.ping(1)
    operator.clock(advanceMs=1_000)
    last = user.state()["lastFiring"]
    assert (last["cancelledCount"], last["orderHashes"]) == (0, [])


def test_an_account_without_an_order_or_money_may_have_one(http: httpx.Client, operator: Operator) -> None:
    address = address_of(new_account())
    key = data_of(operator.call("POST", "/admin/api-keys", {"address": address}))["apiKey"]
    headers = {"X-Api-Key": key}
    assert data_of(http.post("/user/heartbeat", json={"interval": 1}, headers=headers))["requestor"] == address
    assert data_of(http.get("/user/exposure", headers=headers)) == []
    operator.clock(advanceMs=1_000)
    assert data_of(http.get("/user/heartbeat", headers=headers))["lastFiring"]["cancelledCount"] == 0


def test_a_stepped_clock_that_passes_several_deadlines_fires_them_in_time_order(operator: Operator, user: User) -> None:
    """An order that expires before the heartbeat has expired; the others were cancelled."""
    market = operator.market()
    now_s = operator.freeze_at_full_second()
    expiring, staying = post(
        user.http,
        signed_order(user.account, market, api_expiry=now_s + 3),
        signed_order(user.account, market, api_expiry=now_s + 7),
    )
    user.ping(5)
    operator.clock(advanceMs=60_000)
    assert user.open() == []
    last = user.state()["lastFiring"]
    assert last["orderHashes"] == [staying] != [expiring]
    assert ms_of(last["deadline"]) == (now_s + 5) * 1000


# ---- real time -----------------------------------------------------------------------------------------------------


@pytest.mark.row("HB-10", "LIFE-06")
@pytest.mark.parametrize("crash", [True, False], ids=["kill -9", "stop"])
def test_the_time_that_the_venue_was_down_is_not_charged(tmp_path: Path, crash: bool) -> None:
    with ServerProcess("--data-dir", str(tmp_path)) as server:
        with server.client() as client:
            user = User(client)
            orders = user.post(Operator(client).market())
            deadline_ms = ms_of(user.ping(2)["expiresAt"])
        server.kill() if crash else server.stop()
        while time.time() * 1000 < deadline_ms + 1_000:
            time.sleep(0.05)
        server.start()
        with server.client() as client:
            user.http = client
            assert user.open() == orders
            state = user.state()
            assert state["armed"]
            assert ms_of(state["expiresAt"]) > deadline_ms + 1_000
            wait_until(lambda: user.open() == [])
            last = user.state()["lastFiring"]
            assert ms_of(last["deadline"]) <= ms_of(last["firedAt"]) <= ms_of(last["deadline"]) + 1_000
            assert ms_of(last["deadline"]) >= ms_of(state["expiresAt"])
        assert server.stop() == 0
