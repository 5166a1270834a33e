"""Whatever arrives at whatever route: a clear 4xx in the envelope, nothing changed, the process alive.

The routes come from the venue's own document, so that a new route cannot be forgotten.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.protocols.envelope import assert_failure, assert_some_failure, data_of
from tests.server.routes import BODIES, QUERIES, Operation, World, gateway_operations, operations

from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("bad input")  # one server for the module


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    """One in which a fill is done when it is answered, so that nothing changes between two tests."""
    with ServerProcess(env={"OVERROUND_SX__BETTING_DELAY_MS": "0", "OVERROUND_SX__SETTLEMENT": "instant"}) as server:
        yield server


@pytest.fixture(scope="module")
def venue(http: httpx.Client) -> World:
    return World(http)


@pytest.fixture(scope="module")
def everything(http: httpx.Client) -> list[Operation]:
    """All but the gateway's, whose refusals are envelopes with HTTP 200 (N11): they have tests of their own."""
    return [one for one in operations(http) if "nado" not in one.described["tags"]]


@pytest.fixture(scope="module")
def with_body(everything: list[Operation]) -> list[Operation]:
    return [one for one in everything if one.schema is not None]


@pytest.fixture
def unchanged(venue: World, sandbox: ServerProcess) -> Iterator[None]:
    """After the test the state is what it was before, in the same process."""
    pid, before = sandbox.pid, venue.operator.digest()
    yield
    assert venue.operator.digest() == before
    assert (sandbox.pid, sandbox.is_running) == (pid, True)


def test_every_route_has_a_request_in_the_table_that_it_accepts(venue: World, everything: list[Operation]) -> None:
    described = {(one.method, one.path) for one in everything if one.schema is not None}
    assert described == set(BODIES)
    assert set(QUERIES) <= {one.path for one in everything}
    for operation in everything:
        if operation.is_action:
            continue
        body = json.dumps(operation.body(venue)) if operation.schema else None
        answer = operation.send(venue, body)
        assert answer.status_code == 200, f"{operation}: {answer.text}"


# ---- bodies that are no JSON objects -------------------------------------------------------------------------------

DEPTH = 100_000

NO_OBJECTS: dict[str, bytes] = {
    "nothing": b"",
    "a space": b" ",
    "a NUL": b"\x00",
    "null": b"null",
    "true": b"true",
    "a number": b"1",
    "a text": b'"{}"',
    "an empty array": b"[]",
    "an array of an object": b"[{}]",
    "half an object": b'{"salt":',
    "an object and a comma": b'{"a":1,}',
    "two objects": b"{}{}",
    "an object and a NUL": b"{}\x00",
    "single quotes": b"{'a':1}",
    "a comment": b"{} // nothing",
    "a form": b"salt=1&maker=2",
    "XML": b"<?xml version='1.0'?><a/>",
    "a byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": "{}".encode("utf-16"),
    "UTF-16 without a mark": "{}".encode("utf-16-le"),
    "UTF-32": "{}".encode("utf-32"),
    "no UTF-8": b'{"a":"\xff\xfe"}',
    "no UTF-8 in a name": b'{"\xc3":1}',
    "an overlong encoding": b'{"a":"\xc0\xaf"}',
    "an encoded surrogate": b'{"a":"\xed\xa0\x80"}',
    "a lone surrogate": b'{"a":"\\ud800"}',
    "surrogates the wrong way round": b'{"a":"\\udc00\\ud800"}',
    "a lone surrogate in a name": b'{"\\udfff":1}',
    "a bare control character": b'{"a":"\n"}',
    "NaN": b'{"a":NaN}',
    "Infinity": b'{"a":Infinity}',
    "minus Infinity": b'{"a":-Infinity}',
    "a leading zero": b'{"a":01}',
    "a plus": b'{"a":+1}',
    "a hex number": b'{"a":0x10}',
    "a run of opening brackets": b"[" * DEPTH,
    "a megabyte of opening brackets": b"[" * 1_000_000,
    "a run of opening objects": b'{"a":' * DEPTH,
    "a run of opening brackets in an ignored member": b'{"a":' + b"[" * DEPTH,
    "a closed deep array in an ignored member": b'{"a":' + b"[" * DEPTH + b"]" * DEPTH + b"}",
    "a closed deep object in an ignored member": b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    "brackets and objects by turns": b'[{"a":' * DEPTH,
    "a run of opening brackets in each known member": (
        b'{"orders":' + b"[" * DEPTH + b',"salt":' + b"[" * DEPTH + b',"amount":' + b"[" * DEPTH
    ),
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=list(NO_OBJECTS))
def test_a_body_that_is_no_json_object_is_a_bad_request_at_every_route(
    venue: World, with_body: list[Operation], body: bytes
) -> None:
    for operation in with_body:
        assert_failure(operation.send(venue, body), 400, "BAD_REQUEST")


