"""Exit codes: what each means, and where they come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from overround.config import ConfigError
from overround.journal.journal import JournalDamaged, JournalUnavailable
from overround.runtime.leadership import DataFolderInUse, DataFolderUnusable

EXIT_USAGE: Final = 2
EXIT_IN_USE: Final = 3
EXIT_DAMAGED: Final = 4
EXIT_COMMIT_FAILED: Final = 5

EXITS_HELP: Final = (
    "Exit codes: 0 clean, 2 usage or configuration, 3 data folder in use, 4 journal damaged, 5 commit failed."
)


@contextmanager
def exit_on_failure() -> Iterator[None]:
    """Turn what may be expected to go wrong into a message and a documented exit code."""
    try:
        yield
    except (ConfigError, DataFolderUnusable) as error:
        _exit(str(error), EXIT_USAGE)
    except DataFolderInUse as error:
        _exit(str(error), EXIT_IN_USE)
    except JournalDamaged as error:
        _exit(f"the journal is damaged: {error}", EXIT_DAMAGED)
    except JournalUnavailable as error:
        _exit(f"the journal cannot be opened: {error}", EXIT_COMMIT_FAILED)


def _exit(message: str, code: int) -> None:
    for line in message.splitlines():
        typer.echo(f"overround: {line}", err=True)
    raise typer.Exit(code)
