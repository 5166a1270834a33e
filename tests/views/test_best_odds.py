"""The best price of a side, and since when it is the best (spec/sx.md 5.8)."""

from __future__ import annotations

from tests.engine.desk import ALICE, PERCENT, START_MS, USDC, WSX, A
from tests.views.window import Window

from overround.engine.order import OrderState
from overround.views.best_odds import SideKey


def odds_and_age(window: Window, *, one: bool = True) -> tuple[int | None, int]:
    """The best odds in percent, and how many milliseconds after the start they became the best."""
    price = window.best(one=one)
    assert price is not None
    odds = None if price.percentage_odds is None else price.percentage_odds // PERCENT
    return odds, price.updated_at_ms - START_MS


def test_a_side_that_never_had_an_order_has_no_price(window: Window) -> None:
    assert window.best() is None


def test_the_highest_odds_of_a_maker_are_the_best(window: Window) -> None:
    for odds in (50, 60, 55):
        window.rest(odds=odds)
        window.wait(1)
    assert odds_and_age(window) == (60, 1_000)


def test_an_order_at_the_same_price_changes_nothing(window: Window) -> None:
    window.rest(odds=50)
    window.wait(1)
    window.rest(odds=50)
    assert odds_and_age(window) == (50, 0)


def test_the_price_stays_while_one_of_its_orders_does(window: Window) -> None:
    first, second = window.rest(odds=50), window.rest(odds=50)
    window.wait(1)
    window.do(window.cancel(ALICE, first))
    assert odds_and_age(window) == (50, 0)
    window.do(window.cancel(ALICE, second))
    assert odds_and_age(window) == (None, 1_000)


def test_when_the_best_goes_the_next_is_best_from_then_on(window: Window) -> None:
    window.rest(odds=40)
    best = window.rest(odds=60)
    window.rest(odds=50)
    window.wait(3)
    window.do(window.cancel(ALICE, best))
    assert odds_and_age(window) == (50, 3_000)


def test_sides_and_tokens_have_prices_of_their_own(window: Window) -> None:
    window.fund(ALICE, 100, WSX)
    window.rest(odds=50)
    window.wait(1)
    window.rest(odds=60, one=False)
    window.rest(odds=70, token=WSX)
    assert (odds_and_age(window), odds_and_age(window, one=False)) == ((50, 0), (60, 1_000))
    in_wsx = window.views.best_odds.get(SideKey(A, WSX.address, True))
    assert in_wsx is not None
    assert in_wsx.percentage_odds == 70 * PERCENT


def test_a_price_is_never_dated_later_than_the_change_that_made_it(window: Window) -> None:
    """An update time runs ahead when one order changes twice in a millisecond; the age of a price used to follow it."""
    best = window.rest(odds=60)
    window.rest(odds=50)
    window.do(window.cancel(ALICE, best))
    assert odds_and_age(window) == (50, 0)


def test_a_seeded_view_knows_the_best_price(window: Window) -> None:
    for odds in (50, 60, 55):
        window.rest(odds=odds)
    price = window.seeded().best_odds.get(SideKey(A, USDC.address, True))
    assert price is not None
    assert price.percentage_odds == 60 * PERCENT


def test_a_seeded_view_knows_since_when_it_is_the_best(window: Window) -> None:
    """It used to be taken for as old as the order that offers it: after a start prices looked older than they were."""
    window.rest(odds=50)
    best = window.rest(odds=60)
    window.wait(3)
    window.do(window.cancel(ALICE, best))
    price = window.seeded().best_odds.get(SideKey(A, USDC.address, True))
    assert price is not None
    assert price.updated_at_ms == START_MS + 3_000


def test_a_price_that_one_record_took_away_and_brought_back_keeps_its_date(window: Window) -> None:
    """The room that a cancel makes restores an order at the same price: no publication, and no new date either."""
    best = window.rest(size=60, odds=60)
    suspended = window.rest(size=40, odds=60)
    window.fund(ALICE, 60)
    window.wait(1)
    answer = window.do(window.cancel(ALICE, best))
    assert answer.states == {best.order_hash: OrderState.CANCELLED, suspended.order_hash: OrderState.OPEN}
    assert odds_and_age(window) == (60, 0)
    assert window.views.best_odds_changes(window.changes) == []
