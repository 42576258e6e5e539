"""`verify`: what differs between Weave and the warehouse whatever its age, and its repair."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.loads import LiveRun, Place, days_ago, delete_calls
from tests.tables_of import Tables, lasting, load_count
from tests.weave_server import damage
from tests.weave_server.fixtures import PROJECT, Project
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import LoadOptions, Verified, verify_project
from weave_eval.cli.program import main
from weave_eval.loading.verify import Findings

OTHER_PROJECT = "acme/other-bot"
NAMES = ("kept", "missing", "renamed", "grown", "shrunk", "emptied", "unproven", "outdated", "unread", "deleted")
FOUND = {
    "missing": {"missing"},
    "changed": {"renamed"},
    "grown": {"grown", "shrunk", "emptied"},
    "unproven": {"unproven", "outdated", "unread"},
    "deleted": {"deleted"},
}


def verify(place: Place, *, is_dry_run: bool = False, **changed: Any) -> Verified:
    options = LoadOptions(pipelines_dir=str(place.folder / "machine"))
    return verify_project(place.settings(**changed), place.profile, options, is_dry_run=is_dry_run)


def execute(place: Place, *statements: str) -> None:
    """Changes the warehouse by hand."""
    with duckdb.connect(str(place.file)) as connection:
        for statement in statements:
            connection.execute(statement)


def comparable(tables: Tables, *, without: str = "") -> Tables:
    """What two loads of the same runs have in common; the run `without` is left out."""
    kept = {name: [row for row in rows if row.get("run_id") != without] for name, rows in tables.items()}
    kept.pop("syncs", None)
    of_the_load = frozenset({"_dlt_load_id", "results_load_id", "synced_at", "checked_at", "load_id"})
    return lasting(kept, without=of_the_load)


def requests_by_path(server: WeaveServer) -> list[str]:
    return sorted(entry["path"].rsplit("/", 1)[-1] for entry in server.requests())


@dataclass
class Scenario:
    """A project whose warehouse went wrong in every way, verified and loaded anew."""

    ids: dict[str, str]
    before: Tables
    dry: Verified
    after_dry: Tables
    packages: tuple[int, int]
    first: Verified
    after: Tables
    second: Verified
    second_requests: list[str]
    packages_of_second: tuple[int, int]
    next_load: Any
    fresh: Tables

    def named(self, run_ids: list[str]) -> set[str]:
        names = {run_id: name for name, run_id in self.ids.items()}
        return {names[run_id] for run_id in run_ids}


@pytest.fixture(scope="module")
def scenario(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    server = weave_server
    server.clear_faults()
    server.configure()
    server.reset()
    place = Place(server, PROJECT, tmp_path_factory.mktemp("verified"))
    ids = fill(server)
    place.load()
    go_wrong(place, ids)
    before, packages = place.tables(), load_count(place.file)
    dry = verify(place, is_dry_run=True)
    after_dry, packages_after_dry = place.tables(), load_count(place.file)
    first = verify(place)
    after, packages_after = place.tables(), load_count(place.file)
    server.clear_requests()
    second = verify(place)
    second_requests, packages_after_second = requests_by_path(server), load_count(place.file)
    next_load = place.load()
    fresh = Place(server, PROJECT, tmp_path_factory.mktemp("fresh"))
    fresh.load()
    return Scenario(
        ids=ids,
        before=before,
        dry=dry,
        after_dry=after_dry,
        packages=(packages, packages_after_dry),
        first=first,
        after=after,
        second=second,
        second_requests=second_requests,
        packages_of_second=(packages_after, packages_after_second),
        next_load=next_load,
        fresh=fresh.tables(),
    )


def fill(server: WeaveServer) -> dict[str, str]:
    """Runs that are two months old, one that runs still, and one of an hour ago."""
    old = server.bulk(PROJECT, runs=len(NAMES), rows=3, trials=2, scorers=2, start=days_ago(60))
    (latest,) = server.bulk(PROJECT, rows=2, scorers=1, start=days_ago(1 / 24), name="latest")
    live = LiveRun.start(server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    return {**dict(zip(NAMES, old, strict=True)), "latest": latest, "live": live.run_id}


def go_wrong(place: Place, ids: dict[str, str]) -> None:
    """Changes Weave behind the lookback, and the warehouse by hand."""
    server = place.server
    server.patch_call(PROJECT, ids["renamed"], display_name="renamed after two months")
    for seat in (2, 3):
        LiveRun(server, PROJECT, ids["grown"]).add_trial({"seat": seat}, "aisle")
    delete_calls(server, PROJECT, damage.trial_ids(server, PROJECT, ids["shrunk"])[0])
    LiveRun(server, PROJECT, ids["emptied"]).delete_trials()
    delete_calls(server, PROJECT, ids["deleted"])
    execute(
        place,
        f"DELETE FROM weave.evaluation_runs WHERE run_id = '{ids['missing']}'",
        f"DELETE FROM weave.trials WHERE run_id = '{ids['missing']}'",
        f"DELETE FROM weave.reconciliations WHERE run_id = '{ids['unproven']}'",
        f"UPDATE weave.reconciliations SET load_id = 'an earlier one' WHERE run_id = '{ids['outdated']}'",
        f"UPDATE weave.reconciliations SET is_reconciled = false WHERE run_id = '{ids['unread']}'",
    )


@pytest.mark.parametrize("kind", sorted(FOUND))
def test_what_differs_is_found(scenario: Scenario, kind: str) -> None:
    assert scenario.named(getattr(scenario.first.findings, kind)) == FOUND[kind]


def test_a_run_that_differs_is_named_once(scenario: Scenario) -> None:
    findings = scenario.first.findings
    named = [run_id for kind in FOUND for run_id in getattr(findings, kind)]
    assert len(named) == len(set(named)) == 9
    assert (findings.runs_listed, findings.is_clean) == (11, False)


def test_a_dry_run_finds_the_same_and_changes_nothing(scenario: Scenario) -> None:
    assert scenario.dry.findings == scenario.first.findings
    assert scenario.dry.repair is None
    assert scenario.after_dry == scenario.before
    assert scenario.packages[0] == scenario.packages[1]


def test_only_what_differs_is_read_again(scenario: Scenario) -> None:
    repair = scenario.first.repair
    assert repair
    assert (repair.report.runs_read, repair.report.runs_unchanged, repair.report.runs_deleted) == (8, 3, 1)
    assert repair.report.reasons == {"new": 1, "changed": 7}
    assert repair.unreconciled == []


def test_the_repaired_tables_are_those_of_a_fresh_load(scenario: Scenario) -> None:
    gone = scenario.ids["deleted"]
    assert comparable(scenario.after, without=gone) == comparable(scenario.fresh)


def test_a_deleted_run_is_marked_and_its_rows_stay(scenario: Scenario) -> None:
    gone = scenario.ids["deleted"]
    marked = {run["run_id"] for run in scenario.after["evaluation_runs"] if run["deleted_at"]}
    assert marked == {gone}
    for table in ("result_rows", "trials", "scores", "scorer_stats", "reconciliations"):
        of_run = [
            [row for row in tables[table] if row["run_id"] == gone] for tables in (scenario.before, scenario.after)
        ]
        assert of_run[0] == of_run[1] != [], table


def test_the_second_time_all_agrees_for_few_requests(scenario: Scenario) -> None:
    """The listing and its count, a look for other evaluations, and one list of all trials."""
    assert scenario.second.findings == Findings(PROJECT, runs_listed=11)
    assert scenario.second_requests == ["query_stats", *["stream_query"] * 3]
    assert scenario.second.traffic["requests"] == 4


def test_the_second_time_nothing_is_loaded(scenario: Scenario) -> None:
    assert scenario.second.repair
    assert scenario.second.repair.status == "unchanged"
    assert scenario.packages_of_second[0] == scenario.packages_of_second[1]


def test_the_load_after_it_has_nothing_to_do(scenario: Scenario) -> None:
    assert scenario.next_load.status == "unchanged"
    assert scenario.next_load.report.runs_read == 0


def test_it_leaves_a_row_in_syncs(scenario: Scenario) -> None:
    (row,) = [sync for sync in scenario.after["syncs"] if sync["command"] == "verify"]
    counts = {name: row[name] for name in ("status", "runs_listed", "runs_read", "runs_unchanged", "runs_deleted")}
    assert counts == {
        "status": "loaded",
        "runs_listed": 11,
        "runs_read": 8,
        "runs_unchanged": 3,
        "runs_deleted": 1,
    }


@pytest.mark.slow
def test_before_the_first_load_everything_is_missing(place: Place) -> None:
    runs = place.server.bulk(PROJECT, runs=2, rows=2)
    dry = verify(place, is_dry_run=True)
    assert set(dry.findings.missing) == set(runs)
    assert place.tables() == {}
    verify(place)
    assert place.statuses() == dict.fromkeys(runs, "completed")
    assert verify(place).findings.is_clean


@pytest.mark.slow
def test_one_run_that_grew_among_many_is_found(place: Place) -> None:
    runs = place.server.bulk(PROJECT, runs=130, rows=1, scorers=0, start=days_ago(90))
    place.load()
    LiveRun(place.server, PROJECT, runs[70]).add_trial({"seat": 3}, "middle")
    place.server.clear_requests()
    found = verify(place, is_dry_run=True)
    assert found.findings.grown == [runs[70]]
    assert found.traffic["requests"] == 2 + 2  # the listing and its end, and a count for each hundred runs


@pytest.mark.slow
def test_changes_that_cancel_out_are_found(place: Place) -> None:
    grown, shrunk, _ = place.server.bulk(PROJECT, runs=3, rows=2, scorers=0, start=days_ago(90))
    place.load()
    LiveRun(place.server, PROJECT, grown).add_trial({"seat": 3}, "middle")
    delete_calls(place.server, PROJECT, damage.trial_ids(place.server, PROJECT, shrunk)[0])
    assert set(verify(place, is_dry_run=True).findings.grown) == {grown, shrunk}


@pytest.mark.slow
def test_a_project_with_runs_of_every_kind_agrees(sdk_project: Project, tmp_path: Path) -> None:
    place = Place(sdk_project.server, sdk_project.name, tmp_path)
    place.load()
    assert verify(place, is_dry_run=True).findings == Findings(PROJECT, runs_listed=len(place.statuses()))


@pytest.mark.slow
def test_a_trial_that_took_anothers_place_is_found(place: Place) -> None:
    kept, swapped = place.server.bulk(PROJECT, runs=2, rows=2, scorers=0, start=days_ago(90))
    place.load()
    delete_calls(place.server, PROJECT, damage.trial_ids(place.server, PROJECT, swapped)[0])
    LiveRun(place.server, PROJECT, swapped).add_trial({"seat": 3}, "middle")
    assert verify(place).findings.grown == [swapped]
    assert place.trial_counts() == {kept: 2, swapped: 2}
    assert verify(place).findings.is_clean


def begin_trial(place: Place, run_id: str) -> str:
    """A prediction that has not ended."""
    model = LiveRun(place.server, PROJECT, run_id).call["inputs"]["model"]
    body = {"model": model, "inputs": {"seat": 3}, "output": "middle", "evaluation_run_id": run_id}
    answer = place.server.api("POST", f"/v2/{PROJECT}/predictions", body)
    answer.raise_for_status()
    return str(answer.json()["prediction_id"])


@pytest.mark.slow
@pytest.mark.parametrize("rules", [[], ["drop trials.finished_at"]])
def test_a_trial_that_ends_after_its_run_is_found_where_ends_are_kept(place: Place, rules: list[str]) -> None:
    (late, _) = place.server.bulk(PROJECT, runs=2, rows=1, scorers=0, start=days_ago(90))
    prediction = begin_trial(place, late)
    place.load(privacy=rules)
    assert verify(place, privacy=rules).findings.is_clean
    place.server.api("POST", f"/v2/{PROJECT}/predictions/{prediction}/finish", {}).raise_for_status()
    assert verify(place, privacy=rules).findings.grown == ([] if rules else [late])
    assert verify(place, privacy=rules).findings.is_clean


@pytest.mark.slow
def test_the_trials_of_a_run_with_very_many_are_counted(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weave_eval.loading.trial_changes._TRIALS_TOGETHER", 2)
    small, large, grown = (place.server.bulk(PROJECT, rows=n, scorers=0, start=days_ago(90))[0] for n in (2, 3, 4))
    place.load()
    LiveRun(place.server, PROJECT, grown).add_trial({"seat": 5}, "middle")
    place.server.clear_requests()
    assert verify(place, is_dry_run=True).findings == Findings(PROJECT, runs_listed=3, grown=[grown])
    assert requests_by_path(place.server).count("query_stats") == 1 + 2  # the listing, and each of the two
    assert {small, large, grown} == place.statuses().keys()


@pytest.mark.slow
def test_an_old_open_run_that_is_missing_is_read_as_abandoned(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, scorers=0, start=days_ago(1 / 24), name="recent")
    place.load()
    (old,) = place.server.bulk(PROJECT, rows=1, scorers=0, start=days_ago(90), is_finished=False, name="old")
    assert verify(place).findings.missing == [old]
    assert place.statuses()[old] == "abandoned"
    assert place.load().status == "unchanged"


@pytest.mark.slow
def test_projects_leave_each_other_alone(place: Place) -> None:
    place.server.bulk(PROJECT, rows=2, start=days_ago(60))
    (other_run,) = place.server.bulk(OTHER_PROJECT, rows=2, start=days_ago(60))
    other = Place(place.server, OTHER_PROJECT, place.folder)
    place.load()
    other.load()
    delete_calls(place.server, OTHER_PROJECT, other_run)
    assert verify(place).findings.is_clean
    assert verify(other, is_dry_run=True).findings.deleted == [other_run]


@pytest.mark.parametrize(
    "table",
    ["scores", *(pytest.param(name, marks=pytest.mark.slow) for name in ("result_rows", "trials", "scorer_stats"))],
)
def test_rows_that_were_lost_in_the_warehouse_are_found(place: Place, table: str) -> None:
    (hurt, _) = place.server.bulk(PROJECT, runs=2, rows=3, scorers=1, start=days_ago(60))
    place.load()
    whole = comparable(place.tables())
    execute(place, f"DELETE FROM weave.{table} WHERE run_id = '{hurt}'")
    assert verify(place).findings.to_read == {hurt}
    assert comparable(place.tables()) == whole


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Runs the command line on the server's project, in an empty folder; gives exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    handler = signal.getsignal(signal.SIGTERM)

    def command(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([*arguments, "--project", PROJECT])
        return code, *capsys.readouterr()

    yield command
    signal.signal(signal.SIGTERM, handler)


def test_the_command(server: WeaveServer, run: Run) -> None:
    first, second = server.bulk(PROJECT, runs=2, rows=2, start=days_ago(60))
    assert run("load")[0] == 0
    server.patch_call(PROJECT, first, display_name="renamed")
    delete_calls(server, PROJECT, second)
    code, out, err = run("verify", "--dry-run", "--json")
    (found,) = [json.loads(line) for line in out.splitlines()]
    assert code == 1
    assert "the warehouse differs from Weave. Run verify without --dry-run to repair it." in json.loads(err)["message"]
    assert (found["project"], found["runs_listed"], found["is_clean"]) == (PROJECT, 1, False)
    assert (found["changed"], found["deleted"], found["missing"]) == ([first], [second], [])
    code, out, err = run("verify", "--json")
    (repaired,) = [json.loads(line) for line in out.splitlines()]
    assert (code, err, repaired["changed"], repaired["deleted"]) == (0, "", [first], [second])
    assert (repaired["repair"]["status"], repaired["repair"]["runs_read"]) == ("loaded", 1)
    assert run("verify", "--dry-run", "--quiet") == (0, "", "")
    code, out, err = run("verify")
    assert (code, out) == (0, "")
    assert "is_clean=True" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--destination", "nowhere"), 2, "nowhere"),
        (("--project", "no-slash"), 2, "no-slash"),
        (("--project", "forbidden-team/x"), 1, "forbidden-team/x"),
    ],
)
@pytest.mark.usefixtures("server")
def test_exit_codes_of_the_command(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    failed, _, err = run("verify", *arguments)
    assert (failed, "Traceback" in err, KEY in err) == (code, False, False)
    assert words in err


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_cost_of_many_runs(place: Place, record_property: Callable[[str, object], None]) -> None:
    """The listing and its end, a look for other evaluations, and a list of trials for each hundred runs."""
    place.server.bulk(PROJECT, runs=500, rows=1, scorers=1, start=days_ago(300), seconds_apart=3600)
    place.load(requests_per_second=1000, package_runs=500)
    began = time.monotonic()
    verified = verify(place)
    record_property("seconds", round(time.monotonic() - began, 1))
    record_property("bytes", verified.traffic["bytes_received"])
    assert verified.findings == Findings(PROJECT, runs_listed=500)
    assert verified.traffic["requests"] == 3 + 5
