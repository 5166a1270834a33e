"""A bot that trusts nobody's library: requests carries the bytes, hashing and signing are written out below.

    BASE_URL=http://127.0.0.1:8080 CHAIN_ID=4162 SX_PRIVATE_KEY=0x... python raw_bot.py MARKET_HASH

Posts an order, finds it by polling, cancels it, and tries the same cancel again. It sends what bots in the wild send
besides: a stray API key header, members and parameters that mean nothing here, hex salts, no content type.
Prints, as JSON, every answer by name.
"""

import json
import os
import secrets
import sys
import time
from typing import Any

import requests

BASE_URL = os.environ["BASE_URL"]
CHAIN_ID = int(os.environ["CHAIN_ID"])
KEY = int(os.environ["SX_PRIVATE_KEY"], 16)

# ---- Keccak-256: 24 rounds over 25 lanes of 64 bits ------------------------------------------------------------------

LANES = 1 << 64
ROTATIONS = [0, 1, 62, 28, 27, 36, 44, 6, 55, 20, 3, 10, 43, 25, 39, 41, 45, 15, 21, 8, 18, 2, 61, 56, 14]


def rotated(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) % LANES


def round_constants() -> list[int]:
    """The shift register that the standard defines, bit by bit."""
    register, constants = 1, []
    for _ in range(24):
        constant = 0
        for power in range(7):
            constant |= (register & 1) << ((1 << power) - 1)
            register = (register << 1) ^ (0x171 if register & 0x80 else 0)
        constants.append(constant)
    return constants


CONSTANTS = round_constants()


def permute(lanes: list[int]) -> list[int]:
    for constant in CONSTANTS:
        columns = [lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20] for x in range(5)]
        mixed = [columns[(x + 4) % 5] ^ rotated(columns[(x + 1) % 5], 1) for x in range(5)]
        moved = [0] * 25
        for place in range(25):
            x, y = place % 5, place // 5
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = rotated(lanes[place] ^ mixed[x], ROTATIONS[place])
        lanes = [
            moved[place] ^ (~moved[row + (place + 1) % 5] & moved[row + (place + 2) % 5]) % LANES
            for row in range(0, 25, 5)
            for place in range(row, row + 5)
        ]
        lanes[0] ^= constant
    return lanes


def keccak(data: bytes) -> bytes:
    padded = bytearray(data + b"\x01" + bytes(-(len(data) + 1) % 136))
    padded[-1] |= 0x80
    lanes = [0] * 25
    for start in range(0, len(padded), 136):
        for place in range(17):
            lanes[place] ^= int.from_bytes(padded[start + 8 * place : start + 8 * place + 8], "little")
        lanes = permute(lanes)
    return b"".join(lane.to_bytes(8, "little") for lane in lanes[:4])


# ---- secp256k1: y^2 = x^3 + 7 ----------------------------------------------------------------------------------------

FIELD = 2**256 - 2**32 - 977
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
Point = tuple[int, int] | None
G = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)


def add(one: Point, two: Point) -> Point:
    if one is None or two is None:
        return one or two
    (x1, y1), (x2, y2) = one, two
    if x1 == x2 and (y1 + y2) % FIELD == 0:
        return None
    slope = 3 * x1 * x1 * pow(2 * y1, -1, FIELD) if one == two else (y2 - y1) * pow(x2 - x1, -1, FIELD)
    x3 = (slope * slope - x1 - x2) % FIELD
    return x3, (slope * (x1 - x3) - y1) % FIELD


def times(factor: int, point: Point) -> Point:
    total: Point = None
    while factor:
        if factor & 1:
            total = add(total, point)
        point = add(point, point)
        factor >>= 1
    return total


