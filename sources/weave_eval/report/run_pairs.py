"""Pairs of runs compared row by row, in words for people who do not know the tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from ..judging.comparison import Comparison, PairedMetric, compare
from ..judging.run_names import find_pair
from ..judging.run_results import Content, RunFacts
from ..judging.statistics import ALPHA, Estimate
from ..warehouse.judged_runs import WarehouseRuns
from .content import ShownField, TextBudget, name, title
from .evaluations import Evaluation
from .facts import EvaluationKey, Facts, ReportedRun
from .formats import count, listed, number, p_value, percent, quality

MOST_COMPARISONS = 4
MOST_ROWS = 10

Outcome = Literal["worse", "better", "mixed", "unclear", "same"]

_BADGES: dict[Outcome, str] = {
    "worse": "Worse",
    "better": "Better",
    "mixed": "Better and worse",
    "unclear": "No clear change",
    "same": "No change",
}


@dataclass(frozen=True)
class MetricLine:
    """A metric of both runs as text."""

    label: str
    before: str
    after: str
    difference: str
    wins: int
    losses: int
    ties: int
    chance: str
    is_clear: bool
    is_same_scorer: bool
    is_binary: bool


@dataclass(frozen=True)
class WorseRow:
    """An input that got worse, with what each run answered."""

    title: str
    moves: list[str]
    inputs: list[ShownField]
    before: list[list[ShownField]]
    after: list[list[ShownField]]


@dataclass(frozen=True)
class RunPair:
    """Two runs compared: `before` is the baseline."""

    before: ReportedRun
    after: ReportedRun
    outcome: Outcome
    badge: str
    sentences: list[str]
    warnings: list[str]
    common_rows: int
    metrics: list[MetricLine]
    worse_rows: list[WorseRow]
    worse_count: int


@dataclass(frozen=True)
class RunPairs:
    """Compares runs of a warehouse. `leads` are the labels of the metrics that lead, by evaluation."""

    source: WarehouseRuns
    facts: Facts
    leads: Mapping[EvaluationKey, str]
    budget: TextBudget

    def named(self, first: str, second: str) -> RunPair:
        """The two runs of these names. Raises `SettingsError` for a name that fits no run or several."""
        return self._pair(*find_pair(self.source, first, second))

    def of_versions(self, found: Iterable[Evaluation]) -> list[RunPair]:
        """The newest changes of a model's version within an evaluation; those with a clear outcome first."""
        changed = version_changes(found)[:MOST_COMPARISONS]
        pairs = [self._pair(*(self.source.starting_with(run.run_id)[0] for run in pair)) for pair in changed]
        return sorted(pairs, key=lambda pair: pair.outcome in ("unclear", "same"))

    def _pair(self, before: RunFacts, after: RunFacts) -> RunPair:
        compared = compare(self.source.results(before), self.source.results(after))
        first, second = (self.facts.run(run.run_id) or unread(run) for run in (before, after))
        metrics = _lead_first(compared.metrics, self.leads.get(second.evaluation))
        rows = _worse(metrics)
        contents = self.source.contents([before, after], rows[:MOST_ROWS])
        outcome = _outcome(metrics)
        return RunPair(
            before=first,
            after=second,
            outcome=outcome,
            badge=_BADGES[outcome],
            sentences=[sentence for metric in metrics if (sentence := _sentence(metric))],
            warnings=[_readable(obstacle.text, first, second) for obstacle in compared.obstacles],
            common_rows=compared.common_rows,
            metrics=[_line(metric) for metric in metrics],
            worse_rows=[_worse_row(d, metrics, compared, contents.get(d), self.budget) for d in rows[:MOST_ROWS]],
            worse_count=len(rows),
        )


def version_changes(found: Iterable[Evaluation]) -> list[tuple[ReportedRun, ReportedRun]]:
    """Full runs of an evaluation and model that follow each other with different versions, newest first."""
    changed = []
    for evaluation in found:
        for model in sorted({run.model_name for run in evaluation.full_runs}):
            runs = [run for run in evaluation.full_runs if run.model_name == model]
            changed += [(before, after) for before, after in pairwise(runs) if before.model_id != after.model_id]
    return sorted(changed, key=lambda pair: (pair[1].started_at, pair[1].run_id), reverse=True)


def unread(run: RunFacts) -> ReportedRun:
    """A run outside the report, with the little that a comparison knows about it."""
    return ReportedRun(
        run_id=run.run_id,
        project_id=run.project_id,
        run_name=name(run.display_name or run.evaluation_name or run.run_id),
        evaluation_id=run.evaluation_ref or "",
        evaluation_name=name(run.evaluation_name or "unnamed evaluation"),
        model_id=run.model_ref or "",
        model_name=name(run.model_name or "unnamed model"),
        version=(run.model_ref or "").rpartition(":")[2][:6],
        status=run.status,
        started_at=run.started_at,
        url=run.url,
    )


