"""SX requests to commands. Checks run in the order that the specification gives them (`spec/sx.md` 5.9, 5.10)."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeVar

import msgspec

from overround.engine.commands import Cancel, CancelAll, CancelFixture, CancelOrders, NewOrder
from overround.engine.rules import Rules
from overround.engine.types import ODDS_ONE, Address, FixtureId, MarketHash, OrderHash
from overround.protocols import strict_json
from overround.protocols.sx import digests, units
from overround.protocols.sx.errors import WireError, bad_request
from overround.protocols.sx.profile import EXPIRY
from overround.protocols.sx.wire import CancelBody, CancelEventBody, CancelOrdersBody, PlaceBody
from overround.signing.address import AddressError, checksum_address, parse_address
from overround.signing.recover import (
    SignatureTextError,
    SignatureValueError,
    parse_signature,
    recover_address,
)

ORDERS_MAX: Final = 1_000  # orders in one request
MARKETS_MAX: Final = 3  # distinct markets in one request
CANCEL_HASHES_MAX: Final = 1_000  # order hashes in one cancel
NAME_LENGTH_MAX: Final = 256  # characters of an order hash or event id named in a cancel
LADDER_UNIT: Final = 10**15
_TIMESTAMP_MAX: Final = 2**63 - 1
_CANCEL_SALT: Final = re.compile(r"0[xX][0-9a-fA-F]{64}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,19}", re.ASCII)

_B = TypeVar("_B", bound=msgspec.Struct)


def body_of(body: bytes, wanted: type[_B]) -> _B:
    """Decode a body. Raises WireError `BAD_REQUEST`."""
    try:
        return strict_json.decode_body(body, wanted)
    except strict_json.MalformedBody as error:
        raise bad_request(str(error)) from None


# ---- posting (5.9) -------------------------------------------------------------------------------------------------


class ReadSignature(NamedTuple):
    """A signature in its normal form, or why no key can have made it."""

    raw: bytes | None
    fault: str = ""


class SignedOrder(msgspec.Struct, frozen=True):
    """An order whose form is right and whose signature is still to be verified."""

    place: int  # in the request
    terms: NewOrder
    executor: bytes
    expiry: int
    signature: ReadSignature

    def recovers_maker(self) -> bool:
        """Whether the maker signed it. Expensive: one public key recovery."""
        if self.signature.raw is None:
            return False
        digest = digests.order_digest(self.terms.order_hash)
        return recover_address(digest, self.signature.raw) == self.terms.maker


def place_orders(body: bytes, rules: Rules, now_ms: int) -> list[SignedOrder]:
    """Steps 1 to 6: everything that is cheaper than a signature."""
    orders = [_order(entry, place) for place, entry in enumerate(_entries(body))]
    if len({order.terms.market_hash for order in orders}) > MARKETS_MAX:
        raise WireError("TOO_MANY_DIFFERENT_MARKETS", detail=f"one request may name {MARKETS_MAX} markets")
    tokens = {order.terms.base_token for order in orders}
    if len(tokens) > 1:
        raise WireError("BAD_BASE_TOKEN", detail="all orders of one request must be in the same token")
    if rules.token(tokens.pop()) is None:
        known = ", ".join(f"{token.symbol} {checksum_address(token.address)}" for token in rules.tokens)
        raise WireError("BAD_BASE_TOKEN", detail=f"orders are taken in {known}")
    for order in orders:
        _check_values(order, rules, now_ms)
    return orders


def _entries(body: bytes) -> list[object]:
    orders = body_of(body, PlaceBody).orders
    if not isinstance(orders, list):
        raise bad_request("orders must be an array")
    if not orders:
        raise bad_request("orders must not be empty")
    if len(orders) > ORDERS_MAX:
        raise bad_request(f"orders must contain at most {ORDERS_MAX} elements")
    return orders


def _order(entry: object, place: int) -> SignedOrder:
    """Step 2: the form of every member."""
    if not isinstance(entry, dict):
        raise bad_request(f"orders[{place}] must be an object")
    member = partial(_member, entry, place)
    market_hash = member("marketHash", _hash)
    maker = member("maker", _address)
    base_token = member("baseToken", _address)
    total_bet_size = member("totalBetSize", _positive)
    percentage_odds = member("percentageOdds", _odds)
    expiry = member("expiry", _integer)
    api_expiry = member("apiExpiry", _integer)
    executor = member("executor", _address)
    salt = member("salt", _positive)
    outcome_one = member("isMakerBettingOutcomeOne", _boolean)
    signature = member("signature", _signature)
    order_hash = digests.order_hash(
        market_hash, base_token, total_bet_size, percentage_odds, expiry, salt, maker, executor, outcome_one
    )
    terms = NewOrder(
        order_hash=OrderHash(order_hash),
        market_hash=MarketHash(market_hash),
        maker=maker,
        base_token=base_token,
        total_bet_size=total_bet_size,
        percentage_odds=percentage_odds,
        salt=units.pack_salt(entry["salt"]),
        is_maker_betting_outcome_one=outcome_one,
        signature=signature.raw or b"",
        api_expiry=api_expiry,
    )
    return SignedOrder(place, terms, executor, expiry, signature)


_T = TypeVar("_T")


def _member(entry: dict[str, object], place: int, name: str, parse: Callable[[object], _T]) -> _T:
    try:
        return parse(entry.get(name))
    except ValueError as error:
        raise malformed(name, f"orders[{place}].{name}: {error}") from None


def malformed(name: str, detail: str) -> WireError:
    """The code of a missing or malformed member of an order."""
    return WireError(f"{name.upper()}_UNDEFINED_OR_MALFORMED", detail=detail)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")
    return value


def _hash(value: object) -> bytes:
    found = units.parse_hash(value)
    if found is None:
        raise ValueError("must be 0x and 64 hex digits")
    return found


def _address(value: object) -> Address:
    return Address(parse_address(_text(value)))


def _positive(value: object) -> int:
    number = units.parse_word(value)
    if not number:
        raise ValueError("must be an integer above 0 and below 2^256, as decimal or 0x hex text")
    return number


def _odds(value: object) -> int:
    odds = units.parse_word(value)
    if odds is None or not 0 < odds < ODDS_ONE:
        raise ValueError("must be an integer between 0 and 10^20, both excluded")
    return odds


def _integer(value: object) -> int:
    """A JSON integer that a number of seconds can be."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _TIMESTAMP_MAX:
        raise ValueError("must be a number of unix seconds")
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _signature(value: object) -> ReadSignature:
    """Wrong text is malformed; a value that no key can have made is a mismatch, later (`spec/decisions.md` P3)."""
    return read_signature(_text(value))


