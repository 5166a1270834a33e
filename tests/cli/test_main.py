"""The command tree, and the two commands that serve: every refusal, a working venue, and a clean end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from tests.cli.runner import Outcome

from overround import __version__
from overround.cli.main import app
from overround.config import SANDBOX_ADMIN_TOKEN, SANDBOX_TOKEN_SECRET
from overround.history.database import FILE_NAME as HISTORY
from overround.journal.sqlite import FILE_NAME
from overround.signing.address import checksum_address
from overround.testing.accounts import ALICE
from overround.testing.server import ServerProcess, data_dir_arguments
from overround.testing.sx import hash_of, signed_cancel, signed_order

SECRET = "7b1d0c6f2e9a48d3b5f60718293a4b5c"
ADMIN_TOKEN = "3f9c2b7a1e8d4605"
PATIENCE_S = 30.0


def _levels(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of the tree."""
    yield path
    for name, inner in getattr(command, "commands", {}).items():
        yield from _levels(inner, (*path, name))


EVERY_LEVEL = list(_levels(typer.main.get_command(app)))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration file of a real venue."""
    return _write_config(tmp_path)


def _write_config(folder: Path, *, data: str = "data", secret: str = SECRET, token: str = ADMIN_TOKEN) -> Path:
    path = folder / "venue.toml"
    lines = ["[server]", "port = 0", "[tokens]", f'secret = "{secret}"', "[admin]", f'token = "{token}"']
    if data:
        lines += ["[data]", f'dir = "{folder / data}"']
    path.write_text("\n".join(lines))
    return path


def _run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "overround", *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def _serve(config: Path) -> ServerProcess:
    return ServerProcess("--config", str(config), command=("serve",))


def _until(condition: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


# ---- help ----------------------------------------------------------------------------------------------------------


def test_the_version_is_printed() -> None:
    assert Outcome("--version").out == f"overround {__version__}\n"


def test_the_installed_command_is_the_module() -> None:
    script = Path(sys.executable).with_name("overround")
    assert subprocess.check_output([script, "--version"]) == subprocess.check_output(
        [sys.executable, "-m", "overround", "--version"]
    )


def test_the_tree_is_walked() -> None:
    assert {(), ("serve",), ("journal",), ("journal", "verify"), ("config", "check")} < set(EVERY_LEVEL)


@pytest.mark.parametrize("command", EVERY_LEVEL, ids=" ".join)
def test_help_has_an_example_on_every_level(command: tuple[str, ...]) -> None:
    """Regression: the first level and the groups had none."""
    outcome = Outcome(*command, "--help")
    assert outcome.code == 0
    assert "Example: overround" in outcome.out
    (example,) = [line for line in outcome.out.splitlines() if "Example: overround" in line]
    assert " ".join(("overround", *command)) in example


@pytest.mark.parametrize("command", [(), ("sandbox",), ("serve",), ("journal", "verify")], ids=" ".join)
def test_help_tells_the_exit_codes(command: tuple[str, ...]) -> None:
    text = " ".join(Outcome(*command, "--help").out.split())
    assert "0 clean, 2 usage or configuration, 3 data folder in use, 4 journal damaged, 5 commit failed" in text


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("sandbox", "--nonsense"), ("serve",), ("journal", "verify"), ("sandbox", "--port", "http"),
     ("sandbox", "--profile", "moon"), ("journal", "show", "--data-dir", "x", "--limit", "-1")],
    ids=str,
)  # fmt: skip
def test_wrong_usage_exits_with_2(arguments: tuple[str, ...]) -> None:
    outcome = Outcome(*arguments)
    assert outcome.code == 2
    assert outcome.out == ""
    assert outcome.err


# ---- sandbox -------------------------------------------------------------------------------------------------------


def test_without_a_data_folder_a_sandbox_leaves_nothing(tmp_path: Path) -> None:
    with ServerProcess(env={"TMPDIR": str(tmp_path)}) as server:
        (folder,) = tmp_path.glob("overround-*")
        assert (folder / FILE_NAME).exists()
        assert server.stop() == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(number: signal.Signals, tmp_path: Path) -> None:
    often = {"OVERROUND_DATA__SNAPSHOT_RECORDS": "1"}  # so that there is a side process to be left
    with (
        ServerProcess(*data_dir_arguments(tmp_path), env=often, preexec_fn=os.setsid) as server,
        server.client() as http,
    ):
        assert http.get("/healthz").status_code == 200  # and a connection that is kept open does not hold it up
        pid = server.pid
        os.kill(pid, number)
        assert server.wait() == 0
        assert "Traceback" not in server.log
    assert sorted(path.name for path in tmp_path.iterdir()) == [HISTORY, FILE_NAME, "lock", "snapshots"]
    with pytest.raises(ProcessLookupError):
        os.killpg(pid, 0)  # nobody is left in its session


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_starting_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    """Regression: it died of the signal, and its temporary folder stayed. The folder's coming tells that it starts."""
    argv = [sys.executable, "-m", "overround", "sandbox", "--port", "0"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        _until(lambda: list(tmp_path.glob("overround-*/lock")))
        process.send_signal(number)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert b"Traceback" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_data_folder_is_kept_unless_it_shall_be_fresh(tmp_path: Path) -> None:
    kept = tmp_path / "notes.txt"
    kept.write_text("not the venue's")
    hashes = []
    for more in ((), (), ("--fresh",)):
        with ServerProcess(*data_dir_arguments(tmp_path), *more) as server, server.client() as http:
            market = http.get("/sandbox").json()["markets"][0]["marketHash"]
            rows = http.get("/orders", params={"marketHashes": market}).json()["data"]
            hashes.append([row["orderHash"] for row in rows])
            entry = signed_order(ALICE, market)
            assert http.post("/orders/new", json={"orders": [entry]}).json()["data"]["inserted"] == 1
            assert server.stop() == 0
    assert [len(found) for found in hashes] == [0, 1, 0]
    assert kept.read_text() == "not the venue's"


def test_flags_choose_host_port_and_profile(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = ServerProcess(
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--profile",
        "toronto",
        command=("sandbox",),
    )
    with server, server.client() as http:
        assert server.base_url == f"http://127.0.0.1:{port}"
        assert http.get("/sandbox").json()["chainId"] == 79479957
        assert http.get("/sandbox").json()["adminToken"] == ADMIN_TOKEN  # the file is read as well
        assert server.stop() == 0


def test_a_venue_cannot_change_its_profile(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path)) as server:
        assert server.stop() == 0
    done = _run("sandbox", "--port", 0, *data_dir_arguments(tmp_path), "--profile", "toronto")
    assert done.returncode == 2
    assert "belongs to a venue of another profile" in done.stderr


def test_a_port_in_use_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run("sandbox", "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"overround: cannot listen on 127.0.0.1:{port}: Address already in use\n"


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for more in ((), ("--fresh",)):
        done = _run("sandbox", "--port", 0, "--data-dir", tmp_path / "file", *more)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"overround: the data folder {tmp_path / 'file'} cannot be used: ")


def test_a_damaged_journal_is_not_served(tmp_path: Path) -> None:
    with ServerProcess(*data_dir_arguments(tmp_path)) as server:
        server.kill()
    for path in tmp_path.glob(f"{FILE_NAME}*"):
        path.write_bytes(path.read_bytes().replace(b'"USDC"', b'"USDX"'))
    done = _run("sandbox", "--port", 0, *data_dir_arguments(tmp_path))
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("overround: the journal is damaged: ")


# ---- serve ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"data": ""}, "data.dir: a venue needs a data folder"),
        ({"secret": SANDBOX_TOKEN_SECRET}, "tokens.secret: this is the sandbox's secret, which everybody knows"),
        ({"secret": "short"}, "tokens.secret: a random secret of at least 32 bytes is needed"),
        ({"token": SANDBOX_ADMIN_TOKEN}, "admin.token: this is the sandbox's token, which everybody knows"),
        ({"token": "short"}, "admin.token: a random token of at least 16 characters is needed"),
    ],
    ids=["no data folder", "default secret", "weak secret", "default admin token", "weak admin token"],
)
def test_a_real_venue_refuses(tmp_path: Path, change: dict[str, str], complaint: str) -> None:
    outcome = Outcome("serve", "--config", _write_config(tmp_path, **change))
    assert (outcome.code, outcome.out, outcome.err) == (2, "", f"overround: {complaint}\n")
    assert not (tmp_path / "data").exists()


