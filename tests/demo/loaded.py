"""The demo as commands find it: loaded into the DuckDB file of a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables_of import tables_of
from weave_eval.cli.program import main

FILE = "weave_eval.duckdb"
PROJECT = "acme/support-bot"
V2_RUN = "release gate"
"""What the run made through the v2 API is called here; it has no name of its own."""


def load_demo(folder: Path) -> dict[str, str]:
    """Loads the demo into a folder; gives the ids of its runs by their names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["demo"]) == 0
    return {run["display_name"] or V2_RUN: run["run_id"] for run in tables_of(folder / FILE)["evaluation_runs"]}
