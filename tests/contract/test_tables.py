"""What the loaded tables are in each warehouse: types, keys, comments, layout."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dlt
import pytest
import sqlalchemy as sa
from dlt.destinations.sql_client import SqlClientBase

from tests.contract.place import Landing
from weave_eval.loading.pipelines import make_pipeline
from weave_eval.tables import TABLES, TABLES_BY_NAME, ColumnType
from weave_eval.warehouse import bigquery_api, comments
from weave_eval.warehouse.comments import declared_comments
from weave_eval.warehouse.engine import reading
from weave_eval.warehouse.metadata import sql_tables
from weave_eval.warehouse.postgres_indexes import index_name

DIFFERENCES: dict[str, dict[ColumnType, str]] = {
    "calls JSON columns STRING; JSON_TYPE answers varchar and double for string and number": {"json": "STRING"},
    "calls TIMESTAMP_LTZ columns TIMESTAMP_TZ; TYPEOF answers JSON for every kind of value": {
        "timestamp": "TIMESTAMP_TZ"
    },
}
JSON_KIND = {
    "duckdb": "lower(json_type({}))",
    "postgres": "jsonb_typeof({})",
    "bigquery": "json_type({})",
    "snowflake": "lower(typeof({}))",
}
KIND_NAMES = {"varchar": "string", "double": "number", "bigint": "number", "ubigint": "number", "integer": "number"}
NO_CLUSTERING = "forgets CLUSTER BY"
INDEXES = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = %s"
STATISTICS = "SELECT attname FROM pg_stats WHERE schemaname = %s AND tablename = %s"
ODD_TEXT = 'it\'s 100% "odd"; with \\ and ß'


@contextmanager
def sql_client(landing: Landing) -> Iterator[SqlClientBase[Any]]:
    with loaded_pipeline(landing).sql_client() as client:
        yield client


def loaded_pipeline(landing: Landing) -> dlt.Pipeline:
    location = landing.profile.location()
    return make_pipeline(landing.project, landing.profile, location, str(landing.folder / "machine"))


def present(landing: Landing) -> set[str]:
    return set(landing.tables())


def test_columns_have_the_warehouses_own_types(loaded: Landing) -> None:
    types = dict(loaded.profile.warehouse.column_types)
    for difference in loaded.warehouse.differences:
        types.update(DIFFERENCES.get(difference, {}))
    for name in present(loaded):
        declared = {column.name: types[column.type] for column in TABLES_BY_NAME[name].columns}
        assert loaded.warehouse.columns(loaded.dataset, name) == declared


def test_keys_are_not_null(loaded: Landing) -> None:
    with reading(loaded.profile) as connection:
        inspector = sa.inspect(connection)
        for name in present(loaded):
            found = {c["name"].lower(): c["nullable"] for c in inspector.get_columns(name, schema=loaded.dataset)}
            assert found == {column.name: column.nullable for column in TABLES_BY_NAME[name].columns}


def test_names_that_are_words_of_sql_are_found(loaded: Landing) -> None:
    rows = sa.select(sql_tables(loaded.dataset, loaded.profile.warehouse)["syncs"].c["rows"])
    with reading(loaded.profile) as connection:
        assert [count["trials"] > 0 for count in connection.scalars(rows)] == [True]
        if loaded.warehouse.name == "snowflake":  # the stand-in would find it in lower case too
            assert '."ROWS"' in str(rows.compile(connection.engine))


def test_json_is_json(loaded: Landing) -> None:
    if any("TYPEOF answers JSON" in difference for difference in loaded.warehouse.differences):
        pytest.skip("the stand-in calls every kind of value JSON")
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", int: "number", float: "number"}
    inputs = [row["inputs"] for row in loaded.tables()["dataset_rows"]]
    kind = JSON_KIND[loaded.warehouse.name].format("inputs")
    table = loaded.warehouse.table(loaded.dataset, "dataset_rows")
    counted: Counter[str] = Counter()
    for name, count in loaded.warehouse.rows(f"SELECT {kind}, count(*) FROM {table} GROUP BY 1"):
        counted[KIND_NAMES.get(name, name)] += count
    assert counted == Counter(kinds[type(value)] for value in inputs)
    assert len(counted) > 2


def test_descriptions_are_comments(loaded: Landing) -> None:
    names = present(loaded)
    declared = {(table, column or None): text for (table, column), text in declared_comments().items()}
    expected = {key: text for key, text in declared.items() if key[0] in names}
    found = {key: text for key, text in loaded.warehouse.comments(loaded.dataset).items() if key[0] in names}
    assert found == expected


def test_a_changed_description_is_written_once(loaded: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = TABLES_BY_NAME["evaluation_runs"]
    columns = tuple(dataclasses.replace(c, description=f"{ODD_TEXT} {c.name}") for c in runs.own_columns[:2])
    changed = dataclasses.replace(runs, description=ODD_TEXT, own_columns=columns + runs.own_columns[2:])
    warehouse, kind = loaded.warehouse, loaded.profile.warehouse
    with sql_client(loaded) as sql:
        assert kind.update_comments(sql) == 0
        with monkeypatch.context() as patch:
            for module in (comments, bigquery_api):
                patch.setattr(module, "TABLES", (changed, *TABLES[1:]))
            assert kind.update_comments(sql) == 3
            assert kind.update_comments(sql) == 0
    written = warehouse.comments(loaded.dataset)
    assert written["evaluation_runs", None] == ODD_TEXT
    assert written["evaluation_runs", columns[1].name] == f"{ODD_TEXT} {columns[1].name}"
    with sql_client(loaded) as sql:
        assert kind.update_comments(sql) == 3


def test_indexes_are_made_once(loaded: Landing) -> None:
    if loaded.warehouse.name != "postgres":
        pytest.skip("only Postgres has indexes")
    with sql_client(loaded) as sql:
        found = {row[0]: row[1] for row in sql.execute_sql(INDEXES, loaded.dataset) or ()}
        assert loaded.profile.warehouse.make_indexes(sql) == 0
        for name in present(loaded):
            table = TABLES_BY_NAME[name]
            assert found[index_name(table)].endswith(f"({', '.join(table.cluster)})")


def test_the_planner_knows_every_column_after_the_first_load(loaded: Landing) -> None:
    if loaded.warehouse.name != "postgres":
        pytest.skip("only Postgres has to be told to look")
    with sql_client(loaded) as sql:
        for name in ("evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats"):
            known = {column for (column,) in sql.execute_sql(STATISTICS, loaded.dataset, name) or ()}
            assert known == {column.name for column in TABLES_BY_NAME[name].columns}


def test_tables_are_clustered(loaded: Landing) -> None:
    if loaded.warehouse.name != "bigquery":
        pytest.skip("only BigQuery clusters")
    is_kept = NO_CLUSTERING not in loaded.warehouse.differences
    with loaded_pipeline(loaded).destination_client() as client:
        for name in present(loaded):
            cluster = TABLES_BY_NAME[name].cluster
            columns = list(client.schema.get_table_columns(name).values())
            (statement,) = client._get_table_update_sql(name, columns, False)  # type: ignore[attr-defined]
            assert statement.endswith("CLUSTER BY " + ", ".join(f"`{column}`" for column in cluster))
            if is_kept:
                api = client.sql_client.native_connection  # type: ignore[attr-defined]
                assert api.get_table(f"{loaded.dataset}.{name}").clustering_fields == list(cluster)
