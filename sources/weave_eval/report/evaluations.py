"""The runs of each evaluation: which metric leads, who is ahead, how it went over time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..judging.precision import is_same
from .facts import EvaluationKey, Facts, ReportedRun, Score

MOST_EVALUATIONS = 12


@dataclass(frozen=True)
class ReportedMetric:
    """A metric of an evaluation. `is_binary` says that all its values in all runs are true or false."""

    label: str
    scorer_name: str
    is_binary: bool


@dataclass(frozen=True)
class Entry:
    """A place on the leaderboard: the latest full run of a model's version.

    `is_on_frontier` says that no other entry is at least as good, as cheap and as fast, and better in one of these;
    None where cost or latency are not known.
    """

    rank: int
    run: ReportedRun
    score: Score
    is_on_frontier: bool | None


@dataclass(frozen=True)
class Evaluation:
    """An evaluation with its runs in the order of their start; the metric that leads comes first."""

    key: EvaluationKey
    runs: list[ReportedRun]
    metrics: list[ReportedMetric]
    entries: list[Entry]

    @property
    def full_runs(self) -> list[ReportedRun]:
        """The runs that completed over all inputs of the evaluation."""
        return [run for run in self.runs if run.is_full]

    @property
    def lead(self) -> ReportedMetric | None:
        """The metric that leads, None where no score is a number or true or false."""
        return self.metrics[0] if self.metrics else None

    @property
    def is_anyone_beaten(self) -> bool:
        """Whether the frontier says anything: some entry is not on it."""
        return any(entry.is_on_frontier is False for entry in self.entries)


def evaluations(facts: Facts, metric: str | None = None) -> list[Evaluation]:
    """The evaluations, those with the newest runs first. `metric` leads where an evaluation has it."""
    runs: dict[EvaluationKey, list[ReportedRun]] = defaultdict(list)
    for run in facts.runs:
        runs[run.evaluation].append(run)
    newest_first = sorted(runs, key=lambda key: (runs[key][-1].started_at, key), reverse=True)
    return [_evaluation(key, runs[key], facts, metric) for key in newest_first]


def _evaluation(key: EvaluationKey, runs: list[ReportedRun], facts: Facts, lead: str | None) -> Evaluation:
    completed = [run for run in runs if run.status == "completed"]
    metrics = ordered_metrics((facts.scores.get(run.run_id, {}) for run in completed), lead)
    entries = leaderboard(runs, facts, metrics[0].label) if metrics else []
    return Evaluation(key, runs, metrics, entries)


def ordered_metrics(scores: Iterable[dict[str, Score]], lead: str | None) -> list[ReportedMetric]:
    """The metrics: the one that was asked for, then pass rates, then numbers, those of the most runs first."""
    found: dict[str, list[Score]] = defaultdict(list)
    for of_run in scores:
        for label, score in of_run.items():
            found[label].append(score)
    metrics = [
        ReportedMetric(label, all_[0].scorer_name, all(s.is_binary for s in all_)) for label, all_ in found.items()
    ]
    return sorted(metrics, key=lambda m: (m.label != lead, not m.is_binary, -len(found[m.label]), m.label))


def leaderboard(runs: Sequence[ReportedRun], facts: Facts, metric: str) -> list[Entry]:
    """The latest full run of each model's version, best first, within the version of the evaluation run last."""
    scored = [run for run in runs if _is_ranked(run) and metric in facts.scores.get(run.run_id, {})]
    if not scored:
        return []
    latest = {run.model_id: run for run in scored if run.evaluation_id == scored[-1].evaluation_id}
    values = {run.run_id: facts.scores[run.run_id][metric] for run in latest.values()}
    best_first = sorted(latest.values(), key=lambda run: (-values[run.run_id].value, run.model))
    ranks = ranked([values[run.run_id].value for run in best_first])
    return [
        Entry(
            rank=rank,
            run=run,
            score=values[run.run_id],
            is_on_frontier=_is_on_frontier(run, best_first, values),
        )
        for rank, run in zip(ranks, best_first, strict=True)
    ]


def ranked(values: Sequence[float]) -> list[int]:
    """The ranks of values, the largest first; values that only rounding tells apart share one."""
    ranks: list[int] = []
    for place, value in enumerate(values, 1):
        shares = place > 1 and is_same(values[place - 2], value)
        ranks.append(ranks[-1] if shares else place)
    return ranks


def _is_ranked(run: ReportedRun) -> bool:
    return run.is_full and run.is_reconciled is not False and not run.has_mostly_failed


def _is_on_frontier(run: ReportedRun, others: Sequence[ReportedRun], values: dict[str, Score]) -> bool | None:
    own = _merits(run, values)
    if own is None:
        return None
    rivals = [merits for other in others if other is not run and (merits := _merits(other, values))]
    return not any(_dominates(rival, own) for rival in rivals)


def _dominates(rival: Sequence[float], own: Sequence[float]) -> bool:
    """Whether nothing is worse, and something is better by more than rounding."""
    pairs = list(zip(rival, own, strict=True))
    return all(a > b or is_same(a, b) for a, b in pairs) and not all(is_same(a, b) for a, b in pairs)


def _merits(run: ReportedRun, values: dict[str, Score]) -> tuple[float, float, float] | None:
    """Quality, cheapness and speed: more is better in all three."""
    if run.cost_per_trial is None or run.latency_p50 is None:
        return None
    return values[run.run_id].value, -float(run.cost_per_trial), -float(run.latency_p50)


def leading_models(runs: Iterable[ReportedRun], most: int) -> list[str]:
    """The names of the models with the most runs, in the order of their names."""
    counts = Counter(run.model_name for run in runs)
    return sorted(sorted(counts, key=lambda name: (-counts[name], name))[:most])
