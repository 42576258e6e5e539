"""The demo: its API answers as Weave's does, and its tables hold what the story tells."""

import json
import math
import pathlib
from collections.abc import Iterator
from typing import Any

import dlt
import pytest
import requests
from sqlalchemy import Connection, create_engine, text

from tests.demo import questions
from weave_eval import weave_eval
from weave_eval.api.client import WeaveClient
from weave_eval.api.limiter import RateLimiter
from weave_eval.demo.api import DemoApi
from weave_eval.demo.story import FLAKY_ROWS, QUERIES, REGRESSIONS, Query, answer, summary
from weave_eval.errors import NotFoundError, RefusedKeyError
from weave_eval.reading.discovery import list_runs, read_v2_run
from weave_eval.times import parse_time
from weave_eval.warehouse.profiles import Profile
from weave_eval.weave.run_filter import RunFilter

RUNS = 15


@pytest.fixture(scope="module")
def api() -> Iterator[DemoApi]:
    with DemoApi() as running:
        yield running


@pytest.fixture(scope="module")
def client(api: DemoApi) -> Iterator[WeaveClient]:
    made = client_with_key(api, api.key)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pipeline(api: DemoApi, tmp_path_factory: pytest.TempPathFactory) -> dlt.Pipeline:
    """A pipeline that has loaded the demo; the run that never ended still counts as running."""
    folder = tmp_path_factory.mktemp("demo")
    destination = dlt.destinations.duckdb(str(folder / "weave_eval.duckdb"))
    made = dlt.pipeline("demo", destination=destination, dataset_name="weave", pipelines_dir=str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCES__WEAVE_EVAL__ABANDON_AFTER_DAYS", "100000")
        load(made, api)
        assert load(made, api).loads_ids == []
    return made


def load(pipeline: dlt.Pipeline, api: DemoApi) -> Any:
    return pipeline.run(weave_eval(api.project, api_key=api.key, base_url=api.url))


@pytest.fixture(scope="module")
def tables(pipeline: dlt.Pipeline) -> Iterator[Connection]:
    file = pathlib.Path(pipeline.pipelines_dir) / "weave_eval.duckdb"
    with create_engine(f"duckdb:///{file}").connect() as connection:
        yield connection


def client_with_key(api: DemoApi, key: str) -> WeaveClient:
    return WeaveClient(api.url, key, api.project, limiter=RateLimiter(1000))


def rows(tables: Connection, sql: str) -> list[Any]:
    return [tuple(row) for row in tables.execute(text(sql))]


def post(api: DemoApi, path: str, **body: Any) -> Any:
    body = {"project_id": api.project, **body}
    response = requests.post(api.url + path, json=body, auth=("api", api.key), timeout=10)
    response.raise_for_status()
    return response.json() if "jsonl" not in response.headers["Content-Type"] else lines(response)


def lines(response: requests.Response) -> list[Any]:
    return [json.loads(line) for line in response.content.split(b"\n") if line]


def get(api: DemoApi, route: str, **parameters: Any) -> requests.Response:
    url = f"{api.url}/v2/{api.project}/{route}"
    return requests.get(url, params=parameters, auth=("api", api.key), timeout=10)


def results(api: DemoApi, run_id: str, **body: Any) -> Any:
    return post(api, f"/v2/{api.project}/eval_results/query", evaluation_call_ids=[run_id], **body)


def run_ids(client: WeaveClient) -> list[str]:
    return [run.run_id for run in list_runs(client, RunFilter())]


class TestApi:
    """The API alone."""

    def test_refuses_another_key(self, api: DemoApi) -> None:
        with pytest.raises(RefusedKeyError):
            list_runs(client_with_key(api, "another"), RunFilter())
        assert requests.get(f"{api.url}/v2/{api.project}/predictions", timeout=10).status_code == 401

    def test_lists_all_runs_latest_first(self, client: WeaveClient) -> None:
        starts = [run.started_at for run in list_runs(client, RunFilter())]
        assert len(starts) == RUNS
        assert starts == sorted(starts, reverse=True)
        assert (starts[-1].isoformat()[:10], starts[0].isoformat()[:10]) == ("2026-10-30", "2026-11-20")

    def test_filters_runs(self, client: WeaveClient) -> None:
        middle = parse_time("2026-11-09T11:47:19Z")
        since = {run.run_id for run in list_runs(client, RunFilter(since=middle))}
        until = {run.run_id for run in list_runs(client, RunFilter(until=middle))}
        assert (len(since), len(until), since & until) == (9, 6, set())
        assert len(list_runs(client, RunFilter(models=("helpdesk-small",)))) == 4
        assert len(list_runs(client, RunFilter(evaluations=("refund-policy",), since=middle))) == 2
        assert [run.run_id for run in list_runs(client, RunFilter(run_ids=(min(since),)))] == [min(since)]

    def test_pages_calls(self, api: DemoApi, client: WeaveClient) -> None:
        chosen = {"parent_ids": [run_ids(client)[-1]]}
        calls = post(api, "/calls/stream_query", filter=chosen)
        paged = post(api, "/calls/stream_query", filter=chosen, limit=5, offset=20)
        assert calls[20:] == paged
        assert len(paged) == 5
        assert post(api, "/calls/query_stats", filter=chosen)["count"] == 25
        assert post(api, "/calls/stream_query", filter=chosen, columns=["id"], limit=1) == [{"id": calls[0]["id"]}]

    def test_knows_no_other_run_project_or_route(self, api: DemoApi, client: WeaveClient) -> None:
        with pytest.raises(NotFoundError, match="no evaluation run 404"):
            read_v2_run(client, "404")
        assert read_v2_run(client, run_ids(client)[0]).status == "running"
        asked = {"project_id": "acme/other", "filter": {}}
        found = [
            requests.post(api.url + path, json=asked, auth=("api", api.key), timeout=10).status_code
            for path in ("/calls/stream_query", "/v2/acme/other/eval_results/query", "/calls/delete")
        ]
        assert found == [404, 404, 404]

    def test_refuses_what_is_no_json(self, api: DemoApi) -> None:
        response = requests.post(api.url + "/objs/query", data=b"{", auth=("api", api.key), timeout=10)
        assert response.status_code == 400

    def test_gives_what_is_asked_for(self, api: DemoApi, client: WeaveClient) -> None:
        first = run_ids(client)[-1]
        bare = results(api, first, limit=10, offset=20)
        assert (len(bare["rows"]), bare["total_rows"], bare["summary"]) == (4, 24, None)
        assert all(row["raw_data_row"] is None for row in bare["rows"])
        (refs,) = results(api, first, limit=1, include_raw_data_rows=True)["rows"]
        (resolved,) = results(api, first, limit=1, include_raw_data_rows=True, resolve_row_refs=True)["rows"]
        assert refs["raw_data_row"].endswith(resolved["row_digest"])
        assert set(resolved["raw_data_row"]) == {"category", "question", "expected", "reference"}
        summarized = results(api, first, include_rows=False, include_summary=True)
        assert summarized["rows"] == []
        assert [each["evaluation_call_id"] for each in summarized["summary"]["evaluations"]] == [first]
        assert results(api, "404") == {"rows": [], "total_rows": 0, "summary": None, "warnings": []}

    def test_gives_costs_on_request(self, api: DemoApi, client: WeaveClient) -> None:
        run_id = run_ids(client)[-1]
        assert {trial["total_cost"] for trial in trials(results(api, run_id))} == {None}
        costs = [trial["total_cost"] for trial in trials(results(api, run_id, include_costs=True))]
        total = results(api, run_id, include_rows=False, include_summary=True)["summary"]["evaluations"][0]
        assert math.isclose(sum(costs), total["predict_total_cost"])
        assert sum(costs) > 0

    def test_queries_objects(self, api: DemoApi) -> None:
        chosen = {"base_object_classes": ["Evaluation"], "is_op": False, "object_ids": ["support-faq"]}
        versions = post(api, "/objs/query", filter=chosen)["objs"]
        assert [version["version_index"] for version in versions] == [0, 1, 2, 3]
        descending = [{"field": "created_at", "direction": "desc"}]
        assert post(api, "/objs/query", filter=chosen, sort_by=descending, limit=1)["objs"] == versions[-1:]
        assert {each["kind"] for each in post(api, "/objs/query", filter={"is_op": True})["objs"]} == {"op"}

    def test_lists_what_the_v2_api_made(self, api: DemoApi, client: WeaveClient) -> None:
        (run,) = lines(get(api, "evaluation_runs"))
        predictions = lines(get(api, "predictions", evaluation_run_id=run["evaluation_run_id"]))
        assert len(predictions) == 6
        assert lines(get(api, "predictions", limit=2, offset=4)) == predictions[4:]
        assert lines(get(api, "predictions", evaluation_run_id=run_ids(client)[-1])) == []

    def test_has_feedback_of_people_and_a_late_score(self, api: DemoApi, client: WeaveClient) -> None:
        runs = {run.run_id: run for run in list_runs(client, RunFilter())}
        (late,) = feedback(api, "wandb.runnable.late-tone")
        (note,) = feedback(api, "wandb.note.1")
        noted = runs[note["weave_ref"].rsplit("/", 1)[-1]]
        assert noted.display_name == "large, brief prompt"
        assert noted.finished_at
        assert parse_time(note["created_at"]) > noted.finished_at
        assert {each["payload"]["emoji"] for each in feedback(api, "wandb.reaction.1")} == {"👍", "👎"}
        assert parse_time(late["created_at"]) > runs[run_ids(client)[-2]].started_at
        since = {"$gte": [{"$getField": "created_at"}, {"$literal": note["created_at"]}]}
        newer = post(api, "/feedback/query", query={"$expr": since})["result"]
        assert newer[0]["id"] == note["id"]


def trials(answered: Any) -> list[Any]:
    return [trial for row in answered["rows"] for each in row["evaluations"] for trial in each["trials"]]


def feedback(api: DemoApi, kind: str) -> list[Any]:
    is_kind = {"$eq": [{"$getField": "feedback_type"}, {"$literal": kind}]}
    found: list[Any] = post(api, "/feedback/query", query={"$expr": is_kind})["result"]
    return found


class TestTables:
    """What was planted in the project, found in the loaded tables."""

    def test_a_new_prompt_breaks_some_answers(self, tables: Connection) -> None:
        found = rows(tables, REGRESSIONS.sql)
        assert {str(row[2]) for row in found} == {"2026-11-09"}
        assert sorted(row[3] for row in found) == sorted(each.question for each in questions.LOST_BY_BREVITY)

    def test_one_row_is_flaky(self, tables: Connection) -> None:
        found = rows(tables, FLAKY_ROWS.sql)
        assert {(row[3], row[4], row[5]) for row in found} == {(questions.FLAKY.question, 2, 1)}

    def test_a_stricter_scorer_lowers_the_tone(self, tables: Connection) -> None:
        found = rows(
            tables,
            "SELECT display_name, evaluation_digest, model_digest, avg(value_number) "
            "FROM weave.evaluation_runs JOIN weave.scores USING (run_id) "
            "WHERE path = 'tone.score' AND display_name IN ('large, longer returns', 'large, stricter tone') "
            "GROUP BY ALL ORDER BY display_name",
        )
        (_, before, model, mild), (_, after, same_model, strict) = found
        assert before != after
        assert model == same_model
        assert mild - strict > 0.15

    def test_the_dataset_is_edited_once(self, tables: Connection) -> None:
        changed = f"inputs ->> '$.question' = '{questions.LONGER_RETURNS.question}'"
        sql = f"SELECT DISTINCT inputs ->> '$.expected' FROM weave.dataset_rows WHERE {changed} AND is_resolved"
        assert {"14 days", "30 days"} <= {expected for (expected,) in rows(tables, sql)}
        added = rows(
            tables,
            "SELECT min(started_at)::DATE::TEXT FROM weave.evaluation_runs JOIN weave.result_rows USING (run_id) "
            "JOIN weave.dataset_rows USING (row_digest) "
            f"WHERE inputs ->> '$.question' = '{questions.GIFT_CARDS.question}'",
        )
        assert added == [("2026-11-06",)]

    def test_one_run_fails_with_all_its_rows(self, tables: Connection) -> None:
        sql = "SELECT error, row_count, trial_count FROM weave.evaluation_runs WHERE status = 'failed'"
        ((error, *counts),) = rows(tables, sql)
        assert json.loads(error)["type"] == "ZeroDivisionError"
        assert counts == [25, 25]

    def test_the_model_raises_on_one_row(self, tables: Connection) -> None:
        sql = (
            "SELECT run.status, inputs ->> '$.question', latency_seconds, trial.output, trial.error, score_id "
            "FROM weave.trials AS trial JOIN weave.dataset_rows USING (row_digest) "
            "JOIN weave.evaluation_runs AS run USING (run_id) LEFT JOIN weave.scores USING (trial_id) "
            "WHERE trial.is_error"
        )
        ((status, question, seconds, output, error, score),) = rows(tables, sql)
        assert (status, question, output, score) == ("completed", questions.TIMES_OUT.question, None, None)
        assert seconds > 30
        assert json.loads(error)["type"] == "TimeoutError"

    def test_one_run_is_imperative(self, tables: Connection) -> None:
        sql = "SELECT evaluation_name, model_name, trial_count FROM weave.evaluation_runs WHERE is_imperative"
        assert rows(tables, sql) == [("live-chats-evaluation", "helpdesk-large", 8)]

    def test_one_run_has_not_ended(self, tables: Connection) -> None:
        sql = "SELECT status, trial_count FROM weave.evaluation_runs WHERE finished_at IS NULL"
        assert rows(tables, sql) == [("running", 9)]

    def test_scores_have_every_type(self, tables: Connection) -> None:
        kinds = {"correct": "binary", "tone": "continuous", "similarity": "continuous", "resolution": "text"}
        sql = "SELECT DISTINCT scorer_name, value_type FROM weave.scores"
        assert set(kinds.items()) <= set(rows(tables, sql))
        labels = rows(tables, "SELECT DISTINCT value_text FROM weave.scores WHERE scorer_name = 'resolution'")
        assert {label for (label,) in labels} == {"answered", "asked back", "handed over"}

    def test_trials_follow_each_other_within_their_run(self, tables: Connection) -> None:
        overlaps = (
            "SELECT count(*) FROM ("
            "SELECT *, lag(finished_at) OVER (PARTITION BY run_id ORDER BY started_at) AS earlier FROM weave.trials"
            ") WHERE started_at < earlier OR finished_at <= started_at"
        )
        outside = (
            "SELECT count(*) FROM weave.trials AS trial JOIN weave.evaluation_runs AS run USING (run_id) "
            "WHERE trial.started_at <= run.started_at OR trial.finished_at >= run.finished_at"
        )
        assert rows(tables, overlaps) == rows(tables, outside) == [(0,)]

    def test_larger_models_take_longer_and_use_tokens(self, tables: Connection) -> None:
        sql = (
            "SELECT median(latency_seconds), min(trial.total_tokens) FROM weave.trials AS trial "
            "JOIN weave.evaluation_runs USING (run_id) WHERE trial.total_tokens IS NOT NULL "
            "GROUP BY model_name ORDER BY model_name"
        )
        (large, large_tokens), (small, small_tokens) = rows(tables, sql)
        assert 0.3 < small < large < 5
        assert min(large_tokens, small_tokens) > 50


class TestStory:
    """What is printed."""

    def test_summary_counts_runs_and_rows(self, tables: Connection) -> None:
        said = summary(tables, Profile("duckdb", "duckdb", "weave", {}))
        first = "15 evaluation runs from 2026-10-30 to 2026-11-20: 13 completed, 1 failed, 1 running."
        assert said.splitlines()[0] == first
        assert "trials            316" in said

    @pytest.mark.parametrize("query", QUERIES, ids=lambda query: query.title)
    def test_queries_have_answers(self, tables: Connection, query: Query) -> None:
        header, *found = answer(tables, query).splitlines()
        assert header.split()[:2] in (["evaluation", "model"], ["model", "version"], ["model", "day"])
        assert len(found) == len(rows(tables, query.sql)) > 0


def test_recording_names_no_folders(api: DemoApi) -> None:
    failed = {"$not": [{"$eq": [{"$getField": "exception"}, {"$literal": None}]}]}
    calls = post(api, "/calls/stream_query", query={"$expr": failed})
    frames = [frame for call in calls for frame in json.loads(call["exception"])["traceback"]]
    assert {frame["filename"] for frame in frames} == {"support_bot.py"}
