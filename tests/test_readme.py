"""The README is true: its commands run, its generated parts are fresh. Its SQL runs in `contract/test_questions.py`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.generate import generated
from tests.checkout import CHECKOUT
from tests.documentation import README, blocks
from tests.stand_ins.warehouse import Warehouse
from tests.weave_server.process import WeaveServer
from weave_eval.cli.program import main

PROJECT = "my-team/my-project"
SET_UP = ("python -m pip install uv", "uv sync", "dlt init", "export ")
"""Starts of commands that set something up: `test_the_two_commands` and the tests of `dlt init` run those."""

WAREHOUSES = ("postgres", "bigquery", "snowflake")


def commands() -> list[str]:
    """Every command of the README that loads or looks, without the part that starts it in the environment."""
    lines = [line.partition("#")[0].strip() for block in blocks("sh") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith(SET_UP)]


def arguments(command: str) -> list[str]:
    """What `weave-eval` is given."""
    return shlex.split(command.partition("weave-eval ")[2])


def warehouse_of(command: str) -> str:
    return next((name for name in WAREHOUSES if f"--destination {name}" in command), "duckdb")


@pytest.fixture
def project(server: WeaveServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> WeaveServer:
    """The README's project on the stand-in, and a folder with the sample of `destinations.toml`."""
    server.bulk(PROJECT, runs=2, rows=3)
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    shutil.copy(CHECKOUT / "destinations.toml", tmp_path)
    shutil.copytree(CHECKOUT / "pipelines", tmp_path / "pipelines")
    monkeypatch.chdir(tmp_path)
    return server


def test_generated_parts_are_fresh() -> None:
    text = README.read_text(encoding="utf-8")
    assert generated(text) == text, "run `python scripts/generate.py`"


def test_every_command_is_known() -> None:
    assert len(commands()) > 8
    assert all("weave-eval " in command for command in commands())


@pytest.mark.usefixtures("project")
def test_commands_for_a_file_run() -> None:
    assert main(["demo"]) == 0  # some of the commands name its runs
    for command in commands():
        if warehouse_of(command) == "duckdb":
            assert main(arguments(command)) == 0, command


@pytest.mark.slow
@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("warehouse", WAREHOUSES, indirect=True)
def test_commands_for_a_warehouse_run(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in warehouse.environment.items():
        monkeypatch.setenv(name, value)
    dataset = warehouse.new_dataset()
    mine = [command for command in commands() if warehouse_of(command) == warehouse.name]
    assert mine
    for command in mine:
        assert main([*arguments(command), "--dataset", dataset]) == 0, command


def test_python_runs(project: WeaveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__WEAVE_EVAL__API_KEY", project.key)
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def outside() -> dict[str, str]:
    """The environment without the one that the tests run in."""
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")}
    folders = [folder for folder in kept["PATH"].split(os.pathsep) if not folder.startswith(sys.prefix)]
    return {**kept, "PATH": os.pathsep.join(folders)}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_two_commands_set_everything_up(tmp_path: Path) -> None:
    """In a fresh clone: the first command whole, the second with one quick file of tests."""
    clone = tmp_path / "clone"
    files = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in files:
        if (CHECKOUT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, clone / name)
    first, second = (block.strip() for block in blocks("sh") if block.startswith("python -m pip install uv"))
    environment = outside()
    for command in (first, second.replace("--all", "tests/test_refs.py")):
        done = subprocess.run(
            command, shell=True, cwd=clone, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert (clone / "weave_eval.duckdb").exists()