def read_signature(text: str) -> ReadSignature:
    """The normal form of a signature's text; a bad value is a mismatch in its turn (`spec/decisions.md` P3).

    Raises SignatureTextError.
    """
    try:
        return ReadSignature(parse_signature(text))
    except SignatureValueError as error:
        return ReadSignature(None, str(error))


def _check_values(order: SignedOrder, rules: Rules, now_ms: int) -> None:
    """Step 6: what is well-formed but not acceptable here and now."""
    terms, where = order.terms, f"orders[{order.place}]"
    token = rules.token(terms.base_token)
    assert token is not None
    step = rules.odds_ladder_step * LADDER_UNIT
    if terms.total_bet_size < token.maker_minimum:
        raise WireError("TOTAL_BET_SIZE_TOO_LOW", detail=f"{where}: the least totalBetSize is {token.maker_minimum}")
    if step and terms.percentage_odds % step:
        raise WireError("INVALID_ODDS", detail=f"{where}: percentageOdds must be a multiple of {step}")
    if order.executor != rules.executor:
        raise malformed("executor", f"{where}.executor: must be {checksum_address(rules.executor)}")
    if order.expiry != EXPIRY:
        raise malformed("expiry", f"{where}.expiry: must be {EXPIRY}")
    if terms.api_expiry * 1000 <= now_ms:
        raise malformed("apiExpiry", f"{where}.apiExpiry: has passed, the venue's clock says {now_ms // 1000}")


def first_forged(orders: Sequence[SignedOrder]) -> SignedOrder | None:
    """Step 7: the first order that its maker did not sign. Expensive; releases the GIL most of the time."""
    return next((order for order in orders if not order.recovers_maker()), None)


def order_mismatch(order: SignedOrder) -> WireError:
    """The answer for an order that its maker did not sign: with what was signed, if anything was."""
    order_hash = order.terms.order_hash
    what = f"orders[{order.place}]: the order hash is {units.hash_text(order_hash)}"
    return mismatch(what, digests.order_digest(order_hash), order.signature, order.terms.maker)


