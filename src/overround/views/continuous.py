"""Continuous markets as the outside sees them (`spec/nado.md` 8, 11): orders, books, balances, products, signers.

Seeded from a recovered engine, then fed with every durable record. What a record did to it, in the words that streams
need, is a `ContinuousChanges`; `protocols/nado/following.py` makes events of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from overround.engine.continuous.commands import CancelAndPlace, SignedCancel, SignedOrder, SubmitOrders
from overround.engine.continuous.events import (
    ContinuousConfigured,
    MaintenanceSet,
    MarkChanged,
    OrderEnded,
    OrderEntered,
    OrderRested,
    OrderTurnedAway,
    PositionChanged,
    ProductSet,
    SignerLinked,
    Traded,
)
from overround.engine.continuous.product import Product
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.state import ContinuousState
from overround.engine.continuous.types import (
    X18,
    Digest,
    EndCause,
    PositionReason,
    ProductId,
    SubaccountId,
    wallet_of,
)
from overround.engine.record import Record
from overround.engine.types import Address
from overround.views.changes import BookMove, ContinuousChanges
from overround.views.depth import NS_PER_MS, Depth, clock_after
from overround.views.resting import Balance, RestingOrder

CANCELS_KEPT: Final = 4_096  # answers to cancels that nobody has asked for yet; a commit has at most 1,000 commands
_MS: Final = 1_000


NO_BALANCE: Final = Balance()
_Rows = dict[Digest, RestingOrder]


class Continuous:
    """The read model. Everything is public on the original, so nothing here asks who is asking."""

    def __init__(self) -> None:
        self.rules: ContinuousRules | None = None
        self.maintenance = False
        self.products: dict[ProductId, Product] = {}
        self.marks: dict[ProductId, int] = {}  # x 10^18 (N4)
        self.books: dict[ProductId, Depth] = {}  # of every product that has one
        self.last_trades: dict[ProductId, Traded] = {}  # since the process started
        self.fees_x18: dict[ProductId, int] = {}  # collected, in quote
        self.open_interest_x18: dict[ProductId, int] = {}  # of perps: what is held long, all in all
        self.orders: _Rows = {}  # open ones by digest, in the order of acceptance
        self.balances: dict[SubaccountId, dict[ProductId, Balance]] = {}
        self.funded: set[SubaccountId] = set()  # subaccounts that ever had something
        self.linked: dict[SubaccountId, Address] = {}  # who signs beside the wallet
        self.tx_nonces: dict[Address, int] = {}  # next ones, by wallet
        self._used: dict[bytes, int] = {}  # signed requests that were obeyed: until when they are good, ms
        self._by_sender: dict[SubaccountId, dict[ProductId, _Rows]] = {}
        self._senders: dict[Address, dict[SubaccountId, None]] = {}  # subaccounts with open orders, by wallet
        self._cancelled: dict[int, list[RestingOrder]] = {}  # by seq of the record, until they are taken
        self._changes: ContinuousChanges | None = None
        self.on_event: Final[dict[type, Any]] = {
            ContinuousConfigured: self._on_configured,
            ProductSet: self._on_product,
            MarkChanged: self._on_mark,
            MaintenanceSet: self._on_maintenance,
            SignerLinked: self._on_linked,
            OrderEntered: self._on_entered,
            OrderTurnedAway: self._on_turned_away,
            Traded: self._on_traded,
            OrderRested: self._on_rested,
            OrderEnded: self._on_ended,
            PositionChanged: self._on_position,
        }

    # ---- asking ---------------------------------------------------------------------------------------------------

    def orders_of(self, sender: SubaccountId, product_id: ProductId) -> list[RestingOrder]:
        """A subaccount's open orders on one product, oldest first."""
        return list(self._by_sender.get(sender, {}).get(product_id, {}).values())

    def all_orders_of(self, sender: SubaccountId) -> list[RestingOrder]:
        """A subaccount's open orders on every product, oldest first."""
        rows = [row for rows in self._by_sender.get(sender, {}).values() for row in rows.values()]
        return sorted(rows, key=lambda row: row.number)

    def orders_of_wallet(self, address: Address) -> list[RestingOrder]:
        """The open orders of every subaccount of a wallet, oldest first."""
        rows = [row for sender in self._senders.get(address, ()) for row in self.all_orders_of(sender)]
        return sorted(rows, key=lambda row: row.number)

    def balance(self, sender: SubaccountId, product_id: ProductId) -> Balance:
        """What a subaccount has of a product; zeros where it never had anything."""
        return self.balances.get(sender, {}).get(product_id, NO_BALANCE)

    def is_used(self, digest: bytes) -> bool:
        """Whether this signed request was obeyed already: a cheap look before its signature is recovered (C5)."""
        return digest in self._used or digest in self.orders

    def take_cancelled(self, record: Record) -> list[RestingOrder]:
        """The orders that a signed cancel took off, as they were then, in the order of its list. Once.

        To be asked as soon as the cancel was answered; those of cancels that nobody asks about are forgotten.
        """
        return self._cancelled.pop(record.seq, [])

    def tradable(self) -> Iterator[Product]:
        """Products that have a book."""
        return (product for product in self.products.values() if product.has_book)

    # ---- feeding --------------------------------------------------------------------------------------------------

    def seed(self, state: ContinuousState, time_ms: int) -> None:
        """Take over a recovered engine's memory."""
        self.rules, self.maintenance = state.rules, state.maintenance
        for product_id, market in state.markets.items():
            self._put_product(market.product, clock_after(time_ms))
            self.marks[product_id] = market.mark_x18
            self.fees_x18[product_id] = market.fees_x18
        for sender, subaccount in state.subaccounts.items():
            if subaccount.funded:
                self.funded.add(sender)
            if subaccount.linked is not None:
                self.linked[sender] = subaccount.linked
            for product_id, holding in subaccount.holdings.items():
                if holding.amount_x18 or holding.v_quote_x18:
                    self._set_balance(sender, product_id, Balance(holding.amount_x18, holding.v_quote_x18))
        self.tx_nonces = {one: wallet.next_tx_nonce for one, wallet in state.wallets.items() if wallet.next_tx_nonce}
        for order in state.orders.values():
            terms = order.terms
            self.books[terms.product_id].side(is_bid=terms.is_buy).count(terms.price_x18, order.unfilled_x18)
            self._index(RestingOrder(terms, order.number, order.placed_at_ms, order.unfilled_x18))
        for second, key in state.replays.items():
            self._used[key] = second * _MS

    def on_cancel(self, record: Record) -> None:
        """A signed cancel was obeyed, whatever it found."""
        command: SignedCancel = record.command  # type: ignore[assignment]
        self._use(command.digest, command.receive_by_ms, record.time_ms)

    def finish(self, record: Record) -> ContinuousChanges | None:
        """After the last event of a record: what it did, if it did anything here."""
        changes, self._changes = self._changes, None
        if changes is None:
            return None
        for product_id, (bids, asks) in changes.touched.items():
            book = self.books[product_id]
            if book.bids.differs_from(bids) or book.asks.differs_from(asks):
                last_ns = book.changed_ns
                book.changed_ns = max(record.time_ms * NS_PER_MS, last_ns + 1)
                changes.moves.append(BookMove(book, bids, asks, book.changed_ns, last_ns))
        if changes.cancelled and isinstance(record.command, SignedCancel):
            if len(self._cancelled) >= CANCELS_KEPT:
                del self._cancelled[next(iter(self._cancelled))]
            self._cancelled[record.seq] = changes.cancelled
        return changes

    def _begun(self) -> ContinuousChanges:
        """What the record under way has done so far."""
        if self._changes is None:
            self._changes = ContinuousChanges()
        return self._changes

    # ---- the world ------------------------------------------------------------------------------------------------

    def _on_configured(self, record: Record, event: ContinuousConfigured) -> None:
        del record
        self.rules = event.rules

    def _on_maintenance(self, record: Record, event: MaintenanceSet) -> None:
        del record
        self.maintenance = event.on

    def _on_product(self, record: Record, event: ProductSet) -> None:
        self._put_product(event.product, record.time_ms * NS_PER_MS)

    def _put_product(self, product: Product, clock_ns: int) -> None:
        product_id = product.product_id
        if product_id not in self.products:
            self.marks[product_id] = product.start_price_x18 if product.has_book else X18
            self.fees_x18[product_id] = 0
            self.open_interest_x18[product_id] = 0
            if product.has_book:
                self.books[product_id] = Depth(product_id, clock_ns)
        self.products[product_id] = product

    def _on_mark(self, record: Record, event: MarkChanged) -> None:
        del record
        self.marks[event.product_id] = event.mark_x18

    def _on_linked(self, record: Record, event: SignerLinked) -> None:
        del record
        if event.linked is None:
            self.linked.pop(event.subaccount, None)
        else:
            self.linked[event.subaccount] = event.linked
        self.tx_nonces[wallet_of(event.subaccount)] = event.next_tx_nonce

    # ---- balances -------------------------------------------------------------------------------------------------

    def _on_position(self, record: Record, event: PositionChanged) -> None:
        del record
        self._begun()
        if event.reason is PositionReason.DEPOSIT and event.amount_x18 > 0:
            self.funded.add(event.subaccount)
        self._set_balance(event.subaccount, event.product_id, Balance(event.amount_x18, event.v_quote_x18))

    def _set_balance(self, sender: SubaccountId, product_id: ProductId, balance: Balance) -> None:
        balances = self.balances.setdefault(sender, {})
        product = self.products.get(product_id)
        if product is not None and product.is_perp:
            before = balances.get(product_id, NO_BALANCE).amount_x18
            self.open_interest_x18[product_id] += max(balance.amount_x18, 0) - max(before, 0)
        balances[product_id] = balance

    # ---- orders ---------------------------------------------------------------------------------------------------

    def _on_entered(self, record: Record, event: OrderEntered) -> None:
        terms = submitted(record, event.index)
        self._begun().entered[event.digest] = (event.number, event.placed_at_ms)
        self._begun().terms[event.digest] = terms
        self._use(terms.digest, terms.receive_by_ms, record.time_ms)
        if isinstance(record.command, CancelAndPlace):
            cancel = record.command.cancel
            self._use(cancel.digest, cancel.receive_by_ms, record.time_ms)

    def _on_turned_away(self, record: Record, event: OrderTurnedAway) -> None:
        if event.burnt:
            terms = submitted(record, event.index)
            self._begun().terms[event.digest] = terms
            self._use(terms.digest, terms.receive_by_ms, record.time_ms)

    def _on_traded(self, record: Record, event: Traded) -> None:
        del record
        changes = self._begun()
        row = self.orders[event.maker.digest]
        changes.terms[event.maker.digest] = row.terms
        self._count(row.terms, -event.size_x18)
        if event.maker.unfilled_x18:
            self._put(msgspec.structs.replace(row, unfilled_x18=event.maker.unfilled_x18))
        else:
            self._remove(row)
        self.last_trades[event.product_id] = event
        self.fees_x18[event.product_id] += event.taker.fee_x18 + event.maker.fee_x18

    def _on_rested(self, record: Record, event: OrderRested) -> None:
        del record
        changes = self._begun()
        number, placed_at_ms = changes.entered[event.digest]
        row = RestingOrder(changes.terms[event.digest], number, placed_at_ms, event.unfilled_x18)
        self._count(row.terms, row.unfilled_x18)
        self._index(row)

    def _on_ended(self, record: Record, event: OrderEnded) -> None:
        del record
        changes = self._begun()
        row = self.orders.get(event.digest)
        if row is None:
            return  # an immediate order: it never rested
        changes.terms[event.digest] = row.terms
        self._count(row.terms, -row.unfilled_x18)
        self._remove(row)
        if event.cause is EndCause.CANCELLED:
            changes.cancelled.append(row)

    def _index(self, row: RestingOrder) -> None:
        terms = row.terms
        self._senders.setdefault(wallet_of(terms.sender), {})[terms.sender] = None
        self._put(row)

    def _put(self, row: RestingOrder) -> None:
        terms = row.terms
        self.orders[terms.digest] = row
        self._by_sender.setdefault(terms.sender, {}).setdefault(terms.product_id, {})[terms.digest] = row

    def _remove(self, row: RestingOrder) -> None:
        terms = row.terms
        del self.orders[terms.digest]
        products = self._by_sender[terms.sender]
        rows = products[terms.product_id]
        del rows[terms.digest]
        if rows:
            return
        del products[terms.product_id]
        if not products:
            del self._by_sender[terms.sender]
            wallet = wallet_of(terms.sender)
            del self._senders[wallet][terms.sender]
            if not self._senders[wallet]:
                del self._senders[wallet]

    def _count(self, terms: SignedOrder, size_x18: int) -> None:
        """This much more at the order's level, or less where it is negative; what was there before is kept."""
        touched = self._begun().touched
        levels = touched.get(terms.product_id)
        if levels is None:
            levels = touched[terms.product_id] = ({}, {})
        book, price_x18 = self.books[terms.product_id], terms.price_x18
        side, before = (book.bids, levels[0]) if terms.is_buy else (book.asks, levels[1])
        size_before = side.count(price_x18, size_x18)
        if price_x18 not in before:
            before[price_x18] = size_before

    # ---- replay protection ----------------------------------------------------------------------------------------

    def _use(self, digest: Digest, receive_by_ms: int, now_ms: int) -> None:
        """Remember a request, and forget the oldest while time refuses them: no sooner than the engine does, and a
        window later at most."""
        used, refused_ms = self._used, now_ms - _MS
        used[digest] = receive_by_ms
        while next(iter(used.values())) < refused_ms:
            del used[next(iter(used))]


def submitted(record: Record, index: int) -> SignedOrder:
    """What was signed, for order number `index` of a record that placed orders."""
    command = record.command
    if isinstance(command, CancelAndPlace):
        return command.order
    assert isinstance(command, SubmitOrders)
    return command.orders[index]
