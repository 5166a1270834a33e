"""`overround journal`"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from overround.cli.exits import EXITS_HELP, exit_on_failure
from overround.config import ConfigError
from overround.engine.record import Record
from overround.history.database import FILE_NAME as HISTORY_FILE
from overround.history.database import state_of
from overround.history.history import rebuild as rebuild_history
from overround.journal.journal import JournalDamaged
from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import FILE_NAME, SqliteJournal
from overround.protocols.sx.units import hash_text
from overround.runtime.leadership import FolderLock
from overround.runtime.recovery import recover

app = typer.Typer(
    no_args_is_help=True,
    help="Read a journal; safe beside a running venue, but for `history --rebuild`.",
    epilog="Example: **overround journal verify --data-dir ./data**",
)

DataDir = Annotated[Path, typer.Option("--data-dir", help="The venue's data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@contextmanager
def _opened(folder: Path) -> Iterator[SqliteJournal]:
    """The journal of a data folder; what is wrong with it becomes a message and an exit code."""
    with exit_on_failure():
        if not (folder / FILE_NAME).is_file():
            raise ConfigError(f"there is no journal in {folder}")
        with closing(SqliteJournal(folder, read_only=True)) as journal:
            yield journal


@app.command(epilog="Example: **overround journal verify --data-dir ./data**\n\n" + EXITS_HELP)
def verify(data_dir: DataDir, as_json: AsJson = False) -> None:
    """Check the file, the chain of digests, that every record follows from its command, and that no snapshot knows
    of records that are not there; exit 4 if not.
    """
    with _opened(data_dir) as journal:
        journal.check_file()
        recovered = recover(journal, None)
        _check_snapshots(journal, SnapshotStore(data_dir))
        found = {"ok": True, "seq": recovered.seq, "digest": hash_text(recovered.views.digest)}
        text = f"ok: {recovered.seq} records, every one follows; state digest {found['digest']}"
        typer.echo(json.dumps(found) if as_json else text)


def _check_snapshots(journal: SqliteJournal, snapshots: SnapshotStore) -> None:
    """A chain cannot tell that its end was cut off, or that it was replaced as a whole; a snapshot can."""
    for footer, path in snapshots.whole():
        if journal.digest_at(footer.seq) != footer.chain_digest:
            raise JournalDamaged(
                f"the snapshot {path} was made at record {footer.seq} of a history that this journal does not hold; "
                "if a backup was put back here, remove the old snapshots"
            )


@app.command(epilog="Example: **overround journal show --data-dir ./data --after 100 --limit 10**")
def show(
    data_dir: DataDir,
    after: Annotated[int, typer.Option(help="Only records with a higher seq.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="At most this many records; 0: all.", min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Print records, one a line."""
    with _opened(data_dir) as journal:
        _check_seq(journal, after)
        for record in islice(journal.read(after), limit or None):
            typer.echo(json.dumps(_plain(record)) if as_json else _line(record))


@app.command(epilog="Example: **overround journal digest --data-dir ./data --json**")
def digest(
    data_dir: DataDir,
    at: Annotated[int | None, typer.Option(help="After this record [default: the last one].", min=0)] = None,
    as_json: AsJson = False,
) -> None:
    """Print the state digest; after the last record, it is equal to what `GET /admin/digest` says."""
    with _opened(data_dir) as journal:
        if at is None:
            recovered = recover(journal, SnapshotStore(data_dir))
        else:
            _check_seq(journal, at)
            recovered = recover(journal, None, until=at)
        found = {"seq": recovered.seq, "digest": hash_text(recovered.views.digest)}
        typer.echo(json.dumps(found) if as_json else f"{found['seq']} {found['digest']}")


@app.command(epilog="Example: **overround journal history --data-dir ./data --rebuild**\n\n" + EXITS_HELP)
def history(
    data_dir: DataDir,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it anew from the journal; not while the venue runs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print how far the history of trades has come and how much is in it; it follows from the journal alone."""
    with _opened(data_dir) as journal:
        found: dict[str, int | None] = {"journal": journal.head.seq}
        if rebuild:
            with _owned(data_dir), closing(rebuild_history(data_dir, journal)) as database:
                found |= {"seq": database.cursor, **database.counts()}
        else:
            found |= _history_state(data_dir)
        text = ", ".join(f"{count} {name}" for name, count in found.items() if name not in ("seq", "journal"))
        typer.echo(
            json.dumps(found) if as_json else f"at record {found['seq']} of {found['journal']}: {text or 'nothing'}"
        )


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    lock = FolderLock(folder)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _history_state(folder: Path) -> dict[str, int | None]:
    if not (folder / HISTORY_FILE).is_file():
        return {"seq": 0}
    try:
        return state_of(folder)
    except sqlite3.Error as error:
        raise ConfigError(f"the history cannot be read ({error}); make it anew with --rebuild") from None


def _check_seq(journal: SqliteJournal, seq: int) -> None:
    if seq > journal.head.seq:
        raise ConfigError(f"there is no record {seq}: the journal ends at record {journal.head.seq}")


def _plain(record: Record) -> dict[str, Any]:
    """A record with its bytes as hex, as people know them."""
    plain: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(bytes,))
    return _with_hex(plain)  # type: ignore[no-any-return]


def _with_hex(value: Any) -> Any:
    match value:
        case bytes():
            return hash_text(value)
        case dict():
            return {key: _with_hex(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_with_hex(inner) for inner in value]
        case _:
            return value


def _line(record: Record) -> str:
    events = ", ".join(type(event).__name__ for event in record.events) or "nothing"
    return f"{record.seq} {record.time_ms} {record.command_id} {type(record.command).__name__}: {events}"