def mismatch(
    what: str,
    digest: bytes,
    signature: ReadSignature,
    claimed: Address,
    *,
    role: str = "maker",
    code: str = "SIGNATURE_MISMATCH",
) -> WireError:
    """The answer where `claimed` did not sign the digest: says who did, if anybody."""
    if signature.raw is None:
        return WireError(code, detail=signature.fault)
    recovered = recover_address(digest, signature.raw)
    signer = "no key" if recovered is None else checksum_address(recovered)
    detail = f"{what}; its signature is of {signer}, not of the {role} {checksum_address(claimed)}"
    return WireError(code, detail=detail)


# ---- cancels (5.10) ------------------------------------------------------------------------------------------------


class SignedCancel(msgspec.Struct, frozen=True):
    """A cancel whose form is right and whose signature is still to be verified."""

    command: CancelOrders | CancelFixture | CancelAll
    signature: ReadSignature

    def recovers_maker(self) -> bool:
        """Whether the maker signed it. Expensive: one public key recovery."""
        if self.signature.raw is None:
            return False
        return recover_address(self.command.digest, self.signature.raw) == self.command.maker


def cancel_orders(body: bytes, chain_id: int) -> SignedCancel:
    """`POST /orders/cancel/v2`"""
    wire = body_of(body, CancelOrdersBody)
    names = wire.orderHashes
    if not 1 <= len(names) <= CANCEL_HASHES_MAX:
        raise bad_request(f"orderHashes must contain 1 to {CANCEL_HASHES_MAX} elements")
    if max(map(len, names)) > NAME_LENGTH_MAX:
        raise bad_request(f"orderHashes must be strings of at most {NAME_LENGTH_MAX} characters")
    maker, salt, timestamp_s, signature = _signed_members(wire)
    digest = digests.cancel_orders_digest(chain_id, salt, names, timestamp_s)
    command = CancelOrders(maker=maker, digest=digest, timestamp_s=timestamp_s, order_hashes=tuple(names))
    return SignedCancel(command, signature)


def cancel_event(body: bytes, chain_id: int) -> SignedCancel:
    """`POST /orders/cancel/event`"""
    wire = body_of(body, CancelEventBody)
    event = wire.sportXeventId or wire.sportXEventId
    if not isinstance(event, str) or not event:
        raise bad_request("sportXeventId must be a string")
    if len(event) > NAME_LENGTH_MAX:
        raise bad_request(f"sportXeventId must have at most {NAME_LENGTH_MAX} characters")
    maker, salt, timestamp_s, signature = _signed_members(wire)
    digest = digests.cancel_event_digest(chain_id, salt, event, timestamp_s)
    command = CancelFixture(maker=maker, digest=digest, timestamp_s=timestamp_s, fixture_id=FixtureId(event))
    return SignedCancel(command, signature)


def cancel_all(body: bytes, chain_id: int) -> SignedCancel:
    """`POST /orders/cancel/all`"""
    wire = body_of(body, CancelBody)
    maker, salt, timestamp_s, signature = _signed_members(wire)
    digest = digests.cancel_all_digest(chain_id, salt, timestamp_s)
    return SignedCancel(CancelAll(maker=maker, digest=digest, timestamp_s=timestamp_s), signature)


def _signed_members(wire: CancelBody) -> tuple[Address, bytes, int, ReadSignature]:
    try:
        maker = Address(parse_address(wire.maker))
    except AddressError as error:
        raise bad_request(f"maker: {error}") from None
    # Exactly 32 bytes: typed-data libraries pad a shorter salt on the right, and two spellings would sign alike.
    if not _CANCEL_SALT.fullmatch(wire.salt):
        raise bad_request("salt must be 0x and 64 hex digits")
    try:
        signature = read_signature(wire.signature)
    except SignatureTextError as error:
        raise bad_request(str(error)) from None
    return maker, bytes.fromhex(wire.salt[2:]), _timestamp(wire.timestamp), signature


def _timestamp(value: int | str) -> int:
    """Unix seconds as a number or numeric text."""
    if isinstance(value, str):
        value = int(value) if _SECONDS.fullmatch(value) else -1
    if not 0 <= value <= _TIMESTAMP_MAX:
        raise bad_request("timestamp must be a number of unix seconds")
    return value


def cancel_mismatch(cancel: SignedCancel) -> WireError:
    """The answer for a cancel that its maker did not sign: with what was signed, if anything was."""
    command: Cancel = cancel.command
    what = f"the digest of this request is {units.hash_text(command.digest)}"
    return mismatch(what, command.digest, cancel.signature, command.maker)
