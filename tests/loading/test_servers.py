"""Older and newer servers of W&B: the same data make the same tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loads import Place, is_page
from tests.tables_of import Row, Tables
from tests.weave_server.process import WeaveServer

PROJECT = "acme/support-bot"
START = "2026-11-20T08:00:00+00:00"
OF_THE_SERVER = frozenset({
    "_dlt_load_id", "results_load_id", "load_id", "synced_at", "checked_at", "trial_id", "run_id", "trace_id", "url",
    "fingerprint", "result_row_id", "score_id", "scorer_stat_id", "predict_call_id", "scorer_call_id", "feedback_id",
    "call_id", "weave_ref", "created_at", "summary", "total_cost",
})  # fmt: skip
"""Columns with ids that each server makes, and times of now."""


def fill(server: WeaveServer) -> None:
    server.bulk(PROJECT, runs=2, rows=4, trials=2, scorers=3, start=START)
    server.bulk(PROJECT, rows=3, trials=2, scorers=1, start="2026-11-20T11:00:00+00:00", name="v2", is_sdk_style=False)
    server.bulk(PROJECT, rows=3, start="2026-11-20T10:00:00+00:00", name="inline", is_dataset_backed=False)


@pytest.fixture(scope="module")
def newest() -> Iterator[WeaveServer]:
    with WeaveServer.start("0.53.12") as server:
        yield server


@pytest.fixture(scope="module")
def tables(
    weave_server: WeaveServer, newest: WeaveServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Tables]:
    """What was loaded from each server."""
    weave_server.clear_faults()
    weave_server.configure()
    found = {}
    for server in (weave_server, newest):
        server.reset()
        fill(server)
        place = Place(server, PROJECT, tmp_path_factory.mktemp("server"))
        assert place.load().unreconciled == []
        found[server.weave] = place.tables()
    return found


def common(tables: Tables, name: str) -> Counter[str]:
    """A table's rows without what servers make up; a run is known by its start."""
    starts = {run["run_id"]: run["started_at"] for run in tables["evaluation_runs"]}
    rows: list[Row] = [
        {
            **{column: value for column, value in row.items() if column not in OF_THE_SERVER},
            "run": starts.get(row.get("run_id")),
        }
        for row in tables[name]
    ]
    return Counter(str(sorted(row.items(), key=lambda item: item[0])) for row in rows)


@pytest.mark.parametrize(
    "name",
    [
        "evaluation_runs", "dataset_rows", "result_rows", "trials", "scores", "scorer_stats", "reconciliations",
        "evaluations", "models", "datasets", "scorers",
    ],
)  # fmt: skip
def test_old_and_new_servers_give_the_same_tables(tables: dict[str, Tables], name: str) -> None:
    old, new = (common(each, name) for each in tables.values())
    assert old.total() > 0
    assert old == new


def test_both_prove_every_run(tables: dict[str, Tables]) -> None:
    for each in tables.values():
        assert [row["is_reconciled"] for row in each["reconciliations"]] == [True] * 4


def asked_for_costs(server: WeaveServer) -> list[int]:
    """The statuses of the answers to requests for costs."""
    pages = [entry for entry in server.requests("eval_results") if "include_costs" in entry["body"]]
    return [entry["status"] for entry in pages]


def test_an_old_server_refuses_costs_once_a_load(server: WeaveServer, tmp_path: Path) -> None:
    server.bulk(PROJECT, runs=4, rows=5, start=START)
    Place(server, PROJECT, tmp_path).load(page_rows=2)
    assert asked_for_costs(server) == [422]
    assert sum(is_page(entry) for entry in server.requests()) == 4 * 3


def test_costs_that_are_not_wanted_are_not_asked_for(server: WeaveServer, tmp_path: Path) -> None:
    server.bulk(PROJECT, rows=2, start=START)
    Place(server, PROJECT, tmp_path).load(with_costs=False)
    assert asked_for_costs(server) == []


def test_a_new_server_tells_costs(newest: WeaveServer, tmp_path: Path) -> None:
    newest.reset()
    newest.bulk(PROJECT, rows=2, trials=3, start=START)
    price = {"prompt_token_cost": 0.25, "completion_token_cost": 0.5}
    newest.api("POST", "/cost/create", {"project_id": PROJECT, "costs": {"gpt-4o": price}}).raise_for_status()
    newest.clear_requests()
    place = Place(newest, PROJECT, tmp_path)
    place.load()
    assert set(asked_for_costs(newest)) == {200}
    tables = place.tables()
    assert {row["total_cost"] for row in tables["trials"]} == {10 * 0.25 + 5 * 0.5}
    assert [run["total_cost"] for run in tables["evaluation_runs"]] == [6 * 5.0]


@pytest.mark.slow
def test_fields_that_are_missing_are_null(server: WeaveServer, tmp_path: Path) -> None:
    """Only ids are counted on."""
    (run_id,) = server.bulk(PROJECT, rows=1, scorers=0, start=START)
    trial: dict[str, Any] = {"predict_and_score_call_id": "trial-1"}
    row = {"row_digest": "digest-1", "evaluations": [{"evaluation_call_id": run_id, "trials": [trial]}]}
    answer = {"rows": [row], "total_rows": 1}
    place = Place(server, PROJECT, tmp_path)
    with server.faulty({"kind": "200", "match": "eval_results", "body": answer}):
        place.load()
    tables = place.tables()
    (loaded,) = tables["trials"]
    assert {name for name, value in loaded.items() if value is not None} == {
        "project_id", "trial_id", "result_row_id", "run_id", "row_digest", "trial_index", "_dlt_load_id",
    }  # fmt: skip
    assert tables["scores"] == []
    (made,) = tables["evaluation_runs"]
    assert (made["row_count"], made["trial_count"], made["total_tokens"], made["total_cost"]) == (1, 1, None, None)
