"""Real clients that follow channels, and what each of them makes of it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import centrifuge
from tests.reconnects.truth import Said, Truth

NODE_PROGRAM: Final = Path(__file__).with_name("follow.mjs")
NODE_CLIENTS: Final = ("js json", "js protobuf")  # both live in one process
LINE_BYTES_MAX: Final = 32 * 1024 * 1024
HISTORY_SIZES: Final = {"active_orders": 100, "order_book": 5_000}  # `spec/sx.md` 6.5
RECOVERY_PUBLICATIONS_MAX: Final = 1_000
RECOVERY_BYTES_MAX: Final = 768 * 1024
PATIENCE_S: Final = 60.0


async def until(condition: Callable[[], object], what: str) -> None:
    """Look again until it is so."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0.004)
    except TimeoutError:
        raise AssertionError(f"waited in vain until {what}") from None


async def disconnect(client: Any) -> None:
    """Disconnect a Python client for good: the library closes its socket in a task that nobody waits for."""
    await client.disconnect()
    await asyncio.gather(*client._background_tasks, return_exceptions=True)


class View:
    """One channel as one client sees it: its publications, merged by offset."""

    def __init__(self, channel: str) -> None:
        self.channel = channel
        self.said: dict[int, Said] = {}
        self.book: dict[str, dict[str, Any]] | None = {}  # open orders; None since something was missed
        self.subscribed = False
        self.first: int | None = None  # the offset before the first publication that was due
        self.offset = 0
        self.epoch = ""
        self.recoveries = 0
        self.redelivered = 0
        self.unrecovered: list[tuple[int, int]] = []  # told so: nothing between these offsets
        self.faults: list[str] = []

    def on_subscribed(self, *, offset: int, epoch: str, was_recovering: bool, recovered: bool) -> None:
        """A subscribe reply: from `offset` on everything is due."""
        self.subscribed = True
        if self.first is None:
            if was_recovering or recovered:
                self.faults.append("the first subscription was a recovery")
            self.first, self.offset, self.epoch = offset, offset, epoch
            if offset:
                self.book = None
            return
        if not was_recovering:
            self.faults.append(f"came back after {self.offset} without recovering")
        if epoch != self.epoch:
            self.faults.append(f"the epoch changed from {self.epoch} to {epoch}")
        if recovered:
            self.recoveries += 1
            if offset != self.offset:
                self.faults.append(f"recovered from {offset}, stood at {self.offset}")
        else:
            self.unrecovered.append((self.offset, offset))
            self.offset, self.epoch, self.book = offset, epoch, None

    def on_publication(self, offset: int, message_id: str, data: list[dict[str, Any]]) -> None:
        """A publication, recovered or live."""
        said = Said.of(message_id, data)
        if offset <= self.offset:
            self.redelivered += 1
            if self.said.get(offset, said) != said:
                self.faults.append(f"offset {offset} came again as {said}, was {self.said[offset]}")
            return
        if offset != self.offset + 1:
            self.faults.append(f"missed {self.offset + 1} to {offset - 1} without being told")
        self.said[offset] = said
        self.offset = offset
        if self.book is not None:
            for update in data:
                if update["status"] == "ACTIVE":
                    self.book[update["orderHash"]] = update
                else:
                    self.book.pop(update["orderHash"], None)

    def compare(self, truth: Truth) -> list[str]:
        """What is wrong with this view, in words; call it when the client has caught up."""
        said, faults = truth.channels.get(self.channel, []), list(self.faults)
        if self.offset != len(said):
            faults.append(f"ends at {self.offset} and not at {len(said)}")
        missing = {offset for start, end in self.unrecovered for offset in range(start + 1, end + 1)}
        due = set(range((self.first or 0) + 1, len(said) + 1)) - missing
        if due != set(self.said):
            faults.append(f"lacks {sorted(due - set(self.said))[:5]}, has invented {sorted(set(self.said) - due)[:5]}")
        faults += [
            f"offset {offset} is {one}, the journal says {said[offset - 1]}"
            for offset, one in self.said.items()
            if offset <= len(said) and one != said[offset - 1]
        ]
        faults += [
            f"was not recovered from {start} to {end} without need"
            for start, end in self.unrecovered
            if not self._is_out_of_reach(said[start:end])
        ]
        ids = [one.message_id for one in self.said.values()]
        if len(set(ids)) != len(ids):
            faults.append(f"{len(ids) - len(set(ids))} message ids twice")
        return [f"{self.channel}: {fault}" for fault in faults]

    def _is_out_of_reach(self, missed: list[Said]) -> bool:
        kept = min(HISTORY_SIZES[self.channel.partition(":")[0]], RECOVERY_PUBLICATIONS_MAX)
        size = sum(one.size for one in missed)
        return len(missed) > kept or size > RECOVERY_BYTES_MAX * 0.8  # the frame holds more than the payloads


