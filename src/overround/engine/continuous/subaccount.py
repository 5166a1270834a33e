"""A subaccount: what it holds of each product, and its open orders there, which is what margin is counted from."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.types import QUOTE, ProductId, SubaccountId
from overround.engine.types import Address


class OwnSide:
    """One subaccount's resting orders on one side of one market, added up by price."""

    __slots__ = ("_is_buy", "_keys", "_sizes", "notional_x18", "size_x18")

    def __init__(self, *, is_buy: bool) -> None:
        self._is_buy = is_buy
        self._keys: list[int] = []  # prices, turned so that the most aggressive is the largest
        self._sizes: dict[int, int] = {}  # unfilled, by key
        self.size_x18 = 0
        self.notional_x18 = 0

    def count(self, price_x18: int, size_x18: int, notional_x18: int) -> None:
        """This much more at this price, or less where it is negative."""
        self.size_x18 += size_x18
        self.notional_x18 += notional_x18
        key = price_x18 if self._is_buy else -price_x18
        before = self._sizes.get(key, 0)
        after = before + size_x18
        if after:
            self._sizes[key] = after
            if not before:
                insort(self._keys, key)
        elif before:
            del self._sizes[key]
            del self._keys[bisect_left(self._keys, key)]

    def adverse_x36(self, mark_x18: int) -> int:
        """What would be lost against the mark if all of it traded; looks only at orders beyond the mark (N2)."""
        mark = mark_x18 if self._is_buy else -mark_x18
        lost = 0
        for key in reversed(self._keys):
            if key <= mark:
                break
            lost += (key - mark) * self._sizes[key]
        return lost


class Holding:
    """What a subaccount has of one product."""

    __slots__ = ("amount_x18", "buys", "orders", "sells", "sensitivity_x36", "v_quote_x18")

    def __init__(self) -> None:
        self.amount_x18 = 0
        self.v_quote_x18 = 0  # of a perp: what its position was bought for, with the sign turned (N3)
        self.orders: dict[int, ContinuousOrder] = {}  # resting ones by number, in the order of acceptance
        self.buys = OwnSide(is_buy=True)
        self.sells = OwnSide(is_buy=False)
        self.sensitivity_x36 = 0  # what slack loses at most for each step of the mark; goes with the spare

    @property
    def matters(self) -> bool:
        """Whether a move of the product's price means anything to the subaccount."""
        return bool(self.amount_x18 or self.orders)

    def side(self, *, is_buy: bool) -> OwnSide:
        """Its resting orders in this direction."""
        return self.buys if is_buy else self.sells


class Subaccount:
    """What is remembered of one 32-byte sender."""

    __slots__ = ("funded", "holdings", "linked", "linked_at_ms", "order_count", "sender", "spare_x54")

    def __init__(self, sender: SubaccountId) -> None:
        self.sender = sender
        self.funded = False  # ever
        self.linked: Address | None = None  # who signs beside the wallet
        self.linked_at_ms: tuple[int, ...] = ()  # recent changes of it
        self.order_count = 0  # resting
        self.holdings: dict[ProductId, Holding] = {}
        # At least this much slack is left, while it has orders; None after every change of its own (`margin.py`).
        # Not part of the state: forgetting it costs a look and decides nothing.
        self.spare_x54: int | None = None

    def holding(self, product_id: ProductId) -> Holding:
        """Of one product, made on first use."""
        holding = self.holdings.get(product_id)
        if holding is None:
            holding = self.holdings[product_id] = Holding()
        return holding

    @property
    def quote_x18(self) -> int:
        """Its money; negative after losses that it could not pay."""
        holding = self.holdings.get(QUOTE)
        return holding.amount_x18 if holding else 0

    def orders(self) -> Iterator[ContinuousOrder]:
        """Its resting orders, product by product."""
        for holding in self.holdings.values():
            yield from holding.orders.values()


class Wallet:
    """What the subaccounts of one address share."""

    __slots__ = ("next_tx_nonce", "subaccounts")

    def __init__(self) -> None:
        self.next_tx_nonce = 0
        self.subaccounts: list[SubaccountId] = []
