"""`docs/operating.md` says what is. `UPDATE_DOCS=1` in the environment writes its tables anew."""

from __future__ import annotations

import os
import re
import shlex
import sqlite3
import subprocess
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from tests.cli.runner import Outcome

from overround.cli import exits
from overround.config import Config
from overround.journal.sqlite import SqliteJournal
from overround.runtime import sequencer
from overround.server import main as server_main
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import signed_order

PAGE = Path(__file__).parents[2] / "docs" / "operating.md"
TEXT = PAGE.read_text()


def _check_block(name: str, wanted: str) -> None:
    """The table between two comments, or the page is written anew."""
    pattern = re.compile(rf"(<!-- {name}: [^>]* -->\n).*?(<!-- end -->)", re.DOTALL)
    text = PAGE.read_text()
    assert len(pattern.findall(text)) == 1
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(pattern.sub(lambda found: f"{found[1]}\n{wanted}\n\n{found[2]}", text))
        return
    (found,) = [match[0].partition("\n")[2].rpartition("\n")[0] for match in pattern.finditer(text)]
    assert found.strip() == wanted, "run this test with UPDATE_DOCS=1 and look at what changed"


# ---- configuration -------------------------------------------------------------------------------------------------


def test_every_key_has_its_meaning_and_default() -> None:
    parts = []
    for section, field in Config.model_fields.items():
        model = field.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        parts.append(f"**`[{section}]`** {_sentence(model)}\n\n{_table(model)}")
        for key, inner in model.model_fields.items():
            nested = _nested(inner)
            if nested is not None and key in (named := {"namespaces": "NAME", "products": "ID"}):
                parts.append(f"**`[{section}.{key}.{named[key]}]`** {_sentence(nested)}\n\n{_table(nested)}")
    _check_block("config", "\n\n".join(parts))


def _sentence(model: type[BaseModel]) -> str:
    text = re.sub(r" \([a-z]+\.md [^)]*\)", "", (model.__doc__ or "").strip())
    return " ".join(text.split())


def _table(model: type[BaseModel]) -> str:
    rows = [f"| `{key}` | {_default(field)} | {_meaning(field)} |" for key, field in model.model_fields.items()]
    return "\n".join(["| Key | Default | Meaning |", "| --- | --- | --- |", *rows])


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if value is None:
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Decimal):
        return f"`{value}`"
    return f"`{value!r}`".replace("'", '"')


def _meaning(field: FieldInfo) -> str:
    text = field.description or ""
    choices = get_args(field.annotation)
    if choices and get_origin(choices[0]) is Literal:  # or None: left out
        choices = get_args(choices[0])
    if choices and all(isinstance(one, str) and f"`{one}`" not in text for one in choices):
        text += ": " + ", ".join(f"`{one}`" for one in choices)
    return text


def _nested(field: FieldInfo) -> type[BaseModel] | None:
    candidates = getattr(field.annotation, "__args__", ())
    return next((one for one in candidates if isinstance(one, type) and issubclass(one, BaseModel)), None)


def test_every_key_says_what_it_means() -> None:
    for field in Config.model_fields.values():
        assert field.annotation is not None
        for key, inner in field.annotation.model_fields.items():
            assert inner.description, key


def test_the_example_may_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert examples
    file = tmp_path / "venue.toml"
    monkeypatch.setenv("OVERROUND_TOKENS__SECRET", "7b1d0c6f2e9a48d3b5f60718293a4b5c")
    monkeypatch.setenv("OVERROUND_ADMIN__TOKEN", "3f9c2b7a1e8d4605")
    monkeypatch.setenv("OVERROUND_DATA__DIR", str(tmp_path))
    for example in examples:
        file.write_text(example)
        assert Outcome("config", "check", "--config", file, "--serve").code == 0


# ---- exit codes, commands, files -----------------------------------------------------------------------------------


def test_every_exit_code_is_explained() -> None:
    rows = dict(re.findall(r"^\| (\d) \| (.*?) \|", TEXT, re.MULTILINE))
    codes = {exits.EXIT_USAGE, exits.EXIT_IN_USE, exits.EXIT_DAMAGED, exits.EXIT_COMMIT_FAILED}
    assert set(rows) == {"0", *map(str, codes)}
    assert exits.EXIT_COMMIT_FAILED == server_main.EXIT_COMMIT_FAILED
    for code, meaning in re.findall(r"(\d) ([a-z ]+)", exits.EXITS_HELP):
        assert meaning == "clean" or rows[code].startswith(meaning)


def test_every_command_exists_with_its_flags() -> None:
    commands = re.findall(r"^overround .*$", TEXT, re.MULTILINE) + re.findall(r"`(overround .*?)`", TEXT)
    assert len(commands) > 8
    for command in commands:
        words = shlex.split(command)[1:]
        names = [word for word in words if re.fullmatch("[a-z]+", word)]
        shown = Outcome(*names, "--help")
        assert shown.code == 0, command
        for flag in (word for word in words if word.startswith("--")):
            assert re.search(rf"{flag}\s", shown.out), command


