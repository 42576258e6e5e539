"""The views: their files, their SQL in each warehouse's words, and what loads make of them in DuckDB."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
import sqlglot
from packaging.version import Version

from tests.loads import Place, delete_calls
from tests.tables_of import Row
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval.errors import SettingsError
from weave_eval.loading.pipelines import make_pipeline
from weave_eval.tables import TABLES
from weave_eval.warehouse.completing import make_views
from weave_eval.warehouse.profiles import Profile, profile
from weave_eval.warehouse.registry import warehouse_of
from weave_eval.warehouse.views.compiling.compiled_views import compiled_text, fingerprint_of
from weave_eval.warehouse.views.compiling.dialects import relations, translated
from weave_eval.warehouse.views.compiling.view_file import FOLDER, ViewFile, view_files
from weave_eval.warehouse.views.model import COMPILED, CompiledViews, View, fingerprint, view_names, views

FILES = sorted(FOLDER.glob("*.sql"))
DIALECTS = ("duckdb", "postgres", "bigquery", "snowflake")
READ = {file.name: relations(file.sql) for file in view_files()}
"""The tables and views that each view reads."""
EXPLAINED = "EXPLAIN SELECT * FROM weave.{}"


def in_dialect(warehouse: str, sql: str) -> str:
    """A query on tables of the dataset `weave`, translated."""
    dialect = warehouse_of(warehouse).dialect
    assert dialect
    return translated(sql, dialect, lambda name: ("weave", name))


class TestFiles:
    """What the files declare."""

    def test_there_are_files(self) -> None:
        assert len(FILES) > 20
        assert {view.name for view in views()} == {path.stem for path in FILES} == set(view_names())

    @pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
    def test_every_line_of_the_header_is_understood(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").splitlines()
        header = list(itertools.takewhile(lambda line: line.startswith("--"), lines))
        assert re.fullmatch(r"-- [A-Z][^:]+: .+[.?]", header[0])
        assert re.fullmatch(r"-- key: \w+(, \w+)*", header[1])
        assert all(re.fullmatch(r"-- \w+: \w.*\.", line) for line in header[2:]), header
        assert max(len(line) for line in lines) < 250

    @pytest.mark.parametrize("file", view_files(), ids=lambda file: file.name)
    def test_a_header_speaks_of_columns_that_are_there(self, file: ViewFile) -> None:
        (view,) = (view for view in views() if view.name == file.name)
        names = {column.name for column in view.columns}
        assert set(file.descriptions) <= names
        assert set(view.key) <= names

    @pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
    def test_every_column_is_described(self, view: View) -> None:
        assert [column.name for column in view.columns if not column.description.endswith(".")] == []

    def test_a_description_is_inherited_from_what_the_view_reads(self) -> None:
        named = {view.name: view for view in views()}
        described = {table.name: table for table in TABLES}
        assert named["fct_trials"].column("error").description == described["trials"].column("error").description
        assert named["dim_runs"].column("error").description == described["evaluation_runs"].column("error").description
        assert named["fct_trials"].column("model_id").description == named["dim_runs"].column("model_id").description

    def test_views_come_after_those_that_they_read(self) -> None:
        made = {table.name for table in TABLES}
        for view in views():
            assert set(READ[view.name]) <= made
            made.add(view.name)

    def test_what_loads_need_of_the_views_imports_nothing_heavy(self) -> None:
        program = (
            "import sys; from weave_eval.warehouse.views.model import views; assert views()[0].query('duckdb', str); "
            "print(*{'duckdb', 'sqlglot', 'dlt'} & set(sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert done.stdout.split() == []


class TestCompiled:
    """What is kept of the views for loads."""

    def test_it_is_fresh(self) -> None:
        writer = msgspec.json.decode(COMPILED.read_bytes(), type=CompiledViews).sqlglot
        if Version(version("sqlglot")) < Version(writer):
            pytest.skip("written with a newer sqlglot")
        assert COMPILED.read_text(encoding="utf-8") == compiled_text(), "run `python scripts/generate.py`"

    def test_the_fingerprint_tells_every_change(self) -> None:
        first, *others = views()
        column = dataclasses.replace(first.columns[0], description="Something else.")
        changed = [
            dataclasses.replace(first, description="Something else."),
            dataclasses.replace(first, columns=(column, *first.columns[1:])),
            *(dataclasses.replace(first, queries={**first.queries, name: "SELECT 1"}) for name in DIALECTS),
        ]
        marks = {fingerprint_of(views()), *(fingerprint_of((view, *others)) for view in changed)}
        assert len(marks) == len(changed) + 1
        assert fingerprint() == fingerprint_of(views())


class TestDialects:
    """The SQL of each warehouse."""

    @pytest.mark.parametrize("dialect", DIALECTS)
    @pytest.mark.parametrize("view", views(), ids=lambda view: view.name)
    def test_nothing_of_ours_is_left(self, view: View, dialect: str) -> None:
        mark = "weave_eval weave 0123456789abcdef"
        sql = view.query(dialect, lambda name: f"weave.{name}", mark)
        sqlglot.parse_one(sql, read=dialect)
        assert not re.search(r"json_text|json_fields|(days|seconds)_between|[{}]{2}", sql, re.IGNORECASE)
        assert (mark in sql) == (dialect != "bigquery")  # where it is a label
        assert {f"weave.{name}" for name in READ[view.name]} <= set(re.findall(r"weave\.\w+", sql))

    def test_fields_in_bigquery_and_snowflake(self) -> None:
        """The stand-ins take other spellings too, the real services do not."""
        sql = "SELECT f.name AS a, f.value AS b FROM t AS d CROSS JOIN json_fields(d.x) AS f(name, value)"
        bigquery = " ".join(in_dialect("bigquery", sql).split())
        name = "CASE WHEN STARTS_WITH(`f`, '\"') THEN JSON_VALUE(`f`, '$') ELSE `f` END"
        assert f"SELECT {name} AS `a`" in bigquery
        assert f"JSON_VALUE( `d`.`x`[{name}], '$' )" in bigquery
        assert bigquery.endswith("FROM `weave`.`t` AS `d` CROSS JOIN UNNEST(JSON_KEYS(`d`.`x`, 1)) AS `f`")
        snowflake = " ".join(in_dialect("snowflake", sql).split())
        assert snowflake.startswith('SELECT "F"."KEY" AS "A", CAST("F"."VALUE" AS VARCHAR) AS "B" FROM "weave"."t"')
        assert 'CROSS JOIN LATERAL FLATTEN(INPUT => CASE WHEN IS_OBJECT("D"."X") THEN "D"."X" END)' in snowflake

    def test_exists_is_a_count_in_snowflake(self) -> None:
        sql = "SELECT a FROM t WHERE b OR EXISTS (SELECT 1 FROM u WHERE u.c = t.a)"
        assert "EXISTS" in in_dialect("postgres", sql)
        snowflake = " ".join(in_dialect("snowflake", sql).split())
        assert 'OR ( SELECT COUNT(*) FROM "weave"."u" AS "U" WHERE "U"."C" = "T"."A" ) > 0' in snowflake


def rows_of(file: Path, view: View, dataset: str = "weave") -> list[Row]:
    with duckdb.connect(str(file), read_only=True) as connection:
        return rows_in(connection, view, dataset)


def rows_in(connection: duckdb.DuckDBPyConnection, view: View, dataset: str = "weave") -> list[Row]:
    cursor = connection.execute(f'SELECT * FROM "{dataset}".{view.name} ORDER BY {", ".join(view.key)}')
    names = [name for name, *_ in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def run_ids(rows: list[Row]) -> set[str]:
    return {row[name] for row in rows for name in row if name in {"run_id", "baseline_run_id", "last_run_id"}}


@dataclasses.dataclass(frozen=True)
class ElsewherePlace(Place):
    """A DuckDB file whose views are in a schema of their own, or nowhere."""

    has_views: bool = True
    views_dataset: str | None = "analytics"

    @property
    def profile(self) -> Profile:
        return dataclasses.replace(super().profile, has_views=self.has_views, views_dataset=self.views_dataset)


def made_views(file: Path) -> set[tuple[str, str]]:
    query = "SELECT schema_name, view_name FROM duckdb_views() WHERE NOT internal"
    with duckdb.connect(str(file), read_only=True) as connection:
        return set(connection.execute(query).fetchall())


@pytest.fixture(scope="module")
def loaded(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A file that two runs were loaded into, for tests that only look."""
    weave_server.clear_faults()
    weave_server.configure()
    weave_server.reset()
    weave_server.bulk(PROJECT, runs=2, rows=3)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("loaded"))
    assert place.load().report.warnings == []
    return place


