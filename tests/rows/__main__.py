"""`python -m tests.rows` says whether the tables in the documents are true; `--write` makes them so."""

from __future__ import annotations

import sys

from tests.rows.tables import all_proofs, tables


def main(arguments: list[str]) -> int:
    """0 when everything is true, or was made so."""
    proofs = all_proofs()
    faults = 0
    for table in tables():
        for proof in table.unknown(proofs):
            faults += 1
            print(f"{proof.path}: {proof.test} names {proof.row}, which is no row of {table.name}")
        for row in table.unproven(proofs):
            faults += 1
            print(f"{table.name}: no test names {row}, and nothing is said to be missing")
        written = table.written(proofs)
        if written != table.document.read_text():
            if "--write" in arguments:
                table.document.write_text(written)
                print(f"{table.document}: written")
            else:
                faults += 1
                print(f"{table.document}: the table is out of date, python -m tests.rows --write")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
