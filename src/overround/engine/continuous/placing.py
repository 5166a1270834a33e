"""Placing orders: whether one is taken, whom it meets, what of it rests (spec/nado.md 5.4, 5.5)."""

from __future__ import annotations

from collections.abc import Collection

from overround.engine.continuous import authorising, margin
from overround.engine.continuous.book import Step
from overround.engine.continuous.commands import SignedOrder, SubmitOrders
from overround.engine.continuous.events import (
    AnyContinuousEvent,
    FillSide,
    OrderEnded,
    OrderEntered,
    OrderRested,
    OrderTurnedAway,
    PositionChanged,
    Traded,
)
from overround.engine.continuous.margin import Change
from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.product import fee_of, notional_of
from overround.engine.continuous.rejections import BURNS, ContinuousRejection
from overround.engine.continuous.state import ContinuousState, Market
from overround.engine.continuous.subaccount import Holding, Subaccount
from overround.engine.continuous.types import (
    MAY_REST,
    QUOTE,
    X18,
    EndCause,
    OrderType,
    PositionReason,
    ProductId,
    TradingStatus,
)

_MS = 1000


def submit_orders(state: ContinuousState, command: SubmitOrders, now_ms: int) -> list[AnyContinuousEvent]:
    """One after the other; a refused order does not stop the rest unless that is asked for (spec/nado.md 7.4)."""
    events: list[AnyContinuousEvent] = []
    for index, terms in enumerate(command.orders):
        met = refusal_of_request(state, terms, now_ms) or examine(state, terms, now_ms)
        if not isinstance(met, ContinuousRejection):
            events += place(state, terms, met, now_ms, index=index)
            continue
        events.append(turn_away(state, terms, met, now_ms, index=index))
        if command.stop_on_failure:
            break
    return events


# ---- looking -------------------------------------------------------------------------------------------------------


def refusal_of_product(state: ContinuousState, terms: SignedOrder) -> ContinuousRejection | None:
    """Whether there is a venue and a book for it at all."""
    if state.maintenance:
        return ContinuousRejection.MAINTENANCE
    market = state.markets.get(terms.product_id)
    if market is None and terms.product_id != QUOTE:
        return ContinuousRejection.PRODUCT_UNKNOWN
    if market is None or not market.product.has_book:
        return ContinuousRejection.MARKET_UNKNOWN
    return None


def refusal_of_request(state: ContinuousState, terms: SignedOrder, now_ms: int) -> ContinuousRejection | None:
    """Why the request is not obeyed, whatever the order says (N7)."""
    return refusal_of_product(state, terms) or authorising.refusal(
        state, terms.sender, terms.digest, terms.receive_by_ms, terms.signer, now_ms
    )


def examine(
    state: ContinuousState, terms: SignedOrder, now_ms: int, without: Collection[ContinuousOrder] = ()
) -> list[Step] | ContinuousRejection:
    """Whom the order would meet, or why it is not taken; as if the orders `without` were gone. Changes nothing."""
    market = state.markets[terms.product_id]
    subaccount = state.subaccounts.get(terms.sender)
    holding = subaccount.holdings.get(terms.product_id) if subaccount else None
    rejection = (
        _refusal_of_status(market, terms, holding)
        or _refusal_of_shape(state, market, terms, now_ms)
        or _refusal_of_place(state, market, terms, holding, without)
    )
    if rejection:
        return rejection
    if subaccount is None or not subaccount.funded:
        return ContinuousRejection.NO_PRIOR_DEPOSIT
    steps = market.book.match(
        terms.sender, terms.price_x18, abs(terms.amount_x18), is_buy=terms.is_buy, without=without
    )
    if terms.order_type not in MAY_REST:
        filled = sum(step.size_x18 for step in steps)  # by others: own orders are no match (N9)
        if terms.order_type is OrderType.IOC and not filled:
            return ContinuousRejection.NOTHING_TO_MATCH
        if terms.order_type is OrderType.FOK and filled != abs(terms.amount_x18):
            return ContinuousRejection.NOT_FILLED_COMPLETELY
    if not _is_affordable(state, market, subaccount, terms, steps, without):
        return ContinuousRejection.MARGIN_INSUFFICIENT
    return steps


def _refusal_of_status(market: Market, terms: SignedOrder, holding: Holding | None) -> ContinuousRejection | None:
    status = market.product.trading_status
    if status is TradingStatus.LIVE:
        return None
    takes = {
        TradingStatus.POST_ONLY: terms.order_type is OrderType.POST_ONLY,
        TradingStatus.NOT_TRADABLE: False,
        TradingStatus.REDUCE_ONLY: terms.reduce_only,
        TradingStatus.SOFT_REDUCE_ONLY: terms.reduce_only or _reduces(market, terms, holding),
    }[status]
    return None if takes else ContinuousRejection.MARKET_BLOCKED


