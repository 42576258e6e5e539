"""The views, on every warehouse: the same rows everywhere, made once, described, kept as they were granted."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2  # type: ignore[import-untyped]
import pytest
from dlt.destinations.job_client_impl import SqlJobClientBase

from tests.contract.conftest import found_landing, new_landing
from tests.contract.place import Landing
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import Row
from tests.weave_server.fixtures import PROJECT, Snapshot
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, load_project, resolve_settings
from weave_eval.demo.api import DemoApi
from weave_eval.loading.pipelines import make_pipeline
from weave_eval.warehouse import completing
from weave_eval.warehouse.completing import make_views, view_place
from weave_eval.warehouse.snowflake import Snowflake
from weave_eval.warehouse.views import place as views_place
from weave_eval.warehouse.views.catalogue import Mark
from weave_eval.warehouse.views.compiling.compiled_views import compiled_queries
from weave_eval.warehouse.views.compiling.view_file import view_files
from weave_eval.warehouse.views.model import View, ViewColumn, views

pytestmark = pytest.mark.slow

JSON_TEXTS = {"input_text", "field_value"}
"""Postgres writes JSON with blanks."""
OF_A_LOAD = {"results_load_id"}
OF_A_MOMENT = {"synced_at", "last_sync_finished_at", "days_since_sync", "days_since_last_run"}
ODD_VIEWS = ("dim_runs", "dim_inputs", "dim_input_fields", "fct_trials", "fct_scores")
"""Views that show values as they were logged."""
NO_COMMENTS = "drops comments in CREATE TABLE and on views; keeps COMMENT ON TABLE and COMMENT ON COLUMN"
TEXT_TYPES = {"CHARACTER VARYING", "TEXT"}

Rows = dict[str, list[Row]]


def load_demo(landing: Landing, demo: DemoApi) -> None:
    settings = resolve_settings(project=demo.project, api_key=demo.key, base_url=demo.url, abandon_after_days=36_500.0)
    result = load_project(settings, landing.profile, LoadOptions(pipelines_dir=str(landing.folder / "machine")))
    assert result.report.warnings == []


@pytest.fixture(scope="module")
def demo() -> Iterator[DemoApi]:
    with DemoApi() as api:
        yield api


@pytest.fixture(scope="module")
def demo_landing(
    module_warehouse: Warehouse, weave_server: WeaveServer, demo: DemoApi, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Landing]:
    """A dataset of each warehouse with the demo in it."""
    for landing in new_landing(module_warehouse, weave_server, tmp_path_factory.mktemp("demo")):
        load_demo(landing, demo)
        yield landing


@pytest.fixture(scope="module")
def expected(
    weave_server: WeaveServer, sdk_snapshot: Snapshot, demo: DemoApi, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Rows, Rows]:
    """The rows of the views of the demo and of the SDK's project in DuckDB files."""
    folder = tmp_path_factory.mktemp("expected")
    weave_server.load(sdk_snapshot.path)
    warehouse = duckdb_file(folder / "expected.duckdb")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DESTINATION__DUCKDB__CREDENTIALS", warehouse.environment["DESTINATION__DUCKDB__CREDENTIALS"])
        of_demo, of_sdk = (Landing(weave_server, PROJECT, folder / name, warehouse, name) for name in ("demo", "sdk"))
        load_demo(of_demo, demo)
        of_sdk.load()
        return tuple({view.name: place.view_rows(view) for view in views()} for place in (of_demo, of_sdk))  # type: ignore[return-value]


def differences(landing: Landing, view: View, expected: list[Row]) -> list[tuple[Any, ...]]:
    """Where a view's rows are others than expected."""
    found, wanted = keyed(view, landing.view_rows(view)), keyed(view, expected)
    if found.keys() != wanted.keys():
        return [(len(found), len(wanted), sorted(found.keys() ^ wanted.keys())[:3])]
    return [
        (key, column, value, wanted[key][column])
        for key, row in found.items()
        for column, value in row.items()
        if not is_same(column, value, wanted[key][column])
    ]


