from __future__ import annotations

from datetime import datetime, timezone

import pyarrow as pa
import pytest

from weave_eval.rows.arrow import ARROW_TYPES, arrow_schema, record_batch
from weave_eval.rows.flatten import VARYING
from weave_eval.tables import TABLES, Table

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


def test_values_go_to_the_columns_they_are_for() -> None:
    rows = [
        ("score-1", "trial-2", "digest-3", "judge", "a.b", "continuous", None, 4.5, "five", b"[6]", "call-7"),
        ("score-8", "trial-9", "digest-10", "exact", "", "binary", False, None, None, None, None),
    ]
    batch = record_batch("scores", rows, {"run_id": "run-0", "project_id": "acme/support", "_dlt_load_id": "load-1"})
    assert batch.schema == arrow_schema("scores")
    first, second = batch.to_pylist()
    assert first == {
        "project_id": "acme/support",
        "score_id": "score-1",
        "trial_id": "trial-2",
        "run_id": "run-0",
        "row_digest": "digest-3",
        "scorer_name": "judge",
        "path": "a.b",
        "value_type": "continuous",
        "value_bool": None,
        "value_number": 4.5,
        "value_text": "five",
        "value_json": "[6]",
        "scorer_call_id": "call-7",
        "_dlt_load_id": "load-1",
    }
    assert (second["score_id"], second["path"], second["value_bool"], second["value_number"]) == (
        "score-8",
        "",
        False,
        None,
    )


def test_times_keep_their_microseconds() -> None:
    values = dict.fromkeys(VARYING["trials"]) | {"trial_id": "t", "started_at": MOMENT}
    batch = record_batch("trials", [tuple(values.values())], {"run_id": "r", "project_id": "a/b", "_dlt_load_id": "l"})
    assert batch.to_pylist()[0]["started_at"] == MOMENT


def test_a_value_of_the_wrong_type_is_refused() -> None:
    values = dict.fromkeys(VARYING["trials"]) | {"trial_index": "first"}
    constants = {"run_id": "r", "project_id": "a/b", "_dlt_load_id": "l"}
    with pytest.raises(pa.ArrowInvalid):
        record_batch("trials", [tuple(values.values())], constants)


def test_rows_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        record_batch("scores", [("a",) * 11, ("a",) * 10], {})
