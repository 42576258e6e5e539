"""A command that does the same for each project, into the destination that was named."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from ...errors import BusyError, SettingsError, WeaveEvalError
from ...loading.load import configured_projects
from ...warehouse.profiles import Profile, profile
from ..alerts import send_alert
from ..console import Console, quieten_libraries
from ..program import MISUSED
from .exit_code import exit_code, worst

ForProject = Callable[[Console, argparse.Namespace, str | None, Profile], int]
"""What a command does for one project; gives the exit code, or raises `WeaveEvalError`."""


def for_each_project(options: argparse.Namespace, run: ForProject) -> int:
    """Runs for each project into the destination that was named; the exit code is the worst that was met."""
    console = Console(is_json=options.json, is_quiet=options.quiet)
    quieten_libraries()
    try:
        destination = profile(options.destination, dataset=options.dataset)
    except SettingsError as error:
        console.error(str(error))
        send_alert(str(error))
        return MISUSED
    return worst(_run_one(run, console, options, project, destination) for project in named_projects(options))


def _run_one(
    run: ForProject, console: Console, options: argparse.Namespace, project: str | None, destination: Profile
) -> int:
    try:
        return run(console, options, project, destination)
    except WeaveEvalError as error:
        console.error(str(error))
        if not isinstance(error, BusyError):
            send_alert(str(error))
        return exit_code(error)


def named_projects(options: argparse.Namespace) -> list[str | None]:
    """The projects that were named, else the configured ones; None stands for the one that dlt finds."""
    return list(options.project or configured_projects() or [None])
