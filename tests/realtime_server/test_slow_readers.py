"""Who does not read is cut off, comes back, and has missed nothing; who does read notices nothing (centrifugo.md 14.2).

The bounds are smaller here than by default, so that a reader is slow after one megabyte and not after sixteen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import httpx
import pytest
from tests.clients.followers import Follower
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Listener, Peer
from tests.realtime_server.trader import Trader

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("realtime slow readers")

CONFIG = """
[realtime]
queue_bytes_soft = 524288
queue_bytes_hard = 917504
"""
ASKING = {"positioned": True, "recoverable": True, "recover": True}
TINY_BUFFER = 4096
HASTY = Path(__file__).parent / "hasty_venue.py"
ROOM = 256 * 1024 * 1024
CLOSE_TIMEOUT_S = 5.0


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    file = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(CONFIG)
    with ServerProcess("--config", str(file)) as server:
        yield server


def drops(http: httpx.Client, code: int) -> int:
    """How many connections the server has ended with a code."""
    found = re.search(rf'^overround_feed_drops_total{{code="{code}"}} (\d+)', http.get("/metrics").text, re.MULTILINE)
    return int(found[1]) if found else 0


def trade_until(trader: Trader, market: str, enough: Callable[[], bool]) -> int:
    """Post and cancel a hundred orders at a time, about 80 KB an array; how many arrays."""
    count = 0
    while not enough():
        trader.post(market, 100)
        if enough():
            return count + 1
        trader.cancel_all()
        count += 2
        assert count < 400, "nobody was ever slow"
    return count


@pytest.mark.row("CF-49", "WS-30", "CF-52")
def test_a_reader_who_stops_is_cut_off_and_later_recovers_and_others_notice_nothing(
    dial: Dial, http: httpx.Client, trader: Trader, market: str, framing: str
) -> None:
    with ExitStack() as stack:
        slow = dial(framing, receive_buffer_bytes=TINY_BUFFER)
        epoch = slow.subscribe(trader.channel)["epoch"]
        healthy = []
        for one in ("json", "protobuf"):
            peer = dial(one)
            peer.subscribe(trader.channel)
            healthy.append(stack.enter_context(Listener(peer)))
        before = drops(http, 3008)
        count = trade_until(trader, market, lambda: drops(http, 3008) > before)
        cut_off_at = monotonic()

        # What was on its way still arrives, then the reason, for as long as a close may take; nothing after it.
        assert slow.end() == (3008, "slow") or monotonic() - cut_off_at > CLOSE_TIMEOUT_S
        heard = [message["push"]["pub"] for message in slow.unread]
        assert [one["offset"] for one in heard] == list(range(1, len(heard) + 1))
        assert len(heard) < count

        for listener in healthy:
            listener.wait(lambda one: len(one.publications()) == count)
            assert [publication["offset"] for publication in listener.publications()] == list(range(1, count + 1))
            assert listener.ended is None

        back = dial(framing)
        told = back.subscribe(trader.channel, **ASKING, epoch=epoch, offset=len(heard))
        assert told["recovered"] is True
        heard += told["publications"]
        assert [one["data"] for one in heard] == [one["data"] for one in healthy[0].publications()]
        trader.post(market)
        assert back.publication()["offset"] == count + 1


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that gives readers plenty of room, and half a second instead of five to use less than a bit of it."""
    file = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(f"[realtime]\nqueue_bytes_soft = 131072\nqueue_bytes_hard = {ROOM}\n")
    with ServerProcess("--config", str(file), program=(str(HASTY),)) as server:
        yield server


@pytest.mark.row("CF-49", "WS-30")
def test_a_reader_who_is_behind_for_too_long_is_cut_off_long_before_there_is_no_room(impatient: ServerProcess) -> None:
    with impatient.client() as http, Peer(impatient, receive_buffer_bytes=TINY_BUFFER) as slow:
        trader = Trader(http)
        slow.connect(trader.token())
        slow.subscribe(trader.channel)
        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        count = trade_until(trader, market, lambda: drops(http, 3008) == 1)
        assert slow.end().code in (3008, None)
        sizes = [len(json.dumps(message["push"])) for message in slow.unread]
        assert len(sizes) < count
        assert count * max(sizes) < ROOM


def test_a_reader_who_stops_for_a_while_and_goes_on_is_not_cut_off(
    dial: Dial, http: httpx.Client, trader: Trader, market: str, framing: str
) -> None:
    slow = dial(framing, receive_buffer_bytes=TINY_BUFFER)
    slow.subscribe(trader.channel)
    before = drops(http, 3008)
    for _ in range(3):
        trader.post(market, 100)
        trader.cancel_all()
    told = [slow.publication() for _ in range(6)]
    assert [one["offset"] for one in told] == list(range(1, 7))
    assert slow.waiting() == []
    assert drops(http, 3008) == before


@pytest.mark.row("CF-50")
def test_who_comes_back_to_many_channels_in_one_frame_is_not_taken_for_slow(
    dial: Dial, token: str, trader: Trader, operator: Operator, framing: str
) -> None:
    """All that it missed together is more than its queue may hold. Cut off, it would come back at the same positions,
    and so on for ever; so some of it is declined instead."""
    event = operator.fixture()
    market = operator.market(event)
    for _ in range(6):
        trader.post(market, 100)
    channels = [trader.channel, f"order_book:market_{market}", f"order_book:event_{event}"]
    peer = dial(framing, token=None)
    asking = [{"id": n, "subscribe": {"channel": name, **ASKING}} for n, name in enumerate(channels, start=2)]
    peer.send({"id": 1, "connect": {"token": token}}, *asking)
    connected, *replies = [peer.receive() for _ in range(4)]
    assert "connect" in connected
    told = [reply["subscribe"] for reply in replies]
    assert [one.get("recovered", False) for one in told] == [True, False, False]
    assert all(one["was_recovering"] and one["epoch"] for one in told)
    trader.post(market)
    assert {peer.push()["channel"] for _ in channels} == set(channels)


@pytest.mark.row("CF-49", "WS-24", "WS-30", "WS-03")
@pytest.mark.parametrize(
    ("program", "protocol"), [("javascript/follow_channels.mjs", "json"), ("python/follow_channels.py", "protobuf")]
)
def test_a_suspended_sdk_is_cut_off_and_recovers_by_itself(
    sandbox: ServerProcess, http: httpx.Client, trader: Trader, market: str, program: str, protocol: str
) -> None:
    world = http.get("/sandbox").json()
    urls = {"BASE_URL": world["baseUrl"], "WS_URL": world["wsUrl"], "SX_API_KEY": trader.new_key()}
    with Follower(program, trader.channel, PROTOCOL=protocol, **urls) as bot:
        bot.wait_for("subscribed")
        trader.cancel(*trader.post(market))
        bot.wait_for("publication", 2)
        before = drops(http, 3008)
        bot.suspend()
        count = 2 + trade_until(trader, market, lambda: drops(http, 3008) > before)
        bot.resume()
        bot.wait(lambda one: one.offsets(trader.channel)[-1:] == [count])
        assert bot.offsets(trader.channel) == list(range(1, count + 1))
        assert [one["recovered"] for one in bot.told("subscribed")] == [False, True]
        assert not bot.told("disconnected")
        bot.finish()
        (books,) = bot.told("books")
    active = {name for name, update in books["books"][trader.channel].items() if update["status"] == "ACTIVE"}
    assert active == {row["orderHash"] for row in trader.rows()}
