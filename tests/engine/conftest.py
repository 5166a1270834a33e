"""A furnished desk for every test of the engine."""

from __future__ import annotations

import pytest
from tests.engine.desk import Desk


@pytest.fixture
def desk() -> Desk:
    """Two fixtures, four markets, and 100 for Alice and for Bob."""
    return Desk()
