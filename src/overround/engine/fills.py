"""Every fill that is under way or not paid yet: in its betting delay, pending, confirmed."""

from __future__ import annotations

from heapq import heappop, heappush

from overround.engine.fill import Fill, FillStatus, HeldFill
from overround.engine.types import FillHash, MarketHash, OrderHash


class Fills:
    """Indexes only; `State` keeps the money and the weight in step."""

    __slots__ = ("_due", "_of_market", "_pending_of", "_release", "by_hash", "count", "held")

    def __init__(self) -> None:
        self.count = 0  # fills ever admitted
        self.held: dict[FillHash, HeldFill] = {}  # in their delay, oldest first
        self.by_hash: dict[FillHash, Fill] = {}
        self._release: list[tuple[int, int, FillHash]] = []  # heap of (due ms, number, hash)
        self._due: list[tuple[int, int, FillHash]] = []  # likewise, of pending ones that settle by themselves
        self._of_market: dict[MarketHash, dict[FillHash, Fill]] = {}
        self._pending_of: dict[OrderHash, dict[FillHash, int]] = {}  # maker side base units

    # ---- in their delay -------------------------------------------------------------------------------------------

    def hold(self, held: HeldFill) -> None:
        """A fill begins its delay."""
        fill_hash = held.command.fill_hash
        self.held[fill_hash] = held
        heappush(self._release, (held.due_ms, held.number, fill_hash))

    def release(self, held: HeldFill) -> None:
        """A fill ends its delay."""
        del self.held[held.command.fill_hash]

    @property
    def next_release_ms(self) -> int | None:
        """When the next delay ends."""
        while self._release:
            due_ms, _, fill_hash = self._release[0]
            if fill_hash in self.held:
                return due_ms
            heappop(self._release)
        return None

    def first_held(self) -> HeldFill:
        """The fill whose delay ends first; there must be one."""
        assert self.next_release_ms is not None
        return self.held[self._release[0][2]]

    # ---- matched --------------------------------------------------------------------------------------------------

    def put(self, fill: Fill) -> None:
        """A matched fill."""
        terms = fill.terms
        self.by_hash[terms.fill_hash] = fill
        self._of_market.setdefault(terms.market_hash, {})[terms.fill_hash] = fill
        if fill.status is FillStatus.PENDING:
            for leg in terms.legs:
                self._pending_of.setdefault(leg.order_hash, {})[terms.fill_hash] = leg.maker_stake
            if fill.due_ms is not None:
                heappush(self._due, (fill.due_ms, terms.number, terms.fill_hash))

    def drop(self, fill: Fill) -> None:
        """Undo `put`."""
        terms = fill.terms
        del self.by_hash[terms.fill_hash]
        fills = self._of_market[terms.market_hash]
        del fills[terms.fill_hash]
        if not fills:
            del self._of_market[terms.market_hash]
        if fill.status is FillStatus.PENDING:
            for leg in terms.legs:
                pending = self._pending_of[leg.order_hash]
                del pending[terms.fill_hash]
                if not pending:
                    del self._pending_of[leg.order_hash]

    @property
    def next_settlement_ms(self) -> int | None:
        """When the next pending fill settles by itself."""
        while self._due:
            due_ms, _, fill_hash = self._due[0]
            fill = self.by_hash.get(fill_hash)
            if fill is not None and fill.status is FillStatus.PENDING:
                return due_ms
            heappop(self._due)
        return None

    def first_due(self) -> Fill:
        """The fill that settles first; there must be one."""
        assert self.next_settlement_ms is not None
        return self.by_hash[self._due[0][2]]

    def pending_of(self, order_hash: OrderHash) -> tuple[tuple[FillHash, int], ...]:
        """An order's unconfirmed fills with the maker's part of each."""
        return tuple(self._pending_of.get(order_hash, {}).items())

    def of_market(self, market_hash: MarketHash) -> list[Fill]:
        """The fills of a market that are not paid yet, in the order of their matches."""
        return sorted(self._of_market.get(market_hash, {}).values(), key=lambda fill: fill.terms.number)
