"""Budgets with weights, as the network sees them (`spec/nado.md` 12)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.gateway.bot import BTC, ETH, ETH_SPOT, Bot

from overround.protocols.nado.units import hex_text, subaccount
from overround.testing.accounts import EVERYBODY
from overround.testing.server import ServerProcess

pytestmark = pytest.mark.xdist_group("gateway limits")


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A sandbox with the published limits."""
    file: Path = tmp_path_factory.mktemp("limits") / "venue.toml"
    file.write_text('limits = "sx-strict"\n')
    with ServerProcess("--config", str(file)) as server, server.client() as client:
        yield client


@pytest.fixture
def bot(strict: httpx.Client, request: pytest.FixtureRequest) -> Bot:
    """Somebody whose budget nobody has touched: every test has its own."""
    return Bot(strict, EVERYBODY[request.param])


def somebody(number: int) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("bot", [number], indirect=True, ids=[""])


def spend(bot: Bot, weight: int) -> None:
    """Cancels of nothing, which are free of everything but their weight; 50 each, and 1 each."""
    for _ in range(weight // 50):
        assert bot.cancel_products()["status"] == "success"
    for _ in range(weight % 50):
        assert bot.cancel()["status"] == "success"


@somebody(1)
@pytest.mark.row("C-17", "R-01", "R-04")
def test_without_digests_a_cancellation_weighs_one(bot: Bot) -> None:
    spend(bot, 99)
    assert bot.cancel()["status"] == "success"
    answer = bot.cancel()
    assert (answer["status"], answer["error_code"]) == ("failure", 1000)
    assert answer["error"].startswith("Too Many Requests: at most weight 100 in 10 s")
    assert "try again in" in answer["error"]
    assert answer["request_type"] == "execute_cancel_orders"


@somebody(2)
@pytest.mark.row("C-18", "R-01", "R-03")
def test_with_digests_it_weighs_their_number_over_http_and_sockets_alike(bot: Bot) -> None:
    unknown = ["0x" + f"{number:064x}" for number in range(60)]
    assert bot.cancel(*unknown)["error_code"] == 2020, "charged, though nothing was found: the signature was good"
    with bot.socket() as socket:
        answer = socket.ask({"cancel_orders": bot.cancellation(unknown[:41])})
        assert answer["error_code"] == 1000
        assert "this request weighs 41, 40 is left" in answer["error"]
        assert socket.ask({"cancel_orders": bot.cancellation(unknown[:40])})["error_code"] == 2020
        assert socket.ask({"cancel_orders": bot.cancellation([])})["error_code"] == 1000


@somebody(3)
@pytest.mark.row("C-18", "R-01")
def test_a_single_large_cancellation_passes_when_nothing_was_spent(bot: Bot) -> None:
    unknown = ["0x" + f"{number:064x}" for number in range(601)]
    answer = bot.cancel(*unknown)
    assert answer["error_code"] == 1000
    assert "split it" in answer["error"]
    assert bot.cancel(*unknown[:600])["error_code"] == 2020
    assert bot.cancel()["error_code"] == 1000


@somebody(4)
@pytest.mark.row("R-01")
def test_a_bad_signature_spends_nothing_of_the_wallet_that_it_names(bot: Bot) -> None:
    thief = Bot(bot.http, bot.account, key=EVERYBODY[9])
    for _ in range(3):
        assert thief.cancel_products()["error_code"] == 2028
    spend(bot, 100)
    assert bot.cancel()["error_code"] == 1000
    assert thief.cancel()["error_code"] == 1000, "not verified any more: there is no budget to obey it with"


@somebody(5)
@pytest.mark.row("R-01")
def test_subaccounts_of_a_wallet_share_its_budget(bot: Bot) -> None:
    second = Bot(bot.http, bot.account, "second")
    spend(second, 100)
    assert bot.cancel()["error_code"] == 1000


@somebody(6)
@pytest.mark.row("R-01")
def test_every_execute_has_its_weight(bot: Bot) -> None:
    orders = [bot.order(50_000 + number, 0.01) for number in range(10)]
    assert len(bot.execute(place_orders={"orders": orders})["data"]) == 10  # 10
    bot.place(2_000, 0.1, ETH_SPOT, spot_leverage=False)  # 20
    bot.cancel_products(BTC, ETH)  # 10
    bot.link(subaccount(EVERYBODY[9].address, ""))  # 30
    old = bot.place(50_000, 0.01)  # 1
    assert bot.execute(cancel_and_place=bot.replacement(old, bot.order(50_001, 0.01)))["status"] == "success"  # 2
    answer = bot.execute(cancel_orders=bot.cancellation(["0x" + "ab" * 32] * 28))
    assert "this request weighs 28, 27 is left" in answer["error"]


@somebody(7)
@pytest.mark.row("R-02")
def test_queries_are_charged_to_the_address(bot: Bot) -> None:
    """Runs last: there is one address only, and nothing is left of its budget afterwards."""
    left_s = 0
    while left_s < 5:  # else the budget may be back before the end of this test
        answer = bot.query("max_nlp_mintable", sender=hex_text(bot.sender))
        if answer["status"] == "failure":
            assert answer["error_code"] == 1000
            left_s = int(answer["error"].rpartition("try again in ")[2].removesuffix(" s"))
    with bot.socket() as socket:
        assert socket.ask({"type": "nlp_pool_info"})["error_code"] == 1000
    assert bot.post("/v1/edge/query", {"type": "cached_nlp_pool_info"})["error_code"] == 1000
    assert bot.cancel()["status"] == "success", "executes that only cancel are the wallet's own affair"
    assert bot.execute(place_order=bot.order(50_000, 0.01)).get("error_code") is None
