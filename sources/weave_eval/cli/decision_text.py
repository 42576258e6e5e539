"""A gate's decision on a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from ..judging.gate import Decision
from ..judging.run_results import Content
from .comparison_text import shortened
from .console import visible

_MARKS = {"passed": "passed", "failed": "FAILED", "not_judged": "not judged"}
_MOST_ROWS = 5


def decision_text(decision: Decision, contents: Mapping[str, Content]) -> str:
    """The decision, each check with the first rows that broke it, and the notes."""
    baseline = f", compared with {decision.baseline.label}" if decision.baseline else ""
    lines = [f"{decision.run.label}{baseline}"]
    for check in decision.checks:
        lines.append(f"  {_MARKS[check.outcome]:10}  {check.text}")
        shown = check.row_digests[:_MOST_ROWS] if check.outcome == "failed" else ()
        lines += [f"              {digest[:12]}  {shortened(contents[digest].inputs)}" for digest in shown]
    lines += [f"  note        {note}" for note in (*_power(decision), *decision.notes)]
    summary = _counts(decision) if decision.checks else decision.reason
    return "\n".join(visible(line) for line in [*lines, f"{decision.verdict.replace('_', ' ')}: {summary}"])


def _power(decision: Decision) -> list[str]:
    """The smallest changes that this many rows can show, for what was compared with a baseline."""
    return [
        f"{check.rows} rows can show a change of {check.rule} by {check.detectable:.3g} four times out of five."
        for check in decision.checks
        if check.detectable is not None and check.bound in ("max_drop", "max_rise")
    ]


def _counts(decision: Decision) -> str:
    counts = {mark: sum(check.outcome == outcome for check in decision.checks) for outcome, mark in _MARKS.items()}
    return ", ".join(f"{count} {mark.lower()}" for mark, count in counts.items() if count)
