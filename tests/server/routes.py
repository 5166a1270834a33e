"""Every route of the venue with a request that it accepts. A route without one fails the tests that use this table."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
from tests.protocols.operating import BEARER, MAINNET, Operator, address_of

from overround.signing.account import LocalAccount
from overround.testing.accounts import ALICE
from overround.testing.sx import signed_cancel, signed_order

Json = dict[str, Any]
_numbers = count(1)


class World:
    """What requests that are to be accepted refer to."""

    def __init__(self, http: httpx.Client, maker: LocalAccount = ALICE) -> None:
        self.http = http
        self.operator = Operator(http)
        self.maker = maker
        self.fixture = self.operator.fixture()
        self.market = self.operator.market(self.fixture)
        self.api_key: str = http.get("/sandbox").json()["accounts"][0]["apiKey"]


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
    ("POST", "/admin/fixtures"): _fixture,
    ("PATCH", "/admin/fixtures/{id}"): lambda _: {
        "gameTime": int(time.time()) + 86_400,
        "liveEnabled": True,
        "statusFeed": False,
    },
    ("POST", "/admin/fixtures/{id}/status"): lambda _: {"status": 1},
    ("POST", "/admin/markets"): _market,
    ("POST", "/admin/markets/{hash}/status"): lambda _: {"status": "ACTIVE"},
    ("PUT", "/admin/balances/{address}/{token}"): lambda _: {"amount": "1000000000000"},
    ("POST", "/admin/api-keys"): lambda _: {"address": MAINNET.wsx},
    ("POST", "/admin/clock"): lambda _: {"advanceMs": 0},
}

# The query that makes a GET succeed, where one is required.
QUERIES: dict[str, Callable[[World], Json]] = {
    "/teams": lambda _: {"leagueId": 1},
    "/fixture/active": lambda _: {"leagueId": 1},
    "/fixture/status": lambda world: {"sportXEventIds": world.fixture},
    "/markets/find": lambda world: {"marketHashes": world.market},
    "/orders": lambda world: {"maker": address_of(world.maker)},
    "/orders/odds/best": lambda world: {"baseToken": MAINNET.usdc, "marketHashes": world.market},
}

_PATH_VALUES: dict[str, Callable[[World], str]] = {
    "leagueId": lambda _: "1",
    "id": lambda world: world.fixture,
    "hash": lambda world: world.market,
    "address": lambda world: address_of(world.maker),
    "token": lambda _: MAINNET.usdc,
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
    def path_names(self) -> list[str]:
        """The parameters in the path."""
        return [one["name"] for one in self.parameters if one["in"] == "path"]

    def url(self, world: World, **values: str) -> str:
        """The path with its parameters filled in."""
        url = self.path
        for name in self.path_names:
            url = url.replace(f"{{{name}}}", values.get(name) or _PATH_VALUES[name](world))
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
    """Every operation of the document."""
    document = http.get("/openapi.json").json()
    return [
        Operation(method.upper(), path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
