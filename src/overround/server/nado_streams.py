"""The subscription sockets of the Nado dialect (`spec/nado.md` 11), and who follows what.

An event is encoded once, framed once, and compressed once if anybody wants it so; the same bytes go to every follower.
All events of a turn leave a socket in one write. Who does not read is cut off when too much waits for him; nobody else
waits meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec
import structlog
from uvicorn.server import ServerState

from overround.protocols.nado import feeds, subscriptions
from overround.protocols.nado.digests import Domain
from overround.protocols.nado.errors import GatewayError
from overround.protocols.nado.facts import (
    Candle,
    DepthChange,
    FillEvent,
    OrderEvent,
    PositionEvent,
    Quote,
    QuoteEvent,
    TradeEvent,
)
from overround.protocols.nado.following import Fact
from overround.protocols.nado.signatures import check_authority
from overround.protocols.nado.subscriptions import Stream, SubscriptionError
from overround.protocols.nado.units import wallet_of
from overround.runtime.sequencer import InboxFull
from overround.server.conversation import POLICY_VIOLATION, Conversation, House
from overround.server.deflate import Message
from overround.server.eager import Eager
from overround.server.lanes import Lanes, Standing
from overround.server.websocket import UpgradeRequest, WebSocket

PATHS: Final = ("/v1/subscribe", "/subscribe")
DEPTH_INTERVAL_S: Final = 0.05  # between two messages of a book (11.4)
OUTBOX_BYTES_MAX: Final = 4 * 1024 * 1024  # that wait for one follower who does not read
AUTHENTICATED_MAX: Final = 5  # sockets of one wallet (11.2)
TRY_AGAIN_LATER: Final = 1013

_log = structlog.get_logger()


class Streams:
    """Who follows which stream, and what goes there."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._followers: dict[Stream, dict[SubscriptionSocket, None]] = {}
        self._ready: list[SubscriptionSocket] = []
        self._depths: dict[int, _Depth] = {}
        self._candles: dict[Stream, Candle] = {}
        self.events = self.deliveries = self.cut_off = 0

    def __len__(self) -> int:
        return sum(map(len, self._followers.values()))

    def follow(self, socket: SubscriptionSocket, stream: Stream) -> None:
        """A socket wants a stream."""
        self._followers.setdefault(stream, {})[socket] = None

    def leave(self, socket: SubscriptionSocket, stream: Stream) -> None:
        """And does not any more."""
        followers = self._followers.get(stream)
        if followers is not None:
            followers.pop(socket, None)
            if not followers:
                del self._followers[stream]

    def tell(self, fact: Fact) -> None:
        """Something durable happened."""
        match fact:
            case OrderEvent():
                self._send(self._of_account("order_update", fact), feeds.order_update, fact)
            case FillEvent():
                self._send(self._of_account("fill", fact), feeds.fill, fact)
            case PositionEvent():
                self._send(self._of_account("position_change", fact), feeds.position_change, fact)
            case TradeEvent():
                self._send(self._of(Stream("trade", fact.product_id)), feeds.trade, fact)
                self._draw(fact)
            case QuoteEvent():
                self._send(self._of(Stream("best_bid_offer", fact.quote.product_id)), feeds.best_bid_offer, fact)
            case DepthChange():
                self._depth(fact)

    @property
    def is_followed(self) -> bool:
        """Whether anybody wants to know anything."""
        return bool(self._followers)

    def rest(self) -> None:
        """Nobody follows anything: what was gathered for books is of no use, and the next change starts anew."""
        if not self._depths and not self._candles:
            return
        for depth in self._depths.values():
            if depth.timer is not None:
                depth.timer.cancel()
        self._depths.clear()
        self._candles.clear()

    def tell_quotes(self, quotes: Callable[[], dict[int, Quote]], now_ms: int) -> None:
        """The top of some book changed: `all_bbo` shows them all."""
        followers = self._of(Stream("all_bbo"))
        if followers:
            self._deliver(followers, feeds.all_bbo(quotes(), now_ms))

    # ---- inside ---------------------------------------------------------------------------------------------------

    def _of(self, stream: Stream) -> Iterable[SubscriptionSocket]:
        return self._followers.get(stream, ())

    def _of_account(self, kind: str, fact: OrderEvent | FillEvent | PositionEvent) -> Iterable[SubscriptionSocket]:
        """Those who follow this product of the account, and those who follow all of them; everybody once."""
        one = self._followers.get(Stream(kind, fact.product_id, fact.subaccount))
        every = self._followers.get(Stream(kind, None, fact.subaccount))
        if one and every:
            return {**one, **every}
        return one or every or ()

    def _send(self, followers: Iterable[SubscriptionSocket], encode: Callable[[Any], bytes], fact: Any) -> None:
        if followers:
            self._deliver(followers, encode(fact))

    def _deliver(self, followers: Iterable[SubscriptionSocket], payload: bytes) -> None:
        message = Message(payload)
        self.events += 1
        if not self._ready:
            self._loop.call_soon(self._turn)
        for socket in followers:
            self.deliveries += 1
            if socket.hold(message.frame(deflated=socket.deflates)):
                self._ready.append(socket)

    def _turn(self) -> None:
        ready, self._ready = self._ready, []
        for socket in ready:
            socket.flush()

    def _draw(self, trade: TradeEvent) -> None:
        """The candles that somebody follows; what happened before anybody did is not in them."""
        for stream in [one for one in self._followers if one.type == "latest_candlestick"]:
            if stream.product_id == trade.product_id and stream.granularity:
                candle = drawn(self._candles.get(stream), trade, stream.granularity)
                self._candles[stream] = candle
                self._send(self._of(stream), feeds.latest_candlestick, candle)

    def _depth(self, change: DepthChange) -> None:
        """At most one message of a book in 50 ms: what comes sooner is gathered, the newest total of each level."""
        depth = self._depths.get(change.product_id)
        if depth is None:
            depth = self._depths[change.product_id] = _Depth(change.product_id, change.last_timestamp_ns)
        depth.gather(change)
        if depth.timer is None:
            wait_s = depth.sent_at + DEPTH_INTERVAL_S - self._loop.time()
            if wait_s <= 0:
                self._send_depth(depth)
            else:
                depth.timer = self._loop.call_later(wait_s, self._send_depth, depth)

    def _send_depth(self, depth: _Depth) -> None:
        depth.timer = None
        depth.sent_at = self._loop.time()
        change = depth.take()
        self._send(self._of(Stream("book_depth", change.product_id)), feeds.book_depth, change)


