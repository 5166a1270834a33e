"""The conformance tables of the documents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, NamedTuple

from tests.rows.markers import Proof, proofs_in

ROOT: Final = Path(__file__).parents[2]
BEGIN: Final = "<!-- rows: written by `python -m tests.rows --write` -->"
END: Final = "<!-- end of rows -->"


class Row(NamedTuple):
    """A feature that can be proven."""

    id: str
    feature: str
    missing: str  # what is not built or proven yet; empty when nothing is


class Table:
    """The rows of one document."""

    def __init__(self, data: Path) -> None:
        self.name = data.stem
        self.document = ROOT / "docs" / "protocols" / f"{self.name}.md"
        self.rows = [Row(one["id"], one["feature"], one.get("missing", "")) for one in json.loads(data.read_text())]

    @property
    def ids(self) -> set[str]:
        """What markers may name."""
        return {row.id for row in self.rows}

    @property
    def families(self) -> set[str]:
        """The parts of ids before the number: what belongs to this table."""
        return {row.id.rpartition("-")[0] for row in self.rows}

    def unknown(self, proofs: list[Proof]) -> list[Proof]:
        """Markers that look like this table's and name no row of it."""
        return [proof for proof in proofs if _family(proof) in self.families and proof.row not in self.ids]

    def unproven(self, proofs: list[Proof]) -> list[str]:
        """Rows that no test names although nothing is said to be missing."""
        proven = {proof.row for proof in proofs}
        return [row.id for row in self.rows if not row.missing and row.id not in proven]

    def text(self, proofs: list[Proof]) -> str:
        """The table as it belongs into the document."""
        lines = [BEGIN, "", self._summary(proofs), "", "| row | feature | tests |", "| --- | --- | --- |"]
        for row in self.rows:
            lines.append(f"| {row.id} | {row.feature} | {self._cell(row, proofs)} |")
        return "\n".join([*lines, "", END])

    def _summary(self, proofs: list[Proof]) -> str:
        proven = {proof.row for proof in proofs}
        size = len(self.rows)
        whole = sum(row.id in proven and not row.missing for row in self.rows)
        partly = sum(row.id in proven and bool(row.missing) for row in self.rows)
        return f"{size} rows: {whole} proven, {partly} proven in part, {size - whole - partly} to come."

    def _cell(self, row: Row, proofs: list[Proof]) -> str:
        by_file: dict[Path, list[str]] = {}
        for proof in proofs:
            if proof.row == row.id:
                by_file.setdefault(proof.path, []).append(f"`{proof.test}`")
        parts = [f"{self._link(path)}: {', '.join(tests)}" for path, tests in by_file.items()]
        if row.missing:
            parts.append(f"{'still missing' if parts else 'stage not done yet'}: {row.missing}")
        return "<br>".join(parts)

    def _link(self, path: Path) -> str:
        place = path.relative_to(ROOT).as_posix()
        return f"[{place.removeprefix('tests/')}](../../{place})"

    def written(self, proofs: list[Proof]) -> str:
        """The document with the table as it should be."""
        text = self.document.read_text()
        before, begin, rest = text.partition(BEGIN)
        _, end, after = rest.partition(END)
        if not begin or not end:
            raise ValueError(f"{self.document} has no place for its table: {BEGIN} and {END}")
        return before + self.text(proofs) + after


def tables() -> list[Table]:
    """One table for every data file."""
    return [Table(path) for path in sorted(Path(__file__).parent.glob("*.json"))]


def all_proofs() -> list[Proof]:
    """Every marker of every test."""
    return proofs_in(ROOT / "tests")


def _family(proof: Proof) -> str:
    return proof.row.rpartition("-")[0]
