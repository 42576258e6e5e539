"""A warehouse that is added from outside, made from the interface alone on a destination of dlt's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from sqlalchemy import Engine, NullPool, create_engine

from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval.catalogue.dbt import dbt_sources
from weave_eval.catalogue.dictionary import types_table
from weave_eval.catalogue.looker.project import lookml_project
from weave_eval.cli.program import main
from weave_eval.errors import SettingsError
from weave_eval.tables import ColumnType
from weave_eval.warehouse import registry
from weave_eval.warehouse.base import ColumnDescription, DataType, Warehouse
from weave_eval.warehouse.duckdb import DuckDB
from weave_eval.warehouse.location import Location
from weave_eval.warehouse.profiles import profile, profiles
from weave_eval.warehouse.registry import add_warehouse, warehouse_behind
from weave_eval.warehouse.status import project_statuses
from weave_eval.warehouse.views.model import view_names


class Pond(Warehouse):
    """A warehouse without views, which takes Arrow tables."""

    type = "pond"
    title = "The Pond"
    drivers = ("duckdb",)
    column_types: ClassVar[Mapping[ColumnType, str]] = {
        "text": "STRING",
        "bigint": "INT8",
        "double": "FLOAT8",
        "bool": "LOGICAL",
        "timestamp": "TIMESTAMPTZ",
        "json": "JSON",
    }
    destination = "dlt.destinations.duckdb"
    is_file = True
    gives_json_as_text = True

    def engine(self, location: Location) -> Engine:
        return create_engine(f"duckdb:///{location.database_file}", poolclass=NullPool)

    def stored_name(self, name: str) -> str:
        return name.title()

    def result_name(self, name: str) -> str:
        return name.lower()

    def arrow_type(self, column: ColumnDescription) -> DataType:
        return {"BIGINT": pa.int64(), "DOUBLE": pa.float64()}.get(str(column[1]), pa.string())


class Lake(Pond):
    """One that says which dialect of the views it speaks."""

    type = "lake"
    title = "The Lake"
    form = "parquet"
    dialect = DuckDB.dialect
    catalogue_query = DuckDB.catalogue_query
    comments_query = DuckDB.comments_query


@pytest.fixture(params=[Pond, Lake], ids=lambda kind: kind.type)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    """A warehouse that is known during a test."""
    monkeypatch.setattr(registry, "_KNOWN", dict(registry._KNOWN))
    made: Warehouse = request.param()
    add_warehouse(made)
    return made


@pytest.fixture
def file(kind: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What it keeps its rows in, after a load of two runs by the command line; the current folder declares it."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "water.db"
    declared = f"[water]\ntype = '{kind.type}'\ndataset = 'weave'\ncredentials = '{path}'\n"
    (tmp_path / "destinations.toml").write_text(declared, encoding="utf-8")
    server.bulk(PROJECT, runs=2, rows=3, trials=2, scorers=2)
    assert main(["load", "--project", PROJECT, "--destination", "water"]) == 0
    return path


def rows(file: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(query).fetchall()


def test_what_was_loaded_is_proven(file: Path) -> None:
    assert rows(file, "SELECT count(*) FROM weave.trials") == [(12,)]
    assert rows(file, "SELECT count(*), bool_and(is_reconciled) FROM weave.reconciliations") == [(2, True)]
    assert rows(file, "SELECT DISTINCT json_type(inputs) FROM weave.dataset_rows") == [("OBJECT",)]
    (status,) = project_statuses(profile("water"))
    assert (status.project, status.runs, status.unreconciled_runs) == (PROJECT, {"completed": 2}, 0)


def test_later_loads_replace_runs(file: Path, server: WeaveServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.bulk(PROJECT, runs=1, rows=3, name="more")
    for arguments in (["load"], ["load", "--full"], ["verify"]):
        assert main([*arguments, "--project", PROJECT, "--destination", "water"]) == 0
    assert rows(file, "SELECT count(*), count(DISTINCT trial_id) FROM weave.trials") == [(15, 15)]
    capsys.readouterr()
    assert main(["check", "--project", PROJECT, "--destination", "water"]) == 0
    assert "water (" in capsys.readouterr().out


def test_views_and_comments_are_those_of_its_dialect(file: Path, kind: Warehouse) -> None:
    made = {name for (name,) in rows(file, "SELECT view_name FROM duckdb_views() WHERE schema_name = 'weave'")}
    comments = rows(file, "SELECT comment FROM duckdb_tables() WHERE table_name = 'trials' AND comment IS NOT NULL")
    assert made == (set(view_names()) if kind.dialect else set())
    assert len(comments) == (1 if kind.dialect else 0)
    assert rows(file, "SELECT warnings FROM weave.syncs") == [("[]",)]


@pytest.mark.usefixtures("file")
def test_exports_have_its_names_and_types(tmp_path: Path) -> None:
    question = "SELECT run_id AS RUN, count(*) AS TRIALS FROM trials GROUP BY 1"
    assert main(["export", question, "--out", str(tmp_path / "found.parquet"), "--destination", "water"]) == 0
    found = pq.read_table(tmp_path / "found.parquet")
    assert (found.schema.names, found.schema.field("trials").type) == (["run", "trials"], pa.int64())
    assert found["trials"].to_pylist() == [6, 6]


@pytest.mark.usefixtures("file")
def test_catalogues_speak_of_it(kind: Warehouse, capsys: pytest.CaptureFixture[str]) -> None:
    assert types_table().splitlines()[0].endswith(f"| {kind.title} |")
    (tables, _) = yaml.safe_load(dbt_sources(profile("water")))["sources"]
    assert "'Weave'" in tables["schema"]
    trials = next(table for table in tables["tables"] if table["name"] == "trials")
    assert trials["identifier"] == "Trials"
    assert {column["data_type"] for column in trials["columns"]} == set(kind.column_types.values())
    assert (
        'sql_table_name: "Weave"."Fct_Trials"' in lookml_project("pond", profile("water"))["views/fct_trials.view.lkml"]
    )
    capsys.readouterr()
    assert main(["dictionary", "--format", "json"]) == 0
    (runs, *_) = json.loads(capsys.readouterr().out)["tables"]
    assert all(kind.type in column["types"] for column in runs["columns"])


def test_only_types_that_are_known_are_declared(kind: Warehouse, tmp_path: Path) -> None:
    declared = tmp_path / "destinations.toml"
    declared.write_text("[water]\ntype = 'sea'\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"has type 'sea'; known types are .*, {kind.type}\."):
        profiles(declared)


def test_destinations_that_nobody_declared_get_arrow_tables() -> None:
    assert warehouse_behind("dlt.destinations.filesystem").form == "arrow"
    assert warehouse_behind("dlt.destinations.postgres").form == "parquet"
    assert warehouse_behind("weave_eval.warehouse.bigquery_destination.bigquery").form == "jsonl"
