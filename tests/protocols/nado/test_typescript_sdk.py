"""The official TypeScript SDK against decoders and encoders, without a venue (`spec/nado.md` 14.2)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.protocols.nado.paper import PaperGateway, serving
from tests.protocols.nado.vectors import FILE, LINKED_SIGNER, OWNER

from overround.protocols.nado.requests import CancelAndPlace, CancelOrders, LinkSigner, PlaceOrder, PlaceOrders

PROGRAM = Path(__file__).parents[2] / "clients" / "javascript" / "nado_sdk.mjs"
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def gateway() -> PaperGateway:
    return PaperGateway()


@pytest.fixture(scope="module")
def results(gateway: PaperGateway) -> dict[str, dict[str, Any]]:
    with serving(gateway) as base_url:
        ended = subprocess.run(
            ["node", str(PROGRAM)],
            env={
                **os.environ,
                "BASE_URL": base_url,
                "NADO_PRIVATE_KEY": FILE["meta"]["private_key"],
                "LINKED_SIGNER": "0x" + LINKED_SIGNER.hex() + "00" * 12,
            },
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    assert ended.returncode == 0, ended.stderr
    found: dict[str, dict[str, Any]] = json.loads(ended.stdout)
    return found


@pytest.mark.row("K-02")
def test_every_call_of_the_sdk_understands_its_answer(results: dict[str, dict[str, Any]]) -> None:
    failed = {name: result["error"] for name, result in results.items() if "error" in result}
    assert failed == {"withdraw": "4001: withdraw_collateral is not implemented by this venue"}


@pytest.mark.row("K-02")
def test_it_reads_what_was_meant(results: dict[str, dict[str, Any]]) -> None:
    value: dict[str, Any] = {name: result.get("value") for name, result in results.items()}
    assert value["contracts"]["chainId"] == 763373
    assert value["status"] == "active"
    assert [market["productId"] for market in value["markets"]] == [0, 3, 2]
    assert list(value["symbols"]["symbols"]) == ["BTC-PERP"]
    assert value["placeOrder"]["id"] == 100
    assert len(value["placeOrders"]["data"]) == 2
    assert value["cancelNothing"]["data"] == {"cancelled_orders": []}
    assert [one["productId"] for one in value["openOrdersOfSeveral"]["productOrders"]] == [2, 3]
    assert value["account"]["exists"] is True


@pytest.mark.row("K-02", "S-07", "P-03")
def test_what_it_signed_is_its_owners(results: dict[str, dict[str, Any]], gateway: PaperGateway) -> None:
    orders = [one for one in gateway.asked if isinstance(one, PlaceOrder)]
    assert [one.signer() for one in orders] == [OWNER]
    assert results["placeOrder"]["value"]["data"]["digest"] == "0x" + orders[0].digest.hex()
    assert orders[0].appendix.order_type.text == "post_only"
    assert {type(one) for one in gateway.asked} >= {PlaceOrders, CancelOrders, CancelAndPlace, LinkSigner}
    link = next(one for one in gateway.asked if isinstance(one, LinkSigner))
    assert (link.linked_signer, link.nonce, link.signer()) == (LINKED_SIGNER, 7, OWNER)
