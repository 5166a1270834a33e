"""The venue describes itself: OpenAPI, a page for people, metrics, health."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.routes import ACTIONS, operations

from overround import __version__
from overround.testing.accounts import BOB
from overround.testing.sx import signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("documents")  # one server for the module

HTTP_METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
JSON_TYPES = {"string", "integer", "number", "boolean", "array", "object", "null"}

# What the design promises (`design.md` 4.3, 4.5 and `decisions.md` D16), as far as it is built.
PROMISED = """
GET /metadata · GET /sports · GET /leagues · GET /leagues/active · GET /leagues/teams/{leagueId} · GET /fixture/active ·
GET /fixture/status · GET /markets/active · GET /markets/find · GET /markets/popular · GET /orders ·
GET /orders/odds/best · POST /orders/new · POST /orders/cancel/v2 · POST /orders/cancel/event ·
POST /orders/cancel/all · GET /user/realtime-token/api-key · POST /admin/fixtures · PATCH /admin/fixtures/{id} ·
POST /admin/fixtures/{id}/status · POST /admin/markets · POST /admin/markets/{hash}/status ·
PUT /admin/balances/{address}/{token} · GET /admin/accounts/{address} · POST /admin/api-keys · POST /admin/clock ·
GET /admin/digest · GET /healthz · GET /readyz · GET /metrics · GET /openapi.json · GET /docs · GET /sandbox
"""


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> dict[str, Any]:
    answer = http.get("/openapi.json")
    assert answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    return found


# ---- openapi.json --------------------------------------------------------------------------------------------------


def test_the_document_is_openapi_3_1_of_this_version(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert document["info"] == {
        "title": "Overround",
        "version": __version__,
        "description": "An order-management venue for signed orders.",
    }
    assert document.keys() == {"openapi", "info", "paths", "components"}


def test_every_promised_route_is_there(http: httpx.Client) -> None:
    found = {str(one) for one in operations(http)}
    assert found >= {route.strip() for route in PROMISED.replace("\n", " ").split("·")}


def test_every_operation_is_described_whole(document: dict[str, Any]) -> None:
    ids = set()
    for path, methods in document["paths"].items():
        assert path.startswith("/")
        assert methods
        for method, operation in methods.items():
            assert method in HTTP_METHODS
            assert operation["summary"]
            assert operation["tags"]
            assert operation["operationId"] not in ids
            ids.add(operation["operationId"])
            assert "200" in operation["responses"] or "101" in operation["responses"]
            for status, response in operation["responses"].items():
                assert re.fullmatch("[1-5][0-9][0-9]", status)
                assert response["description"]
                if status >= "400":
                    schema = response["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Failure"}


def test_every_parameter_is_described_and_every_part_of_a_path_is_a_parameter(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            parameters = operation.get("parameters", [])
            names = [(one["in"], one["name"]) for one in parameters]
            assert len(names) == len(set(names))
            assert {name for place, name in names if place == "path"} == set(re.findall(r"\{(\w+)\}", path))
            for one in parameters:
                assert one["in"] in ("path", "query")
                assert one["required"] is True or one["in"] == "query"
                check_schema(one["schema"])


def test_every_body_has_a_schema_that_stands_alone(document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody")
            wants_body = method in ("post", "put", "patch") and (method.upper(), path) not in ACTIONS
            assert (body is not None) is wants_body
            if body is not None:
                assert body["required"] is True
                schema = body["content"]["application/json"]["schema"]
                assert schema["type"] == "object"
                check_schema(schema)
                assert "413" in operation["responses"]


def test_references_lead_somewhere_and_so_do_the_names_of_security_schemes(document: dict[str, Any]) -> None:
    for reference in _references(document):
        target: Any = document
        for part in reference.removeprefix("#/").split("/"):
            target = target[part]
        assert target
    schemes = document["components"]["securitySchemes"]
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for requirement in operation.get("security", []):
                assert set(requirement) <= set(schemes)
            if path.startswith("/admin/"):
                assert operation["security"] == [{"operator": []}]
                assert "401" in operation["responses"]
    assert document["paths"]["/user/realtime-token/api-key"]["get"]["security"] == [{"apiKey": []}]


def test_the_failure_of_the_document_is_the_failure_that_is_sent(http: httpx.Client, document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["Failure"]
    for answer in (http.get("/orders"), http.get("/nothing"), http.post("/orders/cancel/all", json={})):
        body = answer.json()
        assert set(schema["required"]) <= body.keys() <= schema["properties"].keys()


def check_schema(schema: dict[str, Any]) -> None:
    """It is a JSON schema of the few words that we use."""
    if "anyOf" in schema:
        for one in schema["anyOf"]:
            check_schema(one)
        return
    assert schema["type"] in JSON_TYPES
    assert set(schema.get("required", [])) <= schema.get("properties", {}).keys()
    for one in schema.get("properties", {}).values():
        check_schema(one)
    if "items" in schema:
        check_schema(schema["items"])
    if "pattern" in schema:
        re.compile(schema["pattern"])


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


# ---- /docs ---------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """What a page would load, and what it says."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        assert not any(name.startswith("on") for name, _ in attrs), attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_names_every_route_and_loads_nothing_from_elsewhere(http: httpx.Client) -> None:
    answer = http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = Page()
    page.feed(answer.text)
    assert all(link.startswith("/") and not link.startswith("//") for link in page.loads), page.loads
    assert {"script", "iframe", "img", "link", "object"}.isdisjoint(page.tags)
    assert "url(" not in answer.text
    assert "@import" not in answer.text
    for operation in operations(http):
        assert operation.path in page.text
        assert operation.described["summary"] in page.text
    for link in page.loads:
        assert http.get(link).status_code == 200


