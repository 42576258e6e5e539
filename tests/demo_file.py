"""The demo's tables and views in a DuckDB file, loaded once for all tests that only read, or change a copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import use_home
from tests.once import once
from tests.tables_of import tables_of
from weave_eval.cli.program import main

FILE = "weave_eval.duckdb"
PROJECT = "acme/support-bot"
V2_RUN = "release gate"
"""What the run made through the v2 API is called here; it has no name of its own."""


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `weave-eval demo` fills."""
    return once(tmp_path_factory, "demo", load_demo) / FILE


def load_demo(folder: Path) -> None:
    """Runs `weave-eval demo` in a folder."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, folder / "home")
        patch.chdir(folder)
        assert main(["demo"]) == 0


def demo_runs(file: Path) -> dict[str, str]:
    """The ids of the demo's runs by their names."""
    return {run["display_name"] or V2_RUN: run["run_id"] for run in tables_of(file)["evaluation_runs"]}
