"""A furnished desk with its shop window, for every test of the views."""

from __future__ import annotations

import pytest
from tests.views.window import Window


@pytest.fixture
def window() -> Window:
    """Two fixtures, four markets, 100 for Alice and for Bob, and views that show it."""
    return Window()
