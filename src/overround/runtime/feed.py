"""From durable records to publications, live and at start alike."""

from __future__ import annotations

import secrets
from itertools import chain
from typing import Any, Final, Protocol

from overround.engine.continuous import engine as continuous
from overround.engine.record import Record
from overround.journal.journal import Journal
from overround.protocols.sx import feeds, trade_feeds
from overround.realtime import Hub, Limits, Namespaces, Position
from overround.views.changes import Changes
from overround.views.views import Views


class FeedPublisher(Protocol):
    """Where publications go. In process it is the embedded hub."""

    @property
    def cursor(self) -> int:
        """Seq of the last record whose publications are in."""

    def publish(self, channel: str, data: bytes, time_ms: int, message_id: str) -> None:
        """Hand over one publication; the same `message_id` at every redelivery."""

    def advance(self, cursor: int) -> None:
        """Everything up to this record is in."""

    def position(self, channel: str) -> Position | None:
        """The newest position of a channel; None where there is no history."""

    def snapshot(self) -> dict[str, Any]:
        """Positions and histories as plain data."""


def hub_of(journal: Journal, namespaces: Namespaces, limits: Limits | None = None) -> Hub:
    """A hub whose journaled channels count along this journal; the others start anew with every process (R5)."""
    return Hub(namespaces, epoch=journal.identity, boot=secrets.token_hex(4), limits=limits)


class HubPublisher:
    """The embedded hub."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    @property
    def cursor(self) -> int:
        """Seq of the last record whose publications are in."""
        return self.hub.cursor

    def publish(self, channel: str, data: bytes, time_ms: int, message_id: str) -> None:
        """Number it, keep it, queue it for every subscriber."""
        self.hub.publish(channel, data, time_ms, message_id=message_id)

    def advance(self, cursor: int) -> None:
        """Everything up to this record is in."""
        self.hub.cursor = cursor

    def position(self, channel: str) -> Position | None:
        """The newest position of a channel."""
        return self.hub.position(channel)

    def snapshot(self) -> dict[str, Any]:
        """Positions and histories as plain data."""
        return self.hub.snapshot()


# Nobody on these feeds hears of them: the other dialect has streams of its own.
_OF_CONTINUOUS_MARKETS: Final = frozenset(continuous.RULES)


class Feed:
    """Follows the views, record by record. The same records give the same publications in the same order."""

    def __init__(self, views: Views, publisher: FeedPublisher) -> None:
        self._views = views
        self.publisher = publisher

    def follow(self, record: Record, changes: Changes) -> int:
        """Publish what a record did, once; returns how many publications that were."""
        if record.seq <= self.publisher.cursor:
            return 0
        if type(record.command) in _OF_CONTINUOUS_MARKETS:
            self.publisher.advance(record.seq)
            return 0
        views = self._views
        prices = views.best_odds_changes(changes)
        found = feeds.publications(record, changes.orders, prices, views.catalogue)
        if changes.fills:
            assert views.rules is not None
            found = chain(found, trade_feeds.publications(record, changes.fills, views.rules, views.catalogue))
        number = 0
        for number, one in enumerate(found, start=1):
            self.publisher.publish(one.channel, one.data, record.time_ms, f"{record.seq}-{number}")
        self.publisher.advance(record.seq)
        return number
