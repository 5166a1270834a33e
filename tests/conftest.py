"""Fixtures that many rooms share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, settings

from overround.testing.server import ServerProcess

# How long an example takes says something of the machine and nothing of the code.
settings.register_profile("overround", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("overround")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    """A fresh sandbox in a process of its own, for one test module."""
    with ServerProcess() as server:
        yield server


@pytest.fixture(scope="module")
def http(sandbox: ServerProcess) -> Iterator[httpx.Client]:
    """A client of it."""
    with sandbox.client() as client:
        yield client


@pytest.fixture(scope="module")
def world(http: httpx.Client) -> dict[str, Any]:
    """What `GET /sandbox` says."""
    found: dict[str, Any] = http.get("/sandbox").json()
    return found
