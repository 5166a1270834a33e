"""What a start puts into the journal for the gateway, and what it refuses (`spec/decisions.md` N1)."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from tests.gateway.bot import BTC, Bot
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator

from overround.protocols.nado.units import X18
from overround.testing.accounts import ALICE
from overround.testing.server import ServerFailed, ServerProcess, data_dir_arguments


class Folder:
    """A data folder that is started again and again, with one configuration or another."""

    def __init__(self, folder: Path) -> None:
        self._data, self._file = folder / "data", folder / "venue.toml"

    def start(self, text: str = "") -> ServerProcess:
        self._file.write_text(text)
        return ServerProcess(*data_dir_arguments(self._data), "--config", str(self._file))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def seq(http: httpx.Client) -> int:
    return Operator(http).digest()[0]


def test_a_start_with_the_same_settings_writes_nothing(folder: Folder) -> None:
    with folder.start() as server, server.client() as http:
        before = Operator(http).digest()
        assert server.stop() == 0
    with folder.start() as server, server.client() as http:
        assert Operator(http).digest() == before


def test_products_follow_the_configuration_and_keep_what_the_operator_said(folder: Folder) -> None:
    with folder.start() as server, server.client() as http:
        Operator(http).call("POST", "/admin/nado/products/2", {"takerFeeX18": "7", "tradingStatus": "post_only"})
    text = """
[nado.products.2]
maker_fee = 0.5
[nado.products.8]
symbol = "SOL-PERP"
kind = "perp"
tick = "0.01"
lot = "0.1"
start_price = 150
"""
    with folder.start(text) as server, server.client() as http:
        symbols = Bot(http, ALICE).data("symbols")["symbols"]
        assert (symbols["BTC-PERP"]["maker_fee_rate_x18"], symbols["BTC-PERP"]["taker_fee_rate_x18"]) == (
            str(X18 // 2),
            "7",
        )
        assert symbols["BTC-PERP"]["trading_status"] == "post_only"
        assert (symbols["SOL-PERP"]["product_id"], symbols["SOL-PERP"]["price_increment_x18"]) == (8, str(10**16))
    with folder.start() as server, server.client() as http:
        assert "SOL-PERP" in Bot(http, ALICE).data("symbols")["symbols"]


def test_what_orders_rest_on_cannot_change_under_them(folder: Folder) -> None:
    with folder.start() as server, server.client() as http:
        digest = Bot(http, ALICE).place(50_000, 0.01)
    with pytest.raises(ServerFailed, match=r"nado\.products\.2: somebody has orders or a balance in it"):
        folder.start("[nado.products.2]\ntick = 2").start()
    with pytest.raises(ServerFailed, match="belongs to a gateway of another chain id or endpoint"):
        folder.start("[nado]\nchain_id = 7").start()
    with folder.start("[nado]\ncancel_mode = 'partial'") as server, server.client() as http:
        bot = Bot(http, ALICE)
        assert [one["digest"] for one in bot.open(BTC)] == [digest]
        answer = bot.cancel("0x" + "12" * 32, digest)
        assert answer["status"] == "success"
        assert [one["digest"] for one in answer["data"]["cancelled_orders"]] == [digest]


def test_a_sandbox_that_is_older_than_the_gateway_gets_its_collateral(folder: Folder) -> None:
    """Its world is furnished part by part: what is there stays as it is."""
    with folder.start() as server, server.client() as http:
        fixtures = data_of(http.get("/markets/active"))["markets"]
    with folder.start() as server, server.client() as http:
        assert data_of(http.get("/markets/active"))["markets"] == fixtures
        assert Bot(http, ALICE).place(50_000, 0.01)
