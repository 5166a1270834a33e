"""Continuous markets to plain data and back, as sections of a snapshot like those of the rest of the engine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, TypeVar

import msgspec

from overround.engine.base import Section
from overround.engine.continuous.commands import SignedOrder
from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.product import Product
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import ProductId, SubaccountId
from overround.engine.types import Address

CHUNK_SIZE: Final = 1_000  # records per section
_T = TypeVar("_T")


class MarketImage(msgspec.Struct, frozen=True, gc=False):
    """A product without its book."""

    product: Product
    last_price_x18: int | None
    fees_x18: int


class ContinuousWorldSection(Section, frozen=True):
    """Everything that is small."""

    rules: ContinuousRules | None
    maintenance: bool
    order_count: int
    trade_count: int
    markets: list[MarketImage]
    deposits: list[tuple[ProductId, int]]
    tx_nonces: list[tuple[Address, int]]


class SubaccountImage(msgspec.Struct, frozen=True, gc=False):
    """A subaccount without its orders; balances are product, amount, virtual quote."""

    sender: SubaccountId
    funded: bool
    linked: Address | None
    linked_at_ms: tuple[int, ...]
    balances: list[tuple[ProductId, int, int]]


class SubaccountSection(Section, frozen=True):
    subaccounts: list[SubaccountImage]


class RestingImage(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A resting order."""

    terms: SignedOrder
    number: int
    placed_at_ms: int
    unfilled_x18: int


class RestingSection(Section, frozen=True):
    """Resting orders, in the order of acceptance."""

    orders: list[RestingImage]


class UsedDigestSection(Section, frozen=True):
    """Requests obeyed: (second until which they are good, digest)."""

    requests: list[tuple[int, bytes]]


AnyContinuousSection = ContinuousWorldSection | SubaccountSection | RestingSection | UsedDigestSection


def dump(state: ContinuousState) -> Iterator[AnyContinuousSection]:
    """The sections of a snapshot, in the order `load` wants them."""
    yield ContinuousWorldSection(
        rules=state.rules,
        maintenance=state.maintenance,
        order_count=state.order_count,
        trade_count=state.trade_count,
        markets=[MarketImage(one.product, one.last_price_x18, one.fees_x18) for one in state.markets.values()],
        deposits=list(state.deposits.items()),
        tx_nonces=[(one, wallet.next_tx_nonce) for one, wallet in state.wallets.items() if wallet.next_tx_nonce],
    )
    images = (
        SubaccountImage(
            one.sender,
            one.funded,
            one.linked,
            one.linked_at_ms,
            [(product, holding.amount_x18, holding.v_quote_x18) for product, holding in one.holdings.items()],
        )
        for one in state.subaccounts.values()
    )
    yield from (SubaccountSection(chunk) for chunk in _chunks(images))
    resting = (RestingImage(one.terms, one.number, one.placed_at_ms, one.unfilled_x18) for one in state.orders.values())
    yield from (RestingSection(chunk) for chunk in _chunks(resting))
    yield from (UsedDigestSection(chunk) for chunk in _chunks(state.replays.items()))


def load(sections: Iterable[AnyContinuousSection]) -> ContinuousState:
    """The state that `dump` saw."""
    state = ContinuousState()
    for section in sections:
        load_section(state, section)
    finish_loading(state)
    return state


def load_section(state: ContinuousState, section: AnyContinuousSection) -> None:
    """One section, after those before it."""
    match section:
        case ContinuousWorldSection():
            _load_world(state, section)
        case SubaccountSection():
            for image in section.subaccounts:
                _load_subaccount(state, image)
        case RestingSection():
            for one in section.orders:
                state.rest(ContinuousOrder(one.terms, one.number, one.placed_at_ms, one.unfilled_x18))
        case UsedDigestSection():
            for second, key in section.requests:
                state.remember(key, second)


def finish_loading(state: ContinuousState) -> None:
    """After the last section: every margin was judged by the marks that the books now show."""
    for market in state.markets.values():
        market.judged_mark_x18 = market.mark_x18
    state.touched.clear()


def _load_world(state: ContinuousState, world: ContinuousWorldSection) -> None:
    if world.rules is not None:
        state.configure(world.rules)
    state.set_maintenance(world.maintenance)
    state.count_orders_and_trades(world.order_count, world.trade_count)
    for image in world.markets:
        state.put_product(image.product)
        market = state.markets[image.product.product_id]
        if image.last_price_x18 is not None:
            state.set_last_price(market, image.last_price_x18)
        state.collect(market, image.fees_x18)
    for product_id, amount_x18 in world.deposits:
        state.note_deposit(product_id, amount_x18)
    for address, next_tx_nonce in world.tx_nonces:
        state.set_tx_nonce(address, next_tx_nonce)


def _load_subaccount(state: ContinuousState, image: SubaccountImage) -> None:
    subaccount = state.subaccount(image.sender)
    if image.funded:
        state.set_funded(subaccount)
    state.link(subaccount, image.linked, image.linked_at_ms)
    for product_id, amount_x18, v_quote_x18 in image.balances:
        state.set_balance(subaccount, product_id, amount_x18, v_quote_x18)


def _chunks(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK_SIZE)):
        yield chunk
