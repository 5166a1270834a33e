"""What one record did to the read models, in the words that feeds need."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from overround.engine.commands import NewOrder
from overround.engine.continuous.commands import SignedOrder
from overround.engine.continuous.types import Digest, ProductId
from overround.engine.fill import MatchedFill
from overround.engine.order import OrderState
from overround.engine.types import Outcome
from overround.views.best_odds import SideKey
from overround.views.depth import Depth, DepthSide, Level, Top
from overround.views.resting import RestingOrder


class OrderChange(NamedTuple):
    """An order after one transition."""

    terms: NewOrder
    state: OrderState
    fill_amount: int
    pending_fill_amount: int
    update_time_ms: int


class BestOddsChange(NamedTuple):
    """The best price of a side after a record that changed it; None where nobody offers any more."""

    side: SideKey
    percentage_odds: int | None
    updated_at_ms: int


class FillStage(Enum):
    """What just became of a matched fill."""

    MATCHED = "matched"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    GRADED = "graded"


class FillChange(NamedTuple):
    """A matched fill after one step of its life."""

    fill: MatchedFill
    stage: FillStage
    outcome: Outcome | None = None  # of its market, where it is graded


class BookChange(NamedTuple):
    """The levels of a continuous market's book that one record changed, with their new sizes; 0 removes a level."""

    product_id: ProductId
    bids: list[Level]  # falling
    asks: list[Level]  # rising
    timestamp_ns: int  # on the book's clock (spec/decisions.md N10)
    last_timestamp_ns: int  # of the change before
    top_before: Top
    top: Top


class BookMove(NamedTuple):
    """A book that is not as it was before a record."""

    book: Depth
    bids_before: dict[int, int]  # sizes by price, of the levels that the record touched
    asks_before: dict[int, int]
    timestamp_ns: int
    last_timestamp_ns: int

    def change(self) -> BookChange:
        """What it says to followers. To be asked before the next record is applied."""
        book = self.book
        bids = sorted(_moved(book.bids, self.bids_before), reverse=True)
        asks = sorted(_moved(book.asks, self.asks_before))
        before = Top(book.bids.best_with(self.bids_before), book.asks.best_with(self.asks_before))
        return BookChange(book.product_id, bids, asks, self.timestamp_ns, self.last_timestamp_ns, before, book.top)


def _moved(side: DepthSide, before: dict[int, int]) -> list[Level]:
    return [(price, side.size_at(price)) for price, size in before.items() if side.size_at(price) != size]


class ContinuousChanges:
    """What one record did to continuous markets."""

    __slots__ = ("cancelled", "entered", "moves", "terms", "touched")

    def __init__(self) -> None:
        self.terms: dict[Digest, SignedOrder] = {}  # of every order that the record's events name
        self.moves: list[BookMove] = []  # one for each book that is not as it was
        self.cancelled: list[RestingOrder] = []  # by a signature, as they were then, in the order of the request
        # While the record is applied: who entered, and the touched levels of every book as they were, bids and asks.
        self.entered: dict[Digest, tuple[int, int]] = {}  # number, placed at
        self.touched: dict[ProductId, tuple[dict[int, int], dict[int, int]]] = {}

    @property
    def books(self) -> list[BookChange]:
        """The books that are not as they were; made when somebody asks, who must ask before the next record."""
        return [move.change() for move in self.moves]


class Changes:
    """Gathered while a record is applied."""

    __slots__ = ("_sides_before", "continuous", "fills", "orders")

    def __init__(self) -> None:
        self.continuous: ContinuousChanges | None = None  # None: nothing happened there
        self.orders: list[OrderChange] = []  # in the order in which they happened
        self.fills: list[FillChange] = []  # likewise
        self._sides_before: dict[SideKey, tuple[int | None, int]] = {}

    def touch(self, side: SideKey, best_before: int | None, updated_at_ms: int) -> None:
        """An order is about to come to or leave this side."""
        self._sides_before.setdefault(side, (best_before, updated_at_ms))

    def sides_before(self) -> dict[SideKey, tuple[int | None, int]]:
        """The touched sides with their best prices before the record, and since when they were that."""
        return self._sides_before
