"""Databases made by older versions still load, and what others made on top of the tables stays."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dlt
import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest
from dlt.common.schema import Schema
from dlt.extract import DltResource
from dlt.extract.source import DltSource

from scripts.keep_schema import FOLDER, kept_schema
from tests.contract.place import Landing, Reference, comparable, differences
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import Tables
from tests.weave_server.process import WeaveServer
from weave_eval.loading.pipelines import make_pipeline
from weave_eval.schema import dlt_schema, write_disposition
from weave_eval.tables import TABLES_BY_NAME

VERSIONS = sorted(path.stem for path in FOLDER.glob("*.json"))
FORMER, OURS = "acme/former", "acme/ours"
LOST = {"trials": "extra", "evaluation_runs": "has_failed_trials"}


@pytest.fixture(params=["duckdb", "postgres"])
def landing(
    request: pytest.FixtureRequest, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset in DuckDB or Postgres."""
    warehouse: Warehouse = request.getfixturevalue(request.param)
    for variable, value in warehouse.environment.items():
        monkeypatch.setenv(variable, value)
    yield (made := Landing(server, OURS, tmp_path, warehouse, warehouse.new_dataset()))
    warehouse.drop(made.dataset)


@pytest.mark.parametrize("version", VERSIONS)
def test_columns_are_only_added(version: str) -> None:
    former, present = kept_schema(version), dlt_schema()
    for name, table in former.tables.items():
        columns = present.tables[name]["columns"]
        for column, hints in table["columns"].items():
            found = {hint: columns[column].get(hint) for hint in hints}
            assert found == hints, f"{name}.{column}"
        added = columns.keys() - table["columns"].keys()
        assert all(columns[column].get("nullable", True) for column in added), name


@pytest.mark.parametrize("version", VERSIONS)
def test_a_database_without_a_column_is_loaded(
    landing: Landing, server: WeaveServer, tmp_path: Path, version: str
) -> None:
    for number, project in enumerate((FORMER, OURS), start=2):
        server.bulk(project, runs=number, rows=5 * number, name=f"bulk-{number}")
    schema = kept_schema(version)
    for table, column in LOST.items():
        del schema.tables[table]["columns"][column]
    for project in (FORMER, OURS):
        load_as_then(landing, project, schema)
    for table, column in LOST.items():
        assert column not in landing.warehouse.columns(landing.dataset, table)

    landing.load()

    (alone := tmp_path / "alone").mkdir()
    reference = Reference(server, OURS, alone)
    reference.load()
    tables = comparable(landing)
    assert differences(of_project(tables, OURS), comparable(reference)) == []
    former = of_project(tables, FORMER)
    assert (len(former["evaluation_runs"]), len(former["trials"])) == (2, 20)
    assert {row["has_failed_trials"] for row in former["evaluation_runs"]} == {None}


def load_as_then(landing: Landing, project: str, schema: Schema) -> None:
    """Loads a project with the tables of `schema`, in the way of the version that had them."""
    (folder := landing.folder / f"then-{project.replace('/', '-')}").mkdir()
    (present := Reference(landing.server, project, folder)).load()
    names = [name for name in present.tables() if name in schema.tables]
    resources = [table_resource(schema, name, present.file) for name in names]
    location = landing.profile.location()
    pipeline = make_pipeline(project, landing.profile, location, str(folder))
    pipeline.run(DltSource.from_data(schema.clone(), "weave_eval", resources))


def table_resource(schema: Schema, table: str, file: Path) -> DltResource:
    """Yields the rows that a DuckDB file holds, with the columns of `schema`."""
    columns = schema.tables[table]["columns"]

    def rows() -> Iterator[Any]:
        path = file.with_name(f"{table}.parquet")
        values = [f"{c}::VARCHAR AS {c}" if hints["data_type"] == "json" else c for c, hints in columns.items()]
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute(f"COPY (SELECT {', '.join(values)} FROM weave.{table}) TO '{path}'")
        yield dlt.mark.with_file_import(str(path), "parquet", 1)

    disposition = write_disposition(TABLES_BY_NAME[table])
    return dlt.resource(rows, name=table, columns=columns, write_disposition=disposition)


def of_project(tables: Tables, project: str) -> Tables:
    return {name: [row for row in rows if row["project_id"] == project] for name, rows in tables.items()}


@contextmanager
def session(warehouse: Warehouse) -> Iterator[Any]:
    with psycopg2.connect(warehouse.environment["DESTINATION__POSTGRES__CREDENTIALS"]) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    connection.close()


def test_views_and_grants_survive_loads(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable, value in postgres.environment.items():
        monkeypatch.setenv(variable, value)
    landing = Landing(server, OURS, tmp_path, postgres, postgres.new_dataset())
    server.bulk(OURS, runs=2, rows=4, scorers=1)
    landing.load()
    view, role = f"{landing.dataset}.pass_rates", f"analyst_{landing.dataset}"
    with session(postgres) as cursor:
        cursor.execute(f"CREATE VIEW {view} AS SELECT run_id, count(*) FROM {landing.dataset}.scores GROUP BY 1")
        cursor.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA {landing.dataset} TO {role}")
        cursor.execute(f"GRANT SELECT ON {view}, {landing.dataset}.scores TO {role}")

    server.bulk(OURS, runs=1, rows=6, scorers=1, name="more")
    landing.load(is_full=True)

    with session(postgres) as cursor:
        cursor.execute(f"SET ROLE {role}; SELECT count FROM {view} ORDER BY 1")
        assert cursor.fetchall() == [(4,), (4,), (6,)]
        cursor.execute(f"SELECT count(*) FROM {landing.dataset}.scores")
        assert cursor.fetchall() == [(14,)]
        cursor.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
    postgres.drop(landing.dataset)
