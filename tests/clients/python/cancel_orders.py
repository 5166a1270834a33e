"""A maker's bot takes its orders off the book in all three ways: by hash, by event, everything.

    BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... python cancel_orders.py EVENT_ID ORDER_HASH...

One salt and one timestamp serve the three requests.
Prints, as JSON, each request with its answer, and the maker's open orders before and after each.
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

account = Account.from_key(os.environ["SX_PRIVATE_KEY"])
event, *order_hashes = sys.argv[1:]
salt = "0x" + secrets.token_bytes(32).hex()
timestamp = int(time.time())
steps: list[dict[str, Any]] = []


def open_orders() -> list[str]:
    response = requests.get(f"{BASE_URL}/orders", params={"maker": account.address}, timeout=10)
    return [row["orderHash"] for row in response.json()["data"]]


def note(response: requests.Response, before: list[str]) -> None:
    sent = json.loads(response.request.body or "")
    answer = {"status": response.status_code, "answer": response.json()}
    steps.append({"path": response.request.path_url, "sent": sent, **answer, "before": before, "after": open_orders()})


# Some orders, by their hashes.
before = open_orders()
signed = Account.sign_typed_data(
    account.key,
    domain_data={"name": "CancelOrderV2SportX", "version": "1.0", "chainId": CHAIN_ID, "salt": salt},
    message_types={"Details": [{"name": "orderHashes", "type": "string[]"}, {"name": "timestamp", "type": "uint256"}]},
    message_data={"orderHashes": order_hashes, "timestamp": timestamp},
)
note(
    requests.post(
        f"{BASE_URL}/orders/cancel/v2",
        json={
            "orderHashes": order_hashes,
            "signature": "0x" + signed.signature.hex(),
            "salt": salt,
            "maker": account.address,
            "timestamp": timestamp,
        },
        timeout=10,
    ),
    before,
)

# Whatever stands on one event.
before = open_orders()
signed = Account.sign_typed_data(
    account.key,
    domain_data={"name": "CancelOrderEventsSportX", "version": "1.0", "chainId": CHAIN_ID, "salt": salt},
    message_types={"Details": [{"name": "sportXeventId", "type": "string"}, {"name": "timestamp", "type": "uint256"}]},
    message_data={"sportXeventId": event, "timestamp": timestamp},
)
note(
    requests.post(
        f"{BASE_URL}/orders/cancel/event",
        json={
            "sportXeventId": event,
            "signature": "0x" + signed.signature.hex(),
            "salt": salt,
            "maker": account.address,
            "timestamp": timestamp,
        },
        timeout=10,
    ),
    before,
)

# The rest.
before = open_orders()
signed = Account.sign_typed_data(
    account.key,
    domain_data={"name": "CancelAllOrdersSportX", "version": "1.0", "chainId": CHAIN_ID, "salt": salt},
    message_types={"Details": [{"name": "timestamp", "type": "uint256"}]},
    message_data={"timestamp": timestamp},
)
note(
    requests.post(
        f"{BASE_URL}/orders/cancel/all",
        json={
            "signature": "0x" + signed.signature.hex(),
            "salt": salt,
            "maker": account.address,
            "timestamp": timestamp,
        },
        timeout=10,
    ),
    before,
)

print(json.dumps(steps))
