"""Signed SX requests (`spec/sx.md` 4, 5), for tests that need many."""

from __future__ import annotations

import secrets
import time
from typing import Any

from overround.protocols.sx import digests
from overround.protocols.sx.profile import EXPIRY, PROFILES, Profile
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address, parse_address

MAINNET = PROFILES["mainnet"]


def signed_order(
    account: LocalAccount,
    market_hash: str,
    *,
    profile: Profile = MAINNET,
    total_bet_size: int = 10_000_000,
    percentage_odds: int = 50 * 10**18,
    outcome_one: bool = True,
    api_expiry: int | None = None,
    salt: int | str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """One entry of `POST /orders/new`; `changes` replace members after signing."""
    number = secrets.randbits(256) if salt is None else int(salt, 0) if isinstance(salt, str) else salt
    order_hash = digests.order_hash(
        bytes.fromhex(market_hash[2:]),
        parse_address(profile.usdc),
        total_bet_size,
        percentage_odds,
        EXPIRY,
        number,
        account.address,
        parse_address(profile.executor),
        outcome_one,
    )
    entry = {
        "marketHash": market_hash,
        "maker": checksum_address(account.address),
        "baseToken": profile.usdc,
        "totalBetSize": str(total_bet_size),
        "percentageOdds": str(percentage_odds),
        "expiry": EXPIRY,
        "apiExpiry": int(time.time()) + 3600 if api_expiry is None else api_expiry,
        "executor": profile.executor,
        "salt": str(number) if salt is None else str(salt),
        "isMakerBettingOutcomeOne": outcome_one,
        "signature": _hex(account.sign_digest(digests.order_digest(order_hash))),
    }
    return {**entry, **changes}


def hash_of(entry: dict[str, Any]) -> str:
    """The order hash of a signed entry."""
    return _hex(
        digests.order_hash(
            bytes.fromhex(entry["marketHash"][2:]),
            parse_address(entry["baseToken"]),
            int(entry["totalBetSize"]),
            int(entry["percentageOdds"]),
            entry["expiry"],
            int(entry["salt"], 0),
            parse_address(entry["maker"]),
            parse_address(entry["executor"]),
            entry["isMakerBettingOutcomeOne"],
        )
    )


def signed_cancel(
    account: LocalAccount,
    *,
    order_hashes: list[str] | None = None,
    event: str | None = None,
    profile: Profile = MAINNET,
    timestamp: int | None = None,
    salt: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The body of a cancel: by hash, by event, or of everything; `changes` replace members after signing."""
    timestamp = int(time.time()) if timestamp is None else timestamp
    salt = _hex(secrets.token_bytes(32)) if salt is None else salt
    raw_salt = bytes.fromhex(salt[2:])
    body: dict[str, Any] = {"maker": checksum_address(account.address), "salt": salt, "timestamp": timestamp}
    if order_hashes is not None:
        digest = digests.cancel_orders_digest(profile.chain_id, raw_salt, order_hashes, timestamp)
        body["orderHashes"] = order_hashes
    elif event is not None:
        digest = digests.cancel_event_digest(profile.chain_id, raw_salt, event, timestamp)
        body["sportXeventId"] = event
    else:
        digest = digests.cancel_all_digest(profile.chain_id, raw_salt, timestamp)
    body["signature"] = _hex(account.sign_digest(digest))
    return {**body, **changes}


def signed_fill(
    account: LocalAccount,
    market_hash: str,
    *,
    profile: Profile = MAINNET,
    stake: int | str = 10_000_000,
    desired_odds: int | str = 50 * 10**18,
    slippage: int = 0,
    outcome_one: bool = False,
    salt: int | None = None,
    shown: str | None = None,
    display: dict[str, str] | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The body of `POST /orders/fill/v2`. `shown` is the text that the wallet signed as `market`, the hash by default;
    `display` are display texts that are signed and sent; `changes` replace members after signing."""
    number = secrets.randbits(256) if salt is None else salt
    display = display or {}
    texts: dict[str, Any] = {_DISPLAY[name]: text for name, text in display.items()}
    message = digests.FillMessage(
        market=market_hash if shown is None else shown,
        market_hash=market_hash,
        base_token=profile.usdc,
        stake_wei=str(stake),
        desired_odds=str(desired_odds),
        odds_slippage=slippage,
        outcome_one=outcome_one,
        fill_salt=number,
        **texts,
    )
    digest = digests.fill_digest(profile.chain_id, profile.domain_version, parse_address(profile.fill_hasher), message)
    body = {
        "market": market_hash,
        "baseToken": profile.usdc,
        "isTakerBettingOutcomeOne": outcome_one,
        "stakeWei": str(stake),
        "desiredOdds": str(desired_odds),
        "oddsSlippage": slippage,
        "fillSalt": str(number),
        "taker": checksum_address(account.address),
        "takerSig": _hex(account.sign_digest(digest)),
        "message": "N/A",
        **display,
    }
    return {**body, **changes}


_DISPLAY = {
    "action": "action",
    "betting": "betting",
    "stake": "stake",
    "worstOdds": "worst_odds",
    "worstReturning": "worst_returning",
}


def signed_legacy_fill(
    account: LocalAccount,
    orders: list[dict[str, Any]],
    amounts: list[int],
    *,
    profile: Profile = MAINNET,
    salt: int | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """The body of `POST /orders/fill`: so much, maker side, of each of these signed entries of `POST /orders/new`."""
    number = secrets.randbits(256) if salt is None else salt
    message = digests.LegacyFillMessage(
        orders=[
            digests.OrderFields(
                bytes.fromhex(entry["marketHash"][2:]),
                parse_address(entry["baseToken"]),
                int(entry["totalBetSize"]),
                int(entry["percentageOdds"]),
                entry["expiry"],
                int(entry["salt"], 0),
                parse_address(entry["maker"]),
                parse_address(entry["executor"]),
                entry["isMakerBettingOutcomeOne"],
            )
            for entry in orders
        ],
        maker_signatures=[bytes.fromhex(entry["signature"][2:]) for entry in orders],
        taker_amounts=amounts,
        fill_salt=number,
    )
    digest = digests.legacy_fill_digest(
        profile.chain_id, profile.domain_version, parse_address(profile.fill_hasher), message
    )
    body = {
        "orderHashes": [hash_of(entry) for entry in orders],
        "takerAmounts": [str(amount) for amount in amounts],
        "taker": checksum_address(account.address),
        "takerSig": _hex(account.sign_digest(digest)),
        "fillSalt": str(number),
        **dict.fromkeys(("action", "market", "betting", "stake", "odds", "returning"), "N/A"),
    }
    return {**body, **changes}


def signed_permit(
    account: LocalAccount,
    value: int,
    *,
    nonce: int = 0,
    deadline: int | None = None,
    profile: Profile = MAINNET,
    **changes: Any,
) -> dict[str, Any]:
    """The body of `POST /orders/approve`; `changes` replace members after signing."""
    deadline = int(time.time()) + 3600 if deadline is None else deadline
    token = parse_address(profile.usdc)
    message = digests.PermitMessage(
        account.address, parse_address(profile.token_transfer_proxy), value, nonce, deadline
    )
    body = {
        "owner": checksum_address(account.address),
        "spender": profile.token_transfer_proxy,
        "tokenAddress": profile.usdc,
        "value": str(value),
        "deadline": deadline,
        "signature": _hex(account.sign_digest(digests.permit_digest(profile.chain_id, "USDC", token, message))),
    }
    return {**body, **changes}


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
