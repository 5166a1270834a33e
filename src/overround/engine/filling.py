"""Fills: admitted, held for the delay, matched, confirmed or failed, paid (spec/sx.md 5.12, 5.13, 7.10 to 7.12).

Whatever a fill does to stakes goes through `State.put_fill` and `drop_fill`; whatever it does to orders, through
`State.change`.
"""

from __future__ import annotations

from collections.abc import Iterator

from overround.engine.commands import DecideFill, FillMarket, FillOrders
from overround.engine.events import (
    AnyEvent,
    FillConfirmed,
    FillFailed,
    FillHeld,
    FillMatched,
    FillRefused,
    OrderChanged,
)
from overround.engine.fill import Fill, FillStatus, HeldFill, Leg, MatchedFill, largest_stake_of, taker_stake_of
from overround.engine.matching import Take, take
from overround.engine.order import Order, OrderState, Trigger, is_exhausted
from overround.engine.rejections import Rejection
from overround.engine.state import State
from overround.engine.types import Address, MarketHash, Outcome, Side

AnyFill = FillMarket | FillOrders

# ---- admission -----------------------------------------------------------------------------------------------------


def submit(state: State, command: AnyFill, now_ms: int) -> list[AnyEvent] | Rejection:
    """Admit a fill to its betting delay; a refusal here burns nothing (D5)."""
    assert state.rules is not None
    if command.fill_hash in state.burnt:
        return Rejection.FILL_EXISTS
    if not all(_is_bettable(state, market_hash, now_ms) for market_hash in _markets(state, command)):
        return Rejection.MATCH_STATE_INVALID
    if isinstance(command, FillOrders):
        takes = _named_takes(state, command)
        if isinstance(takes, Rejection):
            return takes
        terms = takes[0].order.terms
        market_hash, base_token = terms.market_hash, terms.base_token
        expires_at_s: int | None = min(one.order.terms.api_expiry for one in takes)
        stake = sum(one.taker_stake for one in takes)
    else:
        market_hash, base_token, expires_at_s = command.market_hash, command.base_token, None
        stake = command.stake
    account = state.accounts.get(command.taker)
    if account is not None and account.in_flight >= state.rules.fills_in_flight_max:
        return Rejection.TOO_MANY_IN_FLIGHT
    if rejection := _cannot_pay(state, command.taker, base_token, stake):
        return rejection
    state.fills.count += 1
    due_ms = now_ms + _delay_ms(state, market_hash, now_ms)
    state.burn(command.fill_hash)
    state.hold_fill(HeldFill(state.fills.count, command, market_hash, base_token, due_ms, expires_at_s))
    return [FillHeld(fill_hash=command.fill_hash, due_ms=due_ms)]


def _markets(state: State, command: AnyFill) -> list[MarketHash]:
    """Where the fill would happen, as far as that is known."""
    if isinstance(command, FillMarket):
        return [command.market_hash]
    orders = (state.orders.get(order_hash) for order_hash in command.order_hashes)
    return [order.terms.market_hash for order in orders if order is not None]


def _is_bettable(state: State, market_hash: MarketHash, now_ms: int) -> bool:
    market = state.markets.get(market_hash)
    return market is not None and market.active and state.fixtures[market.fixture_id].is_bettable(now_ms)


def _delay_ms(state: State, market_hash: MarketHash, now_ms: int) -> int:
    """League beats sport beats the rest (7.10)."""
    assert state.rules is not None
    delays = state.rules.betting_delays
    fixture = state.fixtures[state.markets[market_hash].fixture_id]
    if fixture.is_in_play(now_ms):
        return delays.in_play(fixture.sport_id, fixture.league_label)
    return delays.pre_match_ms


def _cannot_pay(state: State, taker: Address, token: Address, stake: int) -> Rejection | None:
    assert state.rules is not None
    account = state.accounts.get(taker)
    if state.rules.approval_required and (account is None or account.allowances.get(token, 0) < stake):
        return Rejection.TAKER_ALLOWANCE_TOO_LOW
    if account is None or account.available(token) < stake:
        return Rejection.TAKER_BALANCE_TOO_LOW
    return None


# ---- matching ------------------------------------------------------------------------------------------------------


def match_next(state: State, now_ms: int) -> list[AnyEvent]:
    """The betting delay that ends first is over: match the fill with the book as it is now (7.10)."""
    held = state.fills.first_held()
    state.release_fill(held)
    takes = _takes(state, held, now_ms)
    if isinstance(takes, Rejection):
        return [FillRefused(fill_hash=held.command.fill_hash, rejection=takes)]
    return _match(state, held, takes, now_ms)


def _takes(state: State, held: HeldFill, now_ms: int) -> list[Take] | Rejection:
    command = held.command
    if not _is_bettable(state, held.market_hash, now_ms):
        return Rejection.MATCH_STATE_INVALID
    if isinstance(command, FillMarket):
        return _cannot_pay(state, command.taker, held.base_token, command.stake) or _best_takes(state, command, now_ms)
    if held.expires_at_s is not None and now_ms >= held.expires_at_s * 1000:
        return Rejection.AFTER_ORDER_EXPIRY
    takes = _named_takes(state, command)
    if isinstance(takes, Rejection):
        return takes
    stake = sum(one.taker_stake for one in takes)
    return _cannot_pay(state, command.taker, held.base_token, stake) or takes


