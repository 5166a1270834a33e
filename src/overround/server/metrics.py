"""Counters for Prometheus (`GET /metrics`)."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from overround.engine.record import Record
from overround.runtime.venue import Venue

_LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """One registry for one server, so that two servers in a process do not share counters."""

    def __init__(self, venue: Venue) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self._requests = Counter(
            "overround_http_requests", "Requests answered", ["route", "status"], registry=self.registry
        )
        self._latency = Histogram(
            "overround_http_request_seconds",
            "From the last byte of a request to its answer",
            ["route"],
            buckets=_LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._records = Counter("overround_records", "Durable journal records", ["command"], registry=self.registry)
        self._events = Counter("overround_events", "Events in durable records", ["event"], registry=self.registry)
        for name, text, read in (
            ("overround_journal_seq", "Seq of the last durable record", lambda: venue.views.seq),
            ("overround_open_orders", "Orders on the books", lambda: len(venue.views.orders.by_hash)),
            (
                "overround_inbox_commands",
                "Commands waiting for their turn",
                lambda: venue.sequencer.inbox_size,
            ),
            ("overround_replayed_records", "Records replayed at start", lambda: venue.replayed),
        ):
            Gauge(name, text, registry=self.registry).set_function(read)
        self._bound: dict[object, Counter | Histogram] = {}  # labels() is slow: each child is looked up once
        venue.listeners.append(self.count_record)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        key = (route, status)
        counter = self._bound.get(key)
        if counter is None:
            counter = self._bound[key] = self._requests.labels(route, status)
        counter.inc()  # type: ignore[union-attr]
        histogram = self._bound.get(route)
        if histogram is None:
            histogram = self._bound[route] = self._latency.labels(route)
        histogram.observe(seconds)  # type: ignore[union-attr]

    def count_record(self, record: Record) -> None:
        """One record became durable."""
        self._count(self._records, type(record.command))
        for event in record.events:
            self._count(self._events, type(event))

    def _count(self, family: Counter, kind: type) -> None:
        counter = self._bound.get(kind)
        if counter is None:
            counter = self._bound[kind] = family.labels(kind.__name__)
        counter.inc()  # type: ignore[union-attr]

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)
