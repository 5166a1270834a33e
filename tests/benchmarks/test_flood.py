"""The program that overloads a server, against a server of a few lines; and the benchmark's arithmetic."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.cancel_under_attack import Phase, figures
from benchmarks.flood import flood, read_requests
from benchmarks.http_load import http_post, write_requests

REQUEST = http_post("/orders/new", b"{}")
ANSWERS = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", b"HTTP/1.1 503 Full\r\ncontent-length: 0\r\n\r\n")


@contextmanager
def server(*, reads: bool = True) -> Iterator[tuple[int, list[int]]]:
    """Answers every other request with 503, in pieces that cut status lines in two; its port, and what it read."""
    count = [0]
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        with connection:
            if not reads:
                done.wait(30)
            while reads and (received := connection.recv(len(REQUEST), socket.MSG_WAITALL)):
                assert received == REQUEST
                answer = ANSWERS[count[0] % 2]
                count[0] += 1
                connection.sendall(answer[:7])
                connection.sendall(answer[7:])

    def accept() -> None:
        threads = []
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                break
            threads.append(threading.Thread(target=talk, args=(connection,), daemon=True))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield listener.getsockname()[1], count
        done.set()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def test_it_offers_what_is_due_and_counts_answers_by_status() -> None:
    with server() as (port, count):
        seen = flood("127.0.0.1", port, [REQUEST], connections=1, rate=400, seconds=0.5)
    assert 150 <= seen["offered"] == seen["sent"] <= 201
    assert seen["answered"] == seen["200"] + seen["503"] <= count[0]
    assert abs(seen["200"] - seen["503"]) <= 1
    assert seen["answered"] > 100


def test_it_drops_what_nobody_takes_instead_of_keeping_it() -> None:
    large = http_post("/orders/new", b"x" * 100_000)
    with server(reads=False) as (port, _):
        seen = flood("127.0.0.1", port, [large], connections=2, rate=2_000, seconds=0.3)
    assert seen["answered"] == 0
    assert seen["sent"] < seen["offered"]


def test_it_reads_what_was_written_for_it(tmp_path: Path) -> None:
    path = tmp_path / "requests"
    write_requests(path, [REQUEST, b"x"])
    assert read_requests(str(path)) == [REQUEST, b"x"]


def test_cancels_that_were_not_served_miss_the_bound() -> None:
    phases = {name: Phase() for name in ("idle", "posts", "bad signatures")}
    for phase in phases.values():
        phase.add([0.001, 0.002, 0.003], sent=3)
        phase.offered_per_s, phase.answered_per_s, phase.server_waited = [5.0], [1.0], [0.1]
    assert not any(figure.missed for figure in figures(phases, 1))
    phases["posts"].add([0.010, 0.020], sent=3)
    found = {figure.name: figure for figure in figures(phases, 2)}
    assert found["posts: served"].missed
    assert found["posts: p99"].value == pytest.approx((3 + 20) / 2)
    assert found["posts: p99 against idle"].value == pytest.approx(11.5 / 3)
