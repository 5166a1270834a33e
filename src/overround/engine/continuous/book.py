"""The book of a continuous market: price levels, and time priority within each. It knows no accounts and no money.

A side keeps its prices in a sorted list with the best one at the end, since that is where orders come and go: adding
or taking a level moves only the prices that are better. Within a level the dict is the queue.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection, Iterator
from typing import NamedTuple

from overround.engine.continuous.order import ContinuousOrder
from overround.engine.continuous.types import SubaccountId


class BookSide:
    """The resting orders of one side."""

    __slots__ = ("_keys", "_levels", "_sign", "size")

    def __init__(self, *, is_bid: bool) -> None:
        self._sign = 1 if is_bid else -1
        self._keys: list[int] = []  # prices, turned so that the best is the largest
        self._levels: dict[int, dict[int, ContinuousOrder]] = {}  # by key; orders by number
        self.size = 0  # orders

    def add(self, order: ContinuousOrder) -> bool:
        """Rest an order behind the others of its price; returns whether it is better than all that were there.

        Numbers grow, so the newest is the last.
        """
        key = self._sign * order.terms.price_x18
        level = self._levels.get(key)
        if level is None:
            self._levels[key] = {order.number: order}
            insort(self._keys, key)
        else:
            level[order.number] = order
        self.size += 1
        return level is None and self._keys[-1] == key

    def remove(self, order: ContinuousOrder) -> bool:
        """Take an order off, which must be on this side; returns whether it was the last of the best price."""
        key = self._sign * order.terms.price_x18
        level = self._levels[key]
        found = level.pop(order.number, None)
        assert found is order, "the book and the registry disagree"
        self.size -= 1
        if level:
            return False
        del self._levels[key]
        keys = self._keys
        was_best = keys[-1] == key
        if was_best:
            keys.pop()
        else:
            del keys[bisect_left(keys, key)]
        return was_best

    @property
    def best_x18(self) -> int | None:
        """The price that an incoming order would meet first."""
        return self._sign * self._keys[-1] if self._keys else None

    def crossing(self, limit_x18: int) -> Iterator[ContinuousOrder]:
        """The orders that an incoming one with this limit meets, in the order in which it meets them."""
        limit = self._sign * limit_x18
        for key in reversed(self._keys):
            if key < limit:
                return
            yield from self._levels[key].values()

    def __iter__(self) -> Iterator[ContinuousOrder]:
        """Best price first, then the earliest."""
        for key in reversed(self._keys):
            yield from self._levels[key].values()

    def __len__(self) -> int:
        return self.size


class Step(NamedTuple):
    """One resting order that an incoming one meets."""

    order: ContinuousOrder
    size_x18: int  # what they trade; 0: an own order, which makes way (spec/nado.md 5.4)


class Book:
    """Both sides of one market."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(is_bid=True)
        self.asks = BookSide(is_bid=False)

    def side(self, *, is_buy: bool) -> BookSide:
        """Where an order of this direction rests."""
        return self.bids if is_buy else self.asks

    def add(self, order: ContinuousOrder) -> bool:
        """Rest an order on its side; returns whether the best price there is another now."""
        return (self.bids if order.terms.is_buy else self.asks).add(order)

    def remove(self, order: ContinuousOrder) -> bool:
        """Take an order off its side; returns whether the best price there is another now."""
        return (self.bids if order.terms.is_buy else self.asks).remove(order)

    def crosses(self, limit_x18: int, *, is_buy: bool) -> bool:
        """Whether an incoming order of this limit meets anything at all."""
        best = (self.asks if is_buy else self.bids).best_x18
        return best is not None and (best <= limit_x18 if is_buy else best >= limit_x18)

    def match(
        self,
        sender: SubaccountId,
        limit_x18: int,
        size_x18: int,
        *,
        is_buy: bool,
        without: Collection[ContinuousOrder] = (),
    ) -> list[Step]:
        """Whom an incoming order meets until it is filled, by price and time; nothing is changed.

        Own orders on the way make way; those behind the last fill are not met. `without` are as good as gone.
        """
        steps: list[Step] = []
        if not self.crosses(limit_x18, is_buy=is_buy):
            return steps
        gone = {order.terms.digest for order in without}
        for order in self.side(is_buy=not is_buy).crossing(limit_x18):
            if not size_x18:
                break
            if order.terms.digest in gone:
                continue
            if order.terms.sender == sender:
                steps.append(Step(order, 0))
                continue
            size = min(size_x18, order.unfilled_x18)
            size_x18 -= size
            steps.append(Step(order, size))
        return steps

    @property
    def mid_x18(self) -> int | None:
        """Half-way between the best prices, floored; None while a side is empty."""
        bid, ask = self.bids.best_x18, self.asks.best_x18
        return None if bid is None or ask is None else (bid + ask) // 2

    def __iter__(self) -> Iterator[ContinuousOrder]:
        yield from self.bids
        yield from self.asks

    def __len__(self) -> int:
        return len(self.bids) + len(self.asks)
