"""The published SDKs, unmodified, in all that happens to a connection: tokens, crashes, snapshots, 512 channels.

Both languages in both framings run side by side, each in a process of its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
from tests.clients.followers import Follower
from tests.protocols.operating import Operator
from tests.realtime_server.test_snapshots import Busy, rows, wait_for_trade, wheres
from tests.realtime_server.trader import Trader

from overround.config import SANDBOX_TOKEN_SECRET
from overround.testing.server import ServerProcess, data_dir_arguments

pytestmark = pytest.mark.xdist_group("published clients")

JAVASCRIPT: Final = "javascript/follow_channels.mjs"
PYTHON: Final = "python/follow_channels.py"
KINDS: Final = [(program, protocol) for program in (JAVASCRIPT, PYTHON) for protocol in ("json", "protobuf")]

Crew = Callable[..., list[Follower]]


@pytest.fixture
def crew() -> Iterator[Crew]:
    """Starts one program of each kind, or of some, on the same channels."""
    with ExitStack() as running:

        def start(base_url: str, *channels: str, kinds: Any = KINDS, **environment: str) -> list[Follower]:
            urls = {"BASE_URL": base_url, "WS_URL": base_url.replace("http", "ws", 1) + "/connection/websocket"}
            return [
                running.enter_context(Follower(program, *channels, **urls, PROTOCOL=protocol, **environment))
                for program, protocol in kinds
            ]

        yield start


def minted(trader: Trader, lives_s: float) -> str:
    """A token that was bought a moment ago and ends soon, or has ended."""
    now = time.time()
    return jwt.encode({"sub": trader.address, "iat": now, "exp": now + lives_s}, SANDBOX_TOKEN_SECRET, "HS256")


@pytest.mark.row("WS-03", "WS-29", "USR-03", "CF-14", "CF-18", "CF-53")
def test_tokens_are_asked_for_when_the_old_one_ends_and_a_revoked_key_is_final(
    sandbox: ServerProcess, crew: Crew, trader: Trader, market: str
) -> None:
    settings = {"SX_API_KEY": trader.new_key()}
    late = crew(sandbox.base_url, trader.channel, kinds=KINDS[::3], TOKEN=minted(trader, -5), **settings)
    short = crew(sandbox.base_url, trader.channel, kinds=KINDS[1:3], TOKEN=minted(trader, 3), **settings)
    everybody = [*late, *short]
    for one in everybody:
        one.wait_for("subscribed")
    for one in everybody:  # the first two were told 109; the others refreshed
        one.wait_for("token")
    (name,) = trader.post(market)
    for one in everybody:
        one.wait_for("publication")
        assert one.updates() == [(name, "ACTIVE")]
        assert not one.told("disconnected")
    for one in short:
        assert len(one.told("connecting")) == 1

    trader.new_key()
    for one in everybody:
        one.wait_for("disconnected", code=3500, reason="invalid token")


@pytest.mark.row("WS-03", "WS-22", "WS-24", "WS-28", "CF-35", "CF-53", "LIFE-06")
def test_a_venue_that_is_killed_and_comes_back_costs_them_nothing(tmp_path: Path, crew: Crew) -> None:
    arguments = data_dir_arguments(tmp_path)
    with ServerProcess(*arguments) as server, server.client() as http:
        trader = Trader(http)
        market = http.get("/sandbox").json()["markets"][0]
        feed = f"order_book:market_{market['marketHash']}"
        followers = crew(server.base_url, trader.channel, feed, SX_API_KEY=trader.new_key())
        for one in followers:
            one.wait_for("subscribed", 2)
        names = [*trader.post(market["marketHash"], 2), *trader.post(market["marketHash"])]
        for one in followers:
            one.wait(lambda one: len(one.updates()) == 6)
        server.kill()
    port = server.base_url.rpartition(":")[2]
    with ServerProcess(*arguments, command=("sandbox", "--port", port)) as server, server.client() as http:
        trader._http = http
        trader.cancel(names[0])
        trader.cancel_all()
        expected = [(name, "ACTIVE") for name in names] + [(name, "INACTIVE") for name in names]
        for one in followers:
            one.wait(lambda one: len(one.updates()) == 12)
            for channel in (trader.channel, feed):
                assert one.updates(channel) == expected
                assert one.offsets(channel) == [1, 2, 3, 4]
                assert one.told("subscribed", channel=channel)[-1]["recovered"] is True
            ids = [event["id"] for event in one.told("publication")]
            assert len(set(ids)) == len(ids)
            assert not one.told("unsubscribed")
            one.finish()
        for channel in (trader.channel, feed):
            books = [one.told("books")[0]["books"][channel] for one in followers]
            assert books == books[:1] * len(books)


@pytest.mark.row("WS-37", "WS-03", "WS-20")
def test_they_go_on_from_where_a_snapshot_stands(
    sandbox: ServerProcess, http: httpx.Client, operator: Operator, crew: Crew
) -> None:
    """The SDKs' own way: `getState` answers with the position that came with the snapshot."""
    event = operator.fixture()
    markets = [operator.market(event) for _ in range(2)]
    with Busy(sandbox, event, markets) as busy:
        wait_for_trade(busy, 20)
        channels = [where.channel for where in wheres(busy)]
        key = busy.traders[0].new_key()
        followers = crew(sandbox.base_url, *channels, FROM_SNAPSHOT="1", SX_API_KEY=key)
        for one in followers:
            one.wait_for("subscribed", len(channels))
        wait_for_trade(busy, 40)
        busy.stop()
        standing = [rows(http.get("/orders", params=where.filters)) for where in wheres(busy)]
        tops = [position_of(http, where.filters) for where in wheres(busy)]
    for one in followers:
        one.wait(lambda one: [newest(one, channel) for channel in channels] == tops)
        one.finish()
        (books,) = one.told("books")
        for channel, book in zip(channels, standing, strict=True):
            (snapshot,) = one.told("snapshot", channel=channel)
            offsets = one.offsets(channel)
            assert offsets == list(range(snapshot["offset"] + 1, snapshot["offset"] + 1 + len(offsets)))
            active = {name: row for name, row in books["books"][channel].items() if row["status"] == "ACTIVE"}
            assert {name: row["updateTime"] for name, row in active.items()} == {
                name: row["updateTime"] for name, row in book.items()
            }


def position_of(http: httpx.Client, filters: dict[str, str]) -> int:
    return int(http.get("/orders", params=filters).headers["x-overround-position"].split(" ")[2])


def newest(follower: Follower, channel: str) -> int | None:
    """The offset that it has come to."""
    snapshots = [event["offset"] for event in follower.told("snapshot", channel=channel)]
    return next(iter([*reversed(follower.offsets(channel)), *snapshots]), None)


@pytest.mark.row("WS-26", "WS-27", "WS-03", "CF-32", "CF-34")
def test_512_channels_on_one_connection_and_not_one_more(
    sandbox: ServerProcess, crew: Crew, trader: Trader, market: str
) -> None:
    silent = [f"order_book:market_0x{number:064x}" for number in range(510)]
    channels = [trader.channel, f"order_book:market_{market}", *silent, "order_book:event_one_too_many"]
    followers = crew(sandbox.base_url, *channels, kinds=[KINDS[0], KINDS[2]], SX_API_KEY=trader.new_key())
    for one in followers:
        one.wait_for("subscribed", 512)
        one.wait_for("unsubscribed", channel=channels[-1], code=106)
    trader.post(market)
    for one in followers:
        one.wait_for("publication", 2)
        assert len(one.told("connecting")) == 1
        assert not one.told("disconnected")
