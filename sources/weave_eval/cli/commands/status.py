"""`weave-eval status`."""

from __future__ import annotations

import argparse

from ...errors import WeaveEvalError
from ...warehouse.profiles import profile
from ...warehouse.status import ProjectStatus, project_statuses
from ..console import Console, quieten_libraries, visible
from ..program import DONE
from .exit_code import exit_code


def run(options: argparse.Namespace) -> int:
    """Prints what the warehouse holds of each project."""
    console = Console(is_json=options.json)
    quieten_libraries()
    try:
        destination = profile(options.destination, dataset=options.dataset)
        found = project_statuses(destination)
    except WeaveEvalError as error:
        console.error(str(error))
        return exit_code(error)
    if not found and not options.json:
        console.text(f"{destination.name} ({destination.dataset}) holds no project yet.")
    for one in found:
        console.answer(one.as_dict(), visible(_status_text(one)))
    return DONE


def _status_text(status: ProjectStatus) -> str:
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
