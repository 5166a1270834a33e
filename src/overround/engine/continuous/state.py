"""All that is remembered of continuous markets, and the few mutations that keep indexes and weight in step."""

from __future__ import annotations

from typing import Final

from overround.engine.continuous.book import Book
from overround.engine.continuous.expiry import ContinuousExpiry
from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.product import Product, notional_of
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.subaccount import Holding, Subaccount, Wallet
from overround.engine.continuous.types import QUOTE, X18, Digest, ProductId, SubaccountId, wallet_of
from overround.engine.continuous.weight import ContinuousWeights, balance_weight, order_weight, request_weight
from overround.engine.replays import ReplayMemory
from overround.engine.types import Address

_MS: Final = 1000


class Market:
    """A product and its book."""

    __slots__ = ("book", "fees_x18", "holders", "judged_mark_x18", "last_price_x18", "product")

    def __init__(self, product: Product) -> None:
        self.product = product
        self.book = Book()
        self.last_price_x18: int | None = None  # of the last trade, or as the operator said since
        self.fees_x18 = 0  # collected, in quote
        self.holders: set[SubaccountId] = set()  # whoever a move of its price means something to
        self.judged_mark_x18 = self.mark_x18  # the mark by which every holder's margin was last judged

    @property
    def mark_x18(self) -> int:
        """The last trade, else the mid, else the start (N4)."""
        if self.last_price_x18 is not None:
            return self.last_price_x18
        if not self.product.has_book:
            return X18
        mid = self.book.mid_x18
        return self.product.start_price_x18 if mid is None else mid


