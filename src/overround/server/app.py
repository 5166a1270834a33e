"""From a request to a response: finds the route, calls its handler, and turns what may go wrong into an answer."""

from __future__ import annotations

import time

import structlog

from overround.config import LogConfig
from overround.protocols.query import MalformedQuery
from overround.protocols.sx.errors import WireError, bad_request, failure
from overround.runtime.sequencer import InboxFull
from overround.server.http import Request, Response
from overround.server.metrics import Metrics
from overround.server.routes import Routes

_log = structlog.get_logger()

UNKNOWN_ROUTE = "(unknown)"


class App:
    """Everything above the connection and below the handlers."""

    def __init__(self, routes: Routes, metrics: Metrics, log: LogConfig) -> None:
        self._routes = routes
        self._metrics = metrics
        self._log_all = log.requests == "all"
        self._log_failures = log.requests != "off"

    async def dispatch(self, request: Request) -> Response:
        """Answer any request; never raises."""
        started = time.perf_counter()
        found = self._routes.find(request.method, request.path)
        if isinstance(found, list):
            label, response = UNKNOWN_ROUTE, _not_found(found)
        else:
            route, request.path_params = found
            label, response = route.path, await self._call(route.handler, request)
        seconds = time.perf_counter() - started
        self._metrics.count_request(label, response.status, seconds)
        if self._log_all or (self._log_failures and response.status >= 400):
            self._log_request(request, label, response, seconds)
        return response

    async def _call(self, handler, request: Request) -> Response:  # type: ignore[no-untyped-def]
        try:
            return await handler(request)  # type: ignore[no-any-return]
        except WireError as error:
            return _failure(error)
        except MalformedQuery as error:
            return _failure(bad_request(str(error)))
        except InboxFull:
            return Response(
                failure(WireError("SERVICE_UNAVAILABLE", status=503)), 503, headers=[(b"retry-after", b"1")]
            )
        except Exception:
            _log.exception("request_failed", request_id=request.request_id, path=request.path)
            return _failure(WireError("INTERNAL_SERVER_ERROR", status=500))

    def _log_request(self, request: Request, route: str, response: Response, seconds: float) -> None:
        """Never the body, the query or the headers: signatures, tokens and keys travel in them."""
        _log.info(
            "request",
            request_id=request.request_id,
            method=request.method,
            route=route,
            status=response.status,
            code=response.code,
            client=request.client,
            ms=round(seconds * 1000, 3),
        )


def _failure(error: WireError) -> Response:
    return Response(failure(error), error.status, code=error.code)


def _not_found(allowed: list[str]) -> Response:
    if not allowed:
        return _failure(WireError("NOT_FOUND", status=404))
    response = _failure(WireError("METHOD_NOT_ALLOWED", status=405))
    response.headers = [(b"allow", ", ".join(sorted(set(allowed))).encode())]
    return response


def refuse_connection(status: int, text: str) -> Response:
    """The answer to bytes that never became a request."""
    codes = {
        403: "FORBIDDEN",
        404: "NOT_FOUND",
        413: "PAYLOAD_TOO_LARGE",
        408: "REQUEST_TIMEOUT",
        414: "URI_TOO_LONG",
        431: "HEADERS_TOO_LARGE",
    }
    messages = None if status in codes else [text]
    error = WireError(codes.get(status, "BAD_REQUEST"), status=status, messages=messages, detail=text)
    return Response(failure(error), status)
