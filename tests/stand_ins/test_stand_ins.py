"""The warehouses that tests use behave as the connector needs: merges, types, JSON, comments, SQLAlchemy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest
import sqlalchemy as sa
from dlt.common.schema.typing import TColumnSchema
from dlt.common.schema.utils import new_table
from dlt.extract import DltResource, DltSource
from google.cloud.bigquery import SchemaField

from tests.stand_ins.postgres import URL_VARIABLE, Postgres
from tests.stand_ins.warehouse import Warehouse

Row = dict[str, Any]

SCOPE = "run_id IN (SELECT run_id FROM {staging_table})"
FIELDS: dict[str, tuple[str, pa.DataType]] = {
    "run_id": ("text", pa.string()),
    "row_digest": ("text", pa.string()),
    "total_tokens": ("bigint", pa.int64()),
    "latency_seconds": ("double", pa.float64()),
    "is_error": ("bool", pa.bool_()),
    "started_at": ("timestamp", pa.timestamp("us", tz="UTC")),
    "output": ("json", pa.string()),
    "_deleted": ("bool", pa.bool_()),
}
KEY = ("run_id", "row_digest")
INDIA = timezone(timedelta(hours=5, minutes=30))
OUTPUTS = {
    "object": {"answer": {"parts": [1, 2.5, None]}},
    "array": [1, "x", None],
    "string": "bare",
    "number": 3.5,
    "large": 2**70,
    "boolean": True,
    "null": None,
}


def column(name: str, data_type: Any) -> TColumnSchema:
    is_key = name in KEY
    hints: TColumnSchema = {"name": name, "data_type": data_type, "nullable": not is_key}
    if is_key:
        hints["primary_key"] = True
    if name == "_deleted":
        hints["hard_delete"] = True
    return hints


COLUMNS = [column(name, data_type) for name, (data_type, _) in FIELDS.items()]


def row(run_id: str, row_digest: str, output: Any = None, total_tokens: int = 7) -> Row:
    return {
        "run_id": run_id,
        "row_digest": row_digest,
        "total_tokens": total_tokens,
        "latency_seconds": 0.1,
        "is_error": False,
        "started_at": datetime(2026, 3, 4, 5, 6, 7, 890123, tzinfo=INDIA),
        "output": None if output is None else json.dumps(output),
        "_deleted": None,
    }


def tombstone(run_id: str) -> Row:
    return {**dict.fromkeys(FIELDS), "run_id": run_id, "row_digest": "", "_deleted": True}


def arrow(rows: list[Row]) -> pa.Table:
    fields = [pa.field(name, kind, nullable=name not in KEY) for name, (_, kind) in FIELDS.items()]
    return pa.Table.from_pylist(rows, schema=pa.schema(fields))


def jsonl(rows: list[Row]) -> str:
    """One object a line; values that are missing are left out, so that no JSON null reaches the warehouse."""
    lines = []
    for values in rows:
        texts = {name: json.dumps(value, default=datetime.isoformat) for name, value in values.items()}
        texts["output"] = values["output"] or "null"
        lines.append("{" + ",".join(f'"{name}":{text}' for name, text in texts.items() if text != "null") + "}\n")
    return "".join(lines)


def table_resource(warehouse: Warehouse, folder: Path, table: str, rows: list[Row]) -> DltResource:
    @dlt.resource(
        name=table,
        columns=COLUMNS,
        write_disposition={"disposition": "merge", "strategy": "delete-insert", "destination_scope": SCOPE},
    )
    def resource() -> Iterator[Any]:
        if warehouse.file_format == "parquet":
            yield arrow(rows)
        else:
            file = folder / f"{table}.jsonl"
            file.write_text(jsonl(rows))
            yield dlt.mark.with_file_import(str(file), "jsonl", len(rows))

    return resource


def source(warehouse: Warehouse, folder: Path, tables: dict[str, list[Row]]) -> DltSource:
    schema = dlt.Schema("stand_ins")
    for table in tables:
        schema.update_table(new_table(table, write_disposition="merge", columns=COLUMNS))

    @dlt.source(schema=schema, schema_contract="freeze")
    def stand_ins() -> list[DltResource]:
        return [table_resource(warehouse, folder, table, rows) for table, rows in tables.items()]

    return stand_ins()


def load(warehouse: Warehouse, dataset: str, folder: Path, **tables: list[Row]) -> None:
    pipeline = warehouse.pipeline(dataset, folder)
    info = pipeline.run(source(warehouse, folder, tables), loader_file_format=warehouse.file_format)
    info.raise_on_failed_jobs()


@pytest.fixture
def dataset(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "1")
    name = warehouse.new_dataset()
    yield name
    warehouse.drop(name)


def test_merge_replaces_the_loaded_runs_whole(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    before = [row("r1", "a"), row("r1", "b"), row("r2", "a"), row("r2", "b")]
    load(warehouse, dataset, tmp_path, result_rows=before, trials=before)

    shrunk = [tombstone("r1"), row("r1", "b", total_tokens=8), row("r1", "b", total_tokens=8), row("r3", "c")]
    load(warehouse, dataset, tmp_path, result_rows=shrunk, trials=[tombstone("r2")])

    def kept(table: str) -> list[tuple[Any, ...]]:
        name = warehouse.table(dataset, table)
        return warehouse.rows(f"SELECT run_id, row_digest, total_tokens FROM {name} ORDER BY 1, 2")

    assert kept("result_rows") == [("r1", "b", 8), ("r2", "a", 7), ("r2", "b", 7), ("r3", "c", 7)]
    assert kept("trials") == [("r1", "a", 7), ("r1", "b", 7)]


def test_values_come_back_equal(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    extremes = {"largest": (2**63 - 1, 1.7e308), "smallest": (-(2**63), -5e-300), "inexact": (0, 0.1 + 0.2)}
    rows = [
        {**row("r1", digest), "total_tokens": tokens, "latency_seconds": seconds}
        for digest, (tokens, seconds) in extremes.items()
    ]
    load(warehouse, dataset, tmp_path, trials=rows)

    names = ("row_digest", "total_tokens", "latency_seconds", "is_error", "started_at")
    found = warehouse.rows(f"SELECT {', '.join(names)} FROM {warehouse.table(dataset, 'trials')}")
    assert sorted(found) == sorted(tuple(values[name] for name in names) for values in rows)


def test_json_comes_back_as_json(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", digest, output) for digest, output in OUTPUTS.items()])

    table = warehouse.table(dataset, "trials")
    found = warehouse.rows(f"SELECT row_digest, output, output IS NULL FROM {table}")
    assert {digest: warehouse.json_value(output) for digest, output, _ in found} == OUTPUTS
    assert [digest for digest, _, is_null in found if is_null] == ["null"]


def test_columns_keep_their_order_and_type(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", "a")])

    columns = warehouse.columns(dataset, "trials")
    assert list(columns) == list(FIELDS)
    assert "TIMESTAMP" in columns["started_at"]
    assert columns["output"] in {"JSON", "VARIANT", *(["STRING"] if warehouse.differences else [])}


def set_comments(warehouse: Warehouse, table: str) -> None:
    warehouse.execute(f"COMMENT ON TABLE {table} IS 'an attempt''s \"record\"'")
    warehouse.execute(f"COMMENT ON COLUMN {table}.run_id IS 'the run'")


def set_descriptions(pipeline: dlt.Pipeline) -> None:
    with pipeline.sql_client() as client:
        api = client.native_connection
        table = api.get_table(client.make_qualified_table_name("trials", quote=False))
        run_id, *others = [field.to_api_repr() for field in table.schema]
        table.description = 'an attempt\'s "record"'
        table.schema = [SchemaField.from_api_repr(field) for field in ({**run_id, "description": "the run"}, *others)]
        api.update_table(table, ["description", "schema"])


def test_comments_come_back(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", "a")])
    assert not warehouse.comments(dataset)
    if warehouse.name == "bigquery":
        set_descriptions(warehouse.pipeline(dataset, tmp_path))
    else:
        set_comments(warehouse, warehouse.table(dataset, "trials"))
    comments = {("trials", None): 'an attempt\'s "record"', ("trials", "run_id"): "the run"}
    assert warehouse.comments(dataset) == comments


def test_sqlalchemy_reads_what_dlt_wrote(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", "a"), row("r2", "b", total_tokens=9)])

    trials = sa.table("trials", sa.column("run_id"), sa.column("total_tokens"), schema=dataset)
    engine = sa.create_engine(warehouse.sqlalchemy_url, connect_args=dict(warehouse.sqlalchemy_arguments))
    with engine.connect() as connection:
        found = connection.execute(sa.select(trials).where(trials.c.run_id == "r2")).tuples().all()
    # DuckDB lets one process open a file in one way only, and dlt's is another one.
    engine.dispose()
    assert found == [("r2", 9)]


def test_environment_leads_dlt_to_the_warehouse(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", "a")])

    named = dlt.pipeline(dataset, destination=warehouse.name, dataset_name=dataset, pipelines_dir=str(tmp_path))
    with named.sql_client() as client:
        found = client.execute_sql(f"SELECT run_id FROM {warehouse.table(dataset, 'trials')}")
    assert [tuple(values) for values in found or ()] == [("r1",)]


def test_drop_leaves_nothing_behind(warehouse: Warehouse, dataset: str, tmp_path: Path) -> None:
    load(warehouse, dataset, tmp_path, trials=[row("r1", "a")])
    warehouse.drop(dataset)
    load(warehouse, dataset, tmp_path / "elsewhere", trials=[row("r2", "b")])
    assert warehouse.rows(f"SELECT run_id FROM {warehouse.table(dataset, 'trials')}") == [("r2",)]


def test_a_given_postgres_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(URL_VARIABLE, "postgresql://user@db.example:5433/tests")
    assert Postgres.start().url == "postgresql://user@db.example:5433/tests"