def drawn(candle: Candle | None, trade: TradeEvent, granularity_s: int) -> Candle:
    """A candle with one trade more; a new one where its interval is over."""
    start_s = trade.timestamp_ns // 10**9 // granularity_s * granularity_s
    price, size = trade.price_x18, abs(trade.quantity)
    if candle is None or candle.start_s != start_s:
        return Candle(
            product_id=trade.product_id,
            granularity_s=granularity_s,
            start_s=start_s,
            open_x18=price,
            high_x18=price,
            low_x18=price,
            close_x18=price,
            volume=size,
        )
    return msgspec.structs.replace(
        candle,
        high_x18=max(candle.high_x18, price),
        low_x18=min(candle.low_x18, price),
        close_x18=price,
        volume=candle.volume + size,
    )


class _Depth:
    """What changed of one book since its last message; and what that was, also when nobody heard it."""

    __slots__ = ("asks", "bids", "first_ns", "last_sent_ns", "newest_ns", "product_id", "sent_at", "timer")

    def __init__(self, product_id: int, last_sent_ns: int) -> None:
        self.product_id = product_id
        self.last_sent_ns = last_sent_ns
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.first_ns = self.newest_ns = 0
        self.sent_at = 0.0
        self.timer: asyncio.TimerHandle | None = None

    def gather(self, change: DepthChange) -> None:
        self.first_ns = self.first_ns or change.first_timestamp_ns
        self.newest_ns = change.timestamp_ns
        self.bids.update(change.bids)
        self.asks.update(change.asks)

    def take(self) -> DepthChange:
        change = DepthChange(
            product_id=self.product_id,
            bids=sorted(self.bids.items(), reverse=True),
            asks=sorted(self.asks.items()),
            first_timestamp_ns=self.first_ns,
            timestamp_ns=self.newest_ns,
            last_timestamp_ns=self.last_sent_ns,
        )
        self.last_sent_ns, self.first_ns = self.newest_ns, 0
        self.bids, self.asks = {}, {}
        return change


