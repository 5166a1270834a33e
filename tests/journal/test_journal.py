"""The contract of every journal, held against each implementation."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.journal.history import MAKERS, START_MS, TOKEN, records

from overround.engine.commands import SetBalance
from overround.engine.events import BalanceChanged
from overround.engine.record import Record
from overround.journal import chain, codec
from overround.journal.journal import CommitUnknown, Fenced, Head, Journal, JournalDamaged
from overround.journal.memory import MemoryJournal
from overround.journal.sqlite import SqliteJournal

HISTORY = records(30)


@pytest.fixture(params=["sqlite", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Journal]]:
    """Makes empty journals of one kind."""
    made: list[Journal] = []

    def make_one() -> Journal:
        if request.param == "memory":
            journal: Journal = MemoryJournal()
        else:
            folder = tmp_path / str(len(made))
            folder.mkdir()
            journal = SqliteJournal(folder)
        made.append(journal)
        return journal

    yield make_one
    for journal in made:
        journal.close()


@pytest.fixture
def journal(make: Callable[[], Journal]) -> Journal:
    """An empty journal."""
    return make()


def test_an_empty_journal_ends_at_the_genesis_digest(journal: Journal) -> None:
    assert journal.head == Head(0, chain.GENESIS)
    assert list(journal.read(0)) == []
    assert journal.digest_at(0) == chain.GENESIS
    assert journal.digest_at(1) is None


def test_what_was_appended_is_read_in_order(journal: Journal) -> None:
    journal.append(HISTORY[:1])
    journal.append(HISTORY[1:20])
    journal.append(HISTORY[20:])
    assert list(journal.read(0)) == HISTORY
    assert journal.head.seq == 30


def test_reading_starts_after_any_record(journal: Journal) -> None:
    journal.append(HISTORY)
    for after in (0, 1, 17, 29, 30):
        assert list(journal.read(after)) == HISTORY[after:]


@pytest.mark.parametrize("after", [31, 1000, -1])
def test_reading_after_a_record_that_is_not_there_is_damage(journal: Journal, after: int) -> None:
    journal.append(HISTORY)
    with pytest.raises(JournalDamaged, match=f"no record {after}"):
        list(journal.read(after))


def test_every_record_carries_the_digest_of_the_one_before(journal: Journal) -> None:
    journal.append(HISTORY)
    digest = chain.GENESIS
    for record in HISTORY:
        digest = chain.link(digest, codec.encode_record(record))
        assert journal.digest_at(record.seq) == digest
    assert journal.head == Head(30, digest)


def test_the_chain_does_not_depend_on_batches(make: Callable[[], Journal]) -> None:
    one, other = make(), make()
    one.append(HISTORY)
    for record in HISTORY:
        other.append([record])
    assert one.head == other.head


@pytest.mark.parametrize("seq", [-1, 31, 10**9])
def test_there_is_no_digest_where_there_is_no_record(journal: Journal, seq: int) -> None:
    journal.append(HISTORY)
    assert journal.digest_at(seq) is None


@pytest.mark.parametrize(
    "batch",
    [HISTORY[1:], HISTORY[:3] + HISTORY[4:], HISTORY[:3] + HISTORY[2:], HISTORY[:2][::-1]],
    ids=["late start", "gap", "repetition", "wrong order"],
)
def test_a_batch_that_does_not_continue_the_journal_is_refused_whole(journal: Journal, batch: list[Record]) -> None:
    with pytest.raises(AssertionError, match="contiguous"):
        journal.append(batch)
    assert journal.head.seq == 0
    assert list(journal.read(0)) == []


def test_wide_numbers_bytes_and_text_come_back_exactly(journal: Journal) -> None:
    amount = 2**256 - 1
    command = SetBalance(account=MAKERS[0], token=TOKEN, amount=amount)
    record = Record(
        1,
        START_MS,
        1,
        'id "\u00e9\U0001f3c0\x00',
        command,
        [BalanceChanged(account=MAKERS[0], token=TOKEN, balance=amount, available=amount)],
    )
    journal.append([record])
    assert list(journal.read(0)) == [record]


def test_a_failed_append_adds_nothing(make: Callable[[], Journal]) -> None:
    journal = make()
    journal.append(HISTORY[:10])
    before = journal.head
    _break(journal)
    for _ in range(2):
        with pytest.raises(CommitUnknown):
            journal.append(HISTORY[10:])
    assert journal.head == before
    assert list(journal.read(0)) == HISTORY[:10]


def test_a_fenced_writer_adds_nothing(journal: Journal, tmp_path: Path) -> None:
    journal.append(HISTORY[:10])
    if isinstance(journal, MemoryJournal):
        journal.fault = Fenced("epoch 2 owns this journal, not 1")
    else:
        SqliteJournal(tmp_path / "0", epoch=2).close()
    with pytest.raises(Fenced, match="epoch 2 owns this journal, not 1"):
        journal.append(HISTORY[10:])
    assert list(journal.read(0)) == HISTORY[:10]


def test_others_read_while_one_appends(journal: Journal) -> None:
    """Every reading, at any moment, is an exact prefix that ends between two batches."""
    batches = [HISTORY[start : start + 3] for start in range(0, 30, 3)]
    done = threading.Event()
    readings: list[list[Record]] = []

    def read() -> None:
        while not done.is_set():
            readings.append(list(journal.read(0)))

    reader = threading.Thread(target=read)
    reader.start()
    for batch in batches:
        journal.append(batch)
    done.set()
    reader.join()
    readings.append(list(journal.read(0)))
    assert readings[-1] == HISTORY
    for reading in readings:
        assert reading == HISTORY[: len(reading)]
        assert len(reading) % 3 == 0


def _break(journal: Journal) -> None:
    """Let every append fail from here on."""
    if isinstance(journal, MemoryJournal):
        journal.fault = CommitUnknown("the disk is gone")
    else:
        assert isinstance(journal, SqliteJournal)
        journal._writer.execute("PRAGMA max_page_count = 1")  # as good as a full disk: the file cannot grow
        journal._writer.execute("PRAGMA cache_size = 1")
