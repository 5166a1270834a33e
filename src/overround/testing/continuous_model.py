"""The slow, obvious twin of continuous markets: lists, sorts and fractions, written from the specification.

It shares the engine's words (commands, refusals) and none of its code: no index is kept, every question is answered
by looking at everything, and "what if" is answered by doing it to a copy. Feed both the same commands at the same
times and compare what they answer (`answer_of` translates the engine's events) and what they show.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

import msgspec

from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelAndPlace,
    CancelDigests,
    CancelProducts,
    ConfigureContinuous,
    ConfigureProduct,
    LinkSigner,
    SetCollateral,
    SetMaintenance,
    SignedCancel,
    SignedOrder,
    SubmitOrders,
    UpdateProduct,
)
from overround.engine.continuous.events import (
    AnyContinuousEvent,
    CancelFailed,
    OrderEnded,
    OrderEntered,
    OrderTurnedAway,
    Traded,
)
from overround.engine.continuous.product import Product
from overround.engine.continuous.rejections import ContinuousRejection as R
from overround.engine.continuous.rejections import Refusal
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.types import (
    Digest,
    EndCause,
    OrderType,
    ProductId,
    ProductKind,
    SubaccountId,
    TradingStatus,
)
from overround.engine.types import Address

UNIT = 10**18
QUOTE = ProductId(0)
_IMMEDIATE = (OrderType.IOC, OrderType.FOK)


@dataclass
class Answer:
    """What a command led to, without the details that follow from it."""

    refused: R | None = None
    about: Digest | None = None  # the order that a refusal names
    placed: list[tuple[Digest, R | None]] = field(default_factory=list)  # in request order, with the refusal
    trades: list[tuple[Digest, Digest, int, int]] = field(default_factory=list)  # taker, maker, price, size
    ended: list[tuple[Digest, EndCause, int]] = field(default_factory=list)  # with what was left
    not_cancelled: list[tuple[Digest, R]] = field(default_factory=list)


def answer_of(outcome: Sequence[AnyContinuousEvent] | Refusal) -> Answer:
    """The same, as the engine tells it."""
    if isinstance(outcome, Refusal):
        return Answer(refused=outcome.rejection, about=outcome.digest)
    answer = Answer()
    for event in outcome:
        match event:
            case OrderEntered():
                answer.placed.append((event.digest, None))
            case OrderTurnedAway():
                answer.placed.append((event.digest, event.rejection))
            case Traded():
                answer.trades.append((event.taker.digest, event.maker.digest, event.price_x18, event.size_x18))
            case OrderEnded():
                answer.ended.append((event.digest, event.cause, event.unfilled_x18))
            case CancelFailed():
                answer.not_cancelled.append((event.digest, event.rejection))
    return answer


@dataclass
class ModelOrder:
    """A resting order."""

    terms: SignedOrder
    unfilled: int

    @property
    def is_buy(self) -> bool:
        """Which side it is on."""
        return self.terms.amount_x18 > 0


@dataclass
class Balance:
    """What somebody has of a product."""

    amount: int = 0
    v_quote: int = 0


class ContinuousModel:
    """Continuous markets as the specification describes them."""

    def __init__(self) -> None:
        self.rules: ContinuousRules | None = None
        self.maintenance = False
        self.products: dict[ProductId, Product] = {}
        self.prices: dict[ProductId, int] = {}  # last traded, or as the operator said
        self.orders: list[ModelOrder] = []  # resting, oldest first
        self.balances: dict[tuple[SubaccountId, ProductId], Balance] = {}
        self.funded: list[SubaccountId] = []
        self.fees: dict[ProductId, int] = {}
        self.used: list[tuple[SubaccountId, Digest]] = []
        self.linked: dict[SubaccountId, Address | None] = {}
        self.links_ms: dict[SubaccountId, list[int]] = {}
        self.tx_nonces: dict[bytes, int] = {}

    # ---- what it shows --------------------------------------------------------------------------------------------

    def book(self, product_id: ProductId, *, is_buy: bool) -> list[ModelOrder]:
        """One side, best price first, then the earliest."""
        side = [one for one in self.orders if one.terms.product_id == product_id and one.is_buy == is_buy]
        return sorted(side, key=lambda one: -one.terms.price_x18 if is_buy else one.terms.price_x18)  # stable

    def mark(self, product_id: ProductId) -> int:
        """The last price, else the mid, else the start (N4)."""
        if product_id in self.prices:
            return self.prices[product_id]
        bids, asks = self.book(product_id, is_buy=True), self.book(product_id, is_buy=False)
        if bids and asks:
            return (bids[0].terms.price_x18 + asks[0].terms.price_x18) // 2
        return self.products[product_id].start_price_x18

    def marks(self) -> dict[ProductId, int]:
        """All of them."""
        return {one: self.mark(one) for one in self.products if one != QUOTE}

    def balance(self, sender: SubaccountId, product_id: ProductId) -> Balance:
        """What somebody has of a product."""
        return self.balances.setdefault((sender, product_id), Balance())

    def next_deadline_ms(self) -> int | None:
        """When the next order expires."""
        return min([one.terms.expiration_s * 1000 for one in self.orders], default=None)

    # ---- commands -------------------------------------------------------------------------------------------------

    def execute(self, command: AnyContinuousCommand, now_ms: int) -> Answer:
        """Decide one command."""
        match command:
            case ConfigureContinuous():
                self.rules = command.rules
                return Answer()
            case ConfigureProduct():
                return self._configure_product(command.product)
            case UpdateProduct():
                return self._update_product(command)
            case SetCollateral():
                return self._set_collateral(command)
            case SetMaintenance():
                self.maintenance = command.on
                return Answer()
            case LinkSigner():
                return self._link(command, now_ms)
            case SubmitOrders():
                return self._submit(command, now_ms)
            case CancelDigests():
                return self._cancel_digests(command, now_ms)
            case CancelProducts():
                return self._cancel_products(command, now_ms)
            case CancelAndPlace():
                return self._cancel_and_place(command, now_ms)

    def tick(self, now_ms: int) -> Answer:
        """Fire what is due, second by second."""
        answer = Answer()
        while (due_ms := self.next_deadline_ms()) is not None and due_ms <= now_ms:
            due = [one for one in self.orders if one.terms.expiration_s * 1000 == due_ms]
            self._end(due, EndCause.EXPIRED, answer)
            self._enforce(answer)
        return answer

    def cancel_all_of_wallet(self, address: Address) -> Answer:
        """Everything of an address."""
        answer = Answer()
        self._end([one for one in self.orders if one.terms.sender[:20] == address], EndCause.WALLET, answer)
        self._enforce(answer)
        return answer

    # ---- operator -------------------------------------------------------------------------------------------------

    def _configure_product(self, product: Product) -> Answer:
        if not _is_valid(product):
            return Answer(refused=R.PRODUCT_INVALID)
        before = self.products.get(product.product_id)
        if before and before.product_id != QUOTE and self._is_held(product.product_id):
            fixed = [(one.kind, one.tick_x18, one.lot_x18) for one in (before, product)]
            if fixed[0] != fixed[1]:
                return Answer(refused=R.PRODUCT_IN_USE)
        self.products[product.product_id] = product
        return self._enforced()

    def _is_held(self, product_id: ProductId) -> bool:
        has_orders = any(one.terms.product_id == product_id for one in self.orders)
        return has_orders or any(of == product_id and one.amount for (_, of), one in self.balances.items())

    def _update_product(self, command: UpdateProduct) -> Answer:
        before = self.products.get(command.product_id)
        if before is None:
            return Answer(refused=R.PRODUCT_UNKNOWN)
        price = command.mark_x18
        product = msgspec.structs.replace(
            before,
            trading_status=command.trading_status or before.trading_status,
            maker_fee_x18=before.maker_fee_x18 if command.maker_fee_x18 is None else command.maker_fee_x18,
            taker_fee_x18=before.taker_fee_x18 if command.taker_fee_x18 is None else command.taker_fee_x18,
        )
        if not _is_valid(product) or (price is not None and (price <= 0 or command.product_id == QUOTE)):
            return Answer(refused=R.PRODUCT_INVALID)
        self.products[command.product_id] = product
        if price is not None:
            self.prices[command.product_id] = price
        return self._enforced()

    def _set_collateral(self, command: SetCollateral) -> Answer:
        product = self.products.get(command.product_id)
        if product is None and command.product_id != QUOTE:
            return Answer(refused=R.PRODUCT_UNKNOWN)
        if product is not None and product.kind is ProductKind.PERP:
            return Answer(refused=R.NOT_COLLATERAL)
        self.balance(command.subaccount, command.product_id).amount = command.amount_x18
        if command.amount_x18 > 0 and command.subaccount not in self.funded:
            self.funded.append(command.subaccount)
        return self._enforced()

    def _link(self, command: LinkSigner, now_ms: int) -> Answer:
        assert self.rules is not None
        wallet = command.sender[:20]
        if command.tx_nonce != self.tx_nonces.get(wallet, 0):
            return Answer(refused=R.TX_NONCE_WRONG)
        if command.signer != wallet:
            return Answer(refused=R.SIGNER_NOT_AUTHORISED)
        if command.linked is not None and self.linked.get(command.sender) == command.linked:
            return Answer(refused=R.SIGNER_LINKED_ALREADY)
        all_ms = self.links_ms.setdefault(command.sender, [])
        recent = [one for one in all_ms if now_ms - one < self.rules.signer_updates_window_ms]
        if len(recent) >= self.rules.signer_updates_max:
            return Answer(refused=R.SIGNER_UPDATES_EXHAUSTED)
        all_ms.append(now_ms)
        self.linked[command.sender] = command.linked
        self.tx_nonces[wallet] = command.tx_nonce + 1
        return Answer()

    # ---- signed requests (N7) -------------------------------------------------------------------------------------

    def _refusals(
        self, sender: SubaccountId, digest: Digest, receive_by_ms: int, signer: Address, now_ms: int
    ) -> tuple[R | None, R | None, R | None]:
        """Of time, of replay, of signature."""
        assert self.rules is not None
        time = None
        if receive_by_ms <= now_ms:
            time = R.RECEIVED_LATE
        elif receive_by_ms - now_ms > self.rules.receive_window_ms:
            time = R.RECEIVED_EARLY
        replay = R.DIGEST_USED if (sender, digest) in self.used else None
        may_sign = [sender[:20], self.linked.get(sender)]
        return time, replay, None if signer in may_sign else R.SIGNER_NOT_AUTHORISED

    def _product_refusal(self, terms: SignedOrder) -> R | None:
        if self.maintenance:
            return R.MAINTENANCE
        if terms.product_id == QUOTE:
            return R.MARKET_UNKNOWN
        return None if terms.product_id in self.products else R.PRODUCT_UNKNOWN

    # ---- placing (5.4, 5.5) ---------------------------------------------------------------------------------------

    def _submit(self, command: SubmitOrders, now_ms: int) -> Answer:
        answer = Answer()
        for terms in command.orders:
            of_request = self._refusals(terms.sender, terms.digest, terms.receive_by_ms, terms.signer, now_ms)
            refused = _first([self._product_refusal(terms), *of_request]) or self._judge(terms, now_ms)
            answer.placed.append((terms.digest, refused))
            if refused is None:
                self.used.append((terms.sender, terms.digest))
                self._match(terms, answer)
                self._enforce(answer)
            elif refused in (R.NOTHING_TO_MATCH, R.NOT_FILLED_COMPLETELY):
                self.used.append((terms.sender, terms.digest))  # N9
            if refused is not None and command.stop_on_failure:
                break
        return answer

    def _judge(self, terms: SignedOrder, now_ms: int, gone: Sequence[ModelOrder] = ()) -> R | None:
        """Why this order is not taken now, were some orders gone: try it in a copy of everything."""
        trial = copy(self)
        trial.orders = [copy(one) for one in self.orders if one not in gone]
        trial.balances = {key: copy(one) for key, one in self.balances.items()}
        trial.prices, trial.fees = dict(self.prices), dict(self.fees)
        if refused := trial._refusal(terms, now_ms, self):
            return refused
        trial._match(terms, Answer())
        return None if trial._is_affordable(terms, self) else R.MARGIN_INSUFFICIENT

    def _refusal(self, terms: SignedOrder, now_ms: int, before: ContinuousModel) -> R | None:
        """Why this order is not taken, whatever it costs; prices are those of `before`."""
        assert self.rules is not None
        product, size = self.products[terms.product_id], abs(terms.amount_x18)
        position = self.balance(terms.sender, terms.product_id).amount if product.kind is ProductKind.PERP else 0
        flat_or_closer = position * terms.amount_x18 < 0 and size <= abs(position)
        if self._is_blocked(product, terms, flat_or_closer):
            return R.MARKET_BLOCKED
        if terms.expiration_s * 1000 <= now_ms:
            return R.ORDER_EXPIRED
        if terms.price_x18 <= 0:
            return R.PRICE_NOT_POSITIVE
        if terms.price_x18 % product.tick_x18 != 0:
            return R.PRICE_OFF_TICK
        if size == 0:
            return R.AMOUNT_ZERO
        if size % product.lot_x18 != 0:
            return R.AMOUNT_OFF_LOT
        if Fraction(terms.price_x18, UNIT) * size < product.notional_min_x18:
            return R.NOTIONAL_TOO_SMALL
        low, high = self.rules.band_low_x18, self.rules.band_high_x18
        if (low, high) != (0, 0) and not low <= Fraction(terms.price_x18 * UNIT, before.mark(terms.product_id)) <= high:
            return R.PRICE_OUTSIDE_BAND
        mine = [one for one in self.orders if (one.terms.sender, one.terms.product_id) == _place(terms)]
        if terms.order_type not in _IMMEDIATE and len(mine) >= self.rules.open_orders_max:
            return R.OPEN_ORDERS_EXHAUSTED
        met = self._met(terms)
        if terms.order_type is OrderType.POST_ONLY and met:
            return R.POST_ONLY_CROSSES
        if terms.reduce_only and not flat_or_closer:
            return R.REDUCE_ONLY_INCREASES
        if terms.reduce_only and terms.order_type not in _IMMEDIATE:
            return R.REDUCE_ONLY_RESTS
        if terms.sender not in self.funded:
            return R.NO_PRIOR_DEPOSIT
        on_offer = sum(one.unfilled for one in met if one.terms.sender != terms.sender)
        if terms.order_type is OrderType.IOC and on_offer == 0:
            return R.NOTHING_TO_MATCH
        if terms.order_type is OrderType.FOK and on_offer < size:
            return R.NOT_FILLED_COMPLETELY
        return None

    def _is_blocked(self, product: Product, terms: SignedOrder, flat_or_closer: bool) -> bool:
        match product.trading_status:
            case TradingStatus.LIVE:
                return False
            case TradingStatus.POST_ONLY:
                return terms.order_type is not OrderType.POST_ONLY
            case TradingStatus.NOT_TRADABLE:
                return True
            case TradingStatus.REDUCE_ONLY:
                return not terms.reduce_only
            case TradingStatus.SOFT_REDUCE_ONLY:
                return not (terms.reduce_only or flat_or_closer)

    def _met(self, terms: SignedOrder) -> list[ModelOrder]:
        """Everybody on the other side whose price is good enough, own orders included."""
        is_buy = terms.amount_x18 > 0
        return [
            one
            for one in self.book(terms.product_id, is_buy=not is_buy)
            if (one.terms.price_x18 <= terms.price_x18 if is_buy else one.terms.price_x18 >= terms.price_x18)
        ]

    def _match(self, terms: SignedOrder, answer: Answer) -> None:
        left = abs(terms.amount_x18)
        for maker in self._met(terms):
            if left == 0:
                break
            if maker.terms.sender == terms.sender:
                self._end([maker], EndCause.SELF_TRADE, answer)
                continue
            size = min(left, maker.unfilled)
            left -= size
            maker.unfilled -= size
            price = maker.terms.price_x18
            answer.trades.append((terms.digest, maker.terms.digest, price, size))
            for one, is_taker in ((terms, True), (maker.terms, False)):
                self._pay(one, size, price, is_taker=is_taker)
            self.prices[terms.product_id] = price
            if maker.unfilled == 0:
                self.orders.remove(maker)
        if left and terms.order_type in _IMMEDIATE:
            answer.ended.append((terms.digest, EndCause.UNMATCHED, left))
        elif left:
            self.orders.append(ModelOrder(terms, left))

    def _pay(self, terms: SignedOrder, size: int, price: int, *, is_taker: bool) -> None:
        product = self.products[terms.product_id]
        amount = size if terms.amount_x18 > 0 else -size
        cost = Fraction(amount * price, UNIT)
        assert cost.denominator == 1
        rate = Fraction(product.taker_fee_x18 if is_taker else product.maker_fee_x18, UNIT)
        fee = ceil(abs(cost) * rate)
        mine, quote = self.balance(terms.sender, terms.product_id), self.balance(terms.sender, QUOTE)
        quote.amount -= fee
        self.fees[terms.product_id] = self.fees.get(terms.product_id, 0) + fee
        mine.amount += amount
        if product.kind is ProductKind.SPOT:
            quote.amount -= int(cost)
            return
        mine.v_quote -= int(cost)
        if mine.amount == 0:
            quote.amount += mine.v_quote
            mine.v_quote = 0

    # ---- margin (N2) ----------------------------------------------------------------------------------------------

    def slack(self, sender: SubaccountId, marks: dict[ProductId, int]) -> Fraction:
        """Equity beyond what is required."""
        equity = Fraction(self.balance(sender, QUOTE).amount)
        required = Fraction(0)
        for product_id, product in self.products.items():
            if product_id == QUOTE:
                continue
            mine, mark = self.balance(sender, product_id), Fraction(marks[product_id], UNIT)
            equity += mine.amount * mark + mine.v_quote
            orders = self._orders_of(sender, product_id)
            buys = sum(one.unfilled for one in orders if one.is_buy)
            sells = sum(one.unfilled for one in orders if not one.is_buy)
            if product.kind is ProductKind.PERP:
                worst = []
                for size in (mine.amount + buys, mine.amount - sells):
                    weight = product.long_weight_x18 if size >= 0 else product.short_weight_x18
                    worst.append(abs(1 - Fraction(weight, UNIT)) * mark * abs(size))
                required += max(worst)
            required += sum((self._adverse(one, mark) for one in orders), Fraction(0))
        return equity - required

    def _adverse(self, order: ModelOrder, mark: Fraction) -> Fraction:
        distance = Fraction(order.terms.price_x18, UNIT) - mark
        return max(Fraction(0), distance if order.is_buy else -distance) * order.unfilled

    def _orders_of(self, sender: SubaccountId, product_id: ProductId) -> list[ModelOrder]:
        return [one for one in self.orders if (one.terms.sender, one.terms.product_id) == (sender, product_id)]

    def _missing_quote(self, sender: SubaccountId) -> bool:
        """Whether the spot buys of somebody would pay more than there is."""
        reserved = 0
        for product_id, product in self.products.items():
            if product_id == QUOTE or product.kind is ProductKind.PERP:
                continue
            buys = [one for one in self._orders_of(sender, product_id) if one.is_buy]
            notional = sum((Fraction(one.unfilled * one.terms.price_x18, UNIT) for one in buys), Fraction(0))
            reserved += ceil(notional) + ceil(notional * max(0, product.maker_fee_x18) / UNIT)
        return reserved > 0 and reserved > self.balance(sender, QUOTE).amount

    def _missing_base(self, sender: SubaccountId, product_id: ProductId) -> bool:
        """Whether the spot sells of somebody would deliver more than there is."""
        if product_id == QUOTE or self.products[product_id].kind is ProductKind.PERP:
            return False
        sells = sum(one.unfilled for one in self._orders_of(sender, product_id) if not one.is_buy)
        return sells > 0 and sells > self.balance(sender, product_id).amount

    def _is_short(self, sender: SubaccountId) -> bool:
        return (
            self.slack(sender, self.marks()) < 0
            or self._missing_quote(sender)
            or any(self._missing_base(sender, one) for one in self.products)
        )

    def _is_affordable(self, terms: SignedOrder, before: ContinuousModel) -> bool:
        """Asked of a copy in which it was done; `before` is how it was, and its marks count."""
        sender, product, marks = terms.sender, self.products[terms.product_id], before.marks()
        slack, slack_before = self.slack(sender, marks), before.slack(sender, marks)
        if product.kind is ProductKind.SPOT:
            if terms.amount_x18 > 0:
                has_it = not self._missing_quote(sender) and self.balance(sender, QUOTE).amount >= 0
            else:
                has_it = self.balance(sender, terms.product_id).amount >= 0
                has_it = has_it and not self._missing_base(sender, terms.product_id)
            return has_it and (slack >= 0 or slack >= slack_before)
        if slack >= 0 and before.balance(sender, QUOTE).amount >= 0:
            return True
        position = before.balance(sender, terms.product_id).amount
        others = [one for one in self._orders_of(sender, terms.product_id) if one.terms.digest != terms.digest]
        same_side = sum(one.unfilled for one in others if one.is_buy == (terms.amount_x18 > 0))
        closes = position * terms.amount_x18 < 0 and abs(terms.amount_x18) + same_side <= abs(position)
        return closes and slack >= slack_before

    def _enforced(self) -> Answer:
        answer = Answer()
        self._enforce(answer)
        return answer

    def _enforce(self, answer: Answer) -> None:
        """While anybody is short of something that taking an order off helps with: the smallest identity first."""
        while any(self._trim(sender, answer) for sender in sorted({one.terms.sender for one in self.orders})):
            pass

    def _trim(self, sender: SubaccountId, answer: Answer) -> bool:
        trimmed = False
        for order in reversed([one for one in self.orders if one.terms.sender == sender]):
            if not self._is_short(sender):
                break
            if self._adds_risk(order):
                self._end([order], EndCause.MARGIN, answer)
                trimmed = True
        return trimmed

    def _adds_risk(self, order: ModelOrder) -> bool:
        sender, product_id = order.terms.sender, order.terms.product_id
        orders, opens = self._orders_of(sender, product_id), False
        if self.products[product_id].kind is ProductKind.SPOT:
            if self._missing_quote(sender) if order.is_buy else self._missing_base(sender, product_id):
                return True
        else:
            same_side = sum(one.unfilled for one in orders if one.is_buy == order.is_buy)
            amount = self.balance(sender, product_id).amount
            opens = amount + same_side > 0 if order.is_buy else amount - same_side < 0
        adverse = self._adverse(order, Fraction(self.mark(product_id), UNIT)) > 0
        return (opens or adverse) and self.slack(sender, self.marks()) < 0

    # ---- cancelling (7.1, 7.2, 7.5) -------------------------------------------------------------------------------

    def _end(self, orders: Iterable[ModelOrder], cause: EndCause, answer: Answer) -> None:
        for order in list(orders):
            self.orders.remove(order)
            answer.ended.append((order.terms.digest, cause, order.unfilled))

    def _cancel_refusals(self, cancel: SignedCancel, now_ms: int) -> tuple[R | None, R | None, R | None]:
        return self._refusals(cancel.sender, cancel.digest, cancel.receive_by_ms, cancel.signer, now_ms)

    def _find(self, command: CancelDigests) -> tuple[list[ModelOrder], list[tuple[Digest, R]]]:
        found: list[ModelOrder] = []
        failed: list[tuple[Digest, R]] = []
        for product_id, digest in command.orders:
            named = [one for one in self._named(product_id, digest) if one not in found]
            if not named:
                failed.append((digest, R.ORDER_NOT_FOUND))
            elif named[0].terms.sender != command.sender:
                failed.append((digest, R.ORDER_OF_OTHER_SUBACCOUNT))
            elif command.required_unfilled_x18 is not None and named[0].unfilled != abs(command.required_unfilled_x18):
                failed.append((digest, R.UNFILLED_DIFFERS))
            else:
                found += named
        return found, failed

    def _named(self, product_id: ProductId, digest: Digest) -> list[ModelOrder]:
        return [one for one in self.orders if (one.terms.product_id, one.terms.digest) == (product_id, digest)]

    def _cancel_digests(self, command: CancelDigests, now_ms: int) -> Answer:
        assert self.rules is not None
        if refused := _first(self._cancel_refusals(command, now_ms)):
            return Answer(refused=refused)
        found, failed = self._find(command)
        if failed and (not self.rules.partial_cancels or not found):
            return Answer(refused=failed[0][1], about=failed[0][0])
        self.used.append((command.sender, command.digest))
        answer = Answer(not_cancelled=failed)
        self._end(found, EndCause.CANCELLED, answer)
        self._enforce(answer)
        return answer

    def _cancel_products(self, command: CancelProducts, now_ms: int) -> Answer:
        if any(one != QUOTE and one not in self.products for one in command.product_ids):
            return Answer(refused=R.PRODUCT_UNKNOWN)
        if refused := _first(self._cancel_refusals(command, now_ms)):
            return Answer(refused=refused)
        self.used.append((command.sender, command.digest))
        answer = Answer()
        mine = [one for one in self.orders if one.terms.sender == command.sender]
        wanted = [one for one in mine if not command.product_ids or one.terms.product_id in command.product_ids]
        self._end(wanted, EndCause.CANCELLED, answer)
        self._enforce(answer)
        return answer

    def _cancel_and_place(self, command: CancelAndPlace, now_ms: int) -> Answer:
        """The cancel is done to a copy, the order is judged there."""
        assert self.rules is not None
        cancel, terms = command.cancel, command.order
        of_cancel = self._cancel_refusals(cancel, now_ms)
        of_order = self._refusals(terms.sender, terms.digest, terms.receive_by_ms, terms.signer, now_ms)
        in_turn = [one for pair in zip(of_cancel[:2], of_order[:2], strict=True) for one in pair]
        if refused := _first([self._product_refusal(terms), *in_turn]):
            return Answer(refused=refused)
        if (cancel.sender, cancel.signer) != (terms.sender, terms.signer):
            return Answer(refused=R.SENDERS_OR_SIGNERS_DIFFER)
        if of_order[2]:
            return Answer(refused=of_order[2])
        found, failed = self._find(cancel)
        if failed and not self.rules.partial_cancels:
            found = []
        filled = [one for one in found if one.unfilled != abs(one.terms.amount_x18)]
        if command.requires_unfilled and (failed or filled):
            return Answer(refused=R.UNFILLED_DIFFERS)
        answer = Answer(not_cancelled=failed)
        refused = self._judge(terms, now_ms, found)
        if refused in (R.NOTHING_TO_MATCH, R.NOT_FILLED_COMPLETELY):
            self.used.append((terms.sender, terms.digest))
            return Answer(placed=[(terms.digest, refused)])
        if refused:
            return Answer(refused=refused, about=terms.digest)
        self.used += [(cancel.sender, cancel.digest), (terms.sender, terms.digest)]
        self._end(found, EndCause.CANCELLED, answer)
        answer.placed.append((terms.digest, None))
        self._match(terms, answer)
        self._enforce(answer)
        return answer


def _first(refusals: Iterable[R | None]) -> R | None:
    return next((one for one in refusals if one is not None), None)


def _place(terms: SignedOrder) -> tuple[SubaccountId, ProductId]:
    return terms.sender, terms.product_id


def _is_valid(product: Product) -> bool:
    if product.product_id == QUOTE:
        return product.kind is ProductKind.SPOT
    return (
        product.tick_x18 > 0
        and product.lot_x18 > 0
        and Fraction(product.tick_x18 * product.lot_x18, UNIT).denominator == 1
        and all(-UNIT < rate < UNIT for rate in (product.maker_fee_x18, product.taker_fee_x18))
        and min(product.long_weight_x18, product.short_weight_x18, product.notional_min_x18) >= 0
        and product.start_price_x18 > 0
    )
