"""The proof of each load: every run that was read is compared with what Weave says of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.loads import LiveRun, Place, days_ago, is_page
from tests.tables_of import Tables, lasting, tables_of
from tests.weave_server.fixtures import Project, Snapshot
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import LoadOptions, verify_project
from weave_eval.cli.program import main
from weave_eval.loading import proving
from weave_eval.proof.landed import landed
from weave_eval.proof.reconcile import Landed
from weave_eval.reading.eval_results import EvalResults
from weave_eval.warehouse.table_reader import TableReader
from weave_eval.weave.pages import RunSummary

PROJECT = "acme/support-bot"


@pytest.fixture(
    scope="module",
    params=[pytest.param({}, id="in memory"), pytest.param({"quirks": True}, id="clickhouse", marks=pytest.mark.slow)],
)
def loaded(
    weave_server: WeaveServer,
    sdk_snapshot: Snapshot,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> Tables:
    """The SDK's project, loaded from each kind of server."""
    weave_server.clear_faults()
    weave_server.load(sdk_snapshot.path)
    weave_server.configure(**request.param)
    place = Place(weave_server, PROJECT, tmp_path_factory.mktemp("loaded"))
    assert place.load().unreconciled == []
    weave_server.configure()
    return place.tables()


def test_every_run_has_its_proof(loaded: Tables) -> None:
    proofs = {row["run_id"]: row["load_id"] for row in loaded["reconciliations"]}
    assert len(proofs) == len(loaded["reconciliations"]) == 15
    assert proofs == {run["run_id"]: run["results_load_id"] for run in loaded["evaluation_runs"]}


def test_every_run_is_reconciled(loaded: Tables) -> None:
    assert [row for row in loaded["reconciliations"] if not row["is_reconciled"]] == []


