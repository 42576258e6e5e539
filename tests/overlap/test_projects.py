"""Six projects that load into one dataset of Postgres at the same moment, round after round."""

from __future__ import annotations

import pytest

from tests.evidence import Record
from tests.loads import days_ago, delete_calls
from tests.overlap.machines import Machines
from tests.weave_server.process import WeaveServer

PROJECTS = [f"acme/project-{number}" for number in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("warehouse", ["postgres"], indirect=True)
def test_six_projects_load_into_one_dataset(machines: Machines, server: WeaveServer, record: Record) -> None:
    # Different numbers, so that rows in the wrong project would show.
    runs: dict[str, list[str]] = {}
    for number, project in enumerate(PROJECTS, start=1):
        runs[project] = server.bulk(project, runs=1 + number % 3, rows=10 + number, start=days_ago(3), name="first")
    for change in (unchanged, grow, rename_and_shrink, remove, grow_and_look_at_all):
        commands = change(server, runs)
        started = [machines.start(*commands[project], "--project", project) for project in PROJECTS]
        for command in started:
            machines.done(command)
        if change in (rename_and_shrink, grow_and_look_at_all):
            machines.assert_exact(*PROJECTS)
        record("overlap rounds", "six projects load into one dataset of Postgres")


Runs = dict[str, list[str]]
Commands = dict[str, tuple[str, ...]]
LOADS: Commands = dict.fromkeys(PROJECTS, ("load",))


def unchanged(_: WeaveServer, __: Runs) -> Commands:
    return LOADS


def grow(server: WeaveServer, runs: Runs) -> Commands:
    for number, project in enumerate(PROJECTS):
        runs[project] += server.bulk(project, runs=2, rows=5 + number, start=days_ago(2), name="second")
    return LOADS


def rename_and_shrink(server: WeaveServer, runs: Runs) -> Commands:
    for project in PROJECTS:
        server.patch_call(project, runs[project][0], display_name="renamed")
        trials = server.calls(project, parent_ids=[runs[project][-1]])
        delete_calls(server, project, trials[0]["id"])
        server.patch_call(project, runs[project][-1], display_name="smaller")
    return LOADS


def remove(server: WeaveServer, runs: Runs) -> Commands:
    for project in PROJECTS:
        delete_calls(server, project, runs[project].pop(1))
    return LOADS


def grow_and_look_at_all(server: WeaveServer, runs: Runs) -> Commands:
    """Some load what is new, some everything, some verify."""
    grow(server, runs)
    ways: list[tuple[str, ...]] = [("load",), ("load", "--full"), ("verify",)]
    return {project: ways[number % 3] for number, project in enumerate(PROJECTS)}
