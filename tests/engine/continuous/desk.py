"""A trading desk in front of continuous markets: short words for what tests say all the time.

Sizes and prices are small whole numbers, times are seconds. The desk's clock moves with `wait` only, and what is due
fires on the way. Everything that is done is checked: the invariants hold, an event survives the journal's codec, a
refusal changes nothing.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import count
from typing import Any, Final

import msgspec

from overround.engine.continuous import engine, invariants
from overround.engine.continuous.commands import (
    AnyContinuousCommand,
    CancelAndPlace,
    CancelDigests,
    CancelProducts,
    ConfigureContinuous,
    ConfigureProduct,
    SetCollateral,
    SignedOrder,
    SubmitOrders,
    UpdateProduct,
)
from overround.engine.continuous.engine import ContinuousState
from overround.engine.continuous.events import AnyContinuousEvent, OrderTurnedAway
from overround.engine.continuous.product import Product
from overround.engine.continuous.rejections import ContinuousRejection, Refusal
from overround.engine.continuous.rules import ContinuousRules
from overround.engine.continuous.snapshot import AnyContinuousSection
from overround.engine.continuous.types import (
    QUOTE,
    X18,
    Digest,
    OrderType,
    ProductId,
    ProductKind,
    SubaccountId,
    wallet_of,
)
from overround.engine.types import Address
from overround.testing.continuous_model import Answer, answer_of

START_MS: Final = 1_790_000_000_000
NEVER_S: Final = 2**32 - 1


def digest_of(*parts: object) -> Digest:
    """Always the same for the same words."""
    return Digest(sha256(repr(parts).encode()).digest())


def subaccount(name: str, account: str = "default") -> SubaccountId:
    """A wallet of this name, and an account of that."""
    return SubaccountId(digest_of(name)[:20] + account.encode().ljust(12, b"\0"))


ALICE, BOB, CAROL = (subaccount(name) for name in ("alice", "bob", "carol"))
OTHER_OF_ALICE = subaccount("alice", "other")
POOR = subaccount("poor")  # never had anything


def product(product_id: int, symbol: str, kind: ProductKind, **given: Any) -> Product:
    """Whole prices, whole sizes, worth at least 100; the price starts at 100."""
    terms: dict[str, Any] = {
        "tick_x18": X18, "lot_x18": X18, "notional_min_x18": 60 * X18, "start_price_x18": 100 * X18
    }  # fmt: skip
    return Product(product_id=ProductId(product_id), symbol=symbol, kind=kind, **{**terms, **given})


USDT = product(0, "USDT0", ProductKind.SPOT)
BTC = product(1, "BTC", ProductKind.SPOT)
BTC_PERP = product(2, "BTC-PERP", ProductKind.PERP, long_weight_x18=X18 * 95 // 100, short_weight_x18=X18 * 105 // 100)
ETH = product(3, "ETH", ProductKind.SPOT, long_weight_x18=X18 * 9 // 10, short_weight_x18=X18 * 11 // 10)
ETH_PERP = product(4, "ETH-PERP", ProductKind.PERP, long_weight_x18=X18 * 8 // 10, short_weight_x18=X18 * 13 // 10)
PERP, SPOT = BTC_PERP.product_id, ETH.product_id
RULES = ContinuousRules(chain_id=763373, endpoint=Address(digest_of("endpoint")[:20]))

_encode_events = msgspec.json.Encoder().encode
_decode_events = msgspec.json.Decoder(list[AnyContinuousEvent]).decode
_encode_command = msgspec.json.Encoder().encode
_decode_command = msgspec.json.Decoder(AnyContinuousCommand).decode
_decode_sections = msgspec.json.Decoder(list[AnyContinuousSection]).decode


class Desk:
    """Alice, her other account and Bob have 100,000 quote and 10 ETH each."""

    def __init__(self, rules: ContinuousRules = RULES) -> None:
        self.state = ContinuousState()
        self.now_ms = START_MS
        self._ids = count(1)
        self.do(ConfigureContinuous(rules=rules))
        for one in (USDT, BTC, BTC_PERP, ETH, ETH_PERP):
            self.do(ConfigureProduct(product=one))
        for sender in (ALICE, OTHER_OF_ALICE, BOB):
            self.fund(sender, 100_000)
            self.fund(sender, 10, SPOT)

    # ---- doing ----------------------------------------------------------------------------------------------------

    def execute(self, command: AnyContinuousCommand) -> engine.Outcome:
        """Decide a command as it would come back from a journal."""
        assert _decode_command(_encode_command(command)) == command
        before = engine.digest(self.state)
        outcome = engine.execute(self.state, command, self.now_ms)
        invariants.check(self.state)
        if isinstance(outcome, Refusal):
            assert engine.digest(self.state) == before, "a refusal changed something"
        else:
            assert _decode_events(_encode_events(outcome)) == outcome
        return outcome

    def events(self, command: AnyContinuousCommand) -> list[AnyContinuousEvent]:
        """What happened; it must not be refused."""
        outcome = self.execute(command)
        assert not isinstance(outcome, Refusal), outcome
        return outcome

    def do(self, command: AnyContinuousCommand) -> Answer:
        """The same, in short."""
        return answer_of(self.events(command))

    def refusal(self, command: AnyContinuousCommand) -> ContinuousRejection | None:
        """Why a command, or the one order in it, is refused; None if it is not."""
        outcome = self.execute(command)
        if isinstance(outcome, Refusal):
            return outcome.rejection
        turned_away = [one for one in outcome if isinstance(one, OrderTurnedAway)]
        return turned_away[0].rejection if turned_away else None

    def wait(self, seconds: float) -> list[AnyContinuousEvent]:
        """Later; what is due by then fires."""
        self.now_ms += int(seconds * 1000)
        events: list[AnyContinuousEvent] = []
        due_ms = engine.next_deadline_ms(self.state)
        if due_ms is not None and due_ms <= self.now_ms:
            events = engine.tick(self.state, self.now_ms)
            invariants.check(self.state)
            assert _decode_events(_encode_events(events)) == events
        return events

    def reload(self) -> None:
        """Out to a snapshot and in again."""
        before = engine.digest(self.state)
        image = msgspec.json.encode(list(engine.dump(self.state)))
        self.state = engine.load(_decode_sections(image))
        invariants.check(self.state)
        assert engine.digest(self.state) == before, "the state that was loaded is not the one that was dumped"

    # ---- asking for things ----------------------------------------------------------------------------------------

    def order(
        self,
        sender: SubaccountId,
        amount: int,
        price: int,
        order_type: OrderType = OrderType.DEFAULT,
        *,
        product_id: ProductId = PERP,
        expires_in_s: int | None = None,
        receive_in_ms: int = 90_000,
        signer: Address | None = None,
        reduce_only: bool = False,
        **given: Any,
    ) -> SignedOrder:
        """An order that was never seen before; positive amounts buy."""
        number = next(self._ids)
        terms = SignedOrder(
            digest=digest_of("order", number),
            product_id=product_id,
            sender=sender,
            price_x18=price * X18,
            amount_x18=amount * X18,
            expiration_s=NEVER_S if expires_in_s is None else self.now_ms // 1000 + expires_in_s,
            nonce=((self.now_ms + receive_in_ms) << 20) + number,
            appendix=1,
            order_type=order_type,
            receive_by_ms=self.now_ms + receive_in_ms,
            signer=signer or wallet_of(sender),
            signature=bytes(65),
            reduce_only=reduce_only,
        )
        return msgspec.structs.replace(terms, **given)

    def place(self, *orders: SignedOrder) -> Answer:
        """All of them in one request, none refused."""
        answer = self.do(SubmitOrders(orders=orders))
        assert [one for one in answer.placed if one[1]] == []
        return answer

    def rest(self, sender: SubaccountId, amount: int, price: int, **given: Any) -> SignedOrder:
        """An order that meets nobody."""
        order = self.order(sender, amount, price, **given)
        assert self.place(order).trades == []
        assert order.digest in self.state.orders
        return order

    def refused(self, *args: Any, **given: Any) -> ContinuousRejection | None:
        """Why an order like this is refused."""
        return self.refusal(SubmitOrders(orders=(self.order(*args, **given),)))

    def cancel(
        self, sender: SubaccountId, *orders: SignedOrder, signer: Address | None = None, **given: Any
    ) -> CancelDigests:
        """A signed cancel of these orders."""
        cancel = CancelDigests(
            sender=sender,
            digest=digest_of("cancel", next(self._ids)),
            receive_by_ms=self.now_ms + 90_000,
            signer=signer or wallet_of(sender),
            orders=tuple((one.product_id, one.digest) for one in orders),
        )
        return msgspec.structs.replace(cancel, **given)

    def cancel_products(self, sender: SubaccountId, *product_ids: ProductId, **given: Any) -> CancelProducts:
        """A signed cancel of everything on these products."""
        cancel = CancelProducts(
            sender=sender,
            digest=digest_of("cancel", next(self._ids)),
            receive_by_ms=self.now_ms + 90_000,
            signer=wallet_of(sender),
            product_ids=product_ids,
        )
        return msgspec.structs.replace(cancel, **given)

    def replace(self, old: SignedOrder, new: SignedOrder, *, requires_unfilled: bool = False) -> CancelAndPlace:
        """One order for another."""
        return CancelAndPlace(cancel=self.cancel(old.sender, old), order=new, requires_unfilled=requires_unfilled)

    def fund(self, sender: SubaccountId, amount: int, product_id: ProductId = QUOTE) -> Answer:
        """So much, absolute."""
        return self.do(SetCollateral(subaccount=sender, product_id=product_id, amount_x18=amount * X18))

    def update(self, product_id: ProductId = PERP, **given: Any) -> Answer:
        """Change a product."""
        return self.do(UpdateProduct(product_id=product_id, **given))

    # ---- looking --------------------------------------------------------------------------------------------------

    def book(self, product_id: ProductId = PERP) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Bids and asks, best first, as price and size of every order."""
        book = self.state.markets[product_id].book
        bids, asks = (
            [(one.terms.price_x18 // X18, one.unfilled_x18 // X18) for one in side] for side in (book.bids, book.asks)
        )
        return bids, asks

    def quote(self, sender: SubaccountId) -> float:
        """Somebody's money."""
        return self.state.subaccounts[sender].quote_x18 / X18

    def balance(self, sender: SubaccountId, product_id: ProductId = PERP) -> tuple[float, float]:
        """Amount and virtual quote."""
        holding = self.state.subaccounts[sender].holding(product_id)
        return holding.amount_x18 / X18, holding.v_quote_x18 / X18

    def mark(self, product_id: ProductId = PERP) -> float:
        """What it is worth."""
        return self.state.markets[product_id].mark_x18 / X18

    def open(self, sender: SubaccountId) -> list[Digest]:
        """Somebody's resting orders, oldest first."""
        return [digest for digest, one in self.state.orders.items() if one.terms.sender == sender]
