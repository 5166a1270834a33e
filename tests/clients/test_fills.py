"""Takers with the wallets that takers use: permits, fills, legacy fills on a real sandbox."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.protocols.operating import Operator

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

pytestmark = pytest.mark.xdist_group("clients fill")


@pytest.mark.row("SIGN-12", "SIGN-13", "SIGN-14", "FILL-01", "FILL-02", "FILL-10", "FILL-11", "ENV-04")
@pytest.mark.parametrize("language", ["javascript/{}.mjs", "python/{}.py"], ids=["ethers", "eth_account"])
def test_a_taker_approves_and_fills_in_both_ways(
    bots: Bots, http: httpx.Client, new_maker: Callable[[], Maker], language: str
) -> None:
    market = Operator(http).market()
    taker = new_maker()
    bots.post(language, new_maker(), market)

    approved, filled, legacy = bots.run(language.format("fill_orders"), taker, market)

    assert [one["status"] for one in (approved, filled, legacy)] == [200, 200, 200], (approved, filled, legacy)
    assert approved["answer"]["data"]["hash"].startswith("0x")
    data = filled["answer"]["data"]
    assert (data["totalFilled"], data["isPartialFill"]) == ("2000000", False)
    assert data["averageOdds"].startswith("485000")  # against a maker at 51.5 %
    assert legacy["answer"]["data"]["totalFilled"] == "2825242"  # floor(3000000 / 0.515) - 3000000
    assert legacy["answer"]["data"]["fillHash"] != data["fillHash"]