@pytest.mark.usefixtures("unchanged")
def test_a_deeply_nested_body_cannot_crash_the_process_for_the_recursion_limit_stands(
    venue: World, with_body: list[Operation], sandbox: ServerProcess
) -> None:
    """Some libraries raise the interpreter's recursion limit when they are imported, to 100,000 for instance. From
    then on 30 kB of opening brackets, from anybody, end the process with a segmentation fault instead of an error.
    The server asserts the limit when it starts; here every depth around the known limits is tried.
    """
    for operation in with_body:
        for depth in (500, 990, 1_000, 1_500, 10_000, 25_000, 30_000, 60_000, 70_000, 100_000, 150_000):
            for opening in (b"[", b'{"orders":['):
                answer = operation.send(venue, b'{"ignored":' + opening * depth)
                assert_failure(answer, 400, "BAD_REQUEST")
    # What is nested deeper than the limit is refused also when it is well-formed: the limit is as low as it says.
    deep = b'{"ignored":' + b"[" * 2_000 + b"]" * 2_000 + b"}"
    answer = with_body[0].send(venue, deep)
    if sys.version_info < (3, 12):  # from 3.12 on C code has a limit of its own, which nobody can raise
        assert assert_failure(answer, 400, "BAD_REQUEST")["message"] == ["body is nested too deeply"]
    else:
        assert_some_failure(answer)


# ---- members -------------------------------------------------------------------------------------------------------

_MEGABYTE = b"9" * 1_000_000

# JSON texts of values that are hardly what a member expects.
ODD_VALUES: dict[str, bytes] = {
    "null": b"null",
    "true": b"true",
    "false": b"false",
    "an empty text": b'""',
    "an empty array": b"[]",
    "an empty object": b"{}",
    "a fraction": b"1.5",
    "a whole fraction": b"1.0",
    "an exponent": b"1e2",
    "a huge exponent": b"1e400",
    "a tiny exponent": b"1e-400",
    "minus one": b"-1",
    "a huge integer": b"1" + b"0" * 300,
    "a huge negative integer": b"-1" + b"0" * 300,
    "the longest integer that is read": b"9" * 4_300,
    "5000 digits": b"9" * 5_000,
    "a megabyte of digits": _MEGABYTE,
    "a megabyte of digits as text": b'"' + _MEGABYTE + b'"',
    "digits with an underscore": b'"1_000"',
    "digits between spaces": b'" 12 "',
    "digits and a line break": b'"12\\n"',
    "Arabic digits": '"١٢"'.encode(),
    "full-width digits": '"１２"'.encode(),
    "a text with a NUL": b'"a\\u0000b"',
    "an astral letter": b'"\\ud83d\\ude00"',
    "a lone surrogate": b'"\\ud800"',
    "NaN": b"NaN",
    "NaN as text": b'"NaN"',
    "a nested array": b"[[[[1]]]]",
    "a deep array": b"[" * DEPTH,
    "an array of a thousand nulls": b"[" + b",".join([b"null"] * 1000) + b"]",
}


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("value", ODD_VALUES.values(), ids=list(ODD_VALUES))
def test_an_odd_value_in_any_member_of_any_body_is_refused(
    venue: World, with_body: list[Operation], value: bytes
) -> None:
    """A few members may have a few of these values; then it is the signature, or another member, that is wrong."""
    for operation in with_body:
        for target in _members(operation):
            failure = assert_some_failure(operation.send(venue, target(value)))
            assert failure["statusCode"] == 400, f"{operation}: {failure}"


