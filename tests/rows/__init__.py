"""Which test proves which row of which conformance table.

`<name>.json` beside this file lists the rows of `docs/protocols/<name>.md`: an id, a feature in a few words and, where
something is not built or not proven yet, what is missing. Tests name their rows with `@pytest.mark.row("ORD-07")`; the
markers are read from the sources, nothing is imported. `python -m tests.rows --write` writes the tables into the
documents, `tests/test_docs_rows.py` fails when they lie.
"""
