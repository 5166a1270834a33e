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
    MARKET_REPORTED = "market_reported"
    FILL_UNKNOWN = "fill_unknown"
    FILL_DECIDED = "fill_decided"
    # Signed cancels, whole request (spec/sx.md 5.10).
    TIMESTAMP_OUTSIDE_WINDOW = "timestamp_outside_window"
    ALREADY_PROCESSED = "already_processed"
    # Approvals (spec/sx.md 5.11).
    DEADLINE_EXPIRED = "deadline_expired"
    NONCE_STALE = "nonce_stale"
    # Posting, whole request (spec/sx.md 7.7).
    ACCOUNT_RESTRICTED = "account_restricted"
    # Posting, order by order (spec/sx.md 5.9).
    ORDER_EXISTS = "order_exists"
    MARKET_NOT_BETTABLE = "market_not_bettable"
    INSUFFICIENT_BALANCE = "insufficient_balance"
    # Fills, on arrival and again after the betting delay (spec/sx.md 5.12, 5.13, 7.10, 7.11).
    FILL_EXISTS = "fill_exists"
    MATCH_STATE_INVALID = "match_state_invalid"
    AFTER_ORDER_EXPIRY = "after_order_expiry"
    ORDERS_INVALID = "orders_invalid"
    MARKETS_NOT_SAME = "markets_not_same"
    BASE_TOKENS_NOT_SAME = "base_tokens_not_same"
    DIRECTIONS_NOT_SAME = "directions_not_same"
    ORDER_SPACE_TOO_SMALL = "order_space_too_small"
    TAKER_AMOUNT_TOO_LOW = "taker_amount_too_low"
    TOO_MANY_IN_FLIGHT = "too_many_in_flight"
    TAKER_ALLOWANCE_TOO_LOW = "taker_allowance_too_low"
    TAKER_BALANCE_TOO_LOW = "taker_balance_too_low"
    # Fills, when they are matched (D6).
    INSUFFICIENT_SPACE = "insufficient_space"
    NO_MATCHING_ORDERS = "no_matching_orders"
    ODDS_STALE = "odds_stale"
