"""A run judged by the rules of a gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from .comparability import Obstacle, pair_obstacles, run_obstacles
from .measures import Measured, UnjudgedError, changed, measured_by
from .precision import slack
from .rules import Rule, Rules, is_relative
from .run_results import RunFacts, RunResults

Outcome = Literal["passed", "failed", "not_judged"]
Verdict = Literal["passed", "blocked", "not_judged"]


@dataclass(frozen=True)
class Check:
    """One bound of one rule, held against the run.

    `value` is the run's, or its distance from the baseline's (in percent of it for bounds in percent); `low` and
    `high` are the bounds of its interval, of which the one nearer to the limit must pass where the rule asks for
    `confidence`. `row_digests` are the rows that it is about.
    """

    rule: str
    measure: str
    metric: str | None
    bound: str | None
    limit: float | None
    outcome: Outcome
    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    baseline_value: float | None = None
    rows: int | None = None
    detectable: float | None = None
    row_digests: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """The check as JSON values."""
        return {**asdict(self), "row_digests": list(self.row_digests)}


@dataclass(frozen=True)
class Decision:
    """What a gate says of a run, and why. `notes` were not decisive."""

    run: RunFacts
    baseline: RunFacts | None
    rules: Rules
    verdict: Verdict
    reason: str
    checks: list[Check]
    notes: list[str]

    def as_dict(self) -> dict[str, Any]:
        """The decision as JSON values."""
        return {
            "decision": self.verdict,
            "reason": self.reason,
            "run_id": self.run.run_id,
            "baseline_run_id": self.baseline.run_id if self.baseline else None,
            "project_id": self.run.project_id,
            "rules_digest": self.rules.digest,
            "checks": [check.as_dict() for check in self.checks],
            "notes": self.notes,
        }


def judge(rules: Rules, run: RunResults, baseline: RunResults | None = None) -> Decision:
    """Judges a run, against a baseline where rules need one.

    A run that has not ended well, is not proven complete or has no trials is not judged at all. A rule that compares
    with a baseline is not judged where the two do not compare.
    """
    doubts = [obstacle.text for obstacle in run_obstacles(run.run)]
    doubts += [] if run.rows else [f"The run {run.run.run_id} has no trials."]
    facts = baseline.run if baseline else None
    if doubts:
        return Decision(run.run, facts, rules, "not_judged", " ".join(doubts), [], [])
    obstacles = _baseline_obstacles(run, baseline)
    checks = [check for rule in rules.rules for check in _Judge(rules, run, baseline, obstacles).checks(rule)]
    verdict: Verdict = "passed"
    if any(check.outcome == "not_judged" for check in checks):
        verdict = "not_judged"
    if any(check.outcome == "failed" for check in checks):
        verdict = "blocked"
    notes = [obstacle.text for obstacle in obstacles]
    return Decision(run.run, facts, rules, verdict, _reason(verdict, checks), checks, notes)


def _baseline_obstacles(run: RunResults, baseline: RunResults | None) -> list[Obstacle]:
    return [*run_obstacles(baseline.run), *pair_obstacles(baseline, run)] if baseline else []


def _reason(verdict: Verdict, checks: Sequence[Check]) -> str:
    if verdict == "passed":
        return f"All {len(checks)} checks passed."
    wanted = "failed" if verdict == "blocked" else "not_judged"
    return " ".join(check.text for check in checks if check.outcome == wanted)


class _Judge:
    """Holds the rules against a run."""

    def __init__(self, rules: Rules, run: RunResults, baseline: RunResults | None, obstacles: Sequence[Obstacle]):
        self._rules = rules
        self._run = run
        self._baseline = baseline
        self._obstacles = obstacles

    def checks(self, rule: Rule) -> Iterator[Check]:
        """A check for each bound of the rule."""
        for bound, limit in rule.bounds.items():
            check = Check(rule.name, rule.measure, rule.metric, bound, limit, "not_judged", "")
            try:
                yield self._check(rule, check)
            except UnjudgedError as error:
                yield replace(check, text=f"{rule.name} cannot be judged: {error}")

    def _check(self, rule: Rule, check: Check) -> Check:
        errors_as = self._rules.count_errors_as
        bound, limit = str(check.bound), check.limit or 0.0
        if is_relative(bound) or rule.measure == "regressions":
            measured = changed(rule, bound, self._run, self._comparable_baseline(rule), errors_as)
        else:
            measured = measured_by(rule, self._run, errors_as)
        is_met = _is_met(bound, limit, measured, has_confidence=rule.confidence is not None)
        return replace(
            check,
            outcome="passed" if is_met else "failed",
            text=_text(rule, bound, measured, len(self._run.rows), is_met=is_met),
            value=measured.value,
            low=measured.low,
            high=measured.high,
            confidence=rule.confidence,
            baseline_value=measured.baseline_value,
            rows=measured.rows,
            detectable=measured.detectable,
            row_digests=tuple(measured.row_digests),
        )

    def _comparable_baseline(self, rule: Rule) -> RunResults:
        """The baseline, if it compares. Raises `UnjudgedError`."""
        if self._baseline is None:
            raise UnjudgedError("it needs a baseline, and none was given.")
        against = [
            obstacle.text
            for obstacle in self._obstacles
            if obstacle.subject not in self._rules.may_differ and _concerns(obstacle, rule)
        ]
        if against:
            raise UnjudgedError(" ".join(against))
        return self._baseline


def _concerns(obstacle: Obstacle, rule: Rule) -> bool:
    scorer = obstacle.scorer
    return scorer is None or (rule.metric is not None and f"{rule.metric}.".startswith(f"{scorer}."))


def _is_met(bound: str, limit: float, measured: Measured, *, has_confidence: bool) -> bool:
    """Whether the value, or the doubtful end of its interval, keeps to the limit.

    `max_drop` bounds the change from below: a change of -0.05 is a drop by 0.05. A limit that is missed by rounding
    alone is kept: 0.91 - 0.96 is a little below -0.05.
    """
    low, high = measured.value, measured.value
    if has_confidence:
        if measured.low is None or measured.high is None:
            raise UnjudgedError(_without_interval(measured))
        low, high = measured.low, measured.high
    size = 100.0 if bound.endswith("_percent") else measured.baseline_value or 0.0
    spare = slack(limit, measured.value, size)
    if bound == "min":
        return low >= limit - spare
    if bound == "max" or bound.startswith("max_rise"):
        return high <= limit + spare
    return low >= -limit - spare


def _without_interval(measured: Measured) -> str:
    if measured.rows < 2:
        return f"{measured.rows} rows are too few for an interval."
    return f"{measured.rows} rows without any difference do not say how far others would be from them."


def _text(rule: Rule, bound: str, measured: Measured, row_count: int, *, is_met: bool) -> str:
    what = " ".join(part for part in (rule.measure, rule.metric) if part)
    subject = what if rule.name == what else f"{rule.name}: {what}"
    rows = f"{measured.rows} rows" if measured.rows == row_count else f"{measured.rows} of {row_count} rows"
    value = f"is {_number(measured.value)}"
    if is_relative(bound):
        value = f"changed by {measured.value:+.4g}{' percent' if bound.endswith('percent') else ''}"
        value += "" if measured.baseline_value is None else f" from {_number(measured.baseline_value)}"
    return f"{subject} {value}{_interval(measured)} on {rows}; {_against_limit(rule, bound, is_met=is_met)}."


def _interval(measured: Measured) -> str:
    if measured.low is None or measured.high is None:
        return ""
    return f" ({100 * measured.confidence:g} % interval {_number(measured.low)} to {_number(measured.high)})"


def _against_limit(rule: Rule, bound: str, *, is_met: bool) -> str:
    is_upper = bound == "max" or bound.startswith("max_rise")
    decisive = "it" if rule.confidence is None else "its upper end" if is_upper else "its lower end"
    return f"{decisive} {'meets' if is_met else 'breaks'} {bound} = {_number(rule.bounds[bound])}"


def _number(value: float) -> str:
    return f"{value:.4g}"