class StreamEndpoint:
    """Where subscription sockets go."""

    def __init__(
        self,
        house: House,
        streams: Streams,
        lanes: Lanes,
        *,
        domain: Domain,
        now_ms: Callable[[], int],
        linked_signer_of: Callable[[bytes], bytes | None],
        streams_max: int = subscriptions.STREAMS_MAX,
        authenticated_max: int = AUTHENTICATED_MAX,
    ) -> None:
        self.house = house
        self.streams = streams
        self.lanes = lanes
        self.domain = domain
        self.now_ms = now_ms
        self.linked_signer_of = linked_signer_of
        self.streams_max = streams_max
        self.authenticated_max = authenticated_max
        self.authenticated: dict[bytes, int] = {}  # sockets by wallet

    def refusal(self, request: UpgradeRequest) -> str | None:
        """Any page may connect, but not from one address without end."""
        return self.house.refusal(request)

    def accept(self, transport: Any, request: UpgradeRequest, server_state: ServerState) -> WebSocket:
        """Take a connection over."""
        socket = SubscriptionSocket(self, request, server_state)
        socket.accept(transport, request, None)
        return socket


class SubscriptionSocket(Conversation):
    """One socket, its streams, and whose it is."""

    def __init__(self, endpoint: StreamEndpoint, request: UpgradeRequest, server_state: ServerState) -> None:
        super().__init__(endpoint.house, request, server_state)
        self._endpoint = endpoint
        self._streams: dict[Stream, None] = {}
        self._wallet: bytes | None = None
        self.outbox: list[bytes] = []  # events that wait to be written
        self._outbox_bytes = 0

    # ---- events ---------------------------------------------------------------------------------------------------

    def hold(self, frame: bytes) -> bool:
        """An event, to be written at the end of this turn; says whether that has to be arranged."""
        self.outbox.append(frame)
        self._outbox_bytes += len(frame)
        return len(self.outbox) == 1 or self._outbox_bytes > OUTBOX_BYTES_MAX

    def flush(self) -> None:
        """Write what waits, in one go. Who does not take it is cut off once that is too much."""
        if self.finished:
            self._forget()
        elif not self.paused:
            frames, self.outbox, self._outbox_bytes = self.outbox, [], 0
            if frames:
                self.write(frames[0] if len(frames) == 1 else b"".join(frames))
        elif self._outbox_bytes > OUTBOX_BYTES_MAX:
            self._endpoint.streams.cut_off += 1
            self.hang_up(TRY_AGAIN_LATER, "events were not read in time")

    def hang_up(self, code: int, reason: str) -> None:
        """End the conversation, and hear of nothing any more."""
        self._forget()
        super().hang_up(code, reason)

    def _forget(self) -> None:
        for stream in self._streams:
            self._endpoint.streams.leave(self, stream)
        self._streams.clear()
        self.outbox, self._outbox_bytes = [], 0

    def writable(self) -> None:
        """He reads again."""
        if self.outbox:
            self.flush()
        super().writable()

    def lost(self) -> None:
        """The socket is gone, and follows nothing."""
        self._forget()
        if self._wallet is not None:
            authenticated = self._endpoint.authenticated
            authenticated[self._wallet] -= 1
            if not authenticated[self._wallet]:
                del authenticated[self._wallet]
            self._wallet = None
        super().lost()

    # ---- requests -------------------------------------------------------------------------------------------------

    def ask(self, payload: bytes) -> None:
        """Do what a frame asks for. Its answer is written before the first event that follows from it."""
        Eager(self._loop, self._answer(payload), self.answered)

    async def _answer(self, payload: bytes) -> bytes:
        id = 0
        try:
            request = subscriptions.decode_request(payload, self._endpoint.domain)
            id = request.id
            return await self._do(request)
        except SubscriptionError as error:
            return subscriptions.refused(error)
        except InboxFull:
            return subscriptions.refused(SubscriptionError("too much waits for its turn; try again in 1 s", id))
        except Exception:
            _log.exception("subscription_request_failed")
            return subscriptions.refused(SubscriptionError("internal error", id))

    async def _do(self, request: subscriptions.Request) -> bytes:
        match request:
            case subscriptions.Subscribe():
                self._subscribe(request)
            case subscriptions.Unsubscribe():
                for stream in request.streams:
                    if stream in self._streams:
                        del self._streams[stream]
                        self._endpoint.streams.leave(self, stream)
            case subscriptions.Authenticate():
                await self._authenticate(request)
            case subscriptions.ListStreams():
                return subscriptions.listed(request.id, list(self._streams))
            case subscriptions.Ping():
                return subscriptions.pong(request, self._endpoint.now_ms())
            case subscriptions.Time():
                return subscriptions.time(request.id, self._endpoint.now_ms())
        return subscriptions.succeeded(request.id)

    def _subscribe(self, request: subscriptions.Subscribe) -> None:
        """All of them, or none."""
        for stream in request.streams:
            if stream.needs_authentication and (
                self._wallet is None or stream.subaccount is None or wallet_of(stream.subaccount) != self._wallet
            ):
                raise SubscriptionError(subscriptions.AUTH_NEEDED, request.id)
        fresh = [stream for stream in request.streams if stream not in self._streams]
        if len(self._streams) + len(fresh) > self._endpoint.streams_max:
            raise SubscriptionError(f"a connection follows at most {self._endpoint.streams_max} streams", request.id)
        for stream in fresh:
            self._streams[stream] = None
            self._endpoint.streams.follow(self, stream)

    async def _authenticate(self, request: subscriptions.Authenticate) -> None:
        """Prove whose socket this is. The signature is dear: it waits like any that cancels nothing."""
        endpoint = self._endpoint
        if self._wallet is not None and self._wallet != request.wallet:
            raise SubscriptionError("this connection is another wallet's, which cannot be changed", request.id)
        request.check_window(endpoint.now_ms())
        if self.sender.standing is Standing.SUSPECT:
            await endpoint.lanes.suspect()
        else:
            await endpoint.lanes.post()
        try:
            signer = request.signer()
            linked = endpoint.linked_signer_of(request.sender)
            check_authority(signer, request.sender, linked, digest=request.digest)
        except (SubscriptionError, GatewayError) as error:
            self.sender.standing = Standing.SUSPECT
            raise SubscriptionError(str(error), request.id) from None
        self.sender.standing = Standing.PROVEN
        if self._wallet is None and not self.gone:
            count = endpoint.authenticated.get(request.wallet, 0)
            if count >= endpoint.authenticated_max:  # told, and disconnected (11.2)
                reason = f"a wallet has at most {endpoint.authenticated_max} authenticated connections"
                self._loop.call_soon(self.hang_up, POLICY_VIOLATION, reason)
                raise SubscriptionError(reason, request.id)
            endpoint.authenticated[request.wallet] = count + 1
            self._wallet = request.wallet
