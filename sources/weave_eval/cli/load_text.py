"""What a load did, on a terminal."""

from __future__ import annotations

from ..loading.outcome import LoadResult
from .alerts import send_alert
from .console import Console
from .exit_codes import DONE, FAILED


def show_load(console: Console, result: LoadResult) -> int:
    """Prints the outcome of a load; returns the exit code."""
    console.result(result.as_dict(), load_text(result))
    return show_doubts(console, result)


def load_text(result: LoadResult) -> str:
    """The outcome of a load in a sentence."""
    report = result.report
    if result.load_ids:
        did = f"read {report.runs_read} of {report.runs_listed} runs and loaded {result.rows} rows"
    else:
        did = f"nothing new in {report.runs_listed} runs"
    where = f"{result.destination} ({result.dataset})"
    requests = result.traffic["requests"]
    return f"{result.project} → {where}: {did}, {requests} requests, {result.seconds:.1f} s"


def show_doubts(console: Console, result: LoadResult) -> int:
    """Prints the warnings, and the runs that could not be read or do not reconcile; returns the exit code."""
    for warning in result.report.warnings:
        console.warning(f"{result.project}: {warning}")
    troubles = [text for text in (result.error, _unreconciled(result)) if text]
    for text in troubles:
        console.error(text)
        send_alert(text)
    return FAILED if troubles else DONE


def _unreconciled(result: LoadResult) -> str | None:
    if not result.unreconciled:
        return None
    return (
        f"{result.project}: {len(result.unreconciled)} runs do not agree with what Weave says of them, even after "
        f"they were read a second time: {', '.join(result.unreconciled[:10])}. The table reconciliations says what "
        "differs; verify reads them again."
    )