def _refusal_of_shape(
    state: ContinuousState, market: Market, terms: SignedOrder, now_ms: int
) -> ContinuousRejection | None:
    """What the order says, by itself."""
    assert state.rules is not None
    product, rules = market.product, state.rules
    price, size = terms.price_x18, abs(terms.amount_x18)
    if terms.expiration_s * _MS <= now_ms:
        return ContinuousRejection.ORDER_EXPIRED
    if price <= 0:
        return ContinuousRejection.PRICE_NOT_POSITIVE
    if price % product.tick_x18:
        return ContinuousRejection.PRICE_OFF_TICK
    if not size:
        return ContinuousRejection.AMOUNT_ZERO
    if size % product.lot_x18:
        return ContinuousRejection.AMOUNT_OFF_LOT
    if notional_of(price, size) < product.notional_min_x18:
        return ContinuousRejection.NOTIONAL_TOO_SMALL
    mark = market.mark_x18
    has_band = rules.band_low_x18 or rules.band_high_x18
    if has_band and not rules.band_low_x18 * mark <= price * X18 <= rules.band_high_x18 * mark:
        return ContinuousRejection.PRICE_OUTSIDE_BAND
    return None


def _refusal_of_place(
    state: ContinuousState,
    market: Market,
    terms: SignedOrder,
    holding: Holding | None,
    without: Collection[ContinuousOrder],
) -> ContinuousRejection | None:
    """What the order says, beside the other orders and the position that are there."""
    assert state.rules is not None
    if terms.order_type in MAY_REST and holding:
        gone = sum(order.terms.product_id == terms.product_id for order in without)
        if len(holding.orders) - gone >= state.rules.open_orders_max:
            return ContinuousRejection.OPEN_ORDERS_EXHAUSTED
    # Own orders count as well: a post-only order takes nothing off the book (N9).
    if terms.order_type is OrderType.POST_ONLY and market.book.match(
        terms.sender, terms.price_x18, 1, is_buy=terms.is_buy, without=without
    ):
        return ContinuousRejection.POST_ONLY_CROSSES
    if terms.reduce_only:
        if not _reduces(market, terms, holding):
            return ContinuousRejection.REDUCE_ONLY_INCREASES
        if terms.order_type in MAY_REST:
            return ContinuousRejection.REDUCE_ONLY_RESTS
    return None


def _reduces(market: Market, terms: SignedOrder, holding: Holding | None) -> bool:
    """Whether all of the order closes a position; there is none on a spot product (spec/nado.md O19)."""
    position = holding.amount_x18 if holding and market.product.is_perp else 0
    return position * terms.amount_x18 < 0 and abs(terms.amount_x18) <= abs(position)


def _is_affordable(
    state: ContinuousState,
    market: Market,
    subaccount: Subaccount,
    terms: SignedOrder,
    steps: list[Step],
    without: Collection[ContinuousOrder],
) -> bool:
    """Whether the subaccount can bear the fills and what is left to rest (N2), at the marks as they are."""
    product, sign = market.product, 1 if terms.is_buy else -1
    holding = subaccount.holding(product.product_id)
    changes: dict[ProductId, Change] = {product.product_id: (change := Change())}
    for order in without:
        gone = changes.setdefault(order.terms.product_id, Change())
        gone.drop(order, state.markets[order.terms.product_id].mark_x18)
    quote_x18, left_x18 = subaccount.quote_x18, abs(terms.amount_x18)
    for order, size_x18 in steps:
        if not size_x18:
            change.drop(order, market.mark_x18)
            continue
        left_x18 -= size_x18
        notional_x18 = notional_of(order.terms.price_x18, size_x18)
        change.amount_x18 += sign * size_x18
        if product.is_perp:
            change.v_quote_x18 -= sign * notional_x18
        else:
            quote_x18 -= sign * notional_x18
        quote_x18 -= fee_of(notional_x18, product.taker_fee_x18)
    # Whether it closes a position, beside what rests on the same side and closes it already.
    same_side = change.buys_x18 + holding.buys.size_x18 if terms.is_buy else change.sells_x18 + holding.sells.size_x18
    position = holding.amount_x18
    closes = product.is_perp and position * sign < 0 and abs(terms.amount_x18) + same_side <= abs(position)
    if left_x18 and terms.order_type in MAY_REST:
        change.count(
            price_x18=terms.price_x18,
            size_x18=left_x18,
            notional_x18=notional_of(terms.price_x18, left_x18),
            mark_x18=market.mark_x18,
            is_buy=terms.is_buy,
        )
    after = margin.slack_x54(state, subaccount, quote_x18, changes)
    if product.is_perp:
        if after >= 0 and subaccount.quote_x18 >= 0:
            return True
        # Whoever is short may still close: there are no liquidations, so nobody else does it for him.
        return closes and after >= margin.slack_x54(state, subaccount, subaccount.quote_x18)
    if terms.is_buy:
        reserved = margin.quote_reserved_x18(state, subaccount, changes)
        has_it = reserved <= quote_x18
    else:
        has_it = holding.sells.size_x18 + change.sells_x18 <= holding.amount_x18 + change.amount_x18
    return has_it and (after >= 0 or after >= margin.slack_x54(state, subaccount, subaccount.quote_x18))


