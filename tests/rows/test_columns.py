from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weave_eval.rows.columns import Columns, TableRow
from weave_eval.rows.flatten import RunBatch
from weave_eval.tables import RESULT_TABLES, TABLES, TABLES_BY_NAME, Table

each_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


def _rows(table: str, count: int) -> list[TableRow]:
    """Rows in which every value is another one."""
    return [{name: f"{name} {number}" for name in TABLES_BY_NAME[table].varying} for number in range(count)]


@each_table
def test_rows_come_back_as_they_were(table: Table) -> None:
    rows = _rows(table.name, 3)
    columns = Columns.of(table.name, rows)
    assert list(columns.rows()) == rows
    assert len(columns) == 3
    for name in table.varying:
        assert columns[name] == [f"{name} {number}" for number in range(3)]


@given(st.integers(0, 3), st.integers(0, 3), st.sampled_from(RESULT_TABLES))
def test_rows_are_added_column_by_column(first: int, second: int, table: str) -> None:
    columns = Columns.of(table, _rows(table, first))
    columns.extend(Columns.of(table, _rows(table, second)))
    assert list(columns.rows()) == _rows(table, first) + _rows(table, second)


@each_table
def test_the_order_in_which_columns_are_named_does_not_matter(table: Table) -> None:
    (row,) = _rows(table.name, 1)
    backwards = dict(reversed(row.items()))
    assert Columns.of(table.name, [backwards]) == Columns.of(table.name, [row])


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"output": ...}, r"lack the columns \['output'\] and have the unknown columns \[\]"),
        ({"mood": 1}, r"lack the columns \[\] and have the unknown columns \['mood'\]"),
        ({"run_id": "r"}, r"have the unknown columns \['run_id'\]"),
    ],
)
def test_columns_that_are_missing_or_unknown_are_named(change: dict[str, Any], why: str) -> None:
    rows = _rows("trials", 2)
    changed = {name: value for name, value in {**rows[1], **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=why):
        Columns.of("trials", [rows[0], changed])
    with pytest.raises(ValueError, match=why):
        Columns("trials", {name: [value] for name, value in changed.items()})


def test_columns_of_different_lengths_are_refused() -> None:
    values = {name: [None, None] for name in TABLES_BY_NAME["trials"].varying}
    with pytest.raises(ValueError, match=r"'output': 2, 'latency_seconds': 3, 'total_tokens': 2"):
        Columns("trials", values | {"latency_seconds": [0.5] * 3})


def test_a_batch_has_the_tables_that_are_read_from_results() -> None:
    batch = RunBatch.empty()
    assert [columns.table for columns in batch.tables()] == list(vars(batch)) == list(RESULT_TABLES)
    assert not any(map(len, batch.tables()))
