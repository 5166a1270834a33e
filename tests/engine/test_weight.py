"""State can be weighed: equal states weigh the same however they came about, others do not."""

from __future__ import annotations

from itertools import permutations

import msgspec
import pytest
from tests.engine.desk import ALICE, BOB, CAROL, MATCH, USDC, WSX, A, Desk, lone_order, number

from overround.engine.commands import IssueApiKey, SetBalance, SetFixtureStatus, SetMarketStatus, VenueCommand
from overround.engine.engine import Engine
from overround.engine.order import OrderState
from overround.engine.state import State
from overround.engine.types import FixtureStatus
from overround.engine.weight import Weights, order_weight, replay_weight

KEYS = [IssueApiKey(account=account, key_digest=number(32, account)) for account in (ALICE, BOB)]
CHANGES: list[VenueCommand] = [
    SetBalance(account=CAROL, token=USDC.address, amount=7),
    SetBalance(account=ALICE, token=WSX.address, amount=9),
    *KEYS,
    SetFixtureStatus(fixture_id=MATCH, status=FixtureStatus.ABOUT_TO_START),
    SetMarketStatus(market_hash=A, active=False),
]


def test_the_order_in_which_a_state_came_about_does_not_matter() -> None:
    digests = set()
    for changes in list(permutations(CHANGES))[::53]:
        desk = Desk()
        for command in changes:
            desk.do(command)
        digests.add(desk.engine.digest())
    assert len(digests) == 1


def test_what_was_and_is_no_more_weighs_nothing() -> None:
    straight, roundabout = Desk(), Desk()
    for amount in (5, 77, 100):
        roundabout.fund(ALICE, amount)
    roundabout.do(SetMarketStatus(market_hash=A, active=False))
    roundabout.do(SetMarketStatus(market_hash=A, active=True))
    assert roundabout.engine.digest() == straight.engine.digest()


def test_orders_that_ended_in_another_order_weigh_the_same() -> None:
    digests = set()
    for turn in permutations(range(3)):
        desk = Desk()
        orders = [desk.rest() for _ in range(3)]
        cancels = [desk.cancel(ALICE, order, salt=place) for place, order in enumerate(orders)]
        for place in turn:
            desk.do(cancels[place])
        digests.add(desk.engine.digest())
    assert len(digests) == 1


@pytest.mark.parametrize("change", CHANGES, ids=lambda command: type(command).__name__)
def test_every_change_can_be_weighed(desk: Desk, change: VenueCommand) -> None:
    before = desk.engine.digest()
    desk.do(change)
    assert desk.engine.digest() != before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("number", 2),
        ("priority", 2),
        ("accepted_at_ms", 1),
        ("update_time_ms", 2),
        ("state", OrderState.HELD),
        ("fill_amount", 1),
        ("pending_fill_amount", 1),
    ],
)
def test_everything_about_an_order_has_weight(name: str, value: object) -> None:
    order = lone_order(1)
    before = order_weight(order)
    setattr(order, name, value)
    assert order_weight(order) != before


def test_what_the_maker_did_not_sign_has_weight_too() -> None:
    order = lone_order(1)
    later = lone_order(1, api_expiry=order.terms.api_expiry + 1)
    assert order_weight(later) != order_weight(order)


def test_amounts_are_not_taken_for_one_another() -> None:
    filled, pending = lone_order(1), lone_order(1)
    filled.fill_amount, pending.pending_fill_amount = 5, 5
    assert order_weight(filled) != order_weight(pending)


def test_requests_of_two_makers_are_told_apart_by_weight() -> None:
    """Alice signed one thing and Bob another: not the same as the other way round, which used to weigh the same."""
    one, other = number(32, "one"), number(32, "other")
    straight, crossed = State(), State()
    straight.remember_request(ALICE + one, 1)
    straight.remember_request(BOB + other, 1)
    crossed.remember_request(ALICE + other, 1)
    crossed.remember_request(BOB + one, 1)
    assert Engine(straight).digest() != Engine(crossed).digest()


def test_the_seconds_of_two_requests_are_told_apart_by_weight() -> None:
    first, second = number(52, "first"), number(52, "second")
    straight = replay_weight(1, first) + replay_weight(2, second)
    assert straight != replay_weight(2, first) + replay_weight(1, second)


def test_a_digest_is_32_bytes_even_when_the_sums_are_negative_or_huge() -> None:
    weights = Weights()
    weights.world -= 5
    weights.orders += 2**300
    assert len(weights.digest()) == 32
    assert weights.digest() != Weights().digest()


def test_a_record_weighs_what_it_holds() -> None:
    weights, state = Weights(), Desk().engine.state
    fixture = state.fixtures[MATCH]
    changed = msgspec.structs.replace(fixture, begun=True)
    weights.replace_record(None, fixture)
    weights.replace_record(fixture, changed)
    assert weights.world != 0
    weights.replace_record(changed, None)
    assert weights.world == 0
