"""The conformance tables in the documents say what the tests prove, no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rows.markers import Proof, proofs_of
from tests.rows.tables import Table, all_proofs, tables

PROOFS = all_proofs()
TABLES = {table.name: table for table in tables()}


@pytest.fixture(params=list(TABLES))
def table(request: pytest.FixtureRequest) -> Table:
    return TABLES[request.param]


def test_the_table_in_the_document_is_the_one_that_the_markers_give(table: Table) -> None:
    assert table.document.read_text() == table.written(PROOFS), "python -m tests.rows --write"


def test_no_marker_names_a_row_that_does_not_exist(table: Table) -> None:
    assert table.unknown(PROOFS) == []


def test_a_row_without_a_test_says_what_is_missing(table: Table) -> None:
    assert table.unproven(PROOFS) == []


def test_every_row_has_its_own_id_and_a_feature_that_fits_into_a_table(table: Table) -> None:
    ids = [row.id for row in table.rows]
    assert len(ids) == len(set(ids))
    for row in table.rows:
        assert row.feature
        assert "|" not in row.feature + row.missing
        assert "\n" not in row.feature + row.missing


def test_the_sx_table_is_complete() -> None:
    sizes: dict[str, int] = {}
    for row in TABLES["sx"].rows:
        family, _, number = row.id.rpartition("-")
        sizes[family] = sizes.get(family, 0) + 1
        assert int(number) == sizes[family]
    assert sum(sizes.values()) == 165
    assert sizes == {
        "ENV": 5, "HTTP": 9, "UNIT": 5, "SIGN": 15, "META": 7, "ORD": 15, "CAN": 16, "FILL": 11, "TRD": 6, "USR": 5,
        "HB": 10, "WS": 38, "EXP": 11, "LIFE": 7, "CLI": 5,
    }  # fmt: skip


SOURCE = '''
import pytest

pytestmark = [pytest.mark.row("A-01"), pytest.mark.slow]
other = pytest.mark.row("A-99")

@pytest.mark.row("A-02", "A-03")
@pytest.mark.parametrize("n", [1, pytest.param(2, marks=pytest.mark.row("A-04", *more))])
def test_one(n): ...

@pytest.mark.row("A-05")
class TestGroup:
    @pytest.mark.row("A-02")
    @pytest.mark.row("A-02")
    async def test_two(self): ...

@pytest.mark.row("A-98")
def helper(): ...

def test_three():
    """Speaks of pytest.mark.row("A-97") and marks nothing."""
    text = 'pytest.mark.row("A-96")'
'''


def test_markers_are_read_from_tests_classes_modules_and_parameters_and_from_nowhere_else() -> None:
    path = Path("test_source.py")
    assert {(proof.test, proof.row) for proof in proofs_of(path, SOURCE)} == {
        ("test_one", "A-01"),
        ("test_one", "A-02"),
        ("test_one", "A-03"),
        ("test_one", "A-04"),
        ("test_two", "A-01"),
        ("test_two", "A-02"),
        ("test_two", "A-05"),
        ("test_three", "A-01"),
    }
    assert len(proofs_of(path, SOURCE)) == 8


def test_a_table_tells_what_is_proven_what_is_not_and_what_nobody_knows(tmp_path: Path) -> None:
    data = tmp_path / "toy.json"
    data.write_text(
        '[{"id": "A-01", "feature": "one"}, {"id": "A-02", "feature": "two", "missing": "half"},'
        ' {"id": "A-03", "feature": "three", "missing": "all"}, {"id": "A-04", "feature": "four"}]'
    )
    toy, here = Table(data), Path(__file__).resolve()
    proofs = [Proof("A-01", here, "test_x"), Proof("A-02", here, "test_y"), Proof("A-9", here, "test_z")]
    assert toy.unknown(proofs) == [proofs[2]]
    assert toy.unproven(proofs) == ["A-04"]
    text = toy.text(proofs)
    link = "[test_docs_rows.py](../../tests/test_docs_rows.py)"
    assert "4 rows: 1 proven, 1 proven in part, 2 to come." in text
    assert f"| A-01 | one | {link}: `test_x` |" in text
    assert f"| A-02 | two | {link}: `test_y`<br>still missing: half |" in text
    assert "| A-03 | three | stage not done yet: all |" in text
