"""`/openapi.json` and `/docs`, made from the table of routes; no asset comes from elsewhere."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any, Final

from overround import __version__
from overround.protocols import strict_json
from overround.server.http import Request, Response
from overround.server.routes import Parameter, Route

HTML: Final = b"text/html; charset=utf-8"
_SECURITY: Final[dict[str, list[dict[str, list[str]]]]] = {
    "key": [{"apiKey": []}],
    "operator": [{"operator": []}],
}
_AUTH_TEXT: Final = {
    "none": "",
    "key": "API key",
    "signature": "signed by the maker",
    "taker": "signed by the taker",
    "owner": "signed by the owner",
    "operator": "operator token",
}


class DocumentationRoutes:
    """Both documents are made once, when the table is complete."""

    def __init__(self) -> None:
        self._openapi = b""
        self._page = b""

    def describe(self, routes: list[Route]) -> None:
        """Make the documents."""
        self._openapi = strict_json.encode(openapi(routes))
        self._page = page(routes).encode()

    async def get_openapi(self, request: Request) -> Response:
        """`GET /openapi.json`"""
        del request
        return Response(self._openapi)

    async def get_page(self, request: Request) -> Response:
        """`GET /docs`"""
        del request
        return Response(
            self._page,
            content_type=HTML,
            headers=[(b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'")],
        )


def openapi(routes: list[Route]) -> dict[str, Any]:
    """An OpenAPI 3.1 document."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Overround",
            "version": __version__,
            "description": "An order-management venue for signed orders.",
        },
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
                "operator": {"type": "http", "scheme": "bearer"},
            },
            "schemas": {"Failure": _FAILURE},
        },
    }


_FAILURE: Final = {
    "type": "object",
    "required": ["status", "errorCode", "error", "message", "statusCode"],
    "properties": {
        "status": {"const": "failure"},
        "errorCode": {"type": "string"},
        "error": {"type": "string"},
        "message": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "statusCode": {"type": "integer"},
        "detail": {"type": "string"},
    },
}


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag],
        "operationId": f"{route.method.lower()}{route.path}".replace("/", "_").replace("{", "").replace("}", ""),
        "responses": {str(status): _response(status, route) for status in route.statuses},
    }
    if route.parameters:
        operation["parameters"] = [_parameter(one) for one in route.parameters]
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": route.body}},
        }
        operation["responses"]["413"] = _response(413, route)
    if route.auth in _SECURITY:
        operation["security"] = _SECURITY[route.auth]
    return operation


def _response(status: int, route: Route) -> dict[str, Any]:
    description = HTTPStatus(status).phrase
    if status < 400:
        media = route.content_type.partition(";")[0]
        return {"description": description, "content": {media: {}}}
    schema = {"$ref": "#/components/schemas/Failure"}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _parameter(one: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": one.name,
        "in": one.place,
        "required": one.required,
        "schema": one.schema,
    }
    if one.description:
        described["description"] = one.description
    if one.schema.get("type") == "array":
        described |= {"style": "form", "explode": False}
    return described


_STYLE: Final = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 18%, transparent); }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 small { font-weight: 400; opacity: .6; font-size: 1rem; }
h2 { margin-top: 2.5rem; text-transform: capitalize; }
details { border-top: 1px solid var(--line); padding: .6rem 0; }
summary { cursor: pointer; display: flex; gap: .8rem; align-items: baseline; flex-wrap: wrap; }
summary::before { content: "\\25b8"; opacity: .5; }
details[open] > summary::before { content: "\\25be"; }
.method { font: 600 .8rem ui-monospace, monospace; min-width: 3.4rem; }
.path { font-family: ui-monospace, monospace; }
.what { opacity: .75; }
.auth { font-size: .8rem; border: 1px solid var(--line); border-radius: 1rem; padding: 0 .6rem; }
table { border-collapse: collapse; margin: .6rem 0 .6rem 4.2rem; }
td { padding: .15rem 1rem .15rem 0; vertical-align: top; }
td:first-child { font-family: ui-monospace, monospace; }
p.none { margin: .4rem 0 .4rem 4.2rem; opacity: .6; }
"""


def page(routes: list[Route]) -> str:
    """The same as a page: one section a tag, one fold a route."""
    tags = list(dict.fromkeys(route.tag for route in routes))
    sections = "".join(
        f"<h2>{escape(tag)}</h2>" + "".join(_fold(route) for route in routes if route.tag == tag) for tag in tags
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Overround: routes</title><style>{_STYLE}</style>"
        f"<h1>Overround <small>{escape(__version__)}</small></h1>"
        "<p>Every route of this venue. For machines: <a href='/openapi.json'>openapi.json</a>.</p>"
        f"{sections}</html>"
    )


def _fold(route: Route) -> str:
    auth = _AUTH_TEXT[route.auth]
    badge = f"<span class=auth>{escape(auth)}</span>" if auth else ""
    rows = [
        (
            one.name,
            _type_text(one.schema),
            " ".join(filter(None, ("required" * one.required, one.description))),
        )
        for one in route.parameters
    ]
    if route.body is not None:
        required = route.body.get("required", [])
        rows += [
            (name, _type_text(schema), "required" if name in required else "")
            for name, schema in route.body.get("properties", {}).items()
        ]
    cells = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    inside = f"<table>{cells}</table>" if rows else "<p class=none>No parameters.</p>"
    return (
        f"<details><summary><span class=method>{route.method}</span>"
        f"<span class=path>{escape(route.path)}</span>"
        f"<span class=what>{escape(route.summary)}</span>{badge}</summary>{inside}</details>"
    )


def _type_text(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type_text(one) for one in schema["anyOf"])
    kind = str(schema.get("type", "any"))
    return f"list of {_type_text(schema['items'])}" if kind == "array" and "items" in schema else kind