def sign(digest: bytes) -> str:
    """65 bytes r, s, v as hex; s in the lower half of the order."""
    nonce = secrets.randbelow(ORDER - 1) + 1
    point = times(nonce, G)
    assert point is not None
    x, y = point
    r, odd = x % ORDER, y & 1
    s = pow(nonce, -1, ORDER) * (int.from_bytes(digest, "big") + r * KEY) % ORDER
    if s > ORDER // 2:
        s, odd = ORDER - s, 1 - odd
    return f"0x{r:064x}{s:064x}{27 + odd:02x}"


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def from_hex(text: str) -> bytes:
    return bytes.fromhex(text[2:])


public = times(KEY, G)
assert public is not None
digits = keccak(word(public[0]) + word(public[1]))[12:].hex()
casing = keccak(digits.encode()).hex()
ADDRESS = "0x" + "".join(one.upper() if nibble > "7" else one for one, nibble in zip(digits, casing, strict=False))

# ---- the bot ---------------------------------------------------------------------------------------------------------

venue = requests.Session()
venue.headers["X-Api-Key"] = "undefined"
answers: dict[str, Any] = {"address": ADDRESS}


def get(path: str, **parameters: Any) -> Any:
    return venue.get(f"{BASE_URL}{path}", params={"chainVersion": "SXR", **parameters}, timeout=10).json()


def post(path: str, body: dict[str, Any]) -> Any:
    text = json.dumps({**body, "chainVersion": "SXR"})
    return venue.post(f"{BASE_URL}{path}", params={"chainVersion": "SXR"}, data=text, timeout=10).json()


metadata = get("/metadata")["data"]
market = get("/markets/find", marketHashes=sys.argv[1])["data"][0]
order: dict[str, Any] = {
    "marketHash": market["marketHash"],
    "maker": ADDRESS,
    "baseToken": metadata["addresses"][str(CHAIN_ID)]["USDC"],
    "totalBetSize": "25000000",
    "percentageOdds": "48125000000000000000",
    "expiry": 2209006800,
    "apiExpiry": int(time.time()) + 600,
    "executor": metadata["executorAddress"],
    "salt": "0x" + secrets.token_hex(32),
    "isMakerBettingOutcomeOne": False,
}
order_hash = keccak(
    from_hex(order["marketHash"])
    + from_hex(order["baseToken"])
    + word(int(order["totalBetSize"]))
    + word(int(order["percentageOdds"]))
    + word(order["expiry"])
    + from_hex(order["salt"])
    + from_hex(order["maker"])
    + from_hex(order["executor"])
    + bytes([order["isMakerBettingOutcomeOne"]])
)
order["signature"] = sign(keccak(b"\x19Ethereum Signed Message:\n32" + order_hash))
answers["order"] = {**order, "orderHash": "0x" + order_hash.hex()}
answers["posted"] = post("/orders/new", {"orders": [order]})
answers["listed"] = get("/orders", maker=ADDRESS)
answers["by event"] = get("/orders", sportXeventId=market["sportXeventId"], maker=ADDRESS)

salt, timestamp = secrets.token_bytes(32), int(time.time())
names = ["0x" + order_hash.hex()]
domain = keccak(
    keccak(b"EIP712Domain(string name,string version,uint256 chainId,bytes32 salt)")
    + keccak(b"CancelOrderV2SportX")
    + keccak(b"1.0")
    + word(CHAIN_ID)
    + salt
)
details = keccak(
    keccak(b"Details(string[] orderHashes,uint256 timestamp)")
    + keccak(b"".join(keccak(name.encode()) for name in names))
    + word(timestamp)
)
cancel = {
    "orderHashes": names,
    "signature": sign(keccak(b"\x19\x01" + domain + details)),
    "salt": "0x" + salt.hex(),
    "maker": ADDRESS,
    "timestamp": timestamp,
}
answers["cancelled"] = post("/orders/cancel/v2", cancel)
answers["cancelled again"] = post("/orders/cancel/v2", cancel)
answers["left"] = get("/orders", maker=ADDRESS)
print(json.dumps(answers))
