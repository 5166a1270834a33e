"""The error catalogue of the SX dialect (`spec/sx.md` 2.3, 8)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from overround.engine.rejections import Rejection
from overround.protocols import strict_json


class WireError(Exception):
    """A request that is answered with a failure envelope.

    `message` is the code itself for a broken rule, a list of texts for a malformed request. `detail` is an extra
    member for people: what exactly was wrong.
    """

    def __init__(
        self, code: str, *, status: int = 400, messages: list[str] | None = None, detail: str | None = None
    ) -> None:
        super().__init__(code)
        self.code, self.status, self.messages, self.detail = code, status, messages, detail


def bad_request(*messages: str) -> WireError:
    """A malformed body or query."""
    return WireError("BAD_REQUEST", messages=list(messages))


def failure(error: WireError) -> bytes:
    """The union envelope that every attested client understands."""
    body: dict[str, object] = {
        "status": "failure",
        "errorCode": error.code,
        "error": HTTPStatus(error.status).phrase,
        "message": error.messages or error.code,
        "statusCode": error.status,
    }
    if error.detail:
        body["detail"] = error.detail
    return strict_json.encode(body)


# Whole-request refusals of signed cancels.
CANCEL_CODES: Final = {
    Rejection.TIMESTAMP_OUTSIDE_WINDOW: "INVALID_TIMESTAMP",
    Rejection.ALREADY_PROCESSED: "CANCEL_REQUEST_ALREADY_PROCESSED",
}

# Whole-request refusals of posting (`spec/sx.md` 7.7); HTTP 403.
PLACE_CODES: Final = {Rejection.ACCOUNT_RESTRICTED: "ACCOUNT_RESTRICTED"}

# What became of each posted order (`spec/sx.md` 5.9).
ORDER_OK: Final = "OK"
ORDER_STATUSES: Final = {
    Rejection.ORDER_EXISTS: "ORDERS_ALREADY_EXIST",
    Rejection.MARKET_NOT_BETTABLE: "INVALID_MARKET",
    Rejection.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCE",
}

# Fills, on arrival and after the betting delay (`spec/sx.md` 5.12, 5.13, 8).
FILL_CODES: Final = {
    Rejection.FILL_EXISTS: "FILL_ALREADY_SUBMITTED",
    Rejection.AFTER_ORDER_EXPIRY: "AFTER_ORDER_EXPIRY",
    Rejection.ORDERS_INVALID: "INVALID_ORDERS",
    Rejection.MARKETS_NOT_SAME: "MARKETS_NOT_SAME",
    Rejection.BASE_TOKENS_NOT_SAME: "BASE_TOKENS_NOT_SAME",
    Rejection.DIRECTIONS_NOT_SAME: "DIRECTIONS_NOT_SAME",
    Rejection.MATCH_STATE_INVALID: "MATCH_STATE_INVALID",
    Rejection.ORDER_SPACE_TOO_SMALL: "INSUFFICIENT_SPACE",
    Rejection.TAKER_AMOUNT_TOO_LOW: "TAKER_AMOUNT_TOO_LOW",
    Rejection.TOO_MANY_IN_FLIGHT: "META_TX_RATE_LIMIT_REACHED",
    Rejection.TAKER_ALLOWANCE_TOO_LOW: "TAKER_INSUFFICIENT_BASE_TOKEN_ALLOWANCE",
    Rejection.TAKER_BALANCE_TOO_LOW: "TAKER_INSUFFICIENT_BASE_TOKEN",
    Rejection.INSUFFICIENT_SPACE: "INSUFFICIENT_SPACE",
    Rejection.NO_MATCHING_ORDERS: "NO_MATCHING_ORDERS",
    Rejection.ODDS_STALE: "ODDS_STALE",
}

# Approvals (`spec/sx.md` 5.11). A nonce that is used up meanwhile makes the signature one of another permit.
APPROVAL_CODES: Final = {
    Rejection.TOKEN_UNKNOWN: "BAD_BASE_TOKEN",
    Rejection.DEADLINE_EXPIRED: "DEADLINE_EXPIRED",
    Rejection.NONCE_STALE: "SIGNATURE_MISMATCH",
}
