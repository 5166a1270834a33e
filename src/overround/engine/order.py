"""An order and its life. The lifecycle is the table `TRANSITIONS` (spec/sx.md 7.1), and nothing else moves a state."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from overround.engine.commands import NewOrder
from overround.engine.types import ODDS_ONE, Side

if TYPE_CHECKING:
    from overround.engine.account import Position


class OrderState(Enum):
    """Where an order is in its life."""

    __hash__ = object.__hash__  # members are unique objects; the default hashes their name, in Python

    OPEN = "open"  # on the book; some of it may be matched and unconfirmed
    HELD = "held"  # remainder exhausted by unconfirmed fills; may come back
    SUSPENDED = "suspended"  # taken off by the exposure rule; may come back
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class Trigger(Enum):
    """What moves an order from one state to another."""

    __hash__ = object.__hash__

    MATCH = "match"  # a fill was matched, some remainder is left
    EXHAUST = "exhaust"  # a fill was matched, nothing is left
    CONFIRM = "confirm"  # a fill was confirmed
    COMPLETE = "complete"  # the last pending fill was confirmed and nothing is left
    FAIL = "fail"  # a fill failed, its part is free again
    SUSPEND = "suspend"
    RESTORE = "restore"
    FAIL_EXHAUSTED = "fail_exhausted"  # a fill failed, what it frees is not worth matching
    CANCEL = "cancel"  # signed by the maker
    HEARTBEAT = "heartbeat"  # the maker's heartbeat was missed
    UNCOVERED = "uncovered"  # the balance no longer covers it, and the venue does not suspend
    EXPIRE = "expire"  # apiExpiry reached
    MATCH_START = "match_start"  # the sports event began
    MARKET_CLOSE = "market_close"  # closed or reported


_S, _T = OrderState, Trigger

TRANSITIONS: Final[dict[tuple[OrderState, Trigger], OrderState]] = {
    (_S.OPEN, _T.MATCH): _S.OPEN,
    (_S.OPEN, _T.EXHAUST): _S.HELD,
    (_S.OPEN, _T.CONFIRM): _S.OPEN,
    (_S.OPEN, _T.COMPLETE): _S.FILLED,
    (_S.OPEN, _T.FAIL): _S.OPEN,
    (_S.OPEN, _T.SUSPEND): _S.SUSPENDED,
    (_S.OPEN, _T.UNCOVERED): _S.CANCELLED,
    (_S.OPEN, _T.CANCEL): _S.CANCELLED,
    (_S.OPEN, _T.HEARTBEAT): _S.CANCELLED,
    (_S.OPEN, _T.EXPIRE): _S.EXPIRED,
    (_S.OPEN, _T.MATCH_START): _S.CANCELLED,
    (_S.OPEN, _T.MARKET_CLOSE): _S.CANCELLED,
    (_S.HELD, _T.CONFIRM): _S.HELD,
    (_S.HELD, _T.COMPLETE): _S.FILLED,
    (_S.HELD, _T.FAIL): _S.OPEN,
    (_S.HELD, _T.FAIL_EXHAUSTED): _S.HELD,
    # A held order whose fill failed, but which may not return to the book: the exposure rule, a remembered
    # cancel, its expiry, the match or the market came in between (spec/decisions.md D12).
    (_S.HELD, _T.SUSPEND): _S.SUSPENDED,
    (_S.HELD, _T.UNCOVERED): _S.CANCELLED,
    (_S.HELD, _T.CANCEL): _S.CANCELLED,
    (_S.HELD, _T.HEARTBEAT): _S.CANCELLED,
    (_S.HELD, _T.EXPIRE): _S.EXPIRED,
    (_S.HELD, _T.MATCH_START): _S.CANCELLED,
    (_S.HELD, _T.MARKET_CLOSE): _S.CANCELLED,
    (_S.SUSPENDED, _T.RESTORE): _S.OPEN,
    (_S.SUSPENDED, _T.CANCEL): _S.CANCELLED,
    (_S.SUSPENDED, _T.HEARTBEAT): _S.CANCELLED,
    (_S.SUSPENDED, _T.EXPIRE): _S.EXPIRED,
    (_S.SUSPENDED, _T.MATCH_START): _S.CANCELLED,
    (_S.SUSPENDED, _T.MARKET_CLOSE): _S.CANCELLED,
    # Fills that were pending when the order left the book still settle; the state stays.
    (_S.SUSPENDED, _T.CONFIRM): _S.SUSPENDED,
    (_S.SUSPENDED, _T.FAIL): _S.SUSPENDED,
    (_S.CANCELLED, _T.CONFIRM): _S.CANCELLED,
    (_S.CANCELLED, _T.FAIL): _S.CANCELLED,
    (_S.EXPIRED, _T.CONFIRM): _S.EXPIRED,
    (_S.EXPIRED, _T.FAIL): _S.EXPIRED,
}

FINAL: Final = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED})


class CancelRefusal(Enum):
    """Why a named order was not cancelled (spec/sx.md 5.10)."""

    NOT_FOUND_OR_INACTIVE = "not_found_or_inactive"
    ALREADY_PENDING_CANCEL = "already_pending_cancel"
    ORDER_LOCKED = "order_locked"


class Order(msgspec.Struct, gc=False, eq=False):
    """An accepted order: what was signed (`terms`, immutable) and what became of it."""

    terms: NewOrder
    number: int  # place among all accepted orders: "newest", "oldest" mean this, never a timestamp (D10)
    priority: int  # time priority on the book: the number, or a later one after a restoration
    accepted_at_ms: int
    update_time_ms: int  # strictly increasing per order (spec/sx.md 7.3)
    state: OrderState = OrderState.OPEN
    fill_amount: int = 0
    pending_fill_amount: int = 0
    position: Position | None = None  # where it counts, once admitted
    doom: Trigger | None = None  # held only: what ends it instead of its return to the book (D12)

    @property
    def remaining(self) -> int:
        """What may still be matched, maker side, base units (spec/sx.md 3.4)."""
        return self.terms.total_bet_size - self.fill_amount - self.pending_fill_amount

    @property
    def side(self) -> Side:
        """The outcome the maker backs."""
        return Side.OUTCOME_ONE if self.terms.is_maker_betting_outcome_one else Side.OUTCOME_TWO


def remaining_taker_space(remaining: int, percentage_odds: int) -> int:
    """What takers can still stake against `remaining` of the maker's money, base units (spec/sx.md 3.4)."""
    return remaining * ODDS_ONE // percentage_odds - remaining


def maker_amount(taker_stake: int, percentage_odds: int) -> int:
    """The maker's part against a taker's stake at the maker's odds; floored, so a maker never overpays."""
    return taker_stake * percentage_odds // (ODDS_ONE - percentage_odds)


def is_exhausted(remaining: int, total_bet_size: int, percentage_odds: int) -> bool:
    """Nothing worth matching is left: within 0.001 % of the total, or no taker space (spec/sx.md 7.1)."""
    return remaining * 100_000 <= total_bet_size or remaining_taker_space(remaining, percentage_odds) == 0
