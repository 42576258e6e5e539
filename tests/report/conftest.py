"""A DuckDB file with the demo in it that a test may change, and the report of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pytest

from tests.report.parsed_page import Page
from weave_eval.cli.program import main

WRITTEN_AT = "2026-11-24T08:00:00Z"

Write = Callable[..., Page]


@pytest.fixture
def demo_copy(demo_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the demo's file, where `weave-eval` finds it."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(demo_file, tmp_path / "weave_eval.duckdb"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the report of the current folder's warehouse and reads it."""

    def run(*options: str) -> Page:
        file = tmp_path / "report.html"
        assert main(["report", "--out", str(file), "--generated-at", WRITTEN_AT, *options]) == 0
        return Page(file.read_text(encoding="utf-8"))

    return run


@pytest.fixture(scope="session")
def demo_html(demo_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the demo."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(demo_file.parent)
        assert main(["report", "--out", str(file), "--generated-at", WRITTEN_AT]) == 0
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def demo_page(demo_html: str) -> Page:
    return Page(demo_html)


def change(file: Path, statements: Sequence[str | tuple[str, Sequence[object]]]) -> None:
    """Executes statements on a file's schema `weave`."""
    with duckdb.connect(str(file)) as connection:
        connection.execute("USE weave")
        for statement in statements:
            sql, values = (statement, ()) if isinstance(statement, str) else statement
            connection.execute(sql, list(values))
