"""Readers beside loads: they see whole runs or, where DuckDB lets nobody in, one sentence."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import duckdb
import psycopg2  # type: ignore[import-untyped]
import pytest

from tests.evidence import Record
from tests.faults.launcher import Command
from tests.loads import days_ago, delete_calls
from tests.overlap.machines import PROJECT, Machines
from weave_eval.cli.exit_codes import BUSY, DONE

WHOLE = """
SELECT r.run_id, r.row_count, r.trial_count, r.score_count,
  count(DISTINCT t.row_digest) AS rows_there, count(DISTINCT t.trial_id) AS trials_there,
  count(DISTINCT s.score_id) AS scores_there
FROM {0}.dim_runs r
LEFT JOIN {0}.fct_trials t ON t.run_id = r.run_id
LEFT JOIN {0}.fct_scores s ON s.trial_id = t.trial_id
GROUP BY r.run_id, r.row_count, r.trial_count, r.score_count"""
RULES = '[[rules]]\nmeasure = "cost_total"\nmax = 1'


def assert_whole(rows: Sequence[Sequence[Any]]) -> None:
    for run_id, *said_and_there in rows:
        said, there = said_and_there[:3], said_and_there[3:]
        assert said == there, (run_id, said, there)


def shrink(machines: Machines, run_id: str) -> None:
    """Takes a trial from a run, and changes its name, by which the change is found."""
    server = machines.landing.server
    trials = server.calls(PROJECT, parent_ids=[run_id])
    delete_calls(server, PROJECT, trials[0]["id"])
    server.patch_call(PROJECT, run_id, display_name=f"with {len(trials) - 1} trials")


@contextmanager
def connected(machines: Machines) -> Iterator[Any]:
    connection = psycopg2.connect(machines.landing.warehouse.environment["DESTINATION__POSTGRES__CREDENTIALS"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        yield cursor
    connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_no_half_run_is_seen_in_postgres(machines: Machines, record: Record) -> None:
    """While loads, a full one and verify replace runs, and while reports and exports are made."""
    server, folder = machines.landing.server, machines.landing.folder
    (run_id,) = server.bulk(PROJECT, rows=40, trials=2, scorers=3, start=days_ago(2), name="watched")
    machines.done(machines.load())
    seen: set[int] = set()
    polls = 0
    export = str(folder / "whole.csv")
    query = WHOLE.format(machines.landing.dataset)
    beside = [("report", "--out", str(folder / "report.html")), ("export", query, "--out", export)]
    with connected(machines) as cursor:
        for words in (("load",), ("verify",), ("load", "--full"), ("load",), ("verify",)):
            shrink(machines, run_id)
            others = [machines.start(*other) for other in beside]
            command = machines.start(*words, "--project", PROJECT)
            while not command.ended.exists():
                cursor.execute(query)
                rows = cursor.fetchall()
                assert_whole(rows)
                seen |= {row[2] for row in rows if row[0] == run_id}
                polls += 1
            for started in (command, *others):
                machines.done(started)
            with Path(export).open(newline="", encoding="utf-8") as file:
                assert_whole(list(csv.reader(file))[1:])
        cursor.execute(query)
        seen |= {row[2] for row in cursor.fetchall() if row[0] == run_id}
    assert {80, 75} <= seen <= set(range(75, 81))
    machines.assert_exact()
    record("overlap rounds", "loads in Postgres beside a reader, reports and exports", 5)
    record("polls of views beside loads", "Postgres", polls)


@pytest.mark.slow
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_no_half_run_is_seen_in_duckdb(machines: Machines, record: Record) -> None:
    """Another process gets in when no connection is open; a load that it keeps out says so, and the next goes on."""
    (run_id,) = machines.landing.server.bulk(PROJECT, rows=40, trials=2, scorers=3, start=days_ago(2), name="watched")
    machines.done(machines.load())
    file = machines.landing.profile.location().database_file
    assert file
    looks = 0
    for words in (("load",), ("load", "--full"), ("verify",)):
        shrink(machines, run_id)
        command = machines.start(*words, "--project", PROJECT)
        looks += looks_until_the_end(machines, command, file)
        assert command.exit_code() in (DONE, BUSY), command.output.read_text()
        assert "Traceback" not in command.output.read_text()
        machines.done(machines.load())
        machines.assert_exact()
    record("overlap rounds", "loads in DuckDB beside a reader", 3)
    record("polls of views beside loads", "DuckDB, when it let the reader in", looks)


def looks_until_the_end(machines: Machines, command: Command, file: Path) -> int:
    """How often a reader got in while a command ran."""
    looks = 0
    while not command.ended.exists():
        with suppress(duckdb.IOException), duckdb.connect(str(file), read_only=True) as connection:
            assert_whole(connection.execute(WHOLE.format(machines.landing.dataset)).fetchall())
            looks += 1
    return looks


@pytest.mark.slow
@pytest.mark.parametrize("warehouse", ["duckdb"], indirect=True)
def test_commands_that_read_a_file_being_loaded_into(machines: Machines, record: Record) -> None:
    machines.done(machines.load())
    folder = machines.landing.folder
    (folder / "gate.toml").write_text(RULES, encoding="utf-8")
    file = machines.landing.profile.location().database_file
    commands = [
        ("status",),
        ("report", "--out", str(folder / "report.html")),
        ("export", "trials", "--out", str(folder / "trials.csv")),
        ("compare", "latest:first-model", "latest:first-model"),
        ("gate", "--run", "latest:first-model", "--rules", str(folder / "gate.toml")),
    ]
    with duckdb.connect(str(file)):
        started = [(words, machines.start(*words)) for words in commands]
        for words, command in started:
            assert command.exit_code() == BUSY, (words, command.output.read_text())
            (line,) = command.output.read_text().splitlines()
            assert "is open in another program (process " in line
            assert "Nothing was done; run again later." in line
    record("overlap rounds", "commands that read a DuckDB file being loaded into", len(commands))
