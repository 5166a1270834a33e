"""The engine and its slow twin side by side: the same commands at the same times, the same answers, the same state.

Around the engine stands what stands around it in the venue: deadlines fire before a later command, decided commands go
into a journal as records, views are folded from records, and a venue that crashed is rebuilt from what is durable.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec
from tests.properties.traffic import FIXTURES, MAKERS, MARKETS, START_MS, TOKENS

from overround.engine import invariants
from overround.engine.commands import AnyCommand, Tick
from overround.engine.engine import Engine
from overround.engine.order import OrderState
from overround.engine.record import Record
from overround.engine.rejections import Rejection
from overround.engine.snapshot import AnySection, dump, load
from overround.engine.types import OrderHash, Side
from overround.journal.memory import MemoryJournal
from overround.runtime.recovery import recover
from overround.testing.model import Answer, BestPrice, Model, answer_of
from overround.testing.model import Side as ModelSide
from overround.views.best_odds import SideKey
from overround.views.changes import Changes
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

    # ---- commands -------------------------------------------------------------------------------------------------

    def submit(self, command: AnyCommand) -> Answer:
        """What is due fires first, then the command is decided (D9)."""
        self.fire()
        return self._execute(command)

    def pass_time(self, step_ms: int) -> None:
        """Later. What is due by then fires with the next command, or with `fire`."""
        self.now_ms += step_ms

    def fire(self) -> None:
        """Fire what is due; nothing is executed, and nothing journaled, while nothing is."""
        due_ms = self.engine.next_deadline_ms()
        assert due_ms == self.model.next_deadline_ms(), "the next deadline"
        if due_ms is not None and due_ms <= self.now_ms:
            self._execute(Tick())
            left_ms = self.engine.next_deadline_ms()
            assert left_ms is None or left_ms > self.now_ms, "a tick fires everything that is due"

    def _execute(self, command: AnyCommand) -> Answer:
        before, best = self.engine.digest(), dict(self.model.best_prices)
        outcome = self.engine.execute(command, self.now_ms)
        answer = self.model.execute(command, self.now_ms)
        assert answer_of(outcome) == answer, command
        self.decided += 1
        if isinstance(outcome, Rejection):
            assert self.engine.digest() == before, "a refusal changed something"
        else:
            seq = self.journal.head.seq + 1
            record = Record(seq, self.now_ms, 1, f"c{seq}", command, outcome)
            self.journal.append([record])
            for views in (self.views, self.fed):
                changes = views.apply(record)
                assert _ended_in(changes) == answer.ended
                assert {one.side: one.percentage_odds for one in views.best_odds_changes(changes)} == self._moved(best)
        return answer

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
        """Everything that can be seen is the same in both, in the views too; the indexes hold."""
        invariants.check(self.engine.state)
        self._check_orders()
        self._check_catalogue()
        self._check_accounts()
        for views in (self.views, self.fed):
            self._check_views(views)

    def _check_orders(self) -> None:
        state = self.engine.state
        live = self.model.live_orders()
        assert list(state.orders) == [one.terms.order_hash for one in live]
        for one in live:
            order = state.orders[one.terms.order_hash]
            assert (order.terms, order.state, order.number) == (one.terms, one.state, one.number)
            assert (order.accepted_at_ms, order.update_time_ms) == (one.accepted_at_ms, one.update_time_ms)
        assert state.closed == {one.terms.order_hash for one in self.model.ended_orders()}
        assert state.order_count == len(self.model.orders)
        for market_hash, books in state.books.items():
            for token, book in books.items():
                for side in Side:
                    wanted = self.model.book((market_hash, token, side is Side.OUTCOME_ONE))
                    found = [order.terms.order_hash for order in book.side(side)]
                    assert found == [one.terms.order_hash for one in wanted]
                    best = book.side(side).best
                    assert (best.terms if best else None) == (wanted[0].terms if wanted else None)

    def _check_catalogue(self) -> None:
        state, model = self.engine.state, self.model
        assert [msgspec.structs.asdict(one) for one in state.fixtures.values()] == [*map(asdict, model.fixtures)]
        assert [msgspec.structs.asdict(one) for one in state.markets.values()] == [*map(asdict, model.markets)]
        assert [(one.league_id, one.sport_id, one.label) for one in state.leagues.values()] == model.leagues
        assert [(one.team_id, one.league_id, one.name) for one in state.teams.values()] == model.teams
        main_lines = {(one.fixture_id, one.type): one.market_hash for one in model.markets if one.main_line}
        assert state.main_lines == main_lines
        assert (state.rules, (state.clock_offset_ms, state.clock_frozen_at_ms)) == (model.rules, model.clock)

    def _check_accounts(self) -> None:
        state = self.engine.state
        balances = {
            (account.address, token): amount
            for account in state.accounts.values()
            for token, amount in account.balances.items()
        }
        assert balances == self.model.balances
        keys = {one.address: (one.api_key_digest, one.api_key_issued_at_ms) for one in state.api_keys()}
        assert keys == self.model.api_keys
        for maker in state.accounts.keys() & set(MAKERS):
            for token in TOKENS:
                for market_hash in MARKETS:
                    wanted = self.model.exposure(maker, token.address, market_hash)
                    assert state.accounts[maker].exposure(token.address, market_hash) == wanted

    def _check_views(self, views: Views) -> None:
        model = self.model
        live = {one.terms.order_hash: one for one in model.live_orders()}
        rows = views.orders.by_hash
        assert list(rows) == list(live)
        for order_hash, one in live.items():
            row = rows[order_hash]
            assert (row.terms, row.number, row.accepted_at_ms) == (one.terms, one.number, one.accepted_at_ms)
            assert (row.update_time_ms, row.fill_amount, row.pending_fill_amount) == (one.update_time_ms, 0, 0)
        for maker in MAKERS:
            assert [row.terms.order_hash for row in views.orders.of_maker(maker)] == model.open_orders(maker)
        for market_hash in MARKETS:
            on_market = [one.terms.order_hash for one in live.values() if one.terms.market_hash == market_hash]
            assert [row.terms.order_hash for row in views.orders.of_market(market_hash)] == on_market
            for token in TOKENS:
                for is_one in (True, False):
                    found = views.best_odds.get(SideKey(market_hash, token.address, is_one))
                    shown = BestPrice(found.percentage_odds, found.updated_at_ms) if found else BestPrice(None, 0)
                    assert shown == model.best((market_hash, token.address, is_one))
        self._check_world_of(views)

    def _check_world_of(self, views: Views) -> None:
        state, catalogue = self.engine.state, views.catalogue
        assert (views.rules, views.seq) == (state.rules, self.journal.head.seq)
        assert catalogue.leagues == state.leagues
        assert catalogue.teams == state.teams
        assert catalogue.fixtures == state.fixtures
        assert catalogue.markets == state.markets
        for fixture_id in FIXTURES:
            found = [market.market_hash for market in catalogue.markets_of(fixture_id)]
            assert found == state.markets_of.get(fixture_id, [])
        balances = {
            (account, token): amount
            for account, tokens in views.accounts.balances.items()
            for token, amount in tokens.items()
        }
        assert balances == self.model.balances
        for maker in MAKERS:
            digest, issued_at_ms = self.model.api_keys.get(maker, (b"", None))
            assert views.accounts.owner_of_key(digest) == (maker if digest else None)
            assert views.accounts.key_issued_at_ms(maker) == issued_at_ms
        assert set(views.requests.items()) == set(state.replays.items())


def _ended_in(changes: Changes) -> dict[OrderHash, OrderState]:
    return {one.terms.order_hash: one.state for one in changes.orders if one.state is not OrderState.OPEN}
