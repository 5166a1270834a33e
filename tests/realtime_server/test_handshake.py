"""Opening a socket (centrifugo.md 1, `spec/decisions.md` R4), and what must not open one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.protocols.centrifugo.world import encode
from tests.realtime_server.conftest import Dial
from tests.realtime_server.peer import KEY, PATH, UPGRADE, Answer, Peer, frame
from tests.server.raw import Connection, assert_refusal, request

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("realtime handshake")

PROTOCOL = "sec-websocket-protocol"
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # what belongs to KEY (RFC 6455, 1.3)


def ask(server: ServerProcess, *headers: str, path: str = PATH, host: str | None = None) -> Answer:
    """Only the answer to a handshake."""
    with Peer(server, upgrade=False) as peer:
        if host is not None:
            peer.host = host
        peer.send_bytes(peer.handshake(*headers, path=path))
        return peer.answer()


# ---- sub-protocols -------------------------------------------------------------------------------------------------


@pytest.mark.row("CF-01", "ENV-02", "WS-01")
def test_without_a_sub_protocol_json_is_spoken(sandbox: ServerProcess, dial: Dial) -> None:
    answer = ask(sandbox)
    assert (answer.status, answer.headers["upgrade"].lower()) == (101, "websocket")
    assert answer.headers["sec-websocket-accept"] == ACCEPT
    assert PROTOCOL not in answer.headers
    assert dial().subscribe("best_odds:global") == {}


@pytest.mark.row("CF-02")
@pytest.mark.parametrize("header", ["Sec-WebSocket-Protocol:", "Sec-WebSocket-Protocol: ", "Sec-WebSocket-Protocol: ,"])
def test_an_empty_sub_protocol_is_as_good_as_none(sandbox: ServerProcess, token: str, header: str) -> None:
    assert PROTOCOL not in ask(sandbox, header).headers
    with Peer(sandbox, header) as peer:
        peer.connect(token)


@pytest.mark.row("CF-03")
def test_an_unknown_sub_protocol_is_passed_over(sandbox: ServerProcess, token: str) -> None:
    header = "Sec-WebSocket-Protocol: graphql-ws, centrifuge-json-v9"
    assert PROTOCOL not in ask(sandbox, header).headers
    with Peer(sandbox, header) as peer:
        peer.connect(token)


@pytest.mark.row("CF-04")
@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        ("centrifuge-protobuf", "centrifuge-protobuf"),
        ("centrifuge-json", "centrifuge-json"),
        ("graphql-ws, centrifuge-protobuf, centrifuge-json", "centrifuge-protobuf"),
        ("centrifuge-json, centrifuge-protobuf", "centrifuge-json"),
    ],
)
def test_the_first_known_sub_protocol_is_agreed_on(
    sandbox: ServerProcess, token: str, offered: str, agreed: str
) -> None:
    assert ask(sandbox, f"Sec-WebSocket-Protocol: {offered}").headers[PROTOCOL] == agreed
    with Peer(sandbox, f"Sec-WebSocket-Protocol: {offered}") as peer:
        peer.framing = agreed.removeprefix("centrifuge-")
        peer.connect(token)


@pytest.mark.row("CF-04")
@pytest.mark.parametrize("query", ["format=protobuf", "cf_protocol=protobuf", "cf_protocol_version=v2&format=protobuf"])
def test_the_query_may_ask_for_protobuf(sandbox: ServerProcess, token: str, query: str) -> None:
    with Peer(sandbox, path=f"{PATH}?{query}") as peer:
        peer.framing = "protobuf"
        peer.connect(token)


def test_other_queries_mean_nothing(sandbox: ServerProcess, token: str) -> None:
    with Peer(sandbox, path=f"{PATH}?cf_protocol_version=v2&x=1&format=xml&&=") as peer:
        peer.connect(token)


def test_compression_is_not_agreed_on(sandbox: ServerProcess) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    answer = ask(sandbox, offer)
    assert answer.status == 101
    assert "sec-websocket-extensions" not in answer.headers


def test_frames_may_follow_the_handshake_at_once(sandbox: ServerProcess, token: str, framing: str) -> None:
    with Peer(sandbox, framing=framing, upgrade=False) as peer:
        hello = encode(framing, {"id": 1, "connect": {"token": token}})
        offered = ["Sec-WebSocket-Protocol: centrifuge-protobuf"] if framing == "protobuf" else []
        peer.send_bytes(peer.handshake(*offered) + frame(hello))
        assert peer.answer().status == 101
        assert peer.find(lambda message: message.get("id") == 1)["connect"]["pong"] is True


def test_a_handshake_may_come_byte_by_byte(sandbox: ServerProcess, token: str) -> None:
    with Peer(sandbox, upgrade=False) as peer:
        for byte in peer.handshake():
            peer.send_bytes(bytes([byte]))
        assert peer.answer().status == 101
        peer.connect(token)


# ---- origins -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://{}", "https://{}", "HTTP://{}"])
def test_pages_of_our_own_may_connect(sandbox: ServerProcess, origin: str) -> None:
    host = sandbox.base_url.removeprefix("http://")
    assert ask(sandbox, f"Origin: {origin.format(host)}").status == 101


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://", "", "http://{}.evil.example"],
)
def test_pages_of_others_may_not(sandbox: ServerProcess, origin: str) -> None:
    host = sandbox.base_url.removeprefix("http://")
    answer = ask(sandbox, f"Origin: {origin.format(host)}")
    assert (answer.status, answer.json["errorCode"]) == (403, "FORBIDDEN")
    assert "allowed_origins" in answer.json["detail"]


@pytest.fixture(scope="module")
def hospitable(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server that lets pages of two others in."""
    file = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text('[realtime]\nallowed_origins = ["https://example.org", "http://localhost:3000"]\n')
    with ServerProcess("--config", str(file)) as server:
        yield server


