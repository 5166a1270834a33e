"""The exposure rule (spec/sx.md 7.6, D10): the open orders of one market never cost more than their maker has.

A command moves money and orders first. Then, once, every account it touched is brought back under the rule: where less
is available orders are suspended, where there is more, or less is exposed, suspended ones come back.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from overround.engine.commands import NewOrder
from overround.engine.events import AnyEvent, BalanceChanged, OrderChanged, RestrictionChanged
from overround.engine.order import Order, OrderState, Trigger
from overround.engine.types import Address, MarketHash

if TYPE_CHECKING:
    from overround.engine.account import Account, Position
    from overround.engine.state import State


class Touch(msgspec.Struct):
    """What a command has moved of one account's token so far."""

    available_before: int
    money_moved: bool = False
    operator_moved: bool = False
    less_exposed: set[MarketHash] = msgspec.field(default_factory=set)  # other than by suspensions


class Touched:
    """Who was touched, in the order of the first touch."""

    __slots__ = ("moved",)

    def __init__(self) -> None:
        self.moved: dict[tuple[Address, Address], Touch] = {}

    def by_operator(self, account: Account, token: Address) -> None:
        """The operator is about to set a balance."""
        touch = self._touch(account, token)
        touch.money_moved = touch.operator_moved = True

    def by_fill(self, account: Account, token: Address) -> None:
        """A fill or its payment is about to move money of the account."""
        self._touch(account, token).money_moved = True

    def exposure_fell(self, account: Account, terms: NewOrder) -> None:
        """An open order of these terms becomes smaller or leaves the book, but not for lack of money."""
        self._touch(account, terms.base_token).less_exposed.add(terms.market_hash)

    def take(self) -> list[tuple[tuple[Address, Address], Touch]]:
        """Everything so far; nobody is touched afterwards."""
        touches = list(self.moved.items())
        self.moved.clear()
        return touches

    def _touch(self, account: Account, token: Address) -> Touch:
        key = account.address, token
        touch = self.moved.get(key)
        if touch is None:
            touch = self.moved[key] = Touch(account.available(token))
        return touch


def restore_rule(state: State, now_ms: int) -> list[AnyEvent]:
    """Bring everybody who was touched back under the rule. Whoever comes back does so in the order of acceptance, so
    that neither the order of the touches nor that of any index decides about time priority."""
    events: list[AnyEvent] = []
    restored: list[Order] = []
    for (address, token), touch in state.touched.take():
        account = state.accounts[address]
        available = account.available(token)
        if touch.money_moved:
            balance = account.balances.get(token, 0)
            events.append(BalanceChanged(account=address, token=token, balance=balance, available=available))
        if available < touch.available_before:
            fallen = _take_off(state, account, token, now_ms)
            events += fallen
            if fallen and touch.operator_moved:
                events += _count_dip(state, account, now_ms)
        rose = available > touch.available_before
        restored += _restorable(account, token, None if rose else touch.less_exposed)
    events += [state.change(order, Trigger.RESTORE, now_ms) for order in sorted(restored, key=_number)]
    state.touched.take()  # what bringing back under the rule has touched itself
    return events


def _number(order: Order) -> int:
    return order.number


def _take_off(state: State, account: Account, token: Address, now_ms: int) -> list[AnyEvent]:
    """Walk each market's open orders by acceptance and keep those that still fit (D10)."""
    available = account.available(token)
    trigger = Trigger.SUSPEND if state.rules is None or state.rules.suspends else Trigger.UNCOVERED
    positions = account.positions.get(token, {}).values()
    misfits = [one for position in positions if position.exposure > available for one in _misfits(position, available)]
    return [_with_pending(state, order, state.change(order, trigger, now_ms)) for order in sorted(misfits, key=_number)]


def _with_pending(state: State, order: Order, changed: OrderChanged) -> OrderChanged:
    if order.pending_fill_amount and order.state is OrderState.CANCELLED:
        return msgspec.structs.replace(changed, pending_fills=state.fills.pending_of(order.terms.order_hash))
    return changed


def _misfits(position: Position, available: int) -> list[Order]:
    kept = 0
    misfits: list[Order] = []
    for order in position.orders.values():
        if order.state is OrderState.OPEN:
            if kept + order.remaining <= available:
                kept += order.remaining
            else:
                misfits.append(order)
    return misfits


def _restorable(account: Account, token: Address, markets: Iterable[MarketHash] | None) -> list[Order]:
    """Walk the suspended orders of these markets, or of all, by acceptance: those that fit (D10)."""
    positions = account.positions.get(token, {})
    chosen = positions.values() if markets is None else [positions[one] for one in markets if one in positions]
    available = account.available(token)
    found: list[Order] = []
    for position in chosen:
        room = available - position.exposure
        for order in position.orders.values() if position.suspended else ():
            if order.state is OrderState.SUSPENDED and order.remaining <= room:
                room -= order.remaining
                found.append(order)
    return found


def _count_dip(state: State, account: Account, now_ms: int) -> list[AnyEvent]:
    """A fall that the account's own fills did not cause cost it orders (spec/sx.md 7.7, D11)."""
    assert state.rules is not None
    rule = state.rules.restrictions
    if not rule.dips_max:
        return []
    dips = [one for one in account.dips_ms if one > now_ms - rule.window_ms]
    if dips and now_ms - dips[-1] < rule.merge_ms:
        return []
    dips.append(now_ms)
    if len(dips) < rule.dips_max or account.is_restricted(now_ms):
        state.set_restriction(account.address, account.restricted_until_ms, dips)
        return []
    until_ms = now_ms + rule.duration_ms
    state.set_restriction(account.address, until_ms, [])
    return [RestrictionChanged(account=account.address, until_ms=until_ms)]
