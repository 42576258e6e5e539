"""Fixtures: the server, and a project that W&B's own SDK has filled."""

import dataclasses
import json
import pathlib
from collections.abc import Iterator

import pytest

from tests.once import once
from tests.weave_server.process import WeaveServer

PROJECT = "acme/support-bot"
SEEDS = ("evaluations", "logger", "rest", "crash")


@dataclasses.dataclass(frozen=True)
class Project:
    """A seeded project; `ids` has the run ids (and two other ids) under the names that the seeds print."""

    server: WeaveServer
    name: str
    ids: dict[str, str]


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """A saved state of the server."""

    path: pathlib.Path
    ids: dict[str, str]


_STARTED = pytest.StashKey[WeaveServer]()


@pytest.fixture(scope="session")
def weave_server(pytestconfig: pytest.Config) -> Iterator[WeaveServer]:
    """One server for all tests."""
    with WeaveServer.start() as server:
        pytestconfig.stash[_STARTED] = server
        yield server


@pytest.fixture(scope="module", autouse=True)
def _emptied_for_the_module(pytestconfig: pytest.Config) -> None:
    """What a module's fixtures share begins with a server that other modules have left nothing on."""
    if server := pytestconfig.stash.get(_STARTED, None):
        empty(server)


def empty(server: WeaveServer) -> None:
    """Leaves no data, faults, logged requests or changed settings on the server."""
    server.clear_faults()
    server.configure()
    server.reset()
    server.clear_requests()


@pytest.fixture
def server(weave_server: WeaveServer) -> WeaveServer:
    """The server without data, faults, logged requests or changed settings."""
    empty(weave_server)
    return weave_server


@pytest.fixture(scope="session")
def sdk_snapshot(weave_server: WeaveServer, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The state after all seeds."""

    def make(folder: pathlib.Path) -> None:
        empty(weave_server)
        ids = {name: made for seed in SEEDS for name, made in weave_server.seed(seed, PROJECT).items()}
        weave_server.save(folder / "seeded.state")
        (folder / "ids.json").write_text(json.dumps(ids))

    folder = once(tmp_path_factory, "weave_server", make)
    return Snapshot(folder / "seeded.state", json.loads((folder / "ids.json").read_text()))


@pytest.fixture
def sdk_project(sdk_snapshot: Snapshot, server: WeaveServer) -> Project:
    """A project with a run of every kind, as the SDK and the v2 API log them."""
    server.load(sdk_snapshot.path)
    return Project(server, PROJECT, sdk_snapshot.ids)