def test_a_real_venue_refuses_a_sandboxs_folder(config: Path) -> None:
    with ServerProcess(*data_dir_arguments(config.parent / "data")) as server:
        assert server.stop() == 0
    done = _run("serve", "--config", config)
    assert (done.returncode, done.stdout) == (2, "")
    assert "this data folder was made by a sandbox" in done.stderr


def test_a_real_venue_needs_its_file(tmp_path: Path) -> None:
    outcome = Outcome("serve", "--config", tmp_path / "missing.toml")
    assert outcome.code == 2
    assert "missing.toml does not exist" in outcome.err


def test_a_real_venue_works(config: Path) -> None:
    """From nothing: the operator makes a fixture, a market, an account; the maker posts and cancels."""
    with _serve(config) as server, server.client() as http:
        for path in ("/sandbox", "/admin/clock"):
            assert http.get(path).status_code == 404
        market = _furnish(http)
        entry = signed_order(ALICE, market)
        name = hash_of(entry)
        assert http.post("/orders/new", json={"orders": [entry]}).json()["data"]["statuses"] == {name: "OK"}
        (row,) = http.get("/orders", params={"maker": entry["maker"]}).json()["data"]
        assert row["orderHash"] == name
        server.kill()  # it need not be stopped to remember
    with _serve(config) as server, server.client() as http:
        cancelled = http.post("/orders/cancel/v2", json=signed_cancel(ALICE, order_hashes=[name])).json()["data"]
        assert cancelled["cancelledCount"] == 1
        assert http.get("/orders", params={"maker": entry["maker"]}).json()["data"] == []
        assert server.stop() == 0


