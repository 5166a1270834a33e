"""Whatever is said, is said in both framings."""

import pytest
from tests.protocols.centrifugo.world import World


@pytest.fixture(params=["json", "protobuf"])
def framing(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def world(framing: str) -> World:
    return World(framing=framing)
