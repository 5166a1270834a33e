"""The sandbox does its main job: orders are posted, read back and cancelled."""

from __future__ import annotations

from typing import Any

import httpx

from overround.testing.accounts import ALICE
from overround.testing.sx import hash_of, signed_cancel, signed_order


def test_an_order_is_posted_listed_and_cancelled(http: httpx.Client, world: dict[str, Any]) -> None:
    entry = signed_order(ALICE, world["markets"][0]["marketHash"])
    name = hash_of(entry)

    posted = http.post("/orders/new", json={"orders": [entry]}).json()
    assert posted == {"status": "success", "data": {"orders": [name], "statuses": {name: "OK"}, "inserted": 1}}

    (row,) = http.get("/orders", params={"maker": entry["maker"]}).json()["data"]
    assert row["orderHash"] == name
    assert row["salt"] == entry["salt"]

    cancelled = http.post("/orders/cancel/v2", json=signed_cancel(ALICE, order_hashes=[name])).json()["data"]
    assert cancelled == {
        "cancelledCount": 1,
        "notCancelled": [],
        "orders": [{"orderHash": name, "pendingFills": []}],
    }
    assert http.get("/orders", params={"maker": entry["maker"]}).json()["data"] == []
