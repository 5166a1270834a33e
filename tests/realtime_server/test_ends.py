"""How connections end: tokens that run out or never were good, silence, floods, revoked keys, a server that stops.

Code and reason of every close frame that a client can bring about are here (CF-52); 3008 is in `test_slow_readers.py`.
What the server has half a minute of patience for takes half a second in `hasty_venue.py`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import Closed, Listener, Peer
from tests.realtime_server.trader import Trader, token_for

from overround.config import SANDBOX_TOKEN_SECRET
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("realtime ends")

HASTY = Path(__file__).parent / "hasty_venue.py"
CONFIG = """
[realtime]
ping_interval_s = 3
pong_timeout_s = 2.5
stale_delay_s = 0.5
connections_per_user_max = 20
private_active_orders = true
[tokens]
ttl_s = 60
"""
FRAMINGS = ("json", "protobuf")
FEED = "order_book:event_L1000001"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    file = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(CONFIG)
    with ServerProcess("--config", str(file), program=(str(HASTY),)) as server:
        yield server


def minted(trader: Trader | str, *, secret: str = SANDBOX_TOKEN_SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """A token as the venue issues them, but for some claims; None leaves one out. Its key is to be issued before."""
    now = time.time()
    given = {"sub": getattr(trader, "address", trader), "iat": now, "exp": now + 60} | claims
    return jwt.encode({name: one for name, one in given.items() if one is not None}, secret, algorithm)


@pytest.fixture
def owner(trader: Trader) -> Trader:
    """A trader with an API key."""
    trader.new_key()
    return trader


# ---- tokens (WS-29) ------------------------------------------------------------------------------------------------


@pytest.mark.row("CF-13", "CF-17")
def test_a_token_as_the_venue_issues_it_is_good_and_tells_how_long(dial: Dial, owner: Trader, framing: str) -> None:
    for token in (owner.token(), minted(owner)):
        told = dial(framing, token=None).connect(token)
        assert told["expires"] is True
        assert 55 <= told["ttl"] <= 60


@pytest.mark.row("WS-29", "CF-14")
def test_an_expired_token_is_told_so_and_nothing_else_is_answered(
    sandbox: ServerProcess, dial: Dial, owner: Trader
) -> None:
    """Any other word would race with the client, which comes back with a new token."""
    expired = [
        minted(owner, exp=time.time() - 1),
        minted(owner, exp=time.time() - 10**9),
        minted(owner, nbf=time.time() + 60),
    ]
    peers = [dial(framing, token=None) for framing in FRAMINGS for _ in expired]
    for peer, token in zip(peers, expired * len(FRAMINGS), strict=True):
        commands: list[dict[str, Any]] = [{"id": 1, "connect": {"token": token}}]
        peer.send(*commands, {"id": 2, "subscribe": {"channel": FEED}})
        peer.send({"id": 3, "subscribe": {"channel": FEED}})
        peer.pong()
    for peer in peers:
        assert peer.end() == (None, "")
        assert list(peer.unread) == [{"id": 1, "error": {"code": 109, "message": "token expired"}}]


@pytest.mark.row("WS-29", "CF-15", "CF-52")
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize(
    "token",
    [
        pytest.param(lambda _: "hello", id="a word"),
        pytest.param(lambda _: "a.b.c", id="three words"),
        pytest.param(lambda _: "x" * 100_000, id="a long word"),
        pytest.param(lambda owner: "é" + minted(owner), id="no ASCII"),
        pytest.param(lambda owner: minted(owner, secret="another secret of more than 32 bytes, too"), id="forged"),
        pytest.param(lambda owner: minted(owner, algorithm="HS512"), id="another algorithm"),
        pytest.param(lambda owner: jwt.encode({"sub": owner.address}, None, "none"), id="no algorithm"),
        pytest.param(lambda owner: minted(owner)[:-2], id="cut off"),
        pytest.param(lambda owner: minted(owner, exp=None), id="without end"),
        pytest.param(lambda owner: minted(owner, exp="tomorrow"), id="an end in words"),
        pytest.param(lambda owner: minted(owner, exp=10**300), id="an end beyond all numbers"),
        pytest.param(lambda owner: minted(owner, iat=None), id="without beginning"),
        pytest.param(lambda owner: minted(owner, sub=None), id="nobody's"),
        pytest.param(lambda owner: minted(owner, sub=""), id="an empty name"),
        pytest.param(lambda owner: minted(owner, sub="alice"), id="a name that is no address"),
        pytest.param(lambda owner: minted(owner, sub=owner.address + "0"), id="an address too long"),
        pytest.param(lambda owner: minted(owner, sub=owner.address.lower()), id="an address in lower case"),
        pytest.param(lambda _: minted("0x" + "12" * 20), id="somebody without a key"),
        pytest.param(lambda owner: minted(owner, channel=FEED), id="a token of a subscription"),
        pytest.param(lambda owner: minted(owner, iat=time.time() - 3600), id="older than the key"),
    ],
)
def test_a_bad_token_ends_with_3500(dial: Dial, owner: Trader, framing: str, token: Callable[[Trader], str]) -> None:
    peer = dial(framing, token=None)
    peer.send({"id": 1, "connect": {"token": token(owner)}}, {"id": 2, "subscribe": {"channel": FEED}})
    assert peer.end() == (3500, "invalid token")
    assert not peer.unread


@pytest.mark.row("CF-16", "CF-52")
def test_no_token_ends_with_3501(dial: Dial, framing: str) -> None:
    peer = dial(framing, token=None)
    peer.send({"id": 1, "connect": {}})
    assert peer.end() == (3501, "bad request")


@pytest.mark.row("USR-05", "CF-52", "WS-29")
def test_a_new_key_ends_the_connections_of_the_old_one_and_its_tokens(
    dial: Dial, new_trader: Callable[[], Trader], framing: str
) -> None:
    owner, other = new_trader(), new_trader()
    old_key = owner.new_key()
    old_token = owner.token()
    early = [dial(framing, token=old_token) for _ in range(2)]
    stranger = dial(framing, token=other.token())

    owner.new_key()

    for peer in early:
        assert peer.end() == (3500, "invalid token")
    # The old token was issued in the same second, or not; either way it was before the new key.
    late = dial(framing, token=None)
    late.send({"id": 1, "connect": {"token": old_token}})
    assert late.end() == (3500, "invalid token")
    dial(framing, token=owner.token()).subscribe(owner.channel)
    assert stranger.waiting() == []
    with pytest.raises(AssertionError, match="UNAUTHORIZED"):
        token_for(other._http, old_key)


# ---- refresh and expiry --------------------------------------------------------------------------------------------


@pytest.mark.row("CF-18", "CF-19", "CF-20", "CF-21", "CF-52", "WS-01", "USR-03")
def test_a_connection_lives_as_long_as_its_last_token(
    dial: Dial, new_trader: Callable[[], Trader], framing: str
) -> None:
    owner, other = new_trader(), new_trader()
    token, others = owner.token(), other.token()
    short = [dial(framing, token=minted(owner, exp=time.time() + 1)) for _ in range(3)]
    refreshed, freed, forgotten = short
    told = refreshed.ask("refresh", token=token)["refresh"]
    assert told["expires"] is True
    assert 55 <= told["ttl"] <= 60
    assert set(told) == {"client", "version", "expires", "ttl"}
    freed.ask("refresh", token=minted(owner, expire_at=0))
    late, foreign, empty, forged = (dial(framing, token=token) for _ in range(4))
    for peer, said, code in (
        (late, minted(owner, exp=time.time() - 1), 3005),
        (foreign, others, 3500),
        (forged, minted(owner, secret="another secret of more than 32 bytes, too"), 3500),
        (empty, "", 3501),
    ):
        peer.send({"id": 9, "refresh": {"token": said}})
        assert peer.end().code == code
    assert (late.ending.reason, foreign.ending.reason) == ("connection expired", "invalid token")

    assert forgotten.end() == (3005, "connection expired")
    for peer in (refreshed, freed):
        peer.subscribe(FEED)


# ---- silence -------------------------------------------------------------------------------------------------------


@pytest.mark.row("CF-22", "CF-52")
def test_who_says_nothing_in_time_is_stale(sandbox: ServerProcess) -> None:
    with ExitStack() as stack:
        silent = [stack.enter_context(Peer(sandbox, framing=one)) for one in FRAMINGS]
        begun = stack.enter_context(Peer(sandbox))
        begun.send_bytes(b"\x81\x90\0\0\0\0{")  # the first bytes of a frame that never ends
        for peer in silent:
            assert peer.end() == (3502, "stale")
        with pytest.raises(Closed):
            begun.receive()
        assert begun.ending == (3502, "stale")


@pytest.mark.row("WS-30", "CF-23", "CF-24", "CF-25", "CF-27", "CF-51", "CF-52")
def test_pings_come_in_time_also_among_publications_and_ask_for_an_answer(
    dial: Dial, trader: Trader, market: str
) -> None:
    """The first one within half an interval and a whole one, then one an interval; without an answer: 3012."""
    channel = f"order_book:market_{market}"
    attentive: list[Listener] = []
    mute: list[Listener] = []
    with ExitStack() as stack:
        began = time.monotonic()
        for framing in FRAMINGS:
            for answers, group in ((True, attentive), (False, mute)):
                peer = dial(framing)
                peer.subscribe(channel)
                peer.pongs = answers
                group.append(stack.enter_context(Listener(peer)))
        everybody = [*attentive, *mute]

        def trade_until(pings: int, listeners: list[Listener]) -> float:
            while min(one.peer.pings for one in listeners) < pings:
                trader.cancel(*trader.post(market))
            return time.monotonic()

        first_at = trade_until(1, everybody)
        assert first_at - began > 1.4
        assert trade_until(2, attentive) - began > 4.4
        for listener in mute:
            assert listener.end() == (3012, "no pong")
            assert listener.peer.pings == 1
        (last,) = trader.post(market)
        for listener in attentive:
            listener.wait(lambda one: one.updates()[-1]["orderHash"] == last)
            offsets = [one["offset"] for one in listener.publications()]
            assert offsets == list(range(1, len(offsets) + 1))


@pytest.mark.row("CF-26")
def test_a_second_pong_for_one_ping_is_one_too_many(dial: Dial) -> None:
    peers = [dial(framing) for framing in FRAMINGS]
    for peer in peers:
        peer.pongs = False
    for peer in peers:
        while not peer.pings:
            came = peer.frame()
            assert came.payload in (b"{}", b"\0")
            peer.pings += 1
        peer.pong()
        peer.pong()
        assert peer.end() == (3501, "bad request")


@pytest.mark.row("CF-27")
def test_a_peer_whose_network_is_gone_is_let_go_and_leaves_nothing_behind(
    dial: Dial, http: httpx.Client, trader: Trader, market: str
) -> None:
    """A half-open socket: nothing comes, not even an end, and nobody reads. It lives an interval, the time for a pong
    and the time for a goodbye; also where megabytes wait for it, or half a message is there."""
    wait_for_gauges(http, connections=0, subscriptions=0)  # those of the tests before
    channel = f"order_book:market_{market}"
    healthy = dial()
    healthy.subscribe(channel)
    with Listener(healthy) as listener:
        dead = [dial(framing, receive_buffer_bytes=4096) for framing in FRAMINGS * 2]
        for peer in dead:
            peer.subscribe(channel)
        dead[0].send_bytes(b"\x82\xfe\xff\xff\0\0\0\0" + b"x" * 60_000)  # of a frame of 65,535 bytes
        dead[1].send({"id": 9, "history": {"channel": channel, "limit": 100}})
        wait_for_gauges(http, connections=5, subscriptions=5)
        for _ in range(4):
            trader.post(market, 100)
        wait_for_gauges(http, connections=1, subscriptions=1)
        trader.cancel_all()
        listener.wait(lambda one: len(one.updates()) == 800)
        assert listener.ended is None


def wait_for_gauges(http: httpx.Client, **wanted: int) -> None:
    """Until there are so many."""
    deadline = time.monotonic() + 30
    while (found := {name: gauge(http, name) for name in wanted}) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def gauge(http: httpx.Client, name: str) -> int:
    """What is shown to the operator."""
    (line,) = [one for one in http.get("/metrics").text.splitlines() if one.startswith(f"overround_feed_{name} ")]
    return int(float(line.split(" ")[1]))


# ---- too much ------------------------------------------------------------------------------------------------------


@pytest.mark.row("CF-52")
def test_a_flood_of_commands_ends_with_3013(dial: Dial, framing: str) -> None:
    peer = dial(framing)
    for start in range(0, 20_000, 1_000):
        peer.send(*({"id": start + n + 10, "unsubscribe": {"channel": "a"}} for n in range(1_000)))
    assert peer.end() == (3013, "too many requests")
    assert len(peer.unread) >= 1_000


@pytest.mark.row("CF-52")
def test_one_connection_too_many_ends_with_3504(dial: Dial, trader: Trader, framing: str) -> None:
    token = trader.token()
    held = [dial(framing, token=token) for _ in range(20)]
    peer = dial(framing, token=None)
    peer.send({"id": 1, "connect": {"token": token}})
    assert peer.end() == (3504, "connection limit")
    held.pop().send({"id": 9, "send": {"data": 1}})  # ends this one, see below
    for one in held:
        assert one.waiting() == []


@pytest.mark.row("CF-52")
def test_too_many_channels_in_a_token_end_with_3505(dial: Dial, owner: Trader, framing: str) -> None:
    peer = dial(framing, token=None)
    peer.send({"id": 1, "connect": {"token": minted(owner, channels=[f"order_book:{n}" for n in range(513)])}})
    assert peer.end() == (3505, "channel limit")
    peer = dial(framing, token=None)
    assert peer.refused("connect", token=minted(owner, channels=["nothing:here"])) == 102


@pytest.mark.row("CF-52")
def test_send_has_no_listener_and_ends_with_3508(dial: Dial, framing: str) -> None:
    peer = dial(framing)
    peer.send({"send": {"data": {"x": 1}}})
    assert peer.end() == (3508, "not available")


@pytest.mark.row("CF-52")
@pytest.mark.parametrize("size", [1024 * 1024 + 1, 20 * 1024 * 1024])
def test_a_message_that_is_too_long_ends_with_1009(dial: Dial, framing: str, size: int) -> None:
    """The reason must arrive although the peer is still speaking."""
    peer = dial(framing)
    peer.raw(b" " * size)
    assert peer.end().code == 1009


def test_the_longest_message_is_read(dial: Dial) -> None:
    peer = dial()
    command = b'{"id":5,"unsubscribe":{"channel":"a"}}'
    peer.raw(command[:-1] + b" " * (1024 * 1024 - len(command)) + b"}")
    assert peer.receive() == {"id": 5, "unsubscribe": {}}


# ---- by the token --------------------------------------------------------------------------------------------------


def test_a_token_may_subscribe_its_bearer(dial: Dial, owner: Trader, market: str, framing: str) -> None:
    channel = f"order_book:market_{market}"
    peer = dial(framing, token=None)
    subs = peer.connect(minted(owner, channels=[channel]))["subs"]
    assert subs[channel]["recoverable"] is True
    owner.post(market)
    assert peer.publication(channel)["offset"] == subs[channel].get("offset", 0) + 1


@pytest.mark.row("CF-30", "WS-29")
def test_private_makers_are_heard_by_themselves_alone(
    dial: Dial, new_trader: Callable[[], Trader], market: str, framing: str
) -> None:
    owner, other = new_trader(), new_trader()
    peer = dial(framing, token=owner.token())
    peer.subscribe(owner.channel)
    assert peer.refused("subscribe", channel=other.channel) == 103
    assert peer.refused("subscribe", channel=other.channel.lower()) == 103
    peer.subscribe(f"order_book:market_{market}")
    owner.post(market)
    other.post(market)
    heard = [(one["push"]["channel"], one["push"]["pub"]["data"][0]["maker"]) for one in peer.waiting()]
    public = f"order_book:market_{market}"
    assert sorted(heard) == sorted([(owner.channel, owner.address), (public, owner.address), (public, other.address)])


def test_private_makers_have_no_public_past(
    dial: Dial, new_trader: Callable[[], Trader], market: str, framing: str
) -> None:
    owner, other = new_trader(), new_trader()
    other.post(market)
    peer = dial(framing, token=owner.token())
    assert peer.refused("history", channel=other.channel, limit=10) == 103


# ---- the server stops ----------------------------------------------------------------------------------------------


@pytest.mark.row("CF-52")
@pytest.mark.parametrize("everybody_answers", [True, False])
def test_a_server_that_stops_says_so_and_goes_in_peace(tmp_path: Path, everybody_answers: bool) -> None:
    """Also when somebody has not connected yet, does not read, or does not answer the close frame."""
    file = tmp_path / "venue.toml"
    file.write_text("[server]\nshutdown_grace_s = 1\n")
    with ServerProcess("--config", str(file)) as server, server.client() as http, ExitStack() as stack:
        trader = Trader(http)
        token = trader.token()
        peers = [stack.enter_context(Peer(server, framing=framing)) for framing in FRAMINGS]
        for peer in peers:
            peer.connect(token)
            peer.subscribe(trader.channel)
        listeners = [stack.enter_context(Listener(peer)) for peer in (*peers, stack.enter_context(Peer(server)))]
        (name,) = trader.post(http.get("/sandbox").json()["markets"][0]["marketHash"])
        if not everybody_answers:
            stack.enter_context(Peer(server)).connect(token)

        assert server.stop() == 0

        for listener in listeners:
            assert listener.end() == (3001, "shutdown")
        for listener in listeners[:-1]:
            assert [update["orderHash"] for update in listener.updates()] == [name]
