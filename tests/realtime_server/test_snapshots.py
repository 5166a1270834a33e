"""A snapshot over HTTP and a feed behind it give the whole state, whoever trades meanwhile (`spec/sx.md` 6.9)."""

from __future__ import annotations

import random
from collections.abc import Iterable
from contextlib import ExitStack
from threading import Event, Thread
from typing import Any, NamedTuple

import httpx
import pytest
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Listener
from tests.realtime_server.trader import Trader

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("realtime snapshots")

HEADER = "x-overround-position"
ASKING = {"positioned": True, "recoverable": True, "recover": True}
Book = dict[str, dict[str, Any]]


class Busy:
    """Makers who post and cancel on threads of their own until they are told to stop; a context manager."""

    def __init__(self, sandbox: ServerProcess, event: str, markets: list[str], *, traders: int = 2) -> None:
        self.event = event
        self.markets = markets
        self._clients = [sandbox.client() for _ in range(traders)]
        self.traders = [Trader(client) for client in self._clients]
        self.turns = 0
        self.failure: BaseException | None = None
        self._stop = Event()
        self._threads = [
            Thread(target=self._trade, args=(trader, number)) for number, trader in enumerate(self.traders)
        ]

    def __enter__(self) -> Busy:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for client in self._clients:
            client.close()

    def stop(self) -> None:
        """Let them finish what they are at; nothing more will happen."""
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _trade(self, trader: Trader, seed: int) -> None:
        dice, open_ones = random.Random(seed), list[str]()
        try:
            while not self._stop.is_set():
                match dice.randrange(8):
                    case 0 if len(open_ones) > 20:
                        trader.cancel_event(self.event)
                        open_ones.clear()
                    case 1 | 2 if open_ones:
                        trader.cancel(open_ones.pop(dice.randrange(len(open_ones))))
                    case _:
                        open_ones += trader.post(dice.choice(self.markets), dice.choice((1, 1, 3)))
                self.turns += 1
        except BaseException as error:
            self.failure = error


class Where(NamedTuple):
    """What is asked for, and the channel that carries the same."""

    filters: dict[str, str]
    channel: str


@pytest.fixture
def stage(operator: Operator) -> tuple[str, list[str]]:
    """An event and its markets."""
    event = operator.fixture()
    return event, [operator.market(event) for _ in range(3)]


def wheres(busy: Busy) -> list[Where]:
    maker, market = busy.traders[0].address, busy.markets[0]
    return [
        Where({"maker": maker}, f"active_orders:{maker}"),
        Where({"marketHashes": market}, f"order_book:market_{market}"),
        Where({"sportXeventId": busy.event}, f"order_book:event_{busy.event}"),
    ]


def rows(answer: httpx.Response) -> Book:
    assert answer.status_code == 200, answer.text
    return {row["orderHash"]: row for row in answer.json()["data"]}


def times(book: Book) -> dict[str, str]:
    """Hash and time of what stands."""
    return {name: one["updateTime"] for name, one in book.items()}


def merge(book: Book, updates: Iterable[dict[str, Any]]) -> Book:
    """By `updateTime`, as clients are told to."""
    newest = dict(book)
    for update in updates:
        known = newest.get(update["orderHash"])
        if known is None or int(update["updateTime"]) > int(known["updateTime"]):
            newest[update["orderHash"]] = update
    return {name: one for name, one in newest.items() if one.get("status", "ACTIVE") == "ACTIVE"}


class Follower:
    """Somebody with a snapshot who follows a channel from a position on."""

    def __init__(self, where: Where, book: Book, offset: int, missed: list[dict[str, Any]], listener: Listener) -> None:
        self.where = where
        self.book = book
        self.offset = offset
        self._missed = missed  # what came with the reply
        self._listener = listener

    def told(self, top: int) -> list[dict[str, Any]]:
        """All publications up to an offset, which are all that there are."""
        self._listener.wait(lambda _: self._publications[-1:] != [] or top == self.offset)
        self._listener.wait(lambda _: top == self.offset or self._publications[-1]["offset"] >= top)
        assert [one["offset"] for one in self._publications] == list(range(self.offset + 1, top + 1))
        return self._publications

    @property
    def _publications(self) -> list[dict[str, Any]]:
        return [*self._missed, *self._listener.publications()]


