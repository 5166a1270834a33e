"""Reads `row` markers from the sources of tests."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple


class Proof(NamedTuple):
    """One test that names one row."""

    row: str
    path: Path
    test: str


def proofs_in(folder: Path) -> list[Proof]:
    """Every marker below a folder, by file and then in the order of the source."""
    return [
        proof
        for path in sorted(folder.rglob("test_*.py"))
        if "node_modules" not in path.parts
        for proof in proofs_of(path, path.read_text())
    ]


def proofs_of(path: Path, source: str) -> list[Proof]:
    """The markers of one file. A row that a test names twice is one proof."""
    found = dict.fromkeys(
        Proof(row, path, test) for test, rows in _tests(ast.parse(source, str(path)), ()) for row in rows
    )
    return list(found)


def _tests(node: ast.Module | ast.ClassDef, inherited: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every test of a module or class with the rows of its own marks and of those around it."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in statement.targets
        ):
            inherited += tuple(_rows(statement.value))
    for statement in node.body:
        if isinstance(statement, ast.ClassDef) and statement.name.startswith("Test"):
            yield from _tests(statement, inherited + _rows_of_decorators(statement))
        elif isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name.startswith("test"):
            yield statement.name, inherited + _rows_of_decorators(statement)


def _rows_of_decorators(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """Marks on the test itself and on single parameters of it."""
    return tuple(row for decorator in node.decorator_list for row in _rows(decorator))


def _rows(node: ast.AST) -> Iterator[str]:
    """The literal arguments of every `pytest.mark.row(...)` in an expression."""
    for call in ast.walk(node):
        if isinstance(call, ast.Call) and ast.unparse(call.func) in ("pytest.mark.row", "mark.row"):
            for argument in call.args:
                if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                    yield argument.value
