"""The same server data, loaded into each warehouse, makes the same tables as in DuckDB, value by value."""

from __future__ import annotations

import pytest

from tests.contract.place import Landing, comparable, differences
from tests.loads import LiveRun, Place, delete_calls
from tests.weave_server.fixtures import Project

FILLED = {"evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats"}


def trials_of(project: Project, run_id: str) -> list[str]:
    return [call["id"] for call in project.server.calls(project.name, parent_ids=[run_id])]


@pytest.mark.timeout(600)
def test_tables_follow_the_server(landing: Landing, reference: Place, sdk_project: Project) -> None:
    live = LiveRun.start(sdk_project.server, sdk_project.name)
    live.add_trial({"seat": "12A"}, "window")
    landing.load()
    reference.load()
    first = comparable(landing)
    assert differences(first, comparable(reference)) == []
    assert all(first[table] for table in FILLED)

    assert landing.load().load_ids == []

    delete_calls(sdk_project.server, sdk_project.name, trials_of(sdk_project, sdk_project.ids["class_model"])[0])
    delete_calls(sdk_project.server, sdk_project.name, *trials_of(sdk_project, sdk_project.ids["logger_finished"]))
    live.add_trial({"seat": "31F"}, {"answer": ["aisle", None]})
    live.finish(mean=0.5)
    live.rename("seat finder")
    landing.load(is_full=True)
    reference.load(is_full=True)
    second = comparable(landing)
    assert differences(second, comparable(reference)) == []
    assert second != first

    landing.load(is_full=True)
    assert differences(comparable(landing), second) == []
