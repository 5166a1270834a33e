"""Coming back: epoch and offset, what is kept and for how long, and a venue that was killed (`spec/sx.md` 6.8)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Peer
from tests.realtime_server.trader import Trader

from overround.config import RealtimeConfig
from overround.protocols.sx.namespaces import SX_NAMESPACES
from overround.testing.server import ServerProcess, data_dir_arguments

pytestmark = pytest.mark.xdist_group("realtime recovery")

CONFIG = f"""
[realtime]
recovery_publications_max = 150
queue_bytes_soft = 262144
queue_bytes_hard = {(QUEUE_BYTES := 524288)}
"""
ASKING = {"positioned": True, "recoverable": True, "recover": True}
FRAMINGS = ("json", "protobuf")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A sandbox in which recoveries are short, and queues too."""
    file = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(CONFIG)
    with ServerProcess("--config", str(file)) as server:
        yield server


def offsets(told: dict[str, Any]) -> list[int]:
    return [publication["offset"] for publication in told.get("publications", [])]


# ---- leaving and coming back ---------------------------------------------------------------------------------------


@pytest.mark.row("WS-24", "CF-35", "CF-36", "CF-45", "WS-22")
def test_who_comes_back_gets_what_it_missed_and_then_goes_on(
    dial: Dial, trader: Trader, market: str, framing: str
) -> None:
    with dial(framing) as peer:
        peer.subscribe(trader.channel)
        trader.post(market)
        stood = peer.publication()["offset"]
        epoch = peer.ask("history", channel=trader.channel)["history"]["epoch"]
    missed = [trader.post(market, count) for count in (1, 2, 3)]

    back = dial(framing)
    told = back.subscribe(trader.channel, **ASKING, epoch=epoch, offset=stood)
    assert (told["recovered"], told["was_recovering"], told["epoch"], told["offset"]) == (True, True, epoch, stood)
    assert offsets(told) == [2, 3, 4]
    assert [[one["orderHash"] for one in publication["data"]] for publication in told["publications"]] == missed
    trader.cancel_all()
    assert back.publication()["offset"] == 5

    told = dial(framing).subscribe(trader.channel, **ASKING, epoch=epoch, offset=5)
    assert (told["recovered"], offsets(told)) == (True, [])


@pytest.mark.row("WS-24", "CF-35")
def test_on_the_same_connection_too(dial: Dial, trader: Trader, market: str, framing: str) -> None:
    peer = dial(framing)
    epoch = peer.subscribe(trader.channel)["epoch"]
    peer.ask("unsubscribe", channel=trader.channel)
    trader.post(market)
    assert offsets(peer.subscribe(trader.channel, **ASKING, epoch=epoch)) == [1]
    trader.post(market)
    assert peer.publication()["offset"] == 2


@pytest.mark.row("WS-24", "CF-37", "CF-42", "CF-43", "CF-44")
def test_what_cannot_be_recovered_is_told_so(dial: Dial, trader: Trader, market: str, framing: str) -> None:
    trader.post(market)
    trader.post(market)
    position = dial(framing).ask("history", channel=trader.channel)["history"]
    for lost in ({"epoch": "foreign", "offset": 1}, {"epoch": position["epoch"], "offset": 3}, {"epoch": "_"}):
        told = dial(framing).subscribe(trader.channel, **ASKING, **lost)
        assert told["was_recovering"] is True
        assert "recovered" not in told
        assert "publications" not in told
        assert (told["epoch"], told["offset"]) == (position["epoch"], 2)
        assert dial(framing).refused("subscribe", channel=trader.channel, **ASKING, **lost, flag=2) == 112
    # Without an epoch the offset alone decides.
    assert offsets(dial(framing).subscribe(trader.channel, **ASKING, offset=1)) == [2]
    assert offsets(dial(framing).subscribe(trader.channel, **ASKING)) == [1, 2]


# ---- what is kept --------------------------------------------------------------------------------------------------


@pytest.mark.row("WS-25")
def test_as_much_is_kept_as_the_documents_say() -> None:
    sizes = {name: namespace.history_size for name, namespace in SX_NAMESPACES.items()}
    assert sizes == {
        "active_orders": 100,
        "order_book": 5_000,
        "best_odds": 0,
        "recent_trades": 2_000,
        "recent_trades_consolidated": 1_000,
        "markets": 1_000,
        "main_line": 500,
        "fixtures": 100,
        "ce_refunds": 100,
        "parlay_markets": 0,
    }
    assert {one.history_ttl_ms for one in SX_NAMESPACES.values() if one.has_history} == {300_000}
    assert RealtimeConfig().recovery_publications_max == 1_000  # type: ignore[call-arg]


@pytest.mark.row("WS-25", "CF-38", "CF-40")
def test_a_hundred_of_a_maker_are_kept_and_recoveries_have_a_limit(
    dial: Dial, trader: Trader, market: str, framing: str
) -> None:
    """Of the book more is kept than one recovery may hold (150 here)."""
    for name in trader.post(market, 160):
        trader.cancel(name)
    book = f"order_book:market_{market}"
    reader = dial(framing)
    for channel, kept, limit in ((trader.channel, 100, 150), (book, 162, 150)):
        history = reader.ask("history", channel=channel, limit=-1)["history"]
        top, epoch = history["offset"], history["epoch"]
        assert top == 162  # two arrays of posted orders, 160 cancels
        assert offsets(history) == list(range(top - kept + 1, top + 1))
        most = min(kept, limit)
        told = dial(framing).subscribe(channel, **ASKING, epoch=epoch, offset=top - most)
        assert (told["recovered"], len(told["publications"])) == (True, most)
        told = dial(framing).subscribe(channel, **ASKING, epoch=epoch, offset=top - most - 1)
        assert "recovered" not in told
        assert told["offset"] == top


