from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pytest

from weave_eval.rows.arrow import ARROW_TYPES, arrow_schema, record_batch
from weave_eval.rows.columns import Columns, TableRow
from weave_eval.tables import TABLES, TABLES_BY_NAME, Table

MOMENT = datetime(2026, 11, 23, 12, 56, 21, 398779, tzinfo=timezone.utc)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_schema_has_the_columns_of_the_table_in_order(table: Table) -> None:
    schema = arrow_schema(table.name)
    assert schema.names == [column.name for column in table.columns]
    for column in table.columns:
        assert schema.field(column.name).type == ARROW_TYPES[column.type]
        assert schema.field(column.name).nullable == column.nullable


def test_times_are_utc_with_microseconds() -> None:
    assert arrow_schema("trials").field("started_at").type == pa.timestamp("us", tz="UTC")


CONSTANTS = {"run_id": "run-0", "project_id": "acme/support", "_dlt_load_id": "load-1"}


def _row(table: str, **values: Any) -> TableRow:
    """A row in which everything else is null."""
    return dict.fromkeys(TABLES_BY_NAME[table].varying) | values


def test_values_go_to_the_columns_they_are_for() -> None:
    rows = [
        _row("scores", score_id="score-1", path="a.b", value_number=4.5, value_json=b"[6]"),
        _row("scores", path=""),
    ]
    batch = record_batch(Columns.of("scores", rows), CONSTANTS)
    assert batch.schema == arrow_schema("scores")
    first, second = batch.to_pylist()
    given = {"score_id": "score-1", "path": "a.b", "value_number": 4.5, "value_json": "[6]"}
    assert {name: value for name, value in first.items() if value is not None} == CONSTANTS | given
    assert {name: value for name, value in second.items() if value is not None} == CONSTANTS | {"path": ""}


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_batch_without_rows_has_the_schema_too(table: Table) -> None:
    batch = record_batch(Columns.of(table.name, []), CONSTANTS)
    assert (batch.schema, batch.num_rows) == (arrow_schema(table.name), 0)


def test_times_keep_their_microseconds() -> None:
    batch = record_batch(Columns.of("trials", [_row("trials", started_at=MOMENT)]), CONSTANTS)
    assert batch.to_pylist()[0]["started_at"] == MOMENT


def test_a_value_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(pa.ArrowInvalid):
        record_batch(Columns.of("trials", [_row("trials", trial_index="first")]), CONSTANTS)