def _best_takes(state: State, command: FillMarket, now_ms: int) -> list[Take] | Rejection:
    """Best price, then time (7.11); none of the taker's own orders."""
    book = state.books[command.market_hash].get(command.base_token)
    side = Side.OUTCOME_TWO if command.is_taker_betting_outcome_one else Side.OUTCOME_ONE
    opposing = book.side(side) if book is not None else ()
    candidates = [order for order in opposing if order.terms.maker != command.taker and _is_matchable(order, now_ms)]
    taken = take(candidates, command.stake, command.desired_odds, command.odds_slippage, _Purses(state).can_pay)
    if taken.takes:
        return taken.takes
    if taken.stopped_by_price:
        return Rejection.ODDS_STALE
    held = book.side(side).held.values() if book is not None and not candidates else ()
    if any(order.terms.maker != command.taker for order in held):
        return Rejection.INSUFFICIENT_SPACE
    return Rejection.NO_MATCHING_ORDERS


def _is_matchable(order: Order, now_ms: int) -> bool:
    """Whatever the sweep does, nobody is matched with an order whose time is over (7.15)."""
    return order.remaining > 0 and order.terms.api_expiry * 1000 > now_ms


class _Purses:
    """The guard of 7.6: no maker is matched for more than is available to him."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._left: dict[Address, int] = {}

    def can_pay(self, order: Order, amount: int) -> bool:
        """Whether the maker has so much left; if so, it is spent."""
        maker = order.terms.maker
        left = self._left.get(maker)
        if left is None:
            left = self._state.accounts[maker].available(order.terms.base_token)
        if left < amount:
            return False
        self._left[maker] = left - amount
        return True


def _named_takes(state: State, command: FillOrders) -> list[Take] | Rejection:
    """The parts that a legacy fill names, all of them or a reason (5.13, D7)."""
    assert state.rules is not None
    orders = [state.orders.get(order_hash) for order_hash in command.order_hashes]
    found = [one for one in orders if one is not None and one.state in (OrderState.OPEN, OrderState.HELD)]
    if len(set(command.order_hashes)) < len(orders):
        return Rejection.ORDERS_INVALID
    if len(found) < len(orders) or not orders or any(one.terms.maker == command.taker for one in found):
        return Rejection.ORDERS_INVALID
    if len({one.terms.market_hash for one in found}) > 1:
        return Rejection.MARKETS_NOT_SAME
    if len({one.terms.base_token for one in found}) > 1:
        return Rejection.BASE_TOKENS_NOT_SAME
    if len({one.side for one in found}) > 1:
        return Rejection.DIRECTIONS_NOT_SAME
    takes = []
    for order, amount in zip(found, command.maker_amounts, strict=True):
        if order.state is OrderState.HELD or amount > order.remaining:
            return Rejection.ORDER_SPACE_TOO_SMALL
        takes.append(Take(order, taker_stake_of(amount, order.terms.percentage_odds), amount))
    token = state.rules.token(found[0].terms.base_token)
    minimum = token.taker_minimum if token is not None else 1
    # Both directions round down: who wants to stake exactly the minimum names an amount that comes back as a unit less.
    meant = sum(largest_stake_of(one.maker_stake, one.order.terms.percentage_odds) for one in takes)
    if any(one.taker_stake < 1 for one in takes) or meant < minimum:
        return Rejection.TAKER_AMOUNT_TOO_LOW
    return takes


def _match(state: State, held: HeldFill, takes: list[Take], now_ms: int) -> list[AnyEvent]:
    """One atomic step: stakes reserved, orders moved (7.11.7)."""
    assert state.rules is not None
    side_one = not takes[0].order.terms.is_maker_betting_outcome_one
    delay_ms = state.rules.settlement_delay_ms
    matched = MatchedFill(
        fill_hash=held.command.fill_hash,
        number=held.number,
        taker=held.command.taker,
        market_hash=held.market_hash,
        base_token=held.base_token,
        is_taker_betting_outcome_one=side_one,
        stake=held.command.stake if isinstance(held.command, FillMarket) else sum(one.taker_stake for one in takes),
        legs=tuple(_leg(one) for one in takes),
        matched_at_ms=now_ms,
        fee=state.rules.fee,
    )
    due_ms = None if delay_ms is None else now_ms + delay_ms
    state.put_fill(Fill(matched, due_ms))
    changes = [_pend(state, one.order, one.maker_stake, now_ms) for one in takes]
    return [FillMatched(fill=matched, due_ms=due_ms), *changes]


def _leg(part: Take) -> Leg:
    terms = part.order.terms
    return Leg(terms.order_hash, terms.maker, terms.percentage_odds, part.taker_stake, part.maker_stake)


def _pend(state: State, order: Order, amount: int, now_ms: int) -> OrderChanged:
    terms = order.terms
    exhausted = is_exhausted(order.remaining - amount, terms.total_bet_size, terms.percentage_odds)
    return state.change(order, Trigger.EXHAUST if exhausted else Trigger.MATCH, now_ms, pending=amount)


# ---- settlement ----------------------------------------------------------------------------------------------------


def settle_next(state: State, now_ms: int) -> list[AnyEvent]:
    """The pending fill that is due first is confirmed, if every wallet in it can pay."""
    return _confirm(state, state.fills.first_due(), now_ms)


def decide(state: State, command: DecideFill, now_ms: int) -> list[AnyEvent] | Rejection:
    """By the operator's hand (D2)."""
    fill = state.fills.by_hash.get(command.fill_hash)
    if fill is None and (command.fill_hash not in state.burnt or command.fill_hash in state.fills.held):
        return Rejection.FILL_UNKNOWN
    if fill is None or fill.status is not FillStatus.PENDING:
        return Rejection.FILL_DECIDED
    return _confirm(state, fill, now_ms) if command.confirmed else _fail(state, fill, now_ms, wallet_short=False)


