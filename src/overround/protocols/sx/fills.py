"""Fills and approvals to commands (`spec/sx.md` 4.4 to 4.6, 5.11 to 5.13).

Checks run from cheap to dear: form, values, what was submitted before, and only then the signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from overround.engine.commands import Approve, FillMarket, FillOrders, NewOrder
from overround.engine.rules import Rules, Token
from overround.engine.types import ODDS_ONE, Address, FillHash, MarketHash, OrderHash
from overround.protocols.sx import digests, units
from overround.protocols.sx.decode import ReadSignature, body_of, mismatch, read_signature
from overround.protocols.sx.errors import WireError, bad_request
from overround.protocols.sx.profile import EXPIRY, Profile
from overround.protocols.sx.wire import ApproveBody, FillBody, FillOrdersBody
from overround.signing.address import AddressError, checksum_address, parse_address
from overround.signing.eip712 import typed_digest
from overround.signing.recover import SignatureTextError, recover_address

SLIPPAGE_MAX: Final = 100  # percent
TEXT_LENGTH_MAX: Final = 1_024  # characters of a text that is only signed
ORDERS_MAX: Final = 100  # orders of a legacy fill; hashing them all must not keep others waiting

_INTEGER: Final = "must be an integer below 2^256, as decimal or 0x hex text"


class SignedFill(msgspec.Struct, frozen=True):
    """A fill whose form is right and whose signature is still to be verified."""

    command: FillMarket | FillOrders  # with the first of the digests as its hash
    digests: tuple[FillHash, ...]  # what the taker may have signed: clients fill in `market` differently (4.4)
    signature: ReadSignature

    def verified(self) -> FillMarket | FillOrders | None:
        """The command with the hash that the taker signed, if he signed any. Expensive: a recovery for each digest."""
        if self.signature.raw is not None:
            for digest in self.digests:
                if recover_address(digest, self.signature.raw) == self.command.taker:
                    return msgspec.structs.replace(self.command, fill_hash=digest)
        return None

    def mismatch(self) -> WireError:
        """The answer where the taker signed none of them."""
        digest = self.digests[0]
        what = f"the digest of this request is {units.hash_text(digest)}"
        return mismatch(what, digest, self.signature, self.command.taker, role="taker", code="TAKER_SIGNATURE_MISMATCH")


def domain_of(profile: Profile) -> bytes:
    """The domain separator of every fill of a venue."""
    return digests.fill_domain(profile.chain_id, profile.domain_version, parse_address(profile.fill_hasher))


# ---- POST /orders/fill/v2 (5.12) -----------------------------------------------------------------------------------


def fill(body: bytes, rules: Rules, domain: bytes) -> SignedFill:
    """Everything that is cheaper than a signature."""
    wire = body_of(body, FillBody)
    market_text, market_hash = _market(wire)
    token_text = _text("baseToken", wire.baseToken)
    outcome_one = _boolean("isTakerBettingOutcomeOne", wire.isTakerBettingOutcomeOne)
    stake = _word("stakeWei", wire.stakeWei)
    desired_odds = _word("desiredOdds", wire.desiredOdds)
    fill_salt = _word("fillSalt", wire.fillSalt)
    taker = _address("taker", wire.taker)
    signature = _signature("takerSig", wire.takerSig)
    if wire.oddsSlippage is msgspec.UNSET:
        raise bad_request("oddsSlippage is required")
    _refuse_proxy(wire.proxyTaker)
    token = _token(token_text, rules)
    if stake < token.taker_minimum:
        raise WireError("TAKER_AMOUNT_TOO_LOW", detail=f"the least stakeWei is {token.taker_minimum}")
    if not 0 < desired_odds < ODDS_ONE:
        raise WireError("INVALID_ODDS", detail="desiredOdds must lie between 0 and 10^20, both excluded")
    slippage = _slippage(wire.oddsSlippage)
    message = digests.FillMessage(
        market=market_text,
        market_hash=market_text,
        base_token=token_text,
        stake_wei=str(wire.stakeWei),
        desired_odds=str(wire.desiredOdds),
        odds_slippage=slippage,
        outcome_one=outcome_one,
        fill_salt=fill_salt,
        action=_display("action", wire.action),
        betting=_display("betting", wire.betting),
        stake=_display("stake", wire.stake),
        worst_odds=_display("worstOdds", wire.worstOdds),
        worst_returning=_display("worstReturning", wire.worstReturning),
    )
    shown = dict.fromkeys((_display("market", wire.market), market_text, digests.NOT_AVAILABLE))
    hashes = tuple(FillHash(typed_digest(domain, digests.fill_struct(message._replace(market=text)))) for text in shown)
    command = FillMarket(
        taker=taker,
        fill_hash=hashes[0],
        market_hash=market_hash,
        base_token=token.address,
        is_taker_betting_outcome_one=outcome_one,
        stake=stake,
        desired_odds=desired_odds,
        odds_slippage=slippage,
    )
    return SignedFill(command, hashes, signature)


def _market(wire: FillBody) -> tuple[str, MarketHash]:
    """The market hash as text and bytes: of `marketHash` if it is there, else of `market` (OP-14)."""
    text = wire.market if wire.marketHash in (msgspec.UNSET, None) else wire.marketHash
    found = units.parse_hash(text)
    if found is None:
        raise WireError("MARKET_UNDEFINED_OR_MALFORMED", detail="market or marketHash must be 0x and 64 hex digits")
    return text, MarketHash(found)


def _slippage(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= SLIPPAGE_MAX:
        raise WireError("INVALID_ODDS_SLIPPAGE", detail=f"oddsSlippage must be an integer from 0 to {SLIPPAGE_MAX}")
    return value


# ---- POST /orders/fill (5.13) --------------------------------------------------------------------------------------


class LegacyFill(msgspec.Struct, frozen=True):
    """A legacy fill whose form is right. What was signed commits to the orders, which only the venue knows."""

    command: FillOrders  # without its hash
    wire: FillOrdersBody
    fill_salt: int
    signature: ReadSignature

    def signed(self, orders: Iterable[NewOrder], rules: Rules, domain: bytes) -> SignedFill:
        """With the digest over these orders, which are the named ones, in the order of the request."""
        named = list(orders)
        wire = self.wire
        message = digests.LegacyFillMessage(
            orders=[_fields(terms, rules) for terms in named],
            maker_signatures=[terms.signature for terms in named],
            taker_amounts=self.command.maker_amounts,
            fill_salt=self.fill_salt,
            action=wire.action,
            market=wire.market,
            betting=wire.betting,
            stake=wire.stake,
            odds=wire.odds,
            returning=wire.returning,
        )
        fill_hash = FillHash(typed_digest(domain, digests.legacy_fill_struct(message)))
        command = msgspec.structs.replace(self.command, fill_hash=fill_hash)
        return SignedFill(command, (fill_hash,), self.signature)


def legacy_fill(body: bytes) -> LegacyFill:
    """The form, and what can be said without looking at the orders."""
    wire = body_of(body, FillOrdersBody)
    names, amounts = wire.orderHashes, [_word("takerAmounts", one) for one in wire.takerAmounts]
    if not 1 <= len(names) <= ORDERS_MAX:
        raise bad_request(f"orderHashes must contain 1 to {ORDERS_MAX} elements")
    taker = _address("taker", wire.taker)
    fill_salt = _word("fillSalt", wire.fillSalt)
    signature = _signature("takerSig", wire.takerSig)
    for name in ("action", "market", "betting", "stake", "odds", "returning"):
        _display(name, getattr(wire, name))
    _refuse_proxy(wire.proxyTaker)
    if len(names) != len(amounts):
        raise WireError("INCORRECT_ARRAY_LENGTHS", detail="one of takerAmounts is needed for each of orderHashes")
    hashes = [units.parse_hash(name) for name in names]
    if None in hashes:
        raise WireError("INVALID_ORDERS", detail="orderHashes must be 0x and 64 hex digits")
    if len(set(hashes)) < len(hashes):
        raise WireError("ORDERS_NOT_UNIQUE")
    command = FillOrders(
        taker=taker,
        fill_hash=FillHash(b""),
        order_hashes=tuple(OrderHash(one) for one in hashes if one is not None),
        maker_amounts=tuple(amounts),
    )
    return LegacyFill(command, wire, fill_salt, signature)


def _fields(terms: NewOrder, rules: Rules) -> digests.OrderFields:
    salt = units.parse_word(units.unpack_salt(terms.salt))
    assert salt is not None, "the salt of an accepted order is an integer"
    return digests.OrderFields(
        terms.market_hash,
        terms.base_token,
        terms.total_bet_size,
        terms.percentage_odds,
        EXPIRY,
        salt,
        terms.maker,
        rules.executor,
        terms.is_maker_betting_outcome_one,
    )


# ---- POST /orders/approve (5.11) -----------------------------------------------------------------------------------


class Approval(msgspec.Struct, frozen=True):
    """An approval whose form is right; its nonce is the owner's next one."""

    owner: Address
    token: Token
    spender: Address
    value: int
    deadline_s: int
    signature: ReadSignature

    def command(self, chain_id: int, nonce: int) -> Approve:
        """The command, if the owner signed the permit of this nonce. Expensive. Raises `SIGNATURE_MISMATCH`."""
        message = digests.PermitMessage(self.owner, self.spender, self.value, nonce, self.deadline_s)
        digest = digests.permit_digest(chain_id, self.token.symbol, self.token.address, message)
        if self.signature.raw is None or recover_address(digest, self.signature.raw) != self.owner:
            what = f"the digest of this permit, with nonce {nonce}, is {units.hash_text(digest)}"
            raise mismatch(what, digest, self.signature, self.owner, role="owner")
        return Approve(
            owner=self.owner,
            token=self.token.address,
            value=self.value,
            nonce=nonce,
            deadline_s=self.deadline_s,
            digest=digest,
        )


