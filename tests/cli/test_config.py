"""`overround config check`: what a start would use, for people and for machines."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from tests.cli.runner import Outcome

from overround.config import Config

GOOD = """\
[data]
dir = "/var/lib/overround"
[tokens]
secret = "7b1d0c6f2e9a48d3b5f60718293a4b5c"
[admin]
token = "3f9c2b7a1e8d4605"
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OVERROUND_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration file of a real venue."""
    path = tmp_path / "venue.toml"
    path.write_text(GOOD)
    return path


def test_every_value_is_printed(file: Path) -> None:
    """As a file that could be used, but for the secrets."""
    outcome = Outcome("config", "check", "--config", file)
    assert outcome.code == 0
    printed = tomllib.loads(outcome.out)
    defaults = Config().model_dump(mode="json")
    assert {section: set(values) for section, values in printed.items()} == {
        section: {key for key, value in values.items() if value is not None} | _set(section)
        for section, values in defaults.items()
    }
    assert printed["server"] == defaults["server"]
    assert "# wsx is not set" in outcome.out


def _set(section: str) -> set[str]:
    return set(tomllib.loads(GOOD).get(section, {}))


def test_what_is_printed_means_the_same(file: Path, tmp_path: Path) -> None:
    """Tables in tables too. Regression: they were printed as JSON, which is no TOML."""
    file.write_text(
        GOOD + '[realtime]\nallowed_origins = ["https://a.example"]\n[realtime.namespaces.news]\npresence = true\n'
    )
    printed = tmp_path / "printed.toml"
    printed.write_text(Outcome("config", "check", "--config", file).out)
    found = Outcome("config", "check", "--config", printed, "--json").json
    assert found == Outcome("config", "check", "--config", file, "--json").json
    assert found["realtime"]["namespaces"]["news"]["presence"] is True


def test_json_is_for_machines(file: Path) -> None:
    found = Outcome("config", "check", "--config", file, "--json").json
    assert found["data"]["dir"] == "/var/lib/overround"
    assert found["sx"]["chain_id"] is None
    assert set(found) == set(Config.model_fields)


@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "json"])
def test_secrets_are_masked(file: Path, form: tuple[str, ...]) -> None:
    outcome = Outcome("config", "check", "--config", file, *form)
    for secret in ("7b1d0c6f2e9a48d3b5f60718293a4b5c", "3f9c2b7a1e8d4605"):
        assert secret not in outcome.out + outcome.err
    assert "**********" in outcome.out


def test_the_environment_counts(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERROUND_SERVER__PORT", "9999")
    assert Outcome("config", "check", "--config", file, "--json").json["server"]["port"] == 9999


def test_without_a_file_it_shows_the_defaults() -> None:
    assert Outcome("config", "check", "--json").json == Config().model_dump(mode="json")


def test_it_can_check_what_serve_demands(file: Path) -> None:
    assert Outcome("config", "check", "--config", file, "--serve").code == 0
    outcome = Outcome("config", "check", "--serve")
    assert (outcome.code, outcome.out) == (2, "")
    assert [line.split(":")[1].strip() for line in outcome.err.splitlines()] == [
        "data.dir",
        "tokens.secret",
        "admin.token",
    ]


def test_a_wrong_key_exits_with_2_and_is_named(file: Path) -> None:
    file.write_text("[server]\nprot = 1\n")
    outcome = Outcome("config", "check", "--config", file)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "overround: server.prot: there is no such key\n"