def updates(publications: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [update for one in publications for update in one["data"]]


@pytest.mark.row("WS-36", "WS-20")
def test_subscribe_then_read_a_snapshot(
    sandbox: ServerProcess, http: httpx.Client, dial: Dial, stage: tuple[str, list[str]], framing: str
) -> None:
    """The snapshot shows at least what was said before the reply; nothing is lost between the two."""
    followers = []
    with Busy(sandbox, *stage) as busy, ExitStack() as stack:
        for where in wheres(busy):
            wait_for_trade(busy, 20)
            peer = dial(framing)
            stood = peer.subscribe(where.channel)
            book = rows(http.get("/orders", params=where.filters))
            listener = stack.enter_context(Listener(peer))
            followers.append(Follower(where, book, stood.get("offset", 0), [], listener))
        wait_for_trade(busy, 40)
        busy.stop()
        for one in followers:
            top = dial(framing).ask("history", channel=one.where.channel)["history"]["offset"]
            merged = merge(one.book, updates(one.told(top)))
            assert times(merged) == times(rows(http.get("/orders", params=one.where.filters)))


@pytest.mark.row("WS-37", "ORD-01")
def test_read_a_snapshot_then_subscribe_from_where_it_stands(
    sandbox: ServerProcess, http: httpx.Client, dial: Dial, stage: tuple[str, list[str]], framing: str
) -> None:
    """The header says where: what follows from there continues the snapshot, without a gap and without a repeat.

    So every ACTIVE is an order that was not there, and every INACTIVE one that was; no times are compared.
    """
    followers, missed = [], 0
    with Busy(sandbox, *stage) as busy, ExitStack() as stack:
        for where in wheres(busy) * 3:
            wait_for_trade(busy, 10)
            answer = http.get("/orders", params=where.filters)
            wait_for_trade(busy, 5)  # so that something is missed
            channel, epoch, offset = answer.headers[HEADER].split(" ")
            assert channel == where.channel
            peer = dial(framing)
            told = peer.subscribe(channel, **ASKING, epoch=epoch, offset=int(offset))
            assert (told["recovered"], told.get("offset", 0)) == (True, int(offset))
            publications = told.get("publications", [])
            missed += len(publications)
            listener = stack.enter_context(Listener(peer))
            followers.append(Follower(where, rows(answer), int(offset), publications, listener))
        wait_for_trade(busy, 30)
        busy.stop()
        assert missed > 0
        for one in followers:
            top = dial(framing).ask("history", channel=one.where.channel)["history"]["offset"]
            for update in updates(one.told(top)):
                name = update["orderHash"]
                if update["status"] == "ACTIVE":
                    assert name not in one.book
                    one.book[name] = update
                else:
                    assert int(update["updateTime"]) > int(one.book.pop(name)["updateTime"])
            assert times(one.book) == times(rows(http.get("/orders", params=one.where.filters)))


def wait_for_trade(busy: Busy, turns: int) -> None:
    """Until so much more has been traded."""
    wanted = busy.turns + turns
    while busy.turns < wanted and busy.failure is None:
        Event().wait(0.001)


@pytest.mark.row("WS-37")
def test_the_position_is_given_where_one_channel_carries_the_whole_answer(
    http: httpx.Client, trader: Trader, stage: tuple[str, list[str]]
) -> None:
    event, (market, other, _) = stage
    trader.post(market)

    def told(**filters: str) -> str | None:
        answer = http.get("/orders", params=filters)
        assert answer.status_code == 200
        found: str | None = answer.headers.get(HEADER)
        return found

    position = told(maker=trader.address)
    assert position is not None
    channel, epoch, offset = position.split(" ")
    assert (channel, offset) == (trader.channel, "1")
    assert told(marketHashes=market) == f"order_book:market_{market} {epoch} 1"
    assert told(marketHashes=other) == f"order_book:market_{other} {epoch} 0"
    assert told(sportXeventId=event) == told(sportXEventId=event) == f"order_book:event_{event} {epoch} 1"
    assert told(maker=trader.address, sortBy="updated_at", chainVersion="SXR") == position

    (row,) = trader.rows()
    for filters in (
        {"maker": trader.address, "marketHashes": market},
        {"maker": trader.address, "baseToken": row["baseToken"]},
        {"maker": trader.address, "page": "0"},
        {"maker": trader.address, "perPage": "10"},
        {"marketHashes": f"{market},{other}"},
        {"orderHashes": row["orderHash"]},
        {"maker": trader.address.lower()},
        {"marketHashes": "0x12"},
        {"sportXeventId": "nowhere"},
    ):
        assert told(**filters) is None, filters
