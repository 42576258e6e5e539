"""What a load did, in a sentence."""

from __future__ import annotations

from ...loading.load import LoadResult
from ..alerts import send_alert
from ..console import Console
from ..program import DONE, FAILED


def show_result(console: Console, result: LoadResult) -> int:
    """Prints the outcome of a load; returns the exit code."""
    console.result(result.as_dict(), result_text(result))
    return show_doubts(console, result)


def result_text(result: LoadResult) -> str:
    """The outcome of a load for people."""
    report = result.report
    if result.load_ids:
        did = f"read {report.runs_read} of {report.runs_listed} runs and loaded {result.rows} rows"
    else:
        did = f"nothing new in {report.runs_listed} runs"
    where = f"{result.destination} ({result.dataset})"
    requests = result.traffic["requests"]
    return f"{result.project} → {where}: {did}, {requests} requests, {result.seconds:.1f} s"


def show_doubts(console: Console, result: LoadResult) -> int:
    """Prints the warnings, and the runs that do not reconcile; returns the exit code."""
    for warning in result.report.warnings:
        console.warning(f"{result.project}: {warning}")
    if not result.unreconciled:
        return DONE
    text = (
        f"{result.project}: {len(result.unreconciled)} runs do not agree with what Weave says of them, also read a "
        f"second time: {', '.join(result.unreconciled[:10])}. The table reconciliations says what differs; "
        "they are read again by verify."
    )
    console.error(text)
    send_alert(text)
    return FAILED
