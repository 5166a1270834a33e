"""Rows to facts: what answers say of orders, products, books and accounts; the what-ifs are asked of the engine."""

from __future__ import annotations

from random import Random

import pytest
from tests.engine.continuous.desk import ALICE, BOB, CAROL, ETH_PERP, PERP, SPOT
from tests.engine.continuous.traffic import STEPS_MS, Traffic
from tests.views.shop import Shop

from overround.engine.continuous import margin
from overround.engine.continuous.commands import SetCollateral, SubmitOrders
from overround.engine.continuous.rejections import ContinuousRejection
from overround.engine.continuous.types import QUOTE, X18, X36, ProductId, TradingStatus
from overround.protocols.nado import showing
from overround.protocols.nado.facts import Balance, OpenOrder, ProductKind, Quote
from overround.protocols.nado.queries import Delta


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.mark.row("C-13", "C-14", "C-28", "Q-04")
def test_an_order_is_shown_with_all_its_members(shop: Shop) -> None:
    order = shop.rest(ALICE, -5, 100, client_id=3)
    shop.place(shop.order(BOB, 2, 100))
    assert showing.open_order(shop.shown.orders[order.digest]) == OpenOrder(
        product_id=PERP,
        sender=ALICE,
        price_x18=100 * X18,
        amount=-5 * X18,
        unfilled_amount=-3 * X18,
        expiration=order.expiration_s,
        nonce=order.nonce,
        appendix=order.appendix,
        digest=order.digest,
        placed_at_s=shop.now_ms // 1000,
        id=3,
    )


