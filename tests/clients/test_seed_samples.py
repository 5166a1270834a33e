"""The samples of the documentation page that this project began with, as bots of our own around the same calls.

Only addresses, chain id and key are changed, and the orders are real ones. Cancels are here; heartbeats and feeds
join them when the venue has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import httpx
import pytest

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker

CANCELS = ["/orders/cancel/v2", "/orders/cancel/event", "/orders/cancel/all"]
TORONTO_CHAIN_ID = "79479957"

javascript = pytest.param("javascript/{}.mjs", id="ethers", marks=pytest.mark.row("SIGN-08"))
python = pytest.param("python/{}.py", id="eth_account", marks=pytest.mark.row("SIGN-09"))


def markets_of(world: dict[str, Any], event: str) -> list[str]:
    return [one["marketHash"] for one in world["markets"] if one["sportXeventId"] == event]


def open_orders(http: httpx.Client, maker: Maker) -> list[str]:
    rows = http.get("/orders", params={"maker": maker.address}).json()["data"]
    return [row["orderHash"] for row in rows]


@pytest.mark.row("ENV-01", "ENV-05", "HTTP-01", "SIGN-01", "SIGN-02", "SIGN-03", "SIGN-04", "SIGN-05", "SIGN-06")
@pytest.mark.row("ORD-01", "ORD-08", "CAN-01", "CAN-02", "CAN-03", "CAN-05", "CAN-06", "CAN-07", "CAN-08", "CAN-10")
@pytest.mark.parametrize("language", [javascript, python])
def test_one_salt_and_one_moment_sign_the_three_cancels(
    bots: Bots, http: httpx.Client, world: dict[str, Any], new_maker: Callable[[], Maker], language: str
) -> None:
    ours, other = new_maker(), new_maker()
    one, two, three = (markets_of(world, event) for event in ("L1000001", "L1000002", "L1000003"))
    named, same_event, elsewhere, further = bots.post(language, ours, one[0], one[1], two[0], three[2])
    (others,) = bots.post(language, other, one[0])

    steps = bots.run(language.format("cancel_orders"), ours, "L1000001", named)

    assert [step["path"] for step in steps] == CANCELS
    assert [step["before"] for step in steps] == [
        [named, same_event, elsewhere, further],
        [same_event, elsewhere, further],
        [elsewhere, further],
    ]
    assert [step["after"] for step in steps] == [[same_event, elsewhere, further], [elsewhere, further], []]
    for step, gone in zip(steps, ([named], [same_event], [elsewhere, further]), strict=True):
        assert step["status"] == 200
        assert step["answer"] == {
            "status": "success",
            "data": {
                "cancelledCount": len(gone),
                "orders": [{"orderHash": one, "pendingFills": []} for one in gone],
                "notCancelled": [],
            },
        }
    assert len({(step["sent"]["salt"], step["sent"]["timestamp"]) for step in steps}) == 1
    assert open_orders(http, other) == [others]


@pytest.mark.row("CAN-13")
@pytest.mark.parametrize("language", [javascript, python])
def test_a_placeholder_among_the_hashes_fails_nothing(
    bots: Bots, world: dict[str, Any], maker: Maker, language: str
) -> None:
    (ours,) = bots.post(language, maker, markets_of(world, "L1000002")[0])

    by_hash, by_event, everything = bots.run(language.format("cancel_orders"), maker, "L15468276", "0xabc...", ours)

    assert by_hash["answer"]["data"] == {
        "cancelledCount": 1,
        "orders": [{"orderHash": ours, "pendingFills": []}],
        "notCancelled": [{"orderHash": "0xabc...", "reason": "not_found_or_inactive"}],
    }
    for step in (by_event, everything):
        assert step["answer"] == {"status": "success", "data": {"cancelledCount": 0, "notCancelled": []}}


@pytest.mark.row("SIGN-09")
def test_an_old_library_that_doubles_the_prefix_is_understood(bots: Bots, world: dict[str, Any], maker: Maker) -> None:
    market_hash = markets_of(world, "L1000001")[0]
    posted = bots.run("python/with_old_hexbytes.py", maker, "post_orders.py", market_hash)
    assert posted["sent"][0]["signature"].startswith("0x0x")
    (ours,) = posted["answer"]["data"]["orders"]

    steps = bots.run("python/with_old_hexbytes.py", maker, "cancel_orders.py", "L1000001", ours)

    assert all(step["sent"]["signature"].startswith("0x0x") for step in steps)
    assert [step["answer"]["status"] for step in steps] == ["success"] * 3
    assert steps[0]["before"] == [ours]
    assert steps[0]["after"] == []


@pytest.mark.row("HTTP-06", "ORD-11")
@pytest.mark.parametrize("salt", ["decimal", "hex"])
@pytest.mark.parametrize("language", [javascript, python])
def test_salts_come_back_as_they_were_spelt(
    bots: Bots, http: httpx.Client, world: dict[str, Any], maker: Maker, language: str, salt: str
) -> None:
    market_hash = markets_of(world, "L1000002")[1]
    posted = bots.run(language.format("post_orders"), maker, market_hash, SALT=salt)
    (sent,) = posted["sent"]
    assert sent["salt"].startswith("0x") is (salt == "hex")

    (row,) = http.get("/orders", params={"orderHashes": posted["answer"]["data"]["orders"]}).json()["data"]

    assert {name: row[name] for name in sent} == sent


@pytest.mark.row("SIGN-07")
@pytest.mark.parametrize("language", [javascript, python])
def test_a_signature_for_another_chain_cancels_nothing(
    bots: Bots, world: dict[str, Any], maker: Maker, language: str
) -> None:
    (ours,) = bots.post(language, maker, markets_of(world, "L1000001")[0])

    steps = bots.run(language.format("cancel_orders"), maker, "L1000001", ours, CHAIN_ID=TORONTO_CHAIN_ID)

    for step in steps:
        assert step["status"] == 400
        assert step["answer"]["errorCode"] == step["answer"]["message"] == "SIGNATURE_MISMATCH"
        assert step["after"] == [ours]


@pytest.mark.row("CAN-04", "CAN-09")
@pytest.mark.parametrize("language", [javascript, python])
def test_a_signed_cancel_serves_its_signer_and_serves_once(
    bots: Bots, http: httpx.Client, world: dict[str, Any], new_maker: Callable[[], Maker], language: str
) -> None:
    ours, other = new_maker(), new_maker()
    (others,) = bots.post(language, other, markets_of(world, "L1000001")[0])
    steps = bots.run(language.format("cancel_orders"), ours, "L1000001", others)
    assert steps[0]["answer"]["data"]["notCancelled"] == [{"orderHash": others, "reason": "not_found_or_inactive"}]

    for step in steps:
        assert "apiKey" not in step["sent"]
        again = http.post(step["path"], json=step["sent"])
        assert (again.status_code, again.json()["errorCode"]) == (400, "CANCEL_REQUEST_ALREADY_PROCESSED")
        stolen = http.post(step["path"], json={**step["sent"], "maker": other.address})
        assert (stolen.status_code, stolen.json()["errorCode"]) == (400, "SIGNATURE_MISMATCH")
        unsigned = http.post(step["path"], json={**step["sent"], "signature": ""})
        assert (unsigned.status_code, unsigned.json()["errorCode"]) == (400, "BAD_REQUEST")
    assert open_orders(http, other) == [others]


@pytest.mark.row("HTTP-04", "HTTP-07", "CAN-01", "CAN-09", "ORD-11")
def test_a_bot_without_any_library_is_served(bots: Bots, world: dict[str, Any], maker: Maker) -> None:
    answers = bots.run("python/raw_bot.py", maker, markets_of(world, "L1000002")[2])

    name = answers["order"]["orderHash"]
    assert answers["address"] == maker.address
    assert answers["posted"]["data"] == {"orders": [name], "statuses": {name: "OK"}, "inserted": 1}
    (row,) = answers["listed"]["data"]
    assert {member: row[member] for member in answers["order"]} == answers["order"]
    assert answers["by event"] == answers["listed"]
    assert answers["cancelled"]["data"]["cancelledCount"] == 1
    assert answers["cancelled again"]["errorCode"] == "CANCEL_REQUEST_ALREADY_PROCESSED"
    assert answers["left"]["data"] == []
