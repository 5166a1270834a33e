"""Floors on which market days are played (`scenario.py`): in this process, and over HTTP in another one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx

from overround.engine.commands import (
    AdjustClock,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    NewOrder,
    PlaceOrders,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    Tick,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.engine import Engine, VenueOutcome
from overround.engine.events import CancelRefused, OrderChanged, OrderRefused
from overround.engine.order import OrderState
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import Address, MarketHash, OrderHash
from overround.journal.memory import MemoryJournal
from overround.protocols.sx.errors import CANCEL_CODES, ORDER_OK, ORDER_STATUSES
from overround.protocols.sx.profile import EXPIRY
from overround.protocols.sx.units import hash_text, unpack_salt
from overround.runtime.recovery import recover
from overround.runtime.venue import Venue
from overround.signing.address import checksum_address
from overround.testing.scenario import (
    EXECUTOR,
    PEOPLE,
    RULES,
    USDC,
    CancelAnswer,
    OpenOrder,
    ScenarioError,
    SignedCancel,
)
from overround.testing.server import ServerProcess
from overround.testing.sx import MAINNET, signed_cancel
from overround.views.best_odds import SideKey
from overround.views.orders import OrderRow
from overround.views.views import Views

# ---- in this process -----------------------------------------------------------------------------------------------


class _LocalFloor:
    """What is decided by an engine in this process and shown by its views."""

    views: Views

    def submit(self, command: VenueCommand) -> VenueOutcome:
        """Decide a command."""
        raise NotImplementedError

    def operate(self, command: VenueCommand) -> Rejection | None:
        """An operator's command."""
        outcome = self.submit(command)
        return outcome if isinstance(outcome, Rejection) else None

    def place(self, orders: tuple[NewOrder, ...]) -> list[Rejection | None]:
        """One request with these orders."""
        outcome = self.submit(PlaceOrders(orders=orders))
        assert not isinstance(outcome, Rejection)
        return [event.rejection if isinstance(event, OrderRefused) else None for event in outcome]

    def cancel(self, request: SignedCancel) -> Rejection | CancelAnswer:
        """One signed cancel: first what was cancelled, then what was not, as on the wire."""
        outcome = self.submit(request.command)
        if isinstance(outcome, Rejection):
            return outcome
        cancelled = [
            (hash_text(event.order_hash), event.state.value)
            for event in outcome
            if isinstance(event, OrderChanged) and event.state is OrderState.CANCELLED
        ]
        refused = [(one.order_hash, one.refusal.value) for one in outcome if isinstance(one, CancelRefused)]
        return cancelled + refused

    def open_orders(self, *, maker: Address | None = None, market: MarketHash | None = None) -> list[OpenOrder]:
        """A maker's or a market's open orders, oldest first."""
        rows: Iterable[OrderRow] = ()
        if maker is not None:
            rows = self.views.orders.of_maker(maker)
        elif market is not None:
            rows = self.views.orders.of_market(market)
        in_order = sorted(rows, key=lambda row: row.number)
        return [
            OpenOrder(row.terms.order_hash, row.terms.is_maker_betting_outcome_one, row.terms.percentage_odds)
            for row in in_order
        ]

    def best_odds(self, market: MarketHash, *, is_one: bool) -> int | None:
        """The best odds of one side."""
        price = self.views.best_odds.get(SideKey(market, USDC, is_one))
        return price.percentage_odds if price else None

    def exposure(self, account: Address, market: MarketHash) -> int:
        """What the account's open orders on a market may cost."""
        rows = [row for row in self.views.orders.of_maker(account) if row.terms.market_hash == market]
        return sum(row.terms.total_bet_size - row.fill_amount - row.pending_fill_amount for row in rows)

    def balance(self, account: Address) -> int:
        """The wallet."""
        return self.views.accounts.balances.get(account, {}).get(USDC, 0)


