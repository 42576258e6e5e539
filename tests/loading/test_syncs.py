"""What loads leave in `syncs`, and what `status` makes of it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import duckdb
import pytest

from tests.loads import LiveRun, Place, days_ago, delete_calls
from tests.tables_of import Row, lasting, load_count
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import KEY, WeaveServer
from weave_eval import LoadOptions, load_project, verify_project
from weave_eval.cli.program import main
from weave_eval.errors import DestinationError, NoAccessError, RefusedKeyError, TransientApiError
from weave_eval.warehouse.status import ProjectStatus, project_statuses

BROKEN = {"kind": "503", "match": "eval_results", "skip": 4, "body": {"reason": "cluster is asleep"}}
WRONG_KEY = "wrong-key-0123456789abcdef0123456789abcdef"


def syncs(place: Place) -> list[Row]:
    """Rows of `syncs`, earliest first."""
    return sorted(place.tables().get("syncs", []), key=lambda row: row["started_at"])


def status(place: Place) -> ProjectStatus:
    (found,) = project_statuses(place.profile)
    return found


def test_a_load_says_what_it_did(place: Place) -> None:
    runs = place.server.bulk(PROJECT, runs=3, rows=2, trials=2, scorers=2, start=days_ago(1))
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    place.server.clear_requests()
    began = datetime.now(timezone.utc)
    result = place.load()
    asked = place.server.requests()
    (row,) = syncs(place)
    counts = {name: row[name] for name in ("runs_listed", "runs_read", "runs_unchanged", "runs_open", "runs_deleted")}
    assert counts == {"runs_listed": 4, "runs_read": 4, "runs_unchanged": 0, "runs_open": 1, "runs_deleted": 0}
    assert (row["status"], row["command"], row["destination"], row["error"]) == ("loaded", "load", "duckdb", None)
    assert (row["requests"], row["retries"], row["throttled"]) == (len(asked), 0, 0)
    assert row["bytes_received"] == result.traffic["bytes_received"] > 1000
    tables = place.tables()
    assert row["rows"] == {name: len(tables[name]) for name in row["rows"]}
    of_loads = {"reconciliations", "syncs"}
    assert set(row["rows"]) == {name for name, rows in tables.items() if rows} - of_loads
    assert began <= row["started_at"] <= row["finished_at"] <= datetime.now(timezone.utc)
    assert set(row["seconds"]) == {"load", "prove"}
    assert all(0 < seconds < 60 for seconds in row["seconds"].values())
    assert row["connector_version"] == "0.1.0"
    place.server.bulk(PROJECT, rows=1, scorers=0, start=days_ago(0.5), name="later")
    delete_calls(place.server, PROJECT, runs[0])
    place.load()
    _, second = syncs(place)
    counts = {name: second[name] for name in counts}
    assert counts == {"runs_listed": 4, "runs_read": 1, "runs_unchanged": 3, "runs_open": 1, "runs_deleted": 1}
    assert second["rows"]["trials"] == 1


def test_retries_and_refusals_are_counted(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    refused = {"kind": "429_retry_after", "retry_after": 0.1, "match": "eval_results", "times": 2}
    broken = {"kind": "503", "match": "feedback", "times": 1}
    with place.server.faulty(refused, broken):
        place.load()
    (row,) = syncs(place)
    assert (row["retries"], row["throttled"]) == (3, 2)


def test_unchanged_loads_leave_a_row_now_and_then(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    place.load()
    place.load()
    assert [row["status"] for row in syncs(place)] == ["loaded"]
    packages = load_count(place.file)
    place.load(heartbeat_hours=0.0001 / 3600)
    assert [row["status"] for row in syncs(place)] == ["loaded", "unchanged"]
    assert load_count(place.file) == packages + 1
    place.load()
    assert len(syncs(place)) == 2


def test_with_a_heartbeat_of_0_every_load_leaves_a_row(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    for _ in range(3):
        place.load(heartbeat_hours=0)
    rows = syncs(place)
    assert [row["status"] for row in rows] == ["loaded", "unchanged", "unchanged"]
    assert [(row["runs_read"], row["runs_unchanged"]) for row in rows] == [(1, 0), (0, 1), (0, 1)]
    assert status(place).last_synced_at is not None
    assert status(place).as_dict()["last_synced_at"] == rows[-1]["finished_at"].isoformat(timespec="seconds").replace(
        "+00:00", "Z"
    )


def test_a_failed_load_leaves_its_error_and_the_next_one_is_complete(place: Place, tmp_path: Path) -> None:
    place.server.bulk(PROJECT, runs=4, rows=2, scorers=1, start=days_ago(1))
    whole = Place(place.server, PROJECT, tmp_path / "whole")
    whole.folder.mkdir()
    whole.load()
    with place.server.faulty(BROKEN), pytest.raises(TransientApiError) as raised:
        place.load(package_runs=1, parallelism=1, retry_budget_seconds=0.1)
    (failed,) = syncs(place)
    assert (failed["status"], failed["error"]) == ("failed", str(raised.value))
    assert "cluster is asleep" in failed["error"]
    assert failed["runs_listed"] == 4
    loaded = place.tables()
    assert 1 <= len(loaded["evaluation_runs"]) == len(loaded["reconciliations"]) < 4
    assert status(place).last_error == failed["error"]
    place.load()
    assert [row["status"] for row in syncs(place)] == ["failed", "loaded"]
    assert status(place).last_error is None
    of_the_load = frozenset({"_dlt_load_id", "results_load_id", "synced_at", "checked_at", "load_id"})
    tables, expected = (lasting(one.tables(), without=of_the_load) for one in (place, whole))
    assert {name: tables[name] for name in tables if name != "syncs"} == {
        name: expected[name] for name in expected if name != "syncs"
    }


def test_a_refused_key_is_recorded_but_not_shown(place: Place) -> None:
    place.server.bulk(PROJECT, rows=1, start=days_ago(1))
    place.load()
    settings = place.settings()
    settings.api_key = WRONG_KEY
    with pytest.raises(RefusedKeyError):
        load_project(settings, place.profile, LoadOptions(pipelines_dir=str(place.folder / "machine")))
    assert [row["status"] for row in syncs(place)] == ["loaded", "failed"]
    assert "key was refused" in syncs(place)[-1]["error"]
    for path in place.folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert WRONG_KEY.encode() not in content, path
        assert KEY.encode() not in content, path
    assert status(place).last_error == syncs(place)[-1]["error"]
    place.load()
    assert status(place).last_error is None


@pytest.fixture
def run(
    server: WeaveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., str]]:
    """Runs the command line in an empty folder; gives stdout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WF_TRACE_SERVER_URL", server.url)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__RETRY_BUDGET_SECONDS", "0.1")
    handler = signal.getsignal(signal.SIGTERM)

    def command(*arguments: str) -> str:
        capsys.readouterr()
        main(arguments)
        return capsys.readouterr().out

    yield command
    signal.signal(signal.SIGTERM, handler)