def test_listed_pages_may_connect_and_no_others(hospitable: ServerProcess) -> None:
    for origin in ("https://example.org", "HTTPS://EXAMPLE.ORG", "http://localhost:3000"):
        assert ask(hospitable, f"Origin: {origin}").status == 101
    for origin in ("http://example.org", "https://example.org:444", "https://www.example.org", "http://localhost:3001"):
        assert ask(hospitable, f"Origin: {origin}").status == 403


# ---- what opens no socket ------------------------------------------------------------------------------------------

KEY_HEADER = f"Sec-WebSocket-Key: {KEY}"
VERSION = "Sec-WebSocket-Version: 13"
ASKING = ["Upgrade: websocket", "Connection: Upgrade"]


@pytest.mark.parametrize(
    ("first_line", "headers", "status"),
    [
        pytest.param("GET {}", [*ASKING, VERSION], 400, id="no key"),
        pytest.param("GET {}", [*ASKING, VERSION, "Sec-WebSocket-Key: abc"], 400, id="a key that is none"),
        pytest.param("GET {}", [*ASKING, VERSION, f"Sec-WebSocket-Key: {KEY[:-4]}"], 400, id="a short key"),
        pytest.param("GET {}", [*ASKING, VERSION, KEY_HEADER, KEY_HEADER], 400, id="two keys"),
        pytest.param("GET {}", [*ASKING, KEY_HEADER], 400, id="no version"),
        pytest.param("GET {}", [*ASKING, KEY_HEADER, "Sec-WebSocket-Version: 12"], 400, id="another version"),
        pytest.param("GET {}", [*ASKING, KEY_HEADER, "Sec-WebSocket-Version: 14"], 400, id="a version to come"),
        pytest.param("GET {}", [*UPGRADE, "Content-Length: 5"], 400, id="a body"),
        pytest.param("GET {}", [*UPGRADE, "Transfer-Encoding: chunked"], 400, id="a body in chunks"),
        pytest.param("GET {}", [*UPGRADE, "Cookie: " + "x" * 9_000], 431, id="a header that is too long"),
        pytest.param("POST {}", [*UPGRADE, "Content-Length: 0"], 400, id="POST"),
        pytest.param("PUT {}", [*UPGRADE, "Content-Length: 0"], 400, id="PUT"),
        pytest.param("GET {}s", UPGRADE, 404, id="another path"),
        pytest.param("GET {}/", UPGRADE, 404, id="a slash behind it"),
        pytest.param("GET /orders", UPGRADE, 404, id="a path without sockets"),
        pytest.param("GET {}", [], 404, id="no upgrade"),
        pytest.param("GET {}", ["Upgrade: websocket", VERSION, KEY_HEADER], 404, id="an upgrade that is not asked for"),
        pytest.param("GET {}", ["Upgrade: h2c", "Connection: Upgrade"], 404, id="another upgrade"),
    ],
)
def test_a_broken_handshake_opens_nothing(
    sandbox: ServerProcess, first_line: str, headers: list[str], status: int
) -> None:
    with Peer(sandbox, upgrade=False) as peer:
        lines = [f"{first_line.format(PATH)} HTTP/1.1", f"Host: {peer.host}", *headers, "", ""]
        peer.send_bytes("\r\n".join(lines).encode())
        answer = peer.answer()
        assert answer.status == status, answer
        assert answer.body
        if status != 404:
            peer.end()  # the connection is of no further use


@pytest.mark.parametrize("version", ["0", "8", "12", "99"])
def test_another_version_is_told_which_one_is_spoken(sandbox: ServerProcess, version: str) -> None:
    with Peer(sandbox, upgrade=False) as peer:
        peer.send_bytes(peer.handshake().replace(b"Version: 13", f"Version: {version}".encode()))
        assert peer.answer().headers["sec-websocket-version"] == "13"


def test_an_upgrade_behind_a_request_that_is_under_way_is_refused(
    sandbox: ServerProcess, world: dict[str, Any]
) -> None:
    """The answer to the request would come among the frames."""
    account = world["accounts"][0]["address"]
    path = f"/admin/balances/{account}/{world['tokens']['USDC']}"
    slow = request("PUT", path, b'{"amount":"100000000000"}', f"Authorization: Bearer {world['adminToken']}")
    with Connection(sandbox) as connection, Peer(sandbox, upgrade=False) as peer:
        connection.send(slow + peer.handshake())
        assert connection.answer().status == 200
        assert_refusal(connection.answer(), 400, "BAD_REQUEST")
        assert connection.rest() == b""


def test_requests_may_come_before_a_handshake_on_the_same_connection(sandbox: ServerProcess, token: str) -> None:
    with Peer(sandbox, upgrade=False) as peer:
        peer.send_bytes(b"GET /metadata HTTP/1.1\r\nHost: x\r\n\r\n")
        assert peer.answer().status == 200
        peer.send_bytes(peer.handshake())
        assert peer.answer().status == 101
        peer.connect(token)
