"""Posting orders (spec/sx.md 5.9, 7.4, 7.6)."""

from __future__ import annotations

from overround.engine.account import Account
from overround.engine.commands import NewOrder, PlaceOrders
from overround.engine.events import AnyEvent, OrderAccepted, OrderRefused
from overround.engine.order import Order
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import Address


def place_orders(state: State, command: PlaceOrders, now_ms: int) -> list[AnyEvent] | Rejection:
    """Admit in request order: an order that fits is inserted and counts for the next ones."""
    for maker in {terms.maker for terms in command.orders}:
        account = state.accounts.get(maker)
        if account is not None and account.is_restricted(now_ms):
            return Rejection.ACCOUNT_RESTRICTED
    events: list[AnyEvent] = []
    for index, terms in enumerate(command.orders):
        rejection = refusal(state, terms, now_ms)
        if rejection is not None:
            events.append(OrderRefused(index=index, order_hash=terms.order_hash, rejection=rejection))
            continue
        state.order_count += 1
        number, priority = state.order_count, state.next_priority()
        # One object for both, as long as they are the same: a million orders hold them.
        state.admit(Order(terms, number, number if priority == number else priority, now_ms, now_ms))
        events.append(OrderAccepted(index, terms.order_hash, number, now_ms))
    return events


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
    exposed = account.exposure(terms.base_token, terms.market_hash)
    if exposed + terms.total_bet_size > _coverage(state, account, terms.base_token):
        return Rejection.INSUFFICIENT_BALANCE
    return None


def _coverage(state: State, account: Account, token: Address) -> int:
    """What the orders of one market may add up to; approvals count where the venue asks for them (spec/sx.md 5.11)."""
    available = account.available(token)
    assert state.rules is not None
    return min(available, account.allowances.get(token, 0)) if state.rules.approval_required else available
