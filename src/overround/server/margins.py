"""What an account is worth and what it could still do, for queries (`spec/nado.md` 8.2, `spec/decisions.md` N2).

The same rule as the engine's, read from the views: what the engine decides is not asked here.
"""

from __future__ import annotations

from overround.engine.continuous.product import Product
from overround.engine.continuous.types import QUOTE, X18, ProductId, SubaccountId
from overround.protocols.nado.facts import Account, Balance, Health, Healths
from overround.views.continuous import Continuous


def account(views: Continuous, sender: bytes) -> Account:
    """A subaccount with its balances and its three healths: initial, maintenance (the same here), unweighted."""
    who = SubaccountId(sender)
    held = views.balances.get(who, {})
    balances = {int(one): Balance(balance.amount_x18, balance.v_quote_x18) for one, balance in held.items()}
    return _account(views, sender, balances, exists=who in views.funded)


def account_after(views: Continuous, before: Account, deltas: list[tuple[int, int, int]]) -> Account:
    """The same account after some changes: product, amount, virtual quote."""
    balances = dict(before.balances)
    for product_id, amount, v_quote in deltas:
        old = balances.get(product_id, Balance())
        balances[product_id] = Balance(old.amount + amount, old.v_quote + v_quote)
    return _account(views, before.subaccount, balances, exists=before.exists)


def _account(views: Continuous, sender: bytes, balances: dict[int, Balance], *, exists: bool) -> Account:
    contributions = {}
    for product_id, product in views.products.items():
        balance = balances.get(product_id, Balance())
        contributions[int(product_id)] = _contributions(product, balance, views.marks[product_id])
    initial, maintenance, unweighted = (_health([one[kind] for one in contributions.values()]) for kind in range(3))
    healths: Healths = (initial, maintenance, unweighted)
    return Account(sender, exists, balances, healths, contributions)


def _contributions(product: Product, balance: Balance, mark_x18: int) -> tuple[int, int, int]:
    """To the three healths. Spot assets count in full: nobody borrows, so nothing is weighed against them (N2)."""
    value = balance.amount * mark_x18 // X18
    if not product.is_perp:
        return value, value, value
    worth = value + balance.v_quote
    tied_up = abs(value) * product.margin_rate_x18(balance.amount) // X18
    return worth - tied_up, worth - tied_up, worth


def _health(contributions: list[int]) -> Health:
    assets = sum(one for one in contributions if one > 0)
    return Health(assets, assets - sum(contributions))


def slack_x18(views: Continuous, sender: SubaccountId) -> int:
    """Equity beyond what positions and open orders require; rounded down."""
    slack = sum(_contributions(product, _balance(views, sender, one), views.marks[one])[2] for one, product in
                views.products.items())  # fmt: skip
    for product_id, product in _tradable(views):
        mark, held = views.marks[product_id], _balance(views, sender, product_id).amount
        buys = sells = adverse = 0
        for row in views.orders_of(sender, product_id):
            price, size = row.terms.price_x18, row.unfilled_x18
            if row.terms.is_buy:
                buys += size
                adverse += max(price - mark, 0) * size
            else:
                sells += size
                adverse += max(mark - price, 0) * size
        slack -= -(-adverse // X18)
        if product.is_perp:
            most = max(_tied_up(product, held + buys, mark), _tied_up(product, held - sells, mark))
            slack -= most
    return slack


def _tied_up(product: Product, amount: int, mark_x18: int) -> int:
    return -(-abs(amount) * mark_x18 * product.margin_rate_x18(amount) // (X18 * X18))


def _balance(views: Continuous, sender: SubaccountId, product_id: ProductId) -> Balance:
    found = views.balance(sender, product_id)
    return Balance(found.amount_x18, found.v_quote_x18)


def free_quote_x18(views: Continuous, sender: SubaccountId) -> int:
    """Quote that no spot order would pay."""
    reserved = sum(
        row.terms.price_x18 * row.unfilled_x18 // X18
        for product_id, product in _tradable(views)
        if not product.is_perp
        for row in views.orders_of(sender, product_id)
        if row.terms.is_buy
    )
    return _balance(views, sender, QUOTE).amount - reserved


def free_asset_x18(views: Continuous, sender: SubaccountId, product_id: ProductId) -> int:
    """Of a spot product: what no order would deliver."""
    reserved = sum(row.unfilled_x18 for row in views.orders_of(sender, product_id) if not row.terms.is_buy)
    return _balance(views, sender, product_id).amount - reserved


def max_withdrawable(views: Continuous, sender: SubaccountId, product_id: ProductId) -> int:
    """What could leave the account and leave its orders covered."""
    if product_id == QUOTE:
        return max(min(free_quote_x18(views, sender), slack_x18(views, sender)), 0)
    if views.products[product_id].is_perp:
        return 0
    return max(free_asset_x18(views, sender, product_id), 0)


def max_order_size(
    views: Continuous, sender: SubaccountId, product_id: ProductId, price_x18: int, *, is_long: bool, reduce_only: bool
) -> int:
    """The largest size of an order at this price, on the steps of the product; positive whatever the side."""
    product, mark = views.products[product_id], views.marks[product_id]
    held = _balance(views, sender, product_id).amount
    if reduce_only:
        size = max(-held if is_long else held, 0)
        return size // product.lot_x18 * product.lot_x18
    slack = max(slack_x18(views, sender), 0)
    adverse = max(price_x18 - mark if is_long else mark - price_x18, 0)
    if product.is_perp:
        rate = product.margin_rate_x18(1 if is_long else -1)
        cost = adverse + mark * rate // X18
        closes = max(-held if is_long else held, 0)
        size = closes + (slack * X18 // cost if cost else 0)
    elif is_long:
        size = max(free_quote_x18(views, sender), 0) * X18 // price_x18 if price_x18 > 0 else 0
        size = min(size, slack * X18 // adverse) if adverse else size
    else:
        size = max(free_asset_x18(views, sender, product_id), 0)
    return size // product.lot_x18 * product.lot_x18


def _tradable(views: Continuous) -> list[tuple[ProductId, Product]]:
    return [(product.product_id, product) for product in views.tradable()]
