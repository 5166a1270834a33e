"""The two C programs, where there is a compiler: nothing else of the tests needs one."""

import os
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from benchmarks.bare_recover import BareRecover, RecoverCase
from benchmarks.harness import BenchmarkError, built, compiler
from benchmarks.http_load import Load, http_post, post_all, write_requests

from overround.signing.account import LocalAccount
from overround.signing.keccak import keccak256

if sys.platform != "linux":
    pytest.skip("the benchmarks run on Linux only", allow_module_level=True)

CORE = min(os.sched_getaffinity(0))
HOST = "127.0.0.1"
GOOD_BODY = b'{"status":"success","data":{}}'
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(GOOD_BODY), GOOD_BODY)
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b'b;note=1\r\n{"status":"\r\n8\r\nsuccess"\r\nC\r\n,"data":{} }\r\n0\r\nTrailer: x\r\n\r\n'
)


def have_compiler() -> bool:
    try:
        return bool(compiler())
    except BenchmarkError:
        return False


pytestmark = pytest.mark.skipif(not have_compiler(), reason="no C compiler")


def answer_on(connection: socket.socket, pieces: list[bytes]) -> None:
    """Answer every request with the pieces, each in a segment of its own."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        while connection.recv(65536):
            for piece in pieces:
                connection.sendall(piece)


@contextmanager
def responder(*pieces: bytes, connections: int = 1) -> Iterator[int]:
    """A server of that many connections; yields its port."""
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            talks = [
                threading.Thread(target=answer_on, args=(listener.accept()[0], list(pieces)))
                for _ in range(connections)
            ]
            for talk in talks:
                talk.start()
            for talk in talks:
                talk.join(10)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def post(tmp_path: Path, port: int, *, count: int = 10, connections: int = 1) -> Load:
    requests = tmp_path / "requests"
    write_requests(requests, [http_post("/path", b'{"n":%d}' % n) for n in range(count)])
    return post_all(HOST, port, CORE, requests, connections=connections, seconds=5, expected='"status":"success"')


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param([GOOD], id="whole"),
        pytest.param([GOOD[:9], GOOD[9:30], GOOD[30:-1], GOOD[-1:]], id="in pieces"),
        pytest.param([CHUNKED], id="chunked"),
        pytest.param([CHUNKED[i : i + 1] for i in range(len(CHUNKED))], id="chunked byte by byte"),
    ],
)
def test_answers_are_read_however_they_come(tmp_path: Path, pieces: list[bytes]) -> None:
    with responder(*pieces) as port:
        load = post(tmp_path, port)
    assert (load.count, load.errors) == (10, 0)
    assert load.p50_us <= load.p90_us <= load.p99_us <= load.max_us


def test_every_request_is_sent_once_over_all_connections(tmp_path: Path) -> None:
    with responder(GOOD, connections=8) as port:
        assert post(tmp_path, port, count=1001, connections=8).count == 1001


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(GOOD.replace(b"200 OK", b"500 Oh"), id="status"),
        pytest.param(GOOD.replace(b"success", b"failure"), id="body"),
    ],
)
def test_an_unexpected_answer_fails_and_is_shown(tmp_path: Path, answer: bytes) -> None:
    with responder(answer) as port, pytest.raises(BenchmarkError, match=r"10 of 10 .*\n.*first unexpected"):
        post(tmp_path, port)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        pytest.param(b"SSH-2.0-Open\r\n\r\n", "not an HTTP", id="not HTTP"),
        pytest.param(b"HTTP/1.1 200 OK\r\n\r\n", "not an HTTP", id="no length"),
        pytest.param(GOOD + GOOD, "more than one answer", id="two answers"),
    ],
)
def test_what_cannot_be_counted_ends_the_run(tmp_path: Path, answer: bytes, complaint: str) -> None:
    with responder(answer) as port, pytest.raises(BenchmarkError, match=complaint):
        post(tmp_path, port)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    requests = tmp_path / "requests"
    requests.write_bytes(b"\x09\x00\x00\x00GET")
    with pytest.raises(BenchmarkError, match="cut short"):
        post_all(HOST, 1, CORE, requests, connections=1, seconds=1, expected="")


def recover_case(number: int, signer: bytes | None = None) -> RecoverCase:
    account = LocalAccount(keccak256(b"%d" % number))
    digest = keccak256(b"digest %d" % number)
    return RecoverCase(digest, account.sign_digest(digest), signer or account.address)


def test_the_bare_loop_recovers_every_signer() -> None:
    assert BareRecover([recover_case(number) for number in range(8)]).rate(CORE, 0.1) > 0


def test_the_bare_loop_notices_a_wrong_signer() -> None:
    with pytest.raises(BenchmarkError, match="did not recover"):
        BareRecover([recover_case(0), recover_case(1, signer=bytes(20))]).rate(CORE, 0.1)


def test_a_program_is_built_once() -> None:
    first = built("http_load.c")
    before = first.stat().st_mtime_ns
    assert built("http_load.c").stat().st_mtime_ns == before
