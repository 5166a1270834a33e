"""A taker's bot: approves, fills a market at its best price, then takes a named order in the older way.

    BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... python fill_orders.py MARKET_HASH

Prints, as JSON, each request with its answer.
"""

import json
import os
import secrets
import sys
import time
from typing import Any

import requests
from eth_account import Account

BASE_URL = os.environ["BASE_URL"]
CHAIN_ID = int(os.environ["CHAIN_ID"])
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_HASH = "0x" + "00" * 32

account = Account.from_key(os.environ["SX_PRIVATE_KEY"])
(market_hash,) = sys.argv[1:]
metadata = requests.get(f"{BASE_URL}/metadata", timeout=10).json()["data"]
token = metadata["addresses"][str(CHAIN_ID)]["USDC"]
steps: list[dict[str, Any]] = []

FILL_DOMAIN = {
    "name": "SX Bet",
    "version": metadata["domainVersion"],
    "chainId": CHAIN_ID,
    "verifyingContract": metadata["EIP712FillHasher"],
}


def fields(**types: str) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def sign(domain: dict[str, Any], types: dict[str, Any], message: dict[str, Any]) -> str:
    signed = Account.sign_typed_data(account.key, domain_data=domain, message_types=types, message_data=message)
    text: str = signed.signature.hex()
    return "0x" + text.removeprefix("0x")


def send(path: str, sent: dict[str, Any]) -> None:
    response = requests.post(f"{BASE_URL}{path}", json=sent, timeout=30)
    steps.append({"path": path, "sent": sent, "status": response.status_code, "answer": response.json()})


# The transfer proxy may spend 100 USDC.
permit = {
    "owner": account.address,
    "spender": metadata["TokenTransferProxy"],
    "value": 100_000_000,
    "nonce": 0,
    "deadline": int(time.time()) + 3600,
}
permit_types = fields(owner="address", spender="address", value="uint256", nonce="uint256", deadline="uint256")
signature = sign(
    {"name": "USDC", "version": "1", "chainId": CHAIN_ID, "verifyingContract": token}, {"Permit": permit_types}, permit
)
send(
    "/orders/approve",
    {
        "owner": permit["owner"],
        "spender": permit["spender"],
        "tokenAddress": token,
        "value": str(permit["value"]),
        "deadline": permit["deadline"],
        "signature": signature,
    },
)

# 2 USDC against whoever backs outcome one, at his best price.
query = {"marketHashes": market_hash, "baseToken": token}
(best,) = requests.get(f"{BASE_URL}/orders/odds/best", params=query, timeout=10).json()["data"]["bestOdds"]
desired_odds = str(10**20 - int(best["outcomeOne"]["percentageOdds"]))
fill_salt = int.from_bytes(secrets.token_bytes(32), "big")
fills = {
    "stakeWei": "2000000",
    "marketHash": market_hash,
    "baseToken": token,
    "desiredOdds": desired_odds,
    "oddsSlippage": 5,
    "isTakerBettingOutcomeOne": False,
    "fillSalt": fill_salt,
    "beneficiary": ZERO_ADDRESS,
    "beneficiaryType": 0,
    "cashOutTarget": ZERO_HASH,
}
signature = sign(
    FILL_DOMAIN,
    {
        "Details": fields(
            action="string", market="string", betting="string", stake="string", worstOdds="string",
            worstReturning="string", fills="FillObject",
        ),
        "FillObject": fields(
            stakeWei="string", marketHash="string", baseToken="string", desiredOdds="string", oddsSlippage="uint256",
            isTakerBettingOutcomeOne="bool", fillSalt="uint256", beneficiary="address", beneficiaryType="uint8",
            cashOutTarget="bytes32",
        ),
    },
    {
        "action": "N/A",
        "market": market_hash,
        "betting": "N/A",
        "stake": "N/A",
        "worstOdds": "N/A",
        "worstReturning": "N/A",
        "fills": fills,
    },
)  # fmt: skip
send(
    "/orders/fill/v2",
    {
        "market": market_hash,
        "baseToken": token,
        "isTakerBettingOutcomeOne": False,
        "stakeWei": "2000000",
        "desiredOdds": desired_odds,
        "oddsSlippage": 5,
        "fillSalt": str(fill_salt),
        "taker": account.address,
        "takerSig": signature,
        "message": "N/A",
    },
)

# 3 USDC of what the first order's maker still risks.
(order, *_) = requests.get(f"{BASE_URL}/orders", params=query, timeout=10).json()["data"]
names = ("action", "market", "betting", "stake", "odds", "returning")
legacy_salt = int.from_bytes(secrets.token_bytes(32), "big")
order_types = fields(
    marketHash="bytes32", baseToken="address", totalBetSize="uint256", percentageOdds="uint256", expiry="uint256",
    salt="uint256", maker="address", executor="address", isMakerBettingOutcomeOne="bool",
)  # fmt: skip
numbers = ("totalBetSize", "percentageOdds", "expiry")
signature = sign(
    FILL_DOMAIN,
    {
        "Details": [*fields(**dict.fromkeys(names, "string")), {"name": "fills", "type": "FillObject"}],
        "FillObject": fields(
            orders="Order[]", makerSigs="bytes[]", takerAmounts="uint256[]", fillSalt="uint256", beneficiary="address",
            beneficiaryType="uint8", cashOutTarget="bytes32",
        ),
        "Order": order_types,
    },
    {
        **dict.fromkeys(names, "N/A"),
        "fills": {
            "orders": [
                {
                    **{one["name"]: order[one["name"]] for one in order_types},
                    **{name: int(order[name]) for name in numbers},
                    "salt": int(order["salt"], 0),
                }
            ],
            "makerSigs": [order["signature"]],
            "takerAmounts": [3_000_000],
            "fillSalt": legacy_salt,
            "beneficiary": ZERO_ADDRESS,
            "beneficiaryType": 0,
            "cashOutTarget": ZERO_HASH,
        },
    },
)  # fmt: skip
send(
    "/orders/fill",
    {
        **dict.fromkeys(names, "N/A"),
        "orderHashes": [order["orderHash"]],
        "takerAmounts": ["3000000"],
        "taker": account.address,
        "takerSig": signature,
        "fillSalt": str(legacy_salt),
    },
)

print(json.dumps(steps))
