"""The dependencies: the lowest versions that `pyproject.toml` allows serve as the newest do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import tomlkit
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.checkout import CHECKOUT
from tests.stand_ins.environments import python_of
from tests.stand_ins.warehouse import Warehouse

PYPROJECT = CHECKOUT / "pyproject.toml"
SMALL, LARGE = "latest:helpdesk-small", "latest:helpdesk-large"
WAREHOUSES = ("duckdb", "postgres", "bigquery", "snowflake")
FILES = ("board.csv", "board.parquet", "board.xlsx", "report.html", "looker", "dbt")
EVALUATION = ("--evaluation", "refund-policy")
PROGRAM = """
import importlib.metadata, json, logging, sys
from weave_eval.cli import main
from weave_eval.cli.console import Console
logging.captureWarnings = lambda capture: None  # the command line keeps warnings from stderr
codes = [main(command) for command in json.loads(sys.argv[1])]
with Console().progress("a load of runs") as show:
    show(1, 2)
homes = importlib.metadata.packages_distributions()
loaded = {home for name in list(sys.modules) for home in homes.get(name, ())}
json.dump({"codes": codes, "loaded": sorted(loaded)}, open(sys.argv[2], "w"))
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({found.name: found.version for found in importlib.metadata.distributions()}))
"""


@dataclass(frozen=True)
class Outcome:
    """What the commands ended with, which distributions took part, and what was written to stderr."""

    codes: list[int]
    loaded: set[str]
    errors: str

    @property
    def our_warnings(self) -> list[str]:
        """Warnings that Python blames on a line of the package."""
        return re.findall(r"^.*sources/weave_eval/.*Warning: .*$", self.errors, re.MULTILINE)


def requirements(*extras: str) -> Iterator[Requirement]:
    """What the package and these extras of it need on this Python."""
    project = tomlkit.parse(PYPROJECT.read_text(encoding="utf-8")).unwrap()["project"]
    for texts in (project["dependencies"], *(project["optional-dependencies"][extra] for extra in extras)):
        needed = map(Requirement, texts)
        yield from (each for each in needed if each.marker is None or each.marker.evaluate())


def bounds() -> dict[str, Version]:
    """The lowest allowed version of each, by its name."""
    return {
        canonicalize_name(needed.name): Version(bound.version)
        for needed in requirements(*WAREHOUSES, "report", "excel", "alerts")
        for bound in needed.specifier
        if bound.operator == ">="
    }


def installed(environment: str) -> dict[str, Version]:
    done = subprocess.run([python_of(environment), "-c", INSTALLED], capture_output=True, text=True, check=True)
    return {canonicalize_name(name): Version(version) for name, version in json.loads(done.stdout).items()}


def commands(warehouse: str, dataset: str) -> list[list[str]]:
    """Every command that needs no Weave, on the demo's runs."""
    place = ["--destination", warehouse, "--dataset", dataset]
    exports = [["export", "fct_leaderboard", "--out", f"board.{kind}", *place] for kind in ("csv", "parquet", "xlsx")]
    rules = str(CHECKOUT / "pipelines" / "gate.toml")
    return [
        ["demo", *place],
        ["status", *place],
        *exports,
        ["report", "--out", "report.html", *place],
        ["compare", SMALL, LARGE, *EVALUATION, *place],
        ["gate", "--run", LARGE, "--baseline", SMALL, *EVALUATION, "--rules", rules, *place],
        ["looker", "--connection", "warehouse", "--out", "looker", *place],
        ["dbt", "--out", "dbt", *place],
    ]


def run(environment: str, folder: Path, arguments: list[list[str]]) -> Outcome:
    """Runs commands in one process of an environment, in a folder with the sample of `destinations.toml`."""
    shutil.copy(CHECKOUT / "destinations.toml", folder)
    answer = folder / "answer.json"
    done = subprocess.run(
        [python_of(environment), "-c", PROGRAM, json.dumps(arguments), answer],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": "always"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.exists(), done.stderr
    told = json.loads(answer.read_text(encoding="utf-8"))
    return Outcome(told["codes"], {canonicalize_name(name) for name in told["loaded"]}, done.stderr)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.version_info >= (3, 13), reason="some lower bounds are older than Python 3.13")
def test_lower_bounds_are_versions_that_install() -> None:
    found = installed("lowest")
    assert len(bounds()) > 20
    assert {name: found[name] for name in bounds()} == bounds()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("environment", ["lowest", "newest"])
def test_all_commands_do_their_work(environment: str, warehouse: Warehouse, tmp_path: Path) -> None:
    """With every library that the commands are said to need taking part, and no warning for our code."""
    outcome = run(environment, tmp_path, commands(warehouse.name, warehouse.new_dataset()))
    assert set(outcome.codes) == {0}, (outcome.codes, outcome.errors)
    assert all((tmp_path / name).stat().st_size for name in FILES)
    needed = {canonicalize_name(library.name) for library in requirements(warehouse.name, "report", "excel")}
    assert needed - outcome.loaded == (set() if warehouse.name == "duckdb" else {"duckdb", "duckdb-engine"})
    assert outcome.our_warnings == []
