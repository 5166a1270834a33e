"""Health, metrics and the sandbox's description of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from overround import __version__
from overround.protocols import strict_json
from overround.runtime.venue import Venue
from overround.server.http import Request, Response
from overround.server.metrics import Metrics

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


class OperationsRoutes:
    """Handlers that need no protocol."""

    def __init__(self, venue: Venue, metrics: Metrics, sandbox: Callable[[], dict[str, Any]] | None) -> None:
        self._venue = venue
        self._metrics = metrics
        self._sandbox = sandbox

    async def get_index(self, request: Request) -> Response:
        """`GET /`: what this is, and where to go on."""
        del request
        links = {"docs": "/docs", "openapi": "/openapi.json", "health": "/healthz", "metrics": "/metrics"}
        if self._sandbox is not None:
            links["sandbox"] = "/sandbox"
        return Response(strict_json.encode({"name": "Overround", "version": __version__, **links}))

    async def get_health(self, request: Request) -> Response:
        """`GET /healthz`: the process is alive and its loop turns."""
        del request
        return Response(strict_json.encode({"status": "ok"}))

    async def get_readiness(self, request: Request) -> Response:
        """`GET /readyz`: recovered, and commands are decided."""
        del request
        return Response(strict_json.encode({"status": "ready", "seq": self._venue.views.seq}))

    async def get_metrics(self, request: Request) -> Response:
        """`GET /metrics`"""
        del request
        return Response(self._metrics.exposition(), content_type=METRICS_TYPE)

    async def get_sandbox(self, request: Request) -> Response:
        """`GET /sandbox`: everything that a test needs to know."""
        del request
        assert self._sandbox is not None
        return Response(strict_json.encode(self._sandbox()))
