"""What must hold after every command; checked by tests and simulations, far too slow for production."""

from __future__ import annotations

from overround.engine.order import Order, OrderState
from overround.engine.state import State
from overround.engine.types import ODDS_ONE, Address, MarketHash, Side
from overround.engine.weight import Weights, order_weight, replay_weight


def check(state: State) -> None:
    """Raise AssertionError, naming what is wrong, if indexes, exposure, books or weights disagree."""
    _check_orders(state)
    _check_positions(state)
    _check_books(state)
    _check_expiry(state)
    _check_weights(state)


def _check_orders(state: State) -> None:
    numbers = [order.number for order in state.orders.values()]
    assert numbers == sorted(set(numbers)), "the registry is not in the order of acceptance"
    assert not numbers or numbers[-1] <= state.order_count
    assert not state.closed & state.orders.keys(), "an order is live and ended at once"
    for order_hash, order in state.orders.items():
        terms = order.terms
        assert order_hash == terms.order_hash
        assert order.state in (OrderState.OPEN, OrderState.HELD, OrderState.SUSPENDED)
        assert 0 < terms.percentage_odds < ODDS_ONE
        assert order.fill_amount >= 0
        assert order.pending_fill_amount >= 0
        assert 0 <= order.remaining <= terms.total_bet_size
        assert order.update_time_ms >= order.accepted_at_ms


def _check_positions(state: State) -> None:
    expected: dict[tuple[Address, Address, MarketHash], list[Order]] = {}
    for order in state.orders.values():
        terms = order.terms
        expected.setdefault((terms.maker, terms.base_token, terms.market_hash), []).append(order)
    found = {
        (account.address, token, market_hash): position
        for account in state.accounts.values()
        for token, markets in account.positions.items()
        for market_hash, position in markets.items()
    }
    assert found.keys() == expected.keys(), "accounts index other markets than the registry"
    for key, orders in expected.items():
        assert list(found[key].orders.values()) == orders, "an account indexes other orders than the registry"
        exposure = sum(order.remaining for order in orders if order.state is OrderState.OPEN)
        assert found[key].exposure == exposure, "exposure is not the sum over open orders"


def _check_books(state: State) -> None:
    on_books = 0
    for market_hash, books in state.books.items():
        for token, book in books.items():
            for side in Side:
                orders = list(book.side(side))
                on_books += len(orders)
                wanted = sorted(orders, key=lambda one: (-one.terms.percentage_odds, one.priority))
                assert orders == wanted, "a book side is not in price-time order"
                for order in orders:
                    assert order.side is side
                    assert order.state is OrderState.OPEN
                    assert (order.terms.market_hash, order.terms.base_token) == (market_hash, token)
                    assert state.orders.get(order.terms.order_hash) is order
    open_orders = sum(order.state is OrderState.OPEN for order in state.orders.values())
    assert on_books == open_orders, "books and registry hold different open orders"


def _check_expiry(state: State) -> None:
    watched = {order.terms.order_hash for order in state.expiry}
    assert watched == state.orders.keys(), "not every live order is watched for its expiry"


def _check_weights(state: State) -> None:
    fresh = Weights()
    fresh.orders = sum(map(order_weight, state.orders.values()))
    fresh.closed = sum(int.from_bytes(order_hash, "big") for order_hash in state.closed)
    fresh.replays = sum(replay_weight(second, key) for second, key in state.replays.items())
    fresh.world = state.weights.world  # its parts are re-weighed by `snapshot.load`, which tests compare
    assert fresh.digest() == state.weights.digest(), "the running weight is not the weight of the state"
