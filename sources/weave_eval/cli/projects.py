"""Commands that do the same for each project, into the chosen destination."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import BusyError, WeaveEvalError
from .console import Console
from .exit_codes import exit_code, worst
from .options import chosen_destination, chosen_projects

if TYPE_CHECKING:
    from ..warehouse.profiles import Profile

ForProject = Callable[[Console, Namespace, "str | None", "Profile"], int]
"""What a command does for one project: returns the exit code, or raises `WeaveEvalError`."""


def for_each_project(console: Console, options: Namespace, run: ForProject) -> int:
    """Runs for each project and sends an alert for each that fails; returns the worst of the exit codes."""
    try:
        destination = chosen_destination(options)
    except WeaveEvalError as error:
        return _fail(console, error)
    return worst(_run_one(run, console, options, project, destination) for project in chosen_projects(options))


def _run_one(run: ForProject, console: Console, options: Namespace, project: str | None, destination: Profile) -> int:
    try:
        return run(console, options, project, destination)
    except WeaveEvalError as error:
        return _fail(console, error)


def _fail(console: Console, error: WeaveEvalError) -> int:
    from .alerts import send_alert

    console.error(str(error))
    if not isinstance(error, BusyError):
        send_alert(str(error))
    return exit_code(error)
