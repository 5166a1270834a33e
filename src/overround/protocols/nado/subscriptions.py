"""The subscription socket (`spec/nado.md` 11): requests in, answers out."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from overround.protocols import strict_json
from overround.protocols.nado import wire
from overround.protocols.nado.digests import Domain, stream_authentication_digest
from overround.protocols.nado.errors import Code, GatewayError
from overround.protocols.nado.nonces import RECV_WINDOW_MS
from overround.protocols.nado.signatures import ReadSignature, read_signature, recover_signer
from overround.protocols.nado.units import UINT64_MAX, hex_text, parse_bytes, parse_int, shown, wallet_of

STREAMS_MAX: Final = 200  # streams of one connection, and so of one request (O25)
AUTH_NEEDED: Final = "Auth is needed."
_UNREADABLE_ID: Final = 0

_T = TypeVar("_T")


class SubscriptionError(Exception):
    """A request that is answered with an error; the connection stays open."""

    def __init__(self, message: str, id: int = _UNREADABLE_ID) -> None:
        super().__init__(message)
        self.id = id


class Stream(msgspec.Struct, frozen=True, omit_defaults=True):
    """A stream, which may be used as a key: equal ones are one subscription."""

    type: str
    product_id: int | None = None
    """None where the stream has no product, or follows all of them."""
    subaccount: bytes | None = None
    granularity: int | None = None

    @property
    def needs_authentication(self) -> bool:
        """Only the one that shows orders does (11.2)."""
        return self.type == "order_update"

    def wire(self) -> dict[str, Any]:
        """As `list` shows it."""
        spelt: dict[str, Any] = {"type": self.type}
        if self.product_id is not None:
            spelt["product_id"] = self.product_id
        if self.subaccount is not None:
            spelt["subaccount"] = hex_text(self.subaccount)
        if self.granularity is not None:
            spelt["granularity"] = self.granularity
        return spelt


# Which members each stream has: product (must be there, may be there), subaccount, granularity.
_REQUIRED, _OPTIONAL, _NONE = "required", "optional", ""
_STREAMS: Final[dict[str, tuple[str, bool, bool]]] = {
    "order_update": (_OPTIONAL, True, False),
    "fill": (_OPTIONAL, True, False),
    "position_change": (_OPTIONAL, True, False),
    "trade": (_REQUIRED, False, False),
    "best_bid_offer": (_REQUIRED, False, False),
    "book_depth": (_REQUIRED, False, False),
    "all_bbo": (_NONE, False, False),
    "liquidation": (_OPTIONAL, False, False),
    "latest_candlestick": (_REQUIRED, False, True),
    "funding_payment": (_REQUIRED, False, False),
    "funding_rate": (_OPTIONAL, False, False),
}
STREAM_TYPES: Final = tuple(_STREAMS)


class Authenticate(msgspec.Struct, frozen=True):
    """Prove whose socket this is (11.2): the wallet's, with all its subaccounts, for as long as it lives."""

    id: int
    sender: bytes
    expiration_ms: int
    digest: bytes
    signature: ReadSignature

    @property
    def wallet(self) -> bytes:
        """Whose orders may be followed afterwards."""
        return wallet_of(self.sender)

    def check_window(self, now_ms: int) -> None:
        """Refuse what was signed for another time: `now <= expiration <= now + 100 s`. Raises `SubscriptionError`."""
        if not now_ms <= self.expiration_ms <= now_ms + RECV_WINDOW_MS:
            when = (
                f"expiration {self.expiration_ms} is not within {RECV_WINDOW_MS} ms after the venue's clock, {now_ms}"
            )
            raise SubscriptionError(when, self.id)

    def signer(self) -> bytes:
        """Who signed. Expensive. Raises `SubscriptionError`."""
        try:
            return recover_signer(self.digest, self.signature)
        except GatewayError as error:
            raise SubscriptionError(str(error), self.id) from None


class Subscribe(msgspec.Struct, frozen=True):
    """Follow streams. One that is followed already stays as it is."""

    id: int
    streams: tuple[Stream, ...]


class Unsubscribe(msgspec.Struct, frozen=True):
    """Follow streams no more. One that is not followed is no error."""

    id: int
    streams: tuple[Stream, ...]


class ListStreams(msgspec.Struct, frozen=True):
    """Which streams are followed?"""

    id: int


class Ping(msgspec.Struct, frozen=True):
    """Keep-alive, in JSON."""

    id: int
    client_time: str | int | None


class Time(msgspec.Struct, frozen=True):
    """What time is it?"""

    id: int


Request = Authenticate | Subscribe | Unsubscribe | ListStreams | Ping | Time


