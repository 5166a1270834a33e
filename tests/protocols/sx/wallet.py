"""Signing as bots do it: with eth_account, eth_abi and constants of their own; nothing of this house is imported."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

# Importing eth_account raises the recursion limit of the whole process.
_recursion_limit = sys.getrecursionlimit()
from eth_abi.packed import encode_packed  # noqa: E402
from eth_account import Account  # noqa: E402
from eth_account.messages import encode_defunct, encode_typed_data  # noqa: E402
from eth_utils.crypto import keccak  # noqa: E402

sys.setrecursionlimit(_recursion_limit)

CHAIN_ID: Final = 4162
USDC: Final = "0x6629Ce1Cf35Cc1329ebB4F63202F3f197b3F050B"
EXECUTOR: Final = "0x52adf738AAD93c31f798a30b2C74D658e1E9a562"
EXPIRY: Final = 2209006800

_PACKED: Final = ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"]
_SALTED_DOMAIN: Final = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "salt", "type": "bytes32"},
]
_CANCELS: Final[dict[str, tuple[str, list[dict[str, str]]]]] = {
    "v2": ("CancelOrderV2SportX", [{"name": "orderHashes", "type": "string[]"}]),
    "event": ("CancelOrderEventsSportX", [{"name": "sportXeventId", "type": "string"}]),
    "all": ("CancelAllOrdersSportX", []),
}


class Wallet:
    """A private key in eth_account's hands."""

    def __init__(self, private_key: str) -> None:
        self._account = Account.from_key(private_key)
        self.address: str = self._account.address

    def order(self, market_hash: str, salt: int, *, size: int, odds: int, api_expiry: int, one: bool) -> dict[str, Any]:
        """An entry of `POST /orders/new`, signed as a personal message over the 32 bytes of its hash."""
        order_hash = self.order_hash(market_hash, salt, size=size, odds=odds, one=one)
        signed = self._account.sign_message(encode_defunct(primitive=order_hash))
        return {
            "marketHash": market_hash,
            "maker": self.address,
            "totalBetSize": str(size),
            "percentageOdds": str(odds),
            "expiry": EXPIRY,
            "apiExpiry": api_expiry,
            "baseToken": USDC,
            "executor": EXECUTOR,
            "salt": str(salt),
            "isMakerBettingOutcomeOne": one,
            "signature": "0x" + signed.signature.hex().removeprefix("0x"),
        }

    def order_hash(self, market_hash: str, salt: int, *, size: int, odds: int, one: bool) -> bytes:
        """The tightly packed hash."""
        values = [bytes.fromhex(market_hash[2:]), USDC, size, odds, EXPIRY, salt, self.address, EXECUTOR, one]
        return bytes(keccak(encode_packed(_PACKED, values)))

    def cancel(
        self,
        kind: str,
        salt: bytes,
        timestamp: int,
        *,
        order_hashes: Sequence[str] | None = None,
        event: str | None = None,
        chain_id: int = CHAIN_ID,
        domain_name: str | None = None,
        version: str = "1.0",
    ) -> dict[str, Any]:
        """The body of a cancel, signed as EIP-712 data with the salt in the domain."""
        name, fields = _CANCELS[kind]
        members = {
            **({"orderHashes": list(order_hashes)} if order_hashes is not None else {}),
            **({"sportXeventId": event} if event is not None else {}),
        }
        data = {
            "types": {
                "EIP712Domain": _SALTED_DOMAIN,
                "Details": [*fields, {"name": "timestamp", "type": "uint256"}],
            },
            "primaryType": "Details",
            "domain": {"name": domain_name or name, "version": version, "chainId": chain_id, "salt": salt},
            "message": {**members, "timestamp": timestamp},
        }
        signed = self._account.sign_message(encode_typed_data(full_message=data))
        return {
            **members,
            "signature": "0x" + signed.signature.hex().removeprefix("0x"),
            "salt": "0x" + salt.hex(),
            "maker": self.address,
            "timestamp": timestamp,
        }
