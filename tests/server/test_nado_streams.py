"""Who hears which event, how often it is encoded, and what becomes of whoever does not read (`spec/nado.md` 11)."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.protocols.nado.vectors import DOMAIN
from tests.realtime_server.peer import frame
from tests.realtime_server.test_websocket import HEADERS, Transport
from uvicorn.server import ServerState

from overround.protocols.nado import feeds
from overround.protocols.nado.digests import stream_authentication_digest
from overround.protocols.nado.facts import DepthChange, OrderEvent, Quote, QuoteEvent, Reason, TradeEvent
from overround.protocols.nado.units import hex_text, subaccount
from overround.server import nado_streams
from overround.server.conversation import House
from overround.server.lanes import Lanes
from overround.server.nado_streams import StreamEndpoint, Streams, SubscriptionSocket
from overround.server.websocket import UpgradeRequest
from overround.testing.accounts import ALICE, BOB

ALICES, BOBS = subaccount(ALICE.address), subaccount(BOB.address)
TRADE = TradeEvent(timestamp_ns=1, product_id=2, price_x18=5, quantity=7, is_taker_buyer=True)
ORDER = OrderEvent(timestamp_ns=1, product_id=2, subaccount=ALICES, digest=bytes(32), remaining=5, reason=Reason.PLACED)


class Scene:
    """An endpoint without a network."""

    def __init__(self, **more: Any) -> None:
        self.streams = Streams()
        self.house = House(message_bytes_max=1 << 20, idle_s=90)
        self.endpoint = StreamEndpoint(
            self.house,
            self.streams,
            Lanes(),
            domain=DOMAIN,
            now_ms=lambda: time.time_ns() // 1_000_000,
            linked_signer_of=lambda _: None,
            **more,
        )

    def dial(self, *, deflate: bool = False) -> Guest:
        headers = [*HEADERS, (b"sec-websocket-extensions", b"permessage-deflate")] if deflate else HEADERS
        transport = Transport()
        socket = self.endpoint.accept(transport, UpgradeRequest("/subscribe", "", headers, "here"), ServerState())
        assert isinstance(socket, SubscriptionSocket)
        assert transport.written.startswith(b"HTTP/1.1 101 ")
        transport.written = b""
        return Guest(socket, transport)


class Guest:
    """The other end of a socket."""

    def __init__(self, socket: SubscriptionSocket, transport: Transport) -> None:
        self.socket = socket
        self.transport = transport

    async def ask(self, **request: Any) -> Any:
        """The next frame after a request, as one SDK reads it."""
        self.socket.data_received(frame(json.dumps({"id": 1, **request}).encode()))
        while not self.transport.written:
            await asyncio.sleep(0)
        return self.heard()[0]

    async def follow(self, **stream: Any) -> None:
        answer = await self.ask(method="subscribe", stream=stream)
        assert answer == {"result": None, "id": 1}, answer

    async def authenticate(self, sender: bytes = ALICES, account: Any = ALICE) -> Any:
        expiration = time.time_ns() // 1_000_000 + 50_000
        signature = account.sign_digest(stream_authentication_digest(DOMAIN, sender, expiration))
        tx = {"sender": hex_text(sender), "expiration": str(expiration)}
        return await self.ask(method="authenticate", tx=tx, signature=hex_text(signature))

    def heard(self) -> list[Any]:
        return [json.loads(payload) for opcode, payload in self.transport.frames() if opcode == 1]


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def test_an_event_is_encoded_and_framed_once_for_all(loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[TradeEvent] = []
    encode = feeds.trade

    def watched(fact: TradeEvent) -> bytes:
        encoded.append(fact)
        return encode(fact)

    monkeypatch.setattr(feeds, "trade", watched)

    async def play() -> None:
        scene = Scene()
        scene.streams.tell(TRADE)
        assert encoded == [], "nobody wants to know"
        guests = [scene.dial() for _ in range(5)]
        for guest in guests:
            await guest.follow(type="trade", product_id=2)
        scene.streams.tell(TRADE)
        await asyncio.sleep(0)
        assert encoded == [TRADE]
        assert [guest.heard() for guest in guests] == [[json.loads(encode(TRADE))]] * 5

    loop.run(play())


@pytest.mark.row("W-12")
def test_all_events_of_a_turn_are_one_write_and_an_answer_comes_before_them(loop: asyncio.Runner) -> None:
    async def play() -> None:
        scene = Scene()
        guest = scene.dial()
        await guest.follow(type="trade", product_id=2)
        scene.streams.tell(TRADE)
        scene.streams.tell(TRADE)
        assert guest.transport.written == b""
        assert (await guest.ask(method="list"))["result"][0] == {"type": "default"}
        await asyncio.sleep(0)
        assert len(guest.heard()) == 2

    loop.run(play())


@pytest.mark.row("W-07")
def test_orders_are_shown_to_their_wallet_alone(loop: asyncio.Runner) -> None:
    async def play() -> None:
        guest = Scene().dial()
        stream = {"type": "order_update", "subaccount": hex_text(ALICES), "product_id": None}
        refused = {"result": None, "error": "Auth is needed.", "id": 1}
        assert await guest.ask(method="subscribe", stream=stream) == refused
        assert await guest.authenticate() == {"result": None, "id": 1}
        await guest.follow(**stream)
        other = {**stream, "subaccount": hex_text(BOBS)}
        assert await guest.ask(method="subscribe", stream=other) == refused
        second = {**stream, "subaccount": hex_text(subaccount(ALICE.address, "second"))}
        await guest.follow(**second)

    loop.run(play())


def test_whoever_follows_a_product_and_all_of_them_hears_once(loop: asyncio.Runner) -> None:
    async def play() -> None:
        scene = Scene()
        guest = scene.dial()
        await guest.authenticate()
        await guest.follow(type="order_update", subaccount=hex_text(ALICES), product_id=2)
        await guest.follow(type="order_update", subaccount=hex_text(ALICES))
        scene.streams.tell(ORDER)
        await asyncio.sleep(0)
        assert len(guest.heard()) == 1
        assert (await guest.ask(method="unsubscribe", stream={"type": "order_update", "subaccount": hex_text(ALICES)}))[
            "result"
        ] is None
        scene.streams.tell(ORDER)
        await asyncio.sleep(0)
        assert len(guest.heard()) == 1

    loop.run(play())


@pytest.mark.row("W-05")
def test_a_wallet_has_five_authenticated_connections_and_the_next_one_is_ended(loop: asyncio.Runner) -> None:
    async def play() -> None:
        scene = Scene()
        guests = [scene.dial() for _ in range(6)]
        for guest in guests[:5]:
            assert await guest.authenticate() == {"result": None, "id": 1}
        assert "at most 5" in (await guests[5].authenticate())["error"]
        await asyncio.sleep(0)
        assert [opcode for opcode, _ in guests[5].transport.frames()] == [8]
        guests[0].socket.connection_lost(None)
        late = scene.dial()
        assert await late.authenticate() == {"result": None, "id": 1}

    loop.run(play())


@pytest.mark.row("W-05")
def test_a_connection_stays_the_wallets_that_it_is(loop: asyncio.Runner) -> None:
    async def play() -> None:
        guest = Scene().dial()
        assert await guest.authenticate() == {"result": None, "id": 1}
        assert await guest.authenticate() == {"result": None, "id": 1}
        assert "another wallet" in (await guest.authenticate(BOBS, BOB))["error"]
        assert "2028" in (await Scene().dial().authenticate(BOBS, ALICE))["error"]

    loop.run(play())


def test_books_are_gathered_for_fifty_milliseconds_and_their_messages_are_a_chain(
    loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nado_streams, "DEPTH_INTERVAL_S", 0.7)  # longer than dialing takes

    def change(ns: int, bids: list[tuple[int, int]]) -> DepthChange:
        return DepthChange(
            product_id=2, bids=bids, asks=[], first_timestamp_ns=ns, timestamp_ns=ns, last_timestamp_ns=ns - 10
        )

    async def play() -> None:
        scene = Scene()
        scene.streams.tell(change(110, [(1, 1)]))  # nobody hears this one, and yet it is part of the chain
        guest = scene.dial()
        await guest.follow(type="book_depth", product_id=2)
        for ns, bids in ((120, [(1, 5), (2, 1)]), (130, [(1, 0)]), (140, [(3, 9)])):
            scene.streams.tell(change(ns, bids))
        while not guest.transport.written:
            await asyncio.sleep(0.001)
        (message,) = guest.heard()
        assert message["bids"] == [["3", "9"], ["2", "1"], ["1", "0"]]
        assert [message[name] for name in ("last_max_timestamp", "min_timestamp", "max_timestamp")] == [
            "110",
            "120",
            "140",
        ]

    loop.run(play())


@pytest.mark.row("W-03")
def test_who_agreed_on_compression_gets_large_events_compressed_and_others_do_not(loop: asyncio.Runner) -> None:
    async def play() -> None:
        scene = Scene()
        plain, deflated = scene.dial(), scene.dial(deflate=True)
        assert (plain.socket.deflates, deflated.socket.deflates) == (False, True)
        for guest in (plain, deflated):
            await guest.follow(type="all_bbo")
        quotes = {product: Quote(product, (10**20, 1), (10**21, 1)) for product in range(100)}
        scene.streams.tell_quotes(lambda: quotes, 5)
        await asyncio.sleep(0)
        assert plain.transport.written[0] == 0x81
        assert deflated.transport.written[0] == 0xC1
        assert len(deflated.transport.written) * 3 < len(plain.transport.written)

    loop.run(play())


def test_who_does_not_read_is_cut_off_and_nobody_else_waits(
    loop: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nado_streams, "OUTBOX_BYTES_MAX", 10_000)

    async def play() -> None:
        scene = Scene()
        slow, quick = scene.dial(), scene.dial()
        for guest in (slow, quick):
            await guest.follow(type="best_bid_offer", product_id=2)
        slow.socket.pause_writing()
        count = 0
        while scene.streams.cut_off == 0:
            scene.streams.tell(QuoteEvent(1, Quote(2, (1, 1), None)))
            count += 1
            await asyncio.sleep(0)
            assert len(quick.heard()) == 1
            assert count < 1000
        assert slow.transport.frames()[-1][0] == 8
        assert len(scene.streams) == 1
        scene.streams.tell(QuoteEvent(1, Quote(2, (1, 1), None)))
        await asyncio.sleep(0)
        assert slow.transport.written == b""

    loop.run(play())


@pytest.mark.row("W-06")
def test_streams_have_a_bound_and_are_all_or_none(loop: asyncio.Runner) -> None:
    async def play() -> None:
        guest = Scene(streams_max=2).dial()
        await guest.follow(type="trade", product_id=1)
        both = [{"type": "trade", "product_id": 2}, {"type": "trade", "product_id": 3}]
        assert "at most 2" in (await guest.ask(method="subscribe_multi", streams=both))["error"]
        assert len((await guest.ask(method="list"))["result"]) == 2
        await guest.follow(type="trade", product_id=1)
        await guest.follow(type="trade", product_id=2)

    loop.run(play())
