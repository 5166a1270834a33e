"""A client that remembers what it asked and what it was told, and compares that with the venue's journal.

It is the judge of the venue's first promise: what was acknowledged is never lost and never done twice; what was not
acknowledged was done whole or not at all. The rule of its use: each account has one request under way at a time, so
that the order of its requests is known.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import httpx
import msgspec

from overround.engine.commands import AnyCommand, Cancel, PlaceOrders, SetBalance
from overround.engine.events import AnyEvent, BalanceChanged, OrderAccepted, OrderChanged
from overround.engine.record import Record
from overround.protocols import strict_json
from overround.protocols.operator import decode as operator_decode
from overround.protocols.sx import decode
from overround.protocols.sx.profile import PROFILES, Profile
from overround.protocols.sx.units import hash_text, parse_hash
from overround.signing.address import checksum_address, parse_address
from overround.testing.sx import hash_of

Identity = tuple[Any, ...]

_POST: Final = "/orders/new"
_CANCELS: Final = {
    "/orders/cancel/v2": decode.cancel_orders,
    "/orders/cancel/event": decode.cancel_event,
    "/orders/cancel/all": decode.cancel_all,
}


class Asked(msgspec.Struct):
    """One request, and its answer if one came."""

    account: bytes  # whose orders or money it is about
    identity: Identity  # what the journal would know it by
    path: str
    body: dict[str, Any]
    command_id: str | None = None  # of the answer
    status: int | None = None
    answer: Any = None
    record: Record | None = None  # found by `Ledger.compare`

    @property
    def is_acknowledged(self) -> bool:
        """Whether the venue said that it is done."""
        return self.status == 200

    @property
    def is_open(self) -> bool:
        """Whether no answer came: it may have been done or not."""
        return self.status is None


class Findings(msgspec.Struct):
    """What is wrong, in words; everything is well when all lists are empty."""

    lost: list[str] = msgspec.field(default_factory=list)  # acknowledged, and not in the journal as acknowledged
    doubled: list[str] = msgspec.field(default_factory=list)  # done more than once
    invented: list[str] = msgspec.field(default_factory=list)  # done though refused, or never asked

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.invented)


class Ledger:
    """Everything that the clients of one venue asked, in the order in which they asked."""

    def __init__(self, *, profile: Profile = PROFILES["mainnet"], admin_token: str = "sandbox-admin") -> None:
        self.asked: list[Asked] = []
        self._profile = profile
        self._admin_token = admin_token

    # ---- asking ---------------------------------------------------------------------------------------------------

    async def post(self, http: httpx.AsyncClient, entries: list[dict[str, Any]]) -> Asked:
        """`POST /orders/new` with signed entries of one maker."""
        identity = ("post", *(parse_hash(hash_of(entry)) for entry in entries))
        maker = parse_address(entries[0]["maker"])
        return await self._ask(http, "POST", Asked(maker, identity, _POST, {"orders": entries}))

    async def cancel(self, http: httpx.AsyncClient, body: dict[str, Any]) -> Asked:
        """One of the three signed cancels; the members of the body tell which."""
        kind = "v2" if "orderHashes" in body else "event" if "sportXeventId" in body else "all"
        path = f"/orders/cancel/{kind}"
        command = _CANCELS[path](strict_json.encode(body), self._profile.chain_id).command
        return await self._ask(http, "POST", Asked(command.maker, _identity(command), path, body))

    async def set_balance(self, http: httpx.AsyncClient, address: bytes, amount: int) -> Asked:
        """`PUT /admin/balances/{address}/{USDC}`; amounts must differ, for the amount is all that tells them apart."""
        holder, token, body = checksum_address(address), self._profile.usdc, {"amount": str(amount)}
        command = operator_decode.set_balance(holder, token, strict_json.encode(body))
        path = f"/admin/balances/{holder}/{token}"
        return await self._ask(http, "PUT", Asked(address, _identity(command), path, body))

    async def again(self, http: httpx.AsyncClient, before: Asked) -> Asked:
        """Send a signed request a second time, byte for byte."""
        return await self._ask(http, "POST", Asked(before.account, before.identity, before.path, before.body))

    async def _ask(self, http: httpx.AsyncClient, method: str, asked: Asked) -> Asked:
        """Remember, send, and remember the answer. Raises httpx.TransportError if none came."""
        self.asked.append(asked)
        headers = {"authorization": f"Bearer {self._admin_token}"} if method == "PUT" else {}
        response = await http.request(method, asked.path, json=asked.body, headers=headers)
        asked.answer = response.json()
        asked.command_id = response.headers["x-request-id"]
        asked.status = response.status_code
        return asked

    # ---- what must be true ----------------------------------------------------------------------------------------

    @property
    def acknowledged(self) -> list[Asked]:
        """The requests that the venue said it has done."""
        return [asked for asked in self.asked if asked.is_acknowledged]

    def compare(self, records: Iterable[Record]) -> Findings:
        """Hold the whole journal against everything asked."""
        findings = Findings()
        by_id: dict[str, list[Record]] = {}
        by_identity: dict[Identity, list[Record]] = {}
        accepted: Counter[bytes] = Counter()
        for record in records:
            identity = _identity(record.command)
            if not identity:
                continue
            by_id.setdefault(record.command_id, []).append(record)
            by_identity.setdefault(identity, []).append(record)
            accepted.update(event.order_hash for event in record.events if isinstance(event, OrderAccepted))
        findings.doubled += [f"order 0x{name.hex()} was accepted {n} times" for name, n in accepted.items() if n > 1]
        findings.doubled += [f"command id {name} twice" for name, found in by_id.items() if len(found) > 1]
        findings.doubled += [
            f"{identity} obeyed {len(found)} times"
            for identity, found in by_identity.items()
            if identity[0] == "cancel" and len(found) > 1
        ]
        taken = {asked.command_id for asked in self.asked}
        for asked in self.asked:
            if asked.is_open:
                free = (one for one in by_identity.get(asked.identity, ()) if one.command_id not in taken)
                asked.record = next(free, None)
                taken |= {asked.record.command_id} if asked.record else set()
            else:
                _hold_against(asked, next(iter(by_id.get(asked.command_id or "", ())), None), findings)
        known = {asked.identity for asked in self.asked}
        findings.invented += [
            f"record {found[0].seq} was never asked for"
            for identity, found in by_identity.items()
            if identity not in known and not found[0].command_id.startswith("start-")
        ]
        return findings

    def open_orders(self, account: bytes, fixture_of: dict[str, str]) -> set[str]:
        """The orders of an account that must be on the books now, after `compare`.

        Thought out from what was asked: `fixture_of` gives the fixture of each market.
        """
        expected: dict[str, str] = {}  # order hash -> fixture
        for asked in self._done(account):
            if asked.path == _POST:
                names = map(hash_text, asked.identity[1:])
                fixtures = {
                    name: fixture_of[one["marketHash"]] for name, one in zip(names, asked.body["orders"], strict=True)
                }
                expected |= {name: fixtures[name] for name in _accepted(asked)}
            elif "orderHashes" in asked.body:
                for name in asked.body["orderHashes"]:
                    expected.pop(name, None)
            elif "sportXeventId" in asked.body:
                gone = asked.body["sportXeventId"]
                expected = {name: fixture for name, fixture in expected.items() if fixture != gone}
            elif asked.path in _CANCELS:
                expected = {}
        return set(expected)

    def balance(self, account: bytes) -> int | None:
        """The last balance that was set, after `compare`; None if none was."""
        amounts = [int(asked.body["amount"]) for asked in self._done(account) if "amount" in asked.body]
        return amounts[-1] if amounts else None

    def _done(self, account: bytes) -> Iterator[Asked]:
        return (one for one in self.asked if one.account == account and one.record is not None)


def _hold_against(asked: Asked, record: Record | None, findings: Findings) -> None:
    """An answered request and the record of its command id."""
    if not asked.is_acknowledged:
        if record is not None:
            findings.invented.append(f"{asked.path} was answered with {asked.status} and is record {record.seq}")
        return
    asked.record = record
    name = f"{asked.path} {asked.command_id}, acknowledged"
    if record is None or _identity(record.command) != asked.identity:
        findings.lost.append(f"{name}: no record")
    elif _told(asked) != _did(record.events):
        findings.lost.append(f"{name}: told {_told(asked)}, did {_did(record.events)}")


def _identity(command: AnyCommand) -> Identity:
    """What a command is known by; empty for what no client of the ledger asks."""
    match command:
        case PlaceOrders():
            return ("post", *(order.order_hash for order in command.orders))
        case Cancel():
            return ("cancel", command.replay_key)
        case SetBalance():
            return ("balance", command.account, command.token, command.amount)
        case _:
            return ()


def _accepted(asked: Asked) -> list[str]:
    """The orders of a post that were inserted: as told, or as the journal has it where nothing was told."""
    if asked.is_acknowledged:
        return [name for name, status in asked.answer["data"]["statuses"].items() if status == "OK"]
    assert asked.record is not None
    return [hash_text(one.order_hash) for one in asked.record.events if isinstance(one, OrderAccepted)]


def _told(asked: Asked) -> set[tuple[str, str]]:
    """What an answer says was done."""
    data = asked.answer["data"]
    if asked.path == _POST:
        return {("accepted", name) for name in _accepted(asked)}
    if asked.path in _CANCELS:
        return {("changed", order["orderHash"]) for order in data.get("orders", ())}
    token = asked.path.rpartition("/")[2]
    return {("balance", data["balances"][token])}


def _did(events: list[AnyEvent]) -> set[tuple[str, str]]:
    """The same, as the events of a record have it."""
    done = set()
    for event in events:
        match event:
            case OrderAccepted():
                done.add(("accepted", hash_text(event.order_hash)))
            case OrderChanged():
                done.add(("changed", hash_text(event.order_hash)))
            case BalanceChanged():
                done.add(("balance", str(event.balance)))
            case _:
                pass
    return done
