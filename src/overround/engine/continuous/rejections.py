"""Every refusal of continuous markets, in order of precedence: where several apply, the first one listed is the answer.

| rejection | code (spec/nado.md 13) | of |
| --- | --- | --- |
| MAINTENANCE | 2068 | placing |
| PRODUCT_UNKNOWN | 2016 | placing, cancelling by product, operator |
| MARKET_UNKNOWN | 2015 | placing |
| RECEIVED_LATE | 2011 | placing, cancelling |
| RECEIVED_EARLY | 2012 | placing, cancelling |
| TX_NONCE_WRONG | 2022 | linking |
| DIGEST_USED | 2013 | placing, cancelling |
| SENDERS_OR_SIGNERS_DIFFER | 2066 | cancel and place |
| SIGNER_NOT_AUTHORISED | 2028 | everything that is signed |
| SIGNER_LINKED_ALREADY | 2026 | linking |
| SIGNER_UPDATES_EXHAUSTED | 2030 | linking |
| ORDER_NOT_FOUND | 2020 | cancelling |
| ORDER_OF_OTHER_SUBACCOUNT | 2014 | cancelling |
| UNFILLED_DIFFERS | 2126 | cancelling, cancel and place |
| MARKET_BLOCKED | 2069 | placing |
| ORDER_EXPIRED | 2004 | placing |
| PRICE_NOT_POSITIVE | 2055 | placing |
| PRICE_OFF_TICK | 2000 | placing |
| AMOUNT_ZERO | 2002 | placing |
| AMOUNT_OFF_LOT | 2001 | placing |
| NOTIONAL_TOO_SMALL | 2094 | placing |
| PRICE_OUTSIDE_BAND | 2007 | placing |
| OPEN_ORDERS_EXHAUSTED | 2005 | placing |
| POST_ONLY_CROSSES | 2008 | placing |
| REDUCE_ONLY_INCREASES | 2064 | placing |
| REDUCE_ONLY_RESTS | 2067 | placing |
| NO_PRIOR_DEPOSIT | 2024 | placing |
| NOTHING_TO_MATCH | 2056 | placing; the digest is burnt (N9) |
| NOT_FILLED_COMPLETELY | 2031 | placing; the digest is burnt (N9) |
| MARGIN_INSUFFICIENT | 2006 | placing |
| PRODUCT_INVALID, PRODUCT_IN_USE, NOT_COLLATERAL | operator routes | operator |
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import msgspec

from overround.engine.continuous.types import Digest


class ContinuousRejection(Enum):
    """An expected refusal: a value, not an exception. Nothing changed, but for what `BURNS` says."""

    MAINTENANCE = "maintenance"
    PRODUCT_UNKNOWN = "product_unknown"
    MARKET_UNKNOWN = "market_unknown"
    RECEIVED_LATE = "received_late"
    RECEIVED_EARLY = "received_early"
    TX_NONCE_WRONG = "tx_nonce_wrong"
    DIGEST_USED = "digest_used"
    SENDERS_OR_SIGNERS_DIFFER = "senders_or_signers_differ"
    SIGNER_NOT_AUTHORISED = "signer_not_authorised"
    SIGNER_LINKED_ALREADY = "signer_linked_already"
    SIGNER_UPDATES_EXHAUSTED = "signer_updates_exhausted"
    ORDER_NOT_FOUND = "order_not_found"
    ORDER_OF_OTHER_SUBACCOUNT = "order_of_other_subaccount"
    UNFILLED_DIFFERS = "unfilled_differs"
    MARKET_BLOCKED = "market_blocked"
    ORDER_EXPIRED = "order_expired"
    PRICE_NOT_POSITIVE = "price_not_positive"
    PRICE_OFF_TICK = "price_off_tick"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_OFF_LOT = "amount_off_lot"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    PRICE_OUTSIDE_BAND = "price_outside_band"
    OPEN_ORDERS_EXHAUSTED = "open_orders_exhausted"
    POST_ONLY_CROSSES = "post_only_crosses"
    REDUCE_ONLY_INCREASES = "reduce_only_increases"
    REDUCE_ONLY_RESTS = "reduce_only_rests"
    NO_PRIOR_DEPOSIT = "no_prior_deposit"
    NOTHING_TO_MATCH = "nothing_to_match"
    NOT_FILLED_COMPLETELY = "not_filled_completely"
    MARGIN_INSUFFICIENT = "margin_insufficient"
    PRODUCT_INVALID = "product_invalid"
    PRODUCT_IN_USE = "product_in_use"
    NOT_COLLATERAL = "not_collateral"


# An immediate order that found no match was tried: its digest is used up (N9).
BURNS: Final = frozenset({ContinuousRejection.NOTHING_TO_MATCH, ContinuousRejection.NOT_FILLED_COMPLETELY})


class Refusal(msgspec.Struct, frozen=True):
    """Why a whole command was refused; `digest` names the one order that it is about, if it is about one."""

    rejection: ContinuousRejection
    digest: Digest | None = None
