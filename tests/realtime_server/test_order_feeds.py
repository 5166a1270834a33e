"""What is said about orders, to whom, in which order and how soon (`spec/sx.md` 6.5, 6.6.1, 6.8, 7.2, 7.3).

Everything here is read from real sockets, in both framings. What only fills bring about waits for them: WS-11 and WS-21
whole, and of WS-18 and WS-19 the word FILLED (their payloads are in `tests/protocols/sx/test_feeds.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Listener, Peer
from tests.realtime_server.trader import Trader

from overround.testing.sx import hash_of

pytestmark = pytest.mark.xdist_group("realtime orders")

SEED_MEMBERS = {  # as the channel's page lists them
    "orderHash": str,
    "marketHash": str,
    "status": str,
    "fillAmount": str,
    "pendingFillAmount": str,
    "maker": str,
    "totalBetSize": str,
    "percentageOdds": str,
    "expiry": int,
    "apiExpiry": int,
    "salt": str,
    "isMakerBettingOutcomeOne": bool,
    "signature": str,
    "updateTime": str,
    "sportXeventId": str,
}


class Stage:
    """A fixture with two markets, and who listens to all of it on one connection."""

    def __init__(self, operator: Operator, dial: Dial, trader: Trader, framing: str) -> None:
        self.event = operator.fixture()
        self.markets = [operator.market(self.event), operator.market(self.event)]
        self.trader = trader
        self.peer = dial(framing)
        self.mine = trader.channel
        self.of_markets = [f"order_book:market_{one}" for one in self.markets]
        self.of_event = f"order_book:event_{self.event}"
        self.channels = [self.mine, *self.of_markets, self.of_event]
        for channel in self.channels:
            self.peer.subscribe(channel)

    def heard(self) -> dict[str, list[list[tuple[str, str]]]]:
        """Hash and status of everything that was said up to now, publication by publication, by channel."""
        found: dict[str, list[list[tuple[str, str]]]] = {channel: [] for channel in self.channels}
        for message in self.peer.waiting():
            push = message["push"]
            found[push["channel"]].append([(one["orderHash"], one["status"]) for one in push["pub"]["data"]])
        return found


@pytest.fixture
def stage(operator: Operator, dial: Dial, trader: Trader, framing: str) -> Stage:
    return Stage(operator, dial, trader, framing)


# ---- who hears what ------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-04", "WS-05", "WS-06", "WS-07", "WS-08", "WS-09", "WS-10", "WS-14", "WS-27")
def test_a_posted_order_is_told_to_its_maker_its_market_and_its_event(stage: Stage) -> None:
    first, second = stage.trader.post(stage.markets[0]), stage.trader.post(stage.markets[1])
    posted = [[(first[0], "ACTIVE")], [(second[0], "ACTIVE")]]
    assert stage.heard() == {
        stage.mine: posted,
        stage.of_markets[0]: posted[:1],
        stage.of_markets[1]: posted[1:],
        stage.of_event: posted,
    }


@pytest.mark.row("WS-14", "WS-38")
def test_one_request_is_one_array_in_the_order_of_the_request(stage: Stage) -> None:
    one, two = stage.markets
    entries = [stage.trader.order(market) for market in (one, two, one, two, one)]
    names = stage.trader.post_all(entries)
    posted = [(name, "ACTIVE") for name in names]
    assert stage.heard() == {
        stage.mine: [posted],
        stage.of_markets[0]: [posted[0::2]],
        stage.of_markets[1]: [posted[1::2]],
        stage.of_event: [posted],
    }


@pytest.mark.row("WS-14")
def test_250_orders_of_one_request_are_three_arrays(stage: Stage) -> None:
    names = stage.trader.post(stage.markets[0], 250)
    told = stage.heard()[stage.mine]
    assert [len(array) for array in told] == [100, 100, 50]
    assert [name for array in told for name, _ in array] == names
    assert stage.trader.cancel_all() == 250
    heard = stage.heard()
    for channel in (stage.mine, stage.of_markets[0], stage.of_event):
        assert [one for array in heard[channel] for one in array] == [(name, "INACTIVE") for name in names]


@pytest.mark.row("WS-12", "WS-18", "WS-19", "CAN-05", "CAN-06", "CAN-07")
def test_all_three_cancels_are_told_on_all_channels(stage: Stage, operator: Operator) -> None:
    trader, (one, two) = stage.trader, stage.markets
    elsewhere = operator.market()
    a, b = trader.post(one, 2)
    (c,) = trader.post(two)
    (d,) = trader.post(elsewhere)
    stage.heard()

    assert trader.cancel(a) == 1
    gone = [[(a, "INACTIVE")]]
    assert stage.heard() == {
        stage.mine: gone,
        stage.of_markets[0]: gone,
        stage.of_markets[1]: [],
        stage.of_event: gone,
    }
    assert trader.cancel_event(stage.event) == 2
    heard = stage.heard()
    assert heard[stage.mine] == heard[stage.of_event] == [[(b, "INACTIVE"), (c, "INACTIVE")]]
    assert heard[stage.of_markets[0]] == [[(b, "INACTIVE")]]
    assert heard[stage.of_markets[1]] == [[(c, "INACTIVE")]]
    assert trader.cancel_all() == 1
    assert stage.heard() == {
        stage.mine: [[(d, "INACTIVE")]],
        stage.of_markets[0]: [],
        stage.of_markets[1]: [],
        stage.of_event: [],
    }
    trader.cancel_all()
    assert not any(stage.heard().values())


@pytest.mark.row("WS-12", "WS-18", "LIFE-01", "LIFE-05")
def test_a_market_that_closes_and_a_match_that_begins_are_told_for_every_maker(
    stage: Stage, operator: Operator, new_trader: Callable[[], Trader]
) -> None:
    other = new_trader()
    one, two = stage.markets
    (mine,), (his,), (later,) = stage.trader.post(one), other.post(one), other.post(two)
    stage.heard()
    operator.call("POST", f"/admin/markets/{one}/status", {"status": "INACTIVE"})
    gone = [(mine, "INACTIVE"), (his, "INACTIVE")]
    assert stage.heard() == {
        stage.mine: [gone[:1]],
        stage.of_markets[0]: [gone],
        stage.of_markets[1]: [],
        stage.of_event: [gone],
    }
    operator.set_status(stage.event, 2)
    assert stage.heard()[stage.of_event] == [[(later, "INACTIVE")]]


@pytest.mark.row("WS-12")
def test_an_order_that_expires_is_told(stage: Stage, operator: Operator) -> None:
    now_ms = operator.clock(freeze=True)
    try:
        (name,) = stage.trader.post(stage.markets[0], api_expiry=now_ms // 1000 + 30)
        stage.heard()
        operator.clock(advanceMs=31_000)
        assert stage.heard()[stage.mine] == [[(name, "INACTIVE")]]
    finally:
        operator.clock(resume=True)


@pytest.mark.row("WS-10", "WS-38")
def test_what_changes_nothing_is_not_told(stage: Stage, new_trader: Callable[[], Trader]) -> None:
    (name,) = stage.trader.post(stage.markets[0])
    stage.heard()
    new_trader().cancel(name)
    stage.trader.cancel("0x" + "12" * 32)
    new_trader().cancel_event(stage.event)
    new_trader().cancel_all()
    assert not any(stage.heard().values())


# ---- what it looks like --------------------------------------------------------------------------------------------


@pytest.mark.row("WS-15", "WS-16", "WS-17", "WS-28", "ORD-03", "UNIT-01")
def test_an_update_has_every_member_in_its_type_and_repeats_what_was_signed(stage: Stage) -> None:
    salt = "0x" + "0f" * 32
    entry = stage.trader.order(stage.markets[0], salt=salt, total_bet_size=12_345_678, percentage_odds=51_125 * 10**15)
    stage.trader.post_all([entry])
    seen = [stage.peer.publication(channel) for channel in (stage.mine, stage.of_markets[0], stage.of_event)]
    (update,) = seen[0]["data"]
    assert [publication["data"] for publication in seen] == [[update]] * 3
    assert {name: type(value) for name, value in update.items()} == SEED_MEMBERS | {"baseToken": str}
    signed = {name: value for name, value in entry.items() if name != "executor"}
    assert {name: update[name] for name in signed} == signed
    assert (update["fillAmount"], update["pendingFillAmount"], update["status"]) == ("0", "0", "ACTIVE")
    assert update["orderHash"] == hash_of(entry)
    assert update["sportXeventId"] == stage.event
    assert len({publication["tags"]["messageId"] for publication in seen}) == 3

    (row,) = stage.trader.rows()
    assert {name: row[name] for name in update if name != "status"} == {
        name: value for name, value in update.items() if name != "status"
    }
    assert set(row) - set(update) == {"orderStatus", "createdAt", "executor"}
    assert row["orderStatus"] == "ACTIVE"


@pytest.mark.row("WS-28")
def test_a_publication_keeps_its_id_wherever_it_is_read(stage: Stage, dial: Dial, framing: str) -> None:
    for _ in range(3):
        stage.trader.post(stage.markets[0])
    pushed = [stage.peer.publication(stage.mine) for _ in range(3)]
    ids = [publication["tags"]["messageId"] for publication in pushed]
    assert len(set(ids)) == 3
    reader = dial(framing)
    kept = reader.ask("history", channel=stage.mine, limit=-1)["history"]
    again = reader.subscribe(stage.mine, recover=True, epoch=kept["epoch"])
    for publications in (kept["publications"], again["publications"]):
        assert [publication["tags"]["messageId"] for publication in publications] == ids
        assert [publication["data"] for publication in publications] == [one["data"] for one in pushed]


# ---- order and time ------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-20", "WS-38")
def test_every_transition_is_told_in_order_with_rising_times_and_offsets(stage: Stage, operator: Operator) -> None:
    """Also when the clock stands still."""
    operator.clock(freeze=True)
    try:
        names = []
        for _ in range(20):
            (name,) = stage.trader.post(stage.markets[0])
            stage.trader.cancel(name)
            names.append(name)
    finally:
        operator.clock(resume=True)
    for channel in (stage.mine, stage.of_markets[0], stage.of_event):
        told = [stage.peer.publication(channel) for _ in range(40)]
        assert [one["offset"] for one in told] == list(range(1, 41))
        updates = [update for one in told for update in one["data"]]
        assert [(one["orderHash"], one["status"]) for one in updates] == [
            (name, status) for name in names for status in ("ACTIVE", "INACTIVE")
        ]
        for posted, cancelled in zip(updates[::2], updates[1::2], strict=True):
            assert int(cancelled["updateTime"]) > int(posted["updateTime"])
    assert stage.peer.waiting() == []


@pytest.mark.row("WS-13", "CAN-14")
def test_a_change_is_told_before_its_answer_can_be_acted_on(
    stage: Stage, record_property: Callable[[str, object], None]
) -> None:
    """The documents promise 100 ms. How long it took is reported; what is asserted does not depend on the machine.

    A push is written in the turn of its commit, as the answer is: whoever has the answer and then asks the socket
    anything gets the push first.
    """
    trader, latencies = stage.trader, {"post": [], "cancel": []}  # type: ignore[var-annotated]
    for _ in range(30):
        (name,) = timed(latencies["post"], stage.peer, lambda: trader.post(stage.markets[0]), stage.mine)
        assert timed(latencies["cancel"], stage.peer, lambda name=name: trader.cancel(name), stage.mine) == 1  # type: ignore[misc]
    for kind, ms in latencies.items():
        record_property(f"{kind}_to_push_ms_median", round(sorted(ms)[len(ms) // 2], 2))
        record_property(f"{kind}_to_push_ms_max", round(max(ms), 2))
        print(f"{kind} to push: median {sorted(ms)[len(ms) // 2]:.2f} ms, max {max(ms):.2f} ms")

    (name,) = trader.post(stage.markets[0])
    stage.heard()
    assert trader.cancel(name) == 1
    assert stage.heard()[stage.mine] == [[(name, "INACTIVE")]]


def timed(latencies: list[float], peer: Peer, act: Callable[[], Any], channel: str) -> Any:
    """From sending a request to its push, both read by one thread: the answer of the request is waited for first."""
    began = time.perf_counter()
    answer = act()
    peer.publication(channel)
    latencies.append((time.perf_counter() - began) * 1000)
    return answer


@pytest.mark.row("WS-09", "WS-27", "CF-45")
def test_subscribers_of_both_framings_hear_the_same_in_the_same_order(
    dial: Dial, new_trader: Callable[[], Trader], operator: Operator
) -> None:
    event = operator.fixture()
    markets = [operator.market(event) for _ in range(2)]
    channels = [f"order_book:event_{event}", *(f"order_book:market_{one}" for one in markets)]
    traders = [new_trader() for _ in range(2)]
    listeners = []
    for framing in ("json", "protobuf", "json"):
        peer = dial(framing)
        for channel in channels:
            peer.subscribe(channel)
        listeners.append(Listener(peer))
    with listeners[0], listeners[1], listeners[2]:
        for number in range(10):
            for trader in traders:
                trader.post(markets[number % 2], 3)
            traders[number % 2].cancel_all()
        (last,) = traders[0].post(markets[0])
        for listener in listeners:
            listener.wait(lambda one: one.updates()[-1:] != [] and one.updates(channels[1])[-1]["orderHash"] == last)
        first, *others = [listener.pushes for listener in listeners]
        for other in others:
            assert other == first
        told = listeners[0].updates(channels[0])
        by_market = {market: listeners[0].updates(f"order_book:market_{market}") for market in markets}
        for market, updates in by_market.items():
            assert updates == [one for one in told if one["marketHash"] == market]
