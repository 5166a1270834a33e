"""What a command led to, in words that the engine and its slow twin (`model.py`) share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from overround.engine.engine import VenueOutcome
from overround.engine.events import (
    AnyEvent,
    CancelRefused,
    FillConfirmed,
    FillDropped,
    FillFailed,
    FillHeld,
    FillMatched,
    FillRefused,
    HeartbeatFired,
    OrderAccepted,
    OrderChanged,
    OrderRefused,
)
from overround.engine.order import FINAL, CancelRefusal, OrderState
from overround.engine.rejections import Rejection
from overround.engine.types import Address, FillHash, OrderHash

ACCEPTED: Final = "accepted"


class OrderStep(NamedTuple):
    """An order after one transition."""

    state: OrderState
    fill_amount: int
    pending_fill_amount: int
    update_time_ms: int
    pending_fills: tuple[tuple[FillHash, int], ...] = ()  # told where it left the book with fills pending


class FillStep(NamedTuple):
    """What became of a fill: `held`, `refused`, `dropped`, `matched`, `confirmed` or `failed`."""

    word: str
    detail: object = None  # due time, reason, legs with due time, outcome, whether a wallet was short


@dataclass
class Answer:
    """What one command led to. Steps of different orders, or fills, are not put in order."""

    refused: Rejection | None = None  # the whole command, and nothing changed
    placed: list[str | Rejection] = field(default_factory=list)  # for each order of the request
    orders: dict[OrderHash, list[OrderStep]] = field(default_factory=dict)
    fills: dict[FillHash, list[FillStep]] = field(default_factory=dict)
    not_cancelled: list[tuple[str, CancelRefusal]] = field(default_factory=list)
    fired: dict[Address, set[OrderHash]] = field(default_factory=dict)  # heartbeats, and whose orders they met

    @property
    def ended(self) -> dict[OrderHash, OrderState]:
        """Orders that came to their end, or went on after it because fills were pending."""
        return {order_hash: steps[-1].state for order_hash, steps in self.orders.items() if steps[-1].state in FINAL}

    @property
    def states(self) -> dict[OrderHash, OrderState]:
        """Orders that changed, and the state they are in now."""
        return {order_hash: steps[-1].state for order_hash, steps in self.orders.items()}

    def order_step(self, order_hash: OrderHash, step: OrderStep) -> None:
        """One more transition of an order."""
        self.orders.setdefault(order_hash, []).append(step)

    def fill_step(self, fill_hash: FillHash, word: str, detail: object = None) -> None:
        """One more step of a fill."""
        self.fills.setdefault(fill_hash, []).append(FillStep(word, detail))


def answer_of(outcome: VenueOutcome) -> Answer:
    """The engine's outcome in these words."""
    if isinstance(outcome, Rejection):
        return Answer(refused=outcome)
    answer = Answer()
    for event in outcome:
        _tell(answer, event)
    return answer


def _tell(answer: Answer, event: AnyEvent) -> None:
    match event:
        case OrderAccepted():
            answer.placed.append(ACCEPTED)
        case OrderRefused():
            answer.placed.append(event.rejection)
        case OrderChanged():
            amounts = event.fill_amount, event.pending_fill_amount
            answer.order_step(
                event.order_hash, OrderStep(event.state, *amounts, event.update_time_ms, event.pending_fills)
            )
        case CancelRefused():
            answer.not_cancelled.append((event.order_hash, event.refusal))
        case HeartbeatFired():
            answer.fired[event.account] = set(event.order_hashes)
        case FillHeld():
            answer.fill_step(event.fill_hash, "held", event.due_ms)
        case FillRefused():
            answer.fill_step(event.fill_hash, "refused", event.rejection)
        case FillDropped():
            answer.fill_step(event.fill_hash, "dropped")
        case FillMatched():
            legs = tuple((leg.order_hash, leg.taker_stake, leg.maker_stake) for leg in event.fill.legs)
            answer.fill_step(event.fill.fill_hash, "matched", (legs, event.due_ms))
        case FillConfirmed():
            answer.fill_step(event.fill_hash, "confirmed", event.outcome)
        case FillFailed():
            answer.fill_step(event.fill_hash, "failed", event.wallet_short)
        case _:
            pass
