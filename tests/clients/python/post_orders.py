"""A maker's bot posts orders: eth_account signs, requests sends.

    BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... python post_orders.py MARKET_HASH...

One order on each named market. `SALT=hex` writes salts as some bots do, `0x` and hex digits, instead of decimal.
Prints, as JSON, what was sent and what came back.
"""

import json
import os
import secrets
import sys
import time

import requests
from eth_abi.packed import encode_packed
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

BASE_URL = os.environ["BASE_URL"]
CHAIN_ID = os.environ["CHAIN_ID"]

account = Account.from_key(os.environ["SX_PRIVATE_KEY"])
metadata = requests.get(f"{BASE_URL}/metadata", timeout=10).json()["data"]

orders = []
for market_hash in sys.argv[1:]:
    salt = int.from_bytes(secrets.token_bytes(32), "big")
    order = {
        "marketHash": market_hash,
        "maker": account.address,
        "baseToken": metadata["addresses"][CHAIN_ID]["USDC"],
        "totalBetSize": "10000000",
        "percentageOdds": "51500000000000000000",
        "expiry": 2209006800,
        "apiExpiry": int(time.time()) + 600,
        "executor": metadata["executorAddress"],
        "salt": hex(salt) if os.environ.get("SALT") == "hex" else str(salt),
        "isMakerBettingOutcomeOne": True,
    }
    order_hash = keccak(
        encode_packed(
            ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"],
            [
                bytes.fromhex(market_hash.removeprefix("0x")),
                order["baseToken"],
                int(order["totalBetSize"]),
                int(order["percentageOdds"]),
                order["expiry"],
                salt,
                order["maker"],
                order["executor"],
                order["isMakerBettingOutcomeOne"],
            ],
        )
    )
    signed = Account.sign_message(encode_defunct(primitive=order_hash), account.key)
    orders.append({**order, "signature": "0x" + signed.signature.hex()})

response = requests.post(f"{BASE_URL}/orders/new", json={"orders": orders}, timeout=10)
print(json.dumps({"sent": orders, "status": response.status_code, "answer": response.json()}))
