"""What the rules of a gate measure: of a run, and against a baseline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from . import statistics
from .comparability import too_large
from .comparison import (
    RowChange,
    detectable_difference,
    difference,
    estimate,
    measured,
    measured_rows,
    rows_that_disagree,
    worse_rows,
)
from .precision import LARGEST, is_computable, mean
from .rules import Rule
from .run_results import ErrorsAs, JudgedTrial, Metric, MetricKind, RunResults
from .statistics import Estimate


class UnjudgedError(Exception):
    """A rule cannot be judged; the text says why."""


@dataclass(frozen=True)
class Measured:
    """A value with what is known of it, as in `judging.Check`."""

    value: float
    rows: int
    low: float | None = None
    high: float | None = None
    confidence: float = statistics.CONFIDENCE
    baseline_value: float | None = None
    detectable: float | None = None
    row_digests: Sequence[str] = ()


def measured_by(rule: Rule, run: RunResults, errors_as: ErrorsAs) -> Measured:
    """What a rule measures of a run. Raises `UnjudgedError`."""
    if rule.measure == "flaky_rows":
        rows = rows_that_disagree(run, _metric(rule, run, "pass_rate"))
        return Measured(len(rows), len(run.rows), row_digests=rows)
    if rule.measure in _OVER_ALL_TRIALS:
        return Measured(_over_all_trials(rule.measure, run), len(run.rows))
    kind, values = _row_values(rule, run, errors_as)
    found = estimate(kind, list(values.values()), rule.confidence or statistics.CONFIDENCE)
    can_show = _detectable_deviation(kind, list(values.values()))
    return Measured(found.value, found.rows, found.low, found.high, found.confidence, None, can_show)


def changed(rule: Rule, bound: str, run: RunResults, baseline: RunResults, errors_as: ErrorsAs) -> Measured:
    """How far a run is from a baseline, on the rows that both have. Raises `UnjudgedError`."""
    common = baseline.rows.keys() & run.rows.keys()
    if rule.measure == "rows":
        return Measured(len(run.rows) - len(baseline.rows), len(run.rows), baseline_value=len(baseline.rows))
    if not common:
        raise UnjudgedError("the two runs have no row in common.")
    before, after = baseline.of_rows(common), run.of_rows(common)
    if rule.measure == "regressions":
        return _regressions(rule, before, after, errors_as)
    if rule.measure in _OVER_ALL_TRIALS:
        first, second = _over_all_trials(rule.measure, before), _over_all_trials(rule.measure, after)
        return _scaled(bound, Measured(second - first, len(common), baseline_value=first))
    return _scaled(bound, _paired(rule, before, after, errors_as))


def _paired(rule: Rule, before: RunResults, after: RunResults, errors_as: ErrorsAs) -> Measured:
    kind, _, first, second = _paired_values(rule, before, after, errors_as)
    found: Estimate = difference(kind, first, second, rule.confidence or statistics.CONFIDENCE)
    can_show = detectable_difference(kind, first, second)
    base = mean(first)
    return Measured(found.value, found.rows, found.low, found.high, found.confidence, base, can_show)


def _paired_values(
    rule: Rule, before: RunResults, after: RunResults, errors_as: ErrorsAs
) -> tuple[MetricKind, list[str], list[float], list[float]]:
    """The kind, the rows that have a value in both runs, and their values in each."""
    kind, earlier = _row_values(rule, before, errors_as)
    other_kind, later = _row_values(rule, after, errors_as)
    if kind != other_kind:
        raise UnjudgedError(f"{rule.metric} is true or false in one run but a number in the other.")
    rows = sorted(earlier.keys() & later.keys())
    if not rows:
        raise UnjudgedError("no row has a value in both runs.")
    return kind, rows, [earlier[row] for row in rows], [later[row] for row in rows]


def _regressions(rule: Rule, before: RunResults, after: RunResults, errors_as: ErrorsAs) -> Measured:
    _, rows, first, second = _paired_values(rule, before, after, errors_as)
    changes = [RowChange(*change) for change in zip(rows, first, second, strict=True)]
    worse = worse_rows(changes, rule.better, rule.tolerance)
    return Measured(len(worse), len(rows), row_digests=[change.row_digest for change in worse])


def _scaled(bound: str, found: Measured) -> Measured:
    """The change in percent of the baseline's value, where the bound is."""
    if not bound.endswith("_percent"):
        return found
    if not found.baseline_value or not is_computable(1 / found.baseline_value):
        raise UnjudgedError("the baseline's value is 0, so a percentage of it means nothing.")
    factor = 100 / abs(found.baseline_value)
    low = None if found.low is None else factor * found.low
    high = None if found.high is None else factor * found.high
    return Measured(
        factor * found.value,
        found.rows,
        low,
        high,
        found.confidence,
        found.baseline_value,
        None if found.detectable is None else factor * found.detectable,
    )


