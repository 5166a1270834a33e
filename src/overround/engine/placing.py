"""Posting orders (spec/sx.md 5.9, 7.4, 7.6)."""

from __future__ import annotations

from overround.engine.commands import NewOrder, PlaceOrders
from overround.engine.events import AnyEvent, OrderAccepted, OrderRefused
from overround.engine.order import Order
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import Address


def place_orders(state: State, command: PlaceOrders, now_ms: int) -> list[AnyEvent] | Rejection:
    """Admit in request order: an order that fits is inserted and counts for the next ones."""
    if state.restricted and any(_is_restricted(state, terms.maker, now_ms) for terms in command.orders):
        return Rejection.ACCOUNT_RESTRICTED
    events: list[AnyEvent] = []
    for index, terms in enumerate(command.orders):
        rejection = refusal(state, terms, now_ms)
        if rejection is not None:
            events.append(OrderRefused(index=index, order_hash=terms.order_hash, rejection=rejection))
            continue
        number, priority = state.next_number()
        state.admit(Order(terms, number, priority, now_ms, now_ms))
        events.append(OrderAccepted(index, terms.order_hash, number, now_ms))
    return events


def _is_restricted(state: State, maker: Address, now_ms: int) -> bool:
    return maker in state.restricted and state.accounts[maker].is_restricted(now_ms)


def refusal(state: State, terms: NewOrder, now_ms: int) -> Rejection | None:
    """Why this order may not be inserted now, if it may not."""
    if state.is_known(terms.order_hash):
        return Rejection.ORDER_EXISTS
    market = state.markets.get(terms.market_hash)
    if market is None or not market.active or not state.fixtures[market.fixture_id].is_bettable(now_ms):
        return Rejection.MARKET_NOT_BETTABLE
    account = state.accounts.get(terms.maker)  # nobody gets one by being refused
    if account is None:
        return Rejection.INSUFFICIENT_BALANCE
    token = terms.base_token
    wanted = account.exposure(token, terms.market_hash) + terms.total_bet_size
    if wanted > account.available(token):
        return Rejection.INSUFFICIENT_BALANCE
    assert state.rules is not None
    if state.rules.approval_required and wanted > account.allowances.get(token, 0):
        return Rejection.INSUFFICIENT_BALANCE  # the proxy may not spend so much (spec/sx.md 5.11)
    return None
