"""The judge of the crash tests: it must see what is lost, doubled or invented."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import msgspec
import pytest

from overround.engine.commands import CancelAll, NewOrder, PlaceOrders
from overround.engine.events import AnyEvent, OrderAccepted, OrderChanged
from overround.engine.order import OrderState, Trigger
from overround.engine.record import Record
from overround.engine.types import Address, MarketHash, OrderHash
from overround.protocols.sx import decode
from overround.testing.accounts import ALICE
from overround.testing.ledger import Asked, Ledger
from overround.testing.sx import hash_of, signed_cancel, signed_order

MARKET = "0x" + "ab" * 32
FIXTURES = {MARKET: "L1"}


class Venue:
    """Answers as told, and keeps the records that it should have written."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.records: list[Record] = []
        self.silent = False

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if self.silent:
            raise httpx.ReadError("gone")
        name = f"id-{len(self.ledger.asked)}"
        body = json.loads(request.content)
        data: dict[str, Any] = {"orders": [{"orderHash": one, "pendingFills": []} for one in self._open()]}
        if "orders" in body:
            data = {"statuses": {hash_of(entry): "OK" for entry in body["orders"]}}
        return httpx.Response(200, json={"status": "success", "data": data}, headers={"x-request-id": name})

    def _open(self) -> set[str]:
        return self.ledger.open_orders(ALICE.address, FIXTURES)

    def post(self) -> Asked:
        """One order, and its record."""
        entry = signed_order(ALICE, MARKET)
        asked = self._ask(lambda http: self.ledger.post(http, [entry]))
        name = OrderHash(bytes.fromhex(hash_of(entry)[2:]))
        maker, market = Address(ALICE.address), MarketHash(bytes.fromhex(MARKET[2:]))
        terms = NewOrder(name, market, maker, maker, 1, 1, b"", True, b"", 1)
        accepted = OrderAccepted(index=0, order_hash=name, number=1, update_time_ms=1)
        self._record(asked, PlaceOrders(orders=(terms,)), [accepted])
        return asked

    def cancel(self) -> Asked:
        """A cancel of everything, and its record."""
        self.ledger.compare(self.records)
        gone = self._open()
        body = signed_cancel(ALICE)
        asked = self._ask(lambda http: self.ledger.cancel(http, body))
        command = decode.cancel_all(json.dumps(body).encode(), 4162).command
        assert isinstance(command, CancelAll)
        events: list[AnyEvent] = [
            OrderChanged(
                order_hash=OrderHash(bytes.fromhex(name[2:])),
                trigger=Trigger.CANCEL,
                state=OrderState.CANCELLED,
                fill_amount=0,
                pending_fill_amount=0,
                update_time_ms=2,
            )
            for name in gone
        ]
        self._record(asked, command, events)
        return asked

    def _ask(self, send: Any) -> Asked:
        async def play() -> None:
            async with httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://x") as http:
                await send(http)

        try:
            asyncio.run(play())
        except httpx.ReadError:
            assert self.silent
        return self.ledger.asked[-1]

    def _record(self, asked: Asked, command: Any, events: list[Any]) -> None:
        name = asked.command_id or f"unanswered-{len(self.records)}"
        self.records.append(Record(len(self.records) + 1, 1, 1, name, command, events))


@pytest.fixture
def venue() -> Venue:
    """A venue where all is well: two orders, cancelled, and a third."""
    venue = Venue()
    venue.post()
    venue.post()
    venue.cancel()
    venue.post()
    return venue


def test_all_is_well(venue: Venue) -> None:
    assert not venue.ledger.compare(venue.records)
    assert venue.ledger.open_orders(ALICE.address, FIXTURES) == {hash_of(venue.ledger.asked[-1].body["orders"][0])}
    assert len(venue.ledger.acknowledged) == 4


def test_a_lost_command_is_seen(venue: Venue) -> None:
    for place in range(4):
        (found,) = venue.ledger.compare(venue.records[:place] + venue.records[place + 1 :]).lost
        assert str(venue.ledger.asked[place].command_id) in found


def test_a_command_done_otherwise_than_told_is_seen(venue: Venue) -> None:
    venue.records[2] = msgspec.structs.replace(venue.records[2], events=venue.records[2].events[:1])
    (found,) = venue.ledger.compare(venue.records).lost
    assert "told" in found


def test_a_record_of_another_command_is_seen(venue: Venue) -> None:
    venue.records[0] = msgspec.structs.replace(venue.records[0], command=venue.records[1].command)
    findings = venue.ledger.compare(venue.records)
    assert findings.lost


def test_a_command_done_twice_is_seen(venue: Venue) -> None:
    for place in (0, 2):
        again = msgspec.structs.replace(venue.records[place], command_id="another")
        assert venue.ledger.compare([*venue.records, again]).doubled
    assert venue.ledger.compare([*venue.records, venue.records[1]]).doubled


def test_what_nobody_asked_is_seen(venue: Venue) -> None:
    stranger = Venue()
    stranger.post()
    record = msgspec.structs.replace(stranger.records[0], command_id="stranger")
    assert venue.ledger.compare([*venue.records, record]).invented


def test_what_was_refused_and_done_is_seen(venue: Venue) -> None:
    venue.ledger.asked[3].status = 400
    assert venue.ledger.compare(venue.records).invented


def test_what_was_not_answered_may_be_done_or_not(venue: Venue) -> None:
    venue.silent = True
    asked = venue.post()
    assert asked.is_open
    assert not venue.ledger.compare(venue.records[:-1])
    assert asked.record is None
    assert len(venue.ledger.open_orders(ALICE.address, FIXTURES)) == 1
    assert not venue.ledger.compare(venue.records)
    assert asked.record is not None
    assert len(venue.ledger.open_orders(ALICE.address, FIXTURES)) == 2
