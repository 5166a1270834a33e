"""Market days, each played on three floors: the engine alone, a venue on a data folder, a live server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from overround.testing.floors import EngineFloor, LiveFloor, VenueFloor
from overround.testing.scenario import Day, parse, play
from overround.testing.server import ServerProcess, data_dir_arguments

DAYS = [parse(path.read_text(), path.stem) for path in sorted((Path(__file__).parent / "days").glob("*.day"))]

every_day = pytest.mark.parametrize(
    "day", [pytest.param(day, id=day.name, marks=pytest.mark.row(*day.rows)) for day in DAYS]
)


@every_day
def test_with_the_engine_alone(day: Day) -> None:
    play(day, EngineFloor())


@every_day
def test_in_a_venue_on_a_data_folder(day: Day, tmp_path: Path) -> None:
    with VenueFloor(tmp_path) as floor:
        play(day, floor)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One sandbox for all days: each has events of its own, and leaves no order behind."""
    with ServerProcess(*data_dir_arguments(tmp_path_factory.mktemp("live"))) as process:
        yield process


@every_day
@pytest.mark.xdist_group("market days")
def test_on_a_live_server(day: Day, server: ServerProcess) -> None:
    with LiveFloor(server) as floor:
        play(day, floor)
