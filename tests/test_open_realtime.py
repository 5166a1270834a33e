"""`examples/open-realtime.toml`: the server that public clients of the protocol and their test suites expect."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import centrifuge
import pytest
from tests.reconnects.followers import disconnect, until
from tests.reconnects.proxy import free_port, socket_url

from overround.config import ConfigError, check_for_serving, load
from overround.protocols.centrifugo import INVALID_TOKEN
from overround.protocols.centrifugo.errors import BAD_FRAME
from overround.sandbox.accounts import ACCOUNTS
from overround.signing.address import checksum_address
from overround.testing.server import ServerProcess, data_dir_arguments

EXAMPLE: Final = Path(__file__).parents[1] / "examples" / "open-realtime.toml"
NODE_PROGRAM: Final = Path(__file__).with_name("open_realtime.mjs")
NODE_TIMEOUT_S: Final = 60
QUIET: Final = {"OVERROUND_LOG__LEVEL": "error"}
# No timer comes up meanwhile: what is told is told because of what happened.
NO_TIMERS: Final = {"OVERROUND_REALTIME__PING_INTERVAL_S": "600", "OVERROUND_REALTIME__STALE_DELAY_S": "600"}
SECRET: Final = b"secret"

pytestmark = pytest.mark.xdist_group("open realtime")


def jwt(**claims: Any) -> str:
    """A token as anybody can sign it here."""
    parts = [_text(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims)]
    return ".".join([*parts, _text(hmac.new(SECRET, ".".join(parts).encode(), hashlib.sha256).digest())])


def _text(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def hub() -> Iterator[ServerProcess]:
    """The example, running."""
    port = free_port()
    command = ("sandbox", "--config", str(EXAMPLE), "--port", str(port))
    with ServerProcess(command=command, env=QUIET | NO_TIMERS) as server:
        yield server


@pytest.fixture
def url(hub: ServerProcess) -> str:
    """Where it listens."""
    return socket_url(int(hub.base_url.rpartition(":")[2]))


# ---- centrifuge-python ---------------------------------------------------------------------------------------------


class Peer(centrifuge.ClientEventHandler):  # type: ignore[misc]
    """A client that remembers what it was told, in JSON or in Protobuf."""

    def __init__(self, url: str, *, protobuf: bool = False, **options: Any) -> None:
        self.told: list[tuple[str, Any]] = []
        self.protobuf = protobuf
        self.client = centrifuge.Client(
            url, self, use_protobuf=protobuf, proxy=None, min_reconnect_delay=0.02, max_reconnect_delay=0.5, **options
        )

    def pack(self, value: Any) -> Any:
        """A payload as this client wants it."""
        return json.dumps(value).encode() if self.protobuf else value

    def unpack(self, data: Any) -> Any:
        """What a payload says."""
        return json.loads(data) if self.protobuf else data

    def heard(self, event: str) -> list[Any]:
        """The contexts of one kind of event."""
        return [ctx for name, ctx in self.told if name == event]

    async def wait_for(self, event: str, count: int = 1) -> Any:
        """The latest context, once there are so many."""
        await until(lambda: len(self.heard(event)) >= count, f"{event} was heard {count} times")
        return self.heard(event)[-1]

    async def on_connected(self, ctx: Any) -> None:
        self.told.append(("connected", ctx))

    async def on_disconnected(self, ctx: Any) -> None:
        self.told.append(("disconnected", ctx))

    async def on_subscribed(self, ctx: Any) -> None:
        self.told.append(("server subscribed", ctx))

    async def on_publication(self, ctx: Any) -> None:
        self.told.append(("server publication", ctx))

    async def on_join(self, ctx: Any) -> None:
        self.told.append(("server join", ctx))

    def subscription(self, channel: str, **options: Any) -> Any:
        """A subscription, not subscribed yet; its events are told as well."""
        return self.client.new_subscription(channel, Listener(self), **options)

    async def subscribed(self, channel: str, **options: Any) -> Any:
        """A subscription that listens."""
        subscription = self.subscription(channel, **options)
        await subscription.subscribe()
        await subscription.ready()
        return subscription


class Listener(centrifuge.SubscriptionEventHandler):  # type: ignore[misc]
    """Tells its peer."""

    def __init__(self, peer: Peer) -> None:
        self._told = peer.told

    async def on_subscribed(self, ctx: Any) -> None:
        self._told.append(("subscribed", ctx))

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._told.append(("unsubscribed", ctx))

    async def on_publication(self, ctx: Any) -> None:
        self._told.append(("publication", ctx.pub))

    async def on_join(self, ctx: Any) -> None:
        self._told.append(("join", ctx.info))

    async def on_leave(self, ctx: Any) -> None:
        self._told.append(("leave", ctx.info))


class Table:
    """Peers of one hub, all gone at the end."""

    def __init__(self, url: str, *, protobuf: bool) -> None:
        self._url = url
        self._protobuf = protobuf
        self._peers: list[Peer] = []

    async def peer(self, **options: Any) -> Peer:
        """A connected one."""
        peer = self.stranger(**options)
        await peer.client.connect()
        await peer.client.ready()
        return peer

    def stranger(self, **options: Any) -> Peer:
        """One that has not connected yet."""
        self._peers.append(Peer(self._url, protobuf=self._protobuf, **options))
        return self._peers[-1]

    async def __aenter__(self) -> Table:
        return self

    async def __aexit__(self, *_: object) -> None:
        for peer in self._peers:
            await disconnect(peer.client)


@pytest.fixture(params=[False, True], ids=["json", "protobuf"])
def play(request: pytest.FixtureRequest, url: str) -> Callable[[Callable[[Table], Any]], None]:
    """Plays a scene with peers of one protocol."""

    async def scene(act: Callable[[Table], Any]) -> None:
        async with Table(url, protobuf=request.param) as table:
            await act(table)

    return lambda act: asyncio.run(scene(act))


Play = Callable[[Callable[[Table], Any]], None]


def fresh(name: str = "room") -> str:
    """A channel that nobody has used."""
    return f"{name}-{uuid4().hex[:8]}"


async def _conversation(table: Table, channel: str) -> tuple[Peer, Callable[[int], Awaitable[None]]]:
    """A listener who has heard one thing and then gone, and a way to say so many things meanwhile."""
    listener, speaker = await table.peer(), await table.peer()
    await listener.subscribed(channel)
    speech = await speaker.subscribed(channel)
    await speech.publish(speaker.pack("live"))
    await listener.wait_for("publication")
    await listener.client.disconnect()

    async def say(count: int) -> None:
        for number in range(count):
            await speech.publish(speaker.pack(number))

    return listener, say


@pytest.mark.parametrize(
    ("token", "user"),
    [
        pytest.param(jwt(sub="test_user"), "test_user", id="a subject without an expiry"),
        pytest.param(jwt(sub="test_user", exp=int(time.time()) + 3600), "test_user", id="with an expiry"),
        pytest.param(jwt(iat=1_700_000_000), "", id="no subject"),
        pytest.param(jwt(sub=""), "", id="an empty subject"),
        pytest.param("", "", id="no token"),
    ],
)
def test_everybody_may_come_in_and_be_seen(play: Play, hub: ServerProcess, token: str, user: str) -> None:
    async def act(table: Table) -> None:
        peer, channel = await table.peer(token=token), fresh()
        subscription = await peer.subscribed(channel)
        (present,) = (await subscription.presence()).clients.values()
        assert (present.user, present.client) == (user, peer.heard("connected")[0].client)
        stats = await subscription.presence_stats()
        assert (stats.num_clients, stats.num_users) == (1, 1)

    play(act)
    assert "Warning" not in hub.log  # not of the secret, which is as short as the suites have it


@pytest.mark.parametrize("token", ["invalid_token", jwt(sub="x").rpartition(".")[0] + ".AAAA", jwt(channel="room")])
def test_a_token_that_is_none_is_refused_for_good(play: Play, token: str) -> None:
    async def act(table: Table) -> None:
        peer = table.stranger(token=token)
        await peer.client.connect()
        ctx = await peer.wait_for("disconnected")
        assert (ctx.code, ctx.reason) == (INVALID_TOKEN.code, INVALID_TOKEN.reason)

    play(act)


def test_a_token_that_ran_out_is_asked_for_anew(play: Play) -> None:
    async def act(table: Table) -> None:
        tokens = iter([jwt(sub="test_user", exp=1), jwt(sub="test_user")])

        async def get_token() -> str:
            return next(tokens)

        peer = await table.peer(get_token=get_token)
        assert peer.heard("connected")
        assert next(tokens, None) is None

    play(act)


@pytest.mark.parametrize("token", [jwt(sub="test_user", channel="room"), jwt(sub="test_user", channel="room", exp=1)])
def test_a_subscription_token_needs_no_expiry_and_may_be_refused(play: Play, token: str) -> None:
    async def act(table: Table) -> None:
        peer = await table.peer(token=jwt(sub="test_user"))
        subscription = peer.subscription("room", token=token)
        await subscription.subscribe()
        if "exp" in json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")):
            await peer.wait_for("unsubscribed")
        else:
            await peer.wait_for("subscribed")
        bad = peer.subscription(fresh(), token="invalid_token")
        await bad.subscribe()
        await until(lambda: any(ctx.code == 103 for ctx in peer.heard("unsubscribed")), "the bad token is refused")

    play(act)


def test_everybody_publishes_and_hears_who_it_was(play: Play) -> None:
    async def act(table: Table) -> None:
        speaker, listener, channel = await table.peer(token=jwt(sub="42")), await table.peer(), fresh()
        await listener.subscribed(channel)
        subscription = await speaker.subscribed(channel)
        await subscription.publish(speaker.pack({"input": "test"}))
        for peer in (speaker, listener):
            pub = await peer.wait_for("publication")
            assert (peer.unpack(pub.data), pub.offset, pub.info.user) == ({"input": "test"}, 1, "42")
            assert pub.info.client == speaker.heard("connected")[0].client
        # Several suites speak, and read what was said, where they do not listen.
        await listener.client.publish(channel, listener.pack("here"))
        assert (await speaker.wait_for("publication", 2)).offset == 2
        elsewhere = fresh()
        await listener.client.publish(elsewhere, listener.pack("to whom?"))
        (said,) = (await speaker.client.history(elsewhere, limit=10)).publications
        assert speaker.unpack(said.data) == "to whom?"

    play(act)


def test_a_payload_is_what_the_speaker_says_and_who_cannot_read_it_is_told(url: str) -> None:
    """Clients in Protobuf say whatever they like, as their test suites do; JSON has no words for that."""

    async def act(binary: Table, text: Table) -> None:
        speaker, listener, channel = await binary.peer(), await binary.peer(), fresh()
        reader = await text.peer()
        for peer in (listener, reader):
            await peer.subscribed(channel)
        speech = await speaker.subscribed(channel)
        await speech.publish(b'{"in": "json"}')
        assert (await reader.wait_for("publication")).data == {"in": "json"}
        await speech.publish(b"boom \xff")
        assert (await listener.wait_for("publication", 2)).data == b"boom \xff"
        ended = await reader.wait_for("disconnected")
        assert (ended.code, ended.reason) == (3506, "inappropriate protocol")

    async def scene() -> None:
        async with Table(url, protobuf=True) as binary, Table(url, protobuf=False) as text:
            await act(binary, text)

    asyncio.run(scene())


def test_history_is_read_forwards_and_backwards_in_pages(play: Play) -> None:
    async def act(table: Table) -> None:
        peer, channel = await table.peer(), fresh()
        subscription = await peer.subscribed(channel)
        for number in range(1, 102):
            await subscription.publish(peer.pack(number))

        async def read(**asked: Any) -> list[int]:
            return [peer.unpack(pub.data) for pub in (await subscription.history(**asked)).publications]

        place = await subscription.history()
        assert (place.publications, place.offset) == ([], 101)
        assert await read(limit=-1) == list(range(2, 102))  # a hundred are kept
        assert await read(limit=2, since=centrifuge.StreamPosition(50, place.epoch)) == [51, 52]
        assert await read(limit=2, reverse=True) == [101, 100]
        assert await read(limit=1, reverse=True, since=centrifuge.StreamPosition(50, place.epoch)) == [49]
        with pytest.raises(centrifuge.CentrifugeError) as refused:
            await read(limit=1, since=centrifuge.StreamPosition(50, "other"))
        assert refused.value.code == 112

    play(act)


def test_coming_and_going_is_told_to_everybody_on_the_channel(play: Play) -> None:
    async def act(table: Table) -> None:
        here, guest, channel = await table.peer(), await table.peer(token=jwt(sub="guest")), fresh()
        await here.subscribed(channel)
        own = await here.wait_for("join")
        assert own.client == here.heard("connected")[0].client
        visit = await guest.subscribed(channel)
        assert (await here.wait_for("join", 2)).user == "guest"
        await visit.unsubscribe()
        assert (await here.wait_for("leave")).user == "guest"
        await visit.subscribe()
        await here.wait_for("join", 3)
        await guest.client.disconnect()
        # Regression: that somebody left by closing the connection was told with the next thing that happened.
        assert (await here.wait_for("leave", 2)).user == "guest"
        stats = await here.client.presence_stats(channel)
        assert (stats.num_clients, stats.num_users) == (1, 1)

    play(act)


def test_after_an_unsubscribe_nothing_comes_any_more(play: Play) -> None:
    async def act(table: Table) -> None:
        speaker, listener, channel = await table.peer(), await table.peer(), fresh()
        subscription, speech = await listener.subscribed(channel), await speaker.subscribed(channel)
        await subscription.unsubscribe()
        assert (await listener.wait_for("unsubscribed")).code == 0
        await listener.client.presence_stats(channel)  # the unsubscribe has arrived
        await speech.publish(speaker.pack("unheard"))
        await subscription.subscribe()
        back = await listener.wait_for("subscribed", 2)
        assert (back.was_recovering, back.recovered) == (True, True)
        pub = await listener.wait_for("publication")  # and is recovered by whoever comes back
        assert (listener.unpack(pub.data), len(listener.heard("publication"))) == ("unheard", 1)

    play(act)


def test_whoever_comes_back_recovers(play: Play) -> None:
    async def act(table: Table) -> None:
        listener, say = await _conversation(table, fresh())
        await say(10)
        await listener.client.connect()
        pub = await listener.wait_for("publication", 11)
        back = listener.heard("subscribed")[-1]
        assert (back.was_recovering, back.recovered) == (True, True)
        said = [listener.unpack(one.data) for one in listener.heard("publication")]
        assert said == ["live", *range(10)]
        assert pub.offset == 11

    play(act)


def test_the_namespace_of_the_python_clients_example_is_there(play: Play) -> None:
    async def act(table: Table) -> None:
        peer = await table.peer(token=jwt(sub="42"))
        subscription = await peer.subscribed("example:channel", token=jwt(sub="42", channel="example:channel"))
        await peer.wait_for("join")
        await subscription.publish(peer.pack({"input": "test"}))
        assert (await peer.wait_for("publication")).info.user == "42"
        assert (await subscription.presence_stats()).num_users == 1
        assert len((await subscription.history(limit=-1)).publications) > 0

    play(act)


@pytest.mark.parametrize(("count", "recovered"), [(2, True), (3, False)])
def test_a_small_history_recovers_two(play: Play, count: int, recovered: bool) -> None:
    async def act(table: Table) -> None:
        listener, say = await _conversation(table, fresh("smallhistory:room"))
        await say(count)
        await listener.client.connect()
        back = await listener.wait_for("subscribed", 2)
        assert (back.was_recovering, back.recovered) == (True, recovered)
        await say(1)
        await listener.wait_for("publication", 1 + 1 + (count if recovered else 0))

    play(act)


def test_whoever_loads_the_state_himself_is_asked_to_do_it_again(play: Play) -> None:
    """`get_state`: the position is the application's, and error 112 tells the client to ask for it anew."""

    async def act(table: Table) -> None:
        listener, speaker, channel = await table.peer(), await table.peer(), fresh("smallhistory:room")
        speech = await speaker.subscribed(channel)
        positions: list[Any] = []

        async def get_state(channel: str) -> Any:
            del channel
            place = await speech.history()
            positions.append(centrifuge.StreamPosition(place.offset, place.epoch))
            return positions[-1]

        await listener.subscribed(channel, get_state=get_state)
        await listener.client.disconnect()
        for number in range(3):
            await speech.publish(speaker.pack(number))
        await listener.client.connect()
        await listener.wait_for("subscribed", 2)
        assert [one.offset for one in positions] == [0, 3]
        await speech.publish(speaker.pack("after"))
        assert listener.unpack((await listener.wait_for("publication")).data) == "after"

    play(act)


