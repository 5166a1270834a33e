import secrets
import time

import requests
from eth_abi.packed import encode_packed
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

BASE_URL = "http://127.0.0.1:8080"

# The first of the sandbox's ten funded keys. Everybody knows it: use it nowhere else.
account = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
metadata = requests.get(f"{BASE_URL}/metadata").json()["data"]
market = requests.get(f"{BASE_URL}/markets/active").json()["data"]["markets"][0]

# Nine fields make an order: packed, hashed, and the hash signed as a personal message.
order = {
    "marketHash": market["marketHash"],
    "baseToken": metadata["addresses"]["4162"]["USDC"],
    "totalBetSize": 10_000_000,  # 10 USDC
    "percentageOdds": 525 * 10**17,  # 52.5 %
    "expiry": 2209006800,
    "salt": secrets.randbits(256),
    "maker": account.address,
    "executor": metadata["executorAddress"],
    "isMakerBettingOutcomeOne": True,
}
types = ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"]
order_hash = keccak(encode_packed(types, [bytes.fromhex(order["marketHash"][2:]), *list(order.values())[1:]]))
signed = account.sign_message(encode_defunct(order_hash))
for name in ("totalBetSize", "percentageOdds", "salt"):
    order[name] = str(order[name])  # numbers beyond 2^53 travel as text
order |= {"apiExpiry": int(time.time()) + 3600, "signature": "0x" + signed.signature.hex()}

answer = requests.post(f"{BASE_URL}/orders/new", json={"orders": [order]}).json()
for name, status in answer["data"]["statuses"].items():
    print(f"{market['teamOneName']} to win: {status} {name}")
