"""Peers that break the rules, stop in the middle, or want too much: they get their code, and nobody else notices.

Somebody trades and two subscribers listen during every test; afterwards they must have heard everything, the process
must be there, and it must not have grown.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from struct import pack
from threading import Event, Thread

import pytest
from tests.protocols.centrifugo.world import encode
from tests.protocols.operating import Operator
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import BINARY, CLOSE, CONTINUATION, PING, PONG, Listener, Peer, frame
from tests.realtime_server.trader import Trader

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("hostile peers")

MIB = 1024 * 1024
MESSAGE_MAX = MIB
GROWTH_MAX = 24 * MIB  # of the process, over any one test
TINY_BUFFER = 4096


class Witnesses:
    """A maker who trades all the time, and two subscribers who listen to it."""

    def __init__(self, server: ServerProcess, operator: Operator, dial: Dial) -> None:
        self._server = server
        self._client = server.client()
        self._trader = Trader(self._client)
        self._market = operator.market()
        self._stop = Event()
        self._thread = Thread(target=self._trade)
        self._failure: BaseException | None = None
        self._count = 0
        peers = [dial("json"), dial("protobuf")]
        for peer in peers:
            peer.subscribe(self._trader.channel)
        self._listeners = [Listener(peer) for peer in peers]

    def __enter__(self) -> Witnesses:
        for listener in self._listeners:
            listener.__enter__()
        self._before = self._memory()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()
        for listener in self._listeners:
            listener.__exit__()

    def check(self) -> None:
        """Nobody noticed anything."""
        self.wait_for(5)
        self._stop.set()
        self._thread.join()
        assert self._failure is None, self._failure
        for listener in self._listeners:
            listener.wait(lambda one: len(one.publications()) == self._count)
            offsets = [one["offset"] for one in listener.publications()]
            assert offsets == list(range(1, self._count + 1))
            assert listener.ended is None
        assert self._client.get("/healthz").status_code == 200
        assert "Traceback" not in self._server.log
        assert self._memory() - self._before < GROWTH_MAX

    def wait_for(self, count: int) -> None:
        """Until so many more changes were answered."""
        wanted = self._count + count
        while self._count < wanted and self._failure is None:
            Event().wait(0.001)

    def _memory(self) -> int:
        """Resident bytes of the server."""
        status = Path(f"/proc/{self._server.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))

    def _trade(self) -> None:
        try:
            while not self._stop.is_set():
                (name,) = self._trader.post(self._market)
                self._count += 1
                self._trader.cancel(name)
                self._count += 1
                self._stop.wait(0.005)
        except BaseException as error:
            self._failure = error


@pytest.fixture(autouse=True)
def witnesses(sandbox: ServerProcess, operator: Operator, dial: Dial) -> Iterator[Witnesses]:
    with Witnesses(sandbox, operator, dial) as found:
        yield found
        found.check()


# ---- frames that are none ------------------------------------------------------------------------------------------

COMMAND = b'{"id":5,"unsubscribe":{"channel":"a"}}'


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(COMMAND, masked=False), 1002, id="not masked"),
        *(pytest.param(frame(COMMAND, rsv=bits), 1002, id=f"reserved bits {bits}") for bits in (1, 2, 4, 7)),
        *(pytest.param(frame(COMMAND, code), 1002, id=f"opcode {code}") for code in (3, 7, 11, 15)),
        pytest.param(frame(b"x" * 126, PING), 1002, id="a long ping"),
        pytest.param(frame(b"x", PING, fin=False), 1002, id="half a ping"),
        pytest.param(frame(b"x", CONTINUATION), 1002, id="a second half without a first"),
        pytest.param(frame(b"x", fin=False) + frame(COMMAND), 1002, id="two first halves"),
        pytest.param(frame(b"\x03", CLOSE), 1002, id="half a close code"),
        pytest.param(frame(pack("!H", 999), CLOSE), 1002, id="a close code that is none"),
        pytest.param(frame(pack("!H", 1005), CLOSE), 1002, id="a close code that is never sent"),
        pytest.param(frame(pack("!H", 1000) + b"\xff", CLOSE), 1007, id="a close reason that is no UTF-8"),
        pytest.param(bytes([0x81, 0xFF]) + pack("!Q", 1 << 62), 1009, id="a length beyond the sky"),
        pytest.param(bytes([0x81, 0xFF]) + b"\xff" * 8, 1009, id="a length below zero"),
        pytest.param(bytes([0x81, 0xFF]) + pack("!Q", MESSAGE_MAX + 1), 1009, id="one byte too many, not sent"),
        pytest.param(frame(b"x" * (MESSAGE_MAX + 1)), 1009, id="one byte too many"),
        pytest.param(
            frame(b"x" * MESSAGE_MAX, fin=False) + frame(b"x", CONTINUATION), 1009, id="one byte too many, in two"
        ),
        pytest.param(
            frame(b"x", fin=False) + frame(b"x" * 1000, CONTINUATION, fin=False) * 1100, 1009, id="crumbs for ever"
        ),
        pytest.param(frame(b"\xff\xfe"), 3501, id="no UTF-8"),
        pytest.param(frame(b"{}" * 500_000, BINARY), 3501, id="a long row of nothing"),
        pytest.param(frame(b"\n" * 500_000), 3501, id="many newlines"),
        pytest.param(frame(b'{"id":5,"rpc":{"data":' + b"[" * 900_000), 3501, id="a hole without a bottom"),
        pytest.param(frame(b'{"id":5,"x":"' + b"x" * 900_000 + b'"}'), 3501, id="a long member that means nothing"),
        pytest.param(frame(b'{"id":' + b"9" * 900_000 + b"}"), 3501, id="a number of a megabyte"),
    ],
)
def test_a_broken_frame_ends_with_its_code(dial: Dial, sent: bytes, code: int) -> None:
    peer = dial()
    peer.send_bytes(sent)
    assert peer.end().code == code


def test_a_bomb_is_not_unpacked(sandbox: ServerProcess, token: str) -> None:
    """Compression was offered and not agreed on; a thousand zeros fit into a byte."""
    packer = zlib.compressobj(wbits=-15)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(150)) + packer.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < MESSAGE_MAX
    with Peer(sandbox, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits") as peer:
        peer.connect(token)
        peer.send_bytes(frame(bomb, BINARY, rsv=4))
        assert peer.end().code == 1002


def test_a_message_of_a_hundred_thousand_empty_pieces_is_still_read(dial: Dial) -> None:
    peer = dial()
    peer.send_bytes(frame(COMMAND, fin=False) + frame(b"", CONTINUATION, fin=False) * 100_000)
    peer.send_bytes(frame(b"", CONTINUATION))
    assert peer.receive() == {"id": 5, "unsubscribe": {}}


def test_noise_is_not_mistaken_for_anything(sandbox: ServerProcess, token: str) -> None:
    dice = random.Random(5)
    for _ in range(200):
        with Peer(sandbox) as peer:
            if dice.random() < 0.5:
                peer.connect(token)
            peer.send_bytes(dice.randbytes(dice.randrange(1, 300)))
            peer.half_close()
            assert peer.end().code in (None, 1002, 1009, 3501)


# ---- floods --------------------------------------------------------------------------------------------------------


def test_pings_are_answered_and_who_reads_no_answers_gets_fewer(dial: Dial, witnesses: Witnesses) -> None:
    """What is owed to a peer who does not read must not pile up."""
    peer = dial(receive_buffer_bytes=TINY_BUFFER)
    number, size = 60_000, 125
    flood = frame(b"x" * size, PING) * number + frame(b"the last one", PING) + frame(COMMAND)
    peer.send_bytes(flood)
    witnesses.wait_for(10)
    pongs = 0
    while (came := peer.frame()).opcode == PONG:
        pongs += 1
        last = came.payload
    assert came.payload == b'{"id":5,"unsubscribe":{}}' or last == b"the last one"
    assert pongs < number  # eight megabytes do not fit into the buffers on the way
    assert peer.ask("unsubscribe", channel="a")["unsubscribe"] == {}


def test_pongs_that_nobody_asked_for_are_nothing(dial: Dial) -> None:
    peer = dial()
    peer.send_bytes(frame(b"x", PONG) * 20_000 + frame(COMMAND))
    assert peer.receive() == {"id": 5, "unsubscribe": {}}


def test_a_flood_of_questions_with_large_answers_is_bounded(dial: Dial, trader: Trader, market: str) -> None:
    """Nobody reads the answers; each could be most of a megabyte."""
    for _ in range(8):
        trader.post(market, 100)
    peers = [dial(receive_buffer_bytes=TINY_BUFFER) for _ in range(4)]
    for peer in peers:
        question = {"history": {"channel": trader.channel, "limit": 100}}
        peer.send(*({"id": number, **question} for number in range(10, 900)))
    answers = []
    for peer in peers:
        for _ in range(890):
            answers.append(peer.receive())
    refused = [answer for answer in answers if answer.get("error", {}).get("code") == 111]
    assert len(refused) > len(answers) / 2
    assert all("history" in answer or answer in refused for answer in answers)


def test_names_that_are_made_up_leave_nothing_behind(dial: Dial) -> None:
    for turn in range(10):
        with dial() as peer:
            names = [f"order_book:market_{turn}_{number}_{'x' * 200}" for number in range(500)]
            peer.send(*({"id": n + 10, "subscribe": {"channel": name}} for n, name in enumerate(names)))
            for _ in names:
                assert "subscribe" in peer.receive()
            peer.send(*({"id": n + 1000, "unsubscribe": {"channel": name}} for n, name in enumerate(names)))
            for _ in names:
                assert "unsubscribe" in peer.receive()


# ---- being gone ----------------------------------------------------------------------------------------------------


def test_half_a_goodbye_is_one(dial: Dial, framing: str) -> None:
    peer = dial(framing)
    peer.subscribe("best_odds:global")
    peer.half_close()
    assert peer.end() == (None, "")


def test_a_proper_goodbye_is_returned(dial: Dial, framing: str) -> None:
    peer = dial(framing)
    peer.send_bytes(frame(pack("!H", 1000) + b"enough", CLOSE))
    assert peer.end() == (1000, "enough")


def test_words_after_a_goodbye_are_not_heard(dial: Dial) -> None:
    peer = dial()
    peer.send_bytes(frame(pack("!H", 1000), CLOSE) + frame(COMMAND) * 1000)
    assert peer.end().code == 1000
    assert not peer.unread


def test_crowds_that_vanish_in_the_middle_of_being_written_to(
    sandbox: ServerProcess, token: str, trader: Trader, market: str
) -> None:
    """By reset, by hanging up, by a close frame, with a half-sent command, and some of them without ever reading."""
    dice = random.Random(3)
    for _ in range(4):
        crowd = [
            Peer(sandbox, framing=dice.choice(("json", "protobuf")), receive_buffer_bytes=TINY_BUFFER)
            for _ in range(40)
        ]
        for peer in crowd:
            peer.connect(token)
            peer.subscribe(trader.channel)
            peer.subscribe(f"order_book:market_{market}")
        trader.post(market, 100)
        for number, peer in enumerate(crowd):
            if number == 20:
                trader.cancel_all()
            match dice.randrange(5):
                case 0:
                    peer.abandon()
                case 1:
                    peer.hang_up()
                case 2:
                    peer.send_bytes(frame(b"", CLOSE))
                case 3:
                    peer.send_bytes(frame(encode("json", {"id": 7, "subscribe": {"channel": "x"}}))[:9])
                    peer.abandon()
                case 4:
                    peer.half_close()
        for peer in crowd:
            peer.__exit__()


def test_sockets_that_come_and_go_leave_nothing_behind(sandbox: ServerProcess, token: str) -> None:
    with ExitStack() as stack:
        for number in range(400):
            with Peer(sandbox, framing=("json", "protobuf")[number % 2]) as peer:
                if number % 3:
                    peer.connect(token)
                    peer.subscribe("best_odds:global")
                if number % 10 == 0:
                    stack.enter_context(Peer(sandbox))  # and some say nothing at all
