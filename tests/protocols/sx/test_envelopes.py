"""General rules of requests and answers (`spec/sx.md` 2)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import address_of

from overround.testing.accounts import ALICE, BOB, CAROL
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx envelopes")  # one server for the module


@pytest.fixture(scope="module")
def lenient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
    file.write_text("[sx]\nlenient_addresses = true\norders_rows_max = 3\n")
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield client


@pytest.fixture(scope="module")
def posted(http: httpx.Client, world: dict[str, Any]) -> dict[str, Any]:
    """Bob's one order."""
    entry = signed_order(BOB, world["markets"][0]["marketHash"])
    assert data_of(http.post("/orders/new", json={"orders": [entry]}))["inserted"] == 1
    return entry


# ---- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-01")
def test_every_success_is_status_200_with_status_and_data(http: httpx.Client, world: dict[str, Any]) -> None:
    event, market, usdc = world["fixtures"][0], world["markets"][0], world["tokens"]["USDC"]
    league = data_of(http.get("/leagues"))[0]["leagueId"]
    for path in (
        "/metadata",
        "/sports",
        "/leagues",
        "/leagues/active",
        f"/leagues/teams/{league}",
        f"/fixture/active?leagueId={league}",
        f"/fixture/status?sportXEventIds={event['sportXeventId']}",
        "/markets/active",
        f"/markets/find?marketHashes={market['marketHash']}",
        "/markets/popular",
        f"/orders?maker={address_of(ALICE)}",
        f"/orders/odds/best?baseToken={usdc}&marketHashes={market['marketHash']}",
    ):
        assert data_of(http.get(path)) is not None
    entry = signed_order(ALICE, market["marketHash"])
    data_of(http.post("/orders/new", json={"orders": [entry]}))
    data_of(http.post("/orders/cancel/v2", json=signed_cancel(ALICE, order_hashes=[hash_of(entry)])))
    data_of(http.post("/orders/cancel/event", json=signed_cancel(ALICE, event=event["sportXeventId"])))
    data_of(http.post("/orders/cancel/all", json=signed_cancel(ALICE)))


@pytest.mark.row("HTTP-02")
def test_a_broken_rule_is_the_union_envelope_with_the_code_as_message(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    entry = signed_order(ALICE, world["markets"][0]["marketHash"], percentage_odds=50_200 * 10**15)
    answer = http.post("/orders/new", json={"orders": [entry]})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "status": "failure",
            "errorCode": "INVALID_ODDS",
            "error": "Bad Request",
            "message": "INVALID_ODDS",
            "statusCode": 400,
            "detail": "orders[0]: percentageOdds must be a multiple of 125000000000000000",
        },
    )


@pytest.mark.row("HTTP-02", "HTTP-03")
def test_a_schema_violation_is_the_union_envelope_with_a_list_of_texts(http: httpx.Client) -> None:
    answer = http.post("/orders/new", json={"orders": {}})
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "status": "failure",
            "errorCode": "BAD_REQUEST",
            "error": "Bad Request",
            "message": ["orders must be an array"],
            "statusCode": 400,
        },
    )


