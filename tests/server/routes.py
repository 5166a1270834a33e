"""Every route of the venue with a request that it accepts. A route without one fails the tests that use this table."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
from tests.protocols.operating import BEARER, MAINNET, Operator, address_of, new_account

from overround.protocols.nado.units import hex_text, subaccount
from overround.signing.account import LocalAccount
from overround.testing.accounts import ALICE
from overround.testing.sx import (
    signed_cancel,
    signed_fill,
    signed_legacy_fill,
    signed_order,
    signed_permit,
)

Json = dict[str, Any]
_numbers = count(1)
SPARE_MARKETS = 12


class World:
    """What requests that are to be accepted refer to."""

    def __init__(self, http: httpx.Client, maker: LocalAccount = ALICE) -> None:
        self.http = http
        self.operator = Operator(http)
        self.maker = maker
        self.fixture = self.operator.fixture()
        self.market = self.operator.market(self.fixture)
        # A market to fill on, with enough for every test; its maker and taker do nothing else.
        self.filled_market = self.operator.market()
        self.taker, resting_maker = new_account(), new_account()
        for account in (self.taker, resting_maker):
            self.operator.fund(account, 10**12)
        self.resting = signed_order(resting_maker, self.filled_market, total_bet_size=10**11)
        assert http.post("/orders/new", json={"orders": [self.resting]}).json()["data"]["inserted"] == 1
        self._spare_markets = [self.operator.market(self.fixture) for _ in range(SPARE_MARKETS)]
        first = http.get("/sandbox").json()["accounts"][0]
        self.api_key: str = first["apiKey"]
        self.owner: str = first["address"]

    @property
    def unreported(self) -> str:
        """A market that may be reported; nothing else happens on it."""
        found = self.http.get("/markets/find", params={"marketHashes": ",".join(self._spare_markets)}).json()["data"]
        return str(next(market["marketHash"] for market in found if "outcome" not in market))


def _fixture(world: World) -> Json:
    return {
        "sportXeventId": f"L-route-{next(_numbers)}",
        "sportId": 5,
        "leagueLabel": "Route League",
        "teamOneName": "Reds",
        "teamTwoName": "Blues",
        "gameTime": int(time.time()) + 86_400,
        "liveEnabled": True,
        "statusFeed": False,
    }


def _market(world: World) -> Json:
    number = next(_numbers)
    return {
        "sportXeventId": world.fixture,
        "type": 3,
        "line": 1.5,
        "outcomeOneName": f"One {number}",
        "outcomeTwoName": f"Two {number}",
        "mainLine": False,
    }


# A body that is accepted; made anew for every request, for some are accepted only once.
BODIES: dict[tuple[str, str], Callable[[World], Json]] = {
    ("POST", "/orders/new"): lambda world: {"orders": [signed_order(world.maker, world.market)]},
    ("POST", "/orders/cancel/v2"): lambda world: signed_cancel(world.maker, order_hashes=["0xabc"]),
    ("POST", "/orders/cancel/event"): lambda world: signed_cancel(world.maker, event="L0"),
    ("POST", "/orders/cancel/all"): lambda world: signed_cancel(world.maker),
    ("POST", "/orders/fill/v2"): lambda world: signed_fill(world.taker, world.filled_market, stake=1_000_000),
    ("POST", "/orders/fill"): lambda world: signed_legacy_fill(world.taker, [world.resting], [1_000_000]),
    ("POST", "/orders/approve"): lambda _: signed_permit(new_account(), 1),
    ("POST", "/user/heartbeat"): lambda _: {"interval": 3_600},
    ("POST", "/heartbeat"): lambda world: {"requestor": world.owner, "timeoutSeconds": 3_600},
    ("POST", "/admin/fixtures"): _fixture,
    ("PATCH", "/admin/fixtures/{id}"): lambda _: {
        "gameTime": int(time.time()) + 86_400,
        "liveEnabled": True,
        "statusFeed": False,
    },
    ("POST", "/admin/fixtures/{id}/status"): lambda _: {"status": 1},
    ("POST", "/admin/markets"): _market,
    ("POST", "/admin/markets/{hash}/status"): lambda _: {"status": "ACTIVE"},
    ("POST", "/admin/markets/{hash}/settle"): lambda _: {"outcome": 1},
    ("PUT", "/admin/fixtures/{id}/live-score"): lambda _: {
        "teamOneScore": 1,
        "teamTwoScore": 0,
        "currentPeriod": "1st Half",
        "periodTime": "12:30",
        "periods": [{"label": "1", "isFinished": False, "teamOneScore": "1", "teamTwoScore": "0"}],
        "extra": "{}",
    },
    ("POST", "/admin/accounts/{address}/restriction"): lambda _: {"restricted": False},
    ("PUT", "/admin/balances/{address}/{token}"): lambda _: {"amount": "1000000000000"},
    ("POST", "/admin/api-keys"): lambda _: {"address": MAINNET.wsx},
    ("POST", "/admin/clock"): lambda _: {"advanceMs": 0},
    ("PUT", "/admin/nado/balances/{subaccount}/{productId}"): lambda _: {"amountX18": "1000000000000000000"},
    ("POST", "/admin/nado/products/{id}"): lambda _: {"makerFeeX18": "0", "takerFeeX18": "0"},
    ("POST", "/admin/nado/status"): lambda _: {"maintenance": False},
}

# The query that makes a GET succeed, where one is required.
QUERIES: dict[str, Callable[[World], Json]] = {
    "/teams": lambda _: {"leagueId": 1},
    "/fixture/active": lambda _: {"leagueId": 1},
    "/fixture/status": lambda world: {"sportXEventIds": world.fixture},
    "/live-scores": lambda world: {"sportXEventIds": world.fixture},
    "/markets/find": lambda world: {"marketHashes": world.market},
    "/orders": lambda world: {"maker": address_of(world.maker)},
    "/trades": lambda world: {"bettor": address_of(world.maker)},
    "/trades/orders": lambda _: {"orderHashes": "0x" + "ab" * 32},
    "/trades/portfolio/refunds": lambda world: {"bettor": address_of(world.maker)},
    "/orders/odds/best": lambda world: {"baseToken": MAINNET.usdc, "marketHashes": world.market},
}

_PATH_VALUES: dict[str, Callable[[World], str]] = {
    "leagueId": lambda _: "1",
    "id": lambda world: world.fixture,
    "hash": lambda world: world.market,
    "address": lambda world: address_of(world.maker),
    "token": lambda _: MAINNET.usdc,
    "fillHash": lambda _: "0x" + "ab" * 32,
    "subaccount": lambda world: hex_text(subaccount(world.maker.address)),
    "productId": lambda _: "0",
}
_PATH_VALUES_OF: dict[str, dict[str, Callable[[World], str]]] = {
    "/admin/markets/{hash}/settle": {"hash": lambda world: world.unreported},
    "/admin/nado/products/{id}": {"id": lambda _: "2"},
}

# What acts without a body; it has tests of its own.
ACTIONS = {
    ("POST", "/admin/fills/{fillHash}/confirm"),
    ("POST", "/admin/fills/{fillHash}/fail"),
    ("POST", "/user/heartbeat/cancel"),
}


class Operation:
    """One method on one path, as `GET /openapi.json` describes it."""

    def __init__(self, method: str, path: str, described: Json) -> None:
        self.method = method
        self.path = path
        self.described = described
        self.parameters: list[Json] = described.get("parameters", [])
        body = described.get("requestBody")
        self.schema: Json | None = body and body["content"]["application/json"]["schema"]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_gateways(self) -> bool:
        """Whether it speaks the Nado dialect."""
        return "nado" in self.described["tags"]

    @property
    def is_action(self) -> bool:
        """Whether it acts without a body."""
        return (self.method, self.path) in ACTIONS

    @property
    def path_names(self) -> list[str]:
        """The parameters in the path."""
        return [one["name"] for one in self.parameters if one["in"] == "path"]

    def url(self, world: World, **values: str) -> str:
        """The path with its parameters filled in."""
        url = self.path
        for name in self.path_names:
            make = _PATH_VALUES_OF.get(self.path, _PATH_VALUES).get(name, _PATH_VALUES[name])
            url = url.replace(f"{{{name}}}", values.get(name) or make(world))
        return url

    def headers(self, world: World) -> dict[str, str]:
        """Whatever the route wants to see."""
        return {**BEARER, "X-Api-Key": world.api_key}

    def body(self, world: World) -> Json:
        """A body that is accepted."""
        return BODIES[self.method, self.path](world)

    def query(self, world: World) -> Json:
        """A query that is accepted."""
        make = QUERIES.get(self.path)
        return {} if make is None else make(world)

    def send(self, world: World, content: bytes | str | None = None, **more: Any) -> httpx.Response:
        """The request with another body than its own."""
        more = {"params": self.query(world), "headers": self.headers(world), "url": self.url(world), **more}
        return world.http.request(self.method, content=content, **more)


def operations(http: httpx.Client) -> list[Operation]:
    """Every operation of the document that answers in the envelope of `spec/sx.md` 2.3: all but the gateway's."""
    return [one for one in _documented(http) if not one.is_gateways]


def gateway_operations(http: httpx.Client) -> list[Operation]:
    """Those of the Nado dialect, whose refusals are HTTP 200 (`spec/decisions.md` N11)."""
    return [one for one in _documented(http) if one.is_gateways]


def _documented(http: httpx.Client) -> list[Operation]:
    document = http.get("/openapi.json").json()
    return [
        Operation(method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
