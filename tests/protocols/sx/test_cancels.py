"""The three signed cancels (`spec/sx.md` 5.10)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.protocols.envelope import assert_bad_request, assert_failure, data_of
from tests.protocols.operating import MAINNET, Operator, address_of, new_account

from overround.signing.account import LocalAccount
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess
from overround.testing.sx import hash_of, signed_cancel, signed_order

pytestmark = pytest.mark.xdist_group("sx cancels")  # one server for the module

Body = dict[str, Any]
UNKNOWN_HASH = "0x" + "ab" * 32
PATHS = ("/orders/cancel/v2", "/orders/cancel/event", "/orders/cancel/all")


@pytest.fixture(scope="module")
def operator(http: httpx.Client) -> Operator:
    return Operator(http)


@pytest.fixture
def maker(operator: Operator) -> LocalAccount:
    """An account with money that nobody else uses."""
    account = new_account()
    operator.fund(account, 10**12)
    return account


def post(http: httpx.Client, maker: LocalAccount, *markets: str) -> list[str]:
    """One order on each of these markets; their hashes."""
    data = data_of(http.post("/orders/new", json={"orders": [signed_order(maker, market) for market in markets]}))
    assert data["inserted"] == len(markets), data
    hashes: list[str] = data["orders"]
    return hashes


def open_orders(http: httpx.Client, maker: LocalAccount) -> list[str]:
    return [row["orderHash"] for row in data_of(http.get("/orders", params={"maker": address_of(maker)}))]


def body_for(path: str, account: LocalAccount, **more: Any) -> Body:
    """A valid body for one of the three routes."""
    if path == PATHS[0]:
        return signed_cancel(account, order_hashes=[UNKNOWN_HASH], **more)
    if path == PATHS[1]:
        return signed_cancel(account, event="L1000001", **more)
    return signed_cancel(account, **more)


# ---- scopes --------------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-01", "CAN-05", "CAN-10", "CAN-15")
def test_a_cancel_by_hash_takes_the_listed_orders_of_this_maker_off_and_no_others(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    market, other = operator.market(), new_account()
    operator.fund(other, 10**12)
    a, b, c = post(http, maker, market, market, market)
    (theirs,) = post(http, other, market)

    answer = http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[c, a, theirs]))
    assert data_of(answer) == {
        "cancelledCount": 2,
        "orders": [{"orderHash": c, "pendingFills": []}, {"orderHash": a, "pendingFills": []}],
        "notCancelled": [{"orderHash": theirs, "reason": "not_found_or_inactive"}],
    }
    assert open_orders(http, maker) == [b]
    assert open_orders(http, other) == [theirs]


@pytest.mark.row("CAN-02", "CAN-06")
def test_a_cancel_by_event_takes_off_every_market_of_the_event_and_nothing_else(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    event = operator.fixture()
    first, second, elsewhere = operator.market(event), operator.market(event, type=226), operator.market()
    other = new_account()
    operator.fund(other, 10**12)
    a, kept, b = *post(http, maker, first, elsewhere), *post(http, maker, second)
    (theirs,) = post(http, other, first)

    data = data_of(http.post("/orders/cancel/event", json=signed_cancel(maker, event=event)))
    assert data == {
        "cancelledCount": 2,
        "orders": [{"orderHash": a, "pendingFills": []}, {"orderHash": b, "pendingFills": []}],
        "notCancelled": [],
    }
    assert open_orders(http, maker) == [kept]
    assert open_orders(http, other) == [theirs]


@pytest.mark.row("CAN-02")
def test_the_event_of_a_cancel_may_be_spelt_both_ways(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    event = operator.fixture()
    post(http, maker, operator.market(event))
    body = signed_cancel(maker, event=event)
    body["sportXEventId"] = body.pop("sportXeventId")
    assert data_of(http.post("/orders/cancel/event", json=body))["cancelledCount"] == 1


@pytest.mark.row("CAN-03", "CAN-07")
def test_a_cancel_of_everything_takes_off_every_order_of_the_maker_and_nobody_elses(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    other, market = new_account(), operator.market()
    operator.fund(other, 10**12)
    posted = post(http, maker, market, operator.market(), market)
    (theirs,) = post(http, other, market)
    data = data_of(http.post("/orders/cancel/all", json=signed_cancel(maker)))
    assert [one["orderHash"] for one in data["orders"]] == posted
    assert (data["cancelledCount"], data["notCancelled"]) == (3, [])
    assert open_orders(http, maker) == []
    assert open_orders(http, other) == [theirs]


@pytest.mark.row("CAN-10")
def test_when_nothing_is_cancelled_the_orders_are_left_out_and_not_cancelled_never_is(
    http: httpx.Client, maker: LocalAccount
) -> None:
    nothing = {"cancelledCount": 0, "notCancelled": []}
    assert data_of(http.post("/orders/cancel/all", json=signed_cancel(maker))) == nothing
    assert data_of(http.post("/orders/cancel/event", json=signed_cancel(maker, event="L0"))) == nothing
    assert data_of(http.post("/orders/cancel/event", json=signed_cancel(maker, event="L1000001"))) == nothing
    stranger = LocalAccount.from_hex("77" * 32)
    assert data_of(http.post("/orders/cancel/all", json=signed_cancel(stranger))) == nothing


@pytest.mark.row("CAN-13")
def test_hashes_that_are_truncated_unknown_or_no_hashes_never_fail_the_request(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    (posted,) = post(http, maker, operator.market())
    odd = ["0xabc...", "", "0x", UNKNOWN_HASH, posted[2:], posted + "00", "é 😀", "0x" + "g" * 64, "0x" + " " * 64]
    cancel = signed_cancel(maker, order_hashes=[*odd, posted])
    data = data_of(http.post("/orders/cancel/v2", json=cancel))
    assert data == {
        "cancelledCount": 1,
        "orders": [{"orderHash": posted, "pendingFills": []}],
        "notCancelled": [{"orderHash": one, "reason": "not_found_or_inactive"} for one in odd],
    }


@pytest.mark.row("CAN-10", "CAN-13")
def test_a_hash_that_is_named_twice_is_reported_once(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    (posted,) = post(http, maker, operator.market())
    cancel = signed_cancel(maker, order_hashes=[posted, "0xabc", posted, "0xabc"])
    data = data_of(http.post("/orders/cancel/v2", json=cancel))
    assert (data["cancelledCount"], len(data["orders"]), len(data["notCancelled"])) == (1, 1, 1)


@pytest.mark.row("CAN-05", "HTTP-08")
def test_a_hash_in_upper_case_names_the_same_order_and_is_signed_as_it_is_written(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    (posted,) = post(http, maker, operator.market())
    shouted = "0x" + posted[2:].upper()
    signed_otherwise = {**signed_cancel(maker, order_hashes=[posted]), "orderHashes": [shouted]}
    assert_failure(http.post("/orders/cancel/v2", json=signed_otherwise), 400, "SIGNATURE_MISMATCH")
    cancel = signed_cancel(maker, order_hashes=[shouted])
    assert data_of(http.post("/orders/cancel/v2", json=cancel))["orders"] == [{"orderHash": posted, "pendingFills": []}]


@pytest.mark.row("CAN-10")
def test_an_order_that_is_cancelled_twice_is_found_inactive_the_second_time(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    (posted,) = post(http, maker, operator.market())
    for count in (1, 0):
        cancel = signed_cancel(maker, order_hashes=[posted])
        assert data_of(http.post("/orders/cancel/v2", json=cancel))["cancelledCount"] == count


@pytest.mark.row("CAN-01")
def test_a_thousand_hashes_fit_into_a_cancel(http: httpx.Client, operator: Operator, maker: LocalAccount) -> None:
    (posted,) = post(http, maker, operator.market())
    names = [f"0x{number:064x}" for number in range(999)]
    data = data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[*names, posted])))
    assert (data["cancelledCount"], len(data["notCancelled"])) == (1, 999)
    too_many = signed_cancel(maker, order_hashes=[*names, posted, UNKNOWN_HASH])
    assert_bad_request(http.post("/orders/cancel/v2", json=too_many), "orderHashes must contain 1 to 1000")
    assert_bad_request(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[])), "orderHashes")


@pytest.mark.row("CAN-15")
def test_an_order_is_off_every_book_once_its_cancel_is_answered(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    event = operator.fixture()
    market = operator.market(event)
    (posted,) = post(http, maker, market)
    data_of(http.post("/orders/cancel/v2", json=signed_cancel(maker, order_hashes=[posted])))
    for query in ({"maker": address_of(maker)}, {"marketHashes": market}, {"sportXeventId": event}):
        assert data_of(http.get("/orders", params=query)) == []
    assert data_of(http.get("/orders", params={"orderHashes": posted})) == []
    best = http.get("/orders/odds/best", params={"marketHashes": market, "baseToken": MAINNET.usdc})
    assert data_of(best) == {"bestOdds": []}


# ---- who may cancel ------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-04", "HTTP-07")
@pytest.mark.parametrize("path", PATHS)
def test_a_cancel_needs_no_api_key_and_none_replaces_the_signature(
    http: httpx.Client, world: dict[str, Any], path: str
) -> None:
    maker = new_account()
    data_of(http.post(path, json=body_for(path, maker)))
    without = {name: value for name, value in body_for(path, maker).items() if name != "signature"}
    headers = {"X-Api-Key": world["accounts"][0]["apiKey"], "Authorization": "Bearer sandbox-admin"}
    assert_bad_request(http.post(path, json=without, headers=headers), "signature")


@pytest.mark.row("CAN-04", "SIGN-03", "SIGN-04", "SIGN-05")
@pytest.mark.parametrize("path", PATHS)
def test_a_cancel_that_another_key_signed_is_refused_and_changes_nothing(
    http: httpx.Client, operator: Operator, maker: LocalAccount, path: str
) -> None:
    post(http, maker, operator.market())
    before = operator.digest()
    forged = {**body_for(path, new_account()), "maker": address_of(maker)}
    body = assert_failure(http.post(path, json=forged), 400, "SIGNATURE_MISMATCH")
    assert address_of(maker) in body["detail"]
    assert operator.digest() == before


@pytest.mark.row("CAN-04", "SIGN-06")
@pytest.mark.parametrize("path", PATHS)
def test_every_signed_member_of_a_cancel_is_bound_by_the_signature(http: httpx.Client, path: str) -> None:
    body = body_for(path, ALICE)
    changes: Body = {"timestamp": body["timestamp"] - 1, "salt": "0x" + secrets.token_hex(32)}
    if path == PATHS[0]:
        changes["orderHashes"] = [*body["orderHashes"], UNKNOWN_HASH]
    if path == PATHS[1]:
        changes["sportXeventId"] = "L1000002"
    for member, value in changes.items():
        assert_failure(http.post(path, json={**body, member: value}), 400, "SIGNATURE_MISMATCH")
    data_of(http.post(path, json=body))


@pytest.mark.row("SIGN-03", "SIGN-04", "SIGN-05")
def test_the_signature_of_one_kind_of_cancel_is_none_for_another(http: httpx.Client, maker: LocalAccount) -> None:
    for path in PATHS:
        for other in PATHS:
            members = {**body_for(PATHS[0], maker), **body_for(PATHS[1], maker), **body_for(other, maker)}
            answer = http.post(path, json=members)
            if path == other:
                data_of(answer)
            else:
                assert_failure(answer, 400, "SIGNATURE_MISMATCH")


# ---- replay --------------------------------------------------------------------------------------------------------


@pytest.mark.row("CAN-09")
@pytest.mark.parametrize("path", PATHS)
def test_the_same_signed_request_is_obeyed_once(http: httpx.Client, operator: Operator, path: str) -> None:
    body = body_for(path, new_account())
    data_of(http.post(path, json=body))
    before = operator.digest()
    for _ in range(2):
        assert_failure(http.post(path, json=body), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")
    assert operator.digest() == before


@pytest.mark.row("CAN-09", "SIGN-10", "SIGN-11")
def test_no_other_spelling_of_a_signed_request_is_obeyed_again(http: httpx.Client, maker: LocalAccount) -> None:
    """The key is the signer and what was signed: neither the bytes of the signature nor those of the body."""
    body = signed_cancel(maker)
    data_of(http.post("/orders/cancel/all", json=body))
    signature = body["signature"]
    v = int(signature[-2:], 16)
    for change in (
        {"signature": signature[2:]},
        {"signature": "0x" + signature},
        {"signature": signature.upper()},
        {"signature": f"{signature[:-2]}{v - 27:02x}"},
        {"signature": "0x" + "11" * 64 + "1b"},  # another signature altogether: the replay is looked at first
        {"signature": "0x" + "11" * 64 + "05"},
        {"maker": body["maker"].lower()},
        {"salt": body["salt"].upper().replace("0X", "0x")},
        {"salt": "0X" + body["salt"][2:]},
        {"timestamp": str(body["timestamp"])},
        {"more": 1},
    ):
        answer = http.post("/orders/cancel/all", json={**body, **change})
        assert_failure(answer, 400, "CANCEL_REQUEST_ALREADY_PROCESSED")


@pytest.mark.row("CAN-09")
def test_of_many_equal_cancels_at_once_exactly_one_is_obeyed(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    (posted,) = post(http, maker, operator.market())
    body = signed_cancel(maker, order_hashes=[posted])
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: http.post("/orders/cancel/v2", json=body), range(50)))
    obeyed = [answer for answer in answers if answer.status_code == 200]
    assert len(obeyed) == 1
    assert data_of(obeyed[0])["cancelledCount"] == 1
    for answer in answers:
        if answer is not obeyed[0]:
            assert_failure(answer, 400, "CANCEL_REQUEST_ALREADY_PROCESSED")


@pytest.mark.row("CAN-08", "SIGN-06")
def test_one_salt_may_serve_three_cancels_of_different_kinds_and_several_of_one_kind(
    http: httpx.Client, maker: LocalAccount
) -> None:
    salt, now = "0x" + secrets.token_hex(32), int(time.time())
    for body, path in (
        (signed_cancel(maker, order_hashes=[UNKNOWN_HASH], salt=salt, timestamp=now), PATHS[0]),
        (signed_cancel(maker, order_hashes=["0xabc"], salt=salt, timestamp=now), PATHS[0]),
        (signed_cancel(maker, event="L1000001", salt=salt, timestamp=now), PATHS[1]),
        (signed_cancel(maker, salt=salt, timestamp=now), PATHS[2]),
        (signed_cancel(maker, salt=salt, timestamp=now - 1), PATHS[2]),
    ):
        data_of(http.post(path, json=body))
        assert_failure(http.post(path, json=body), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")


@pytest.mark.row("CAN-09")
def test_two_makers_may_sign_the_same_digest(http: httpx.Client) -> None:
    """The maker is no part of the signed message: a stranger's cancel must not use up mine."""
    salt, now = "0x" + secrets.token_hex(32), int(time.time())
    for maker in (new_account(), new_account()):
        data_of(http.post("/orders/cancel/all", json=signed_cancel(maker, salt=salt, timestamp=now)))


