"""State to plain data and back. Two states are equal when their digests are.

A snapshot is a stream of sections, so that a million orders never stand in memory twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec

from overround.engine.account import Account
from overround.engine.base import Section
from overround.engine.catalogue import Fixture, League, LiveScore, Market, Team
from overround.engine.commands import NewOrder
from overround.engine.continuous import snapshot as continuous
from overround.engine.fill import Fill, HeldFill
from overround.engine.heartbeat import Firing, Heartbeat
from overround.engine.order import FINAL, Order, OrderState, Trigger
from overround.engine.rules import Rules
from overround.engine.state import State
from overround.engine.types import Address, FillHash, FixtureId, MarketHash, OrderHash

CHUNK_SIZE: Final = 1_000  # records per section
_HASH_BYTES: Final = 32
_T = TypeVar("_T")


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
    priority_count: int = 0
    fill_count: int = 0
    funded: list[tuple[Address, int]] = msgspec.field(default_factory=list)
    fees: list[tuple[Address, int]] = msgspec.field(default_factory=list)
    live_scores: list[LiveScore] = msgspec.field(default_factory=list)


class AccountImage(msgspec.Struct, frozen=True, gc=False):
    """An account without its orders."""

    address: Address
    balances: list[tuple[Address, int]]
    api_key_digest: bytes | None
    api_key_issued_at_ms: int
    allowances: list[tuple[Address, int, int]] = []  # token, value, next nonce
    restricted_until_ms: int | None = 0
    dips_ms: list[int] = []
    heartbeat: Heartbeat | None = None
    last_firing: Firing | None = None


class AccountSection(Section, frozen=True):
    accounts: list[AccountImage]


class OrderImage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A live order, or one that ended with fills pending."""

    terms: NewOrder
    number: int
    priority: int
    accepted_at_ms: int
    update_time_ms: int
    state: OrderState
    fill_amount: int
    pending_fill_amount: int
    doom: Trigger | None = None


class OrderSection(Section, frozen=True):
    """Live orders, in the order of acceptance, then the others."""

    orders: list[OrderImage]


class ClosedSection(Section, frozen=True):
    """Hashes of ended orders, 32 bytes each, one after the other."""

    order_hashes: bytes


class ReplaySection(Section, frozen=True):
    """Requests obeyed: (second signed in, signer and digest)."""

    requests: list[tuple[int, bytes]]


class FillSection(Section, frozen=True):
    """Fills in their delay, and those that are not paid yet."""

    held: list[HeldFill]
    fills: list[Fill]


class BurntSection(Section, frozen=True):
    """Hashes of all fills ever admitted, 32 bytes each, one after the other."""

    fill_hashes: bytes


AnySection = (
    WorldSection
    | AccountSection
    | OrderSection
    | ClosedSection
    | ReplaySection
    | FillSection
    | BurntSection
    | continuous.AnyContinuousSection
)


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
        priority_count=state.priority_count,
        fill_count=state.fills.count,
        funded=list(state.funded.items()),
        fees=list(state.fees.items()),
        live_scores=list(state.live_scores.values()),
    )
    accounts = (_account(state, account) for account in state.accounts.values())
    yield from (AccountSection(chunk) for chunk in _chunks(accounts))
    # The registry is a dict in the order of acceptance: nothing is ever put back into it.
    yield from (OrderSection(chunk) for chunk in _chunks(map(_image, state.orders.values())))
    yield from (OrderSection(chunk) for chunk in _chunks(map(_image, state.lingering.values())))
    yield from (ClosedSection(b"".join(chunk)) for chunk in _chunks(state.closed))
    yield from (ReplaySection(chunk) for chunk in _chunks(state.replays.items()))
    yield from (FillSection(chunk, []) for chunk in _chunks(state.fills.held.values()))
    # Copies: a state that is loaded from these sections must not change with this one.
    yield from (FillSection([], chunk) for chunk in _chunks(map(msgspec.structs.replace, state.fills.by_hash.values())))
    yield from (BurntSection(b"".join(chunk)) for chunk in _chunks(state.burnt))
    yield from continuous.dump(state.continuous)


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
                    _load_order(state, _order(order))
            case ClosedSection():
                for order_hash in _hashes(section.order_hashes):
                    state.remember_closed(OrderHash(order_hash))
            case ReplaySection():
                for second, key in section.requests:
                    state.remember_request(key, second)
            case FillSection():
                for held in section.held:
                    state.hold_fill(held)
                for fill in section.fills:
                    state.put_fill(fill)
            case BurntSection():
                for fill_hash in _hashes(section.fill_hashes):
                    state.burn(FillHash(fill_hash))
            case _:
                continuous.load_section(state.continuous, section)
    continuous.finish_loading(state.continuous)
    state.touched.take()  # nothing has moved since the state was dumped
    return state


def _hashes(joined: bytes) -> Iterator[bytes]:
    return (joined[start : start + _HASH_BYTES] for start in range(0, len(joined), _HASH_BYTES))


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
    state.priority_count = world.priority_count
    state.fills.count = world.fill_count
    for token, amount in world.funded:
        state.count_funds(token, amount)
    for token, amount in world.fees:
        state.keep_fee(token, amount)
    state.refuse_cancels_before(world.cancels_from_s)
    for league in world.leagues:
        state.put_league(league)
    for team in world.teams:
        state.put_team(team)
    for fixture in world.fixtures:
        state.put_fixture(fixture)
    for market in world.markets:
        state.put_market(market)
    for score in world.live_scores:
        state.put_live_score(score)
    state.main_lines = {(fixture, kind): market for fixture, kind, market in world.main_lines}


def _load_account(state: State, image: AccountImage) -> None:
    for token, amount in image.balances:
        state.set_balance(image.address, token, amount)
    if image.api_key_digest is not None:
        state.set_api_key(image.address, image.api_key_digest, image.api_key_issued_at_ms)
    for token, value, nonce in image.allowances:
        state.set_allowance(image.address, token, value, nonce)
    if image.restricted_until_ms != 0 or image.dips_ms:
        state.set_restriction(image.address, image.restricted_until_ms, image.dips_ms)
    if image.heartbeat is not None:
        state.set_heartbeat(state.account(image.address).address, image.heartbeat)
    if image.last_firing is not None:
        state.set_last_firing(image.address, image.last_firing)


def _load_order(state: State, order: Order) -> None:
    if order.state in FINAL:
        state.linger_again(order)
    else:
        state.admit(order)


def _account(state: State, account: Account) -> AccountImage:
    nonces = account.permit_nonces
    return AccountImage(
        address=account.address,
        balances=list(account.balances.items()),
        api_key_digest=account.api_key_digest,
        api_key_issued_at_ms=account.api_key_issued_at_ms,
        allowances=[(token, value, nonces[token]) for token, value in account.allowances.items()],
        restricted_until_ms=account.restricted_until_ms,
        dips_ms=account.dips_ms,
        heartbeat=state.heartbeats.get(account.address),
        last_firing=account.last_firing,
    )


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
        order.doom,
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
        doom=image.doom,
    )
