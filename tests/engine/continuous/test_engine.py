"""The facade: every command is dispatched, the journal and the unions can take them in, states can be weighed."""

from __future__ import annotations

from random import Random
from typing import get_args

import msgspec
import pytest
from tests.engine.continuous.desk import ALICE, BOB, PERP, START_MS, Desk, digest_of
from tests.engine.continuous.traffic import Traffic

from overround.engine import base
from overround.engine.commands import AnyCommand
from overround.engine.continuous import engine, invariants
from overround.engine.continuous.commands import AnyContinuousCommand, SetMaintenance
from overround.engine.continuous.engine import ContinuousState
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.continuous.snapshot import AnyContinuousSection
from overround.engine.continuous.types import X18
from overround.engine.events import AnyEvent
from overround.engine.snapshot import AnySection

COMMANDS: tuple[type[msgspec.Struct], ...] = get_args(AnyContinuousCommand)
EVENTS: tuple[type[msgspec.Struct], ...] = get_args(AnyContinuousEvent)


def test_every_command_has_its_rule() -> None:
    assert set(engine.RULES) == set(COMMANDS)


def test_sections_fit_into_a_snapshot() -> None:
    sections = get_args(AnySection)
    assert set(get_args(AnyContinuousSection)) < set(sections)
    assert len({one.__name__ for one in sections}) == len(sections), "a tag is taken"
    msgspec.json.Decoder(AnySection)


def test_commands_and_events_follow_the_conventions_of_the_house_and_fit_into_its_unions() -> None:
    assert all(issubclass(one, base.Command) for one in COMMANDS)
    assert all(issubclass(one, base.Event) for one in EVENTS)
    for ours, theirs in ((COMMANDS, get_args(AnyCommand)), (EVENTS, get_args(AnyEvent))):
        assert set(ours) < set(theirs)
        assert len({one.__name__ for one in theirs}) == len(theirs), "a tag is taken"
    msgspec.json.Decoder(AnyCommand)
    msgspec.json.Decoder(AnyEvent)


def test_a_command_survives_the_journal_with_amounts_of_any_width(desk: Desk) -> None:
    order = desk.order(ALICE, 1, 1, price_x18=2**127 - 1, amount_x18=-(2**127), expiration_s=2**64 - 1, nonce=2**64 - 1)
    order = msgspec.structs.replace(order, appendix=2**128 - 1)
    both = desk.replace(order, order)
    assert msgspec.json.decode(msgspec.json.encode(both), type=AnyContinuousCommand) == both


def test_traffic_makes_every_command() -> None:
    traffic, random = Traffic(), Random(3)
    made = {type(one) for one in traffic.opening()} | {type(traffic.any(random, START_MS)) for _ in range(500)}
    assert made == set(COMMANDS)


def test_the_weight_tells_states_apart() -> None:
    """Every change of anything changes the digest, and undoing it brings it back."""
    desk = Desk()
    seen = {engine.digest(ContinuousState()), engine.digest(desk.state)}

    def changed() -> None:
        digest = engine.digest(desk.state)
        assert digest not in seen
        seen.add(digest)

    order = desk.rest(ALICE, 2, 100)
    changed()
    desk.place(desk.order(BOB, -1, 100))
    changed()
    desk.do(desk.cancel(ALICE, order))
    changed()
    desk.update(mark_x18=7 * X18)
    changed()
    desk.fund(ALICE, 5)
    changed()
    before = engine.digest(desk.state)
    desk.do(SetMaintenance(on=True))
    changed()
    desk.do(SetMaintenance(on=False))
    assert engine.digest(desk.state) == before


def test_two_requests_that_exchange_their_times_do_not_weigh_the_same() -> None:
    one, two = Desk(), Desk()
    digests = digest_of("one"), digest_of("two")
    for desk, (first, second) in ((one, digests), (two, digests[::-1])):
        desk.do(desk.cancel(ALICE, digest=first))
        desk.now_ms += 1_000
        desk.do(desk.cancel(ALICE, digest=second))
    assert len(one.state.replays) == len(two.state.replays) == 2
    assert engine.digest(one.state) != engine.digest(two.state)


@pytest.mark.parametrize("spoil", ["book", "money", "mark", "holding", "weight"])
def test_the_invariants_see_what_is_wrong(desk: Desk, spoil: str) -> None:
    order = desk.state.orders[desk.rest(ALICE, 2, 100).digest]
    invariants.check(desk.state)
    match spoil:
        case "book":
            desk.state.markets[PERP].book.remove(order)
        case "money":
            desk.state.set_balance(desk.state.subaccounts[BOB], PERP, X18, 0)
        case "mark":
            desk.state.markets[PERP].last_price_x18 = 5
        case "holding":
            desk.state.subaccounts[ALICE].holdings[PERP].buys.size_x18 += 1
        case "weight":
            order.placed_at_ms += 1
    with pytest.raises(AssertionError):
        invariants.check(desk.state)


def test_a_crossed_book_is_seen(desk: Desk) -> None:
    desk.rest(ALICE, 2, 100)
    terms = desk.order(BOB, -1, 100)
    desk.state.rest(
        type(next(iter(desk.state.orders.values())))(terms, desk.state.next_order_number(), desk.now_ms, X18)
    )
    desk.state.touched.clear()
    with pytest.raises(AssertionError, match="crossed"):
        invariants.check(desk.state)
