"""Runs of the command line, and what they leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.tables_of import tables_of

PROJECT = "acme/support-bot"

Run = Callable[..., tuple[int, str, str]]
"""Runs a command in this process; gives its exit code, stdout and stderr."""


def run_ids(folder: Path, dataset: str = "weave") -> set[str]:
    return {run["run_id"] for run in tables_of(folder / "weave_eval.duckdb", dataset).get("evaluation_runs", [])}