@pytest.mark.row("HTTP-02")
def test_missing_keys_unknown_paths_and_wrong_methods_have_the_envelope_too(http: httpx.Client) -> None:
    assert_failure(http.get("/user/realtime-token/api-key"), 401, "UNAUTHORIZED")
    assert_failure(http.get("/user/token"), 404, "NOT_FOUND")
    wrong = http.get("/orders/new")
    assert_failure(wrong, 405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["allow"] == "POST"


@pytest.mark.row("HTTP-03")
@pytest.mark.parametrize(
    "query", ["", "maker=", "page=0", "maker=x&page=-1", "maker=x&perPage=1001", "maker=x&sortAsc=maybe"]
)
def test_a_query_that_cannot_be_read_is_a_schema_violation(http: httpx.Client, query: str) -> None:
    assert_bad_request(http.get(f"/orders?{query}"))


# ---- tolerance -----------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-04")
def test_unknown_query_parameters_are_ignored_on_get_and_on_post(http: httpx.Client, world: dict[str, Any]) -> None:
    query = {"chainVersion": "SXR", "foo": "bar", "page[]": ""}
    assert data_of(http.get("/metadata", params=query)) == data_of(http.get("/metadata"))
    mine = {"maker": address_of(CAROL)}
    assert data_of(http.get("/orders", params={**mine, **query})) == []

    entry = signed_order(CAROL, world["markets"][0]["marketHash"])
    assert data_of(http.post("/orders/new", params=query, json={"orders": [entry]}))["inserted"] == 1
    cancel = signed_cancel(CAROL, order_hashes=[hash_of(entry)])
    assert data_of(http.post("/orders/cancel/v2?chainVersion=SXR", json=cancel))["cancelledCount"] == 1


@pytest.mark.row("HTTP-04")
def test_unknown_members_of_bodies_and_orders_are_ignored(http: httpx.Client, world: dict[str, Any]) -> None:
    more = {"chainVersion": "SXR", "deep": [{"a": [1.5, None]}], "": 0, "Signature": "0x"}
    entry = {**signed_order(CAROL, world["markets"][0]["marketHash"]), **more}
    assert data_of(http.post("/orders/new", json={"orders": [entry], **more}))["inserted"] == 1
    cancel = {**signed_cancel(CAROL), **more}
    assert data_of(http.post("/orders/cancel/all", json=cancel))["cancelledCount"] == 1


@pytest.mark.row("HTTP-04")
@pytest.mark.parametrize("content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "nonsense; ;"])
def test_a_missing_or_odd_content_type_is_not_refused(http: httpx.Client, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    answer = http.post("/orders/cancel/all", content=json.dumps(signed_cancel(CAROL)), headers=headers)
    assert data_of(answer) == {"cancelledCount": 0, "notCancelled": []}


@pytest.mark.row("HTTP-05")
@pytest.mark.parametrize("style", ["{0},{1}", "{0}&marketHashes={1}", "[]{0}&marketHashes[]={1}", "{0}%2C{1}"])
def test_lists_are_accepted_with_commas_repeated_keys_and_brackets(
    http: httpx.Client, world: dict[str, Any], style: str
) -> None:
    hashes = [market["marketHash"] for market in world["markets"][:2]]
    query = style.format(*hashes)
    name, query = ("marketHashes[]", query[2:]) if query.startswith("[]") else ("marketHashes", query)
    found = data_of(http.get(f"/markets/find?{name}={query}"))
    assert [market["marketHash"] for market in found] == hashes


@pytest.mark.row("HTTP-06")
@pytest.mark.parametrize("spell", [str, hex, int], ids=["decimal text", "hex text", "JSON integer"])
def test_big_integers_are_accepted_as_decimal_text_hex_text_and_json_integer(
    http: httpx.Client, world: dict[str, Any], spell: Any
) -> None:
    entry = signed_order(CAROL, world["markets"][0]["marketHash"], salt=2**255 + 2**53 + 1)
    spelt = {name: spell(int(entry[name])) for name in ("totalBetSize", "percentageOdds", "salt")}
    assert entry["percentageOdds"] == "50000000000000000000"  # no double holds it and its neighbour apart

    answer = data_of(http.post("/orders/new", json={"orders": [{**entry, **spelt}]}))
    name = hash_of(entry)
    assert answer["orders"] == [name]
    assert answer["statuses"][name] in ("OK", "ORDERS_ALREADY_EXIST")  # one order, three spellings
    (row,) = data_of(http.get("/orders", params={"orderHashes": name}))
    assert (row["totalBetSize"], row["percentageOdds"]) == ("10000000", "50000000000000000000")


@pytest.mark.row("HTTP-07", "USR-02")
@pytest.mark.parametrize("key", ["undefined", "null", "", "é", "0" * 4000, "' OR 1=1"])
def test_the_key_header_is_not_looked_at_where_no_key_is_needed(http: httpx.Client, key: str) -> None:
    headers = {"X-Api-Key": key.encode()}
    assert data_of(http.get("/metadata", headers=headers))  # type: ignore[arg-type]
    answer = http.post("/orders/cancel/all", json=signed_cancel(CAROL), headers=headers)  # type: ignore[arg-type]
    assert data_of(answer)["notCancelled"] == []
    assert_failure(http.get("/user/realtime-token/api-key", headers=headers), 401, "UNAUTHORIZED")  # type: ignore[arg-type]


@pytest.mark.row("HTTP-07")
@pytest.mark.parametrize("name", ["X-Api-Key", "x-api-key", "X-API-KEY"])
def test_header_names_are_read_in_any_letter_case(http: httpx.Client, world: dict[str, Any], name: str) -> None:
    key = world["accounts"][0]["apiKey"]
    assert http.get("/user/realtime-token/api-key", headers={name: key}).status_code == 200


# ---- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.row("HTTP-08")
def test_addresses_leave_checksummed_and_hashes_in_lower_case(http: httpx.Client, posted: dict[str, Any]) -> None:
    (row,) = data_of(http.get("/orders", params={"maker": posted["maker"]}))
    for name in ("maker", "baseToken", "executor"):
        assert row[name] == posted[name]
        assert row[name] != row[name].lower()
    for name in ("orderHash", "marketHash", "signature"):
        assert row[name] == row[name].lower()


@pytest.mark.row("HTTP-08")
def test_filters_match_the_exact_checksummed_text_and_nothing_else_is_an_error(
    http: httpx.Client, world: dict[str, Any], posted: dict[str, Any]
) -> None:
    maker, usdc, market = posted["maker"], posted["baseToken"], posted["marketHash"]
    assert len(data_of(http.get("/orders", params={"maker": maker, "baseToken": usdc}))) == 1
    for wrong in (maker.lower(), "0x" + maker[2:].upper(), maker[:-1], "0x", "nobody", maker.swapcase(), " " + maker):
        assert data_of(http.get("/orders", params={"maker": wrong})) == []
    assert data_of(http.get("/orders", params={"maker": maker, "baseToken": usdc.lower()})) == []
    for token in (usdc.lower(), "nothing"):
        best = http.get("/orders/odds/best", params={"marketHashes": market, "baseToken": token})
        assert data_of(best) == {"bestOdds": []}


@pytest.mark.row("HTTP-08")
def test_hashes_in_filters_match_in_any_letter_case_and_malformed_ones_match_nothing(
    http: httpx.Client, posted: dict[str, Any]
) -> None:
    market, name = posted["marketHash"], hash_of(posted)
    for query in (
        {"marketHashes": "0x" + market[2:].upper()},
        {"orderHashes": "0X" + name[2:].upper()},
        {"marketHashes": f"0xabc,{market}"},
    ):
        assert [row["orderHash"] for row in data_of(http.get("/orders", params=query))] == [name]
    for query in ({"marketHashes": "0xabc"}, {"orderHashes": market}, {"sportXeventId": "L0"}):
        assert data_of(http.get("/orders", params=query)) == []


@pytest.mark.row("HTTP-08")
def test_with_lenient_addresses_filters_match_lower_and_upper_case_as_well(lenient: httpx.Client) -> None:
    world = lenient.get("/sandbox").json()
    entry = signed_order(BOB, world["markets"][0]["marketHash"])
    assert data_of(lenient.post("/orders/new", json={"orders": [entry]}))["inserted"] == 1
    maker, usdc = entry["maker"], world["tokens"]["USDC"]
    for one in (maker, maker.lower(), "0x" + maker[2:].upper()):
        (row,) = data_of(lenient.get("/orders", params={"maker": one, "baseToken": usdc.lower()}))
        assert row["maker"] == maker
    assert data_of(lenient.get("/orders", params={"maker": maker[:-1]})) == []


@pytest.mark.row("ORD-02")
def test_an_answer_without_paging_that_would_be_too_long_is_refused_with_the_way_out(lenient: httpx.Client) -> None:
    market = lenient.get("/sandbox").json()["markets"][1]["marketHash"]
    entries = [signed_order(BOB, market) for _ in range(4)]
    assert data_of(lenient.post("/orders/new", json={"orders": entries}))["inserted"] == 4
    assert_bad_request(lenient.get("/orders", params={"marketHashes": market}), "use page and perPage")
    for page, size in ((0, 3), (1, 1), (2, 0)):
        rows = data_of(lenient.get("/orders", params={"marketHashes": market, "page": page, "perPage": 3}))
        assert len(rows) == size
    assert len(data_of(lenient.get("/orders", params={"marketHashes": market, "perPage": 1000}))) == 4


@pytest.mark.row("HTTP-08")
def test_signed_bodies_take_an_address_in_lower_and_upper_case_but_not_with_a_wrong_checksum(
    http: httpx.Client, world: dict[str, Any]
) -> None:
    market = world["markets"][3]["marketHash"]
    for spell in (str.lower, lambda text: "0x" + text[2:].upper(), str):
        entry = signed_order(CAROL, market)
        spelt = {name: spell(entry[name]) for name in ("maker", "baseToken", "executor")}
        name = hash_of(entry)
        answer = http.post("/orders/new", json={"orders": [{**entry, **spelt}]})
        assert data_of(answer)["statuses"] == {name: "OK"}
        (row,) = data_of(http.get("/orders", params={"orderHashes": name}))
        assert (row["maker"], row["baseToken"]) == (entry["maker"], entry["baseToken"])  # stored checksummed

        cancel = signed_cancel(CAROL, order_hashes=[name])
        cancel["maker"] = spell(cancel["maker"])
        assert data_of(http.post("/orders/cancel/v2", json=cancel))["cancelledCount"] == 1

    entry = signed_order(CAROL, market)
    for member, code in (("maker", "MAKER"), ("baseToken", "BASETOKEN"), ("executor", "EXECUTOR")):
        wrong = {**entry, member: _with_wrong_checksum(entry[member])}
        answer = http.post("/orders/new", json={"orders": [wrong]})
        assert_failure(answer, 400, f"{code}_UNDEFINED_OR_MALFORMED")
    cancel = signed_cancel(CAROL)
    answer = http.post("/orders/cancel/all", json={**cancel, "maker": _with_wrong_checksum(cancel["maker"])})
    assert_bad_request(answer, f"its checksummed spelling is {cancel['maker']}")


def _with_wrong_checksum(address: str) -> str:
    place = next(place for place, letter in enumerate(address[2:], 2) if letter.isalpha())
    return address[:place] + address[place].swapcase() + address[place + 1 :]


@pytest.mark.row("HTTP-04")
def test_a_timestamp_may_be_numeric_text(http: httpx.Client) -> None:
    now = int(time.time())
    cancel = signed_cancel(CAROL, timestamp=now)
    assert data_of(http.post("/orders/cancel/all", json={**cancel, "timestamp": str(now)}))["cancelledCount"] == 0
