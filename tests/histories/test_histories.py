"""Whatever happens to a project between loads and during them: in the end the warehouse holds what Weave has."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from tests.contract.place import comparable, differences
from tests.evidence import Record
from tests.faults.proxy import listening
from tests.histories.copy import Copy, fresh_tables, of_living
from tests.histories.history import HISTORIES, History
from tests.histories.project import Project
from tests.histories.upstream import Upstream
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.tables_of import Tables
from tests.weave_server.process import WeaveServer
from weave_eval import LoadResult

PROJECT = "acme/changing"
PROVEN = "changes of projects, in histories of loads that end with what a fresh load gives"
MORE = int(os.environ.get("WEAVE_EVAL_TEST_HISTORIES", "1"))
"""How many times as many histories are tried."""

# The same histories each time. One that fails is printed as it is: to make it smaller takes longer than the tests have.
settings.register_profile(
    "histories",
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
SAME_EACH_TIME = settings.get_profile("histories")

Live = Callable[[History, Warehouse], None]


@pytest.fixture(scope="module")
def upstream(weave_server: WeaveServer) -> Iterator[Upstream]:
    with listening(Upstream(weave_server)) as made:
        yield made


@pytest.fixture(scope="module")
def live(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory, record: Record) -> Live:
    """Has a history happen to an empty project and an empty warehouse, and makes sure of how it ends."""

    def happen(history: History, warehouse: Warehouse) -> None:
        upstream.server.clear_faults()
        upstream.server.configure()
        upstream.server.reset()
        folder = tmp_path_factory.mktemp("history")
        copy = Copy(upstream.server, PROJECT, folder, warehouse, warehouse.new_dataset(), upstream, history)
        with pytest.MonkeyPatch.context() as patch:
            for variable, value in warehouse.environment.items():
                patch.setenv(variable, value)
            live_through(copy, folder / "fresh")
            warehouse.drop(copy.dataset)
        record(PROVEN, warehouse.name, history.changes, column="changes")
        record(PROVEN, warehouse.name, len(history.steps), column="disturbed loads")

    return happen


def live_through(copy: Copy, folder: Path) -> None:
    """The history, an undisturbed load and `verify`, and what must hold after each."""
    project = Project(copy.server, copy.project)
    for step in copy.history.steps:
        copy.do(step, project)
    assert copy.load_quietly().unreconciled == []
    assert project.recent() <= copy.statuses().keys()
    copy.verify()
    expected, call_ids = fresh_tables(copy, folder), project.call_ids()
    found = comparable(copy)
    assert differences(of_living(found, call_ids), of_living(expected, call_ids)) == []
    assert [row for row in found.get("reconciliations", []) if not row["is_reconciled"]] == []
    assert copy.verify().findings.is_clean
    assert_unchanged(copy.load_quietly(), found, call_ids)


def assert_unchanged(result: LoadResult, tables: Tables, call_ids: set[str]) -> None:
    """A load found nothing new. Feedback on a call that is not there is looked at again for an hour."""
    is_awaited = any(row["call_id"] not in call_ids for row in tables.get("feedback", []))
    assert (result.report.runs_read, result.report.runs_deleted) == (0, 0)
    assert result.report.rows.keys() <= ({"feedback"} if is_awaited else set())
    assert result.status == ("loaded" if result.report.rows else "unchanged")


@pytest.mark.slow
@pytest.mark.timeout(600 * MORE)
@settings(SAME_EACH_TIME, max_examples=5 * MORE)
@given(history=HISTORIES)
def test_histories_on_duckdb(live: Live, tmp_path_factory: pytest.TempPathFactory, history: History) -> None:
    live(history, duckdb_file(tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb"))


@pytest.mark.slow
@pytest.mark.timeout(600 * MORE)
@settings(SAME_EACH_TIME, max_examples=3 * MORE)
@given(history=HISTORIES)
def test_histories_on_postgres(live: Live, postgres: Warehouse, history: History) -> None:
    live(history, postgres)
