"""A gateway in a process of its own, and bots."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from tests.gateway.bot import Bot

from overround.testing.accounts import ALICE, BOB


@pytest.fixture
def alice(http: httpx.Client) -> Iterator[Bot]:
    """She leaves nothing behind."""
    bot = Bot(http, ALICE)
    yield bot
    bot.clear()


@pytest.fixture
def bob(http: httpx.Client) -> Iterator[Bot]:
    """Neither does he."""
    bot = Bot(http, BOB)
    yield bot
    bot.clear()
