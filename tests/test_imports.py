"""Who may import whom. The house is read as text (`ast`): what is written counts, executed or not."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = "overround"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE

# Rooms of the house, and which other rooms each may enter. A room is a package or a module of the top level; the
# modules directly in `protocols` are a room of their own, which every protocol may enter.
MAY_ENTER: dict[str, set[str]] = {
    "engine": set(),
    "signing": set(),
    "realtime": set(),
    "journal": {"engine"},
    "views": {"engine"},
    "history": {"engine", "journal", "views"},
    "protocols": set(),
    "protocols.sx": {"engine", "views", "signing", "realtime", "protocols"},
    "protocols.operator": {"engine", "views", "signing", "protocols", "protocols.sx", "protocols.nado"},
    "protocols.nado": {"engine", "views", "signing", "protocols"},
    "protocols.centrifugo": {"realtime", "protocols"},
    "config": {"engine", "signing", "realtime", "protocols.sx", "protocols.nado"},
    "runtime": {"engine", "journal", "views", "history", "signing", "realtime", "config", "protocols", "protocols.sx"},
    "sandbox": {"engine", "views", "signing", "protocols.sx", "protocols.nado", "protocols.operator"},
    "server": {
        "config", "engine", "views", "history", "signing", "realtime", "runtime", "sandbox",
        "protocols", "protocols.sx", "protocols.operator", "protocols.nado", "protocols.centrifugo",
    },
    "testing": {
        "engine", "journal", "views", "history", "signing", "realtime", "runtime", "sandbox", "server", "config",
        "protocols", "protocols.sx", "protocols.operator", "protocols.nado", "protocols.centrifugo",
    },
    "cli": {
        "config", "engine", "journal", "views", "history", "signing", "realtime", "runtime", "sandbox", "server",
        "protocols", "protocols.sx", "protocols.operator", "protocols.nado", "protocols.centrifugo",
    },
    "__main__": {"cli"},
    "__init__": set(),
}  # fmt: skip

# What a room may use from outside the house, beside the standard library.
LIBRARIES: dict[str, set[str]] = {
    "engine": {"msgspec"},
    "journal": {"msgspec"},
    "views": {"msgspec"},
    "history": {"msgspec"},
    "realtime": {"msgspec"},
    "protocols": {"msgspec"},
    "protocols.sx": {"msgspec"},
    "protocols.operator": {"msgspec"},
    "protocols.nado": {"msgspec"},
    "protocols.centrifugo": {"msgspec"},
    "runtime": {"msgspec"},
    "sandbox": {"msgspec"},
    "signing": {"coincurve", "sha3"},
    "config": {"msgspec", "pydantic", "pydantic_core", "pydantic_settings"},
    "server": {"httptools", "jwt", "msgspec", "prometheus_client", "structlog", "uvicorn", "uvloop", "websockets"},
    "testing": {"httpx", "msgspec", "websockets"},
    "cli": {"centrifuge", "msgspec", "rich", "typer"},
    "__main__": set(),
    "__init__": set(),
}

PURE = (
    "engine",
    "views",
    "realtime",
    "signing",
    "protocols",
    "protocols.sx",
    "protocols.operator",
    "protocols.nado",
    "protocols.centrifugo",
)
PURE_STANDARD_LIBRARY = {
    "__future__", "abc", "base64", "binascii", "bisect", "collections", "dataclasses", "datetime", "decimal", "enum",
    "functools", "hashlib", "heapq", "hmac", "http", "itertools", "json", "math", "operator", "re", "string", "struct",
    "types", "typing", "urllib",
}  # fmt: skip
ENGINE_STANDARD_LIBRARY = {
    "__future__", "binascii", "bisect", "collections", "enum", "functools", "hashlib", "heapq", "itertools", "math",
    "operator", "struct", "types", "typing",
}  # fmt: skip
# What opens a door of an otherwise pure module: its name in the module, not the module.
IMPURE_NAMES = {"http": {"client", "server", "cookies", "cookiejar"}, "urllib": {"request", "robotparser"}}


class Import:
    """One imported module, and where."""

    def __init__(self, path: Path, line: int, name: str) -> None:
        self.room, self.name = room_of(name_of(path)), name
        self.place = f"{path.relative_to(SOURCE.parent)}:{line}"

    @property
    def top(self) -> str:
        return self.name.split(".")[0]

    def __repr__(self) -> str:
        return f"{self.place} imports {self.name}"


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def room_of(name: str) -> str:
    """The room of a module like `overround.protocols.sx.wire`."""
    first, *rest = name.split(".")[1:] or ["__init__"]
    is_package = bool(rest) and (SOURCE / first / rest[0]).is_dir()
    return f"{first}.{rest[0]}" if first == "protocols" and is_package else first


def imports_of(path: Path) -> Iterator[Import]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None, f"{path}:{node.lineno}: imports are absolute"
            for one in node.names:
                inner = SOURCE.parent.joinpath(*node.module.split("."), one.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").is_file()
                yield Import(path, node.lineno, f"{node.module}.{one.name}" if is_module else node.module)


def expressions_of(path: Path) -> Iterator[ast.expr | ast.stmt]:
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.expr | ast.stmt))


MODULES = sorted(SOURCE.rglob("*.py"))
IMPORTS = [one for path in MODULES for one in imports_of(path)]
OURS = [one for one in IMPORTS if one.top == PACKAGE]
THEIRS = [one for one in IMPORTS if one.top != PACKAGE and one.top not in sys.stdlib_module_names]
STANDARD = [one for one in IMPORTS if one.top in sys.stdlib_module_names]


def test_every_room_of_the_house_is_on_the_plan() -> None:
    rooms = {room_of(name_of(path)) for path in MODULES}
    assert rooms - MAY_ENTER.keys() == set()
    assert rooms - LIBRARIES.keys() == set()
    assert set().union(*MAY_ENTER.values()) <= MAY_ENTER.keys()


def test_nobody_enters_a_room_that_is_not_open_to_him() -> None:
    trespassers = []
    for one in OURS:
        entered = room_of(one.name)
        if entered not in {one.room, "__init__"} and entered not in MAY_ENTER[one.room]:
            trespassers.append(one)
    assert trespassers == []


def test_nobody_uses_a_library_that_is_not_his() -> None:
    assert [one for one in THEIRS if one.top not in LIBRARIES[one.room]] == []


def test_the_engine_knows_no_clock_no_chance_no_io_no_loop_and_no_log() -> None:
    assert [one for one in STANDARD if one.room == "engine" and one.top not in ENGINE_STANDARD_LIBRARY] == []


@pytest.mark.parametrize("room", PURE)
def test_what_is_pure_touches_nothing_outside(room: str) -> None:
    inside = [one for one in STANDARD if one.room == room]
    assert [one for one in inside if one.top not in PURE_STANDARD_LIBRARY] == []
    assert [one for one in inside if set(one.name.split(".")[1:]) & IMPURE_NAMES.get(one.top, set())] == []


def test_pure_code_calls_neither_open_nor_print_nor_a_clock() -> None:
    calls = []
    for path in MODULES:
        if room_of(name_of(path)) in PURE:
            for node in expressions_of(path):
                called = node.func if isinstance(node, ast.Call) else None
                if isinstance(called, ast.Name) and called.id in {
                    "open",
                    "print",
                    "input",
                    "exec",
                    "eval",
                    "__import__",
                }:
                    calls.append(f"{path.relative_to(SOURCE)}:{node.lineno} {called.id}")
                if isinstance(called, ast.Attribute) and called.attr in {"now", "today", "utcnow"}:
                    calls.append(f"{path.relative_to(SOURCE)}:{node.lineno} {called.attr}")
    assert calls == []


@pytest.mark.row("UNIT-05")
def test_the_engine_uses_no_floating_point() -> None:
    """No float literal, no true division, no `float`: nothing on the money path is ever rounded unseen."""
    found = []
    for path in MODULES:
        if room_of(name_of(path)) in {"engine", "views"}:
            for node in expressions_of(path):
                literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
                division = isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div)
                name = isinstance(node, ast.Name) and node.id == "float"
                if literal or division or name:
                    found.append(f"{path.relative_to(SOURCE)}:{node.lineno}")
    assert found == []


def test_protocols_import_no_web_framework() -> None:
    web = {"uvicorn", "starlette", "fastapi", "aiohttp", "httptools", "websockets", "httpx", "asyncio", "socket"}
    assert [one for one in IMPORTS if one.room.startswith("protocols") and one.top in web] == []


def test_only_those_who_run_a_venue_import_the_runtime() -> None:
    inside = {one.room for one in OURS if room_of(one.name) == "runtime"}
    assert inside <= {"runtime", "server", "cli", "testing"}


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports for type checkers only do not count: they are never executed."""
    graph = {name_of(path): set(executed_imports(path)) for path in MODULES}
    settled: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in settled:
            for imported in sorted(graph.get(module, set())):
                visit(imported, (*trail, module))
            settled.add(module)

    for module in graph:
        visit(module, ())


def executed_imports(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    skipped = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    lines = {node.lineno for node in skipped if isinstance(node, ast.Import | ast.ImportFrom)}
    for one in imports_of(path):
        line = int(one.place.rpartition(":")[2])
        if one.top == PACKAGE and line not in lines:
            yield one.name


@pytest.mark.parametrize(
    ("name", "room"),
    [
        ("overround.engine.state", "engine"),
        ("overround.protocols.sx.wire", "protocols.sx"),
        ("overround.protocols.sx", "protocols.sx"),
        ("overround.protocols.strict_json", "protocols"),
        ("overround.config", "config"),
        ("overround.runtime.venue", "runtime"),
    ],
)
def test_a_name_tells_the_room(name: str, room: str) -> None:
    assert room_of(name) == room