def test_a_named_user_has_a_channel_of_his_own(play: Play) -> None:
    async def act(table: Table) -> None:
        user = fresh("user")
        peer, same, other = (
            await table.peer(token=jwt(sub=user)),
            table.stranger(token=jwt(sub=user)),
            await table.peer(),
        )
        ctx = await peer.wait_for("server subscribed")
        assert (ctx.channel, ctx.recoverable, ctx.recovered) == (f"#{user}", True, False)
        assert (await peer.wait_for("server join")).info.user == user
        await peer.client.publish(f"#{user}", peer.pack("to myself"))
        assert peer.unpack((await peer.wait_for("server publication")).pub.data) == "to myself"
        # He comes back to it as to any channel, and nobody else may listen or talk to it.
        await peer.client.disconnect()
        await same.client.connect()
        await same.wait_for("server subscribed")
        await same.client.publish(f"#{user}", same.pack("meanwhile"))
        await peer.client.connect()
        back = await peer.wait_for("server subscribed", 2)
        assert (back.was_recovering, back.recovered) == (True, True)
        assert peer.unpack((await peer.wait_for("server publication", 2)).pub.data) == "meanwhile"
        stranger = other.subscription(f"#{user}")
        await stranger.subscribe()
        assert (await other.wait_for("unsubscribed")).code == 103
        assert other.heard("server subscribed") == []

    play(act)


