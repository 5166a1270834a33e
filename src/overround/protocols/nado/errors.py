"""The codes of the Nado dialect (`spec/nado.md` 13) and what carries them (6).

Clients branch on the number: one SDK prints `code: text`, a widely used library maps numbers to exception classes. The
texts are ours and free to change.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Self

import msgspec

from overround.protocols import strict_json

MARKED: Final = True
"""The specification marks the code as one that an order venue needs."""


class Code(IntEnum):
    """Every named code, in the order of the specification; 2116, 2117 and 2119 to 2125 have no names (O32)."""

    text: str
    """What is wrong, in one sentence without a full stop."""
    marked: bool

    def __new__(cls, number: int, text: str, marked: bool = False) -> Self:
        code = int.__new__(cls, number)
        code._value_ = number
        code.text = text
        code.marked = marked
        return code

    # Gateway
    RATE_LIMIT = 1000, "Too Many Requests", MARKED
    BLACKLISTED_ADDRESS = 1001, "this wallet is blocked"
    BLOCKED_LOCATION = 1002, "not served in this country"
    BLOCKED_SUBDIVISION = 1003, "not served in this region"
    MAINTENANCE = 1004, "the gateway is in maintenance", MARKED
    BAD_REQUEST = 1005, "malformed request", MARKED
    EDGE_RATE_LIMIT = 1015, "Too Many Requests at the edge"

    # Engine
    INVALID_PRICE_INCREMENT = 2000, "the price is not a multiple of the product's price increment", MARKED
    INVALID_AMOUNT_INCREMENT = 2001, "the amount is not a multiple of the product's size increment", MARKED
    ZERO_AMOUNT = 2002, "the amount is zero", MARKED
    ORDER_AMOUNT_TOO_SMALL = 2003, "the amount is below the minimum", MARKED
    ORDER_EXPIRED = 2004, "the order's expiration has passed", MARKED
    MAX_ORDERS_LIMIT_REACHED = 2005, "this subaccount has as many open orders on this product as it may have", MARKED
    UNHEALTHY_ORDER = 2006, "the account's collateral does not cover the order", MARKED
    ORACLE_PRICE_DIFFERENCE = 2007, "the price is too far from the oracle price", MARKED
    POST_ONLY_ORDER_CROSSES_BOOK = 2008, "a post-only order would trade", MARKED
    ORDER_TYPE_NOT_SUPPORTED = 2009, "this type of order is not supported", MARKED
    INVALID_TAKER = 2010, "the incoming order is not valid any more"
    LATE_RECV_EXECUTION = 2011, "the request arrived after its recv_time", MARKED
    EARLY_RECV_EXECUTION = 2012, "the request's recv_time is too far in the future", MARKED
    DIGEST_ALREADY_EXISTS = 2013, "this very message was processed before", MARKED
    UNAUTHORIZED_SUBACCOUNT_CANCELLATION = 2014, "the order belongs to another subaccount", MARKED
    MARKET_NOT_FOUND = 2015, "the product has no market", MARKED
    INVALID_PRODUCT_ID = 2016, "there is no such product", MARKED
    SPOT_EXECUTE_EXCEEDS_BORROW_LIMIT = 2017, "it would borrow more than it may"
    INAPPROPRIATE_SPOT_LEVERAGE = 2019, "spot_leverage belongs to spot products"
    ORDER_NOT_FOUND = 2020, "there is no such open order", MARKED
    ADDRESS_RISK_TOO_HIGH = 2021, "the address did not pass its screening"
    INVALID_NONCE = 2022, "the nonce is not the wallet's next tx_nonce", MARKED
    ADDRESS_SCREENING_PENDING = 2023, "the address is still being screened"
    NO_PRIOR_DEPOSIT = 2024, "the account was never funded", MARKED
    INSUFFICIENT_ACCOUNT_VALUE_TO_LINK = 2025, "the account's value is too small to link a signer"
    DUPLICATE_SIGNER_LINKING = 2026, "this signer is linked already", MARKED
    SIGNATURE_LENGTH = 2027, "a signature is 65 bytes", MARKED
    INVALID_SIGNER = 2028, "the signer may not act for the sender", MARKED
    INVALID_SIGNER_ZERO = 2029, "no key can have made this signature", MARKED
    LINKED_SIGNER_UPDATE_LIMIT_EXCEEDED = 2030, "the linked signer was changed too often", MARKED
    FILL_OR_KILL_NOT_FILLED = 2031, "the order cannot be filled completely", MARKED
    NONCE_MISSING_IN_PAYLOAD = 2033, "the nonce is missing", MARKED
    INVALID_SIGNATURE_V = 2034, "the last byte of the signature must be 27 or 28", MARKED
    SIGNATURE_ERROR = 2035, "the signature cannot be verified", MARKED
    SUBACCOUNT_HEALTH_TOO_LOW = 2036, "the account's health is too low"
    EXCESSIVE_LP_TOKEN_BURN = 2037, "more than the account holds"
    INVALID_EXECUTE_MESSAGE = 2038, "the execute cannot be read", MARKED
    MISMATCHED_DIGESTS_AND_PRODUCT_IDS_LENGTH = 2039, "productIds and digests differ in length", MARKED
    INVALID_BOOL = 2040, "neither true nor false", MARKED
    REBATE_EXECUTE_FORMATTING = 2041, "malformed rebate"
    NOT_LIQUIDATABLE = 2042, "the account cannot be liquidated"
    LIQUIDATOR_HEALTH_TOO_LOW = 2043, "the liquidator's health is too low"
    POSITIVE_INITIAL_HEALTH = 2044, "the account is healthy"
    INVALID_LIQUIDATION_PARAMETERS = 2045, "these parameters liquidate nothing"
    PERP_LIQUIDATION_SIZE_INCREMENT_MISMATCH = 2046, "not a multiple of the size increment"
    INVALID_LIQUIDATION_AMOUNT = 2047, "this amount cannot be liquidated"
    LIABILITIES_BEFORE_PERPS = 2048, "liabilities are liquidated before perps"
    TRANSFER_FAILED = 2049, "the transfer failed"
    UNAUTHORIZED_ACTION = 2050, "this is not permitted", MARKED
    NOT_FINALIZABLE_SUBACCOUNT = 2051, "the account cannot be finalised"
    INVALID_MAKER = 2052, "the resting order is not valid any more"
    ORDERS_CANNOT_BE_MATCHED = 2053, "the orders do not match"
    SLIPPAGE_TOO_HIGH = 2054, "the slippage is too high"
    INVALID_PRICE = 2055, "the price must be above zero", MARKED
    IMMEDIATE_OR_CANCEL_DOES_NOT_CROSS = 2056, "an immediate-or-cancel order meets nothing", MARKED
    MAX_TRIGGER_ORDERS_LIMIT_REACHED = 2057, "too many trigger orders"
    TRIGGER_ORDER_NOT_FOUND = 2058, "there is no such trigger order"
    NOT_TRIGGER_ORDER = 2059, "this is no trigger order"
    INVALID_PRODUCT_IDS = 2060, "one of the products does not exist"
    INVALID_PRODUCT_TYPE = 2061, "a product's type is spot or perp", MARKED
    MISSING_PRODUCT_IDS = 2062, "the product ids are missing", MARKED
    INVALID_QUERY_RESPONSE = 2063, "an answer could not be read"
    REDUCE_ONLY_INCREASES_POSITION = 2064, "a reduce-only order would not reduce the position", MARKED
    INVALID_EXPIRATION_BITS = 2065, "the expiration carries bits of an older encoding"
    CANCEL_AND_PLACE_DIFFERENT_SENDER_OR_SIGNER = 2066, "both halves need the same sender and the same signer", MARKED
    REDUCE_ONLY_NOT_TAKER = 2067, "a reduce-only order must be ioc or fok", MARKED
    SYSTEM_UNDER_MAINTENANCE = 2068, "the venue is in maintenance", MARKED
    MARKET_TRADING_BLOCKED = 2069, "the market takes no such orders now", MARKED
    MARKET_MAX_OPEN_INTEREST = 2070, "the market's open interest is at its limit"
    MAX_UTILIZATION = 2071, "the pool is at its limit"
    ORDER_BATCH_EXCEED_LIMIT = 2072, "too many orders in one request", MARKED
    SELF_MATCH_NOT_ALLOWED = 2073, "the order would trade with its own account", MARKED
    MISMATCHED_PRODUCT_IDS = 2074, "the products must be the same", MARKED
    NON_DEFAULT_PRIVATE_BATCH_ORDER = 2075, "private batches take default orders only"
    INVALID_TRIGGER_PRIVATE_BATCH_ORDER = 2076, "private batches take no trigger orders"
    TRANSFER_QUOTE_AMOUNT_TOO_SMALL = 2077, "the amount is too small to be transferred"
    TRANSFER_QUOTE_NEW_RECIPIENT_LIMIT_EXCEEDED = 2078, "too many new recipients"
    SELF_TRANSFER_QUOTE_NOT_ALLOWED = 2079, "sender and recipient are the same"
    WEBSOCKET_COMPRESSION_REQUIRED = 2080, "the handshake must offer permessage-deflate", MARKED
    ISOLATED_SUBACCOUNT_CANNOT_PLACE_ISOLATED_ORDER = 2081, "an isolated account places no isolated orders"
    ISOLATED_SUBACCOUNT_INVALID_PRODUCT = 2082, "an isolated account trades one product"
    INVALID_ISOLATED_SPOT_ORDER = 2083, "spot orders cannot be isolated"
    INVALID_ISOLATED_TRIGGER_ORDER = 2084, "trigger orders cannot be isolated"
    INVALID_ISOLATED_REDUCE_ONLY_ORDER = 2085, "reduce-only orders cannot be isolated"
    INVALID_ISOLATED_MARGIN = 2086, "isolated margin is not available"
    FAILED_TO_CREATE_ISOLATED_SUBACCOUNT = 2087, "too many isolated accounts"
    INVALID_ORDER_FROM_ISOLATED_SUBACCOUNT = 2088, "an isolated account may only reduce"
    INVALID_LINK_SIGNER_SENDER = 2089, "an isolated account links no signer", MARKED
    MINT_NLP_AMOUNT_TOO_SMALL = 2090, "the amount is too small"
    AMOUNT_TOO_LARGE = 2091, "the number is out of range", MARKED
    N_ACCOUNT_HEALTH_TOO_LOW = 2092, "the pool's health is too low"
    NOT_CANONICAL_CHAIN = 2093, "not on this chain"
    ORDER_SIZE_TOO_SMALL = 2094, "amount times price is below the product's min_size", MARKED
    INVALID_ORDER_VERSION = 2095, "the appendix must be of version 1", MARKED
    UNLOCKED_NLP_INSUFFICIENT = 2096, "more than what is unlocked"
    INVALID_TRIGGER_ORDER = 2097, "trigger orders are not taken here", MARKED
    INVALID_TWAP = 2098, "malformed TWAP"
    INVALID_TWAP_ORDER_TYPE = 2099, "a TWAP cannot be of this type"
    TWAP_TIMES = 2100, "a TWAP has 1 to 500 slices"
    TWAP_AMOUNT_DISTRIBUTION = 2101, "the slices' amounts do not fit"
    TWAP_EXPIRATION = 2102, "the TWAP lives too long"
    TWAP_INTERVAL = 2103, "the slices are too far apart"
    TWAP_TOTAL_DURATION = 2104, "the TWAP takes too long"
    TWAP_EXPIRATION_TIMING = 2105, "the TWAP expires before its end"
    TWAP_RANDOM_CONFIGURATION = 2106, "malformed random TWAP"
    TWAP_AMOUNT = 2107, "malformed TWAP amount"
    TWAP_AMOUNTS_SUM = 2108, "the slices do not add up"
    TWAP_TRIGGER_AMOUNT_CONFIGURATION = 2109, "malformed amounts"
    TWAP_ISOLATED = 2110, "a TWAP cannot be isolated"
    MAX_ORDER_LIMIT_EXCEEDED = 2111, "too many orders in one batch", MARKED
    NLP_POOL_ISOLATED_ORDER = 2112, "a pool places no isolated orders"
    NLP_POOL_TRIGGER_ORDER = 2113, "a pool places no trigger orders"
    BATCH_SENDER_MISMATCH = 2114, "all orders of a batch must have the same sender", MARKED
    LIQUIDATION_FRONTRUN_BY_NLP = 2115, "the pool was faster"
    INVALID_BUILDER = 2118, "unknown builder, or a fee without one", MARKED
    REQUIRED_UNFILLED_MISMATCH = 2126, "the order's remaining amount is not the required one"

    # Archive and system
    DIGESTS_NOT_ALLOWED = 3000, "digests do not belong here"
    DIGESTS_EXCEED_LIMIT = 3001, "too many digests"
    MISSING_SUBACCOUNT = 3002, "the subaccount is missing"
    INVALID_INTERVAL = 3003, "this interval is not served"
    INVALID_WITHDRAWAL_IDX = 3004, "there is no such withdrawal"
    NOT_ENOUGH_FAST_WITHDRAWAL_SIGNATURES = 3005, "too few signatures"
    PERP_TICK_FORMATTING = 4000, "malformed tick"
    NOT_IMPLEMENTED = 4001, "not implemented by this venue", MARKED
    TEMPORARILY_DISABLED_MINT_LP = 4002, "switched off for now"
    EVM_REVERT = 4003, "the chain refused it"
    WITHDRAW_RISK = 4004, "withdrawals are held back"
    INTERNAL_ERROR = 5000, "internal error", MARKED


ANSWERED_INSTEAD: Final[dict[Code, Code | None]] = {
    Code.MAINTENANCE: Code.SYSTEM_UNDER_MAINTENANCE,
    Code.ORDER_AMOUNT_TOO_SMALL: Code.ORDER_SIZE_TOO_SMALL,
    Code.NONCE_MISSING_IN_PAYLOAD: Code.INVALID_EXECUTE_MESSAGE,
    Code.INVALID_BOOL: Code.INVALID_EXECUTE_MESSAGE,
    Code.MISSING_PRODUCT_IDS: Code.INVALID_EXECUTE_MESSAGE,
    Code.ORDER_BATCH_EXCEED_LIMIT: Code.MAX_ORDER_LIMIT_EXCEEDED,
    Code.MISMATCHED_PRODUCT_IDS: Code.ORDER_NOT_FOUND,
    Code.SELF_MATCH_NOT_ALLOWED: None,  # the account's own resting order is cancelled
    Code.UNAUTHORIZED_ACTION: Code.INVALID_SIGNER,
}
"""Marked codes that this venue never emits, and what it answers in their place (`spec/decisions.md` N6)."""


class GatewayError(Exception):
    """A request that is answered with a failure envelope.

    `message` is for people. The other members are what the envelope repeats of the request, as far as it could be
    read; `about` fills them in once they are known.
    """

    def __init__(self, code: Code, message: str | None = None) -> None:
        self.code = code
        self.message = code.text if message is None else message
        self.request_type: str | None = None
        self.signature: str | None = None
        self.id: int | None = None
        super().__init__(f"{code.value}: {self.message}")

    def about(self, request_type: str | None, *, signature: str | None = None, id: int | None = None) -> Self:
        """Say which request is refused. Executes repeat a signature, which may be empty; queries have None."""
        self.request_type, self.signature, self.id = request_type, signature, id
        return self


class Failure(msgspec.Struct, omit_defaults=True):
    """The failure envelope (6.1, 6.2). No member is ever called `req`, and there is no `data`."""

    status: str | None = None
    signature: str | None = None
    error: str | None = None
    error_code: int | None = None
    id: int | None = None
    request_type: str | None = None


def failure(error: GatewayError) -> bytes:
    """The envelope of a refused execute or query. It travels with HTTP 200 (N11)."""
    return strict_json.encode(
        Failure(
            status="failure",
            signature=error.signature,
            error=error.message,
            error_code=error.code.value,
            id=error.id,
            request_type=error.request_type,
        )
    )
