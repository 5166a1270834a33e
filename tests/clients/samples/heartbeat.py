import requests
import time
import os

BASE_URL = "https://api.sx.bet"  # Mainnet — use https://api.toronto.sx.bet for testnet
headers = {"X-Api-Key": os.environ["SX_API_KEY"]}

# Register a heartbeat with a 30-second timeout
requests.post(
    f"{BASE_URL}/user/heartbeat",
    json={"interval": 30},
    headers=headers,
)

# Send heartbeats in a loop to keep orders alive
while True:
    requests.post(
        f"{BASE_URL}/user/heartbeat",
        json={"interval": 30},
        headers=headers,
    )
    time.sleep(15)  # send well within the 30s window