def test_a_proof_counts_what_is_there(loaded: Tables) -> None:
    for proof in loaded["reconciliations"]:
        counts = {
            table: sum(row["run_id"] == proof["run_id"] for row in loaded[table])
            for table in ("result_rows", "trials", "scorer_stats")
        }
        assert proof["row_count"] == counts["result_rows"] == proof["api_row_count"]
        assert proof["trial_count"] == counts["trials"] == (proof["api_trial_count"] or 0)
        assert proof["trial_call_count"] == counts["trials"]
        assert (proof["stats_checked"], proof["stats_differing"]) == (counts["scorer_stats"], 0)


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the command line in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    handler = signal.getsignal(signal.SIGTERM)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        return main(arguments), *capsys.readouterr()

    yield command
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def falsify(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Makes Weave say of a run's trials that there are seven more, so many times."""
    truth = EvalResults.summary

    def start(run_id: str, times: int) -> None:
        left = [times]

        def read(results: EvalResults, asked: str) -> Any:
            summary = truth(results, asked)
            if asked != run_id or not left[0]:
                return summary
            assert isinstance(summary, RunSummary)
            left[0] -= 1
            return msgspec.structs.replace(summary, trial_count=(summary.trial_count or 0) + 7)

        monkeypatch.setattr(EvalResults, "summary", read)

    return start


def pages_of(server: WeaveServer, run_id: str) -> int:
    """How often the first page of the run was asked for."""
    return sum(
        is_page(entry) and run_id in entry["body"]["evaluation_call_ids"] and not entry["body"]["offset"]
        for entry in server.requests("eval_results")
    )


def test_a_run_that_never_agrees_is_read_twice_and_told(
    server: WeaveServer, run: Run, falsify: Callable[[str, int], None], tmp_path: Path
) -> None:
    wrong, right = server.bulk(PROJECT, runs=2, rows=2, scorers=1)
    falsify(wrong, 99)
    code, out, err = run("load", "--project", PROJECT, "--json")
    (result,) = [json.loads(line) for line in out.splitlines()]
    (error,) = [json.loads(line) for line in err.splitlines()]
    assert (code, result["status"], result["unreconciled"]) == (1, "unreconciled", [wrong])
    assert error["level"] == "error"
    assert wrong in error["message"]
    assert right not in error["message"]
    assert pages_of(server, wrong) == pages_of(server, right) + 1
    tables = tables_of(tmp_path / "weave_eval.duckdb")
    proofs = {row["run_id"]: row for row in tables["reconciliations"]}
    assert (proofs[wrong]["is_reconciled"], proofs[right]["is_reconciled"]) == (False, True)
    assert proofs[wrong]["differences"] == [{"what": "trial_count", "api": 9, "ours": 2}]
    assert (proofs[wrong]["api_trial_count"], proofs[wrong]["trial_count"]) == (9, 2)
    assert [sync["status"] for sync in tables["syncs"]] == ["unreconciled"]
    assert "1 not reconciled" in run("status")[1]
    (status,) = [json.loads(line) for line in run("status", "--json")[1].splitlines()]
    assert status["unreconciled_runs"] == 1


@pytest.mark.slow
def test_verify_settles_it_once_weave_is_right_again(
    server: WeaveServer, falsify: Callable[[str, int], None], tmp_path: Path
) -> None:
    (wrong,) = server.bulk(PROJECT, rows=2, scorers=1)
    place = Place(server, PROJECT, tmp_path)
    falsify(wrong, 2)
    assert place.load().unreconciled == [wrong]
    options = LoadOptions(pipelines_dir=str(tmp_path / "machine"))
    assert verify_project(place.settings(), place.profile, options).findings.unproven == [wrong]
    assert [row["is_reconciled"] for row in place.tables()["reconciliations"]] == [True]


def test_a_run_that_agrees_the_second_time_is_well(
    server: WeaveServer, run: Run, falsify: Callable[[str, int], None], tmp_path: Path
) -> None:
    (wrong,) = server.bulk(PROJECT, rows=2, scorers=1)
    falsify(wrong, 1)
    code, _, err = run("load", "--project", PROJECT)
    assert (code, "error" in err) == (0, False)
    tables = tables_of(tmp_path / "weave_eval.duckdb")
    assert [(row["is_reconciled"], row["differences"]) for row in tables["reconciliations"]] == [(True, [])]
    assert "not reconciled" not in run("status")[1]


@pytest.mark.slow
def test_a_run_that_is_still_running_may_differ(
    server: WeaveServer, falsify: Callable[[str, int], None], tmp_path: Path
) -> None:
    place = Place(server, PROJECT, tmp_path)
    live = LiveRun.start(server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    falsify(live.run_id, 1)
    result = place.load()
    assert (result.status, result.unreconciled) == ("loaded", [])
    assert pages_of(server, live.run_id) <= 2  # costs are asked for once more where they are not known
    assert [row["is_reconciled"] for row in place.tables()["reconciliations"]] == [False]
    live.finish(grade=1)
    place.load()
    assert [row["is_reconciled"] for row in place.tables()["reconciliations"]] == [True]


@pytest.mark.parametrize(
    "table", ["trials", *(pytest.param(name, marks=pytest.mark.slow) for name in ("result_rows", "scores"))]
)
def test_rows_that_the_warehouse_lost_are_loaded_again(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    """Between the load and its proof, a run's rows are lost; once."""
    hurt, _ = server.bulk(PROJECT, runs=2, rows=2, scorers=2, start=days_ago(1))
    whole = Place(server, PROJECT, tmp_path / "whole")
    whole.folder.mkdir()
    whole.load()
    place = Place(server, PROJECT, tmp_path)
    losses = [f"DELETE FROM {{{table}}} WHERE run_id = '{hurt}'"]

    def lose_and_count(reader: TableReader, project: str, run_ids: list[str]) -> dict[str, Landed]:
        if losses:
            reader.rows(losses.pop())
        return landed(reader, project, run_ids)

    monkeypatch.setattr(proving, "landed", lose_and_count)
    result = place.load()
    assert (losses, result.unreconciled) == ([], [])
    assert result.report.runs_read == 3
    loads = frozenset({"_dlt_load_id", "results_load_id", "synced_at", "checked_at", "load_id"})
    tables, expected = (lasting(one.tables(), without=loads) for one in (place, whole))
    assert {name: tables[name] for name in tables if name != "syncs"} == {
        name: expected[name] for name in expected if name != "syncs"
    }


@pytest.mark.slow
def test_every_kind_of_run_is_proven_again_after_it_changed(sdk_project: Project, tmp_path: Path) -> None:
    place = Place(sdk_project.server, sdk_project.name, tmp_path)
    place.load()
    before = {row["run_id"]: row["load_id"] for row in place.tables()["reconciliations"]}
    changed = sdk_project.ids["class_model"]
    sdk_project.server.patch_call(sdk_project.name, changed, display_name="renamed")
    place.load()
    after = {row["run_id"]: row["load_id"] for row in place.tables()["reconciliations"]}
    assert {run_id for run_id in after if after[run_id] != before[run_id]} == {changed}
