"""`weave-eval status`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING

from ..command import Command
from ..console import Console, visible
from ..exit_codes import DONE
from ..options import add_destination, add_json, chosen_destination

if TYPE_CHECKING:
    from ...warehouse.status import ProjectStatus

_EXAMPLES = """\
  weave-eval status
  weave-eval status --destination postgres --json
"""


def _add_options(parser: ArgumentParser) -> None:
    add_destination(parser)
    add_json(parser, "print JSON, one object per project")


def _run(console: Console, options: Namespace) -> int:
    """Prints what the warehouse holds of each project."""
    from ...warehouse.status import project_statuses

    destination = chosen_destination(options)
    found = project_statuses(destination)
    if not found and not options.json:
        console.text(f"{destination.name} ({destination.dataset}) holds no project yet.")
    for status in found:
        console.answer(status.as_dict(), visible(_text(status)))
    return DONE


def _text(status: ProjectStatus) -> str:
    shown = status.as_dict()
    runs = ", ".join(f"{count} {name}" for name, count in sorted(status.runs.items())) or "no runs"
    parts = [
        f"{status.project}: {runs}",
        f"last run finished {shown['last_run_finished_at'] or 'never'}",
        f"last load {shown['last_loaded_at'] or 'never'}",
        f"last sync {shown['last_synced_at'] or 'never'}",
    ]
    parts += [f"{status.deleted_runs} deleted in Weave"] if status.deleted_runs else []
    parts += [f"{status.unreconciled_runs} not reconciled"] if status.unreconciled_runs else []
    parts += [f"last error: {status.last_error}"] if status.last_error else []
    return "; ".join(parts)


COMMAND = Command("status", "show what a warehouse holds of each project", _EXAMPLES, _add_options, _run)