def _furnish(http: httpx.Client) -> str:
    """A market with a funded maker; its hash."""
    operator = {"authorization": f"Bearer {ADMIN_TOKEN}"}
    fixture = {
        "sportId": 5,
        "leagueLabel": "League",
        "teamOneName": "One",
        "teamTwoName": "Two",
        "gameTime": int(time.time()) + 86_400,
        "liveEnabled": False,
    }
    assert http.post("/admin/fixtures", json=fixture).status_code == 401
    event = http.post("/admin/fixtures", json=fixture, headers=operator).json()["data"]["sportXeventId"]
    market = {"sportXeventId": event, "type": 52, "outcomeOneName": "One", "outcomeTwoName": "Two"}
    found: str = http.post("/admin/markets", json=market, headers=operator).json()["data"]["marketHash"]
    token = http.get("/metadata").json()["data"]["addresses"]["4162"]["USDC"]
    maker = checksum_address(ALICE.address)
    funded = http.put(f"/admin/balances/{maker}/{token}", json={"amount": "100000000"}, headers=operator)
    assert funded.status_code == 200
    key = http.post("/admin/api-keys", json={"address": maker}, headers=operator).json()["data"]["apiKey"]
    assert http.get("/user/realtime-token/api-key", headers={"x-api-key": key}).status_code == 200
    return found


def test_nothing_secret_is_logged(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERROUND_LOG__LEVEL", "debug")
    monkeypatch.setenv("OVERROUND_LOG__REQUESTS", "all")
    with _serve(config) as server, server.client() as http:
        entry = signed_order(ALICE, _furnish(http))
        http.post("/orders/new", json={"orders": [entry]})
        http.post("/orders/new", json={"orders": [{**entry, "totalBetSize": "1"}]})
        cancel = signed_cancel(ALICE)
        http.post("/orders/cancel/all", json=cancel, params={"key": "query-secret"})
        assert server.stop() == 0
        log = server.log
    assert '"event": "ready"' in log
    assert '"route": "/orders/cancel/all"' in log
    for secret in (SECRET, ADMIN_TOKEN, entry["signature"][2:], cancel["signature"][2:], "query-secret"):
        assert secret not in log


@pytest.fixture
def slow_stop(config: Path) -> Iterator[ServerProcess]:
    """A venue with a client that never finishes its request."""
    with _serve(config) as server:
        host, port = server.base_url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as lingering:
            lingering.sendall(b"POST /orders/new HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
            yield server


def test_an_unfinished_request_does_not_hold_up_the_stop(slow_stop: ServerProcess) -> None:
    assert slow_stop.stop() == 0
