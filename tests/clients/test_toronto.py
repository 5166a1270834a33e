"""The bots on the test network's profile: nothing but the chain id differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from overround.testing.server import ServerProcess

if TYPE_CHECKING:
    from tests.clients.conftest import Bots, Maker


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ServerProcess]:
    """A sandbox that says it is the test network."""
    with ServerProcess("--profile", "toronto") as server:
        yield server


@pytest.mark.row("ENV-01", "ENV-03")
@pytest.mark.parametrize("language", ["javascript/{}.mjs", "python/{}.py"], ids=["ethers", "eth_account"])
def test_the_three_cancels_work_on_the_test_network(
    bots: Bots, world: dict[str, Any], maker: Maker, language: str
) -> None:
    assert world["chainId"] == 79479957
    here, there = (
        next(one["marketHash"] for one in world["markets"] if one["sportXeventId"] == event)
        for event in ("L1000001", "L1000002")
    )
    named, _ = bots.post(language, maker, here, there)

    steps = bots.run(language.format("cancel_orders"), maker, "L1000001", named)

    assert [step["answer"]["data"]["cancelledCount"] for step in steps] == [1, 0, 1]
    assert steps[-1]["after"] == []
