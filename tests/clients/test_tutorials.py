"""The two tutorials that beginners start from, told anew with their libraries: the same requests, another URL.

The published programs themselves were run by hand; their code is not ours to keep here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

pytestmark = pytest.mark.xdist_group("tutorials")

USDC = 10**6


def stakes_of(trades: list[dict[str, Any]]) -> list[tuple[bool, int]]:
    """Newest first: whether it is the maker's, and base units."""
    return [(one["maker"], int(one["stake"])) for one in trades]


@pytest.mark.row("CLI-04", "ENV-01", "FILL-10", "HTTP-04", "ORD-11", "TRD-01", "CAN-10")
def test_the_first_tutorial_runs_from_sports_to_trades(bots: Bots, new_maker: Callable[[], Maker]) -> None:
    maker, taker = new_maker(), new_maker()
    seen = bots.run("javascript/as_in_basics.mjs", maker, "Tennis", TAKER_PRIVATE_KEY=taker.private_key)

    assert seen["executor"] is True
    assert seen["match"] == "A. Archer v B. Baker"
    ours, other = (one["orders"][0] for one in seen["posted"])
    assert [one["inserted"] for one in seen["posted"]] == [1, 1]
    assert [(one["orderHash"], one["takersOutcome"]) for one in seen["book"]] == [(ours, 2), (other, 1)]
    assert all(one["createdAt"] > 0 for one in seen["book"])
    # Its amounts are the maker's, floored; what the taker stakes is computed back from them.
    assert [one["totalFilled"] for one in seen["filled"]] == ["999999", "7499999"]
    assert [one["isPartialFill"] for one in seen["filled"]] == [False, False]
    assert seen["cancelled"]["cancelledCount"] == 2
    pending = {one["fillHash"] for one in seen["cancelled"]["orders"][0]["pendingFills"]}
    assert pending <= {one["fillHash"] for one in seen["filled"]}
    assert stakes_of(seen["trades"]) == [(True, 7651515), (True, 1020202)]
    assert sorted(stakes_of(seen["tradesOfMarket"])) == [
        (False, 999999), (False, 7499999), (True, 1020202), (True, 7651515),
    ]  # fmt: skip
    assert {one["chainVersion"] for one in seen["trades"]} == {"SXR"}


@pytest.mark.row("CLI-04", "ENV-01", "FILL-10", "HTTP-04", "META-02", "TRD-01")
def test_the_second_tutorial_runs_with_axios(bots: Bots, new_maker: Callable[[], Maker]) -> None:
    maker, taker = new_maker(), new_maker()
    seen = bots.run("javascript/as_in_quickstart.mjs", maker, "5", TAKER_PRIVATE_KEY=taker.private_key)

    assert seen["sports"] == 20
    assert seen["posted"]["inserted"] == 1
    assert seen["filled"]["totalFilled"] == "999999", "the least there is, floored twice, is served"
    assert seen["cancelled"]["cancelledCount"] == 1
    (trade,) = seen["trades"]
    assert (trade["bettor"], trade["stake"], trade["maker"]) == (taker.address, "999999", False)
    assert (trade["odds"], trade["tradeStatus"]) == ("49750000000000000000", "SUCCESS")