class ContinuousState:
    """The memory of continuous markets. The modules beside this one change it only through here."""

    def __init__(self) -> None:
        self.rules: ContinuousRules | None = None
        self.maintenance = False
        self.markets: dict[ProductId, Market] = {}
        self.subaccounts: dict[SubaccountId, Subaccount] = {}
        self.wallets: dict[Address, Wallet] = {}
        self.orders: dict[Digest, ContinuousOrder] = {}  # resting ones, in the order of acceptance
        self.order_count = 0  # ever accepted
        self.trade_count = 0
        self.deposits: dict[ProductId, int] = {}  # what the operator put in, all in all
        self.expiry = ContinuousExpiry()
        self.replays = ReplayMemory()  # by the second from which time refuses the request anyway
        self.weights = ContinuousWeights()
        self.touched: set[ProductId] = set()  # marks that may have moved; empty between commands

    # ---- the world ------------------------------------------------------------------------------------------------

    def configure(self, rules: ContinuousRules) -> None:
        """These rules from here on."""
        self.weights.replace_record(self.rules, rules)
        self.rules = rules

    def set_maintenance(self, on: bool) -> None:
        """Whether orders are refused."""
        self._reweigh(("maintenance",), self.maintenance, on)
        self.maintenance = on

    def put_product(self, product: Product) -> None:
        """Add or replace a product."""
        market = self.markets.get(product.product_id)
        self.weights.replace_record(market.product if market else None, product)
        if market is None:
            self.markets[product.product_id] = Market(product)
        else:
            market.product = product
            self.touched.add(product.product_id)

    def set_last_price(self, market: Market, price_x18: int) -> None:
        """What the product was last traded at, or is said to be worth."""
        product_id = market.product.product_id
        before = None if market.last_price_x18 is None else ("price", product_id, market.last_price_x18)
        self.weights.replace_record(before, ("price", product_id, price_x18))
        market.last_price_x18 = price_x18
        self.touched.add(product_id)

    def collect(self, market: Market, fee_x18: int) -> None:
        """The venue's share of a trade."""
        if fee_x18:
            before, after = market.fees_x18, market.fees_x18 + fee_x18
            self._reweigh(("fees", market.product.product_id), before, after)
            market.fees_x18 = after

    def next_order_number(self) -> int:
        """The place of a new order among all."""
        return self.count_orders_and_trades(self.order_count + 1, self.trade_count)[0]

    def next_trade_number(self) -> int:
        """The place of a new trade among all."""
        return self.count_orders_and_trades(self.order_count, self.trade_count + 1)[1]

    def count_orders_and_trades(self, orders: int, trades: int) -> tuple[int, int]:
        """This many so far."""
        # A counter weighs itself: hashing it for every order would cost more than resting one.
        self.weights.world += ((orders - self.order_count) << 128) + ((trades - self.trade_count) << 192)
        self.order_count, self.trade_count = orders, trades
        return orders, trades

    def _reweigh(self, name: tuple[object, ...], before: int, after: int) -> None:
        """A number of this name changed; one that is 0 weighs nothing, as if it had never been anything else."""
        self.weights.replace_record((*name, before) if before else None, (*name, after) if after else None)

    # ---- subaccounts ----------------------------------------------------------------------------------------------

    def subaccount(self, sender: SubaccountId) -> Subaccount:
        """Of this sender, made on first use."""
        found = self.subaccounts.get(sender)
        if found is None:
            found = self.subaccounts[sender] = Subaccount(sender)
            self.wallet(wallet_of(sender)).subaccounts.append(sender)
        return found

    def wallet(self, address: Address) -> Wallet:
        """Of this address, made on first use."""
        found = self.wallets.get(address)
        if found is None:
            found = self.wallets[address] = Wallet()
        return found

    def set_funded(self, subaccount: Subaccount) -> None:
        """It has had money."""
        if not subaccount.funded:
            self.weights.replace_record(None, ("funded", subaccount.sender))
            subaccount.funded = True

    def set_balance(self, subaccount: Subaccount, product_id: ProductId, amount_x18: int, v_quote_x18: int) -> None:
        """What the subaccount has of a product from here on."""
        holding = subaccount.holding(product_id)
        sender = subaccount.sender
        self.weights.balances += balance_weight(sender, product_id, amount_x18, v_quote_x18) - balance_weight(
            sender, product_id, holding.amount_x18, holding.v_quote_x18
        )
        holding.amount_x18, holding.v_quote_x18 = amount_x18, v_quote_x18
        subaccount.spare_x54 = None
        if product_id != QUOTE:
            self._note_holder(subaccount, product_id, holding)

    def note_deposit(self, product_id: ProductId, delta_x18: int) -> None:
        """The operator put this much in, or took it out."""
        before = self.deposits.get(product_id, 0)
        self._reweigh(("deposits", product_id), before, before + delta_x18)
        self.deposits[product_id] = before + delta_x18

    def link(self, subaccount: Subaccount, linked: Address | None, changes_ms: tuple[int, ...]) -> None:
        """Who signs for it from here on, and when that was changed lately."""
        sender = subaccount.sender
        before = ("linked", sender, subaccount.linked, subaccount.linked_at_ms) if subaccount.linked_at_ms else None
        after = ("linked", sender, linked, changes_ms) if changes_ms else None
        self.weights.replace_record(before, after)
        subaccount.linked, subaccount.linked_at_ms = linked, changes_ms

    def set_tx_nonce(self, address: Address, next_tx_nonce: int) -> None:
        """What the wallet's next transaction must carry."""
        wallet = self.wallet(address)
        self._reweigh(("tx_nonce", address), wallet.next_tx_nonce, next_tx_nonce)
        wallet.next_tx_nonce = next_tx_nonce

    # ---- orders ---------------------------------------------------------------------------------------------------

    def orders_of_wallet(self, address: Address) -> list[ContinuousOrder]:
        """The resting orders of every subaccount of a wallet, oldest first."""
        wallet = self.wallets.get(address)
        senders = wallet.subaccounts if wallet else ()
        found = [order for sender in senders for order in self.subaccounts[sender].orders()]
        return sorted(found, key=lambda order: order.number)

    def rest(self, order: ContinuousOrder) -> None:
        """Put an order on the book and into every index (a new one, or one from a snapshot)."""
        terms = order.terms
        subaccount = self.subaccount(terms.sender)
        holding = subaccount.holding(terms.product_id)
        market = self.markets[terms.product_id]
        if market.book.add(order):
            self._best_moved(market)
        self.orders[terms.digest] = order
        holding.orders[order.number] = order
        subaccount.order_count += 1
        subaccount.spare_x54 = None
        self.expiry.add(order)
        self.weights.orders += order_weight(order)
        self._count(holding, order, order.unfilled_x18)
        market.holders.add(terms.sender)

    def reduce(self, order: ContinuousOrder, size_x18: int) -> None:
        """This much less of a resting order is left; with nothing left it is gone."""
        if size_x18 == order.unfilled_x18:
            self.remove(order)
            order.unfilled_x18 = 0
            return
        terms = order.terms
        self.weights.orders -= order_weight(order)
        order.unfilled_x18 -= size_x18
        self.weights.orders += order_weight(order)
        subaccount = self.subaccounts[terms.sender]
        subaccount.spare_x54 = None
        self._count(subaccount.holdings[terms.product_id], order, -size_x18)

    def remove(self, order: ContinuousOrder) -> None:
        """Take a resting order off the book and out of every index."""
        terms = order.terms
        subaccount = self.subaccounts[terms.sender]
        holding = subaccount.holdings[terms.product_id]
        market = self.markets[terms.product_id]
        if market.book.remove(order):
            self._best_moved(market)
        del self.orders[terms.digest]
        del holding.orders[order.number]
        subaccount.order_count -= 1
        subaccount.spare_x54 = None
        self.expiry.remove(order)
        self.weights.orders -= order_weight(order)
        self._count(holding, order, -order.unfilled_x18)
        if not holding.matters:
            market.holders.discard(terms.sender)

    def _best_moved(self, market: Market) -> None:
        """With a last trade the mark is that, whatever the best prices are (N4)."""
        if market.last_price_x18 is None:
            self.touched.add(market.product.product_id)

    def _count(self, holding: Holding, order: ContinuousOrder, size_x18: int) -> None:
        price_x18 = order.terms.price_x18
        side = holding.buys if order.terms.is_buy else holding.sells
        side.count(price_x18, size_x18, notional_of(price_x18, size_x18))

    def _note_holder(self, subaccount: Subaccount, product_id: ProductId, holding: Holding) -> None:
        holders = self.markets[product_id].holders
        if holding.matters:
            holders.add(subaccount.sender)
        else:
            holders.discard(subaccount.sender)

    # ---- replay protection ----------------------------------------------------------------------------------------

    def use(self, digest: Digest, receive_by_ms: int, now_ms: int) -> None:
        """Never obey this signed request again; forget those that time refuses by now (spec/nado.md 4.3)."""
        for second, forgotten in self.replays.forget_before(now_ms // _MS):
            self.weights.requests -= request_weight(second, forgotten)
        self.remember(digest, -(-receive_by_ms // _MS))

    def remember(self, digest: bytes, second: int) -> None:
        """Remember a request, which is good up to this second at most."""
        self.replays.remember(digest, second)
        self.weights.requests += request_weight(second, digest)