class Follower:
    """One client with its views."""

    def __init__(self, name: str, channels: Sequence[str]) -> None:
        self.name = name
        self.views = {channel: View(channel) for channel in channels}
        self.connections = 0
        self.connected = False
        self.codes: dict[int, int] = {}  # why connections ended, as the client was told
        self.faults: list[str] = []

    @property
    def is_whole(self) -> bool:
        """Whether the client is connected and subscribed to everything."""
        return self.connected and all(view.subscribed for view in self.views.values())

    @property
    def resubscriptions(self) -> int:
        """How often a subscription came back, recovered or not."""
        return sum(view.recoveries + len(view.unrecovered) for view in self.views.values())

    def compare(self, truth: Truth) -> list[str]:
        """What is wrong, in words."""
        found = [fault for view in self.views.values() for fault in view.compare(truth)]
        return [f"{self.name}: {fault}" for fault in (*self.faults, *found)]

    # ---- what clients say -----------------------------------------------------------------------------------------

    def on_connected(self) -> None:
        """The connect reply is there."""
        self.connected = True
        self.connections += 1

    def on_connecting(self, code: int) -> None:
        """The connection is gone; another one will be tried."""
        self.connected = False
        if code:
            self.codes[code] = self.codes.get(code, 0) + 1

    def on_disconnected(self, code: int, reason: str) -> None:
        """The client has given up, which no client here may."""
        self.connected = False
        self.faults.append(f"gave up: {code} {reason}")


# ---- Python --------------------------------------------------------------------------------------------------------


class _ClientEvents(centrifuge.ClientEventHandler):  # type: ignore[misc]
    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self.is_closing = False

    async def on_connecting(self, ctx: Any) -> None:
        self._follower.on_connecting(ctx.code)

    async def on_connected(self, ctx: Any) -> None:
        self._follower.on_connected()

    async def on_disconnected(self, ctx: Any) -> None:
        if not self.is_closing:
            self._follower.on_disconnected(ctx.code, ctx.reason)


class _SubscriptionEvents(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
    def __init__(self, follower: Follower, view: View, read: Callable[[Any], Any]) -> None:
        self._follower = follower
        self._view = view
        self._read = read

    async def on_subscribing(self, ctx: Any) -> None:
        self._view.subscribed = False

    async def on_subscribed(self, ctx: Any) -> None:
        position = ctx.stream_position
        self._view.on_subscribed(
            offset=position.offset,
            epoch=position.epoch,
            was_recovering=ctx.was_recovering,
            recovered=ctx.recovered,
        )

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._view.subscribed = False
        self._follower.faults.append(f"{self._view.channel} ended: {ctx.code} {ctx.reason}")

    async def on_publication(self, ctx: Any) -> None:
        self._view.on_publication(ctx.pub.offset, ctx.pub.tags["messageId"], self._read(ctx.pub.data))


class PythonFollower(Follower):
    """centrifuge-python, in this process."""

    def __init__(self, name: str, channels: Sequence[str], url: str, token: str, *, protobuf: bool = False) -> None:
        super().__init__(name, channels)
        self._events = _ClientEvents(self)
        self.client = centrifuge.Client(
            url,
            events=self._events,
            token=token,
            use_protobuf=protobuf,
            min_reconnect_delay=0.02,
            max_reconnect_delay=0.5,
            max_server_ping_delay=1.0,
            proxy=None,
        )
        for channel, view in self.views.items():
            events = _SubscriptionEvents(self, view, json.loads if protobuf else lambda data: data)
            self.client.new_subscription(channel, events)

    async def __aenter__(self) -> PythonFollower:
        for subscription in self.client.subscriptions().values():
            await subscription.subscribe()
        await self.client.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._events.is_closing = True
        for subscription in self.client.subscriptions().values():
            subscription.events = centrifuge.SubscriptionEventHandler()
        await disconnect(self.client)


# ---- JavaScript ----------------------------------------------------------------------------------------------------


class NodeFollowers:
    """centrifuge-js under Node: two connections of one process."""

    def __init__(self, channels: Sequence[str], url: str, token: str) -> None:
        self.followers = {name: Follower(name, channels) for name in NODE_CLIENTS}
        self._argv = ("node", str(NODE_PROGRAM), *channels)
        self._environment = {**os.environ, "WS_URL": url, "TOKEN": token}
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> NodeFollowers:
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=LINE_BYTES_MAX,
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._reader is not None
        self._process.stdin.close()
        await self._reader
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            said = json.loads(line)
            self._take(self.followers[said["client"]], said)
        for follower in self.followers.values():
            follower.connected = False

    @staticmethod
    def _take(follower: Follower, said: dict[str, Any]) -> None:
        match said["event"]:
            case "connected":
                follower.on_connected()
            case "connecting":
                follower.on_connecting(said["code"])
            case "disconnected":
                follower.on_disconnected(said["code"], said["reason"])
            case "subscribing":
                follower.views[said["channel"]].subscribed = False
            case "unsubscribed":
                follower.faults.append(f"{said['channel']} ended: {said['code']} {said['reason']}")
            case "subscribed":
                follower.views[said["channel"]].on_subscribed(
                    offset=int(said["offset"]),
                    epoch=said["epoch"],
                    was_recovering=said["wasRecovering"],
                    recovered=said["recovered"],
                )
            case _:
                view = follower.views[said["channel"]]
                view.on_publication(int(said["offset"]), said["messageId"], said["data"])
