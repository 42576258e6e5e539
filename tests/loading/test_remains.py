"""What loads leave behind, on the disk and in dlt's tables: not more with each load."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import dlt.common.time
import duckdb
import pytest

from tests.contract.place import Landing
from tests.loads import Place, days_ago
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval.api import server_clock
from weave_eval.errors import TransientApiError
from weave_eval.loading import execution, extraction, planning, saved_state
from weave_eval.times import utc_now
from weave_eval.warehouse.views import model

ROWS = {".parquet", ".jsonl", ".gz", ".sql"}
"""Endings of files that hold rows, or keys of rows."""


def rows_on_disk(place: Place) -> list[Path]:
    return [path for path in (place.folder / "machine").rglob("*") if path.suffix in ROWS]


def answer(place: Place, query: str) -> list[tuple[object, ...]]:
    with duckdb.connect(str(place.file)) as connection:
        return connection.execute(query).fetchall()


def test_what_is_loaded_leaves_the_disk_and_old_states_the_warehouse(place: Place) -> None:
    place.server.bulk(PROJECT, runs=3, rows=2, start=days_ago(1))
    place.load(package_runs=1)
    place.load(is_full=True)
    assert rows_on_disk(place) == []
    assert answer(place, "SELECT count(*) FROM weave._dlt_pipeline_state") == [(1,)]
    assert place.load(machine="another").report.runs_read == 0
    (working,) = (place.folder / "machine").glob("*/*")
    for remains in ("load/loaded/1.2/completed_jobs", "load/new/1.3/new_jobs", "normalize/5e1a/1.4/new_jobs"):
        (working / remains).mkdir(parents=True)
        (working / remains / "trials.parquet").touch()
    (working / "weave_eval_files" / "tmp").mkdir(parents=True)
    (working / "weave_eval_files" / "tmp" / "trials.1.parquet").touch()
    assert place.load().status == "unchanged"
    assert rows_on_disk(place) == []


def test_what_a_failed_load_read_leaves_the_disk(place: Place) -> None:
    place.server.bulk(PROJECT, runs=3, rows=2, start=days_ago(1))
    broken = {"kind": "500", "match": "feedback/query", "times": 99}
    with place.server.faulty(broken), pytest.raises(TransientApiError):
        place.load(retry_budget_seconds=0.1)
    assert rows_on_disk(place) == []


def test_each_project_keeps_its_state(place: Place) -> None:
    other = Place(place.server, "acme/other-project", place.folder)
    for one in (place, other):
        place.server.bulk(one.project, rows=2, start=days_ago(1))
        one.load()
    assert answer(place, "SELECT count(DISTINCT pipeline_name), count(*) FROM weave._dlt_pipeline_state") == [(2, 2)]
    assert [one.load(machine="another").status for one in (place, other)] == ["unchanged", "unchanged"]


@pytest.fixture
def shift_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[timedelta], None]:
    """Sets the clock that dlt and the connector read."""
    real = dlt.common.time.precise_time

    def shift(ahead: timedelta) -> None:
        def now() -> datetime:
            return utc_now() + ahead

        monkeypatch.setattr(dlt.common.time, "precise_time", lambda: real() + ahead.total_seconds())
        monkeypatch.setattr(dlt.common.time.increasing_precise_time, "_last", real() + ahead.total_seconds())
        for module in (execution, extraction, planning, saved_state, server_clock):
            monkeypatch.setattr(module, "utc_now", now)

    return shift


def test_a_clock_that_was_ahead(place: Place, shift_clock: Callable[[timedelta], None]) -> None:
    place.server.bulk(PROJECT, runs=2, rows=2, start=days_ago(1))
    shift_clock(timedelta(days=2))
    (warning,) = place.load().report.warnings
    assert warning.startswith("The clock of this machine is 48.0 hours ahead of the clock of Weave's server: set it.")
    assert answer(place, "SELECT days_since_sync FROM weave.fct_freshness") == [(0,)]
    shift_clock(timedelta(0))
    place.load()
    again = place.load()
    assert (again.report.runs_read, again.report.warnings) == (0, [])


def test_views_that_could_not_be_made_are_tried_again_until_they_are(place: Place) -> None:
    place.server.bulk(PROJECT, rows=2, start=days_ago(1))
    answer(place, "CREATE SCHEMA weave")
    answer(place, "CREATE VIEW weave.fct_leaderboard AS SELECT 1 AS mine")
    for status in ("loaded", "unchanged", "unchanged"):
        result = place.load()
        assert result.status == status
        (warning,) = result.report.warnings
        assert "the views are not those of this version: weave has views called fct_leaderboard" in warning
    assert len(place.tables()["syncs"]) == 3
    answer(place, "DROP VIEW weave.fct_leaderboard")
    for _ in range(2):
        assert place.load().report.warnings == []
    assert len(place.tables()["syncs"]) == 4
    assert answer(place, "SELECT count(*) > 0 FROM weave.fct_leaderboard") == [(True,)]


def test_views_of_a_new_version_do_not_wait_for_new_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.server.bulk(PROJECT, rows=2, start=days_ago(1))
    place.load()
    newer = model.CompiledViews("0123456789abcdef", "30", model.views())
    monkeypatch.setattr(model, "_compiled", lambda: newer)
    assert place.load().status == "unchanged"
    marked = "SELECT count(*) FROM duckdb_views() WHERE sql LIKE '%0123456789abcdef%'"
    assert answer(place, marked) == [(len(newer.views),)]


def test_old_states_leave_every_warehouse(warehouse: Warehouse, server: WeaveServer, tmp_path: Path) -> None:
    landing = Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset())
    server.bulk(PROJECT, rows=1, start=days_ago(1))
    landing.load()
    landing.load(heartbeat_hours=0)
    states = warehouse.table(landing.dataset, "_dlt_pipeline_state")
    assert warehouse.rows(f"SELECT count(*) FROM {states}") == [(1,)]
    assert landing.load(machine="another").status == "unchanged"
    warehouse.drop(landing.dataset)
