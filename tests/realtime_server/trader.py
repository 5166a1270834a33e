"""A maker who posts and cancels over HTTP, with an account of his own."""

from __future__ import annotations

from typing import Any

import httpx
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator, new_account

from overround.signing.address import checksum_address
from overround.testing.sx import hash_of, signed_cancel, signed_order

FUNDS = 10**15
TOKEN_PATH = "/user/realtime-token/api-key"


class Trader:
    """A funded account that nobody used before."""

    def __init__(self, http: httpx.Client) -> None:
        self.account = new_account()
        self.address = checksum_address(self.account.address)
        self.channel = f"active_orders:{self.address}"
        self._http = http
        self._api_key = ""
        Operator(http).fund(self.account, FUNDS)

    def order(self, market_hash: str, **terms: Any) -> dict[str, Any]:
        """A signed entry of `POST /orders/new`."""
        return signed_order(self.account, market_hash, **terms)

    def post(self, market_hash: str, count: int = 1, **terms: Any) -> list[str]:
        """Post orders in one request, which must accept them; their hashes."""
        return self.post_all([self.order(market_hash, **terms) for _ in range(count)])

    def post_all(self, entries: list[dict[str, Any]]) -> list[str]:
        """Post these."""
        data = data_of(self._http.post("/orders/new", json={"orders": entries}))
        assert data["inserted"] == len(entries), data
        assert data["orders"] == [hash_of(entry) for entry in entries]
        return list(data["orders"])

    def cancel(self, *order_hashes: str) -> int:
        """Cancel these; how many there were."""
        return self._cancelled("v2", order_hashes=list(order_hashes))

    def cancel_event(self, event: str) -> int:
        """Cancel what stands on an event; how many there were."""
        return self._cancelled("event", event=event)

    def cancel_all(self) -> int:
        """Cancel everything; how many there were."""
        return self._cancelled("all")

    def _cancelled(self, scope: str, **named: Any) -> int:
        body = signed_cancel(self.account, **named)
        return int(data_of(self._http.post(f"/orders/cancel/{scope}", json=body))["cancelledCount"])

    def rows(self, **filters: str) -> list[dict[str, Any]]:
        """What `GET /orders` lists of this maker, or by another filter."""
        return list(data_of(self._http.get("/orders", params=filters or {"maker": self.address})))

    def new_key(self) -> str:
        """A new API key; the one before stops working."""
        issued = data_of(Operator(self._http).call("POST", "/admin/api-keys", {"address": self.address}))
        self._api_key = str(issued["apiKey"])
        return self._api_key

    def token(self) -> str:
        """A connection token of this account, bought with its newest key."""
        return token_for(self._http, self._api_key or self.new_key())


def token_for(http: httpx.Client, api_key: str) -> str:
    """A connection token."""
    answer = http.get(TOKEN_PATH, headers={"x-api-key": api_key})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["token"])
