"""`weave-eval load`: which projects and runs, and where to."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import PROJECT, Run, run_ids
from tests.processes import WEAVE_EVAL, wait_for
from tests.tables_of import tables_of
from tests.weave_server.process import KEY, WeaveServer

pytestmark = pytest.mark.usefixtures("folder")


def test_one_project_fails_and_the_others_are_loaded(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.bulk("acme/second", rows=1)
    projects = [PROJECT, "forbidden-team/x", "acme/second"]
    code, out, err = run("load", *(word for project in projects for word in ("--project", project)))
    assert (code, out) == (1, "")
    assert len(run_ids(folder)) == 3
    first, failed, second = err.splitlines()
    assert (f"project={PROJECT}" in first, "project=acme/second" in second) == (True, True)
    assert "forbidden-team/x" in failed


@pytest.mark.usefixtures("filled")
def test_the_configured_project(folder: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PROJECT", PROJECT)
    assert run("load")[0] == 0
    assert len(run_ids(folder)) == 2


def test_a_dry_run_says_what_would_be_read_and_reads_nothing(filled: WeaveServer, folder: Path, run: Run) -> None:
    code, out, _ = run("load", "--dry-run", "--json", "--project", PROJECT)
    plan = json.loads(out)
    assert (code, plan["status"], plan["runs_to_read"], plan["reasons"]) == (0, "planned", 2, {"new": 2})
    assert filled.requests("eval_results") == []
    assert run_ids(folder) == set()
    run("load", "--project", PROJECT)
    assert json.loads(run("load", "--dry-run", "--json", "--project", PROJECT)[1])["runs_to_read"] == 0


def test_options_of_a_range(filled: WeaveServer, folder: Path, run: Run) -> None:
    first, second = filled.calls(PROJECT, op_names=[f"weave:///{PROJECT}/op/Evaluation.evaluate:*"])
    run("load", "--project", PROJECT, "--run", second["id"])
    assert run_ids(folder) == {second["id"]}
    run("load", "--project", PROJECT, "--until", second["started_at"], "--model", "bulk-model")
    assert run_ids(folder) == {first["id"], second["id"]}


@pytest.mark.usefixtures("filled")
def test_another_dataset(folder: Path, run: Run) -> None:
    assert run("load", "--project", PROJECT, "--dataset", "elsewhere")[0] == 0
    assert (len(run_ids(folder, "elsewhere")), run_ids(folder)) == (2, set())


@pytest.mark.usefixtures("filled")
def test_a_profile_of_destinations_toml(folder: Path, run: Run) -> None:
    profile = '[mine]\ntype = "duckdb"\ndataset = "evals"\ncredentials = "mine.duckdb"\n'
    (folder / "destinations.toml").write_text(profile, encoding="utf-8")
    assert run("load", "--project", PROJECT, "--destination", "mine")[0] == 0
    assert len(tables_of(folder / "mine.duckdb", "evals")["trials"]) == 6


def test_a_held_lock_ends_with_75_and_names_its_holder(filled: WeaveServer, folder: Path, run: Run) -> None:
    filled.add_faults({"kind": "slow", "delay": 4, "match": "eval_results", "times": 1})
    other = subprocess.Popen([*WEAVE_EVAL, "load", "--project", PROJECT], stderr=subprocess.PIPE)
    wait_for((folder / "weave_eval.duckdb.holder").exists)
    code, out, err = run("load", "--project", PROJECT)
    assert (code, out) == (75, "")
    assert f"process {other.pid}" in err
    assert run("load", "--project", PROJECT, "--wait", "30")[0] == 0
    other.communicate(timeout=30)
    assert other.returncode == 0
    assert len(run_ids(folder)) == 2


@pytest.mark.usefixtures("filled")
def test_a_load_of_nothing_new_says_so(run: Run) -> None:
    run("load", "--project", PROJECT)
    assert "status=unchanged" in run("load", "--project", PROJECT)[2]


def test_warnings_are_shown(sdk_project: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", sdk_project.server.url)
    code, out, err = run("load", "--quiet", "--project", sdk_project.name, "--run", sdk_project.ids["function_model"])
    assert (code, out) == (0, "")
    assert err.startswith(f"warning: {sdk_project.name}: run {sdk_project.ids['function_model']}: 4 texts with NUL")


def test_a_project_that_lost_its_runs_is_refused_until_it_is_confirmed(
    filled: WeaveServer, folder: Path, run: Run
) -> None:
    run("load", "--project", PROJECT)
    filled.reset()
    code, out, err = run("load", "--quiet", "--project", PROJECT)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "does not have 2 of the 2 runs" in err
    code, out, _ = run("check", "--project", PROJECT)
    assert code == 1
    assert out.splitlines()[-1].startswith(f"failed runs: {PROJECT}: {filled.url} does not have 2 of the 2 runs")
    assert run("verify", "--project", PROJECT)[0] == 1
    assert run("load", "--project", PROJECT, "--confirm-deletions", "2")[0] == 0
    runs = tables_of(folder / "weave_eval.duckdb")["evaluation_runs"]
    assert [run["deleted_at"] is not None for run in runs] == [True, True]


def test_a_run_that_may_not_be_read_is_named(filled: WeaveServer, folder: Path, run: Run) -> None:
    with filled.faulty({"kind": "403", "match": "eval_results", "times": 1}):
        code, out, err = run("load", "--quiet", "--project", PROJECT)
    assert (code, out, len(run_ids(folder)), err.count("\n")) == (1, "", 1, 1)
    assert err.startswith(f"error: {PROJECT}: 1 run could not be read: ")
    assert run("load", "--quiet", "--project", PROJECT) == (0, "", "")
    assert len(run_ids(folder)) == 2
