import os
import secrets
import time

import requests
from eth_account import Account

BASE_URL = "http://127.0.0.1:8080"
CHAIN_ID = int(os.environ.get("CHAIN_ID", "4162"))

account = Account.from_key("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
salt, timestamp = "0x" + secrets.token_hex(32), int(time.time())

# A cancel is typed data. It needs no API key, only the maker's signature.
signed = account.sign_typed_data(
    domain_data={"name": "CancelAllOrdersSportX", "version": "1.0", "chainId": CHAIN_ID, "salt": salt},
    message_types={"Details": [{"name": "timestamp", "type": "uint256"}]},
    message_data={"timestamp": timestamp},
)
signature = "0x" + signed.signature.hex()
body = {"maker": account.address, "salt": salt, "timestamp": timestamp, "signature": signature}
answer = requests.post(f"{BASE_URL}/orders/cancel/all", json=body).json()
if answer["status"] == "success":
    print("cancelled", *(order["orderHash"] for order in answer["data"].get("orders", [])))
else:
    print(answer["errorCode"], answer["detail"], sep=": ")
