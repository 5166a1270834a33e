"""A hand on the operator's routes, for tests that need the world in a certain state."""

from __future__ import annotations

import time
from itertools import count
from typing import Any

import httpx
from tests.protocols.envelope import data_of

from overround.protocols.sx.profile import PROFILES
from overround.sandbox.accounts import SandboxAccount
from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address

MAINNET = PROFILES["mainnet"]
BEARER = {"Authorization": "Bearer sandbox-admin"}

_names = count(1)


class Operator:
    """The operator of a sandbox."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Any request, with the token."""
        return self._http.request(method, path, json=body, headers=BEARER)

    def digest(self) -> tuple[int, str]:
        """Seq and digest of the state: equal as long as nothing changed."""
        found = data_of(self.call("GET", "/admin/digest"))
        return found["seq"], found["digest"]

    def fixture(self, **members: Any) -> str:
        """A new pre-match fixture; its id."""
        number = next(_names)
        body = {
            "sportId": 5,
            "leagueLabel": "Test League",
            "teamOneName": f"Home {number}",
            "teamTwoName": f"Away {number}",
            "gameTime": int(time.time()) + 7 * 86_400,
            "liveEnabled": True,
            **members,
        }
        return str(data_of(self.call("POST", "/admin/fixtures", body))["sportXeventId"])

    def market(self, fixture: str | None = None, **members: Any) -> str:
        """A new moneyline on a fixture, a new one by default; its hash."""
        number = next(_names)
        body = {
            "sportXeventId": self.fixture() if fixture is None else fixture,
            "type": 52,
            "outcomeOneName": f"One {number}",
            "outcomeTwoName": f"Two {number}",
            **members,
        }
        return str(data_of(self.call("POST", "/admin/markets", body))["marketHash"])

    def set_status(self, fixture: str, status: int) -> None:
        """Progress of a fixture."""
        data_of(self.call("POST", f"/admin/fixtures/{fixture}/status", {"status": status}))

    def fund(self, account: LocalAccount, amount: int, token: str = MAINNET.usdc) -> None:
        """Set a wallet balance."""
        path = f"/admin/balances/{checksum_address(account.address)}/{token}"
        data_of(self.call("PUT", path, {"amount": str(amount)}))

    def clock(self, **step: Any) -> int:
        """Move the clock; what it shows then, in milliseconds."""
        return int(data_of(self.call("POST", "/admin/clock", step))["nowMs"])

    def freeze_at_full_second(self) -> int:
        """Stop the clock at a second that is still to come, so that all that was decided is older; the second."""
        second = self.clock(freeze=True) // 1000 + 2
        self.clock(setMs=second * 1000)
        return second


def new_account() -> LocalAccount:
    """A key that nobody used before."""
    return LocalAccount.from_hex(next(_keys))


def address_of(account: LocalAccount | SandboxAccount) -> str:
    """Its checksummed address."""
    return checksum_address(account.address)


_keys = (f"{number:064x}" for number in count(0x0DD5_0001))
