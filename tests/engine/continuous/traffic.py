"""Random commands, small in variety on purpose: prices meet, names collide, money runs out, deadlines pass.

Every choice comes from the `random.Random` that is handed in, so that a seed tells all. Shapes are what a protocol
would let through; everything else is left to chance.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import msgspec
from tests.engine.continuous.desk import (
    ALICE,
    BOB,
    BTC,
    BTC_PERP,
    CAROL,
    ETH,
    ETH_PERP,
    OTHER_OF_ALICE,
    RULES,
    USDT,
    digest_of,
)

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
    SignedOrder,
    SubmitOrders,
    UpdateProduct,
)
from overround.engine.continuous.types import (
    X18,
    Digest,
    OrderType,
    ProductId,
    SubaccountId,
    TradingStatus,
    wallet_of,
)
from overround.engine.types import Address

SENDERS: Final = (ALICE, OTHER_OF_ALICE, BOB, CAROL)
PRODUCTS: Final = (BTC_PERP, ETH, ETH_PERP)
STEPS_MS: Final = (0, 0, 0, 1, 500, 1_000, 1_000, 5_000, 60_000)
KEY: Final = Address(b"k" * 20)
ORDER_TYPES: Final = (*[OrderType.DEFAULT] * 5, OrderType.POST_ONLY, OrderType.POST_ONLY, OrderType.IOC, OrderType.FOK)


class Traffic:
    """Makes commands, and remembers what it made so that it can name it again."""

    def __init__(self) -> None:
        self.orders: list[SignedOrder] = []
        self.linked: dict[SubaccountId, Address] = {}
        self.tx_nonces: dict[Address, int] = {}
        self.made = 0
        self.made_commands: list[AnyContinuousCommand] = []

    def opening(self) -> list[AnyContinuousCommand]:
        """What stands at the beginning of every venue."""
        products = [ConfigureProduct(product=one) for one in (USDT, BTC, *PRODUCTS)]
        money = [SetCollateral(subaccount=one, product_id=ProductId(0), amount_x18=600 * X18) for one in SENDERS[:3]]
        coins = [SetCollateral(subaccount=one, product_id=ETH.product_id, amount_x18=20 * X18) for one in (ALICE, BOB)]
        return [ConfigureContinuous(rules=RULES), *products, *money, *coins]

    def any(self, random: Random, now_ms: int) -> AnyContinuousCommand:
        """One command; now and then one that was made before, as it is."""
        if self.made_commands and random.random() < 0.05:
            return random.choice(self.made_commands[-30:])
        command = self._new(random, now_ms)
        self.made_commands.append(command)
        return command

    def _new(self, random: Random, now_ms: int) -> AnyContinuousCommand:
        kinds: list[tuple[Callable[[Random, int], AnyContinuousCommand], int]] = [
            (self.submit, 50),
            (self.cancel_digests, 12),
            (self.cancel_products, 4),
            (self.cancel_and_place, 14),
            (self.set_collateral, 6),
            (self.update_product, 4),
            (self.configure_product, 2),
            (self.link, 3),
            (self.set_maintenance, 2),
            (self.configure, 1),
        ]
        (kind,) = random.choices([one for one, _ in kinds], [weight for _, weight in kinds])
        return kind(random, now_ms)

    # ---- signed ---------------------------------------------------------------------------------------------------

    def order(self, random: Random, now_ms: int, sender: SubaccountId | None = None) -> SignedOrder:
        """An order, new or seen before."""
        if self.orders and random.random() < 0.04:
            return random.choice(self.orders)
        sender = sender or random.choice((*SENDERS[:3], *SENDERS))
        product = random.choice((BTC_PERP, *PRODUCTS))
        price = 100 + random.choice((-30, -4, -2, -1, -1, 0, 0, 0, 1, 1, 2, 4, 30))
        terms = SignedOrder(
            digest=self._digest(),
            product_id=ProductId(random.choice((0, 77))) if random.random() < 0.02 else product.product_id,
            sender=sender,
            price_x18=price * X18 + (random.choice((-(price * X18), 1, X18 // 2)) if random.random() < 0.03 else 0),
            amount_x18=random.choice((1, -1)) * random.choice((1, 1, 2, 3, 5, 10, 40)) * X18
            + (random.choice((1, X18 // 2)) if random.random() < 0.03 else 0),
            expiration_s=now_ms // 1000
            + (0 if random.random() < 0.02 else random.choice((1, 10, 60, 300, 300, 2**40))),
            nonce=self.made,
            appendix=1,
            order_type=random.choice(ORDER_TYPES),
            receive_by_ms=self._receive_by(random, now_ms),
            signer=self._signer(random, sender),
            signature=b"s",
            reduce_only=random.random() < 0.08,
            client_id=random.choice((None, 7)),
        )
        self.orders.append(terms)
        return terms

    def submit(self, random: Random, now_ms: int) -> SubmitOrders:
        """One order mostly, several now and then."""
        count = random.choice((1, 1, 1, 1, 2, 4))
        orders = tuple(self.order(random, now_ms) for _ in range(count))
        return SubmitOrders(orders=orders, stop_on_failure=random.random() < 0.3)

    def cancel_digests(self, random: Random, now_ms: int, sender: SubaccountId | None = None) -> CancelDigests:
        """Some orders of somebody, not always his own."""
        known = self.orders[-25:]
        if known and sender is None:
            sender = random.choice(known).sender
        sender = sender or ALICE
        mine = [one for one in known if one.sender == sender or random.random() < 0.03]
        named = [
            (one.product_id if random.random() < 0.97 else ProductId(77), one.digest)
            for one in random.sample(mine, min(len(mine), random.choice((0, 1, 1, 1, 2, 3))))
        ]
        if named and random.random() < 0.05:
            named.append(named[0])
        return CancelDigests(
            sender=sender,
            digest=self._digest(),
            receive_by_ms=self._receive_by(random, now_ms),
            signer=self._signer(random, sender),
            orders=tuple(named),
            required_unfilled_x18=random.choice((1, -2, 5)) * X18 if random.random() < 0.1 else None,
        )

    def cancel_products(self, random: Random, now_ms: int) -> CancelProducts:
        """Some products, or all."""
        sender = random.choice(SENDERS)
        ids = [one.product_id for one in random.sample(PRODUCTS, random.choice((0, 1, 1, 2)))]
        if random.random() < 0.1:
            ids.append(ProductId(random.choice((0, 77))))
        return CancelProducts(
            sender=sender,
            digest=self._digest(),
            receive_by_ms=self._receive_by(random, now_ms),
            signer=self._signer(random, sender),
            product_ids=tuple(ids),
        )

    def cancel_and_place(self, random: Random, now_ms: int) -> CancelAndPlace:
        """Mostly of one sender and one signer."""
        cancel = self.cancel_digests(random, now_ms)
        order = self.order(random, now_ms, cancel.sender if random.random() < 0.97 else None)
        if random.random() < 0.97 and order.sender == cancel.sender:
            order = msgspec.structs.replace(order, signer=cancel.signer)
        return CancelAndPlace(cancel=cancel, order=order, requires_unfilled=random.random() < 0.3)

    def link(self, random: Random, now_ms: int) -> LinkSigner:
        """A key to sign with, or none."""
        sender = random.choice(SENDERS)
        nonce = self.tx_nonces.get(wallet_of(sender), 0)
        linked = random.choice((KEY, None))
        signer = wallet_of(sender) if random.random() < 0.9 else KEY
        if random.random() < 0.9 and signer != KEY:
            self.tx_nonces[wallet_of(sender)] = nonce + 1  # a guess; wrong after a refusal, and then for some time
        else:
            nonce += random.choice((0, 1))
        return LinkSigner(sender=sender, linked=linked, tx_nonce=nonce, signer=signer)

    # ---- operator -------------------------------------------------------------------------------------------------

    def set_collateral(self, random: Random, now_ms: int) -> SetCollateral:
        """More or less money."""
        product_id = random.choice((ProductId(0), ProductId(0), ETH.product_id, BTC_PERP.product_id, ProductId(77)))
        amount = random.choice((0, 20, 100, 500, 500, 3_000)) * X18 + random.choice((0, 1))
        return SetCollateral(subaccount=random.choice(SENDERS), product_id=product_id, amount_x18=amount)

    def update_product(self, random: Random, now_ms: int) -> UpdateProduct:
        """A price, a status or fees."""
        status = random.choice((*[TradingStatus.LIVE] * 6, *TradingStatus))
        fees = (None, None, 0, X18 // 1000, X18 // 333, -X18 // 7000, X18)
        return UpdateProduct(
            product_id=random.choice((*PRODUCTS, BTC, USDT)).product_id,
            mark_x18=random.choice((None, None, None, 80 * X18, 101 * X18 + 1, 130 * X18, 0)),
            trading_status=status if random.random() < 0.5 else None,
            maker_fee_x18=random.choice(fees) if random.random() < 0.3 else None,
            taker_fee_x18=random.choice(fees) if random.random() < 0.3 else None,
        )

    def configure_product(self, random: Random, now_ms: int) -> ConfigureProduct:
        """Another version of a product."""
        product = random.choice(PRODUCTS)
        name, value = random.choice(
            (
                ("symbol", product.symbol),
                ("tick_x18", X18 // 2),
                ("lot_x18", X18 // 2),
                ("tick_x18", 1),
                ("long_weight_x18", X18 // 2),
                ("short_weight_x18", 2 * X18),
                ("start_price_x18", 90 * X18),
            )
        )
        return ConfigureProduct(product=msgspec.structs.replace(product, **{name: value}))

    def set_maintenance(self, random: Random, now_ms: int) -> SetMaintenance:
        """Short, mostly."""
        return SetMaintenance(on=random.random() < 0.15)

    def configure(self, random: Random, now_ms: int) -> ConfigureContinuous:
        """Other limits."""
        rules = msgspec.structs.replace(
            RULES,
            open_orders_max=random.choice((3, 6, 500)),
            partial_cancels=random.random() < 0.5,
            band_low_x18=(band := random.choice((0, 0, X18 // 2))),
            band_high_x18=3 * band,
            signer_updates_max=random.choice((2, 50)),
        )
        return ConfigureContinuous(rules=rules)

    # ---- parts ----------------------------------------------------------------------------------------------------

    def _digest(self) -> Digest:
        self.made += 1
        return digest_of("traffic", self.made)

    def _receive_by(self, random: Random, now_ms: int) -> int:
        if random.random() < 0.02:
            return now_ms + random.choice((-1, 0, 100_001))
        return now_ms + random.choice((1, 500, 10_000, 100_000))

    def _signer(self, random: Random, sender: SubaccountId) -> Address:
        return wallet_of(sender) if random.random() < 0.93 else random.choice((KEY, wallet_of(BOB)))