# ---- /metrics, /healthz, /readyz -----------------------------------------------------------------------------------


def samples(http: httpx.Client) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample of the exposition."""
    answer = http.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_the_metrics_are_prometheus_text_and_count_what_happens(http: httpx.Client, world: dict[str, Any]) -> None:
    before = samples(http)
    http.get("/sports")
    http.get("/nothing")
    entry = signed_order(BOB, world["markets"][0]["marketHash"])
    assert http.post("/orders/new", json={"orders": [entry]}).json()["data"]["inserted"] == 1
    after = samples(http)

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return after[key] - before.get(key, 0.0)

    assert grown("overround_http_requests_total", route="/sports", status="200") == 1
    assert grown("overround_http_requests_total", route="(unknown)", status="404") == 1
    assert grown("overround_http_requests_total", route="/orders/new", status="200") == 1
    assert grown("overround_http_request_seconds_count", route="/orders/new") == 1
    assert grown("overround_records_total", command="PlaceOrders") == 1
    assert grown("overround_open_orders") == 1
    assert grown("overround_journal_seq") == 1
    assert after["process_resident_memory_bytes", ()] > 0
    http.post("/orders/cancel/all", json=signed_cancel(BOB))
    assert samples(http)["overround_open_orders", ()] == before["overround_open_orders", ()]


def test_labels_do_not_grow_with_what_clients_invent(http: httpx.Client) -> None:
    for number in range(20):
        http.get(f"/invented/{number}")
        http.get(f"/leagues/teams/{number}")
        http.request("PROPFIND", f"/invented/{number}")
    routes = {dict(labels).get("route", "") for _, labels in samples(http)}
    assert not any("invented" in route for route in routes)
    assert "/leagues/teams/{leagueId}" in routes
    assert "(unknown)" in routes


def test_the_process_is_alive_and_ready(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    ready = http.get("/readyz").json()
    assert ready["status"] == "ready"
    assert ready["seq"] > 0


def test_the_sandbox_tells_what_a_test_needs_to_know(http: httpx.Client, world: dict[str, Any]) -> None:
    assert world["baseUrl"] == str(http.base_url)
    assert world["wsUrl"] == world["baseUrl"].replace("http", "ws") + "/connection/websocket"
    assert (world["chainId"], world["adminToken"]) == (4162, "sandbox-admin")
    assert len(world["accounts"]) == 10
    assert all(account.keys() == {"address", "privateKey", "apiKey"} for account in world["accounts"])
    assert world["accounts"][0]["address"] == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert len(world["fixtures"]) >= 4
    assert {one["status"] for one in world["fixtures"]} == {1, 2}
    kinds: dict[str, set[int]] = {}
    for market in world["markets"]:
        kinds.setdefault(market["sportXeventId"], set()).add(market["type"])
    assert all(len(types) == 3 for types in kinds.values())
    assert any(market["liveEnabled"] for market in world["markets"])
