"""The C programs that speak WebSocket, against each other and against a server of a few lines."""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.harness import BUILD, SOURCES, BenchmarkError, compiler
from benchmarks.websocket import HEADER, SendLoop, Subscriber, Subscribers, post_to_push, program
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from overround.protocols.centrifugo import text_frame

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux only", allow_module_level=True)

CORE = min(os.sched_getaffinity(0))
HOST = "127.0.0.1"
WAIT_S = 10
CHANNEL = "order_book:market_0xab"


def have_compiler() -> bool:
    try:
        return bool(compiler())
    except BenchmarkError:
        return False


pytestmark = pytest.mark.skipif(not have_compiler(), reason="no C compiler")


# ---- a server of a few lines ----


class Peer:
    """One connection of that server, and what its client asked for first."""

    def __init__(self, connection: ServerConnection, commands: list[dict[str, Any]]) -> None:
        self._connection = connection
        self.commands = commands

    def grant(self, result: str) -> None:
        """Grant the connect, and the one subscribe with that result."""
        self._connection.send('{"id":1,"connect":{"client":"c","ping":25,"pong":true}}')
        self._connection.send(f'{{"id":2,"subscribe":{result}}}')

    def publish(self, *offsets: int) -> None:
        """Push publications whose payload looks like more than it is."""
        for offset in offsets:
            data = r'[{"note":"\"offset\":99}]\\"},[[],{}]]'
            pub = f'{{"data":{data},"offset":{offset},"tags":{{"messageId":"1-1"}}}}'
            self._connection.send(f'{{"push":{{"channel":"{CHANNEL}","pub":{pub}}}}}')

    def ping(self) -> str:
        """Ping as the protocol does; returns the answer."""
        self._connection.send("{}")
        return str(self._connection.recv(WAIT_S))

    def send(self, text: str) -> None:
        self._connection.send(text)

    def close(self, code: int) -> None:
        self._connection.close(code)

    def wait(self) -> None:
        """Hold the connection until the client ends it."""
        for _ in self._connection:
            pass


Talk = Callable[[Peer], None]


