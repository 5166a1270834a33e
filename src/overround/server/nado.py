"""The Nado dialect over HTTP (`spec/nado.md` 1, 9). Whatever has an envelope is HTTP 200, refusals included (N11)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from overround.protocols import strict_json
from overround.protocols.nado import encode, queries
from overround.protocols.nado.errors import GatewayError, failure
from overround.server.deflate import BODY_BYTES_MIN, coding, encoded
from overround.server.gateway import Asker, Gateway
from overround.server.http import Headers, Request, Response, single_slashes
from overround.server.routes import Route

NADO_TAG: Final = "nado"  # of its routes
CORS_METHODS: Final = b"GET, POST, OPTIONS"
CORS_HEADERS: Final = b"content-type"
CORS_MAX_AGE_S: Final = b"86400"
_WITHOUT_ENVELOPE: Final = ("symbols", "time", "ip", "cf-check")
_ROOTS: Final = frozenset({"v1", "v2", "execute", "query", "edge", *_WITHOUT_ENVELOPE})


def gateway_path(path: str) -> str | None:
    """The path of a request of this dialect, without double slashes (one SDK sends them); None for other paths."""
    path = single_slashes(path)
    return path if path[1:].partition("/")[0] in _ROOTS else None


def preflight(request: Request) -> Response:
    """What a browser asks before it asks: everything is allowed that is served."""
    return Response(
        b"",
        204,
        headers=[
            *cors_headers(request),
            (b"access-control-allow-methods", CORS_METHODS),
            (b"access-control-allow-headers", CORS_HEADERS),
            (b"access-control-max-age", CORS_MAX_AGE_S),
        ],
    )


def cors_headers(request: Request) -> Headers:
    """The page's own origin: `*` is not valid with credentials, which one SDK sends (1.3)."""
    origin = request.header(b"origin")
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


def finish(request: Request, response: Response) -> None:
    """Complete an answer for browsers, and compress it for those who can read it so."""
    headers = [*response.headers, *cors_headers(request)]
    if len(response.body) >= BODY_BYTES_MIN:
        name = coding(request.header(b"accept-encoding"))
        headers.append((b"vary", b"Accept-Encoding"))
        if name is not None:
            response.body = encoded(response.body, name)
            headers.append((b"content-encoding", name.encode()))
    response.headers = headers


class NadoRoutes:
    """Handlers of one venue."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> list[Route]:
        """Every path, with `/v1` and without (1.2)."""
        table: list[tuple[Any, str, Any, str]] = [
            ("POST", "/execute", self.execute, "One signed execute"),
            ("POST", "/query", self.post_query, "One query"),
            ("GET", "/query", self.get_query, "One query, in the query string"),
            ("POST", "/edge/query", self.post_edge_query, "One cached query"),
            ("GET", "/edge/query", self.get_edge_query, "One cached query, in the query string"),
            ("GET", "/symbols", self.get_symbols, "Products, as a bare list"),
            ("GET", "/time", self.get_time, "The venue's clock, unix milliseconds"),
            ("GET", "/ip", self.get_ip, "Whether this address is served"),
            ("GET", "/cf-check", self.get_ip, "Whether a browser is stopped on its way"),
        ]
        both = [
            Route(method, prefix + path, handler, summary, NADO_TAG, body=_ANY_OBJECT if method == "POST" else None)
            for prefix in ("/v1", "")
            for method, path, handler, summary in table
        ]
        v2 = [
            Route("GET", f"/v2/{name}", partial(self.get_v2, name), f"{name}, in the shapes of v2", NADO_TAG)
            for name in queries.V2_ROUTES
        ]
        return [*both, *v2]

    async def execute(self, request: Request) -> Response:
        """`POST /execute`"""
        return Response(await self._gateway.execute(request.body, _asker(request)))

    async def post_query(self, request: Request) -> Response:
        """`POST /query`"""
        return self._query(request, partial(queries.decode_query, request.body))

    async def get_query(self, request: Request) -> Response:
        """`GET /query?type=...`"""
        return self._query(request, partial(queries.decode_query_string, request.query_string))

    async def post_edge_query(self, request: Request) -> Response:
        """`POST /edge/query`"""
        return self._query(request, partial(queries.decode_edge_query, request.body))

    async def get_edge_query(self, request: Request) -> Response:
        """`GET /edge/query?type=...`"""
        return self._query(request, partial(queries.decode_edge_query_string, request.query_string))

    def _query(self, request: Request, decode: Callable[[], queries.Query]) -> Response:
        return Response(self._gateway.query(decode, _asker(request)))

    async def get_symbols(self, request: Request) -> Response:
        """`GET /symbols` (9.1)"""
        query = queries.Symbols("symbols", None, None)
        return Response(self._gateway.bare(query, _asker(request), self._gateway.desk.symbols))

    async def get_v2(self, name: str, request: Request) -> Response:
        """`GET /v2/...` (9.2)"""
        try:
            query = queries.decode_v2(name, request.query_string)
        except GatewayError as error:
            return Response(failure(error))
        return Response(self._gateway.bare(query, _asker(request), partial(self._gateway.desk.v2, query)))

    async def get_time(self, request: Request) -> Response:
        """`GET /time` (9.4)"""
        del request
        return Response(encode.time(self._gateway.desk.now_ms()))

    async def get_ip(self, request: Request) -> Response:
        """`GET /ip`, `GET /cf-check`: nobody is turned away for where he is."""
        del request
        return Response(strict_json.encode({"blocked": False}))


_ANY_OBJECT: Final = {"type": "object"}


def _asker(request: Request) -> Asker:
    return Asker(request.client, request.sender, request.header(b"user-agent") or "")
