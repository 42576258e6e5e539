"""What stands in the way of trusting a run, or of comparing two."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from ..weave.refs import parse_ref
from .precision import LARGEST
from .run_results import Metric, RunFacts, RunResults

Subject = Literal["status", "reconciliation", "dataset", "scorers", "numbers"]


class Obstacle(NamedTuple):
    """Something that makes numbers doubtful, in a sentence. `scorer` is the scorer it is about, None for all."""

    subject: Subject
    text: str
    scorer: str | None = None


def run_obstacles(run: RunFacts) -> Iterator[Obstacle]:
    """What is doubtful about one run: that it has not ended well, is gone, or is not proven complete."""
    if run.is_deleted:
        yield Obstacle("status", f"The run {run.run_id} was deleted in Weave.")
    elif run.status != "completed":
        yield Obstacle("status", f"The run {run.run_id} {ending(run)}.")
    if run.is_reconciled is None:
        yield Obstacle("reconciliation", f"The run {run.run_id} has not been compared with what Weave reports.")
    elif not run.is_reconciled:
        yield Obstacle("reconciliation", f"The run {run.run_id} does not match what Weave reports.")


def ending(run: RunFacts) -> str:
    """How a run that has not completed ended, if it did."""
    return _STATUS.get(run.status, f"is {run.status}")


_STATUS = {
    "running": "has not ended",
    "failed": "failed before it finished",
    "abandoned": "never ended and was abandoned",
}


def pair_obstacles(before: RunResults, after: RunResults) -> Iterator[Obstacle]:
    """What keeps two runs from being compared: other inputs, other versions of a scorer, or huge numbers."""
    lost, added = before.rows.keys() - after.rows.keys(), after.rows.keys() - before.rows.keys()
    if lost or added:
        common = len(before.rows.keys() & after.rows.keys())
        yield Obstacle(
            "dataset",
            f"The datasets differ: {common} rows are in both runs, {len(lost)} only in {before.run.run_id}, "
            f"{len(added)} only in {after.run.run_id}.",
        )
    yield from _scorer_obstacles(before, after)
    for run in (before, after):
        large = [metric for metric in run.metrics() if run.kind(metric) == "too_large"]
        yield from (Obstacle("numbers", too_large(metric, run), metric.scorer_name) for metric in large)


def too_large(metric: Metric, run: RunResults) -> str:
    """Why nothing is computed of a metric."""
    return f"{metric.label} has numbers of {LARGEST:g} or more in {run.run.run_id}, too large to compute with."


def _scorer_obstacles(before: RunResults, after: RunResults) -> Iterator[Obstacle]:
    """Scorers that gave scores in both runs in different versions.

    Runs whose evaluation names no scorers (those of EvaluationLogger) do not say which versions they used.
    """
    scored = {metric.scorer_name for metric in before.metrics()} & {metric.scorer_name for metric in after.metrics()}
    first, second = _versions(before.run.scorer_refs or ()), _versions(after.run.scorer_refs or ())
    for name in sorted(scored & first.keys() & second.keys()):
        if first[name] != second[name]:
            yield Obstacle(
                "scorers",
                f"The scorer {name!r} has another version in {after.run.run_id} than in {before.run.run_id}: its "
                "scores cannot be compared.",
                name,
            )


def _versions(refs: Iterable[str]) -> dict[str, str]:
    return {parsed.name: ref for ref in refs if (parsed := parse_ref(ref))}
