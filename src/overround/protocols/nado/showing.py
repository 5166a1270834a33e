"""From the views of continuous markets to what answers are made of (`spec/nado.md` 8): rows to facts.

`encode` spells them. What a venue without liquidations and borrowing cannot know is said in constants (N5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from overround.engine.continuous import product as engine
from overround.engine.continuous.types import QUOTE, X18, X36, ProductId, SubaccountId
from overround.protocols.nado.checks import Market
from overround.protocols.nado.facts import (
    Account,
    Balance,
    Book,
    Health,
    Healths,
    OpenOrder,
    Product,
    ProductKind,
    Quote,
    TradingStatus,
)
from overround.protocols.nado.queries import Delta
from overround.views.continuous import Continuous
from overround.views.depth import Depth
from overround.views.resting import RestingOrder

_MS: Final = 1_000


def open_order(row: RestingOrder) -> OpenOrder:
    """An order object, of an open order or of one that was just cancelled."""
    terms = row.terms
    return OpenOrder(
        product_id=terms.product_id,
        sender=terms.sender,
        price_x18=terms.price_x18,
        amount=terms.amount_x18,
        unfilled_amount=row.unfilled_signed_x18,
        expiration=terms.expiration_s,
        nonce=terms.nonce,
        appendix=terms.appendix,
        digest=terms.digest,
        placed_at_s=row.placed_at_ms // _MS,
        id=terms.client_id,
    )


def market(product: engine.Product) -> Market:
    """What a product demands of every order, for `checks`."""
    return Market(
        spot=not product.is_perp,
        has_book=product.has_book,
        price_increment_x18=product.tick_x18 or 1,
        size_increment=product.lot_x18 or 1,
        min_size=product.notional_min_x18,
    )


def products(views: Continuous) -> list[Product]:
    """Every product, by its id."""
    return [product(views, product_id) for product_id in sorted(views.products)]


def product(views: Continuous, product_id: int) -> Product:
    """A product; its mark is its oracle price (N4). Maintenance weights are the initial ones: nobody is liquidated."""
    found = views.products[ProductId(product_id)]
    return Product(
        product_id=product_id,
        kind=ProductKind(found.kind.value),
        symbol=found.symbol,
        name=found.symbol,
        has_book=found.has_book,
        price_increment_x18=found.tick_x18,
        size_increment=found.lot_x18,
        min_size=found.notional_min_x18,
        maker_fee_x18=found.maker_fee_x18,
        taker_fee_x18=found.taker_fee_x18,
        long_weight_initial_x18=found.long_weight_x18,
        short_weight_initial_x18=found.short_weight_x18,
        long_weight_maintenance_x18=found.long_weight_x18,
        short_weight_maintenance_x18=found.short_weight_x18,
        oracle_price_x18=views.marks[found.product_id],
        open_interest=views.open_interest_x18.get(found.product_id, 0),
        collected_fees=views.fees_x18.get(found.product_id, 0),
        trading_status=TradingStatus(found.trading_status.value),
    )


def quote(depth: Depth) -> Quote:
    """The top of a book."""
    bid, ask = depth.top
    return Quote(depth.product_id, bid, ask)


def quotes(views: Continuous) -> dict[int, Quote]:
    """The tops of all books, by product."""
    return {product_id: quote(depth) for product_id, depth in views.books.items()}


def book(depth: Depth, levels_max: int) -> Book:
    """A book's best levels, with the time of its last change (N10)."""
    return Book(depth.product_id, depth.bids.levels(levels_max), depth.asks.levels(levels_max), depth.changed_ns)


def health_groups(views: Continuous) -> list[tuple[int, int]]:
    """A spot product and the perp of the same thing, by their symbols."""
    by_symbol = {one.symbol: one.product_id for one in views.products.values()}
    pairs = ((by_symbol.get(symbol.removesuffix("-PERP")), perp) for symbol, perp in by_symbol.items())
    return sorted((spot, perp) for spot, perp in pairs if spot is not None and spot != perp)


# ---- accounts ------------------------------------------------------------------------------------------------------


