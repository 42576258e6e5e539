"""The demo's tables and views in a DuckDB file, loaded once for all tests that only read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import use_home
from weave_eval.cli.program import main


@pytest.fixture(scope="session")
def demo_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that `weave-eval demo` fills."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, folder / "home")
        patch.chdir(folder)
        assert main(["demo"]) == 0
    return folder / "weave_eval.duckdb"
