"""What a user writes after W&B's page on exporting evaluations: requests in a loop, pandas, DuckDB.

The page's loop over rows, evaluations, trials and scores fills tables of runs, inputs, trials, scores and stats, with
JSON where the values differ in type. Trials lack their times and errors, which the page's endpoints do not give.
Nothing is retried, checked or remembered.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import duckdb
import pandas as pd

from tests.benchmarks.contenders.normalize import append, list_runs, query_results, read_rows

Rows = list[dict[str, Any]]


def result_tables(run_id: str, rows: Rows) -> dict[str, Rows]:
    """Rows of results as rows of tables."""
    tables: dict[str, Rows] = {"inputs": [], "trials": [], "scores": []}
    for row in rows:
        digest = row["row_digest"]
        tables["inputs"].append({"run_id": run_id, "row_digest": digest, "inputs": json.dumps(row["raw_data_row"])})
        for evaluation in row["evaluations"]:
            for trial in evaluation["trials"]:
                key = {"run_id": run_id, "row_digest": digest, "trial_id": trial["predict_and_score_call_id"]}
                names = ("predict_call_id", "model_latency_seconds", "total_tokens", "total_cost")
                tables["trials"].append(
                    {**key, "output": json.dumps(trial["model_output"]), **{name: trial[name] for name in names}}
                )
                tables["scores"] += [{**key, **score} for score in scores(trial)]
    return tables


def scores(trial: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The scores of a trial."""
    for scorer, value in trial["scores"].items():
        yield {"scorer": scorer, "value": json.dumps(value)}


def main(url: str, path: str) -> None:
    """Exports everything."""
    runs = list_runs(url)
    with duckdb.connect(path) as connection:
        append(connection, "runs", pd.json_normalize(runs))
        for run in runs:
            run_id = run["evaluation_run_id"]
            for table, rows in result_tables(run_id, read_rows(url, run_id)).items():
                append(connection, table, pd.DataFrame(rows))
            summary = query_results(url, run_id, include_rows=False, include_summary=True)["summary"]
            append(connection, "stats", pd.json_normalize(summary["evaluations"], "scorer_stats", "evaluation_call_id"))


if __name__ == "__main__":
    main(*sys.argv[1:])
