"""State to plain data and back."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, RULES, START_MS, USDC, WSX, A, Desk, hashes, number
from tests.properties.traffic import STEPS_MS, Traffic

from overround.engine import invariants, snapshot
from overround.engine.commands import AdjustClock, ConfigureVenue, IssueApiKey, ReportMarket, SetRestriction, Tick
from overround.engine.engine import Engine
from overround.engine.order import OrderState, Trigger
from overround.engine.snapshot import AnySection, ClosedSection, OrderSection, ReplaySection, dump, load
from overround.engine.state import State
from overround.engine.types import Outcome


def through_json(state: State) -> State:
    """As a snapshot file does it: section by section."""
    lines = [msgspec.json.encode(section) for section in dump(state)]
    return load(msgspec.json.decode(line, type=AnySection) for line in lines)


def busy(seed: int) -> tuple[Engine, Traffic, Random, int]:
    engine, traffic, random, now_ms = Engine(), Traffic(), Random(seed), START_MS
    for command in traffic.opening():
        engine.execute(command, now_ms)
    for _ in range(150):
        now_ms += random.choice(STEPS_MS)
        engine.execute(Tick(), now_ms)
        engine.execute(traffic.any(random, now_ms), now_ms)
    return engine, traffic, random, now_ms


@pytest.mark.row("LIFE-06")
@pytest.mark.parametrize("seed", range(4))
def test_a_loaded_engine_goes_on_as_the_one_that_was_dumped(seed: int) -> None:
    engine, traffic, random, now_ms = busy(seed)
    loaded = Engine(through_json(engine.state))
    assert loaded.digest() == engine.digest()
    invariants.check(loaded.state)
    for _ in range(100):
        now_ms += random.choice(STEPS_MS)
        assert loaded.next_deadline_ms() == engine.next_deadline_ms()
        for command in (Tick(), traffic.any(random, now_ms)):
            assert loaded.execute(command, now_ms) == engine.execute(command, now_ms)
        assert loaded.digest() == engine.digest()


def test_an_empty_state_is_empty_again() -> None:
    assert Engine(through_json(State())).digest() == Engine().digest()


def test_everything_of_the_world_is_kept(desk: Desk) -> None:
    desk.do(AdjustClock(offset_ms=5_000, frozen_at_ms=START_MS))
    desk.do(IssueApiKey(account=ALICE, key_digest=number(32, "key")))
    desk.rest()
    state = through_json(desk.engine.state)
    before = desk.engine.state
    for name in (
        "rules",
        "leagues",
        "teams",
        "fixtures",
        "markets",
        "markets_of",
        "main_lines",
        "closed",
        "order_count",
    ):
        assert getattr(state, name) == getattr(before, name), name
    assert (state.clock_offset_ms, state.clock_frozen_at_ms) == (5_000, START_MS)
    (key_owner,) = state.api_keys()
    assert (key_owner.address, key_owner.api_key_digest) == (ALICE, number(32, "key"))


def test_a_clock_that_was_moved_and_moved_back_weighs_as_if_it_never_was(desk: Desk) -> None:
    before = desk.engine.digest()
    desk.do(AdjustClock(offset_ms=5_000, frozen_at_ms=START_MS))
    assert desk.engine.digest() != before
    desk.do(AdjustClock(offset_ms=0, frozen_at_ms=None))
    assert desk.engine.digest() == before
    desk.reload()


def test_orders_keep_their_place_in_the_book_and_their_history(desk: Desk) -> None:
    orders = [desk.rest(odds=odds) for odds in (50, 60, 50, 60)]
    desk.wait(1)
    book = desk.book()
    desk.reload()
    assert desk.book() == book == hashes(orders[1], orders[3], orders[0], orders[2])
    assert [one.accepted_at_ms for one in desk.engine.state.orders.values()] == [START_MS] * 4


@pytest.mark.row("LIFE-06")
@pytest.mark.parametrize("state", [OrderState.HELD, OrderState.SUSPENDED, OrderState.CANCELLED])
def test_orders_that_are_not_on_the_book_but_not_done_either_stay_so(desk: Desk, state: OrderState) -> None:
    """Held by a fill; suspended with a fill pending; cancelled with a fill that still settles."""
    order = desk.rest(size=20)
    fill = desk.match(BOB, stake=20 if state is OrderState.HELD else 5)
    if state is OrderState.SUSPENDED:
        desk.fund(ALICE, 10)
    if state is OrderState.CANCELLED:
        desk.do(desk.cancel_all(ALICE))
    for _ in range(2):
        assert desk.state_of(order) is state
        assert desk.amounts(order) == (0, 20 if state is OrderState.HELD else 5)
        assert len(desk.engine.state.books[A][USDC.address]) == 0
        assert desk.exposure(ALICE) == 0
        assert desk.available(BOB) == 100 - (20 if state is OrderState.HELD else 5)
        invariants.check(desk.engine.state)
        desk.reload()
    answer = desk.wait(0.5)
    assert [step.word for step in answer.fills[fill.fill_hash]] == ["confirmed"]
    assert answer.states == {order.order_hash: OrderState.FILLED if state is OrderState.HELD else state}


@pytest.mark.row("LIFE-06", "HB-10")
def test_what_waits_goes_on_waiting(desk: Desk) -> None:
    """A fill in its delay, a pending one, a confirmed one, a heartbeat, a remembered cancel, a restriction."""
    orders = [desk.rest(size=10) for _ in range(3)]
    confirmed = desk.match(BOB, stake=10)
    desk.wait(1)
    desk.ping(ALICE, 30)
    desk.match(BOB, stake=10)
    desk.do(desk.cancel(ALICE, orders[1]))
    desk.do(SetRestriction(account=BOB, restricted=True))
    desk.do(desk.fill(BOB, stake=5))
    before = desk.engine
    desk.reload()
    after = desk.engine
    assert after.next_deadline_ms() == before.next_deadline_ms()
    assert after.state.orders[orders[1].order_hash].doom is Trigger.CANCEL
    for seconds in (0.5, 0.5, 30):
        desk.now_ms += round(seconds * 1000)
        assert after.execute(Tick(), desk.now_ms) == before.execute(Tick(), desk.now_ms)
        assert after.digest() == before.digest()
    report = ReportMarket(market_hash=A, outcome=Outcome.ONE)
    assert after.execute(report, desk.now_ms) == before.execute(report, desk.now_ms)
    assert confirmed.fill_hash in after.state.burnt


def test_orders_in_a_token_that_the_rules_have_dropped_are_loaded(desk: Desk) -> None:
    """A venue used to be unable to start once its configuration no longer named the token of a resting order."""
    desk.fund(ALICE, 100, WSX)
    order = desk.rest(token=WSX)
    desk.do(ConfigureVenue(rules=msgspec.structs.replace(RULES, tokens=(USDC,))))
    desk.reload()
    assert desk.resting() == hashes(order)
    assert desk.do(desk.cancel(ALICE, order)).ended == {order.order_hash: OrderState.CANCELLED}


def test_long_lists_are_cut_into_sections(monkeypatch: pytest.MonkeyPatch, desk: Desk) -> None:
    monkeypatch.setattr(snapshot, "CHUNK_SIZE", 4)
    desk.fund(ALICE, 1_000)
    for _ in range(9):
        desk.do(desk.cancel(ALICE, desk.rest()))
    desk.place(*(desk.order() for _ in range(10)))
    sections = list(dump(desk.engine.state))
    assert [len(one.orders) for one in sections if isinstance(one, OrderSection)] == [4, 4, 2]
    assert [len(one.order_hashes) for one in sections if isinstance(one, ClosedSection)] == [128, 128, 32]
    assert [len(one.requests) for one in sections if isinstance(one, ReplaySection)] == [4, 4, 1]
    desk.reload()


def test_a_loaded_state_shares_nothing_with_the_one_it_came_from(desk: Desk) -> None:
    """Settling a fill here used to settle half of it there: both held the same record."""
    desk.rest(size=20)
    desk.match(BOB, stake=5)
    loaded = Engine(load(dump(desk.engine.state)))
    before = loaded.digest()
    desk.wait(1)
    assert loaded.digest() == before
    invariants.check(loaded.state)
