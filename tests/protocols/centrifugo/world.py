"""A hub, its endpoint, a clock to wind by hand, and peers that speak either framing.

The peers encode and decode with other code than the product: `json`, and the generated messages that the
published Python client ships. Both framings are shown to a test as the same plain dictionaries.
"""

from __future__ import annotations

import importlib
import json
import struct
from collections.abc import Mapping
from typing import Any

import jwt
import msgspec

from overround.protocols.centrifugo import (
    JSON,
    PROTOBUF,
    Connection,
    ConnectionClaims,
    Endpoint,
    Hooks,
    Options,
    SubscriptionClaims,
    TokenProblem,
    TokenRules,
    read_connection,
    read_subscription,
)
from overround.realtime import Disconnect, Hub, Limits, Namespace, Namespaces

START_MS = 1_790_000_000_000
SECRET = "a secret of more than thirty-two bytes" * 2
MARKET = "order_book:market_0x01"
EPOCH = "venueepoch"

VENUE = Namespace(
    journaled=True,
    history_size=5000,
    history_ttl_ms=300_000,
    force_positioning=True,
    force_recovery=True,
    allow_subscribe_for_client=True,
    allow_history_for_client=True,
)
NAMESPACES = Namespaces(
    {
        "order_book": VENUE,
        "active_orders": VENUE,
        "plain": Namespace(allow_subscribe_for_client=True),
        "asked": Namespace(
            allow_subscribe_for_client=True,
            history_size=10,
            history_ttl_ms=60_000,
            allow_positioning=True,
            allow_recovery=True,
        ),
        "reads": Namespace(
            allow_subscribe_for_client=True,
            history_size=10,
            history_ttl_ms=60_000,
            allow_history_for_subscriber=True,
        ),
        "never": Namespace(allow_subscribe_for_client=True, history_size=10, history_ttl_ms=60_000),
        "closed": Namespace(),
        "chat": Namespace(
            history_size=10,
            history_ttl_ms=60_000,
            allow_subscribe_for_client=True,
            allow_publish_for_subscriber=True,
            allow_history_for_subscriber=True,
            presence=True,
            allow_presence_for_subscriber=True,
            join_leave=True,
        ),
        "bytes": Namespace(
            history_size=10,
            history_ttl_ms=60_000,
            force_recovery=True,
            allow_subscribe_for_client=True,
            allow_publish_for_client=True,
            allow_history_for_subscriber=True,
            binary_publications=True,
        ),
        "blink": Namespace(allow_subscribe_for_client=True, allow_publish_for_client=True, binary_publications=True),
    }
)

# Much as the example configuration for the published clients' own tests has it.
OPEN = Namespaces(
    {
        "smallhistory": Namespace(
            history_size=2,
            history_ttl_ms=300_000,
            force_recovery=True,
            allow_subscribe_for_client=True,
            allow_publish_for_subscriber=True,
        )
    },
    Namespace(
        presence=True,
        join_leave=True,
        force_push_join_leave=True,
        history_size=100,
        history_ttl_ms=300_000,
        force_recovery=True,
        allow_subscribe_for_client=True,
        allow_publish_for_subscriber=True,
        allow_presence_for_subscriber=True,
        allow_history_for_subscriber=True,
    ),
)


