"""Datasets to load into: an empty one for a test, and one that several tests look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.place import Landing, Reference
from tests.loads import Place
from tests.stand_ins.fixtures import EACH_WAREHOUSE, duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.fixtures import PROJECT, Snapshot
from tests.weave_server.process import WeaveServer


@pytest.fixture(scope="module", params=EACH_WAREHOUSE)
def module_warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """Each warehouse in turn, with its environment variables set for the tests of a module."""
    if request.param == "duckdb":
        chosen = duckdb_file(tmp_path_factory.mktemp("duckdb") / "warehouse.duckdb")
    else:
        chosen = request.getfixturevalue(request.param)
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in chosen.environment.items():
            patch.setenv(variable, value)
        yield chosen


@pytest.fixture
def landing(warehouse: Warehouse, server: WeaveServer, tmp_path: Path) -> Iterator[Landing]:
    """An empty dataset of each warehouse."""
    yield from new_landing(warehouse, server, tmp_path)


@pytest.fixture
def reference(server: WeaveServer, tmp_path: Path) -> Place:
    """A DuckDB file that is loaded with the same."""
    folder = tmp_path / "reference"
    folder.mkdir()
    return Reference(server, PROJECT, folder)


@pytest.fixture(scope="module")
def loaded(
    module_warehouse: Warehouse,
    weave_server: WeaveServer,
    sdk_snapshot: Snapshot,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Landing]:
    """A dataset of each warehouse with the SDK's project in it, for tests that only look at it."""
    weave_server.load(sdk_snapshot.path)
    for landing in new_landing(module_warehouse, weave_server, tmp_path_factory.mktemp("landing")):
        landing.load()
        yield landing


def found_landing(
    warehouse: Warehouse, server: WeaveServer, folder: Path, patch: pytest.MonkeyPatch, project: str
) -> Iterator[Landing]:
    """An empty dataset, which the command line finds, as it finds the server; dropped when it was used."""
    for variable, value in {**warehouse.environment, **server.environment()}.items():
        patch.setenv(variable, value)
    yield from new_landing(warehouse, server, folder, project)


def new_landing(warehouse: Warehouse, server: WeaveServer, folder: Path, project: str = PROJECT) -> Iterator[Landing]:
    """An empty dataset, dropped when it was used."""
    landing = Landing(server, project, folder, warehouse, warehouse.new_dataset())
    yield landing
    warehouse.drop(landing.dataset)
