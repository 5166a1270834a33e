"""Both kinds of market in one engine: one dispatch, one clock, one digest, one snapshot, one heartbeat."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
import pytest
from tests.engine import desk as fixed_odds
from tests.engine.continuous import desk as continuous
from tests.engine.continuous.traffic import SENDERS, STEPS_MS, Traffic
from tests.properties.traffic import Traffic as FixedOddsTraffic

from overround.engine import invariants
from overround.engine.commands import (
    AnyCommand,
    CancelAll,
    ConfigureVenue,
    PingHeartbeat,
    PlaceOrders,
    SetBalance,
    Tick,
)
from overround.engine.continuous.commands import CancelProducts, ConfigureContinuous, SetCollateral, SubmitOrders
from overround.engine.continuous.events import OrderEnded
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.types import QUOTE, X18, Digest, EndCause, SubaccountId, wallet_of
from overround.engine.engine import Engine, Outcome
from overround.engine.events import AnyEvent, HeartbeatFired, OrderChanged
from overround.engine.record import Record
from overround.engine.rules import HeartbeatScope
from overround.engine.snapshot import AnySection, dump, load
from overround.engine.types import Address
from overround.journal.memory import MemoryJournal
from overround.runtime.recovery import recover
from overround.views.views import Views

START_MS = fixed_odds.START_MS
ALICE, BOB = fixed_odds.ALICE, fixed_odds.BOB
ACCOUNT = SubaccountId(ALICE + b"default".ljust(12, b"\0"))
OTHER_ACCOUNT = SubaccountId(ALICE + b"other".ljust(12, b"\0"))
ACCOUNT_OF_BOB = SubaccountId(BOB + b"default".ljust(12, b"\0"))


class Venue:
    """One engine with both worlds in it. Every command is journaled; every step is checked."""

    def __init__(self, scope: HeartbeatScope = HeartbeatScope.BOTH) -> None:
        self._sx, self._nado = fixed_odds.Desk(), continuous.Desk()
        self.engine, self.journal, self.now_ms = Engine(), MemoryJournal(), START_MS
        opening: list[AnyCommand] = [
            *Traffic().opening(),
            *(SetCollateral(subaccount=one, product_id=QUOTE, amount_x18=100_000 * X18) for one in ACCOUNTS),
            ConfigureVenue(rules=msgspec.structs.replace(fixed_odds.RULES, heartbeat_scope=scope)),
            fixed_odds.MATCH_IN_AN_HOUR,
            fixed_odds.market(fixed_odds.A),
            *(SetBalance(account=one, token=fixed_odds.USDC.address, amount=10**12) for one in (ALICE, BOB)),
        ]
        for command in opening:
            self.do(command)

    def do(self, command: AnyCommand) -> list[AnyEvent]:
        """Decide what must not be refused."""
        outcome = self.attempt(command)
        assert isinstance(outcome, list), outcome
        return outcome

    def attempt(self, command: AnyCommand) -> Outcome:
        """Decide; what is due fires first."""
        due_ms = self.engine.next_deadline_ms()
        is_due = due_ms is not None and due_ms <= self.now_ms
        assert self.engine.is_due(self.now_ms) is is_due
        if is_due and not isinstance(command, Tick):
            self.do(Tick())
        outcome = self.engine.execute(command, self.now_ms)
        if not isinstance(outcome, list):
            return outcome
        seq = self.journal.head.seq + 1
        self.journal.append([Record(seq, self.now_ms, 1, f"c{seq}", command, outcome)])
        invariants.check(self.engine.state)
        return outcome

    def wait(self, seconds: float) -> list[AnyEvent]:
        """Later; what is due by then fires."""
        self.now_ms += int(seconds * 1000)
        due_ms = self.engine.next_deadline_ms()
        return self.do(Tick()) if due_ms is not None and due_ms <= self.now_ms else []

    def sx_order(self, maker: Address = ALICE, expires_in_s: int = 1_000) -> bytes:
        """A resting order on a fixed-odds market."""
        expires = self.now_ms // 1000 + expires_in_s
        order = msgspec.structs.replace(self._sx.order(maker), api_expiry=expires)
        self.do(PlaceOrders(orders=(order,)))
        assert order.order_hash in self.engine.state.orders
        return order.order_hash

    def nado_order(self, sender: SubaccountId = ACCOUNT, expires_in_s: int | None = None) -> bytes:
        """A resting order on a continuous market."""
        self._nado.now_ms = self.now_ms
        order = self._nado.order(sender, 1, 100, expires_in_s=expires_in_s)
        self.do(SubmitOrders(orders=(order,)))
        assert order.digest in self.engine.state.continuous.orders
        return order.digest

    def live(self) -> set[bytes]:
        """All orders that rest, of both kinds."""
        return {*self.engine.state.orders, *self.engine.state.continuous.orders}


ACCOUNTS = (ACCOUNT, OTHER_ACCOUNT, ACCOUNT_OF_BOB)


@pytest.fixture
def venue() -> Venue:
    return Venue()


def test_every_command_of_both_kinds_is_dispatched() -> None:
    from overround.engine import engine

    assert engine._RULES.keys() == set(get_args(AnyCommand))


def test_a_refusal_of_a_continuous_market_is_a_value_and_changes_nothing(venue: Venue) -> None:
    before = venue.engine.digest()
    stranger = CancelProducts(sender=ACCOUNT, digest=Digest(bytes(32)), receive_by_ms=START_MS + 1, signer=BOB)
    assert venue.engine.execute(stranger, START_MS) == Refusal(ContinuousRejection.SIGNER_NOT_AUTHORISED)
    assert venue.engine.digest() == before


def test_deadlines_of_both_kinds_fire_in_time_order_and_fixed_odds_first_at_the_same_moment(venue: Venue) -> None:
    late, early = venue.nado_order(expires_in_s=30), venue.nado_order(expires_in_s=10)
    middle, also_late = venue.sx_order(expires_in_s=20), venue.sx_order(expires_in_s=30)
    assert venue.engine.next_deadline_ms() == START_MS + 10_000
    events = venue.wait(60)
    ended = [
        one.order_hash if isinstance(one, OrderChanged) else one.digest
        for one in events
        if isinstance(one, OrderChanged | OrderEnded)
    ]
    assert ended == [early, middle, also_late, late]


def test_the_digest_weighs_both_kinds(venue: Venue) -> None:
    digests = {venue.engine.digest()}
    venue.nado_order()
    digests.add(venue.engine.digest())
    venue.sx_order()
    assert len(digests | {venue.engine.digest()}) == 3


def test_a_venue_without_continuous_markets_weighs_what_it_always_did() -> None:
    desk = fixed_odds.Desk()
    assert desk.engine.digest() == desk.engine.state.weights.digest()


@pytest.mark.parametrize("seed", range(4))
def test_days_of_both_kinds_are_the_same_from_the_journal_and_from_a_snapshot(seed: int) -> None:
    venue, random = Venue(random_scope(seed)), Random(seed)
    kinds = FixedOddsTraffic(), Traffic()
    for command in kinds[0].opening():
        venue.attempt(command)
    middle: tuple[bytes, int, int] | None = None
    for step in range(240):
        venue.now_ms += random.choice(STEPS_MS)
        if step % 20 == 0:
            venue.attempt(PingHeartbeat(account=wallet_of(random.choice(SENDERS)), interval_s=random.choice((10, 60))))
        venue.attempt(random.choice(kinds).any(random, venue.now_ms))
        if step == 120:
            middle = msgspec.json.encode(list(dump(venue.engine.state))), venue.journal.head.seq, venue.now_ms
    assert middle is not None
    content, seq, time_ms = middle
    engine, views = Engine(load(msgspec.json.decode(content, type=list[AnySection]))), Views()
    invariants.check(engine.state)
    views.seed(engine.state, seq=seq, time_ms=time_ms, digest=engine.digest())
    for record in venue.journal.read(seq):
        assert engine.execute(record.command, record.time_ms) == record.events
        views.apply(record)
    recovered = recover(venue.journal, None)
    assert engine.digest() == recovered.engine.digest() == venue.engine.digest()
    assert views.continuous.orders == recovered.views.continuous.orders
    assert views.accounts.last_firings == recovered.views.accounts.last_firings
    digests = {one for firing in views.accounts.last_firings.values() for one in firing.order_hashes}
    assert digests, "no heartbeat took an order: the day is too quiet"


def random_scope(seed: int) -> HeartbeatScope:
    """Every day another."""
    return list(HeartbeatScope)[seed % len(HeartbeatScope)]


# ---- one wallet, orders of both kinds --------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", HeartbeatScope)
def test_a_missed_heartbeat_cancels_what_its_scope_says(scope: HeartbeatScope) -> None:
    venue = Venue(scope)
    sx, nado, other = venue.sx_order(), venue.nado_order(), venue.nado_order(OTHER_ACCOUNT)
    of_bob = {venue.sx_order(BOB), venue.nado_order(ACCOUNT_OF_BOB)}
    venue.do(PingHeartbeat(account=ALICE, interval_s=30))
    events = venue.wait(30)
    wanted = {
        HeartbeatScope.BOTH: [sx, nado, other],
        HeartbeatScope.SX: [sx],
        HeartbeatScope.NADO: [nado, other],
    }[scope]
    (fired,) = (one for one in events if isinstance(one, HeartbeatFired))
    assert list(fired.order_hashes) == wanted
    assert venue.live() == {sx, nado, other, *of_bob} - set(wanted)
    causes = {one.cause for one in events if isinstance(one, OrderEnded)}
    assert causes == (set() if scope is HeartbeatScope.SX else {EndCause.WALLET})
    firing = venue.engine.state.accounts[ALICE].last_firing
    assert firing is not None
    assert firing.order_hashes == fired.order_hashes
    assert recover(venue.journal, None).engine.digest() == venue.engine.digest()


def test_a_wallet_that_never_staked_anything_has_a_heartbeat_too(venue: Venue) -> None:
    carol = SubaccountId(fixed_odds.CAROL + bytes(12))
    venue.do(SetCollateral(subaccount=carol, product_id=QUOTE, amount_x18=1_000 * X18))
    order = venue.nado_order(carol)
    venue.do(PingHeartbeat(account=wallet_of(carol), interval_s=10))
    venue.wait(10)
    assert order not in venue.live()


def test_cancelling_everything_of_one_kind_leaves_the_other(venue: Venue) -> None:
    sx, nado = venue.sx_order(), venue.nado_order()
    cancel = CancelProducts(sender=ACCOUNT, digest=Digest(bytes(32)), receive_by_ms=venue.now_ms + 1, signer=ALICE)
    venue.do(cancel)
    assert venue.live() == {sx}
    nado = venue.nado_order()
    venue.do(CancelAll(maker=ALICE, digest=bytes(32), timestamp_s=venue.now_ms // 1000))
    assert venue.live() == {nado}


def test_new_rules_of_one_kind_are_rules_of_that_kind(venue: Venue) -> None:
    nado = venue.nado_order()
    venue.do(ConfigureContinuous(rules=msgspec.structs.replace(continuous.RULES, open_orders_max=1)))
    assert venue.live() == {nado}
