"""Runs that were deleted in Weave: marked or removed, and back again where they were restored."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.loads import LiveRun, Place, days_ago, delete_calls
from tests.tables_of import Row, Tables, lasting
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, verify_project
from weave_eval.errors import TransientApiError
from weave_eval.warehouse.status import project_statuses

OF_A_RUN = ("result_rows", "trials", "scores", "scorer_stats", "reconciliations")


def verify(place: Place) -> Any:
    return verify_project(place.settings(), place.profile, LoadOptions(pipelines_dir=str(place.folder / "machine")))


def run_row(tables: Tables, run_id: str) -> Row:
    (row,) = [run for run in tables["evaluation_runs"] if run["run_id"] == run_id]
    return row


def marked(tables: Tables) -> set[str]:
    return {run["run_id"] for run in tables["evaluation_runs"] if run["deleted_at"]}


def rows_of(tables: Tables, run_id: str) -> Tables:
    """What belongs to the run, in all tables that replace a run whole."""
    names = ("evaluation_runs", *OF_A_RUN, "predictions")
    return {name: [row for row in tables.get(name, []) if row["run_id"] == run_id] for name in names}


@dataclasses.dataclass
class History:
    """A project as it was loaded, after runs were deleted, verified, and after they were restored."""

    recent: str
    old: str
    kept: str
    first: Tables
    deleted: Tables
    deleted_result: Any
    unchanged_result: Any
    statuses: list[Any]
    verified: Tables
    restored: Tables
    verified_again: Tables


@pytest.fixture(scope="module")
def history(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> History:
    server = weave_server
    server.clear_faults()
    server.configure()
    server.reset()
    place = Place(server, PROJECT, tmp_path_factory.mktemp("history"))
    saved = tmp_path_factory.mktemp("saved") / "server.state"
    (old,) = server.bulk(PROJECT, rows=2, trials=2, scorers=2, start=days_ago(60), name="old")
    recent, kept = server.bulk(PROJECT, runs=2, rows=3, trials=1, scorers=2, start=days_ago(1), name="recent")
    place.load()
    first = place.tables()
    server.save(saved)
    delete_calls(server, PROJECT, recent, old)
    deleted_result = place.load()
    deleted = place.tables()
    unchanged_result = place.load()
    statuses = project_statuses(place.profile)
    verify(place)
    verified = place.tables()
    server.load(saved)  # deleting a run deletes the calls below it too
    place.load()
    restored = place.tables()
    verify(place)
    return History(
        recent=recent,
        old=old,
        kept=kept,
        first=first,
        deleted=deleted,
        deleted_result=deleted_result,
        unchanged_result=unchanged_result,
        statuses=statuses,
        verified=verified,
        restored=restored,
        verified_again=place.tables(),
    )


def test_a_load_marks_what_was_deleted_inside_the_lookback(history: History) -> None:
    assert marked(history.first) == set()
    assert marked(history.deleted) == {history.recent}
    report = history.deleted_result.report
    assert (report.runs_deleted, report.runs_read, report.runs_listed) == (1, 0, 1)


def test_nothing_else_of_a_marked_run_changes(history: History) -> None:
    before, after = (run_row(tables, history.recent) for tables in (history.first, history.deleted))
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"deleted_at", "_dlt_load_id"}
    assert before["results_load_id"] in {row["_dlt_load_id"] for row in history.deleted["trials"]}


@pytest.mark.parametrize("table", OF_A_RUN)
def test_its_rows_stay_as_they_are(history: History, table: str) -> None:
    before, after = (rows_of(tables, history.recent)[table] for tables in (history.first, history.deleted))
    assert before == after != []


def test_it_is_marked_once(history: History) -> None:
    assert history.unchanged_result.status == "unchanged"
    assert history.unchanged_result.report.runs_deleted == 0
    assert run_row(history.verified, history.recent) == run_row(history.deleted, history.recent)


def test_the_status_counts_it_apart(history: History) -> None:
    (status,) = history.statuses
    assert (status.runs, status.deleted_runs, status.unreconciled_runs) == ({"completed": 2}, 1, 0)


def test_what_was_deleted_before_the_lookback_is_found_by_verify(history: History) -> None:
    assert marked(history.verified) == {history.recent, history.old}


def test_a_restored_run_is_not_marked_any_more(history: History) -> None:
    assert marked(history.restored) == {history.old}
    assert marked(history.verified_again) == set()


@pytest.mark.parametrize(
    "table", ["evaluation_runs", *OF_A_RUN, "dataset_rows", "evaluations", "models", "datasets", "scorers"]
)
def test_after_all_that_everything_is_as_it_was(history: History, table: str) -> None:
    of_the_load = frozenset({"_dlt_load_id", "results_load_id", "synced_at", "checked_at", "load_id"})
    first, last = (lasting(tables, without=of_the_load) for tables in (history.first, history.verified_again))
    assert last[table] == first[table] != []


def two_live_runs(server: WeaveServer) -> tuple[str, str]:
    """Finished runs of the v2 API, which have predictions."""
    made = []
    for name in ("gone", "kept"):
        live = LiveRun.start(server, PROJECT, name)
        live.add_trial({"seat": name}, f"the {name} one")
        live.finish(grade=name)
        made.append(live.run_id)
    return made[0], made[1]


@pytest.mark.parametrize("is_full", [False, True])
def test_removed_it_goes_with_all_its_rows_and_no_others(place: Place, *, is_full: bool) -> None:
    settings: dict[str, Any] = {"with_predictions": True} | ({} if is_full else {"deleted_runs": "remove"})
    gone, kept = two_live_runs(place.server)
    place.server.bulk(PROJECT, rows=2, scorers=2, start=days_ago(1 / 24))
    place.load(**settings)
    before = place.tables()
    assert {name: len(rows) for name, rows in rows_of(before, gone).items()} == {
        "evaluation_runs": 1,
        "result_rows": 1,
        "trials": 1,
        "scores": 0,
        "scorer_stats": 0,
        "reconciliations": 1,
        "predictions": 1,
    }
    delete_calls(place.server, PROJECT, gone)
    result = place.load(is_full=is_full, **settings)
    after = place.tables()
    assert result.report.runs_deleted == 1
    assert not any(rows_of(after, gone).values())
    if not is_full:
        assert rows_of(after, kept) == rows_of(before, kept)
    assert set(place.statuses()) == {run["run_id"] for run in before["evaluation_runs"]} - {gone}
    (status,) = project_statuses(place.profile)
    assert (status.runs, status.deleted_runs) == ({"completed": 2}, 0)


@pytest.mark.slow
def test_scores_and_stats_of_a_removed_run_go_too(place: Place) -> None:
    gone, kept = place.server.bulk(PROJECT, runs=2, rows=2, trials=2, scorers=2, start=days_ago(1))
    place.load()
    before = place.tables()
    delete_calls(place.server, PROJECT, gone)
    place.load(deleted_runs="remove")
    assert not any(rows_of(place.tables(), gone).values())
    assert rows_of(place.tables(), kept) == rows_of(before, kept)


@pytest.mark.slow
def test_the_last_run_of_a_project_is_marked_too(place: Place) -> None:
    (only,) = place.server.bulk(PROJECT, rows=2, start=days_ago(1))
    place.load()
    delete_calls(place.server, PROJECT, only)
    place.load()
    assert marked(place.tables()) == {only}


def test_a_listing_cut_at_a_line_end_makes_no_run_look_deleted(place: Place) -> None:
    """Runs are missing in one answer."""
    runs = place.server.bulk(PROJECT, runs=6, rows=1, scorers=1, start=days_ago(1))
    place.load()
    cut = {"kind": "truncate_body", "line": True, "match": "calls/stream_query", "times": 1}
    with place.server.faulty(cut):
        result = place.load()
    with place.server.faulty(cut):
        findings = verify(place).findings
    assert (result.report.runs_deleted, findings.deleted) == (0, [])
    assert (marked(place.tables()), set(place.statuses())) == (set(), set(runs))


@pytest.mark.slow
def test_a_listing_cut_time_and_again_is_an_error_and_makes_no_run_look_deleted(place: Place) -> None:
    runs = place.server.bulk(PROJECT, runs=6, rows=1, scorers=1, start=days_ago(1))
    place.load()
    with place.server.faulty({"kind": "truncate_body", "line": True, "match": "calls/stream_query"}):
        for execute in (place.load, lambda: verify(place)):
            with pytest.raises(TransientApiError, match="ended early"):
                execute()
    assert (marked(place.tables()), set(place.statuses())) == (set(), set(runs))
