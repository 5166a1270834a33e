"""The Centrifugo client protocol, version 2, over the hub of `overround.realtime`.

Pure: bytes in, bytes out, time and randomness handed in. A WebSocket shell drives it like this::

    endpoint = Endpoint[Socket](hub, verifier, Options(version=__version__, ping_interval_ms=30_000))

    class Socket:                                  # one WebSocket
        def opened(self, request):                 # after is_origin_allowed(...)
            agreed = negotiate(request.headers.get("sec-websocket-protocol"), request.query)
            ...                                    # answer 101; echo agreed.subprotocol, if any
            self.connection = endpoint.open(
                self, agreed.framing, client=str(uuid4()), jitter=random(), now_ms=now())

        def received(self, payload: bytes):        # one whole message, text or binary alike
            endpoint.receive(self.connection, payload, now())
            wake()

        def flush(self):                           # called by turn() and by resume_writing()
            while not self.paused or self.connection.ended:
                chunk = self.connection.output()   # frames, ready made: several in one write
                if not chunk:
                    break
                self.transport.write(chunk)
            if self.connection.ended:              # 3000 means: close without a code
                self.transport.write(close_frame(self.connection.ended))
                ...                                # wait up to 5 s for the peer's close, then abort
            elif self.paused:
                endpoint.held(self.connection, self.transport.get_write_buffer_size(), now())

        def gone(self):
            endpoint.closed(self.connection)

    def turn():                                    # soon after wake(), or after a publication:
        for connection in endpoint.ready():        # at once when idle, else at most 20 ms later
            connection.owner.flush()

    def on_timer():                                # whenever endpoint.next_deadline() has come
        endpoint.tick(now())
        turn()

`now()` is Unix time in milliseconds of a clock that nobody steps; where the venue's clock differs,
`Hooks.venue_ms` translates. `endpoint.next_deadline()` may come nearer with every call of `open`,
`receive`, `held` and `refresh`: look at it again after a turn.

Revoking a key is `endpoint.disconnect(user, INVALID_TOKEN)`; stopping is `endpoint.shutdown(n)` until it
returns 0.
"""

from overround.protocols.centrifugo.codec import Codec, Malformed
from overround.protocols.centrifugo.connection import Connection
from overround.protocols.centrifugo.endpoint import Endpoint
from overround.protocols.centrifugo.errors import (
    DISCONNECTS,
    ERRORS,
    FORCE_DISCONNECT,
    FORCE_RECONNECT,
    INVALID_TOKEN,
    SERVER_UNSUBSCRIBE,
    SHUTDOWN,
    STATE_INVALIDATED,
    SUBSCRIPTION_INVALIDATED,
    UNSUBSCRIBES,
    WRITE_ERROR,
    Error,
    is_terminal,
)
from overround.protocols.centrifugo.frames import binary_frame, close_frame, text_frame
from overround.protocols.centrifugo.framing_json import JsonFraming
from overround.protocols.centrifugo.framing_protobuf import ProtobufFraming
from overround.protocols.centrifugo.handshake import (
    JSON,
    PATH,
    PROTOBUF,
    Handshake,
    is_origin_allowed,
    negotiate,
)
from overround.protocols.centrifugo.options import Hooks, Options
from overround.protocols.centrifugo.tokens import (
    ChannelClaims,
    ConnectionClaims,
    SubscriptionClaims,
    TokenProblem,
    TokenRules,
    Verifier,
    read_connection,
    read_subscription,
)

__all__ = [
    "DISCONNECTS",
    "ERRORS",
    "FORCE_DISCONNECT",
    "FORCE_RECONNECT",
    "INVALID_TOKEN",
    "JSON",
    "PATH",
    "PROTOBUF",
    "SERVER_UNSUBSCRIBE",
    "SHUTDOWN",
    "STATE_INVALIDATED",
    "SUBSCRIPTION_INVALIDATED",
    "UNSUBSCRIBES",
    "WRITE_ERROR",
    "ChannelClaims",
    "Codec",
    "Connection",
    "ConnectionClaims",
    "Endpoint",
    "Error",
    "Handshake",
    "Hooks",
    "JsonFraming",
    "Malformed",
    "Options",
    "ProtobufFraming",
    "SubscriptionClaims",
    "TokenProblem",
    "TokenRules",
    "Verifier",
    "binary_frame",
    "close_frame",
    "is_origin_allowed",
    "is_terminal",
    "negotiate",
    "read_connection",
    "read_subscription",
    "text_frame",
]