@pytest.mark.parametrize(("channel", "code"), [("nowhere:room", 102), ("smallhistory:" + "x" * 250, 107)])
def test_a_channel_that_cannot_be_ends_the_subscription_alone(play: Play, channel: str, code: int) -> None:
    async def act(table: Table) -> None:
        peer = await table.peer()
        subscription = peer.subscription(channel)
        await subscription.subscribe()
        assert (await peer.wait_for("unsubscribed")).code == code
        assert await peer.subscribed(fresh())

    play(act)


def test_the_venue_alone_speaks_on_its_channels(play: Play) -> None:
    async def act(table: Table) -> None:
        peer = await table.peer(token=jwt(sub="42"))
        channel = f"active_orders:{checksum_address(ACCOUNTS[0].address)}"
        subscription = await peer.subscribed(channel)
        with pytest.raises(centrifuge.CentrifugeError) as refused:
            await subscription.publish(peer.pack([]))
        assert refused.value.code == 103

    play(act)


def test_open_channels_do_not_outlive_the_process(tmp_path: Path) -> None:
    """They are not journaled: whoever comes back after a restart is told that his position means nothing."""

    async def act(server: ServerProcess, table: Table) -> None:
        peer, channel = await table.peer(), fresh()
        subscription = await peer.subscribed(channel)
        await subscription.publish(peer.pack("before"))
        await peer.wait_for("publication")
        server.kill()
        await asyncio.to_thread(server.start)
        back = await peer.wait_for("subscribed", 2)
        assert (back.was_recovering, back.recovered, back.stream_position.offset) == (True, False, 0)
        assert back.stream_position.epoch != peer.heard("subscribed")[0].stream_position.epoch

    async def scene(server: ServerProcess, port: int) -> None:
        async with Table(socket_url(port), protobuf=False) as table:
            await act(server, table)

    port = free_port()
    command = ("sandbox", "--config", str(EXAMPLE), "--port", str(port))
    with ServerProcess(*data_dir_arguments(tmp_path), command=command, env=QUIET) as server:
        asyncio.run(scene(server, port))


