"""`overround config`"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from overround.cli.exits import exit_on_failure
from overround.config import Config, check_for_serving, load

app = typer.Typer(
    no_args_is_help=True,
    help="Look at the configuration.",
    epilog="Example: **overround config check --config venue.toml --serve**",
)


@app.command(epilog="Example: **overround config check --config venue.toml**")
def check(
    config: Annotated[Path | None, typer.Option("--config", help="TOML file", show_default=False)] = None,
    serving: Annotated[bool, typer.Option("--serve", help="Also check what `serve` demands.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the effective values, secrets masked; exit 2 if any is wrong."""
    with exit_on_failure():
        loaded = load(config)
        if serving:
            check_for_serving(loaded)
        typer.echo(json.dumps(_plain(loaded), indent=2) if as_json else _as_toml(loaded))


def _plain(config: Config) -> dict[str, dict[str, object]]:
    return config.model_dump(mode="json")


def _as_toml(config: Config) -> str:
    lines = []
    for section, values in _plain(config).items():
        lines.append(f"[{section}]")
        for key, value in values.items():
            lines.append(f"{key} = {_toml(value)}" if value is not None else f"# {key} is not set")
        lines.append("")
    return "\n".join(lines).rstrip()


def _toml(value: object) -> str:
    match value:
        case dict():
            members = (f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items() if inner is not None)
            return f"{{ {', '.join(members)} }}"
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            return json.dumps(value)
