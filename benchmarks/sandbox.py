"""What a running sandbox gives to its guests, and orders that it accepts."""

import http.client
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness import BenchmarkError
from benchmarks.http_load import http_post
from overround.signing.account import LocalAccount
from overround.testing.sx import hash_of, signed_order

ORDERS_PATH = "/orders/new"
PREMATCH_S = 24 * 3600  # a market whose match begins later than this stays bettable for the whole run
BEST_ODDS = 50 * 10**18
ODDS_STEP = 125 * 10**15
PRICES = 16
_ANSWER_WAIT_MAX_S = 20.0


@dataclass(frozen=True)
class Guest:
    """An account with its secrets."""

    address: str
    account: LocalAccount
    api_key: str


@dataclass(frozen=True)
class Sandbox:
    """A sandbox as it describes itself."""

    host: str
    port: int
    guests: Sequence[Guest]
    markets: list[str]
    """Markets that stay bettable."""
    event_of: dict[str, str]
    """The event of every market."""

    @property
    def events(self) -> list[str]:
        """All events."""
        return sorted(set(self.event_of.values()))

    def token(self, guest: Guest) -> str:
        """A token for feed connections."""
        answer = get(self.host, self.port, "/user/realtime-token/api-key", {"X-Api-Key": guest.api_key})
        token: str = answer["token"]
        return token


def visit(host: str, port: int) -> Sandbox:
    """Ask a sandbox what it has."""
    found = get(host, port, "/sandbox")
    guests = [
        Guest(one["address"], LocalAccount.from_hex(one["privateKey"]), one["apiKey"]) for one in found["accounts"]
    ]
    later = {one["sportXeventId"] for one in found["fixtures"] if one["gameTime"] > time.time() + PREMATCH_S}
    markets = [one["marketHash"] for one in found["markets"] if one["sportXeventId"] in later]
    if not guests or len(markets) < 2:
        raise BenchmarkError("the sandbox has too few accounts or markets")
    event_of = {one["marketHash"]: one["sportXeventId"] for one in found["markets"]}
    return Sandbox(host, port, guests, markets, event_of)


def get(host: str, port: int, path: str, headers: dict[str, str] | None = None) -> Any:
    """The JSON at a path."""
    connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_WAIT_MAX_S)
    try:
        connection.request("GET", path, headers=headers or {})
        answer = connection.getresponse()
        body = answer.read()
    except OSError as error:
        raise BenchmarkError(f"GET {path}: {error}") from error
    finally:
        connection.close()
    if answer.status != 200:
        raise BenchmarkError(f"GET {path}: {answer.status} {body[:300]!r}")
    return json.loads(body)


# ---- orders ----


@dataclass(frozen=True)
class SignedOrder:
    """An order of its own request."""

    order_hash: str
    body: bytes

    @property
    def request(self) -> bytes:
        """The whole HTTP request."""
        return http_post(ORDERS_PATH, self.body)


def orders(maker: LocalAccount, markets: Sequence[str], count: int) -> Iterator[SignedOrder]:
    """That many fresh orders, the markets taking turns, at a few prices from the best one down."""
    for number, market in zip(range(count), itertools.cycle(markets), strict=False):
        odds = BEST_ODDS - ODDS_STEP * (number // len(markets) % PRICES)
        entry = signed_order(maker, market, percentage_odds=odds)
        yield SignedOrder(hash_of(entry), json.dumps({"orders": [entry]}, separators=(",", ":")).encode())


class Poster:
    """Posts one order after the other over one keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=_ANSWER_WAIT_MAX_S)

    def __enter__(self) -> "Poster":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def post(self, order: SignedOrder) -> None:
        """Post it; anything but success is an error."""
        try:
            self._connection.request("POST", ORDERS_PATH, order.body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            body = answer.read()
        except OSError as error:
            raise BenchmarkError(f"POST {ORDERS_PATH}: {error}") from error
        if answer.status != 200 or b'"OK"' not in body:
            raise BenchmarkError(f"POST {ORDERS_PATH}: {answer.status} {body[:300]!r}")

    def post_paced(self, batch: Sequence[SignedOrder], rate: float) -> None:
        """Post them at that rate; none comes closer to the one before, however late that was."""
        due = time.monotonic()
        for order in batch:
            time.sleep(max(0.0, due - time.monotonic()))
            due = time.monotonic() + 1 / rate
            self.post(order)
