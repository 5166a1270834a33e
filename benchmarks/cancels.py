"""What both benchmarks of signed cancels share: a round, its figures, and whether everything is in the journal."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness import BenchmarkError, Bound, Figure, median
from benchmarks.http_load import Load
from overround.engine.commands import AnyCommand
from overround.journal.journal import JournalError
from overround.journal.sqlite import SqliteJournal


@dataclass(frozen=True)
class Round:
    """One phase of recovering and one of cancelling, straight after each other."""

    recovers_per_s: float
    load: Load

    @property
    def ratio(self) -> float:
        """Cancels per bare recovery, both per second."""
        return self.load.rate / self.recovers_per_s


def speed(rounds: list[Round], where: str, in_flight: str, bound: Bound | None) -> Iterator[Figure]:
    """How fast: each figure is the median of the rounds."""
    note = f"{where}; median of {len(rounds)} round{'s' if len(rounds) > 1 else ''}"
    loads = [each.load for each in rounds]
    yield Figure("ratio", median(each.ratio for each in rounds), note, bound=bound)
    yield Figure("requests", median(load.rate for load in loads), note, "/s")
    yield Figure("bare recoveries", median(each.recovers_per_s for each in rounds), note, "/s")
    yield Figure("p50", median(load.p50_us for load in loads) / 1000, f"{note}; {in_flight}", " ms")
    yield Figure("p99", median(load.p99_us for load in loads) / 1000, f"{note}; {in_flight}", " ms")


def durability(data_dir: Path, acknowledged: int, identity: Callable[[AnyCommand], bytes | None]) -> Figure:
    """Whether every acknowledged cancel is a command in the journal of a stopped server, once, and no other one is.

    `identity` names a cancel, and answers None for other commands. Reading the journal checks its chain.
    """
    try:
        with closing(SqliteJournal(data_dir, read_only=True)) as journal:
            names = [identity(record.command) for record in journal.read(after=0)]
    except JournalError as error:
        raise BenchmarkError(f"the journal cannot be read: {error}") from error
    found = [name for name in names if name is not None]
    if len(set(found)) != len(found):
        raise BenchmarkError("a cancel was journaled twice")
    note = f"cancels in the journal after the stop; acknowledged {acknowledged}"
    return Figure("journaled", len(found), note, bound=Bound("==", acknowledged))
