"""`weave-eval dbt`: dbt reads the sources, its tests hold for the demo and fail where they should."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from tests.stand_ins.environments import python_of
from weave_eval.cli.program import main
from weave_eval.tables import TABLES_BY_NAME
from weave_eval.warehouse.views.model import views

PROJECT = {
    "name": "answers",
    "version": "1.0",
    "profile": "answers",
    "flags": {"send_anonymous_usage_stats": False},
}
PROFILE = {"answers": {"target": "demo", "outputs": {"demo": {"type": "duckdb", "path": "demo.duckdb", "threads": 2}}}}


def sources(folder: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    """The tables and views that `sources.yml` declares, by name."""
    assert main(["dbt", "--out", str(folder), *arguments]) == 0
    made = yaml.safe_load((folder / "sources.yml").read_text(encoding="utf-8"))
    return {table["name"]: {**table, "schema": one["schema"]} for one in made["sources"] for table in one["tables"]}


def test_every_table_and_column_is_declared(tmp_path: Path) -> None:
    declared = {name: [column["name"] for column in table["columns"]] for name, table in sources(tmp_path).items()}
    tables = {name: [c.name for c in table.columns] for name, table in TABLES_BY_NAME.items() if name != "predictions"}
    assert declared == {**tables, **{view.name: [c.name for c in view.columns] for view in views()}}


def test_descriptions_types_and_origins_are_told(tmp_path: Path) -> None:
    scores = sources(tmp_path)["scores"]
    (passed,) = (column for column in scores["columns"] if column["name"] == "value_bool")
    expected = TABLES_BY_NAME["scores"].column("value_bool")
    assert passed["description"] == expected.description
    assert passed["data_type"] == "BOOLEAN"
    assert passed["config"]["meta"] == {"origin": expected.origin}


@pytest.mark.parametrize(("warehouse", "schema"), [("postgres", "mine"), ("snowflake", "MINE")])
def test_names_are_those_of_the_warehouse(
    warehouse: str, schema: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'[here]\ntype = "{warehouse}"\n', encoding="utf-8")
    monkeypatch.setenv("WEAVE_EVAL_DESTINATIONS", str(profiles))
    declared = sources(tmp_path, "--destination", "here", "--dataset", "mine")
    assert declared["trials"]["schema"] == f"{{{{ var('weave_eval_schema', '{schema}') }}}}"
    assert declared["trials"].get("identifier", "trials") == ("TRIALS" if warehouse == "snowflake" else "trials")


@pytest.fixture
def project(demo_file: Path, tmp_path: Path) -> Path:
    """A dbt project with the sources, on a copy of the demo's file."""
    shutil.copy(demo_file, tmp_path / "demo.duckdb")
    sources(tmp_path / "models")
    (tmp_path / "dbt_project.yml").write_text(yaml.safe_dump(PROJECT), encoding="utf-8")
    (tmp_path / "profiles.yml").write_text(yaml.safe_dump(PROFILE), encoding="utf-8")
    return tmp_path


def dbt(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs dbt. In a time zone far from UTC, for times must not be taken for local ones."""
    command = [str(python_of("dbt").with_name("dbt")), *arguments, "--profiles-dir", ".", "--no-version-check"]
    environment = {**os.environ, "TZ": "America/New_York"}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def results(project: Path, name: str) -> dict[str, dict[str, Any]]:
    found = json.loads((project / "target" / name).read_text(encoding="utf-8"))["results"]
    return {result["unique_id"].split(".")[2]: result for result in found}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dbt_tests_and_freshness_hold_for_the_demo(project: Path) -> None:
    parsed = dbt(project, "parse", "--show-all-deprecations", "--no-partial-parse")
    assert parsed.returncode == 0, parsed.stdout
    assert "eprecat" not in parsed.stdout
    tested = dbt(project, "test")
    assert tested.returncode == 0, tested.stdout
    assert {result["status"] for result in results(project, "run_results.json").values()} == {"pass"}
    assert dbt(project, "source", "freshness").returncode == 0
    fresh = json.loads((project / "target" / "sources.json").read_text(encoding="utf-8"))["results"]
    assert len(fresh) == 2
    assert all(0 <= result["max_loaded_at_time_ago_in_s"] < 3600 for result in fresh)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_dbt_finds_what_is_wrong(project: Path) -> None:
    with duckdb.connect(str(project / "demo.duckdb")) as connection:
        connection.execute("DELETE FROM weave.trials WHERE trial_id = (SELECT min(trial_id) FROM weave.scores)")
        connection.execute("INSERT INTO weave.result_rows SELECT * FROM weave.result_rows LIMIT 1")
        connection.execute("UPDATE weave.evaluation_runs SET status = 'lost' WHERE status = 'failed'")
        connection.execute("UPDATE weave.syncs SET finished_at = finished_at - INTERVAL 3 DAY")
    assert dbt(project, "test", "--select", "source:weave_eval").returncode == 1
    failed = [name for name, result in results(project, "run_results.json").items() if result["status"] == "fail"]
    assert sorted(name.partition("__")[0] for name in failed) == [
        "source_accepted_values_weave_eval_evaluation_runs_status",
        "source_relationships_weave_eval_scores_trial_id",
        "unique_result_rows_key",
    ]
    assert dbt(project, "source", "freshness").returncode == 1
