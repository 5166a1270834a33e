"""Whoever was connected before a restart comes back to what he missed, however the venue ended and began again."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import centrifuge
import pytest
from tests.reconnects.followers import NodeFollowers, PythonFollower, View, disconnect, until
from tests.reconnects.proxy import socket_url
from tests.reconnects.scene import EVENT_CHANNEL, MAKER_CHANNEL, NEVER, Scene, scene_of
from tests.reconnects.truth import Said, Truth

CHANNELS = [MAKER_CHANNEL, EVENT_CHANNEL]
MAKER_HISTORY = 100  # publications, `spec/sx.md` 6.5
HISTORY_TTL_MS = 300_000
OFTEN = "20"  # records between two snapshots

pytestmark = pytest.mark.xdist_group("reconnects")


@contextlib.asynccontextmanager
async def _followers(scene: Scene) -> AsyncIterator[list[View]]:
    """The views of three real clients, all subscribed."""
    url = socket_url(scene.proxy.port)
    async with (
        PythonFollower("python json", CHANNELS, url, scene.token) as python,
        NodeFollowers(CHANNELS, url, scene.token) as node,
    ):
        followers = [python, *node.followers.values()]
        await until(lambda: all(one.is_whole for one in followers), "every client listens")
        yield [view for one in followers for view in one.views.values()]
        for one in followers:
            assert not one.faults


async def _caught_up(views: list[View], truth: Truth) -> None:
    await until(lambda: all(view.offset == truth.top(view.channel) for view in views), "all have caught up")


async def _nothing(scene: Scene) -> None:
    del scene


async def _kill_twice(scene: Scene) -> None:
    await scene.kill()
    await scene.trade(3)
    await scene.kill()


@pytest.mark.row("WS-24", "WS-28")
@pytest.mark.parametrize(
    ("snapshot_records", "before", "restart"),
    [
        pytest.param(NEVER, _nothing, Scene.kill, id="kill -9"),
        pytest.param(OFTEN, Scene.wait_for_snapshot, Scene.kill, id="kill -9 after a snapshot"),
        pytest.param(NEVER, _nothing, Scene.stop, id="clean stop"),
        pytest.param(OFTEN, Scene.wait_for_snapshot, _kill_twice, id="kill -9 twice after a snapshot"),
    ],
)
def test_a_client_recovers_exactly_what_it_missed(
    tmp_path: Path,
    snapshot_records: str,
    before: Callable[[Scene], Awaitable[None]],
    restart: Callable[[Scene], Awaitable[None]],
) -> None:
    async def play() -> None:
        async with scene_of(tmp_path, snapshot_records=snapshot_records) as scene, _followers(scene) as views:
            await scene.trade(5)
            await _caught_up(views, Truth(tmp_path))
            seen = {id(view): dict(view.said) for view in views}
            scene.proxy.cut()
            await scene.trade(4)
            await before(scene)
            await scene.trade(2)
            await restart(scene)
            await scene.trade(3)
            truth = Truth(tmp_path)
            scene.proxy.mend()
            await _caught_up(views, truth)
            for view in views:
                assert view.compare(truth) == []
                assert (view.recoveries, view.unrecovered, view.redelivered) == (1, [], 0)
                missed = {offset: one for offset, one in view.said.items() if offset not in seen[id(view)]}
                said = truth.channels[view.channel]
                assert missed == dict(enumerate(said[5:], start=6))
            await _check_redelivery(scene, views)

    asyncio.run(play())


async def _check_redelivery(scene: Scene, views: list[View]) -> None:
    """Somebody else, from the beginning: by the history, and by recovering from offset 0; the same, ids and all."""
    said = {view.channel: view.said for view in views}
    got: list[tuple[int, Said]] = []

    async def from_the_beginning(channel: str) -> centrifuge.StreamPosition:
        del channel
        return centrifuge.StreamPosition(offset=0, epoch=views[0].epoch)

    class Events(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
        async def on_publication(self, ctx: Any) -> None:
            got.append((ctx.pub.offset, Said.of(ctx.pub.tags["messageId"], ctx.pub.data)))

    client = centrifuge.Client(socket_url(scene.proxy.port), token=scene.token, proxy=None)
    await client.connect()
    try:
        for channel in CHANNELS:
            history = await client.history(channel, limit=-1)
            found = {one.offset: Said.of(one.tags["messageId"], one.data) for one in history.publications}
            assert found == said[channel]
            got.clear()
            subscription = client.new_subscription(channel, Events(), get_state=from_the_beginning)
            await subscription.subscribe()
            await until(lambda: len(got) == len(found), "all is there again")  # noqa: B023
            assert dict(got) == said[channel]
    finally:
        await disconnect(client)


@pytest.mark.row("WS-25")
@pytest.mark.parametrize("restart", [_nothing, Scene.kill], ids=["no restart", "kill -9"])
def test_whoever_missed_more_than_is_kept_is_told_so(
    tmp_path: Path, restart: Callable[[Scene], Awaitable[None]]
) -> None:
    """One channel keeps 100 publications and the other 5,000: the same absence is too long for one of them."""

    async def play() -> None:
        async with scene_of(tmp_path) as scene, _followers(scene) as views:
            await scene.trade(2)
            await _caught_up(views, Truth(tmp_path))
            scene.proxy.cut()
            await scene.trade(MAKER_HISTORY + 1)
            await restart(scene)
            scene.proxy.mend()
            truth = Truth(tmp_path)
            await _caught_up(views, truth)
            for view in views:
                missed = [(2, MAKER_HISTORY + 3)] if view.channel == MAKER_CHANNEL else []
                assert view.unrecovered == missed
                assert view.recoveries == (0 if missed else 1)
                assert view.compare(truth) == []
            scene.proxy.reset()  # and exactly as much as is kept can be had
            scene.proxy.cut()
            await scene.trade(MAKER_HISTORY)
            await restart(scene)
            scene.proxy.mend()
            truth = Truth(tmp_path)
            await _caught_up(views, truth)
            for view in views:
                assert view.compare(truth) == []
                assert len(view.unrecovered) == (view.channel == MAKER_CHANNEL)

    asyncio.run(play())


@pytest.mark.row("WS-25")
def test_a_history_lives_for_five_minutes_of_venue_time(tmp_path: Path) -> None:
    async def play() -> None:
        async with scene_of(tmp_path) as scene, _followers(scene) as views:
            await scene.trade(2)
            await _caught_up(views, Truth(tmp_path))
            scene.proxy.cut()
            await scene.operate("/admin/clock", {"freeze": True})
            await scene.operate("/admin/clock", {"advanceMs": HISTORY_TTL_MS})
            scene.proxy.mend()  # nothing was missed, so nothing has to be kept
            await until(lambda: all(view.recoveries == 1 for view in views), "all have recovered")
            scene.proxy.cut()
            await scene.trade(1)
            await scene.operate("/admin/clock", {"advanceMs": HISTORY_TTL_MS - 1})
            await scene.kill()
            scene.proxy.mend()
            await until(lambda: all(view.recoveries == 2 for view in views), "all have recovered again")
            await _caught_up(views, Truth(tmp_path))
            scene.proxy.cut()
            await scene.trade(1)
            await scene.operate("/admin/clock", {"advanceMs": HISTORY_TTL_MS})
            await scene.kill()
            scene.proxy.mend()
            await until(lambda: all(len(view.unrecovered) == 1 for view in views), "all have been told")
            assert all(view.unrecovered == [(3, 4)] for view in views)

    asyncio.run(play())
