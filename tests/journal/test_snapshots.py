"""A snapshot is a shortcut and never an authority: what is not whole, or not this journal's, is passed over."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.journal.history import records

from overround.engine.engine import Engine
from overround.engine.snapshot import AnySection, dump
from overround.engine.state import State
from overround.journal.memory import MemoryJournal
from overround.journal.snapshots import FOLDER_NAME, KEPT, Footer, SnapshotStore
from overround.runtime.recovery import Recovered, recover
from overround.runtime.snapshotter import write_snapshot

HISTORY = records(100)
FLIPS = 2_000 if os.environ.get("LONG") else 150


@pytest.fixture
def journal() -> MemoryJournal:
    """A journal of the history."""
    journal = MemoryJournal()
    journal.append(HISTORY)
    return journal


@pytest.fixture
def store(tmp_path: Path) -> SnapshotStore:
    """An empty store."""
    return SnapshotStore(tmp_path)


def _snapshot(journal: MemoryJournal, store: SnapshotStore, seq: int) -> Path:
    """A snapshot as of a record."""
    past = MemoryJournal()
    past.append(list(journal.read(0))[:seq])
    return write_snapshot(journal, recover(past, None), store)


def _assert_recovers(journal: MemoryJournal, store: SnapshotStore, *, replayed: int) -> Recovered:
    """Whatever the snapshots are worth, the outcome is that of the whole journal."""
    found, whole = recover(journal, store), recover(journal, None)
    assert found.engine.digest() == whole.engine.digest() == found.views.digest
    assert (found.seq, found.time_ms) == (whole.seq, whole.time_ms)
    assert found.replayed == replayed
    return found


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / FOLDER_NAME).iterdir())


def test_recovery_starts_at_the_newest_snapshot(journal: MemoryJournal, store: SnapshotStore) -> None:
    _snapshot(journal, store, 40)
    _snapshot(journal, store, 90)
    _assert_recovers(journal, store, replayed=10)


def test_without_snapshots_the_whole_journal_is_replayed(journal: MemoryJournal, store: SnapshotStore) -> None:
    _assert_recovers(journal, store, replayed=100)


def test_a_snapshot_at_the_end_leaves_nothing_to_replay(journal: MemoryJournal, store: SnapshotStore) -> None:
    _snapshot(journal, store, 100)
    _assert_recovers(journal, store, replayed=0)


def test_what_is_decided_after_a_snapshot_is_what_would_have_been(journal: MemoryJournal, tmp_path: Path) -> None:
    """From every place in the history: indexes, replay memory and priorities come back too, not only the digest."""
    for seq in range(1, 100, 7):
        store = SnapshotStore(tmp_path / str(seq))
        _snapshot(journal, store, seq)
        _assert_recovers(journal, store, replayed=100 - seq)  # replay compares the events of every later record


def test_old_snapshots_are_dropped(journal: MemoryJournal, store: SnapshotStore, tmp_path: Path) -> None:
    for seq in range(10, 100, 10):
        _snapshot(journal, store, seq)
    assert _names(tmp_path) == [f"{seq:020d}.snapshot" for seq in (80, 90)]
    assert KEPT == 2


def test_snapshots_of_a_longer_history_do_not_crowd_out_new_ones(
    journal: MemoryJournal, store: SnapshotStore, tmp_path: Path
) -> None:
    """Regression: after an old backup was put back, each new snapshot was dropped as the oldest of three."""
    _snapshot(journal, store, 80)
    _snapshot(journal, store, 90)
    restored = MemoryJournal()
    restored.append(HISTORY[:50])
    _snapshot(restored, store, 45)
    _assert_recovers(restored, store, replayed=5)
    _snapshot(restored, store, 50)
    _assert_recovers(restored, store, replayed=0)
    assert len(_names(tmp_path)) <= 2 * KEPT


# ---- damage --------------------------------------------------------------------------------------------------------


def test_a_damaged_snapshot_gives_way_to_the_older_one(journal: MemoryJournal, store: SnapshotStore) -> None:
    older, newer = _snapshot(journal, store, 40), _snapshot(journal, store, 90)
    newer.write_bytes(newer.read_bytes().replace(b"League", b"Leagve"))
    _assert_recovers(journal, store, replayed=60)
    older.write_bytes(b"")
    _assert_recovers(journal, store, replayed=100)


def test_a_snapshot_cut_anywhere_is_passed_over(journal: MemoryJournal, store: SnapshotStore) -> None:
    _snapshot(journal, store, 40)
    newer = _snapshot(journal, store, 90)
    whole = newer.read_bytes()
    lines = [place + 1 for place, byte in enumerate(whole) if byte == 10]
    for cut in {0, 1, len(whole) - 1, *lines, *random.Random(1).sample(range(len(whole)), 40)}:
        newer.write_bytes(whole[:cut])
        _assert_recovers(journal, store, replayed=60)


@pytest.mark.timeout(1800)
def test_every_flipped_bit_is_noticed(journal: MemoryJournal, store: SnapshotStore) -> None:
    """Regression: the last line's own members were not covered by its digest, and a flipped time was believed."""
    newest = _snapshot(journal, store, 90)
    whole = newest.read_bytes()
    rng = random.Random(2)
    footer = range(whole.rindex(b"\n") + 1, len(whole))
    for place in [*footer, *rng.sample(range(len(whole)), FLIPS)]:
        flipped = bytearray(whole)
        flipped[place] ^= 1 << rng.randrange(8)
        newest.write_bytes(flipped)
        _assert_recovers(journal, store, replayed=100)