def decode_request(frame: bytes, domain: Domain) -> Request:
    """Decode a frame of `/subscribe`. Raises `SubscriptionError`, with the id where it could be read."""
    try:
        body = strict_json.decode_body(frame, wire.SubscriptionBody)
        if not 0 <= body.id <= UINT64_MAX:
            raise SubscriptionError("error parsing request: id: does not fit uint64")
    except strict_json.MalformedBody as error:
        raise SubscriptionError(f"error parsing request: {error}", _id_in(frame)) from None
    try:
        return _request(body, domain)
    except ValueError as error:
        raise SubscriptionError(f"error parsing request: {error}", body.id) from None


def _id_in(frame: bytes) -> int:
    try:
        found = strict_json.decode_body(frame, wire.Echo).id
    except strict_json.MalformedBody:
        return _UNREADABLE_ID
    plain = isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= UINT64_MAX
    return found if plain else _UNREADABLE_ID


def _request(body: wire.SubscriptionBody, domain: Domain) -> Request:
    match body.method:
        case "authenticate":
            return _authenticate(body, domain)
        case "subscribe":
            return Subscribe(body.id, (_stream(_there(body.stream, "stream")),))
        case "unsubscribe":
            return Unsubscribe(body.id, (_stream(_there(body.stream, "stream")),))
        case "subscribe_multi":
            return Subscribe(body.id, _streams(body))
        case "unsubscribe_multi":
            return Unsubscribe(body.id, _streams(body))
        case "list":
            return ListStreams(body.id)
        case "ping":
            return Ping(body.id, _client_time(body.client_time))
        case "time":
            return Time(body.id)
        case _:
            raise ValueError(f"unknown method {shown(body.method)}")


def _authenticate(body: wire.SubscriptionBody, domain: Domain) -> Authenticate:
    tx = _there(body.tx, "tx")
    sender, expiration = _bytes32(tx.sender, "tx.sender"), _expiration(tx.expiration)
    digest = stream_authentication_digest(domain, sender, expiration)
    signature = read_signature(_there(body.signature, "signature"))
    return Authenticate(body.id, sender, expiration, digest, signature)


def _there(value: _T | None, name: str) -> _T:
    if value is None:
        raise ValueError(f"missing field `{name}`")
    return value


def _streams(body: wire.SubscriptionBody) -> tuple[Stream, ...]:
    streams = _there(body.streams, "streams")
    if len(streams) > STREAMS_MAX:
        raise ValueError(f"streams: a connection follows at most {STREAMS_MAX}")
    return tuple(dict.fromkeys(_stream(one) for one in streams))


def _stream(given: dict[str, Any]) -> Stream:
    kind = _there(given.get("type"), "type")
    if not isinstance(kind, str) or kind not in _STREAMS:
        raise ValueError(f"unknown stream {shown(str(kind))}")
    product, has_subaccount, has_granularity = _STREAMS[kind]
    product_id = _number(given, "product_id", 32) if product else None
    if product == _REQUIRED:
        _there(product_id, "product_id")
    subaccount = _bytes32(_there(given.get("subaccount"), "subaccount"), "subaccount") if has_subaccount else None
    granularity = _there(_number(given, "granularity", 32), "granularity") if has_granularity else None
    return Stream(kind, product_id, subaccount, granularity)


def _number(given: dict[str, Any], name: str, bits: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    try:
        return parse_int(value, bits)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _bytes32(value: Any, name: str) -> bytes:
    try:
        return parse_bytes(value, 32)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _expiration(value: Any) -> int:
    try:
        return parse_int(value, 64)
    except ValueError as error:
        raise ValueError(f"tx.expiration: {error}") from None


def _client_time(value: Any) -> str | int | None:
    """Echoed as it came; what is no time is not repeated."""
    try:
        parse_int(value, 64)
    except ValueError:
        return None
    assert isinstance(value, str | int)
    return value


# ---- answers -------------------------------------------------------------------------------------------------------


def succeeded(id: int) -> bytes:
    """The answer to everything that only needs a yes."""
    return strict_json.encode({"result": None, "id": id})


def refused(error: SubscriptionError) -> bytes:
    """The answer to what cannot be done."""
    return strict_json.encode({"result": None, "error": str(error), "id": error.id})


def compression_required() -> bytes:
    """What a socket without permessage-deflate is told before it is closed, in strict mode (O26)."""
    code = Code.WEBSOCKET_COMPRESSION_REQUIRED
    return refused(SubscriptionError(f"{code.value}: {code.text}"))


def listed(id: int, streams: list[Stream]) -> bytes:
    """The answer to `list`; the first stream is one that nobody asked for."""
    return strict_json.encode({"result": [{"type": "default"}, *(stream.wire() for stream in streams)], "id": id})


def pong(ping: Ping, now_ms: int) -> bytes:
    """The answer to `ping`."""
    result: dict[str, Any] = {"method": "pong", "server_time": str(now_ms)}
    if ping.client_time is not None:
        result["client_time"] = ping.client_time
    return strict_json.encode({"result": result, "id": ping.id})


def time(id: int, now_ms: int) -> bytes:
    """The answer to `time`."""
    return strict_json.encode({"result": {"method": "time", "server_time": str(now_ms)}, "id": id})
