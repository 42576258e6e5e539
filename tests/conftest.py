"""Fixtures and options of all tests: the stand-in servers, and an environment of the tests' own."""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = [
    "tests.stand_ins.fixtures",
    "tests.weave_server.fixtures",
    "tests.loads",
    "tests.demo_file",
    "tests.evidence",
]

FOREIGN = ("WANDB_", "WF_", "WEAVE_", "SOURCES__", "DESTINATION__", "NETRC")
OURS = "WEAVE_EVAL_TEST_"
LENGTHY = {"weave_server", "demo_file", "postgres", "bigquery", "snowflake", "warehouse", "proxy"}
"""Fixtures of tests that load, which take a hundred times as long as those that only compute."""

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"  # dlt starts it as soon as it is imported, before any fixture
# Hundreds of processes are started that import the same libraries: where bytecode is switched off, each compiles them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="run the slow tests too")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("quick", max_examples=25)
    if not config.getoption("--all"):
        settings.load_profile("quick")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the slow tests, and puts long files first: a worker that gets one last works on alone."""
    if not config.getoption("--all"):
        slow = [item for item in items if "slow" in item.keywords]
        items[:] = [item for item in items if "slow" not in item.keywords]
        config.hook.pytest_deselected(items=slow)
    length: Counter[Path] = Counter()
    for item in items:
        length[item.path] += 100 if LENGTHY.intersection(getattr(item, "fixturenames", ())) else 1
    items.sort(key=lambda item: -length[item.path])


def pytest_collection_finish() -> None:
    """Thousands of tests lie in memory from here on: each garbage collection would go through them all."""
    gc.freeze()


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


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Names of new folders, without the look at all earlier ones that `mktemp` takes."""
    base = tmp_path_factory.mktemp("homes")
    return (base / str(number) for number in count())


@pytest.fixture(scope="module", autouse=True)
def _home_of_the_module(_homes: Iterator[Path]) -> Iterator[None]:
    """A home folder of each module's own, for what several tests share."""
    with pytest.MonkeyPatch.context() as patch:
        use_home(patch, next(_homes))
        yield


@pytest.fixture(autouse=True)
def _home(monkeypatch: pytest.MonkeyPatch, _homes: Iterator[Path]) -> None:
    """A home folder of each test's own; what a test sets in the environment ends with it."""
    use_home(monkeypatch, next(_homes))


def use_home(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Makes `home`, and makes it the place of netrc, W&B's settings and dlt's working folders."""
    home.mkdir(exist_ok=True)
    patch.setenv("HOME", str(home))
    patch.setenv("USERPROFILE", str(home))
    patch.setenv("DLT_DATA_DIR", str(home / "dlt"))
