"""A framing that a test can read: every frame is one JSON line."""

from __future__ import annotations

import json
from typing import Any

from overround.realtime import (
    ClientInfo,
    Grant,
    Hub,
    Joined,
    Position,
    Publication,
    Session,
    Unsubscribe,
    grant,
)


class PlainFraming:
    """Counts what it encodes."""

    reads_binary = False

    def __init__(self) -> None:
        self.encoded = 0

    def publication(self, channel: str, publication: Publication, epoch: str) -> bytes:
        self.encoded += 1
        return line("pub", channel, offset=publication.offset, epoch=epoch, data=publication.data)

    def body(self, publication: Publication, epoch: str) -> bytes:
        self.encoded += 1
        return line("body", "", offset=publication.offset, epoch=epoch, data=publication.data)

    def join(self, channel: str, info: ClientInfo) -> bytes:
        return line("join", channel, client=info.client)

    def leave(self, channel: str, info: ClientInfo) -> bytes:
        return line("leave", channel, client=info.client)

    def unsubscribe(self, channel: str, why: Unsubscribe) -> bytes:
        return line("unsubscribe", channel, code=why.code)


def line(kind: str, channel: str, **more: Any) -> bytes:
    said = {k: json.loads(v) if isinstance(v, bytes) else v for k, v in more.items()}
    return json.dumps({"kind": kind, "channel": channel} | said).encode() + b"\n"


def lines(chunk: bytes) -> list[dict[str, Any]]:
    """What a chunk says."""
    return [json.loads(one) for one in chunk.splitlines()]


def read(session: Session) -> list[dict[str, Any]]:
    """Everything that waits for a session."""
    said: list[dict[str, Any]] = []
    while chunk := session.take():
        said += lines(chunk)
    return said


def granted(hub: Hub, channel: str, **asked: bool) -> Grant:
    """What a named user gets of a channel."""
    namespace = hub.namespaces.of(channel)
    assert namespace is not None
    return grant(namespace, "user", **asked)


def joined(hub: Hub, session: Session, channel: str, now_ms: int = 0, *, since: Position | None = None) -> Joined:
    """Join and announce, as a protocol does."""
    result = hub.join(session, channel, granted(hub, channel), now_ms, since=since)
    assert result is not None
    hub.announce(session, channel)
    return result
