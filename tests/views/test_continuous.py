"""Continuous markets as the outside sees them: the same as the engine has it, at every moment and however it began."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, OTHER_OF_ALICE, PERP, SPOT, digest_of
from tests.engine.continuous.traffic import STEPS_MS, Traffic
from tests.views.shop import Shop

from overround.engine.commands import Tick
from overround.engine.continuous import cancelling, engine
from overround.engine.continuous.commands import (
    CancelDigests,
    CancelProducts,
    LinkSigner,
    SetMaintenance,
    SignedOrder,
    SubmitOrders,
)
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import QUOTE, X18, OrderType, wallet_of
from overround.views.continuous import CANCELS_KEPT, Continuous
from overround.views.depth import NS_PER_MS


@pytest.fixture
def shop() -> Shop:
    return Shop()


def shown(views: Continuous, now_ms: int) -> dict[str, Any]:
    """Everything that can be asked, but for clocks and for what a process remembers of its own time."""
    return {
        "rules": (views.rules, views.maintenance),
        "products": views.products,
        "marks": views.marks,
        "fees": views.fees_x18,
        "open interest": views.open_interest_x18,
        "orders": views.orders,
        "listed": list(views.orders),
        "books": {one: (book.bids.levels(), book.asks.levels(), book.top) for one, book in views.books.items()},
        "balances": {
            sender: {product: one for product, one in balances.items() if one.amount_x18 or one.v_quote_x18}
            for sender, balances in views.balances.items()
            if any(one.amount_x18 or one.v_quote_x18 for one in balances.values())
        },
        "signers": (views.funded, views.linked, views.tx_nonces),
        "requests": {digest for digest, until_ms in views._used.items() if -(-until_ms // 1000) * 1000 > now_ms},
        "by sender": {sender: views.all_orders_of(sender) for sender in views._by_sender},
        "by wallet": {wallet: views.orders_of_wallet(wallet) for wallet in views._senders},
    }


def held(state: ContinuousState, now_ms: int) -> dict[str, Any]:
    """The same, counted anew from the engine."""
    orders = list(state.orders.values())
    levels: Any = {one: ({}, {}) for one, market in state.markets.items() if market.product.has_book}
    for one in orders:
        side = levels[one.terms.product_id][0 if one.terms.is_buy else 1]
        side[one.terms.price_x18] = side.get(one.terms.price_x18, 0) + one.unfilled_x18
    return {
        "marks": {one: market.mark_x18 for one, market in state.markets.items()},
        "fees": {one: market.fees_x18 for one, market in state.markets.items()},
        "listed": [(one.terms.digest, one.number, one.placed_at_ms, one.unfilled_x18) for one in orders],
        "books": {
            one: (sorted(bids.items(), reverse=True), sorted(asks.items())) for one, (bids, asks) in levels.items()
        },
        "open interest": {
            one: sum(max(sub.holding(one).amount_x18, 0) for sub in state.subaccounts.values())
            for one, market in state.markets.items()
            if market.product.is_perp
        },
        "requests": {digest for second, digest in state.replays.items() if second * 1000 > now_ms},
    }


def compared(views: Continuous, now_ms: int) -> dict[str, Any]:
    """What `held` counts, of the views."""
    return {
        "marks": views.marks,
        "fees": views.fees_x18,
        "listed": [(one.terms.digest, one.number, one.placed_at_ms, one.unfilled_x18) for one in views.orders.values()],
        "books": {one: (book.bids.levels(), book.asks.levels()) for one, book in views.books.items()},
        "open interest": {
            one: interest for one, interest in views.open_interest_x18.items() if views.products[one].is_perp
        },
        "requests": {digest for digest, until_ms in views._used.items() if -(-until_ms // 1000) * 1000 > now_ms},
    }


@pytest.mark.parametrize("seed", range(6))
def test_views_show_what_the_engine_has_and_so_do_views_that_are_seeded_later(seed: int) -> None:
    shop, traffic, random = Shop(), Traffic(), Random(seed)
    for command in traffic.opening():
        shop.execute(command)
    for _ in range(random.randrange(150)):
        shop.wait(random.choice(STEPS_MS) / 1000)
        shop.execute(traffic.any(random, shop.now_ms))
    late, begun = shop.seeded(), len(shop.records)
    for _ in range(150):
        shop.wait(random.choice(STEPS_MS) / 1000)
        shop.execute(traffic.any(random, shop.now_ms))
        assert compared(shop.shown, shop.now_ms) == held(shop.state, shop.now_ms)
    for record in shop.records[begun:]:
        late.apply(record)
    now_ms = shop.now_ms
    assert shown(late.continuous, now_ms) == shown(shop.shown, now_ms) == shown(shop.seeded().continuous, now_ms)


# ---- orders --------------------------------------------------------------------------------------------------------


@pytest.mark.row("Q-05", "Q-06", "C-20")
def test_open_orders_are_found_by_digest_subaccount_product_and_wallet(shop: Shop) -> None:
    perp, spot = shop.rest(ALICE, 1, 90), shop.rest(ALICE, 1, 80, product_id=SPOT)
    other, of_bob = shop.rest(OTHER_OF_ALICE, 1, 91), shop.rest(BOB, 1, 92)
    views = shop.shown
    assert set(views.orders) == {one.digest for one in (perp, spot, other, of_bob)}
    assert [one.terms for one in views.orders_of(ALICE, PERP)] == [perp]
    assert [one.terms for one in views.all_orders_of(ALICE)] == [perp, spot]
    assert [one.terms for one in views.orders_of_wallet(wallet_of(ALICE))] == [perp, spot, other]
    shop.do(shop.cancel(ALICE, perp, spot))
    assert views.orders_of(ALICE, PERP) == views.all_orders_of(ALICE) == []
    assert [one.terms for one in views.orders_of_wallet(wallet_of(ALICE))] == [other]


def test_a_row_is_replaced_when_its_order_is_filled_and_gone_when_it_is_full(shop: Shop) -> None:
    sell = shop.rest(ALICE, -5, 100)
    before = shop.shown.orders[sell.digest]
    shop.place(shop.order(BOB, 2, 100))
    assert (before.unfilled_x18, before.unfilled_signed_x18) == (5 * X18, -5 * X18)
    assert shop.shown.orders[sell.digest].unfilled_signed_x18 == -3 * X18
    shop.place(shop.order(BOB, 3, 100))
    assert shop.shown.orders == {}


@pytest.mark.row("C-13")
def test_a_cancels_answer_has_the_orders_as_they_were_in_the_order_of_the_request_once(shop: Shop) -> None:
    first, second = shop.rest(ALICE, -5, 100), shop.rest(ALICE, -5, 101)
    shop.place(shop.order(BOB, 2, 100))
    shop.do(shop.cancel(ALICE, second, first))
    record = shop.records[-1]
    rows = shop.shown.take_cancelled(record)
    assert [(one.terms, one.unfilled_signed_x18) for one in rows] == [(second, -5 * X18), (first, -3 * X18)]
    assert shop.shown.take_cancelled(record) == []


def test_answers_that_nobody_asks_for_are_forgotten(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("overround.views.continuous.CANCELS_KEPT", 3)
    records = []
    for _ in range(5):
        shop.do(shop.cancel(ALICE, shop.rest(ALICE, 1, 90)))
        records.append(shop.records[-1])
    assert [len(shop.shown.take_cancelled(one)) for one in records] == [0, 0, 1, 1, 1]
    assert CANCELS_KEPT > 2 * 1_000, "what one commit may hold, and the next"


def test_what_the_venue_takes_off_is_no_answer_to_a_cancel(shop: Shop) -> None:
    shop.rest(ALICE, 1, 90)
    events = cancelling.cancel_all_of_wallet(shop.state, wallet_of(ALICE))
    shop._show(Tick(), events)
    assert shop.shown.take_cancelled(shop.records[-1]) == []
    assert shop.shown.orders == {}


# ---- books ---------------------------------------------------------------------------------------------------------


@pytest.mark.row("Q-07", "W-09")
def test_levels_add_up_and_the_best_is_on_top(shop: Shop) -> None:
    for price, size in ((90, 1), (92, 2), (90, 3)):
        shop.rest(ALICE, size, price)
    shop.rest(BOB, -4, 95)
    book = shop.shown.books[PERP]
    assert book.bids.levels() == [(92 * X18, 2 * X18), (90 * X18, 4 * X18)]
    assert book.bids.levels(1) == [(92 * X18, 2 * X18)]
    assert book.top == ((92 * X18, 2 * X18), (95 * X18, 4 * X18))
    assert shop.shown.books[SPOT].top == (None, None)


@pytest.mark.row("W-10")
def test_changes_of_a_book_are_told_by_a_clock_that_never_stands_still(shop: Shop) -> None:
    shop.wait(1)
    shop.rest(ALICE, 1, 90)
    (first,) = shop.told.books
    assert first.timestamp_ns == shop.now_ms * NS_PER_MS
    assert (first.bids, first.asks) == ([(90 * X18, X18)], [])
    shop.rest(ALICE, 2, 90)
    (second,) = shop.told.books
    assert (second.last_timestamp_ns, second.timestamp_ns) == (first.timestamp_ns, first.timestamp_ns + 1)
    assert second.bids == [(90 * X18, 3 * X18)]
    assert shop.shown.books[PERP].changed_ns == second.timestamp_ns
    shop.do(shop.cancel_products(ALICE))
    assert shop.told.books[0].bids == [(90 * X18, 0)]
    assert shop.shown.books[SPOT].changed_ns < first.timestamp_ns


def test_after_a_restart_the_clock_goes_on_behind_what_was_told(shop: Shop) -> None:
    for price in (90, 91, 92):
        shop.rest(ALICE, 1, price)
    before = shop.shown.books[PERP].changed_ns
    assert shop.seeded().continuous.books[PERP].changed_ns > before


def test_a_level_that_a_record_changes_and_restores_is_not_told(shop: Shop) -> None:
    old = shop.rest(ALICE, 1, 90)
    shop.do(shop.replace(old, shop.order(ALICE, 1, 90)))
    assert shop.told.books == []


def test_one_record_tells_a_book_once_with_its_top_before_and_after(shop: Shop) -> None:
    shop.rest(ALICE, -2, 100)
    shop.rest(ALICE, -2, 101)
    shop.place(shop.order(BOB, 5, 101))
    (change,) = shop.told.books
    assert change.asks == [(100 * X18, 0), (101 * X18, 0)]
    assert change.bids == [(101 * X18, X18)]
    assert (change.top_before.ask, change.top.ask, change.top.bid) == (
        (100 * X18, 2 * X18),
        None,
        (101 * X18, X18),
    )


# ---- the rest ------------------------------------------------------------------------------------------------------


@pytest.mark.row("C-21", "P-08")
def test_what_was_obeyed_is_known_without_a_signature(shop: Shop) -> None:
    order, burnt = shop.rest(ALICE, 1, 90), shop.order(ALICE, 1, 1, OrderType.IOC, expires_in_s=60)
    burnt = shop.order(BOB, -1, 1000, OrderType.IOC)
    shop.execute(SubmitOrders(orders=(burnt,)))
    cancel, empty = shop.cancel(ALICE, order), shop.cancel(ALICE)
    products = shop.cancel_products(BOB)
    for one in (cancel, empty, products):
        shop.execute(one)
    both = shop.replace(shop.rest(ALICE, 1, 90), shop.order(ALICE, 1, 91))
    shop.execute(both)
    known: list[SignedOrder | CancelDigests | CancelProducts] = [
        order,
        burnt,
        cancel,
        empty,
        products,
        both.cancel,
        both.order,
    ]
    for views in (shop.views, shop.seeded()):
        assert all(views.continuous.is_used(one.digest) for one in known)
        assert not views.continuous.is_used(digest_of("never"))


def test_a_refused_replacement_uses_its_order_up_and_not_its_cancel(shop: Shop) -> None:
    both = shop.replace(shop.rest(ALICE, 1, 90), shop.order(ALICE, 1, 91, OrderType.FOK))
    shop.execute(both)
    assert shop.shown.is_used(both.order.digest)
    assert not shop.shown.is_used(both.cancel.digest)


@pytest.mark.row("Q-03", "Q-12")
def test_signers_and_nonces(shop: Shop) -> None:
    key = wallet_of(CAROL)
    shop.do(LinkSigner(sender=ALICE, linked=key, tx_nonce=0, signer=wallet_of(ALICE)))
    assert shop.shown.linked == {ALICE: key}
    assert shop.shown.tx_nonces == {wallet_of(ALICE): 1}
    shop.do(LinkSigner(sender=ALICE, linked=None, tx_nonce=1, signer=wallet_of(ALICE)))
    assert shop.shown.linked == {}


def test_balances_positions_marks_and_maintenance(shop: Shop) -> None:
    shop.rest(ALICE, -5, 100)
    shop.place(shop.order(BOB, 2, 100))
    views = shop.shown
    assert (views.balance(BOB, PERP).amount_x18, views.balance(BOB, PERP).v_quote_x18) == (2 * X18, -200 * X18)
    assert views.balance(CAROL, QUOTE).amount_x18 == 0
    assert views.open_interest_x18[PERP] == 2 * X18
    assert views.marks[PERP] == 100 * X18
    assert views.last_trades[PERP].size_x18 == 2 * X18
    assert {ALICE, BOB} <= views.funded
    assert CAROL not in views.funded
    shop.do(SetMaintenance(on=True))
    assert views.maintenance


def test_a_record_that_does_nothing_here_tells_nothing(shop: Shop) -> None:
    shop.do(SetMaintenance(on=False))
    assert shop.changes.continuous is None
    assert isinstance(shop.cancel_products(BOB), CancelProducts)
    assert engine.next_deadline_ms(shop.state) is None
