"""Counters for Prometheus (`GET /metrics`).

Counting happens on the hot path and is plain dictionary arithmetic; the client library renders what was counted when
somebody asks. Everything is counted and read on the event loop's thread.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from overround.engine.events import AnyEvent, GraceGranted, HeartbeatFired
from overround.engine.record import Record
from overround.runtime.venue import Venue
from overround.server.durations import Durations
from overround.server.lanes import Lanes
from overround.server.limits import Limits
from overround.server.nado_gateway import NadoGateway
from overround.server.realtime import RealtimeEndpoint
from overround.server.verifier import Verifier

UNREADABLE: Final = "(unreadable)"


class Metrics(Collector):
    """The counters of one server, with a registry of their own: two servers in a process do not share them."""

    def __init__(self, venue: Venue) -> None:
        self._requests: dict[tuple[str, int], int] = defaultdict(int)
        self._durations: dict[str, Durations] = defaultdict(Durations)
        self._records: dict[type, int] = defaultdict(int)
        self._events: dict[type, int] = defaultdict(int)
        self._now_ms = venue.clock.now_ms
        self._firing_lag = Durations()
        self._grace_ms = self._graces = 0
        self._realtime: RealtimeEndpoint | None = None
        self._limits: Limits | None = None
        self._nado: NadoGateway | None = None
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {
            "overround_journal_seq": ("Seq of the last durable record", lambda: venue.views.seq),
            "overround_history_seq": ("Seq of the last record that the history shows", lambda: venue.history.seq),
            "overround_open_orders": (
                "Orders on the books",
                lambda: len(venue.views.orders.by_hash),
            ),
            "overround_open_continuous_orders": (
                "Orders on the books of continuous markets",
                lambda: len(venue.views.continuous.orders),
            ),
            "overround_inbox_commands": ("Commands waiting for their turn", lambda: venue.sequencer.inbox_size),
            "overround_replayed_records": ("Records replayed at start", lambda: venue.replayed),
            "overround_heartbeats_armed": ("Armed heartbeats", lambda: len(venue.views.accounts.heartbeats)),
            "overround_clock_ahead_seconds": (
                "How far the venue's time is ahead of the machine's clock, which was set back; a sandbox's steps aside",
                lambda: venue.clock.ahead_ms() / 1000,
            ),
        }
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(self)
        venue.listeners.append(self.count_record)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """One request was answered."""
        self._requests[route, status] += 1
        self._durations[route].observe(seconds)

    def count_record(self, record: Record) -> None:
        """One record became durable."""
        self._records[type(record.command)] += 1
        for event in record.events:
            kind = type(event)
            self._events[kind] += 1
            if kind is HeartbeatFired or kind is GraceGranted:
                self._count_heartbeat(event)

    def _count_heartbeat(self, event: AnyEvent) -> None:
        if isinstance(event, HeartbeatFired):
            self._firing_lag.observe((self._now_ms() - event.deadline_ms) / 1000)
        elif isinstance(event, GraceGranted):
            self._graces += 1
            self._grace_ms += event.grace_ms

    def watch_realtime(self, realtime: RealtimeEndpoint) -> None:
        """Show what the feeds count as well."""
        self._realtime = realtime

    def watch_limits(self, limits: Limits, lanes: Lanes, verifier: Verifier) -> None:
        """Show who was turned away, and how many wait."""
        self._limits = limits
        self._gauges["overround_signed_requests_waiting"] = (
            "Posts and suspect cancels that wait for their verification",
            lambda: lanes.waiting,
        )
        self._gauges["overround_verifications_waiting"] = (
            "Cancels whose signatures are being verified",
            lambda: verifier.waiting,
        )
        self._gauges["overround_verifier_processes"] = (
            "Processes that verify beside the venue's own",
            lambda: verifier.processes,
        )

    def watch_nado(self, nado: NadoGateway) -> None:
        """Show what the gateway counts as well."""
        self._nado = nado

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """What was counted, for the registry."""
        requests = CounterMetricFamily("overround_http_requests", "Requests answered", labels=["route", "status"])
        for (route, status), count in self._requests.items():
            requests.add_metric([route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "overround_http_request_seconds", "From the last byte of a request to its answer", labels=["route"]
        )
        for route, durations in self._durations.items():
            seconds.add_metric([route], durations.buckets(), durations.total_s)
        yield seconds
        if self._limits is not None:
            refused = CounterMetricFamily("overround_rate_limited", "Requests above a rate limit", labels=["group"])
            for group, count in self._limits.refused.items():
                refused.add_metric([group], count)
            yield refused
        yield _by_type("overround_records", "Durable journal records", "command", self._records)
        yield _by_type("overround_events", "Events in durable records", "event", self._events)
        lag = HistogramMetricFamily(
            "overround_heartbeat_firing_lag_seconds", "From a missed deadline until its cancels were durable", labels=[]
        )
        lag.add_metric([], self._firing_lag.buckets(), self._firing_lag.total_s)
        yield lag
        for name, text, value in (
            ("overround_heartbeat_graces", "Times at which armed heartbeats were given time back", self._graces),
            ("overround_heartbeat_grace_seconds", "Time given back to armed heartbeats", self._grace_ms / 1000),
        ):
            yield CounterMetricFamily(name, text, value=value)
        for name, (text, read) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        if self._realtime is not None:
            yield from _realtime_metrics(self._realtime)
        if self._nado is not None:
            yield from _nado_metrics(self._nado)


def _realtime_metrics(realtime: RealtimeEndpoint) -> Iterator[Metric]:
    counts, hub = realtime.metrics, realtime.endpoint.hub
    for name, text, value in (
        ("overround_feed_connections", "Open connections", len(realtime.endpoint)),
        ("overround_feed_subscriptions", "Subscriptions of all connections", hub.subscription_count),
        ("overround_feed_outbox_bytes_high", "Most bytes that ever waited for one client", counts.outbox_bytes_high),
    ):
        yield GaugeMetricFamily(name, text, value=value)
    for name, text, value in (
        ("overround_feed_connections_opened", "Connections ever opened", counts.connections_opened),
        ("overround_feed_publications", "Publications", hub.publication_count),
        ("overround_feed_deliveries", "Publications times their subscribers", hub.delivery_count),
        ("overround_feed_writes", "Writes to clients", counts.writes),
        ("overround_feed_bytes", "Bytes written to clients", counts.bytes_written),
    ):
        yield CounterMetricFamily(name, text, value=value)
    drops = CounterMetricFamily("overround_feed_drops", "Connections that we ended", labels=["code"])
    for code, count in counts.drops.items():
        drops.add_metric([str(code)], count)
    yield drops
    waited = HistogramMetricFamily(
        "overround_feed_publish_to_write_seconds", "From the first publication of a turn to its writes", labels=[]
    )
    waited.add_metric([], counts.publish_to_write.buckets(), counts.publish_to_write.total_s)
    yield waited


def _nado_metrics(nado: NadoGateway) -> Iterator[Metric]:
    answers = CounterMetricFamily(
        "overround_nado_answers", "Answers of the Nado gateway; code 0 is success", labels=["request", "code"]
    )
    for (request, code), count in nado.gateway.answered.items():
        answers.add_metric([request or UNREADABLE, str(code)], count)
    yield answers
    streams = nado.streams
    for name, text, value in (
        ("overround_nado_action_sockets", "Open action sockets", len(nado.actions.sockets)),
        ("overround_nado_subscription_sockets", "Open subscription sockets", len(nado.subscribers.sockets)),
        ("overround_nado_subscriptions", "Streams of all subscription sockets", len(streams)),
    ):
        yield GaugeMetricFamily(name, text, value=value)
    for name, text, value in (
        ("overround_nado_events", "Events that somebody followed", streams.events),
        ("overround_nado_deliveries", "Events times their followers", streams.deliveries),
        ("overround_nado_cut_off", "Followers who did not read", streams.cut_off),
    ):
        yield CounterMetricFamily(name, text, value=value)


def _by_type(name: str, text: str, label: str, counts: dict[type, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for kind, count in counts.items():
        family.add_metric([kind.__name__], count)
    return family
