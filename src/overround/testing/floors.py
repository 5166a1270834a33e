"""Floors on which market days are played (`scenario.py`): in this process, and over HTTP in another one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from overround.engine.commands import (
    AdjustClock,
    Approve,
    CancelAll,
    CancelFixture,
    CancelOrders,
    ConfigureVenue,
    CreateFixture,
    CreateMarket,
    DecideFill,
    FillMarket,
    NewOrder,
    PingHeartbeat,
    PlaceOrders,
    ReportMarket,
    ResumeVenue,
    SetBalance,
    SetFixtureStatus,
    SetMarketStatus,
    SetRestriction,
    StopHeartbeat,
    Tick,
    UpdateFixture,
    VenueCommand,
)
from overround.engine.engine import Engine, VenueOutcome
from overround.engine.events import (
    AllowanceSet,
    CancelRefused,
    FillConfirmed,
    FillDropped,
    FillFailed,
    FillMatched,
    FillRefused,
    MarketReported,
    OrderChanged,
    OrderRefused,
)
from overround.engine.fill import MatchedFill, average_odds
from overround.engine.order import OrderState
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.types import Address, FillHash, MarketHash, OrderHash
from overround.journal.memory import MemoryJournal
from overround.protocols.sx.errors import CANCEL_CODES, FILL_CODES, ORDER_OK, ORDER_STATUSES
from overround.protocols.sx.profile import EXPIRY
from overround.protocols.sx.units import hash_text, unpack_salt
from overround.runtime.recovery import recover
from overround.runtime.venue import Venue
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address
from overround.testing.scenario import (
    EXECUTOR,
    PEOPLE,
    RULES,
    USDC,
    Bet,
    CancelAnswer,
    Filled,
    OpenOrder,
    ScenarioError,
    SignedCancel,
    SignedFill,
)
from overround.testing.server import ServerProcess
from overround.testing.sx import MAINNET, signed_cancel, signed_fill, signed_legacy_fill, signed_permit
from overround.views.best_odds import SideKey
from overround.views.orders import OrderRow
from overround.views.views import Views

FILLS_MAX = 16  # that one day may have in their delay at once

# ---- in this process -----------------------------------------------------------------------------------------------


class _Hearing:
    """What became of fills, as the records told it."""

    def __init__(self) -> None:
        self.results: dict[FillHash, Rejection | Filled | None] = {}  # None: dropped
        self._matched: dict[FillHash, MatchedFill] = {}
        self._status: dict[FillHash, str] = {}

    def listen(self, record: Record) -> None:
        """One more record."""
        for event in record.events:
            match event:
                case FillRefused():
                    self.results[event.fill_hash] = event.rejection
                case FillDropped():
                    self.results[event.fill_hash] = None
                case FillMatched():
                    fill = self._matched[event.fill.fill_hash] = event.fill
                    self._status[fill.fill_hash] = "pending"
                    self.results[fill.fill_hash] = Filled(fill.taker_stake, average_odds(fill.taker_stake, fill.pot))
                case FillConfirmed():
                    self._status[event.fill_hash] = "success" if event.outcome is None else "settled"
                case FillFailed():
                    self._status[event.fill_hash] = "failed"
                case MarketReported():
                    self._settle(event.market_hash)
                case _:
                    pass

    def _settle(self, market_hash: MarketHash) -> None:
        for fill in self._matched.values():
            if fill.market_hash == market_hash and self._status[fill.fill_hash] == "success":
                self._status[fill.fill_hash] = "settled"

    def bets(self, fill_hash: FillHash) -> list[Bet]:
        """The parts of a fill."""
        fill = self._matched.get(fill_hash)
        status = self._status.get(fill_hash, "")
        return [Bet(leg.order_hash, leg.maker_stake, leg.taker_stake, status) for leg in fill.legs] if fill else []


class _LocalFloor:
    """What is decided by an engine in this process and shown by its views."""

    views: Views

    def __init__(self) -> None:
        self._heard = _Hearing()

    def submit(self, command: VenueCommand) -> VenueOutcome:
        """Decide a command."""
        raise NotImplementedError

    def operate(self, command: VenueCommand) -> Rejection | None:
        """An operator's command."""
        outcome = self.submit(command)
        return outcome if isinstance(outcome, Rejection) else None

    def place(self, orders: tuple[NewOrder, ...]) -> Rejection | list[Rejection | None]:
        """One request with these orders."""
        outcome = self.submit(PlaceOrders(orders=orders))
        if isinstance(outcome, Rejection):
            return outcome
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

    def available(self, account: Address) -> int:
        """The wallet without unconfirmed stakes."""
        return self.views.accounts.available.get(account, {}).get(USDC, 0)

    def escrow(self, market: MarketHash) -> int:
        """Confirmed stakes of a market that are not paid yet."""
        return sum(fill.pot for fill in self.views.fills.confirmed.values() if fill.market_hash == market)

    def suspended(self, account: Address) -> list[OrderHash]:
        """An account's suspended orders, oldest first."""
        return [row.terms.order_hash for row in self.views.orders.suspended_of(account)]

    def amounts(self, order: OrderHash) -> tuple[int, int] | None:
        """What of an open order is filled, and pending."""
        row = self.views.orders.by_hash.get(order)
        return None if row is None else (row.fill_amount, row.pending_fill_amount)

    def fill(self, request: SignedFill) -> Rejection | None:
        """One signed fill."""
        return self.operate(request.command)

    def fill_result(self, fill_hash: FillHash) -> Rejection | Filled | None:
        """What became of a fill whose delay is over."""
        return self._heard.results[fill_hash]

    def bets(self, request: SignedFill) -> list[Bet]:
        """The parts of a matched fill."""
        return self._heard.bets(request.command.fill_hash)

    def approve(self, command: Approve, signer: LocalAccount) -> Rejection | bool:
        """One permit."""
        del signer
        outcome = self.submit(command)
        if isinstance(outcome, Rejection):
            return outcome
        (event,) = outcome
        assert isinstance(event, AllowanceSet)
        return event.changed

    def ping(self, account: Address, interval_s: int) -> None:
        """Arm a heartbeat, or stop it."""
        is_ping = interval_s > 0
        self.operate(
            PingHeartbeat(account=account, interval_s=interval_s) if is_ping else StopHeartbeat(account=account)
        )

    def heartbeat(self, account: Address) -> int | None:
        """The interval of an armed heartbeat, seconds."""
        armed = self.views.accounts.heartbeats.get(account)
        return armed.interval_s if armed else None

    def last_firing(self, account: Address) -> list[OrderHash]:
        """Whose orders a missed heartbeat met last."""
        fired = self.views.accounts.last_firings.get(account)
        return list(fired.order_hashes) if fired else []


