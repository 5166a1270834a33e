"""What each SX message signs (`spec/sx.md` 4.2 to 4.6).

Order hashes are packed, Solidity style; everything else is typed data. For every typed message
there are three functions: its domain separator, its struct hash, and the digest made of the two.
Addresses are 20 bytes, hashes and salts 32; numbers are unsigned and fit 256 bits. A value that
does not fit raises `TypedDataError`. What the type string calls `string` is hashed as the text that
the request carried, to the letter.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from overround.signing.eip191 import personal_digest
from overround.signing.eip712 import (
    TypedDataError,
    address_word,
    array_hash,
    bool_word,
    bytes32_word,
    contract_domain,
    salted_domain,
    string_array_hash,
    string_hash,
    struct_hash,
    type_hash,
    typed_digest,
    uint256_word,
    uint_word,
)
from overround.signing.keccak import keccak256

__all__ = [
    "NOT_AVAILABLE",
    "FillMessage",
    "LegacyFillMessage",
    "OrderFields",
    "PermitMessage",
    "cancel_all_digest",
    "cancel_all_domain",
    "cancel_all_struct",
    "cancel_event_digest",
    "cancel_event_domain",
    "cancel_event_struct",
    "cancel_orders_digest",
    "cancel_orders_domain",
    "cancel_orders_struct",
    "fill_digest",
    "fill_domain",
    "fill_struct",
    "legacy_fill_digest",
    "legacy_fill_struct",
    "order_digest",
    "order_hash",
    "packed_order",
    "permit_digest",
    "permit_domain",
    "permit_struct",
]

NOT_AVAILABLE = "N/A"
"""What clients sign for a display text that they do not show (`spec/sx.md` 4.4)."""

SECONDS_CACHE_SIZE_MAX = 1_024
"""Seconds whose struct hash is remembered."""

_CANCEL_VERSION = "1.0"
_FILL_NAME = "SX Bet"
_PERMIT_VERSION = "1"
_NO_ADDRESS = bytes(20)
_NO_HASH = bytes(32)

_CANCEL_ORDERS = type_hash("Details(string[] orderHashes,uint256 timestamp)")
_CANCEL_EVENT = type_hash("Details(string sportXeventId,uint256 timestamp)")
_CANCEL_ALL = type_hash("Details(uint256 timestamp)")

_FILL_OBJECT_TEXT = (
    "FillObject(string stakeWei,string marketHash,string baseToken,string desiredOdds,"
    "uint256 oddsSlippage,bool isTakerBettingOutcomeOne,uint256 fillSalt,address beneficiary,"
    "uint8 beneficiaryType,bytes32 cashOutTarget)"
)
_FILL_OBJECT = type_hash(_FILL_OBJECT_TEXT)
_FILL = type_hash(
    "Details(string action,string market,string betting,string stake,string worstOdds,"
    "string worstReturning,FillObject fills)" + _FILL_OBJECT_TEXT
)

_ORDER_TEXT = (
    "Order(bytes32 marketHash,address baseToken,uint256 totalBetSize,uint256 percentageOdds,"
    "uint256 expiry,uint256 salt,address maker,address executor,bool isMakerBettingOutcomeOne)"
)
_ORDER = type_hash(_ORDER_TEXT)
_LEGACY_FILL_OBJECT_TEXT = (
    "FillObject(Order[] orders,bytes[] makerSigs,uint256[] takerAmounts,uint256 fillSalt,"
    "address beneficiary,uint8 beneficiaryType,bytes32 cashOutTarget)"
)
# Referenced types follow in alphabetical order, whichever refers to which.
_LEGACY_FILL_OBJECT = type_hash(_LEGACY_FILL_OBJECT_TEXT + _ORDER_TEXT)
_LEGACY_FILL = type_hash(
    "Details(string action,string market,string betting,string stake,string odds,"
    "string returning,FillObject fills)" + _LEGACY_FILL_OBJECT_TEXT + _ORDER_TEXT
)

_PERMIT = type_hash("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")

_NOT_AVAILABLE_HASH = string_hash(NOT_AVAILABLE)


# Maker orders (spec/sx.md 4.2)


class OrderFields(NamedTuple):
    """The nine signed fields of a maker order, in the order in which they are packed."""

    market_hash: bytes
    base_token: bytes
    total_bet_size: int
    percentage_odds: int
    expiry: int
    salt: int
    maker: bytes
    executor: bytes
    outcome_one: bool


def packed_order(
    market_hash: bytes,
    base_token: bytes,
    total_bet_size: int,
    percentage_odds: int,
    expiry: int,
    salt: int,
    maker: bytes,
    executor: bytes,
    outcome_one: bool,
) -> bytes:
    """Pack the signed fields of a maker order into the 221 bytes that are hashed (`spec/sx.md` 4.2).

    Nothing separates the fields, so a length that is off would move bytes from one field into the
    next and let two orders share a hash.
    """
    if len(market_hash) != 32 or not len(base_token) == len(maker) == len(executor) == 20:
        raise TypedDataError("an order packs a market hash of 32 bytes and addresses of 20")
    try:
        return (
            market_hash
            + base_token
            + total_bet_size.to_bytes(32, "big")
            + percentage_odds.to_bytes(32, "big")
            + expiry.to_bytes(32, "big")
            + salt.to_bytes(32, "big")
            + maker
            + executor
            + (b"\x01" if outcome_one else b"\x00")
        )
    except OverflowError:
        raise TypedDataError("a number of the order does not fit uint256") from None


def order_hash(
    market_hash: bytes,
    base_token: bytes,
    total_bet_size: int,
    percentage_odds: int,
    expiry: int,
    salt: int,
    maker: bytes,
    executor: bytes,
    outcome_one: bool,
) -> bytes:
    """Return the 32-byte hash that identifies a maker order (`spec/sx.md` 4.2).

    `total_bet_size` is in base units of the token, `percentage_odds` is the maker's implied
    probability times 10^20, `expiry` is in unix seconds. Neither the chain id nor `apiExpiry` is
    part of it.
    """
    return keccak256(
        packed_order(
            market_hash,
            base_token,
            total_bet_size,
            percentage_odds,
            expiry,
            salt,
            maker,
            executor,
            outcome_one,
        )
    )


def order_digest(hash_of_order: bytes) -> bytes:
    """Return what the maker signs: the order hash as a personal message (`spec/sx.md` 4.2)."""
    return personal_digest(hash_of_order)


# Cancels (spec/sx.md 4.3): the salt of the request is part of the domain, so that a separator is good
# for one request only; there is no verifying contract.


def cancel_orders_domain(chain_id: int, salt: bytes) -> bytes:
    """Return the domain separator of a cancel by hashes."""
    return salted_domain("CancelOrderV2SportX", _CANCEL_VERSION, chain_id, salt)


def cancel_orders_struct(order_hashes: Sequence[str], timestamp: int) -> bytes:
    """Return the struct hash of a cancel by hashes: texts as received, unix seconds."""
    return keccak256(_CANCEL_ORDERS + string_array_hash(order_hashes) + uint256_word(timestamp))


def cancel_orders_digest(chain_id: int, salt: bytes, order_hashes: Sequence[str], timestamp: int) -> bytes:
    """Return the digest of `POST /orders/cancel/v2` (`spec/sx.md` 4.3)."""
    return typed_digest(cancel_orders_domain(chain_id, salt), cancel_orders_struct(order_hashes, timestamp))


def cancel_event_domain(chain_id: int, salt: bytes) -> bytes:
    """Return the domain separator of a cancel by event."""
    return salted_domain("CancelOrderEventsSportX", _CANCEL_VERSION, chain_id, salt)


def cancel_event_struct(event_id: str, timestamp: int) -> bytes:
    """Return the struct hash of a cancel by event: text as received, unix seconds."""
    return keccak256(_CANCEL_EVENT + string_hash(event_id) + uint256_word(timestamp))


def cancel_event_digest(chain_id: int, salt: bytes, event_id: str, timestamp: int) -> bytes:
    """Return the digest of `POST /orders/cancel/event` (`spec/sx.md` 4.3)."""
    return typed_digest(cancel_event_domain(chain_id, salt), cancel_event_struct(event_id, timestamp))


def cancel_all_domain(chain_id: int, salt: bytes) -> bytes:
    """Return the domain separator of a cancel of everything."""
    return salted_domain("CancelAllOrdersSportX", _CANCEL_VERSION, chain_id, salt)


@lru_cache(SECONDS_CACHE_SIZE_MAX)
def cancel_all_struct(timestamp: int) -> bytes:
    """Return the struct hash of a cancel of everything: unix seconds. All cancels of a second share it."""
    return keccak256(_CANCEL_ALL + uint256_word(timestamp))


def cancel_all_digest(chain_id: int, salt: bytes, timestamp: int) -> bytes:
    """Return the digest of `POST /orders/cancel/all` (`spec/sx.md` 4.3)."""
    return typed_digest(cancel_all_domain(chain_id, salt), cancel_all_struct(timestamp))


# Fills (spec/sx.md 4.4 and 4.5)


class FillMessage(NamedTuple):
    """The message of `POST /orders/fill/v2` (`spec/sx.md` 4.4).

    `market` is a display text that clients fill in differently; to try another one, use
    `message._replace(market=...)`.
    """

    market: str
    market_hash: str
    base_token: str
    stake_wei: str
    desired_odds: str
    odds_slippage: int
    outcome_one: bool
    fill_salt: int
    action: str = NOT_AVAILABLE
    betting: str = NOT_AVAILABLE
    stake: str = NOT_AVAILABLE
    worst_odds: str = NOT_AVAILABLE
    worst_returning: str = NOT_AVAILABLE
    beneficiary: bytes = _NO_ADDRESS
    beneficiary_type: int = 0
    cash_out_target: bytes = _NO_HASH


def fill_domain(chain_id: int, domain_version: str, fill_hasher: bytes) -> bytes:
    """Return the domain separator of both kinds of fill.

    `domain_version` and `fill_hasher` are `domainVersion` and `EIP712FillHasher` of the metadata.
    """
    return contract_domain(_FILL_NAME, domain_version, chain_id, fill_hasher)


def fill_struct(message: FillMessage) -> bytes:
    """Return the struct hash of a fill."""
    fills = struct_hash(
        _FILL_OBJECT,
        string_hash(message.stake_wei),
        string_hash(message.market_hash),
        string_hash(message.base_token),
        string_hash(message.desired_odds),
        uint256_word(message.odds_slippage),
        bool_word(message.outcome_one),
        uint256_word(message.fill_salt),
        address_word(message.beneficiary),
        uint_word(message.beneficiary_type, 8),
        bytes32_word(message.cash_out_target),
    )
    return struct_hash(
        _FILL,
        _display_hash(message.action),
        _display_hash(message.market),
        _display_hash(message.betting),
        _display_hash(message.stake),
        _display_hash(message.worst_odds),
        _display_hash(message.worst_returning),
        fills,
    )


def fill_digest(chain_id: int, domain_version: str, fill_hasher: bytes, message: FillMessage) -> bytes:
    """Return the digest of `POST /orders/fill/v2`, which is also the fill hash (`spec/sx.md` 4.4)."""
    return typed_digest(fill_domain(chain_id, domain_version, fill_hasher), fill_struct(message))


class LegacyFillMessage(NamedTuple):
    """The message of `POST /orders/fill` (`spec/sx.md` 4.5).

    `maker_signatures` are the 65 bytes that each order was posted with, `taker_amounts` are, in
    spite of the name, the maker-side amounts to take, in base units.
    """

    orders: Sequence[OrderFields]
    maker_signatures: Sequence[bytes]
    taker_amounts: Sequence[int]
    fill_salt: int
    action: str = NOT_AVAILABLE
    market: str = NOT_AVAILABLE
    betting: str = NOT_AVAILABLE
    stake: str = NOT_AVAILABLE
    odds: str = NOT_AVAILABLE
    returning: str = NOT_AVAILABLE
    beneficiary: bytes = _NO_ADDRESS
    beneficiary_type: int = 0
    cash_out_target: bytes = _NO_HASH


def legacy_fill_struct(message: LegacyFillMessage) -> bytes:
    """Return the struct hash of a legacy fill."""
    fills = struct_hash(
        _LEGACY_FILL_OBJECT,
        array_hash([_order_struct(order) for order in message.orders]),
        array_hash([keccak256(signature) for signature in message.maker_signatures]),
        array_hash([uint256_word(amount) for amount in message.taker_amounts]),
        uint256_word(message.fill_salt),
        address_word(message.beneficiary),
        uint_word(message.beneficiary_type, 8),
        bytes32_word(message.cash_out_target),
    )
    return struct_hash(
        _LEGACY_FILL,
        _display_hash(message.action),
        _display_hash(message.market),
        _display_hash(message.betting),
        _display_hash(message.stake),
        _display_hash(message.odds),
        _display_hash(message.returning),
        fills,
    )


def legacy_fill_digest(chain_id: int, domain_version: str, fill_hasher: bytes, message: LegacyFillMessage) -> bytes:
    """Return the digest of `POST /orders/fill`, which is also the fill hash (`spec/sx.md` 4.5)."""
    domain = fill_domain(chain_id, domain_version, fill_hasher)
    return typed_digest(domain, legacy_fill_struct(message))


def _order_struct(order: OrderFields) -> bytes:
    return struct_hash(
        _ORDER,
        bytes32_word(order.market_hash),
        address_word(order.base_token),
        uint256_word(order.total_bet_size),
        uint256_word(order.percentage_odds),
        uint256_word(order.expiry),
        uint256_word(order.salt),
        address_word(order.maker),
        address_word(order.executor),
        bool_word(order.outcome_one),
    )


def _display_hash(text: str) -> bytes:
    # Nearly every display text of nearly every client is this one.
    return _NOT_AVAILABLE_HASH if text == NOT_AVAILABLE else string_hash(text)


# Approvals (spec/sx.md 4.6)


class PermitMessage(NamedTuple):
    """The EIP-2612 message of `POST /orders/approve`: base units, the token's nonce, unix seconds."""

    owner: bytes
    spender: bytes
    value: int
    nonce: int
    deadline: int


def permit_domain(chain_id: int, token_name: str, token: bytes) -> bytes:
    """Return the domain separator of a permit; `token_name` is the `name()` of the token contract."""
    return contract_domain(token_name, _PERMIT_VERSION, chain_id, token)


def permit_struct(message: PermitMessage) -> bytes:
    """Return the struct hash of a permit."""
    return struct_hash(
        _PERMIT,
        address_word(message.owner),
        address_word(message.spender),
        uint256_word(message.value),
        uint256_word(message.nonce),
        uint256_word(message.deadline),
    )


def permit_digest(chain_id: int, token_name: str, token: bytes, message: PermitMessage) -> bytes:
    """Return the digest of `POST /orders/approve` (`spec/sx.md` 4.6)."""
    return typed_digest(permit_domain(chain_id, token_name, token), permit_struct(message))
