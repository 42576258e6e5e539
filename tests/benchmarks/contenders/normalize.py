"""The least that a user can write after W&B's page on exporting evaluations: requests, `json_normalize`, DuckDB.

It lists the runs, reads the results of each page by page and its summary, and appends them to a table of trials, with a
column for each score, and one of stats. Nothing is retried, checked, remembered or typed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import duckdb
import pandas as pd
import requests

BASE = "v2/bench/synthetic"
AUTH = ("api", "key")
PAGE_ROWS = 500


def list_runs(url: str) -> list[dict[str, Any]]:
    """All runs."""
    response = requests.get(f"{url}/{BASE}/evaluation_runs", auth=AUTH)
    response.raise_for_status()
    return [json.loads(line) for line in response.text.splitlines() if line]


def query_results(url: str, run_id: str, **more: Any) -> dict[str, Any]:
    """An answer of `eval_results/query`."""
    body = {"evaluation_run_ids": [run_id], **more}
    response = requests.post(f"{url}/{BASE}/eval_results/query", auth=AUTH, json=body)
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    return answer


def read_rows(url: str, run_id: str) -> list[dict[str, Any]]:
    """All rows of results of a run, with their inputs."""
    rows: list[dict[str, Any]] = []
    while True:
        wanted = {"include_raw_data_rows": True, "resolve_row_refs": True}
        page = query_results(url, run_id, **wanted, limit=PAGE_ROWS, offset=len(rows))["rows"]
        rows += page
        if len(page) < PAGE_ROWS:
            return rows


def trials(run_id: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A row for each trial, with its input, and a column for each key."""
    found: list[dict[str, Any]] = []
    for row in rows:
        inputs = {"run_id": run_id, "row_digest": row["row_digest"], "inputs": row["raw_data_row"]}
        found += [{**inputs, **trial} for run in row["evaluations"] for trial in run["trials"]]
    return pd.json_normalize(found)


def append(connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame) -> None:
    """Appends a frame to a table, which the first one makes."""
    connection.register("frame", frame)
    connection.execute(f"CREATE TABLE IF NOT EXISTS {table} AS SELECT * FROM frame LIMIT 0")
    connection.execute(f"INSERT INTO {table} SELECT * FROM frame")


def main(url: str, path: str) -> None:
    """Exports everything."""
    runs = list_runs(url)
    with duckdb.connect(path) as connection:
        append(connection, "runs", pd.json_normalize(runs))
        for run in runs:
            run_id = run["evaluation_run_id"]
            append(connection, "trials", trials(run_id, read_rows(url, run_id)))
            summary = query_results(url, run_id, include_rows=False, include_summary=True)["summary"]
            append(connection, "stats", pd.json_normalize(summary["evaluations"], "scorer_stats", "evaluation_call_id"))


if __name__ == "__main__":
    main(*sys.argv[1:])
