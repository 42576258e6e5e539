"""Runs of the command line, and what they leave."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.tables_of import tables_of

PROJECT = "acme/support-bot"
WEAVE_EVAL = (sys.executable, "-c", "import sys; from weave_eval.cli import main; sys.exit(main())")

Run = Callable[..., tuple[int, str, str]]
"""Runs a command in this process; gives its exit code, stdout and stderr."""


def run_ids(folder: Path, dataset: str = "weave") -> set[str]:
    return {run["run_id"] for run in tables_of(folder / "weave_eval.duckdb", dataset).get("evaluation_runs", [])}


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