def _lead_first(metrics: Iterable[PairedMetric], lead: str | None) -> list[PairedMetric]:
    return sorted(metrics, key=lambda one: (one.metric.label != lead, one.kind != "pass_rate", one.metric.label))


def chance(metric: PairedMetric) -> float:
    """How likely a difference like this is if nothing changed: the p-value of the test that fits the metric."""
    if metric.kind == "mean" and metric.t_p_value is not None:
        return metric.t_p_value
    return metric.sign_p_value


def _is_clear(metric: PairedMetric) -> bool:
    return chance(metric) < ALPHA


def _outcome(metrics: Sequence[PairedMetric]) -> Outcome:
    """What the pass rates say together; numbers do not say which way is better."""
    rates = [metric for metric in metrics if metric.kind == "pass_rate" and metric.is_same_scorer]
    moved = {metric.difference.value > 0 for metric in rates if _is_clear(metric)}
    if moved:
        return "mixed" if len(moved) == 2 else "better" if True in moved else "worse"
    is_same = all(metric.wins == metric.losses == 0 for metric in metrics if metric.is_same_scorer)
    return "same" if is_same and metrics else "unclear"


def _sentence(metric: PairedMetric) -> str | None:
    """What became of a metric; None where nothing did."""
    if not (metric.wins or metric.losses) or not metric.is_same_scorer:
        return None
    is_rate = metric.kind == "pass_rate"
    before, after = (quality(side.value, is_binary=is_rate) for side in (metric.baseline, metric.candidate))
    if before == after:
        moved = f"{name(metric.metric.label)} stayed at {after}"
    else:
        moved = (
            f"{name(metric.metric.label)} {'rose' if metric.difference.value > 0 else 'fell'} from {before} to {after}"
        )
    words = ("better", "worse") if is_rate else ("higher", "lower")
    rows = [f"{n} {word}" for n, word in zip((metric.wins, metric.losses), words, strict=True) if n]
    of_all = f"{listed(rows)} of {count(metric.difference.rows, 'input')}"
    weight = "more than chance explains" if _is_clear(metric) else "which may still be chance"
    return f"{moved}: {of_all}, {weight} ({p_value(chance(metric))})."


def _line(metric: PairedMetric) -> MetricLine:
    is_rate = metric.kind == "pass_rate"
    return MetricLine(
        label=name(metric.metric.label),
        before=quality(metric.baseline.value, is_binary=is_rate),
        after=quality(metric.candidate.value, is_binary=is_rate),
        difference=_difference(metric.difference, is_rate=is_rate),
        wins=metric.wins,
        losses=metric.losses,
        ties=metric.ties,
        chance=p_value(chance(metric)),
        is_clear=_is_clear(metric),
        is_same_scorer=metric.is_same_scorer,
        is_binary=is_rate,
    )


def _difference(estimate: Estimate, *, is_rate: bool) -> str:
    """A difference in percentage points or as a number, with its interval."""
    if is_rate:
        bounds = [f"{100 * bound:+.0f}" for bound in (estimate.low, estimate.high) if bound is not None]
        value = f"{100 * estimate.value:+.0f}"
    else:
        bounds = [number(bound) for bound in (estimate.low, estimate.high) if bound is not None]
        value = ("+" if estimate.value > 0 else "") + number(estimate.value)
    interval = f" ({' to '.join(bounds)})" if bounds else ""
    return f"{value}{interval}".replace("-", "\N{MINUS SIGN}")


def _worse(metrics: Sequence[PairedMetric]) -> list[str]:
    """The rows of which any pass rate got worse, those of the leading metric first."""
    rates = [metric for metric in metrics if metric.kind == "pass_rate" and metric.is_same_scorer]
    return list(dict.fromkeys(change.row_digest for metric in rates for change in metric.regressions))


def _worse_row(
    digest: str, metrics: Sequence[PairedMetric], compared: Comparison, content: Content | None, budget: TextBudget
) -> WorseRow:
    inputs = content.inputs if content else None
    outputs = [
        [budget.fields(output) for output in (content.outputs.get(run.run_id, []) if content else [])]
        for run in (compared.baseline, compared.candidate)
    ]
    return WorseRow(title(inputs), list(_moves(digest, metrics)), budget.fields(inputs), *outputs)


def _moves(digest: str, metrics: Sequence[PairedMetric]) -> Iterator[str]:
    for metric in metrics:
        if metric.kind != "pass_rate" or not metric.is_same_scorer:
            continue
        for change in metric.regressions:
            if change.row_digest == digest:
                yield f"{name(metric.metric.label)}: {_passes(change.baseline)} → {_passes(change.candidate)}"


def _passes(share: float) -> str:
    return {0.0: "failed", 1.0: "passed"}.get(share, percent(share))


def _readable(text: str, before: ReportedRun, after: ReportedRun) -> str:
    """A warning with the names of the runs instead of their ids."""
    for run in (before, after):
        text = text.replace(run.run_id, f"“{run.run_name}”")
    return text
