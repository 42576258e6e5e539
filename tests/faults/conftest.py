"""A server with projects that make requests of every kind, behind a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tenacity import wait_none

from tests.contract.place import Landing
from tests.faults.launcher import Launcher, launcher
from tests.faults.loads import PROJECT, Loads
from tests.faults.proxy import FaultyProxy, faulty_proxy
from tests.faults.scenario import fill
from tests.loads import LiveRun, days_ago
from tests.stand_ins.fixtures import duckdb_file
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer


@pytest.fixture(scope="module")
def proxy() -> Iterator[FaultyProxy]:
    """The proxy before a server of its own."""
    with WeaveServer.start() as server, faulty_proxy(server) as made:
        fill(server)
        yield made


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
def loads(warehouse: Warehouse, server: WeaveServer, starter: Launcher, tmp_path: Path) -> Iterator[Loads]:
    """An empty place, and a project to load into it."""
    server.bulk(PROJECT, runs=4, rows=20, trials=2, scorers=2, start=days_ago(5), name="helpdesk")
    server.bulk(PROJECT, runs=2, rows=5, trials=1, scorers=1, start=days_ago(3), is_sdk_style=False, name="small")
    LiveRun.start(server, PROJECT).add_trial({"seat": 1}, "window")
    made = Loads(Landing(server, PROJECT, tmp_path, warehouse, warehouse.new_dataset()), starter)
    made.temporary.mkdir()
    yield made
    warehouse.drop(made.landing.dataset)


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails is tried again at once."""
    monkeypatch.setattr("weave_eval.api.retries.wait_random_exponential", lambda **_: wait_none())