def test_the_data_folder_holds_what_is_listed(tmp_path: Path) -> None:
    section = TEXT.partition("## The data folder")[2].partition("\n## ")[0]
    listed = {
        name.rstrip("/")
        for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
        for name in re.findall(r"`(.*?)`", row)
    }
    with ServerProcess(*data_dir_arguments(tmp_path)) as server:
        assert server.stop() == 0
    with ServerProcess(*data_dir_arguments(tmp_path)) as server:
        assert (tmp_path / "lock").read_text() == f"{server.pid}\n"
        deadline = monotonic() + 30
        while {path.name for path in tmp_path.iterdir()} != listed:  # the history comes after the answers
            assert monotonic() < deadline, sorted(path.name for path in tmp_path.iterdir())


# ---- metrics -------------------------------------------------------------------------------------------------------


def test_every_metric_is_listed() -> None:
    with ServerProcess() as server, server.client() as http:
        exposed = http.get("/metrics").text
    rows = ["| Metric | Type | Meaning |", "| --- | --- | --- |"]
    helps = dict(re.findall(r"^# HELP (\S+) (.*)$", exposed, re.MULTILINE))
    types = dict(re.findall(r"^# TYPE (\S+) (.*)$", exposed, re.MULTILINE))
    for name in helps:
        if not name.startswith(("process_", "python_")):
            rows.append(f"| `{name}` | {types[name]} | {helps[name]} |")
    _check_block("metrics", "\n".join(rows))
    for name in re.findall(r"`(overround_\w+)`", TEXT):
        assert name in helps


def test_bounds_that_are_named_are_those_of_the_code() -> None:
    for bound in (sequencer.PLACE_INBOX_SIZE_MAX, sequencer.INBOX_SIZE_MAX):
        assert f"{bound:,}" in TEXT


# ---- backups -------------------------------------------------------------------------------------------------------


def _sql(verb: str) -> str:
    (statement,) = re.findall(rf'sqlite3 \S+ "({verb} .*?)"', TEXT)
    assert isinstance(statement, str)
    return statement


def test_a_backup_of_a_running_venue_can_be_restored(tmp_path: Path) -> None:
    data, backup = tmp_path / "data", tmp_path / "backup"
    backup.mkdir()
    with ServerProcess(*data_dir_arguments(data)) as server, server.client() as http:
        market = http.get("/sandbox").json()["markets"][0]["marketHash"]
        for number in range(30):
            http.post("/orders/new", json={"orders": [signed_order(ALICE, market)]})
            if number == 20:
                noted = http.get("/admin/digest", headers={"authorization": "Bearer sandbox-admin"}).json()["data"]
                with closing(sqlite3.connect(data / "journal.db")) as connection:
                    connection.execute(_sql("VACUUM").replace("/backup", str(backup)))
        server.kill()
    with closing(sqlite3.connect(backup / "journal.db")) as connection:
        connection.execute(_sql("UPDATE"))
        connection.commit()
    assert Outcome("journal", "verify", "--data-dir", backup, "--json").json == {"ok": True, **noted}
    with (
        closing(SqliteJournal(data, read_only=True)) as old,
        closing(SqliteJournal(backup, read_only=True)) as restored,
    ):
        assert re.fullmatch(r"[0-9a-f]{12}", restored.identity)
        assert restored.identity != old.identity
        assert list(restored.read(0)) == list(old.read(0))[: noted["seq"]]
    with ServerProcess(*data_dir_arguments(backup)) as server, server.client() as http:
        found = http.get("/admin/digest", headers={"authorization": "Bearer sandbox-admin"}).json()["data"]
        assert found == noted
        assert server.stop() == 0


def test_a_match_can_be_led_from_its_announcement_to_the_money(tmp_path: Path) -> None:
    (script,) = re.findall(r"<!-- a match: run by .* -->\n```sh\n(.*?)```", TEXT, re.DOTALL)
    secrets = {"OVERROUND_ADMIN__TOKEN": "operator-for-a-day", "OVERROUND_TOKENS__SECRET": "0123456789abcdef" * 4}
    config = tmp_path / "venue.toml"
    config.write_text(f'[server]\nport = 0\n[data]\ndir = "{tmp_path / "data"}"\n')
    with (
        ServerProcess("--config", str(config), command=("serve",), env=secrets) as server,
        server.client() as http,
    ):
        maker = checksum_address(ALICE.address)
        settings = {**os.environ, **secrets, "VENUE": server.base_url, "MAKER": maker}
        ended = subprocess.run(
            ["bash", "-eu", "-c", script], env=settings, capture_output=True, text=True, timeout=60, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert '"apiKey":"' in ended.stdout
        (score,) = http.get("/live-scores", params={"sportXEventIds": "L42"}).json()["data"]
        assert (score["teamOneScore"], score["currentPeriod"]) == (1, "First half")
        (market_hash,) = set(re.findall(r'"marketHash":"(0x[0-9a-f]{64})"', ended.stdout))
        (market,) = http.get("/markets/find", params={"marketHashes": market_hash}).json()["data"]
        assert (market["status"], market["outcome"], market["sportXeventId"]) == ("INACTIVE", 1, "L42")
        bearer = {"authorization": f"Bearer {secrets['OVERROUND_ADMIN__TOKEN']}"}
        again = http.post(f"/admin/markets/{market_hash}/settle", json={"outcome": 2}, headers=bearer)
        assert (again.status_code, again.json()["errorCode"]) == (409, "MARKET_ALREADY_REPORTED")
        (balance,) = http.get(f"/admin/accounts/{maker}", headers=bearer).json()["data"]["balances"].values()
        assert balance == "1000000000"
