"""Two runs compared row by row: the first is the baseline, the second the candidate."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from . import statistics
from .comparability import Obstacle, pair_obstacles, run_obstacles
from .precision import is_computable, is_same, mean, slack
from .run_results import ErrorsAs, JudgedTrial, Metric, MetricKind, RunFacts, RunResults
from .statistics import Estimate

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class RowChange:
    """A row and its value in both runs."""

    row_digest: str
    baseline: float
    candidate: float


@dataclass(frozen=True)
class PairedMetric:
    """A metric on the rows that have a value in both runs.

    `sign_p_value` is that of McNemar's exact test where `is_mcnemar`, else that of the sign test; `t_p_value` that of
    the paired t-test. `regressions` are the rows that got worse, worst first. `detectable` is the smallest difference
    that so many rows show with a power of 0.8 at an alpha of 0.05. `is_same_scorer` is false if versions differ.
    """

    metric: Metric
    kind: MetricKind
    better: Better
    baseline: Estimate
    candidate: Estimate
    difference: Estimate
    wins: int
    losses: int
    ties: int
    sign_p_value: float
    is_mcnemar: bool
    t_p_value: float | None
    detectable: float | None
    missing: tuple[int, int]
    is_same_scorer: bool
    regressions: list[RowChange]

    def as_dict(self) -> dict[str, Any]:
        """The metric as JSON values."""
        own = {"metric": self.metric.label, "scorer_name": self.metric.scorer_name, "path": self.metric.path}
        rest = {name: value for name, value in asdict(self).items() if name != "metric"}
        return {**own, **rest, "missing": dict(zip(("baseline", "candidate"), self.missing, strict=True))}


@dataclass(frozen=True)
class Measurement:
    """Something measured of each trial, in both runs: seconds, US dollars or tokens.

    `baseline` and `candidate` hold `trials`, `total`, `mean`, `p50` and `p95` over the trials of the common rows, None
    if no trial has it. `difference` is that of the rows' means.
    """

    name: str
    baseline: dict[str, float] | None
    candidate: dict[str, float] | None
    difference: Estimate | None
    t_p_value: float | None


@dataclass(frozen=True)
class Comparison:
    """Two runs on their common rows. `flaky_rows` are rows whose trials disagree within a run, by run and metric."""

    baseline: RunFacts
    candidate: RunFacts
    common_rows: int
    only_in_baseline: list[str]
    only_in_candidate: list[str]
    failed_trials: tuple[int, int]
    metrics: list[PairedMetric]
    measurements: list[Measurement]
    flaky_rows: dict[str, dict[str, list[str]]]
    obstacles: list[Obstacle]

    def as_dict(self) -> dict[str, Any]:
        """The comparison as JSON values, but for times."""
        return {
            "baseline": run_dict(self.baseline),
            "candidate": run_dict(self.candidate),
            "common_rows": self.common_rows,
            "only_in_baseline": self.only_in_baseline,
            "only_in_candidate": self.only_in_candidate,
            "failed_trials": dict(zip(("baseline", "candidate"), self.failed_trials, strict=True)),
            "metrics": [metric.as_dict() for metric in self.metrics],
            "measurements": [asdict(measurement) for measurement in self.measurements],
            "flaky_rows": self.flaky_rows,
            "warnings": [obstacle.text for obstacle in self.obstacles],
        }


def run_dict(run: RunFacts) -> dict[str, Any]:
    """A run as JSON values."""
    times = {"started_at": run.started_at, "finished_at": run.finished_at}
    texts = {name: moment.isoformat() if moment else None for name, moment in times.items()}
    return {**asdict(run), **texts, "scorer_refs": list(run.scorer_refs) if run.scorer_refs is not None else None}


def compare(
    baseline: RunResults,
    candidate: RunResults,
    *,
    errors_as: ErrorsAs = "failures",
    lower_is_better: Collection[str] = (),
) -> Comparison:
    """Compares two runs on the rows that both have. `lower_is_better` names metrics by their labels."""
    common = baseline.rows.keys() & candidate.rows.keys()
    first, second = baseline.of_rows(common), candidate.of_rows(common)
    obstacles = [
        *run_obstacles(baseline.run),
        *run_obstacles(candidate.run),
        *pair_obstacles(baseline, candidate),
    ]
    changed = {obstacle.scorer for obstacle in obstacles if obstacle.subject == "scorers"}
    metrics = [
        paired_metric(
            first,
            second,
            metric,
            errors_as=errors_as,
            better="lower" if metric.label in lower_is_better else "higher",
            is_same_scorer=metric.scorer_name not in changed,
        )
        for metric in first.metrics()
        if metric in set(second.metrics())
    ]
    return Comparison(
        baseline=baseline.run,
        candidate=candidate.run,
        common_rows=len(common),
        only_in_baseline=sorted(baseline.rows.keys() - common),
        only_in_candidate=sorted(candidate.rows.keys() - common),
        failed_trials=(failed_count(baseline), failed_count(candidate)),
        metrics=[metric for metric in metrics if metric],
        measurements=[measure(first, second, name) for name in MEASURED],
        flaky_rows={run.run.run_id: flaky_rows(run) for run in (baseline, candidate)},
        obstacles=obstacles,
    )


def without_other_metrics(found: Comparison, labels: Collection[str]) -> Comparison:
    """The comparison with these metrics alone, named by their labels."""
    flaky = {
        run_id: {label: rows for label, rows in metrics.items() if label in labels}
        for run_id, metrics in found.flaky_rows.items()
    }
    metrics = [metric for metric in found.metrics if metric.metric.label in labels]
    return replace(found, metrics=metrics, flaky_rows=flaky)


def failed_count(run: RunResults) -> int:
    """Trials that failed."""
    return sum(trial.is_error for trial in run.trials())


def paired_metric(
    baseline: RunResults,
    candidate: RunResults,
    metric: Metric,
    *,
    errors_as: ErrorsAs = "failures",
    better: Better = "higher",
    is_same_scorer: bool = True,
) -> PairedMetric | None:
    """The metric on the rows that have a value in both runs; None if no row has, or if nothing is computed of it."""
    kinds = {baseline.kind(metric), candidate.kind(metric)}
    if not kinds <= {"pass_rate", "mean"}:
        return None
    before, after = baseline.row_values(metric, errors_as), candidate.row_values(metric, errors_as)
    rows = sorted(before.keys() & after.keys())
    if not rows:
        return None
    kind: MetricKind = "pass_rate" if kinds == {"pass_rate"} else "mean"
    first, second = [before[row] for row in rows], [after[row] for row in rows]
    changes = [RowChange(row, before[row], after[row]) for row in rows]
    regressions = worse_rows(changes, better)
    ties = sum(is_same(change.baseline, change.candidate) for change in changes)
    wins = len(rows) - len(regressions) - ties
    return PairedMetric(
        metric=metric,
        kind=kind,
        better=better,
        baseline=estimate(kind, first),
        candidate=estimate(kind, second),
        difference=difference(kind, first, second),
        wins=wins,
        losses=len(regressions),
        ties=ties,
        sign_p_value=statistics.sign_test(wins, len(regressions)),
        is_mcnemar=kind == "pass_rate" and {*first, *second} <= {0.0, 1.0},
        t_p_value=statistics.paired_t_test(first, second),
        detectable=detectable_difference(kind, first, second),
        missing=(len(baseline.missing(metric)), len(candidate.missing(metric))),
        is_same_scorer=is_same_scorer,
        regressions=regressions,
    )


def worse_rows(changes: Iterable[RowChange], better: Better, tolerance: float = 0.0) -> list[RowChange]:
    """The rows that got worse by more than `tolerance` and rounding, worst first."""
    sign = 1 if better == "higher" else -1

    def is_worse(change: RowChange) -> bool:
        return sign * (change.baseline - change.candidate) > tolerance + slack(change.baseline, change.candidate)

    worse = filter(is_worse, changes)
    return sorted(worse, key=lambda change: (sign * (change.candidate - change.baseline), change.row_digest))


def estimate(kind: MetricKind, values: Sequence[float], confidence: float = statistics.CONFIDENCE) -> Estimate:
    """The value of a metric with its interval."""
    return (statistics.rate if kind == "pass_rate" else statistics.mean)(values, confidence)


def difference(
    kind: MetricKind, before: Sequence[float], after: Sequence[float], confidence: float = statistics.CONFIDENCE
) -> Estimate:
    """The mean difference of paired values with its interval."""
    if kind == "pass_rate":
        return statistics.rate_difference(statistics.paired_differences(before, after), confidence)
    return statistics.mean_difference(before, after, confidence)


def detectable_difference(kind: MetricKind, before: Sequence[float], after: Sequence[float]) -> float | None:
    """The smallest difference that these rows could have shown."""
    if kind == "pass_rate":
        return statistics.detectable_rate_difference(statistics.paired_differences(before, after))
    return statistics.detectable_mean_difference(before, after)


MEASURED = ("latency_seconds", "total_cost", "total_tokens")
"""What is measured of each trial: names of fields of `JudgedTrial`."""


def measured(run: RunResults, name: str) -> list[float]:
    """What was measured of the run's trials."""
    return _values(run.trials(), name)


