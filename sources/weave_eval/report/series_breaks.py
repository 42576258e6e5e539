"""What changed between runs besides the models: versions of scorers, and datasets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from ..judging.precision import is_same
from .content import name
from .evaluations import Evaluation
from .facts import EvaluationKey, Facts, ReportedRun, ScorerChange
from .formats import count, listed, quality


@dataclass(frozen=True)
class SeriesBreak:
    """A change: numbers from before and after it cannot be compared. `scorer_name` is None for a dataset."""

    evaluation: EvaluationKey
    run: ReportedRun
    scorer_name: str | None
    title: str
    effects: list[str]

    @property
    def at(self) -> datetime:
        """The start of the first run with it."""
        return self.run.started_at

    def concerns(self, scorer_name: str) -> bool:
        """Whether that scorer's scores cannot be compared across it."""
        return self.scorer_name in (None, scorer_name)


def series_breaks(found: Sequence[Evaluation], facts: Facts) -> list[SeriesBreak]:
    """The breaks in the order of time."""
    every = [change for one in found for change in (*_dataset_changes(one, facts), *_scorer_changes(one, facts))]
    return sorted(every, key=lambda change: (change.at, change.title))


def _dataset_changes(evaluation: Evaluation, facts: Facts) -> Iterator[SeriesBreak]:
    """Where a full run has another version of the dataset than the full run before it."""
    drifts = {(drift.previous_run_id, drift.run_id): drift for drift in facts.drifts}
    for before, after in pairwise(evaluation.full_runs):
        drift = drifts.get((before.run_id, after.run_id))
        is_other = before.dataset_ref != after.dataset_ref
        if drift and not (drift.added_row_count or drift.removed_row_count):
            is_other = False
        if is_other or (drift and (drift.added_row_count or drift.removed_row_count)):
            effects = []
            if drift:
                added, removed = count(drift.added_row_count, "input"), drift.removed_row_count
                effects = [f"{added} added, {removed} removed, {drift.common_row_count} the same as before."]
            yield SeriesBreak(evaluation.key, after, None, "The dataset was edited", effects)


def _scorer_changes(evaluation: Evaluation, facts: Facts) -> Iterator[SeriesBreak]:
    runs = {run.run_id: run for run in evaluation.runs}
    by_version: dict[tuple[str, str], list[ScorerChange]] = defaultdict(list)
    for change in facts.scorer_changes:
        if change.run_id in runs:
            by_version[change.scorer_name, change.scorer_ref].append(change)
    for (scorer_name, _), found in by_version.items():
        found.sort(key=lambda change: (runs[change.run_id].started_at, change.metric))
        effects = list(_effects(found, runs, facts))
        title = f"The scorer {name(scorer_name)} has a new version"
        yield SeriesBreak(evaluation.key, runs[found[0].run_id], scorer_name, title, effects)


def _effects(found: Sequence[ScorerChange], runs: Mapping[str, ReportedRun], facts: Facts) -> Iterator[str]:
    """What the new version did to each metric and model; metrics that it left alone come last."""
    moved = {change.metric for change in found if not is_same(change.mean_value, change.previous_mean)}
    for change in found:
        if change.metric in moved:
            yield _effect(change, runs[change.run_id], facts)
    left = sorted({change.metric for change in found} - moved)
    if left:
        yield f"No effect on {listed([name(metric) for metric in left])}."


def _effect(change: ScorerChange, run: ReportedRun, facts: Facts) -> str:
    score = facts.scores.get(run.run_id, {}).get(change.metric)
    values = (change.previous_mean, change.mean_value)
    before, after = (quality(value, is_binary=bool(score and score.is_binary)) for value in values)
    inputs = count(change.common_row_count, "input")
    return f"{name(change.metric)} of {run.model} went from {before} to {after}, on the same {inputs}."