def _members(operation: Operation) -> Iterator[Callable[[bytes], bytes]]:
    """For every member of a body: makes the body that has this value there, and must change nothing."""
    assert operation.schema is not None
    for name in operation.schema["properties"]:
        if operation.path in ONE_MEMBER and operation.schema["properties"][name]["type"] == "boolean":
            continue
        yield partial(_with_member, HARMLESS[operation.path], name)
    if operation.path == "/orders/new":
        for name in operation.schema["properties"]["orders"]["items"]["properties"]:
            yield partial(_with_member_of_order, name)


# Orders and cancels that are well-formed and signed by nobody; for operator routes, members that do not act.
ORDER: dict[str, Any] = {
    "marketHash": "0x" + "11" * 32,
    "maker": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "baseToken": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
    "totalBetSize": "10000000",
    "percentageOdds": "50000000000000000000",
    "expiry": 2209006800,
    "apiExpiry": 2**40,
    "executor": "0x52adf738AAD93c31f798a30b2C74D658e1E9a562",
    "salt": "1",
    "isMakerBettingOutcomeOne": True,
    "signature": "0x" + "11" * 64 + "1b",
}
CANCEL: dict[str, Any] = {
    "signature": "0x" + "11" * 64 + "1b",
    "salt": "0x" + "11" * 32,
    "maker": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "timestamp": 1_700_000_000,
}
FILL: dict[str, Any] = {
    "market": "0x" + "11" * 32,
    "baseToken": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
    "isTakerBettingOutcomeOne": True,
    "stakeWei": "50000000",
    "desiredOdds": "83000000000000000000",
    "oddsSlippage": 5,
    "fillSalt": "1",
    "taker": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "takerSig": "0x" + "11" * 64 + "1b",
}
FILL_ORDERS: dict[str, Any] = {
    "orderHashes": ["0x" + "11" * 32],
    "takerAmounts": ["10000000"],
    "taker": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "takerSig": "0x" + "11" * 64 + "1b",
    "fillSalt": "1",
    "action": "N/A",
    "market": "N/A",
}
APPROVE: dict[str, Any] = {
    "owner": "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
    "spender": "0x38aef22152BC8965bf0af7Cf53586e4b0C4E9936",
    "tokenAddress": "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B",
    "value": "1",
    "deadline": 2**40,
    "signature": "0x" + "11" * 64 + "1b",
}
# Broken in two members, so that the odd one cannot make the request right.
HARMLESS: dict[str, dict[str, Any]] = {
    "/orders/new": {"orders": [ORDER]},
    "/orders/cancel/v2": {**CANCEL, "orderHashes": ["0xabc"]},
    "/orders/cancel/event": {**CANCEL, "sportXeventId": "L0"},
    "/orders/cancel/all": CANCEL,
    "/orders/fill/v2": FILL,
    "/orders/fill": FILL_ORDERS,
    "/orders/approve": APPROVE,
    "/admin/fixtures": {"sportId": 0, "teamOneName": "", "teamTwoName": "", "gameTime": -1, "leagueId": -1},
    "/admin/fixtures/{id}": {"gameTime": -1, "liveEnabled": 1, "statusFeed": 1},
    "/admin/fixtures/{id}/status": {},
    "/admin/markets": {"sportXeventId": "L0", "type": 0, "outcomeOneName": "", "outcomeTwoName": ""},
    "/admin/markets/{hash}/status": {},
    "/admin/markets/{hash}/settle": {},
    "/admin/fixtures/{id}/live-score": {"teamOneScore": -1, "teamTwoScore": -1, "currentPeriod": ""},
    "/admin/accounts/{address}/restriction": {},
    "/admin/balances/{address}/{token}": {},
    "/admin/api-keys": {},
    "/user/heartbeat": {},
    "/heartbeat": {"requestor": CANCEL["maker"], "timeoutSeconds": -1},
    "/admin/nado/balances/{subaccount}/{productId}": {},
    "/admin/nado/products/{id}": {"tradingStatus": "never", "makerFeeX18": "little"},
    "/admin/nado/status": {},
    "/admin/clock": {"freeze": True, "resume": True, "advanceMs": -1},
}