def _confirm(state: State, fill: Fill, now_ms: int) -> list[AnyEvent]:
    """Stakes move from the wallets into the market's escrow; one short wallet fails the whole fill (D1)."""
    terms = fill.terms
    stakes = terms.maker_stakes
    stakes[terms.taker] = stakes.get(terms.taker, 0) + terms.taker_stake
    token = terms.base_token
    if any(state.accounts[party].balances.get(token, 0) < stake for party, stake in stakes.items()):
        return _fail(state, fill, now_ms, wallet_short=True)
    state.drop_fill(fill)
    for party, stake in stakes.items():
        state.pay(party, token, -stake)
    fill.status = FillStatus.CONFIRMED
    state.put_fill(fill)
    changes = [_fill(state, leg, now_ms) for leg in terms.legs]
    outcome = state.markets[terms.market_hash].outcome
    if outcome is not None:
        pay_out(state, fill, outcome)
    return [FillConfirmed(fill_hash=terms.fill_hash, outcome=outcome), *changes]


def _fill(state: State, leg: Leg, now_ms: int) -> OrderChanged:
    order = state.find_order(leg.order_hash)
    completes = order.pending_fill_amount == leg.maker_stake and _is_spent(order, 0)
    on_book = order.state in (OrderState.OPEN, OrderState.HELD)
    trigger = Trigger.COMPLETE if completes and on_book else Trigger.CONFIRM
    return state.change(order, trigger, now_ms, filled=leg.maker_stake, pending=-leg.maker_stake)


def _fail(state: State, fill: Fill, now_ms: int, *, wallet_short: bool) -> list[AnyEvent]:
    """Undo the match: the stakes are free again, and the orders' parts (7.11.8).

    What is on the book stays there; then held orders come back beside it, oldest first, as far as they fit (D12).
    """
    state.drop_fill(fill)
    parts = [(state.find_order(leg.order_hash), leg.maker_stake) for leg in fill.terms.legs]
    parts.sort(key=lambda part: (part[0].state is OrderState.HELD, part[0].number))
    changes = [
        state.change(order, _after_failure(state, order, amount), now_ms, pending=-amount) for order, amount in parts
    ]
    return [FillFailed(fill_hash=fill.terms.fill_hash, wallet_short=wallet_short), *changes]


def _after_failure(state: State, order: Order, amount: int) -> Trigger:
    """What a failed fill does to an order (7.1, D12)."""
    assert state.rules is not None
    if order.state is not OrderState.HELD:
        return Trigger.FAIL
    if order.doom is not None:
        return order.doom
    if _is_spent(order, amount):
        return Trigger.COMPLETE if order.pending_fill_amount == amount else Trigger.FAIL_EXHAUSTED
    account = state.accounts[order.terms.maker]
    assert order.position is not None
    if order.position.exposure + order.remaining + amount > account.available(order.terms.base_token):
        return Trigger.SUSPEND if state.rules.suspends else Trigger.UNCOVERED
    return Trigger.FAIL


def _is_spent(order: Order, freed: int) -> bool:
    terms = order.terms
    return is_exhausted(order.remaining + freed, terms.total_bet_size, terms.percentage_odds)


# ---- payment -------------------------------------------------------------------------------------------------------


def pay_out(state: State, fill: Fill, outcome: Outcome) -> None:
    """Pay a confirmed fill from escrow: the winner gets the pot, a void returns each stake (D1)."""
    terms = fill.terms
    state.drop_fill(fill)
    for party, amount in _shares(terms, outcome):
        if party is None:
            state.keep_fee(terms.base_token, amount)
        elif amount:
            state.pay(party, terms.base_token, amount)


def _shares(terms: MatchedFill, outcome: Outcome) -> Iterator[tuple[Address | None, int]]:
    """Who gets what; None is the venue."""
    for leg in terms.legs:
        taker, maker, fee = terms.returns(leg, outcome)
        yield terms.taker, taker
        yield leg.maker, maker
        yield None, fee
