"""A maker's bot watches its own orders: centrifuge-python, with a token from the venue whenever one is needed.

    BASE_URL=http://127.0.0.1:8080 WS_URL=ws://127.0.0.1:8080/connection/websocket SX_API_KEY=... SX_PRIVATE_KEY=0x...
    python follow_orders.py

Prints a line of JSON for everything that happens. When its input ends it prints its book, merged by updateTime.
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
    DisconnectedContext,
    PublicationContext,
    SubscribedContext,
    SubscriptionEventHandler,
)
from eth_account import Account

BASE_URL = os.environ["BASE_URL"]
WS_URL = os.environ["WS_URL"]

account = Account.from_key(os.environ["SX_PRIVATE_KEY"])
CHANNEL = f"active_orders:{account.address}"
book: dict[str, dict[str, Any]] = {}


def tell(event: str, **more: Any) -> None:
    print(json.dumps({"event": event, **more}), flush=True)


async def fetch_token() -> str:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{BASE_URL}/user/realtime-token/api-key", headers={"x-api-key": os.environ["SX_API_KEY"]}
        ) as response,
    ):
        data = await response.json()
        tell("token")
        return str(data["token"])


class Connection(ClientEventHandler):  # type: ignore[misc]
    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        tell("disconnected", code=ctx.code, reason=ctx.reason)


class Orders(SubscriptionEventHandler):  # type: ignore[misc]
    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        tell("subscribed", channel=CHANNEL, recovered=ctx.recovered)

    async def on_publication(self, ctx: PublicationContext) -> None:
        for update in ctx.pub.data:
            known = book.get(update["orderHash"])
            if known is None or int(update["updateTime"]) > int(known["updateTime"]):
                book[update["orderHash"]] = update
            tell("update", channel=CHANNEL, orderHash=update["orderHash"], status=update["status"])


async def main() -> None:
    client = Client(WS_URL, events=Connection(), get_token=fetch_token)
    sub = client.new_subscription(CHANNEL, events=Orders(), positioned=True, recoverable=True)

    await client.connect()
    await sub.subscribe()
    await asyncio.to_thread(sys.stdin.read)
    tell("book", book=book)
    await client.disconnect()


asyncio.run(main())
