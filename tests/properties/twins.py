"""The engine and its slow twin side by side: the same commands at the same times, the same answers, the same state.

Around the engine stands what stands around it in the venue: deadlines fire before a later command, decided commands go
into a journal as records, views are folded from records, and a venue that crashed is rebuilt from what is durable.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec
from tests.properties.traffic import FIXTURES, MAKERS, MARKETS, START_MS, TOKENS

from overround.engine import invariants
from overround.engine.commands import GrantGrace, ResumeVenue, Tick, VenueCommand
from overround.engine.engine import Engine
from overround.engine.events import AnyEvent, OrderAccepted
from overround.engine.fill import Fill, FillStatus
from overround.engine.order import FINAL
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.snapshot import AnySection, dump, load
from overround.engine.types import FillHash, OrderHash, Side
from overround.journal.memory import MemoryJournal
from overround.runtime.recovery import recover
from overround.testing.answers import Answer, OrderStep, answer_of
from overround.testing.model import Model
from overround.testing.model_records import BestPrice, ModelFill, ModelOrder
from overround.testing.model_records import Side as ModelSide
from overround.views.best_odds import SideKey
from overround.views.changes import Changes, FillStage
from overround.views.views import Views

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[AnySection]).decode


@dataclass
class Image:
    """A snapshot, as bytes, and where in the journal it stands."""

    content: bytes
    best_since: list[tuple[SideKey, int]]  # what views know and the engine does not
    seq: int
    time_ms: int
    digest: bytes


class Twins:
    """Both engines, with a journal and views. Every command is compared as it is decided."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.model = Model()
        self.journal = MemoryJournal()
        self.views = Views()  # of the venue as it runs, recoveries included
        self.fed = Views()  # fed with every record from the beginning
        self.images: list[Image] = []
        self.now_ms = START_MS
        self.decided = 0
        self._last_steps: dict[OrderHash, OrderStep] = {}

    # ---- commands -------------------------------------------------------------------------------------------------

    def submit(self, command: VenueCommand) -> Answer:
        """What is due fires first, then the command is decided (D9); after a stop or a stall it is the other way."""
        if not isinstance(command, ResumeVenue | GrantGrace):
            self.fire()
        return self._execute(command)

    def pass_time(self, step_ms: int) -> None:
        """Later. What is due by then fires with the next command, or with `fire`."""
        self.now_ms += step_ms

    def fire(self) -> None:
        """Fire what is due; nothing is executed, and nothing journaled, while nothing is."""
        ticks = 0
        while (due_ms := self._next_deadline_ms()) is not None and due_ms <= self.now_ms:
            self._execute(Tick())
            ticks += 1
        fills = sum(one.status != "held" for one in self.model.fills)
        assert ticks <= 1 + fills, "a tick fires everything that is due but what it matched"

    def _next_deadline_ms(self) -> int | None:
        due_ms = self.engine.next_deadline_ms()
        assert due_ms == self.model.next_deadline_ms(), "the next deadline"
        return due_ms

    def _execute(self, command: VenueCommand) -> Answer:
        before, best = self.engine.digest(), dict(self.model.best_prices)
        paid = {one.fill_hash for one in self.model.matched if one.status == "paid"}
        outcome = self.engine.execute(command, self.now_ms)
        answer = self.model.execute(command, self.now_ms)
        assert answer_of(outcome) == answer, command
        invariants.check(self.engine.state)
        self._follow_lives(answer)
        self.decided += 1
        if isinstance(outcome, Rejection):
            assert self.engine.digest() == before, "a refusal changed something"
        else:
            graded = {one.fill_hash for one in self.model.matched if one.status == "paid"} - paid
            seq = self.journal.head.seq + 1
            record = Record(seq, self.now_ms, 1, f"c{seq}", command, outcome)
            self.journal.append([record])
            for views in (self.views, self.fed):
                changes = views.apply(record)
                _check_changes(changes, outcome, answer, graded)
                assert {one.side: one.percentage_odds for one in views.best_odds_changes(changes)} == self._moved(best)
        return answer

    def _follow_lives(self, answer: Answer) -> None:
        """Nobody returns from a final state, update times grow, and what was filled stays filled (7.1, 7.3)."""
        for order_hash, steps in answer.orders.items():
            for step in steps:
                last = self._last_steps.get(order_hash)
                if last is not None:
                    assert step.update_time_ms > last.update_time_ms, "the update time does not grow"
                    assert step.fill_amount >= last.fill_amount, "the fill amount falls"
                    assert last.state not in FINAL or step.state is last.state, "an order returned from its end"
                self._last_steps[order_hash] = step

    def _moved(self, before: dict[ModelSide, BestPrice]) -> dict[ModelSide, int | None]:
        """The sides whose best odds changed, and to what."""
        nothing = BestPrice(None, 0)
        return {
            side: after.percentage_odds
            for side, after in self.model.best_prices.items()
            if after.percentage_odds != before.get(side, nothing).percentage_odds
        }

    # ---- crashes and snapshots ------------------------------------------------------------------------------------

    def take_snapshot(self) -> None:
        """The state as JSON, to be recovered from later."""
        content = _encode(list(dump(self.engine.state)))
        best_since = self.views.best_odds.since()
        self.images.append(Image(content, best_since, self.journal.head.seq, self.now_ms, self.engine.digest()))

    def crash(self) -> None:
        """Everything but the journal is gone."""
        digest = self.engine.digest()
        recovered = recover(self.journal, None)
        assert recovered.engine.digest() == digest, "the journal does not lead to the same state"
        assert recovered.views.digest == digest
        self.engine, self.views = recovered.engine, recovered.views

    def crash_beside(self, image: Image) -> None:
        """Everything is gone but the journal and one snapshot."""
        digest = self.engine.digest()
        engine, views = Engine(load(_decode(image.content))), Views()
        assert engine.digest() == image.digest, "a snapshot does not load into the state that was dumped"
        views.seed(engine.state, seq=image.seq, time_ms=image.time_ms, digest=image.digest)
        views.best_odds.restore(image.best_since)
        for record in self.journal.read(image.seq):
            assert engine.execute(record.command, record.time_ms) == record.events, record.command
            views.apply(record)
        assert engine.digest() == digest, "snapshot and tail do not lead to the same state"
        self.engine, self.views = engine, views

    # ---- comparing ------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Everything that can be seen is the same in both, in the views too."""
        self._check_orders()
        self._check_fills()
        self._check_catalogue()
        self._check_accounts()
        for views in (self.views, self.fed):
            self._check_views(views)

    def _check_orders(self) -> None:
        state, model = self.engine.state, self.model
        live = model.live_orders()
        assert list(state.orders) == [one.terms.order_hash for one in live]
        lingering = [one for one in model.ended_orders() if model.pending(one)]
        assert state.lingering.keys() == {one.terms.order_hash for one in lingering}
        for one in [*live, *lingering]:
            order = state.find_order(one.terms.order_hash)
            assert (order.terms, order.state, order.number) == (one.terms, one.state, one.number)
            assert (order.priority, order.doom) == (one.priority, one.doom)
            assert (order.fill_amount, order.pending_fill_amount) == (one.filled, model.pending(one))
            assert (order.accepted_at_ms, order.update_time_ms) == (one.accepted_at_ms, one.update_time_ms)
        assert state.closed == {one.terms.order_hash for one in model.ended_orders()}
        assert state.order_count == len(model.orders)
        for market_hash, books in state.books.items():
            for token, book in books.items():
                for side in Side:
                    wanted = model.book((market_hash, token, side is Side.OUTCOME_ONE))
                    found = [order.terms.order_hash for order in book.side(side)]
                    assert found == [one.terms.order_hash for one in wanted]
                    best = book.side(side).best
                    assert (best.terms if best else None) == (wanted[0].terms if wanted else None)

    def _check_fills(self) -> None:
        state, model = self.engine.state, self.model
        assert state.burnt == {one.fill_hash for one in model.fills}
        assert list(state.fills.held) == [one.fill_hash for one in model.fills if one.status == "held"]
        alive = {one.fill_hash: one for one in model.matched if one.status in ("pending", "confirmed")}
        assert state.fills.by_hash.keys() == alive.keys()
        for fill_hash, fill in state.fills.by_hash.items():
            _check_fill(fill, alive[fill_hash])
        for one in model.live_orders():
            assert state.fills.pending_of(one.terms.order_hash) == tuple(model.pending_fills(one))

    def _check_catalogue(self) -> None:
        state, model = self.engine.state, self.model
        assert [msgspec.structs.asdict(one) for one in state.fixtures.values()] == [*map(asdict, model.fixtures)]
        assert [msgspec.structs.asdict(one) for one in state.markets.values()] == [*map(asdict, model.markets)]
        assert [(one.league_id, one.sport_id, one.label) for one in state.leagues.values()] == model.leagues
        assert [(one.team_id, one.league_id, one.name) for one in state.teams.values()] == model.teams
        main_lines = {(one.fixture_id, one.type): one.market_hash for one in model.markets if one.main_line}
        assert state.main_lines == main_lines
        assert state.live_scores == model.live_scores
        assert (state.rules, (state.clock_offset_ms, state.clock_frozen_at_ms)) == (model.rules, model.clock)

    def _check_accounts(self) -> None:
        state, model = self.engine.state, self.model
        accounts = state.accounts.values()
        balances = {(one.address, token): amount for one in accounts for token, amount in one.balances.items()}
        assert balances == model.balances
        assert (state.funded, state.fees) == (model.funded, model.fees)
        allowances = {
            (one.address, token): (value, one.permit_nonces[token])
            for one in accounts
            for token, value in one.allowances.items()
        }
        assert allowances == model.allowances
        heartbeats = {one: (beat.interval_s, beat.pinged_at_ms, beat.deadline_ms) for one, beat in state.heartbeats}
        assert heartbeats == {account: tuple(asdict(one).values()) for account, one in model.heartbeats.items()}
        firings = {
            one.address: (fired.last_ping_ms, fired.deadline_ms, fired.fired_at_ms, set(fired.order_hashes))
            for one in accounts
            if (fired := one.last_firing) is not None
        }
        assert firings == model.last_firings
        keys = {one.address: (one.api_key_digest, one.api_key_issued_at_ms) for one in state.api_keys()}
        assert keys == model.api_keys
        available, exposures = model.available(), model.exposures()
        for account in accounts:
            restriction = model.restrictions.get(account.address)
            found = (account.restricted_until_ms, account.dips_ms)
            assert found == ((restriction.until_ms, restriction.dips_ms) if restriction else (0, []))
            assert account.in_flight == model.in_flight(account.address)
            for token in TOKENS:
                assert account.available(token.address) == available[account.address, token.address]
                for market_hash in MARKETS:
                    wanted = exposures.get((account.address, token.address, market_hash), 0)
                    assert account.exposure(token.address, market_hash) == wanted

    def _check_views(self, views: Views) -> None:
        model = self.model
        on_books = {one.terms.order_hash: one for one in model.on_books()}
        rows = views.orders.by_hash
        assert rows.keys() == on_books.keys()
        for one in model.orders:
            self._check_row(views, one)
        for maker in MAKERS:
            rows_of = sorted(views.orders.of_maker(maker), key=lambda row: row.number)
            assert [row.terms.order_hash for row in rows_of] == model.open_orders(maker)
            suspended = [one for one in model.orders if one.state.value == "suspended" and one.terms.maker == maker]
            found = [row.terms.order_hash for row in views.orders.suspended_of(maker)]
            assert found == [one.terms.order_hash for one in suspended]
        for market_hash in MARKETS:
            on_market = {name for name, one in on_books.items() if one.terms.market_hash == market_hash}
            assert {row.terms.order_hash for row in views.orders.of_market(market_hash)} == on_market
            for token in TOKENS:
                for is_one in (True, False):
                    price = views.best_odds.get(SideKey(market_hash, token.address, is_one))
                    shown = BestPrice(price.percentage_odds, price.updated_at_ms) if price else BestPrice(None, 0)
                    assert shown == model.best((market_hash, token.address, is_one))
        self._check_fills_of(views)
        self._check_accounts_of(views)
        self._check_world_of(views)

    def _check_row(self, views: Views, one: ModelOrder) -> None:
        row = views.orders.find(one.terms.order_hash)
        if one.state in FINAL:
            assert row is None
            return
        assert row is not None
        assert (row.terms, row.number, row.accepted_at_ms) == (one.terms, one.number, one.accepted_at_ms)
        assert (row.state, row.update_time_ms) == (one.state, one.update_time_ms)
        assert (row.fill_amount, row.pending_fill_amount) == (one.filled, self.model.pending(one))

    def _check_fills_of(self, views: Views) -> None:
        by_status: dict[str, set[FillHash]] = {"pending": set(), "confirmed": set()}
        for one in self.model.matched:
            by_status.setdefault(one.status, set()).add(one.fill_hash)
        assert views.fills.pending.keys() == by_status["pending"]
        assert views.fills.confirmed.keys() == by_status["confirmed"]
        assert views.fill_hashes == {one.fill_hash for one in self.model.fills}

    def _check_accounts_of(self, views: Views) -> None:
        model, accounts = self.model, views.accounts
        balances = {
            (account, token): amount
            for account, tokens in accounts.balances.items()
            for token, amount in tokens.items()
        }
        assert balances == model.balances
        available = model.available()
        for account, tokens in accounts.available.items():
            assert tokens == {token: available[account, token] for token in tokens}
        assert accounts.heartbeats == dict(self.engine.state.heartbeats)
        for known in self.engine.state.accounts.values():
            restriction = model.restrictions.get(known.address)
            until_ms = restriction.until_ms if restriction else 0
            assert accounts.restricted_until_ms.get(known.address, 0) == until_ms
            assert accounts.last_firings.get(known.address) == known.last_firing
            for token in TOKENS:
                wanted = model.allowances.get((known.address, token.address), (0, 0))
                assert accounts.permit_of(known.address, token.address) == wanted
        for maker in MAKERS:
            digest, issued_at_ms = model.api_keys.get(maker, (b"", None))
            assert accounts.owner_of_key(digest) == (maker if digest else None)
            assert accounts.key_issued_at_ms(maker) == issued_at_ms

    def _check_world_of(self, views: Views) -> None:
        state, catalogue = self.engine.state, views.catalogue
        assert (views.rules, views.seq) == (state.rules, self.journal.head.seq)
        assert catalogue.leagues == state.leagues
        assert catalogue.teams == state.teams
        assert catalogue.fixtures == state.fixtures
        assert catalogue.markets == state.markets
        assert catalogue.live_scores == state.live_scores
        for fixture_id in FIXTURES:
            found = [market.market_hash for market in catalogue.markets_of(fixture_id)]
            assert found == state.markets_of.get(fixture_id, [])
        assert set(views.requests.items()) == set(state.replays.items())


