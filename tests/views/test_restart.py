"""What a restart must not change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import hash_of, signed_cancel, signed_order


@pytest.mark.row("ORD-06")
def test_a_best_price_is_the_best_since_the_same_moment_after_a_stop(tmp_path: Path) -> None:
    """Seeding from a snapshot knew when each order had come, not since when it was the best."""
    arguments = data_dir_arguments(tmp_path)
    with ServerProcess(*arguments) as server, server.client() as http:
        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        worse = signed_order(ALICE, market, percentage_odds=40 * 10**18)
        better = signed_order(ALICE, market, percentage_odds=60 * 10**18)
        http.post("/orders/new", json={"orders": [worse]})
        http.post("/orders/new", json={"orders": [better]})
        http.post("/orders/cancel/v2", json=signed_cancel(ALICE, order_hashes=[hash_of(better)]))
        before = best_odds(http, worse)
        assert server.stop() == 0
    with ServerProcess(*arguments) as server, server.client() as http:
        assert best_odds(http, worse) == before


def best_odds(http: Any, entry: dict[str, Any]) -> dict[str, Any]:
    """The market's best odds."""
    answer = http.get(
        "/orders/odds/best", params={"baseToken": entry["baseToken"], "marketHashes": entry["marketHash"]}
    )
    (row,) = answer.json()["data"]["bestOdds"]
    found: dict[str, Any] = row
    return found
