"""The synthetic API agrees with the loader, and every program that is measured lands the same trials."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import requests

from tests.benchmarks.contenders.download import Download
from tests.benchmarks.project import PROJECT_ID, SCORERS, Project
from tests.benchmarks.running_api import RunningApi, running_api
from tests.benchmarks.shape import Shape
from tests.checkout import CHECKOUT
from tests.tables_of import lasting, tables_of
from weave_eval import LoadOptions, LoadResult, load_project, resolve_settings
from weave_eval.warehouse.profiles import Profile

SHAPE = Shape(runs=3, rows=7, input_bytes=90, output_bytes=110)
TRIALS = 21


@pytest.fixture(scope="module")
def api() -> Iterator[RunningApi]:
    with running_api(SHAPE) as running:
        yield running


def load(api: RunningApi, folder: Path, **changed: Any) -> LoadResult:
    """Loads the project into `warehouse.duckdb`."""
    settings = resolve_settings(project=PROJECT_ID, api_key="key", base_url=api.url, **changed)
    profile = Profile("duckdb", "duckdb", "weave", {"credentials": str(folder / "warehouse.duckdb")})
    return load_project(settings, profile, LoadOptions(pipelines_dir=str(folder / "machine")))


def query(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def test_a_load_is_complete_and_reconciles(api: RunningApi, tmp_path: Path) -> None:
    result = load(api, tmp_path)

    assert (result.status, result.report.warnings) == ("loaded", [])
    expected = {"evaluation_runs": 3, "dataset_rows": 7, "result_rows": TRIALS, "trials": TRIALS}
    expected |= {"scores": 4 * TRIALS, "scorer_stats": 4 * 3, "scorers": 4, "models": 3}
    assert {name: result.report.rows[name] for name in expected} == expected
    proofs = query(tmp_path, "SELECT is_reconciled, stats_checked, differences FROM weave.reconciliations")
    assert proofs == [(True, 4, "[]")] * 3
    missing = "SELECT count(*) FROM weave.trials WHERE started_at IS NULL OR predict_call_id IS NULL"
    assert query(tmp_path, missing) == [(0,)]


@pytest.mark.slow
def test_pages_of_any_size_give_the_same_tables(api: RunningApi, tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "pages").mkdir()

    load(api, tmp_path / "whole")
    load(api, tmp_path / "pages", page_rows=3)

    whole, pages = (lasting(tables_of(tmp_path / name / "warehouse.duckdb")) for name in ("whole", "pages"))
    assert pages == whole


@pytest.mark.slow
def test_an_edit_changes_the_latest_runs_alone(api: RunningApi, tmp_path: Path) -> None:
    load(api, tmp_path)
    unchanged = load(api, tmp_path)
    with running_api(replace(SHAPE, changed=2, edit=1)) as edited:
        changed = load(edited, tmp_path, confirm_server=edited.url)
        again = load(edited, tmp_path)

    assert (unchanged.status, changed.report.reasons, again.status) == ("unchanged", {"changed": 2}, "unchanged")
    assert query(tmp_path, "SELECT count(*), count(DISTINCT trial_id) FROM weave.trials") == [(TRIALS, TRIALS)]


def test_scores_have_four_shapes() -> None:
    (row, *_) = Project(SHAPE).block(1, 0).rows
    (trial,) = json.loads(row)["evaluations"][0]["trials"]

    assert tuple(trial["scores"]) == SCORERS == tuple(trial["scorer_call_ids"])
    correct, similarity, rubric, verdict = trial["scores"].values()
    kinds = (type(correct), type(similarity), type(rubric["tone"]["grade"]), type(verdict))
    assert kinds == (bool, float, int, str)


def test_inputs_and_outputs_have_the_size_that_was_asked_for() -> None:
    (row, *_) = Project(Shape(runs=1, rows=2, input_bytes=1_000, output_bytes=2_000)).block(0, 0).rows
    found = json.loads(row)
    (trial,) = found["evaluations"][0]["trials"]

    sizes = [len(json.dumps(value, separators=(",", ":"))) for value in (found["raw_data_row"], trial["model_output"])]
    assert sizes == [1_000, 2_000]


def test_answers_are_packed_where_that_is_wanted(api: RunningApi) -> None:
    url = f"{api.url}/v2/{PROJECT_ID}/eval_results/query"
    body = {"evaluation_run_ids": [Project(SHAPE).run_ids[0]], "include_raw_data_rows": True, "resolve_row_refs": True}

    packed, plain = (
        requests.post(url, json=body, headers={"Accept-Encoding": encoding}, timeout=60)
        for encoding in ("gzip", "identity")
    )

    assert (packed.headers.get("Content-Encoding"), plain.headers.get("Content-Encoding")) == ("gzip", None)
    assert packed.json() == plain.json()
    assert len(plain.json()["rows"]) == SHAPE.rows


def test_latency_and_traffic(api: RunningApi) -> None:
    before = api.traffic()
    api.set_latency(0.05)
    Download(api.url).runs()
    api.set_latency(0.0)
    served = api.traffic().since(before)

    assert served.requests == 1
    assert served.body_bytes >= served.sent_bytes > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("floor", "trials"),
        ("snippets", "trials"),
        ("normalize", "trials"),
        ("rest_api", "weave.results__evaluations__trials"),
    ],
)
def test_every_contender_lands_every_trial(api: RunningApi, tmp_path: Path, name: str, counted: str) -> None:
    module = f"tests.benchmarks.contenders.{name}"
    subprocess.run(
        [sys.executable, "-m", module, api.url, str(tmp_path / "warehouse.duckdb")], cwd=CHECKOUT, check=True
    )

    found = query(tmp_path, f"SELECT count(*), count(DISTINCT predict_call_id) FROM {counted}")
    assert found == [(TRIALS, TRIALS)]


@pytest.mark.slow
def test_the_floor_lands_what_a_load_lands(api: RunningApi, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks.contenders.floor", api.url, str(tmp_path / "floor.duckdb")]
    subprocess.run(command, cwd=CHECKOUT, check=True)
    load(api, tmp_path)

    floor = tables_of(tmp_path / "floor.duckdb", "main")
    ours = tables_of(tmp_path / "warehouse.duckdb")
    for table, rows in floor.items():
        columns = rows[0].keys() - {"score_id", "scorer_stat_id"}
        landed = [{name: row[name] for name in columns} for row in ours[table]]
        assert sorted(landed, key=repr) == sorted(({name: row[name] for name in columns} for row in rows), key=repr)
