"""The levels of a continuous market's book: what anybody may see of it, and the clock that its changes are told by."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import NamedTuple

from overround.engine.continuous.types import ProductId

Level = tuple[int, int]  # price and size, both x 10^18
NS_PER_MS = 1_000_000


class Top(NamedTuple):
    """The best level of each side; None where nobody offers."""

    bid: Level | None
    ask: Level | None


class DepthSide:
    """Sizes by price. Prices are kept sorted with the best at the end, where levels come and go."""

    __slots__ = ("_keys", "_sign", "_sizes")

    def __init__(self, *, is_bid: bool) -> None:
        self._sign = 1 if is_bid else -1
        self._keys: list[int] = []  # prices, turned so that the best is the largest
        self._sizes: dict[int, int] = {}  # by price

    def count(self, price_x18: int, size_x18: int) -> int:
        """This much more at this price, or less where it is negative; returns what stood there before."""
        before = self._sizes.get(price_x18, 0)
        after = before + size_x18
        if after:
            self._sizes[price_x18] = after
            if not before:
                insort(self._keys, self._sign * price_x18)
        elif before:
            del self._sizes[price_x18]
            del self._keys[bisect_left(self._keys, self._sign * price_x18)]
        return before

    def differs_from(self, levels: Mapping[int, int]) -> bool:
        """Whether any of these prices has another size."""
        sizes = self._sizes
        for price, size in levels.items():  # noqa: SIM110  a generator for one price costs twice as much
            if sizes.get(price, 0) != size:
                return True
        return False

    def size_at(self, price_x18: int) -> int:
        """What stands at a price; 0 where nothing does."""
        return self._sizes.get(price_x18, 0)

    @property
    def best(self) -> Level | None:
        """The best price, and what stands there."""
        if not self._keys:
            return None
        price = self._sign * self._keys[-1]
        return price, self._sizes[price]

    def best_with(self, levels: Mapping[int, int]) -> Level | None:
        """What the best would be if these prices had these sizes."""
        best = max((self._sign * price for price, size in levels.items() if size), default=None)
        for key in reversed(self._keys):
            if best is not None and key < best:
                break
            if self._sign * key not in levels:
                return self._sign * key, self._sizes[self._sign * key]
        return None if best is None else (self._sign * best, levels[self._sign * best])

    def levels(self, depth: int | None = None) -> list[Level]:
        """The best levels, best first; all where no depth is given."""
        keys = self._keys if depth is None else self._keys[max(len(self._keys) - depth, 0) :]
        return [(price, self._sizes[price]) for price in (self._sign * key for key in reversed(keys))]


class Depth:
    """Both sides of one book."""

    __slots__ = ("asks", "bids", "changed_ns", "product_id")

    def __init__(self, product_id: ProductId, changed_ns: int) -> None:
        self.product_id = product_id
        self.bids = DepthSide(is_bid=True)
        self.asks = DepthSide(is_bid=False)
        self.changed_ns = changed_ns
        """Of the last change, on the clock of N10: real nanoseconds, and later than the change before."""

    def side(self, *, is_bid: bool) -> DepthSide:
        """One of them."""
        return self.bids if is_bid else self.asks

    @property
    def top(self) -> Top:
        """The best level of each side."""
        return Top(self.bids.best, self.asks.best)


def clock_after(time_ms: int) -> int:
    """Where a clock of changes starts that continues after a record of this time: behind all that it can have told."""
    return time_ms * NS_PER_MS + NS_PER_MS - 1