# True and false are not odd where nothing else can be wrong.
ONE_MEMBER = {"/admin/accounts/{address}/restriction", "/admin/nado/status"}


def _with_member_of_order(name: str, value: bytes) -> bytes:
    return b'{"orders":[' + _with_member(ORDER, name, value) + b"]}"


def _with_member(members: dict[str, Any], name: str, value: bytes) -> bytes:
    texts = {name: json.dumps(value).encode() for name, value in members.items()} | {name: value}
    return b"{" + b",".join(b'"%b":%b' % (name.encode(), text) for name, text in texts.items()) + b"}"


def test_the_table_of_harmless_bodies_is_complete(with_body: list[Operation]) -> None:
    assert {one.path for one in with_body} == set(HARMLESS)


@pytest.mark.usefixtures("unchanged")
def test_a_required_member_that_is_missing_is_named(venue: World, with_body: list[Operation]) -> None:
    for operation in with_body:
        assert operation.schema is not None
        for name in operation.schema.get("required", []):
            body = operation.body(venue)
            del body[name]
            failure = assert_failure(operation.send(venue, json.dumps(body)), 400, "BAD_REQUEST")
            assert any(name in text for text in failure["message"]), failure


@pytest.mark.usefixtures("unchanged")
def test_a_member_of_a_type_that_the_document_does_not_allow_is_refused(
    venue: World, with_body: list[Operation]
) -> None:
    examples: dict[str, list[Any]] = {
        "string": ["x", ""],
        "integer": [7, -7, 10**30],
        "number": [1.5],
        "boolean": [True],
        "null": [None],
        "array": [[], [1]],
        "object": [{}, {"a": 1}],
    }
    for operation in with_body:
        assert operation.schema is not None
        for name, schema in operation.schema["properties"].items():
            allowed = _types(schema)
            for kind, values in examples.items():
                if kind in allowed or (kind == "integer" and "number" in allowed):
                    continue
                # The document writes amounts as texts only; integers are read too (spec/sx.md 2.1).
                for value in values:
                    body = {**operation.body(venue), name: value}
                    assert_some_failure(operation.send(venue, json.dumps(body)))


def _types(schema: dict[str, Any]) -> set[str]:
    if "anyOf" in schema:
        return set().union(*map(_types, schema["anyOf"]))
    return {schema["type"]}


def test_unknown_members_are_ignored_at_every_route(venue: World, with_body: list[Operation]) -> None:
    more = {"": 1, "chainVersion": "SXR", "__proto__": {"a": 1}, "deep": [[[{"a": [1.5, None, "é😀"]}]]], "x" * 1000: 0}
    for operation in with_body:
        answer = operation.send(venue, json.dumps({**operation.body(venue), **more}))
        assert answer.status_code == 200, f"{operation}: {answer.text}"


def test_of_duplicate_members_the_last_one_counts_at_every_route(venue: World, with_body: list[Operation]) -> None:
    for operation in with_body:
        good = operation.body(venue)
        bad = {name: _other(value) for name, value in good.items()}
        first, last = (json.dumps(one)[1:-1] for one in (bad, good))
        answer = operation.send(venue, f"{{{first},{last}}}")
        assert answer.status_code == 200, f"{operation}: {answer.text}"
        if not operation.path.startswith("/admin/"):
            good = operation.body(venue)
            bad = {name: _other(value) for name, value in good.items()}
            assert_some_failure(operation.send(venue, f"{{{json.dumps(good)[1:-1]},{json.dumps(bad)[1:-1]}}}"))


def _other(value: Any) -> Any:
    """Another value of the same type."""
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else value + "x" if isinstance(value, str) else []


def test_a_hundred_thousand_members_are_read(venue: World, with_body: list[Operation]) -> None:
    more = ",".join(f'"k{number}":0' for number in range(100_000))
    for operation in with_body:
        text = json.dumps(operation.body(venue))[1:-1]
        answer = operation.send(venue, f"{{{more},{text}}}")
        assert answer.status_code == 200, f"{operation}: {answer.text}"


