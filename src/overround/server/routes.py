"""A route, and everything that is derived from the table of routes: dispatch, OpenAPI, metrics labels."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from overround.server.http import Handler

Auth = Literal["none", "key", "signature", "taker", "owner", "operator"]


class Parameter(msgspec.Struct, frozen=True):
    """A query or path parameter, for the OpenAPI document."""

    name: str
    schema: dict[str, Any]
    description: str = ""
    required: bool = False
    place: Literal["query", "path"] = "query"


class Route(msgspec.Struct, frozen=True):
    """One method on one path. `{name}` in a path is one segment."""

    method: Literal["GET", "POST", "PUT", "PATCH"]
    path: str
    handler: Handler
    summary: str
    tag: str
    auth: Auth = "none"
    parameters: tuple[Parameter, ...] = ()
    body: dict[str, Any] | None = None  # JSON schema of the request body
    statuses: tuple[int, ...] = (200, 400)
    content_type: str = "application/json"


class Routes:
    """Finds the route of a request: fixed paths in one look-up, then the ones with parameters."""

    def __init__(self, routes: list[Route]) -> None:
        self.all: Final = routes
        self._fixed: dict[str, dict[str, Route]] = {}
        self._templates: list[tuple[list[str], Route]] = []
        for route in routes:
            if "{" in route.path:
                self._templates.append((route.path.split("/"), route))
            else:
                self._fixed.setdefault(route.path, {})[route.method] = route

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | list[str]:
        """The route with its path parameters; else the methods that the path knows, none if it is unknown."""
        if method == "HEAD":
            method = "GET"
        methods = self._fixed.get(path)
        if methods is not None:
            route = methods.get(method)
            return (route, {}) if route else [*methods]
        allowed: list[str] = []
        segments = path.split("/")
        for template, route in self._templates:
            params = _match(template, segments)
            if params is not None:
                if route.method == method:
                    return route, params
                allowed.append(route.method)
        return allowed


def _match(template: list[str], segments: list[str]) -> dict[str, str] | None:
    if len(template) != len(segments):
        return None
    params = {}
    for wanted, found in zip(template, segments, strict=True):
        if wanted.startswith("{"):
            if not found:
                return None
            params[wanted[1:-1]] = found
        elif wanted != found:
            return None
    return params
