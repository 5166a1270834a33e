"""Runs a command of `overround` in this process."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import CliRunner

from overround.cli.main import app


class Outcome:
    """Exit code and both streams."""

    def __init__(self, *arguments: object) -> None:
        result = CliRunner().invoke(app, [str(one) for one in arguments], prog_name="overround", env={"COLUMNS": "200"})
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr

    @property
    def json(self) -> Any:
        """What was printed, read by a machine."""
        return json.loads(self.out)
