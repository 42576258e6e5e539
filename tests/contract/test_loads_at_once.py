"""A load of a project that another one is loading: it says who that is, and leaves or waits."""

from __future__ import annotations

import os
import platform
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.conftest import found_landing
from tests.contract.place import Landing
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import BUSY, DONE
from weave_eval.cli.program import main
from weave_eval.loading.pipelines import lock_path
from weave_eval.warehouse.locks import load_lock
from weave_eval.warehouse.project_lock import project_lock

PROJECTS = ["acme/project-0", "acme/project-1"]


@pytest.fixture
def landing(
    postgres: Warehouse, server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Landing]:
    """An empty dataset in Postgres, which the command line finds, as it finds the server."""
    yield from found_landing(postgres, server, tmp_path, monkeypatch, PROJECTS[0])


def arguments(landing: Landing, project: str, *more: str) -> list[str]:
    return ["load", "--project", project, "--destination", "postgres", "--dataset", landing.dataset, *more]


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
    with project_lock(landing.profile, PROJECTS[0]):
        assert main(arguments(landing, PROJECTS[0])) == BUSY
        said = capsys.readouterr().err
        assert main(arguments(landing, PROJECTS[1])) == DONE
    assert f"Another load is running (process {os.getpid()} on " in said
    assert f", loading {PROJECTS[0]}, since 20" in said
    assert {row["project_id"] for row in landing.tables()["trials"]} == {PROJECTS[1]}


def test_a_load_waits_for_another_machine(landing: Landing, server: WeaveServer) -> None:
    server.bulk(PROJECTS[0], rows=3)
    with ExitStack() as held:
        held.enter_context(project_lock(landing.profile, PROJECTS[0]))
        threading.Timer(2.0, held.pop_all().close).start()
        assert main(arguments(landing, PROJECTS[0], "--wait", "60")) == DONE
    assert len(landing.tables()["trials"]) == 3