def test_status_as_text_and_json(server: WeaveServer, run: Callable[..., str]) -> None:
    first, second, third = server.bulk(PROJECT, runs=3, rows=1, start=days_ago(1))
    LiveRun.start(server, PROJECT).add_trial({"seat": 1}, "window")
    run("load", "--project", PROJECT)
    (one,) = [json.loads(line) for line in run("status", "--json").splitlines()]
    (ended,) = server.calls(PROJECT, call_ids=[third])
    assert one["runs"] == {"completed": 3, "running": 1}
    assert one["last_run_finished_at"] == f"{ended['ended_at'][:19]}Z"
    assert (one["last_error"], one["deleted_runs"], one["unreconciled_runs"]) == (None, 0, 0)
    now = datetime.now(timezone.utc)
    for name in ("last_loaded_at", "last_synced_at"):
        assert abs((now - datetime.fromisoformat(one[name].replace("Z", "+00:00"))).total_seconds()) < 60, name
    delete_calls(server, PROJECT, first)
    server.patch_call(PROJECT, second, display_name="renamed")
    with server.faulty({**BROKEN, "skip": 0}):
        run("load", "--project", PROJECT)
    shown = run("status")
    assert f"{PROJECT}: 3 completed, 1 running; " in shown
    assert "last error: " in shown
    assert "cluster is asleep" in shown
    assert run("load", "--project", PROJECT) == ""
    shown = run("status")
    assert f"{PROJECT}: 2 completed, 1 running; " in shown
    assert "1 deleted in Weave" in shown
    assert "error" not in shown


def test_a_verify_that_fails_before_it_compares_leaves_a_row(place: Place) -> None:
    place.server.bulk(PROJECT, rows=2, start=days_ago(1))
    place.load()
    with place.server.faulty({"kind": "403", "match": "stream_query", "times": 100}), pytest.raises(NoAccessError):
        verify_project(place.settings(), place.profile, LoadOptions(str(place.folder / "machine")))
    *_, failed = syncs(place)
    assert (failed["status"], failed["command"]) == ("failed", "verify")
    assert "has no access" in failed["error"] or "403" in failed["error"]


def test_a_failure_that_the_warehouse_could_not_take_is_recorded_by_the_next_load(place: Place) -> None:
    place.server.bulk(PROJECT, rows=2, start=days_ago(1))
    place.load()
    alter = "ALTER TABLE weave.evaluation_runs ALTER model_name TYPE"
    execute(place, f"UPDATE weave.evaluation_runs SET model_name = NULL; {alter} INTEGER")
    place.server.bulk(PROJECT, rows=2, start=days_ago(0.5), name="later")
    with pytest.raises(DestinationError) as raised:
        place.load()
    assert [row["status"] for row in syncs(place)] == ["loaded"]
    execute(place, f"DROP VIEW IF EXISTS weave.dim_runs; {alter} VARCHAR")
    place.load()
    _, failed, loaded = syncs(place)
    assert (failed["status"], failed["error"], loaded["status"]) == ("failed", str(raised.value), "loaded")
    assert failed["started_at"] <= failed["finished_at"] <= loaded["started_at"]
    assert place.load().status == "unchanged"
    assert len(syncs(place)) == 3


def execute(place: Place, statements: str) -> None:
    with duckdb.connect(str(place.file)) as connection:
        connection.execute(statements)
