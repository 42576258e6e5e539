"""The server itself: access, what the seeds leave behind, faults and the other controls."""

import json
import math
import pathlib
from typing import Any

import pytest
import requests

from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT, Project
from tests.weave_server.process import KEY, WeaveServer

RUNS = f"/v2/{PROJECT}/evaluation_runs"
RESULTS = f"/v2/{PROJECT}/eval_results/query"


def results(project: Project, *names: str, **body: Any) -> dict[str, Any]:
    asked = {"evaluation_run_ids": [project.ids[name] for name in names], **body}
    response = project.server.api("POST", RESULTS, asked)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = json.loads(response.text)
    return answer


def trials(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [trial for row in answer["rows"] for part in row["evaluations"] for trial in part["trials"]]


def run(project: Project, name: str) -> dict[str, Any]:
    (found,) = project.server.calls(project.name, call_ids=[project.ids[name]])
    return found


@pytest.mark.parametrize(
    ("auth", "detail"),
    [
        (None, "Not authenticated"),
        (("api", "another-key"), "Invalid authentication credentials"),
        (("someone", KEY), "Invalid authentication credentials"),
    ],
)
def test_only_the_key_opens(server: WeaveServer, auth: tuple[str, str] | None, detail: str) -> None:
    response = requests.get(server.url + RUNS, auth=auth, timeout=10)
    assert (response.status_code, response.json()) == (401, {"detail": detail})


def test_another_key_after_a_change(server: WeaveServer) -> None:
    server.configure(key="rotated-key")
    assert server.api("GET", RUNS).status_code == 401
    server.configure()
    assert server.api("GET", RUNS).status_code == 200


def test_forbidden_and_unknown_projects(server: WeaveServer) -> None:
    forbidden = server.api("GET", "/v2/forbidden-team/x/evaluation_runs")
    assert (forbidden.status_code, forbidden.json()) == (403, {"reason": "Forbidden"})
    assert server.api("GET", RUNS).status_code == 200
    server.configure(strict_projects=True)
    unknown = server.api("GET", RUNS)
    assert unknown.status_code == 404
    assert PROJECT in unknown.json()["reason"]


def test_wrong_requests_are_refused(server: WeaveServer) -> None:
    assert server.api("GET", RUNS, params={"limit": "many"}).status_code == 422
    unknown_field = server.api("POST", "/calls/stream_query", {"project_id": PROJECT, "colour": "blue"})
    assert unknown_field.json()["detail"][0]["type"] == "extra_forbidden"
    assert server.api("POST", RESULTS, {}).status_code == 422


def test_settings_with_wrong_names_are_refused(server: WeaveServer) -> None:
    with pytest.raises(ValueError, match="No such settings: colour"):
        server.configure(colour="blue")


def test_status_of_every_run(sdk_project: Project) -> None:
    op = f"weave:///{PROJECT}/op/Evaluation.evaluate:*"
    calls = sdk_project.server.calls(PROJECT, op_names=[op])
    names = {call_id: name for name, call_id in sdk_project.ids.items()}
    assert {names[call["id"]]: call["summary"]["weave"]["status"] for call in calls} == {
        "class_model": "success",
        "function_model": "success",
        "model_raises": "descendant_error",
        "scorer_raises": "error",
        "summarize_raises": "error",
        "nested": "descendant_error",
        "logger_finished": "success",
        "logger_odd_inputs": "success",
        "logger_failed": "error",
        "logger_empty": "success",
        "logger_running": "running",
        "v2": "success",
        "v2_running": "running",
        "rescored": "success",
        "crashed": "running",
    }
    assert run(sdk_project, "nested")["parent_id"]


def test_trials_and_duplicate_rows(sdk_project: Project) -> None:
    answer = results(sdk_project, "class_model")
    counts = sorted(len(row["evaluations"][0]["trials"]) for row in answer["rows"])
    assert (answer["total_rows"], counts) == (3, [2, 2, 4])
    assert {tuple(sorted(trial["scores"])) for trial in trials(answer)} == {("exact", "judge", "length")}


def test_scores_of_every_shape(sdk_project: Project) -> None:
    scores = trials(results(sdk_project, "function_model"))[0]["scores"]
    assert {name: type(value) for name, value in scores.items()} == {
        "closeness": float,
        "verdict": str,
        "shapes": dict,
        "nothing": type(None),
        "listed": list,
        "empty": dict,
    }
    assert scores["shapes"]["huge"] == 2**70
    assert {"a.b", "a", "with space", "🎯", "UPPER", "upper", ""} <= scores["shapes"].keys()
    assert scores["shapes"]["nul"] == "a\x00b"


@pytest.mark.parametrize(("name", "failed"), [("model_raises", 1), ("scorer_raises", 2)])
def test_failed_trials_have_no_scores(sdk_project: Project, name: str, failed: int) -> None:
    found = trials(results(sdk_project, name))
    assert len([trial for trial in found if not trial["scores"] and trial["model_output"] is None]) == failed
    assert len(found) == 4


def test_logged_inputs_and_outputs_of_any_type(sdk_project: Project) -> None:
    answer = results(sdk_project, "logger_odd_inputs", include_raw_data_rows=True)
    inputs = [row["raw_data_row"] for row in answer["rows"]]
    assert sorted(map(str, inputs)) == ["42", "['x', 'y']", "just text"]
    assert {str(trial["model_output"]) for trial in trials(answer)} == {"['a', 'list']", "None", "True"}


def test_runs_that_were_left_have_their_finished_trials(sdk_project: Project) -> None:
    assert len(trials(results(sdk_project, "crashed"))) == 4
    assert [trial["scores"] for trial in trials(results(sdk_project, "logger_running"))] == [{"tone": 0.1875}]
    assert results(sdk_project, "logger_empty")["total_rows"] == 0


def test_failed_run_says_why(sdk_project: Project) -> None:
    error = json.loads(run(sdk_project, "logger_failed")["exception"])
    assert error == {"type": "RuntimeError", "message": "judge quota exhausted"}


def test_late_score_is_only_among_scores(sdk_project: Project) -> None:
    found = [trial["scores"].keys() for trial in trials(results(sdk_project, "v2"))]
    assert sorted(map(sorted, found)) == [["politeness"], ["politeness", "resolved"]]
    params = {"evaluation_run_id": sdk_project.ids["v2"]}
    lines = sdk_project.server.api("GET", f"/v2/{PROJECT}/scores", params=params).text.splitlines()
    assert sdk_project.ids["late_score"] in {json.loads(line)["score_id"] for line in lines}
    assert len(lines) == 4


def test_rescored_run_names_its_source(sdk_project: Project) -> None:
    read = sdk_project.server.api("GET", f"{RUNS}/{sdk_project.ids['rescored']}").json()
    assert read["source_evaluation_run_id"] == sdk_project.ids["v2"]
    assert read["status"] == "completed"


@pytest.mark.parametrize("scores", [None, ["a", "list"], f"weave:///{PROJECT}/object/big:digest"])
def test_poisoned_trial_breaks_eval_results(sdk_project: Project, scores: Any) -> None:
    run_id = sdk_project.ids["class_model"]
    trial = damage.trial_ids(sdk_project.server, PROJECT, run_id)[3]
    damage.poison(sdk_project.server, PROJECT, trial, scores)
    assert sdk_project.server.api("POST", RESULTS, {"evaluation_run_ids": [run_id]}).status_code == 500


@pytest.mark.parametrize(
    "dataset", ["weave:///secret-team/x/object/rows:digest", f"weave:///{PROJECT}/object/gone:digest"]
)
def test_unresolvable_rows_stay_refs(sdk_project: Project, dataset: str) -> None:
    damage.move_rows(sdk_project.server, PROJECT, sdk_project.ids["class_model"], dataset)
    answer = results(sdk_project, "class_model", include_raw_data_rows=True, resolve_row_refs=True)
    shown = "weave-private://" if "secret" in dataset else dataset
    assert {row["raw_data_row"][: len(shown)] for row in answer["rows"]} == {shown}


def test_rows_of_a_deleted_dataset(sdk_project: Project) -> None:
    damage.delete_dataset(sdk_project.server, PROJECT, "class_model-rows")
    ref = run(sdk_project, "class_model")["inputs"]["self"]
    (evaluation,) = sdk_project.server.api("POST", "/refs/read_batch", {"refs": [ref]}).json()["vals"]
    gone = sdk_project.server.api("POST", "/refs/read_batch", {"refs": [evaluation["dataset"]]})
    assert gone.json() == {"vals": [None]}


@pytest.mark.parametrize(
    ("rule", "status", "header"),
    [
        ({"kind": "503"}, 503, None),
        ({"kind": "429_retry_after", "retry_after": 7}, 429, "7"),
        ({"kind": "502_html"}, 502, None),
        ({"kind": "empty"}, 200, None),
    ],
)
def test_faults_with_an_answer(server: WeaveServer, rule: dict[str, Any], status: int, header: str | None) -> None:
    server.add_faults({**rule, "match": "evaluation_runs", "times": 1})
    response = server.api("GET", RUNS)
    assert (response.status_code, response.headers.get("Retry-After")) == (status, header)
    assert server.api("GET", RUNS).status_code == 200
    assert [entry["fault"] for entry in server.requests("evaluation_runs")] == [rule["kind"], None]


@pytest.mark.parametrize("kind", ["drop_before", "drop_connection"])
def test_faults_that_cut_the_connection(sdk_project: Project, kind: str) -> None:
    with sdk_project.server.faulty({"kind": kind}), pytest.raises(requests.RequestException):
        sdk_project.server.api("GET", RUNS)


def test_faults_in_the_body(sdk_project: Project) -> None:
    server = sdk_project.server
    whole = server.api("GET", RUNS).content
    with server.faulty({"kind": "truncate_body", "line": True}):
        part = server.api("GET", RUNS).content
    assert whole.startswith(part)
    assert 0 < len(part) < len(whole)
    assert part.endswith(b"\n")
    with (
        server.faulty({"kind": "malformed_json"}),
        pytest.raises(ValueError, match=r"Expecting|Invalid|Extra"),
    ):
        server.api("POST", RESULTS, {"evaluation_run_ids": [sdk_project.ids["v2"]]}).json()


def test_faults_on_every_third_request_after_two(server: WeaveServer) -> None:
    server.add_faults({"kind": "500", "every": 3, "skip": 2, "method": "get"})
    assert [server.api("GET", RUNS).status_code for _ in range(8)] == [200, 200, 200, 200, 500, 200, 200, 500]
    assert [(rule["seen"], rule["fired"]) for rule in server.faults()] == [(8, 2)]


def test_unknown_fault(server: WeaveServer) -> None:
    with pytest.raises(ValueError, match="No such fault: flood"):
        server.add_faults({"kind": "flood"})


def test_log_of_requests(server: WeaveServer) -> None:
    server.api("GET", RUNS, params={"models": ["m1", "m2"]})
    server.api("POST", "/calls/stream_query", {"project_id": PROJECT, "limit": 3})
    first, second = server.requests()
    assert first["query"] == [["models", "m1"], ["models", "m2"]]
    assert (second["method"], second["body"]) == ("POST", {"project_id": PROJECT, "limit": 3})
    assert KEY not in json.dumps([first, second])
    server.clear_requests()
    assert server.requests() == []


def test_bulk(server: WeaveServer) -> None:
    ids = server.bulk(PROJECT, runs=2, rows=5, trials=3, scorers=2, start="2026-02-03T04:05:06+00:00")
    first, second = server.calls(PROJECT, call_ids=ids)
    assert [first["started_at"], second["started_at"]] == ["2026-02-03T04:05:06Z", "2026-02-03T04:06:06Z"]
    project = Project(server, PROJECT, {"bulk": ids[0]})
    answer = results(project, "bulk", include_raw_data_rows=True, resolve_row_refs=True)
    assert (answer["total_rows"], len(trials(answer))) == (5, 15)
    assert {row["raw_data_row"]["expected"] for row in answer["rows"]} == {f"answer {row}" for row in range(5)}


def test_bulk_of_more_than_a_thousand_trials(server: WeaveServer) -> None:
    (run_id,) = server.bulk(PROJECT, rows=1001, scorers=1, is_finished=False, is_dataset_backed=False)
    assert len(trials(results(Project(server, PROJECT, {"bulk": run_id}), "bulk"))) == 1001


def test_time_travel(sdk_project: Project) -> None:
    before = run(sdk_project, "v2")
    sdk_project.server.shift(PROJECT, before["id"], -86_400)
    assert run(sdk_project, "v2")["started_at"] < before["started_at"]
    sdk_project.server.patch_call(PROJECT, before["id"], ended_at=None)
    assert run(sdk_project, "v2")["summary"]["weave"]["status"] == "running"


def test_save_and_load(server: WeaveServer, tmp_path: pathlib.Path) -> None:
    (run_id,) = server.bulk(PROJECT, rows=2)
    server.save(tmp_path / "state")
    server.reset()
    assert server.calls(PROJECT) == []
    server.load(tmp_path / "state")
    assert run_id in {call["id"] for call in server.calls(PROJECT)}


def test_clickhouse_quirks(sdk_project: Project) -> None:
    past_the_end = results(sdk_project, "logger_odd_inputs", offset=10)
    stock = {row["row_digest"] for row in results(sdk_project, "logger_odd_inputs")["rows"]}
    sdk_project.server.configure(quirks=True)
    quirky = {row["row_digest"] for row in results(sdk_project, "logger_odd_inputs")["rows"]}
    assert ({len(digest) for digest in stock}, {len(digest) for digest in quirky}) == ({43}, {64})
    assert past_the_end["total_rows"] == 3
    assert results(sdk_project, "logger_odd_inputs", offset=10)["total_rows"] == 0
    assert results(sdk_project, "logger_odd_inputs", include_rows=False)["total_rows"] == 3


def test_nan(server: WeaveServer) -> None:
    (run_id,) = server.bulk(PROJECT, rows=1, scorers=1)
    (trial,) = damage.trial_ids(server, PROJECT, run_id)
    server.patch_call(PROJECT, trial, output={"output": None, "scores": {"broken": math.nan}})
    project = Project(server, PROJECT, {"bulk": run_id})
    assert trials(results(project, "bulk"))[0]["scores"] == {"broken": None}
    server.configure(nan="literal")
    assert math.isnan(trials(results(project, "bulk"))[0]["scores"]["broken"])
    server.configure(nan="error")
    assert server.api("POST", RESULTS, {"evaluation_run_ids": [run_id]}).status_code >= 400


def test_gzip(sdk_project: Project) -> None:
    plain = results(sdk_project, "class_model")
    sdk_project.server.configure(gzip=True)
    asked = {"evaluation_run_ids": [sdk_project.ids["class_model"]]}
    response = sdk_project.server.api("POST", RESULTS, asked)
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.json() == plain


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_newest_server_takes_the_seeds() -> None:
    with WeaveServer.start("0.53.12") as server:
        ids = server.seed("rest", PROJECT) | server.seed("crash", PROJECT)
        project = Project(server, PROJECT, ids)
        assert {trial["total_cost"] for trial in trials(results(project, "v2"))} == {None}
        assert len(trials(results(project, "crashed"))) == 4
