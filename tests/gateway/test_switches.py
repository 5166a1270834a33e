"""What an operator can switch and set, and the bounds that nobody meets by accident (`spec/nado.md` 13)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.gateway.bot import BTC, DEFAULT, ETH, Bot

from overround.protocols.nado.units import subaccount
from overround.testing.accounts import ALICE, BOB, CAROL
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("gateway switches")

CONFIG = """
[nado]
cancel_mode = "partial"
open_orders_max = 7
signer_updates_max = 3
price_band_low = 0.2
price_band_high = 5
builders = [7]
batch_object_for_python = true

[nado.products.4]
trading_status = "post_only"
"""


@pytest.fixture(scope="module")
def switched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    file = tmp_path_factory.mktemp("switches") / "venue.toml"
    file.write_text(CONFIG)
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield client


@pytest.fixture
def alice(switched: httpx.Client) -> Iterator[Bot]:
    bot = Bot(switched, ALICE)
    yield bot
    bot.clear()


@pytest.mark.row("P-09")
def test_open_orders_have_a_limit_on_each_product(alice: Bot) -> None:
    for number in range(7):
        alice.place(50_000 + number, 0.01)
    assert alice.execute(place_order=alice.order(49_000, 0.01))["error_code"] == 2005
    alice.place(2_400, 1, ETH)
    assert Bot(alice.http, BOB).place(50_000, 0.01)
    alice.cancel(alice.open()[0]["digest"])
    alice.place(49_000, 0.01)


def test_prices_stay_within_a_band_around_the_mark(alice: Bot) -> None:
    for price in (11_000, 400_000):
        assert alice.execute(place_order=alice.order(price, 0.01))["error_code"] == 2007


def test_only_registered_builders_are_named(alice: Bot) -> None:
    assert alice.place(50_000, 0.01, appendix=DEFAULT | 50 << 38 | 7 << 48)
    for appendix in (DEFAULT | 10 << 38 | 4500 << 48, DEFAULT | 10 << 38):
        assert alice.execute(place_order=alice.order(50_000, 0.01, appendix=appendix))["error_code"] == 2118


def test_a_market_may_take_some_orders_only(alice: Bot) -> None:
    assert alice.execute(place_order=alice.order(2_000, 1, ETH, appendix=DEFAULT))["error_code"] == 2069
    assert alice.place(2_000, 1, ETH)


@pytest.mark.row("P-13")
def test_signers_are_changed_so_often_and_no_oftener(alice: Bot) -> None:
    carol = subaccount(CAROL.address, "")
    for linked in (carol, bytes(32), carol):
        assert alice.link(linked)["status"] == "success"
    assert alice.link(bytes(32))["error_code"] == 2030


@pytest.mark.row("C-27")
def test_what_can_be_cancelled_is_where_the_venue_is_told_so(alice: Bot) -> None:
    one, two = alice.place(50_000, 0.01), alice.place(50_001, 0.01)
    unknown = "0x" + "ab" * 32
    answer = alice.cancel(two, unknown, one)
    assert [order["digest"] for order in answer["data"]["cancelled_orders"]] == [two, one]
    assert alice.cancel(unknown)["error_code"] == 2020


@pytest.mark.row("P-10")
@pytest.mark.parametrize(("client", "as_object"), [("python-requests/2.32", True), ("axios/1.7", False)])
def test_a_batch_is_answered_as_one_sdk_wants_it(alice: Bot, client: str, as_object: bool) -> None:
    body = {"place_orders": {"orders": [alice.order(50_000, 0.01), alice.order(0, 0.01)]}}
    data = alice.http.post("/v1/execute", json=body, headers={"User-Agent": client}).json()["data"]
    entries = data["place_orders"] if as_object else data
    assert [sorted(entry) for entry in entries] == [["digest", "error"]] * 2
    assert entries[0]["error"] is None
    assert entries[1]["error"].startswith("2055: ")


@pytest.mark.row("Q-01")
def test_maintenance_refuses_orders_and_no_cancel(alice: Bot) -> None:
    token = alice.http.get("/sandbox").json()["adminToken"]

    def maintain(on: bool) -> None:
        answer = alice.http.post(
            "/admin/nado/status", json={"maintenance": on}, headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status_code == 200, answer.text

    order = alice.place(50_000, 0.01)
    maintain(True)
    assert alice.data("status") == "failed"
    assert alice.execute(place_order=alice.order(50_000, 0.01))["error_code"] == 2068
    assert alice.cancel(order)["status"] == "success"
    maintain(False)
    assert alice.data("status") == "active"
    assert alice.place(50_000, 0.01, BTC)
