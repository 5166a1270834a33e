"""Arming, stopping and firing heartbeats (spec/sx.md 5.16, 7.8, spec/decisions.md D9, D14)."""

from __future__ import annotations

import msgspec

from overround.engine.commands import GrantGrace, PingHeartbeat, ResumeVenue, StopHeartbeat
from overround.engine.continuous import cancelling as continuous
from overround.engine.events import (
    AnyEvent,
    FillDropped,
    GraceGranted,
    HeartbeatArmed,
    HeartbeatFired,
    HeartbeatStopped,
)
from overround.engine.heartbeat import Firing, Heartbeat
from overround.engine.order import Order, Trigger
from overround.engine.rules import HeartbeatScope
from overround.engine.state import State
from overround.engine.types import Address, OrderHash


def ping(state: State, command: PingHeartbeat, now_ms: int) -> list[AnyEvent]:
    """Replace the interval and start the countdown again; the first ping arms."""
    armed = Heartbeat(command.interval_s, now_ms, now_ms + command.interval_s * 1000)
    state.set_heartbeat(state.account(command.account).address, armed)
    return [
        HeartbeatArmed(
            account=command.account,
            interval_s=armed.interval_s,
            pinged_at_ms=armed.pinged_at_ms,
            deadline_ms=armed.deadline_ms,
        )
    ]


def stop(state: State, command: StopHeartbeat, now_ms: int) -> list[AnyEvent]:
    """Disarm; there may be nothing to disarm."""
    del now_ms
    if state.heartbeats.get(command.account) is None:
        return []
    state.set_heartbeat(command.account, None)
    return [HeartbeatStopped(account=command.account)]


def fire(state: State, now_ms: int) -> list[AnyEvent]:
    """No ping came in time: cancel everything of the account, once (7.8)."""
    address = state.heartbeats.first()
    armed = state.heartbeats.get(address)
    assert armed is not None
    scope = HeartbeatScope.BOTH if state.rules is None else state.rules.heartbeat_scope
    orders = _fixed_odds_orders(state, address) if scope is not HeartbeatScope.NADO else []
    digests = _continuous_digests(state, address) if scope is not HeartbeatScope.SX else []
    hashes = (*(order.terms.order_hash for order in orders), *digests)
    state.set_heartbeat(address, None)
    state.set_last_firing(address, Firing(armed.pinged_at_ms, armed.deadline_ms, now_ms, hashes))
    fired = HeartbeatFired(
        account=address,
        last_ping_ms=armed.pinged_at_ms,
        deadline_ms=armed.deadline_ms,
        fired_at_ms=now_ms,
        order_hashes=hashes,
    )
    ended = (state.end(order, Trigger.HEARTBEAT, now_ms) for order in orders)
    events: list[AnyEvent] = [fired, *(one for one in ended if one is not None)]
    if digests:
        events += continuous.cancel_all_of_wallet(state.continuous, address)
    return events


def _fixed_odds_orders(state: State, address: Address) -> list[Order]:
    return sorted(state.accounts[address].live_orders(), key=lambda order: order.number)


def _continuous_digests(state: State, address: Address) -> list[OrderHash]:
    return [OrderHash(order.terms.digest) for order in state.continuous.orders_of_wallet(address)]


def grant_grace(state: State, command: GrantGrace, now_ms: int) -> list[AnyEvent]:
    """Time in which no ping could be heard is not charged (D14)."""
    del now_ms
    return _grant(state, command.grace_ms)


def resume(state: State, command: ResumeVenue, now_ms: int) -> list[AnyEvent]:
    """Begin again after a stop: fills in their delay are dropped (D5), heartbeats go on where they stood (D14)."""
    del now_ms
    dropped: list[AnyEvent] = []
    for held in list(state.fills.held.values()):
        state.release_fill(held)
        dropped.append(FillDropped(fill_hash=held.command.fill_hash))
    return dropped + _grant(state, command.grace_ms)


def _grant(state: State, grace_ms: int) -> list[AnyEvent]:
    if not grace_ms or not len(state.heartbeats):
        return []
    for address, armed in list(state.heartbeats):
        state.set_heartbeat(address, msgspec.structs.replace(armed, deadline_ms=armed.deadline_ms + grace_ms))
    return [GraceGranted(grace_ms=grace_ms)]
