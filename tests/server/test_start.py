"""What a server is when it starts: quiet, closed where it must be, and unwilling where it would be unsafe."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from tests.protocols.envelope import assert_failure, data_of

from overround.testing.accounts import ALICE
from overround.testing.server import ServerFailed, ServerProcess
from overround.testing.sx import signed_cancel

SECRET = "0123456789abcdef0123456789abcdef-secret"
TOKEN = "operators-own-token-0123"


def configuration(tmp_path: Path, **sections: str) -> Path:
    """A file that `serve` accepts, and what is added to it."""
    file = tmp_path / "venue.toml"
    texts = {
        "server": "port = 0",
        "data": f'dir = "{tmp_path / "data"}"',
        "tokens": f'secret = "{SECRET}"',
        "admin": f'token = "{TOKEN}"',
        **sections,
    }
    file.write_text("".join(f"[{name}]\n{text}\n" for name, text in texts.items()))
    return file


def test_a_server_starts_without_a_warning(tmp_path: Path) -> None:
    with ServerProcess() as server, server.client() as http:
        data_of(http.get("/metadata"))
        assert server.stop() == 0
        assert "warning" not in server.log.lower()
        assert "error" not in server.log.lower()


def test_a_venue_for_real_has_neither_the_sandboxs_routes_nor_its_keys(tmp_path: Path) -> None:
    with ServerProcess("--config", str(configuration(tmp_path)), command=("serve",)) as server, server.client() as http:
        assert_failure(http.get("/sandbox"), 404, "NOT_FOUND")
        for token in ("sandbox-admin", ""):
            headers = {"Authorization": f"Bearer {token}x"[:-1].strip()}
            assert_failure(http.get("/admin/digest", headers=headers), 401, "UNAUTHORIZED")
        mine = {"Authorization": f"Bearer {TOKEN}"}
        assert data_of(http.get("/admin/digest", headers=mine))["seq"] > 0
        assert_failure(http.post("/admin/clock", json={"freeze": True}, headers=mine), 404, "NOT_FOUND")
        assert data_of(http.get("/markets/active"))["markets"] == []
        assert data_of(http.post("/orders/cancel/all", json=signed_cancel(ALICE)))["cancelledCount"] == 0
        paths = http.get("/openapi.json").json()["paths"]
        assert "/sandbox" not in paths
        assert "/admin/clock" not in paths
        assert "/admin/digest" in paths


@pytest.mark.parametrize("limit", ["100000", "1001"])
def test_a_server_refuses_to_start_when_the_recursion_limit_was_raised(tmp_path: Path, limit: str) -> None:
    """As some libraries do when they are imported; deep JSON would end the process then."""
    (tmp_path / "sitecustomize.py").write_text(f"import sys\nsys.setrecursionlimit({limit})\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    with pytest.raises(ServerFailed, match="recursion limit"), ServerProcess(env={"PYTHONPATH": path}):
        pass


def test_the_server_process_imports_no_library_that_raises_the_recursion_limit() -> None:
    import subprocess
    import sys

    program = (
        "import sys; import overround.cli.main, overround.server.main; "
        "print(sys.getrecursionlimit(), *(name for name in ('eth_account', 'web3', 'py_ecc') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1000"]


@pytest.mark.parametrize(
    ("section", "text", "about"),
    [
        ("sx", "cancel_timestamp_past_max_s = -1", "cancel_timestamp_past_max_s"),
        ("sx", 'executor = "0x52adf738aad93c31f798a30b2c74d658e1e9a56"', "executor"),
        ("sx", "chain_id = 0", "chain_id"),
        ("sx", "odds_ladder_step = 1001", "odds_ladder_step"),
        ("server", "body_bytes_max = 1", "body_bytes_max"),
        ("server", "header_timeout_s = 0", "header_timeout_s"),
        ("nonsense", "a = 1", "nonsense"),
    ],
)
def test_a_configuration_out_of_bounds_is_refused_by_name(tmp_path: Path, section: str, text: str, about: str) -> None:
    file = tmp_path / "venue.toml"
    file.write_text(f"[{section}]\n{text}\n")
    with pytest.raises(ServerFailed, match=about), ServerProcess("--config", str(file)):
        pass


def test_bounds_and_secrets_may_come_from_the_environment() -> None:
    env: dict[str, Any] = {"OVERROUND_SERVER__BODY_BYTES_MAX": "1024", "OVERROUND_ADMIN__TOKEN": TOKEN}
    with ServerProcess(env=env) as server, server.client() as http:
        assert_failure(http.post("/orders/new", content=b" " * 1025), 413, "PAYLOAD_TOO_LARGE")
        assert http.get("/sandbox").json()["adminToken"] == TOKEN
        assert data_of(http.get("/admin/digest", headers={"Authorization": f"Bearer {TOKEN}"}))
