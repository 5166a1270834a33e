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

# What became of each posted order (`spec/sx.md` 5.9).
ORDER_OK: Final = "OK"
ORDER_STATUSES: Final = {
    Rejection.ORDER_EXISTS: "ORDERS_ALREADY_EXIST",
    Rejection.MARKET_NOT_BETTABLE: "INVALID_MARKET",
    Rejection.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCE",
}
