"""How connections are treated: the options of the protocol, the hooks of the venue, and both with the hub."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from overround.protocols.centrifugo.tokens import Verifier
from overround.realtime import Hub

__all__ = ["Hooks", "Options", "Setup"]


class Options(Struct, frozen=True, kw_only=True):
    """How connections are treated. The defaults are those of centrifugo.md 14.1.

    Raises ValueError for options that contradict each other.
    """

    version: str  # told to clients; must not be empty

    ping_interval_ms: int = 25_000
    pong_timeout_ms: int = 8_000
    stale_delay_ms: int = 10_000  # to a successful connect
    expiry_grace_ms: int = 25_000  # beyond the life of a token

    message_bytes_max: int = 1024 * 1024
    reply_bytes_max: int = 1024 * 1024  # no frame to a client exceeds it (14.2)
    connections_per_user_max: int = 0  # 0: as many as they like
    commands_burst: int = 1_024  # 512 subscriptions come in one frame after every break
    commands_per_s: int = 256  # 0: as many as they like

    insecure: bool = False  # for tests and trials: no token needed, everything allowed
    allow_anonymous_connect_without_token: bool = False
    allow_anonymous_tokens: bool = False  # tokens with an empty `sub`

    # Subscribe every user with a name to "#name" of this namespace ("": the one without name).
    personal_channel: bool = False
    personal_namespace: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.pong_timeout_ms < self.ping_interval_ms:
            raise ValueError("pong_timeout_ms must be below ping_interval_ms")
        if self.ping_interval_ms % 1000:
            raise ValueError("ping_interval_ms is announced in whole seconds")
        if not self.version:
            raise ValueError("version must not be empty")
        if self.commands_per_s and self.commands_burst < 1:
            raise ValueError("commands_burst must be positive")


def _allow(_user: str, _channel: str) -> bool:
    return True


def _nothing_to_say(_user: str, _channel: str) -> bytes:
    return b""


def _same_clock(now_ms: int) -> int:
    return now_ms


class Hooks(Struct, frozen=True, kw_only=True):
    """What the venue adds to the protocol. Hooks must be quick and must not raise."""

    # A further rule on subscribing without a token, by user and channel.
    may_subscribe: Callable[[str, str], bool] = _allow
    # JSON for the `data` of a subscribe reply, by user and channel; b"" for none.
    greeting: Callable[[str, str], bytes] = _nothing_to_say
    # The hub's time at a connection's time: they differ where a sandbox steps the venue's clock.
    venue_ms: Callable[[int], int] = _same_clock
    # By method name: user and payload in, payload out.
    rpc: Mapping[str, Callable[[str, bytes], bytes]] = {}


class Setup(Struct, frozen=True):
    """What all connections of an endpoint share."""

    hub: Hub
    verifier: Verifier
    options: Options
    hooks: Hooks