@pytest.mark.row("WS-01", "WS-25")
def test_history_is_read_in_pages_in_both_directions(dial: Dial, trader: Trader, market: str, framing: str) -> None:
    for _ in range(10):
        trader.post(market)
    peer = dial(framing)

    def page(**request: Any) -> list[int]:
        return offsets(peer.ask("history", channel=trader.channel, **request)["history"])

    epoch = peer.ask("history", channel=trader.channel)["history"]["epoch"]
    assert page(limit=3) == [1, 2, 3]
    assert page(limit=3, since={"offset": 8, "epoch": epoch}) == [9, 10]
    assert page(limit=3, since={"offset": 8}) == [9, 10]
    assert page(limit=3, reverse=True) == [10, 9, 8]
    assert page(limit=3, reverse=True, since={"offset": 3, "epoch": epoch}) == [2, 1]
    assert page(limit=0) == []
    assert page(limit=2_000) == page(limit=-1) == list(range(1, 11))
    assert peer.refused("history", channel=trader.channel, limit=1, reverse=True, since={"epoch": epoch}) == 107


@pytest.mark.row("WS-25", "CF-39")
def test_after_five_minutes_the_past_is_gone_and_the_position_stays(
    dial: Dial, trader: Trader, market: str, operator: Operator, framing: str
) -> None:
    operator.freeze_at_full_second()  # all records are older than what the clock shows
    try:
        trader.post(market)
        trader.post(market)
        operator.clock(advanceMs=299_999)
        told = dial(framing).subscribe(trader.channel, **ASKING, offset=1)
        assert offsets(told) == [2]
        operator.clock(advanceMs=1)
        told = dial(framing).subscribe(trader.channel, **ASKING, offset=1)
        assert "recovered" not in told
        assert told["offset"] == 2
        told = dial(framing).subscribe(trader.channel, **ASKING, epoch=told["epoch"], offset=2)
        assert told["recovered"] is True
        trader.post(market)
        told = dial(framing).subscribe(trader.channel, **ASKING, epoch=told["epoch"], offset=2)
        assert offsets(told) == [3]
    finally:
        operator.clock(resume=True)


@pytest.mark.row("CF-41", "CF-50")
def test_a_large_recovery_arrives_and_one_that_is_larger_than_a_frame_may_be_is_declined(
    dial: Dial, trader: Trader, market: str, framing: str
) -> None:
    """Larger than the queue may be is fine where nothing else waits. But some clients close on frames over 1 MiB, come
    back at the same position, and so on for ever."""
    for _ in range(12):
        trader.post(market, 100)
    top = dial(framing).ask("history", channel=trader.channel)["history"]["offset"]
    assert top == 12
    sizes = {}
    for offset in range(top):
        peer = dial(framing)
        told = peer.subscribe(trader.channel, **ASKING, offset=offset)
        if told.get("recovered"):
            assert offsets(told) == list(range(offset + 1, top + 1))
            sizes[offset] = len(json.dumps(told["publications"], separators=(",", ":")))
            peer.subscribe("best_odds:global")
        else:
            assert "publications" not in told
    assert list(sizes) == list(range(min(sizes), top))
    assert min(sizes) > 0
    assert QUEUE_BYTES < max(sizes.values()) <= 768 * 1024


# ---- a venue that was killed ---------------------------------------------------------------------------------------


@pytest.mark.row("WS-24", "LIFE-06")
@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_position_outlives_the_process(tmp_path: Path, how: str) -> None:
    """After `kill -9` as after a clean stop: same epoch, same offsets, same ids, nothing missed, nothing twice."""
    arguments = data_dir_arguments(tmp_path)
    with ExitStack() as stack:
        server = stack.enter_context(ServerProcess(*arguments))
        http = stack.enter_context(server.client())
        trader, market = Trader(http), http.get("/sandbox").json()["markets"][0]
        token = trader.token()
        channels = [
            trader.channel,
            f"order_book:market_{market['marketHash']}",
            f"order_book:event_{market['sportXeventId']}",
        ]
        stood = {}
        with Peer(server) as peer:
            peer.connect(token)
            for channel in channels:
                stood[channel] = peer.subscribe(channel)
            trader.post(market["marketHash"])
        names = trader.post(market["marketHash"], 150)
        trader.cancel(names[0])
        with Peer(server) as peer:
            peer.connect(token)
            histories = {channel: peer.ask("history", channel=channel, limit=-1) for channel in channels}
        if how == "kill":
            server.kill()
        else:
            assert server.stop() == 0

        again = stack.enter_context(ServerProcess(*arguments))
        http = stack.enter_context(again.client())
        trader._http = http
        for framing in FRAMINGS:
            with Peer(again, framing=framing) as peer:
                peer.connect(token)
                for channel, position in stood.items():
                    told = peer.subscribe(channel, **ASKING, epoch=position["epoch"], offset=position.get("offset", 0))
                    assert told["recovered"] is True
                    assert told["publications"] == histories[channel]["history"]["publications"]
        with Peer(again) as peer:
            peer.connect(token)
            told = peer.subscribe(trader.channel, **ASKING, epoch=stood[trader.channel]["epoch"], offset=4)
            assert (told["recovered"], offsets(told)) == (True, [])
            trader.cancel(names[1])
            further = peer.publication()
            assert further["offset"] == 5
        earlier = [one for channel in channels for one in histories[channel]["history"]["publications"]]
        ids = [publication["tags"]["messageId"] for publication in (*earlier, further)]
        assert len(set(ids)) == len(ids)
