"""The command tree. `overround --help` shows it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer

from overround import __version__
from overround.cli import config as config_commands
from overround.cli import feed as feed_commands
from overround.cli import journal as journal_commands
from overround.cli import orders as orders_commands
from overround.cli.exits import EXITS_HELP, exit_on_failure
from overround.config import Config, check_for_serving, load

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    epilog="Example: **overround sandbox --port 9000**\n\n" + EXITS_HELP,
    help="An order-management venue for signed orders.",
    pretty_exceptions_enable=False,
)
app.add_typer(config_commands.app, name="config")
app.add_typer(journal_commands.app, name="journal")

ConfigFile = Annotated[Path | None, typer.Option("--config", help="TOML file", show_default=False)]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"overround {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    del version


@app.command(epilog="Example: **overround sandbox --port 9000 --data-dir ./sandbox**\n\n" + EXITS_HELP)
def sandbox(
    config: ConfigFile = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on [default: 127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [default: 8080]; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Keep the data here [default: a temporary folder].")] = None,
    profile: Annotated[
        Literal["mainnet", "toronto"] | None,
        typer.Option(help="The venue that clients expect [default: mainnet]."),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Empty the data folder first.")] = False,
) -> None:
    """Start a sandbox: demo markets, funded keys, everything in one process.

    Prints `ready http://HOST:PORT` when requests are accepted. `GET /sandbox` tells keys and markets.
    """
    with exit_on_failure():
        flags = _flags(host, port, data_dir)
        if profile is not None:
            flags["sx"] = {"profile": profile}
        _run(load(config, flags), is_sandbox=True, fresh=fresh)


@app.command(epilog="Example: **overround serve --config venue.toml**\n\n" + EXITS_HELP)
def serve(
    config: Annotated[Path, typer.Option("--config", help="TOML file")],
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Data folder.")] = None,
) -> None:
    """Run a venue for real. Refuses sandbox keys, default secrets and weak token secrets."""
    with exit_on_failure():
        loaded = load(config, _flags(host, port, data_dir))
        check_for_serving(loaded)
        _run(loaded, is_sandbox=False, fresh=False)


app.command(epilog=feed_commands.EPILOG)(feed_commands.feed)
app.command(epilog=orders_commands.EPILOG)(orders_commands.orders)


def _flags(host: str | None, port: int | None, data_dir: Path | None) -> dict[str, dict[str, Any]]:
    """What was given on the command line, as configuration."""
    server = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    flags: dict[str, dict[str, Any]] = {}
    if server:
        flags["server"] = server
    if data_dir is not None:
        flags["data"] = {"dir": data_dir}
    return flags


def _run(config: Config, *, is_sandbox: bool, fresh: bool) -> None:
    from overround.server import logs, main  # the long imports, only when a server is wanted

    logs.configure(config.log)
    folder = config.data.dir
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="overround-") as temporary:
            _allow_stop_while_starting(Path(temporary))
            main.run(config, Path(temporary), is_sandbox=is_sandbox)
        return
    _allow_stop_while_starting(None)
    if fresh:
        _empty(folder)
    main.run(config, folder, is_sandbox=is_sandbox)


def _allow_stop_while_starting(temporary: Path | None) -> None:
    """A signal that comes before the server listens to it: nothing was promised yet, so ending at once is clean."""

    def end(*_: object) -> NoReturn:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        os._exit(0)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _empty(folder: Path) -> None:
    """Remove what a venue keeps in its data folder, and nothing else; not under the feet of a running one."""
    from overround.history.database import FILES as HISTORY_FILES
    from overround.journal.snapshots import FOLDER_NAME
    from overround.journal.sqlite import FILES
    from overround.runtime.leadership import FolderLock

    lock = FolderLock(folder)
    lock.acquire()
    try:
        shutil.rmtree(folder / FOLDER_NAME, ignore_errors=True)
        for name in (*HISTORY_FILES, *FILES):
            (folder / name).unlink(missing_ok=True)
    finally:
        lock.release()


def main() -> None:
    """The entry point."""
    app(prog_name="overround")
