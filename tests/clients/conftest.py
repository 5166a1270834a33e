"""Runs the client programs of this folder: real libraries, in processes of their own.

A process each, and not an import: eth_account raises the recursion limit of the interpreter that imports it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import pytest

from overround.signing.account import LocalAccount
from overround.signing.address import checksum_address

HERE: Final = Path(__file__).parent
COMMANDS: Final = {".py": sys.executable, ".mjs": "node"}
BOT_TIMEOUT_S: Final = 60
MARKETS_PER_REQUEST_MAX: Final = 3


class Maker(NamedTuple):
    """A funded account of nobody else's."""

    address: str
    private_key: str


class Bots:
    """Client programs, told only what a user would change: where the venue is, its chain id, and a key."""

    def __init__(self, world: dict[str, Any]) -> None:
        self._world = world

    def run(self, program: str, maker: Maker, *arguments: str, **environment: str) -> Any:
        """What a program prints, read as JSON."""
        path = HERE / program
        settings = {
            "BASE_URL": self._world["baseUrl"],
            "CHAIN_ID": str(self._world["chainId"]),
            "SX_PRIVATE_KEY": maker.private_key,
            **environment,
        }
        ended = subprocess.run(
            [COMMANDS[path.suffix], str(path), *arguments],
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=BOT_TIMEOUT_S,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    def post(self, language: str, maker: Maker, *market_hashes: str) -> list[str]:
        """The hashes of new orders, one on each market, three markets to a request."""
        hashes: list[str] = []
        for start in range(0, len(market_hashes), MARKETS_PER_REQUEST_MAX):
            wanted = market_hashes[start : start + MARKETS_PER_REQUEST_MAX]
            answer = self.run(language.format("post_orders"), maker, *wanted)["answer"]
            found = answer["data"]["orders"]
            assert answer == {
                "status": "success",
                "data": {"orders": found, "statuses": dict.fromkeys(found, "OK"), "inserted": len(wanted)},
            }
            hashes += found
        return hashes


@pytest.fixture(scope="module")
def bots(world: dict[str, Any]) -> Bots:
    """The programs, pointed at this module's sandbox."""
    return Bots(world)


@pytest.fixture
def new_maker(http: httpx.Client, world: dict[str, Any]) -> Callable[[], Maker]:
    """Makes accounts with 1,000 USDC each."""

    def make() -> Maker:
        key = os.urandom(32)
        address = checksum_address(LocalAccount(key).address)
        funded = http.put(
            f"/admin/balances/{address}/{world['tokens']['USDC']}",
            json={"amount": "1000000000"},
            headers={"Authorization": f"Bearer {world['adminToken']}"},
        )
        assert funded.status_code == 200, funded.text
        return Maker(address, "0x" + key.hex())

    return make


@pytest.fixture
def maker(new_maker: Callable[[], Maker]) -> Maker:
    """One such account."""
    return new_maker()