@pytest.mark.row("Q-09", "Q-10", "Q-13")
def test_products_are_shown_with_mark_weights_fees_and_open_interest(shop: Shop) -> None:
    shop.update(maker_fee_x18=X18 // 1000, taker_fee_x18=X18 // 100, trading_status=TradingStatus.LIVE)
    shop.rest(ALICE, -5, 110)
    shop.place(shop.order(BOB, 2, 110))
    found = {one.product_id: one for one in showing.products(shop.shown)}
    assert list(found) == sorted(found)
    perp = found[PERP]
    assert (perp.kind, perp.symbol, perp.oracle_price_x18, perp.open_interest) == (
        ProductKind.PERP,
        "BTC-PERP",
        110 * X18,
        2 * X18,
    )
    assert perp.collected_fees == 220 * X18 // 1000 + 220 * X18 // 100
    assert (perp.maker_fee_x18, perp.taker_fee_x18) == (X18 // 1000, X18 // 100)
    assert not found[QUOTE].has_book
    assert showing.health_groups(shop.shown) == [(1, 2), (3, 4)]
    market = showing.market(shop.shown.products[SPOT])
    assert (market.spot, market.price_increment_x18, market.size_increment) == (True, X18, X18)


@pytest.mark.row("Q-07", "Q-08")
def test_books_and_tops(shop: Shop) -> None:
    shop.rest(ALICE, 1, 90)
    shop.rest(ALICE, 2, 80)
    depth = shop.shown.books[PERP]
    assert showing.quote(depth) == Quote(PERP, (90 * X18, X18), None)
    assert showing.quotes(shop.shown)[SPOT] == Quote(SPOT)
    book = showing.book(depth, 1)
    assert (book.bids, book.asks, book.timestamp_ns) == ([(90 * X18, X18)], [], depth.changed_ns)


@pytest.mark.row("Q-11")
def test_an_account_is_worth_what_it_holds_less_what_it_ties_up(shop: Shop) -> None:
    shop.rest(ALICE, -5, 100)
    shop.place(shop.order(BOB, 2, 100))
    account = showing.account(shop.shown, BOB)
    assert account.exists
    assert account.balances[PERP] == Balance(2 * X18, -200 * X18)
    initial, maintenance, unweighted = account.healths
    assert unweighted.assets - unweighted.liabilities == (100_000 + 10 * 100) * X18
    assert initial.assets - initial.liabilities == (100_000 + 10 * 100 - 10) * X18  # 5 % of 200
    assert maintenance == initial
    assert not showing.account(shop.shown, CAROL).exists


def test_an_account_may_be_asked_about_changes(shop: Shop) -> None:
    deltas = (Delta(QUOTE, BOB, -(1_000 * X18), 0), Delta(PERP, BOB, X18, -100 * X18), Delta(QUOTE, ALICE, X18, 0))
    account = showing.account(shop.shown, BOB, deltas)
    assert account.balances[QUOTE].amount == 99_000 * X18
    assert account.balances[PERP] == Balance(X18, -100 * X18)
    assert shop.shown.balance(BOB, QUOTE).amount_x18 == 100_000 * X18


@pytest.mark.parametrize("seed", range(5))
def test_slack_is_the_engines_through_random_days(seed: int) -> None:
    shop, traffic, random = Shop(), Traffic(), Random(seed)
    for command in traffic.opening():
        shop.execute(command)
    for _ in range(120):
        shop.wait(random.choice(STEPS_MS) / 1000)
        shop.execute(traffic.any(random, shop.now_ms))
        for sender, subaccount in shop.state.subaccounts.items():
            wanted = margin.slack_x54(shop.state, subaccount, subaccount.quote_x18) // X36
            assert showing.slack(shop.shown, sender) == wanted


# ---- how much ------------------------------------------------------------------------------------------------------


@pytest.mark.row("Q-14")
@pytest.mark.parametrize("product_id", [PERP, ETH_PERP.product_id, SPOT])
@pytest.mark.parametrize("price", [80, 100, 130])
@pytest.mark.parametrize("is_buy", [True, False], ids=["buy", "sell"])
@pytest.mark.parametrize("position", [0, 3, -3])
def test_the_largest_order_is_accepted_and_the_next_one_is_not(
    shop: Shop, product_id: ProductId, price: int, is_buy: bool, position: int
) -> None:
    shop.fund(BOB, 2_000)
    if position and product_id != SPOT:
        shop.rest(ALICE, -position, 100, product_id=product_id)
        shop.place(shop.order(BOB, position, 100, product_id=product_id))
    most = showing.max_order_size(shop.shown, BOB, product_id, price * X18, is_buy=is_buy) // X18
    assert most > 0
    sign = 1 if is_buy else -1
    too_much = shop.order(BOB, sign * (most + 1), price, product_id=product_id)
    assert shop.refusal(SubmitOrders(orders=(too_much,))) is ContinuousRejection.MARGIN_INSUFFICIENT
    assert shop.refusal(SubmitOrders(orders=(shop.order(BOB, sign * most, price, product_id=product_id),))) is None


def test_who_is_short_may_close_and_nothing_else(shop: Shop) -> None:
    shop.rest(ALICE, -5, 100)
    shop.place(shop.order(BOB, 5, 100))
    shop.do(SetCollateral(subaccount=BOB, product_id=QUOTE, amount_x18=0))
    shop.do(SetCollateral(subaccount=BOB, product_id=SPOT, amount_x18=0))
    assert showing.max_order_size(shop.shown, BOB, PERP, 100 * X18, is_buy=True) == 0
    assert showing.max_order_size(shop.shown, BOB, PERP, 100 * X18, is_buy=False) == 5 * X18


def test_a_product_without_a_book_takes_no_order(shop: Shop) -> None:
    assert showing.max_order_size(shop.shown, BOB, QUOTE, X18, is_buy=True) == 0
    assert showing.max_order_size(shop.shown, BOB, 77, X18, is_buy=True) == 0


@pytest.mark.row("Q-14")
def test_what_orders_and_positions_need_cannot_be_withdrawn(shop: Shop) -> None:
    assert showing.max_withdrawable(shop.shown, BOB, QUOTE) == 100_000 * X18
    shop.rest(BOB, 5, 90, product_id=SPOT)
    assert showing.max_withdrawable(shop.shown, BOB, QUOTE) == (100_000 - 450) * X18
    shop.rest(BOB, -4, 120, product_id=SPOT)
    assert showing.max_withdrawable(shop.shown, BOB, SPOT) == 6 * X18
    assert showing.max_withdrawable(shop.shown, BOB, PERP) == 0
    assert showing.max_withdrawable(shop.shown, CAROL, QUOTE) == 0


@pytest.mark.row("Q-14")
def test_a_reducing_order_is_at_most_the_position(shop: Shop) -> None:
    shop.rest(ALICE, -5, 100)
    shop.place(shop.order(BOB, 5, 100))
    sizes = [
        showing.max_order_size(shop.shown, BOB, PERP, 100 * X18, is_buy=is_buy, reduce_only=True)
        for is_buy in (True, False)
    ]
    assert sizes == [0, 5 * X18]
