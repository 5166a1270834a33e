"""`overround orders`: what a wallet has on the books, in both dialects, for people and for machines."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import httpx
import pytest
from tests.cli.runner import Outcome
from tests.gateway.bot import BTC, ETH_SPOT, FOR_EVER, Bot
from tests.protocols.envelope import data_of
from tests.protocols.operating import Operator

from overround.protocols.nado.units import X18
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE, BOB
from overround.testing.server import ServerProcess
from overround.testing.sx import signed_cancel, signed_order

WALLET = checksum_address(ALICE.address)

pytestmark = pytest.mark.xdist_group("cli orders")


@pytest.fixture(scope="module")
def venue() -> Iterator[ServerProcess]:
    with ServerProcess() as server:
        yield server


@pytest.fixture
def http(venue: ServerProcess) -> Iterator[httpx.Client]:
    with venue.client() as http:
        yield http
        for bot in (Bot(http, ALICE), Bot(http, ALICE, "mm-1")):
            bot.clear()
        http.post("/orders/cancel/all", json=signed_cancel(ALICE))


def place_both(http: httpx.Client) -> tuple[str, str, str]:
    """An order on SX, one of `default`, one of another subaccount."""
    operator, bot, other = Operator(http), Bot(http, ALICE), Bot(http, ALICE, "mm-1")
    entry = signed_order(ALICE, operator.market(), total_bet_size=20_000_000, percentage_odds=50 * 10**18)
    order_hash = data_of(http.post("/orders/new", json={"orders": [entry]}))["orders"][0]
    funds = {"amountX18": str(10_000 * X18)}
    data_of(operator.call("PUT", f"/admin/nado/balances/0x{other.sender.hex()}/0", funds))
    digest = bot.place(50_000, 0.01)
    return order_hash, digest, other.place(2_000, 1, ETH_SPOT, expiration=2_000_000_000)


def test_a_machine_reads_the_rows_of_both_dialects(venue: ServerProcess, http: httpx.Client) -> None:
    order_hash, digest, other = place_both(http)
    Bot(http, BOB).place(50_000, 0.01)
    found = Outcome("orders", WALLET.lower(), "--url", venue.base_url, "--json").json
    assert found["wallet"] == WALLET
    assert [one["orderHash"] for one in found["sx"]] == [order_hash]
    assert [one["digest"] for one in found["nado"]] == [digest, other]
    assert found["nado"][0] == Bot(http, ALICE).open(BTC)[0]
    Bot(http, BOB).clear()


def test_people_read_a_line_for_each(venue: ServerProcess, http: httpx.Client) -> None:
    order_hash, digest, other = place_both(http)
    head, *lines = Outcome("orders", WALLET, "--url", venue.base_url + "/").out.splitlines()
    assert head == f"{WALLET}: 1 open on SX, 2 open on Nado"
    assert lines[0].startswith(f"sx    {order_hash}  outcome one at 50.00%, 20 of 20, until ")
    assert lines[1] == (f"nado  {digest}  buy 0.01 of 0.01 BTC-PERP at 50000, until cancelled, subaccount default")
    assert lines[2] == (f"nado  {other}  buy 1 of 1 ETH at 2000, until 2033-05-18 03:33:20 UTC, subaccount mm-1")
    assert FOR_EVER == 2**32 - 1


def test_cancelling_everything_in_one_dialect_leaves_the_other(venue: ServerProcess, http: httpx.Client) -> None:
    place_both(http)
    assert len(Bot(http, ALICE).cancel_products()["data"]["cancelled_orders"]) == 1
    found = Outcome("orders", WALLET, "--url", venue.base_url, "--json").json
    assert (len(found["sx"]), len(found["nado"])) == (1, 1)
    data_of(http.post("/orders/cancel/all", json=signed_cancel(ALICE)))
    found = Outcome("orders", WALLET, "--url", venue.base_url, "--json").json
    assert (len(found["sx"]), len(found["nado"])) == (0, 1)


def test_a_wallet_without_orders_has_none(venue: ServerProcess) -> None:
    nobody = "0x" + "12" * 20
    outcome = Outcome("orders", nobody, "--url", venue.base_url)
    assert outcome.out == f"{checksum_address(bytes.fromhex('12' * 20))}: 0 open on SX, 0 open on Nado\n"


@pytest.mark.parametrize("wallet", ["", "0xabc", "alice", "0x" + "g" * 40])
def test_a_wallet_is_an_address(venue: ServerProcess, wallet: str) -> None:
    outcome = Outcome("orders", wallet, "--url", venue.base_url)
    assert (outcome.code, outcome.out) == (2, "")
    assert "the wallet must be an address" in outcome.err


def test_where_there_is_no_venue_it_says_so() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        outcome = Outcome("orders", WALLET, "--url", url)
    assert outcome.code == 2
    assert "cannot be reached" in outcome.err
    assert "--url must begin with" in Outcome("orders", WALLET, "--url", "venue.example").err
