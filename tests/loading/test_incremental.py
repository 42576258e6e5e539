"""Loads after the first: what is read again, what is not, and what a load leaves behind that did not end well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.loads import LiveRun, Place, days_ago, delete_calls, is_page, kinds, runs_read
from tests.tables_of import lasting, load_count, ordered
from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT
from weave_eval.api.calls import count_calls
from weave_eval.errors import NoAccessError, NotFoundError, SettingsError, TerminalApiError, TransientApiError

OTHER_PROJECT = "acme/other bot"
LISTING_AND_COUNT = {"listing": 1, "count": 1}


def with_slow(first: Any, *others: Any) -> list[Any]:
    """Parameters of a test, of which only the first is tried where time is short."""
    return [first, *(pytest.param(other, marks=pytest.mark.slow) for other in others)]


def bulk(place: Place, runs: int = 1, *, rows: int = 3, start: str | None = None, **order: Any) -> list[str]:
    """Runs that ended an hour ago, or that started at `start`."""
    order = {"trials": 1, "scorers": 1, "seconds_apart": 60, **order}
    return place.server.bulk(place.project, runs=runs, rows=rows, start=start or days_ago(1 / 24), **order)


def load_and_watch(place: Place, **changed: Any) -> Any:
    place.server.clear_requests()
    return place.load(**changed)


def test_an_unchanged_project_costs_its_listing_and_a_count(place: Place) -> None:
    bulk(place, 3)
    place.load()
    before, packages = place.tables(), load_count(place.file)
    again = load_and_watch(place)
    assert kinds(place.server) == LISTING_AND_COUNT
    assert runs_read(place.server) == set()
    assert (again.status, again.load_ids, again.report.runs_unchanged) == ("unchanged", [], 3)
    assert place.tables() == before
    assert load_count(place.file) == packages


@pytest.mark.slow
def test_an_unchanged_project_of_every_kind_of_run(sdk_project: Any, tmp_path: Path) -> None:
    place = Place(sdk_project.server, sdk_project.name, tmp_path)
    place.load()
    before = place.tables()
    again = load_and_watch(place)
    assert kinds(place.server) == {"listing": 1, "trial_calls": 1, "count": 2}  # open runs: have they grown?
    assert again.load_ids == []
    assert place.tables() == before


@pytest.mark.parametrize("change", ["added", "deleted"])
def test_a_trial_more_or_less_of_a_run_that_has_ended(place: Place, change: str) -> None:
    bulk(place, 20, start=days_ago(1))
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    live.add_trial({"seat": 2}, "aisle")
    live.finish()
    place.load()
    if change == "added":
        live.add_trial({"seat": 3}, "middle")
    else:
        trials = place.server.calls(PROJECT, parent_ids=[live.run_id])
        delete_calls(place.server, PROJECT, trials[0]["id"])
    found = load_and_watch(place)
    assert found.report.reasons == {"changed": 1}
    assert runs_read(place.server) == {live.run_id}
    assert kinds(place.server)["count"] <= 1 + 5 + 1  # all, halves down to the run, and the run's own
    assert place.trial_counts()[live.run_id] == (3 if change == "added" else 1)
    assert load_and_watch(place).status == "unchanged"
    assert kinds(place.server) == LISTING_AND_COUNT


def test_a_count_that_never_agrees_has_a_run_read_once_more_and_no_oftener(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id, _ = bulk(place, 2)
    place.load()

    def one_too_many(client: Any, query: Any, purpose: str) -> int:
        return count_calls(client, query, purpose) + (run_id in query["filter"]["parent_ids"])

    monkeypatch.setattr("weave_eval.reading.trial_counts.count_calls", one_too_many)
    assert load_and_watch(place).report.reasons == {"changed": 1}
    assert runs_read(place.server) == {run_id}
    assert [load_and_watch(place).status for _ in range(2)] == ["unchanged"] * 2


def test_an_empty_project(place: Place) -> None:
    first = place.load()
    assert (first.report.runs_listed, first.rows) == (0, 0)
    assert place.load().status == "unchanged"
    bulk(place)
    assert place.load().report.reasons == {"new": 1}


def test_a_new_run_alone_is_read(place: Place) -> None:
    old = bulk(place, 2)
    place.load()
    before = place.lasting()
    (new,) = bulk(place, rows=4, start=days_ago(0.01), name="later")
    load_and_watch(place)
    assert runs_read(place.server) == {new}
    assert place.trial_counts() == {**dict.fromkeys(old, 3), new: 4}
    assert [row for row in place.lasting()["trials"] if row["run_id"] in old] == before["trials"]


@pytest.mark.slow
def test_a_run_that_started_before_the_latest_one_is_found_too(place: Place) -> None:
    bulk(place, start=days_ago(1))
    place.load()
    (late,) = bulk(place, start=days_ago(5), name="late")
    load_and_watch(place)
    assert runs_read(place.server) == {late}


@pytest.mark.slow
def test_a_renamed_run_is_read_again(place: Place) -> None:
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    live.finish(score=0.5)
    bulk(place)
    place.load()
    live.rename("the good one")
    result = load_and_watch(place)
    assert result.report.reasons == {"changed": 1}
    assert runs_read(place.server) == {live.run_id}
    names = {run["run_id"]: run["display_name"] for run in place.tables()["evaluation_runs"]}
    assert names[live.run_id] == "the good one"


def test_a_run_is_followed_from_its_start_to_its_end(place: Place) -> None:
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    place.load()
    assert place.statuses() == {live.run_id: "running"}
    live.add_trial({"seat": 2}, "aisle")
    assert place.load().report.reasons == {"open": 1}
    assert place.trial_counts() == {live.run_id: 2}
    live.finish(score=0.75)
    place.load()
    (run,) = place.tables()["evaluation_runs"]
    assert (run["status"], run["trial_count"]) == ("completed", 2)
    assert run["finished_at"].isoformat() == live.call["ended_at"].replace("Z", "+00:00")


@pytest.mark.slow
def test_a_run_that_grew_although_it_was_finished(place: Place) -> None:
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    live.finish(score=0.25)
    place.load()
    live.add_trial({"seat": 2}, "aisle")
    live.finish(score=0.5)
    assert place.load().report.reasons == {"changed": 1}
    assert place.trial_counts() == {live.run_id: 2}
    (run,) = place.tables()["evaluation_runs"]
    assert run["finished_at"].isoformat() == live.call["ended_at"].replace("Z", "+00:00")


@pytest.mark.slow
@pytest.mark.parametrize("is_finished", [False, True])
def test_a_run_that_shrank_to_nothing(place: Place, *, is_finished: bool) -> None:
    (kept,) = bulk(place)
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    live.add_trial({"seat": 2}, "aisle")
    if is_finished:
        live.finish(score=0.25)
    place.load()
    live.delete_trials()
    if is_finished:
        live.finish(score=0.0)
    place.load()
    for table in ("result_rows", "trials", "scores", "scorer_stats"):
        assert {row["run_id"] for row in place.tables()[table]} == {kept}, table
    counts = {run["run_id"]: run["trial_count"] for run in place.tables()["evaluation_runs"]}
    assert counts == {kept: 3, live.run_id: 0}


@pytest.mark.slow
def test_a_run_that_shrank(place: Place) -> None:
    (run_id,) = bulk(place, trials=2, scorers=2)
    place.load()
    trials = damage.trial_ids(place.server, PROJECT, run_id)
    delete_calls(place.server, PROJECT, *trials[1:])
    place.server.patch_call(PROJECT, run_id, ended_at=days_ago(0))
    place.load()
    assert [trial["trial_id"] for trial in place.tables()["trials"]] == trials[:1]
    assert {score["trial_id"] for score in place.tables()["scores"]} == {trials[0]}


@pytest.mark.slow
def test_an_open_run_that_does_not_grow_is_not_read(place: Place) -> None:
    (open_run,) = bulk(place, is_finished=False)
    place.load()
    before = place.tables()
    assert place.statuses() == {open_run: "running"}
    load_and_watch(place)
    assert kinds(place.server) == {"listing": 1, "trial_calls": 1, "count": 1}
    assert place.tables() == before


@pytest.mark.slow
def test_an_old_open_run_is_read_a_last_time_and_given_up(place: Place) -> None:
    (open_run,) = bulk(place, is_finished=False, start=days_ago(3))
    place.load()
    assert place.statuses() == {open_run: "running"}
    result = place.load(abandon_after_days=2)
    assert (result.report.reasons, place.statuses()) == ({"abandoned": 1}, {open_run: "abandoned"})
    load_and_watch(place, abandon_after_days=2)
    assert runs_read(place.server) == set()


@pytest.mark.slow
def test_a_run_grows_old_while_it_is_watched(place: Place) -> None:
    (open_run,) = bulk(place, is_finished=False, start=days_ago(1))
    place.load()
    place.server.shift(PROJECT, open_run, -9 * 86_400)
    place.load()
    assert place.statuses() == {open_run: "abandoned"}


@pytest.mark.slow
def test_a_run_that_was_given_up_and_ends_after_all(place: Place) -> None:
    (open_run,) = bulk(place, is_finished=False, start=days_ago(3))
    place.load(abandon_after_days=2)
    place.server.patch_call(PROJECT, open_run, ended_at=days_ago(0))
    assert place.load(abandon_after_days=2).report.reasons == {"changed": 1}
    assert place.statuses() == {open_run: "completed"}


@pytest.mark.slow
def test_changes_are_looked_for_as_far_back_as_wanted(place: Place) -> None:
    (old,) = bulk(place, start=days_ago(20), name="old")
    (recent,) = bulk(place, start=days_ago(5), name="recent")
    bulk(place, start=days_ago(0.5), name="latest")
    place.load(lookback_days=10)
    for run_id in (old, recent):
        place.server.patch_call(PROJECT, run_id, display_name="renamed")
    load_and_watch(place, lookback_days=10)
    assert runs_read(place.server) == {recent}


@pytest.mark.slow
def test_an_open_run_is_followed_however_old_it_is(place: Place) -> None:
    (old,) = bulk(place, start=days_ago(30), is_finished=False, name="old")
    bulk(place, start=days_ago(0.5), name="latest")
    place.load(lookback_days=1, abandon_after_days=60)
    place.server.patch_call(PROJECT, old, ended_at=days_ago(0))
    place.load(lookback_days=1, abandon_after_days=60)
    assert place.statuses()[old] == "completed"


@pytest.mark.slow
def test_requests_stay_within_the_budget(place: Place) -> None:
    runs = bulk(place, 12, rows=7)
    place.load(page_rows=3)
    counted = kinds(place.server)
    pages = 3 * len(runs)
    assert counted == {"listing": 1, "trial_calls": 2, "count": 3, "page": pages, "summary": len(runs)}
    changed = runs[:4]
    for run_id in changed:
        place.server.patch_call(PROJECT, run_id, display_name="renamed")
    load_and_watch(place, page_rows=3)
    counted = kinds(place.server)
    assert counted["page"] == 3 * len(changed)
    assert counted["summary"] + counted["trial_calls"] + counted["count"] <= 2 * len(changed) + 1
    assert counted["listing"] == 1


@pytest.mark.slow
def test_no_request_is_made_for_a_single_prediction(place: Place) -> None:
    (run_id,) = bulk(place, rows=40, trials=2)
    place.load()
    trials = damage.trial_ids(place.server, PROJECT, run_id)
    assert len(trials) == 80
    assert len(place.server.requests()) < 15


@pytest.mark.slow
def test_a_fresh_machine_goes_on_from_the_warehouse(place: Place) -> None:
    bulk(place, 2)
    place.load(machine="first")
    before = place.tables()
    load_and_watch(place, machine="second")
    assert kinds(place.server) == LISTING_AND_COUNT
    assert place.tables() == before
    (new,) = bulk(place, start=days_ago(0.01), name="later")
    load_and_watch(place, machine="third")
    assert runs_read(place.server) == {new}


@pytest.mark.slow
def test_the_first_machine_learns_what_the_second_did(place: Place) -> None:
    (old,) = bulk(place)
    place.load(machine="first")
    (new,) = bulk(place, start=days_ago(0.01), name="later")
    place.load(machine="second")
    load_and_watch(place, machine="first")
    assert runs_read(place.server) == set()
    assert set(place.statuses()) == {old, new}


@pytest.mark.parametrize("skip", with_slow(7, 5, 9, 12))
def test_a_load_that_fails_keeps_the_chunks_before(place: Place, tmp_path: Path, skip: int) -> None:
    runs = bulk(place, 7)
    rule = {"kind": "403", "match": "eval_results", "skip": skip}
    with place.server.faulty(rule), pytest.raises(NoAccessError):
        place.load(package_runs=2, parallelism=1)
    kept = set(place.statuses())
    assert set() < kept < set(runs)
    assert place.trial_counts() == dict.fromkeys(kept, 3)
    load_and_watch(place, package_runs=2)
    assert runs_read(place.server) == set(runs) - kept
    undisturbed = Place(place.server, PROJECT, tmp_path / "undisturbed")
    undisturbed.folder.mkdir()
    undisturbed.load()
    assert place.lasting() == undisturbed.lasting()


@pytest.mark.slow
def test_chunks_load_what_one_package_loads(place: Place, tmp_path: Path) -> None:
    bulk(place, 5, rows=4, trials=2, scorers=2)
    place.load()
    chunked = Place(place.server, PROJECT, tmp_path / "chunked")
    chunked.folder.mkdir()
    result = chunked.load(package_runs=2)
    assert len(result.load_ids) == 3
    assert chunked.lasting() == place.lasting()


@pytest.mark.slow
def test_pages_that_are_too_large_are_not_asked_for_behind_the_last_row(place: Place) -> None:
    (run,) = bulk(place, 1, rows=6)
    place.server.clear_requests()
    place.load(max_page_bytes=3000)
    asked = [entry["body"] for entry in place.server.requests("eval_results") if entry["body"].get("include_rows")]
    assert len(asked) > 2
    assert max(body["offset"] for body in asked if body["evaluation_call_ids"] == [run]) < 6
    assert place.trial_counts() == {run: 6}


@pytest.mark.slow
def test_a_package_that_is_large_enough_takes_no_further_runs(place: Place, tmp_path: Path) -> None:
    bulk(place, 30)
    place.load()
    chunked = Place(place.server, PROJECT, tmp_path / "chunked")
    chunked.folder.mkdir()
    result = chunked.load(package_bytes=1)
    assert len(result.load_ids) > 1
    assert chunked.lasting() == place.lasting()


@pytest.mark.slow
def test_a_range_is_read_whatever_was_read_before_and_leaves_the_cursor(place: Place) -> None:
    runs = bulk(place, 4, start=days_ago(4), seconds_apart=86_400)
    place.load()
    load_and_watch(place, since=days_ago(3.5), until=days_ago(1.5))
    assert runs_read(place.server) == set(runs[1:3])
    load_and_watch(place)
    assert runs_read(place.server) == set()


@pytest.mark.slow
def test_a_range_before_the_first_load(place: Place) -> None:
    runs = bulk(place, 3, start=days_ago(3), seconds_apart=86_400)
    place.load(since=days_ago(2.5))
    assert set(place.statuses()) == set(runs[1:])
    load_and_watch(place)
    assert runs_read(place.server) == set(runs)


@pytest.mark.slow
def test_the_ends_of_a_range(place: Place) -> None:
    runs = bulk(place, 3, start="2026-03-01T12:00:00+00:00", seconds_apart=3600)
    place.load(since="2026-03-01T12:00:00Z", until="2026-03-01 14:00:00")
    assert set(place.statuses()) == set(runs[:2])


@pytest.mark.slow
def test_named_runs_are_read_whatever_was_read_before(place: Place) -> None:
    runs = bulk(place, 3)
    place.load()
    result = load_and_watch(place, run_ids=[runs[1]])
    assert runs_read(place.server) == {runs[1]}
    assert result.report.runs_read == 1
    load_and_watch(place)
    assert runs_read(place.server) == set()


def test_a_run_that_does_not_exist(place: Place) -> None:
    bulk(place)
    with pytest.raises(NotFoundError, match="no evaluation run nowhere"):
        place.load(run_ids=["nowhere"])


def test_a_call_that_is_no_run(place: Place) -> None:
    (run_id,) = bulk(place)
    trial = damage.trial_ids(place.server, PROJECT, run_id)[0]
    with pytest.raises(TerminalApiError, match=trial):
        place.load(run_ids=[trial])


def test_a_time_that_is_none(place: Place) -> None:
    with pytest.raises(SettingsError, match="since is 'yesterday'"):
        place.load(since="yesterday")


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["evaluations", "models"])
def test_runs_of_one_evaluation_or_model(place: Place, setting: str) -> None:
    (north,) = bulk(place, name="north")
    (south,) = bulk(place, name="south", start=days_ago(0.02))
    name = {"evaluations": "north-evaluation", "models": "north-model"}[setting]
    only: dict[str, Any] = {setting: [name]}
    place.load(**only)
    assert set(place.statuses()) == {north}
    load_and_watch(place, **only)
    assert runs_read(place.server) == set()
    load_and_watch(place)
    assert south in runs_read(place.server)
    assert set(place.statuses()) == {north, south}


@pytest.mark.slow
@pytest.mark.parametrize("named", ["north", {"name": "north"}], ids=["text", "object"])
@pytest.mark.parametrize("setting", ["evaluations", "models"])
def test_runs_of_one_evaluation_or_model_that_is_no_ref(place: Place, setting: str, named: Any) -> None:
    north, south = bulk(place), bulk(place)
    field = {"evaluations": "self", "models": "model"}[setting]
    for (run_id,), value in ((north, named), (south, "another north")):
        (call,) = place.server.calls(PROJECT, call_ids=[run_id])
        place.server.patch_call(PROJECT, run_id, inputs={**call["inputs"], field: value})
    only: dict[str, Any] = {setting: ["north"]}
    place.load(**only)
    assert list(place.statuses()) == north


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["evaluations", "models"])
def test_runs_of_one_version_of_an_evaluation_or_model(place: Place, setting: str) -> None:
    (north,) = bulk(place, name="north")
    bulk(place, name="south")
    (call,) = place.server.calls(PROJECT, call_ids=[north])
    ref = call["inputs"][{"evaluations": "self", "models": "model"}[setting]]
    version: dict[str, Any] = {setting: [ref]}
    place.load(**version)
    assert set(place.statuses()) == {north}
    version[setting] = [f"{ref}0"]
    assert place.load(**version).report.runs_listed == 0


@pytest.mark.slow
def test_a_run_that_is_gone_goes_with_a_full_load(place: Place) -> None:
    gone, *kept = bulk(place, 3)
    place.load()
    before = place.lasting()
    delete_calls(place.server, PROJECT, gone)
    result = load_and_watch(place, is_full=True)
    assert runs_read(place.server) == set(kept)
    assert result.report.runs_read == 2
    expected = {name: [row for row in rows if row.get("run_id") != gone] for name, rows in before.items()}
    assert place.lasting() == expected
    load_and_watch(place)
    assert runs_read(place.server) == set()


@pytest.mark.slow
def test_a_run_that_is_gone_is_marked_and_kept(place: Place) -> None:
    gone, kept = bulk(place, 2)
    place.load()
    before = place.lasting()
    delete_calls(place.server, PROJECT, gone)
    load_and_watch(place)
    assert runs_read(place.server) == set()
    deleted = {run["run_id"]: run["deleted_at"] for run in place.tables()["evaluation_runs"]}
    assert deleted[gone] is not None
    assert deleted[kept] is None
    unmarked = ordered([{**run, "deleted_at": None} for run in place.lasting()["evaluation_runs"]])
    assert {**place.lasting(), "evaluation_runs": unmarked} == before
    tables = place.tables()
    load_and_watch(place)
    assert place.tables() == tables


@pytest.mark.slow
def test_a_run_that_is_gone_is_removed_where_that_is_wanted(place: Place) -> None:
    gone, _ = bulk(place, 2)
    place.load()
    before = place.lasting()
    delete_calls(place.server, PROJECT, gone)
    place.load(deleted_runs="remove")
    expected = {name: [row for row in rows if row.get("run_id") != gone] for name, rows in before.items()}
    assert place.lasting() == expected


@pytest.mark.slow
def test_a_full_load_of_a_project_without_runs_left(place: Place) -> None:
    runs = bulk(place, 2)
    place.load()
    delete_calls(place.server, PROJECT, *runs)
    place.load(is_full=True, confirm_deletions=2)
    for table in ("evaluation_runs", "result_rows", "trials", "scores", "scorer_stats"):
        assert place.tables()[table] == [], table


@pytest.mark.slow
def test_a_full_load_reads_what_changed_beyond_the_lookback(place: Place) -> None:
    (old,) = bulk(place, start=days_ago(40), name="old")
    bulk(place, name="latest")
    place.load()
    place.server.patch_call(PROJECT, old, display_name="renamed")
    place.load()
    place.load(is_full=True)
    names = {run["run_id"]: run["display_name"] for run in place.tables()["evaluation_runs"]}
    assert names[old] == "renamed"


@pytest.mark.slow
def test_projects_in_one_dataset_leave_each_other_alone(place: Place) -> None:
    other = Place(place.server, OTHER_PROJECT, place.folder)
    bulk(other, 2, rows=5, name="shared")
    other.load()
    before = lasting(other.tables())
    gone, kept = bulk(place, 2, rows=5, name="shared")
    place.load()
    delete_calls(place.server, PROJECT, gone)
    place.load(is_full=True)
    assert set(place.statuses()) == {kept}
    after = place.lasting()
    mine = {name: [row for row in rows if row["project_id"] == OTHER_PROJECT] for name, rows in after.items()}
    assert {name: mine[name] for name in before} == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed", with_slow({"page_rows": 2}, {"page_rows": 1}, {"max_page_bytes": 3000}, {"parallelism": 1})
)
def test_pages_of_any_size_give_the_same_tables(sdk_project: Any, tmp_path: Path, changed: dict[str, int]) -> None:
    sdk_project.server.bulk(PROJECT, rows=11, trials=2, scorers=3)
    whole, paged = (
        Place(sdk_project.server, PROJECT, tmp_path / "a"),
        Place(sdk_project.server, PROJECT, tmp_path / "b"),
    )
    for place in (whole, paged):
        place.folder.mkdir()
    whole.load()
    load_and_watch(paged, **changed)
    assert paged.lasting() == whole.lasting()
    if "page_rows" in changed:
        limits = {entry["body"]["limit"] for entry in paged.server.requests() if is_page(entry)}
        assert max(limits) == changed["page_rows"]


@pytest.mark.slow
def test_pages_as_the_production_server_answers_them(place: Place, tmp_path: Path) -> None:
    place.server.configure(quirks=True)
    bulk(place, rows=9, trials=3, scorers=2)
    place.load(page_rows=3)
    whole = Place(place.server, PROJECT, tmp_path / "whole")
    whole.folder.mkdir()
    whole.load()
    assert place.trial_counts().total() == 27
    assert place.lasting() == whole.lasting()


@pytest.mark.parametrize("kind", with_slow("413", "504", "500"))
def test_pages_that_the_server_cannot_give_are_halved(place: Place, tmp_path: Path, kind: str) -> None:
    bulk(place, rows=16, trials=2)
    place.load()
    halved = Place(place.server, PROJECT, tmp_path / "halved")
    halved.folder.mkdir()
    place.server.clear_requests()
    refusals = 6 if kind == "500" else 2  # a 500 is tried three times
    with place.server.faulty({"kind": kind, "match": "eval_results", "skip": 1, "times": refusals}):
        halved.load(parallelism=1, page_rows=16)
    assert [rule["fired"] for rule in place.server.faults()] in ([], [refusals])
    answered = {entry["body"]["limit"] for entry in place.server.requests() if is_page(entry) and not entry["fault"]}
    assert max(answered) < 16
    assert halved.lasting() == place.lasting()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["truncate_body", "429_retry_after", "drop_connection"])
def test_faults_that_pass(place: Place, tmp_path: Path, kind: str) -> None:
    bulk(place, 2, rows=6)
    place.load()
    disturbed = Place(place.server, PROJECT, tmp_path / "disturbed")
    disturbed.folder.mkdir()
    rule = {"kind": kind, "every": 3, "times": 3, "retry_after": 0.1, "match": "eval_results"}
    with place.server.faulty(rule):
        result = disturbed.load(page_rows=2)
    assert result.traffic["retries"] >= 1
    assert disturbed.lasting() == place.lasting()


def test_a_listing_that_was_cut_at_the_end_of_a_line(place: Place) -> None:
    """A stream of lines can end early without a sign: the runs after the cut are asked for again."""
    runs = bulk(place, 6)
    with place.server.faulty({"kind": "truncate_body", "line": True, "match": "stream_query", "times": 1}):
        place.load()
    assert set(place.statuses()) == set(runs)


@pytest.mark.slow
def test_faults_that_stay_end_the_load(place: Place) -> None:
    bulk(place)
    with (
        place.server.faulty({"kind": "503", "match": "stream_query"}),
        pytest.raises(TransientApiError, match="listing the evaluation runs of acme/support-bot"),
    ):
        place.load(retry_budget_seconds=1)
    assert place.tables().get("evaluation_runs", []) == []
    place.load()
    assert len(place.statuses()) == 1
