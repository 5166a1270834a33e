"""The three signed cancels (spec/sx.md 5.10): some orders by hash, one fixture, everything."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterable

from overround.engine.commands import Cancel, CancelAll, CancelFixture, CancelOrders
from overround.engine.events import AnyEvent, CancelRefused
from overround.engine.order import CancelRefusal, Order, Trigger
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import OrderHash


def cancel_orders(state: State, command: CancelOrders, now_ms: int) -> list[AnyEvent] | Rejection:
    """Cancel the named orders of this maker; names that fit none are told, and never fail the rest."""
    if rejection := _obey(state, command, now_ms):
        return rejection
    names: dict[OrderHash | str, str] = {}
    for name in command.order_hashes:
        names.setdefault(_parse_hash(name) or name, name)  # named twice, in any letter case: reported once
    events: list[AnyEvent] = []
    for wanted, name in names.items():
        order = state.orders.get(wanted) if isinstance(wanted, bytes) else None
        if order is None or order.terms.maker != command.maker:
            events.append(CancelRefused(order_hash=name, refusal=CancelRefusal.NOT_FOUND_OR_INACTIVE))
        else:
            events.append(_cancel(state, order, name, now_ms))
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
    """Refuse the whole request, or remember that it was obeyed (spec/sx.md 5.10 steps 2 and 3)."""
    assert state.rules is not None
    in_window = state.rules.accepts_cancel_time(command.timestamp_s, now_ms)
    if not in_window or command.timestamp_s < state.cancels_from_s:
        return Rejection.TIMESTAMP_OUTSIDE_WINDOW
    key = command.replay_key
    if key in state.replays:
        return Rejection.ALREADY_PROCESSED
    state.forget_requests(now_ms)
    state.remember_request(key, command.timestamp_s)
    return None


def _cancel_all(state: State, orders: Iterable[Order], now_ms: int) -> list[AnyEvent]:
    in_order = sorted(orders, key=lambda order: order.number)
    return [_cancel(state, order, "0x" + order.terms.order_hash.hex(), now_ms) for order in in_order]


def _cancel(state: State, order: Order, name: str, now_ms: int) -> AnyEvent:
    """A held order stays what it is, and remembers (spec/sx.md 5.10)."""
    # A missed heartbeat cancels as the maker himself would have (spec/sx.md 7.8).
    pending = order.doom in (Trigger.CANCEL, Trigger.HEARTBEAT)
    changed = state.end(order, Trigger.CANCEL, now_ms)
    if changed is not None:
        return changed
    refusal = CancelRefusal.ALREADY_PENDING_CANCEL if pending else CancelRefusal.ORDER_LOCKED
    return CancelRefused(order_hash=name, refusal=refusal)


def _parse_hash(name: str) -> OrderHash | None:
    """The order a request names, if it names one; hashes compare case-insensitively (spec/sx.md 2.4)."""
    if len(name) != 66 or name[:2] not in ("0x", "0X"):
        return None
    try:
        return OrderHash(unhexlify(name[2:]))  # bytes.fromhex would skip spaces
    except ValueError:
        return None