def account(views: Continuous, subaccount: bytes, deltas: tuple[Delta, ...] = ()) -> Account:
    """A subaccount as it is, or as it would be after some changes to its balances (8.2)."""
    sender = SubaccountId(subaccount)
    balances = {
        int(product_id): Balance(one.amount_x18, one.v_quote_x18)
        for product_id, one in views.balances.get(sender, {}).items()
    }
    for delta in deltas:
        if delta.subaccount == subaccount:
            before = balances.get(delta.product_id, Balance())
            balances[delta.product_id] = Balance(
                before.amount + delta.amount_delta, before.v_quote + delta.v_quote_delta
            )
    contributions = {
        product_id: _contribution(views, views.products[ProductId(product_id)], balance)
        for product_id, balance in balances.items()
        if product_id in views.products
    }
    return Account(
        subaccount=subaccount,
        exists=sender in views.funded,
        balances=balances,
        healths=_healths(contributions),
        contributions=contributions,
    )


def _contribution(views: Continuous, found: engine.Product, balance: Balance) -> tuple[int, int, int]:
    """What a balance adds to each of the three healths: what it is worth, less what it ties up (N2)."""
    mark = views.marks[found.product_id]
    worth = balance.amount * mark // X18
    if not found.is_perp:
        return worth, worth, worth
    worth += balance.v_quote
    tied_up = -(-found.margin_rate_x18(balance.amount) * abs(balance.amount) * mark // X36)
    return worth - tied_up, worth - tied_up, worth


def _healths(contributions: Mapping[int, tuple[int, int, int]]) -> Healths:
    initial, maintenance, unweighted = (
        Health(
            assets=sum(max(one[index], 0) for one in contributions.values()),
            liabilities=sum(max(-one[index], 0) for one in contributions.values()),
        )
        for index in range(3)
    )
    return initial, maintenance, unweighted


class _Tied(msgspec.Struct):
    """What a subaccount's open orders on one product may still do."""

    buys: int = 0
    sells: int = 0
    buy_notional: int = 0
    adverse_x36: int = 0


def _tied(views: Continuous, sender: SubaccountId, product_id: ProductId) -> _Tied:
    tied, mark = _Tied(), views.marks[product_id]
    for row in views.orders_of(sender, product_id):
        price, size = row.terms.price_x18, row.unfilled_x18
        if row.terms.is_buy:
            tied.buys += size
            tied.buy_notional += engine.notional_of(price, size)
            tied.adverse_x36 += max(price - mark, 0) * size
        else:
            tied.sells += size
            tied.adverse_x36 += max(mark - price, 0) * size
    return tied


def _required_x54(found: engine.Product, position: int, tied: _Tied, mark: int) -> int:
    """What a perp's position and orders tie up (N2)."""
    reach = (position + tied.buys, position - tied.sells)
    return mark * max(found.margin_rate_x18(one) * abs(one) for one in reach) + tied.adverse_x36 * X18


def slack(views: Continuous, subaccount: bytes) -> int:
    """Equity beyond what is required (N2), x18, rounded down."""
    return _slack_x54(views, SubaccountId(subaccount)) // X36


def _slack_x54(views: Continuous, sender: SubaccountId) -> int:
    found = views.balance(sender, QUOTE).amount_x18 * X36
    for product_id, one in views.products.items():
        if product_id == QUOTE:
            continue
        balance, tied, mark = (
            views.balance(sender, product_id),
            _tied(views, sender, product_id),
            views.marks[product_id],
        )
        found += balance.amount_x18 * mark * X18
        if one.is_perp:
            found += balance.v_quote_x18 * X36 - _required_x54(one, balance.amount_x18, tied, mark)
        else:
            found -= tied.adverse_x36 * X18
    return found


def max_withdrawable(views: Continuous, subaccount: bytes, product_id: int) -> int:
    """What neither orders nor positions need (N2). Nothing can be withdrawn here; clients show the number."""
    sender, wanted = SubaccountId(subaccount), ProductId(product_id)
    found = views.products.get(wanted)
    if found is None or found.is_perp:
        return 0
    free = views.balance(sender, wanted).amount_x18 - _reserved(views, sender, wanted)
    worth = max(_slack_x54(views, sender), 0) // (views.marks[wanted] * X18)
    return max(min(free, worth), 0)


def _reserved(views: Continuous, sender: SubaccountId, product_id: ProductId) -> int:
    """What spot orders would pay or deliver, fees included."""
    if product_id != QUOTE:
        return _tied(views, sender, product_id).sells
    reserved = 0
    for one in views.tradable():
        notional = 0 if one.is_perp else _tied(views, sender, one.product_id).buy_notional
        if notional:
            reserved += notional + engine.fee_of(notional, max(one.maker_fee_x18, 0))
    return reserved


def max_order_size(
    views: Continuous, subaccount: bytes, product_id: int, price_x18: int, *, is_buy: bool, reduce_only: bool = False
) -> int:
    """The largest order at this price that margin allows, in whole lots; what it would trade at is not looked at."""
    sender, wanted = SubaccountId(subaccount), ProductId(product_id)
    found = views.products.get(wanted)
    if found is None or not found.has_book or price_x18 <= 0:
        return 0
    position = views.balance(sender, wanted).amount_x18 if found.is_perp else 0
    if reduce_only:
        most = -position if is_buy else position
    elif found.is_perp:
        most = _most_perp(views, sender, found, price_x18, is_buy)
    else:
        most = _most_spot(views, sender, found, price_x18, is_buy)
    return max(most, 0) // found.lot_x18 * found.lot_x18


def _most_spot(views: Continuous, sender: SubaccountId, found: engine.Product, price: int, is_buy: bool) -> int:
    """All that is there to be paid or delivered, unless the price is so bad that it ties up more (N2)."""
    paid = QUOTE if is_buy else found.product_id
    free = views.balance(sender, paid).amount_x18 - _reserved(views, sender, paid)
    rate = X18 + max(found.taker_fee_x18, found.maker_fee_x18, 0)
    most = free * X36 // (price * rate) if is_buy else free
    mark = views.marks[found.product_id]
    adverse = price - mark if is_buy else mark - price
    return min(most, _slack_x54(views, sender) // (adverse * X18)) if adverse > 0 else most


def _most_perp(views: Continuous, sender: SubaccountId, found: engine.Product, price: int, is_buy: bool) -> int:
    """The largest size that margin allows. Slack rises while a position is closed and falls from there on, so that
    halving finds it; whoever is short may close as long as that does not make it worse."""
    position, tied = views.balance(sender, found.product_id).amount_x18, _tied(views, sender, found.product_id)
    mark, spare, lot = views.marks[found.product_id], _slack_x54(views, sender), found.lot_x18
    before = _required_x54(found, position, tied, mark)
    step = max(price - mark, 0) if is_buy else max(mark - price, 0)
    fee = max(found.taker_fee_x18, 0) * price

    def slack_after(lots: int) -> int:
        size = lots * lot
        more = msgspec.structs.replace(
            tied,
            buys=tied.buys + (size if is_buy else 0),
            sells=tied.sells + (0 if is_buy else size),
            adverse_x36=tied.adverse_x36 + step * size,
        )
        return spare - (_required_x54(found, position, more, mark) - before) - fee * size

    same_side = tied.buys if is_buy else tied.sells
    closing = max((-position if is_buy else position) - same_side, 0) // lot
    owes = views.balance(sender, QUOTE).amount_x18 < 0
    if owes or slack_after(closing) < 0:
        return _last(lambda lots: slack_after(lots) >= (spare if owes else min(spare, 0)), 0, closing + 1) * lot
    return _last(lambda lots: slack_after(lots) >= 0, closing, SIZE_MAX // lot) * lot


def _last(holds: Callable[[int], bool], low: int, high: int) -> int:
    """The last number from `low` on, below `high`, for which it holds: it does for `low`, and once not, never again."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


SIZE_MAX: Final = 2**127 - 1  # what an int128 holds
