"""Two projects of one dataset that hold the same runs, as a renamed project does: each keeps its rows to itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.faults.proxy import Answer, listening
from tests.histories.upstream import Upstream
from tests.loads import Place, days_ago, delete_calls
from tests.tables_of import Tables
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval import LoadOptions, SettingsError, verify_project
from weave_eval.judging.run_names import find_run
from weave_eval.settings import Settings
from weave_eval.warehouse.judged_runs import judged_runs
from weave_eval.warehouse.table_reader import TableReader

RENAMED = "acme/new-name"


@dataclass
class Renaming(Upstream):
    """The server, on which the project has another name: the same calls, under the same ids."""

    def _true_answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        handler.path = handler.path.replace(RENAMED, PROJECT)
        answer = super()._true_answer(handler, content.replace(RENAMED.encode(), PROJECT.encode()))
        return Answer(answer.status, answer.body.replace(PROJECT.encode(), RENAMED.encode()), answer.content_type)


@dataclass(frozen=True)
class Behind(Place):
    """A project that is loaded through `proxy`."""

    proxy: Renaming

    def settings(self, **changed: Any) -> Settings:
        return super().settings(**{"base_url": self.proxy.url, **changed})


def of_project(tables: Tables, project: str) -> Tables:
    return {name: [row for row in rows if row["project_id"] == project] for name, rows in tables.items()}


@pytest.fixture
def both(server: WeaveServer, tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    """The project under its old and its new name."""
    with listening(Renaming(server)) as proxy:
        yield Place(server, PROJECT, tmp_path), Behind(server, RENAMED, tmp_path, proxy)


def test_no_statement_of_a_load_reads_or_changes_rows_of_another_project(
    both: tuple[Place, Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = both
    asked = watch_queries(monkeypatch)
    gone, changed, _ = old.server.bulk(PROJECT, runs=3, rows=3, trials=2, scorers=2, start=days_ago(1))
    note = {"project_id": PROJECT, "weave_ref": f"weave:///{PROJECT}/call/{changed}", "feedback_type": "wandb.note.1"}
    old.server.api("POST", "/feedback/create", {**note, "payload": {"note": "good"}}).raise_for_status()
    old.load()
    new.load()
    theirs = of_project(new.tables(), RENAMED)
    assert {name: len(rows) for name, rows in of_project(old.tables(), PROJECT).items()} == {
        name: len(rows) for name, rows in theirs.items()
    }
    delete_calls(old.server, PROJECT, gone)
    old.server.patch_call(PROJECT, changed, display_name="changed")
    old.load()
    assert of_project(old.tables(), RENAMED) == theirs
    assert {run["run_id"] for run in old.tables()["evaluation_runs"] if run["deleted_at"]} == {gone}
    with duckdb.connect(str(old.file)) as connection:
        connection.execute(f"DELETE FROM weave.trials WHERE run_id = '{changed}' AND project_id = '{PROJECT}'")
    verify_project(old.settings(), old.profile, LoadOptions(pipelines_dir=str(old.folder / "machine")))
    old.load(is_full=True)
    assert of_project(old.tables(), RENAMED) == theirs
    old.server.reset()
    old.load(deleted_runs="remove", confirm_deletions=2)
    assert of_project(old.tables(), PROJECT)["trials"] == []
    assert of_project(old.tables(), RENAMED) == theirs
    assert asked
    assert [query for query, values in asked if "project_id = %s" not in query or not {PROJECT, RENAMED} & values] == []


def watch_queries(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, set[Any]]]:
    """Collects what loads ask of our tables, with the values."""
    asked: list[tuple[str, set[Any]]] = []
    answer = TableReader._answer

    def watched(reader: TableReader, query: str, names: dict[str, str], values: tuple[Any, ...]) -> Any:
        asked.append((query, set(values)))
        return answer(reader, query, names, values)

    monkeypatch.setattr(TableReader, "_answer", watched)
    return asked


def test_views_show_a_run_once_as_it_was_read_last(both: tuple[Place, Place]) -> None:
    old, new = both
    runs = old.server.bulk(PROJECT, runs=2, rows=3, trials=1, scorers=1, start=days_ago(1))
    old.load()
    new.load()
    with duckdb.connect(str(old.file)) as connection:
        shown = connection.execute("SELECT run_id, project_id FROM weave.dim_runs ORDER BY 1").fetchall()
        trials = connection.execute("SELECT DISTINCT project_id, COUNT(*) FROM weave.fct_trials GROUP BY 1")
        assert (shown, trials.fetchall()) == ([(run_id, RENAMED) for run_id in sorted(runs)], [(RENAMED, 6)])
    with judged_runs(old.profile, RENAMED) as source:
        results = source.results(find_run(source, runs[0]))
    assert [len(trials) for trials in results.rows.values()] == [1, 1, 1]
    with (
        judged_runs(old.profile, None) as source,
        pytest.raises(SettingsError, match=f"{RENAMED}, {PROJECT}.*--project"),
    ):
        find_run(source, runs[0])
