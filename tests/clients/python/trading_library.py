"""What the adapter of a big trading library asks of the venue, call by call: eth_account signs, requests sends.

    BASE_URL=http://127.0.0.1:8080 SX_PRIVATE_KEY=0x... TAKER_PRIVATE_KEY=0x... python trading_library.py EVENT_ID

It knows nothing but the URL: chain id, token, executor, hasher and ladder are those of the metadata. Salts are the
milliseconds of its clock, in decimal for orders and fills, in hex and padded on the left for cancels. Errors are known
by the text of `message`. Prints, as JSON, what it saw.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import requests
from eth_abi.packed import encode_packed
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

BASE_URL = os.environ["BASE_URL"]
ODDS_ONE = 10**20
PAGE_SIZE = 100
BEST_ODDS_BATCH = 30
ZERO_ADDRESS = "0x" + "00" * 20
ZERO_HASH = "0x" + "00" * 32
PATIENCE_S = 20

Json = dict[str, Any]


class Refused(Exception):
    """What the venue said: the text of `message`, or its texts in one."""


class Exchange:
    """One wallet's view of the venue."""

    def __init__(self, key: str) -> None:
        self._account = Account.from_key(key)
        self.address = self._account.address
        self._http = requests.Session()
        self._http.headers.update({"Accept": "application/json", "Content-Type": "application/json"})
        metadata = self.get("metadata")
        chain_id, tokens = next(iter(metadata["addresses"].items()))  # the first key is the chain
        self.chain_id, self.usdc = int(chain_id), tokens["USDC"]
        self.executor, self._proxy = metadata["executorAddress"], metadata["TokenTransferProxy"]
        self._hasher, self._version = metadata["EIP712FillHasher"], metadata["domainVersion"]
        self._step = int(metadata["oddsLadderStepSize"]) * 10**15
        self._last_ms = 0

    def get(self, path: str, **parameters: Any) -> Any:
        return self._data(self._http.get(f"{BASE_URL}/{path}", params=parameters, timeout=30))

    def send(self, path: str, body: Json) -> Any:
        return self._data(self._http.post(f"{BASE_URL}/{path}", data=json.dumps(body), timeout=30))

    @staticmethod
    def _data(response: requests.Response) -> Any:
        answer = response.json()
        if "message" in answer:
            message = answer["message"]
            raise Refused(", ".join(message) if isinstance(message, list) else message)
        return answer["data"]

    def milliseconds(self) -> int:
        """Of this clock; never the same twice, as a patient user would have it."""
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 10**6)
        return self._last_ms

    # ---- reading ----

    def markets(self, **filters: Any) -> list[Json]:
        """Page after page, until one is short or without a key."""
        found: list[Json] = []
        key: Json = {}
        while True:
            page = self.get("markets/active", pageSize=PAGE_SIZE, **key, **filters)
            found += page["markets"]
            if len(page["markets"]) < PAGE_SIZE or page.get("nextKey") is None:
                return found
            key = {"paginationKey": page["nextKey"]}

    def book(self, market_hash: str) -> Json:
        """Bids back outcome one; asks are what takers of outcome one find, at one less the makers' odds."""
        rows = self.get("orders", marketHashes=market_hash)
        sides: Json = {"bids": [], "asks": []}
        for row in rows:
            if row["orderStatus"] != "ACTIVE" or row["baseToken"].lower() != self.usdc.lower():
                continue
            left = int(row["totalBetSize"]) - int(row["fillAmount"]) - int(row["pendingFillAmount"])
            odds = Decimal(row["percentageOdds"]) / ODDS_ONE
            if row["isMakerBettingOutcomeOne"]:
                sides["bids"].append([str(odds), left])
            else:
                sides["asks"].append([str(1 - odds), int(left / odds - left)])
        return sides

    def best_odds(self, market_hashes: list[str]) -> list[Json]:
        found = []
        for start in range(0, len(market_hashes), BEST_ODDS_BATCH):
            batch = ",".join(market_hashes[start : start + BEST_ODDS_BATCH])
            found += self.get("orders/odds/best", marketHashes=batch, baseToken=self.usdc)["bestOdds"]
        return found

    # ---- orders ----

    def limit(self, market_hash: str, *, outcome_one: bool, usdc: int, odds: str) -> str:
        """A resting order; its id."""
        rounded = round(int(Decimal(odds) * ODDS_ONE) / self._step) * self._step
        salt = self.milliseconds()
        terms = [self.usdc, usdc * 10**6, rounded, 2209006800, salt, self.address, self.executor, outcome_one]
        types = ["bytes32", "address", "uint256", "uint256", "uint256", "uint256", "address", "address", "bool"]
        order_hash = keccak(encode_packed(types, [bytes.fromhex(market_hash[2:]), *terms]))
        signed = self._account.sign_message(encode_defunct(primitive=order_hash))
        order = {
            "marketHash": market_hash,
            "maker": self.address,
            "baseToken": self.usdc,
            "totalBetSize": str(usdc * 10**6),
            "percentageOdds": str(rounded),
            "expiry": 2209006800,
            "apiExpiry": int(time.time()) + 3600,
            "executor": self.executor,
            "salt": str(salt),
            "isMakerBettingOutcomeOne": outcome_one,
            "signature": _text(signed),
        }
        data = self.send("orders/new", {"orders": [order]})
        order_id = str(data["orders"][0])
        if data["statuses"][order_id] != "OK":
            raise Refused(data["statuses"][order_id])
        return order_id

    def market(self, market_hash: str, *, outcome_one: bool, usdc: str, odds: str, slippage: int = 5) -> Json:
        """A fill of whoever is there."""
        fill = {
            "stakeWei": str(int(Decimal(usdc) * 10**6)),
            "marketHash": market_hash,
            "baseToken": self.usdc,
            "desiredOdds": str(int(Decimal(odds) * ODDS_ONE)),
            "oddsSlippage": slippage,
            "isTakerBettingOutcomeOne": outcome_one,
            "fillSalt": self.milliseconds(),
            "beneficiary": ZERO_ADDRESS,
            "beneficiaryType": 0,
            "cashOutTarget": ZERO_HASH,
        }
        texts = dict.fromkeys(("action", "betting", "stake", "worstOdds", "worstReturning"), "N/A")
        signature = self._sign(
            {
                "name": "SX Bet",
                "version": self._version,
                "chainId": self.chain_id,
                "verifyingContract": self._hasher,
            },
            {
                "Details": [
                    *_fields(action="string", market="string", betting="string", stake="string"),
                    *_fields(worstOdds="string", worstReturning="string", fills="FillObject"),
                ],
                "FillObject": [
                    *_fields(stakeWei="string", marketHash="string", baseToken="string", desiredOdds="string"),
                    *_fields(oddsSlippage="uint256", isTakerBettingOutcomeOne="bool", fillSalt="uint256"),
                    *_fields(beneficiary="address", beneficiaryType="uint8", cashOutTarget="bytes32"),
                ],
            },
            {**texts, "market": market_hash, "fills": {**fill, "cashOutTarget": bytes(32)}},
        )
        sent = ("baseToken", "isTakerBettingOutcomeOne", "stakeWei", "desiredOdds", "oddsSlippage")
        body = {name: fill[name] for name in sent}
        body |= {"market": market_hash, "fillSalt": str(fill["fillSalt"]), "taker": self.address, "takerSig": signature}
        data: Json = self.send("orders/fill/v2", body)
        return data

    def cancel(self, order_ids: list[str]) -> Json:
        types = _fields(orderHashes="string[]", timestamp="uint256")
        return self._cancel("v2", "CancelOrderV2SportX", types, orderHashes=order_ids)

    def cancel_event(self, event: str) -> Json:
        types = _fields(sportXeventId="string", timestamp="uint256")
        return self._cancel("event", "CancelOrderEventsSportX", types, sportXeventId=event)

    def cancel_all(self) -> Json:
        return self._cancel("all", "CancelAllOrdersSportX", _fields(timestamp="uint256"))

    def _cancel(self, path: str, name: str, types: list[Json], **named: Any) -> Json:
        salt = f"0x{self.milliseconds():064x}"
        message = {**named, "timestamp": int(time.time())}
        domain = {"name": name, "version": "1.0", "chainId": self.chain_id, "salt": salt}
        signature = self._sign(domain, {"Details": types}, message)
        body = {**message, "signature": signature, "salt": salt, "maker": self.address}
        data: Json = self.send(f"orders/cancel/{path}", body)
        return data

    def approve(self, value: int, *, nonce: int) -> Json:
        permit = {
            "owner": self.address,
            "spender": self._proxy,
            "value": value,
            "nonce": nonce,
            "deadline": int(time.time()) + 7200,
        }
        types = _fields(owner="address", spender="address", value="uint256", nonce="uint256", deadline="uint256")
        domain = {"name": "USDC", "version": "1", "chainId": self.chain_id, "verifyingContract": self.usdc}
        body = {name: permit[name] for name in ("owner", "spender", "deadline")}
        body |= {"tokenAddress": self.usdc, "value": str(value)}
        data: Json = self.send("orders/approve", {**body, "signature": self._sign(domain, {"Permit": types}, permit)})
        return data

    def _sign(self, domain: Json, types: Json, message: Json) -> str:
        return _text(self._account.sign_typed_data(domain_data=domain, message_types=types, message_data=message))


