"""What must hold after every command; checked by tests and simulations, far too slow for production."""

from __future__ import annotations

from overround.engine.continuous import invariants as continuous
from overround.engine.fill import FillStatus
from overround.engine.order import FINAL, Order, OrderState
from overround.engine.state import State
from overround.engine.types import ODDS_ONE, Address, MarketHash, OrderHash, Side
from overround.engine.weight import Weights, order_weight, replay_weight


def check(state: State) -> None:
    """Raise AssertionError, naming what is wrong, if indexes, exposure, books or weights disagree."""
    _check_orders(state)
    _check_lingering(state)
    _check_money(state)
    _check_fills(state)
    _check_positions(state)
    _check_books(state)
    _check_expiry(state)
    _check_weights(state)
    continuous.check(state.continuous)


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


def _check_lingering(state: State) -> None:
    for order_hash, order in state.lingering.items():
        assert order_hash == order.terms.order_hash
        assert order_hash in state.closed
        assert order.state in FINAL
        assert order.pending_fill_amount > 0, "an ended order without pending fills is still remembered"
        assert order.doom is None


def _check_money(state: State) -> None:
    """D1: wallets + escrow + fees = what operators put in."""
    total: dict[Address, int] = dict(state.fees)
    for account in state.accounts.values():
        for token, balance in account.balances.items():
            total[token] = total.get(token, 0) + balance
            assert balance >= 0, "a wallet is overdrawn"
    for (_, token), amount in state.escrow.items():
        total[token] = total.get(token, 0) + amount
    tokens = total.keys() | state.funded.keys()
    assert all(total.get(one, 0) == state.funded.get(one, 0) for one in tokens), "money is not conserved"


def _check_fills(state: State) -> None:
    unconfirmed: dict[tuple[Address, Address], int] = {}
    pending: dict[OrderHash, int] = {}
    escrow: dict[tuple[MarketHash, Address], int] = {}
    in_flight: dict[Address, int] = {}
    for held in state.fills.held.values():
        assert held.command.fill_hash in state.burnt
        in_flight[held.command.taker] = in_flight.get(held.command.taker, 0) + 1
    for fill in state.fills.by_hash.values():
        terms = fill.terms
        assert terms.fill_hash in state.burnt
        if fill.status is FillStatus.CONFIRMED:
            assert state.markets[terms.market_hash].outcome is None, "a fill of a reported market was not paid"
            key = terms.market_hash, terms.base_token
            escrow[key] = escrow.get(key, 0) + terms.pot
            continue
        in_flight[terms.taker] = in_flight.get(terms.taker, 0) + 1
        for leg in terms.legs:
            assert leg.maker != terms.taker, "a maker was filled by himself"
            pending[leg.order_hash] = pending.get(leg.order_hash, 0) + leg.maker_stake
            for party, stake in ((leg.maker, leg.maker_stake), (terms.taker, leg.taker_stake)):
                unconfirmed[party, terms.base_token] = unconfirmed.get((party, terms.base_token), 0) + stake
    assert escrow == state.escrow, "escrow is not the sum of the confirmed pots"
    found = {
        (account.address, token): amount
        for account in state.accounts.values()
        for token, amount in account.unconfirmed.items()
        if amount
    }
    assert found == unconfirmed, "unconfirmed stakes are not those of the pending fills"
    flights = {account.address: account.in_flight for account in state.accounts.values() if account.in_flight}
    assert flights == in_flight, "fills in flight are miscounted"
    orders = [*state.orders.values(), *state.lingering.values()]
    amounts = {one.terms.order_hash: one.pending_fill_amount for one in orders if one.pending_fill_amount}
    assert amounts == pending, "orders and fills disagree about what is pending"


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
        suspended = sum(order.state is OrderState.SUSPENDED for order in orders)
        assert found[key].suspended == suspended, "suspended orders are miscounted"
        available = state.accounts[key[0]].available(key[1])
        assert exposure <= max(available, 0), "open orders may cost more than their maker has"


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
    held = [
        order
        for books in state.books.values()
        for book in books.values()
        for side in Side
        for order in book.side(side).held.values()
    ]
    assert sorted(order.number for order in held) == [
        order.number for order in state.orders.values() if order.state is OrderState.HELD
    ], "books and registry hold different held orders"
    open_orders = sum(order.state is OrderState.OPEN for order in state.orders.values())
    assert on_books == open_orders, "books and registry hold different open orders"


def _check_expiry(state: State) -> None:
    watched = {order.terms.order_hash for order in state.expiry}
    doomed = {order_hash for order_hash, order in state.orders.items() if order.doom is not None}
    assert watched | doomed == state.orders.keys(), "not every live order is watched for its expiry"


def _check_weights(state: State) -> None:
    fresh = Weights()
    fresh.orders = sum(map(order_weight, [*state.orders.values(), *state.lingering.values()]))
    fresh.closed = sum(int.from_bytes(order_hash, "big") for order_hash in [*state.closed, *state.burnt])
    fresh.replays = sum(replay_weight(second, key) for second, key in state.replays.items())
    fresh.world = state.weights.world  # its parts are re-weighed by `snapshot.load`, which tests compare
    assert fresh.digest() == state.weights.digest(), "the running weight is not the weight of the state"