# ---- centrifuge-js -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["json", "protobuf"])
def test_the_javascript_client_can_do_all_of_it(url: str, protocol: str) -> None:
    user = fresh("user")
    channels = [fresh("token") for _ in range(5)]
    tokens = {name: jwt(iat=1_737_532_348, channel=name) for name in channels}  # for whoever has no name
    ended = subprocess.run(
        ["node", str(NODE_PROGRAM)],
        env={
            **os.environ,
            "WS_URL": url,
            "PROTOCOL": protocol,
            "TOKEN": jwt(sub=user),
            "SUBSCRIPTION_TOKENS": json.dumps(tokens),
            "RUN": fresh("js"),
        },
        capture_output=True,
        text=True,
        timeout=NODE_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    nobody = {"numClients": 0, "numUsers": 0}
    assert json.loads(ended.stdout) == {
        "publish": {"data": {"my": "data"}, "offset": 1, "elsewhere": 0},
        "presence": {
            "users": ["", user],
            "stats": {"numClients": 2, "numUsers": 2},
            "sameClient": True,
            "after": nobody,
        },
        "history": {"all": [1, 2, 3, 4], "page": [2, 3], "last": [4], "offset": 4},
        "recovery": {"wasRecovering": True, "recovered": True, "heard": ["live", *range(1, 11), "last"]},
        "smallEnough": {"wasRecovering": True, "recovered": True, "heard": ["live", 1, 2, "last"]},
        "tooMany": {"wasRecovering": True, "recovered": False, "heard": ["live", "last"]},
        "personal": {"channel": f"#{user}", "recoverable": True, "data": "to myself"},
        "loop": {"code": 0, "numClients": 1, "rpc": 108},
        "tokens": {"states": ["subscribed"] * 5, "codes": [0] * 5},
        "network": {"code": 1, "recovered": True, "state": "disconnected"},
        "mind": {"between": "unsubscribed", "numClients": 1, "state": "connected"},
        "early": {"early": True, "now": 108},
    }


# ---- not for real --------------------------------------------------------------------------------------------------


def test_a_real_venue_refuses_the_example() -> None:
    argv = [sys.executable, "-m", "overround", "serve", "--config", str(EXAMPLE), "--port", "0"]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    named = {line.split()[1].rstrip(":") for line in ended.stderr.splitlines()}
    switches = {"tokens_without_key", "anonymous_tokens", "anonymous_connections"}
    assert {f"realtime.{name}" for name in switches} | {"tokens.secret"} <= named


@pytest.mark.parametrize("switch", ["insecure", "tokens_without_key", "anonymous_tokens", "anonymous_connections"])
def test_every_switch_alone_keeps_a_real_venue_from_starting(switch: str, tmp_path: Path) -> None:
    good: dict[str, dict[str, Any]] = {
        "data": {"dir": tmp_path},
        "tokens": {"secret": "7b1d0c6f2e9a48d3b5f60718293a4b5c"},
        "admin": {"token": "3f9c2b7a1e8d4605"},
    }
    check_for_serving(load(None, good))
    with pytest.raises(ConfigError, match=f"realtime.{switch}: this is for tests only"):
        check_for_serving(load(None, {**good, "realtime": {switch: True}}))


def test_without_the_switches_nobody_comes_in_like_that(tmp_path: Path) -> None:
    """The same peers at a plain sandbox."""

    async def act(url: str) -> None:
        refusals = {jwt(sub="test_user"): INVALID_TOKEN, jwt(sub=""): INVALID_TOKEN, "": BAD_FRAME}
        for token, why in refusals.items():
            async with Table(url, protobuf=False) as table:
                peer = table.stranger(token=token)
                await peer.client.connect()
                assert (await peer.wait_for("disconnected")).code == why.code

    with ServerProcess(*data_dir_arguments(tmp_path), env=QUIET) as server:
        asyncio.run(act(socket_url(int(server.base_url.rpartition(":")[2]))))