def _check_fill(fill: Fill, one: ModelFill) -> None:
    """A matched fill that is not paid yet."""
    terms = fill.terms
    assert (terms.number, terms.taker, terms.market_hash) == (one.number, one.taker, one.market_hash)
    assert (fill.status is FillStatus.PENDING) is (one.status == "pending")
    assert fill.due_ms == one.due_ms
    assert [(leg.order_hash, leg.taker_stake, leg.maker_stake) for leg in terms.legs] == [
        (leg.order.terms.order_hash, leg.taker_stake, leg.maker_stake) for leg in one.legs
    ]
    assert (terms.base_token, terms.fee) == (one.base_token, one.fee)


def _check_changes(changes: Changes, outcome: list[AnyEvent], answer: Answer, graded: set[FillHash]) -> None:
    """What the views tell the feeds is what happened, in order for each order and each fill."""
    told: dict[OrderHash, list[tuple[object, ...]]] = {}
    for one in changes.orders:
        told.setdefault(one.terms.order_hash, []).append(one[1:])
    for event in outcome:
        if isinstance(event, OrderAccepted):
            del told[event.order_hash][0]
    wanted = {name: [step[:4] for step in steps] for name, steps in answer.orders.items()}
    assert {name: steps for name, steps in told.items() if steps} == wanted
    stages = {stage.value for stage in FillStage} - {"graded"}
    found: dict[FillHash, list[str]] = {}
    paid: set[FillHash] = set()
    for change in changes.fills:
        if change.stage is FillStage.GRADED:
            paid.add(change.fill.fill_hash)
        else:
            found.setdefault(change.fill.fill_hash, []).append(change.stage.value)
    words = {name: [step.word for step in steps if step.word in stages] for name, steps in answer.fills.items()}
    assert found == {name: kept for name, kept in words.items() if kept}
    assert paid == graded
