"""The way into continuous markets: commands and the time go in, events or a refusal come out.

`execute`, `tick`, `next_deadline_ms`, `cancel_all_of_wallet`, `digest`, and `dump` and `load` for snapshots are all
that the outside needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from overround.engine.continuous import cancelling, placing, products, signers, ticking
from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelAndPlace,
    CancelDigests,
    CancelProducts,
    ConfigureContinuous,
    ConfigureProduct,
    LinkSigner,
    SetCollateral,
    SetMaintenance,
    SubmitOrders,
    UpdateProduct,
)
from overround.engine.continuous.events import AnyContinuousEvent
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.snapshot import dump, load
from overround.engine.continuous.state import ContinuousState
from overround.engine.types import Address

__all__ = [
    "RULES",
    "ContinuousState",
    "Outcome",
    "cancel_all_of_wallet",
    "digest",
    "dump",
    "execute",
    "load",
    "next_deadline_ms",
    "tick",
]

Outcome = list[AnyContinuousEvent] | Refusal

RULES: Final[dict[type, Callable[[ContinuousState, Any, int], Outcome]]] = {
    ConfigureContinuous: products.configure,
    ConfigureProduct: products.configure_product,
    UpdateProduct: products.update_product,
    SetCollateral: products.set_collateral,
    SetMaintenance: products.set_maintenance,
    LinkSigner: signers.link_signer,
    SubmitOrders: placing.submit_orders,
    CancelDigests: cancelling.cancel_digests,
    CancelProducts: cancelling.cancel_products,
    CancelAndPlace: cancelling.cancel_and_place,
}


def execute(state: ContinuousState, command: AnyContinuousCommand, now_ms: int) -> Outcome:
    """Decide one command at a given time, never earlier than the one before.

    Deadlines up to `now_ms` must have been fired by `tick` before (D9). The first command is `ConfigureContinuous`.
    """
    return RULES[type(command)](state, command, now_ms)


def tick(state: ContinuousState, now_ms: int) -> list[AnyContinuousEvent]:
    """Fire every deadline up to now."""
    return ticking.tick(state, now_ms)


def next_deadline_ms(state: ContinuousState) -> int | None:
    """When the next tick is due; None while nothing is."""
    return ticking.next_deadline_ms(state)


def cancel_all_of_wallet(state: ContinuousState, address: Address, now_ms: int) -> list[AnyContinuousEvent]:
    """Cancel everything of an address, on all its subaccounts: what a heartbeat that was missed does (N13)."""
    del now_ms
    return cancelling.cancel_all_of_wallet(state, address)


def digest(state: ContinuousState) -> bytes:
    """32 bytes, equal for equal states; costs the same however large the state is."""
    return state.weights.digest()
