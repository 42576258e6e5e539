"""What the process of the command line imports and keeps, seen from inside such a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.checkout import CHECKOUT
from tests.cli.running import PROJECT
from tests.stand_ins.warehouse import Warehouse

SCRIPT = """
import gc, sys
from weave_eval.cli import program as cli

def main():
    import pyarrow as pa
    print(pa.default_memory_pool().backend_name, gc.get_threshold()[0])
    return 7

cli._run = lambda options: main()
sys.argv = ["weave-eval", "load"]
code = cli.program()
print("left alone at the end:", gc.get_freeze_count() > 1000)
sys.exit(code)
"""
IMPORTS = """
import sys
from weave_eval.cli.program import program
try:
    code = program()
finally:
    print(*sorted(set(sys.argv[0].split(",")) & set(sys.modules)))
sys.exit(code)
"""


def imported(names: str, *arguments: str) -> str:
    """Which of these libraries a command imports."""
    script = f"import sys; sys.argv[0] = {names!r}\n{IMPORTS}"
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_the_command_line_keeps_little() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (7, "")
    assert done.stdout.splitlines() == ["system 200000", "left alone at the end: True"]


@pytest.mark.usefixtures("filled", "folder")
@pytest.mark.parametrize("kind", ["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def test_a_load_does_without_sqlalchemy(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse: Warehouse = request.getfixturevalue(kind)
    for variable, value in warehouse.environment.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("WEAVE_EVAL_DESTINATIONS", str(CHECKOUT / "destinations.toml"))
    load = ("load", "--project", PROJECT, "--destination", kind)
    assert imported("dlt,sqlalchemy", *load) == "dlt"
    assert imported("dlt,sqlalchemy", *load) == "dlt"  # with nothing new


@pytest.mark.parametrize("arguments", [["--help"], ["load", "--help"], ["--version"]])
def test_help_imports_no_large_library(arguments: list[str]) -> None:
    assert imported("argparse,dlt,pyarrow,duckdb,sqlalchemy", *arguments) == "argparse"