def keyed(view: View, rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    found = {tuple(row[name] for name in view.key): row for row in rows}
    assert len(found) == len(rows), f"{view.name}: the key is not unique"
    assert all(part is not None for key in found for part in key), f"{view.name}: the key is null"
    return found


def is_same(column: str, one: Any, other: Any) -> bool:
    if column in OF_A_LOAD:
        return (one is None) == (other is None)
    if isinstance(one, datetime) and isinstance(other, datetime) and column in OF_A_MOMENT:
        return abs(one - other) < timedelta(hours=1)
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=0.05 if column in OF_A_MOMENT else 1e-12)
    if column in JSON_TEXTS and isinstance(one, str) and isinstance(other, str):
        return one == other or bool(json.loads(one) == json.loads(other))
    return type(one) is type(other) and bool(one == other)


@pytest.mark.timeout(900)
def test_rows_are_the_same_everywhere(demo_landing: Landing, expected: tuple[Rows, Rows]) -> None:
    found = {view.name: differences(demo_landing, view, expected[0][view.name]) for view in views()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert {name for name, rows in expected[0].items() if not rows} <= {"fct_gate_decisions"}


@pytest.mark.timeout(900)
def test_odd_values_are_the_same_everywhere(loaded: Landing, expected: tuple[Rows, Rows]) -> None:
    chosen = [view for view in views() if view.name in ODD_VIEWS]
    found = {view.name: differences(loaded, view, expected[1][view.name]) for view in chosen}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


def test_columns_have_the_warehouses_own_types(demo_landing: Landing) -> None:
    if demo_landing.warehouse.differences:
        pytest.skip("stand-ins know the types of tables only")
    types = demo_landing.profile.warehouse.column_types
    for view in views():
        found = demo_landing.warehouse.columns(demo_landing.dataset, view.name)
        assert [*found] == [column.name for column in view.columns]
        wrong = {
            column.name: found[column.name]
            for column in view.columns
            if found[column.name] != types[column.type] and not (column.type == "text" and found[column.name] == "TEXT")
        }
        assert wrong == {}, view.name


def test_descriptions_are_comments(demo_landing: Landing) -> None:
    warehouse = demo_landing.warehouse
    if NO_COMMENTS in warehouse.differences:
        pytest.skip("the stand-in drops comments on views")
    found = warehouse.comments(demo_landing.dataset)
    has_columns = not (warehouse.name == "bigquery" and warehouse.differences)  # the stand-in's views have no columns
    for view in views():
        assert found[view.name, None] == view.description
        told = {name: text for (relation, name), text in found.items() if relation == view.name and name}
        assert told == ({column.name: column.description for column in view.columns} if has_columns else {})


def test_comments_in_snowflake(snowflake_statement: str) -> None:
    """The stand-in drops them."""
    assert snowflake_statement.startswith('CREATE OR REPLACE VIEW "WEAVE"."FCT_TRIALS" ("TRIAL_ID" COMMENT \'')
    assert ") COPY GRANTS COMMENT = 'Trials: one row for each time" in snowflake_statement
    assert "' AS WITH " in snowflake_statement


@pytest.fixture
def snowflake_statement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The statement that makes a view in Snowflake."""
    url = "snowflake://user:password@account/database?warehouse=wh&role=r"
    monkeypatch.setenv("DESTINATION__SNOWFLAKE__CREDENTIALS", url)
    landing = Landing(None, PROJECT, tmp_path, _Named("snowflake"), "weave")  # type: ignore[arg-type]
    client = pipeline_of(landing).destination_client()
    assert isinstance(client, SqlJobClientBase)
    place = view_place(client, landing.profile)
    made = place.definitions(Mark("weave", "0123456789abcdef"))
    (definition,) = (one for one in made if one.view.name == "fct_trials")
    return Snowflake().view_statement(place, definition)


@dataclasses.dataclass
class _Named:
    name: str


def pipeline_of(landing: Landing, machine: str = "machine") -> Any:
    location = landing.profile.location()
    return make_pipeline(landing.project, landing.profile, location, str(landing.folder / machine))


@contextmanager
def client_of(landing: Landing) -> Iterator[SqlJobClientBase]:
    with pipeline_of(landing).destination_client() as client:
        assert isinstance(client, SqlJobClientBase)
        yield client


def test_views_that_are_there_cost_one_query(demo_landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    with client_of(demo_landing) as client:
        statements = []
        execute = type(client.sql_client).execute_query

        def counted(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
            statements.append(query)
            return execute(self, query, *args, **kwargs)

        monkeypatch.setattr(type(client.sql_client), "execute_query", counted)
        assert make_views(client, demo_landing.profile) == 0
        assert len(statements) == (0 if demo_landing.warehouse.name == "bigquery" else 1)
        monkeypatch.setattr(views_place, "fingerprint", lambda: "0123456789abcdef")
        assert make_views(client, demo_landing.profile) == len(views())
        assert make_views(client, demo_landing.profile) == 0
        monkeypatch.undo()
        assert make_views(client, demo_landing.profile) == len(views())


def test_views_in_a_dataset_of_their_own(demo_landing: Landing) -> None:
    other = demo_landing.warehouse.new_dataset()
    elsewhere = dataclasses.replace(demo_landing.profile, views_dataset=other)
    try:
        with client_of(demo_landing) as client:
            assert make_views(client, elsewhere) == len(views())
            assert make_views(client, elsewhere) == 0
            assert make_views(client, demo_landing.profile) == 0
        trials = demo_landing.warehouse.table(other, "fct_trials")
        ((count,),) = demo_landing.warehouse.rows(f"SELECT COUNT(*) FROM {trials}")
        assert count == len(demo_landing.tables()["trials"]) > 0
    finally:
        demo_landing.warehouse.drop(other)


# Postgres, where views are locked, granted and depended on.


@pytest.fixture
def landing(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """A dataset in Postgres with two runs, which the command line finds, as it finds the server."""
    for made in found_landing(postgres, server, tmp_path, monkeypatch, PROJECT):
        server.bulk(PROJECT, runs=2, rows=3, trials=2, scorers=2)
        assert made.load().report.warnings == []
        yield made


@contextmanager
def session(warehouse: Warehouse) -> Iterator[Any]:
    connection = psycopg2.connect(warehouse.environment["DESTINATION__POSTGRES__CREDENTIALS"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


def changed(name: str, sql: str, columns: tuple[ViewColumn, ...]) -> tuple[View, ...]:
    queries = compiled_queries(sql)
    return tuple(dataclasses.replace(v, queries=queries, columns=columns) if v.name == name else v for v in views())


LAST = "fct_worst_rows"
(DECLARED,) = (file.sql for file in view_files() if file.name == LAST)
GROWN = changed(LAST, f"SELECT *, 1 AS more FROM ({DECLARED}) AS w", views()[-1].columns)
CHANGED = changed(LAST, "SELECT run_id, 1 AS other FROM dim_runs", (ViewColumn("other", "bigint", "Other."),))


@pytest.mark.parametrize("version", [GROWN, CHANGED], ids=["grown", "changed"])
def test_what_was_granted_stays(landing: Landing, monkeypatch: pytest.MonkeyPatch, version: tuple[View, ...]) -> None:
    assert views()[-1].name == LAST
    role, view = f"analyst_{landing.dataset}", f"{landing.dataset}.{LAST}"
    with session(landing.warehouse) as cursor:
        cursor.execute(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA {landing.dataset} TO {role}")
        cursor.execute(f"GRANT SELECT ON {view} TO {role} WITH GRANT OPTION; GRANT SELECT ON {view} TO PUBLIC")
        before = grants(cursor, landing.dataset)
        with client_of(landing) as client, monkeypatch.context() as patch:
            patch.setattr(views_place, "views", lambda: version)
            patch.setattr(views_place, "fingerprint", lambda: "0123456789abcdef")
            make_views(client, landing.profile)
        assert grants(cursor, landing.dataset) == before
        assert (role, "SELECT", "YES") in before
        cursor.execute(f"SET ROLE {role}; SELECT * FROM {view} LIMIT 0")
        assert {"more", "other"} & {column.name for column in cursor.description}
        cursor.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


def grants(cursor: Any, dataset: str) -> set[tuple[str, ...]]:
    query = "SELECT grantee, privilege_type, is_grantable FROM information_schema.role_table_grants"
    cursor.execute(f"{query} WHERE table_schema = %s AND table_name = %s", (dataset, LAST))
    return set(cursor.fetchall())


def test_a_view_that_a_reader_holds_is_made_by_a_later_load(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that goes on locks it; loads of nothing new try again, and say so until it is done."""
    for module in (views_place, completing):
        monkeypatch.setattr(module, "fingerprint", lambda: "0123456789abcdef")
    monkeypatch.setattr(views_place, "views", lambda: GROWN)
    with session(landing.warehouse) as cursor:
        cursor.execute(f"BEGIN; SELECT * FROM {landing.dataset}.{LAST} LIMIT 0")
        for _ in range(2):
            result = landing.load()
            assert (result.status, result.report.runs_read) == ("unchanged", 0)
            (warning,) = result.report.warnings
            assert warning.startswith("The rows are loaded, but the views are not those of this version: ")
        cursor.execute("COMMIT")
        assert landing.load().report.warnings == []
        cursor.execute(f"SELECT * FROM {landing.dataset}.{LAST} LIMIT 0")
        assert "more" in {column.name for column in cursor.description}
        packages = len(landing.tables()["syncs"])
        assert landing.load().report.warnings == []
        assert len(landing.tables()["syncs"]) == packages


def test_a_view_that_somebody_builds_on_stays_and_says_so(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    with session(landing.warehouse) as cursor:
        cursor.execute(f"CREATE VIEW {landing.dataset}.mine AS SELECT rank FROM {landing.dataset}.{LAST}")
        monkeypatch.setattr(views_place, "views", lambda: CHANGED)
        monkeypatch.setattr(views_place, "fingerprint", lambda: "0123456789abcdef")
        landing.server.bulk(PROJECT, runs=1, rows=3, name="more")
        result = landing.load()
        assert result.status == "loaded"
        (warning,) = result.report.warnings
        assert "the views are not those of this version" in warning
        assert re.search(rf"view (\w+\.)?mine depends on view (\w+\.)?{LAST}", warning)
        cursor.execute(f"SELECT * FROM {landing.dataset}.mine; SELECT count(*) FROM {landing.dataset}.dim_runs")
        assert cursor.fetchall() == [(3,)]


def test_a_long_query_is_not_disturbed(landing: Landing, monkeypatch: pytest.MonkeyPatch) -> None:
    with session(landing.warehouse) as cursor:
        cursor.execute(f"BEGIN; SELECT count(*) FROM {landing.dataset}.fct_trials")
        with monkeypatch.context() as patch:
            patch.setattr(views_place, "fingerprint", lambda: "0123456789abcdef")
            landing.server.bulk(PROJECT, runs=1, rows=3, name="more")
            result = landing.load()
        assert result.status == "loaded"
        (warning,) = result.report.warnings
        assert "lock timeout" in warning
        cursor.execute(f"SELECT count(*) FROM {landing.dataset}.fct_trials; COMMIT")
        with client_of(landing) as client:
            assert make_views(client, landing.profile) == 0  # as they were before


def test_many_make_the_views_at_once(landing: Landing) -> None:
    with session(landing.warehouse) as cursor:
        names = ", ".join(f"{landing.dataset}.{view.name}" for view in views())
        cursor.execute(f"DROP VIEW {names}; DROP TABLE {landing.dataset}.feedback, {landing.dataset}.predictions")
    errors: list[BaseException] = []

    def make() -> None:
        try:
            with client_of(landing) as client:
                make_views(client, landing.profile)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert all(landing.view_rows(view) is not None for view in views())
