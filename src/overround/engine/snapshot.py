"""State to plain data and back. Two states are equal when their digests are.

A snapshot is a stream of sections, so that a million orders never stand in memory twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec

from overround.engine.catalogue import Fixture, League, Market, Team
from overround.engine.commands import NewOrder
from overround.engine.order import Order, OrderState
from overround.engine.rules import Rules
from overround.engine.state import State
from overround.engine.types import Address, FixtureId, MarketHash, OrderHash

CHUNK_SIZE: Final = 1_000  # records per section
_HASH_BYTES: Final = 32
_T = TypeVar("_T")


class Section(msgspec.Struct, frozen=True, tag=True, tag_field="section"):
    """Base of the parts of a snapshot."""


class WorldSection(Section, frozen=True):
    """Everything that is small."""

    rules: Rules | None
    clock_offset_ms: int
    clock_frozen_at_ms: int | None
    order_count: int
    leagues: list[League]
    teams: list[Team]
    fixtures: list[Fixture]
    markets: list[Market]
    main_lines: list[tuple[FixtureId, int, MarketHash]]
    cancels_from_s: int = 0


class AccountImage(msgspec.Struct, frozen=True, gc=False):
    """An account without its orders."""

    address: Address
    balances: list[tuple[Address, int]]
    api_key_digest: bytes | None
    api_key_issued_at_ms: int


class AccountSection(Section, frozen=True):
    accounts: list[AccountImage]


class OrderImage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A live order."""

    terms: NewOrder
    number: int
    priority: int
    accepted_at_ms: int
    update_time_ms: int
    state: OrderState
    fill_amount: int
    pending_fill_amount: int


class OrderSection(Section, frozen=True):
    """Live orders, in the order of acceptance."""

    orders: list[OrderImage]


class ClosedSection(Section, frozen=True):
    """Hashes of ended orders, 32 bytes each, one after the other."""

    order_hashes: bytes


class ReplaySection(Section, frozen=True):
    """Requests obeyed: (second signed in, signer and digest)."""

    requests: list[tuple[int, bytes]]


AnySection = WorldSection | AccountSection | OrderSection | ClosedSection | ReplaySection


def dump(state: State) -> Iterator[AnySection]:
    """The sections of a snapshot, in the order `load` wants them."""
    yield WorldSection(
        rules=state.rules,
        clock_offset_ms=state.clock_offset_ms,
        clock_frozen_at_ms=state.clock_frozen_at_ms,
        order_count=state.order_count,
        leagues=list(state.leagues.values()),
        teams=list(state.teams.values()),
        fixtures=list(state.fixtures.values()),
        markets=list(state.markets.values()),
        main_lines=[(fixture, kind, market) for (fixture, kind), market in state.main_lines.items()],
        cancels_from_s=state.cancels_from_s,
    )
    images = (
        AccountImage(one.address, list(one.balances.items()), one.api_key_digest, one.api_key_issued_at_ms)
        for one in state.accounts.values()
    )
    yield from (AccountSection(chunk) for chunk in _chunks(images))
    # The registry is a dict in the order of acceptance: nothing is ever put back into it.
    yield from (OrderSection(chunk) for chunk in _chunks(map(_image, state.orders.values())))
    yield from (ClosedSection(b"".join(chunk)) for chunk in _chunks(state.closed))
    yield from (ReplaySection(chunk) for chunk in _chunks(state.replays.items()))


def load(sections: Iterable[AnySection]) -> State:
    """The state that `dump` saw."""
    state = State()
    for section in sections:
        match section:
            case WorldSection():
                _load_world(state, section)
            case AccountSection():
                for image in section.accounts:
                    _load_account(state, image)
            case OrderSection():
                for order in section.orders:
                    state.admit(_order(order))
            case ClosedSection():
                hashes = section.order_hashes
                for start in range(0, len(hashes), _HASH_BYTES):
                    state.remember_closed(OrderHash(hashes[start : start + _HASH_BYTES]))
            case ReplaySection():
                for second, key in section.requests:
                    state.remember_request(key, second)
    return state


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        yield chunk


def _load_world(state: State, world: WorldSection) -> None:
    if world.rules is not None:
        state.configure(world.rules)
    if world.clock_offset_ms or world.clock_frozen_at_ms is not None:
        state.adjust_clock(world.clock_offset_ms, world.clock_frozen_at_ms)
    state.order_count = world.order_count
    state.refuse_cancels_before(world.cancels_from_s)
    for league in world.leagues:
        state.put_league(league)
    for team in world.teams:
        state.put_team(team)
    for fixture in world.fixtures:
        state.put_fixture(fixture)
    for market in world.markets:
        state.put_market(market)
    state.main_lines = {(fixture, kind): market for fixture, kind, market in world.main_lines}


def _load_account(state: State, image: AccountImage) -> None:
    for token, amount in image.balances:
        state.set_balance(image.address, token, amount)
    if image.api_key_digest is not None:
        state.set_api_key(image.address, image.api_key_digest, image.api_key_issued_at_ms)


def _image(order: Order) -> OrderImage:
    return OrderImage(
        order.terms,
        order.number,
        order.priority,
        order.accepted_at_ms,
        order.update_time_ms,
        order.state,
        order.fill_amount,
        order.pending_fill_amount,
    )


def _order(image: OrderImage) -> Order:
    return Order(
        image.terms,
        image.number,
        image.priority,
        image.accepted_at_ms,
        image.update_time_ms,
        image.state,
        image.fill_amount,
        image.pending_fill_amount,
    )
