"""The simple margin rule (spec/decisions.md N2), as one number: what a subaccount has beyond what it must have.

    equity   = quote + sum over products of amount * mark, and the virtual quote of perps
    required = sum over perps of |1 - weight| * mark * max(|position + open buys|, |position - open sells|)
             + sum over open orders of their adverse distance from the mark
    slack    = equity - required

Slack is kept x 10^54, the product of a weight, a price and a size, so that nothing is ever rounded. Beside it spot
orders reserve what they would pay, all of it: nobody borrows.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from heapq import heapify, heappop, heappush

from overround.engine.continuous.events import AnyContinuousEvent, MarkChanged, OrderEnded
from overround.engine.continuous.order import ContinuousOrder, adverse_x36
from overround.engine.continuous.product import Product, fee_of
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.subaccount import Holding, Subaccount
from overround.engine.continuous.types import QUOTE, X18, X36, EndCause, ProductId, SubaccountId


class Change:
    """What would be different about one holding; for looking before anything is done."""

    __slots__ = ("adverse_x36", "amount_x18", "buy_notional_x18", "buys_x18", "sells_x18", "v_quote_x18")

    def __init__(self) -> None:
        self.amount_x18 = 0
        self.v_quote_x18 = 0
        self.buys_x18 = 0
        self.sells_x18 = 0
        self.buy_notional_x18 = 0
        self.adverse_x36 = 0

    def count(self, *, price_x18: int, size_x18: int, notional_x18: int, mark_x18: int, is_buy: bool) -> None:
        """A resting order more, or one less where size and notional are negative."""
        if is_buy:
            self.buys_x18 += size_x18
            self.buy_notional_x18 += notional_x18
        else:
            self.sells_x18 += size_x18
        distance = adverse_x36(price_x18, abs(size_x18), mark_x18, is_buy=is_buy)
        self.adverse_x36 += distance if size_x18 > 0 else -distance

    def drop(self, order: ContinuousOrder, mark_x18: int) -> None:
        """This resting order would be gone."""
        self.count(
            price_x18=order.terms.price_x18,
            size_x18=-order.unfilled_x18,
            notional_x18=-order.unfilled_notional_x18,
            mark_x18=mark_x18,
            is_buy=order.terms.is_buy,
        )


Changes = Mapping[ProductId, Change]
_NOTHING = Change()


def slack_x54(state: ContinuousState, subaccount: Subaccount, quote_x18: int, changes: Changes | None = None) -> int:
    """Equity beyond what is required, with this much quote and these changes; negative is too little."""
    slack = quote_x18 * X36
    for product_id, holding in subaccount.holdings.items():
        if product_id == QUOTE:
            continue
        change = changes.get(product_id, _NOTHING) if changes else _NOTHING
        if not holding.matters and change is _NOTHING:
            continue
        market = state.markets[product_id]
        mark = market.mark_x18
        amount = holding.amount_x18 + change.amount_x18
        slack += amount * mark * X18
        slack -= (holding.buys.adverse_x36(mark) + holding.sells.adverse_x36(mark) + change.adverse_x36) * X18
        if market.product.is_perp:
            slack += (holding.v_quote_x18 + change.v_quote_x18) * X36
            most_long = amount + holding.buys.size_x18 + change.buys_x18
            most_short = amount - holding.sells.size_x18 - change.sells_x18
            slack -= mark * max(_tied_up_x36(market.product, most_long), _tied_up_x36(market.product, most_short))
    return slack


def _tied_up_x36(product: Product, size_x18: int) -> int:
    return product.margin_rate_x18(size_x18) * abs(size_x18)


def quote_reserved_x18(state: ContinuousState, subaccount: Subaccount, changes: Changes | None = None) -> int:
    """What the spot buys of a subaccount would pay, fees included."""
    reserved = 0
    for product_id, holding in subaccount.holdings.items():
        notional = holding.buys.notional_x18
        if changes and product_id in changes:
            notional += changes[product_id].buy_notional_x18
        if notional and not (product := state.markets[product_id].product).is_perp:
            reserved += notional + fee_of(notional, max(0, product.maker_fee_x18))
    return reserved


def settle(state: ContinuousState, suspects: Collection[SubaccountId] = ()) -> list[AnyContinuousEvent]:
    """At the end of whatever may move a mark or a balance: tell new marks, and take off what is no longer covered.

    Accounts that are short lose resting orders that add to their risk, the newest first. That may move a mark in
    turn, and with it somebody else: the smallest identity goes first, until nobody is short or nothing helps.
    """
    if not suspects and not _has_moved(state):
        return []
    events: list[AnyContinuousEvent] = []
    pending: set[SubaccountId] = set(suspects)
    queue = list(pending)
    heapify(queue)
    while True:
        for sender in _judge_marks(state, events):
            if sender not in pending:
                pending.add(sender)
                heappush(queue, sender)
        if not queue:
            return events
        sender = heappop(queue)
        pending.discard(sender)
        subaccount = state.subaccounts[sender]
        if subaccount.order_count:
            events += _trim(state, subaccount)


def _has_moved(state: ContinuousState) -> bool:
    """Whether any mark did; most commands end here."""
    for product_id in state.touched:
        market = state.markets[product_id]
        if market.mark_x18 != market.judged_mark_x18:
            return True
    state.touched.clear()
    return False


def _judge_marks(state: ContinuousState, events: list[AnyContinuousEvent]) -> list[SubaccountId]:
    """Tell every mark that moved; returns whom it may have made short, of those with something to lose.

    Everybody with an interest is passed, so the pass is cheap: a move costs at most so much of the slack that was
    last seen, and only who has no more to spare is looked at.
    """
    found: list[SubaccountId] = []
    for product_id in sorted(state.touched):
        market = state.markets[product_id]
        mark = market.mark_x18
        if mark == market.judged_mark_x18:
            continue
        distance = abs(mark - market.judged_mark_x18)
        market.judged_mark_x18 = mark
        events.append(MarkChanged(product_id, mark))
        for sender in market.holders:
            subaccount = state.subaccounts[sender]
            if not subaccount.order_count:
                continue
            spare = subaccount.spare_x54
            if spare is not None:
                spare -= subaccount.holdings[product_id].sensitivity_x36 * distance
                if spare >= 0:
                    subaccount.spare_x54 = spare
                    continue
                subaccount.spare_x54 = None
            found.append(sender)
    state.touched.clear()
    return found


def _note_spare(state: ContinuousState, subaccount: Subaccount, slack: int) -> None:
    """Remember what is left, and what each holding can make of it; all marks must have been judged."""
    for product_id, holding in subaccount.holdings.items():
        if product_id == QUOTE:
            continue
        buys, sells = holding.buys.size_x18, holding.sells.size_x18
        sensitivity = (abs(holding.amount_x18) + buys + sells) * X18
        product = state.markets[product_id].product
        if product.is_perp:
            most_long, most_short = holding.amount_x18 + buys, holding.amount_x18 - sells
            sensitivity += max(_tied_up_x36(product, most_long), _tied_up_x36(product, most_short))
        holding.sensitivity_x36 = sensitivity
    subaccount.spare_x54 = slack


def _trim(state: ContinuousState, subaccount: Subaccount) -> list[AnyContinuousEvent]:
    """Take off what the subaccount cannot afford, newest first; what only reduces its risk stays (N2)."""
    slack = slack_x54(state, subaccount, subaccount.quote_x18)
    if slack >= 0:
        _note_spare(state, subaccount, slack)
        if not _is_short_of_goods(state, subaccount):
            return []
    events: list[AnyContinuousEvent] = []
    for order in sorted(subaccount.orders(), key=lambda one: -one.number):
        if _is_too_much(state, subaccount, order):
            events.append(end(state, order, EndCause.MARGIN))
            if not _is_short(state, subaccount):
                break
    return events


def end(state: ContinuousState, order: ContinuousOrder, cause: EndCause) -> OrderEnded:
    """A resting order is gone."""
    state.remove(order)
    return OrderEnded(order.terms.digest, cause, order.unfilled_x18)


def _is_short(state: ContinuousState, subaccount: Subaccount) -> bool:
    return slack_x54(state, subaccount, subaccount.quote_x18) < 0 or _is_short_of_goods(state, subaccount)


def _is_short_of_goods(state: ContinuousState, subaccount: Subaccount) -> bool:
    """Whether its spot orders would pay or deliver more than it has."""
    return _is_overbought(state, subaccount) or any(
        _is_oversold(state, product_id, holding)
        for product_id, holding in subaccount.holdings.items()
        if holding.sells.size_x18
    )


def _is_overbought(state: ContinuousState, subaccount: Subaccount) -> bool:
    reserved = quote_reserved_x18(state, subaccount)
    return reserved > 0 and reserved > subaccount.quote_x18


def _is_oversold(state: ContinuousState, product_id: ProductId, holding: Holding) -> bool:
    return holding.sells.size_x18 > holding.amount_x18 and not state.markets[product_id].product.is_perp


def _is_too_much(state: ContinuousState, subaccount: Subaccount, order: ContinuousOrder) -> bool:
    """Whether taking this order off helps with what the subaccount is short of now."""
    terms = order.terms
    market = state.markets[terms.product_id]
    holding = subaccount.holdings[terms.product_id]
    if not market.product.is_perp:
        if _is_overbought(state, subaccount) if terms.is_buy else _is_oversold(state, terms.product_id, holding):
            return True
        opens = False
    elif terms.is_buy:
        opens = holding.amount_x18 + holding.buys.size_x18 > 0
    else:
        opens = holding.amount_x18 - holding.sells.size_x18 < 0
    if slack_x54(state, subaccount, subaccount.quote_x18) >= 0:
        return False
    mark = market.mark_x18
    return opens or adverse_x36(terms.price_x18, order.unfilled_x18, mark, is_buy=terms.is_buy) > 0
