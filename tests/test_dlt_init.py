"""`dlt init` makes a working copy of the source for users who have a dlt project and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import CHECKOUT
from tests.tables_of import tables_of
from tests.weave_server.process import KEY, WeaveServer

pytestmark = pytest.mark.slow

PROJECT = "acme/support-bot"
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "tests")


def command(folder: Path, *words: str) -> str:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working tree as a git repository with one commit."""
    folder = tmp_path_factory.mktemp("origin") / "repository"
    shutil.copytree(CHECKOUT, folder, ignore=LEFT_OUT)
    command(folder, "git", "init", "--quiet", "--initial-branch=main")
    command(folder, "git", "add", ".")
    author = ("-c", "user.name=tester", "-c", "user.email=tester@example.com")
    command(folder, "git", *author, "commit", "--quiet", "--message=Everything")
    return folder


def init(folder: Path, repository: Path, destination: str) -> None:
    dlt = (sys.executable, "-m", "dlt", "--non-interactive")
    command(folder, *dlt, "init", "weave_eval", destination, "--location", str(repository), "--branch", "main")


def test_the_copy_works(repository: Path, tmp_path: Path, server: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    init(tmp_path, repository, "duckdb")
    (run_id,) = server.bulk(PROJECT, rows=3, trials=2)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__PROJECT", PROJECT)
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__BASE_URL", server.url)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    said = command(tmp_path, sys.executable, "-c", COPY_ONLY, "weave_eval_pipeline.py")
    assert str(tmp_path / "weave_eval" / "__init__.py") in said
    tables = tables_of(tmp_path / "weave_eval.duckdb")
    assert [run["run_id"] for run in tables["evaluation_runs"]] == [run_id]
    assert len(tables["trials"]) == 6


COPY_ONLY = """
import runpy, sys
sys.path.insert(0, "")
sys.path[:] = [path for path in sys.path if not path.endswith("sources")]
runpy.run_path(sys.argv[1], run_name="__main__")
print(sys.modules["weave_eval"].__file__)
"""
"""Runs a script with the package of the current folder, not the one that is installed for the tests."""


def test_the_copy_is_complete(repository: Path, tmp_path: Path) -> None:
    init(tmp_path, repository, "duckdb")
    assert (tmp_path / "weave_eval" / "README.md").exists()
    assert (tmp_path / "weave_eval" / "warehouse" / "views" / "views.json").exists()
    assert "[sources.weave_eval]" in (tmp_path / ".dlt" / "config.toml").read_text(encoding="utf-8")
    assert "dlt[duckdb]" in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


def test_the_example_is_made_for_the_destination(repository: Path, tmp_path: Path) -> None:
    init(tmp_path, repository, "postgres")
    example = (tmp_path / "weave_eval_pipeline.py").read_text(encoding="utf-8")
    assert "postgres" in example
    assert "duckdb" not in example