# ---- doing ---------------------------------------------------------------------------------------------------------


def turn_away(
    state: ContinuousState, terms: SignedOrder, rejection: ContinuousRejection, now_ms: int, *, index: int = 0
) -> OrderTurnedAway:
    """Refuse the order; an immediate one that was tried is never tried again (N9)."""
    burnt = rejection in BURNS
    if burnt:
        state.use(terms.digest, terms.receive_by_ms, now_ms)
    return OrderTurnedAway(index, terms.digest, rejection, burnt)


def place(
    state: ContinuousState, terms: SignedOrder, steps: list[Step], now_ms: int, *, index: int = 0
) -> list[AnyContinuousEvent]:
    """Take an order that was examined: trade with whom it meets, rest or drop what is left."""
    market = state.markets[terms.product_id]
    state.use(terms.digest, terms.receive_by_ms, now_ms)
    order = ContinuousOrder(terms, state.next_order_number(), now_ms, abs(terms.amount_x18))
    events: list[AnyContinuousEvent] = [OrderEntered(index, terms.digest, order.number, now_ms)]
    suspects = []
    for met, size_x18 in steps:
        if size_x18:
            events += _trade(state, market, order, met, size_x18)
            suspects.append(met.terms.sender)
        else:
            events.append(margin.end(state, met, EndCause.SELF_TRADE))
    if suspects:
        suspects.append(terms.sender)
    if order.unfilled_x18 and terms.order_type in MAY_REST:
        state.rest(order)
        events.append(OrderRested(terms.digest, order.unfilled_x18))
    elif order.unfilled_x18:
        events.append(OrderEnded(terms.digest, EndCause.UNMATCHED, order.unfilled_x18))
    return events + margin.settle(state, suspects)


def _trade(
    state: ContinuousState, market: Market, taker: ContinuousOrder, maker: ContinuousOrder, size_x18: int
) -> list[AnyContinuousEvent]:
    """At the resting order's price. The book first, money second."""
    product, price_x18 = market.product, maker.terms.price_x18
    taker.unfilled_x18 -= size_x18
    state.reduce(maker, size_x18)
    notional_x18 = notional_of(price_x18, size_x18)
    sides = [
        _side(taker, size_x18, notional_x18, fee_of(notional_x18, product.taker_fee_x18)),
        _side(maker, size_x18, notional_x18, fee_of(notional_x18, product.maker_fee_x18)),
    ]
    number = state.next_trade_number()
    events: list[AnyContinuousEvent] = [Traded(number, product.product_id, price_x18, size_x18, sides[0], sides[1])]
    for side in sides:
        events += _book_fill(state, market, side)
    state.set_last_price(market, price_x18)
    return events


def _side(order: ContinuousOrder, size_x18: int, notional_x18: int, fee_x18: int) -> FillSide:
    sign = 1 if order.terms.is_buy else -1
    return FillSide(
        digest=order.terms.digest,
        subaccount=order.terms.sender,
        base_delta_x18=sign * size_x18,
        quote_delta_x18=-sign * notional_x18,
        fee_x18=fee_x18,
        unfilled_x18=order.unfilled_x18,
    )


def _book_fill(state: ContinuousState, market: Market, side: FillSide) -> list[AnyContinuousEvent]:
    """Move the money of one side: a spot trade moves quote, a perp's price is kept beside its position (N3)."""
    subaccount, product_id = state.subaccounts[side.subaccount], market.product.product_id
    holding = subaccount.holding(product_id)
    amount_x18 = holding.amount_x18 + side.base_delta_x18
    v_quote_x18, quote_x18 = holding.v_quote_x18, subaccount.quote_x18 - side.fee_x18
    reason = PositionReason.MATCH
    if not market.product.is_perp:
        quote_x18 += side.quote_delta_x18
    else:
        v_quote_x18 += side.quote_delta_x18
        if not amount_x18:
            if v_quote_x18:
                reason = PositionReason.REALISED
            quote_x18 += v_quote_x18
            v_quote_x18 = 0
    events: list[AnyContinuousEvent] = [
        PositionChanged(subaccount.sender, product_id, amount_x18, v_quote_x18, PositionReason.MATCH)
    ]
    state.set_balance(subaccount, product_id, amount_x18, v_quote_x18)
    state.collect(market, side.fee_x18)
    if quote_x18 != subaccount.quote_x18:
        state.set_balance(subaccount, QUOTE, quote_x18, 0)
        events.append(PositionChanged(subaccount.sender, QUOTE, quote_x18, 0, reason))
    return events
