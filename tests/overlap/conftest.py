"""Processes of the command line that run beside each other, and the places they meet in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.place import Landing
from tests.faults.launcher import Launcher, launcher
from tests.loads import days_ago
from tests.overlap.machines import PROJECT, Machines
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launcher]:
    with launcher(tmp_path_factory.mktemp("launched")) as started:
        yield started


@pytest.fixture(params=["duckdb", "postgres"])
def warehouse(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Warehouse:
    is_duckdb = request.param == "duckdb"
    made = duckdb_file(tmp_path / "warehouse.duckdb") if is_duckdb else request.getfixturevalue(request.param)
    for variable, value in made.environment.items():
        monkeypatch.setenv(variable, value)
    assert isinstance(made, Warehouse)
    return made


@pytest.fixture
def machines(warehouse: Warehouse, server: WeaveServer, starter: Launcher, tmp_path: Path) -> Iterator[Machines]:
    """An empty place, and a project of three runs to load into it."""
    server.bulk(PROJECT, runs=3, rows=6, trials=2, scorers=2, start=days_ago(4), name="first")
    made = Machines(Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset()), starter)
    yield made
    warehouse.drop(made.landing.dataset)
