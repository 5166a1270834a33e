"""A missed heartbeat, and orders that the exposure rule takes off and brings back, on the channels (7.6, 7.8)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.test_order_feeds import Stage
from tests.realtime_server.trader import Trader

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("realtime heartbeats")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    """Its clock stands still: only the tests move it."""
    with ServerProcess() as server, server.client() as client:
        Operator(client).clock(freeze=True)
        yield server


@pytest.fixture
def stage(operator: Operator, dial: Dial, trader: Trader, framing: str) -> Stage:
    return Stage(operator, dial, trader, framing)


@pytest.mark.row("HB-07", "HB-06")
def test_the_firing_is_told_on_every_channel(stage: Stage, operator: Operator, http: httpx.Client) -> None:
    trader, other = stage.trader, Trader(http)
    one, two = stage.markets
    a, b = trader.post(one, 2)
    (c,) = trader.post(two)
    other.post(one)
    data_of(http.post("/user/heartbeat", json={"interval": 30}, headers={"X-Api-Key": trader.new_key()}))
    stage.heard()
    operator.clock(advanceMs=30_000)
    gone = [(a, "INACTIVE"), (b, "INACTIVE"), (c, "INACTIVE")]
    assert stage.heard() == {
        stage.mine: [gone],
        stage.of_markets[0]: [gone[:2]],
        stage.of_markets[1]: [gone[2:]],
        stage.of_event: [gone],
    }


@pytest.mark.row("EXP-06", "EXP-07", "EXP-08")
def test_what_the_rule_takes_off_and_brings_back_is_told(stage: Stage, operator: Operator) -> None:
    trader, (one, two) = stage.trader, stage.markets
    a, b = trader.post(one, 2)  # of 10 USDC each
    (c,) = trader.post(two)
    stage.heard()
    operator.fund(trader.account, 15 * 10**6)
    assert stage.heard()[stage.mine] == [[(b, "INACTIVE")]]
    operator.fund(trader.account, 0)
    fallen = stage.heard()
    assert sorted(fallen[stage.mine][0]) == sorted([(a, "INACTIVE"), (c, "INACTIVE")])
    assert fallen[stage.of_markets[0]] == [[(a, "INACTIVE")]]
    operator.fund(trader.account, 20 * 10**6)
    back = stage.heard()
    assert sorted(back[stage.mine][0]) == sorted([(a, "ACTIVE"), (b, "ACTIVE"), (c, "ACTIVE")])
    assert back[stage.of_markets[0]] == [[(a, "ACTIVE"), (b, "ACTIVE")]]
    assert back[stage.of_markets[1]] == [[(c, "ACTIVE")]]