def _detectable_deviation(kind: MetricKind, values: Sequence[float]) -> float | None:
    if kind == "pass_rate":
        return statistics.detectable_rate_deviation(values)
    return statistics.detectable_mean_deviation(values)


def _row_values(rule: Rule, run: RunResults, errors_as: ErrorsAs) -> tuple[MetricKind, dict[str, float]]:
    """The values of a rule's measure by row, and which statistics are theirs."""
    if rule.measure == "error_rate":
        return "pass_rate", _shares(run, lambda trial: trial.is_error)
    if rule.measure == "missing_score_rate":
        metric = _metric(rule, run)
        return "pass_rate", _shares(run, lambda trial: metric not in trial.scores)
    if rule.measure in _FIELDS:
        _measured(run, _FIELDS[rule.measure])
        return "mean", measured_rows(run, _FIELDS[rule.measure])
    metric = _metric(rule, run, None if rule.measure == "regressions" else rule.measure)
    kind = run.kind(metric)
    if kind == "mean" and errors_as == "failures" and rule.error_value is None:
        _require_no_failures(run, metric)
    return kind, run.row_values(metric, errors_as, rule.error_value)


_FIELDS = {"latency_mean": "latency_seconds", "cost_mean": "total_cost"}
_OVER_ALL_TRIALS = {
    "latency_p50": "latency_seconds",
    "latency_p95": "latency_seconds",
    "cost_total": "total_cost",
    "rows": "",
}
"""Measures without values by row, and what they are of."""

_PERCENTILES = {"latency_p50": 50, "latency_p95": 95}
_WORDS = {"latency_seconds": "a latency", "total_cost": "a cost"}


def _shares(run: RunResults, is_counted: Callable[[JudgedTrial], bool]) -> dict[str, float]:
    return {digest: sum(map(is_counted, trials)) / len(trials) for digest, trials in run.rows.items()}


def _over_all_trials(measure: str, run: RunResults) -> float:
    """A measure of all trials of a run. Raises `UnjudgedError`."""
    if measure == "rows":
        return len(run.rows)
    name = _OVER_ALL_TRIALS[measure]
    values = _measured(run, name)
    if measure == "cost_total":
        _require_all(run, len(values), name)
        return math.fsum(values)
    return statistics.percentile(values, _PERCENTILES[measure])


def _measured(run: RunResults, name: str) -> list[float]:
    """What was measured of the trials. Raises `UnjudgedError` if that says nothing of the run."""
    values, count = measured(run, name), sum(1 for _ in run.trials())
    if not values:
        raise UnjudgedError(f"no trial of the run {run.run.run_id} has {_WORDS[name]}.")
    if len(values) < count / 2:
        raise UnjudgedError(f"only {len(values)} of {count} trials of the run {run.run.run_id} have {_WORDS[name]}.")
    if not all(map(is_computable, values)):
        words = f"{_WORDS[name]} of {LARGEST:g} or more"
        raise UnjudgedError(f"a trial of the run {run.run.run_id} has {words}, too large to compute with.")
    return values


def _require_no_failures(run: RunResults, metric: Metric) -> None:
    """Raises `UnjudgedError` if trials failed without the number, of which none can be a failure."""
    failed = sum(trial.is_error for trial in run.missing(metric))
    if failed:
        count = sum(1 for _ in run.trials())
        raise UnjudgedError(
            f"{failed} of {count} trials of the run {run.run.run_id} failed without it. Say what they count as with "
            "error_value, or leave them out with count_errors_as = 'ignored'."
        )


def _require_all(run: RunResults, count: int, name: str) -> None:
    """Raises `UnjudgedError` if trials that did not fail lack what is to be summed: the sum would be too small."""
    expected = sum(not trial.is_error for trial in run.trials())
    if count < expected:
        raise UnjudgedError(f"{expected - count} trials of the run {run.run.run_id} lack {_WORDS[name]}.")


def _metric(rule: Rule, run: RunResults, kind: str | None = None) -> Metric:
    """The rule's metric in a run, which must be of that kind. Raises `UnjudgedError`."""
    known = run.metrics()
    named = [metric for metric in known if metric.label == rule.metric]
    if len(named) != 1:
        labels = ", ".join(metric.label for metric in known) or "none"
        what = f"several metrics called {rule.metric!r}" if named else f"no metric {rule.metric!r}"
        raise UnjudgedError(f"the run {run.run.run_id} has {what}; its metrics are: {labels}.")
    found = run.kind(named[0])
    if found == "too_large" and rule.measure != "missing_score_rate":
        raise UnjudgedError(too_large(named[0], run))
    if found == "text" and rule.measure != "missing_score_rate":
        raise UnjudgedError(f"{rule.metric} is neither true or false nor a number.")
    if kind and found != kind:
        raise UnjudgedError(f"{rule.metric} is {_KINDS[found]}, which {rule.measure} cannot be computed from.")
    return named[0]


_KINDS = {"pass_rate": "true or false", "mean": "a number", "text": "a text", "too_large": "a number"}