# ---- queries and paths ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "text",
    [
        "", "x", "1_000", " 12 ", "12\n", "+1", "-1", "1.0", "1e3", "0x10", "١٢", "１", "9" * 19, "9" * 5000, "NaN",
        "null", "true;", "\x00", "a\x00b", "é", "😀", "%", "%zz", "'\"<>", "{}", "[]", "../..", "," * 2000,
        "0x" + "ab" * 32, "0x" + "11" * 20,
    ],
    ids=lambda text: ascii(text[:20]),
)  # fmt: skip
def test_an_odd_value_in_any_query_parameter_or_path_is_refused_or_matches_nothing(
    venue: World, everything: list[Operation], text: str
) -> None:
    for operation in everything:
        if operation.schema is not None:
            continue
        for parameter in operation.parameters:
            name, schema = parameter["name"], parameter["schema"]
            if parameter["in"] == "path":
                answer = operation.send(venue, url=operation.url(venue, **{name: quote(text, safe="")}))
                continue
            answer = operation.send(venue, params={**operation.query(venue), name: text})
            assert answer.status_code < 500, f"{operation} {name}: {answer.text}"
            if answer.status_code != 200:
                assert_some_failure(answer)
            if schema["type"] == "integer" and text and not _is_small_integer(text):
                assert_failure(answer, 400, "BAD_REQUEST")
            if schema["type"] == "boolean" and text:
                assert_failure(answer, 400, "BAD_REQUEST")


def _is_small_integer(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) < 19


@pytest.mark.usefixtures("unchanged")
def test_a_required_query_parameter_that_is_missing_is_named(venue: World, everything: list[Operation]) -> None:
    for operation in everything:
        for parameter in operation.parameters:
            if parameter["in"] == "query" and parameter["required"]:
                query = {name: value for name, value in operation.query(venue).items() if name != parameter["name"]}
                answer = operation.send(venue, params=query)
                failure = assert_some_failure(answer)
                assert parameter["name"] in str(failure) or failure["errorCode"] == "BAD_MARKET_HASHES"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "query", ["%FF=1", "a=%FF", "%ED%A0%80=1", "a=%C0%AF", "&".join(["a=1"] * 5000), "%00=%00", "&=&", "a;b"]
)
def test_a_query_that_is_no_text_harms_nobody(venue: World, everything: list[Operation], query: str) -> None:
    for operation in everything:
        if operation.method == "GET":
            answer = operation.send(venue, url=f"{operation.url(venue)}?{query}", params=None)
            assert answer.status_code < 500, f"{operation}: {answer.text}"


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "segment", ["%00", "%FF", "%2F", "%2e%2e", "%F0%9F%98%80", "x" * 10_000, "0x", "%D9%A1", "*", "%25", "a%0d%0ab"]
)
def test_an_odd_path_is_not_found_or_refused(venue: World, everything: list[Operation], segment: str) -> None:
    for operation in everything:
        for name in operation.path_names:
            body = json.dumps(operation.body(venue)) if operation.schema else None
            answer = operation.send(venue, body, url=operation.url(venue, **{name: segment}))
            failure = assert_some_failure(answer)
            assert failure["statusCode"] in (400, 404), f"{operation}: {answer.text}"
        longer = f"{operation.path.rstrip('/')}/{segment}"
        answer = venue.http.request(operation.method, longer, headers=operation.headers(venue))
        assert_some_failure(answer)