@pytest.mark.row("CAN-09")
def test_a_refused_cancel_uses_nothing_up(http: httpx.Client, maker: LocalAccount) -> None:
    body = signed_cancel(maker)
    forged = {**body, "signature": signed_cancel(new_account())["signature"]}
    assert_failure(http.post("/orders/cancel/all", json=forged), 400, "SIGNATURE_MISMATCH")
    data_of(http.post("/orders/cancel/all", json=body))


# ---- the window ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def frozen() -> Iterator[tuple[httpx.Client, int]]:
    """A sandbox whose clock stands still at a full second."""
    with ServerProcess() as server, server.client() as client:
        yield client, Operator(client).freeze_at_full_second()


@pytest.mark.row("CAN-16")
@pytest.mark.parametrize("path", PATHS)
def test_a_timestamp_is_good_from_600_s_ago_to_60_s_ahead_and_not_a_second_longer(
    frozen: tuple[httpx.Client, int], path: str
) -> None:
    http, now = frozen
    for ahead in (-600, -599, 0, 59, 60):
        data_of(http.post(path, json=body_for(path, new_account(), timestamp=now + ahead)))
    before = Operator(http).digest()
    for ahead in (-(10**9), -601, 61, 3600, now * 1000 - now):
        body = assert_failure(
            http.post(path, json=body_for(path, ALICE, timestamp=now + ahead)), 400, "INVALID_TIMESTAMP"
        )
        assert f"is {ahead} s off the venue's clock ({now})" in body["detail"]
    assert Operator(http).digest() == before