def approval(body: bytes, rules: Rules, profile: Profile, now_ms: int) -> Approval:
    """Everything that is cheaper than a signature."""
    wire = body_of(body, ApproveBody)
    owner, spender = _address("owner", wire.owner), _address("spender", wire.spender)
    value, deadline_s = _word("value", wire.value), _word("deadline", wire.deadline)
    try:
        signature = read_signature(wire.signature)
    except SignatureTextError as error:
        raise bad_request(str(error)) from None
    if spender != parse_address(profile.token_transfer_proxy):
        raise bad_request(f"spender must be {profile.token_transfer_proxy}")
    token = _token(wire.tokenAddress, rules)
    if deadline_s * 1000 < now_ms:
        detail = f"the deadline {deadline_s} has passed, the venue's clock says {now_ms // 1000}"
        raise WireError("DEADLINE_EXPIRED", detail=detail)
    return Approval(owner, token, spender, value, deadline_s, signature)


# ---- members -------------------------------------------------------------------------------------------------------


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise bad_request(f"{name} must be a string")
    return value


def _boolean(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be true or false")
    return value


def _word(name: str, value: Any) -> int:
    number = units.parse_word(value)
    if number is None:
        raise bad_request(f"{name} {_INTEGER}")
    return number


def _address(name: str, value: Any) -> Address:
    try:
        return Address(parse_address(_text(name, value)))
    except AddressError as error:
        raise bad_request(f"{name}: {error}") from None


def _signature(name: str, value: Any) -> ReadSignature:
    """Text that is no signature has nobody for its signer, and is a mismatch in its turn."""
    try:
        return read_signature(_text(name, value))
    except SignatureTextError as error:
        return ReadSignature(None, str(error))


def _display(name: str, value: Any) -> str:
    """What the wallet showed: the member if it is a text, else what clients sign instead (4.4)."""
    if not isinstance(value, str):
        return digests.NOT_AVAILABLE
    if len(value) > TEXT_LENGTH_MAX:
        raise bad_request(f"{name} must have at most {TEXT_LENGTH_MAX} characters")
    return value


def _token(text: str, rules: Rules) -> Token:
    try:
        token = rules.token(parse_address(text))
    except AddressError:
        token = None
    if token is None:
        known = ", ".join(f"{one.symbol} {checksum_address(one.address)}" for one in rules.tokens)
        raise WireError("BAD_BASE_TOKEN", detail=f"stakes are taken in {known}")
    return token


def _refuse_proxy(value: Any) -> None:
    if value not in (msgspec.UNSET, None):
        raise WireError("PROXY_ACCOUNT_INVALID", detail="a taker signs for himself")
