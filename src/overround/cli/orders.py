"""`overround orders`: what a wallet has on the books, in both dialects."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import typer

from overround.cli.exits import EXITS_HELP, exit_on_failure
from overround.config import ConfigError
from overround.signing.address import AddressError, checksum_address, parse_address

DEFAULT_URL: Final = "http://127.0.0.1:8080"
HTTP_TIMEOUT_S: Final = 10
_ODDS_ONE: Final = Decimal(10**20)
_X18: Final = Decimal(10**18)
_USDC_UNIT: Final = Decimal(10**6)
_FOR_EVER_S: Final = 253_402_300_799  # the last second of the year 9999

EPILOG: Final = (
    "Example: **overround orders 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266** (a sandbox on this machine)\n\n"
    "For a machine: **overround orders 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 --json | jq .nado[].digest**\n\n"
    + EXITS_HELP
)


def orders(
    wallet: Annotated[str, typer.Argument(help="The wallet's address, in any letter case.", show_default=False)],
    url: Annotated[str, typer.Option(help="Where the venue is.")] = DEFAULT_URL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a wallet's open orders: those of the SX dialect, and those of every Nado subaccount of it.

    Open orders are public, so no key is needed. Cancelling everything in one dialect leaves the orders of the other:
    look here whether anything is left.
    """
    with exit_on_failure():
        address, venue = _address(wallet), _Venue(url)
        found = {
            "wallet": checksum_address(address),
            "sx": venue.sx_orders(address),
            "nado": venue.nado_orders(address),
        }
        if as_json:
            typer.echo(json.dumps(found, indent=2))
            return
        for line in _as_text(found, venue.symbols() if found["nado"] else {}):
            typer.echo(line)


def _address(text: str) -> bytes:
    try:
        return parse_address(text)
    except AddressError as error:
        raise ConfigError(f"the wallet must be an address: {error}") from None


# ---- asking --------------------------------------------------------------------------------------------------------


class _Venue:
    """Answers to plain requests. Raises ConfigError where there is no venue, or one of another kind."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"--url must begin with http:// or https://, which {url} does not")
        self._url = url.rstrip("/")

    def sx_orders(self, address: bytes) -> list[Any]:
        """`GET /orders` of the SX dialect."""
        return self._list(self._get("/orders", maker=checksum_address(address)), "data")

    def nado_orders(self, address: bytes) -> list[Any]:
        """The `wallet_orders` query of the gateway."""
        answer = self._get("/v1/query", type="wallet_orders", address="0x" + address.hex())
        return self._list(answer.get("data"), "orders")

    def symbols(self) -> dict[int, str]:
        """Product ids with their names."""
        return {one["product_id"]: one["symbol"] for one in self._ask("/v1/symbols")}

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        answer = self._ask(f"{path}?{urllib.parse.urlencode(query)}")
        if not isinstance(answer, dict) or answer.get("status") != "success":
            raise ConfigError(f"{self._url} is no venue of this kind: {path} answers something else")
        return answer

    def _list(self, answer: Any, name: str) -> list[Any]:
        found = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(found, list):
            raise ConfigError(f"{self._url} is no venue of this kind: there are no {name} in its answer")
        return found

    def _ask(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(self._url + path, timeout=HTTP_TIMEOUT_S) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            error.close()
            raise ConfigError(f"{self._url}{path.partition('?')[0]} answers {error.code}") from None
        except (OSError, ValueError) as error:  # not there, or not a venue
            raise ConfigError(f"{self._url} cannot be reached: {getattr(error, 'reason', error)}") from None


# ---- text ----------------------------------------------------------------------------------------------------------


def _as_text(found: dict[str, Any], symbols: dict[int, str]) -> Iterator[str]:
    yield f"{found['wallet']}: {len(found['sx'])} open on SX, {len(found['nado'])} open on Nado"
    for row in found["sx"]:
        yield _sx_line(row)
    for row in found["nado"]:
        yield _nado_line(row, symbols)


def _sx_line(row: dict[str, Any]) -> str:
    total = Decimal(row["totalBetSize"])
    left = total - Decimal(row["fillAmount"]) - Decimal(row["pendingFillAmount"])
    odds = Decimal(row["percentageOdds"]) / _ODDS_ONE
    outcome = "outcome one" if row["isMakerBettingOutcomeOne"] else "outcome two"
    stake = f"{_plain(left / _USDC_UNIT)} of {_plain(total / _USDC_UNIT)}"
    return f"sx    {row['orderHash']}  {outcome} at {odds:.2%}, {stake}, until {_time(row['apiExpiry'])}"


def _nado_line(row: dict[str, Any], symbols: dict[int, str]) -> str:
    amount, left = Decimal(row["amount"]) / _X18, Decimal(row["unfilled_amount"]) / _X18
    side = "buy" if amount > 0 else "sell"
    product = symbols.get(row["product_id"], f"product {row['product_id']}")
    name = bytes.fromhex(row["sender"][42:]).rstrip(b"\0").decode("ascii", "backslashreplace")
    price = _plain(Decimal(row["price_x18"]) / _X18)
    return (
        f"nado  {row['digest']}  {side} {_plain(abs(left))} of {_plain(abs(amount))} {product} at {price}, "
        f"until {_time(int(row['expiration']))}, subaccount {name or '(no name)'}"
    )


def _plain(value: Decimal) -> str:
    """A number without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _time(second: int) -> str:
    if second > _FOR_EVER_S or second >= 2**32 - 1:
        return "cancelled"
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