@pytest.mark.row("CAN-16")
def test_the_window_is_exact_to_the_millisecond() -> None:
    with ServerProcess() as server, server.client() as http:
        operator = Operator(http)
        second = operator.freeze_at_full_second()
        oldest, newest = second - 600, second + 61
        path = "/orders/cancel/all"
        data_of(http.post(path, json=signed_cancel(ALICE, timestamp=oldest)))
        operator.clock(advanceMs=1)
        late = signed_cancel(ALICE, timestamp=oldest)
        assert_failure(http.post(path, json=late), 400, "INVALID_TIMESTAMP")
        operator.clock(advanceMs=998)
        early = signed_cancel(ALICE, timestamp=newest)
        assert_failure(http.post(path, json=early), 400, "INVALID_TIMESTAMP")
        operator.clock(advanceMs=1)
        data_of(http.post(path, json=early))


@pytest.mark.row("CAN-09", "CAN-16")
def test_a_cancel_cannot_be_replayed_while_its_timestamp_is_good_nor_after(tmp_path: Path) -> None:
    with ServerProcess() as server, server.client() as http:
        operator = Operator(http)
        second = operator.freeze_at_full_second()
        body = signed_cancel(ALICE, timestamp=second)
        data_of(http.post("/orders/cancel/all", json=body))
        for step_ms, code in (
            (0, "CANCEL_REQUEST_ALREADY_PROCESSED"),
            (600_000, "CANCEL_REQUEST_ALREADY_PROCESSED"),
            (1, "INVALID_TIMESTAMP"),
        ):
            operator.clock(advanceMs=step_ms)
            # Each accepted cancel lets the venue forget what the window refuses by now.
            data_of(
                http.post(
                    "/orders/cancel/all", json=signed_cancel(ALICE, timestamp=operator.clock(advanceMs=0) // 1000)
                )
            )
            assert_failure(http.post("/orders/cancel/all", json=body), 400, code)


@pytest.fixture(scope="module")
def configured(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ServerProcess]:
    """Sandboxes with a configuration file."""

    def start(text: str) -> ServerProcess:
        file: Path = tmp_path_factory.mktemp("config") / "venue.toml"
        file.write_text(text)
        return ServerProcess("--config", str(file))

    return start


@pytest.mark.row("CAN-16", "CAN-09")
def test_with_a_window_of_nothing_any_timestamp_is_good_and_a_replay_is_refused_for_ever(
    configured: Callable[[str], ServerProcess],
) -> None:
    text = "[sx]\ncancel_timestamp_past_max_s = 0\ncancel_timestamp_future_max_s = 0\n"
    with configured(text) as server, server.client() as http:
        for timestamp in (0, 1, 1_500_000_000, 4_000_000_000, 1_750_000_000_000, 2**63 - 1):
            body = signed_cancel(ALICE, timestamp=timestamp)
            data_of(http.post("/orders/cancel/all", json=body))
            Operator(http).clock(advanceMs=10**9)
            data_of(http.post("/orders/cancel/all", json=signed_cancel(ALICE)))
            assert_failure(http.post("/orders/cancel/all", json=body), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")


@pytest.mark.row("CAN-16")
def test_the_window_is_configured_on_each_side(configured: Callable[[str], ServerProcess]) -> None:
    text = "[sx]\ncancel_timestamp_past_max_s = 5\ncancel_timestamp_future_max_s = 0\n"
    with configured(text) as server, server.client() as http:
        now = Operator(http).freeze_at_full_second()
        for ahead, good in ((-6, False), (-5, True), (0, True), (1, False)):
            answer = http.post("/orders/cancel/all", json=signed_cancel(ALICE, timestamp=now + ahead))
            if good:
                data_of(answer)
            else:
                assert_failure(answer, 400, "INVALID_TIMESTAMP")


# ---- which refusal comes first -------------------------------------------------------------------------------------


@pytest.mark.row("CAN-04", "CAN-09", "CAN-16")
@pytest.mark.parametrize("path", PATHS)
def test_form_comes_before_the_window_the_window_before_replay_and_replay_before_the_signature(
    frozen: tuple[httpx.Client, int], path: str
) -> None:
    http, now = frozen
    used = body_for(path, new_account(), timestamp=now)
    data_of(http.post(path, json=used))
    mismatch = {"signature": "0x" + "11" * 64 + "1b"}
    late = {"timestamp": now - 601}

    malformed = {**used, **late, "salt": "0x00"}
    assert_bad_request(http.post(path, json=malformed), "salt")  # form, before window and replay and signature
    assert_bad_request(http.post(path, json={**used, **late, "signature": "0x"}), "signature")
    assert_failure(http.post(path, json={**used, **late}), 400, "INVALID_TIMESTAMP")  # also wrongly signed now
    assert_failure(
        http.post(path, json={**body_for(path, ALICE, timestamp=now), **late, **mismatch}), 400, "INVALID_TIMESTAMP"
    )
    assert_failure(http.post(path, json={**used, **mismatch}), 400, "CANCEL_REQUEST_ALREADY_PROCESSED")
    fresh = body_for(path, ALICE, timestamp=now)
    assert_failure(http.post(path, json={**fresh, **mismatch}), 400, "SIGNATURE_MISMATCH")


# ---- form ----------------------------------------------------------------------------------------------------------

MALFORMED: dict[str, list[Any]] = {
    "signature": ["", "0x", *("0x" + "1" * digits for digits in (128, 129, 132, 170)), "0x" + "g" * 130, 7],
    "salt": [
        "", "0x", "1", "12345", 7, "ab" * 32,
        "0x" + "ab" * 31,  # libraries pad it on the right: it would sign like the next one
        "0x" + "ab" * 31 + "0", "0x" + "ab" * 33, "0x" + "0" * 62 + "  ", "0x" + "g" * 64, " 0x" + "ab" * 31,
    ],
    "maker": ["", "0x", "nobody", "0x" + "1" * 39, "0x" + "1" * 41, "0x" + "g" * 40, 7],
    "timestamp": ["", " 12 ", "1_0", "١٢", "1.0", "1e9", "-1", "0x10", -1, 1.5, 1e9, 2**63, 10**30, "9" * 30, True],
}  # fmt: skip


@pytest.mark.row("CAN-01", "CAN-02", "CAN-03", "SIGN-06")
@pytest.mark.parametrize("path", PATHS)
def test_a_missing_or_malformed_member_of_a_cancel_is_a_schema_violation_that_names_it(
    http: httpx.Client, operator: Operator, path: str
) -> None:
    body = body_for(path, ALICE)
    before = operator.digest()
    for member, values in MALFORMED.items():
        without = {name: value for name, value in body.items() if name != member}
        assert_bad_request(http.post(path, json=without), member)
        for value in (None, [], {}, *values):
            assert_bad_request(http.post(path, json={**body, member: value}), member)
    assert operator.digest() == before


@pytest.mark.row("CAN-01", "CAN-13")
@pytest.mark.parametrize("value", [None, "0xabc", {}, 7, [7], [None], [["0xabc"]], ["0xabc", 1.5], ["x" * 257]])
def test_order_hashes_are_a_list_of_texts(http: httpx.Client, value: Any) -> None:
    body = {**signed_cancel(ALICE, order_hashes=[UNKNOWN_HASH]), "orderHashes": value}
    assert_bad_request(http.post("/orders/cancel/v2", json=body), "orderHashes")


@pytest.mark.row("CAN-02")
@pytest.mark.parametrize("value", [None, "", [], {}, 7, "L" * 257])
def test_the_event_is_a_text(http: httpx.Client, value: Any) -> None:
    body = {**signed_cancel(ALICE, event="L1000001"), "sportXeventId": value}
    assert_bad_request(http.post("/orders/cancel/event", json=body), "sportXeventId")


@pytest.mark.row("SIGN-06")
def test_a_salt_of_31_bytes_and_its_padded_twin_are_not_one_request(http: httpx.Client, maker: LocalAccount) -> None:
    """Typed-data libraries pad a short salt with zeros on the right, so both would carry one signature."""
    padded = "0x" + "ab" * 31 + "00"
    body = signed_cancel(maker, salt=padded)
    assert_bad_request(http.post("/orders/cancel/all", json={**body, "salt": "0x" + "ab" * 31}), "salt")
    data_of(http.post("/orders/cancel/all", json=body))
    assert_bad_request(http.post("/orders/cancel/all", json={**body, "salt": "0x" + "ab" * 31}), "salt")


@pytest.mark.row("CAN-01", "CAN-04")
def test_of_duplicate_keys_the_one_that_is_verified_is_the_one_that_is_executed(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    """Two lists of hashes under one name: if the verifier read one and the venue the other, a signature for
    the cancel of one order would cancel another.
    """
    signed_for, other = post(http, maker, *[operator.market()] * 2)
    body = signed_cancel(maker, order_hashes=[signed_for])
    rest = json.dumps({name: value for name, value in body.items() if name != "orderHashes"})[1:-1]

    def doubled(first: str, last: str) -> str:
        return f'{{"orderHashes":["{first}"],{rest},"orderHashes":["{last}"]}}'

    answer = http.post("/orders/cancel/v2", content=doubled(signed_for, other))
    assert_failure(answer, 400, "SIGNATURE_MISMATCH")
    assert open_orders(http, maker) == [signed_for, other]
    data = data_of(http.post("/orders/cancel/v2", content=doubled(other, signed_for)))
    assert data["orders"] == [{"orderHash": signed_for, "pendingFills": []}]
    assert open_orders(http, maker) == [other]


@pytest.mark.row("CAN-02", "CAN-04")
def test_of_two_spellings_of_the_event_the_one_that_is_verified_is_the_one_that_is_executed(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    signed_for, other = operator.fixture(), operator.fixture()
    first, second = post(http, maker, operator.market(signed_for), operator.market(other))
    body = signed_cancel(maker, event=signed_for)
    for both in (
        {**body, "sportXeventId": other, "sportXEventId": signed_for},
        {**body, "sportXEventId": other, "sportXeventId": signed_for},
    ):
        answer = http.post("/orders/cancel/event", json=both)
        left = open_orders(http, maker)
        assert left in ([first, second], [second])
        if left == [first, second]:
            assert_failure(answer, 400, "SIGNATURE_MISMATCH")
    assert open_orders(http, maker) == [second]


@pytest.mark.row("ORD-08", "HTTP-06")
def test_of_duplicate_keys_in_an_order_the_last_one_is_signed_and_stored(
    http: httpx.Client, operator: Operator, maker: LocalAccount
) -> None:
    entry = signed_order(maker, operator.market())
    text = json.dumps(entry)[1:-1]
    cheap = '"totalBetSize":"10000000"'
    large = '"totalBetSize":"99000000"'
    assert cheap in text.replace(" ", "")
    last_differs = f'{{"orders":[{{{text},{large}}}]}}'
    assert_failure(http.post("/orders/new", content=last_differs), 400, "SIGNATURE_MISMATCH")
    first_differs = f'{{"orders":[],"orders":[{{{large},{text}}}]}}'
    assert data_of(http.post("/orders/new", content=first_differs))["statuses"] == {hash_of(entry): "OK"}
    (row,) = data_of(http.get("/orders", params={"orderHashes": hash_of(entry)}))
    assert row["totalBetSize"] == "10000000"