@contextmanager
def venue(*talks: Talk) -> Iterator[int]:
    """A server whose n-th connection goes as the n-th talk says, and ends with it; yields its port."""
    left = iter(talks)

    def handle(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            commands = [msgspec.json.decode(line) for line in str(connection.recv()).split("\n")]
            next(left)(Peer(connection, commands))

    with serve(handle, HOST, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.socket.getsockname()[1]
        server.shutdown()
        thread.join(WAIT_S)


def client(folder: Path, port: int, *, count: int = 1, channels: tuple[str, ...] = (CHANNEL,)) -> Subscribers:
    return Subscribers(HOST, port, CORE, [Subscriber("token", channels)] * count, folder / "subscribers")


# ---- subscribers ----


def test_everybody_connects_subscribes_and_counts(tmp_path: Path) -> None:
    frame = text_frame(b'{"push":{"channel":"%s","pub":{"data":[1,2],"offset":7}}}' % CHANNEL.encode())
    with (
        SendLoop(CORE, frame, tmp_path / "frame", 50) as loop,
        client(tmp_path, loop.port, count=50, channels=(CHANNEL, "other")) as everybody,
    ):
        opened = everybody.open(WAIT_S)
        assert (opened.connections, opened.opened, opened.subscribed, opened.gaps) == (50, 50, 100, 0)
        for _ in range(2):
            everybody.reset()
            sent = loop.send(20, 0.001)
            assert (sent.sent, sent.connections) == (1000, 50)
            assert sent.cpu_s > 0
            seen = everybody.await_pushes(1000, WAIT_S)
            assert (seen.pushes, seen.push_bytes) == (1000, 1000 * len(frame))
            assert 0 < seen.first_s <= seen.last_s <= seen.seconds
        assert text_frame(everybody.sample()) == frame


def test_the_commands_are_what_the_protocol_wants(tmp_path: Path) -> None:
    seen: list[Any] = []

    def talk(peer: Peer) -> None:
        seen.extend(peer.commands)
        peer.grant("{}")
        seen.append(peer.ping())
        peer.publish(9, 1)
        peer.wait()

    with venue(talk) as port, client(tmp_path, port) as one:
        one.open(WAIT_S)
        assert one.await_pushes(2, WAIT_S).gaps == 0, "a subscription without positions has no gaps"
    subscribe = {"channel": CHANNEL, "positioned": True, "recoverable": True, "flag": 1}
    assert seen == [
        {"id": 1, "connect": {"token": "token", "name": "bench"}},
        {"id": 2, "subscribe": subscribe},
        "{}",
    ]


def test_publications_that_were_left_out_are_gaps(tmp_path: Path) -> None:
    def talk(peer: Peer) -> None:
        peer.grant('{"recoverable":true,"positioned":true,"epoch":"xyz","offset":3}')
        peer.publish(4, 5, 7, 8, 8)
        peer.wait()

    with venue(talk) as port, client(tmp_path, port) as one:
        one.open(WAIT_S)
        assert one.await_pushes(5, WAIT_S).gaps == 2


RECOVERED = """{ "publications" : [ {"data":["}]"], "offset" : 6}, {"offset" : 7 ,"data":[]} ], "offset":5 ,
    "epoch":"xyz", "recovered" : true , "was_recovering":true}"""
NOT_RECOVERED = '{"epoch":"xyz","offset":9,"positioned":true,"was_recovering":true}'


@pytest.mark.parametrize(
    ("answer", "recovered", "publications", "next_offset"),
    [
        pytest.param(RECOVERED, 1, 2, 8, id="recovered"),
        pytest.param(NOT_RECOVERED, 0, 0, 10, id="not recovered"),
    ],
)
def test_who_comes_back_recovers_from_where_it_stood(
    tmp_path: Path, answer: str, recovered: int, publications: int, next_offset: int
) -> None:
    may_end = threading.Event()
    asked: list[dict[str, Any]] = []

    def first(peer: Peer) -> None:
        peer.grant('{"recoverable":true,"positioned":true,"epoch":"xyz","offset":3}')
        peer.publish(4, 5)
        may_end.wait(WAIT_S)

    def second(peer: Peer) -> None:
        asked.append(peer.commands[1]["subscribe"])
        peer.grant(answer)
        peer.publish(next_offset)
        peer.wait()

    with venue(first, second) as port, client(tmp_path, port) as one:
        one.open(WAIT_S)
        one.await_pushes(2, WAIT_S)
        may_end.set()
        assert one.await_loss(WAIT_S).connections == 0
        again = one.open(WAIT_S)
        assert (again.recovered, again.unrecovered) == (recovered, 1 - recovered)
        assert again.recovered_publications == publications
        assert one.await_pushes(1, WAIT_S).gaps == 0
    assert [(one["recover"], one["epoch"], one["offset"]) for one in asked] == [(True, "xyz", 5)]


def test_who_is_cut_off_while_opening_tries_again(tmp_path: Path) -> None:
    def refuse(peer: Peer) -> None:
        peer.close(3001)

    def accept(peer: Peer) -> None:
        peer.grant("{}")
        peer.wait()

    with venue(refuse, refuse, accept) as port, client(tmp_path, port) as one:
        opened = one.open(WAIT_S)
        assert (opened.opened, opened.retries) == (1, 2)


@pytest.mark.parametrize(
    ("talk", "complaint"),
    [
        pytest.param(lambda peer: peer.close(3500), "last close code was 3500", id="a terminal close"),
        pytest.param(
            lambda peer: peer.send('{"id":2,"error":{"code":106,"message":"limit exceeded"}}'),
            "refused: .*limit exceeded",
            id="a refused subscription",
        ),
        pytest.param(lambda peer: peer.wait(), "time is over: 0 of 1 connections open", id="silence"),
    ],
)
def test_what_cannot_be_opened_ends_the_run(tmp_path: Path, talk: Talk, complaint: str) -> None:
    with venue(talk) as port, client(tmp_path, port) as one, pytest.raises(BenchmarkError, match=complaint):
        one.open(1)


def test_a_connection_lost_while_waiting_for_pushes_ends_the_run(tmp_path: Path) -> None:
    def talk(peer: Peer) -> None:
        peer.grant("{}")
        time.sleep(0.2)
        peer.close(3008)

    with venue(talk) as port, client(tmp_path, port) as one:
        one.open(WAIT_S)
        with pytest.raises(BenchmarkError, match="last close code was 3008"):
            one.await_pushes(1, WAIT_S)


def test_a_client_ends_with_its_life(tmp_path: Path) -> None:
    with (
        venue(lambda peer: peer.wait()) as port,
        Subscribers(HOST, port, CORE, [Subscriber("t", ["c"])], tmp_path / "subscribers", life_s=1) as one,
        pytest.raises(BenchmarkError, match="ended with -14"),
    ):
        one.open(WAIT_S)


# ---- from post to push ----


def test_a_hash_per_request_is_needed(tmp_path: Path) -> None:
    requests, hashes = tmp_path / "requests", tmp_path / "hashes"
    requests.write_bytes(b"\x03\x00\x00\x00GET\x03\x00\x00\x00GET")
    hashes.write_text(f"0x{7:064x}\n")
    target = {"token": "t", "channel": "c", "rate": 1, "connections": 1, "seconds": 1.0}
    with pytest.raises(BenchmarkError, match="more requests than hashes"):
        post_to_push(HOST, 1, CORE, requests, hashes, **target)  # type: ignore[arg-type]


# ---- building ----


def test_a_program_is_built_anew_when_the_header_is_newer() -> None:
    first = program("ws_send_loop.c")
    assert first.parent == BUILD
    header = (SOURCES / HEADER).stat().st_mtime
    os.utime(first, (header - 1, header - 1))
    assert program("ws_send_loop.c").stat().st_mtime >= header
