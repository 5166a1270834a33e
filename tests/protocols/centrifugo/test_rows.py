"""Every conformance row has a test that carries its number."""

import re
from pathlib import Path

from tests.protocols.centrifugo.rows import ROWS

ROOMS = (Path(__file__).parent, Path(__file__).parents[2] / "realtime")
MARKER = re.compile(r"pytest\.mark\.row\(([^)]*)\)")


def test_every_row_is_proven_and_every_number_is_known() -> None:
    marked = {
        row
        for room in ROOMS
        for path in room.glob("test_*.py")
        for arguments in MARKER.findall(path.read_text())
        for row in re.findall(r"CF-\d\d", arguments)
    }
    assert marked == set(ROWS)
