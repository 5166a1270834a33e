"""What must hold after every command; checked by tests and simulations, far too slow for production."""

from __future__ import annotations

from overround.engine.continuous import margin
from overround.engine.continuous.order import ContinuousOrder, adverse_x36
from overround.engine.continuous.state import ContinuousState, Market
from overround.engine.continuous.subaccount import OwnSide
from overround.engine.continuous.types import QUOTE, ProductId
from overround.engine.continuous.weight import ContinuousWeights, balance_weight, order_weight, request_weight


def check(state: ContinuousState) -> None:
    """Raise AssertionError, naming what is wrong, if money, books, indexes or weights disagree."""
    _check_money(state)
    _check_orders(state)
    for product_id, market in state.markets.items():
        _check_book(state, product_id, market)
    _check_holdings(state)
    _check_weights(state)


def _check_money(state: ContinuousState) -> None:
    """Nothing is made and nothing is lost: what all have, and the venue, is what the operator put in."""
    quote, amounts = sum(market.fees_x18 for market in state.markets.values()), dict.fromkeys(state.markets, 0)
    for subaccount in state.subaccounts.values():
        quote += subaccount.quote_x18
        for product_id, holding in subaccount.holdings.items():
            if product_id == QUOTE:
                assert not holding.v_quote_x18
                continue
            quote += holding.v_quote_x18
            amounts[product_id] += holding.amount_x18
            if holding.v_quote_x18:
                assert holding.amount_x18, "an earning was not realised when the position returned to zero"
                assert state.markets[product_id].product.is_perp
    assert quote == state.deposits.get(QUOTE, 0), "quote came from nowhere, or went there"
    for product_id, amount in amounts.items():
        if product_id != QUOTE:
            assert amount == state.deposits.get(product_id, 0), "somebody bought what nobody sold"


def _check_orders(state: ContinuousState) -> None:
    numbers = [order.number for order in state.orders.values()]
    assert numbers == sorted(set(numbers)), "the registry is not in the order of acceptance"
    assert not numbers or numbers[-1] <= state.order_count
    for digest, order in state.orders.items():
        assert digest == order.terms.digest
        assert 0 < order.unfilled_x18 <= abs(order.terms.amount_x18)
    assert {order.terms.digest for order in state.expiry} == state.orders.keys(), "not every order's expiry is watched"
    assert not state.touched, "a mark was not judged"


def _check_book(state: ContinuousState, product_id: ProductId, market: Market) -> None:
    bids, asks = market.book.bids, market.book.asks
    resting = [order for order in state.orders.values() if order.terms.product_id == product_id]
    for side, sign in ((bids, -1), (asks, 1)):
        wanted = [order for order in resting if order.terms.is_buy == (side is bids)]
        wanted.sort(key=lambda one: (sign * one.terms.price_x18, one.number))
        assert list(side) == wanted, "a book side is not in price-time order, or is not what is registered"
        assert len(side) == len(wanted)
        assert side.best_x18 == (wanted[0].terms.price_x18 if wanted else None)
    if bids.best_x18 is not None and asks.best_x18 is not None:
        assert bids.best_x18 < asks.best_x18, "the book is crossed"
    assert market.judged_mark_x18 == market.mark_x18
    holders = {one.sender for one in state.subaccounts.values() if (h := one.holdings.get(product_id)) and h.matters}
    assert market.holders == (holders if market.product.has_book else set()), "the holders of a product"


def _check_holdings(state: ContinuousState) -> None:
    for sender, subaccount in state.subaccounts.items():
        mine = [order for order in state.orders.values() if order.terms.sender == sender]
        assert subaccount.order_count == len(mine)
        assert sorted(subaccount.orders(), key=lambda one: one.number) == mine, "a subaccount indexes other orders"
        if mine and subaccount.spare_x54 is not None:
            slack = margin.slack_x54(state, subaccount, subaccount.quote_x18)
            assert slack >= subaccount.spare_x54 >= 0, "less is left than was remembered"
        for product_id, holding in subaccount.holdings.items():
            resting = list(holding.orders.values())
            assert all(order.terms.product_id == product_id for order in resting)
            for is_buy in (True, False):
                orders = [order for order in resting if order.terms.is_buy == is_buy]
                _check_own_side(state, product_id, holding.side(is_buy=is_buy), orders)
    for address, wallet in state.wallets.items():
        assert sorted(wallet.subaccounts) == sorted(one for one in state.subaccounts if one.startswith(address))


def _check_own_side(
    state: ContinuousState, product_id: ProductId, side: OwnSide, orders: list[ContinuousOrder]
) -> None:
    assert side.size_x18 == sum(order.unfilled_x18 for order in orders)
    assert side.notional_x18 == sum(order.unfilled_notional_x18 for order in orders)
    if orders:
        mark = state.markets[product_id].mark_x18
        adverse = sum(
            adverse_x36(one.terms.price_x18, one.unfilled_x18, mark, is_buy=one.terms.is_buy) for one in orders
        )
        assert side.adverse_x36(mark) == adverse


def _check_weights(state: ContinuousState) -> None:
    fresh = ContinuousWeights()
    fresh.orders = sum(map(order_weight, state.orders.values()))
    fresh.balances = sum(
        balance_weight(sender, product_id, holding.amount_x18, holding.v_quote_x18)
        for sender, subaccount in state.subaccounts.items()
        for product_id, holding in subaccount.holdings.items()
    )
    fresh.requests = sum(request_weight(second, key) for second, key in state.replays.items())
    fresh.world = state.weights.world  # its parts are re-weighed by `snapshot.load`, which tests compare
    assert fresh.digest() == state.weights.digest(), "the running weight is not the weight of the state"
