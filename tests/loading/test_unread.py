"""Runs that cannot be read to their end: gone meanwhile, or refused for good. They cost no other run, and no row."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.faults.proxy import Answer, listening
from tests.histories.upstream import Upstream
from tests.loads import LiveRun, Place, days_ago, delete_calls
from tests.tables_of import Row
from tests.weave_server.fixtures import PROJECT
from tests.weave_server.process import WeaveServer
from weave_eval import NoAccessError
from weave_eval.settings import Settings

Intercept = Callable[[str, dict[str, Any]], Answer | None]
"""What is answered to a path and body in place of the server; None leaves it to the server."""

REFUSED = Answer(403, b'{"reason": "Forbidden"}', "application/json")
FAILED = Answer(500, b'{"reason": "Internal server error"}', "application/json")


def pass_on(_: str, __: dict[str, Any]) -> Answer | None:
    return None


@dataclass
class Intercepting(Upstream):
    """A proxy before the server that answers some requests itself."""

    intercept: Intercept = pass_on

    def _true_answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> Answer:
        body = json.loads(content) if content else {}
        return self.intercept(handler.path, body) or super()._true_answer(handler, content)


@dataclass(frozen=True)
class Behind(Place):
    """A DuckDB file that is loaded through `proxy`."""

    proxy: Intercepting

    def settings(self, **changed: Any) -> Settings:
        return super().settings(**{"base_url": self.proxy.url, "page_rows": 2, "parallelism": 1, **changed})

    def runs(self) -> dict[str, Row]:
        return {run["run_id"]: run for run in self.tables()["evaluation_runs"]}

    def rename(self, *run_ids: str) -> None:
        for run_id in run_ids:
            self.server.patch_call(PROJECT, run_id, display_name="renamed")


@pytest.fixture
def place(server: WeaveServer, tmp_path: Path) -> Iterator[Behind]:
    with listening(Intercepting(server)) as proxy:
        yield Behind(server, PROJECT, tmp_path, proxy)


def is_page_of(run_id: str, offset: int) -> Intercept:
    """Whether rows of the run, from `offset` on, are asked for."""

    def is_meant(path: str, body: dict[str, Any]) -> Any:
        is_rows = "eval_results" in path and run_id in body["evaluation_call_ids"] and body.get("include_rows")
        return is_rows and body.get("offset", 0) >= offset

    return is_meant


@pytest.mark.parametrize("offset", [0, 2], ids=["before its first page", "after its first page"])
def test_a_run_that_goes_while_it_is_read_keeps_its_rows(place: Behind, offset: int) -> None:
    going, staying, _ = place.server.bulk(PROJECT, runs=3, rows=5, trials=1, start=days_ago(1))
    place.load()
    before = place.tables()
    place.rename(going, staying)
    is_meant = is_page_of(going, offset)

    def delete_first(path: str, body: dict[str, Any]) -> None:
        if is_meant(path, body):
            delete_calls(place.server, PROJECT, going)

    place.proxy.intercept = delete_first
    result = place.load()
    assert (result.status, result.error, result.unreconciled) == ("loaded", None, [])
    assert (result.report.runs_read, result.report.runs_deleted) == (1, 1)
    runs, tables = place.runs(), place.tables()
    assert (runs[going]["deleted_at"] is not None, runs[going]["trial_count"]) == (True, 5)
    assert (runs[staying]["deleted_at"], runs[staying]["display_name"]) == (None, "renamed")
    for table in ("result_rows", "trials", "scores", "scorer_stats", "reconciliations"):
        kept, were = ([row for row in some[table] if row["run_id"] == going] for some in (tables, before))
        assert kept == were != [], table
    assert len(tables["dataset_rows"]) == len(before["dataset_rows"])
    place.proxy.intercept = pass_on
    assert place.load().status == "unchanged"


def refused_pages(run_id: str, _: str) -> Intercept:
    is_meant = is_page_of(run_id, 0)
    return lambda path, body: REFUSED if is_meant(path, body) else None


def refused_late_pages(run_id: str, _: str) -> Intercept:
    is_meant = is_page_of(run_id, 2)
    return lambda path, body: REFUSED if is_meant(path, body) else None


def failing_calls(_: str, trace_id: str) -> Intercept:
    def intercept(path: str, body: dict[str, Any]) -> Answer | None:
        is_meant = "stream_query" in path and trace_id in body.get("filter", {}).get("trace_ids", ())
        return FAILED if is_meant else None

    return intercept


@pytest.mark.parametrize("make", [refused_pages, refused_late_pages, failing_calls])
def test_a_run_that_may_not_be_read_stops_no_other(place: Behind, make: Callable[[str, str], Intercept]) -> None:
    """It started so early that no later load would list it by its start."""
    (old,) = place.server.bulk(PROJECT, rows=5, trials=1, start=days_ago(60), name="old")
    others = place.server.bulk(PROJECT, runs=3, rows=5, trials=1, start=days_ago(1))
    (call,) = place.server.calls(PROJECT, call_ids=[old])
    place.proxy.intercept = make(old, call["trace_id"])
    result = place.load(retry_budget_seconds=0.1)
    assert (result.status, set(result.report.unread), result.unreconciled) == ("failed", {old}, [])
    assert f"1 run could not be read: {old}. " in str(result.error)
    assert place.trial_counts() == dict.fromkeys(others, 5)
    (sync,) = place.tables()["syncs"]
    assert (sync["status"], sync["error"]) == ("failed", result.error)
    assert place.load(retry_budget_seconds=0.1).report.unread.keys() == {old}
    place.proxy.intercept = pass_on
    last = place.load()
    assert (last.status, last.report.runs_read) == ("loaded", 1)
    assert place.trial_counts() == dict.fromkeys([old, *others], 5)


def test_an_open_run_whose_trials_cannot_be_listed_stops_no_other(place: Behind) -> None:
    """Whether it has grown is asked before anything is read."""
    live = LiveRun.start(place.server, PROJECT)
    live.add_trial({"seat": 1}, "window")
    (ended,) = place.server.bulk(PROJECT, rows=5, trials=1, start=days_ago(1))
    place.proxy.intercept = failing_calls("", live.call["trace_id"])
    result = place.load(retry_budget_seconds=0.1)
    assert (result.status, set(result.report.unread)) == ("failed", {live.run_id})
    assert place.trial_counts() == {ended: 5}
    place.proxy.intercept = pass_on
    place.load()
    assert place.trial_counts() == {ended: 5, live.run_id: 1}


def test_a_run_whose_predictions_may_not_be_read_stops_no_other(place: Behind) -> None:
    runs = {}
    for seat in ("window", "aisle"):
        live = LiveRun.start(place.server, PROJECT, name=seat)
        live.add_trial({"seat": 1}, seat)
        live.finish()
        runs[seat] = live.run_id
    refused = runs["window"]
    place.proxy.intercept = lambda path, _: REFUSED if "predictions" in path and refused in path else None
    result = place.load(with_predictions=True, retry_budget_seconds=0.1)
    assert (result.status, set(result.report.unread)) == ("failed", {refused})
    assert {row["run_id"] for row in place.tables()["predictions"]} == {runs["aisle"]}
    place.proxy.intercept = pass_on
    place.load(with_predictions=True)
    tables = place.tables()
    for table in ("predictions", "trials"):
        assert {row["run_id"] for row in tables[table]} == set(runs.values())


@pytest.mark.slow
def test_a_run_that_may_not_be_read_any_more_keeps_its_rows(place: Behind) -> None:
    refused, other = place.server.bulk(PROJECT, runs=2, rows=5, trials=1, start=days_ago(1))
    place.load()
    place.rename(refused, other)
    place.proxy.intercept = refused_late_pages(refused, "")
    assert place.load().report.unread.keys() == {refused}
    assert place.trial_counts() == {refused: 5, other: 5}
    assert {run["display_name"] for run in place.runs().values()} == {None, "renamed"}


def test_a_key_that_may_read_nothing_is_no_matter_of_a_run(place: Behind) -> None:
    place.server.bulk(PROJECT, runs=2, rows=1, start=days_ago(1))
    place.proxy.intercept = lambda path, _: REFUSED if "eval_results" in path else None
    with pytest.raises(NoAccessError):
        place.load()
