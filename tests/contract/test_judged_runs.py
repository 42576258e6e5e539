"""Runs to be judged are the same in every warehouse as in Weave, and a decision can be written to each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone

import pytest

from tests.contract.place import Landing
from tests.weave_server.fixtures import PROJECT, Snapshot
from weave_eval.judging.gate import judge
from weave_eval.judging.rules import parse_rules
from weave_eval.judging.run_results import RunFacts, RunSource
from weave_eval.loading.context import connect
from weave_eval.loading.records import record_decision
from weave_eval.reading.judged_runs import ApiRuns
from weave_eval.warehouse.judged_runs import judged_runs

RULES = '[[rules]]\nmeasure = "rows"\nmin = 1\nname = "it\'s \\"odd\\" \\\\ ß"'
DECIDED_AT = datetime(2026, 11, 3, 4, 5, 6, 789000, tzinfo=timezone.utc)


def all_runs(source: RunSource) -> list[RunFacts]:
    return sorted(source.starting_with("0"), key=lambda run: run.run_id)


def of_the_run(run: RunFacts) -> RunFacts:
    """Without what one place alone can know: the end of a run that never ended."""
    is_open = run.status in ("running", "abandoned")
    return replace(run, status="running", finished_at=None) if is_open else run


def test_runs_are_those_of_weave(loaded: Landing) -> None:
    client = connect(loaded.settings())
    weave = ApiRuns(loaded.settings(), client)
    with judged_runs(loaded.profile) as warehouse:
        runs = all_runs(warehouse)
        assert len(runs) > 5
        assert [run.run_id for run in runs] == [run.run_id for run in all_runs(weave)]
        for run in runs:
            here, there = warehouse.results(run), weave.results(run)
            assert of_the_run(here.run) == of_the_run(there.run)
            assert here.rows == there.rows
            digests = sorted(here.rows)[:3]
            assert warehouse.contents([run], digests) == weave.contents([run], digests)
    client.close()


def test_runs_are_found_by_name(loaded: Landing, sdk_snapshot: Snapshot) -> None:
    with judged_runs(loaded.profile, PROJECT) as warehouse:
        (run,) = warehouse.starting_with(all_runs(warehouse)[3].run_id)
        assert run.run_id == all_runs(warehouse)[3].run_id
        assert warehouse.starting_with("%") == warehouse.starting_with("_") == []
        named = [each for each in all_runs(warehouse) if each.model_name and not each.is_deleted]
        model = str(named[0].model_name)
        same = [each for each in named if each.model_name == model]
        newest_first = sorted(same, key=lambda each: each.started_at, reverse=True)
        assert warehouse.of_model(model) == newest_first
        name = newest_first[-1].evaluation_name
        assert warehouse.of_model(model, name) == [each for each in newest_first if each.evaluation_name == name]
        assert warehouse.of_model("no such model") == []
    assert sdk_snapshot.ids


@pytest.mark.parametrize("project", [None, "acme/another"])
def test_another_projects_runs_are_left_out(loaded: Landing, project: str | None) -> None:
    with judged_runs(loaded.profile, project) as warehouse:
        assert bool(all_runs(warehouse)) == (project is None)


def test_a_decision_is_written(loaded: Landing) -> None:
    with judged_runs(loaded.profile) as warehouse:
        run = next(each for each in all_runs(warehouse) if each.status == "completed")
        decision = judge(parse_rules(RULES, "gate.toml"), warehouse.results(run))
    ids = [record_decision(loaded.profile, decision, DECIDED_AT, "warehouse") for _ in range(2)]
    rows = {row["decision_id"]: row for row in loaded.tables()["gate_decisions"]}
    assert rows.keys() == set(ids)
    row = rows[ids[0]]
    assert (row["run_id"], row["decision"], row["decided_at"]) == (run.run_id, "passed", DECIDED_AT)
    assert row["rules"] == decision.rules.document
    assert row["results"] == decision.as_dict()["checks"]
