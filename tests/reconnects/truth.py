"""What every channel said, thought out from the journal once more: nothing of the live hub is in it."""

from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from overround.journal.sqlite import SqliteJournal
from overround.realtime import Position
from overround.runtime.feed import Feed
from overround.views.views import Views


class Said(NamedTuple):
    """One publication, as far as it is compared."""

    message_id: str
    digest: bytes
    size: int

    @classmethod
    def of(cls, message_id: str, data: Any) -> Said:
        """A publication as a client has it: parsed."""
        text = json.dumps(data, sort_keys=True, separators=(",", ":")).encode()
        return cls(message_id, hashlib.sha256(text).digest()[:12], len(text))


class Truth:
    """By channel, every publication since the venue began: that of offset 1 first."""

    def __init__(self, folder: Path) -> None:
        self.channels: dict[str, list[Said]] = {}
        self.cursor = 0
        views = Views()
        feed = Feed(views, self)
        with closing(SqliteJournal(folder, read_only=True)) as journal:
            for record in journal.read(0):
                feed.follow(record, views.apply(record))

    def top(self, channel: str) -> int:
        """The newest offset."""
        return len(self.channels.get(channel, ()))

    # ---- as a FeedPublisher ---------------------------------------------------------------------------------------

    def publish(self, channel: str, data: bytes, time_ms: int, message_id: str) -> None:
        """Remember one publication."""
        del time_ms
        self.channels.setdefault(channel, []).append(Said.of(message_id, json.loads(data)))

    def advance(self, cursor: int) -> None:
        """Everything up to this record is in."""
        self.cursor = cursor

    def position(self, channel: str) -> Position | None:
        """Not needed."""
        raise NotImplementedError

    def snapshot(self) -> dict[str, Any]:
        """Not needed."""
        raise NotImplementedError
