"""Loads that run at the same moment: of several projects into one dataset, and of one project twice."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.place import Landing, Reference, comparable, differences
from tests.loading import days_ago
from tests.tables_of import Tables
from tests.warehouses.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli import BUSY, DONE, main
from weave_eval.locks import load_lock
from weave_eval.pipelines import lock_path
from weave_eval.warehouse.database_lock import database_lock

PROJECTS = [f"acme/project-{number}" for number in range(6)]
COMMAND = "import sys; from weave_eval.cli import main; sys.exit(main())"


@pytest.fixture
def landing(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset in Postgres, which the command line finds, as it finds the server."""
    for variable, value in {**postgres.environment, **server.environment()}.items():
        monkeypatch.setenv(variable, value)
    yield (made := Landing(server, PROJECTS[0], tmp_path, postgres, postgres.new_dataset()))
    postgres.drop(made.dataset)


def arguments(landing: Landing, project: str, *more: str) -> list[str]:
    return ["load", "--project", project, "--destination", "postgres", "--dataset", landing.dataset, *more]


def load_all_at_once(landing: Landing) -> None:
    """Loads every project in a process of its own."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", COMMAND, *arguments(landing, project)], stderr=subprocess.PIPE, text=True
        )
        for project in PROJECTS
    ]
    outcomes = [(process.communicate(timeout=200)[1], process.returncode) for process in processes]
    assert [code for _, code in outcomes] == [DONE] * len(PROJECTS), outcomes


def of_project(tables: Tables, project: str) -> Tables:
    return {name: [row for row in rows if row["project_id"] == project] for name, rows in tables.items()}


def assert_exact(landing: Landing, folder: Path) -> None:
    """Every project's rows are those of a DuckDB file that it is loaded into alone."""
    tables = comparable(landing)
    for number, project in enumerate(PROJECTS):
        (own := folder / str(number)).mkdir(parents=True)
        reference = Reference(landing.server, project, own)
        reference.load()
        assert differences(of_project(tables, project), comparable(reference)) == []


@pytest.mark.slow
def test_six_projects_load_into_one_dataset(landing: Landing, server: WeaveServer, tmp_path: Path) -> None:
    # Different numbers, so that rows in the wrong project would show.
    for number, project in enumerate(PROJECTS, start=1):
        server.bulk(project, runs=number, rows=10 + number, start=days_ago(3), name=f"bulk-{number}")
    load_all_at_once(landing)
    assert_exact(landing, tmp_path / "first")

    for number, project in enumerate(PROJECTS, start=1):
        server.bulk(project, runs=1, rows=20 + number, start=days_ago(1), name=f"more-{number}")
    load_all_at_once(landing)
    assert_exact(landing, tmp_path / "second")


def test_a_load_of_the_same_project_leaves(
    landing: Landing, server: WeaveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.bulk(PROJECTS[0], rows=3)
    with load_lock(lock_path(landing.profile.location(), PROJECTS[0]), "loading it first"):
        assert main(arguments(landing, PROJECTS[0])) == BUSY
    said = capsys.readouterr().err
    assert f"Another load is running (process {os.getpid()} on {platform.node()}, loading it first, since 20" in said
    assert "run again later, or wait for it with --wait." in said
    assert landing.tables() == {}


def test_a_load_of_the_same_project_on_another_machine_leaves(
    landing: Landing, server: WeaveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.bulk(PROJECTS[0], rows=3)
    server.bulk(PROJECTS[1], rows=4)
    with database_lock(landing.profile.location(), PROJECTS[0]):
        assert main(arguments(landing, PROJECTS[0])) == BUSY
        said = capsys.readouterr().err
        assert main(arguments(landing, PROJECTS[1])) == DONE
    assert f"Another load is running (process {os.getpid()} on " in said
    assert f", loading {PROJECTS[0]}, since 20" in said
    assert {row["project_id"] for row in landing.tables()["trials"]} == {PROJECTS[1]}


def test_a_load_waits_for_another_machine(landing: Landing, server: WeaveServer) -> None:
    server.bulk(PROJECTS[0], rows=3)
    with ExitStack() as held:
        held.enter_context(database_lock(landing.profile.location(), PROJECTS[0]))
        threading.Timer(2.0, held.pop_all().close).start()
        assert main(arguments(landing, PROJECTS[0], "--wait", "60")) == DONE
    assert len(landing.tables()["trials"]) == 3
