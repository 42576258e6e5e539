"""`weave-eval looker`: the LookML parses, all that it refers to exists, and the SQL that it means answers rightly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import lkml
import pytest
import sqlglot
import yaml

from weave_eval.cli.program import main
from weave_eval.tables import TABLES_BY_NAME
from weave_eval.warehouse.views.model import view_names

REFERENCE = re.compile(r"\$\{(?:(\w+)\.)?(\w+)\}")
COLUMN = re.compile(r"\$\{TABLE\}\.([`\"])(\w+)\1")
AGGREGATES = {
    "sum": "SUM({sql})",
    "average": "AVG({sql})",
    "count_distinct": "COUNT(DISTINCT {sql})",
    "percentile": "PERCENTILE_CONT(0.{percentile}) WITHIN GROUP (ORDER BY {sql})",
    "number": "{sql}",
    "count": "COUNT(*)",
}
WAREHOUSES = ("duckdb", "postgres", "bigquery", "snowflake")

Field = dict[str, Any]


class Project:
    """A LookML project as Looker reads it: what its fields, joins and measures mean in SQL."""

    def __init__(self, folder: Path):
        self.model = lkml.load((folder / "weave_eval.model.lkml").read_text(encoding="utf-8"))
        self.dashboards = yaml.safe_load((folder / "weave_eval.dashboard.lookml").read_text(encoding="utf-8"))
        parsed = [lkml.load(path.read_text(encoding="utf-8")) for path in folder.glob("views/*.view.lkml")]
        self.views: dict[str, Field] = {view["name"]: view for one in parsed for view in one["views"]}
        self.explores: dict[str, Field] = {explore["name"]: explore for explore in self.model["explores"]}

    def dimensions(self, view: str) -> dict[str, str]:
        """SQL of each dimension by the name that one selects, times by timeframe."""
        found = {field["name"]: field["sql"] for field in self.views[view]["dimensions"]}
        for group in self.views[view].get("dimension_groups", []):
            found |= {f"{group['name']}_{timeframe}": group["sql"] for timeframe in group["timeframes"]}
        return found

    def measures(self, view: str) -> dict[str, Field]:
        return {field["name"]: field for field in self.views[view]["measures"]}

    def sources(self, explore: str) -> dict[str, str]:
        """The view behind each alias of an explore."""
        joined = {join["name"]: join.get("from", join["name"]) for join in self.explores[explore].get("joins", [])}
        return {explore: explore, **joined}

    def dimension_sql(self, alias: str, view: str, name: str) -> str:
        return self.dimensions(view)[name].replace("${TABLE}", f'"{alias}"')

    def measure_sql(self, alias: str, measure: Field) -> str:
        sql = measure.get("sql", "").replace("${TABLE}", f'"{alias}"')
        return AGGREGATES[measure["type"]].format(sql=sql, percentile=measure.get("percentile"))

    def from_sql(self, explore: str) -> str:
        """FROM and its joins."""
        sources = self.sources(explore)
        lines = [f'FROM {self.views[explore]["sql_table_name"]} AS "{explore}"']
        for join in self.explores[explore].get("joins", []):
            on = REFERENCE.sub(lambda m: self.dimension_sql(m[1], sources[m[1]], m[2]), join["sql_on"])
            table = self.views[sources[join["name"]]]["sql_table_name"]
            lines.append(f'LEFT JOIN {table} AS "{join["name"]}" ON {on}')
        return " ".join(lines)


def written(folder: Path, *arguments: str) -> Project:
    assert main(["looker", "--connection", "warehouse", "--out", str(folder), *arguments]) == 0
    return Project(folder)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return written(tmp_path_factory.mktemp("looker"))


@pytest.fixture(scope="module")
def demo(demo_file: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The demo's tables and views, all as tables: what each view answers is computed once."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{demo_file}' AS demo (READ_ONLY); CREATE SCHEMA weave")
        for name in (*TABLES_BY_NAME, *view_names()):
            connection.execute(f"CREATE TABLE weave.{name} AS FROM demo.weave.{name}")
        yield connection


def test_model_names_the_connection_and_finds_its_files(project: Project) -> None:
    assert project.model["connection"] == "warehouse"
    assert project.model["includes"] == ["views/*.view.lkml", "*.dashboard.lookml"]
    assert project.model["datagroups"][0]["name"] == project.model["persist_with"]
    assert set(view_names()) <= project.views.keys()
    assert {name for name in view_names() if name.startswith("fct_")} | {
        "dim_runs",
        "feedback",
    } <= project.explores.keys()


def test_every_column_is_there(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    for name, view in project.views.items():
        columns = {row[0] for row in demo.execute(f"DESCRIBE {view['sql_table_name']}").fetchall()}
        used = {match[2] for field in fields(view) for match in COLUMN.finditer(field.get("sql", ""))}
        assert used == columns, name


def fields(view: Field) -> list[Field]:
    return [*view["dimensions"], *view.get("dimension_groups", []), *view["measures"]]


def test_names_in_a_view_differ(project: Project) -> None:
    for name in project.views:
        names = Counter([*project.dimensions(name), *project.measures(name)])
        assert [field for field, count in names.items() if count > 1] == [], name


def test_each_view_has_one_key_that_tells_rows_apart(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    for name, view in project.views.items():
        (key,) = (field["name"] for field in view["dimensions"] if field.get("primary_key") == "yes")
        sql = (
            f"SELECT COUNT(DISTINCT {project.dimension_sql('v', name, key)}), COUNT(*) FROM {view['sql_table_name']} v"
        )
        distinct, rows = demo.execute(sql).fetchone() or (0, 1)
        assert distinct == rows, name


def test_a_key_of_several_columns_keeps_them_apart(project: Project) -> None:
    sql = project.dimensions("fct_run_scores")["row_key"].replace("${TABLE}.", "")
    made = duckdb.sql(f"SELECT {sql} FROM (VALUES ('a', 'bc'), ('ab', 'c'), ('a:b', 'c')) AS t(run_id, metric)")
    assert len(set(made.fetchall())) == 3


def test_joins_are_of_fields_that_exist_and_multiply_no_rows(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    for name in project.explores:
        alone = demo.execute(f"SELECT COUNT(*) FROM {project.views[name]['sql_table_name']}").fetchone()
        assert demo.execute(f"SELECT COUNT(*) {project.from_sql(name)}").fetchone() == alone, name


def test_joins_find_rows(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    found: Counter[str] = Counter()
    for name in project.explores:
        for alias, view in project.sources(name).items():
            key = next(
                field["name"] for field in project.views[view]["dimensions"] if field.get("primary_key") == "yes"
            )
            sql = f"SELECT COUNT({project.dimension_sql(alias, view, key)}) {project.from_sql(name)}"
            found[alias] += (demo.execute(sql).fetchone() or (0,))[0]
    assert [alias for alias, count in found.items() if count == 0] == ["fct_gate_decisions"]  # the demo has none


def test_one_to_one_joins_are(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    met = 0
    for explore in project.explores.values():
        for join in explore.get("joins", []):
            if join["relationship"] == "one_to_one":
                met += 1
                view = project.sources(explore["name"])[join["name"]]
                column = REFERENCE.findall(join["sql_on"])[0][1]
                table = project.views[explore["name"]]["sql_table_name"]
                sql = f"SELECT COUNT(*) - COUNT(DISTINCT {column}) FROM {table}"
                assert demo.execute(sql).fetchone() == (0,), view
    assert met > 1


def test_all_dimensions_and_measures_of_an_explore_are_answered(
    project: Project, demo: duckdb.DuckDBPyConnection
) -> None:
    for name in project.explores:
        sources = project.sources(name).items()
        picked = [
            project.dimension_sql(alias, view, field) for alias, view in sources for field in project.dimensions(view)
        ]
        demo.execute(f"SELECT {', '.join(picked)} {project.from_sql(name)} LIMIT 1").fetchall()
        counted = [project.measure_sql(name, measure) for measure in project.measures(name).values()]
        demo.execute(f"SELECT {', '.join(counted)} {project.from_sql(name)}").fetchall()


@pytest.mark.parametrize(
    ("field", "where", "sql"),
    [
        ("fct_scores.pass_rate", "metric = 'correct'", "SELECT AVG(CAST(is_passed AS INT)) FROM weave.fct_scores"),
        ("fct_trials.error_rate", "TRUE", "SELECT AVG(CAST(is_error AS INT)) FROM weave.fct_trials"),
        ("fct_trials.latency_p95", "TRUE", "SELECT QUANTILE_CONT(latency_seconds, 0.95) FROM weave.fct_trials"),
        ("fct_trials.total_cost_sum", "TRUE", "SELECT SUM(total_cost) FROM weave.fct_trials"),
        (
            "fct_run_scores.overall_pass_rate",
            "TRUE",
            "SELECT AVG(CAST(is_passed AS INT)) FROM weave.fct_scores",
        ),
        ("fct_run_scores.overall_mean", "metric = 'correct'", "SELECT AVG(value) FROM weave.fct_scores"),
    ],
)
def test_measures_mean_what_they_say(
    project: Project, demo: duckdb.DuckDBPyConnection, field: str, where: str, sql: str
) -> None:
    explore, measure = field.split(".")
    asked = project.measure_sql(explore, project.measures(explore)[measure])
    (found,) = demo.execute(f"SELECT {asked} FROM weave.{explore} AS {explore} WHERE {where}").fetchone() or (None,)
    (expected,) = demo.execute(f"{sql} WHERE {where}").fetchone() or (None,)
    assert found == pytest.approx(expected)
    assert found > 0


def test_dashboard_shows_fields_that_exist(project: Project, demo: duckdb.DuckDBPyConnection) -> None:
    (dashboard,) = project.dashboards
    for element in dashboard["elements"]:
        sources = project.sources(element["explore"])
        shown = [
            *element["fields"],
            *element.get("filters", {}),
            *element["listen"].values(),
            *element.get("pivots", []),
        ]
        shown += [sort.partition(" ")[0] for sort in element.get("sorts", [])]
        for alias, name in (field.split(".") for field in shown):
            view = sources[alias]
            assert name in project.dimensions(view) or name in project.measures(view), f"{alias}.{name}"
        assert rows_of(project, demo, element), element["title"]
    for declared in dashboard["filters"]:
        alias, name = declared["field"].split(".")
        assert name in project.dimensions(project.sources(declared["explore"])[alias])


def rows_of(project: Project, demo: duckdb.DuckDBPyConnection, element: Field) -> list[tuple[Any, ...]]:
    sources = project.sources(element["explore"])
    picked = []
    for alias, name in (field.split(".") for field in element["fields"]):
        measure = project.measures(sources[alias]).get(name)
        sql = project.measure_sql(alias, measure) if measure else project.dimension_sql(alias, sources[alias], name)
        picked.append(f'{sql} AS "{alias}.{name}"')
    filters = [
        project.dimension_sql(alias, sources[alias], name)
        for alias, name in (field.split(".") for field in element.get("filters", {}))
    ]
    where = f"WHERE {' AND '.join(filters)}" if filters else ""
    return demo.execute(
        f"SELECT {', '.join(picked)} {project.from_sql(element['explore'])} {where} GROUP BY ALL"
    ).fetchall()


def test_tiles_of_the_dashboard_do_not_overlap(project: Project) -> None:
    (dashboard,) = project.dashboards
    covered = [
        (row, column)
        for tile in dashboard["elements"]
        for row in range(tile["row"], tile["row"] + tile["height"])
        for column in range(tile["col"], tile["col"] + tile["width"])
    ]
    assert len(covered) == len(set(covered))
    assert max(column for _, column in covered) == 23


@pytest.mark.parametrize("warehouse", WAREHOUSES)
def test_sql_is_that_of_the_warehouse(warehouse: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[here]\ntype = "{warehouse}"\ndataset = "odd_name"\n', encoding="utf-8")
    monkeypatch.setenv("WEAVE_EVAL_DESTINATIONS", str(profiles))
    made = written(tmp_path / "out", "--destination", "here")
    quote = "`" if warehouse == "bigquery" else '"'
    name = "ODD_NAME" if warehouse == "snowflake" else "odd_name"
    for view in made.views.values():
        assert view["sql_table_name"].startswith(f"{quote}{name}{quote}.")
        for field in fields(view):
            sql = REFERENCE.sub("t", field.get("sql", "1"))
            sqlglot.parse_one(sql, read=warehouse)
            columns = [match[2] for match in COLUMN.finditer(field.get("sql", ""))]
            assert all(column == (column.upper() if warehouse == "snowflake" else column.lower()) for column in columns)


@pytest.mark.parametrize("name", ['x" label: "y', "a\nb", "${x}", "", "a ;; b"])
def test_a_connection_that_cannot_be_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["looker", "--connection", name, "--out", str(tmp_path)]) == 2
    assert "The connection is" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