class TestLoads:
    """What loads leave."""

    def test_a_first_load_leaves_every_view(self, loaded: Place) -> None:
        found = {view.name: rows_of(loaded.file, view) for view in views()}
        for view in views():
            rows = found[view.name]
            assert rows == [] or [*rows[0]] == [column.name for column in view.columns]
        assert {name for name, rows in found.items() if rows} >= {"dim_runs", "fct_trials", "fct_scores"}

    def test_a_range_without_runs_leaves_every_view(self, place: Place, server: WeaveServer) -> None:
        server.bulk(PROJECT, runs=1, rows=3)
        place.load(until="2001-01-01T00:00:00Z")
        assert {name for _, name in made_views(place.file)} == set(view_names())
        assert all(rows_of(place.file, view) == [] for view in views() if view.name != "fct_freshness")

    def test_comments_tell_what_views_and_columns_are(self, loaded: Place) -> None:
        with duckdb.connect(str(loaded.file), read_only=True) as connection:
            of_views = "SELECT view_name, comment FROM duckdb_views() WHERE schema_name = 'weave'"
            assert dict(connection.execute(of_views).fetchall()) == {view.name: view.description for view in views()}
            of_columns = "SELECT column_name, comment FROM duckdb_columns() WHERE table_name = 'fct_run_scores'"
            (view,) = (view for view in views() if view.name == "fct_run_scores")
            found = dict(connection.execute(of_columns).fetchall())
        assert found == {column.name: column.description for column in view.columns}

    def test_every_view_is_planned(self, loaded: Place) -> None:
        with duckdb.connect(str(loaded.file), read_only=True) as connection:
            for view in views():
                assert connection.execute(EXPLAINED.format(view.name)).fetchall()

    def test_a_file_that_was_moved_still_answers(self, loaded: Place, tmp_path: Path) -> None:
        moved = Path(shutil.copy(loaded.file, tmp_path / "moved.duckdb"))
        assert len(rows_of(moved, views_by_name()["fct_trials"])) == 6

    @pytest.mark.slow
    def test_deleted_runs_are_left_out_everywhere(self, place: Place, server: WeaveServer) -> None:
        gone, *others = server.bulk(PROJECT, runs=3, rows=4, scorers=2)
        place.load()
        assert gone in run_ids(rows_of(place.file, views_by_name()["fct_scores"]))
        delete_calls(server, PROJECT, gone)
        place.load()
        assert place.tables()["evaluation_runs"][0].keys() >= {"deleted_at"}
        assert gone in {run["run_id"] for run in place.tables()["evaluation_runs"]}
        found = {view.name: run_ids(rows_of(place.file, view)) for view in views()}
        assert [name for name, ids in found.items() if gone in ids] == []
        assert found["fct_scores"] == set(others)

    @pytest.mark.slow
    def test_the_views_go_to_a_dataset_of_their_own(self, server: WeaveServer, tmp_path: Path) -> None:
        server.bulk(PROJECT, runs=2, rows=3)
        place = ElsewherePlace(server, PROJECT, tmp_path)
        assert place.load().report.warnings == []
        assert made_views(place.file) == {("analytics", name) for name in view_names()}
        assert len(rows_of(place.file, views_by_name()["fct_trials"], "analytics")) == 6

    @pytest.mark.slow
    def test_the_views_are_switched_off(self, server: WeaveServer, tmp_path: Path) -> None:
        server.bulk(PROJECT, runs=2, rows=3)
        place = ElsewherePlace(server, PROJECT, tmp_path, has_views=False)
        assert place.load().report.warnings == []
        assert made_views(place.file) == set()

    def test_a_view_of_somebody_else_stays(self, place: Place, server: WeaveServer) -> None:
        server.bulk(PROJECT, runs=2, rows=3)
        with duckdb.connect(str(place.file)) as connection:
            connection.execute("CREATE SCHEMA weave; CREATE VIEW weave.dim_runs AS SELECT 1 AS mine")
        result = place.load()
        assert result.status == "loaded"
        (warning,) = result.report.warnings
        assert "weave has views called dim_runs that show something else" in warning
        assert "views_dataset" in warning
        assert made_views(place.file) == {("weave", "dim_runs")}

    @pytest.mark.slow
    def test_a_view_that_is_no_longer_declared_goes(
        self, place: Place, server: WeaveServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server.bulk(PROJECT, runs=1, rows=3)
        place.load()
        with duckdb.connect(str(place.file)) as connection:
            connection.execute("CREATE VIEW weave.mine AS SELECT run_id FROM weave.fct_trials")
        last = views()[-1].name
        without = [view for view in views() if view.name != last]
        patch_views(monkeypatch, without)
        server.bulk(PROJECT, runs=1, rows=3, name="more")
        assert place.load().report.warnings == []
        assert made_views(place.file) == {("weave", name) for name in [*(view.name for view in without), "mine"]}

    @pytest.mark.slow
    def test_a_dropped_table_and_view_come_back(self, place: Place, server: WeaveServer) -> None:
        server.bulk(PROJECT, runs=1, rows=3)
        place.load()
        with duckdb.connect(str(place.file)) as connection:
            connection.execute("DROP TABLE weave.feedback; DROP TABLE weave.scorers; DROP VIEW weave.fct_scores")
        server.bulk(PROJECT, runs=1, rows=3, name="more")
        (warning,) = place.load().report.warnings
        assert "weave lacked scorers, which it once had" in warning
        for view in views():
            rows_of(place.file, view)

    @pytest.mark.slow
    def test_a_column_that_no_row_has_come_for_is_made(self, place: Place, server: WeaveServer) -> None:
        server.bulk(PROJECT, runs=1, rows=3)
        place.load()
        with duckdb.connect(str(place.file)) as connection:
            connection.execute("DROP VIEW weave.dim_runs; ALTER TABLE weave.evaluation_runs DROP COLUMN score_count")
        pipeline = make_pipeline(PROJECT, place.profile, place.profile.location(), str(place.folder / "machine"))
        with pipeline.destination_client() as client:
            assert make_views(client, place.profile) == len(views())  # type: ignore[arg-type]
        assert [row["score_count"] for row in rows_of(place.file, views_by_name()["dim_runs"])] == [None]

    def test_what_fails_is_a_warning(self, place: Place, server: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
        server.bulk(PROJECT, runs=1, rows=3)
        broken = dataclasses.replace(views()[0], queries={"duckdb": "SELECT no_such_column FROM {{evaluation_runs}}"})
        patch_views(monkeypatch, [broken, *views()[1:]])
        result = place.load()
        assert result.status == "loaded"
        (warning,) = result.report.warnings
        assert warning.startswith("The rows are loaded, but the views are not those of this version: ")
        assert "no_such_column" in warning
        assert made_views(place.file) == set()


def views_by_name() -> dict[str, View]:
    return {view.name: view for view in views()}


def patch_views(monkeypatch: pytest.MonkeyPatch, changed: list[View]) -> None:
    """Makes `changed` the views of a version of its own."""
    for module in ("place", "catalogue"):
        monkeypatch.setattr(
            f"weave_eval.warehouse.views.{module}.view_names", lambda: sorted(view.name for view in changed)
        )
    monkeypatch.setattr("weave_eval.warehouse.views.place.views", lambda: tuple(changed))
    monkeypatch.setattr("weave_eval.warehouse.views.place.fingerprint", lambda: "0123456789abcdef")


REPLACED = ("evaluation_runs", "result_rows", "trials", "scores", "reconciliations")
"""Tables that views read and whose rows are replaced with their run; a load replaces one table after another."""
BASES = ("before", "after", "without")
FRESHNESS = {"fct_freshness"}
"""Counts all runs, also those whose rows are under way."""


class TestWhileALoadReplacesRuns:
    """Every moment at which some tables hold the new rows and others the old ones."""

    @pytest.fixture
    def states(self, place: Place, server: WeaveServer) -> Iterator[duckdb.DuckDBPyConnection]:
        """The tables before and after a load, attached, and the views on a copy of the tables in `weave`."""
        run_id, _ = server.bulk(PROJECT, runs=2, rows=3, trials=2, scorers=2)
        place.load()
        before = shutil.copy(place.file, place.folder / "before.duckdb")
        trials = [call["id"] for call in server.calls(PROJECT, parent_ids=[run_id])]
        delete_calls(server, PROJECT, trials[0])
        place.load(is_full=True)
        after = shutil.copy(place.file, place.folder / "after.duckdb")
        with duckdb.connect(str(place.file)) as connection:
            connection.execute(f"ATTACH '{before}' AS before (READ_ONLY); ATTACH '{after}' AS after (READ_ONLY)")
            yield connection

    def test_every_table_that_is_replaced_is_tried(self) -> None:
        read = {name for view in views() for name in READ[view.name]}
        assert {table.name for table in TABLES if table.replace == "run" and table.name in read} == set(REPLACED)

    @pytest.mark.slow
    def test_no_half_run_is_shown(self, states: duckdb.DuckDBPyConnection) -> None:
        looked_at = [view for view in views() if set(READ[view.name]) & set(REPLACED) and view.name not in FRESHNESS]
        assert len(looked_at) > 4
        whole = set()
        for base, proofs in itertools.product(BASES, ("before", "after")):
            fill(states, dict.fromkeys(REPLACED, base) | {"reconciliations": proofs})
            whole.add(tuple(shown(states, view) for view in looked_at))
        assert len(whole) == 5  # without runs, proofs show nothing
        for choice in itertools.product(("before", "after"), repeat=len(REPLACED)):
            fill(states, dict(zip(REPLACED, choice, strict=True)))
            assert tuple(shown(states, view) for view in looked_at) in whole, choice


def fill(connection: duckdb.DuckDBPyConnection, sources: dict[str, str]) -> None:
    """Fills the tables from one of the attached files, or (`without`) with nothing."""
    for table, source in sources.items():
        connection.execute(f"DELETE FROM weave.{table}")
        if source != "without":
            connection.execute(f"INSERT INTO weave.{table} SELECT * FROM {source}.weave.{table}")


def shown(connection: duckdb.DuckDBPyConnection, view: View) -> str:
    rows = rows_in(connection, view)
    kept = [{name: value for name, value in row.items() if not name.startswith("days_since")} for row in rows]
    return json.dumps(kept, default=str)


class TestProfiles:
    """What a profile says of the views."""

    def declared(self, tmp_path: Path, lines: str, **options: Any) -> Profile:
        (tmp_path / "destinations.toml").write_text(f'[here]\ntype = "duckdb"\ndataset = "runs"\n{lines}\n')
        return profile("here", tmp_path / "destinations.toml", **options)

    def test_the_views_are_beside_the_tables(self, tmp_path: Path) -> None:
        found = self.declared(tmp_path, "")
        assert (found.has_views, found.dataset_of_views) == (True, "runs")

    def test_another_dataset_for_the_views(self, tmp_path: Path) -> None:
        found = self.declared(tmp_path, 'views_dataset = "Analytics"')
        assert (found.dataset, found.dataset_of_views, found.settings) == ("runs", "analytics", {})

    def test_another_dataset_for_the_tables_has_its_own_views(self, tmp_path: Path) -> None:
        lines = 'views_dataset = "analytics"'
        assert self.declared(tmp_path, lines, dataset="trial").dataset_of_views == "trial"
        assert self.declared(tmp_path, lines, dataset="runs").dataset_of_views == "analytics"

    @pytest.mark.parametrize(
        ("lines", "sentence"),
        [
            ('views = "no"', "has views 'no'; write true or false."),
            ("views_dataset = 3", "has views_dataset 3; give it a name"),
            ('views_dataset = " "', "has views_dataset ' '; give it a name"),
        ],
    )
    def test_what_cannot_be_meant(self, tmp_path: Path, lines: str, sentence: str) -> None:
        with pytest.raises(SettingsError, match=re.escape(sentence)):
            self.declared(tmp_path, lines)
