"""Starting is recovering: the same state from the whole journal as from any snapshot, or no start at all."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from tests.journal.history import MAKERS, TOKEN, records

from overround.engine.commands import SetBalance
from overround.engine.record import Record
from overround.journal.journal import JournalDamaged
from overround.journal.memory import MemoryJournal
from overround.journal.sqlite import SqliteJournal
from overround.runtime.recovery import recover

HISTORY = records(60)


def _journal(history: list[Record]) -> MemoryJournal:
    journal = MemoryJournal()
    journal.append(history)
    return journal


def test_an_empty_journal_is_an_empty_venue() -> None:
    found = recover(MemoryJournal(), None)
    assert (found.seq, found.time_ms, found.replayed) == (0, 0, 0)
    assert not found.engine.state.orders


def test_the_views_show_what_the_engine_knows() -> None:
    found = recover(_journal(HISTORY), None)
    assert (found.views.seq, found.views.time_ms) == (60, HISTORY[-1].time_ms) == (found.seq, found.time_ms)
    assert set(found.views.orders.by_hash) == set(found.engine.state.orders)
    assert found.views.digest == found.engine.digest()


def test_any_prefix_can_be_recovered_and_gone_on_from() -> None:
    """What a crash leaves is a prefix: the rest of the history is decided from it just as it was."""
    whole = recover(_journal(HISTORY), None).engine.digest()
    for length in range(61):
        found = recover(_journal(HISTORY[:length]), None)
        for record in HISTORY[length:]:
            assert found.engine.execute(record.command, record.time_ms) == record.events
        assert found.engine.digest() == whole


def test_a_record_that_does_not_follow_from_its_command_is_damage() -> None:
    """With every digest recomputed: the chain fits, but the engine knows better."""
    for place in (3, 20, 59):
        command = SetBalance(account=MAKERS[0], token=TOKEN, amount=666)
        forged = msgspec.structs.replace(HISTORY[place], command=command)
        with pytest.raises(JournalDamaged, match=f"record {place + 1} does not follow"):
            recover(_journal([*HISTORY[:place], forged, *HISTORY[place + 1 :]]), None)


def test_the_collector_is_as_it_was() -> None:
    recover(_journal(HISTORY), None)
    assert gc.isenabled()
    gc.disable()
    try:
        recover(_journal(HISTORY), None)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_the_outcome_does_not_depend_on_the_process(tmp_path: Path) -> None:
    """Another hash seed, time zone and locale, and optimised code: the same digest."""
    journal = SqliteJournal(tmp_path)
    journal.append(HISTORY)
    journal.close()
    digest = recover(_journal(HISTORY), None).engine.digest().hex()
    for number, (zone, options) in enumerate([("UTC", []), ("Asia/Kathmandu", []), ("America/Adak", ["-O"])]):
        environment = {**os.environ, "PYTHONHASHSEED": str(number), "TZ": zone, "LC_ALL": "C.UTF-8" if number else "C"}
        argv = [sys.executable, *options, "-m", "overround", "journal", "digest", "--data-dir", str(tmp_path)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
        assert done.stdout == f"60 0x{digest}\n"
