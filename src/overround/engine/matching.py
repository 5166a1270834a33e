"""What a fill takes of a book: price, then time, within the taker's price (spec/sx.md 7.11, D3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import gcd
from typing import NamedTuple

from overround.engine.order import Order, maker_amount, remaining_taker_space
from overround.engine.types import ODDS_ONE


class Take(NamedTuple):
    """A part of an order. Stakes are base units."""

    order: Order
    taker_stake: int
    maker_stake: int


class Taken(NamedTuple):
    """What was taken, and whether only the price kept it from being more."""

    takes: list[Take]
    stopped_by_price: bool


def take(
    candidates: Iterable[Order],
    stake: int,
    desired_odds: int,
    slippage: int,
    can_pay: Callable[[Order, int], bool],
) -> Taken:
    """Walk the candidates, best price first, up to a stake in base units.

    The weighted average decimal odds of everything taken stay at or above `100 - slippage` percent of the desired ones,
    `10^20 / desired_odds`; without slippage no order may be worse. `can_pay` tells whether an order's maker has so
    much (the guard of 7.6).
    """
    takes: list[Take] = []
    surplus, scale = 0, 1  # by how much the average beats the price, times the stake so far: a fraction, exact
    for order in candidates:
        if not stake:
            break
        odds = order.terms.percentage_odds
        pot_share = ODDS_ONE - odds
        if slippage == 0 and pot_share > desired_odds:
            return Taken(takes, stopped_by_price=True)
        grows = pot_share // gcd(scale, pot_share)
        surplus, scale = surplus * grows, scale * grows
        # Per unit of the taker's stake: 100 * desired / (10^20 - p) - (100 - slippage), in parts of `scale`.
        gain = (100 * desired_odds - (100 - slippage) * pot_share) * (scale // pot_share)
        most = min(remaining_taker_space(order.remaining, odds), stake)
        fits = surplus + most * gain >= 0
        part = most if fits else surplus // -gain
        amount = maker_amount(part, odds)
        if part >= 1 and amount >= 1 and can_pay(order, amount):
            takes.append(Take(order, part, amount))
            surplus += part * gain
            stake -= part
        if not fits:
            return Taken(takes, stopped_by_price=True)
    return Taken(takes, stopped_by_price=False)
