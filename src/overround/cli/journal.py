"""`overround journal`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from overround.cli.exits import exit_on_failure
from overround.config import ConfigError
from overround.engine.record import Record
from overround.journal.snapshots import SnapshotStore
from overround.journal.sqlite import FILE_NAME, SqliteJournal
from overround.runtime.recovery import recover

app = typer.Typer(no_args_is_help=True, help="Read a journal; safe beside a running venue.")

DataDir = Annotated[Path, typer.Option("--data-dir", help="The venue's data folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _open(folder: Path) -> SqliteJournal:
    if not (folder / FILE_NAME).is_file():
        raise ConfigError(f"there is no journal in {folder}")
    return SqliteJournal(folder, read_only=True)


@app.command(epilog="Example: **overround journal verify --data-dir ./data**")
def verify(data_dir: DataDir, as_json: AsJson = False) -> None:
    """Check the chain of digests, and that every record follows from its command; exit 4 if not."""
    with exit_on_failure():
        recovered = recover(_open(data_dir), None)
        found = {"ok": True, "seq": recovered.seq, "digest": "0x" + recovered.views.digest.hex()}
        text = f"ok: {recovered.seq} records, every one follows; state digest {found['digest']}"
        typer.echo(json.dumps(found) if as_json else text)


@app.command(epilog="Example: **overround journal show --data-dir ./data --after 100 --limit 10**")
def show(
    data_dir: DataDir,
    after: Annotated[int, typer.Option(help="Only records with a higher seq.")] = 0,
    limit: Annotated[int, typer.Option(help="At most this many records; 0: all.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Print records, one a line."""
    with exit_on_failure():
        for number, record in enumerate(_open(data_dir).read(after), start=1):
            if limit and number > limit:
                break
            typer.echo(json.dumps(_plain(record)) if as_json else _line(record))


@app.command(epilog="Example: **overround journal digest --data-dir ./data --json**")
def digest(data_dir: DataDir, as_json: AsJson = False) -> None:
    """Print the state digest after the last record; equal to what `GET /admin/digest` says."""
    with exit_on_failure():
        journal = _open(data_dir)
        recovered = recover(journal, SnapshotStore(data_dir))
        found = {"seq": recovered.seq, "digest": "0x" + recovered.views.digest.hex()}
        typer.echo(json.dumps(found) if as_json else f"{found['seq']} {found['digest']}")


def _plain(record: Record) -> dict[str, Any]:
    """A record with its bytes as hex, as people know them."""
    plain: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(bytes,))
    return _with_hex(plain)  # type: ignore[no-any-return]


def _with_hex(value: Any) -> Any:
    match value:
        case bytes():
            return "0x" + value.hex()
        case dict():
            return {key: _with_hex(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_with_hex(inner) for inner in value]
        case _:
            return value


def _line(record: Record) -> str:
    events = ", ".join(type(event).__name__ for event in record.events) or "nothing"
    return f"{record.seq} {record.time_ms} {record.command_id} {type(record.command).__name__}: {events}"
