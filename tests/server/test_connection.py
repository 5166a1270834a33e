"""The HTTP connection: bounds on everything, order, and a clear answer to whatever arrives."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.operating import Operator, address_of
from tests.server.raw import Answer, Connection, assert_refusal, exchange, request

from overround.testing.accounts import ALICE, BOB, CAROL
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("connection")  # one server for the module

GET = request("GET", "/metadata")
LIMIT = 2 * 1024 * 1024


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that waits for nobody."""
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text("[server]\nheader_timeout_s = 1\nbody_timeout_s = 1\nkeep_alive_s = 1\n")
    with ServerProcess("--config", str(file)) as server:
        yield server


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with small bounds."""
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text(
        "[server]\nbody_bytes_max = 4096\nurl_bytes_max = 1024\nheader_bytes_max = 2048\nheaders_max = 10\n"
    )
    with ServerProcess("--config", str(file)) as server:
        yield server


def place_body(world: dict[str, Any], account: Any) -> tuple[str, bytes]:
    """An order: its hash, and the body that posts it."""
    entry = signed_order(account, world["markets"][0]["marketHash"])
    return hash_of(entry), json.dumps({"orders": [entry]}).encode()


def open_orders(http: httpx.Client, account: Any) -> list[str]:
    return [row["orderHash"] for row in http.get("/orders", params={"maker": address_of(account)}).json()["data"]]


# ---- what is no request --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\x00" * 100, id="NULs"),
        pytest.param(b"hello\r\n\r\n", id="a word"),
        pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + b"\x00" * 64, id="a TLS greeting"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="an HTTP/2 preface"),
        pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="an SSH greeting"),
        pytest.param(b"GET /metadata HTTP/9.9\r\nHost: x\r\n\r\n", id="another version"),
        pytest.param(b"GET /metadata JSON/1.1\r\nHost: x\r\n\r\n", id="another protocol"),
        pytest.param(b"GET  HTTP/1.1\r\nHost: x\r\n\r\n", id="no path"),
        pytest.param(b"GET metadata HTTP/1.1\r\nHost: x\r\n\r\n", id="a path without a slash"),
        pytest.param(b"GET /\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", id="a path of raw bytes"),
        pytest.param(b"get /metadata HTTP/1.1\r\nHost: x\r\n\r\n", id="a method in lower case"),
        pytest.param(b"FROB /metadata HTTP/1.1\r\nHost: x\r\n\r\n", id="a method that is none"),
        pytest.param(b"CONNECT venue:80 HTTP/1.1\r\nHost: x\r\n\r\n", id="a proxy's method"),
        pytest.param(b"GET /metadata HTTP/1.1\r\nHost: x\r\nNo colon\r\n\r\n", id="a header without a colon"),
        pytest.param(b"GET /metadata HTTP/1.1\r\nHost: x\r\nA: b\x00c\r\n\r\n", id="a NUL in a header"),
        pytest.param(b"GET /metadata HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", id="a folded header"),
        pytest.param(b"GET /metadata HTTP/1.1\r\nHost : x\r\n\r\n", id="a space before the colon"),
        pytest.param(b"GET /metadata HTTP/1.1\nHost: x\n\n", id="line feeds alone"),
        pytest.param(request("POST", "/orders/new", b"", "Content-Length: -1"), id="a negative length"),
        pytest.param(request("POST", "/orders/new", b"", "Content-Length: 1_0"), id="a length that is no number"),
        pytest.param(request("POST", "/orders/new", b"", "Content-Length: 9" + "9" * 30), id="a length of 31 digits"),
        pytest.param(
            request("POST", "/orders/new", b"", "Content-Length: " + "9" * 5000), id="a length of 5000 digits"
        ),
        pytest.param(request("POST", "/orders/new", b"{}", "Content-Length: 3"), id="two lengths"),
        pytest.param(request("POST", "/orders/new", b"{}", "Transfer-Encoding: chunked"), id="a length and chunks"),
        pytest.param(
            request("POST", "/orders/new", b"", "Transfer-Encoding: chunked") + b"xyz\r\n", id="a chunk of no size"
        ),
        pytest.param(
            request("POST", "/orders/new", b"", "Transfer-Encoding: chunked") + b"-1\r\n", id="a chunk of negative size"
        ),
        pytest.param(
            request("POST", "/orders/new", b"", "Transfer-Encoding: chunked") + b"F" * 20 + b"\r\n", id="a huge chunk"
        ),
    ],
)
def test_what_is_no_http_request_gets_a_clear_400_and_the_end(
    sandbox: ServerProcess, http: httpx.Client, data: bytes
) -> None:
    before = Operator(http).digest()
    with Connection(sandbox) as connection:
        connection.send(data)
        assert_refusal(connection.answer(), 400, "BAD_REQUEST")
        assert connection.rest() == b""
    assert Operator(http).digest() == before


def test_a_connection_that_says_nothing_or_leaves_in_the_middle_harms_nobody(
    sandbox: ServerProcess, http: httpx.Client
) -> None:
    for data in (b"", b"G", GET[:-2], request("POST", "/orders/new", b"x" * 50)[:-10]):
        with Connection(sandbox) as connection:
            connection.send(data)
    assert http.get("/healthz").status_code == 200


def test_thousands_of_requests_in_one_breath_are_answered_in_order_and_parsed_as_there_is_room(
    sandbox: ServerProcess,
) -> None:
    count = 5_000
    with Connection(sandbox) as connection:
        for number in range(count):
            connection.send(request("GET", f"/unknown/{number}") if number % 7 else GET)
        numbers = []
        for number in range(count):
            answer = connection.answer()
            assert answer.status == (404 if number % 7 else 200)
            numbers.append(int(answer.headers["x-request-id"].rpartition("-")[2], 16))
        assert numbers == sorted(numbers)


def test_a_pipeline_may_hold_large_bodies_and_come_in_any_pieces(sandbox: ServerProcess) -> None:
    requests = [request("POST", "/unknown", b"x" * size) for size in (1, 100_000, 3, 70_000, 300_000)] + [GET] * 150
    stream = b"".join(requests * 2)
    for size in (len(stream), 8_192, 8_191, 65_537):
        with Connection(sandbox) as connection:
            for start in range(0, len(stream), size):
                connection.send(stream[start : start + size])
            statuses = [connection.answer().status for _ in range(len(requests) * 2)]
            assert statuses == ([404] * 5 + [200] * 150) * 2


# ---- bounds --------------------------------------------------------------------------------------------------------


def test_a_body_of_two_mebibytes_is_read_and_one_byte_more_is_not(sandbox: ServerProcess, http: httpx.Client) -> None:
    padded = json.dumps(signed_cancel(CAROL)).encode().ljust(LIMIT)
    assert exchange(sandbox, request("POST", "/orders/cancel/all", padded)).status == 200
    before = Operator(http).digest()
    padded = json.dumps(signed_cancel(CAROL)).encode().ljust(LIMIT + 1)
    assert_refusal(exchange(sandbox, request("POST", "/orders/cancel/all", padded)), 413, "PAYLOAD_TOO_LARGE")
    assert Operator(http).digest() == before


def test_a_body_that_is_announced_too_large_is_refused_before_it_is_sent(sandbox: ServerProcess) -> None:
    head = request("POST", "/orders/new", b"", f"Content-Length: {LIMIT + 1}", "Expect: 100-continue")
    assert_refusal(exchange(sandbox, head), 413, "PAYLOAD_TOO_LARGE")


def test_a_body_of_endless_chunks_is_refused_when_it_grows_too_large(sandbox: ServerProcess) -> None:
    with Connection(sandbox) as connection:
        connection.send(request("POST", "/orders/new", b"", "Transfer-Encoding: chunked"))
        connection.send((b"10000\r\n" + b" " * 65536 + b"\r\n") * 33)
        assert_refusal(connection.answer(), 413, "PAYLOAD_TOO_LARGE")


def test_many_tiny_chunks_are_one_body(sandbox: ServerProcess) -> None:
    body = json.dumps(signed_cancel(CAROL)).encode()
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\nX-Trailer: y\r\n\r\n"
    head = request("POST", "/orders/cancel/all", b"", "Transfer-Encoding: chunked")
    assert exchange(sandbox, head + chunks).json["data"]["cancelledCount"] == 0


def test_real_clients_are_told_that_their_body_is_too_large(http: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(64):
            yield b" " * 65536

    for content in (b" " * (LIMIT * 2), pieces()):
        assert http.post("/orders/new", content=content).json()["errorCode"] == "PAYLOAD_TOO_LARGE"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(["A: " + "x" * 33_000], id="one large header"),
        pytest.param(["A" * 33_000 + ": x"], id="one large name"),
        pytest.param([f"A{number}: {'x' * 900}" for number in range(40)], id="many of some size"),
        pytest.param([f"A{number}: x" for number in range(100)], id="more than a hundred"),
        pytest.param(["Cookie: a=b"] * 200, id="many of one name"),
    ],
)
def test_headers_that_are_too_many_or_too_large_are_refused(sandbox: ServerProcess, headers: list[str]) -> None:
    assert_refusal(exchange(sandbox, request("GET", "/metadata", b"", *headers)), 431, "HEADERS_TOO_LARGE")


def test_a_hundred_headers_and_a_long_query_are_read(sandbox: ServerProcess) -> None:
    headers = [f"A{number}: {'x' * 200}" for number in range(98)]
    assert exchange(sandbox, request("GET", "/metadata?" + "x" * 120_000, b"", *headers)).status == 200


def test_a_url_that_is_too_long_is_refused(sandbox: ServerProcess) -> None:
    assert_refusal(exchange(sandbox, request("GET", "/metadata?" + "x" * 132_000)), 414, "URI_TOO_LONG")


def test_all_bounds_are_configured(narrow: ServerProcess) -> None:
    assert_refusal(exchange(narrow, request("POST", "/orders/new", b" " * 4097)), 413, "PAYLOAD_TOO_LARGE")
    assert_refusal(exchange(narrow, request("GET", "/metadata?" + "x" * 1024)), 414, "URI_TOO_LONG")
    assert_refusal(exchange(narrow, request("GET", "/metadata", b"", "A: " + "x" * 2048)), 431, "HEADERS_TOO_LARGE")
    assert_refusal(exchange(narrow, request("GET", "/metadata", b"", *["A: x"] * 10)), 431, "HEADERS_TOO_LARGE")


# ---- slow clients --------------------------------------------------------------------------------------------------


STOPS = {
    "after a letter": b"G",
    "in the headers": b"GET /metadata HTTP/1.1\r\nHost:",
    "before the end of the headers": GET[:-2],
    "in the body": request("POST", "/orders/new", b"x" * 100)[:-50],
    "in a chunk": request("POST", "/orders/new", b"", "Transfer-Encoding: chunked") + b"5\r\nab",
    "in a second request": GET + GET[:-2],
}


def test_a_request_that_stops_arriving_is_told_so_and_cut_off(hasty: ServerProcess) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(Connection(hasty)) for _ in STOPS]
        for connection, data in zip(connections, STOPS.values(), strict=True):
            connection.send(data)
        for connection, name in zip(connections, STOPS, strict=True):
            if name == "in a second request":
                assert connection.answer().status == 200
            assert_refusal(connection.answer(), 408, "REQUEST_TIMEOUT")
            assert connection.rest() == b""


def test_a_request_that_trickles_in_is_cut_off_all_the_same(hasty: ServerProcess) -> None:
    """Each byte comes in time; all of them together do not."""
    with Connection(hasty) as connection:
        connection.send(GET[:-2])
        sent = 0
        while connection.send_some(b"A: x\r\n"[sent % 6 :][:1]):
            sent += 1
            if has_answer(connection):
                break
        answer = connection.answer()
        assert (answer.status, answer.json["errorCode"]) in ((408, "REQUEST_TIMEOUT"), (431, "HEADERS_TOO_LARGE"))


def has_answer(connection: Connection) -> bool:
    """Whether an answer is there, after a moment in which it may come."""
    return bool(select.select([connection], [], [], 0.01)[0])


def test_a_connection_without_a_request_is_closed_in_silence(hasty: ServerProcess) -> None:
    with Connection(hasty) as connection:
        assert connection.rest() == b""


def test_an_idle_connection_is_closed_in_silence(hasty: ServerProcess) -> None:
    with Connection(hasty) as connection:
        connection.send(GET)
        assert connection.answer().status == 200
        assert connection.rest() == b""


def test_a_request_that_begins_while_another_is_answered_has_its_own_deadline(tmp_path: Path) -> None:
    """The time of an idle connection is long; what began to arrive must not get it."""
    file = tmp_path / "venue.toml"
    file.write_text("[server]\nheader_timeout_s = 1\nkeep_alive_s = 3600\n")
    with ServerProcess("--config", str(file)) as server, Connection(server) as connection:
        connection.send(GET + b"GET /metadata HTTP/1.1\r\n")
        assert connection.answer().status == 200
        assert_refusal(connection.answer(), 408, "REQUEST_TIMEOUT")


# ---- order ---------------------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_their_order(sandbox: ServerProcess) -> None:
    paths = ["/metadata", "/nothing", "/sports", "/orders", "/healthz"] * 60  # more than may wait at once
    with Connection(sandbox) as connection:
        connection.send(b"".join(request("GET", path) for path in paths))
        statuses = [connection.answer().status for _ in paths]
    assert statuses == [200, 404, 200, 400, 200] * 60


def test_hundreds_of_requests_may_wait_behind_one_that_takes_its_time(
    sandbox: ServerProcess, world: dict[str, Any]
) -> None:
    """An order waits for the disk; what was read with it meanwhile must neither be lost nor pile up on the stack."""
    _, body = place_body(world, ALICE)
    with Connection(sandbox) as connection:
        connection.send(request("POST", "/orders/new", body) + GET * 1_500)
        assert connection.answer().json["data"]["inserted"] == 1
        assert {connection.answer().status for _ in range(1_500)} == {200}


def test_a_pipelined_write_is_seen_by_the_read_behind_it(
    sandbox: ServerProcess, world: dict[str, Any], http: httpx.Client
) -> None:
    name, body = place_body(world, ALICE)
    with Connection(sandbox) as connection:
        connection.send(request("POST", "/orders/new", body) + request("GET", f"/orders?orderHashes={name}"))
        assert connection.answer().json["data"]["inserted"] == 1
        assert len(connection.answer().json["data"]) == 1


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        pytest.param(b"garbage\r\n\r\n", 400, id="garbage"),
        pytest.param(request("GET", "/metadata", b"", "A: " + "x" * 40_000), 431, id="large headers"),
        pytest.param(request("POST", "/orders/new", b"", f"Content-Length: {LIMIT + 1}"), 413, id="a large body"),
    ],
)
def test_a_refusal_is_never_taken_for_the_answer_to_the_order_before_it(
    sandbox: ServerProcess, world: dict[str, Any], http: httpx.Client, rest: bytes, status: int
) -> None:
    """An order and, behind it on the same connection, what must be refused: the order is placed, so the first
    answer must say so. A refusal in its place would make the maker post it again.
    """
    name, body = place_body(world, BOB)
    with Connection(sandbox) as connection:
        connection.send(request("POST", "/orders/new", body) + rest)
        assert connection.answer().json["data"] == {"orders": [name], "statuses": {name: "OK"}, "inserted": 1}
        assert connection.answer().status == status
        assert connection.rest() == b""
    assert name in open_orders(http, BOB)


def test_nothing_behind_a_request_that_closes_the_connection_is_carried_out(
    sandbox: ServerProcess, world: dict[str, Any], http: httpx.Client
) -> None:
    first, body = place_body(world, CAROL)
    second, unwanted = place_body(world, CAROL)
    with Connection(sandbox) as connection:
        closing = request("POST", "/orders/new", body, "Connection: close")
        connection.send(closing + request("POST", "/orders/new", unwanted))
        answer = connection.answer()
        assert answer.json["data"]["inserted"] == 1
        assert answer.headers["connection"] == "close"
        assert connection.rest() == b""
    assert first in open_orders(http, CAROL)
    assert second not in open_orders(http, CAROL)


def test_what_was_asked_is_carried_out_also_when_nobody_waits_for_the_answer(
    sandbox: ServerProcess, world: dict[str, Any], http: httpx.Client
) -> None:
    name, body = place_body(world, ALICE)
    with Connection(sandbox) as connection:
        connection.send(request("POST", "/orders/new", body))
    while name not in open_orders(http, ALICE):
        pass


BIG_ANSWER = "/openapi.json"
ASKED = 1_500  # big answers: far more than the buffers of the kernel hold


def counted(http: httpx.Client, metric: str) -> int:
    """The value of a metric now."""
    for line in http.get("/metrics").text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == metric:
            return int(float(value))
    return 0


def test_who_does_not_read_his_answers_gets_no_further_ones_and_loses_none(
    sandbox: ServerProcess, http: httpx.Client
) -> None:
    """Else a few kilobytes of requests would fill the memory with answers."""
    size = len(http.get(BIG_ANSWER).content)
    assert size * ASKED > 32 * 1024 * 1024
    metric = f'overround_http_requests_total{{route="{BIG_ANSWER}",status="200"}}'
    before = counted(http, metric)
    with Connection(sandbox) as connection:
        connection.send(request("GET", BIG_ANSWER) * ASKED)
        unchanged, last = 0, -1
        while unchanged < 50:  # turns of the same loop that would answer him
            answered = counted(http, metric) - before
            unchanged, last = (unchanged + 1, last) if answered == last else (0, answered)
        assert last < ASKED
        for _ in range(ASKED):
            assert len(connection.answer().body) == size
    assert counted(http, metric) - before == ASKED


def test_who_takes_nothing_of_his_answers_for_long_is_cut_off(hasty: ServerProcess) -> None:
    with hasty.client() as http:
        before = counted(http, "process_open_fds")
        while counted(http, "process_open_fds") != before:  # connections of tests before this one may still close
            before = counted(http, "process_open_fds")
        with Connection(hasty) as connection:
            connection.send(request("GET", BIG_ANSWER) * ASKED)
            while counted(http, "process_open_fds") != before + 1:
                pass
            while counted(http, "process_open_fds") > before:
                pass


# ---- methods and versions ------------------------------------------------------------------------------------------


def test_head_is_get_without_a_body(sandbox: ServerProcess) -> None:
    with Connection(sandbox) as connection:
        connection.send(GET)
        full = connection.answer()
        connection.send(request("HEAD", "/metadata"))
        head = connection.answer(to_head=True)
        connection.send(GET)  # nothing is left over
        assert connection.answer().body == full.body
    assert (head.status, head.headers["content-length"]) == (200, full.headers["content-length"])
    with Connection(sandbox) as connection:
        connection.send(request("HEAD", "/orders/new"))
        assert connection.answer(to_head=True).status == 405


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_both_versions_of_http_are_spoken(sandbox: ServerProcess, version: str) -> None:
    answer = exchange(sandbox, GET.replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
    assert answer.status == 200
    assert (answer.headers.get("connection") == "close") is (version == "1.0")


def test_expectations_are_met(sandbox: ServerProcess) -> None:
    body = json.dumps(signed_cancel(CAROL)).encode()
    with Connection(sandbox) as connection:
        head = request("POST", "/orders/cancel/all", body, "Expect: 100-continue").removesuffix(body)
        connection.send(head)
        assert connection.answer().status == 100
        connection.send(body)
        assert connection.answer().json["status"] == "success"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_upgrade_that_is_not_spoken_here_is_ignored(sandbox: ServerProcess, method: str) -> None:
    """Java's client asks for HTTP/2 with its first request and goes on in HTTP/1.1 when it gets no 101."""
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    if method == "GET":
        answer = exchange(sandbox, request("GET", "/metadata", b"", *upgrade))
    else:
        answer = exchange(
            sandbox, request("POST", "/orders/cancel/all", json.dumps(signed_cancel(CAROL)).encode(), *upgrade)
        )
    assert answer.json["status"] == "success"


def test_every_answer_names_its_request_and_the_time(sandbox: ServerProcess) -> None:
    answers: list[Answer] = [exchange(sandbox, data) for data in (GET, request("GET", "/nothing"), b"garbage\r\n\r\n")]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3
    assert all("date" in answer.headers for answer in answers)
    assert all("server" not in answer.headers for answer in answers)
