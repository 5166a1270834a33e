"""Which framing a handshake chooses, what it echoes, and whose pages may connect."""

import pytest

from overround.protocols.centrifugo import JSON, PROTOBUF, Handshake, is_origin_allowed, negotiate


@pytest.mark.row("CF-01")
def test_without_a_subprotocol_the_framing_is_json() -> None:
    assert negotiate(None) == Handshake(JSON, None)
    assert negotiate(None, "cf_protocol_version=v2&cf_ws_frame_ping_pong=true") == Handshake(JSON)


@pytest.mark.row("CF-02")
@pytest.mark.parametrize("empty", ["", " ", ",", " , "])
def test_an_empty_header_is_as_good_as_none(empty: str) -> None:
    assert negotiate(empty) == Handshake(JSON, None)


@pytest.mark.row("CF-03")
def test_an_unknown_subprotocol_is_not_echoed() -> None:
    assert negotiate("mqtt") == Handshake(JSON, None)
    assert negotiate("Centrifuge-Protobuf") == Handshake(JSON, None)


@pytest.mark.row("CF-04")
def test_the_first_known_subprotocol_is_echoed() -> None:
    assert negotiate("centrifuge-protobuf") == Handshake(PROTOBUF, "centrifuge-protobuf")
    assert negotiate("centrifuge-json") == Handshake(JSON, "centrifuge-json")
    offered = "mqtt, centrifuge-protobuf ,centrifuge-json"
    assert negotiate(offered) == Handshake(PROTOBUF, "centrifuge-protobuf")
    assert negotiate("centrifuge-json", "format=protobuf") == Handshake(JSON, "centrifuge-json")


@pytest.mark.row("CF-04")
@pytest.mark.parametrize("query", ["format=protobuf", "x=1&cf_protocol=protobuf"])
def test_the_query_can_ask_for_protobuf(query: str) -> None:
    assert negotiate(None, query) == Handshake(PROTOBUF, None)
    assert negotiate("mqtt", query) == Handshake(PROTOBUF, None)


@pytest.mark.parametrize(
    ("origin", "allowed", "welcome"),
    [
        (None, [], True),
        ("https://venue.example:8080", [], True),
        ("HTTPS://Venue.Example:8080", [], True),
        ("https://venue.example", [], False),
        ("https://other.example", [], False),
        ("null", [], False),
        ("", [], False),
        ("venue.example:8080", [], False),
        ("http://[", [], False),
        ("https://other.example", ["https://Other.example"], True),
        ("https://other.example", ["*"], True),
        ("https://evil.example", ["https://other.example"], False),
    ],
)
def test_origins(origin: str | None, allowed: list[str], welcome: bool) -> None:
    assert is_origin_allowed(origin, "venue.example:8080", allowed) is welcome
