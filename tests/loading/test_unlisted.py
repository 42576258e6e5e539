"""Evaluations whose op has another name than usual: loaded, or told of with what to set."""

from __future__ import annotations

import pytest

from tests.loads import Place, days_ago
from weave_eval import LoadOptions, verify_project
from weave_eval.reading.discovery import EVALUATE_OPS

TOLD = (
    "Calls of RetryingEvaluation.evaluate look like evaluations too and are not loaded. To load them, set evaluate_ops "
    'to ["Evaluation.evaluate", "Evaluation-evaluate", "RetryingEvaluation.evaluate"], or to '
    '["Evaluation.evaluate", "Evaluation-evaluate"] to leave them out without this warning.'
)


def rename_op(place: Place, run_id: str, op: str) -> None:
    place.server.patch_call(place.project, run_id, op_name=f"weave:///{place.project}/op/{op}:abc")


@pytest.fixture
def runs(place: Place) -> list[str]:
    return place.server.bulk(place.project, runs=2, rows=3, start=days_ago(1))


def test_the_name_of_early_versions(place: Place, runs: list[str]) -> None:
    rename_op(place, runs[0], "Evaluation-evaluate")
    loaded = place.load()
    assert (loaded.unreconciled, loaded.report.warnings) == ([], [])
    assert place.trial_counts() == dict.fromkeys(runs, 3)


def test_a_name_of_its_own_is_told_by_the_first_load_and_by_verify(place: Place, runs: list[str]) -> None:
    rename_op(place, runs[0], "RetryingEvaluation.evaluate")
    assert place.load().report.warnings == [TOLD]
    assert place.load().report.warnings == []
    verified = verify_project(place.settings(), place.profile, LoadOptions(str(place.folder / "machine")))
    assert verified.repair
    assert verified.repair.report.warnings == [TOLD]


def test_a_project_of_nothing_else_is_told_of_each_time(place: Place, runs: list[str]) -> None:
    for run_id in runs:
        rename_op(place, run_id, "RetryingEvaluation.evaluate")
    assert [place.load().report.warnings for _ in range(2)] == [[TOLD]] * 2


@pytest.mark.parametrize("more", [[], ["RetryingEvaluation.evaluate"]])
def test_who_says_what_is_wanted_is_not_told(place: Place, runs: list[str], more: list[str]) -> None:
    rename_op(place, runs[0], "RetryingEvaluation.evaluate")
    loaded = place.load(evaluate_ops=[*EVALUATE_OPS, *more])
    assert loaded.report.warnings == []
    assert len(place.trial_counts()) == 1 + len(more)


def test_a_server_that_cannot_be_asked_is_loaded_all_the_same(place: Place, runs: list[str]) -> None:
    with place.server.faulty({"kind": "403", "match": "calls/stream_query", "skip": 1, "times": 1}):
        loaded = place.load()
    assert (loaded.status, loaded.report.warnings) == ("loaded", [])
    assert place.trial_counts() == dict.fromkeys(runs, 3)