class EngineFloor(_LocalFloor):
    """The engine alone, with a journal in memory."""

    def __init__(self, start_ms: int = 1_790_000_000_000) -> None:
        super().__init__()
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
            self._heard.listen(record)
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
        if self._engine.waits:
            self.submit(ResumeVenue(grace_ms=0))  # no time passes here while it is stopped

    def _fire(self) -> None:
        due_ms = self._engine.next_deadline_ms()
        is_due = due_ms is not None and due_ms <= self._now_ms
        assert self._engine.is_due(self._now_ms) is is_due  # the short way says the same
        if is_due:
            self.submit(Tick())


class VenueFloor(_LocalFloor):
    """A venue in this process on a data folder, its clock held still between two lines. A context manager."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
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
        abandoned = self._venue
        if not crash:
            self._loop.run(abandoned.drop_held_fills("stop"))
        seq, digest = self.views.seq, self.views.digest
        if crash:
            left = self._folder.with_name(f"data-{seq}")
            shutil.copytree(self._folder, left, ignore=shutil.ignore_patterns("*-shm", "lock"))
            self._folder = left
        self._loop.run(abandoned.stop())
        self._venue = self._loop.run(self._open())
        assert self.views.seq == seq, "acknowledged commands were lost"
        _assert_same_state(digest, self.views.digest)
        self._set_clock(self.now_ms())  # the first command makes up for the stop

    async def _open(self) -> Venue:
        venue = Venue.open(self._folder, on_fatal=_raise)
        venue.listeners.append(self._heard.listen)
        venue.sequencer.listen()
        return venue

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
        self._fills: dict[FillHash, Future[httpx.Response]] = {}  # requests that are held open, and their answers
        self._threads = ThreadPoolExecutor(FILLS_MAX)
        self._keys = {one["address"]: one["apiKey"] for one in self._http.get("/sandbox").json()["accounts"]}
        self._armed: set[Address] = set()
        self._before: list[httpx.Client] = []  # of the process before a restart
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
            for account in [*self._armed]:
                self.ping(account, 0)
            self.wait(60_000)  # and no fill on its way
        self._threads.shutdown()
        for http in (*self._before, self._http):
            http.close()

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
            case ReportMarket():
                path = f"/admin/markets/{hash_text(command.market_hash)}/settle"
                answer = self._ask_admin("POST", path, {"outcome": command.outcome.value})
            case DecideFill():
                verb = "confirm" if command.confirmed else "fail"
                answer = self._ask_admin("POST", f"/admin/fills/{hash_text(command.fill_hash)}/{verb}")
            case SetRestriction():
                path = f"/admin/accounts/{checksum_address(command.account)}/restriction"
                answer = self._ask_admin("POST", path, {"restricted": command.restricted})
            case SetBalance():
                path = f"/admin/balances/{checksum_address(command.account)}/{checksum_address(command.token)}"
                answer = self._ask_admin("PUT", path, {"amount": str(command.amount)})
            case _:
                raise ScenarioError(f"no route takes {command}")
        if answer.is_success:
            return None
        return Rejection(answer.json()["detail"].replace(" ", "_"))

    def place(self, orders: tuple[NewOrder, ...]) -> Rejection | list[Rejection | None]:
        """One request with these orders. The answer names each hash once, so equal ones share it."""
        answer = self._http.post("/orders/new", json={"orders": [_order_body(order) for order in orders]})
        if answer.status_code == 403:
            return Rejection[answer.json()["errorCode"]]
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

    def fill(self, request: SignedFill) -> Rejection | None:
        """One signed fill, over its route; the request is held open while its delay lasts."""
        command, path, body = request.command, "/orders/fill/v2", _fill_body(request)
        if not isinstance(command, FillMarket):
            path = "/orders/fill"
        seq = self._admin("GET", "/admin/digest")["seq"]
        asked = self._threads.submit(self._http.post, path, json=body, timeout=120)
        while not asked.done() and self._admin("GET", "/admin/digest")["seq"] == seq:
            time.sleep(0.002)
        if asked.done() and asked.result().is_error:
            return _fill_rejection(asked.result(), is_named=not isinstance(command, FillMarket))
        self._fills[command.fill_hash] = asked
        return None

    def fill_result(self, fill_hash: FillHash) -> Rejection | Filled | None:
        """What became of a fill whose delay is over."""
        try:
            answer = self._fills[fill_hash].result(timeout=60)
        except httpx.TransportError:
            return None  # the venue is gone, and with it the fill
        if answer.status_code == 503:
            return None
        if answer.is_error:
            return _fill_rejection(answer, is_named=answer.request.url.path == "/orders/fill")
        data = _data(answer)
        assert data["fillHash"] == hash_text(fill_hash)
        return Filled(int(data["totalFilled"]), int(data["averageOdds"]))

    def bets(self, request: SignedFill) -> list[Bet]:
        """The parts of a matched fill, from both sides' trades."""
        fill_hash = hash_text(request.command.fill_hash)
        query: dict[str, Any] = {"bettor": checksum_address(request.signer.address), "maker": False, "pageSize": 300}
        mine = [one for one in _data(self._http.get("/trades", params=query))["trades"] if one["fillHash"] == fill_hash]
        if not mine:
            return []
        names = ",".join(one["orderHash"] for one in mine)
        both = _data(self._http.get("/trades/orders", params={"orderHashes": names}))["trades"]
        others = {one["orderHash"]: one for one in both if one["maker"] and one["fillHash"] == fill_hash}
        assert {_status(one) for one in others.values()} == {_status(one) for one in mine}
        return [
            Bet(
                OrderHash(bytes.fromhex(one["orderHash"][2:])),
                int(others[one["orderHash"]]["stake"]),
                int(one["stake"]),
                _status(one),
            )
            for one in mine
        ]

    def approve(self, command: Approve, signer: LocalAccount) -> Rejection | bool:
        """One permit, over its route."""
        body = signed_permit(signer, command.value, nonce=command.nonce, deadline=command.deadline_s)
        answer = self._http.post("/orders/approve", json=body)
        if answer.is_error and answer.json()["errorCode"] == "SIGNATURE_MISMATCH":
            return Rejection.NONCE_STALE
        return _data(answer)["hash"] is not None

    def ping(self, account: Address, interval_s: int) -> None:
        """Arm a heartbeat, or stop it, over its routes."""
        headers = {"X-Api-Key": self._keys[checksum_address(account)]}
        if interval_s:
            answer = self._http.post("/user/heartbeat", json={"interval": interval_s}, headers=headers)
            self._armed.add(account)
        else:
            answer = self._http.post("/user/heartbeat/cancel", headers=headers)
            self._armed.discard(account)
        assert _data(answer)["interval"] == interval_s

    def heartbeat(self, account: Address) -> int | None:
        """The interval of an armed heartbeat, seconds."""
        state = self._account(account)["heartbeat"]
        return int(state["interval"]) if state["armed"] else None

    def last_firing(self, account: Address) -> list[OrderHash]:
        """Whose orders a missed heartbeat met last."""
        fired = self._account(account)["heartbeat"]["lastFiring"]
        return [OrderHash(bytes.fromhex(one[2:])) for one in fired["orderHashes"]] if fired else []

    def suspended(self, account: Address) -> list[OrderHash]:
        """An account's suspended orders; oldest first within a market, markets as the route lists them."""
        markets = self._exposures(account)["markets"]
        return [OrderHash(bytes.fromhex(one[2:])) for market in markets for one in market["suspended"]]

    def amounts(self, order: OrderHash) -> tuple[int, int] | None:
        """What of an open order is filled, and pending."""
        rows = _data(self._http.get("/orders", params={"orderHashes": hash_text(order)}))
        return (int(rows[0]["fillAmount"]), int(rows[0]["pendingFillAmount"])) if rows else None

    def available(self, account: Address) -> int:
        """The wallet without unconfirmed stakes."""
        return int(self._account(account)["available"].get(MAINNET.usdc, 0))

    def escrow(self, market: MarketHash) -> int:
        """Confirmed stakes of a market that are not paid yet."""
        query: dict[str, Any] = {"marketHashes": hash_text(market), "tradeStatus": "SUCCESS", "settled": False}
        return sum(int(one["stake"]) for one in _data(self._http.get("/trades", params=query))["trades"])

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
        found = {one["marketHash"]: int(one["exposure"]) for one in self._exposures(account)["markets"]}
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
        waits = bool(self._armed) or not all(one.done() for one in self._fills.values())
        self._before.append(self._http)  # a fill may still wait on it
        if crash:
            self._server.kill()
        else:
            assert self._server.stop() == 0
        self._server.start()
        self._http = self._server.client()
        if not waits:  # who waits is given back his time, or dropped
            _assert_same_state(str(before), str(self._admin("GET", "/admin/digest")))

    def _exposures(self, account: Address) -> Any:
        (token,) = [one for one in self._account(account)["exposure"] if one["token"] == MAINNET.usdc]
        return token

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


def _fill_rejection(answer: httpx.Response, *, is_named: bool) -> Rejection:
    """Two reasons share a code: an order that is too small for what is asked of it, and a book that is held."""
    code = answer.json()["errorCode"]
    found = [rejection for rejection, text in FILL_CODES.items() if text == code]
    if not found:
        raise ScenarioError(f"a fill: {answer.text}")
    return found[0] if is_named else found[-1]


def _status(trade: dict[str, Any]) -> str:
    return "settled" if trade["settled"] else str(trade["tradeStatus"]).lower()


def _fill_body(request: SignedFill) -> dict[str, Any]:
    command = request.command
    if isinstance(command, FillMarket):
        return signed_fill(
            request.signer,
            hash_text(command.market_hash),
            stake=command.stake,
            desired_odds=command.desired_odds,
            slippage=command.odds_slippage,
            outcome_one=command.is_taker_betting_outcome_one,
            salt=request.salt,
        )
    entries = [_order_body(order) for order in request.orders]
    return signed_legacy_fill(request.signer, entries, list(command.maker_amounts), salt=request.salt)


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
