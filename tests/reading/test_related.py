"""What is loaded beside runs and their results: versions of objects, feedback, predictions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.loads import LiveRun, Place, days_ago
from tests.tables_of import Row, Tables
from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT, Project, Snapshot
from tests.weave_server.process import WeaveServer

YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def loaded(
    weave_server: WeaveServer, sdk_snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tables, dict[str, str]]:
    """The SDK's project, and its runs by name."""
    weave_server.clear_faults()
    weave_server.configure()
    weave_server.load(sdk_snapshot.path)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("loaded"))
    place.load()
    return place.tables(), sdk_snapshot.ids


def refs(tables: Tables, name: str) -> set[str]:
    return {row["ref"] for row in tables[name]}


def test_every_ref_leads_to_its_row(loaded: tuple[Tables, dict[str, str]]) -> None:
    tables, _ = loaded
    runs, evaluations = tables["evaluation_runs"], tables["evaluations"]
    named = {
        "evaluations": {run["evaluation_ref"] for run in runs if run["evaluation_ref"]},
        "models": {run["model_ref"] for run in runs if run["model_ref"]},
        "scorers": {ref for row in evaluations for ref in row["scorer_refs"] or ()},
        "datasets": {row["dataset_ref"] for row in evaluations if row["dataset_ref"]},
    }
    for table, wanted in named.items():
        assert len(wanted) > 4, table
        assert wanted - refs(tables, table) == set(), table
        assert len(refs(tables, table)) == len(tables[table]), table


def test_functions_that_serve_as_models_and_scorers_are_ops(loaded: tuple[Tables, dict[str, str]]) -> None:
    tables, ids = loaded
    run_models = {run["run_id"]: run["model_ref"] for run in tables["evaluation_runs"]}
    kinds = {row["ref"]: row["kind"] for row in tables["models"]}
    assert kinds[run_models[ids["function_model"]]] == "op"
    assert kinds[run_models[ids["class_model"]]] == "object"
    scorers = {row["name"]: row["kind"] for row in tables["scorers"]}
    assert (scorers["length"], scorers["exact"]) == ("op", "object")


def test_an_unchanged_project_asks_for_no_object(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    place.load()
    place.server.clear_requests()
    place.load()
    assert place.server.requests("/obj") == []
    assert len(place.server.requests("/feedback/query")) == 1
    assert len(place.server.requests()) == 3


def test_a_new_version_comes_with_the_next_run(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    place.load()
    before = place.tables()["models"]
    model = {"name": "bulk-model", "source_code": "class Better: ..."}
    made = place.server.api("POST", f"/v2/{PROJECT}/models", model).json()
    place.load()
    assert place.tables()["models"] == before
    place.server.bulk(PROJECT, rows=1, start=days_ago(0.5), name="later")
    place.load()
    versions = {row["ref"]: row for row in place.tables()["models"]}
    assert versions[made["model_ref"]]["version_index"] == 1
    assert versions[made["model_ref"]]["object_id"] == "bulk-model"
    assert set(versions) > {row["ref"] for row in before}
    assert [versions[row["ref"]] for row in before] == before


def give(server: WeaveServer, call_id: str, kind: str, payload: dict[str, Any], **more: Any) -> str:
    ref = f"weave:///{PROJECT}/call/{call_id}"
    body = {"project_id": PROJECT, "weave_ref": ref, "feedback_type": kind, "payload": payload, **more}
    answer = server.api("POST", "/feedback/create", body)
    answer.raise_for_status()
    return str(answer.json()["id"])


def annotation_ref(server: WeaveServer) -> str:
    val = {"name": "warmth", "field_schema": {"type": "number"}}
    body = {"obj": {"project_id": PROJECT, "object_id": "warmth", "val": val, "builtin_object_class": "AnnotationSpec"}}
    digest = server.api("POST", "/obj/create", body).json()["digest"]
    return f"weave:///{PROJECT}/object/warmth:{digest}"


@pytest.mark.slow
def test_feedback_on_a_run_of_a_year_ago_is_found_by_the_next_load(sdk_project: Project, tmp_path: Path) -> None:
    server, ids = sdk_project.server, sdk_project.ids
    for run_id in (ids["class_model"], ids["v2"]):
        server.shift(PROJECT, run_id, -YEAR)
    place = Place(server, PROJECT, tmp_path)
    place.load()
    before = place.tables()
    run_id = ids["class_model"]
    trial_id = damage.trial_ids(server, PROJECT, run_id)[0]
    (predict,) = [
        call["id"] for call in server.calls(PROJECT, parent_ids=[trial_id]) if "Atlas.predict" in call["op_name"]
    ]
    (prediction,) = server.calls(PROJECT, call_ids=[ids["v2_prediction"]])
    politeness = next(row["extra"]["runnable_ref"] for row in before["feedback"] if row["scorer_name"] == "politeness")
    late = {"prediction_id": prediction["id"], "scorer": politeness, "value": 0.0625, "evaluation_run_id": ids["v2"]}
    note = give(server, run_id, "wandb.note.1", {"note": "a note after a year"}, creator="Ada")
    reaction = give(server, trial_id, "wandb.reaction.1", {"emoji": "👍"})
    annotation = give(
        server, predict, "wandb.annotation.warmth", {"value": 0.625}, annotation_ref=annotation_ref(server)
    )
    server.api("POST", f"/v2/{PROJECT}/scores", late).raise_for_status()
    result = place.load()
    tables = place.tables()
    new = new_rows(before, tables)
    (score,) = [row for row in new.values() if row["scorer_name"] == "politeness"]
    (trial,) = [row for row in tables["trials"] if row["trial_id"] == trial_id]
    assert {name: (row["run_id"], row["trial_id"], row["row_digest"]) for name, row in new.items()} == {
        note: (run_id, None, None),
        reaction: (run_id, trial_id, trial["row_digest"]),
        annotation: (run_id, trial_id, trial["row_digest"]),
        score["feedback_id"]: (ids["v2"], prediction["parent_id"], None),
    }
    assert (new[note]["payload"], new[note]["creator"]) == ({"note": "a note after a year"}, "Ada")
    assert score["payload"] == {"output": 0.0625}
    assert result.report.runs_read == 0
    server.clear_requests()
    assert place.load().status == "unchanged"
    assert len(server.requests("/feedback/query")) == 1


def new_rows(before: Tables, after: Tables) -> dict[str, Row]:
    known = {row["feedback_id"] for row in before["feedback"]}
    return {row["feedback_id"]: row for row in after["feedback"] if row["feedback_id"] not in known}


def test_predictions_are_loaded_where_they_are_wanted(place: Place) -> None:
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    live.finish(grade=1)
    place.server.bulk(PROJECT, rows=2, start=days_ago(1 / 24))
    place.server.clear_requests()
    place.load()
    assert place.server.requests("/predictions") == []
    assert place.tables().get("predictions", []) == []
    live.rename("again")
    place.load(with_predictions=True)
    (row,) = place.tables()["predictions"]
    assert (row["run_id"], row["inputs"], row["output"]) == (live.run_id, {"seat": 1}, "window")
    (trial,) = [trial for trial in place.tables()["trials"] if trial["run_id"] == live.run_id]
    assert row["prediction_id"] == trial["predict_call_id"]
    live.add_trial({"seat": 2}, "aisle")
    live.rename("and again")
    place.load(with_predictions=True)
    assert sorted(row["output"] for row in place.tables()["predictions"]) == ["aisle", "window"]
