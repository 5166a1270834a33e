"""Every refusal of the engine, in order of precedence: where several apply, the first one listed is the answer."""

from __future__ import annotations

from enum import Enum


class Rejection(Enum):
    """An expected refusal: a value, not an exception. Nothing changed."""

    # Catalogue and accounts (operator commands).
    FIXTURE_UNKNOWN = "fixture_unknown"
    FIXTURE_EXISTS = "fixture_exists"
    LEAGUE_OF_OTHER_SPORT = "league_of_other_sport"
    MARKET_UNKNOWN = "market_unknown"
    MARKET_EXISTS = "market_exists"
    FIXTURE_OVER = "fixture_over"
    TOKEN_UNKNOWN = "token_unknown"
    # Signed cancels, whole request (spec/sx.md 5.10).
    TIMESTAMP_OUTSIDE_WINDOW = "timestamp_outside_window"
    ALREADY_PROCESSED = "already_processed"
    # Posting, order by order (spec/sx.md 5.9).
    ORDER_EXISTS = "order_exists"
    MARKET_NOT_BETTABLE = "market_not_bettable"
    INSUFFICIENT_BALANCE = "insufficient_balance"