def token(*, secret: str = SECRET, **claims: Any) -> str:
    """A signed token; `exp` in an hour unless given, None leaves a claim out."""
    given = {"exp": START_MS // 1000 + 3600} | claims
    return jwt.encode({k: v for k, v in given.items() if v is not None}, secret, "HS256")


class SharedSecret:
    """Verifies tokens as a server would: the library checks the signature, we read the claims."""

    def __init__(self, rules: TokenRules | None = None) -> None:
        self.rules = rules or TokenRules()

    def connection(self, token: str, now_ms: int) -> ConnectionClaims | TokenProblem:
        claims = self._signed(token)
        return TokenProblem.INVALID if claims is None else read_connection(claims, now_ms, self.rules)

    def subscription(self, token: str, now_ms: int) -> SubscriptionClaims | TokenProblem:
        claims = self._signed(token)
        return TokenProblem.INVALID if claims is None else read_subscription(claims, now_ms, self.rules)

    def _signed(self, token: str) -> Mapping[str, Any] | None:
        unchecked: Any = {f"verify_{claim}": False for claim in ("exp", "nbf", "iat", "aud", "sub", "jti", "iss")}
        try:
            claims: Mapping[str, Any] = jwt.decode(token, SECRET, algorithms=["HS256"], options=unchecked)
        except jwt.InvalidTokenError:
            return None
        return claims


class World:
    """Everything behind the sockets."""

    def __init__(
        self,
        namespaces: Namespaces = NAMESPACES,
        *,
        framing: str = "json",
        limits: Limits | None = None,
        hooks: Hooks | None = None,
        rules: TokenRules | None = None,
        **options: Any,
    ) -> None:
        self.framing = framing
        self.now_ms = START_MS
        self.hub = Hub(namespaces, epoch=EPOCH, boot="boot", limits=limits)
        self.endpoint: Endpoint[Peer] = Endpoint(
            self.hub, SharedSecret(rules), Options(version="1.2.3", **options), hooks
        )
        self.peers = 0
        self.attentive: list[Peer] = []  # those who answer pings by themselves

    def peer(self, *, framing: str | None = None, jitter: float = 0.0) -> Peer:
        """A socket that was accepted and has said nothing."""
        self.peers += 1
        return Peer(self, framing or self.framing, f"client-{self.peers}", jitter)

    def connected(self, user: str = "u1", **claims: Any) -> Peer:
        """A peer that connected; its reply is read already."""
        peer = self.peer()
        peer.connect(token=token(sub=user, **claims))
        return peer

    def publish(self, channel: str = MARKET, data: Any = None, **more: Any) -> None:
        """Publish JSON."""
        self.hub.publish(channel, json.dumps(data).encode(), self.now_ms, **more)

    def wind(self, ms: int) -> None:
        """Let time pass, firing timers one by one as a shell does."""
        end = self.now_ms + ms
        while (due := self.endpoint.next_deadline()) is not None and due <= end:
            self.now_ms = max(self.now_ms, due)
            self.endpoint.tick(self.now_ms)
            for peer in self.attentive:
                peer.answer_pings()
        self.now_ms = end

    def restarted(self) -> World:
        """The venue after a restart, built from what a snapshot holds."""
        other = World(self.hub.namespaces, framing=self.framing, limits=self.hub.limits)
        other.now_ms = self.now_ms
        other.hub.restore(stored(self.hub.snapshot()))
        return other


def stored(snapshot: dict[str, Any]) -> dict[str, Any]:
    """A snapshot as it comes back from storage."""
    restored: dict[str, Any] = msgspec.msgpack.decode(msgspec.msgpack.encode(snapshot))
    return restored


class Peer:
    """The other end of one connection."""

    def __init__(self, world: World, framing: str, client: str, jitter: float) -> None:
        self.world = world
        self.framing = framing
        self.client = client
        self.connection: Connection[Peer] = world.endpoint.open(
            self,
            JSON if framing == "json" else PROTOBUF,
            client=client,
            jitter=jitter,
            now_ms=world.now_ms,
        )
        self.ids = 0
        self._unread: list[dict[str, Any]] = []

    # -- out -----------------------------------------------------------------------------------------

    def raw(self, message: bytes) -> None:
        """One message as it is."""
        self.world.endpoint.receive(self.connection, message, self.world.now_ms)

    def send(self, *commands: dict[str, Any]) -> None:
        """Several commands in one message."""
        self.raw(encode(self.framing, *commands))

    def ask(self, key: str, **request: Any) -> dict[str, Any]:
        """One command; returns its reply, which must be all that came."""
        self.ids += 1
        self.send({"id": self.ids, key: request})
        replies = self.read()
        assert [reply.get("id") for reply in replies] == [self.ids]
        return replies[0]

    def connect(self, **request: Any) -> dict[str, Any]:
        """Connect and expect to be let in."""
        result: dict[str, Any] = self.ask("connect", **request)["connect"]
        return result

    def subscribe(self, channel: str = MARKET, **request: Any) -> dict[str, Any]:
        """Subscribe and expect it to be granted."""
        result: dict[str, Any] = self.ask("subscribe", channel=channel, **request)["subscribe"]
        return result

    def refused(self, key: str, **request: Any) -> int:
        """One command; returns the code of the error that answers it."""
        code: int = self.ask(key, **request)["error"]["code"]
        return code

    def pong(self) -> None:
        """Answer a ping."""
        self.raw(b"{}" if self.framing == "json" else b"\0")

    def attend(self) -> Peer:
        """Answer every ping from now on."""
        self.world.attentive.append(self)
        return self

    def answer_pings(self) -> None:
        """Answer the pings that wait."""
        unread = self.read()
        self._unread = [message for message in unread if message]
        for _ in range(len(unread) - len(self._unread)):
            self.pong()

    # -- in ------------------------------------------------------------------------------------------

    def read(self) -> list[dict[str, Any]]:
        """Everything that waits, one dictionary per WebSocket frame; a ping is {}."""
        taken = b""
        while chunk := self.connection.output():
            taken += chunk
        unread, self._unread = self._unread, []
        return unread + [decode(self.framing, *frame) for frame in frames(taken)]

    def pubs(self) -> list[dict[str, Any]]:
        """The publications that wait, and nothing else may."""
        return [message["push"]["pub"] for message in self.read()]

    @property
    def closed(self) -> int | None:
        """The code that the connection ended with."""
        ended: Disconnect | None = self.connection.ended
        return ended.code if ended else None


def frames(taken: bytes) -> list[tuple[int, bytes]]:
    """Opcode and payload of each WebSocket frame in a chunk."""
    found, at = [], 0
    while at < len(taken):
        first, size = taken[at], taken[at + 1]
        assert first & 0xF0 == 0x80, "final, no extension"
        at += 2
        if size == 126:
            (size,) = struct.unpack_from("!H", taken, at)
            at += 2
        elif size == 127:
            (size,) = struct.unpack_from("!Q", taken, at)
            at += 8
        found.append((first & 0x0F, taken[at : at + size]))
        at += size
    assert at == len(taken)
    return found


# -- the framings, spoken by other code than ours ------------------------------------------------------

# Fields of appendix A that the client's messages do not know yet.
NEWER_FIELDS = (("SubscribeRequest", "type", 15, "TYPE_INT32"), ("Publication", "epoch", 14, "TYPE_STRING"))


def message_types() -> dict[str, Any]:
    """The client's generated messages, completed."""
    generated: Any = importlib.import_module("centrifuge.protocol.client_pb2")
    protobuf: Any = importlib.import_module("google.protobuf.descriptor_pb2")
    pools: Any = importlib.import_module("google.protobuf.descriptor_pool")
    factory: Any = importlib.import_module("google.protobuf.message_factory")
    schema = protobuf.FileDescriptorProto()
    generated.DESCRIPTOR.CopyToProto(schema)
    for owner, name, number, kind in NEWER_FIELDS:
        (message,) = (one for one in schema.message_type if one.name == owner)
        if all(field.number != number for field in message.field):
            optional = protobuf.FieldDescriptorProto.LABEL_OPTIONAL
            value = protobuf.FieldDescriptorProto.Type.Value(kind)
            message.field.add(name=name, number=number, label=optional, type=value)
    pool = pools.DescriptorPool()
    pool.Add(schema)
    return {
        name: factory.GetMessageClass(pool.FindMessageTypeByName(f"{schema.package}.{name}"))
        for name in ("Command", "Reply")
    }


MESSAGES = message_types()


def encode(framing: str, *commands: dict[str, Any]) -> bytes:
    """Commands as a client sends them in one message."""
    if framing == "json":
        return "\n".join(json.dumps(command) for command in commands).encode()
    records = [fill(MESSAGES["Command"](), command).SerializeToString() for command in commands]
    return b"".join(varint(len(record)) + record for record in records)


def decode(framing: str, opcode: int, payload: bytes) -> dict[str, Any]:
    """One object that the server sent alone in a frame."""
    if framing == "json":
        assert opcode == 1
        reply: dict[str, Any] = json.loads(payload)
        return reply
    assert opcode == 2
    size, at = read_varint(payload)
    assert at + size == len(payload), "one record in a frame"
    record = MESSAGES["Reply"]()
    record.ParseFromString(payload[at:])
    return plain(record)


def fill(message: Any, values: Mapping[str, Any]) -> Any:
    """Set the fields of a generated message; payloads are given as JSON values, or as bytes to be taken as they are."""
    for name, value in values.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key, entry in value.items():
                fill(getattr(message, name)[key], entry)
        elif field.message_type is not None:
            getattr(message, name).SetInParent()
            fill(getattr(message, name), value)
        elif field.type == field.TYPE_BYTES:
            setattr(message, name, value if isinstance(value, bytes) else json.dumps(value).encode())
        else:
            setattr(message, name, value)
    return message


def plain(message: Any) -> dict[str, Any]:
    """The set fields of a generated message; payloads become JSON values, or stay bytes where they are none."""
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            found[field.name] = {key: entry if isinstance(entry, str) else plain(entry) for key, entry in value.items()}
        elif field.message_type is not None and hasattr(value, "append"):
            found[field.name] = [plain(entry) for entry in value]
        elif field.message_type is not None:
            found[field.name] = plain(value)
        else:
            found[field.name] = payload_of(value) if field.type == field.TYPE_BYTES else value
    return found


def payload_of(data: bytes) -> Any:
    """What a payload says."""
    try:
        return json.loads(data)
    except ValueError:
        return data


def varint(number: int) -> bytes:
    """A length in front of a record."""
    digits = []
    while number > 127:
        digits.append(number % 128 + 128)
        number //= 128
    return bytes([*digits, number])


def read_varint(payload: bytes) -> tuple[int, int]:
    """A length, and where it ends."""
    number = 0
    for place, byte in enumerate(payload):
        number += (byte & 127) << (7 * place)
        if byte < 128:
            return number, place + 1
    raise AssertionError("no end")