def test_the_snapshot_of_another_journal_is_passed_over(journal: MemoryJournal, store: SnapshotStore) -> None:
    other = MemoryJournal()
    for record in HISTORY:
        other.append([record.__class__(record.seq, record.time_ms, 1, "other", record.command, record.events)])
    _snapshot(other, store, 90)
    _assert_recovers(journal, store, replayed=100)


def test_a_snapshot_beyond_the_end_is_passed_over(journal: MemoryJournal, store: SnapshotStore) -> None:
    _snapshot(journal, store, 90)
    shorter = MemoryJournal()
    shorter.append(HISTORY[:80])
    _assert_recovers(shorter, store, replayed=80)


def test_a_snapshot_of_another_version_is_passed_over(
    journal: MemoryJournal, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole and of this journal, but not in the shape that this version reads. Regression: the start failed."""
    _snapshot(journal, store, 40)
    newer = _snapshot(journal, store, 90)
    sections = [line.replace(b'"section":"WorldSection"', b'"section":"OldSection"') for line in _lines(newer)]
    _rewrite(newer, sections)
    _assert_recovers(journal, store, replayed=60)


def test_a_snapshot_that_loads_to_another_state_is_passed_over(journal: MemoryJournal, store: SnapshotStore) -> None:
    """Readable, whole and of this journal, but a member got another meaning: the state's own digest tells."""
    newer = _snapshot(journal, store, 90)
    sections = [line.replace(b'"label":"League"', b'"label":"Renamed"') for line in _lines(newer)]
    _rewrite(newer, sections)
    _assert_recovers(journal, store, replayed=100)


def test_a_snapshot_that_goes_while_it_is_read_is_passed_over(
    journal: MemoryJournal, store: SnapshotStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside a running venue, a reader may find it dropped at any moment."""
    _snapshot(journal, store, 40)
    newer = _snapshot(journal, store, 90)
    read = SnapshotStore.read

    def drop_first(path: Path) -> Iterator[Any]:
        if path == newer:
            path.unlink()
        return read(path)

    monkeypatch.setattr(SnapshotStore, "read", staticmethod(drop_first))
    _assert_recovers(journal, store, replayed=60)


def _lines(path: Path) -> list[bytes]:
    """The sections of a snapshot, without the footer."""
    return path.read_bytes().splitlines()[:-1]


def _rewrite(path: Path, lines: list[bytes]) -> None:
    """Seal changed sections: as another version of the program would have written them."""
    footer = msgspec.json.decode(path.read_bytes().splitlines()[-1], type=Footer)
    content = b"".join(line + b"\n" for line in lines)
    bare = msgspec.json.encode(msgspec.structs.replace(footer, seal=b""))
    seal = hashlib.sha256(content + bare).digest()
    path.write_bytes(content + msgspec.json.encode(msgspec.structs.replace(footer, seal=seal)))


# ---- crashes -------------------------------------------------------------------------------------------------------


def test_a_crash_while_writing_leaves_nothing_that_is_believed(journal: MemoryJournal, tmp_path: Path) -> None:
    """A process is killed between two sections; the next one written clears up after it."""
    store = SnapshotStore(tmp_path)
    _snapshot(journal, store, 40)
    program = f"""
import sys
from pathlib import Path
from overround.journal.snapshots import SnapshotStore
from overround.engine.snapshot import dump
from overround.engine.state import State

def sections():
    yield from dump(State())
    print("half", flush=True)
    sys.stdin.read()

SnapshotStore(Path({str(tmp_path)!r})).write(
    sections(), seq=90, time_ms=1, chain_digest=b"c" * 32, state_digest=b"s" * 32)
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"half\n"
        process.send_signal(signal.SIGKILL)
    assert any(name.endswith(".partial") for name in _names(tmp_path))
    _assert_recovers(journal, store, replayed=60)
    _snapshot(journal, store, 95)
    assert _names(tmp_path) == [f"{seq:020d}.snapshot" for seq in (40, 95)]


def test_a_failed_writing_leaves_nothing(journal: MemoryJournal, store: SnapshotStore, tmp_path: Path) -> None:
    """A full disk, say: the space goes back at once."""
    _snapshot(journal, store, 40)

    def sections() -> Iterable[AnySection]:
        yield from dump(State())
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        store.write(sections(), seq=90, time_ms=1, chain_digest=b"c" * 32, state_digest=Engine().digest())
    assert _names(tmp_path) == [f"{40:020d}.snapshot"]
