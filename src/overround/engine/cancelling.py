"""The three signed cancels (spec/sx.md 5.10): some orders by hash, one fixture, everything."""

from __future__ import annotations

from collections.abc import Iterable

from overround.engine.commands import Cancel, CancelAll, CancelFixture, CancelOrders
from overround.engine.events import AnyEvent, CancelRefused
from overround.engine.order import CancelRefusal, Order, Trigger
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import OrderHash


def refusal(state: State, command: Cancel, now_ms: int) -> Rejection | None:
    """Why this signed request is not obeyed at all, if it is not."""
    assert state.rules is not None
    if not state.rules.accepts_cancel_time(command.timestamp_s, now_ms):
        return Rejection.TIMESTAMP_OUTSIDE_WINDOW
    if command.replay_key in state.replays:
        return Rejection.ALREADY_PROCESSED
    return None


def cancel_orders(state: State, command: CancelOrders, now_ms: int) -> list[AnyEvent] | Rejection:
    """Cancel the named orders of this maker; names that fit none are told, and never fail the rest."""
    if rejection := _obey(state, command, now_ms):
        return rejection
    events: list[AnyEvent] = []
    for name in dict.fromkeys(command.order_hashes):  # a name given twice is reported once
        order = _live_order(state, name)
        if order is None or order.terms.maker != command.maker:
            events.append(CancelRefused(order_hash=name, refusal=CancelRefusal.NOT_FOUND_OR_INACTIVE))
        else:
            events.append(state.change(order, Trigger.CANCEL, now_ms))
    return events


def cancel_fixture(state: State, command: CancelFixture, now_ms: int) -> list[AnyEvent] | Rejection:
    """Cancel every order of this maker on every market of the fixture; an unknown fixture has none."""
    if rejection := _obey(state, command, now_ms):
        return rejection
    account = state.accounts.get(command.maker)
    if account is None:
        return []
    markets = state.markets_of.get(command.fixture_id, ())
    orders = (order for market_hash in markets for order in account.live_orders_of(market_hash))
    return _cancel_all(state, orders, now_ms)


def cancel_all(state: State, command: CancelAll, now_ms: int) -> list[AnyEvent] | Rejection:
    """Cancel every order of this maker."""
    if rejection := _obey(state, command, now_ms):
        return rejection
    account = state.accounts.get(command.maker)
    return _cancel_all(state, account.live_orders(), now_ms) if account else []


def _obey(state: State, command: Cancel, now_ms: int) -> Rejection | None:
    """Refuse the request, or remember that it was obeyed."""
    rejection = refusal(state, command, now_ms)
    if rejection is None:
        state.forget_requests(now_ms)
        state.remember_request(command.replay_key, command.timestamp_s)
    return rejection


def _cancel_all(state: State, orders: Iterable[Order], now_ms: int) -> list[AnyEvent]:
    in_order = sorted(orders, key=lambda order: order.number)
    return [state.change(order, Trigger.CANCEL, now_ms) for order in in_order]


def _live_order(state: State, name: str) -> Order | None:
    """The order a request names; hashes compare case-insensitively (spec/sx.md 2.4)."""
    if len(name) != 66 or name[:2] not in ("0x", "0X"):
        return None
    digits = name[2:]
    if not digits.isascii() or not digits.isalnum():  # bytes.fromhex would skip spaces
        return None
    try:
        return state.orders.get(OrderHash(bytes.fromhex(digits)))
    except ValueError:
        return None
