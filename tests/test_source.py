"""The source as a dlt user runs it: in a pipeline of their own, in part, configured, into any destination."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dlt.common.schema.exceptions import DataValidationError
from dlt.pipeline.exceptions import PipelineStepFailed

from tests.loads import Place, kinds
from tests.tables_of import Tables, lasting, tables_of
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import Settings, weave_eval
from weave_eval.tables import TABLES_BY_NAME

PROJECT = "acme/support-bot"
RESULT_TABLES = ("evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats")
RUNS, ROWS, TRIALS = 3, 4, 2


@pytest.fixture
def filled(server: WeaveServer) -> WeaveServer:
    """A server with a small project, its log of requests empty."""
    server.bulk(PROJECT, runs=RUNS, rows=ROWS, trials=TRIALS, scorers=2)
    server.clear_requests()
    return server


Pipelines = Callable[..., dlt.Pipeline]


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipelines:
    """Makes a user's pipeline; into a DuckDB file, if no destination is given."""

    def make(destination: Any = None) -> dlt.Pipeline:
        return dlt.pipeline(
            pipeline_name="my_pipeline",
            destination=destination or dlt.destinations.duckdb(str(tmp_path / "mine.duckdb")),
            dataset_name="evals",
            pipelines_dir=str(tmp_path / "pipelines"),
        )

    return make


def source(server: WeaveServer, **settings: Any) -> Any:
    return weave_eval(PROJECT, api_key=KEY, base_url=server.url, **settings)


def loaded(tmp_path: Path) -> Tables:
    return {name: rows for name, rows in tables_of(tmp_path / "mine.duckdb", "evals").items() if rows}


def test_a_pipeline_of_the_users_own(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    pipeline().run(source(filled))
    place = Place(filled, PROJECT, tmp_path)
    place.load()
    mine, theirs = lasting(loaded(tmp_path)), place.lasting()
    assert {name: mine[name] for name in RESULT_TABLES} == {name: theirs[name] for name in RESULT_TABLES}


def test_its_second_run_reads_what_is_new(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    pipeline().run(source(filled))
    before = loaded(tmp_path)
    filled.clear_requests()
    info = pipeline().run(source(filled))
    assert info is None or not info.loads_ids
    assert kinds(filled) == {"listing": 1, "count": 1}
    assert loaded(tmp_path) == before


def test_statistics_alone_need_no_rows(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    pipeline().run(source(filled).with_resources("scorer_stats"))
    assert kinds(filled) == {"listing": 1, "count": 1, "summary": RUNS}
    assert loaded(tmp_path).keys() == {"scorer_stats"}
    assert len({stat["run_id"] for stat in loaded(tmp_path)["scorer_stats"]}) == RUNS


@pytest.mark.parametrize(
    ("selected", "expected"),
    [
        (("trials",), (RUNS, 0)),
        (("scores", "result_rows"), (RUNS, 0)),
        (("dataset_rows",), (RUNS, 0)),
        (("evaluation_runs", "scorer_stats"), (0, RUNS)),
        (("trials", "scorer_stats"), (RUNS, RUNS)),
        (RESULT_TABLES, (RUNS, RUNS)),
    ],
)
def test_every_answer_is_fetched_once_whatever_is_selected(
    filled: WeaveServer, pipeline: Pipelines, tmp_path: Path, selected: tuple[str, ...], expected: tuple[int, int]
) -> None:
    pipeline().run(source(filled).with_resources(*selected))
    counted = kinds(filled)
    assert (counted.get("page", 0), counted.get("summary", 0)) == expected
    assert loaded(tmp_path).keys() == set(selected)


def test_inputs_are_asked_for_only_if_wanted(filled: WeaveServer, pipeline: Pipelines) -> None:
    pipeline().run(source(filled).with_resources("trials", "scores"))
    asked = [entry["body"] for entry in filled.requests("eval_results")]
    assert not any(body.get("include_raw_data_rows") for body in asked)


def test_the_source_names_its_tables(filled: WeaveServer) -> None:
    written_by_others = {"reconciliations", "syncs", "gate_decisions"}
    assert source(filled).resources.keys() - {"readings"} == TABLES_BY_NAME.keys() - written_by_others
    assert source(filled).schema_contract == {"tables": "freeze", "columns": "freeze", "data_type": "freeze"}


def test_a_column_that_is_not_declared_is_refused(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    mine = source(filled)
    mine.trials.add_map(lambda rows: rows.append_column("mood", pa.array(["sunny"] * rows.num_rows)))
    with pytest.raises(PipelineStepFailed) as error:
        pipeline(dlt.destinations.filesystem(f"file://{tmp_path}/bucket")).run(mine)
    assert isinstance(error.value.exception, DataValidationError)
    assert "mood" in str(error.value.exception)


def test_settings_from_the_environment(
    filled: WeaveServer, pipeline: Pipelines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"PROJECT": PROJECT, "API_KEY": KEY, "BASE_URL": filled.url, "PAGE_ROWS": "3", "PARALLELISM": "2"}
    for name, value in settings.items():
        monkeypatch.setenv(f"SOURCES__WEAVE_EVAL__{name}", value)
    pipeline().run(weave_eval())
    assert len(loaded(tmp_path)["trials"]) == RUNS * ROWS * TRIALS
    limits = {entry["body"]["limit"] for entry in filled.requests("eval_results") if "limit" in entry["body"]}
    assert limits == {1, 3}


def test_an_argument_comes_before_the_environment(
    filled: WeaveServer, pipeline: Pipelines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PROJECT", "acme/nothing-here")
    pipeline().run(source(filled))
    assert len(loaded(tmp_path)["evaluation_runs"]) == RUNS


def test_settings_as_an_object(filled: WeaveServer, pipeline: Pipelines) -> None:
    settings = Settings()
    settings.update({"page_rows": 2})
    pipeline().run(source(filled, settings=settings))
    assert {entry["body"]["limit"] for entry in filled.requests("eval_results") if "limit" in entry["body"]} == {2}


def test_a_range_as_arguments(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    runs = filled.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])
    wanted = sorted(run["started_at"] for run in runs)[1]
    pipeline().run(source(filled, since=wanted))
    assert len(loaded(tmp_path)["evaluation_runs"]) == RUNS - 1


@pytest.mark.slow
def test_two_projects_in_one_pipeline(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    filled.bulk("acme/other", rows=1)
    for project in (PROJECT, "acme/other", PROJECT):
        pipeline().run(weave_eval(project, api_key=KEY, base_url=filled.url))
    runs = [run["project_id"] for run in loaded(tmp_path)["evaluation_runs"]]
    assert sorted(runs) == ["acme/other", *[PROJECT] * RUNS]


def test_a_destination_without_a_form_of_its_own(filled: WeaveServer, pipeline: Pipelines, tmp_path: Path) -> None:
    bucket = tmp_path / "bucket"
    pipeline(dlt.destinations.filesystem(f"file://{bucket}")).run(source(filled))
    tables = {name: parquet_rows(bucket / "evals" / name) for name in RESULT_TABLES}
    assert {name: len(rows) for name, rows in tables.items()} == {
        "evaluation_runs": RUNS,
        "dataset_rows": ROWS,
        "result_rows": RUNS * ROWS,
        "trials": RUNS * ROWS * TRIALS,
        "scores": RUNS * ROWS * TRIALS * 3,
        "scorer_stats": RUNS * 3,
    }
    assert {row["total_tokens"] for row in tables["trials"]} == {15}


def parquet_rows(folder: Path) -> list[dict[str, Any]]:
    return [row for file in folder.glob("**/*.parquet") for row in pq.read_table(file).to_pylist()]
