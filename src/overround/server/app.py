"""From a request to a response: finds the route, calls its handler, and turns what may go wrong into an answer."""

from __future__ import annotations

import time

import structlog

from overround.config import LogConfig
from overround.history.history import HistoryBehind
from overround.protocols.query import MalformedQuery
from overround.protocols.sx.errors import WireError, bad_request, failure
from overround.runtime.sequencer import InboxFull
from overround.server.http import Request, Response
from overround.server.lanes import Lanes, Standing
from overround.server.limits import CANCELS, POSTS, Limits, TooManyRequests, group_of
from overround.server.metrics import Metrics
from overround.server.nado import NADO_TAG, finish, gateway_path, preflight
from overround.server.routes import Route, Routes

_log = structlog.get_logger()

UNKNOWN_ROUTE = "(unknown)"

Found = tuple[Route, dict[str, str]] | list[str]  # a route, or the methods that its path knows


class App:
    """Everything above the connection and below the handlers."""

    def __init__(self, routes: Routes, limits: Limits, lanes: Lanes, metrics: Metrics, log: LogConfig) -> None:
        self._routes = routes
        self._limits = limits
        self._lanes = lanes
        self._metrics = metrics
        self._log_all = log.requests == "all"
        self._log_failures = log.requests != "off"

    async def dispatch(self, request: Request) -> Response:
        """Answer any request; never raises."""
        started = time.perf_counter()
        found, is_nado = self._find(request)
        if isinstance(found, list):
            label = UNKNOWN_ROUTE
        else:
            route, request.path_params = found
            label = route.path
        group = group_of(request.method, request.path)
        if is_nado:
            response = await self._call_gateway(found, request)
        elif group is None:
            response = await self._call(found, request)
        else:
            response = await self._call_limited(group, found, request)
        seconds = time.perf_counter() - started
        self._metrics.count_request(label, response.status, seconds)
        # A client above its limits is counted and not logged: it may come back as fast as it can.
        if self._log_all or (self._log_failures and response.status >= 400 and response.status != 429):
            self._log_request(request, label, response, seconds)
        return response

    def _find(self, request: Request) -> tuple[Found, bool]:
        """The route, and whether the Nado dialect is spoken there; its paths may be spelt with double slashes."""
        found = self._routes.find(request.method, request.path)
        if not isinstance(found, list):
            return found, found[0].tag == NADO_TAG
        path = gateway_path(request.path)
        if path is None:
            return found, False
        if path != request.path:
            request.path = path
            found = self._routes.find(request.method, path)
        return found, True

    async def _call_gateway(self, found: Found, request: Request) -> Response:
        """The Nado dialect: browsers may ask from any page, and whoever can reads compressed answers."""
        if request.method == "OPTIONS" and found:
            return preflight(request)
        response = await self._call(found, request)
        finish(request, response)
        return response

    async def _call_limited(self, group: str, found: Found, request: Request) -> Response:
        """Within the client's budget, and in its lane if it is signed."""
        limits = self._limits
        try:
            limits.admit(group, request)
        except TooManyRequests as error:
            return _failure(error)
        if group is CANCELS or group is POSTS:
            response = await self._call_in_lane(group, found, request)
        else:
            response = await self._call(found, request)
        if limits.buckets and response.status != 429:  # which says it already
            response.headers = [*response.headers, *limits.headers(group, request)]
        return response

    async def _call_in_lane(self, group: str, found: Found, request: Request) -> Response:
        sender = request.sender
        is_suspect = sender.standing is Standing.SUSPECT or (
            group is CANCELS and sender.standing is Standing.NEW and self._limits.is_suspect(request)
        )
        try:
            if is_suspect:
                await self._lanes.suspect()
            elif group is POSTS:
                await self._lanes.post()
        except InboxFull:
            return _full()
        if group is CANCELS:
            self._lanes.cancel_begins()
            response = await self._call(found, request)
            self._lanes.cancel_ends()
        else:
            response = await self._call(found, request)
        sender.standing = Standing.PROVEN if response.status == 200 else Standing.SUSPECT
        if group is CANCELS:
            try:
                self._limits.failed(request)
            except TooManyRequests as error:
                return _failure(error)
        return response

    async def _call(self, found: Found, request: Request) -> Response:
        if isinstance(found, list):
            return _not_found(found)
        try:
            return await found[0].handler(request)
        except WireError as error:
            return _failure(error)
        except MalformedQuery as error:
            return _failure(bad_request(str(error)))
        except (InboxFull, HistoryBehind):  # not now
            return _full()
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
    headers = error.headers if isinstance(error, TooManyRequests) else []
    return Response(failure(error), error.status, code=error.code, headers=headers)


def _full() -> Response:
    """Too much waits; nothing was done, and there is no sense in coming back at once."""
    error = WireError("SERVICE_UNAVAILABLE", status=503)
    return Response(failure(error), 503, code=error.code, headers=[(b"retry-after", b"1")])


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
