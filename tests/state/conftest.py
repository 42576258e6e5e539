"""Places that a project was loaded into once, put back before each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import use_home
from tests.contract.place import Landing, Reference, comparable
from tests.loads import days_ago
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.state.world import PROJECT, World
from tests.tables_of import Tables
from tests.weave_server.process import WeaveServer
from weave_eval.cli.exit_codes import DONE
from weave_eval.cli.program import main


@dataclass(frozen=True)
class Project:
    """What Weave has of the project at the first load, and at the second."""

    server: WeaveServer
    first: Path
    second: Path
    expected: Tables


@pytest.fixture(scope="module")
def project(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run and a note on it; then a run more, another model, and another note."""
    folder = tmp_path_factory.mktemp("project")
    weave_server.clear_faults()
    weave_server.configure()
    weave_server.reset()
    note(weave_server, weave_server.bulk(PROJECT, rows=2, trials=1, scorers=1, start=days_ago(3), name="first")[0])
    weave_server.save(folder / "first.state")
    note(weave_server, weave_server.bulk(PROJECT, rows=3, trials=1, scorers=2, start=days_ago(2), name="second")[0])
    weave_server.save(folder / "second.state")
    reference = Reference(weave_server, PROJECT, folder)
    reference.load()
    return Project(weave_server, folder / "first.state", folder / "second.state", comparable(reference))


def note(server: WeaveServer, run_id: str) -> None:
    body: dict[str, Any] = {
        "project_id": PROJECT,
        "weave_ref": f"weave:///{PROJECT}/call/{run_id}",
        "feedback_type": "wandb.note.1",
        "payload": {"note": run_id},
    }
    server.api("POST", "/feedback/create", body).raise_for_status()


@pytest.fixture(scope="module", params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    if request.param == "duckdb":
        return duckdb_file(tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb")
    found: Warehouse = request.getfixturevalue("postgres")
    return found


@pytest.fixture(scope="module")
def loaded(
    project: Project, warehouse: Warehouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Landing, Path]]:
    """The project's first load, and the home of the machine that made it."""
    home = tmp_path_factory.mktemp("machines")
    landing = Landing(project.server, PROJECT, home, warehouse, warehouse.new_dataset())
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, home)
        for variable, value in {**warehouse.environment, **project.server.environment()}.items():
            patch.setenv(variable, value)
        patch.setenv("DLT_DATA_DIR", str(home / "kept"))
        project.server.load(project.first)
        words = ["--project", PROJECT, "--destination", warehouse.name, "--dataset", landing.dataset]
        assert main(["load", *words]) == DONE
        keep(landing)
        yield landing, home
        warehouse.drop(landing.dataset)
        drop_kept(landing)


@pytest.fixture
def world(
    project: Project,
    loaded: tuple[Landing, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> World:
    """The place as the first load left it, and a project that has grown since."""
    landing, home = loaded
    for variable, value in {**landing.warehouse.environment, **project.server.environment()}.items():
        monkeypatch.setenv(variable, value)
    put_back(landing)
    for path in home.iterdir():
        if path.name != "kept" and path.is_dir():
            shutil.rmtree(path)
    shutil.copytree(home / "kept", home / "machine")
    project.server.load(project.second)
    return World(landing, home, project.expected, monkeypatch, capsys)


def keep(landing: Landing) -> None:
    """Keeps a copy of what the place holds."""
    if landing.warehouse.name == "duckdb":
        shutil.copy(file_of(landing), f"{file_of(landing)}.kept")
        return
    copy_tables(landing, landing.dataset, f"{landing.dataset}_kept")


def put_back(landing: Landing) -> None:
    """The place as it was kept; in Postgres without the views, which the next load makes."""
    if landing.warehouse.name == "duckdb":
        Path(f"{file_of(landing)}.wal").unlink(missing_ok=True)
        shutil.copy(f"{file_of(landing)}.kept", file_of(landing))
        return
    landing.warehouse.drop(landing.dataset)
    copy_tables(landing, f"{landing.dataset}_kept", landing.dataset)


def drop_kept(landing: Landing) -> None:
    if landing.warehouse.name == "postgres":
        landing.warehouse.execute(f"DROP SCHEMA {landing.dataset}_kept CASCADE")


def copy_tables(landing: Landing, source: str, target: str) -> None:
    query = f"SELECT tablename FROM pg_tables WHERE schemaname = '{source}'"
    statements = [
        f"CREATE TABLE {target}.{name} (LIKE {source}.{name} INCLUDING ALL); "
        f"INSERT INTO {target}.{name} SELECT * FROM {source}.{name}"
        for (name,) in landing.warehouse.rows(query)
    ]
    landing.warehouse.execute("; ".join([f"CREATE SCHEMA {target}", *statements]))


def file_of(landing: Landing) -> Path:
    file = landing.profile.location().database_file
    assert file
    return file
