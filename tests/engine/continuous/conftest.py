"""A furnished desk for every test of continuous markets."""

from __future__ import annotations

import pytest
from tests.engine.continuous.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """Two perps and two spot products; three accounts with money."""
    return Desk()
