"""A bot follows any channels over one connection.

    WS_URL=ws://127.0.0.1:8080/connection/websocket TOKEN=... python follow_channels.py CHANNEL...

TOKEN alone is a fixed token, and subscriptions ask for nothing; with BASE_URL and SX_API_KEY further tokens are asked
for, and positions and recovery. PROTOCOL=protobuf speaks the binary protocol. FROM_SNAPSHOT=1 reads GET /orders first
and goes on from where that stands.
Prints a line of JSON for everything that happens. When its input ends it prints its books, merged by updateTime.
"""

import asyncio
import json
import os
import sys
from typing import Any

import aiohttp
from centrifuge import (
    Client,
    ClientEventHandler,
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
    ErrorContext,
    PublicationContext,
    StreamPosition,
    SubscribedContext,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

API_KEY = os.environ.get("SX_API_KEY")
BINARY = os.environ.get("PROTOCOL") == "protobuf"

# What of GET /orders a channel carries.
FILTERS = {"active_orders:": "maker", "order_book:market_": "marketHashes", "order_book:event_": "sportXeventId"}

books: dict[str, dict[str, dict[str, Any]]] = {}


def tell(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


def read(data: Any) -> Any:
    return json.loads(data) if BINARY else data


def merge(channel: str, updates: list[dict[str, Any]]) -> None:
    book = books[channel]
    for update in updates:
        known = book.get(update["orderHash"])
        if known is None or int(update["updateTime"]) > int(known["updateTime"]):
            book[update["orderHash"]] = update


async def fetch(path: str, **headers: str) -> tuple[Any, Any]:
    url = os.environ["BASE_URL"] + path
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
        response.raise_for_status()
        return response.headers, await response.json()


async def get_token() -> str:
    _, body = await fetch("/user/realtime-token/api-key", **{"x-api-key": API_KEY or ""})
    tell("token")
    return str(body["token"])


async def get_state(channel: str) -> StreamPosition:
    prefix = next(start for start in FILTERS if channel.startswith(start))
    headers, body = await fetch(f"/orders?{FILTERS[prefix]}={channel.removeprefix(prefix)}")
    _, epoch, offset = headers["x-overround-position"].split(" ")
    merge(channel, [{**row, "status": row["orderStatus"]} for row in body["data"]])
    tell("snapshot", channel=channel, offset=int(offset))
    return StreamPosition(offset=int(offset), epoch=epoch)


class Connection(ClientEventHandler):  # type: ignore[misc]
    async def on_connecting(self, ctx: ConnectingContext) -> None:
        tell("connecting", code=ctx.code, reason=ctx.reason)

    async def on_connected(self, ctx: ConnectedContext) -> None:
        tell("connected")

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        tell("disconnected", code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: ErrorContext) -> None:
        tell("error", code=ctx.code, message=str(ctx.error))


class Follower(SubscriptionEventHandler):  # type: ignore[misc]
    def __init__(self, channel: str) -> None:
        self.channel = channel

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        position = ctx.stream_position and {"offset": ctx.stream_position.offset, "epoch": ctx.stream_position.epoch}
        told = {"recovered": ctx.recovered, "wasRecovering": ctx.was_recovering, "position": position}
        tell("subscribed", channel=self.channel, **told, data=read(ctx.data) if ctx.data else None)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        tell("unsubscribed", channel=self.channel, code=ctx.code, reason=ctx.reason)

    async def on_error(self, ctx: SubscriptionErrorContext) -> None:
        tell("error", channel=self.channel, code=ctx.code, message=str(ctx.error))

    async def on_publication(self, ctx: PublicationContext) -> None:
        data = read(ctx.pub.data)
        if self.channel.startswith(("active_orders:", "order_book:")):
            merge(self.channel, data)
        tags = ctx.pub.tags or {}
        tell("publication", channel=self.channel, offset=ctx.pub.offset, id=tags.get("messageId"), data=data)


async def main() -> None:
    options: dict[str, Any] = {"token": os.environ.get("TOKEN", ""), "use_protobuf": BINARY}
    if API_KEY:
        options["get_token"] = get_token
    flags: dict[str, Any] = {"positioned": True, "recoverable": True} if API_KEY else {}
    if os.environ.get("FROM_SNAPSHOT"):
        flags["get_state"] = get_state

    client = Client(os.environ["WS_URL"], events=Connection(), **options)
    await client.connect()
    for channel in sys.argv[1:]:
        books[channel] = {}
        sub = client.new_subscription(channel, Follower(channel), **flags)
        await sub.subscribe()
    await asyncio.to_thread(sys.stdin.read)
    tell("books", books=books)
    await client.disconnect()


asyncio.run(main())