def _values(trials: Iterable[JudgedTrial], name: str) -> list[float]:
    return [float(value) for trial in trials if (value := getattr(trial, name)) is not None]


def measured_rows(run: RunResults, name: str) -> dict[str, float]:
    """What was measured, as the mean of each row's trials."""
    rows = {digest: _values(trials, name) for digest, trials in run.rows.items()}
    return {digest: mean(values) for digest, values in rows.items() if values}


def measure(baseline: RunResults, candidate: RunResults, name: str) -> Measurement:
    """A measurement in both runs, compared on the rows that have it in both."""
    first, second = _distribution(measured(baseline, name)), _distribution(measured(candidate, name))
    before, after = (measured_rows(run, name) if first and second else {} for run in (baseline, candidate))
    rows = sorted(before.keys() & after.keys())
    pairs = [before[row] for row in rows], [after[row] for row in rows]
    return Measurement(
        name=name,
        baseline=first,
        candidate=second,
        difference=difference("mean", *pairs) if rows else None,
        t_p_value=statistics.paired_t_test(*pairs) if rows else None,
    )


def _distribution(values: Sequence[float]) -> dict[str, float] | None:
    """None also where a value is too large to compute with."""
    if not values or not all(map(is_computable, values)):
        return None
    return {
        "trials": len(values),
        "total": math.fsum(values),
        "mean": mean(values),
        "p50": statistics.percentile(values, 50),
        "p95": statistics.percentile(values, 95),
    }


def flaky_rows(run: RunResults) -> dict[str, list[str]]:
    """The rows whose trials disagree on whether they pass, by the metric's label."""
    metrics = [metric for metric in run.metrics() if run.kind(metric) == "pass_rate"]
    found = {metric.label: rows_that_disagree(run, metric) for metric in metrics}
    return {label: rows for label, rows in found.items() if rows}


def rows_that_disagree(run: RunResults, metric: Metric) -> list[str]:
    """The rows in which some trials pass and others do not."""
    return sorted(
        digest
        for digest, trials in run.rows.items()
        if len({trial.scores[metric] for trial in trials if trial.scores.get(metric) is not None}) > 1
    )
