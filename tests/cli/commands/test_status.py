"""`weave-eval status`."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb
import pytest

from tests.cli.running import PROJECT, Run

pytestmark = pytest.mark.usefixtures("folder")


@pytest.mark.usefixtures("filled")
def test_status(run: Run) -> None:
    run("load", "--project", PROJECT)
    code, out, err = run("status", "--json")
    (project,) = [json.loads(line) for line in out.splitlines()]
    assert (code, err, project["project"], project["runs"]) == (0, "", PROJECT, {"completed": 2})
    code, out, err = run("status")
    assert (code, err) == (0, "")
    assert f"{PROJECT}: 2 completed" in out


def test_status_before_the_first_load(run: Run, folder: Path) -> None:
    duckdb.connect(str(folder / "weave_eval.duckdb")).close()
    code, out, _ = run("status")
    assert (code, out) == (0, "duckdb (weave) holds no project yet.\n")


def test_status_without_a_database(run: Run) -> None:
    code, _, err = run("status")
    assert code in (0, 1)
    assert "Traceback" not in err