def _fields(**types: str) -> list[Json]:
    return [{"name": name, "type": kind} for name, kind in types.items()]


def _text(signed: Any) -> str:
    text: str = signed.signature.hex()
    return "0x" + text.removeprefix("0x")


def message_of(call: Callable[[], Any]) -> str | None:
    """Why the venue refuses it."""
    try:
        call()
    except Refused as refusal:
        return str(refusal)
    return None


def main(event: str) -> Json:
    maker, taker = Exchange(os.environ["SX_PRIVATE_KEY"]), Exchange(os.environ["TAKER_PRIVATE_KEY"])
    since = int(time.time()) - 60
    everything = maker.markets()
    ours = maker.markets(sportXeventId=event)
    same = [maker.markets(leagueId=ours[0]["leagueId"]), maker.markets(sportId=ours[0]["sportId"])]
    first, second, elsewhere = ours[0]["marketHash"], ours[1]["marketHash"], everything[-1]["marketHash"]
    seen: Json = {
        "markets": [one["marketHash"] for one in everything],
        "filtered": [[one["sportXeventId"] for one in some] for some in (ours, *same)],
    }

    backed = maker.limit(first, outcome_one=True, usdc=25, odds="0.5525")
    laid = maker.limit(first, outcome_one=False, usdc=25, odds="0.3975")
    third = maker.limit(second, outcome_one=True, usdc=10, odds="0.5")
    seen["posted"] = [backed, laid, third]
    seen["book"] = taker.book(first)
    seen["mine"] = [one["orderHash"] for one in maker.get("orders", marketHashes=first, maker=maker.address)]
    seen["paged"] = [one["orderHash"] for one in maker.get("orders", maker=maker.address, perPage=2)]
    seen["one"] = [one["orderHash"] for one in maker.get("orders", orderHashes=backed)]
    seen["best"] = maker.best_odds([first, *(one for one in seen["markets"] if one != first)])

    seen["approved"] = taker.approve(2**256 - 1, nonce=0)
    seen["filled"] = taker.market(first, outcome_one=False, usdc="5", odds="0.45")
    seen["refused"] = {
        "stale": message_of(lambda: taker.market(first, outcome_one=False, usdc="5", odds="0.3", slippage=0)),
        "small": message_of(lambda: taker.market(first, outcome_one=False, usdc="0.5", odds="0.45")),
        "own": message_of(lambda: maker.market(first, outcome_one=False, usdc="5", odds="0.45")),
        "tiny": message_of(lambda: maker.limit(first, outcome_one=True, usdc=1, odds="0.5")),
        "poor": message_of(lambda: maker.limit(first, outcome_one=True, usdc=10**6, odds="0.5")),
        "unread": message_of(lambda: maker.get("orders", maker=maker.address, perPage="many")),
    }

    seen["cancelled"] = [maker.cancel([backed]), maker.cancel_event(event)]
    seen["posted"].append(maker.limit(elsewhere, outcome_one=True, usdc=10, odds="0.5"))
    seen["cancelled"].append(maker.cancel_all())
    seen["gone"] = maker.get("orders", orderHashes=backed)

    give_up_at = time.monotonic() + PATIENCE_S
    filters = {"bettor": taker.address, "marketHashes": first, "startDate": since, "pageSize": 10}
    trades: list[Json] = []
    while not trades and time.monotonic() < give_up_at:
        trades = taker.get("trades", **filters, tradeStatus="SUCCESS")["trades"]
    seen["trades"] = trades
    seen["maker"], seen["taker"] = maker.address, taker.address
    return seen


print(json.dumps(main(sys.argv[1])))
