"""Loads of one project that meet: on one machine, on two, and over a DuckDB file that another program has open."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.evidence import Record
from tests.faults.launcher import Command
from tests.loads import days_ago
from tests.overlap.machines import PROJECT, Machines
from weave_eval.cli.exit_codes import BUSY, DONE

HOLDING = "import duckdb, sys; file = duckdb.connect(sys.argv[1], read_only={}); print('open', flush=True); input()"


@pytest.fixture
def _slowly(machines: Machines) -> Iterator[None]:
    """Reading results takes so long that two loads which start together meet."""
    with machines.landing.server.faulty({"kind": "slow", "delay": 3, "match": "eval_results", "times": 100}):
        yield


def outcomes(first: Command, second: Command) -> tuple[Command, Command]:
    """The one that loaded, and the one that found it at work."""
    winner, loser = sorted((first, second), key=lambda command: command.exit_code())
    assert (winner.exit_code(), loser.exit_code()) == (DONE, BUSY), (
        winner.output.read_text(),
        loser.output.read_text(),
    )
    return winner, loser


@pytest.mark.slow
@pytest.mark.usefixtures("_slowly")
@pytest.mark.parametrize("second", ["one", "two"], ids=["same machine", "two machines"])
def test_two_loads_at_once(machines: Machines, record: Record, second: str) -> None:
    winner, loser = outcomes(machines.load(), machines.load(machine=second))
    (line,) = loser.output.read_text().splitlines()
    assert f"process {winner.pid} on " in line
    assert "Nothing was done; run again later" in line
    machines.landing.server.clear_faults()
    machines.assert_exact()
    machines.landing.server.bulk(PROJECT, rows=4, start=days_ago(1), name="later")
    for machine in ("one", second):
        machines.done(machines.load(machine=machine))
    machines.assert_exact()
    record("overlap rounds", "two loads of one project at once")


@contextmanager
def held(file: Path, *, read_only: bool) -> Iterator[int]:
    """The file, open in another program; gives its process id."""
    command = [sys.executable, "-c", HOLDING.format(read_only), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield process.pid
        process.communicate("\n")


@pytest.mark.slow
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
@pytest.mark.parametrize("read_only", [True, False], ids=["reader", "writer"])
def test_a_file_that_another_program_has_open(machines: Machines, record: Record, read_only: bool) -> None:
    machines.done(machines.load())
    machines.landing.server.bulk(PROJECT, rows=4, start=days_ago(1), name="later")
    file = machines.landing.profile.location().database_file
    assert file
    with held(file, read_only=read_only) as pid:
        for words in (("load", "--full"), ("load",), ("verify",)):
            command = machines.start(*words, "--project", PROJECT)
            assert command.exit_code() == BUSY, command.output.read_text()
            (line,) = command.output.read_text().splitlines()
            assert f"is open in another program (process {pid})" in line
    machines.done(machines.load())
    machines.assert_exact()
    record("overlap rounds", "loads into a DuckDB file that is open elsewhere", 3)