class EngineFloor(_LocalFloor):
    """The engine alone, with a journal in memory."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        self._now_ms = start_ms
        self._engine = Engine()
        self._journal = MemoryJournal()
        self.views = Views()
        self.submit(ConfigureVenue(rules=RULES))

    def now_ms(self) -> int:
        """The time that `wait` moves."""
        return self._now_ms

    def submit(self, command: VenueCommand) -> VenueOutcome:
        """Decide a command; nothing is due, `wait` has seen to it."""
        outcome = self._engine.execute(command, self._now_ms)
        if not isinstance(outcome, Rejection):
            seq = self._journal.head.seq + 1
            record = Record(seq, self._now_ms, 1, f"command-{seq}", command, outcome)
            self._journal.append([record])
            self.views.apply(record)
        self._fire()
        return outcome

    def wait(self, span_ms: int) -> None:
        """Time passes, and what is due fires."""
        self._now_ms += span_ms
        self._fire()

    def restart(self, *, crash: bool) -> None:
        """Everything is decided anew from the journal."""
        del crash
        digest = self._engine.digest()
        recovered = recover(self._journal, None)
        self._engine, self.views = recovered.engine, recovered.views
        _assert_same_state(digest, self._engine.digest())

    def _fire(self) -> None:
        due_ms = self._engine.next_deadline_ms()
        if due_ms is not None and due_ms <= self._now_ms:
            self.submit(Tick())


class VenueFloor(_LocalFloor):
    """A venue in this process on a data folder, its clock held still between two lines. A context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "data-1"
        self._loop = asyncio.Runner()
        self._venue: Venue = self._loop.run(self._open())
        self.submit(ConfigureVenue(rules=RULES))
        self._set_clock(self._venue.clock.now_ms() // 1000 * 1000 + 1000)

    def __enter__(self) -> VenueFloor:
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.run(self._venue.stop())
        self._loop.close()

    @property
    def views(self) -> Views:  # type: ignore[override]
        """What the venue shows."""
        return self._venue.views

    def now_ms(self) -> int:
        """The time that `wait` moves."""
        return self._venue.clock.now_ms()

    def submit(self, command: VenueCommand) -> VenueOutcome:
        """Decide a command and make it durable."""
        return self._loop.run(self._submit(command))

    def wait(self, span_ms: int) -> None:
        """Move the clock; what is due has fired before the answer."""
        self._set_clock(self.now_ms() + span_ms)

    def restart(self, *, crash: bool) -> None:
        """A clean stop; or a copy of the folder as it is now, which is all that a crash would leave."""
        seq, digest = self.views.seq, self.views.digest
        abandoned = self._venue
        if crash:
            left = self._folder.with_name(f"data-{seq}")
            shutil.copytree(self._folder, left, ignore=shutil.ignore_patterns("*-shm", "lock"))
            self._folder = left
        self._loop.run(abandoned.stop())
        self._venue = self._loop.run(self._open())
        assert self.views.seq == seq, "acknowledged commands were lost"
        _assert_same_state(digest, self.views.digest)

    async def _open(self) -> Venue:
        return Venue.open(self._folder, on_fatal=_raise)

    async def _submit(self, command: VenueCommand) -> VenueOutcome:
        decision = await self._venue.submit(command, "market-day")
        return decision if isinstance(decision, Rejection) else decision.events

    def _set_clock(self, now_ms: int) -> None:
        self.submit(AdjustClock(offset_ms=now_ms - self._venue.clock.machine_ms(), frozen_at_ms=now_ms))


def _raise(error: BaseException) -> None:
    raise error


def _assert_same_state(before: bytes | str, after: bytes | str) -> None:
    assert before == after, "another state came back than the one that went"


# ---- in another process --------------------------------------------------------------------------------------------


class LiveFloor:
    """A sandbox in a process of its own, spoken to over HTTP, its clock held still between two lines."""

    def __init__(self, server: ServerProcess, admin_token: str = "sandbox-admin") -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {admin_token}"}
        self._http = server.client()
        frozen = self._admin("POST", "/admin/clock", {"freeze": True})
        self._now_ms: int = frozen["nowMs"]
        self.wait(1000 - self._now_ms % 1000)

    def __enter__(self) -> LiveFloor:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing on the books; the server belongs to whoever started it."""
        with contextlib.suppress(httpx.TransportError):  # it may be gone, and the reason is on its way already
            for person in PEOPLE.values():
                self._http.post("/orders/cancel/all", json=signed_cancel(person, timestamp=self._now_ms // 1000))
        self._http.close()

    def now_ms(self) -> int:
        """The time that `wait` moves."""
        return self._now_ms

    def operate(self, command: VenueCommand) -> Rejection | None:
        """An operator's command, over its route."""
        body: dict[str, Any]
        match command:
            case CreateFixture():
                answer = self._ask_admin("POST", "/admin/fixtures", _fixture_body(command))
            case UpdateFixture():
                members = {
                    "gameTime": command.game_time_s,
                    "liveEnabled": command.live_enabled,
                    "statusFeed": command.status_feed,
                }
                body = {name: value for name, value in members.items() if value is not None}
                answer = self._ask_admin("PATCH", f"/admin/fixtures/{command.fixture_id}", body)
            case SetFixtureStatus():
                body = {"status": command.status.value}
                answer = self._ask_admin("POST", f"/admin/fixtures/{command.fixture_id}/status", body)
            case CreateMarket():
                answer = self._ask_admin("POST", "/admin/markets", _market_body(command))
                assert answer.is_error or answer.json()["data"]["marketHash"] == hash_text(command.market_hash)
            case SetMarketStatus():
                body = {"status": "ACTIVE" if command.active else "INACTIVE"}
                answer = self._ask_admin("POST", f"/admin/markets/{hash_text(command.market_hash)}/status", body)
            case SetBalance():
                path = f"/admin/balances/{checksum_address(command.account)}/{checksum_address(command.token)}"
                answer = self._ask_admin("PUT", path, {"amount": str(command.amount)})
            case _:
                raise ScenarioError(f"no route takes {command}")
        if answer.is_success:
            return None
        return Rejection(answer.json()["detail"].replace(" ", "_"))

    def place(self, orders: tuple[NewOrder, ...]) -> list[Rejection | None]:
        """One request with these orders. The answer names each hash once, so equal ones share it."""
        answer = self._http.post("/orders/new", json={"orders": [_order_body(order) for order in orders]})
        data = _data(answer)
        assert data["orders"] == [hash_text(order.order_hash) for order in orders]
        refusals = {text: rejection for rejection, text in ORDER_STATUSES.items()} | {ORDER_OK: None}
        found: list[Rejection | None] = []
        accepted: set[OrderHash] = set()
        for order in orders:
            refusal = refusals[data["statuses"][hash_text(order.order_hash)]]
            found.append(Rejection.ORDER_EXISTS if order.order_hash in accepted else refusal)
            if refusal is None:
                accepted.add(order.order_hash)
        assert data["inserted"] == len(accepted)
        return found

    def cancel(self, request: SignedCancel) -> Rejection | CancelAnswer:
        """One signed cancel, over its route."""
        command, salt = request.command, "0x" + request.salt.hex()
        named: dict[str, Any]
        match command:
            case CancelOrders():
                path, named = "v2", {"order_hashes": list(command.order_hashes)}
            case CancelFixture():
                path, named = "event", {"event": command.fixture_id}
            case CancelAll():
                path, named = "all", {}
        body = signed_cancel(request.signer, timestamp=command.timestamp_s, salt=salt, **named)
        answer = self._http.post(f"/orders/cancel/{path}", json=body)
        if answer.is_error:
            codes = {text: rejection for rejection, text in CANCEL_CODES.items()}
            return codes[answer.json()["errorCode"]]
        data = _data(answer)
        cancelled = [(one["orderHash"], OrderState.CANCELLED.value) for one in data.get("orders", [])]
        assert data["cancelledCount"] == len(cancelled)
        return cancelled + [(one["orderHash"], one["reason"]) for one in data["notCancelled"]]

    def open_orders(self, *, maker: Address | None = None, market: MarketHash | None = None) -> list[OpenOrder]:
        """A maker's or a market's open orders, oldest first."""
        query = {"maker": checksum_address(maker)} if maker else {"marketHashes": hash_text(market or b"")}
        rows = _data(self._http.get("/orders", params={**query, "sortBy": "created_at", "sortAsc": "true"}))
        assert all(row["orderStatus"] == "ACTIVE" for row in rows)
        return [
            OpenOrder(
                OrderHash(bytes.fromhex(row["orderHash"][2:])),
                row["isMakerBettingOutcomeOne"],
                int(row["percentageOdds"]),
            )
            for row in rows
        ]

    def best_odds(self, market: MarketHash, *, is_one: bool) -> int | None:
        """The best odds of one side."""
        query = {"marketHashes": hash_text(market), "baseToken": MAINNET.usdc}
        rows = _data(self._http.get("/orders/odds/best", params=query))["bestOdds"]
        odds = rows[0]["outcomeOne" if is_one else "outcomeTwo"]["percentageOdds"] if rows else None
        return None if odds is None else int(odds)

    def exposure(self, account: Address, market: MarketHash) -> int:
        """What the account's open orders on a market may cost."""
        (token,) = [one for one in self._account(account)["exposure"] if one["token"] == MAINNET.usdc]
        found = {one["marketHash"]: int(one["exposure"]) for one in token["markets"]}
        return found.get(hash_text(market), 0)

    def balance(self, account: Address) -> int:
        """The wallet."""
        return int(self._account(account)["balances"].get(MAINNET.usdc, 0))

    def wait(self, span_ms: int) -> None:
        """Move the clock; what is due has fired before the answer."""
        self._now_ms = self._admin("POST", "/admin/clock", {"advanceMs": span_ms})["nowMs"]

    def restart(self, *, crash: bool) -> None:
        """SIGTERM or `kill -9`, and a new process on the same folder."""
        before = self._admin("GET", "/admin/digest")
        self._http.close()
        if crash:
            self._server.kill()
        else:
            assert self._server.stop() == 0
        self._server.start()
        self._http = self._server.client()
        _assert_same_state(str(before), str(self._admin("GET", "/admin/digest")))

    def _account(self, account: Address) -> Any:
        return self._admin("GET", f"/admin/accounts/{checksum_address(account)}")

    def _admin(self, method: str, path: str, body: Any = None) -> Any:
        return _data(self._ask_admin(method, path, body))

    def _ask_admin(self, method: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(method, path, json=body, headers=self._headers)


def _data(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise ScenarioError(f"{answer.request.method} {answer.request.url.path}: {answer.text}")
    return answer.json()["data"]


def _fixture_body(command: CreateFixture) -> dict[str, Any]:
    return {
        "sportXeventId": command.fixture_id,
        "sportId": command.sport_id,
        "leagueLabel": command.league_label,
        "teamOneName": command.team_one_name,
        "teamTwoName": command.team_two_name,
        "gameTime": command.game_time_s,
        "liveEnabled": command.live_enabled,
        "statusFeed": command.status_feed,
    }


def _market_body(command: CreateMarket) -> dict[str, Any]:
    return {
        "sportXeventId": command.fixture_id,
        "type": command.type,
        "outcomeOneName": command.outcome_one_name,
        "outcomeTwoName": command.outcome_two_name,
    }


def _order_body(order: NewOrder) -> dict[str, Any]:
    return {
        "marketHash": hash_text(order.market_hash),
        "maker": checksum_address(order.maker),
        "baseToken": checksum_address(order.base_token),
        "totalBetSize": str(order.total_bet_size),
        "percentageOdds": str(order.percentage_odds),
        "expiry": EXPIRY,
        "apiExpiry": order.api_expiry,
        "executor": checksum_address(EXECUTOR),
        "salt": unpack_salt(order.salt),
        "isMakerBettingOutcomeOne": order.is_maker_betting_outcome_one,
        "signature": hash_text(order.signature),
    }