@pytest.mark.parametrize(
    "path",
    ["/x", "/index.html", "/orders/", "/orders//new", "/ORDERS", "/orders/new/", "/admin", "/admin/", "/.env", "/*"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_an_unknown_path_is_not_found_with_any_method(http: httpx.Client, path: str, method: str) -> None:
    assert_failure(http.request(method, path), 404, "NOT_FOUND")


@pytest.mark.usefixtures("unchanged")
def test_a_wrong_method_is_told_the_right_ones(venue: World, everything: list[Operation]) -> None:
    methods: dict[str, set[str]] = {}
    for operation in everything:
        methods.setdefault(operation.path, set()).add(operation.method)
    for operation in everything:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} - methods[operation.path]:
            answer = venue.http.request(method, operation.url(venue), headers=operation.headers(venue))
            assert_failure(answer, 405, "METHOD_NOT_ALLOWED")
            assert set(answer.headers["allow"].split(", ")) == methods[operation.path]


@pytest.mark.usefixtures("unchanged")
def test_a_body_that_nobody_asked_for_is_ignored(venue: World, everything: list[Operation]) -> None:
    for operation in everything:
        if operation.schema is None and not operation.is_action:
            for body in (b"[" * DEPTH, b"\xff\x00", b"{}"):
                answer = operation.send(venue, body)
                assert answer.status_code == 200, f"{operation}: {answer.text}"


# ---- sizes ---------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("unchanged")
def test_a_body_over_two_mebibytes_is_refused_at_every_route(venue: World, everything: list[Operation]) -> None:
    for operation in everything:
        answer = operation.send(venue, b" " * (2 * 1024 * 1024 + 1))
        assert_failure(answer, 413, "PAYLOAD_TOO_LARGE")


def test_a_body_of_just_two_mebibytes_is_read_at_every_route(venue: World, with_body: list[Operation]) -> None:
    for operation in with_body:
        body = json.dumps({**operation.body(venue), "padding": ""}).encode()
        padded = body[:-2] + b"x" * (2 * 1024 * 1024 - len(body)) + body[-2:]
        assert len(padded) == 2 * 1024 * 1024
        assert operation.send(venue, padded).status_code == 200


# ---- the gateway ---------------------------------------------------------------------------------------------------

# What is right or wrong with a request of this dialect is tested in `tests/gateway`; here, that none of its routes is
# forgotten. A clear 4xx of the other routes is a clear failure in its envelope here (`spec/decisions.md` N11).


@pytest.fixture(scope="module")
def of_gateway(http: httpx.Client) -> list[Operation]:
    return gateway_operations(http)


def _assert_gateway_failure(answer: httpx.Response) -> None:
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
    failure = answer.json()
    assert failure["status"] == "failure", failure
    assert isinstance(failure["error_code"], int)


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize("body", NO_OBJECTS.values(), ids=list(NO_OBJECTS))
def test_a_body_that_is_no_json_object_is_a_failure_at_every_route_of_the_gateway(
    venue: World, of_gateway: list[Operation], body: bytes
) -> None:
    posts = [one for one in of_gateway if one.schema is not None]
    assert posts
    for operation in posts:
        _assert_gateway_failure(operation.send(venue, body))


@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "query",
    ["", "type=", "type=nothing", "type=%00", "%FF=1", "type=%FF", "type=%ED%A0%80", "&".join(["a=1"] * 5000), "&=&"],
    ids=lambda query: query[:20],
)
def test_an_odd_query_is_answered_at_every_route_of_the_gateway(
    venue: World, of_gateway: list[Operation], query: str
) -> None:
    for operation in of_gateway:
        if operation.method == "GET":
            answer = operation.send(venue, url=f"{operation.path}?{query}", params=None)
            assert answer.status_code == 200, f"{operation}: {answer.text}"
            if operation.path.endswith("/query"):
                _assert_gateway_failure(answer)


@pytest.mark.usefixtures("unchanged")
def test_only_what_no_envelope_can_say_is_said_by_a_status_at_the_gateway(
    venue: World, of_gateway: list[Operation]
) -> None:
    methods: dict[str, set[str]] = {}
    for operation in of_gateway:
        methods.setdefault(operation.path, set()).add(operation.method)
    for operation in of_gateway:
        assert operation.send(venue, b" " * (2 * 1024 * 1024 + 1)).status_code == 413, operation
        assert venue.http.request(operation.method, operation.path + "/x").status_code == 404, operation
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"} - methods[operation.path]:
            answer = venue.http.request(method, operation.path)
            assert answer.status_code == 405, f"{method} {operation.path}: {answer.text}"
            assert set(answer.headers["allow"].split(", ")) == methods[operation.path]


def test_the_process_has_answered_no_request_with_a_fault(http: httpx.Client, sandbox: ServerProcess) -> None:
    """Last in this file: whatever the tests before it sent, the log knows of no exception."""
    assert data_of(http.get("/metadata"))
    assert "Traceback" not in sandbox.log
    assert "request_failed" not in sandbox.log
    metrics = http.get("/metrics").text
    assert 'status="5' not in metrics
