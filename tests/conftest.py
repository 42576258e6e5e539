"""Fixtures and options of all tests: the stand-in servers, and an environment of the tests' own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest_plugins = ["tests.stand_ins.fixtures", "tests.weave_server.fixtures", "tests.demo_file", "tests.evidence"]

FOREIGN = ("WANDB_", "WF_", "WEAVE_", "SOURCES__", "DESTINATION__", "NETRC")
OURS = "WEAVE_EVAL_TEST_"

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # dlt starts it as soon as it is imported, before any fixture


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--all"):
        return
    skip = pytest.mark.skip(reason="slow: run with --all")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(scope="session", autouse=True)
def _no_foreign_settings() -> Iterator[None]:
    """Nothing that this machine's user has set up for W&B or dlt takes part."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(FOREIGN) and not name.startswith(OURS):
                patch.delenv(name)
        for name, folder in (("XDG_CACHE_HOME", ".cache"), ("XDG_CONFIG_HOME", ".config")):
            patch.setenv(name, os.environ.get(name) or str(Path.home() / folder))  # for uv, in whatever home
        yield


@pytest.fixture(scope="module", autouse=True)
def _home_of_the_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A home folder of each module's own, for what several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, tmp_path_factory.mktemp("home"))
        yield


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A home folder of each test's own; what a test sets in the environment ends with it."""
    use_home(monkeypatch, tmp_path_factory.mktemp("home"))


def use_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Makes `home` the place of netrc, W&B's settings and dlt's working folders."""
    patch.setenv("HOME", str(home))
    patch.setenv("USERPROFILE", str(home))
    patch.setenv("DLT_DATA_DIR", str(home / "dlt"))
