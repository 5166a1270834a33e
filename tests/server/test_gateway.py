"""Faults of ours, and too much work: what a client is told then."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.protocols.nado.vectors import DOMAIN, NOW_MS, VECTORS, body_of

from overround.config import LimitsConfig
from overround.protocols.nado.checks import Market
from overround.runtime.sequencer import InboxFull
from overround.server.budgets import Budgets
from overround.server.gateway import Asker, Gateway
from overround.server.lanes import Lanes, Sender, Standing
from overround.server.limits import Limits
from overround.server.verifier import Verifier


class BrokenDesk:
    """A desk at which everything goes wrong in one way."""

    domain = DOMAIN
    builders = None

    def __init__(self, fault: Exception) -> None:
        self.fault = fault
        self.markets = {2: Market(spot=False)}

    def now_ms(self) -> int:
        return NOW_MS

    def linked_signer_of(self, subaccount: bytes) -> None:
        return None

    def is_known(self, digest: bytes) -> bool:
        return False

    async def execute(self, request: Any, signer: bytes, command_id: str) -> Any:
        raise self.fault

    def cancel(self, request: Any, signer: bytes, command_id: str, tell: Any) -> None:
        raise self.fault

    def query(self, query: Any) -> bytes:
        raise self.fault


def gateway_of(desk: Any) -> Gateway:
    off = LimitsConfig(profile="off")  # type: ignore[call-arg]
    limits = Limits(off, lambda _: None, lambda _: False)
    return Gateway(desk, Budgets(off), limits, Lanes(), Verifier(), "test")


def answer(fault: Exception, frame: bytes, sender: Sender | None = None) -> Any:
    async def ask() -> bytes:
        told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        gateway_of(BrokenDesk(fault)).frame(frame, Asker("here", sender or Sender()), told.set_result)
        return await asyncio.wait_for(told, 20)

    return json.loads(asyncio.run(ask()))


CANCEL = body_of(VECTORS["cancel_orders_one"]["request"])


def test_a_fault_of_ours_is_an_internal_error_and_says_no_more() -> None:
    told = answer(RuntimeError("secret"), CANCEL)
    assert (told["error_code"], told["error"]) == (5000, "internal error")
    assert told["request_type"] == "execute_cancel_orders"
    assert told["signature"] == VECTORS["cancel_orders_one"]["signature"]
    assert answer(RuntimeError("secret"), b'{"type":"status"}')["error_code"] == 5000


def test_too_much_work_is_a_reason_to_come_back_later() -> None:
    told = answer(InboxFull(), CANCEL)
    assert told["error_code"] == 1000
    assert "try again in 1 s" in told["error"]


@pytest.mark.parametrize("good", [True, False])
def test_a_connection_is_known_by_its_last_signature(good: bool) -> None:
    sender = Sender()
    request = json.loads(CANCEL)
    if not good:
        request["cancel_orders"]["signature"] = VECTORS["place_order_default_buy"]["signature"]
    answer(InboxFull(), json.dumps(request).encode(), sender)
    assert sender.standing is (Standing.PROVEN if good else Standing.SUSPECT)
